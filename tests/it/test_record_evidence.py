"""guac-evidence: the commands on a whole recording, and serve, which others ask for replay."""
import json
import os
import signal
import socket
import subprocess
import time
import unittest

import house
import test_record_kit as kit


class Serve(house.Process):
    def __init__(self, folder, *options):
        self.run = os.path.join(folder, "run")
        self.store = os.path.join(folder, "store")
        os.makedirs(self.run, exist_ok=True)
        self.socket = os.path.join(self.run, "evidence.sock")
        super().__init__([house.program("guac-evidence"), "serve", "--run", self.run,
                          *(options or ["--store", "folder:" + self.store])],
                         os.path.join(folder, f"evidence-{next(house.NUMBERS)}.log"))
        house.wait(lambda: "ready;" in self.text() or not self.running(), 10 * house.PATIENCE,
                   "serve is not ready")
        assert self.running(), self.text()

    def connect(self):
        return Reader(self)


class Reader:
    def __init__(self, serve):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(serve.socket)
        self.sock.settimeout(20 * house.PATIENCE)

    def call(self, **message):
        self.sock.send(json.dumps(message).encode())
        data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 4)
        assert data, "serve hung up"
        answer = json.loads(data)
        body = None
        for fd in fds:
            with os.fdopen(fd, "rb") as f:
                body = f.read()
        if not answer["ok"]:
            raise kit.Refused(answer)
        return answer, body

    def list(self, **message):
        answer, body = self.call(op="list", **message)
        return json.loads(body) if body else answer


class EvidenceCase(kit.TestCase):
    def record(self, authd, count=20, end=True, **named):
        s = authd.open(authd.new(**named))
        for n in range(count):
            s.data(kit.frame(n))
        s.keyframe(kit.frame(count))
        s.text("hello\n")
        if end:
            s.end()
        s.wait_acked()
        return s

    def evidence(self, *args, status=0):
        done = subprocess.run([house.program("guac-evidence"), *args], capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, status, (done.stdout[-2000:], done.stderr[-2000:]))
        return done.stdout


