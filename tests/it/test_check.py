"""Everything that is wrong is told in one run, with what was seen and what to do: guac-authd --check against
the real Keycloak, guac-recorder check and the recorder's start against the real SeaweedFS, and what the one
tells of the other. And `guac-authd client`, which makes the realm's client, keeps it, and puts it right."""
import json
import os
import shutil
import subprocess
import unittest
import urllib.parse
import urllib.request

import house
import whole

keycloak = None


def setUpModule():
    global keycloak
    keycloak = whole.Part("keycloak")
    unittest.addModuleCleanup(keycloak.stop)


class Case(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.folder = house.folder("w")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.keycloak = keycloak

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def run_it(self, *words):
        return subprocess.run(words, text=True, capture_output=True, check=False, timeout=120 * house.PATIENCE)


class Check(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = whole.Part("sshd")
        cls.addClassCleanup(cls.sshd.stop)
        cls.gateway = whole.Gateway(cls.folder, cls.sshd, keycloak=cls.keycloak)
        cls.addClassCleanup(cls.gateway.stop)

    def check(self, **changed):
        """The gateway's own configuration, and --key value for what is changed."""
        argv = self.gateway.argv("authd")
        for key, value in changed.items():
            argv += ["--" + key.replace("_", "-"), value]
        done = self.run_it(*argv, "--check")
        self.assertEqual(done.returncode, 1 if "BAD " in done.stdout else 0,
                         done.stdout + done.stderr)
        return done.stdout

    def bad(self, text):
        return [line for line in text.splitlines() if line.startswith("BAD ")]

    def test_nothing_is_wrong(self):
        text = self.check()
        self.assertTrue(text.endswith("nothing is wrong\n"), text)
        self.assertIn("store: ok\n", self.gateway.get("/readyz", port=self.gateway.admin)[1].decode())
        for name in ("oidc-issuer", "oidc-client", "oidc-secret", "cookie-keys",
                     "gateway-key", "resources", "recorder", "guacd", "evidence"):
            self.assertIn(f"ok   {name}: ", text)

    def test_all_at_once(self):
        key = self.write("wrong", "no key at all")
        self.gateway._write("connections/broken.yaml", """
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: { name: broken, namespace: demo }
spec: { protocol: telnet, audience: { keycloakRoles: [x] } }
""")
        self.addCleanup(os.unlink, os.path.join(self.gateway.connections, "broken.yaml"))
        elsewhere = house.folder("r")
        self.addCleanup(shutil.rmtree, elsewhere, True)
        bad = self.bad(self.check(oidc_client="nobody-made-this", oidc_secret=key, cookie_keys=key,
                                  gateway_key=key, run=elsewhere))
        for word in ("BAD  cookie-keys: ", "BAD  gateway-key: ", "BAD  oidc-client: the issuer "
                     "answered 4", "Make the client in that realm", "BAD  oidc-secret: the identity "
                     "provider answered 401", "BAD  resources: demo/broken: spec.protocol: "
                     "'telnet' is not one of", "BAD  recorder: nobody listens", "guac-recorder check",
                     "BAD  guacd: nobody", "BAD  evidence: nobody"):
            self.assertTrue(any(word in line for line in bad), f"{word!r} in {bad}")

    def test_only_the_secret(self):
        path = self.gateway._write("other.secret", "not-the-secret")
        self.assertRegex(self.bad(self.check(oidc_secret=path))[0],
                         r"oidc-secret: .* 401: .*Put the client's secret")

    def test_the_issuer(self):
        realm = self.keycloak["KEYCLOAK_ISSUER"].rpartition("/")[0]
        self.assertIn("oidc-issuer", self.bad(self.check(oidc_issuer=realm + "/no-such"))[0])
        port = house.free_port()
        text = self.bad(self.check(oidc_issuer=f"http://127.0.0.1:{port}/realms/x"))[0]
        self.assertIn("Is the address right", text)
        # Its name is right, but it speaks plain HTTP where TLS was meant.
        secure = self.keycloak["KEYCLOAK_ISSUER"].replace("http://", "https://")
        self.assertIn("oidc-issuer", self.bad(self.check(oidc_issuer=secure))[0])

    def test_the_configuration(self):
        done = self.run_it(house.program("guac-authd"), "--check", "--oidc-isuer", "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean 'oidc-issuer'?", done.stderr)
        self.assertIn("BAD  configuration: public-url", self.check(public_url="http://example.org"))


class Store(Case):
    """The recorder's share."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3 = whole.Part("seaweedfs")
        cls.addClassCleanup(cls.s3.stop)
        os.mkdir(os.path.join(cls.folder, "spool"))
        cls.secret = cls.write("secret", "k" * 44)

    def recorder(self, command, who, *options):
        """Its command, none to start it; what came of it."""
        command = [command] if command else []
        words = ["--store", "s3:" + self.s3["S3_ENDPOINT"], "--region", self.s3["S3_REGION"],
                 "--spool", os.path.join(self.folder, "spool"), "--secret-file", self.secret]
        for key in ("access", "secret"):
            words += [f"--{key}-key-file", self.write(f"{who}.{key}",
                                                      self.s3[f"S3_{who}_{key.upper()}_KEY"])]
        done = self.run_it(house.program("guac-recorder"), *command, *words, *options)
        return done.returncode, done.stdout, done.stderr

    def test_sound(self):
        rc, out, err = self.recorder("bucket", "ADMIN", "--buckets", self.s3["S3_BUCKET"])
        self.assertEqual(rc, 0, out + err)
        # A port where nobody listens is a closed one.
        rc, out, err = self.recorder("check", "WRITER", "--buckets", self.s3["S3_BUCKET"], "--closed",
                                     f"127.0.0.1:{house.free_port()}")
        self.assertEqual(rc, 0, out + err)
        for word in ("ok   secret-file: ", "ok   spool: ", f"ok   {self.s3['S3_BUCKET']}: ", f"ok   {self.s3['S3_BUCKET']}-head: ",
                     "ok   clock: ", "ok   closed: ", "nothing is wrong"):
            self.assertIn(word, out)

    def test_all_at_once(self):
        rc, out, _ = self.recorder("check", "WRITER", "--buckets", "missing-1 missing-2",
                                   "--secret-file", os.path.join(self.folder, "no-such-secret"),
                                   "--spool", os.path.join(self.folder, "no-such-spool"),
                                   "--closed", self.s3["SEAWEEDFS_FILER"])
        self.assertEqual(rc, 1, out)
        for word in ("BAD  secret-file: ", "BAD  spool: ", "BAD  missing-1: ", "BAD  missing-2: ",
                     "needs Write and PutObjectRetention", "BAD  missing-1-head: ",
                     f"BAD  closed: {self.s3['SEAWEEDFS_FILER']} (SeaweedFS",
                     "Whoever reaches it removes what is locked", "6 wrong"):
            self.assertIn(word, out)

    def authd_says(self, run):
        """The lines about the recorder of a gateway whose programs are to meet in `run`."""
        words = {"run": run, "public-url": "http://127.0.0.1:8765", "dev-link": "yes", "dev-user": "x",
                 "dev-roles": "x", "create-keys": "yes", "cookie-keys": run + "/cookie",
                 "gateway-key": run + "/gateway.pem", "folder": self.folder, "audit-file": run + "/audit"}
        done = self.run_it(house.program("guac-authd"), "--check", *(f"--{k}={v}" for k, v in words.items()))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return [line for line in done.stdout.splitlines() if " recorder: " in line]

    def test_an_open_filer_port(self):
        """Named by `closed`, it keeps the recorder from starting; authd's check tells that, and all else."""
        self.assertEqual(self.recorder("bucket", "ADMIN", "--buckets", self.s3["S3_BUCKET"])[0], 0)
        run = house.folder("r")
        self.addCleanup(shutil.rmtree, run, True)
        self.assertIn("nobody listens on", self.authd_says(run)[0])
        rc, out, err = self.recorder("", "WRITER", "--buckets", self.s3["S3_BUCKET"], "--run", run, "--closed",
                                     f"127.0.0.1:{house.free_port()} {self.s3['SEAWEEDFS_FILER']}")
        self.assertEqual(rc, 1, out + err)
        for word in (f"closed: {self.s3['SEAWEEDFS_FILER']} (SeaweedFS", "answered 204 to a stranger's DELETE",
                     "Whoever reaches it removes what is locked: close it", "docs/seaweedfs.md"):
            self.assertIn(word, err)
        told = self.authd_says(run)
        self.assertRegex(told[0], r"BAD  recorder: it did not start; start: closed: .* answered 204")
        self.assertEqual(len([line for line in told if "it did not start; closed: " in line]), 1, told)

    def test_all_that_keeps_it_from_starting(self):
        run = house.folder("r")
        self.addCleanup(shutil.rmtree, run, True)
        rc, _, _ = self.recorder("", "WRITER", "--buckets", "missing-1 missing-2", "--run", run,
                                 "--closed", self.s3["SEAWEEDFS_FILER"])
        self.assertEqual(rc, 1)
        told = "\n".join(self.authd_says(run))
        for word in ("start: ", "missing-1: ", "missing-2: ", "missing-1-head: ", "closed: "):
            self.assertIn("it did not start; " + word, told)


class Client(Case):
    """guac-authd client."""

    def make(self, client, **options):
        given = {"run": self.folder, "public-url": "http://127.0.0.1:8765", "cookie-keys": "/nonexistent",
                 "gateway-key": "/nonexistent", "oidc-issuer": self.keycloak["KEYCLOAK_ISSUER"], "oidc-client": client,
                 "oidc-secret": self.write("secret", "made-by-the-job"),
                 "keycloak-user": self.write("user", self.keycloak["KEYCLOAK_ADMIN"]),
                 "keycloak-password": self.write("password", self.keycloak["KEYCLOAK_ADMIN_PASSWORD"]), **options}
        return self.run_it(house.program("guac-authd"), "client", *(w for k, v in given.items()
                                                                    for w in ("--" + k, v)))

    def admin(self, method, path, body=None):
        url = self.keycloak["KEYCLOAK_URL"]
        form = urllib.parse.urlencode({"grant_type": "password", "client_id": "admin-cli",
                                       "username": self.keycloak["KEYCLOAK_ADMIN"],
                                       "password": self.keycloak["KEYCLOAK_ADMIN_PASSWORD"]}).encode()
        with urllib.request.urlopen(url + "/realms/master/protocol/openid-connect/token", form, timeout=60) as r:
            token = json.load(r)["access_token"]
        rq = urllib.request.Request(f"{url}/admin/realms/catalyst/{path}", method=method,
                                    data=json.dumps(body).encode() if body else None,
                                    headers={"Authorization": "Bearer " + token,
                                             "Content-Type": "application/json"})
        with urllib.request.urlopen(rq, timeout=60) as r:
            return json.loads(r.read() or b"null")

    def find(self, name):
        found = self.admin("GET", "clients?clientId=" + name)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_made_kept_and_put_right(self):
        done = self.make("by-job")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("made in realm catalyst", done.stdout)
        first = self.find("by-job")
        self.assertEqual(first["redirectUris"], ["http://127.0.0.1:8765/auth/callback"])
        self.assertEqual(first["secret"], "made-by-the-job")
        done = self.make("by-job")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("0 settings put right", done.stdout)
        self.assertEqual(self.find("by-job"), first, "the second time changed something")
        loose = {**first, "implicitFlowEnabled": True, "redirectUris": ["*"], "description": "ours"}
        self.admin("PUT", "clients/" + first["id"], loose)
        done = self.make("by-job")
        self.assertIn("2 settings put right", done.stdout, done.stderr)
        self.assertEqual(self.find("by-job"), {**first, "description": "ours"})
        self.assertNotIn("made-by-the-job", done.stdout + done.stderr)

    def test_what_is_wrong_is_said(self):
        for options, words in (
                ({"keycloak-password": self.write("no", "wrong")}, "is the password right?"),
                ({"keycloak-realm": "nowhere"}, "no realm nowhere, which keycloak-realm names"),
                ({"oidc-issuer": self.keycloak["KEYCLOAK_URL"] + "/realms/nowhere"}, "which oidc-issuer names"),
                ({"oidc-issuer": self.keycloak["KEYCLOAK_URL"] + "/auth"}, "does not end in /realms/NAME"),
                ({"keycloak-user": self.write("olga", "olga"), "keycloak-password": self.write("pw", "olga-pw"),
                  "keycloak-realm": "catalyst"}, "manage-clients in realm catalyst"),
                ({"oidc-issuer": f"http://127.0.0.1:{house.free_port()}/realms/catalyst"}, "127.0.0.1"),
                ({"keycloak-password": ""}, "keycloak-user and keycloak-password")):
            with self.subTest(words):
                done = self.make("by-job", **options)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
