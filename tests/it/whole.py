"""The whole gateway, program by program, so that a test can kill and restart each: a folder of
YAML or the real Keycloak for people, a folder or the real SeaweedFS for recordings."""
import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

import house
import openapi

sys.path.insert(0, os.path.join(house.ROOT, "tests/bench"))
from gateway import Tunnel  # noqa: E402  a browser's side of a tunnel

QUERY = "connection=demo/{}&width=1024&height=768&dpi=96&image=image/png&client=test&feature=state"


class Part:
    """A real server of tests/parts."""

    def __init__(self, name, *options):
        self.script = house.need_part(name)
        self.folder = house.folder("p")
        subprocess.run([self.script, "start", self.folder, *options], check=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, PART_OWNER=str(os.getpid())))
        text = subprocess.run(["sh", "-c", ". ./env; set"], cwd=self.folder, text=True, check=True,
                              stdout=subprocess.PIPE).stdout
        self.env = {k: v.strip("'") for k, v in
                    (line.split("=", 1) for line in text.splitlines() if "=" in line)}

    def __getitem__(self, name):
        return self.env[name]

    def verb(self, verb, *words):
        return subprocess.run([self.script, verb, self.folder, *words], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], check=False, stdout=subprocess.DEVNULL)


class Gateway:
    """Programs by name in self.programs; start(name) and kill(name) as a fault does it."""

    ORDER = ("recorder", "evidence", "guacd", "authd", "proxy")

    def __init__(self, folder, sshd, keycloak=None, seaweedfs=None, authd=(), recorder=()):
        self.folder, self.sshd, self.keycloak, self.s3 = folder, sshd, keycloak, seaweedfs
        self.run = self._sub("run")
        self.connections = self._sub("connections")
        self.port, self.admin = house.free_port(), house.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.authd_options, self.recorder_options = list(authd), list(recorder)
        self._write("recorder.key", "k" * 44)
        self.store = self._store()
        self.connection("shell")
        self.programs = {}
        for name in self.ORDER:
            self.start(name)

    def _sub(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def _write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def _store(self):
        if not self.s3:
            return {"recorder": ["--store", "folder:" + self._sub("recordings")],
                    "evidence": ["--store", "folder:" + self._sub("recordings")]}
        out = {}
        for who, identity in (("recorder", "WRITER"), ("evidence", "READER"), ("admin", "ADMIN")):
            out[who] = ["--store", "s3:" + self.s3["S3_ENDPOINT"], "--region", self.s3["S3_REGION"],
                        "--buckets", "recordings"]
            for key in ("access", "secret"):
                name = f"S3_{identity}_{key.upper()}_KEY"
                out[who] += [f"--{key}-key-file", self._write(f"{who}.{key}", self.s3[name])]
            if self.s3.env.get("S3_CA"):
                out[who] += ["--ca-file", self.s3["S3_CA"]]
        return out

    def connection(self, name, spec="", roles="operator"):
        """A GuacamoleConnection to the sshd part; spec: more YAML below `spec`."""
        for key, value in (("username", self.sshd["SSHD_USER"]),
                           ("password", self.sshd["SSHD_PASSWORD"])):
            self._write(f"connections/secrets/demo/{name}/{key}", value)
        self._write(f"connections/{name}.yaml", f"""
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: {name}, namespace: demo }}
spec:
  protocol: ssh
  hostname: 127.0.0.1
  port: {self.sshd['SSHD_PORT']}
  audience: {{ keycloakRoles: [{roles}] }}
  recording: {{ enabled: true, bucket: recordings, retentionDays: 1 }}
  hostKey: {{ keys: ["{self.sshd['SSHD_HOSTKEY_ED25519']}"], unknown: refuse }}
  credentials: {{ secretRef: {{ name: {name} }} }}
{spec}""")

    def argv(self, name):
        run = ["--run", self.run]
        if name == "recorder":
            return [house.program("guac-recorder"), *run, *self.store["recorder"], "--spool",
                    self._sub("spool"), "--secret-file", os.path.join(self.folder, "recorder.key"),
                    *self.recorder_options]
        if name == "evidence":
            return [house.program("guac-evidence"), "serve", *run, *self.store["evidence"]]
        if name == "guacd":
            return [house.program("guacd"), "-f", *run, "--socket", self.run + "/guacd.sock"]
        if name == "proxy":
            return [house.program("guac-proxy"), *run, "--web", os.path.join(house.BUILD, "web"),
                    "--listen", f"127.0.0.1:{self.port}", "--admin-listen",
                    f"127.0.0.1:{self.admin}"]
        people = ["--dev-link", "--dev-user", "olga", "--dev-roles", "operator auditor"]
        if self.keycloak:
            secret = self._write("client.secret", self.keycloak["KEYCLOAK_CLIENT_SECRET"])
            people = ["--oidc-issuer", self.keycloak["KEYCLOAK_ISSUER"], "--oidc-client",
                      self.keycloak["KEYCLOAK_CLIENT"], "--oidc-secret", secret,
                      "--oidc-insecure-http"]
        return [house.program("guac-authd"), *run, "--folder", self.connections, "--public-url",
                self.url, "--create-keys", "--cookie-keys", os.path.join(self.folder, "cookie.key"),
                "--gateway-key", os.path.join(self.folder, "gateway.pem"), "--audit-file",
                os.path.join(self.folder, "audit.jsonl"), "--address-allow", "127.0.0.1",
                *people, *self.authd_options]

    SOCKETS = {"recorder": "recorder.sock", "evidence": "evidence.sock", "guacd": "guacd.sock",
               "authd": "authd.sock"}

    def start(self, name):
        log = os.path.join(self.folder, name + ".log")
        it = self.programs[name] = house.Process(self.argv(name), log)

        def up():
            assert it.running(), f"{name} ended at once:\n" + it.text()[-2000:]
            if name == "proxy":
                try:
                    return self.get("/api/me")[0] == 401
                except OSError:
                    return False
            return os.path.exists(os.path.join(self.run, self.SOCKETS[name]))
        house.wait(up, 15 * house.PATIENCE, name + " does not come up")

    def kill(self, name):
        self.programs[name].popen.kill()
        self.programs[name].popen.wait()
        if name in self.SOCKETS: # what a crash leaves behind must not count as being up
            path = os.path.join(self.run, self.SOCKETS[name])
            if os.path.exists(path):
                os.unlink(path)

    def stop(self):
        for name in reversed(self.ORDER):
            if name in self.programs:
                self.programs[name].stop()

    def log(self, name):
        return self.programs[name].text()

    # ---- HTTP ------------------------------------------------------------------------------------

    def request(self, method, path, cookie="", headers=None, body=None, port=None):
        c = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        c.request(method, path, body, dict(headers or {}, Cookie=cookie))
        r = c.getresponse()
        data = r.read()
        c.close()
        kind = r.getheader("content-type") or ""
        if kind.startswith("application/json"):  # what the interface's description says of it
            openapi.check(method, path.partition("?")[0], r.status, kind, data)
        return r.status, r, data

    def get(self, path, cookie="", **kw):
        status, r, data = self.request("GET", path, cookie, **kw)
        kind = r.getheader("content-type") or ""
        return status, json.loads(data) if "json" in kind else data

    @staticmethod
    def cookies(r, before=""):
        jar = dict(c.split("=", 1) for c in before.split("; ") if c)
        for name, value in r.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                jar[key] = rest.split(";")[0]
        return "; ".join(f"{k}={v}" for k, v in jar.items() if v)

    def sign_in(self, user="olga"):
        """A signed-in person's cookie."""
        if not self.keycloak:
            link = subprocess.run([*self.argv("authd")[:1], "link", *self.argv("authd")[1:]],
                                  check=True, text=True, stdout=subprocess.PIPE).stdout
            url = urllib.parse.urlsplit(re.search(r"http\S+", link).group(0))
            status, r, _ = self.request("GET", url.path + "?" + url.query)
            assert status == 302, status
            return self.cookies(r)
        status, r, _ = self.request("GET", "/auth/login?to=/connections")
        assert status == 302, status
        before = self.cookies(r)
        back = urllib.parse.urlsplit(self.keycloak.verb("login", user, r.getheader("location")))
        status, r, data = self.request("GET", back.path + "?" + back.query, before)
        assert status == 302, (status, data)
        return self.cookies(r, before)

    def open(self, cookie, connection="shell", session=None):
        query = QUERY.format(connection)
        if session:
            query = re.sub("connection=[^&]*", "session=" + session, query)
        return Shell(self.port, query, cookie)


class Shell(Tunnel):
    """A tunnel into a shell: commands whose effect a file shows."""

    def __init__(self, port, query, cookie, **kw):
        super().__init__(port, query, cookie, **kw)
        self.until(lambda: self.frames > 0, "the first frame")
        # Typed before the shell is there, keys are meant for nobody: wait until its prompt rests.
        self.until(lambda: time.monotonic() - self.last_frame > 0.6, "the prompt")
        self.id = re.search(rb"0\.,36\.([0-9a-f-]{36})", self.text).group(1).decode()

    def until(self, condition, why, timeout=20.0):
        limit = house.deadline(timeout * house.PATIENCE)
        alive = time.monotonic()
        while not condition():
            if time.monotonic() - alive > 4:  # a client says so every few seconds
                alive = time.monotonic()
                self.send("3.nop;")
            assert not self.closed, f"the tunnel closed before {why}: {self.text[-300:]!r}"
            assert time.monotonic() < limit, f"no {why}"
            self.step(0.05)

    def wait_closed(self, timeout=20.0):
        limit = house.deadline(timeout * house.PATIENCE)
        while not self.closed and time.monotonic() < limit:
            self.step(0.1)
        return self.closed

    def effect(self, command, path, timeout=20.0):
        """Type a command that makes a file, wait for the file, return its text: where the command
        writes by `>`, a line of it."""
        if os.path.exists(path):
            os.unlink(path)
        self.type(command)

        def text():
            if not os.path.exists(path):
                return None
            with open(path) as f:
                return f.read()
        self.until(lambda: text() is not None and (">" not in command or text().endswith("\n")),
                   f"effect of {command!r}", timeout)
        return text()
