"""Pods through the whole gateway: people are impersonated, the cluster's own access rules decide and
its audit log names them; what may be picked; what is recorded."""
import base64
import json
import os
import re
import shutil
import time
import unittest
import urllib.parse

import house
import kubeshell
import whole
from house import PATIENCE
from test_whole import evidence, public_key

EXEC = ["pods/exec", "pods/attach"]


class Gateway(whole.Gateway):
    def connection(self, name, spec=None, roles="operator"):
        self._write(f"connections/{name}.yaml", f"""
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: {name}, namespace: demo }}
spec:
  protocol: kubernetes
  audience: {{ keycloakRoles: [{roles}] }}
  recording: {{ enabled: true, bucket: recordings, retentionDays: 1 }}
{spec or '''  credentials: { from: kubernetes, kubernetes: impersonation }
  kubernetes: { namespace: default, pod: shell, container: main, command: [sh] }'''}""")


CHOOSE = """  credentials: { from: kubernetes, kubernetes: impersonation }
  kubernetes: { selector: app=open, command: [sh], choose: [namespace, pod, container] }"""
ANY = """  credentials: { from: kubernetes, kubernetes: impersonation }
  kubernetes: { command: [sh, -c, "echo \\"it's me\\" > /tmp/said; exec sh"], choose: [pod] }"""
OWN = """  credentials: { from: kubernetes, kubernetes: serviceAccount }
  parameters: { enable-files: true }
  kubernetes: { namespace: default, pod: shell, container: main, command: [sh] }"""
GREEDY = """  credentials: { from: kubernetes, kubernetes: serviceAccount }
  parameters: { impersonate-user: "system:admin", impersonate-groups: "system:masters" }
  kubernetes: { namespace: default, pod: shell, container: main, command: [sh] }"""


OWN_TOKEN = """  hostname: {host}
  port: {port}
  credentials: {{ from: kubernetes, kubernetes: userToken }}
  parameters: {{ enable-files: true }}
  kubernetes: {{ namespace: default, pod: shell, container: main, command: [sh] }}"""
# Its author would like it to go to whoever has that authority's certificate.
THIEF = """  hostname: {host}
  port: {port}
  credentials: {{ from: kubernetes, kubernetes: userToken }}
  parameters: {{ ca-cert: {foreign}, ignore-cert: true }}
  kubernetes: {{ command: [sh], choose: [pod] }}"""
JWT = rb"eyJ[\w-]{10,}\.eyJ"   # two parts of one


class People(whole.Part):
    """Keycloak; the gateway goes to it by TLS, as an API server does."""

    def __init__(self):
        super().__init__("keycloak", "--tls")
        self.env["KEYCLOAK_ISSUER"] = self["KEYCLOAK_TLS_ISSUER"]

    def as_client(self, client):
        """The same, for a gateway that is another client there."""
        it = object.__new__(People)
        it.__dict__.update(self.__dict__, env=dict(self.env, KEYCLOAK_CLIENT=client))
        return it


