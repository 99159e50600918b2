"""The Kubernetes stores against a real API server: the suite of all stores, what is applied is known at
once, status is written back once, Secrets, and everything that goes wrong on the way there."""
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import unittest

import house
from between import Server
from kubepart import Cluster, connection, lock

SECRET = """---
apiVersion: v1
kind: Secret
metadata: {{ name: {name}, namespace: {namespace} }}
stringData: {{ username: root, password: "p w" }}
"""
POLICY_CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: environmentpolicies.catalyst.openova.io }
spec:
  group: catalyst.openova.io
  scope: Cluster
  names: { kind: EnvironmentPolicy, plural: environmentpolicies, singular: environmentpolicy }
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
"""
POLICY = """
apiVersion: catalyst.openova.io/v1alpha1
kind: EnvironmentPolicy
metadata: { name: production }
spec: { appliesTo: { environments: [prod] }, rules: [ { kind: recording-required } ] }
"""


class Live:
    """The probe, and the last line it said."""

    def __init__(self, environment):
        self.process = subprocess.Popen([house.program("probe/crd_live")], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.last, self.log = {}, []
        for target in (self._read, self._read_log):
            threading.Thread(target=target, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.last = json.loads(line)

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def until(self, condition, timeout=10, why=""):
        return house.wait(lambda: self.last and condition(self.last), timeout * house.PATIENCE,
                          lambda: f"{why}: {self.last} {self.log}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Meddler(Server):
    """Between a client and the API server: TLS on both sides, bytes passed on, and done to them what
    a test asks for."""

    def __init__(self, folder, host, port):
        self.host, self.to = host, port
        self.cert, key = os.path.join(folder, "m.crt"), os.path.join(folder, "m.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", self.cert,
                        "-days", "2", "-subj", "/CN=m", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stderr=subprocess.DEVNULL)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(self.cert, key)
        self.client = ssl._create_unverified_context()  # pylint: disable=protected-access
        self.watches = []  # client sides of connections that watch
        self.answer = None  # bytes instead of the API server's answer to a watch
        self.requests = []
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"

    def serve(self, peer):
        with self.server.wrap_socket(peer, server_side=True) as down, \
                self.client.wrap_socket(self.dial(self.to, self.host)) as up:
            request = b""
            while data := down.recv(65536):
                if data.startswith((b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ")):
                    request = data.split(b"\r\n")[0]
                    self.requests.append(request.decode())
                if b"watch=1" not in request:
                    up.sendall(data)
                    self._answer(up, down)
                    continue
                if self.answer is not None:
                    down.sendall(self.answer)
                    return
                self.watches.append(down)
                up.sendall(data)
                while chunk := up.recv(65536):
                    down.sendall(chunk)
                return

    @staticmethod
    def _answer(up, down):
        """One answer with a length or in chunks, passed on whole."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += up.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        if b"content-length:" in lower:
            left = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) - len(body)
            while left > 0:
                more = up.recv(65536)
                data, left = data + more, left - len(more)
        else:
            while not data.endswith(b"0\r\n\r\n"):
                data += up.recv(65536)
        down.sendall(data)

    def cut(self):
        watches, self.watches = self.watches, []
        for sock in watches:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(watches)


