"""Who gets what from which route: every row of authd's own route table against every kind of caller, with
the status and the rule that are to come. A route without a row here fails. Tokens that are forged at the
callback are test_auth_issuer's, Origin and CSRF are test_auth_api's, states and codes test_auth_keycloak's."""
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import time
import unittest
import urllib.parse

import house
from house import Guacd
from test_auth_issuer import Issuer
from test_auth_kit import Authd, Browser, Evidence, Stream, connection, page_says
from test_record_kit import Recorder

ROUTES = os.path.join(os.path.dirname(__file__), "..", "..", "proxy", "authd", "route.c")
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"

# Whoever is not signed in is told so before anything else, by one of these rules.
SIGNED_OUT = {"no cookie": (401, "no-cookie"), "stale": (401, "expired"), "tampered": (401, "cookie"),
              "replayed after logout": (401, "signed-out")}
SIGNED_IN = ("no role", "operator", "auditor", "moderator", "approver")
OPEN = "everybody"          # the one expectation holds for all nine callers
OK, GONE, BAD = (200, None), (404, None), (400, None)
FORBIDDEN = (403, "forbidden")
NOT_CONNECTED = (404, "connection-exists")


def only(*who, ok=OK, no=FORBIDDEN, **others):
    """What each of SIGNED_IN gets: ok for those named, no for the rest, others by name."""
    return tuple(others.get(name, ok if name in who else no) for name in SIGNED_IN)


ALL = only(*SIGNED_IN)

# Method, route, address, body, what each of SIGNED_IN gets (or OPEN and one pair). Order matters for the
# rows at the end: they change what they are about.
ROWS = (
    ("GET", "/auth/login", "/auth/login", None, OPEN, (302, None)),
    ("GET", "/auth/callback", "/auth/callback?state=0x&code=c", None, OPEN, BAD),
    ("GET", "/auth/link", "/auth/link?token=x", None, OPEN, GONE),
    ("GET", "/auth/methods", "/auth/methods", None, OPEN, OK),
    ("POST", "/auth/backchannel", "/auth/backchannel", "logout_token=x", OPEN, BAD),
    ("GET", "/api/openapi.json", "/api/openapi.json", None, OPEN, OK),
    ("GET", "/api/me", "/api/me", None, ALL),
    ("GET", "/api/connections", "/api/connections", None, ALL),
    ("GET", "/api/connections/:ns/:name/targets", "/api/connections/relay/demo/targets", None,
     only(no=GONE)),
    ("GET", "/api/sessions", "/api/sessions", None, ALL),
    ("GET", "/api/sessions/:id", "/api/sessions/{session}", None,
     only("operator", "moderator", "auditor", no=GONE)),
    ("POST", "/api/sessions/:id/:action", "/api/sessions/{session}/message", {"text": "hello"},
     only("operator", "moderator", no=GONE, auditor=FORBIDDEN)),
    ("POST", "/api/sessions/:id/:action", "/api/sessions/{session}/pause", {"text": "wait"},
     only("moderator", no=GONE, operator=FORBIDDEN, auditor=FORBIDDEN)),
    ("POST", "/api/sessions/:id/:action", f"/api/sessions/{NOBODY}/end", {}, only(no=GONE)),
    ("POST", "/api/sessions/:id/invite", "/api/sessions/{session}/invite", {"role": "viewer", "minutes": 5},
     only("operator", "moderator", ok=(201, None), no=GONE, auditor=FORBIDDEN)),
    ("POST", "/api/sessions/:id/token", "/api/sessions/{session}/token", {},
     only("operator", no=GONE, moderator=FORBIDDEN, auditor=FORBIDDEN)),
    ("POST", "/api/invites", "/api/invites", {"secret": "x"}, only(no=(404, "invite"))),
    ("GET", "/api/requests", "/api/requests", None, ALL),
    ("GET", "/api/requests/:id", "/api/requests/{request}", None,
     only("operator", "moderator", "approver", no=GONE)),
    ("POST", "/api/requests", "/api/requests", {"namespace": "relay", "name": "none"},
     only(no=NOT_CONNECTED)),
    ("POST", "/api/requests/:id/:decision", "/api/requests/{request}/approve", {},
     only("approver", no=GONE, operator=(403, "own-request"), moderator=(403, "approver-role"))),
    ("GET", "/api/locks", "/api/locks", None, only("moderator")),
    ("POST", "/api/locks", "/api/locks", {"sub": "evil", "reason": "left"},
     only("moderator", ok=(201, None))),
    ("POST", "/api/locks/:id/lift", "/api/locks/none/lift", {}, only("moderator", ok=GONE)),
    ("GET", "/api/recordings", "/api/recordings", None, only("auditor")),
    ("GET", "/api/recordings/:id", f"/api/recordings/{NOBODY}", None, only("auditor", ok=GONE)),
    ("GET", "/api/recordings/:id/objects/:name", f"/api/recordings/{NOBODY}/objects/open.dsse.json", None,
     only("auditor", ok=GONE)),
    ("GET", "/api/recordings/:id/proof", f"/api/recordings/{NOBODY}/proof", None, only("auditor")),
    ("GET", "/api/recordings/:id/verify", f"/api/recordings/{NOBODY}/verify", None,
     only("auditor", ok=GONE)),
    ("GET", "/api/recordings/:id/hold", f"/api/recordings/{NOBODY}/hold", None, only("auditor")),
    ("POST", "/api/recordings/:id/hold", f"/api/recordings/{NOBODY}/hold", {"on": True, "reason": "case"},
     only()),
    ("GET", "/api/search", "/api/search?q=x", None, only("auditor")),
    ("GET", "/api/exports", "/api/exports", None, only("auditor", ok=(501, None))),  # none are made here
    ("POST", "/api/exports", "/api/exports", {"sessions": [NOBODY]}, only("auditor", ok=GONE)),
    ("GET", "/api/exports/:export", f"/api/exports/{NOBODY}", None, only("auditor", ok=GONE)),
    ("GET", "/api/exports/:export/bag", f"/api/exports/{NOBODY}/bag", None, only("auditor", ok=GONE)),
    ("DELETE", "/api/exports/:export", f"/api/exports/{NOBODY}", None, only("auditor", ok=GONE)),
    ("POST", "/auth/refresh", "/auth/refresh", None, ALL),
    ("POST", "/auth/logout", "/auth/logout", None, ALL),
)
# Routes that take a sign-in whose claims are over.
STALE_TOO = {"/auth/logout": OK}


