"""Each program's sandbox, tried from inside: preload.so makes every thread of the running, sealed
program do what design.md section 2 denies it, and what it grants (tests/probe/world.py). Three
times: all programs under the uid of this test (as `make run` starts them), under one unprivileged
uid, under a uid each. guacd-session has test_sandbox_session.py, the demo's shell
test_sandbox_demo.py."""
import contextlib
import http.server
import os
import sys
import threading
import time
import unittest

import guac
import house
import tap
from house import PATIENCE, wait

sys.path.insert(0, os.path.join(house.ROOT, "tests/probe"))
import probe  # noqa: E402
from probe import NO, OK  # noqa: E402
from world import BINARIES, GROUP, PROGRAMS, UIDS, World  # noqa: E402


def setUpModule():
    if house.SANITIZED:
        raise unittest.SkipTest("sanitizers cannot be loaded beside a preloaded library")
    probe.build()


class Cells:
    """The tests; each class below is one way to give out uids."""
    may_fail = ()

    @classmethod
    def identities(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.world = World(cls.identities())
        cls.addClassCleanup(cls.world.stop)

    def setUp(self):
        self.world.controls = []

    def tearDown(self):
        for it in self.world.controls:
            it.stop()

    def program(self, name):
        if name not in self.world.running:
            raise unittest.SkipTest(f"{BINARIES[name]} is not built")
        it = self.world.running[name]
        self.assertTrue(it.running(), f"{name} ended:\n{it.text()}")
        return it

    def check(self, name):
        it, world = self.program(name), self.world
        world.decoys(name)
        agent = it.agent()
        wrong = probe.judge(agent, world.rows(name), name)
        if it.running():
            agent.done()
        for thread in it.threads()[1:] if it.running() else []:
            where = f"{name}, thread {it.status(thread)['Name']}"
            if it.blocks(thread):
                wrong.append(f"{where} blocks the probe's signal: not tested")
                continue
            agent = it.agent(thread)
            wrong += probe.judge(agent, world.core(name), where)
            agent.done()
        world.decoys(name)
        if not world.own_uids:
            wrong += probe.control(lambda: world.control(name), world.rows(name), self.may_fail)
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        time.sleep(0.1)
        self.assertTrue(it.running(), f"{name} does not live on after the probes:\n{it.text()}")

    def test_recorder(self):
        self.check("recorder")

    def test_evidence(self):
        self.check("evidence")

    def test_guacd(self):
        self.check("guacd")

    def test_authd(self):
        self.check("authd")

    def test_proxy(self):
        self.check("proxy")

    def test_sockets(self):
        """Landlock does not guard Unix sockets with a name; the peer's uid does, and with one
        shared uid nothing does, as SECURITY.md says."""
        may = {("authd", "guacd"), ("authd", "recorder"), ("authd", "evidence"),
               ("proxy", "authd"), ("recorder", "guacd")}
        listeners = [("guacd", "stream"), ("recorder", "seqpacket"), ("authd", "seqpacket"),
                     ("evidence", "seqpacket")]
        for name, it in self.world.running.items():
            if not self.world.own_uids and name != "proxy":
                continue  # all the same
            agent = it.agent()
            for other, kind in listeners:
                if other == name or other not in self.world.running:
                    continue
                error, hung_up = agent.ask("unix", kind, self.world.path(f"run/{other}.sock"))
                if name == "evidence":
                    self.assertEqual(error, "EPERM", "it answers, and calls nobody")
                    continue
                self.assertEqual(error, "", f"{name} to {other}: the group shares the folder")
                if not self.world.own_uids or (name, other) in may:
                    self.assertFalse(hung_up, f"{name} may speak to {other}")
                else:
                    self.assertTrue(hung_up, f"{other} keeps a connection of {name}")
            agent.done()

    def test_processes(self):
        """Before anything else: no core, no new privileges, not dumpable, nothing inherited."""
        for name, it in self.world.running.items():
            with self.subTest(program=name):
                for thread in it.threads():
                    status = it.status(thread)
                    self.assertEqual(status["NoNewPrivs"], "1", f"{name}, {status['Name']}")
                    self.assertEqual(status["Seccomp"], "2", f"{name}, {status['Name']}")
                with open(f"/proc/{it.pid}/limits") as f:
                    core = [line for line in f if line.startswith("Max core file size")]
                self.assertEqual(core[0].split()[4:6], ["0", "0"])
                agent = it.agent()
                self.assertEqual(agent.ask("dumpable"), ("", 0))
                agent.done()


class AsStarted(Cells, unittest.TestCase):
    """All under the uid of whoever runs this: root in a container, a person at a desk."""
    may_fail = () if os.getuid() == 0 else probe.PRIVILEGED

    @classmethod
    def identities(cls):
        return dict.fromkeys(PROGRAMS)


class OneUid(Cells, unittest.TestCase):
    """All under one uid without any privilege."""
    may_fail = probe.PRIVILEGED

    @classmethod
    def identities(cls):
        if os.getuid() != 0:
            raise unittest.SkipTest("other uids need root")
        return dict.fromkeys(PROGRAMS, (GROUP, GROUP, []))


class Away(http.server.BaseHTTPRequestHandler):
    """A store that is away for now; what depends on it waits."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, *args):
        pass


class AsStartedWithS3(AsStarted):
    """The store behind a port: its folder is nobody's then, its port the recorder's and the
    reader's."""

    @classmethod
    def setUpClass(cls):
        store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Away)
        threading.Thread(target=store.serve_forever, daemon=True).start()
        cls.addClassCleanup(store.server_close)
        cls.addClassCleanup(store.shutdown)
        cls.world = World(cls.identities(), store.server_address[1])
        cls.addClassCleanup(cls.world.stop)

    test_sockets = None  # as above


