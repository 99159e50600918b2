"""guac-recorder and guac-evidence against a real SeaweedFS with object lock: what is stored and how,
and every wrong thing about a bucket told at start."""
import datetime
import json
import os
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import house
import test_record_kit as kit
from test_record_weed import BUCKET, S3Case


class Stored(S3Case):
    def test_bucket_is_made_right(self):
        self.assertEqual(self.made.returncode, 0, self.made.stdout + self.made.stderr)
        self.assertIn("with object lock", self.made.stdout)
        admin = self.weed.client("admin")
        _, _, body = admin.request("GET", BUCKET, "", {"object-lock": ""})
        self.assertIn(b"<ObjectLockEnabled>Enabled", body)
        self.assertIn(b"COMPLIANCE", body)
        _, _, body = admin.request("GET", BUCKET, "", {"versioning": ""})
        self.assertIn(b"Enabled", body)
        _, _, body = admin.request("GET", BUCKET, "", {"policy": ""})
        self.assertIn("s3:DeleteObject", json.loads(body)["Statement"][0]["Action"])
        # Again: nothing is lost, nothing comes twice, and what others wrote stays.
        policy = json.loads(body)
        policy["Statement"].append({"Sid": "Theirs", "Effect": "Deny", "Principal": "*",
                                    "Action": "s3:PutBucketPolicy",
                                    "Resource": f"arn:aws:s3:::{BUCKET}"})
        again = subprocess.run([house.program("guac-recorder"), "bucket", "--secret-file",
                                "/dev/null", *self.weed.options("admin")], capture_output=True,
                               text=True, check=False)
        self.assertEqual(again.returncode, 0, again.stderr)
        _, _, body = admin.request("GET", BUCKET, "", {"policy": ""})
        self.assertEqual(len(json.loads(body)["Statement"]), 1)

    def test_policies_of_others_stay(self):
        admin = self.weed.client("admin")
        name = "policy-of-others"
        self.assertEqual(admin.request("PUT", name, "", (), {
            "x-amz-bucket-object-lock-enabled": "true"})[0], 200)
        theirs = {"Version": "2012-10-17", "Statement": [
            {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": ["s3:GetObjectAcl"],
             "Resource": f"arn:aws:s3:::{name}/*"}]}
        status, _, body = admin.request("PUT", name, "", {"policy": ""}, (),
                                        json.dumps(theirs).encode())
        self.assertLess(status, 300, body)
        done = subprocess.run([house.program("guac-recorder"), "bucket", "--secret-file",
                               "/dev/null", "--buckets", name, *self.weed.options("admin")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        _, _, body = admin.request("GET", name, "", {"policy": ""})
        self.assertEqual([x["Sid"] for x in json.loads(body)["Statement"]],
                         ["Theirs", "GuacamoleNobodyDeletes"])

    def test_wrong_buckets_are_told(self):
        admin = self.weed.client("admin")

        def refusal(bucket, who="admin", expect=""):
            r = kit.Recorder(self.folder, "--buckets", bucket, store=self.weed.options(who),
                             wait=False)
            r.popen.wait(30 * house.PATIENCE)
            self.assertEqual(r.popen.returncode, 1)
            self.assertIn(expect, r.text())
        refusal("not-there", expect="does not exist")
        admin.request("PUT", "plain-one")
        refusal("plain-one", expect="has no object lock")
        done = subprocess.run([house.program("guac-recorder"), "bucket", "--secret-file",
                               "/dev/null", "--buckets", "plain-one", *self.weed.options("admin")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("without object lock", done.stderr)
        admin.request("PUT", "no-policy", "", (), {"x-amz-bucket-object-lock-enabled": "true"})
        refusal("no-policy", expect="lets the recorder delete")
        refusal(BUCKET, "reader", "needs Write and PutObjectRetention")
        self.weed.env["S3_NOBODY_ACCESS_KEY"] = "AKNOBODY"
        self.weed.env["S3_NOBODY_SECRET_KEY"] = "wrong"
        refusal(BUCKET, "nobody", "InvalidAccessKeyId")
        self.weed.env["S3_FORGER_ACCESS_KEY"] = self.weed.env["S3_WRITER_ACCESS_KEY"]
        self.weed.env["S3_FORGER_SECRET_KEY"] = "wrong"
        refusal(BUCKET, "forger", "SignatureDoesNotMatch")

    def test_a_session(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(300):
            s.data(kit.frame(n, 6000))
            if n % 30 == 0:
                s.keyframe(kit.frame(n))
                s.text(f"t{n}\n")
            time.sleep(0.01)
        s.end()
        s.wait_acked()
        self.sealed(s)
        self.check(s)
        # Each object under its own lock, said by the store itself.
        until = datetime.datetime.fromtimestamp(s.new["retainUntil"] / 1000,
                                                datetime.timezone.utc)
        bucket, _, key = s.prefix.partition("/")
        names = self.weed.names(s.prefix)
        self.assertGreater(len(names), 12)
        for name in names:
            status, head, _ = self.weed.client().request("HEAD", bucket, f"{key}/{name}")
            self.assertEqual(status, 200)
            self.assertEqual(head["x-amz-object-lock-mode"], "COMPLIANCE", name)
            kept = datetime.datetime.fromisoformat(
                head["x-amz-object-lock-retain-until-date"].replace("Z", "+00:00"))
            self.assertGreaterEqual(kept, until - datetime.timedelta(seconds=1))
        # The seal pins the versions.
        seal = json.loads(kit.base64.b64decode(json.loads(
            self.weed.get(s.prefix, "seal.dsse.json"))["payload"]))["predicate"]
        self.assertTrue(seal["list"]["versionId"])
        self.assertTrue(seal["open"]["versionId"])
        # By id, and listed.
        self.evidence("verify", s.id, "--key", self.key.id)
        self.evidence("verify", s.id, status=3)
        self.assertIn(s.prefix.encode(), self.evidence("ls"))
        lines = [json.loads(x) for x in self.evidence("transcript", s.id, "--json").splitlines()]
        self.assertEqual([x["s"] for x in lines if x["k"] == "out"],
                         [f"t{n}\n" for n in range(0, 300, 30)])
        self.assertEqual(authd.metric("guacamole_recording_put_failures_total"), 0)

    def test_recorder_killed(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(150):
            s.data(kit.frame(n, 3000))
            if n in (40, 41, 90):
                recorder.kill()
                recorder = self.recorder()
                self.authd(recorder)
            time.sleep(0.01)
        s.end()
        self.sealed(s, 40)
        self.check(s)

    def test_put_over_and_hidden(self):
        """Whoever may write can put another version on top; what was sealed is read by its version."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(3):
            s.data(kit.frame(n))
            s.wait_acked()
        s.end()
        self.sealed(s)
        bucket, _, key = s.prefix.partition("/")
        name = next(n for n in self.weed.names(s.prefix) if n.endswith(".guac.zst"))
        writer = self.weed.client("writer")
        self.assertEqual(writer.request("PUT", bucket, f"{key}/{name}", (), {
            "x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date":
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))}, b"other")[0], 200)
        self.assertNotEqual(writer.request("DELETE", bucket, f"{key}/{name}")[0], 204)
        out = self.evidence("verify", "--json", "--key", self.key.public, s.prefix)
        report = json.loads(out)
        self.assertEqual(report["result"], "proved")
        self.assertIn(name, [x["object"] for x in report["notes"]])
        # An object that was not there before is found.
        writer.request("PUT", bucket, f"{key}/00000077.1.2.guac.zst", (), (), b"added")
        report = json.loads(self.evidence("verify", "--json", "--key", self.key.public, s.prefix,
                                          status=1))
        self.assertEqual([x["object"] for x in report["problems"]], ["00000077.1.2.guac.zst"])

    def test_removed_behind_the_locks_back(self):
        """The filer's own port knows no lock; the seal does."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(3):
            s.data(kit.frame(n))
            s.wait_acked()
        s.end()
        self.sealed(s)
        bucket, _, key = s.prefix.partition("/")
        name = next(n for n in self.weed.names(s.prefix) if n.startswith("00000001."))
        filer = f"http://{self.weed.env['SEAWEEDFS_FILER']}/buckets/{bucket}/{key}/{name}"
        for path in (filer + ".versions", filer):
            try:
                urllib.request.urlopen(urllib.request.Request(
                    path + "?recursive=true", method="DELETE"))
            except urllib.error.HTTPError:
                pass
        report = json.loads(self.evidence("verify", "--json", "--key", self.key.public, s.prefix,
                                          status=1))
        self.assertIn({"object": name, "problem": "missing"}, report["problems"])

    def test_somebody_elses_object(self):
        """A name that is taken: the session ends, nothing behind it is acknowledged, and the seal
        says why."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        bucket, _, key = s.prefix.partition("/")
        self.weed.client("writer").request("PUT", bucket, f"{key}/00000000.5.0.guac.zst", (), (),
                                           b"squatter")
        s.data(kit.frame(1), ms=5)
        s.wait_cut()
        self.assertEqual(s.acked, 0)
        self.sealed(s)
        report = json.loads(self.evidence("verify", "--json", "--key", self.key.public, s.prefix,
                                          status=1))
        self.assertEqual(report["state"], "interrupted")
        self.assertIn("somebody else", report["reason"])
        self.assertEqual(authd.metric("guacamole_recording_conflicts_total"), 1)

    def test_second_seal_stops(self):
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        s = authd.open(self.new(authd))
        s.data(kit.frame(1))
        s.end()
        message = authd.wait_ended(s.id)
        bucket, _, key = s.prefix.partition("/")
        other = json.dumps(authd.seal_envelope(message), sort_keys=True).encode()
        self.assertEqual(self.weed.client("writer").request(
            "PUT", bucket, f"{key}/seal.dsse.json", (), {"if-none-match": "*"}, other)[0], 200)
        authd.answer_seal(message)
        house.wait(lambda: recorder.spooled_files() == [], 10 * house.PATIENCE, "goes on")
        self.assertIn("sealed by somebody else", recorder.text())
        self.assertEqual(self.weed.get(s.prefix, "seal.dsse.json"), other)


class Tls(S3Case):
    options = ("--tls",)

    def test_a_session(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(20):
            s.data(kit.frame(n))
        s.end()
        self.sealed(s)
        self.check(s)

    def test_another_ca(self):
        options = self.weed.options("writer")
        options[options.index("--ca-file") + 1] = self._other_ca()
        recorder = kit.Recorder(self.folder, store=options)
        self.started.append(recorder)
        authd = self.authd(recorder)
        with self.assertRaises(kit.Refused) as e:
            self.new(authd)
        self.assertIn("certificate", str(e.exception))

    def _other_ca(self):
        path = os.path.join(self.folder, "ca.pem")
        kit.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=other", "-keyout", "/dev/null", "-out",
                    path)
        return path


if __name__ == "__main__":
    unittest.main()