def gcm(key, nonce, text, more):
    """AES-256-GCM (SP 800-38D) of openssl's counter mode and GHASH written down: no code of ours."""
    def stream(counter, data):
        return subprocess.run(["openssl", "enc", "-aes-256-ctr", "-K", key.hex(), "-iv",
                               (nonce + counter.to_bytes(4, "big")).hex()], input=data,
                              capture_output=True, check=True).stdout
    h = int.from_bytes(subprocess.run(["openssl", "enc", "-aes-256-ecb", "-nopad", "-K", key.hex()],
                                      input=bytes(16), capture_output=True, check=True).stdout, "big")

    def times(x):
        z, v = 0, h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xe1 << 120 if v & 1 else 0)
        return z

    sealed = stream(2, text)
    blocks = b"".join(part + bytes(-len(part) % 16) for part in (more, sealed))
    blocks += (8 * len(more)).to_bytes(8, "big") + (8 * len(sealed)).to_bytes(8, "big")
    y = 0
    for at in range(0, len(blocks), 16):
        y = times(y ^ int.from_bytes(blocks[at:at + 16], "big"))
    return sealed, stream(1, y.to_bytes(16, "big"))


def unpad(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def aged(value, keys):
    """The same cookie, its claims over a minute ago."""
    raw = unpad(value)
    with open(keys, encoding="ascii") as f:
        master = base64.b64decode(f.readline())
    extracted = hmac.digest(bytes(32), master, "sha256")               # HKDF, RFC 5869
    key = hmac.digest(extracted, b"guac cookie v1\x01", "sha256")
    assert raw[:4] == hashlib.sha256(master).digest()[:4]
    nonce, body, tag = raw[4:16], raw[16:-16], raw[-16:]
    # Counter mode is its own inverse: what was sealed comes out again.
    plain, _ = gcm(key, nonce, body, b"session")
    sealed, again = gcm(key, nonce, plain, b"session")
    assert (sealed, again) == (body, tag), "the seal is not as it was written down here"
    content = json.loads(plain)
    content["e"] = int(time.time()) - 60
    fresh = os.urandom(12)
    sealed, tag = gcm(key, fresh, json.dumps(content).encode(), b"session")
    return base64.urlsafe_b64encode(raw[:4] + fresh + sealed + tag).decode().rstrip("=")


class Gate(house.TestCase):
    """authd with an issuer, guacd, recorder and the reader of recordings."""

    def setUp(self):
        super().setUp()
        self.issuer = Issuer(self.folder)
        self.addCleanup(self.issuer.close)

    def gate(self, **settings):
        self.authd = self.start(Authd, oidc_issuer=self.issuer.url, moderator_roles="moderator",
                                sign_ins_per_minute=0, at_once=0, **settings)
        for name, text in (("demo", connection("demo")), ("other", connection("other", roles=("visitor",))),
                           ("asked", connection("asked", more="jit: { requiredApprovers: [approver], "
                                                "maxDurationMinutes: 60 }"))):
            self.authd.connections.write(name + ".yaml", text)
        house.wait(lambda: "3 connections" in self.authd.text())

    def begin(self, b, to="/"):
        url = b.get("/auth/login?to=" + urllib.parse.quote(to, safe="")).header("location")
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))

    def finish(self, b, q, role, sub=None):
        self.issuer.nonce = q["nonce"]
        self.issuer.change = lambda c: {**c, "sub": sub or "u-" + role, "sid": os.urandom(8).hex(),
                                        "realm_access": {"roles": [role]}}
        return b.get(f"/auth/callback?state={q['state']}&code=c", sec_fetch_site="cross-site")

    def sign_in(self, role, sub=None):
        b = Browser(self.authd)
        self.assertEqual(self.finish(b, self.begin(b), role, sub).status, 302)
        self.assertEqual(b.me().status, 200)
        return b


