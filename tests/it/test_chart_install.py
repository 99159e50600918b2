"""The chart really installed: on a real node, restricted, from the images of this build, with the real
Keycloak and SeaweedFS outside. People sign in, work, are recorded; pods are rolled and drained."""
import base64
import html
import http.client
import json
import os
import re
import shutil
import subprocess
import threading
import unittest
import urllib.parse

import chart
import docsh
import house
import image
import whole

KEYCLOAK, STORE = "kc.guac.test", "seaweedfs.storage.svc" # as the pods know them
GATEWAY = "app.kubernetes.io/name=guacamole"

CONNECTIONS = """
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: pod, namespace: relay }}
spec:
  protocol: kubernetes
  audience: {{ keycloakRoles: [prod-operator] }}
  recording: {{ enabled: true, bucket: guacamole-recordings, retentionDays: 1 }}
  credentials: {{ from: kubernetes, kubernetes: impersonation }}
  kubernetes: {{ namespace: relay, pod: shell, container: main, command: [sh] }}
---
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: server, namespace: relay }}
spec:
  protocol: ssh
  hostname: 10.0.0.4
  port: 22
  audience: {{ keycloakRoles: [prod-operator] }}
  recording: {{ enabled: true, bucket: guacamole-recordings, retentionDays: 1 }}
  hostKey: {{ keys: ["{SSHD_HOSTKEY_ED25519}"], unknown: refuse }}
  credentials: {{ secretRef: {{ name: server }} }}
---
apiVersion: v1
kind: Secret
metadata: {{ name: server, namespace: relay }}
stringData: {{ username: {SSHD_USER}, password: {SSHD_PASSWORD} }}
---
apiVersion: v1
kind: Pod
metadata: {{ name: shell, namespace: relay }}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  containers: [{{ name: main, image: "{KUBE_IMAGE}", imagePullPolicy: Never, command: [sleep, "100000"] }}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: work, namespace: relay }}
rules:
- {{ apiGroups: [""], resources: [pods/exec, pods/attach], verbs: [get, create] }}
- {{ apiGroups: [""], resources: [pods], verbs: [get, list] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: work, namespace: relay }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: work }}
subjects: [{{ kind: Group, name: "oidc:prod-operator", apiGroup: rbac.authorization.k8s.io }}]
"""


class Outside:
    """A browser's side of the gateway, at the address that its service has."""

    request, get = whole.Gateway.request, whole.Gateway.get
    cookies = staticmethod(whole.Gateway.cookies)

    def __init__(self, port, keycloak, issuer):
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.keycloak, self.issuer = keycloak, issuer

    def visit(self, method, url, jar, body=None):
        """One request to Keycloak, which the pods know by another name than this machine does."""
        at = urllib.parse.urlsplit(url)
        here = urllib.parse.urlsplit(self.keycloak["KEYCLOAK_URL"])
        c = http.client.HTTPConnection(here.hostname, here.port, timeout=120)
        c.request(method, at.path + "?" + at.query, body, {
            "Host": self.issuer, "Cookie": jar, "Content-Type": "application/x-www-form-urlencoded"})
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r, text, self.cookies(r, jar)

    def sign_in(self, user="olga"):
        status, r, data = self.request("GET", "/auth/login?to=/connections")
        assert status == 302, (status, data)
        before, to = self.cookies(r), r.getheader("location")
        assert to.startswith(f"http://{self.issuer}/"), to
        r, text, jar = self.visit("GET", to, "")
        form = re.search(r'id="kc-form-login"[^>]*? action="([^"]*)"', text, re.S)
        assert form, (r.status, text[-1000:])
        r, text, jar = self.visit("POST", html.unescape(form[1]), jar, urllib.parse.urlencode(
            {"username": user, "password": user + "-pw"}))
        back = urllib.parse.urlsplit(r.getheader("location") or "")
        assert back.path == "/auth/callback", (r.status, text[-500:])
        status, r, data = self.request("GET", back.path + "?" + back.query, before)
        assert status == 302, (status, data)
        return self.cookies(r, before)

    def open(self, cookie, connection):
        return whole.Shell(self.port, whole.QUERY.replace("demo/", "relay/").format(connection), cookie)


