"""Pods through the whole gateway: people are impersonated, the cluster's own access rules decide and
its audit log names them; what may be picked; what is recorded."""
import json
import os
import shutil
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
  kubernetes: { namespace: default, pod: shell, container: main, command: [sh] }"""
GREEDY = """  credentials: { from: kubernetes, kubernetes: serviceAccount }
  parameters: { impersonate-user: "system:admin", impersonate-groups: "system:masters" }
  kubernetes: { namespace: default, pod: shell, container: main, command: [sh] }"""


class Case(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if hasattr(Case, "kube"):
            return
        k = Case.kube = kubeshell.Cluster()
        unittest.addModuleCleanup(k.stop)
        k.kubectl("create", "namespace", "closed")
        k.start_pods(k.pod("shell", k.sleeper()), k.pod("open-1", k.sleeper(), labels={"app": "open"}),
                     k.pod("other", k.sleeper(), k.sleeper("second")))
        group = {"kind": "Group", "name": "oidc:operator", "apiGroup": "rbac.authorization.k8s.io"}
        k.grant("ops", "", (["get", "create"], EXEC), (["get", "list"], ["pods"]), subject=group)
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

    def gateway(self, *options):
        g = Gateway(self.folder, None, authd=(
            "--cluster-server", self.kube["SERVER"], "--cluster-ca", self.kube["CA"], "--cluster-token",
            os.path.join(self.folder, "token"), "--address-allow", "192.0.2.1", *options))
        self.addCleanup(g.stop)
        return g

    def refused(self, g, cookie, connection, words, **more):
        query = whole.QUERY.format(connection) + "".join(f"&{k}={v}" for k, v in more.items())
        t = whole.Tunnel(g.port, query, cookie)
        house.wait(lambda: t.step(0.1) or t.closed, 20 * PATIENCE, f"it goes on: {t.text[-300:]}")
        self.assertIn(words, t.text.decode(errors="replace"))

    def open(self, g, cookie, connection="shell", **more):
        query = whole.QUERY.format(connection) + "".join(f"&{k}={v}" for k, v in more.items())
        t = whole.Shell(g.port, query, cookie)
        self.addCleanup(t.close)
        return t

    def typed(self, t, pod, command, want, container="main"):
        """Its effect is a file in the container."""
        t.type(f"{command} > /tmp/effect")

        def there():
            t.step(0.05)
            return want in self.kube.kubectl("exec", pod, "-c", container, "--", "cat", "/tmp/effect",
                                             check=False)
        house.wait(there, 20 * PATIENCE, f"no effect of {command!r}", 0.2)


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
        for folder, _, files in os.walk(self.folder):
            for name in files:
                if name != "token" and os.path.isfile(os.path.join(folder, name)):
                    with open(os.path.join(folder, name), "rb") as f:
                        self.assertNotIn(token, f.read(), name)
        for name in g.programs:
            pid = g.programs[name].pid
            for p in [pid, *(c for c, _ in house.children(pid))]:
                with open(f"/proc/{p}/cmdline", "rb") as c, open(f"/proc/{p}/environ", "rb") as e:
                    self.assertNotIn(token, c.read() + e.read(), name)

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
        greedy = next(c for c in g.get("/api/connections", cookie)[1]["connections"]
                      if c["name"] == "greedy")
        self.assertIn("impersonate-user", " ".join(greedy["errors"]))
        self.assertFalse(greedy["allowed"])


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
