"""Sessions that do not open, and why: each failure has its status, its sentence and its audit event,
leaves nothing behind and takes nobody else down."""
import os
import time
import unittest

import house
from house import Guacd, wait
from test_auth_kit import Authd, Stream, TunnelCase, connection
from test_record_kit import Recorder


class Failures(TunnelCase):
    def test_refused_by_the_target(self):
        """ready comes before dialling: a target's failure is an error in the stream."""
        self.add("bad", spec="protocol: demo", more="parameters: { fail: 519 }")
        session, stream = self.open("connection=relay/bad")
        self.assertEqual(stream.until("error")[2], "519")
        self.sealed(session)

    def test_no_such_connection(self):
        answer = self.refused("connection=relay/nothing")
        self.assertEqual((answer["status"], answer["http"], answer["rule"]),
                         (0x204, 404, "connection-exists"))
        self.assertEqual(self.authd.audit("decision")[-1]["status_id"], 2)

    def test_guacd_away(self):
        self.guacd.stop()
        answer = self.refused()
        self.assertEqual((answer["status"], answer["http"]), (0x208, 502))
        self.assertIn("guacd is not running", answer["error"])
        event = self.authd.audit("session-start")[-1]
        self.assertEqual(event["status_id"], 2)
        session = event["unmapped"]["session"]
        self.sealed(session)
        self.guacd = self.start(Guacd, gateway=True)
        self.open()[1].until("sync")

    def test_recorder_away(self):
        self.recorder.kill()
        answer = self.refused()
        self.assertEqual(answer["status"], 0x208)
        self.assertIn("cannot be recorded", answer["error"])
        self.assertFalse(os.listdir(os.path.join(self.authd.run, "s")), "no session without recording")
        self.recorder = self.start(Recorder)
        wait(lambda: self.browser.line.call("ready")["checks"]["recorder"] == "ok", 10)
        self.open()[1].until("sync")

    def test_recorder_hangs(self):
        """Sessions wait for it and are refused; the page answers meanwhile."""
        os.kill(self.recorder.pid, 19)
        try:
            rids = [self.browser.line.send("tunnel", query="connection=relay/demo", peer="",
                                           headers=self.browser.headers({"origin": self.browser.origin}))
                    for _ in range(20)]
            at = time.monotonic()
            for _ in range(20):
                self.assertEqual(self.browser.get("/api/me").status, 200)
            self.assertLess(time.monotonic() - at, house.SOON_S)
            first = self.browser.line.wait(rids[0], 30)
            self.assertEqual(first["status"], 0x202)
        finally:
            os.kill(self.recorder.pid, 18)

    def test_secret_missing(self):
        self.add("named", spec="protocol: demo", more="credentials: { secretRef: { name: nowhere } }")
        answer = self.refused("connection=relay/named")
        self.assertIn("credentials cannot be read", answer["error"])
        self.assertNotIn("nowhere", answer["error"], "the person need not know")
        self.assertIn("there is no Secret relay/nowhere", self.authd.text())

    def test_limits(self):
        self.authd.stop()
        self.authd = self.start(Authd, **self.SETTINGS, sessions_per_person=2)
        self.browser = self.sign_in()
        wait(lambda: self.connections(), 3)
        wait(lambda: "connected to the recorder" in self.authd.text(), 10)
        one, first = self.open()
        first.until("sync")
        _, second = self.open()
        second.until("sync")
        answer = self.refused()
        self.assertEqual((answer["status"], answer["rule"]), (0x31D, "session-limit"))
        self.open(f"session={one}")[1].until("sync")

    def test_fifty_at_once(self):
        rids = [self.browser.line.send("tunnel", query="connection=relay/demo&width=100&height=100",
                                       headers=self.browser.headers({"origin": self.browser.origin}),
                                       peer="") for _ in range(50)]
        ids = set()
        for rid in rids:
            answer = self.browser.line.wait(rid, 60)
            self.assertTrue(answer["ok"], answer)
            ids.add(answer["id"])
            self.streams.append(Stream(answer["fds"][0]))
        self.assertEqual(len(ids), 50)
        for s in self.streams:
            s.until("sync", 30)
        self.assertEqual(set(self.sessions()), ids)
        before = len(house.descriptors(self.authd.pid))
        for s in self.streams:
            s.close()
        self.assertLess(before, 200, "authd keeps no session's descriptor")


if __name__ == "__main__":
    unittest.main()
