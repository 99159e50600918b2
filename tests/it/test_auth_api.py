"""authd by itself, signed in by a development link: cookies, routes and roles, CSRF and origins, what
operators see. Everything goes over the real socket."""
import json
import os
import socket
import threading
import time
import unittest

import house
from test_auth_kit import ORIGIN, Authd, Browser, Line, LinkCase, connection, page_says


class SignIn(LinkCase):
    def test_link_works_once(self):
        with open(os.path.join(self.authd.run, "authd", "link")) as f:
            link = f.read().strip()
        self.assertTrue(link.startswith(ORIGIN + "/auth/link?token="), link)
        b = Browser(self.authd)
        answer = b.use_link(link)
        self.assertEqual((answer.status, answer.header("location")), (302, "/"))
        self.assertFalse(os.path.exists(os.path.join(self.authd.run, "authd", "link")), "used up")
        page_says(Browser(self.authd).use_link(link), 401, "This link has been used")
        page_says(Browser(self.authd).get("/auth/link?token=x"), 401, "This link has been used")
        me = b.me().json
        self.assertEqual((me["sub"], me["name"]), ("dev:dora", "dora"))
        self.assertEqual(me["roles"], ["operator", "auditor"])
        self.assertTrue(me["canAudit"])
        self.assertGreater(me["expires"], time.time() * 1000)
        self.assertEqual(Browser(self.authd).get("/auth/methods").json, {"oidc": False, "link": True})
        page_says(Browser(self.authd).get("/auth/login"), 404, "not configured")

    def test_no_link_where_none_is_configured(self):
        for setting in ({"public_url": "https://gw.example"}, {"public_url": "http://192.0.2.1"},
                        {"dev_link": "no"}):
            a = Authd(house.folder(), wait=False, **{**self.SETTINGS, **setting})
            self.assertNotEqual(a.popen.wait(20), 0, "it must not start")

    def test_cookie_tampered_or_foreign(self):
        b = self.browser()
        value = b.jar["guac"]
        def other(c):
            return "B" if c == "A" else "A"
        for bad in (value[:-1], value + "A", other(value[0]) + value[1:],
                    value[:40] + other(value[40]) + value[41:], "", "x", "A" * 3000, "A" * 5000,
                    value.swapcase()):
            b.jar["guac"] = bad
            self.assertEqual(b.get("/api/me").status, 401, bad[:20])
        b.jar = {"__Host-guac": value}
        self.assertEqual(b.get("/api/me").status, 401, "the other mode's name")
        b.jar = {"guac-pre0": value}
        self.assertEqual(b.get("/api/me").status, 401)
        b.jar = {"guac": value}
        self.assertEqual(b.get("/api/me").status, 200)
        self.assertEqual(b.get("/api/me", cookie=f"guac={value}; guac={value}").status, 401, "tossed")
        # another gateway's keys
        other = self.start(Authd, **{**self.SETTINGS, "cookie_keys": self.folder + "/other.keys",
                                     "run": self.authd.run + "2"}) if os.makedirs(
                                         self.authd.run + "2/s") is None else None
        c = Browser(self.authd, line=Line(self.authd.run + "2/authd.sock"))
        c.jar = {"guac": value}
        self.assertEqual(c.get("/api/me").status, 401)
        self.assertTrue(other.running())

    def test_key_rotation_without_restart(self):
        b = self.browser()
        with open(self.authd.keys) as f:
            old = f.read()
        fresh = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"
        with open(self.authd.keys, "w") as f:
            f.write(fresh + old)
        os.kill(self.authd.pid, 1)
        house.wait(lambda: "again" in self.authd.text())
        self.assertEqual(b.me().status, 200, "sealed under the old key")
        c = self.browser()
        with open(self.authd.keys, "w") as f:
            f.write(fresh)
        house.wait(lambda: self.authd.text().count("again") == 2, 10, "looked at by itself")
        self.assertEqual(b.get("/api/me").status, 401, "the old key is gone")
        self.assertEqual(c.get("/api/me").status, 200)
        with open(self.authd.keys, "w") as f:
            f.write("nonsense\n")
        os.kill(self.authd.pid, 1)
        house.wait(lambda: "the old ones stay" in self.authd.text())
        self.assertEqual(c.get("/api/me").status, 200)

    def test_logout_and_replay(self):
        b = self.browser()
        stolen = dict(b.jar)
        answer = b.post("/auth/logout")
        self.assertEqual((answer.status, answer.json), (200, {"to": "/"}))
        self.assertEqual(b.jar, {}, "the cookie goes")
        thief = Browser(self.authd)
        thief.jar = stolen
        self.assertEqual(thief.get("/api/me").status, 401)
        self.assertEqual(thief.tunnel("connection=relay/x")["http"], 401)
        self.restart()
        thief = Browser(self.authd)
        thief.jar = stolen
        self.assertEqual(thief.get("/api/me").status, 401, "a restart forgets no sign-out")
        self.assertEqual(self.browser().me().status, 200)

    def test_a_restart_keeps_people_signed_in(self):
        b = self.browser()
        self.restart()
        c = Browser(self.authd)
        c.jar = b.jar
        self.assertEqual(c.me().status, 200)
        self.assertEqual(c.csrf, b.csrf)


