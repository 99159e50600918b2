"""guacd-session's stages, tried from inside by a backend that is an attacker
(tests/probe/backend.c): A while it is loaded, A2 before it dials, B once it has; on the backend's
thread, on one that it makes, and on the wire thread. The secrets around it are open to its uid:
only the sandbox is in the way."""
import contextlib
import os
import shutil
import socket
import sys
import time
import unittest

import guac
import house
import tap
from house import PATIENCE, wait

sys.path.insert(0, os.path.join(house.ROOT, "tests/probe"))
import probe  # noqa: E402
from probe import NO, OK  # noqa: E402

NEED_SOCKETS, NEED_FILES, NEED_TCP = 1, 2, 4
UID = 61000
ID = "0192f0c1-2345-7abc-8def-0000000000aa"


def setUpModule():
    if house.SANITIZED:
        raise unittest.SkipTest("sanitizer builds leave stage B out")
    probe.build()


class Guacd(house.Process):
    """guacd with the probe in place of the demo backend."""

    def __init__(self, root, gateway, uid):
        self.run = os.path.join(root, "run")
        bins = os.path.join(root, "bin")
        self.socket = os.path.join(self.run, "guacd.sock")
        self.port = house.free_port()
        argv = [os.path.join(bins, "guacd"), "-f", "-L", "debug", "--run", self.run, "--backends",
                os.path.join(bins, "backends"), "--trusted-uids", str(os.getuid())]
        argv += ["--socket", self.socket] if gateway else ["-b", "127.0.0.1", "-l", str(self.port)]
        more = {"user": uid, "group": uid, "extra_groups": []} if uid is not None else {}
        super().__init__(argv, os.path.join(root, "guacd.log"), **more)
        wait(lambda: "listening on" in self.text() or not self.running(), 10 * PATIENCE, "guacd")
        assert self.running(), self.text()


