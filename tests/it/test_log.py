"""The log over all sessions in a folder: what is in it, what it survives, and that an open record
is acknowledged with its place only."""
import json
import os
import signal
import subprocess
import threading
import time
import unittest

import house
import test_record_kit as kit
import tlog


class LogCase(kit.TestCase):
    def log(self, recorder):
        def get(key):
            try:
                with open(os.path.join(recorder.store_folder, key), "rb") as f:
                    return f.read()
            except FileNotFoundError:
                return None
        return tlog.Log(get)

    def pairs(self, log):
        """{session: [kinds]}; each leaf once."""
        entries = log.entries()
        self.assertEqual(len(set(entries)), len(entries), "a leaf stands there twice")
        out = {}
        for leaf in log.leaves():
            out.setdefault(leaf.get("session"), []).append(leaf["kind"])
        return out


class Kept(LogCase):
    def test_a_session_is_two_leaves(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        log = self.log(recorder)
        first = authd.open()
        second = authd.open(connection="other")
        self.assertEqual((first.index, second.index), (0, 1))
        entries = log.entries()
        self.assertEqual(first.leaf, tlog.leaf_hash(entries[0]).hex())
        self.assertEqual(second.leaf, tlog.leaf_hash(entries[1]).hex())
        r = self.recording(recorder, first)
        self.assertEqual(log.leaves()[0], {
            "at": first.start, "kind": "open", "prefix": first.prefix, "session": first.id,
            "sha256": kit.hashlib.sha256(r.read("open.dsse.json")).hexdigest()})
        first.data(kit.frame(1))
        first.end()
        self.wait_sealed(recorder, first)
        sealed = log.leaves()[2]
        self.assertEqual(sealed, {
            "at": r.seal()["end"], "kind": "seal", "prefix": first.prefix, "session": first.id,
            "sha256": kit.hashlib.sha256(r.read("seal.dsse.json")).hexdigest()})
        told = house.wait(lambda: [m for m in authd.logged if m["id"] == first.id], 5, "not told")
        self.assertEqual((told[0]["index"], told[0]["leaf"]),
                         (2, tlog.leaf_hash(log.entries()[2]).hex()))

    def test_other_leaves(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        place = authd.leaf("replay", s.id, {"from": 0})
        self.assertEqual(place["index"], 1)
        leaf = self.log(recorder).leaves()[1]
        self.assertEqual((leaf["kind"], leaf["session"]), ("replay", s.id))
        self.assertIn("payload", leaf["envelope"])
        authd.leaf("key", detail={"new": {}})
        # What is not what it says, or not signed, is none.
        for change in ({"kind": "hold"}, {"kind": "seal"}, {"kind": "what"}, {"kind": None},
                       {"session": kit.uuid7()}, {"envelope": {}}, {"envelope": None}):
            with self.assertRaises(kit.Refused, msg=change):
                authd.leaf("replay", s.id, {"from": 0}, change=change)
        forged = authd.key.envelope({"_type": "x"})
        with self.assertRaises(kit.Refused):
            authd.leaf("replay", s.id, change={"envelope": forged})
        with self.assertRaises(kit.Refused):  # larger than a leaf may be
            authd.leaf("replay", s.id, {"from": "x" * 9000})
        self.assertEqual(len(self.log(recorder).entries()), 3)

    def test_keys_of_many_gateways(self):
        """None is left out, however many there are."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        ids = []
        for n in range(70):
            authd.key = kit.Key(self.folder, f"gateway-{n}")
            authd.leaf("replay")
            ids.append(authd.key.id)
        done = subprocess.run([house.program("guac-evidence"), "keys", "--json", "--store",
                               "folder:" + recorder.store_folder], capture_output=True, check=True)
        listed = [json.loads(line)["keyid"] for line in done.stdout.splitlines()]
        self.assertEqual(listed, ids)

    def test_signed_checkpoints(self):
        recorder = self.recorder("--checkpoint-interval", "1")
        authd = self.authd(recorder)
        log = self.log(recorder)
        for n in range(5):
            authd.leaf("export", detail={"n": n})
        house.wait(lambda: (log.checkpoint() or (0, 0))[1] == 5, 10 * house.PATIENCE, "not signed")
        origin, size, top, note = log.checkpoint()
        hashes = [tlog.leaf_hash(x) for x in log.entries()]
        self.assertEqual((origin, top), ("test-log", tlog.root(hashes)))
        self.assertEqual(note.decode(), authd.note(size, top))
        kept = lambda n: log.get(f"guacamole-recordings/log/checkpoint/{n}")
        house.wait(lambda: kept(5) == note or kept(5), 5 * house.PATIENCE, "not kept")
        # Partial tiles for whoever knows C2SP's layout only.
        house.wait(lambda: log.get("guacamole-recordings-head/log/" + tlog.tile_name(0, 0, 5)) ==
                   b"".join(hashes), 5 * house.PATIENCE, "no tile")
        # The key is kept beside.
        authd.open()
        house.wait(lambda: log.get(f"guacamole-recordings/keys/{self.key.id}.pem"),
                   10 * house.PATIENCE, "no key")
        with open(self.key.public, "rb") as f:
            self.assertEqual(log.get(f"guacamole-recordings/keys/{self.key.id}.pem"), f.read())
        # What authd is asked next carries a proof from what it signed before.
        asked = house.wait(lambda: [m for m in authd.checkpoints if m["from"] == 5],
                           10 * house.PATIENCE, "no proof")[0]
        self.assertGreater(asked["size"], 5)
        self.assertTrue(asked["proof"])

    def test_full_tiles(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        log = self.log(recorder)
        rids = []
        statement = authd.key.envelope({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "log", "digest": {
                "sha256": kit.hashlib.sha256(b"log").hexdigest()}}],
            "predicateType": "https://catalyst.openova.io/guacamole/log/export/v1",
            "predicate": {"at": 1, "detail": {}, "gateway": {
                "name": "g", "version": "1", "publicKey": authd.key.base64,
                "keyid": authd.key.id}}})
        for _ in range(700):
            rids.append(authd.post(op="leaf", kind="export", envelope=statement))
        places = sorted(authd.take(r, 60)[0]["index"] for r in rids)
        self.assertEqual(places, list(range(700)))
        self.assertEqual(len(log.entries()), 700)
        self.assertTrue(log.get("guacamole-recordings/log/tile/0/000"))
        self.assertTrue(log.get("guacamole-recordings/log/tile/entries/001")
                        or authd.leaf("export")["index"])

    def test_recorder_killed_at_any_time(self):
        """Each session is in the log once at its beginning and once at its end, whatever died when."""
        recorder = self.recorder()
        sessions, stop = [], threading.Event()

        def kill():
            nonlocal recorder
            while not stop.is_set():
                time.sleep(0.25)
                recorder.kill()
                recorder = self.recorder()
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            until = time.monotonic() + 8
            while time.monotonic() < until:
                try:
                    authd = self.authd(recorder)
                    s = authd.open()
                    sessions.append(s)
                    s.data(kit.frame(1))
                    s.end()
                except (OSError, AssertionError, kit.Refused):
                    time.sleep(0.02)
        finally:
            stop.set()
            killer.join()
        self.authd(recorder)
        house.wait(lambda: not [n for n in recorder.spooled_files() if n.endswith(".json")],
                   60 * house.PATIENCE, "not all sealed")
        log = self.log(recorder)
        pairs = self.pairs(log)
        self.assertGreater(len(sessions), 5)
        for s in sessions:
            self.assertEqual(pairs.get(s.id), ["open", "seal"], s.id)
        for session, kinds in pairs.items():
            self.assertEqual(kinds, ["open", "seal"], session)


class Closed(LogCase):
    def test_no_place_in_the_log_no_session(self):
        recorder = self.recorder("--put-timeout", "500")
        authd = self.authd(recorder)
        authd.open()
        head = os.path.join(recorder.store_folder, "guacamole-recordings-head/log/head")
        os.rename(head, head + ".aside")
        try:
            with self.assertRaises(kit.Refused) as e:
                authd.open()
            self.assertIn("log", str(e.exception))
            with self.assertRaises(kit.Refused):
                authd.new()
            self.assertGreater(authd.metric("guacamole_log_failures_total"), 0)
        finally:
            os.rename(head + ".aside", head)
        house.wait(lambda: self.works(authd), 20 * house.PATIENCE, "the log does not come back")
        # The one that was refused is in the log, and sealed as refused.
        house.wait(lambda: all(k == ["open", "seal"] or k == ["open"] for k in
                               self.pairs(self.log(recorder)).values()), 5, "pairs")

    def works(self, authd):
        try:
            authd.open()
            return True
        except kit.Refused:
            return False

    def test_a_head_that_went_back(self):
        recorder = self.recorder("--put-timeout", "500")
        authd = self.authd(recorder)
        path = os.path.join(recorder.store_folder, "guacamole-recordings-head/log/head")
        authd.leaf("export")
        with open(path, "rb") as f:
            old = f.read()
        for _ in range(3):
            authd.leaf("export")
        with open(path, "wb") as f:
            f.write(old)
        with self.assertRaises((kit.Refused, AssertionError)):
            authd.take(authd.post(op="leaf", kind="export", envelope=authd.key.envelope({})), 3)
        with self.assertRaises(kit.Refused):
            authd.open()
        self.assertIn("rolled back", recorder.text())


class Several(LogCase):
    def test_recorders_share_it(self):
        """Six writers at once: no leaf lost, none twice, every place told is the leaf's own."""
        recorders = []
        for n in range(6):
            folder = os.path.join(self.folder, str(n))
            os.makedirs(folder)
            store = ["--store", "folder:" + os.path.join(self.folder, "store")]
            os.makedirs(os.path.join(self.folder, "store"), exist_ok=True)
            r = kit.Recorder(folder, store=store)
            self.addCleanup(r.stop, signal.SIGKILL)
            r.store_folder = os.path.join(self.folder, "store")
            recorders.append(r)
        places, errors = [], []

        def work(authd, who):
            try:
                for n in range(25):
                    places.append(authd.leaf("export", detail={"n": n, "who": who}))
            except BaseException as e:  # noqa: B902
                errors.append(e)
        threads = [threading.Thread(target=work, args=(self.authd(r), n))
                   for n, r in enumerate(recorders)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        entries = self.log(recorders[0]).entries()
        self.assertEqual(len(entries), 150)
        for p in places:
            self.assertEqual(p["leaf"], tlog.leaf_hash(entries[p["index"]]).hex())
        self.assertEqual(sorted(p["index"] for p in places), list(range(150)))


if __name__ == "__main__":
    unittest.main()