class Matrix(Gate):
    def setUp(self):
        super().setUp()
        recorder = self.start(Recorder)
        self.start(Guacd, gateway=True)
        self.start(Evidence, recorder.store_folder)
        self.gate()
        house.wait(lambda: "connected to the recorder" in self.authd.text(), 20)

    def callers(self):
        them = {"no cookie": Browser(self.authd)}
        for name in ("stale", "tampered", "replayed after logout"):
            them[name] = self.sign_in("operator", sub="u-" + name)
        value = them["stale"].jar["guac"]
        them["stale"].jar["guac"] = aged(value, self.authd.keys)
        value = them["tampered"].jar["guac"]
        them["tampered"].jar["guac"] = value[:60] + ("A" if value[60] != "A" else "B") + value[61:]
        thief = them["replayed after logout"]
        stolen = dict(thief.jar)
        self.assertEqual(thief.post("/auth/logout").status, 200)
        thief.jar = stolen
        them["no role"] = self.sign_in("visitor")
        for name in SIGNED_IN[1:]:
            them[name] = self.sign_in(name)
        self.authd.connections.remove("other.yaml")  # and with it the use of the visitor's role
        house.wait(lambda: "2 connections" in self.authd.text())
        return them

    def tell(self, b, method, url, body):
        if not b.csrf:
            b.csrf = "A" * 43
        before = dict(b.jar)
        change = {"origin": b.origin, "x-csrf": b.csrf}
        answer = b.get(url) if method == "GET" else b.request(method, url, body, change)
        if url != "/auth/logout":
            b.jar = before  # a cookie is tried as it is, whatever the answer before it said
        return answer

    def test_every_route(self):
        with open(ROUTES, encoding="utf-8") as f:
            routes = set(re.findall(r'\{ "([A-Z]+)", "(/[^"]+)", GUARD_', f.read()))
        self.assertGreater(len(routes), 20)
        self.assertEqual(routes, {row[:2] for row in ROWS}, "a row for each route of route.c")
        them = self.callers()
        olga = them["operator"]
        opened = olga.tunnel("connection=relay/demo&width=300&height=200")
        self.assertTrue(opened["ok"], opened)
        stream = Stream(opened["fds"][0])
        self.addCleanup(stream.close)
        stream.until("sync", 20)
        asked = olga.post("/api/requests", {"namespace": "relay", "name": "asked", "minutes": 5,
                                            "reason": "ticket 4711"})
        self.assertEqual(asked.status, 201, asked.text)
        names = {"session": opened["id"], "request": asked.json["id"]}
        for method, route, url, body, expected, *rest in ROWS:
            if expected is OPEN:
                want = dict.fromkeys(them, rest[0])
            else:
                want = {**SIGNED_OUT, **dict(zip(SIGNED_IN, expected))}
                if route in STALE_TOO:
                    want["stale"] = STALE_TOO[route]
            for name, b in them.items():
                with self.subTest(caller=name, route=f"{method} {url}"):
                    answer = self.tell(b, method, url.format(**names), body)
                    rule = None
                    if (answer.header("content-type") or "").startswith("application/json"):
                        rule = answer.json.get("rule")
                    self.assertEqual((answer.status, rule), want[name], answer.text)


