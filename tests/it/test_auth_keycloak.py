"""Sign-in at the real Keycloak: the whole way with its own login form, what goes wrong on it, roles,
refresh, sign-out. One Keycloak serves the file; authd is new for each test.

HOUSE_KEYCLOAK=DIR uses one that tests/parts/keycloak.sh has started there."""
import base64
import html
import http.cookiejar
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import house
from test_auth_kit import ORIGIN, Authd, Browser, connection, page_says

PART = {}
TOKEN = r"eyJ[\w-]+\.eyJ"  # two parts of a JWT


def setUpModule():
    PART["script"] = house.need_part("keycloak")
    given = os.environ.get("HOUSE_KEYCLOAK")
    PART["dir"] = given or house.folder("kc")
    if not given:
        subprocess.run([PART["script"], "start", PART["dir"]], check=True, capture_output=True,
                       env=dict(os.environ, PART_OWNER=str(os.getpid())))
    with open(os.path.join(PART["dir"], "env")) as f:
        PART["env"] = dict(line.rstrip().replace("'", "").split("=", 1) for line in f)
    PART["given"] = bool(given)


def tearDownModule():
    if PART and not PART["given"]:
        subprocess.run([PART["script"], "stop", PART["dir"]], check=False, capture_output=True)
        shutil.rmtree(PART["dir"], ignore_errors=True)


def verb(*args):
    return subprocess.run([PART["script"], args[0], PART["dir"], *args[1:]], check=True,
                          capture_output=True, text=True).stdout


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


