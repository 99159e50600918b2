"""An issuer that lies: what Keycloak never sends. Tokens are signed by the openssl program, so that no
code of ours checks itself. Everything forged is refused, told by its cause, counted and audited."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import subprocess
import threading
import time
import unittest
import urllib.parse

import house
from test_auth_kit import Authd, Browser, connection, page_says


def b64(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, folder, kid):
        self.kid, self.path = kid, os.path.join(folder, kid + ".key")
        subprocess.run(["openssl", "genrsa", "-out", self.path, "2048"], check=True, capture_output=True)
        text = subprocess.run(["openssl", "rsa", "-in", self.path, "-noout", "-modulus"], check=True,
                              capture_output=True, text=True).stdout
        self.n = bytes.fromhex(text.split("=")[1].strip())
        self.public = subprocess.run(["openssl", "rsa", "-in", self.path, "-pubout"], check=True,
                                     capture_output=True).stdout

    def jwk(self):
        return {"kid": self.kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": b64(self.n),
                "e": "AQAB"}

    def sign(self, claims, **header):
        head = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **header}
        text = f"{b64(head)}.{b64(claims)}"
        sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=text.encode(),
                             check=True, capture_output=True).stdout
        return f"{text}.{b64(sig)}"


class Issuer:
    """Answers as it is told by the test: self.token(claims) makes the token endpoint's body."""

    def __init__(self, folder):
        self.key = Key(folder, "one")
        self.keys = [self.key]
        self.counts = {}
        self.nonce = None
        self.change = lambda claims: claims
        self.make = self.key.sign
        self.answer = None          # (status, body) of the token endpoint instead
        self.slow = 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                issuer.serve(self, self.path)

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                issuer.serve(self, self.path)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/realm"
        self.documents = {
            "/realm/.well-known/openid-configuration": lambda: (200, {
                "issuer": self.url, "authorization_endpoint": self.url + "/auth",
                "token_endpoint": self.url + "/token", "jwks_uri": self.url + "/keys"}),
            "/realm/keys": lambda: (200, {"keys": [k.jwk() for k in self.keys]}),
            "/realm/token": lambda: self.answer or (200, {
                "id_token": self.make(self.change(self.claims())), "access_token": "opaque",
                "token_type": "Bearer"}),
        }
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def claims(self):
        now = int(time.time())
        return {"iss": self.url, "aud": "guacamole", "azp": "guacamole", "sub": "u-1", "typ": "ID",
                "exp": now + 300, "iat": now, "nonce": self.nonce, "sid": "s-1", "name": "Olga",
                "realm_access": {"roles": ["operator"]}}

    def serve(self, handler, path):
        self.counts[path] = self.counts.get(path, 0) + 1
        time.sleep(self.slow)
        status, body = self.documents.get(path, lambda: (404, {}))()
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Case(house.TestCase):
    def setUp(self):
        super().setUp()
        self.issuer = Issuer(self.folder)
        self.addCleanup(self.issuer.close)
        self.authd = self.start(Authd, oidc_issuer=self.issuer.url)
        self.authd.connections.write("a.yaml", connection("box"))
        house.wait(lambda: "1 connections" in self.authd.text())

    def sign_in(self):
        b = Browser(self.authd)
        url = b.get("/auth/login").header("location")
        q = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        self.issuer.nonce = q["nonce"]
        answer = b.get(f"/auth/callback?state={q['state']}&code=c")
        if answer.status == 302:
            self.assertEqual(b.me().status, 200)
        else:
            self.assertNotIn("guac", b.jar)
        return answer

    def refused(self, reason, title, status=403):
        before = self.count(reason)
        page_says(self.sign_in(), status, title)
        self.assertEqual(self.count(reason), before + 1, reason)
        event = self.authd.audit("sign-in")[-1]
        self.assertEqual((event["status_id"], event["unmapped"]["reason"]), (2, reason))

    def count(self, reason):
        text = Browser(self.authd).line.call("metrics")["text"]
        return int(re.search(rf'auth_failures_total{{reason="{reason}"}} (\d+)', text).group(1))