def answer(*lines, status="200 OK"):
    body = "".join(line + "\n" for line in lines).encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Store(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.meddler = Meddler(cls.cluster.folder, cls.cluster["KUBE_HOST"],
                              int(cls.cluster["KUBE_PORT"]))

    def live(self, **more):
        live = Live(self.cluster.environment(**more))
        self.addCleanup(live.stop)
        self.addCleanup(self.cluster.kubectl, "delete", "guac,guaclock,guacses", "--all", "-A",
                        "--wait=false")
        live.until(lambda v: v["age"] >= 0 and v["lockAge"] >= 0, why="a first list")
        return live

    def meddled(self):
        self.meddler.answer = None
        self.meddler.watches, self.meddler.requests = [], []
        return self.live(CRD_SERVER=self.meddler.url, CRD_CA=self.meddler.cert)

    def ready(self, name):
        status = self.cluster.get("-n", "relay", "guac", name).get("status") or {}
        for c in status.get("conditions", []):
            if c["type"] == "Ready":
                return c["status"], c["reason"], c["message"], status
        return None

    def test_suite_of_all_stores(self):
        done = subprocess.run([house.program("probe/crd_cluster")], env=self.cluster.environment(),
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("100%: Checks: 7,", done.stdout)

    def test_applied_changed_deleted(self):
        live = self.live()
        self.cluster.apply(connection("a") + connection("b", namespace="shop") +
                           connection("c", namespace="guacamole"))
        live.until(lambda v: v["connections"] == {"relay/a": "h", "shop/b": "h"}, why="applied")
        self.cluster.apply(connection("a", "protocol: ssh, hostname: other"))
        live.until(lambda v: v["connections"]["relay/a"] == "other", why="changed")
        self.cluster.kubectl("delete", "guac", "a", "-n", "relay")
        live.until(lambda v: v["connections"] == {"shop/b": "h"}, why="deleted")
        self.cluster.apply(POLICY_CRD)
        self.cluster.kubectl("wait", "--for=condition=Established",
                             "crd/environmentpolicies.catalyst.openova.io")
        self.cluster.apply(POLICY)
        live.until(lambda v: v["policies"] == 1, 60, "a kind that comes later")

    def test_status_is_written_once(self):
        self.live()
        second = self.live()  # another replica
        self.cluster.apply(connection("good") + connection(
            "bad", "protocol: ssh, hostname: h, parameters: { no-such: 1, font-size: huge }"))
        house.wait(lambda: self.ready("good") and self.ready("bad"), 20 * house.PATIENCE,
                   f"status: {second.log}")
        self.assertEqual(self.ready("good")[:3], ("True", "Valid", "All fields are valid."))
        state, reason, message, status = self.ready("bad")
        self.assertEqual((state, reason), ("False", "Invalid"))
        self.assertIn("spec.parameters.no-such: ssh knows no such parameter", message)
        self.assertIn("spec.parameters.font-size", message)
        self.assertEqual((len(status["errors"]), status["activeSessions"]), (2, 0))
        second.until(lambda v: v["connections"].get("relay/bad") == "!")
        # a session counts, and what is not ours in the status stays
        self.cluster.kubectl("-n", "relay", "patch", "guac", "good", "--subresource=status",
                             "--type=json", "-p", json.dumps([{
                                 "op": "add", "path": "/status/conditions/-", "value": {
                                     "type": "Seen", "status": "True", "reason": "Other", "message": "x",
                                     "lastTransitionTime": "2026-01-01T00:00:00Z"}}]))
        session = "01936e2a-0000-7000-8000-000000000000"
        self.cluster.apply(f"""
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleSession
metadata: {{ name: {session}, namespace: relay }}
spec: {{ connection: good, owner: {{ sub: a }}, started: "2026-11-21T22:08:26Z" }}
""")
        house.wait(lambda: self.ready("good")[3]["activeSessions"] == 1, 30 * house.PATIENCE, "counted")
        self.assertEqual({c["type"] for c in self.ready("good")[3]["conditions"]}, {"Ready", "Seen"})
        self.cluster.kubectl("-n", "relay", "patch", "guacses", session, "--subresource=status",
                             "--type=merge", "-p", json.dumps({"status": {
                                 "phase": "Ended", "recording": "s3://recordings/x"}}))
        house.wait(lambda: self.ready("good")[3]["activeSessions"] == 0, 30 * house.PATIENCE, "ended")
        self.assertEqual(self.ready("good")[3]["lastRecording"], "s3://recordings/x")
        # nobody writes what is there already
        version = self.cluster.get("-n", "relay", "guac", "bad")["metadata"]["resourceVersion"]
        time.sleep(2)
        self.assertEqual(self.cluster.get("-n", "relay", "guac", "bad")["metadata"]["resourceVersion"],
                         version)

    def test_secrets(self):
        self.cluster.apply(SECRET.format(name="login", namespace="relay") +
                           SECRET.format(name="login", namespace="guacamole"))

        def read(namespace, name):
            return subprocess.run([house.program("probe/crd_live"), namespace, name], text=True,
                                  env=self.cluster.environment(), stdout=subprocess.PIPE,
                                  check=True, timeout=60).stdout
        self.assertEqual(sorted(read("relay", "login").split("\n")), ["", "password=p w", "username=root"])
        self.assertIn("404", read("relay", "none"))
        self.assertIn("names no Secret", read("guacamole", "login"))  # not a namespace it looks at
        self.assertIn("names no Secret", read("relay", "../../guacamole/secrets/login"))
        listed = [json.loads(line) for line in open(self.cluster["KUBE_AUDIT"], encoding="utf-8")]
        verbs = {e["verb"] for e in listed if e.get("objectRef", {}).get("resource") == "secrets"
                 and "guac-authd" in e["user"]["username"]}
        self.assertEqual(verbs, {"get"})

    def test_many_come_in_pages(self):
        text = "".join(connection(f"c{i:04}", f"protocol: ssh, hostname: h{i}") for i in range(600))
        self.cluster.kubectl("create", "-f", "-", stdin=text)
        live = self.live()
        live.until(lambda v: v["count"] == 600, 60, "two pages")
        self.cluster.kubectl("-n", "relay", "delete", "guac", "--all", "--wait=false")
        live.until(lambda v: v["count"] == 0, 60, "all gone")

    def test_away_and_back(self):
        live = self.live()
        self.cluster.apply(connection("a") + lock("l1"))
        live.until(lambda v: v["connections"] and v["locks"] == ["l1"])
        self.cluster.verb("down")
        try:
            live.until(lambda v: v["age"] > 3000 and v["lockAge"] > 3000, 30, "its age grows")
            self.assertEqual((live.last["connections"], live.last["locks"]), ({"relay/a": "h"}, ["l1"]))
        finally:
            up = time.monotonic()
            self.cluster.verb("up")
        self.cluster.apply(connection("b"))
        self.cluster.kubectl("delete", "guaclock", "-n", "relay", "l1")
        live.until(lambda v: len(v["connections"]) == 2 and v["locks"] == [], 30, "it goes on by itself")
        live.until(lambda v: max(v["age"], v["lockAge"]) < (time.monotonic() - up) * 1000, 30,
                   "each kind was heard of since, the silent ones too")
        # said once a kind when it went, not at every try
        self.assertLessEqual(len([x for x in live.log if "what is known stays" in x]), 14, live.log)

    def test_token_rotates(self):
        self.cluster.refresh_token(duration="10m")
        live = self.live()
        self.cluster.kubectl("-n", "guacamole", "delete", "serviceaccount", "guac-authd")
        self.cluster.refresh_token()  # a new account: the old token is worth nothing
        self.cluster.apply(connection("a"))
        self.cluster.verb("down")  # its watches have to begin again, with the new token
        self.cluster.verb("up")
        live.until(lambda v: "relay/a" in v["connections"], 40, "the new token")

    def test_refused_by_rbac(self):
        done = self.live(CRD_NAMESPACES="relay").last
        self.assertGreaterEqual(done["age"], 0)
        other = Live(self.cluster.environment(CRD_NAMESPACES="default"))
        self.addCleanup(other.stop)
        house.wait(lambda: any("403" in x and "forbidden" in x for x in other.log),
                   20 * house.PATIENCE, "the refusal is said")
        self.assertEqual(other.last["age"], -1)

    def test_watch_drops(self):
        live = self.meddled()
        self.cluster.apply(connection("a"))
        live.until(lambda v: "relay/a" in v["connections"])
        lists = sum("limit=" in r for r in self.meddler.requests)
        house.wait(lambda: len(self.meddler.watches) >= 10, 10, "all watch")
        self.assertGreaterEqual(self.meddler.cut(), 10)
        self.cluster.apply(connection("b"))
        live.until(lambda v: "relay/b" in v["connections"], 20, "resumed")
        self.assertEqual(sum("limit=" in r for r in self.meddler.requests), lists,
                         "a watch that drops is resumed where it was")

    def test_watch_lies(self):
        self.cluster.apply(connection("a"))
        live = self.meddled()
        live.until(lambda v: "relay/a" in v["connections"])
        old = json.dumps({"type": "MODIFIED", "object": dict(
            self.cluster.get("-n", "relay", "guac", "a"), spec={"protocol": "ssh", "hostname": "old"})})
        self.cluster.apply(connection("a", "protocol: ssh, hostname: new"))
        live.until(lambda v: v["connections"]["relay/a"] == "new")
        lies = {
            "repeats what is old": answer(old, old),
            "no JSON": answer("<html>"),
            "no event": answer('{"type":"HELLO","object":{}}'),
            "no name": answer('{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}'),
            "half a line": answer('{"type":"ADDED","obj')[:-1],
            "too old a version": answer('{"type":"ERROR","object":{"code":410,"message":"old"}}'),
            "410": answer('{"kind":"Status","code":410,"message":"gone"}', status="410 Gone"),
            "500": answer("no", status="500 Internal Server Error"),
        }
        for n, (what, lie) in enumerate(lies.items()):
            with self.subTest(what):
                seen = len(self.meddler.requests)
                self.meddler.answer = lie
                self.meddler.cut()
                house.wait(lambda k=seen: sum("watch=1" in r for r in self.meddler.requests[k:]) >= 6,
                           20, "it was told")
                self.assertEqual(live.last["connections"]["relay/a"], "new")
                self.assertIsNone(live.process.poll())
                self.meddler.answer = None
                self.cluster.apply(connection(f"n{n}"))
                live.until(lambda v, k=n: f"relay/n{k}" in v["connections"], 30, what)
        self.assertEqual(live.last["connections"]["relay/a"], "new")


if __name__ == "__main__":
    unittest.main()