class Keycloak:
    """The browser's part at Keycloak, with its cookies."""

    def __init__(self):
        # as in browsers, http on loopback is secure enough for Secure cookies
        self.jar = http.cookiejar.CookieJar(
            http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https")))
        self.opener = urllib.request.build_opener(NoRedirect,
                                                  urllib.request.HTTPCookieProcessor(self.jar))

    def fetch(self, url, form=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self.opener.open(url, data, timeout=20) as r:
                return r.status, r.headers.get("Location"), r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers.get("Location"), e.read().decode()

    def login(self, url, user):
        """Where the browser is sent back to."""
        status, location, text = self.fetch(url)
        if status == 200:
            form = re.search(r'id="kc-form-login"[^>]*action="([^"]+)"', text)
            assert form, text[-2000:]
            status, location, text = self.fetch(html.unescape(form.group(1)),
                                                {"username": user, "password": user + "-pw"})
        assert status == 302, (status, text[-2000:])
        return location


class Case(house.TestCase):
    SETTINGS = {}

    def setUp(self):
        super().setUp()
        env = PART["env"]
        secret = os.path.join(self.folder, "client.secret")
        with open(secret, "w") as f:
            f.write(env["KEYCLOAK_CLIENT_SECRET"] + "\n")
        os.chmod(secret, 0o600)
        self.settings = {"oidc_issuer": env["KEYCLOAK_ISSUER"], "oidc_client": env["KEYCLOAK_CLIENT"],
                         "oidc_secret": secret, **self.SETTINGS}
        self.authd = self.start(Authd, **self.settings)
        self.authd.connections.write("a.yaml", connection("box", ["prod-operator", "session-operator"]))
        b = Browser(self.authd)
        house.wait(lambda: "1 connections" in self.authd.text())
        self.assertEqual(b.get("/auth/methods").json, {"oidc": True, "link": False})

    def start_login(self, b, to=None):
        answer = b.get("/auth/login" + (f"?to={urllib.parse.quote(to)}" if to else ""),
                       sec_fetch_site="none")
        self.assertEqual(answer.status, 302, answer.text)
        return answer.header("location")

    def back(self, b, location):
        """Follow Keycloak's redirect to us."""
        at = urllib.parse.urlsplit(location)
        self.assertEqual(f"{at.scheme}://{at.netloc}{at.path}", ORIGIN + "/auth/callback")
        return b.get(f"{at.path}?{at.query}", sec_fetch_site="cross-site")

    def sign_in(self, user, b=None, keycloak=None, to=None):
        b = b or Browser(self.authd)
        keycloak = keycloak or Keycloak()
        b.keycloak = keycloak
        b.answer = self.back(b, keycloak.login(self.start_login(b, to), user))
        return b


class Flow(Case):
    def test_whole_way(self):
        b = Browser(self.authd)
        url = self.start_login(b, "/session/x?y=z")
        q = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        self.assertEqual((q["response_type"], q["client_id"], q["code_challenge_method"]),
                         ("code", "guacamole", "S256"))
        self.assertGreaterEqual(len(q["state"]), 32)
        self.assertGreaterEqual(len(q["nonce"]), 32)
        pre = list(b.jar)
        self.assertEqual(len(pre), 1)
        self.assertTrue(pre[0].startswith("guac-pre"))
        before = time.time()
        b = self.sign_in("olga", to="/session/x?y=z")
        after = time.time()
        self.assertEqual((b.answer.status, b.answer.header("location")), (302, "/session/x?y=z"))
        self.assertEqual(list(b.jar), ["guac"], "the pre-login cookie is gone")
        self.assertLess(len(b.jar["guac"]), 3072)
        me = b.me().json
        self.assertTrue(me["canOperate"] and not me["canAudit"] and me["refresh"])
        self.assertIn("prod-operator", me["roles"])
        self.assertEqual((me["groups"], me["refreshSeconds"]), ([], 240))
        for what, lasts in (("authTime", 0), ("expires", 15 * 60)):  # in whole seconds
            self.assertTrue(before - 1 <= me[what] / 1000 - lasts <= after + 1, (what, me[what], before, after))
        # no token reaches the page: not in a body, not in a header but the sealed cookie
        text = b.answer.text + json.dumps(me) + json.dumps(b.answer.headers)
        self.assertNotRegex(text, TOKEN)
        event = self.authd.audit("sign-in")[0]
        self.assertEqual(event["actor"]["user"]["uid"], me["sub"])
        self.assertIn("prod-operator", event["actor"]["authorizations"])

    def test_second_time_by_keycloaks_own_session(self):
        b = self.sign_in("olga")
        c = Browser(self.authd)
        url = self.start_login(c)
        status, location, _ = b.keycloak.fetch(url)
        self.assertEqual(status, 302, "no form")
        self.assertEqual(self.back(c, location).status, 302)
        self.assertEqual(c.me().status, 200)

    def test_es256(self):
        self.settings["oidc_client"] = PART["env"]["KEYCLOAK_CLIENT_ES256"]
        self.authd.stop()
        self.authd = self.start(Authd, **self.settings)
        self.authd.connections.write("a.yaml", connection("box", ["prod-operator"]))
        house.wait(lambda: "1 connections" in self.authd.text())
        self.assertEqual(self.sign_in("olga").me().status, 200)

    def test_client_roles(self):
        b = self.sign_in("clara")
        me = b.me().json
        self.assertTrue(me["canAudit"] and me["canOperate"])
        self.assertIn("session-operator", me["roles"])

    def test_groups(self):
        self.authd.connections.write("b.yaml", connection("other", ["dev-operator"]))
        house.wait(lambda: "2 connections" in self.authd.text())
        self.assertEqual(self.sign_in("apollo").me().json["groups"], ["team-platform"])

    def test_auditor(self):
        b = self.sign_in("aude")
        self.assertEqual(b.answer.status, 302)
        me = b.me().json
        self.assertEqual((me["canAudit"], me["canOperate"]), (True, False))
        refused = b.tunnel("connection=relay/box")
        self.assertEqual((refused["status"], refused["rule"]), (0x303, "auditor-replay-only"))

    def test_no_role(self):
        b = self.sign_in("nina")
        page_says(b.answer, 403, "no role of yours is of use here")
        self.assertIn("Sign in as somebody else", b.answer.text)
        self.assertNotIn("guac", b.jar, "no cookie for nothing")
        self.assertEqual(self.authd.audit("sign-in")[0]["status_id"], 2)
        text = b.line.call("metrics")["text"]
        self.assertIn('guacamole_auth_failures_total{reason="role"} 1', text)

    def test_role_by_name_when_operators_are_configured(self):
        self.authd.stop()
        self.authd = self.start(Authd, **self.settings, operator_roles="gateway-user")
        page_says(self.sign_in("olga").answer, 403, "no role of yours is of use here")
        self.assertIn("gateway-user", self.sign_in("olga").answer.text)

    def test_several_tabs(self):
        """Each tab has its state; they do not get into each other's way (four of them)."""
        b, k = Browser(self.authd), Keycloak()
        urls = [self.start_login(b) for _ in range(4)]
        self.assertEqual(len(b.jar), 4)
        for url in reversed(urls):
            self.assertEqual(self.back(b, k.login(url, "olga")).status, 302)
        self.assertEqual(list(b.jar), ["guac"])
        for _ in range(20):
            self.start_login(b)
        self.assertLessEqual(len(b.jar), 5, "never more of them")


class Wrong(Case):
    def test_state(self):
        b = Browser(self.authd)
        location = Keycloak().login(self.start_login(b), "olga")
        at = urllib.parse.urlsplit(location)
        q = dict(urllib.parse.parse_qsl(at.query))
        good = dict(b.jar)

        def callback(jar, **changes):
            b.jar = dict(jar)
            return b.get("/auth/callback?" + urllib.parse.urlencode({**q, **changes}))
        for changes in ({"state": ""}, {"state": q["state"][:-1] + "x"}, {"state": "9" + q["state"][1:]},
                        {"state": q["state"][0]}, {"state": "x" * 4000}):
            page_says(callback(good, **changes), 400, "This sign-in was not started here")
        page_says(callback({}), 400, "This sign-in was not started here")
        page_says(callback({next(iter(good)): "A" * 400}), 400, "This sign-in was not started here")
        # login CSRF: another browser's answer
        other = Browser(self.authd)
        self.start_login(other)
        page_says(other.get("/auth/callback?" + at.query), 400, "This sign-in was not started here")
        # another issuer's answer (RFC 9207)
        page_says(callback(good, iss="https://evil.example"), 400, "This sign-in was not started here")
        self.assertEqual(callback(good).status, 302, "the right one works still")

    def test_code(self):
        b = Browser(self.authd)
        location = Keycloak().login(self.start_login(b), "olga")
        jar = dict(b.jar)
        self.assertEqual(self.back(b, location).status, 302)
        replay = Browser(self.authd)
        replay.jar = jar
        answer = self.back(replay, location)
        page_says(answer, 403, "The identity provider refused the sign-in")
        self.assertIn("invalid_grant", answer.text)
        self.assertNotIn("guac", replay.jar)
        b = Browser(self.authd)
        location = Keycloak().login(self.start_login(b), "olga")
        page_says(self.back(b, re.sub(r"code=[^&]+", "code=made.up.code", location)), 403,
                  "The identity provider refused")

    def test_verifier_and_nonce_belong_to_the_state(self):
        """A code of one sign-in with the cookie of another: PKCE refuses it at Keycloak."""
        b, c = Browser(self.authd), Browser(self.authd)
        first = Keycloak().login(self.start_login(b), "olga")
        second = Keycloak().login(self.start_login(c), "olga")
        code = re.search(r"code=([^&]+)", first).group(1)
        answer = self.back(c, re.sub(r"code=[^&]+", "code=" + code, second))
        page_says(answer, 403, "The identity provider refused")
        self.assertIn("PKCE", answer.text)

    def test_error_from_keycloak(self):
        b = Browser(self.authd)
        url = self.start_login(b)
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["state"]
        answer = b.get(f"/auth/callback?state={state}&error=access_denied"
                       "&error_description=%3Cscript%3Ealert(1)%3C/script%3E")
        page_says(answer, 403, "The identity provider refused")
        self.assertIn("&lt;script&gt;", answer.text)
        b = Browser(self.authd)
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.start_login(b)).query))["state"]
        page_says(b.get(f"/auth/callback?state={state}"), 403, "The identity provider refused")

    def test_wrong_client_secret(self):
        with open(self.settings["oidc_secret"], "w") as f:
            f.write("wrong")
        self.authd.stop()
        self.authd = self.start(Authd, **self.settings)
        answer = self.sign_in("olga").answer
        page_says(answer, 403, "The identity provider refused")
        self.assertIn("unauthorized_client", answer.text)

    def test_keycloak_away(self):
        self.settings["oidc_issuer"] = f"http://127.0.0.1:{house.free_port()}/realms/catalyst"
        self.authd.stop()
        self.authd = self.start(Authd, **self.settings)
        b = Browser(self.authd)
        page_says(b.get("/auth/login"), 502, "The identity provider cannot be reached")
        checks = b.line.call("ready")["checks"]
        self.assertNotEqual(checks["oidc"], "ok")