class Case(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if hasattr(Case, "kube"):
            return
        people = Case.people = People()
        unittest.addModuleCleanup(people.stop)
        k = Case.kube = kubeshell.Cluster("--oidc", people["KEYCLOAK_ISSUER"], people["KEYCLOAK_CLIENT"],
                                          people["KEYCLOAK_CA"])
        unittest.addModuleCleanup(k.stop)
        k.kubectl("create", "namespace", "closed")
        k.start_pods(k.pod("shell", k.sleeper()), k.pod("open-1", k.sleeper(), labels={"app": "open"}),
                     k.pod("other", k.sleeper(), k.sleeper("second")))
        group = {"kind": "Group", "name": "oidc:operator", "apiGroup": "rbac.authorization.k8s.io"}
        k.grant("ops", "", (["get", "create"], EXEC), (["get", "list"], ["pods"]), subject=group)
        k.grant("prod", "", (["get", "create"], EXEC), (["get", "list"], ["pods"]),
                subject=dict(group, name="oidc:prod-operator"))
        k.kubectl("create", "clusterrole", "see-namespaces", "--verb=list", "--resource=namespaces")
        k.kubectl("create", "clusterrolebinding", "see-namespaces", "--clusterrole=see-namespaces",
                  "--group=oidc:operator")
        k.kubectl("apply", "-f", "-", text=json.dumps({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "guac-impersonate"}, "rules": [
                {"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]},
                {"apiGroups": ["authentication.k8s.io"], "verbs": ["impersonate"],
                 "resources": ["uids", "userextras/guacamole-session"]}]}))
        for name in ("gateway", "rotated"):
            k.token(name)
            k.kubectl("create", "clusterrolebinding", name, "--clusterrole=guac-impersonate",
                      f"--serviceaccount=default:{name}")

    def setUp(self):
        self.folder = house.folder("w")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.roles = "operator auditor"
        self.token("gateway")

    def token(self, name):
        """The file that a kubelet replaces now and then."""
        path = os.path.join(self.folder, "token")
        with open(path + ".new", "w") as f:
            f.write(self.kube.token(name) + "\n")
        os.rename(path + ".new", path)
        with open(path) as f:
            return f.read().strip()

    def gateway(self, *options, people=None):
        g = Gateway(self.folder, None, people, authd=(
            "--cluster-server", self.kube["SERVER"], "--cluster-ca", self.kube["CA"], "--cluster-token",
            os.path.join(self.folder, "token"), "--address-allow", "192.0.2.1", *options))
        self.addCleanup(g.stop)
        return g

    def refused(self, g, cookie, connection, words, **more):
        query = whole.QUERY.format(connection) + "".join(f"&{k}={v}" for k, v in more.items())
        t = whole.Tunnel(g.port, query, cookie)
        house.wait(lambda: t.step(0.1) or t.closed, 20 * PATIENCE,
                   lambda: f"it goes on: {t.text[-300:]}")
        self.assertIn(words, t.text.decode(errors="replace"))

    def open(self, g, cookie, connection="shell", **more):
        query = whole.QUERY.format(connection) + "".join(f"&{k}={v}" for k, v in more.items())
        t = whole.Shell(g.port, query, cookie)
        self.addCleanup(t.close)
        return t

    @staticmethod
    def look(t):
        """Ask for the container's top folder: "" or why not."""
        t.text = b""
        t.send("3.get,1.1,1./;")
        said = []

        def told():
            blobs = b"".join(base64.b64decode(m) for m in
                             re.findall(rb"4\.blob,\d+\.\d+,\d+\.([A-Za-z0-9+/]+=*);", t.text))
            said[:] = re.findall(rb'"error":"([^"]+)"', blobs)
            return said or b"4.body," in t.text
        t.until(told, "answer about files")
        return said[0].decode() if said else ""

    def typed(self, t, pod, command, want, container="main"):
        """Its effect is a file in the container."""
        t.type(f"{command} > /tmp/effect")

        def there():
            t.step(0.05)
            return want in self.kube.kubectl("exec", pod, "-c", container, "--", "cat", "/tmp/effect",
                                             check=False)
        house.wait(there, 20 * PATIENCE, f"no effect of {command!r}", 0.2)


    def left_behind(self, g):
        """What is in files, argument lists and environments, but for the token's own file."""
        paths = [os.path.join(folder, name) for folder, _, files in os.walk(self.folder) for name in files]
        paths = [p for p in paths if p != os.path.join(self.folder, "token") and
                 (os.path.isfile(p) or not os.path.exists(p))]
        for p in [g.programs[name].pid for name in g.programs]:
            for pid in [p, *(c for c, _ in house.children(p))]:
                paths += [f"/proc/{pid}/cmdline", f"/proc/{pid}/environ"]
        for path in paths:
            try:
                with open(path, "rb") as f:
                    yield path, f.read()
            except (FileNotFoundError, ProcessLookupError):   # gone meanwhile
                pass


class Work(Case):
    def test_impersonated_recorded_replayed(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = self.open(g, cookie)
        self.typed(t, "shell", "echo $((6*7))", "42")
        entry = self.kube.audit(impersonatedUser__username="oidc:olga",
                                objectRef__subresource="exec")[-1]
        self.assertEqual(entry["user"]["username"], "system:serviceaccount:default:gateway")
        it = entry["impersonatedUser"]
        self.assertEqual(set(it["groups"]) - {"system:authenticated"}, {"oidc:operator", "oidc:auditor"})
        self.assertEqual(it["extra"], {"guacamole-session": [t.id]})
        self.assertEqual(it["uid"], "dev:olga")
        t.type("echo transcribed-text; exit 3")
        self.assertTrue(t.wait_closed())

        def sealed():
            status, data = g.get("/api/recordings/" + t.id, cookie)
            return status == 200 and data.get("seal") and data
        data = house.wait(sealed, 30 * PATIENCE, "no seal", 0.3)
        self.assertEqual(data["state"], "closed")
        r = evidence(g, "verify", "--key", public_key(g), t.id)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        text = b"".join(g.get(f"/api/recordings/{t.id}/objects/{x['name']}", cookie)[1]
                        for x in data["texts"])
        self.assertTrue(data["texts"])
        self.nothing_leaks(g, text)

    def nothing_leaks(self, g, text):
        with open(os.path.join(self.folder, "token")) as f:
            token = f.read().strip().encode()
        self.assertNotIn(token, text)
        for path, data in self.left_behind(g):
            self.assertNotIn(token, data, path)

    def test_roles_gain_nothing_of_the_cluster(self):
        """A role called system:masters is a group oidc:system:masters, which has no rights."""
        g = self.gateway("--dev-roles", "worker auditor system:masters")
        g.connection("shell", roles="worker")
        cookie = g.sign_in()
        house.wait(lambda: self.allowed(g, cookie, "shell"), 10 * PATIENCE, "shell stays shut")
        self.refused(g, cookie, "shell", 'User "oidc:olga" cannot')
        entry = self.kube.audit(impersonatedUser__username="oidc:olga",
                                responseStatus__code=403)[-1]
        self.assertIn("oidc:system:masters", entry["impersonatedUser"]["groups"])
        self.assertNotIn("system:masters", entry["impersonatedUser"]["groups"])

    @staticmethod
    def allowed(g, cookie, name):
        return [c for c in g.get("/api/connections", cookie)[1]["connections"]
                if c["name"] == name and c["allowed"]]

    def test_service_account_and_its_rotation(self):
        g = self.gateway()
        g.connection("own", OWN)
        g.connection("greedy", GREEDY)
        cookie = g.sign_in()
        house.wait(lambda: self.allowed(g, cookie, "own"), 10 * PATIENCE, "own is not there")
        self.refused(g, cookie, "own", "system:serviceaccount:default:gateway")
        self.kube.grant("rotated", "rotated", (["get", "create"], EXEC), (["get"], ["pods"]))
        self.token("rotated")
        t = self.open(g, cookie, "own")
        self.typed(t, "shell", "echo $((6*7))", "42")
        # It rotates again, now below a session: what that asks from then on goes by the newest.
        self.kube.grant("newest", "newest", (["get", "create"], EXEC), (["get"], ["pods"]))
        self.token("newest")
        newest = dict(user__username="system:serviceaccount:default:newest")
        house.wait(lambda: self.look(t) or self.kube.audit(**newest), 40 * PATIENCE, "still the old one", 0.5)
        self.assertEqual(self.look(t), "")
        greedy = next(c for c in g.get("/api/connections", cookie)[1]["connections"]
                      if c["name"] == "greedy")
        self.assertIn("impersonate-user", " ".join(greedy["errors"]))
        self.assertFalse(greedy["allowed"])


class OwnToken(Case):
    """The person's own ID token at the API server, which checks it against the real Keycloak."""

    def start(self, client=None, listed=True):
        people = self.people.as_client(client) if client else self.people
        server = f"{self.kube['SERVER']}={self.kube['CA']}"
        g = self.gateway("--oidc-ca", people["KEYCLOAK_CA"], *(("--user-token-servers", server) if listed
                                                               else ()), people=people)
        for name, spec in (("own", OWN_TOKEN), ("thief", THIEF)):
            with open(people["KEYCLOAK_CA"]) as f:
                foreign = json.dumps(f.read())
            g.connection(name, spec.format(host=self.kube["HOST"], port=self.kube["PORT"], foreign=foreign),
                         roles="prod-operator, dev-operator")
        return g

    def sign_in(self, g, user):
        cookie = g.sign_in(user)
        house.wait(lambda: Work.allowed(g, cookie, "thief"), 10 * PATIENCE, "thief does not open")
        return cookie

    def hand_on(self, g, cookie, session, want=200):
        csrf = g.get("/api/me", cookie)[1]["csrf"]
        status, _, data = g.request("POST", f"/api/sessions/{session}/token", cookie, {
            "X-CSRF": csrf, "Origin": g.url, "Content-Type": "application/json"}, "{}")
        self.assertEqual(status, want, data)
        return json.loads(data)

    def test_who_one_is(self):
        """Name and roles are what Keycloak says to the API server; no token is anywhere else."""
        g = self.start()
        cookie = self.sign_in(g, "olga")
        t = self.open(g, cookie, "own")
        self.typed(t, "shell", "echo $((6*7))", "42")
        entry = self.kube.audit(user__username="oidc:olga", objectRef__subresource="exec")[-1]
        self.assertIn("oidc:prod-operator", entry["user"]["groups"])
        self.assertNotIn("impersonatedUser", entry)
        self.assertEqual(self.look(t), "")
        status, _, data = g.request("GET", "/api/connections/demo/thief/targets", cookie)
        self.assertEqual(status, 200, data)
        self.assertIn("open-1", {p["name"] for p in json.loads(data)["pods"]})
        self.assertFalse(re.search(JWT, data))
        # Its author's parameters go nowhere: it is olga, by the listed authority.
        thief = self.open(g, cookie, "thief", pod="open-1")
        self.typed(thief, "open-1", "echo $((6*7))", "42")
        other = self.sign_in(g, "apollo")
        self.refused(g, other, "own", 'User "oidc:apollo" cannot')
        self.hand_on(g, other, t.id, 404)
        self.no_token_anywhere(g, t)
        for shell in (t, thief):
            shell.type("exit")
            self.assertTrue(shell.wait_closed())
        self.no_token_anywhere(g, t)

    def no_token_anywhere(self, g, t):
        self.assertFalse(re.search(JWT, t.text))
        for path, data in self.left_behind(g):
            self.assertFalse(re.search(JWT, data), path)

    def test_it_expires_and_is_renewed(self):
        g = self.start()
        cookie = self.sign_in(g, "olga")
        t = self.open(g, cookie, "own")
        self.assertEqual(self.look(t), "")
        self.people.verb("lifespan", "2")
        try:
            self.hand_on(g, cookie, t.id)
            time.sleep(2)   # used before it is over, the API server would go on taking it for 10 s
            house.wait(lambda: "has expired" in self.look(t), 60 * PATIENCE, "it never expires", 0.5)
            self.typed(t, "shell", "echo $((6*8))", "48")   # what is open stays open
        finally:
            self.people.verb("lifespan", "300")
        self.assertGreater(self.hand_on(g, cookie, t.id)["again"], 5)
        self.assertEqual(self.look(t), "")
        self.people.verb("logout", "olga")
        self.assertIn("Sign in again", self.hand_on(g, cookie, t.id, 401)["error"])

    def test_not_listed(self):
        g = self.start(listed=False)
        cookie = self.sign_in(g, "olga")
        before = len(self.kube.audit(user__username="oidc:olga"))
        self.refused(g, cookie, "own", "user-token-servers")
        status, _, data = g.request("GET", "/api/connections/demo/thief/targets", cookie)
        self.assertIn(b"user-token-servers", data)
        self.assertEqual(status, 403)
        self.assertEqual(len(self.kube.audit(user__username="oidc:olga")), before)

    def test_for_somebody_else(self):
        """The gateway is another client than the cluster takes tokens for: a 401, said as such."""
        g = self.start("guacamole-es256")
        cookie = self.sign_in(g, "olga")
        self.refused(g, cookie, "own", "does not know who asks")
        status, _, data = g.request("GET", "/api/connections/demo/thief/targets", cookie)
        self.assertEqual(status, 403)
        self.assertIn(b"does not take your sign-in", data)


class Picking(Case):
    def targets(self, g, cookie, name, **query):
        status, _, data = g.request("GET", f"/api/connections/demo/{name}/targets?"
                                    + urllib.parse.urlencode(query), cookie)
        return status, json.loads(data)

    def test_what_may_be_picked(self):
        g = self.gateway()
        g.connection("choose", CHOOSE)
        g.connection("any", ANY)
        cookie = g.sign_in()
        house.wait(lambda: Work.allowed(g, cookie, "any"), 10 * PATIENCE, "any is not there")

        listed = {c["name"]: c["choose"] for c in g.get("/api/connections", cookie)[1]["connections"]}
        self.assertEqual(listed, {"shell": [], "any": ["pod"], "choose": ["namespace", "pod", "container"]})
        status, it = self.targets(g, cookie, "choose")
        self.assertEqual((status, it["choose"]), (200, ["namespace", "pod", "container"]), it)
        self.assertEqual([n["name"] for n in it["namespaces"]], ["default"])   # of five
        self.assertEqual(self.targets(g, cookie, "choose", q="nothing")[1]["namespaces"], [])
        status, it = self.targets(g, cookie, "choose", namespace="default")
        self.assertEqual([p["name"] for p in it["pods"]], ["open-1"], it)      # the selector's
        self.assertTrue(it["allowed"])
        status, it = self.targets(g, cookie, "choose", namespace="closed")
        self.assertEqual(status, 403, it)
        self.assertIn('User \\"oidc:olga\\" cannot list', json.dumps(it))

        status, it = self.targets(g, cookie, "any", q="oth")
        self.assertEqual([(p["name"], [c["name"] for c in p["containers"]]) for p in it["pods"]],
                         [("other", ["main", "second"])])
        self.assertEqual(self.targets(g, cookie, "any", namespace="closed")[0], 403)
        self.assertEqual(self.targets(g, cookie, "none")[0], 404)
        self.assertEqual(g.get("/api/connections/demo/any/targets")[0], 401)

        t = self.open(g, cookie, "choose", namespace="default", pod="open-1")
        self.typed(t, "open-1", "echo $((6*7))", "42")
        t = self.open(g, cookie, "any", pod="open-1")   # its command's words are as they were said
        self.typed(t, "open-1", "cat /tmp/said", "it's me")
        self.refused(g, cookie, "choose", "no ready one of app=open", pod="other", container="main")
        self.refused(g, cookie, "any", "Choose one first")
        self.refused(g, cookie, "any", "does not let you choose the container", pod="other",
                     container="main")
        self.refused(g, cookie, "shell", "does not let you choose the pod", pod="other")


if __name__ == "__main__":
    unittest.main()
