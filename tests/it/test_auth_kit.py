"""What authd's tests share: authd itself, a stand-in for the proxy on RUN/authd.sock, a browser of
sorts with cookies, and the connections folder. No test is in here."""
import json
import os
import re
import select
import socket
import subprocess
import threading
import time
import urllib.parse

import guac
import house
import openapi
from house import Guacd, wait
from test_record_kit import Recorder

ORIGIN = "http://127.0.0.1:8080"


def connection(name, roles=("operator",), spec="protocol: demo", namespace="relay", more=""):
    return (f"apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleConnection\n"
            f"metadata: {{ name: {name}, namespace: {namespace} }}\n"
            f"spec:\n  audience: {{ keycloakRoles: {json.dumps(list(roles))} }}\n"
            + "".join(f"  {line}\n" for line in (spec + "\n" + more).splitlines() if line))


class Folder:
    """The connections folder."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = os.path.join(os.path.dirname(path), "." + os.path.basename(path) + ".tmp")
        with open(temporary, "w") as f:
            f.write(text)
        os.chmod(temporary, mode)
        os.rename(temporary, path)

    def remove(self, name):
        os.unlink(os.path.join(self.path, name))


class Authd(house.Process):
    def __init__(self, directory, wait=True, **settings):
        self.folder = directory
        self.run = os.path.join(directory, "run")
        os.makedirs(os.path.join(self.run, "s"), exist_ok=True)
        os.makedirs(os.path.join(directory, "audit"), exist_ok=True)
        self.connections = Folder(os.path.join(directory, "connections"))
        self.audit_file = os.path.join(directory, "audit", "audit.jsonl")
        self.keys = os.path.join(directory, "cookie.keys")
        self.gateway_key = os.path.join(directory, "gateway.pem")
        conf = {"run": self.run, "public_url": ORIGIN, "folder": self.connections.path,
                "cookie_keys": self.keys, "gateway_key": self.gateway_key, "create_keys": "yes",
                "audit_file": self.audit_file, "log_level": "debug", **settings}
        self.conf = os.path.join(directory, "authd.conf")
        with open(self.conf, "w") as f:
            f.writelines(f"{k.replace('_', '-')} = {v}\n" for k, v in conf.items())
        self.socket = os.path.join(self.run, "authd.sock")
        argv = [house.program("guac-authd"), "--config", self.conf]
        super().__init__(argv, os.path.join(directory, f"authd-{next(house.NUMBERS)}.log"))
        if wait:
            house.wait(lambda: "serving" in self.text() or not self.running(), 15 * house.PATIENCE,
                       "authd is not ready")
            assert self.running(), "authd ended:\n" + self.text()

    def audit(self, activity=None):
        """Events so far, by activity_name."""
        with open(self.audit_file) as f:
            events = [json.loads(line) for line in f]
        return [e for e in events if activity in (None, e["activity_name"])]

    def link(self):
        done = subprocess.run([house.program("guac-authd"), "--config", self.conf, "link"],
                              capture_output=True, text=True, check=True)
        return done.stdout.strip()


class Line:
    """One connection of a proxy: many requests at once, a thread that reads the answers."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(path)
        self.answers, self.rid = {}, 0
        self.condition = threading.Condition()
        self.alive = True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 4)
            except OSError:
                data = b""
            with self.condition:
                if data:
                    message = json.loads(data)
                    message["fds"] = fds
                    self.answers[message.get("rid")] = message
                else:
                    self.alive = False
                self.condition.notify_all()
            if not data:
                return

    def send(self, op, **members):
        with self.condition:
            self.rid += 1
            rid = self.rid
        self.sock.send(json.dumps({"op": op, "rid": rid, **members}).encode())
        return rid

    def wait(self, rid, timeout=60.0):
        with self.condition:
            done = self.condition.wait_for(lambda: rid in self.answers or not self.alive,
                                           timeout * house.PATIENCE)
            assert done and rid in self.answers, f"no answer to request {rid}"
            return self.answers.pop(rid)

    def call(self, op, timeout=60.0, **members):
        return self.wait(self.send(op, **members), timeout)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # the thread still waits in it
        except OSError:
            pass
        self.sock.close()


