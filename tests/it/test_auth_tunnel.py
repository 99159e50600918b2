"""From a browser's tunnel request to a running session and its sealed recording: authd between the real
guacd, guac-recorder and guac-evidence; only the proxy is a stand-in."""
import base64
import hashlib
import json
import os
import subprocess
import time
import unittest

import guac
import house
from house import wait
from test_auth_kit import Authd, Browser, Evidence, TunnelCase, connection


class Session(TunnelCase):
    def test_whole_life(self):
        session, stream = self.open()
        self.assertEqual(session[14], "7", "a UUIDv7")
        size = stream.until("size")
        self.assertEqual(size[1:], ["0", "300", "200"], "just behind ready")
        stream.until("sync")
        self.assertIn("open.dsse.json", self.stored(session), "stored before anything was drawn")
        one = self.sessions()[session]
        self.assertEqual((one["connection"], one["protocol"], one["mine"]),
                         ({"namespace": "relay", "name": "demo"}, "demo", True))
        self.assertEqual(one["owner"], {"sub": "dev:dora", "name": "dora"})
        self.assertEqual(self.connections()["demo"]["live"], 1)
        self.assertIsNotNone(self.connections()["demo"]["lastUsed"])
        text = self.browser.line.call("metrics")["text"]
        self.assertIn("guacamole_active_sessions 1", text)
        self.assertIn("guacamole_recording_bytes_total", text)
        answer = self.browser.post(f"/api/sessions/{session}/end", {"text": "that is all"})
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(stream.until("error")[1:], ["that is all", str(0x20B)])
        stream.until_closed()
        self.sealed(session)
        wait(lambda: session not in self.sessions(), 5)
        wait(lambda: self.authd.audit("session-end"), 5)
        wait(lambda: self.authd.audit("log-seal"), 5)
        events = [e for e in self.authd.audit() if e["unmapped"].get("session") == session]
        places = [e["unmapped"] for e in events if e["activity_name"].startswith("log-")]
        self.assertEqual([(p["kind"], p["index"]) for p in places], [("open", 0), ("seal", 1)])
        events = [e for e in events if not e["activity_name"].startswith("log-")]
        names = [e["activity_name"] for e in events]
        self.assertEqual(names, ["decision", "session-start", "session-kill", "session-end"])
        self.assertEqual([e["metadata"]["uid"] for e in events if e["activity_name"] != "session-kill"],
                         [f"{session}-{n}" for n in (1, 2, 3)])
        self.assertEqual(events[-1]["unmapped"]["state"], "closed")
        self.assertIn("guacamole_session_duration_seconds_count 1",
                      self.browser.line.call("metrics")["text"])

    def test_files_are_audited(self):
        """What went through the session, with size and hash; twice told by a restarted authd, but with
        the same id."""
        self.add("files", more="parameters: { enable-files: 'true' }")
        session, stream = self.open("connection=relay/files&width=300&height=200")
        number = stream.until("filesystem", 20)[1]

        def get(path):
            at = len(stream.seen)
            stream.sock.send(guac.encode("get", number, path))
            wait(lambda: stream.serve() or any(i[0] == "body" for i in stream.seen[at:]), 20)
            one = next(i for i in stream.seen[at:] if i[0] == "body")[2]
            stream.sock.send(guac.encode("ack", one, "OK", 0))
            wait(lambda: stream.serve() or ["end", one] in [list(i[:2]) for i in stream.seen[at:]], 20)
        get("/folder/hello.txt")
        done = wait(lambda: self.authd.audit("download"), 20)
        text = b"Hello from the demo.\n"
        self.assertEqual(len(done), 1)
        self.assertEqual((done[0]["class_uid"], done[0]["status"], done[0]["metadata"]["uid"]),
                         (6006, "Success", f"{session}-file-1"))
        self.assertEqual(done[0]["file"], {
            "name": "hello.txt", "path": "/folder/hello.txt", "type_id": 1, "size": len(text),
            "hashes": [{"algorithm": "SHA-256", "algorithm_id": 3,
                        "value": hashlib.sha256(text).hexdigest()}]})
        self.assertEqual((done[0]["unmapped"]["connection"], done[0]["unmapped"]["owner"]),
                         ("relay/files", "dev:dora"))
        self.authd.stop()
        self.authd = self.start(Authd, **self.SETTINGS)
        wait(lambda: len(self.authd.audit("download")) == 2, 40)
        self.assertEqual([e["metadata"]["uid"] for e in self.authd.audit("download")],
                         [f"{session}-file-1"] * 2)

    def test_evidence_verifies(self):
        """The open record and the seal are good to a reader that has the gateway's key alone."""
        session, stream = self.open()
        stream.until("sync")
        self.browser.post(f"/api/sessions/{session}/end")
        self.sealed(session)
        public = os.path.join(self.folder, "gateway.pub")
        subprocess.run(["openssl", "pkey", "-in", self.authd.gateway_key, "-pubout", "-out", public],
                       check=True)
        done = subprocess.run([house.program("guac-evidence"), "verify", "--key", public, "--store",
                               "folder:" + self.recorder.store_folder, session],
                              capture_output=True, text=True, check=False)
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        for path, _, files in os.walk(self.recorder.store_folder):
            if path.endswith(session):
                with open(os.path.join(path, "open.dsse.json")) as f:
                    envelope = json.load(f)
        record = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
        self.assertEqual(record["person"]["sub"], "dev:dora")
        self.assertEqual(record["person"]["roles"], ["operator", "auditor"])
        self.assertEqual(record["connection"]["name"], "demo")
        self.assertEqual(record["recording"], {"enabled": True, "keys": "masked", "retentionDays": 365})
        self.assertEqual(record["gateway"]["name"], "guac")
        self.assertEqual(record["session"], session)

    def test_query_is_clamped(self):
        session, stream = self.open("connection=relay/demo&width=-5&height=999999&dpi=abc&image=x"
                                    "&timezone=../../etc/passwd&unknown=1&feature=" + "f" * 500)
        size = stream.until("size")
        self.assertEqual(size[1:], ["0", "64", "8192"])
        self.assertEqual(self.open("GUAC_ID=relay/demo&GUAC_TYPE=c&GUAC_WIDTH=400&GUAC_HEIGHT=300")[1]
                         .until("size")[1:], ["0", "400", "300"])
        for bad in ("", "connection=demo", "connection=relay/../demo", "session=x",
                    "connection=relay/demo&session=" + session):
            self.assertEqual(self.refused(bad)["status"], 0x300, bad)

    def test_unrecorded_still_has_open_and_seal(self):
        self.add("quiet", spec="protocol: demo", more="recording: { enabled: false }")
        session, stream = self.open("connection=relay/quiet")
        stream.until("sync")
        time.sleep(0.5)
        self.browser.post(f"/api/sessions/{session}/end")
        self.sealed(session)
        self.assertIn("open.dsse.json", self.stored(session))
        self.assertFalse([n for n in self.stored(session) if n.endswith((".guac.zst", ".key.zst"))],
                         "nothing of the picture")

    def test_secret_and_parameters_reach_the_session(self):
        folder = os.path.join(self.authd.connections.path, "secrets", "relay", "login")
        os.makedirs(folder)
        for key, value in (("username", "wilma"), ("password", "w-pw")):
            path = os.path.join(folder, key)
            with open(path, "w") as f:
                f.write(value)
            os.chmod(path, 0o600)
        self.add("named", spec="protocol: demo", more="parameters: { color: '#010203', duration: 800 }\n"
                                                      "credentials: { secretRef: { name: login } }")
        session, stream = self.open("connection=relay/named")
        stream.until("sync")
        stream.until_closed()   # by `duration`
        self.sealed(session)
        everything = self.authd.text() + self.recorder.text() + self.guacd.text()
        self.assertNotIn("w-pw", everything, "no log holds the password")
        for path, _, files in os.walk(self.recorder.store_folder):
            for name in files:
                with open(os.path.join(path, name), "rb") as f:
                    self.assertNotIn(b"w-pw", f.read())