class Staying(Case):
    def test_refresh(self):
        b = self.sign_in("olga")
        old, csrf = b.jar["guac"], b.me() and b.csrf
        answer = b.post("/auth/refresh")
        self.assertEqual(answer.status, 200, answer.text)
        self.assertNotEqual(b.jar["guac"], old)
        self.assertEqual(answer.json["csrf"], csrf, "it is the same sign-in")
        self.assertEqual(b.me().status, 200)

    def test_revoked_at_keycloak(self):
        b = self.sign_in("olga")
        b.me()
        verb("logout", "olga")
        old = b.jar["guac"]
        answer = b.post("/auth/refresh")
        self.assertEqual((answer.status, answer.json["refresh"]), (200, False), answer.text)
        self.assertEqual(b.jar["guac"], old, "claims are kept until their end, and not longer")
        self.assertEqual(b.me().status, 200)

    def test_logout(self):
        b = self.sign_in("olga")
        b.me()
        stolen = dict(b.jar)
        answer = b.post("/auth/logout")
        self.assertEqual(answer.status, 200)
        to = answer.json["to"]
        self.assertTrue(to.startswith(PART["env"]["KEYCLOAK_ISSUER"]), to)
        self.assertNotRegex(to, TOKEN)
        # Keycloak has ended the sign-in already: the browser comes back without a question
        status, location, text = b.keycloak.fetch(to)
        self.assertEqual((status, location), (302, ORIGIN + "/"), text[:300])
        thief = Browser(self.authd)
        thief.jar = stolen
        self.assertEqual(thief.get("/api/me").status, 401)
        thief.csrf = b.csrf
        self.assertEqual(thief.post("/auth/refresh").status, 401, "nor can it be renewed")
        # and Keycloak asks for the password again
        c = Browser(self.authd)
        status, _, text = b.keycloak.fetch(self.start_login(c))
        self.assertEqual(status, 200)
        self.assertIn("kc-form-login", text)

    def test_signing_in_again_after_sign_out(self):
        b = self.sign_in("olga")
        b.me()
        b.post("/auth/logout")
        c = self.sign_in("olga", keycloak=b.keycloak)
        self.assertEqual(c.me().status, 200)