class Served(EvidenceCase):
    def setUp(self):
        super().setUp()
        self.rec = self.recorder()
        self.auth = self.authd(self.rec)

    def test_list_show_object(self):
        ended = self.record(self.auth)
        live = self.record(self.auth, end=False, connection="other")
        r = self.wait_sealed(self.rec, ended)
        serve = self.start(Serve)
        reader = serve.connect()
        listed = reader.list()["recordings"]
        self.assertEqual([x["id"] for x in listed], [live.id, ended.id])
        self.assertEqual([x["state"] for x in listed], ["live", "closed"])
        self.assertEqual(listed[1]["person"], {"sub": "u-olga", "name": "Olga"})
        self.assertEqual(listed[1]["prefix"], ended.prefix)
        self.assertEqual(listed[1]["reason"], "the shell ended")
        self.assertIsNone(listed[0]["ended"])
        shown = json.loads(reader.call(op="show", id=ended.id)[1])
        self.assertEqual(shown["open"], r.payload("open.dsse.json"))
        self.assertEqual(shown["seal"], r.payload("seal.dsse.json"))
        names = [x["name"] for k in ("chunks", "keyframes", "texts") for x in shown[k]]
        self.assertEqual(sorted(names), [n for n in r.names(".zst") if n != "chunks.jsonl.zst"])
        for x in shown["chunks"]:
            answer, body = reader.call(op="object", id=ended.id, name=x["name"])
            self.assertEqual(answer["size"], x["size"])
            self.assertEqual(body, r.read(x["name"]))
        for name in ("open.dsse.json", "seal.dsse.json", "chunks.jsonl.zst"):
            self.assertEqual(reader.call(op="object", id=ended.id, name=name)[1], r.read(name))
        # A live one is seen as far as it is stored, and on.
        before = json.loads(reader.call(op="show", id=live.id)[1])
        self.assertEqual(before["state"], "live")
        self.assertIsNone(before["seal"])
        live.data(kit.frame(99))
        live.wait_acked()
        after = json.loads(reader.call(op="show", id=live.id)[1])
        self.assertEqual(len(after["chunks"]), len(before["chunks"]) + 1)
        self.assertGreater(after["durationMs"], before["durationMs"])
        live.end()
        self.wait_sealed(self.rec, live)
        self.assertEqual(reader.list(filter={"state": "closed"})["recordings"][0]["id"], live.id)

    def test_filters_and_pages(self):
        sessions = []
        for n in range(12):
            sessions.append(self.record(self.auth, 1, connection=f"c-{n % 3}"))
        for s in sessions:
            self.wait_sealed(self.rec, s)
        reader = self.start(Serve).connect()
        ids = [s.id for s in reversed(sorted(sessions, key=lambda s: s.id))]
        seen, after = [], ""
        for _ in range(10):
            page = reader.list(limit=5, after=after)
            seen += [x["id"] for x in page["recordings"]]
            after = page.get("next")
            if not after:
                break
        self.assertEqual(seen, ids)

        def count(**f):
            return len(reader.list(filter=f)["recordings"])
        self.assertEqual(count(connection="relay/c-1"), 4)
        self.assertEqual(count(connection="c-2"), 4)
        self.assertEqual(count(connection="relay/c-9"), 0)
        self.assertEqual(count(person="olg"), 12)
        self.assertEqual(count(person="u-olga"), 12)
        self.assertEqual(count(person="peter"), 0)
        self.assertEqual(count(protocol="ssh"), 12)
        self.assertEqual(count(protocol="rdp"), 0)
        self.assertEqual(count(state="live"), 0)
        middle = sessions[6].start
        self.assertEqual(count(**{"from": middle}) + count(to=middle - 1), 12)
        self.assertEqual(count(person=None, state=7), 12)  # of another type: no filter

    def test_a_list_larger_than_a_message(self):
        sessions = [self.record(self.auth, 1, connection="c" + "x" * 200) for _ in range(90)]
        for s in sessions:
            self.wait_sealed(self.rec, s, 30)
        reader = self.start(Serve).connect()
        answer, body = reader.call(op="list", limit=500)
        self.assertNotIn("recordings", answer)
        self.assertEqual(len(json.loads(body)["recordings"]), 90)

    def test_hostile_requests(self):
        s = self.record(self.auth)
        self.wait_sealed(self.rec, s)
        serve = self.start(Serve)
        reader = serve.connect()
        with open(os.path.join(self.folder, "secret.txt"), "w") as f:
            f.write("not yours")
        for name in ("../../../../../../../secret.txt", "/etc/passwd", "..", ".", "", ".retain",
                     "open.dsse.json/..", "open.dsse.json\nx", "00000000.0.0.guac.zst/../..", 7,
                     None, "x" * 5000, "open.dsse.json ", "%2e%2e", "\\..\\"):
            with self.assertRaises(kit.Refused) as e:
                reader.call(op="object", id=s.id, name=name)
            self.assertIn(e.exception.status, (0x300, 0x204), name)
        for session in ("../..", "", s.id.upper(), s.id + "/", None, 5, kit.uuid7(), s.id[:-1]):
            for op in ("show", "object"):
                with self.assertRaises(kit.Refused):
                    reader.call(op=op, id=session, name="open.dsse.json")
        for message in ({"op": "delete"}, {}, {"op": "list", "limit": 0},
                        {"op": "list", "limit": 501}, {"op": "list", "after": "../x"},
                        {"op": ["list"]}):
            with self.assertRaises(kit.Refused):
                reader.call(**message)
        # A link planted in the store leads nowhere.
        r = self.recording(self.rec, s)
        os.chmod(r.path, 0o750)
        name = "00000077.1.1.guac.zst"
        os.symlink(os.path.join(self.folder, "secret.txt"), os.path.join(r.path, name))
        with self.assertRaises(kit.Refused):
            reader.call(op="object", id=s.id, name=name)
        self.assertNotIn("not yours", serve.text())
        reader.call(op="list")

    def test_a_peer_that_does_not_read(self):
        sessions = [self.record(self.auth, 1) for _ in range(3)]
        for s in sessions:
            self.wait_sealed(self.rec, s)
        serve = self.start(Serve)
        greedy = serve.connect()
        greedy.sock.setblocking(False)
        for _ in range(5000):
            try:
                greedy.sock.send(json.dumps({"op": "list"}).encode())
            except OSError:
                break
        time.sleep(0.5)
        self.assertEqual(len(serve.connect().list()["recordings"]), 3)
        self.assertLess(len(house.descriptors(serve.pid)), 60)

    def test_many_readers(self):
        s = self.record(self.auth, 200)
        self.wait_sealed(self.rec, s)
        serve = self.start(Serve)
        readers = [serve.connect() for _ in range(30)]
        for _ in range(5):
            for r in readers:
                r.sock.send(json.dumps({"op": "object", "id": s.id, "rid": 7,
                                        "name": "open.dsse.json"}).encode())
            for r in readers:
                data, fds, _, _ = socket.recv_fds(r.sock, 65536, 1)
                self.assertEqual(json.loads(data)["rid"], 7)
                with os.fdopen(fds[0], "rb") as f:
                    self.assertTrue(f.read())
        for r in readers:
            r.sock.close()
        reader = serve.connect()
        reader.list()
        house.wait(lambda: len(house.descriptors(serve.pid)) < 25, 5 * house.PATIENCE, "leaks")

    def test_damaged_recordings_are_shown(self):
        s = self.record(self.auth)
        r = self.wait_sealed(self.rec, s)
        path = os.path.join(r.path, "open.dsse.json")
        os.chmod(path, 0o640)
        with open(path, "r+b") as f:
            f.write(b"X")
        reader = self.start(Serve).connect()
        listed = reader.list()["recordings"]
        self.assertEqual([x["state"] for x in listed], ["unreadable"])
        self.assertTrue(listed[0]["reason"])
        shown = json.loads(reader.call(op="show", id=s.id)[1])
        self.assertIsNone(shown["open"])
        self.assertTrue(shown["chunks"])