class Guards(LinkCase):
    CHANGES = ("/auth/logout", "/auth/refresh",
               "/api/sessions/01890a5d-ac96-774b-bcce-b302099a8057/end")
    READS = ("/api/me", "/api/connections", "/api/sessions", "/api/recordings",
             "/api/recordings/01890a5d-ac96-774b-bcce-b302099a8057",
             "/api/recordings/01890a5d-ac96-774b-bcce-b302099a8057/objects/open.dsse.json")

    def test_routes_without_cookie(self):
        b = Browser(self.authd)
        for path in self.READS:
            answer = b.get(path)
            self.assertEqual(answer.status, 401, path)
            self.assertIn("error", answer.json)
        for path in self.CHANGES:
            self.assertEqual(b.post(path).status, 401, path)
        self.assertEqual(b.tunnel("connection=relay/x")["status"], 0x301)

    def test_change_needs_origin_and_token(self):
        b = self.browser()
        for path in self.CHANGES:
            for headers in ({"origin": None}, {"origin": "https://evil.example"}, {"origin": "null"},
                            {"origin": ORIGIN + "0"}, {"origin": "http://localhost:8080"},
                            {"x_csrf": None}, {"x_csrf": ""}, {"x_csrf": "A" * 43},
                            {"x_csrf": b.csrf[:-1] + ("A" if b.csrf[-1] != "A" else "B")},
                            {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}):
                answer = b.post(path, **headers)
                self.assertEqual(answer.status, 403, (path, headers))
                self.assertIn(answer.json["rule"], ("origin", "csrf"))
            self.assertEqual(b.get(path).status, 405, path)
        self.assertEqual(b.me().status, 200, "still signed in")
        other = self.browser()
        self.assertEqual(b.post("/auth/refresh", x_csrf=other.csrf).status, 403, "another sign-in's")
        refused = self.authd.audit("refused")
        self.assertGreater(len(refused), 20)
        self.assertEqual(refused[0]["class_uid"], 6003)

    def test_foreign_pages_read_nothing(self):
        b = self.browser()
        for path in self.READS:
            for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"},
                            {"sec_fetch_site": "same-site"}):
                self.assertEqual(b.get(path, **headers).status, 403, (path, headers))

    def test_socket_needs_origin(self):
        b = self.browser()
        for headers in ({"origin": None}, {"origin": "https://evil.example"},
                        {"sec-fetch-site": "cross-site"}):
            answer = b.tunnel("connection=relay/x", headers=headers)
            self.assertFalse(answer["ok"])
            self.assertEqual((answer["http"], answer["status"]), (403, 0x303))

    def test_unknown_and_odd_addresses(self):
        b = self.browser()
        for path in ("/api/nothing", "/api/", "/auth/x", "/api/me/", "/api/sessions//end",
                     "/api/recordings/a/objects/b/c", "/api/%00", "/api/recordings/%ff"):
            answer = b.get(path)
            self.assertEqual(answer.status, 404, path)
        self.assertEqual(b.request("DELETE", "/api/me").status, 405)
        self.assertEqual(b.request("HEAD", "/api/me").status, 200)
        for query in ("a=%", "a=%00", "&".join(["a=1"] * 65), "a=" + "b" * 9000):
            self.assertIn(b.get("/api/connections?" + query).status, (400, 413, 429), query[:20])
        # no open redirect
        for to in ("//evil.example", "https://evil.example", "/%5Cevil", "/auth/logout"):
            self.assertNotIn("evil", b.get("/auth/login?to=" + to).header("location") or "")

    def test_operator_is_no_auditor(self):
        self.restart(dev_roles="operator")
        b = self.browser()
        self.assertFalse(b.me().json["canAudit"])
        for path in self.READS[3:]:
            answer = b.get(path)
            self.assertEqual(answer.status, 403, path)
            self.assertIn("auditors", answer.json["error"])

    def test_roles_in_the_configuration(self):
        self.authd.connections.write("a.yaml", connection("a", ["operator"]))
        self.restart(operator_roles="staff", moderator_roles="boss", dev_roles="operator boss")
        b = self.browser()
        me = b.me().json
        self.assertEqual((me["canOperate"], me["canModerate"], me["canAudit"]), (False, True, False))
        one = b.get("/api/connections").json["connections"][0]
        self.assertEqual((one["allowed"], one["rule"]), (False, "operator-role"))
        self.assertIn("staff", one["why"])