class Planted(Gate):
    """What another person puts into a browser: cookies, states, ways back."""

    def setUp(self):
        super().setUp()
        self.gate()

    def test_a_planted_session_is_replaced(self):
        mallory = self.sign_in("operator", sub="mallory")
        b = Browser(self.authd)
        b.jar = dict(mallory.jar)
        planted = b.jar["guac"]
        self.assertEqual(self.finish(b, self.begin(b), "operator", "olga").status, 302)
        self.assertNotEqual(b.jar["guac"], planted)
        self.assertEqual((b.me().json["sub"], mallory.me().json["sub"]), ("olga", "mallory"))
        self.assertNotEqual(b.csrf, mallory.csrf)
        self.assertEqual(b.post("/auth/refresh", x_csrf=mallory.csrf).json["rule"], "csrf")
        # Each sign-in is a session of its own, also of the same person in the same browser.
        first = b.jar["guac"]
        self.assertEqual(self.finish(b, self.begin(b), "operator", "olga").status, 302)
        self.assertNotEqual(b.jar["guac"], first)
        self.assertEqual(mallory.post("/auth/logout").status, 200)
        self.assertEqual(b.get("/api/me").status, 200)

    def test_who_is_signed_in_stays_so(self):
        mallory, olga = Browser(self.authd), self.sign_in("operator", sub="olga")
        theirs = self.begin(mallory)
        page_says(self.finish(olga, theirs, "operator", "mallory"), 400, "was not started here")
        self.assertEqual(olga.me().json["sub"], "olga")
        self.assertEqual(self.finish(mallory, theirs, "operator", "mallory").status, 302, "at home it holds")
        page_says(self.finish(mallory, theirs, "operator", "mallory"), 400, "was not started here")

    def test_the_way_back_is_ours(self):
        for to, way in (("/connections", "/connections"), ("//evil.example", "/"), ("/\\evil.example", "/"),
                        ("https://evil.example/", "/"), ("javascript:x", "/"),
                        ("\\\\evil.example", "/"), ("evil.example", "/")):
            with self.subTest(to):
                b = Browser(self.authd)
                answer = self.finish(b, self.begin(b, to), "operator")
                self.assertEqual((answer.status, answer.header("location")), (302, way))
        for to in ("/%09/evil.example", "/x%0d%0aset-cookie:%20a=b"):
            self.assertEqual(Browser(self.authd).get("/auth/login?to=" + to).status, 400)


if __name__ == "__main__":
    unittest.main()
