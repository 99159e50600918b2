"""`guac-authd client` against the real Keycloak: the client is made, people sign in by it, doing it again
changes nothing, what somebody loosened is put right, and each wrong thing is said."""
import json
import os
import shutil
import subprocess
import unittest
import urllib.parse
import urllib.request

import house
import whole


class Client(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.keycloak = whole.Part("keycloak")
        cls.addClassCleanup(cls.keycloak.stop)

    def setUp(self):
        self.folder = house.folder("r")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def make(self, client, **options):
        given = {"run": self.folder, "public-url": "http://127.0.0.1:8765", "cookie-keys": "/nonexistent",
                 "gateway-key": "/nonexistent", "oidc-issuer": self.keycloak["KEYCLOAK_ISSUER"], "oidc-client": client,
                 "oidc-secret": self.file("secret", "made-by-the-job"),
                 "keycloak-user": self.file("user", self.keycloak["KEYCLOAK_ADMIN"]),
                 "keycloak-password": self.file("password", self.keycloak["KEYCLOAK_ADMIN_PASSWORD"]), **options}
        return subprocess.run([house.program("guac-authd"), "client", *(w for k, v in given.items()
                                                                       for w in ("--" + k, v))],
                              text=True, capture_output=True, check=False, timeout=120)

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
                ({"keycloak-password": self.file("no", "wrong")}, "is the password right?"),
                ({"keycloak-realm": "nowhere"}, "no realm nowhere, which keycloak-realm names"),
                ({"oidc-issuer": self.keycloak["KEYCLOAK_URL"] + "/realms/nowhere"}, "which oidc-issuer names"),
                ({"oidc-issuer": self.keycloak["KEYCLOAK_URL"] + "/auth"}, "does not end in /realms/NAME"),
                ({"keycloak-user": self.file("olga", "olga"), "keycloak-password": self.file("pw", "olga-pw"),
                  "keycloak-realm": "catalyst"}, "manage-clients in realm catalyst"),
                ({"oidc-issuer": f"http://127.0.0.1:{house.free_port()}/realms/catalyst"}, "127.0.0.1"),
                ({"keycloak-password": ""}, "keycloak-user and keycloak-password")):
            with self.subTest(words):
                done = self.make("by-job", **options)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
