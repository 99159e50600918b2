"""Just-in-time access with real people of the real Keycloak, on two replicas that share nothing but
their folders: who may ask and who may decide, one winner of two, windows, revocation, locks."""
import os
import re
import threading
import time
import unittest

import house
import test_auth_keycloak as kc
from house import Guacd
from test_auth_keycloak import setUpModule, tearDownModule  # noqa: F401
from test_auth_kit import Authd, Browser, Stream, connection
from test_record_kit import Recorder

JIT = "jit: { requiredApprovers: [%s], maxDurationMinutes: 60 }"


class Replica:
    """authd, guacd and recorder of one pod."""

    def __init__(self, case, number, shared, settings):
        self.folder = os.path.join(shared, f"pod{number}")
        os.makedirs(self.folder)
        self.recorder = Recorder(self.folder)
        self.guacd = Guacd(self.folder, gateway=True)
        self.settings = {"gateway_name": f"pod{number}", "resources": os.path.join(shared, "resources"),
                         "folder": os.path.join(shared, "connections"),
                         "cookie_keys": os.path.join(shared, "cookie.keys"), **settings}
        case.started += [self.recorder, self.guacd]
        self.begin(case)

    def begin(self, case):
        """authd, at first or once more."""
        self.authd = Authd(self.folder, **self.settings)
        case.started.append(self.authd)
        house.wait(lambda: "connected to the recorder" in self.authd.text(), 10 * house.PATIENCE)


class Case(house.TestCase):
    MORE = {}

    def setUp(self):
        super().setUp()
        env = kc.PART["env"]
        secret = os.path.join(self.folder, "client.secret")
        with open(secret, "w") as f:
            f.write(env["KEYCLOAK_CLIENT_SECRET"] + "\n")
        os.chmod(secret, 0o600)
        os.makedirs(os.path.join(self.folder, "connections"))
        settings = {"oidc_issuer": env["KEYCLOAK_ISSUER"], "oidc_client": env["KEYCLOAK_CLIENT"],
                    "oidc_secret": secret, "grace_seconds": 5, "moderator_roles": "auditor",
                    **self.MORE}
        self.pods = [Replica(self, n, self.folder, settings) for n in (1, 2)]
        self.write("both", JIT % "team-platform, security-officers")
        self.write("one", JIT % "team-platform")
        self.write("own", JIT % "prod-operator")
        self.write("free", "")
        self.streams = []
        self.addCleanup(lambda: [s.close() for s in self.streams])
        self.people = {}
        house.wait(lambda: len(self.on("olga", 0).get("/api/connections").json["connections"]) == 4 and
                   len(self.on("olga", 1).get("/api/connections").json["connections"]) == 4, 10)

    def write(self, name, more):
        path = os.path.join(self.folder, "connections", name + ".yaml")
        with open(path + ".tmp", "w") as f:
            f.write(connection(name, ["prod-operator"], more=more))
        os.rename(path + ".tmp", path)

    def on(self, user, pod=0):
        """That person's browser, signed in once, at that replica."""
        if user not in self.people:
            b = Browser(self.pods[0].authd)
            location = b.get("/auth/login", sec_fetch_site="none").header("location")
            back = kc.Keycloak().login(location, user)
            path, _, query = back.partition("?")
            self.assertEqual(b.get("/auth/callback?" + query, sec_fetch_site="cross-site").status, 302)
            self.assertEqual(b.me().status, 200)
            self.people[user] = {0: b}
        if pod not in self.people[user]:
            first = self.people[user][0]
            b = Browser(self.pods[pod].authd)
            b.jar, b.csrf = first.jar, first.csrf
            self.people[user][pod] = b
        return self.people[user][pod]

    def ask(self, name, user="olga", pod=0, **more):
        return self.on(user, pod).post("/api/requests", {
            "namespace": "relay", "name": name, "reason": "ticket 4711: ledger is stuck",
            "minutes": 5, **more})

    def asked(self, name, **more):
        answer = self.ask(name, **more)
        self.assertEqual(answer.status, 201, answer.text)
        request = answer.json
        for pod in (0, 1):
            house.wait(lambda p=pod: self.get(request["id"], p), 5)
        return request

    def get(self, request, pod=0, user="olga"):
        answer = self.on(user, pod).get("/api/requests/" + request)
        return answer.json if answer.status == 200 else None

    def say(self, word, request, user, pod=0, note=""):
        return self.on(user, pod).post(f"/api/requests/{request}/{word}", {"note": note})

    def refusal(self, answer):
        return answer.status, answer.json.get("rule")

    def tunnel(self, name, pod=0, user="olga"):
        answer = self.on(user, pod).tunnel(f"connection=relay/{name}&width=300&height=200")
        if answer["ok"]:
            self.streams.append(Stream(answer["fds"][0]))
        return answer


