"""guac-recorder against a folder: what it stores, what it survives, what it refuses."""
import base64
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import unittest

import house
import test_record_kit as kit


class Recording(kit.TestCase):
    def test_a_session_from_its_first_frame_to_its_seal(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        for n in range(50):
            s.data(kit.frame(n))
        s.keyframe(b"4.size,1.0,3.640,3.480;4.sync,2.49;")
        for n in range(50, 80):
            s.data(kit.frame(n))
            s.text(f"line {n}\n")
        s.send(kit.EVENT, json.dumps({"event": "joined", "user": 2}))
        s.end()
        s.wait_acked()
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.stream(), s.stream())
        lines = r.lines()
        self.assertEqual([x["s"] for x in lines if x["k"] == "out"],
                         [f"line {n}\n" for n in range(50, 80)])
        self.assertEqual([x["event"] for x in lines if x["k"] == "event"], ["joined", "ended"])
        seal = r.seal()
        self.assertEqual(seal["state"], "closed")
        self.assertEqual(seal["reason"], "the shell ended")
        self.assertEqual(seal["sequence"], len(s.frames))
        self.assertEqual(seal["frames"], len(s.frames))
        self.assertEqual(seal["chains"]["data"]["raw"], len(s.stream()))
        self.assertEqual(seal["chains"]["keyframe"]["count"], 1)
        # The keyframe stands where the data stream stood, before the chunk to feed next.
        key = r.names(".key.zst")[0].split(".")
        data = [n.split(".") for n in r.names(".guac.zst")]
        self.assertIn([key[0], key[2]], [[d[0], d[2]] for d in data])
        self.assertEqual(recorder.spooled_files(), [])
        for name in r.names():
            self.assertEqual(os.stat(os.path.join(r.path, name)).st_mode & 0o777, 0o440)
        with open(os.path.join(r.path, ".retain")) as f:
            self.assertEqual(json.load(f)["retainUntil"], s.new["retainUntil"])

    def test_public_tools_agree(self):
        """sha256sum, openssl, jq, base64 and zstd find what we say, with no code of ours."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        for n in range(5):
            s.data(kit.frame(n))
            s.wait_acked()
        s.end()
        r = self.wait_sealed(recorder, s)
        script = r"""
            set -eu
            cd "$1"
            for f in open seal; do
                jq -r .payload $f.dsse.json | base64 -d >"$2/payload"
                { printf 'DSSEv1 28 application/vnd.in-toto+json %s ' $(stat -c %s "$2/payload")
                  cat "$2/payload"; } >"$2/pae"
                jq -r '.signatures[0].sig' $f.dsse.json | base64 -d >"$2/sig"
                openssl pkeyutl -verify -pubin -inkey "$3" -rawin -in "$2/pae" -sigfile "$2/sig"
                cp "$2/payload" "$2/$f"
            done
            jq -r .predicate.key.publicKey "$2/open" | base64 -d >"$2/raw"
            { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cat "$2/raw"; } |
                openssl pkey -pubin -inform DER -out "$2/session.pem"
            test "$(openssl pkey -pubin -in "$2/session.pem" -outform DER | sha256sum | cut -d' ' -f1)" \
                = "$(jq -r .predicate.key.keyid "$2/open")"
            prev=$(sha256sum open.dsse.json | cut -d' ' -f1)
            test "$prev" = "$(jq -r .predicate.open.sha256 "$2/seal")"
            for c in *.guac.zst; do
                size=$(od -An -tu4 -j4 -N4 "$c" | tr -d ' ')
                dd if="$c" bs=1 skip=8 count="$size" status=none >"$2/lines"
                sed -n 1p "$2/lines" >"$2/line1"
                sed -n 2p "$2/lines" | base64 -d >"$2/sig"
                { echo guac-chunk-v1; cat "$2/line1"; } >"$2/tbs"
                openssl pkeyutl -verify -pubin -inkey "$2/session.pem" -rawin -in "$2/tbs" \
                    -sigfile "$2/sig"
                test "$(jq -r .prev "$2/line1")" = "$prev"
                test "$(tail -c +$((9 + size)) "$c" | sha256sum | cut -d' ' -f1)" \
                    = "$(jq -r .sha256 "$2/line1")"
                prev=$(sha256sum "$2/line1" | cut -d' ' -f1)
            done
            test "$prev" = "$(jq -r .predicate.chains.data.head "$2/seal")"
            test "$(sha256sum chunks.jsonl.zst | cut -d' ' -f1)" \
                = "$(jq -r .predicate.list.sha256 "$2/seal")"
            zstd -dcq chunks.jsonl.zst | jq -r '"\(.sha256)  \(.name)"' | sha256sum -c --quiet
            cat *.guac.zst | zstd -dcq >"$2/stream"
        """
        work = os.path.join(self.folder, "work")
        os.mkdir(work)
        done = subprocess.run(["sh", "-c", script, "sh", r.path, work, self.key.public],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(work, "stream"), "rb") as f:
            self.assertEqual(f.read(), s.stream())
        # RFC 6962 over the lines of the list, in Python.
        lines = subprocess.run(["zstd", "-dcq", os.path.join(r.path, "chunks.jsonl.zst")],
                               capture_output=True, check=True).stdout.splitlines()

        def root(leaves):
            if len(leaves) == 1:
                return hashlib.sha256(b"\0" + leaves[0]).digest()
            k = 1
            while k * 2 < len(leaves):
                k *= 2
            return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()
        self.assertEqual(root(lines).hex(), r.seal()["root"])
        self.assertEqual(lines, sorted(lines, key=lambda x: json.loads(x)["name"]))

    def test_many_at_once(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        sessions = [authd.open() for _ in range(20)]
        for n in range(30):
            for s in sessions:
                s.data(kit.frame(n, 3000))
        for s in sessions:
            s.end()
        for s in sessions:
            r = self.wait_sealed(recorder, s, 30)
            self.assertEqual(r.stream(), s.stream())
        self.assertEqual(authd.metric("guacamole_recording_sealed_total"), 20)
        self.assertEqual(authd.metric("guacamole_recording_sessions"), 0)
        self.assertGreaterEqual(authd.metric("guacamole_recording_bytes_total"),
                                sum(len(s.stream()) for s in sessions))

    def test_acknowledged_within_the_limits(self):
        """Data within 2.5 s, text within 3.5 s of being shown: below the soft limit of 5 s."""
        recorder = self.recorder()
        s = self.authd(recorder).open()
        for n in range(40):
            s.data(kit.frame(n))
            if n % 4 == 0:
                s.text("x")
            time.sleep(0.1)
        s.wait_acked()
        late = max(s.acked_at[n] - s.sent_at[n] for n in s.acked_at)
        self.assertLess(late, 3.5 * house.PATIENCE)
        s.end()
        self.wait_sealed(recorder, s)

    def test_idle_writes_nothing(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(kit.frame(1))
        s.wait_acked()
        time.sleep(0.5)
        names = self.recording(recorder, s).names()
        before, spool = recorder.cpu(), recorder.spooled_files()
        time.sleep(6)
        self.assertEqual(self.recording(recorder, s).names(), names)
        self.assertEqual(recorder.spooled_files(), spool)
        self.assertLess(recorder.cpu() - before, 0.05 * house.PATIENCE)
        s.end()
        self.wait_sealed(recorder, s)

    def test_a_large_frame_and_odd_ones(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(b"x" * (16 << 20))
        s.data(b"")
        s.data(b"\0\xff\n")
        s.keyframe(b"k" * (4 << 20))
        s.keyframe(b"k2", 1)
        s.keyframe(b"k3", 1)  # nothing between them
        s.send(kit.TEXT, b"no newline")
        s.send(kit.TEXT, b"")
        s.send(kit.EVENT, b"\xffno json \0")
        s.end()
        r = self.wait_sealed(recorder, s, 30)
        self.assertEqual(r.stream(), s.stream())
        self.assertEqual(len(r.names(".key.zst")), 3)
        self.assertEqual(r.seal()["frames"], len(s.frames))
        verified = subprocess.run([house.program("guac-evidence"), "verify", "--key",
                                   self.key.public, r.path], capture_output=True, text=True,
                                  check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout)


class Ends(kit.TestCase):
    def test_the_session_process_dies(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        for n in range(10):
            s.data(kit.frame(n))
        s.wait_spooled()
        began = time.monotonic()
        s.die()
        r = self.wait_sealed(recorder, s)
        self.assertLess(time.monotonic() - began, 3 * house.PATIENCE)
        self.assertEqual(r.seal()["state"], "interrupted")
        self.assertEqual(r.stream(), s.stream())

    def test_the_session_never_begins(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        new = authd.new()
        s = authd.open(new)
        authd.call(op="drop", id=s.id)
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.seal()["state"], "refused")
        self.assertEqual(r.names(), ["chunks.jsonl.zst", "open.dsse.json", "seal.dsse.json"])

    def test_the_target_refuses(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.end(519, "no route to the target")
        r = self.wait_sealed(recorder, s)
        self.assertEqual([r.seal()[k] for k in ("state", "status", "reason")],
                         ["refused", 519, "no route to the target"])

    def test_it_ends_badly_after_it_was_shown(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(kit.frame(1))
        s.end(517, "the server ended the connection")
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.seal()["state"], "closed")
        self.assertEqual(r.seal()["status"], 517)

    def test_a_tap_that_breaks_the_rules(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        for bad in (b"\xff" * 24, kit.HEADER.pack(5, kit.ACK, 3, 0), kit.HEADER.pack(0, kit.DATA, 9, 0),
                    kit.HEADER.pack(0xffffffff, kit.DATA, 3, 0), kit.HEADER.pack(1, kit.DATA, 0, 0)):
            s = authd.open()
            s.data(kit.frame(1))
            s.data(kit.frame(2))
            s.wait_spooled()
            s.tap.sendall(bad)
            s.wait_cut()
            r = self.wait_sealed(recorder, s)
            self.assertEqual(r.seal()["state"], "interrupted")
            self.assertEqual(r.stream(), s.stream())
        self.assertTrue(recorder.running())

    def test_authd_comes_back_for_the_seal(self):
        recorder = self.recorder()
        first = self.authd(recorder, seal=False)
        s = first.open()
        s.data(kit.frame(1))
        s.end()
        first.wait_ended(s.id)
        first.close()
        self.assertFalse(self.recording(recorder, s).sealed())
        spooled = recorder.spooled_files()
        self.assertIn(s.id + ".json", spooled)
        with open(os.path.join(recorder.spool, s.id + ".json")) as f:
            self.assertIsNone(json.load(f)["key"], "the session's key is still there")
        self.authd(recorder)
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.seal()["state"], "closed")

    def test_a_seal_that_says_something_else(self):
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        other = kit.Key(self.folder, "other")
        s = authd.open()
        s.data(kit.frame(1))
        s.end()
        message = authd.wait_ended(s.id)
        forged = authd.seal_envelope(message)
        forged["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
        for envelope in ({}, forged, authd.seal_envelope(message, state="refused"),
                         authd.seal_envelope(message, frames=1),
                         other.envelope(json.loads(base64.b64decode(
                             authd.seal_envelope(message)["payload"])))):
            with self.assertRaises(kit.Refused):
                authd.call(op="seal", id=s.id, envelope=envelope)
        self.assertFalse(self.recording(recorder, s).sealed())
        authd.call(op="seal", id=s.id, envelope=authd.seal_envelope(message))
        self.wait_sealed(recorder, s)


class Refusals(kit.TestCase):
    def test_malformed_requests(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        good = authd.new()
        def changed(**change):
            start = int(time.time() * 1000)
            session = kit.uuid7(start)
            return authd.call(**{"op": "new", "id": session, "start": start,
                                 "prefix": f"recordings/a/b/2026/11/21/{session}", "keys": "off",
                                 "retainUntil": start + 1, **change})
        changed()
        for change in ({"id": "x"}, {"prefix": "recordings/a/b/2026/11/21/" + kit.uuid7()},
                       {"prefix": "../../../../etc/2026/11/21/x"}, {"start": 0},
                       {"retainUntil": 1}, {"keys": "some"}, {"id": None}, {"prefix": 7}):
            with self.assertRaises(kit.Refused) as e:
                changed(**change)
            self.assertEqual(e.exception.status, 0x300, change)
        with self.assertRaises(kit.Refused):  # twice the same id
            authd.call(op="new", **{k: good[k] for k in ("id", "prefix", "start", "retainUntil",
                                                         "keys")})
        for message in ({"op": "nonsense"}, {}, {"op": 7}, {"op": "open"}, {"op": "drop"},
                        {"op": "seal", "id": good["id"]}, {"op": "open", "id": good["id"]},
                        {"op": "open", "id": good["id"], "envelope": "x"}):
            with self.assertRaises(kit.Refused):
                authd.call(**message)
        # Not JSON, or no object: the connection ends, the recorder does not.
        for junk in (b"{", b"[]x", b"\xff\xfe", b"7"):
            raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            raw.connect(recorder.socket)
            raw.send(junk)
            raw.settimeout(2 * house.PATIENCE)
            try:
                raw.recv(1000)
            except TimeoutError:
                pass
            raw.close()
        self.assertEqual(authd.status()["store"], "ok")

    def test_open_records_of_others(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        other = kit.Key(self.folder, "other")
        new = authd.new()
        good = authd.open_statement(new)

        def refused(statement, key=self.key):
            with self.assertRaises(kit.Refused):
                authd.call(op="open", id=new["id"], envelope=key.envelope(statement))
        for name, value in (("session", kit.uuid7()), ("start", 5), ("retainUntil", 7 << 40),
                            ("prefix", new["prefix"].replace("legacy", "other"))):
            refused(authd.open_statement(new, **{name: value}))
        refused(authd.open_statement(dict(new, publicKey=self.key.base64, keyid=self.key.id)))
        refused(good, other)  # signed by another key than it names
        self.assertFalse(glob.glob(recorder.store_folder + "/**/open.dsse.json", recursive=True))
        self.assertEqual(recorder.spooled_files(), [])
        s = authd.open(new)
        with self.assertRaises(kit.Refused):  # a second time
            authd.call(op="open", id=new["id"], envelope=self.key.envelope(good))
        s.end()
        self.wait_sealed(recorder, s)

    def test_no_open_record_no_session(self):
        """The store cannot be written: a clear sentence, nothing half done, and it recovers."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        warm = authd.open()
        warm.end()
        self.wait_sealed(recorder, warm)
        new = authd.new()
        away = recorder.store_folder + ".away"
        os.rename(recorder.store_folder, away)  # the recorder holds it by its descriptor
        os.rename(os.path.join(away, "recordings"), os.path.join(away, "kept"))
        blocked = [os.path.join(away, n) for n in ("recordings", "_check")]
        for path in blocked:
            with open(path, "w"):
                pass  # a file where a folder must be
        with self.assertRaises(kit.Refused) as e:
            authd.open(new)
        self.assertIn("could not be stored", str(e.exception))
        house.wait(lambda: authd.status()["store"] != "ok", 5 * house.PATIENCE, "not noticed")
        with self.assertRaises(kit.Refused) as e:
            authd.new()
        self.assertIn("cannot be stored now", str(e.exception))
        self.assertEqual(authd.metric("guacamole_recording_store_up"), 0)
        for path in blocked:
            os.unlink(path)
        os.rename(os.path.join(away, "kept"), os.path.join(away, "recordings"))
        os.rename(away, recorder.store_folder)
        house.wait(lambda: authd.status()["store"] == "ok", 15 * house.PATIENCE, "not back")
        # In doubt until it is stored; then sealed, since a record without an end proves nothing.
        path = os.path.join(recorder.store_folder, new["prefix"], "seal.dsse.json")
        house.wait(lambda: os.path.exists(path), 20 * house.PATIENCE, "the doubtful one has no seal")
        self.assertEqual(kit.Folder(os.path.dirname(path)).seal()["state"], "refused")

    def test_one_poisoned_name_harms_nobody_else(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        new = authd.new(namespace="blocked")
        os.makedirs(os.path.join(recorder.store_folder, "recordings"))
        with open(os.path.join(recorder.store_folder, "recordings/blocked"), "w"):
            pass
        with self.assertRaises(kit.Refused):
            authd.open(new)
        for _ in range(3):
            s = authd.open()
            s.end()
            self.wait_sealed(recorder, s)
            time.sleep(1)

    def test_the_gateway_is_gone_before_its_answer(self):
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        new = authd.new()
        authd.send(op="open", rid=99, id=new["id"],
                   envelope=self.key.envelope(authd.open_statement(new)))
        authd.close()
        self.authd(recorder)
        path = os.path.join(recorder.store_folder, new["prefix"], "seal.dsse.json")
        house.wait(lambda: os.path.exists(path), 15 * house.PATIENCE, "not sealed")

    def test_start_is_refused(self):
        def refusal(*options, **named):
            r = kit.Recorder(self.folder, *options, wait=False, **named)
            r.popen.wait(10 * house.PATIENCE)
            self.assertEqual(r.popen.returncode, 1)
            return r.text()
        self.assertIn("store", refusal(store=["--store", "nowhere"]))
        self.assertIn("buckets", refusal("--buckets", "X"))
        secret = os.path.join(self.folder, "secret")
        os.chmod(secret, 0o644)
        self.assertIn("secret", refusal())
        os.chmod(secret, 0o600)
        with open(secret, "w") as f:
            f.write("short")
        self.assertIn("shorter", refusal())
        os.unlink(secret)

    def test_only_trusted_users_may_connect(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        recorder = self.recorder()
        os.chmod(self.folder, 0o755)
        os.chmod(recorder.run, 0o755)
        os.chmod(recorder.socket, 0o666)
        done = subprocess.run(
            ["setpriv", "--reuid", "65534", "--clear-groups", "python3", "-c",
             "import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n"
             "s.connect(sys.argv[1])\ns.settimeout(5)\n"
             "try:\n s.send(b'{\"op\":\"status\"}'); print(s.recv(100000))\n"
             "except OSError as e: print('cut', e)", recorder.socket],
            capture_output=True, text=True, check=False)
        self.assertTrue(done.stdout.startswith(("cut", "b''")), done.stdout + done.stderr)
        self.assertIn("not trusted", recorder.text())


class Restarts(kit.TestCase):
    def restart(self, recorder, *options):
        recorder.kill()
        again = self.start(kit.Recorder, *options)
        return again

    def test_killed_and_resumed(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        for n in range(200):
            s.data(kit.frame(n, 2000))
            if n % 20 == 0:
                s.text(f"t{n}")
                s.keyframe(b"4.sync,%d.%d;" % (len(str(n)), n))
            if n in (50, 120, 121, 170):
                recorder = self.restart(recorder)
                self.authd(recorder)
            time.sleep(0.005)
        s.end()
        s.wait_acked(timeout=30)
        r = self.wait_sealed(recorder, s, 30)
        self.assertEqual(r.stream(), s.stream())
        self.assertEqual(r.seal()["state"], "closed")
        self.assertEqual(r.seal()["frames"], len(s.frames))
        self.assertGreaterEqual(s.resumed, 3)
        self.verify(r)

    def verify(self, r):
        done = subprocess.run([house.program("guac-evidence"), "verify", "--key", self.key.public,
                               r.path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_killed_at_random(self):
        """Many sessions, a kill every now and then, whatever stage each is in."""
        chance = random.Random(4711)
        recorder = self.recorder()
        authd = self.authd(recorder)
        sessions = [authd.open() for _ in range(6)]
        live, count = list(sessions), 0
        until = time.monotonic() + (12 if not house.SANITIZED else 20)
        next_kill = time.monotonic() + 0.5
        while time.monotonic() < until:
            for s in live:
                for _ in range(chance.randrange(4)):
                    count += 1
                    s.data(kit.frame(count, chance.randrange(30000)))
                if chance.random() < 0.1:
                    s.text(f"{count}")
                if chance.random() < 0.02:
                    s.keyframe(kit.frame(count))
            if live and chance.random() < 0.02:
                live.pop().end()
            if time.monotonic() > next_kill:
                recorder = self.restart(recorder)
                authd = self.authd(recorder)
                next_kill = time.monotonic() + chance.random() * 1.5
                if chance.random() < 0.5:
                    s = authd.open()
                    sessions.append(s)
                    live.append(s)
            time.sleep(0.02)
        for s in live:
            s.end()
        for s in sessions:
            r = self.wait_sealed(recorder, s, 60)
            self.assertEqual(r.stream(), s.stream())
            self.assertEqual(r.seal()["frames"], len(s.frames))
            self.verify(r)
        house.wait(lambda: recorder.spooled_files() == [], 10 * house.PATIENCE, "the spool is not empty")

    def test_sessions_that_died_meanwhile(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        shown, silent = authd.open(), authd.open()
        for n in range(20):
            shown.data(kit.frame(n))
        shown.wait_spooled()
        recorder.kill()
        shown.die()
        silent.die()
        os.unlink(silent.path)
        recorder = self.recorder()
        self.authd(recorder)
        r = self.wait_sealed(recorder, shown)
        self.assertEqual(r.seal()["state"], "interrupted")
        self.assertEqual(r.stream(), shown.stream())
        self.verify(r)
        # This one had shown nothing: it may not have bound its socket yet, so it is waited for.
        r = self.wait_sealed(recorder, silent, 40)
        self.assertEqual(r.seal()["state"], "refused")

    def test_stopped_politely(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        for n in range(30):
            s.data(kit.frame(n))
        s.wait_spooled()
        recorder.stop()
        again = self.recorder()
        self.authd(again)
        for n in range(30, 60):
            s.data(kit.frame(n))
        s.end()
        r = self.wait_sealed(again, s)
        self.assertEqual(r.stream(), s.stream())
        self.verify(r)

    def test_killed_between_its_end_and_its_seal(self):
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        s = authd.open()
        s.data(kit.frame(1))
        s.end()
        first = authd.wait_ended(s.id)
        recorder.kill()
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        second = authd.wait_ended(s.id)
        self.assertEqual(first["predicate"], second["predicate"])
        authd.answer_seal(second)
        self.verify(self.wait_sealed(recorder, s))

    def test_a_torn_spool(self):
        """What a crash left half written is cut off; the rest is stored."""
        recorder = self.recorder("--put-timeout", "60000")
        s = self.authd(recorder).open()
        s.data(kit.frame(1))
        s.wait_acked()
        for n in range(2, 12):
            s.data(kit.frame(n))
        s.wait_spooled()
        recorder.kill()
        s.die()
        log = sorted(glob.glob(f"{recorder.spool}/{s.id}.*.log"))[-1]
        with open(log, "ab") as f:
            f.write(s.frames[3][:100] + os.urandom(50))
        listing = f"{recorder.spool}/{s.id}.list"
        with open(listing, "ab") as f:
            f.write(b'{"frames":1,"he')
        recorder = self.recorder()
        self.authd(recorder)
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.stream(), s.stream())
        self.verify(r)

    def test_another_secret(self):
        """A spool that cannot be read harms no other session, and is kept."""
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(kit.frame(1))
        s.wait_acked()
        recorder.kill()
        with open(os.path.join(self.folder, "secret"), "w") as f:
            f.write("another secret, long enough")
        recorder = self.recorder()
        self.assertIn("another secret-file?", recorder.text())
        self.assertIn(s.id + ".json", recorder.spooled_files())
        other = self.authd(recorder).open()
        other.end()
        self.wait_sealed(recorder, other)


class Spool(kit.TestCase):
    """A spool on a file system of its own, small enough to be full."""

    def setUp(self):
        super().setUp()
        self.mount = os.path.join(self.folder, "spool")
        os.mkdir(self.mount)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", self.mount],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest("cannot mount a small file system: " + done.stderr.strip())

    def _clean_up(self):
        subprocess.run(["umount", "-l", self.mount], capture_output=True, check=False)
        super()._clean_up()

    def test_full(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        s.data(kit.frame(0))
        s.wait_acked()
        ballast = os.open(os.path.join(self.mount, "ballast"), os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(ballast, b"x" * 4096)
        except OSError:
            os.close(ballast)
        sent = s.data(kit.frame(1, 20000))
        for n in range(2, 50):
            s.data(kit.frame(n, 20000))
        house.wait(lambda: "cannot be written" in recorder.text(), 10 * house.PATIENCE, "unnoticed")
        time.sleep(1)
        self.assertLess(s.spooled, len(s.frames))
        acked = s.acked
        self.assertLess(acked, sent + 1)
        with self.assertRaises(kit.Refused) as e:  # fails closed for new ones, too
            authd.open()
        self.assertIn("spool", str(e.exception))
        os.unlink(os.path.join(self.mount, "ballast"))
        s.wait_acked(timeout=20)
        s.end()
        r = self.wait_sealed(recorder, s, 20)
        self.assertEqual(r.stream(), s.stream())
        self.assertGreater(authd.metric("guacamole_recording_spool_failures_total"), 0)

    def test_frames_larger_than_the_spool(self):
        """It never fits: nothing is acknowledged, the session ends by its own limit."""
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(kit.frame(0))
        s.wait_acked()
        s.data(b"y" * (4 << 20))
        time.sleep(2)
        self.assertEqual(s.acked, 1)
        self.assertTrue(recorder.running())


class Sandbox(kit.TestCase):
    def test_what_it_may_touch(self):
        """The secret and the rest of the machine are closed once it runs."""
        recorder = self.recorder()
        with open(f"/proc/{recorder.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        if not house.SANITIZED:
            self.assertEqual(status["Seccomp"], "2")


if __name__ == "__main__":
    unittest.main()