def told_to_leave(t):
    """What the page is told beside the picture, stream 0 (guacd/session/state.h)."""
    said = b"".join(base64.b64decode(m) for m in re.findall(rb"4\.blob,1\.0,\d+\.([A-Za-z0-9+/=]+);", t.text))
    return b'"reason":"restart"' in said


class Installed(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if house.SANITIZED:
            raise unittest.SkipTest("images are made of the release build")
        cls.folder = house.folder("n")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.helm = chart.Helm()
        cls.chart = chart.pack(cls.folder, "test")
        cls.start_parts()
        cls.outside_world()
        cls.install()

    @classmethod
    def start_parts(cls):
        """All at one time, and the images meanwhile."""
        cls.parts, trouble = {}, []
        images = os.path.join(cls.folder, "images.tar")
        maker = image.start_making(images)
        makers = {"keycloak": lambda: whole.Part("keycloak"), "weed": lambda: whole.Part("seaweedfs"),
                  "sshd": lambda: whole.Part("sshd"), "kube": lambda: chart.Cluster("--network")}

        def start(name):
            try:
                cls.parts[name] = makers[name]()
            except BaseException as e: # told below, in the test's own thread
                trouble.append(e)
        threads = [threading.Thread(target=start, args=(n,)) for n in makers]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for part in cls.parts.values():
            cls.addClassCleanup(part.stop)
        image.finish(maker)
        if trouble:
            raise trouble[0]
        cls.kube = cls.parts["kube"]
        cls.kube.verb("image", images)

    @classmethod
    def outside_world(cls):
        """What pods reach beside the cluster, by the names that a real one would give."""
        p = cls.parts

        def place(url):
            return url.rpartition("/")[2]
        cls.issuer = f"{KEYCLOAK}:8080"
        cls.port = house.free_port()
        cls.endpoints = os.path.join(cls.folder, "endpoints")
        with open(cls.endpoints, "w"):
            pass
        for rule in (f"node:10.0.0.2:8333=host:{place(p['weed']['S3_ENDPOINT'])}",
                     f"node:10.0.0.3:8080=host:{place(p['keycloak']['KEYCLOAK_URL'])}",
                     f"node:10.0.0.4:22=host:127.0.0.1:{p['sshd']['SSHD_PORT']}",
                     f"host:127.0.0.1:{cls.port}=node:@{cls.endpoints}"):
            cls.kube.verb("bridge", rule)
        cls.outside = Outside(cls.port, p["keycloak"], cls.issuer)

    @classmethod
    def install(cls):
        """By the documentation's own commands (docs/cluster.md)."""
        k, weed, keycloak, sshd = cls.kube, cls.parts["weed"], cls.parts["keycloak"], cls.parts["sshd"]
        cls.values = {
            "publicUrl": cls.outside.url, "replicas": 2, "image": {"pullPolicy": "Never", "tag": "test"},
            "keycloak": {"issuer": f"http://{cls.issuer}/realms/catalyst", "insecureHttp": True,
                         "client": "gateway-of-the-chart", "admin": {"secret": "keycloak-client-admin"}},
            "store": {"admin": "guacamole-s3-admin"}, "drain": {"seconds": 40},
            "hostAliases": [{"ip": "10.0.0.2", "hostnames": [STORE]}, {"ip": "10.0.0.3", "hostnames": [KEYCLOAK]}],
            "resources": {n: {"requests": {"cpu": "1m", "memory": "8Mi"}}
                          for n in ("proxy", "authd", "recorder", "evidence", "guacd")}}
        cls.checkout = os.path.join(cls.folder, "checkout")
        os.makedirs(cls.checkout + "/bin")
        os.makedirs(cls.checkout + "/build/chart")
        os.symlink(os.path.join(house.ROOT, "deploy"), cls.checkout + "/deploy")
        os.symlink(cls.chart, cls.checkout + "/build/chart/bp-guacamole")
        os.symlink(k["KUBE_KUBECTL"], cls.checkout + "/bin/kubectl")
        os.symlink(cls.helm.program, cls.checkout + "/bin/helm")
        cls.write("keycloak.password", keycloak["KEYCLOAK_ADMIN_PASSWORD"])
        for name in ("writer", "reader", "admin"):
            for key in ("access", "secret"):
                cls.write(f"{name}.{key}", weed[f"S3_{name.upper()}_{key.upper()}_KEY"])
        cls.write("values.yaml", json.dumps(cls.values))
        cls.write("connection.yaml", CONNECTIONS.format(**{**sshd.env, **k.env}))
        done = cls.start_page("cluster.md", "cluster")
        cls.told = done.communicate(timeout=600)[0]
        assert done.returncode == 0, cls.told + cls.why()
        k.kubectl("-n", "relay", "wait", "--for=condition=Ready", "pod/shell", "--timeout=120s")
        cls.follow()

    @classmethod
    def write(cls, name, text):
        with open(os.path.join(cls.checkout, name), "w", encoding="utf-8") as f:
            f.write(text)

    @classmethod
    def start_page(cls, page, world):
        return subprocess.Popen(["sh", "-c", docsh.script(page, world)], cwd=cls.checkout, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=dict(os.environ, PATH=f"{cls.checkout}/bin:{os.environ['PATH']}",
                                         KUBECONFIG=cls.kube["KUBE_CONFIG"],
                                         KEYCLOAK_ADMIN=cls.parts["keycloak"]["KEYCLOAK_ADMIN"]))

    @classmethod
    def rolled_out(cls):
        done = cls.kube.run("-n", "guacamole", "rollout", "status", "deployment", "--timeout=280s", check=False)
        assert done.returncode == 0, done.stdout + done.stderr + cls.why()
        cls.follow()

    @classmethod
    def follow(cls):
        """What a service does: send people to the pods that are ready and not about to go."""
        ready = [f"{p['status']['podIP']}:8080" for p in cls.pods() if cls.ready(p)]
        with open(cls.endpoints + ".new", "w") as f:
            f.write("\n".join(ready) + "\n")
        os.rename(cls.endpoints + ".new", cls.endpoints)
        return ready

    @classmethod
    def pods(cls):
        return cls.kube.get("-n", "guacamole", "pods", "-l", GATEWAY)["items"]

    @staticmethod
    def ready(pod):
        return not pod["metadata"].get("deletionTimestamp") and any(
            c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))

    @classmethod
    def why(cls):
        """What the pods say, for a failure's text."""
        return cls.kube.run("-n", "guacamole", "get", "pods,jobs", "-o", "wide", check=False).stdout + \
            cls.kube.run("-n", "guacamole", "logs", "-l", GATEWAY, "--all-containers", "--tail=15", "--prefix",
                         check=False).stdout

    # ---- what is looked at ----------------------------------------------------------------------

    def evidence(self, *words):
        store = ["--store", "s3:" + self.parts["weed"]["S3_ENDPOINT"], "--buckets", "guacamole-recordings"]
        for key in ("access", "secret"):
            path = os.path.join(self.folder, "reader." + key)
            with open(path, "w") as f:
                f.write(self.parts["weed"][f"S3_READER_{key.upper()}_KEY"])
            os.chmod(path, 0o600)
            store += [f"--{key}-key-file", path]
        return subprocess.run([house.program("guac-evidence"), *words, *store], text=True,
                              capture_output=True, timeout=120, check=False)

    def sealed(self, session):
        """Sealed, whole, and signed by the key that the chart made."""
        secret = self.kube.get("-n", "guacamole", "secret", "relay-guacamole-keys")
        private = os.path.join(self.folder, "gateway.pem")
        with open(private, "w") as f:
            f.write(base64.b64decode(secret["data"]["gateway-key"]).decode())
        public = private + ".pub"
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)

        def verified():
            r = self.evidence("verify", "--key", public, "--json", session)
            return r if r.returncode == 0 else None
        try:
            r = house.wait(verified, 90 * house.PATIENCE, "no whole recording of " + session, 1)
        except AssertionError:
            r = self.evidence("verify", "--key", public, session)
            raise AssertionError(r.stdout + r.stderr + self.why())
        return r.stdout

    def holder(self, session):
        """The pod that a session lives in: its gateway is named after it."""
        for s in self.kube.get("-n", "relay", "guacamolesessions")["items"]:
            if session in json.dumps(s):
                return s["spec"].get("gateway") or s["status"].get("gateway")
        return None

    def done_in_pod(self, t, command, want):
        t.type(f"{command} > /tmp/effect")

        def there():
            t.send("3.nop;") # a client that is silent is given up
            t.step(0.1)
            return want in self.kube.run("-n", "relay", "exec", "shell", "--", "cat", "/tmp/effect", check=False).stdout
        house.wait(there, 40 * house.PATIENCE, f"no effect of {command!r}", 0.3)

    # ---- the proof ------------------------------------------------------------------------------

    def test_0_it_says_that_nothing_is_wrong(self):
        for word in ("nothing is wrong", "ok   oidc-secret: ", "2 connections", "retentionDays"):
            self.assertIn(word, self.told)

    def test_1_work_is_recorded_and_verified(self):
        cookie = self.outside.sign_in()
        t = self.outside.open(cookie, "pod")
        self.done_in_pod(t, "echo $((6*7))", "42")
        t.type("exit")
        self.assertTrue(t.wait_closed(40))
        s = self.outside.open(cookie, "server")
        s.type("echo transcribed-$((40+2)); exit")
        self.assertTrue(s.wait_closed(40))
        for session in (t.id, s.id):
            self.sealed(session)
        self.assertIn("transcribed-42", self.evidence("transcript", s.id).stdout)
        with open(self.kube["KUBE_AUDIT"]) as f:
            audit = [json.loads(line) for line in f if '"oidc:olga"' in line]
        self.assertTrue(any(e.get("impersonatedUser", {}).get("username") == "oidc:olga" for e in audit))

    def test_2_rolling_update_loses_nobody(self):
        """Both pods are replaced: sign-ins hold, a running session is warned, goes on, and is sealed."""
        cookie = self.outside.sign_in()
        before = {p["metadata"]["name"] for p in self.pods()}
        self.assertEqual(len([p for p in self.pods() if self.ready(p)]), 2, "two replicas")
        t = self.outside.open(cookie, "pod")
        self.done_in_pod(t, "echo before", "before")
        t.text = b""
        self.write("values.yaml", json.dumps({**self.values, "podAnnotations": {"restarted": "now"}}))
        upgrade = self.start_page("upgrade.md", "cluster")
        self.addCleanup(upgrade.wait)

        def on():
            """Whoever asks meanwhile is still signed in."""
            t.send("3.nop;")
            t.step(0.2)
            if self.follow():
                self.assertEqual(self.outside.get("/api/me", cookie)[0], 200)
            return t.closed or told_to_leave(t)
        house.wait(on, 240 * house.PATIENCE, "its pod stays", 0.5)
        self.assertFalse(t.closed, "cut instead of drained")
        self.done_in_pod(t, "echo drained-but-working", "drained-but-working")
        t.type("exit")
        self.assertTrue(t.wait_closed(40))
        told = upgrade.communicate(timeout=600)[0]
        self.assertEqual(upgrade.returncode, 0, told)
        self.assertFalse(before & set(self.follow_names()), "an old pod serves still")
        fresh = self.outside.open(cookie, "pod") # on a new pod, by the sign-in of before
        self.done_in_pod(fresh, "echo again", "again")
        fresh.type("exit")
        self.assertTrue(fresh.wait_closed(40))
        for session in (t.id, fresh.id):
            self.sealed(session)

    def follow_names(self):
        return [p["metadata"]["name"] for p in self.pods() if self.ready(p)]

    def test_3_drained_pod(self):
        """An eviction, as `kubectl drain` asks for it: one at a time, its session ends and is sealed."""
        cookie = self.outside.sign_in()
        t = self.outside.open(cookie, "server")
        pods = self.follow_names()
        held = self.holder(t.id)
        self.assertIn(held, pods)
        t.text = b""

        def evict(name):
            return self.kube.run("create", "--raw", f"/api/v1/namespaces/guacamole/pods/{name}/eviction", "-f", "-",
                                 text=json.dumps({"apiVersion": "policy/v1", "kind": "Eviction",
                                                  "metadata": {"name": name, "namespace": "guacamole"}}), check=False)
        self.assertEqual(evict(held).returncode, 0)
        other, = (p for p in pods if p != held)
        again = evict(other)
        self.assertNotEqual(again.returncode, 0, "the budget lets both go")
        self.assertIn("disruption budget", again.stderr)
        self.follow()
        t.until(lambda: told_to_leave(t), "a warning that the gateway restarts", 60)

        def over():
            if not t.closed:
                t.send("3.nop;")
                t.step(0.5)
            return t.closed
        house.wait(over, 120 * house.PATIENCE, "the deadline passed")
        self.sealed(t.id)
        self.rolled_out()


if __name__ == "__main__":
    unittest.main()
