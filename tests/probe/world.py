"""A gateway's folders and programs with the probe in each, and the table of what each may and may
not do: one method a group of rows, in the order of design.md section 2."""
import os
import shutil
import socket
import time

import house
import probe
from house import PATIENCE, wait
from probe import NO, OK

PROGRAMS = ("recorder", "evidence", "guacd", "authd", "proxy")
BINARIES = {"recorder": "guac-recorder", "evidence": "guac-evidence", "guacd": "guacd",
            "authd": "guac-authd", "proxy": "guac-proxy"}
GROUP = 61000
UIDS = {name: 61001 + i for i, name in enumerate(PROGRAMS)}
AF_INET, AF_PACKET, AF_VSOCK, RAW, SCTP = 2, 17, 40, 3, 132


class Victims:
    """Who must not be reached: TCP over both families, and a name in the abstract space."""

    def __init__(self):
        self.sockets = []
        self.port = self._listen(socket.AF_INET, "127.0.0.1")
        self.port6 = self._listen(socket.AF_INET6, "::1") if socket.has_ipv6 else None
        abstract = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.name = f"@guac-probe-{os.getpid()}-{self.port}"
        abstract.bind("\0" + self.name[1:])
        abstract.listen(64)
        self.sockets.append(abstract)

    def _listen(self, family, address):
        s = socket.socket(family)
        try:
            s.bind((address, 0))
        except OSError:
            return None
        s.listen(64)
        self.sockets.append(s)
        return s.getsockname()[1]

    def close(self):
        for s in self.sockets:
            s.close()


