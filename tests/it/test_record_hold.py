"""Legal holds: on every object of a recording, by an identity that may do nothing else, told to the
log; asked for through authd by who has the role."""
import json
import os
import re
import subprocess
import unittest

import house
import test_record_kit as kit
import tlog
from test_auth_kit import Authd
from test_auth_tunnel import Evidence, TunnelCase
from test_record_weed import BUCKET, S3Case


class Kit(kit.Authd):
    def hold(self, session, prefix, on, change=None):
        name = {"name": session, "digest": {"sha256": kit.hashlib.sha256(
            session.encode()).hexdigest()}}
        envelope = self.key.envelope({
            "_type": "https://in-toto.io/Statement/v1", "subject": [name],
            "predicateType": "https://catalyst.openova.io/guacamole/log/hold/v1",
            "predicate": {"at": 1000, "session": session, "person": {"sub": "u-h", "name": "Hal"},
                          "detail": {"on": on, "reason": "case 7"},
                          "gateway": {"name": "g", "version": "1", "publicKey": self.key.base64,
                                      "keyid": self.key.id}}})
        return self.call(**dict({"op": "hold", "id": session, "prefix": prefix, "on": on,
                                 "envelope": envelope}, **(change or {})))[0]


class OnSeaweed(S3Case):
    def test_set_and_cleared_by_the_holder(self):
        files = self.weed.options("holder")
        files = files[files.index("--access-key-file"):][:4]
        hold = ["--hold-access-key-file", files[1], "--hold-secret-key-file", files[3]]
        recorder = self.recorder(*hold)
        self.key = kit.Key(self.folder)
        authd = Kit(recorder, self.key)
        self.addCleanup(authd.close)
        s = authd.open(self.new(authd))
        s.data(kit.frame(1))
        s.end()
        self.sealed(s)
        names = self.weed.names(s.prefix)
        bucket, _, key = s.prefix.partition("/")
        admin = self.weed.client("admin")

        def held():
            out = []
            for name in names:
                _, head, body = admin.request("GET", bucket, f"{key}/{name}", {"legal-hold": ""})
                out.append(b"<Status>ON</Status>" in body)
            return out
        self.assertNotIn(True, held())
        place = authd.hold(s.id, s.prefix, True)
        self.assertEqual(place["objects"], len(names))
        self.assertGreater(place["index"], 0)
        self.assertNotIn(False, held())
        authd.hold(s.id, s.prefix, False)
        self.assertNotIn(True, held())
        # A statement about another session, or of the opposite, sets nothing.
        other = kit.uuid7()
        for change in ({"id": other}, {"on": False}, {"prefix": s.prefix[:-36] + other},
                       {"prefix": "x"}, {"envelope": {}}):
            with self.assertRaises(kit.Refused, msg=change):
                authd.hold(s.id, s.prefix, True, change)
        with self.assertRaises(kit.Refused):
            authd.hold(other, s.prefix[:-36] + other, True)
        self.assertNotIn(True, held())

    def test_the_writer_alone_may_not(self):
        recorder = self.recorder()
        self.key = kit.Key(self.folder)
        authd = Kit(recorder, self.key)
        self.addCleanup(authd.close)
        s = authd.open(self.new(authd))
        s.end()
        self.sealed(s)
        with self.assertRaises(kit.Refused) as e:
            authd.hold(s.id, s.prefix, True)
        self.assertIn("403", str(e.exception))


class ByTheApi(TunnelCase):
    SETTINGS = dict(TunnelCase.SETTINGS, dev_roles="operator auditor keeper", hold_roles="keeper")

    def recorded(self):
        self.start(Evidence, self.recorder.store_folder)
        session, stream = self.open()
        stream.until("sync")
        self.browser.post(f"/api/sessions/{session}/end")
        self.sealed(session)
        return session, f"/api/recordings/{session}/hold"

    def test_role_reason_and_trace(self):
        session, path = self.recorded()
        self.assertEqual(self.browser.get(path).json["on"], False)
        answer = self.browser.post(path, {"on": True, "reason": "case 7"})
        self.assertEqual(answer.status, 200, answer.text)
        self.assertGreaterEqual(answer.json["objects"], 3)
        held = self.browser.get(path).json
        self.assertEqual((held["on"], held["reason"], held["by"]["sub"]),
                         (True, "case 7", "dev:dora"))
        leaf, = [e["unmapped"] for e in self.authd.audit("log-leaf")
                 if e["unmapped"]["kind"] == "hold"]
        self.assertEqual((leaf["index"], leaf["leaf"]), (answer.json["index"], answer.json["leaf"]))
        self.assertEqual(self.browser.post(path, {"on": False, "reason": ""}).status, 200)
        self.assertEqual(self.browser.get(path).json["on"], False)
        for body in ({}, {"on": 1}, {"on": True, "reason": "x" * 600}, []):
            self.assertEqual(self.browser.post(path, body).status, 400, body)
        self.assertEqual(self.browser.post(f"/api/recordings/{kit.uuid7()}/hold",
                                           {"on": True, "reason": ""}).status, 404)
        # Where the log can be asked, its places and proofs too.
        wait = self.browser.get(f"/api/recordings/{session}/proof")
        self.assertEqual([a["kind"] for a in wait.json["access"]], ["hold", "hold"])
        self.assertEqual(self.browser.get(f"/api/recordings/{session}/verify").json["result"],
                         "self-consistent, not anchored")
        found = self.browser.get("/api/search?q=demo&limit=5")
        self.assertEqual(found.status, 200, found.text)
        self.assertEqual(self.browser.get("/api/search?q=").status, 400)
        self.assertEqual(len(self.authd.audit("search")), 2)


