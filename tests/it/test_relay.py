"""Two whole replicas that share a real API server and nothing else but their cookie keys: a request that
comes to the one that does not hold the session is answered as if it had come to the other, through a
relay that only a ticket opens, and that nobody else can use or read."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import unittest

import house
import whole
from between import join
from house import wait
from kubepart import Cluster
from whole import Tunnel

QUERY = "width=320&height=240&dpi=96&image=image/png&client=test&feature=state"


class Pod(whole.Gateway):
    """One replica, with its resources in the cluster and a proxy that others can reach."""
    ORDER = ("recorder", "guacd", "authd", "proxy")

    def __init__(self, folder, number, cluster, shared):
        self.number, self.cluster, self.shared = number, cluster, shared
        self.relay_port = shared["relays"][number]
        self.name = f"pod{number}"
        super().__init__(folder, None)

    def connection(self, name, spec="", roles="operator"):
        pass  # the cluster's

    def argv(self, name):
        words = super().argv(name)
        c = self.cluster
        if name == "authd":
            words += ["--store", "kubernetes", "--namespaces", "relay", "--cluster-server",
                      c["KUBE_SERVER"], "--cluster-ca", c["KUBE_CA"], "--cluster-token", c.token,
                      "--gateway-name", self.name, "--relay-address", f"127.0.0.1:{self.relay_port}",
                      "--cookie-keys", self.shared["keys"], "--public-url", self.shared["url"](self),
                      "--moderator-roles", "auditor", "--grace-seconds", "30",
                      "--dev-user", ("olga", "mona")[self.number]]
        if name == "proxy":
            ports = " ".join(str(p) for p in self.shared["ports"]())
            words += ["--relay-listen", f"127.0.0.1:{self.relay_port}", "--relay-ports", ports]
        return words

    def tunnel(self, cookie, query):
        return Tunnel(self.port, query + "&" + QUERY, cookie, origin=self.shared["origin"])

    def metrics(self):
        text = self.request("GET", "/metrics", port=self.admin)[2].decode()
        return {k: float(v) for k, v in re.findall(r"^(\S+) (\S+)$", text, re.M)}


class Replicas(house.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.apply("""
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: { name: demo, namespace: relay }
spec: { protocol: demo, audience: { keycloakRoles: [operator] } }
""")
        cls.place = house.folder("r")
        cls.addClassCleanup(shutil.rmtree, cls.place, True)
        relays = [house.free_port(), house.free_port()]
        cls.pods = []
        shared = {"keys": os.path.join(cls.place, "cookie.key"), "relays": relays, "origin": None,
                  "ports": lambda: relays, "url": lambda pod: shared["origin"]}
        for n in (0, 1):
            folder = os.path.join(cls.place, str(n))
            os.mkdir(folder)
            if n == 0:
                shared["url"] = lambda pod: pod.url
            pod = Pod(folder, n, cls.cluster, shared)
            if n == 0:
                shared["origin"] = pod.url
                shared["url"] = lambda pod: shared["origin"]
            cls.pods.append(pod)
            cls.addClassCleanup(pod.stop)
        cls.cookie = cls.pods[0].sign_in()
        for pod in cls.pods:
            wait(lambda p=pod: "demo" in str(p.get("/api/connections", cls.cookie)), 20)
            wait(lambda p=pod: "connected to the recorder" in p.log("authd"), 20)
        cls.moderator = cls.pods[1].sign_in()

    def begin(self, pod=0):
        t = self.pods[pod].tunnel(self.cookie, "connection=relay/demo")
        self.addCleanup(t.close)
        session = self.first_id(t)
        self.until(t, lambda: t.frames > 0, "the first frame")
        other = self.pods[1 - pod]
        wait(lambda: any(s["id"] == session for s in self.sessions(other)), 20)
        return session, t

    def sessions(self, pod):
        return pod.get("/api/sessions", self.cookie)[1]["sessions"]

    def until(self, t, condition, why, timeout=30):
        limit = time.monotonic() + timeout * house.PATIENCE
        while not condition():
            assert not t.closed, f"closed before {why}: {t.text[-300:]!r}"
            assert time.monotonic() < limit, f"no {why}: {t.text[-300:]!r}"
            t.step(0.05)

    def first_id(self, t):
        self.until(t, lambda: re.search(rb"0\.,36\.([0-9a-f-]{36})", t.text), "the id")
        return re.search(rb"0\.,36\.([0-9a-f-]{36})", t.text).group(1).decode()

    def closed(self, t):
        limit = time.monotonic() + 30 * house.PATIENCE
        while not t.closed:
            assert time.monotonic() < limit, "still open"
            t.step(0.05)
        return t.text

    def act(self, pod, session, action, cookie=None, **body):
        cookie = cookie or self.cookie
        csrf = self.pods[pod].get("/api/me", cookie)[1]["csrf"]
        status, _, data = self.pods[pod].request(
            "POST", f"/api/sessions/{session}/{action}", cookie,
            {"Origin": self.pods[0].url, "X-CSRF": csrf, "Content-Type": "application/json"},
            json.dumps(body))
        return status, json.loads(data)

    def test_come_back_watch_and_command_at_the_other(self):
        session, first = self.begin(0)
        # what the other replica's page shows is the session's own word
        def told():
            status, it = self.pods[1].get(f"/api/sessions/{session}", self.cookie)
            self.assertEqual((status, it["gateway"]), (200, "pod0"))
            return it
        wait(lambda: [p["role"] for p in told()["people"]] == ["owner"], 20)
        self.assertIn("lagMs", told()["people"][0], "which no resource says")
        # the owner comes back through the other replica; who was there is told and goes
        back = self.pods[1].tunnel(self.cookie, f"session={session}")
        self.addCleanup(back.close)
        self.assertEqual(self.first_id(back), session)
        self.until(back, lambda: back.frames > 0, "a frame through the relay")
        self.closed(first)
        # a click through the relay is drawn by the session (the demo desktop paints on it)
        frames = back.frames
        self.until(back, lambda: back.frames > frames or not back.send(
            "5.mouse,3.100,3.100,1.1;5.mouse,3.100,3.100,1.0;"), "what a click draws")
        # commands through the other replica reach the session
        self.assertEqual(self.act(1, session, "message", text="from pod1"), (200, {}))
        self.assertEqual(self.act(1, session, "pause")[0], 403, "her own")
        self.assertEqual(self.act(1, session, "pause", self.moderator, text="look")[0], 200)
        wait(lambda: told()["paused"], 20)
        self.assertEqual(self.act(1, session, "resume", self.moderator)[0], 200)
        self.assertEqual(self.act(1, session, "role", user=99, role="viewer")[0] // 100, 4)
        # a live view through it, too
        view = self.pods[1].tunnel(self.moderator, f"session={session}&role=viewer")
        self.addCleanup(view.close)
        self.until(view, lambda: view.frames > 0, "a viewer's frame")
        view.close()
        self.assertEqual(self.pods[1].metrics()['guacamole_proxy_relays'], 1)
        self.assertEqual(self.act(1, session, "end", text="enough")[0], 200)
        self.assertIn(b"enough", self.closed(back))
        wait(lambda: self.pods[1].metrics()['guacamole_proxy_relays'] == 0 and
             self.pods[0].metrics()['guacamole_proxy_relays'] == 0, 20)
        self.assertGreater(self.pods[0].metrics()['guacamole_proxy_relayed_total{direction="in"}'], 4)

    def test_rolling_restart(self):
        session, t = self.begin(0)
        for n in (0, 1):  # one after the other, as a rollout does; the sessions' process stays
            pod = self.pods[n]
            for name in ("proxy", "authd"):
                pod.programs[name].stop()
            # the other one serves meanwhile, signed in as before
            other = self.pods[1 - n]
            self.assertEqual(other.get("/api/me", self.cookie)[0], 200)
            for name in ("authd", "proxy"):
                pod.start(name)
            self.assertEqual(pod.get("/api/me", self.cookie)[0], 200)
        self.closed(t)

        def again():
            back = self.pods[1].tunnel(self.cookie, f"session={session}")
            self.addCleanup(back.close)
            try:
                self.until(back, lambda: back.frames > 0, "a frame")
                return back
            except AssertionError:
                return None
        back = wait(again, 30 * house.PATIENCE, "back through the other replica", every=0.5)
        self.assertEqual(self.first_id(back), session)
        # its replica's proxy is gone: said so, nothing hangs, and the session goes on
        self.pods[0].programs["proxy"].stop()
        self.closed(back)
        lost = self.pods[1].tunnel(self.cookie, f"session={session}")
        self.addCleanup(lost.close)
        self.assertIn(b"cannot be reached", self.closed(lost))
        self.assertEqual(self.act(1, session, "message", text="x")[0], 503)
        self.assertEqual(self.pods[1].get(f"/api/sessions/{session}", self.cookie)[0], 200)
        self.pods[0].start("proxy")
        back = wait(again, 30 * house.PATIENCE, "back once more", every=0.5)
        self.assertEqual(self.act(0, session, "end")[0], 200)
        self.closed(back)

    def ask(self, pod, message):
        """A message of a proxy to that replica's authd."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(os.path.join(self.pods[pod].run, "authd.sock"))
            s.send(json.dumps({"rid": 1, **message}).encode())
            return json.loads(s.recv(1 << 18))

    def raw(self, pod, data):
        """What the relay listener says to bytes: everything until it closes."""
        with socket.create_connection(("127.0.0.1", self.pods[pod].relay_port)) as s:
            s.settimeout(30)
            s.sendall(data)
            out = b""
            try:
                while piece := s.recv(65536):
                    out += piece
            except ConnectionError:
                pass
            return out

    def ticket(self, session):
        answer = self.ask(1, {"op": "tunnel", "query": f"session={session}&{QUERY}", "peer": "192.0.2.1",
                              "headers": {"cookie": self.cookie, "origin": self.pods[0].url}})
        self.assertEqual((answer["ok"], answer["http"]), (False, 502), answer)
        return answer["relay"]

    def test_tickets(self):
        session, _ = self.begin(0)
        relay = self.ticket(session)
        self.assertEqual(relay["address"], f"127.0.0.1:{self.pods[0].relay_port}")

        def admit(pod, text):
            return self.ask(pod, {"op": "ticket", "ticket": text})
        # only where it is for, only once, only as it was made
        self.assertIn("another replica", admit(1, relay["ticket"])["error"])
        self.assertEqual(admit(0, relay["ticket"])["session"], session)
        self.assertIn("used before", admit(0, relay["ticket"])["error"])
        fresh = self.ticket(session)["ticket"]
        for bad in ("", "x", fresh[:-2], fresh[:-1] + ("A" if fresh[-1] != "A" else "B"),
                    self.cookie.split("=", 1)[1].split(";")[0]):
            self.assertFalse(admit(0, bad)["ok"], bad)
        # a request that came by relay reaches its session only, and nothing else at all
        h = {"cookie": self.cookie, "origin": self.pods[0].url, "sec-fetch-site": "same-origin"}
        for path in ("/api/me", "/api/sessions", "/api/locks", "/auth/login",
                     "/api/sessions/0199a0a0-0000-7000-8000-000000000000"):
            answer = self.ask(0, {"op": "http", "method": "GET", "path": path, "query": "", "peer": "",
                                  "headers": h, "relayed": session})
            self.assertEqual(answer["status"], 403, path)
        answer = self.ask(0, {"op": "tunnel", "query": "connection=relay/demo&" + QUERY, "peer": "",
                              "headers": h, "relayed": session})
        self.assertFalse(answer["ok"])

    def test_the_listener_among_strangers(self):
        session, _ = self.begin(0)
        text = self.ticket(session)["ticket"].encode()
        whole_ticket = struct.pack("<H", len(text)) + text
        self.assertEqual(self.raw(0, b"GET / HTTP/1.1\r\n\r\n" + b"x" * 4000), b"")
        self.assertEqual(self.raw(0, b"\0\0"), b"")
        self.assertEqual(self.raw(0, b"\xff\xff" + b"y" * 100), b"")
        self.assertEqual(self.raw(0, struct.pack("<H", 5) + b"wrong"), b"")
        # a ticket somebody saw on the way is worth nothing without its key
        stolen = self.raw(0, whole_ticket + b"\x16\x03\x01\x00\x05hello")
        self.assertNotIn(b"guac", stolen)
        self.assertEqual(self.raw(0, whole_ticket), b"", "and it is used up now")
        text = self.ticket(session)["ticket"].encode()
        with socket.create_connection(("127.0.0.1", self.pods[0].relay_port)) as s:
            s.sendall(struct.pack("<H", len(text)) + text)
            done = subprocess.run(
                ["openssl", "s_client", "-tls1_3", "-psk", "00" * 32, "-psk_identity", "guac-relay",
                 "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-connect",
                 self.through(s)], capture_output=True, text=True, timeout=60, check=False,
                stdin=subprocess.DEVNULL)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        # and the gateway works as before
        back = self.pods[1].tunnel(self.cookie, f"session={session}")
        self.addCleanup(back.close)
        self.until(back, lambda: back.frames > 0, "a frame")
        self.assertEqual(self.act(0, session, "end")[0], 200)

    def through(self, upstream):
        """A listener that hands one connection on to a socket: openssl speaks behind the ticket."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        threading.Thread(target=lambda: join(server.accept()[0], upstream), daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"


if __name__ == "__main__":
    unittest.main()