class World:
    """A gateway's folders and programs as deploy/run/run.sh lays them out. `identities`: program to
    (uid, gid, further groups), or None each for the test's own."""

    def __init__(self, identities, s3=None):
        self.identities = identities
        self.s3 = s3  # port of a store on loopback
        self.root = house.folder()
        os.chmod(self.root, 0o755)
        self.own_uids = len({i and i[0] for i in identities.values()}) > 1
        self.victims, self.running = Victims(), {}
        self.allowed = socket.create_server(("127.0.0.1", 0))
        self.allowed_port = self.allowed.getsockname()[1]
        self.port, self.admin = house.free_port(), house.free_port()
        try:
            self._lay_out()
            for name in PROGRAMS:
                if os.path.exists(os.path.join(house.BUILD, BINARIES[name])):
                    self.start(name)
        except BaseException:
            self.stop()
            raise

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def own(self, path, name, mode=None):
        identity = self.identities[name]
        if identity:
            os.chown(path, identity[0], identity[1])
        if mode is not None:
            os.chmod(path, mode)
        return path

    def folder(self, name, *parts, mode=0o700):
        path = self.path(*parts)
        os.makedirs(path, exist_ok=True)
        return self.own(path, name, mode)

    def secret(self, name, *parts, text="c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlYzE="):
        path = self.path(*parts)
        with open(path, "w") as f:
            f.write(text)
        return self.own(path, name, 0o600)

    def _lay_out(self):
        os.mkdir(self.path("bin"))
        for file in [*BINARIES.values(), "guacd-session"]:
            if os.path.exists(os.path.join(house.BUILD, file)):
                probe.copy(file, self.path("bin"))
        os.mkdir(self.path("bin/backends"))
        probe.copy("backends/demo.so", self.path("bin/backends"))
        probe.copy("probe/preload.so", self.path("bin"))
        # Sockets of five uids in one folder: its group makes them, only their owners remove them.
        self.folder("guacd", "run", mode=0o700)
        self.folder("guacd", "run/s", mode=0o700)
        if self.own_uids:
            for path, owner, mode in (("run", 0, 0o3770), ("run/s", UIDS["guacd"], 0o2750)):
                os.chown(self.path(path), owner, GROUP)
                os.chmod(self.path(path), mode)
        for name in PROGRAMS:
            self.folder(name, "keys-" + name)
        self.folder("recorder", "recordings", mode=0o755)
        self.folder("recorder", "recordings/bucket", mode=0o755)
        self.folder("recorder", "spool")
        self.folder("authd", "connections/secrets/demo/shell")
        for sub in ("connections/secrets/demo", "connections/secrets", "connections", "audit"):
            self.folder("authd", sub)
        os.mkdir(self.path("web"))
        with open(self.path("web/index.html"), "w") as f:
            f.write("<!doctype html><title>x</title>")
        self.secrets = {
            "recorder": [self.secret("recorder", "keys-recorder/s3"),
                         self.secret("recorder", "keys-recorder/secret")],
            "evidence": [self.secret("evidence", "keys-evidence/s3")],
            "authd": [self.path("keys-authd/cookie"), self.path("keys-authd/evidence.pem"),
                      self.secret("authd", "keys-authd/oidc"),
                      self.secret("authd", "connections/secrets/demo/shell/password")],
            "proxy": [self.secret("proxy", "keys-proxy/tls.key")],
            "guacd": [self.secret("guacd", "keys-guacd/tls.key")],
        }
        self.recording = self.secret("recorder", "recordings/bucket/object", text="recorded")
        os.chmod(self.recording, 0o644)
        self.spooled = self.secret("recorder", "spool/note", text="spooled")
        self.decoy = self.secret("proxy", "decoy")
        os.chmod(self.decoy, 0o666)

    def uids(self, *names):
        """trusted-uids, where one uid is not trusted by itself."""
        uids = {(self.identities[n] or (os.getuid(),))[0] for n in names}
        return " ".join(str(u) for u in sorted(uids))

    def argv(self, name):
        run, store = self.path("run"), ["--store", "folder:" + self.path("recordings")]
        if self.s3:
            store = ["--store", f"s3:http://127.0.0.1:{self.s3}", "--access-key-file",
                     self.path(f"keys-{name}", "s3"), "--secret-key-file",
                     self.path(f"keys-{name}", "s3")]
        return [self.path("bin", BINARIES[name])] + {
            "recorder": ["--run", run, *store, "--spool", self.path("spool"),
                         "--secret-file", self.path("keys-recorder/secret"), "--buckets", "bucket",
                         "--trusted-uids", self.uids("authd")],
            "evidence": ["serve", "--run", run, *store,
                         "--trusted-uids", self.uids("authd")],
            "guacd": ["-f", "--socket", run + "/guacd.sock", "--run", run,
                      "--trusted-uids", self.uids("authd", "recorder")],
            "authd": ["--run", run, "--folder", self.path("connections"), "--create-keys=yes",
                      "--cookie-keys", self.path("keys-authd/cookie"),
                      "--gateway-key", self.path("keys-authd/evidence.pem"),
                      "--audit-file", self.path("audit/audit.jsonl"),
                      "--public-url", f"http://127.0.0.1:{self.port}", "--dev-link=yes",
                      "--dev-user", "demo", "--dev-roles", "operator auditor",
                      "--connect-ports", str(self.allowed_port),
                      "--trusted-uids", self.uids("proxy")],
            "proxy": ["--run", run, "--web", self.path("web"),
                      "--listen", f"127.0.0.1:{self.port}",
                      "--admin-listen", f"127.0.0.1:{self.admin}"],
        }[name]

    def start(self, name):
        log = self.path(name + ".log")
        it = probe.Probed(self.argv(name), log, self.identities[name],
                          {"PROBE": self.path("bin/preload.so")})
        self.running[name] = it
        wait(lambda: not it.running() or it.sealed(), 20 * PATIENCE, f"{name}: {it.text()}")
        assert it.running(), f"{name} ended at once:\n{it.text()}"
        time.sleep(0.2)  # its threads
        assert it.running(), f"{name} ended:\n{it.text()}"

    def control(self, name):
        """A process of this program's identity in no sandbox."""
        it = probe.Probed(["/bin/sleep", "600"], self.path(f"control-{name}.log"),
                          self.identities[name], {"PROBE": self.path("bin/preload.so")})
        self.controls.append(it)
        time.sleep(0.2)
        return it

    def decoys(self, name):
        """Another program's things, to be removed, replaced, changed."""
        owner = "recorder" if name != "recorder" else "authd"
        self.own(self.decoy, owner, 0o666)
        for file in ("run/victim.sock", "run/s/victim.sock"):
            path = self.path(file)
            if os.path.exists(path):
                os.unlink(path)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.bind(path)
            self.own(path, owner)
        for left in ("run/new.sock", "run/s/new.sock"):
            if os.path.exists(self.path(left)):
                os.unlink(self.path(left))

    controls = ()

    def stop(self):
        for it in [*self.running.values(), *self.controls]:
            try:
                it.stop()
            except AssertionError:
                pass
        self.victims.close()
        self.allowed.close()
        shutil.rmtree(self.root, ignore_errors=True)

    # ---- the rows

    def secrets_of_others(self, name):
        return [path for owner, paths in self.secrets.items() if owner != name for path in paths
                if os.path.exists(path)]

    def files(self, name):
        """No file of another program, nor of the machine."""
        rows = [(NO, "read", path) for path in self.secrets_of_others(name)]
        rows += [(NO, "write", path) for path in self.secrets_of_others(name)]
        rows += [(NO, "read", "/etc/shadow"), (NO, "read", self.decoy), (NO, "write", self.decoy),
                 (NO, "truncate", self.decoy), (NO, "list", self.root), (NO, "list", "/"),
                 (NO, "list", "/tmp"), (NO, "list", "/proc"),
                 (NO, "create", f"/tmp/guac-probe-{self.port}"),
                 (NO, "mkdir", f"/tmp/guac-probe-{self.port}"),
                 (NO, "symlink", f"/tmp/guac-probe-{self.port}"),
                 (NO, "link", self.decoy, f"/tmp/guac-probe-{self.port}"),
                 (NO, "chmod", self.decoy),
                 (OK, "read", "/etc/resolv.conf"), (OK, "list", "/usr/lib"),
                 (OK, "read", "/dev/urandom"), (OK, "open", "/proc/self/stat")]
        if name not in ("recorder", "evidence") or self.s3:
            rows += [(NO, "read", self.recording), (NO, "list", self.path("recordings"))]
        if name != "recorder":
            rows += [(NO, "read", self.spooled), (NO, "create", self.path("spool/probe"))]
        if name != "authd":
            rows += [(NO, "list", self.path("connections")), (NO, "create", self.path("audit/x")),
                     (NO, "create", self.path("connections/probe.yaml"))]
        return rows

    def run_folder(self, name):
        """Sockets in RUN: made before the doors close, so none is made or removed after; guacd
        makes those of its sessions, and removes them. guacd and authd have a folder for files."""
        run = self.path("run")
        rows = [(OK if name == other else NO, "create", f"{run}/{other}/probe")
                for other in ("guacd", "authd")]
        if name != "authd":
            rows += [(NO, "read", run + "/authd/link")]  # signs somebody in
        if name == "guacd":
            rows += [(OK, "bind-unix", run + "/s/new.sock"), (OK, "unlink", run + "/s/victim.sock")]
        else:
            rows += [(NO, "create", run + "/s/probe"), (NO, "bind-unix", run + "/s/new.sock"),
                     (NO, "unlink", run + "/s/victim.sock")]
        return rows + [(NO, "create", run + "/probe"), (NO, "bind-unix", run + "/new.sock"),
                       (NO, "unlink", run + "/victim.sock")]

    def network(self, name):
        v = self.victims
        six = [("::1", v.port6)] if v.port6 else []
        if name == "guacd":
            # Its sessions inherit its layer and narrow it; it holds nothing to tell anybody.
            rows = [(OK, "tcp", "127.0.0.1", v.port)]
        else:
            rows = [(NO, how, *at) for at in [("127.0.0.1", v.port), *six]
                    for how in ("tcp", "fastopen-connect")]
            # authd may look up names: its further ports (OpenSearch, Kubernetes) have them.
            rows += [(NO, "bind-tcp", "127.0.0.1", "0"), (NO, "listen"),
                     (OK if name == "authd" else NO, "udp", "127.0.0.1", v.port)]
        rows += [(NO, how, *at) for at in [("127.0.0.1", v.port), *six]
                 for how in ("mptcp", "fastopen")]
        rows += [(NO, "socket", AF_PACKET, 3, 0), (NO, "socket", AF_INET, RAW, 1),
                 (NO, "socket", AF_VSOCK, 1, 0), (NO, "socket", AF_INET, 1, SCTP),
                 (NO, "unix", "seqpacket", v.name)]
        if name == "authd":
            rows += [(OK, "tcp", "127.0.0.1", self.allowed_port)]
        elif self.s3 and name in ("recorder", "evidence"):
            rows += [(OK, "tcp", "127.0.0.1", self.s3)]
        elif self.s3 and name != "guacd":
            rows += [(NO, "tcp", "127.0.0.1", self.s3)]
        return rows

    def processes(self, name):
        """Not another program's memory, environment, descriptors; no signal to it."""
        rows = []
        for other, it in self.running.items():
            if other != name:
                rows += [(NO, deed, it.pid) for deed in ("ptrace", "vm-read", "pidfd-getfd",
                                                         "kill", "tgkill")]
                rows += [(NO, "open", f"/proc/{it.pid}/mem"),
                         (NO, "read", f"/proc/{it.pid}/environ"),
                         (NO, "read", f"/proc/{it.pid}/fd/0"),
                         (NO, "list", f"/proc/{it.pid}/fd"),
                         (NO, "read", f"/proc/{it.pid}/cmdline")]
        return rows + [(NO, "userns"), (NO, "io-uring")]

    def programs(self, name):
        rows = [(NO, "spawn", "/bin/true"), (NO, "spawn", self.path("bin/guac-proxy")),
                # Who answers more than a message holds does so by a file in memory.
                (OK if name in ("authd", "evidence") else NO, "memfd")]
        if name == "guacd":
            rows += [(OK, "spawn", self.path("bin/guacd-session"))]
        else:
            rows += [(NO, "fork"), (NO, "spawn", self.path("bin/guacd-session"))]
        return rows + [(NO, "memfd-execveat"), (NO, "memfd-execve"),
                       (NO, "execveat", "/bin/true"), (NO, "execve", "/bin/true")]

    def grants(self, name):
        """What its row says it may, beside the above."""
        stored = NO if self.s3 else OK
        return {
            "recorder": [(OK, "create", self.path("spool/probe")),
                         (stored, "create", self.path("recordings/bucket/probe")),
                         (OK, "list", self.path("run/s")), (NO, "list", self.path("run")),
                         (NO, "read", self.path("keys-recorder/secret"))],
            "evidence": [(stored, "read", self.recording),
                         (stored, "list", self.path("recordings")),
                         (NO, "write", self.recording),
                         (NO, "create", self.path("recordings/bucket/probe")),
                         (NO, "read", self.secrets["evidence"][0])],
            "guacd": [(OK, "list", self.path("bin/backends")), (NO, "create",
                                                               self.path("run/s/probe")),
                      (NO, "read", self.secrets["guacd"][0])],
            "authd": [(OK, "read", self.path("keys-authd/cookie")),  # rotation without a restart
                      (NO, "read", self.path("keys-authd/evidence.pem")),
                      (NO, "read", self.path("keys-authd/oidc")),
                      (NO, "write", self.path("keys-authd/cookie")),
                      (OK, "list", self.path("connections")),
                      (OK, "read", self.path("connections/secrets/demo/shell/password")),
                      (NO, "create", self.path("connections/probe.yaml")),
                      (OK, "write", self.path("audit/audit.jsonl"))],
            "proxy": [(NO, "list", self.path("run")), (NO, "read", self.secrets["proxy"][0]),
                      (NO, "read", self.path("web/index.html"))],
        }[name]

    def rows(self, name):
        return (self.files(name) + self.run_folder(name) + self.network(name) +
                self.processes(name) + self.grants(name) + self.programs(name))

    def core(self, name):
        """Asked of every thread."""
        return [(NO, "read", self.secrets_of_others(name)[0]), (NO, "read", "/etc/shadow"),
                (NO, "create", f"/tmp/guac-probe-{self.port}"), (NO, "spawn", "/bin/true"),
                (NO, "memfd-execveat"), (NO, "mptcp", "127.0.0.1", self.victims.port),
                (NO, "userns"), (OK, "open", "/proc/self/stat")] + (
                    [] if name == "guacd" else [(NO, "tcp", "127.0.0.1", self.victims.port)])
