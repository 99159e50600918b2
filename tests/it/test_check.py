"""guac-authd --check against the real Keycloak: nothing is wrong with a whole gateway; everything that
is wrong is told in one run, with what was seen and what to do."""
import os
import shutil
import subprocess
import unittest

import house
import whole


class Check(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.keycloak = whole.Part("keycloak")
        cls.addClassCleanup(cls.keycloak.stop)
        cls.sshd = whole.Part("sshd")
        cls.addClassCleanup(cls.sshd.stop)
        cls.folder = house.folder("w")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.gateway = whole.Gateway(cls.folder, cls.sshd, keycloak=cls.keycloak)
        cls.addClassCleanup(cls.gateway.stop)

    def check(self, **changed):
        """The gateway's own configuration, and --key value for what is changed."""
        argv = self.gateway.argv("authd")
        for key, value in changed.items():
            argv += ["--" + key.replace("_", "-"), value]
        done = subprocess.run([*argv, "--check"], text=True, capture_output=True, check=False,
                              timeout=120 * house.PATIENCE)
        self.assertEqual(done.returncode, 1 if "BAD " in done.stdout else 0,
                         done.stdout + done.stderr)
        return done.stdout

    def bad(self, text):
        return [line for line in text.splitlines() if line.startswith("BAD ")]

    def test_nothing_is_wrong(self):
        text = self.check()
        self.assertTrue(text.endswith("nothing is wrong\n"), text)
        for name in ("oidc-issuer", "oidc-client", "oidc-secret", "cookie-keys",
                     "gateway-key", "resources", "recorder", "guacd", "evidence"):
            self.assertIn(f"ok   {name}: ", text)

    def test_all_at_once(self):
        key = os.path.join(self.folder, "wrong")
        with open(key, "w", encoding="utf-8") as f:
            f.write("no key at all")
        os.chmod(key, 0o600)
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
        done = subprocess.run([house.program("guac-authd"), "--check", "--oidc-isuer", "x"],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean 'oidc-issuer'?", done.stderr)
        self.assertIn("BAD  configuration: public-url", self.check(public_url="http://example.org"))


if __name__ == "__main__":
    unittest.main()
