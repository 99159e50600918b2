"""The log on a real SeaweedFS: many gateways at once, a store that hangs, dies, and comes back."""
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
from test_record_weed import BUCKET, S3Case


class LogCase(S3Case):
    def get(self, key):
        bucket, _, name = key.partition("/")
        status, _, body = self.weed.client().request("GET", bucket, name)
        assert status in (200, 404), (status, body)
        return body if status == 200 else None

    def log(self):
        return tlog.Log(self.get, BUCKET)

    def recorders(self, count, *options):
        out = []
        for n in range(count):
            folder = os.path.join(self.folder, f"r{n}")
            os.makedirs(folder)
            r = kit.Recorder(folder, *options, store=self.weed.options("writer"))
            self.addCleanup(r.stop, signal.SIGKILL)
            out.append(r)
        return out


class Shared(LogCase):
    def test_bucket_made_both(self):
        self.assertIn(f"{BUCKET}-head", self.made.stdout)
        admin = self.weed.client("admin")
        status, _, body = admin.request("GET", f"{BUCKET}-head", "", {"versioning": ""})
        self.assertNotIn(b"Enabled", body, status)

    def test_wrong_head_buckets_are_told(self):
        admin = self.weed.client("admin")

        def refusal(name, expect, who="admin"):
            r = kit.Recorder(self.folder, "--log-bucket", name, "--buckets", BUCKET,
                             store=self.weed.options(who), wait=False)
            r.popen.wait(30 * house.PATIENCE)
            self.assertEqual(r.popen.returncode, 1)
            self.assertIn(expect, r.text())
        admin.request("PUT", "log-one", "", (), {"x-amz-bucket-object-lock-enabled": "true"})
        admin.request("PUT", "log-one", "", {"policy": ""}, (), json.dumps({
            "Version": "2012-10-17", "Statement": [
                {"Effect": "Deny", "Principal": "*", "Resource": "arn:aws:s3:::log-one/*",
                 "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"]}]}).encode())
        refusal("log-one", "log-one-head does not exist")
        admin.request("PUT", "log-one-head", "", (), {"x-amz-bucket-object-lock-enabled": "true"})
        refusal("log-one", "log-one-head is versioned")

    def test_ten_gateways(self):
        """No leaf lost, none twice, each at the place that was told; full tiles under lock."""
        recorders = self.recorders(10)
        authds = [self.authd(r) for r in recorders]
        before = len(self.log().entries())
        places, errors, slowest = [], [], []

        def work(n, authd):
            try:
                for k in range(30):
                    began = time.monotonic()
                    places.append(authd.leaf("export", detail={"n": n, "k": k}))
                    slowest.append(time.monotonic() - began)
            except BaseException as e:  # noqa: B902
                errors.append(e)
        threads = [threading.Thread(target=work, args=x) for x in enumerate(authds)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        entries = self.log().entries()
        self.assertEqual(len(entries), before + 300)
        for p in places:
            self.assertEqual(p["leaf"], tlog.leaf_hash(entries[p["index"]]).hex())
        self.assertEqual(len({p["index"] for p in places}), 300)
        # Whoever filled the first tile writes it, without another leaf that would make it.
        tile = lambda: self.weed.client().request("HEAD", BUCKET, "log/tile/0/000")
        house.wait(lambda: tile()[0] == 200, 30 * house.PATIENCE, "the full tile is not written",
                   every=0.3)
        self.assertEqual(tile()[1]["x-amz-object-lock-mode"], "COMPLIANCE")

    def test_a_store_that_hangs_and_one_that_dies(self):
        recorder, = self.recorders(1, "--put-timeout", "1000")
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        self.weed.verb("hang")
        try:
            with self.assertRaises(kit.Refused):
                authd.open(self.new(authd))
        finally:
            self.weed.verb("cont")
        house.wait(lambda: self.opens(authd), 30 * house.PATIENCE, "does not come back", every=0.5)
        rids = [authd.post(op="new", id="x") for _ in range(2)]
        for rid in rids:
            with self.assertRaises(kit.Refused):
                authd.take(rid)
        self.weed.verb("kill9")
        self.weed.verb("restart")
        house.wait(lambda: self.opens(authd), 60 * house.PATIENCE, "does not come back", every=0.5)
        s.data(kit.frame(1))
        s.end()
        self.sealed(s, 40)
        house.wait(lambda: [n for n in self.log().leaves() if n.get("session") == s.id][1:],
                   20 * house.PATIENCE, "no seal in the log", every=0.3)
        entries = self.log().entries()
        self.assertEqual(len(set(entries)), len(entries))

    def opens(self, authd):
        try:
            authd.open(self.new(authd))
            return True
        except kit.Refused:
            return False


class Stamped(LogCase):
    def test_by_a_real_authority(self):
        """openssl ts as the authority, behind a plain HTTP server; what is kept verifies by openssl."""
        tsa = Tsa(self.folder)
        self.addCleanup(tsa.close)
        recorder, = self.recorders(1, "--tsa-url", tsa.url, "--checkpoint-interval", "1")
        authd = self.authd(recorder)
        authd.leaf("export")

        def kept():
            status, _, body = self.weed.client().request(
                "GET", BUCKET, "", {"list-type": "2", "prefix": "log/tsa/"})
            return status == 200 and b".tsr" in body
        house.wait(kept, 20 * house.PATIENCE, "no stamp: " + recorder.text()[-600:], every=0.3)
        size = self.log().checkpoint()[1]
        note = self.get(f"{BUCKET}/log/checkpoint/{size}")
        tsr = self.get(f"{BUCKET}/log/tsa/{size}.tsr")
        for name, data in (("note", note), ("tsr", tsr)):
            with open(os.path.join(self.folder, name), "wb") as f:
                f.write(data)
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-data", os.path.join(self.folder, "note"), "-in",
             os.path.join(self.folder, "tsr"), "-CAfile", tsa.ca], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        # One that refuses costs a stamp, not the log.
        tsa.granting = False
        authd.leaf("export")
        house.wait(lambda: authd.metric("guacamole_log_stamp_failures_total") > 0,
                   20 * house.PATIENCE, "not counted", every=0.3)
        self.assertGreater(authd.leaf("export")["index"], 0)