class Operator(LinkCase):
    def test_metrics(self):
        b = self.browser()
        b.post("/auth/refresh", x_csrf="wrong")
        text = b.line.call("metrics")["text"]
        for name in ("guacamole_active_sessions 0", "guacamole_session_duration_seconds_count 0",
                     'guacamole_auth_failures_total{reason="csrf"} 1', "guacamole_sign_ins_total 1",
                     "guacamole_recorder_up 0"):
            self.assertIn(name, text)

    def test_ready_says_what_is_missing(self):
        answer = Line(self.authd.socket).call("ready")
        self.assertFalse(answer["ok"])
        self.assertEqual(answer["checks"]["recorder"], "the recorder is away")
        self.assertEqual(answer["checks"]["guacd"], "guacd is not listening")
        self.assertEqual(answer["checks"]["clock"], "ok")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.authd.run, "guacd.sock"))
            listener.listen()
            self.assertEqual(Line(self.authd.socket).call("ready")["checks"]["guacd"], "ok")
            listener.settimeout(0.2)
            with self.assertRaises(TimeoutError, msg="nobody was connected by asking"):
                listener.accept()

    def test_doors_are_locked(self):
        with open(f"/proc/{self.authd.pid}/status") as f:
            status = {name: value.strip() for name, _, value in (line.partition(":") for line in f)}
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

    def test_words_that_are_cut_stay_words(self):
        """A sentence cut in the middle of a character must not cost the whole answer."""
        b = self.browser()
        roles = ["ä" * n for n in range(1, 120)]
        self.authd.connections.write("a.yaml", connection("box", roles[:60]))
        house.wait(lambda: b.get("/api/connections").json["connections"], 2)
        one, = b.get("/api/connections").json["connections"]
        self.assertFalse(one["allowed"])
        self.assertFalse(b.tunnel("connection=relay/box")["ok"])

    def test_audit_events(self):
        b = self.browser()
        b.post("/auth/logout")
        first, last = self.authd.audit("sign-in")[0], self.authd.audit("sign-out")[0]
        self.assertEqual((first["class_uid"], first["activity_id"], first["type_uid"]), (3002, 1, 300201))
        self.assertEqual(first["actor"]["user"]["uid"], "dev:dora")
        self.assertEqual(first["src_endpoint"]["ip"], "192.0.2.7")
        self.assertEqual((first["status_id"], first["severity_id"]), (1, 1))
        self.assertEqual(last["type_uid"], 300202)
        self.assertEqual(len({e["metadata"]["uid"] for e in self.authd.audit()}), 2)
        # logrotate: the file is moved, HUP makes a new one
        os.rename(self.authd.audit_file, self.authd.audit_file + ".1")
        os.kill(self.authd.pid, 1)
        house.wait(lambda: os.path.exists(self.authd.audit_file))
        self.browser()
        self.assertEqual(len(self.authd.audit("sign-in")), 1)

    def test_hostile_proxy(self):
        """Who may connect is checked by uid; what comes is checked, too."""
        for junk in (b"", b"x", b"[]", b"{", b"7", b'{"op":"http"}', b'{"op":7,"rid":1}',
                     b'{"op":"http","rid":1,"headers":[],"path":7,"query":{}}',
                     b'{"op":"tunnel","rid":1}', b'{"op":"nonsense","rid":"x"}', b"\xff" * 1000,
                     b"[" * 1000, json.dumps({"op": "http", "rid": 1, "query": "a" * 100000}).encode()):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(self.authd.socket)
                s.send(junk)
                s.settimeout(2)
                try:
                    s.recv(1 << 17)
                except TimeoutError:
                    pass
        self.assertEqual(self.browser().me().status, 200)
        self.assertTrue(self.authd.running())

    def test_many_proxies_and_floods(self):
        lines = []
        for _ in range(80):
            try:
                lines.append(Line(self.authd.socket))
            except OSError:
                pass
        b = None
        for line in lines[:5]:
            for _ in range(500):
                line.send("http", method="GET", path="/auth/methods", query="", headers={}, peer="")
        house.wait(lambda: all(len(line.answers) == 500 for line in lines[:5]), 20, "all are answered")
        for line in lines:
            line.close()

        def served():
            try:
                return self.browser().me().status == 200
            except (OSError, AssertionError):
                return False  # those that were closed are counted until authd saw it
        house.wait(served, why="authd serves others again")

    def test_a_proxy_that_does_not_read_is_cut_off(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(self.authd.socket)
        s.settimeout(30)
        request = json.dumps({"op": "metrics", "rid": 1}).encode()
        cut = threading.Event()

        def flood():
            try:
                for _ in range(20000):
                    s.send(request)
            except OSError:
                cut.set()
        threading.Thread(target=flood, daemon=True).start()
        b = self.browser()
        for _ in range(20):
            self.assertEqual(b.me().status, 200)
        house.wait(cut.is_set, 30, "it is cut off")
        s.close()


if __name__ == "__main__":
    unittest.main()