class Commands(EvidenceCase):
    def test_on_a_store_and_on_a_copy(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        for n in range(40):
            s.data(kit.frame(n))
        s.text("$ ls \x1b[31mred\x1b[0m\n")
        s.text("whoami", k="key")
        s.end(reason="left")
        r = self.wait_sealed(recorder, s)
        store = ["--store", "folder:" + recorder.store_folder]
        copy = os.path.join(self.folder, "copy")
        subprocess.run(["cp", "-r", r.path, copy], check=True)
        for what in ([s.id, *store], [s.prefix, *store], [copy], [copy + "/"], [r.path]):
            self.assertIn(b"proved", self.evidence("verify", "--key", self.key.public, *what))
            self.evidence("verify", *what, status=3)
            self.assertEqual(self.evidence("cat", *what), s.stream())
        text = self.evidence("transcript", copy).decode()
        self.assertIn("out   $ ls \\x1b[31mred\\x1b[0m", text)
        self.assertIn("key   whoami", text)
        self.assertIn("event ended: left", text)
        self.assertNotIn("\x1b", text)
        lines = [json.loads(x) for x in self.evidence("transcript", copy, "--json").splitlines()]
        self.assertEqual(lines[0]["s"], "$ ls \x1b[31mred\x1b[0m\n")
        self.assertIn(s.prefix.encode(), self.evidence("ls", *store))
        listed = [json.loads(x) for x in self.evidence("ls", "--json", *store).splitlines()]
        self.assertEqual(listed[0]["id"], s.id)
        self.assertEqual(self.evidence("ls", "nothing-like-it", *store), b"")
        # The anchor: another key, a fingerprint, several.
        other = kit.Key(self.folder, "other")
        self.evidence("verify", "--key", other.public, copy, status=1)
        self.evidence("verify", "--key", self.key.id, copy)
        self.evidence("verify", "--key", f"{other.id},{self.key.public}", copy)
        for args in (["verify"], ["verify", "/nowhere"], ["verify", kit.uuid7(), *store],
                     ["verify", "--key", "/nowhere", copy], ["cat"], ["cat", copy, copy],
                     ["transcript", "../.."], ["ls"], ["what"], []):
            self.evidence(*args, status=2)

    def test_one_changed_byte_is_named(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = self.record(authd, 60)
        r = self.wait_sealed(recorder, s)
        for name in r.names():
            path = os.path.join(r.path, name)
            os.chmod(path, 0o640)
            size = os.stat(path).st_size
            for at in {0, 9, size // 3, size // 2, size - 1}:
                with open(path, "r+b") as f:
                    f.seek(at)
                    was = f.read(1)
                    f.seek(at)
                    f.write(bytes([was[0] ^ 4]))
                report = json.loads(self.evidence("verify", "--json", "--key", self.key.public,
                                                  r.path, status=1))
                self.assertIn(name, [x["object"] for x in report["problems"]])
                with open(path, "r+b") as f:
                    f.seek(at)
                    f.write(was)
        self.evidence("verify", "--key", self.key.public, r.path)

    def test_idle_stretches_for_stock_players(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(b"4.size,1.0,3.640,3.480;4.sync,4.1000;")
        s.data(b"4.rect,1.0;4.sync,5.22000;")
        s.end()
        r = self.wait_sealed(recorder, s)
        out = self.evidence("cat", r.path)
        self.assertEqual(out, b"4.size,1.0,3.640,3.480;4.sync,4.1000;4.sync,4.6000,1.1;"
                              b"4.sync,5.11000,1.1;4.sync,5.16000,1.1;4.sync,5.21000,1.1;"
                              b"4.rect,1.0;4.sync,5.22000;")
        self.assertEqual(self.evidence("cat", "--raw", r.path), s.stream())

    def test_output_that_breaks(self):
        recorder = self.recorder()
        s = self.record(self.authd(recorder), 300)
        r = self.wait_sealed(recorder, s)
        with open("/dev/full", "w") as full:
            done = subprocess.run([house.program("guac-evidence"), "cat", r.path], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"standard output", done.stderr)


class Sandbox(EvidenceCase):
    def test_serve_is_closed_in(self):
        serve = self.start(Serve)
        with open(f"/proc/{serve.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        if not house.SANITIZED:
            self.assertEqual(status["Seccomp"], "2")
        serve.connect().list()
        serve.stop(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