class ByTheCommand(TunnelCase):
    """guac-evidence hold, keys rotate, keys compromise: a running authd signs, its audit tells."""

    def command(self, *words, status=0):
        done = subprocess.run([house.program("guac-evidence"), *words, "--run", self.authd.run, "--store",
                               "folder:" + self.recorder.store_folder], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def recorded(self):
        session, stream = self.open()
        stream.until("sync")
        self.browser.post(f"/api/sessions/{session}/end")
        self.sealed(session)
        return session

    def keys(self):
        return {k["keyid"]: k for k in map(json.loads, self.command("keys", "--json").splitlines())}

    def leaves(self, kind):
        return [e["unmapped"] for e in self.authd.audit("log-leaf") if e["unmapped"]["kind"] == kind]

    def test_hold_rotate_compromise(self):
        self.start(Evidence, self.recorder.store_folder)
        session = self.recorded()
        path = f"/api/recordings/{session}/hold"
        self.assertIn("objects held; leaf", self.command("hold", session, "on", "case", "9"))
        held = self.browser.get(path).json
        self.assertEqual((held["on"], held["reason"], held["by"]["sub"]),
                         (True, "case 9", f"unix:{os.getuid()}"))
        self.assertIn("hold", self.command("show", session))
        place = json.loads(self.command("hold", session, "off", "--json"))
        self.assertEqual([x["index"] for x in self.leaves("hold")][-1], place["index"])
        self.assertEqual(self.browser.get(path).json["on"], False)
        for words in (("hold", session), ("hold", session, "maybe"), ("hold", kit.uuid7(), "on")):
            self.command(*words, status=2)
        # The key hands over; the log says so before authd uses the new one.
        old = re.search("signed by key ([0-9a-f]{64})", self.authd.text()).group(1)
        fresh = os.path.join(self.folder, "fresh.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", fresh], check=True)
        os.chmod(fresh, 0o600)
        self.assertIn("key in use", self.command("keys", "rotate", self.authd.gateway_key, status=2))
        self.assertIn("key in use", self.command("keys", "compromise", old, status=2))
        self.command("keys", "rotate", "/nonexistent", status=2)
        new = re.search("[0-9a-f]{64}", self.command("keys", "rotate", fresh)).group(0)
        self.assertEqual(len(self.leaves("key")), 1)
        self.assertEqual((self.keys()[old]["state"], self.keys()[old]["until"]["to"]),
                         ("handed over", new))
        self.authd.stop()
        os.replace(fresh, self.authd.gateway_key)
        self.authd = self.start(Authd, **self.SETTINGS)
        house.wait(lambda: "connected to the recorder" in self.authd.text())
        self.browser = self.sign_in()
        house.wait(self.connections)
        self.recorded()
        self.command("keys", "compromise", old, "2099-01-01T00:00:00Z", status=2)
        self.command("keys", "compromise", "x", status=2)
        self.assertIn("worth nothing", self.command("keys", "compromise", old))
        self.assertEqual((self.keys()[old]["state"], self.keys()[old]["compromised"]["by"]),
                         ("compromised", new))
        # Who holds the old fingerprint alone proves all of it: nothing of the old key's is from after.
        def signed():
            report = json.loads(subprocess.run(
                [house.program("guac-evidence"), "verify", "--json", "--key", old, "--anchor", "1:" +
                 self.first_root(), "--store", "folder:" + self.recorder.store_folder],
                capture_output=True, text=True, check=False).stdout)
            return report if report["signed"] == report["leaves"] else None
        report = house.wait(signed, why="not signed to its end")
        self.assertEqual((report["result"], report["problems"]), ("proved", []))

    def first_root(self):
        """Of the tree of the first leaf alone."""
        with open(os.path.join(self.recorder.store_folder, "guacamole-recordings-head/log/head"), "rb") as f:
            head = f.read()
        at = head.index(b'{"at":')
        return tlog.leaf_hash(head[at:head.index(b"}", at) + 1]).hex()


class WithoutTheRole(TunnelCase):
    def test_refused(self):
        answer = self.browser.post(f"/api/recordings/{kit.uuid7()}/hold",
                                   {"on": True, "reason": "x"})
        self.assertEqual(answer.status, 403, answer.text)


if __name__ == "__main__":
    unittest.main()