class Answer:
    def __init__(self, message):
        self.status = message["status"]
        self.headers = [(n.lower(), v) for n, v in message.get("headers", [])]
        self.text = message.get("body")
        self.size = message.get("size")
        if message["fds"]:
            with os.fdopen(message["fds"][0], "rb") as f:
                self.bytes = f.read()
            assert self.size in (-1, len(self.bytes)), "the size that was told"
            self.text = self.bytes.decode(errors="replace")

    def header(self, name):
        return next((v for n, v in self.headers if n == name), None)

    @property
    def json(self):
        assert (self.header("content-type") or "").startswith("application/json"), self.text
        return json.loads(self.text)


class Browser:
    """Cookies, Origin and CSRF as a page would have them."""

    def __init__(self, authd, origin=ORIGIN, line=None):
        self.line = line or Line(authd.socket)
        self.origin = origin
        self.jar = {}
        self.csrf = None
        self.asked = {}

    def headers(self, more=None):
        h = {"cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items()) or None,
             "sec-fetch-site": "same-origin", **(more or {})}
        return {k: v for k, v in h.items() if v is not None}

    def send(self, method, url, body=None, headers=None):
        path, _, query = url.partition("?")
        message = {"method": method, "path": path, "query": query, "peer": "192.0.2.7",
                   "headers": self.headers(headers)}
        if body is not None:
            message["body"] = body if isinstance(body, str) else json.dumps(body)
        rid = self.line.send("http", **message)
        self.asked[rid] = (method, path)
        return rid

    def finish(self, rid, timeout=60.0):
        """Every answer is what the interface's description says of it."""
        answer = Answer(self.line.wait(rid, timeout))
        openapi.check(*self.asked.pop(rid), answer.status, answer.header("content-type"), answer.text)
        for name, value in answer.headers:
            if name == "set-cookie":
                self._keep(value)
        return answer

    def _keep(self, line):
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        assert "HttpOnly" in attributes and "SameSite=Lax" in attributes and "Path=/" in attributes
        assert ("Secure" in attributes) == name.startswith("__Host-")
        if "Max-Age=0" in attributes:
            self.jar.pop(name, None)
        else:
            self.jar[name] = value

    def request(self, method, url, body=None, headers=None):
        return self.finish(self.send(method, url, body, headers))

    def get(self, url, **headers):
        return self.request("GET", url, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, url, body=None, **headers):
        h = {"origin": self.origin, "x-csrf": self.csrf,
             **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.request("POST", url, body, headers=h)

    def me(self):
        answer = self.get("/api/me")
        if answer.status == 200:
            self.csrf = answer.json["csrf"]
        return answer

    def use_link(self, link):
        """Sign in by a development link."""
        at = urllib.parse.urlsplit(link)
        answer = self.get(f"{at.path}?{at.query}", sec_fetch_site="none")
        if answer.status == 302:
            assert self.me().status == 200
        return answer

    def tunnel(self, query, headers=None, timeout=60.0):
        """The answer, with `fds`."""
        h = self.headers({"origin": self.origin, **(headers or {})})
        return self.line.call("tunnel", timeout, query=query, headers=h, peer="192.0.2.7")


def page_says(answer, status, title):
    """An error page: right status, its sentence, nothing inline, an id to quote."""
    assert answer.status == status, (answer.status, answer.text)
    assert answer.header("content-type").startswith("text/html"), answer.headers
    assert title in answer.text, answer.text
    assert "<script" not in answer.text and "style=" not in answer.text
    assert re.search(r'class="error-id">[0-9a-f-]{36}<', answer.text), answer.text


class LinkCase(house.TestCase):
    """An authd alone, with development links."""
    SETTINGS = {"dev_link": "yes", "dev_user": "dora", "dev_roles": "operator auditor"}

    def setUp(self):
        super().setUp()
        self.authd = self.start(Authd, **self.SETTINGS)

    def browser(self, **options):
        b = Browser(self.authd, **options)
        self.assertEqual(b.use_link(self.authd.link()).status, 302)
        return b

    def restart(self, **settings):
        self.authd.stop()
        self.authd = self.start(Authd, **{**self.SETTINGS, **settings})


class Stream:
    """A browser's end of a tunnel: reads, answers sync, knows what was drawn."""

    def __init__(self, fd):
        self.sock = socket.socket(fileno=fd)
        self.sock.setblocking(False)
        self.parser = guac.Parser()
        self.seen = []
        self.closed = False

    def serve(self, timeout=0.05):
        if self.closed or not select.select([self.sock], [], [], timeout)[0]:
            return
        try:
            data = self.sock.recv(1 << 18)
        except OSError:
            data = b""
        self.closed = not data
        for instruction in self.parser.feed(data):
            self.seen.append(instruction)
            if instruction[0] == "sync":
                try:
                    self.sock.send(guac.encode("sync", instruction[1]))
                except OSError:
                    self.closed = True

    def until(self, opcode, timeout=10.0):
        limit = house.deadline(timeout * house.PATIENCE)
        while True:
            for i in self.seen:
                if i[0] == opcode:
                    return i
            assert not self.closed, f"closed before {opcode}: {[i[0] for i in self.seen][-20:]}"
            assert time.monotonic() < limit, f"no {opcode}"
            self.serve()

    def until_closed(self, timeout=10.0):
        limit = house.deadline(timeout * house.PATIENCE)
        while not self.closed:
            assert time.monotonic() < limit, "still open"
            self.serve()

    def close(self):
        self.sock.close()


class Evidence(house.Process):
    def __init__(self, directory, store, *more):
        run = os.path.join(directory, "run")
        argv = [house.program("guac-evidence"), "serve", "--run", run, "--store", "folder:" + store,
                *more]
        super().__init__(argv, os.path.join(directory, f"evidence-{next(house.NUMBERS)}.log"))
        wait(lambda: os.path.exists(os.path.join(run, "evidence.sock")) or not self.running(), 10)


class TunnelCase(house.TestCase):
    """authd between the real guacd and guac-recorder."""
    SETTINGS = {"dev_link": "yes", "dev_user": "dora", "dev_roles": "operator auditor",
                "grace_seconds": 5}

    def setUp(self):
        super().setUp()
        self.recorder = self.start(Recorder)
        self.guacd = self.start(Guacd, gateway=True)
        self.authd = self.start(Authd, **self.SETTINGS)
        self.authd.connections.write("demo.yaml", connection("demo", spec="protocol: demo"))
        self.browser = self.sign_in()
        self.streams = []
        self.addCleanup(lambda: [s.close() for s in self.streams])
        wait(lambda: "connected to the recorder" in self.authd.text(), 10)
        wait(lambda: self.connections(), 3)

    def sign_in(self):
        b = Browser(self.authd)
        self.assertEqual(b.use_link(self.authd.link()).status, 302)
        return b

    def connections(self):
        return {c["name"]: c for c in self.browser.get("/api/connections").json["connections"]}

    def add(self, name, **options):
        self.authd.connections.write(name + ".yaml", connection(name, **options))
        wait(lambda: name in self.connections(), 3)

    def open(self, query="connection=relay/demo&width=300&height=200", browser=None):
        answer = (browser or self.browser).tunnel(query)
        self.assertTrue(answer["ok"], answer)
        stream = Stream(answer["fds"][0])
        self.streams.append(stream)
        return answer["id"], stream

    def refused(self, query="connection=relay/demo", browser=None):
        answer = (browser or self.browser).tunnel(query)
        self.assertFalse(answer["ok"])
        self.assertEqual(answer["fds"], [])
        return answer

    def sessions(self):
        return {s["id"]: s for s in self.browser.get("/api/sessions").json["sessions"]}

    def stored(self, session):
        """Objects of the recording in the store."""
        for path, _, files in os.walk(self.recorder.store_folder):
            if path.endswith(session):
                return sorted(files)
        return []

    def sealed(self, session):
        wait(lambda: "seal.dsse.json" in self.stored(session), 20 * house.PATIENCE, "sealed")