class ComeBack(TunnelCase):
    def test_owner_returns(self):
        session, stream = self.open()
        stream.until("sync")
        stream.close()
        wait(lambda: self.sessions()[session]["graceMs"] > 0, 5, "grace runs")
        again, back = self.open(f"session={session}&width=300&height=200")
        self.assertEqual(again, session)
        back.until("size")
        back.until("sync")
        self.assertEqual(len(self.authd.audit("session-start")), 1)
        self.assertEqual(len(self.authd.audit("session-resume")), 1)
        # and takes over from a tunnel that is still there
        _, third = self.open(f"session={session}&width=300&height=200")
        third.until("sync")
        back.until_closed()
        third.serve()
        self.assertFalse(third.closed)

    def test_after_a_restart_of_authd(self):
        session, stream = self.open()
        stream.until("sync")
        self.authd.popen.kill()
        self.authd.popen.wait()
        stream.serve()
        self.assertFalse(stream.closed, "sessions do not need authd")
        self.authd = self.start(Authd, **self.SETTINGS)
        jar = self.browser.jar
        self.browser = Browser(self.authd)
        self.browser.jar = jar
        self.assertEqual(self.browser.me().status, 200)
        wait(lambda: session in self.sessions(), 5, "the view is rebuilt from RUN/s")
        self.assertEqual(self.sessions()[session]["owner"]["sub"], "dev:dora")
        _, back = self.open(f"session={session}")
        back.until("sync")
        self.browser.post(f"/api/sessions/{session}/end")
        self.sealed(session)   # by an authd that did not open it

    def test_not_for_others(self):
        session, stream = self.open()
        stream.until("sync")
        self.authd.stop()
        self.authd = self.start(Authd, **{**self.SETTINGS, "dev_user": "mallory",
                                          "dev_roles": "operator"})
        mallory = self.sign_in()
        wait(lambda: self.authd.text().count("policies"), 3)
        answer = self.refused(f"session={session}", mallory)
        self.assertEqual((answer["status"], answer["rule"]), (0x303, "session-owner"))
        self.assertEqual(mallory.get("/api/sessions").json["sessions"], [], "not even seen")
        self.assertEqual(mallory.post(f"/api/sessions/{session}/end").status, 404)
        stream.serve()
        self.assertFalse(stream.closed)

    def test_moderator_ends_and_auditor_sees(self):
        session, stream = self.open()
        stream.until("sync")
        self.authd.stop()
        self.authd = self.start(Authd, **{**self.SETTINGS, "dev_user": "mod", "dev_roles": "boss",
                                          "moderator_roles": "boss"})
        moderator = self.sign_in()
        wait(lambda: moderator.get("/api/sessions").json["sessions"], 5)
        self.assertFalse(moderator.get("/api/sessions").json["sessions"][0]["mine"])
        self.assertEqual(moderator.post(f"/api/sessions/{session}/end").status, 200)
        self.assertEqual(stream.until("error")[1], "A moderator ended the session.")
        wait(lambda: moderator.post(f"/api/sessions/{session}/end").status == 404, 5, "it is over")

    def test_role_or_connection_gone(self):
        session, stream = self.open()
        stream.until("sync")
        self.authd.connections.write("demo.yaml", connection("demo", ["others"], "protocol: demo"))
        wait(lambda: not self.connections()["demo"]["allowed"], 3)
        self.assertEqual(self.refused(f"session={session}")["rule"], "auditor-replay-only")
        self.authd.connections.remove("demo.yaml")
        wait(lambda: not self.connections(), 3)
        self.assertEqual(self.refused(f"session={session}")["status"], 0x204)
        self.assertEqual(self.refused("session=01890a5d-ac96-774b-bcce-b302099a8057")["status"], 0x204)