class Forged(Case):
    def test_good_one(self):
        self.assertEqual(self.sign_in().status, 302)

    def test_claims(self):
        now = int(time.time())
        for change, reason in (({"iss": "https://evil.example"}, "token"), ({"aud": "other"}, "token"),
                               ({"aud": ["guacamole", "other"], "azp": "other"}, "token"),
                               ({"azp": "other"}, "token"), ({"sub": ""}, "token"),
                               ({"typ": "Bearer"}, "token"), ({"nonce": "other"}, "nonce"),
                               ({"nonce": None}, "nonce"), ({"exp": now - 3600}, "clock"),
                               ({"iat": now + 3600}, "clock"), ({"nbf": now + 3600}, "clock"),
                               ({"exp": None}, "token"), ({"at_hash": "AAAA"}, "token")):
            with self.subTest(change=change):
                self.issuer.change = lambda claims, c=change: {**claims, **c}
                titles = {"token": ("could not be verified", 403), "clock": ("The clocks", 403),
                          "nonce": ("belongs to another sign-in", 400)}
                self.refused(reason, *titles[reason])

    def test_skew_is_forgiven(self):
        now = int(time.time())
        self.issuer.change = lambda c: {**c, "iat": now + 20, "exp": now + 40}
        self.assertEqual(self.sign_in().status, 302)

    def test_signatures(self):
        stranger = Key(self.folder, "one")   # another key under the same kid
        hs = lambda c: (lambda text: text + "." + b64(hmac.new(  # noqa: E731
            self.issuer.key.public, text.encode(), hashlib.sha256).digest()))(
                f'{b64({"alg": "HS256", "kid": "one"})}.{b64(c)}')
        good = self.issuer.key.sign
        for name, make in (("none", lambda c: f'{b64({"alg": "none", "kid": "one"})}.{b64(c)}.'),
                           ("none, with the signature of another",
                            lambda c: f'{b64({"alg": "none", "kid": "one"})}.{b64(c)}.' +
                            good(c).split(".")[2]),
                           ("HS256 with the public key", hs), ("another key", stranger.sign),
                           ("ES256 over RSA", lambda c: good(c, alg="ES256")),
                           ("RS512", lambda c: good(c, alg="RS512")),
                           ("crit", lambda c: good(c, crit=["exp"])),
                           ("cut", lambda c: good(c)[:-20]), ("empty", lambda c: ""),
                           ("not even dots", lambda c: "x" * 100), ("huge", lambda c: "x" * 60000),
                           ("claims swapped", lambda c: ".".join(
                               (good(c).split(".")[0], b64({**c, "sub": "admin"}),
                                good(c).split(".")[2])))):
            with self.subTest(name):
                self.issuer.make = make
                self.refused("token", "could not be verified")

    def test_no_id_token(self):
        self.issuer.answer = (200, {"access_token": "x"})
        self.refused("token", "could not be verified")
        for answer, reason, title, status in (
                ((400, {"error": "invalid_grant", "error_description": "<b>no</b>"}), "refused",
                 "refused the sign-in", 403),
                ((200, b"<html>"), "unreachable", "cannot be reached", 502),
                ((200, b"[" * 5000), "unreachable", "cannot be reached", 502),
                ((500, {}), "unreachable", "cannot be reached", 502),
                ((302, {}), "refused", "refused the sign-in", 403)):
            self.issuer.answer = answer
            self.refused(reason, title, status)


class Keys(Case):
    def test_rotation(self):
        self.assertEqual(self.sign_in().status, 302)
        fresh = Key(self.folder, "two")
        self.issuer.keys, self.issuer.make = [fresh, self.issuer.key], fresh.sign
        # asked a moment ago: not again so soon
        time.sleep(11)
        self.assertEqual(self.sign_in().status, 302, "the new key is fetched")
        self.issuer.make = self.issuer.key.sign
        self.assertEqual(self.sign_in().status, 302, "the old one is still published")
        fetched = self.issuer.counts["/realm/keys"]
        stranger = Key(self.folder, "three")
        self.issuer.make = stranger.sign
        began = time.monotonic()
        for _ in range(20):
            self.refused("token", "could not be verified")
        at_most = 1 + (time.monotonic() - began) // 10  # one in 10 s
        self.assertLessEqual(self.issuer.counts["/realm/keys"], fetched + at_most, "no storm of fetches")

    def test_bad_documents(self):
        good = dict(self.issuer.documents)
        for path, body in (("/realm/keys", {"keys": []}), ("/realm/keys", b"x" * 300000),
                           ("/realm/keys", {"keys": [{**self.issuer.key.jwk(), "alg": "RS512"}]})):
            with self.subTest(str(body)[:40]):
                self.issuer.documents = {**good, path: lambda b=body: (200, b)}
                self.refused("unreachable", "cannot be reached", 502)
        self.issuer.documents = good
        self.assertEqual(self.sign_in().status, 302, "it mends itself")

    def test_discovery(self):
        path = "/realm/.well-known/openid-configuration"
        good = self.issuer.documents[path]
        for change in ({"issuer": "https://evil.example"}, {"token_endpoint": "file:///etc/passwd"},
                       {"jwks_uri": None}):
            self.issuer.documents[path] = lambda c=change: (200, {**good()[1], **c})
            page_says(Browser(self.authd).get("/auth/login"), 502, "cannot be reached")
        self.issuer.documents[path] = good
        self.assertEqual(self.sign_in().status, 302)

    def test_slow_issuer_harms_nobody_else(self):
        self.assertEqual(self.sign_in().status, 302)
        self.issuer.slow = 2
        b = Browser(self.authd)
        rids = []
        for _ in range(30):
            url = b.get("/auth/login").header("location")
            q = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
            rids.append(b.send("GET", f"/auth/callback?state={q['state']}&code=c"))
        at = time.monotonic()
        for _ in range(10):
            self.assertEqual(b.get("/api/me").status, 401)
        self.assertLess(time.monotonic() - at, house.SOON_S)
        for rid in rids:
            b.finish(rid)


if __name__ == "__main__":
    unittest.main()