class Proxy(house.Process):
    """The real one, for Keycloak's own requests to us."""

    def __init__(self, directory):
        self.port = house.free_port()
        argv = [house.program("guac-proxy"), "--run", os.path.join(directory, "run"), "--web",
                os.path.join(house.BUILD, "web"), "--listen", f"127.0.0.1:{self.port}",
                "--admin-listen", f"127.0.0.1:{house.free_port()}"]
        super().__init__(argv, os.path.join(directory, "proxy.log"))
        house.wait(lambda: "connected to authd" in self.text(), 10 * house.PATIENCE)
        self.url = f"http://127.0.0.1:{self.port}/auth/backchannel"

    def post(self, form, content_type="application/x-www-form-urlencoded"):
        rq = urllib.request.Request(self.url, form.encode(), {"content-type": content_type})
        try:
            with urllib.request.urlopen(rq, timeout=20) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()


class Catcher:
    """A stranger on the way: keeps what Keycloak sends, and passes it on."""

    def __init__(self, proxy):
        self.forms = []
        catcher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                form = self.rfile.read(int(self.headers["content-length"])).decode()
                status, _ = proxy.post(form, self.headers["content-type"])
                catcher.forms.append((form, status))
                self.send_response(status)
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class BackChannel(Case):
    def setUp(self):
        super().setUp()
        self.proxy = self.start(Proxy)
        self.catcher = Catcher(self.proxy)
        self.addCleanup(self.catcher.close)

    def test_keycloak_ends_the_sign_in(self):
        verb("backchannel", self.catcher.url)
        olga, other, aude = self.sign_in("olga"), self.sign_in("olga"), self.sign_in("aude")
        self.assertEqual([b.me().status for b in (olga, other, aude)], [200] * 3)
        verb("logout", "olga")
        house.wait(lambda: len(self.catcher.forms) == 2, 20, "Keycloak tells of both sign-ins")
        self.assertEqual([status for _, status in self.catcher.forms], [200, 200])
        for b in (olga, other):
            answer = b.get("/api/me")
            self.assertEqual((answer.status, answer.json["rule"]), (401, "signed-out"))
            self.assertEqual(b.post("/auth/refresh").status, 401)
        self.assertEqual(aude.me().status, 200, "nobody else")
        events = self.authd.audit("sign-out")
        self.assertEqual([e["status_id"] for e in events], [1, 1])
        # once and for us: the same again ends nothing that began since
        fresh = self.sign_in("olga")
        for form, _ in self.catcher.forms:
            self.assertEqual(self.proxy.post(form)[0], 400)
        self.assertEqual(fresh.me().status, 200)
        # a restart forgets neither the sign-out nor the token
        self.authd.stop()
        self.authd = self.start(Authd, **self.settings)
        house.wait(lambda: self.proxy.text().count("connected to authd") == 2, 10 * house.PATIENCE)
        for b in (olga, fresh):
            b.line = Browser(self.authd).line
        self.assertEqual((olga.get("/api/me").status, fresh.me().status), (401, 200))
        self.assertEqual(self.proxy.post(self.catcher.forms[0][0])[0], 400)

    def test_what_is_no_logout_token(self):
        b = self.sign_in("olga")
        tokens = json.loads(verb("token", "olga", "guacamole-tests"))
        for form in ("", "x", "logout_token=", "logout_token=a.b.c", "logout_token=" + "x" * 9000,
                     "logout_token=" + tokens["id_token"], "logout_token=" + tokens["access_token"],
                     "logout_token=" + tokens["refresh_token"], "%ff=%00"):
            status, text = self.proxy.post(form)
            self.assertEqual((status, json.loads(text)["error"]), (400, "invalid_request"), form[:60])
        self.assertEqual(b.me().status, 200)
        text = b.line.call("metrics")["text"]
        self.assertRegex(text, r'guacamole_auth_failures_total{reason="token"} [1-9]')


class Tokens(Case):
    """Real tokens of the realm that are none of ours."""

    def test_foreign_tokens_are_no_cookies(self):
        for user, client in (("olga", "guacamole-tests"), ("olga", "other-app")):
            tokens = json.loads(verb("token", user, client))
            for name in ("access_token", "id_token", "refresh_token"):
                b = Browser(self.authd)
                b.jar = {"guac": tokens[name]}
                self.assertEqual(b.get("/api/me").status, 401)
        unsigned = ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=")
                            for p in ('{"alg":"none"}', '{"sub":"x"}')) + "."
        b = Browser(self.authd)
        b.jar = {"guac": unsigned}
        self.assertEqual(b.get("/api/me").status, 401)
        self.assertEqual(b.get("/api/me", authorization="Bearer " + tokens["access_token"]).status, 401)


if __name__ == "__main__":
    unittest.main()
