"""guac-recorder and guac-evidence against a real SeaweedFS with object lock: what is stored and how,
every wrong thing about a bucket told at start, and the store hung, killed, full."""
import datetime
import json
import os
import shlex
import subprocess
import sys
import time
import unittest
import urllib.request

import house
import test_record_kit as kit

sys.path.insert(0, os.path.join(house.ROOT, "tests/parts"))
import s3  # noqa: E402

BUCKET = "guacamole-recordings"


class Seaweed:
    def __init__(self, folder, *options):
        self.folder = folder
        self.script = house.need_part("seaweedfs")
        self.verb("start", *options)
        self.env = {}
        with open(os.path.join(folder, "env")) as f:
            for word in shlex.split(f.read()):
                name, _, value = word.partition("=")
                self.env[name] = value

    def verb(self, verb, *args):
        done = subprocess.run([self.script, verb, self.folder, *args], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, check=False,
                              env=dict(os.environ, PART_OWNER=str(os.getpid())))
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"

    def client(self, who="reader"):
        return s3.S3.from_env(os.path.join(self.folder, "env"), who)

    def options(self, who):
        """The store as the project's own programs are told of it."""
        files = []
        for key in ("access", "secret"):
            path = os.path.join(self.folder, f"{who}.{key}")
            with open(path, "w") as f:
                f.write(self.env[f"S3_{who.upper()}_{key.upper()}_KEY"] + "\n")
            os.chmod(path, 0o600)
            files += [f"--{key}-key-file", path]
        ca = ["--ca-file", self.env["S3_CA"]] if self.env["S3_CA"] else []
        return ["--store", "s3:" + self.env["S3_ENDPOINT"], "--region", self.env["S3_REGION"],
                *files, *ca]

    def names(self, prefix, who="reader"):
        bucket, _, key = prefix.partition("/")
        status, _, body = self.client(who).request(
            "GET", bucket, "", {"list-type": "2", "prefix": key + "/", "max-keys": "1000"})
        assert status == 200, body
        root = s3.ET.fromstring(body)
        return sorted(e.text.rpartition("/")[2] for e in root.iter() if e.tag.endswith("Key"))

    def get(self, prefix, name, who="reader"):
        bucket, _, key = prefix.partition("/")
        status, _, body = self.client(who).request("GET", bucket, f"{key}/{name}")
        assert status == 200, (status, body[:300])
        return body


class S3Case(kit.TestCase):
    """One SeaweedFS a class: each test has its own prefixes."""
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.weed_folder = house.folder("w")
        cls.weed = Seaweed(cls.weed_folder, *cls.options)
        cls.made = subprocess.run([house.program("guac-recorder"), "bucket",
                                   "--secret-file", "/dev/null", *cls.weed.options("admin")],
                                  capture_output=True, text=True, check=False)

    @classmethod
    def tearDownClass(cls):
        cls.weed.verb("stop")
        house.shutil.rmtree(cls.weed_folder, ignore_errors=True)

    def recorder(self, *options, who="writer", **named):
        return self.start(kit.Recorder, *options, store=self.weed.options(who), **named)

    def new(self, authd, **named):
        return authd.new(bucket=BUCKET, **named)

    def sealed(self, s, timeout=20):
        house.wait(lambda: "seal.dsse.json" in self.weed.names(s.prefix), timeout * house.PATIENCE,
                   "not sealed", every=0.2)

    def evidence(self, *args, who="reader", status=0):
        done = subprocess.run([house.program("guac-evidence"), *args, *self.weed.options(who)],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, status, (done.stdout[-2000:], done.stderr[-2000:]))
        return done.stdout

    def check(self, s, frames=None):
        """Proved, and the very stream."""
        self.evidence("verify", "--key", self.key.public, s.prefix)
        self.assertEqual(self.evidence("cat", s.prefix, "--raw"), s.stream(frames))


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


class Faults(S3Case):
    def test_hung_and_back(self):
        recorder = self.recorder("--put-timeout", "1500")
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(20):
            s.data(kit.frame(n))
        s.wait_acked()
        self.weed.verb("hang")
        try:
            acked = s.acked
            for n in range(20, 60):
                s.data(kit.frame(n, 3000))
                s.text("hung")
            s.wait_spooled()
            time.sleep(5)  # several attempts time out; each may land later
            self.assertEqual(s.acked, acked)
            began = time.monotonic()
            with self.assertRaises(kit.Refused) as e:
                authd.open(self.new(authd))
            self.assertRegex(str(e.exception), "cannot be stored now|could not be stored")
            self.assertLess(time.monotonic() - began, 6 * house.PATIENCE)
        finally:
            self.weed.verb("cont")
        s.wait_acked(timeout=30)
        s.end()
        self.sealed(s, 30)
        self.check(s)
        house.wait(lambda: authd.status()["store"] == "ok", 15 * house.PATIENCE, "not back")

    def test_hung_while_opening(self):
        """A refused open record may land later: then it is sealed, too."""
        recorder = self.recorder("--put-timeout", "1000")
        authd = self.authd(recorder)
        new = self.new(authd)
        self.weed.verb("hang")
        try:
            with self.assertRaises(kit.Refused):
                authd.open(new)
        finally:
            self.weed.verb("cont")
        house.wait(lambda: "seal.dsse.json" in self.weed.names(new["prefix"]),
                   20 * house.PATIENCE, "not sealed", every=0.3)
        self.assertEqual(json.loads(self.evidence("verify", "--json", "--key", self.key.public,
                                                  new["prefix"]))["state"], "refused")

    def test_killed_and_restarted(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(40):
            s.data(kit.frame(n, 3000))
            time.sleep(0.02)
        s.wait_acked()
        acked = s.acked
        self.weed.verb("kill9")
        for n in range(40, 80):
            s.data(kit.frame(n, 3000))
            time.sleep(0.02)
        s.wait_spooled()
        self.assertEqual(s.acked, acked)
        self.weed.verb("restart")
        s.wait_acked(timeout=40)
        s.end()
        self.sealed(s, 40)
        self.check(s)

    def test_away_at_start(self):
        """Sessions in the spool wait for the recorder also when the store is away."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(10):
            s.data(kit.frame(n))
        s.wait_spooled()
        self.weed.verb("kill9")
        recorder.kill()
        recorder = self.recorder()
        authd = self.authd(recorder)
        with self.assertRaises(kit.Refused):
            self.new(authd)
        s.end()
        s.wait_spooled()
        self.weed.verb("restart")
        self.sealed(s, 40)
        self.check(s)


class Full(S3Case):
    options = ("--small",)

    def test_full(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(200):
            if s.acked < len(s.frames) - 40:
                time.sleep(0.2)
            s.data(os.urandom(1 << 19))
            if authd.metric("guacamole_recording_put_failures_total") > 4:
                break
        house.wait(lambda: authd.status()["store"] != "ok", 20 * house.PATIENCE, "not noticed")
        acked = s.acked
        self.assertLess(acked, len(s.frames))
        with self.assertRaises(kit.Refused) as e:
            self.new(authd)
        self.assertIn("cannot be stored now", str(e.exception))
        time.sleep(3)
        self.assertLess(s.acked, len(s.frames))
        # Everything acknowledged can be read; the recording goes at least that far.
        stream = self.evidence("cat", s.prefix, "--raw")
        self.assertTrue(stream.startswith(s.stream(s.acked)))
        self.assertTrue(s.stream().startswith(stream))
        self.evidence("verify", s.prefix, "--key", self.key.public, status=3)  # not sealed
        self.assertTrue(any(n.startswith(s.id) for n in recorder.spooled_files()))


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