class Asking(Case):
    def test_the_whole_way(self):
        refused = self.tunnel("both")
        self.assertEqual((refused["rule"], refused["http"]), ("jit-approval", 403))
        request = self.asked("both")
        self.assertEqual((request["state"], request["missing"], request["may"], request["mine"]),
                         ("pending", ["team-platform", "security-officers"], ["revoke"], True))
        # whom it concerns sees it, nobody else
        for user, may in (("apollo", ["approve", "deny", "revoke"]),
                          ("sonja", ["approve", "deny", "revoke"]), ("aude", ["revoke"])):
            seen = self.on(user).get("/api/requests").json["requests"]
            self.assertEqual([(r["id"], r["may"]) for r in seen], [(request["id"], may)], user)
        other = self.asked("one")["id"]
        self.assertEqual(len(self.on("sonja").get("/api/requests?state=all").json["requests"]), 1)
        self.assertEqual(self.on("sonja").get("/api/requests/" + other).status, 404)
        self.assertEqual(self.refusal(self.say("approve", other, "sonja")), (404, None))
        self.assertEqual(self.say("revoke", other, "olga").json["state"], "withdrawn")
        # nobody for his own, nobody without the name, nobody twice
        self.assertEqual(self.refusal(self.say("approve", request["id"], "olga")),
                         (403, "own-request"))
        self.assertEqual(self.refusal(self.say("approve", request["id"], "aude")),
                         (403, "approver-role"))
        self.assertEqual(self.say("approve", request["id"], "apollo", note="go on").status, 200)
        house.wait(lambda: self.get(request["id"], 1)["missing"] == ["security-officers"], 5)
        self.assertEqual(self.refusal(self.say("approve", request["id"], "apollo", 1)),
                         (409, "already-decided"))
        self.assertEqual(self.tunnel("both")["rule"], "jit-approval", "one of two is not enough")
        # the second one, at the other replica
        done = self.say("approve", request["id"], "sonja", 1)
        self.assertEqual((done.status, done.json["state"], done.json["missing"]),
                         (200, "approved", []), done.text)
        self.assertAlmostEqual(done.json["until"] - done.json["from"], 5 * 60000, delta=2)
        self.assertEqual([(d["as"], d["decision"]) for d in done.json["decisions"]],
                         [("team-platform", "approve"), ("security-officers", "approve")])
        house.wait(lambda: self.get(request["id"])["state"] == "approved", 5)
        for pod in (0, 1):
            self.assertTrue(self.tunnel("both", pod)["ok"])
        self.assertEqual(self.refusal(self.say("approve", request["id"], "sonja")),
                         (409, "request-over"))
        # what was said is kept: resources, audit, log over all sessions
        kept = os.listdir(os.path.join(self.folder, "resources", "guacamoleapprovals"))
        self.assertEqual(len([n for n in kept if n.endswith(".yaml")]), 2)
        said = [e for p in self.pods for e in p.authd.audit("approval") if e["unmapped"]["as"]]
        self.assertEqual([e["unmapped"]["as"] for e in said], ["team-platform", "security-officers"])
        # revoked: both sessions end, on both replicas, and nothing opens any more
        self.assertEqual(self.say("revoke", request["id"], "sonja", note="stop").status, 200)
        for s in self.streams:
            s.until("error", 15)
            s.until_closed(15)
        house.wait(lambda: self.tunnel("both", 1).get("rule") == "jit-approval", 5)
        self.assertEqual(self.refusal(self.say("revoke", request["id"], "sonja")),
                         (409, "request-over"))
        self.assertIn("Revoked by", self.get(request["id"])["why"])

    def test_what_cannot_be_asked(self):
        for name, more, want in (
                ("one", {"minutes": 61}, (400, "minutes")), ("one", {"minutes": 0}, (400, "minutes")),
                ("one", {"minutes": "x"}, (400, "minutes")), ("one", {"reason": " \n"}, (400, "reason")),
                ("one", {"reason": "now", "breakGlass": True}, (400, "reason")),
                ("free", {}, (409, "allowed")), ("none", {}, (404, "connection-exists"))):
            self.assertEqual(self.refusal(self.ask(name, **more)), want, (name, more))
        self.assertEqual(self.refusal(self.ask("one", "aude")), (403, "auditor-replay-only"))
        self.assertEqual(self.refusal(self.ask("one", "apollo")), (403, "audience"))
        for body in ("[]", "x", '{"namespace":7}', "{" * 100):
            self.assertIn(self.on("olga").post("/api/requests", body).status, (400, 404), body)
        first = self.asked("one")
        again = self.ask("one", pod=1)
        self.assertEqual((again.status, again.json["rule"], again.json["request"]),
                         (409, "request-pending", first["id"]))
        # a requester who holds the listed name does not approve his own
        own = self.asked("own")
        self.assertEqual(self.refusal(self.say("approve", own["id"], "olga")), (403, "own-request"))
        self.assertEqual(self.say("revoke", own["id"], "olga").json["state"], "withdrawn")
        self.assertEqual(self.say("deny", first["id"], "apollo", 1, "no").json["state"], "denied")
        house.wait(lambda: self.get(first["id"])["state"] == "denied", 5)
        self.assertEqual(self.refusal(self.say("approve", first["id"], "apollo")),
                         (409, "request-over"))
        self.assertEqual(self.tunnel("one")["rule"], "jit-approval")
        self.asked("one")  # and asked again

    def test_one_winner(self):
        """The same name's approval at both replicas at one moment, by two people who hold it."""
        for _ in range(4):
            request = self.asked("both")["id"]
            answers, line = [], threading.Barrier(4)

            def approve(user, pod, request=request, answers=answers, line=line):
                b = Browser(self.pods[pod].authd)
                b.jar, b.csrf = self.on(user).jar, self.on(user).csrf
                line.wait()
                answers.append((user, b.post(f"/api/requests/{request}/approve", {}).status))
            self.on("apollo"), self.on("sonja")
            threads = [threading.Thread(target=approve, args=(user, pod))
                       for user in ("apollo", "sonja") for pod in (0, 1)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(60)
            # each of the two counts once, whoever was first where
            self.assertEqual(sorted(s for _, s in answers), [200, 200, 409, 409], answers)
            for user in ("apollo", "sonja"):
                self.assertEqual(sorted(s for u, s in answers if u == user), [200, 409])
            house.wait(lambda r=request: self.get(r)["state"] == "approved", 5)
            self.assertEqual(len(self.get(request)["decisions"]), 2)
            self.assertEqual(self.say("revoke", request, "olga").status, 200)

    def test_breaking_the_glass(self):
        request = self.asked("one", breakGlass=True)["id"]
        self.assertEqual(self.say("approve", request, "apollo").json["state"], "pending")
        self.assertEqual(self.refusal(self.say("approve", request, "sonja")), (404, None),
                         "neither named nor a moderator")
        self.assertEqual(self.refusal(self.say("approve", request, "apollo", 1)),
                         (409, "already-decided"))
        self.assertEqual(self.say("approve", request, "aude").json["state"], "approved")
        self.assertTrue(self.tunnel("one")["ok"])
        events = self.pods[0].authd.audit("break-glass")
        self.assertEqual((len(events), {e["severity_id"] for e in events}), (3, {4}))

    def test_a_hand_written_approval_and_a_hand_made_lock(self):
        """As kubectl or an editor would: files in the shared folder."""
        request = self.asked("one")
        namespace, name = request["id"].split(".", 1)
        folder = os.path.join(self.folder, "resources")

        def put(plural, name, text):
            path = os.path.join(folder, plural, name)
            with open(path + "~", "w") as f:
                f.write(text)
            os.rename(path + "~", path)
        with open(os.path.join(folder, "guacamoleaccessrequests", f"{namespace}.{name}.yaml")) as f:
            uid = re.search(r'uid"?: *"?([\w-]+)', f.read()).group(1)

        def approval(number, uid):
            put("guacamoleapprovals", f"relay.hand{number}.yaml",
                "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleApproval\n"
                f"metadata: {{ name: hand{number}, namespace: relay }}\n"
                f"spec: {{ request: {name}, requestUid: {uid}, decision: approve, "
                "as: team-platform, approver: { username: 'oidc:apollo' } }\n")
        approval(1, "another")
        house.wait(lambda: "names another request" in self.kept("guacamoleapprovals", "relay.hand1"), 20)
        self.assertEqual(self.get(request["id"])["state"], "pending")
        approval(2, uid)
        house.wait(lambda: self.get(request["id"])["state"] == "approved", 20)
        self.assertTrue(self.tunnel("one")["ok"])
        self.assertTrue(self.tunnel("free", 1)["ok"])
        put("guacamolelocks", "guacamole.gone.yaml",
            "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleLock\n"
            "metadata: { name: gone, namespace: guacamole }\n"
            f"spec: {{ sub: {self.on('olga').me().json['sub']}, reason: 'Left the company.' }}\n")
        for s in self.streams:
            self.assertIn("Left the company", s.until("error", 15)[1])
            s.until_closed(15)
        for pod in (0, 1):
            house.wait(lambda p=pod: self.on("olga", p).get("/api/me").status == 401, 10)
        os.unlink(os.path.join(folder, "guacamolelocks", "guacamole.gone.yaml"))
        for pod in (0, 1):
            house.wait(lambda p=pod: self.on("olga", p).get("/api/me").status == 200, 10)

    def kept(self, plural, name):
        with open(os.path.join(self.folder, "resources", plural, name + ".yaml")) as f:
            return f.read()

    def test_live_updates(self):
        b = self.on("apollo", 1)
        generation = b.get("/api/requests").json["generation"]
        rid = b.send("GET", f"/api/requests?after={generation}&wait=25")
        began = time.monotonic()
        request = self.ask("one").json["id"]
        seen = b.finish(rid, 30).json
        while not seen["requests"]:
            seen = b.get(f"/api/requests?after={seen['generation']}&wait=25").json
        self.assertEqual(seen["requests"][0]["id"], request)
        self.assertLess(time.monotonic() - began, 20 * house.PATIENCE, "not by its time")
        one = next(c for c in self.on("olga", 1).get("/api/connections").json["connections"]
                   if c["name"] == "one")
        self.assertEqual((one["jit"]["request"]["id"], one["jit"]["request"]["missing"]),
                         (request, ["team-platform"]))


if __name__ == "__main__":
    unittest.main()
