"""What guac-recorder refuses: malformed requests, records of others, a store that takes nothing."""
import glob
import os
import socket
import subprocess
import time
import unittest

import house
import test_record_kit as kit


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
            ["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c",
             "import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n"
             "s.connect(sys.argv[1])\ns.settimeout(5)\n"
             "try:\n s.send(b'{\"op\":\"status\"}'); print(s.recv(100000))\n"
             "except OSError as e: print('cut', e)", recorder.socket],
            capture_output=True, text=True, check=False)
        self.assertTrue(done.stdout.startswith(("cut", "b''")), done.stdout + done.stderr)
        self.assertIn("not trusted", recorder.text())


if __name__ == "__main__":
    unittest.main()
