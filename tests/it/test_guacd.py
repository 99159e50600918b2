"""The listener: Apache guacd's command line, one process a session with nothing of anybody else's,
caps, deaths, ends."""
import os
import signal
import socket
import subprocess
import time
import unittest

import guac
import house
from house import Guacd, PATIENCE, wait

STATUS_BUSY, STATUS_SERVER_ERROR = 0x201, 0x200


class CommandLine(house.TestCase):
    def run_guacd(self, *argv, **options):
        return subprocess.run([house.program("guacd"), *argv], capture_output=True, text=True,
                              timeout=20, check=False, **options)

    def test_version(self):
        done = self.run_guacd("-v")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^guacd \S+\n$")

    def test_help_names_stock_letters(self):
        text = self.run_guacd("--help").stdout
        for letter in "blfLpCKv":
            self.assertRegex(text, rf"(^|\s)-{letter}\b", f"-{letter} in --help")

    def test_mistakes_are_told(self):
        for argv, word in [(("-l", "99999"), "bind-port"), (("-L", "loud"), "log-level"),
                           (("-X",), "-X"), (("--sockt", "x"), "socket"),
                           (("--socket", "/tmp/x.sock", "-l", "4822"), "no TCP"),
                           (("-C", "/nowhere.pem"), "-K"),
                           (("-f", "-C", "/nowhere.pem", "-K", "/nowhere.key"), "/nowhere.pem"),
                           (("-f", "--session-program", "/nowhere"), "/nowhere"),
                           (("-f", "-b", "no.such.host.invalid"), "no.such.host.invalid"),
                           (("-f", "--run", "/proc/1/x"), "/proc/1/x"),
                           (("-f", "--run", "/tmp/" + "x" * 90), "too long"),
                           (("-f", "--trusted-uids", "no-such-user"), "trusted-uids")]:
            done = self.run_guacd(*argv)
            self.assertEqual(done.returncode, 1, argv)
            self.assertIn(word, done.stderr, argv)

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            done = self.run_guacd("-f", "-b", "127.0.0.1", "-l", str(s.getsockname()[1]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)

    def test_background_and_pid_file(self):
        """As an init script starts it: returns when it listens, writes its pid, goes by SIGTERM."""
        port, pid_file = house.free_port(), os.path.join(self.folder, "pid")
        done = self.run_guacd("-b", "127.0.0.1", "-l", str(port), "-p", pid_file, "-L", "info")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(pid_file) as f:
            pid = int(f.read())
        try:
            c = guac.Client.tcp(port).handshake("demo")
            self.assertTrue(c.id)
            self.assertEqual(os.getsid(pid), pid, "it has no terminal to lose")
            fds = house.descriptors(pid)
            self.assertEqual({fds[n] for n in (0, 1, 2)}, {"/dev/null"})
        finally:
            os.kill(pid, signal.SIGTERM)
        wait(lambda: not house.alive(pid), 15 * PATIENCE, "it does not end")
        self.assertFalse(os.path.exists(pid_file))

    def test_host_name_means_all_its_addresses(self):
        port = house.free_port()
        log = os.path.join(self.folder, "log")
        p = house.Process([house.program("guacd"), "-f", "-b", "localhost", "-l", str(port)], log)
        try:
            wait(lambda: "listening" in p.text(), 10, p.text())
            self.assertTrue(guac.Client.tcp(port).handshake("demo").id)
            if "listening on ::1" in p.text():
                with socket.create_connection(("::1", port)):
                    pass
        finally:
            p.stop()


class Processes(house.TestCase):
    def test_nothing_of_anybody_elses(self):
        """Descriptors, environment, credentials of a session process."""
        stray = os.open("/etc/passwd", os.O_RDONLY)
        os.set_inheritable(stray, True)
        env = {**os.environ, "SECRET_OF_GUACD": "1", "LD_LIBRARY_PATH": "", "https_proxy": "x"}
        log = os.path.join(self.folder, "guacd.log")
        port = house.free_port()
        p = house.Process([house.program("guacd"), "-f", "-b", "127.0.0.1", "-l", str(port),
                           "--run", self.folder + "/run"], log, env=env, pass_fds=[stray])
        self.addCleanup(p.stop)
        os.close(stray)
        wait(lambda: "listening" in p.text(), 10, p.text())
        clients = [guac.Client.tcp(port).handshake("demo", password=f"secret-{i}")
                   for i in range(3)]
        pids = [pid for pid, _ in house.children(p.pid)]
        self.assertEqual(len(pids), 3)
        sockets = []
        for pid in pids:
            fds = house.descriptors(pid)
            self.assertEqual(fds[0], "/dev/null")
            self.assertEqual((fds[1], fds[2]), (log, log))
            self.assertNotIn("/etc/passwd", fds.values())
            files = {v for n, v in fds.items() if n > 2 and not v.startswith(("socket:", "anon_inode:"))}
            self.assertEqual(files, set())
            sockets.append({v for v in fds.values() if v.startswith("socket:")})
            with open(f"/proc/{pid}/environ") as f:
                names = {v.partition("=")[0] for v in f.read().split("\0") if v}
            allowed = {"LANG", "HOME", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                       "LSAN_OPTIONS"}
            self.assertLessEqual(names, allowed)
            with open(f"/proc/{pid}/cmdline") as f:
                self.assertNotIn("secret", f.read())
        for i, a in enumerate(sockets):
            for b in sockets[i + 1:]:
                self.assertEqual(a & b, set(), "two sessions share a socket")
        for c in clients:
            c.close()

    def test_doors_are_locked(self):
        g = self.start(Guacd)
        c = guac.Client.tcp(g.port).handshake("demo")
        c.settle()
        for pid in [g.pid, *g.sessions()]:
            with open(f"/proc/{pid}/status") as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            self.assertEqual(status["NoNewPrivs"], "1", pid)
            self.assertEqual(status["Seccomp"], "2", pid)
            self.assertEqual(os.stat(f"/proc/{pid}/limits").st_uid, 0 if not house.SANITIZED else
                             os.getuid(), "not dumpable: /proc belongs to root")
            with open(f"/proc/{pid}/limits") as f:
                core = next(line for line in f if line.startswith("Max core"))
            self.assertEqual(core.split()[4], "0")

    def test_killed_process(self):
        """The client is told within a second, others notice nothing, no zombie, no socket left."""
        g = self.start(Guacd)
        a = guac.Client.tcp(g.port).handshake("demo")
        victim, = g.sessions()
        b = guac.Client.tcp(g.port).handshake("demo", fps="20")
        guac.pump([a, b], lambda: a.syncs and b.syncs)
        joiner = guac.Client.tcp(g.port).handshake(a.id)
        guac.pump([joiner], lambda: joiner.syncs)
        os.kill(victim, signal.SIGKILL if house.SANITIZED else signal.SIGSEGV)
        began = time.monotonic()
        guac.pump([a, joiner], lambda: a.closed and joiner.closed, 2 * PATIENCE)
        self.assertLess(time.monotonic() - began, house.SOON_S)
        for c in (a, joiner):
            self.assertEqual(c.error[1], STATUS_SERVER_ERROR)
            self.assertEqual(c.log[-1], ["disconnect"])
        self.assertNotIn(a.id[1:], g.sockets())
        self.assertEqual(g.zombies(), [])
        before = len(b.syncs)
        b.pump(lambda: len(b.syncs) > before + 5)
        wait(lambda: g.metrics().get("guacamole_session_processes_died_total") == 1, 3, "metric")

    def test_killed_before_connect(self):
        g = self.start(Guacd)
        c = guac.Client.tcp(g.port)
        c.send("select", "demo")
        c.expect("args")
        os.kill(g.sessions()[0], signal.SIGKILL)
        with self.assertRaises(guac.Refused) as r:
            c.expect("ready")
        self.assertEqual(r.exception.status, STATUS_SERVER_ERROR)

    def test_no_zombies_no_descriptors(self):
        """Fifty come and go in every way; guacd is as it was."""
        g = self.start(Guacd)
        guac.Client.tcp(g.port).handshake("demo").close()
        wait(lambda: not g.sessions(), 10 * PATIENCE, "first session")
        before = len(house.descriptors(g.pid))
        for i in range(50):
            c = guac.Client.tcp(g.port)
            if i % 5 == 0:
                c.handshake("demo")
                c.send("disconnect")
                c.pump(timeout=0.02)
            elif i % 5 == 1:
                c.handshake("demo")
                c.reset()
            elif i % 5 == 2:
                c.raw(b"not a guacamole client\r\n")
            elif i % 5 == 3:
                c.send("select", "no-such-protocol")
            c.close()
        wait(lambda: not house.children(g.pid), 20 * PATIENCE, "sessions stay")
        wait(lambda: len(house.descriptors(g.pid)) == before, 5 * PATIENCE,
             f"descriptors: {before} before, now {house.descriptors(g.pid)}")
        self.assertEqual(g.sockets(), [])
        wait(lambda: g.metrics().get("guacamole_session_processes") == 0, 3, "metric")


class Caps(house.TestCase):
    def test_one_more_is_told_at_once(self):
        g = self.start(Guacd, "--max-sessions", "3")
        held = [guac.Client.tcp(g.port).handshake("demo") for _ in range(3)]
        began = time.monotonic()
        late = [guac.Client.tcp(g.port) for _ in range(100)]
        for c in late:
            c.send("select", "demo")  # unread bytes must not cost the answer
        guac.pump(late, lambda: all(c.closed for c in late), 10 * PATIENCE)
        took = time.monotonic() - began
        for c in late:
            self.assertEqual(c.error[1], STATUS_BUSY)
        self.assertLess(took, house.SOON_S)
        self.assertEqual(len(g.sessions()), 3)
        wait(lambda: g.metrics().get('guacamole_guacd_refused_total{reason="busy"}') == 100, 3,
             "metric")
        held.pop().close()
        wait(lambda: len(g.sessions()) == 2, 10 * PATIENCE, "the session stays")
        self.assertTrue(guac.Client.tcp(g.port).handshake("demo").id)

    def test_starting_ones_are_capped_apart(self):
        """Who says nothing cannot take the places of those who do for long."""
        g = self.start(Guacd, "--max-starting", "2")
        held = []
        for n in range(4):  # those that got through do not count
            held.append(guac.Client.tcp(g.port).handshake("demo"))
            wait(lambda n=n: len(g.sockets()) == n + 1, 5 * PATIENCE, "session")
        silent = [guac.Client.tcp(g.port) for _ in range(2)]
        wait(lambda: len(g.sessions()) == 6, 5 * PATIENCE, "processes")
        with self.assertRaises(guac.Refused) as r:
            guac.Client.tcp(g.port).handshake("demo")
        self.assertEqual(r.exception.status, STATUS_BUSY)
        for c in silent:
            c.close()
        wait(lambda: len(g.sessions()) == 4, 10 * PATIENCE, "the silent ones stay")
        held.append(guac.Client.tcp(g.port).handshake("demo"))

    def test_two_hundred_at_once(self):
        g = self.start(Guacd)
        began = time.monotonic()
        count = 40 if house.SANITIZED else 200
        clients = [guac.Client.tcp(g.port, draw=False) for _ in range(count)]
        for c in clients:
            c.send("select", "demo")
        for c in clients:
            c.handshake(None, timeout=60)
        took = time.monotonic() - began
        print(f"      {count} selects to ready: {took:.2f} s")
        self.assertEqual(len({c.id for c in clients}), count)
        self.assertLess(took, 60 * PATIENCE, "the figure itself is the bench's")
        guac.pump(clients, lambda: all(c.syncs for c in clients), 60 * PATIENCE)
        self.assertEqual(len(g.sessions()), count)


class Ends(house.TestCase):
    def test_term_ends_sessions_with_words(self):
        g = self.start(Guacd)
        c = guac.Client.tcp(g.port).handshake("demo")
        g.popen.terminate()
        c.pump(lambda: c.closed, 5 * PATIENCE)
        self.assertIsNotNone(c.error)
        self.assertIn("stopped", c.error[0])
        self.assertEqual(g.stop(), 0)

    def test_drain_lets_them_go_on(self):
        g = self.start(Guacd, "--drain", "60")
        c = guac.Client.tcp(g.port).handshake("demo", fps="10", client=("test", "state"))
        g.popen.terminate()
        wait(lambda: "stopped listening" in g.text(), 5, "draining")
        c.pump(lambda: any(s.get("reason") == "restart" for s in c.states()), 20 * PATIENCE, "a warning")
        warned, = (s for s in c.states() if s.get("reason") == "restart")
        self.assertTrue(warned["warn"])
        self.assertTrue(30000 < warned["left"] <= 60000, warned)
        with self.assertRaises(OSError):
            guac.Client.tcp(g.port)
        c.pump(lambda: len(c.syncs) > 10)
        self.assertTrue(g.running())
        c.send("disconnect")
        c.pump(lambda: c.closed)
        self.assertEqual(g.popen.wait(10 * PATIENCE), 0)

    def test_drain_comes_to_an_end(self):
        g = self.start(Guacd, "--drain", "1")
        c = guac.Client.tcp(g.port).handshake("demo")
        g.popen.terminate()
        c.pump(lambda: c.closed, 5 * PATIENCE)
        self.assertEqual(g.popen.wait(10 * PATIENCE), 0)

    def outlive(self, g, c, session):
        """The session goes on, can be joined by its socket's folder, and a new guacd cleans up."""
        c.pump(lambda: len(c.syncs) > 5)
        self.assertTrue(house.alive(session))
        fresh = self.start(Guacd)
        joiner = guac.Client.tcp(fresh.port).handshake(c.id)
        guac.pump([c, joiner], lambda: joiner.syncs)
        self.assertIn(c.id[1:], fresh.sockets())
        for it in (c, joiner):
            it.send("disconnect")
            it.close()
        wait(lambda: not house.alive(session), 10 * PATIENCE, "the session stays")

    def test_left_running(self):
        g = self.start(Guacd, "--drain", "-1")
        c = guac.Client.tcp(g.port).handshake("demo", fps="20")
        session, = g.sessions()
        self.assertEqual(g.stop(), 0)
        self.outlive(g, c, session)

    def test_guacd_killed(self):
        g = self.start(Guacd)
        c = guac.Client.tcp(g.port).handshake("demo", fps="20")
        session, = g.sessions()
        g.popen.kill()
        g.popen.wait()
        self.outlive(g, c, session)

    def test_stale_sockets_go(self):
        folder = os.path.join(self.folder, "run", "s")
        os.makedirs(folder)
        stale = os.path.join(folder, "0192f0c1-2345-7abc-8def-0123456789ab.sock")
        live = os.path.join(folder, "0192f0c1-2345-7abc-8def-0123456789ac.sock")
        other = os.path.join(folder, "somebody-elses.sock")
        held = []
        for path in (stale, live, other):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.bind(path)
            s.listen()
            held.append(s)
            os.utime(path, (time.time() - 60, time.time() - 60))
        held[0].close()
        held[2].close()
        self.start(Guacd)
        wait(lambda: not os.path.exists(stale), 3, "the stale socket")
        self.assertTrue(os.path.exists(live))
        self.assertTrue(os.path.exists(other))
        held[1].close()


class Tls(house.TestCase):
    def certificate(self, name):
        paths = [os.path.join(self.folder, name + end) for end in (".pem", ".key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out",
                        paths[0], "-keyout", paths[1]], check=True, capture_output=True)
        return paths

    def test_stock_tls(self):
        pem, key = self.certificate("a")
        g = self.start(Guacd, "-C", pem, "-K", key)
        c = guac.Client.tcp(g.port, tls=pem).handshake("demo", fps="20")
        c.pump(lambda: len(c.syncs) > 5)
        joiner = guac.Client.tcp(g.port, tls=pem).handshake(c.id)
        guac.pump([c, joiner], lambda: len(joiner.syncs) > 5)
        self.assertEqual(len(g.sessions()), 2, "the joiner's process stays as a relay")
        c.type("tls")
        self.stop_moving(c)
        guac.settle([c, joiner])
        self.assertIsNone(guac_difference(c, joiner))
        for pid in [g.pid, *g.sessions()]:
            self.assertNotIn(key, house.descriptors(pid).values())
        plain = guac.Client.tcp(g.port)
        plain.send("select", "demo")
        plain.pump(lambda: plain.closed, 20 * PATIENCE)

    def stop_moving(self, c):
        c.stream("argv", "text/plain", "fps", data=b"0")

    def test_certificate_is_read_again(self):
        pem, key = self.certificate("a")
        g = self.start(Guacd, "-C", pem, "-K", key)
        guac.Client.tcp(g.port, tls=pem).handshake("demo")
        for old, new in zip((pem, key), self.certificate("b")):
            os.replace(new, old)
        g.popen.send_signal(signal.SIGHUP)
        wait(lambda: "read again" in g.text(), 5, "reload")
        self.assertTrue(guac.Client.tcp(g.port, tls=pem).handshake("demo").id)

    def test_key_that_others_may_read(self):
        pem, key = self.certificate("a")
        os.chmod(key, 0o644)
        done = subprocess.run([house.program("guacd"), "-f", "-C", pem, "-K", key],
                              capture_output=True, text=True, timeout=10, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(key, done.stderr)


def guac_difference(a, b):
    from canvas import difference
    return difference(a.canvas, b.canvas)


if __name__ == "__main__":
    unittest.main()