class Replay(TunnelCase):
    def setUp(self):
        super().setUp()
        self.evidence = self.start(Evidence, self.recorder.store_folder)
        self.session, stream = self.open()
        stream.until("sync")
        time.sleep(0.3)
        self.browser.post(f"/api/sessions/{self.session}/end")
        self.sealed(self.session)

    def test_auditor_reads(self):
        rows = self.browser.get("/api/recordings").json["recordings"]
        self.assertEqual([r["id"] for r in rows], [self.session])
        self.assertEqual(rows[0]["person"]["sub"], "dev:dora")
        self.assertEqual(self.browser.get("/api/recordings?person=nobody").json["recordings"], [])
        show = self.browser.get(f"/api/recordings/{self.session}")
        self.assertEqual(show.status, 200, show.text)
        self.assertEqual(len(self.authd.audit("replay")), 1)
        name = show.json["chunks"][0]["name"]
        one = self.browser.get(f"/api/recordings/{self.session}/objects/{name}")
        self.assertEqual(one.status, 200)
        self.assertEqual(one.header("content-type"), "application/octet-stream")
        self.assertEqual(one.header("content-disposition"), f'attachment; filename="{name}"')
        self.assertIsNone(one.header("content-encoding"))
        self.assertEqual(len(one.bytes), show.json["chunks"][0]["size"])
        self.assertEqual(len(self.authd.audit("replay-object")), 0, "part of that replay")

    def test_pieces_without_the_whole_are_told(self):
        name = [n for n in self.stored(self.session) if n.endswith(".guac.zst")][0]
        for _ in range(3):
            self.assertEqual(self.browser.get(f"/api/recordings/{self.session}/objects/{name}").status, 200)
        event, = self.authd.audit("replay-object")
        self.assertEqual(event["unmapped"]["object"], name)

    def test_names_are_strict(self):
        for path in (f"{self.session}/objects/..%2Fopen.dsse.json", f"{self.session}/objects/x",
                     "..%2F..%2Fetc/objects/open.dsse.json", "x", "x/objects/open.dsse.json",
                     "01890a5d-ac96-774b-bcce-b302099a8057",
                     f"{self.session}/objects/99999999.0.0.guac.zst"):
            self.assertEqual(self.browser.get("/api/recordings/" + path).status, 404, path)

    def test_reader_away(self):
        self.evidence.stop()
        answer = self.browser.get("/api/recordings")
        self.assertEqual(answer.status, 502)
        self.assertIn("reader of recordings", answer.json["error"])


if __name__ == "__main__":
    unittest.main()