class Tsa:
    """An RFC 3161 authority: `openssl ts -reply` behind http.server."""
    CONF = """[tsa]
dir = {0}
serial = {0}/serial
crypto_device = builtin
signer_cert = {0}/tsa.pem
signer_key = {0}/tsa.key
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "tsa")
        os.makedirs(self.folder)
        p = lambda name: os.path.join(self.folder, name)
        self.ca, self.granting = p("ca.pem"), True
        with open(p("conf"), "w") as f:
            f.write(self.CONF.format(self.folder))
        with open(p("serial"), "w") as f:
            f.write("01\n")
        with open(p("ext"), "w") as f:
            f.write("extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n")
        kit.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                    "/CN=tsa ca", "-keyout", p("ca.key"), "-out", self.ca)
        kit.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tsa", "-keyout",
                    p("tsa.key"), "-out", p("tsa.csr"))
        kit.openssl("x509", "-req", "-in", p("tsa.csr"), "-CA", self.ca, "-CAkey", p("ca.key"),
                    "-CAcreateserial", "-days", "30", "-extfile", p("ext"), "-out", p("tsa.pem"))
        import http.server
        tsa = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-type"] == "application/timestamp-query"
                with open(p("query"), "wb") as f:
                    f.write(query)
                body = subprocess.run(
                    ["openssl", "ts", "-reply", "-config", p("conf"), "-section", "tsa",
                     "-queryfile", p("query")], capture_output=True,
                    check=True).stdout if tsa.granting else b"\x30\x05\x30\x03\x02\x01\x02"
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except BrokenPipeError:  # the recorder was killed meanwhile
                    pass

            def log_message(self, *args):
                pass
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    unittest.main()
