"""Live sessions on two replicas: seen, joined, shared by link, taken over, ended, moderated, limited;
with the real Keycloak's people."""
import os
import threading
import time
import unittest

import house
from test_auth_access import Case
from test_auth_keycloak import setUpModule, tearDownModule  # noqa: F401
from test_auth_kit import Browser, Line, Stream


class Sharing(Case):
    def wait(self, condition, timeout=30):
        """As browsers do, the open tunnels go on meanwhile."""
        def turn():
            for stream in self.streams:
                stream.serve(0)
            return condition()
        return house.wait(turn, timeout)

    def join(self, user, session, role="", pod=0):
        more = f"&role={role}" if role else ""
        answer = self.on(user, pod).tunnel(f"session={session}&width=300&height=200{more}")
        if answer["ok"]:
            self.streams.append(Stream(answer["fds"][0]))
        return answer

    def seen(self, user, pod=0):
        return {s["id"]: s for s in self.on(user, pod).get("/api/sessions").json["sessions"]}

    def act(self, user, session, action, pod=0, **body):
        return self.on(user, pod).post(f"/api/sessions/{session}/{action}", body)

    def begin(self, name="free", pod=0):
        answer = self.tunnel(name, pod)
        self.assertTrue(answer["ok"], answer)
        self.wait(lambda: answer["id"] in self.seen("olga", pod), 10)
        return answer["id"], self.streams[-1]

    def test_watch_help_take_over(self):
        session, stream = self.begin()
        stream.until("sync")
        mine = self.seen("olga")[session]
        self.assertEqual((mine["mine"], mine["gateway"], mine["may"]),
                         (True, "pod1", ["resume", "message", "end", "role", "invite"]))
        self.assertEqual(self.seen("apollo"), {}, "none of his business")
        self.assertEqual(self.on("apollo").get(f"/api/sessions/{session}").status, 404)
        for action in ("end", "message", "pause", "role", "invite"):
            self.assertEqual(self.act("apollo", session, action, text="x").status, 404, action)
        for role in ("", "viewer", "helper", "owner"):
            self.assertEqual(self.join("apollo", session, role)["rule"], "session-owner", role)
        self.assertIn("takeover", self.seen("aude")[session]["may"])
        self.assertTrue(self.join("aude", session, "viewer")["ok"])
        self.streams[-1].until("sync")
        self.wait(lambda: {p["role"] for p in self.on("olga").get(f"/api/sessions/{session}").json["people"]}
                  == {"owner", "viewer"})
        self.assertEqual(self.act("aude", session, "message", text="hello").status, 200)
        self.assertEqual(self.act("aude", session, "message").status, 400)
        self.assertEqual(self.act("olga", session, "pause").status, 403)
        self.assertEqual(self.act("aude", session, "pause", text="look").status, 200)
        self.wait(lambda: self.on("aude").get(f"/api/sessions/{session}").json["paused"], 20)
        self.assertEqual(self.act("aude", session, "resume").status, 200)
        self.assertEqual(self.act("aude", session, "none").status, 404)
        # at the other replica it is listed, told of, and can be ended
        self.wait(lambda: session in self.seen("aude", 1), 10)
        self.assertEqual(self.seen("aude", 1)[session]["gateway"], "pod1")
        self.assertTrue(self.join("aude", session, "owner")["ok"], "taken over")
        stream.until_closed(10)
        self.assertEqual(self.act("aude", session, "end", 1, text="enough").status, 200)
        self.assertIn("enough", self.streams[-1].until("error", 15)[1])
        self.wait(lambda: not self.seen("aude") and not self.seen("aude", 1), 20)
        events = [e["activity_name"] for e in self.pods[0].authd.audit()]
        self.assertEqual(events.count("session-join"), 2)

    def test_invitation(self):
        session, _ = self.begin()
        made = self.act("olga", session, "invite", role="viewer", minutes=5)
        self.assertEqual(made.status, 201, made.text)
        token = made.json["url"].rsplit("/", 1)[1]
        self.assertNotIn(token.split(".")[1], "".join(p.authd.text() for p in self.pods))
        self.assertEqual(self.join("sonja", session, "viewer")["rule"], "session-owner")
        bad = token[:-1] + ("A" if token[-1] != "A" else "B")
        for t, want in ((bad, 404), ("x", 404), ("", 404), (token[:36], 404)):
            self.assertEqual(self.on("sonja").post("/api/invites", {"token": t}).status, want, t)
        # two take it at one moment, at two replicas: one has it
        answers = {}
        self.on("sonja"), self.on("apollo")
        self.wait(lambda: session in self.seen("olga", 1), 10)

        def take(user, pod):
            b = Browser(self.pods[pod].authd)
            b.jar, b.csrf = self.on(user).jar, self.on(user).csrf
            answers[user] = b.post("/api/invites", {"token": token})
        threads = [threading.Thread(target=take, args=a) for a in (("sonja", 0), ("apollo", 1))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual(sorted(a.status for a in answers.values()), [200, 410],
                         [a.text for a in answers.values()])
        winner = next(u for u, a in answers.items() if a.status == 200)
        loser = next(u for u, a in answers.items() if a.status == 410)
        self.assertEqual(answers[winner].json, {"session": session, "role": "viewer"})
        self.assertEqual(answers[loser].json["rule"], "invite-used")
        self.wait(lambda: session in self.seen(winner), 5)
        self.assertEqual(self.seen(winner)[session]["may"], ["view"])
        self.assertEqual(self.join(winner, session, "helper")["rule"], "join-role")
        for _ in range(2):  # and again after a drop
            self.assertTrue(self.join(winner, session, "viewer")["ok"])
            self.streams[-1].until("sync")
            self.streams.pop().close()
        self.assertEqual(self.join(loser, session, "viewer")["rule"], "session-owner")

    def test_its_resource_is_its_life(self):
        session, stream = self.begin()
        path = os.path.join(self.folder, "resources", "guacamolesessions", f"relay.{session}.yaml")
        self.wait(lambda: os.path.exists(path), 5)
        os.unlink(path)
        self.assertIn("administrator", stream.until("error", 15)[1])
        session, stream = self.begin()
        path = os.path.join(self.folder, "resources", "guacamolesessions", f"relay.{session}.yaml")
        self.assertEqual(self.act("olga", session, "end").status, 200)
        stream.until_closed(10)

        def ended():
            with open(path) as f:
                return "Ended" in f.read()
        self.wait(ended, 20)

    def test_locks(self):
        me = self.on("olga").me().json["sub"]
        self.assertEqual(self.on("olga").get("/api/locks").status, 403)
        session, stream = self.begin(pod=1)
        post = self.on("aude").post
        for body in ({}, {"sub": me}, {"sub": me, "session": session, "reason": "x"},
                     {"connection": "nonsense", "reason": "x"}, {"session": "x", "reason": "y"}):
            self.assertEqual(post("/api/locks", body).status, 400, body)
        own = self.on("aude").me().json["sub"]
        self.assertEqual(post("/api/locks", {"sub": own, "reason": "x"}).status, 409)
        made = post("/api/locks", {"connection": "relay/free", "reason": "Maintenance.", "minutes": 5})
        self.assertEqual(made.status, 201, made.text)
        self.assertIn("Maintenance.", stream.until("error", 15)[1])
        for pod in (0, 1):
            self.wait(lambda p=pod: self.tunnel("free", p).get("rule") == "locked", 5)
        self.assertEqual([k["id"] for k in self.on("aude").get("/api/locks").json["locks"]],
                         [made.json["id"]])
        self.assertEqual(post(f"/api/locks/{made.json['id']}/lift", {"reason": "done"}).status, 200)
        self.wait(lambda: self.tunnel("free", 1)["ok"], 5)
        self.assertEqual(post(f"/api/locks/{made.json['id']}/lift", {}).status, 404)

    def test_moderated(self):
        self.write("watched", "moderation: { roles: [auditor] }")
        self.wait(lambda: self.tunnel("watched")["ok"], 5)
        session = next(iter(self.seen("olga")))
        paused = lambda: self.on("aude").get(f"/api/sessions/{session}").json["paused"]  # noqa: E731
        self.wait(paused, 20)
        self.assertTrue(self.seen("olga")[session]["moderated"])
        self.assertTrue(self.join("aude", session, "viewer")["ok"])
        self.streams[-1].until("sync")
        self.wait(lambda: not paused(), 20)
        # who moderates is known to the session: an authd that begins anew does not ask for another
        self.pods[0].authd.stop()
        self.pods[0].begin(self)
        for browsers in self.people.values():
            browsers[0].line = Line(self.pods[0].authd.socket)
        self.wait(lambda: session in self.seen("olga"), 20)
        self.assertEqual([p["name"] for p in self.seen("aude")[session]["people"] if p.get("moderator")],
                         [self.on("aude").me().json["name"]])
        for _ in range(30):  # of a keeper's looks, each second
            self.wait(lambda: True)
            self.assertFalse(paused())
            time.sleep(0.1)
        self.streams.pop().close()
        self.wait(paused, 20)
        self.assertTrue(self.join("aude", session, "viewer")["ok"])
        self.wait(lambda: not paused(), 20)


class Limits(Sharing):
    test_watch_help_take_over = test_invitation = test_its_resource_is_its_life = None
    test_locks = test_moderated = None

    def test_one_session_over_two_replicas(self):
        self.write("single", "limits: { sessionsPerPerson: 1 }")
        for pod in (0, 1):
            self.wait(lambda p=pod: "single" in [c["name"] for c in self.on("olga", p).get(
                "/api/connections").json["connections"]], 5)
        for _ in range(4):
            answers, line = [], threading.Barrier(2)

            def go(pod, answers=answers, line=line):
                b = Browser(self.pods[pod].authd)
                b.jar = self.on("olga").jar
                line.wait()
                answers.append(b.tunnel("connection=relay/single&width=300&height=200"))
            threads = [threading.Thread(target=go, args=(pod,)) for pod in (0, 1)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(60)
            self.assertEqual(sorted(a["ok"] for a in answers), [False, True], answers)
            lost = next(a for a in answers if not a["ok"])
            self.assertEqual((lost["rule"], lost["http"]), ("session-limit", 429))
            won = next(a for a in answers if a["ok"])
            stream = Stream(won["fds"][0])
            self.assertEqual(self.tunnel("single", 1)["rule"], "session-limit")
            for pod in (0, 1):
                self.wait(lambda p=pod: won["id"] in self.seen("olga", p), 10)
            self.act("olga", won["id"], "end")
            stream.until_closed(15)
            stream.close()
            for pod in (0, 1):
                self.wait(lambda p=pod: won["id"] not in self.seen("olga", p), 20)

    def test_step_up(self):
        self.write("fresh", "stepUp: { maxAgeMinutes: 1, acr: '1' }")
        self.wait(lambda: self.tunnel("fresh")["ok"], 5)
        one = next(c for c in self.on("olga").get("/api/connections").json["connections"]
                   if c["name"] == "fresh")
        url = self.on("olga").get(one["stepUp"], sec_fetch_site="none").header("location")
        self.assertIn("max_age=60", url)
        self.assertIn("acr_values=1", url)
        self.write("gold", "stepUp: { acr: gold }")
        self.wait(lambda: self.tunnel("gold").get("rule") == "step-up", 5)


class Unrefreshed(Case):
    MORE = {"unrefreshed_seconds": 4}

    def refreshed(self, seconds):
        """Two sessions, and for so long a refresh now and again; how far apart, at most."""
        b, gap = self.on("olga"), 0
        began = last = time.monotonic()
        for pod in (0, 1):
            self.assertTrue(self.tunnel("free", pod)["ok"])
        while last - began < seconds:
            self.assertEqual(b.post("/auth/refresh").status, 200)
            for s in self.streams:
                s.serve()
            gap, last = max(gap, time.monotonic() - last), time.monotonic()
            time.sleep(0.2)
        return gap

    def test_it_ends(self):
        for _ in range(10):
            if self.refreshed(8) > 2:  # this machine stood still: that tells nothing
                while self.streams:
                    self.streams.pop().close()
                continue
            self.assertEqual([s.closed for s in self.streams], [False, False])
            for s in self.streams:
                self.assertIn("Sign in again", s.until("error", 30)[1])
            return
        self.fail("this machine is too slow to refresh every 2 s")


if __name__ == "__main__":
    unittest.main()