class Cells:
    uid = None
    gateway = True

    def setUp(self):
        self.root = house.folder()
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        for name in ("bin", "bin/backends", "run", "run/s", "keys", "recordings"):
            os.mkdir(self.path(name))
        for name in ("run", "run/s"):
            os.chmod(self.path(name), 0o750)
        for name in ("guacd", "guacd-session"):
            house.program(name)
            probe.copy(name, self.path("bin"))
        probe.copy("probe/backends/demo.so", self.path("bin/backends"))
        self.secrets = [self.path(n) for n in ("keys/cookie", "keys/evidence.pem", "keys/s3-write",
                                               "recordings/object")]
        for path in self.secrets:
            with open(path, "w") as f:
                f.write("secret")
        if self.uid is not None:
            for folder, _, files in os.walk(self.root):
                for path in [folder, *(os.path.join(folder, f) for f in files)]:
                    os.chown(path, self.uid, self.uid)
        self.victim = self.listen()
        self.target = self.listen()
        self.abstract = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.name = f"@guac-probe-{os.getpid()}-{self.victim}"
        self.abstract.bind("\0" + self.name[1:])
        self.abstract.listen(64)
        self.addCleanup(self.abstract.close)
        self.door = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.door.close)
        self.door.settimeout(10 * PATIENCE)
        with open(self.path("bin/backends/probe.port"), "w") as f:
            f.write(str(self.door.getsockname()[1]))
        self.unix("run/authd.sock")
        self.unix("run/victim.sock")
        self.sibling = self.unix("run/s/0192f0c1-2345-7abc-8def-0000000000bb.sock")
        self.tmp = f"/tmp/guac-probe-{self.victim}"
        self.guacd = Guacd(self.root, self.gateway, self.uid)
        self.addCleanup(self.end)

    def end(self):
        """A recorded session takes its time to end when nobody acknowledges."""
        for pid, _ in house.children(self.guacd.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.guacd.stop()

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def listen(self):
        s = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(s.close)
        return s.getsockname()[1]

    def unix(self, name):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.bind(self.path(name))
        s.listen(8)
        os.chmod(self.path(name), 0o666)
        if self.uid is not None:
            os.chown(self.path(name), self.uid, self.uid)
        self.addCleanup(s.close)
        return self.path(name)

    # ---- a session, stage by stage

    def select(self):
        """Up to the backend's warm()."""
        if self.gateway:
            self.tap = tap.Tap()
            self.addCleanup(self.tap.close)
            self.client = guac.Client.unix(self.guacd.socket, [self.tap.give()], b"6")
            self.tap.sent()
            self.client.raw(b".select,4.demo;")
        else:
            self.client = guac.Client.tcp(self.guacd.port)
            self.client.send("select", "demo")
        self.addCleanup(self.client.close)
        self.probed, _ = self.door.accept()
        self.addCleanup(self.probed.close)
        agent = probe.Agent(self.probed, "warm")
        self.pid = max(pid for pid, _ in house.children(self.guacd.pid))
        return agent

    def connect(self):
        """Up to the backend's open()."""
        values = {"session": ID, "connection": "relay/demo", "owner": "o", "owner_name": "O",
                  "started": str(int(time.time() * 1000)),
                  "address_allow": f"127.0.0.1:{self.target}"} if self.gateway else {}
        self.client.handshake(None, **values)
        return probe.Agent(self.probed, "open")

    # ---- rows

    def files(self):
        rows = [(NO, deed, path) for path in self.secrets for deed in ("read", "write")]
        rows += [(NO, "read", "/etc/shadow"), (NO, "list", self.root), (NO, "list", "/tmp"),
                 (NO, "list", "/"), (NO, "list", "/proc"), (NO, "list", self.path("run/s/..")),
                 (NO, "create", self.tmp), (NO, "mkdir", self.tmp), (NO, "symlink", self.tmp),
                 (NO, "link", self.secrets[0], self.tmp), (NO, "truncate", self.secrets[0]),
                 (NO, "create", self.path("run/probe")), (NO, "create", self.path("run/s/probe")),
                 (NO, "create", self.path("bin/backends/probe")),
                 (NO, "unlink", self.path("run/victim.sock")), (NO, "unlink", self.sibling),
                 (OK, "list", "/usr/lib"), (OK, "read", "/dev/urandom"),
                 (OK, "list", self.path("bin/backends"))]
        return rows

    def processes(self):
        pids = [self.guacd.pid] + ([] if self.uid else [os.getpid()])
        rows = [(NO, deed, pid) for pid in pids
                for deed in ("ptrace", "vm-read", "pidfd-getfd", "kill", "tgkill")]
        return rows + [(NO, "open", f"/proc/{self.guacd.pid}/mem"),
                       (NO, "read", f"/proc/{self.guacd.pid}/environ"),
                       (NO, "list", f"/proc/{self.guacd.pid}/fd"),
                       (NO, "spawn", "/bin/true"), (NO, "spawn", self.path("bin/guacd-session")),
                       (NO, "memfd"), (NO, "fork"), (NO, "userns"), (NO, "io-uring")]

    def last(self):
        return [(NO, "memfd-execveat"), (NO, "memfd-execve"), (NO, "execveat", "/bin/true"),
                (NO, "execve", "/bin/true")]

    def never(self):
        """Network that no stage allows."""
        at = ("127.0.0.1", self.victim)
        return [(NO, "mptcp", *at), (NO, "fastopen", *at),
                (NO, "socket", 17, 3, 0), (NO, "socket", 2, 3, 1), (NO, "socket", 40, 1, 0),
                (NO, "socket", 2, 1, 132), (NO, "unix", "seqpacket", self.name)]

    def stage_a(self):
        return (self.files() + self.processes() + self.never() +
                [(NO, "bind-unix", self.path("run/s/own.sock")),  # guacd makes its control socket
                 (OK, "map-exec"),                                # loading the backend needs it
                 (OK, "tcp", "127.0.0.1", self.victim),           # not known yet which
                 (OK, "bind-tcp", "127.0.0.1", 0),                # nor where VNC will listen
                 (NO, "unix", "seqpacket", self.path("run/authd.sock"))] + self.last())

    def stage_a2(self):
        return (self.files() + self.processes() + self.never() +
                [(NO, "bind-unix", self.path("run/s/later.sock")), (NO, "bind-tcp", "127.0.0.1", 0),
                 (OK, "map-exec"),
                 (OK, "tcp", "127.0.0.1", self.target), (NO, "tcp", "127.0.0.1", self.victim),
                 (NO, "fastopen-connect", "127.0.0.1", self.victim),
                 (OK, "udp", "127.0.0.1", self.victim),           # names are asked for by it
                 (NO, "unix", "seqpacket", self.path("run/authd.sock"))] + self.last())

    def stage_b(self, needs=0):
        at = ("127.0.0.1", self.victim)
        reach = OK if needs & NEED_SOCKETS else NO
        again = OK if needs & (NEED_SOCKETS | NEED_TCP) else NO
        return (self.files() + self.processes() + self.never() +
                [(NO, "bind-unix", self.path("run/s/later.sock")), (NO, "map-exec"), (NO, "listen"),
                 (NO, "bind-tcp", "127.0.0.1", 0),
                 (again, "tcp", "127.0.0.1", self.target), (NO, "tcp", *at),
                 (NO, "fastopen-connect", *at), (reach, "udp", *at),
                 (NO, "unix", "seqpacket", self.path("run/authd.sock")),
                 (NO, "chmod", self.secrets[0]),
                 (NO, "socket", 1, 1, 0), (NO, "socket", 16, 3, 9)] + self.last())

    def judge(self, agent, rows, who):
        wrong = probe.judge(agent, rows, who)
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def stages(self, needs=0, dial=True):
        agent = self.select()
        self.assertEqual(agent.ask("port", self.target), ("", 0))
        self.assertEqual(agent.ask("needs", needs), ("", 0))
        self.judge(agent, self.stage_a(), "stage A")
        agent.done()
        agent = self.connect()
        self.judge(agent, self.stage_a2(), "stage A2")
        if dial:
            error, _ = agent.ask("dial", "127.0.0.1", self.target)
        else:
            error, _ = agent.ask("lock")
        self.assertEqual(error, "", self.guacd.text())
        agent.done()
        for stage in ("run", "thread"):
            agent = probe.Agent(self.probed, stage)
            self.judge(agent, self.stage_b(needs), f"stage B, {stage}")
            agent.done()
        agent = probe.interrupt(self.probed, self.pid, self.pid)
        self.judge(agent, self.stage_b(needs), "stage B, the wire thread")
        self.assertEqual(agent.ask("dumpable"), ("", 0))
        agent.done()
        self.assertTrue(house.alive(self.pid), "the session lives on")

    # ---- the tests

    def test_stages(self):
        self.stages()

    def test_control(self):
        """Everything refused above is possible here, out of the sandbox."""
        identity = (self.uid, self.uid, []) if self.uid is not None else None
        probe.copy("probe/preload.so", self.path("bin"))

        def start():
            it = probe.Probed(["/bin/sleep", "600"], self.path("control.log"), identity,
                              {"PROBE": self.path("bin/preload.so")})
            self.addCleanup(it.stop)
            time.sleep(0.2)
            return it
        unprivileged = self.uid is not None or os.getuid() != 0
        wrong = probe.control(start, self.stage_b(), probe.PRIVILEGED if unprivileged else ())
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_stages_with_sockets(self):
        """rdp makes further connections: to its ports only."""
        self.stages(NEED_SOCKETS)

    def test_stages_with_tcp(self):
        """kubernetes does too, and needs no resolver for them."""
        self.stages(NEED_TCP)

    def test_stages_with_files(self):
        """rdp's drive: the system calls are there, the folders are Landlock's."""
        self.stages(NEED_FILES)

    def test_lock_without_dialling(self):
        self.stages(dial=False)

    def test_wire_thread_before(self):
        """The thread that reads the user's bytes, while the backend still dials."""
        self.select().done()
        waiting = self.connect()
        waiting.ask("tcp", "127.0.0.1", self.victim)
        agent = probe.interrupt(self.probed, self.pid, self.pid)
        rows = self.files() + self.processes() + self.never()
        self.judge(agent, rows + [(NO, "tcp", "127.0.0.1", self.victim),
                                  (NO, "bind-unix", self.path("run/s/later.sock"))], "wire thread")
        agent.done()

    def test_processes(self):
        """No core, no new privileges; the client, the channel, its own; nothing else."""
        self.stages()
        with open(f"/proc/{self.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(status["Seccomp_filters"], "3", "guacd's, stage A's, stage B's")
        with open(f"/proc/{self.pid}/limits") as f:
            limits = {line[:26].strip(): line[26:].split() for line in f}
        self.assertEqual(limits["Max core file size"][:2], ["0", "0"])
        self.assertEqual(limits["Max open files"][:2], ["256", "256"])
        if os.getuid() != 0:
            return  # what is not dumpable shows its descriptors to root only
        fds = house.descriptors(self.pid)
        self.assertEqual(fds.pop(0), "/dev/null")
        self.assertEqual({fds.pop(1), fds.pop(2)}, {self.guacd.log})
        for fd, what in fds.items():
            self.assertTrue(what.startswith(("socket:", "anon_inode:")), f"{fd} is {what}")
        shared = set(house.descriptors(self.guacd.pid).values()) & set(fds.values())
        shared = {what for what in shared if what.startswith("socket:")}
        self.assertLessEqual(len(shared), 1, "guacd keeps its client, for a last word; no more")
        first = self.pid
        self.select()
        self.assertNotEqual(self.pid, first)
        both = set(house.descriptors(self.pid).values()) & set(fds.values())
        self.assertFalse({what for what in both if what.startswith("socket:")},
                         "two sessions share a socket")


class Gateway(Cells, unittest.TestCase):
    """As authd starts them, under the uid of this test."""


class GatewayOneUid(Cells, unittest.TestCase):
    """The same without any privilege, all secrets of the same uid."""
    uid = UID

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("another uid needs root")
        super().setUp()


class Stock(Cells, unittest.TestCase):
    """guacd's own command line."""
    gateway = False


if __name__ == "__main__":
    unittest.main()