class StockGuacd(house.TestCase):
    """guacd for stock clients, and beside it the process that makes the files which they name: that
    one may make files, read none, and reach nobody."""

    def rows(self, port):
        return [(NO, "kill", os.getpid()), (NO, "ptrace", os.getpid()),
                (NO, "vm-read", os.getpid()), (NO, "pidfd-getfd", os.getpid()),
                (NO, "open", f"/proc/{os.getpid()}/mem"),
                (NO, "mptcp", "127.0.0.1", port), (NO, "fastopen", "127.0.0.1", port),
                (NO, "userns"), (NO, "io-uring"), (NO, "memfd"), (NO, "spawn", "/bin/true"),
                (NO, "execveat", "/bin/true"), (NO, "execve", "/bin/true")]

    def test_guacd(self):
        port = house.free_port()
        argv = [house.program("guacd"), "-f", "-b", "127.0.0.1", "-l", str(port), "--run",
                os.path.join(self.folder, "run")]
        it = probe.Probed(argv, os.path.join(self.folder, "log"),
                          env={"PROBE": os.path.join(house.BUILD, "probe/preload.so")})
        self.started.append(it)
        wait(lambda: not it.running() or it.sealed(), 10 * PATIENCE, it.text())
        secret = os.path.join(self.folder, "cookie")
        with open(secret, "w") as f:
            f.write("secret")
        rows = [(NO, "read", secret), (NO, "write", secret), (NO, "read", "/etc/shadow"),
                (NO, "list", self.folder), (NO, "create", self.folder + "/more"),
                (NO, "unlink", secret), (OK, "spawn", house.program("guacd-session"))]
        agent = it.agent()
        wrong = probe.judge(agent, rows + self.rows(port), "stock guacd")
        agent.done()
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        pid, = house.openers(it.pid)
        new = os.path.join(self.folder, "new")
        rows = [(NO, "read", secret), (NO, "list", self.folder), (NO, "unlink", secret),
                (NO, "symlink", self.folder + "/link"), (OK, "create", new),
                (NO, "bind-unix", self.folder + "/socket"), (NO, "listen"),
                (NO, "tcp", "127.0.0.1", port), (NO, "udp", "127.0.0.1", port),
                (NO, "spawn", house.program("guacd-session"))]
        agent = probe.interrupt(it.ours, pid, pid)
        wrong = probe.judge(agent, rows + self.rows(port), "the opener")
        agent.done()
        self.assertFalse(wrong, "\n" + "\n".join(wrong))


class OwnUids(Cells, unittest.TestCase):
    """A uid and a group each; RUN belongs to a group that all are in."""

    @classmethod
    def identities(cls):
        if os.getuid() != 0:
            raise unittest.SkipTest("other uids need root")
        return {name: (uid, uid, [GROUP]) for name, uid in UIDS.items()}

    @contextlib.contextmanager
    def become(self, name):
        """Connect as this program does."""
        before = os.getgroups()
        os.setgroups([GROUP])
        os.setegid(UIDS[name])
        os.seteuid(UIDS[name])
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(before)

    def test_a_session(self):
        """The ways that are meant to be open are: authd dials, authd and recorder ask the session,
        and nobody else of the group gets a word out of it."""
        self.program("guacd")
        recorder, session = tap.Tap(), "0192f0c1-2345-7abc-8def-0000000000cc"
        self.addCleanup(recorder.close)
        with self.become("authd"):
            c = guac.Client.unix(self.world.path("run/guacd.sock"), [recorder.give()], b"6")
        recorder.sent()
        self.addCleanup(c.close)
        c.raw(b".select,4.demo;")
        c.handshake(None, session=session, connection="relay/demo", owner="o", owner_name="O",
                    started=str(int(time.time() * 1000)))
        path = self.world.path("run/s", session + ".sock")
        for name in ("authd", "recorder"):
            with self.become(name):
                control = tap.Control(path)
            self.assertEqual(control.ask("info")["id"], session)
            control.close()
        for name in ("proxy", "evidence"):
            with self.subTest(stranger=name), self.assertRaises((guac.Closed, OSError)):
                with self.become(name):
                    control = tap.Control(path)
                control.call("info")
        for pid, _ in house.children(self.world.running["guacd"].pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        wait(lambda: not os.path.exists(path), 5 * PATIENCE, "guacd leaves its socket")


if __name__ == "__main__":
    unittest.main()
