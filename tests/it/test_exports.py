"""Exports made by guac-evidence serve: ordered through authd by who may, named in the log before, taken
as one tar that resumes and verifies; kept over a killed reader, stopped, limited and expired."""
import hashlib
import json
import os
import signal
import subprocess
import tarfile
import unittest

import house
import test_record_kit as kit
from test_auth_kit import Evidence, TunnelCase
from test_record_evidence import EvidenceCase, Serve

EMPTY_LOG = "0:" + hashlib.sha256(b"").hexdigest()
OLGA = {"sub": "u-olga", "name": "Olga"}


class Taken:
    """A downloaded bag."""

    def __init__(self, folder, data):
        self.path = os.path.join(folder, f"taken-{next(house.NUMBERS)}")
        os.mkdir(self.path)
        with open(self.path + ".tar", "wb") as f:
            f.write(data)
        subprocess.run(["tar", "-xf", self.path + ".tar", "-C", self.path], check=True)
        self.top, = os.listdir(self.path)
        self.bag = os.path.join(self.path, self.top)

    def sessions(self):
        return sorted(os.listdir(os.path.join(self.bag, "data/derived")))

    def verify(self, *args):
        done = subprocess.run(["./verify.sh", *args], cwd=self.bag, capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout + done.stderr


class ByTheApi(TunnelCase):
    def export(self, browser=None, **body):
        answer = (browser or self.browser).post("/api/exports", body)
        self.assertEqual(answer.status, 202, answer.text)
        return answer.json["export"]

    def ready(self, export):
        def over():
            e = self.browser.get(f"/api/exports/{export}").json
            return e if e["state"] in ("ready", "failed") else None
        e = house.wait(over, 40 * house.PATIENCE, "the export is not ready")
        self.assertEqual(e["state"], "ready", e)
        return e

    def download(self, export, offset=0):
        answer = self.browser.get(f"/api/exports/{export}/bag?offset={offset}")
        self.assertEqual(answer.status, 200, answer.text)
        return answer, answer.bytes

    def recorded(self, connection="demo"):
        session, stream = self.open(f"connection=relay/{connection}&width=300&height=200")
        stream.until("sync")
        self.browser.post(f"/api/sessions/{session}/end")
        self.sealed(session)
        return session

    def key(self):
        public = os.path.join(self.folder, "public.pem")
        subprocess.run(["openssl", "pkey", "-in", self.authd.gateway_key, "-pubout", "-out", public],
                       check=True)
        return public

    def test_ordered_named_made_taken_and_verified(self):
        folder = os.path.join(self.folder, "exports")
        self.add("other")
        self.assertFalse(self.browser.me().json["canExport"], "no reader, no exports")
        self.start(Evidence, self.recorder.store_folder, "--exports", folder)
        self.assertTrue(self.browser.me().json["canExport"])
        one, two, other = self.recorded(), self.recorded(), self.recorded("other")
        # One session. The log has it before it is made, and the bag's own log, too.
        export = self.export(sessions=[one])
        e = self.ready(export)
        self.assertEqual((e["sessions"], e["done"], e["total"], e["by"]["sub"]),
                         (1, 1, 1, "dev:dora"))
        answer, data = self.download(export)
        self.assertEqual((len(data), answer.header("content-type")), (e["bytes"], "application/x-tar"))
        self.assertIn(f'filename="{export}.tar"', answer.header("content-disposition"))
        half = len(data) // 2
        self.assertEqual(self.download(export, half)[1], data[half:], "a download that was cut")
        bag = Taken(self.folder, data)
        self.assertEqual((bag.top, bag.sessions()), (export, [one]))
        trusted = ("-k", self.key(), "-a", EMPTY_LOG)
        self.assertEqual(bag.verify(*trusted)[0], 0, bag.verify(*trusted)[1])
        self.assertEqual(bag.verify()[0], 3)
        with open(os.path.join(bag.bag, "data/log/leaves.jsonl")) as f:
            leaf, = [l for l in map(json.loads, f) if l["kind"] == "export"]
        self.assertEqual(leaf["session"], one)
        # A connection's whole period: two of the three; less than both is found.
        whole = self.export(**{"from": e["from"], "to": e["to"] + 10 ** 9, "connection": "relay/demo"})
        self.assertEqual(self.ready(whole)["sessions"], 2)
        bag = Taken(self.folder, self.download(whole)[1])
        self.assertEqual(bag.sessions(), sorted([one, two]))
        self.assertEqual(bag.verify(*trusted)[0], 0, bag.verify(*trusted)[1])
        prefix, = [f for f, _, _ in os.walk(os.path.join(bag.bag, "data/recordings"))
                   if f.endswith(two)]
        os.rename(prefix, os.path.join(self.folder, "gone"))
        status, said = bag.verify(*trusted)
        self.assertEqual(status, 1)
        self.assertRegex(said, f"BROKEN.*{two}.*in the period")
        # By whose it is: nothing claims to be whole then.
        mine = self.export(**{"from": 0, "person": "dora"})
        self.assertEqual(self.ready(mine)["sessions"], 3)
        bag = Taken(self.folder, self.download(mine)[1])
        self.assertEqual(bag.sessions(), sorted([one, two, other]))
        self.assertFalse(os.path.exists(os.path.join(bag.bag, "data/period.json")))
        # Who did it, for the auditor and for who looks at the recording.
        steps = [(e["unmapped"]["step"], e["unmapped"]["export"]) for e in self.authd.audit("export")]
        self.assertEqual(steps[:2], [("ordered", export), ("taken", export)])
        leaves = [e["unmapped"] for e in self.authd.audit("log-leaf")
                  if e["unmapped"]["kind"] == "export"]
        self.assertEqual(len(leaves), 3)
        for session, count in ((one, 3), (other, 1)):
            access = self.browser.get(f"/api/recordings/{session}/proof").json["access"]
            self.assertEqual([a["kind"] for a in access].count("export"), count, access)
        # Removed: gone from the list and from the disk.
        listed = self.browser.get("/api/exports").json["exports"]
        self.assertEqual({x["export"] for x in listed}, {export, whole, mine})
        change = {"origin": self.browser.origin, "x-csrf": self.browser.csrf}
        self.assertEqual(self.browser.request("DELETE", f"/api/exports/{whole}", {}).status, 403)
        answer = self.browser.request("DELETE", f"/api/exports/{whole}", {}, change)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(self.browser.get(f"/api/exports/{whole}").status, 404)
        self.assertEqual(self.browser.get(f"/api/exports/{whole}/bag").status, 404)
        self.assertNotIn(whole, os.listdir(folder))
        # What cannot be, in words.
        for body, status in (({}, 400), ({"from": "x"}, 400), ({"from": 5, "to": 4}, 400),
                             ({"sessions": []}, 400), ({"sessions": ["x"]}, 400),
                             ({"sessions": [kit.uuid7()]}, 404), ({"from": 1, "to": 2}, 404),
                             ({"from": 0, "person": 7}, 400), ([], 400)):
            answer = self.browser.post("/api/exports", body)
            self.assertEqual(answer.status, status, (body, answer.text))
            self.assertTrue(answer.json["advice"], body)
        for offset in ("-1", "x", str(len(data) + 1)):
            self.assertEqual(self.browser.get(f"/api/exports/{export}/bag?offset={offset}").status, 400)
        # Not in the log: not taken out.
        self.recorder.stop()
        answer = self.browser.post("/api/exports", {"sessions": [one]})
        self.assertGreaterEqual(answer.status, 500, answer.text)
        self.assertIn("without a trace", answer.json["error"])
        self.assertEqual(len(os.listdir(folder)), 2)


class NoAuditor(TunnelCase):
    SETTINGS = dict(TunnelCase.SETTINGS, dev_roles="operator")

    def test_refused(self):
        self.start(Evidence, self.recorder.store_folder, "--exports", self.folder + "/exports")
        self.assertFalse(self.browser.me().json["canExport"])
        self.assertEqual(self.browser.post("/api/exports", {"from": 0}).status, 403)
        self.assertEqual(self.browser.get("/api/exports").status, 403)


class ByTheReader(EvidenceCase):
    """Without authd: what a maker does when it is stopped, killed, out of room."""

    def setUp(self):
        super().setUp()
        self.rec = self.recorder()
        self.auth = self.authd(self.rec)
        self.exports = os.path.join(self.folder, "exports")
        self.serves = []

    def serve(self, *options):
        serve = self.start(Serve, "--store", "folder:" + self.rec.store_folder, "--exports",
                           self.exports, *options)
        return serve, serve.connect()

    def sessions(self, count, size=200):
        out = []
        for n in range(count):
            s = self.auth.open(self.auth.new())
            s.data(kit.frame(n, size))
            s.text("hello\n")
            s.end()
            self.wait_sealed(self.rec, s)
            out.append(s)
        return out

    def unsigned(self, size):
        """The log's checkpoint taken away: an export waits at its last step, again and again."""
        path = os.path.join(self.rec.store_folder, "guacamole-recordings-head/log/checkpoint")

        def signed():
            try:
                with open(path) as f:
                    return int(f.read().split("\n")[1]) == size
            except OSError:
                return False
        house.wait(signed, 30 * house.PATIENCE, "not signed")
        os.rename(path, path + ".away")
        return lambda: os.rename(path + ".away", path)

    def order(self, reader, **what):
        plan, _ = reader.call(op="export", by=OLGA, **(what or {"filter": {"from": 0}}))
        reader.call(op="begin", export=plan["export"], by=OLGA)
        return plan["export"]

    def state(self, reader, export):
        one, = reader.call(op="exports", export=export, by=OLGA)[0]["exports"]
        return one

    def until(self, reader, export, wanted):
        def there():
            e = self.state(reader, export)
            self.assertIn(e["state"], ("waiting", "running", wanted), e)
            return e if e["state"] == wanted else None
        return house.wait(there, 60 * house.PATIENCE, f"never {wanted}")

    def test_killed_it_goes_on(self):
        self.sessions(3)
        back = self.unsigned(6)
        serve, reader = self.serve()
        export = self.order(reader)
        job = os.path.join(self.exports, export)
        house.wait(lambda: self.state(reader, export)["done"] == 3, 60 * house.PATIENCE, "not copied")
        serve.stop(signal.SIGKILL)
        # Torn at the end, as a power cut leaves it; the marks tell what is whole.
        with open(os.path.join(job, "progress.json")) as f:
            mark = json.load(f)
        for name, end in (("bag.tar", mark["end"]), ("manifest-sha256.txt.new", mark["manifest"]),
                          ("rows.new", mark["rows"])):
            with open(os.path.join(job, name), "r+b") as f:
                f.seek(end)
                f.write(b"torn\n" * 300)
        with open(os.path.join(job, "bag.tar"), "rb") as f:
            whole = f.read(mark["end"])
        back()
        serve, reader = self.serve()
        self.until(reader, export, "ready")
        answer, data = reader.call(op="bag", export=export, by=OLGA, offset=0)
        self.assertEqual(answer["size"], len(data))
        self.assertEqual(data[:len(whole)], whole, "made twice")
        bag = Taken(self.folder, data)
        self.assertEqual(bag.verify("-k", self.key.id, "-a", EMPTY_LOG)[0], 0)
        with tarfile.open(bag.path + ".tar") as t:  # as another tar reads it
            self.assertIn(f"{export}/data/report.html", t.getnames())
        with open(os.path.join(bag.bag, "data/report.html")) as f:
            self.assertEqual(f.read().count("<tr>"), 4)
        self.assertEqual(sorted(os.listdir(job)), ["bag.tar", "begun", "done.json", "job.json", "lock"])
        # Nobody else's; and when its time is over it goes.
        for op in ("bag", "exports", "drop", "begin"):
            with self.assertRaises(kit.Refused) as e:
                reader.call(op=op, export=export, by={"sub": "u-eve", "name": "Eve"})
            self.assertEqual(e.exception.status, 0x204, op)
        self.assertEqual(reader.call(op="exports", by={"sub": "u-eve"})[0]["exports"], [])
        with open(os.path.join(job, "done.json"), "w") as f:
            json.dump({"finished": 1}, f)
        house.wait(lambda: not os.path.exists(job), 30 * house.PATIENCE, "kept for ever")

    def test_stopped_limited_and_out_of_room(self):
        self.sessions(1, 3 << 20)
        back = self.unsigned(2)
        _, reader = self.serve("--exports-each", "2", "--export-space", "5")
        one = self.order(reader)
        two = self.order(reader)
        with self.assertRaises(kit.Refused) as e:
            self.order(reader)
        self.assertEqual(e.exception.status, 0x31D)
        self.assertIn("remove one", str(e.exception))
        # Stopped while it runs: its folder goes, and the one that waited is made.
        house.wait(lambda: self.state(reader, one)["done"] == 1, 60 * house.PATIENCE, "not copied")
        with self.assertRaises(kit.Refused):
            reader.call(op="bag", export=one, by=OLGA)
        reader.call(op="drop", export=one, by=OLGA)
        self.assertEqual([x["export"] for x in reader.call(op="exports", by=OLGA)[0]["exports"]], [two])
        house.wait(lambda: os.listdir(self.exports) == [two], 60 * house.PATIENCE, "not stopped")
        back()
        self.until(reader, two, "ready")
        # A plan that is never begun is not made; there is no room for another.
        plan, _ = reader.call(op="export", by=OLGA, filter={"from": 0})
        self.assertEqual(len(reader.call(op="exports", by=OLGA)[0]["exports"]), 1)
        reader.call(op="begin", export=plan["export"], by=OLGA)
        failed = self.until(reader, plan["export"], "failed")
        self.assertIn("export-space", failed["error"])
        self.assertEqual(failed["bytes"], 0, "what failed takes no room")


if __name__ == "__main__":
    unittest.main()
