"""What every integration test needs: the build under test, folders, free ports, daemons that are
started, watched and ended by pid, parts that may be missing.

A test file is tests/it/test_<what>.py with unittest classes; run.py runs each in a process of its
own with the build folder in the environment variable B. Tests that need a part say so by
`house.need_part("sshd")`: missing, they are skipped, in CI they fail."""
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from ports import free_port  # noqa: F401  tests ask for it here

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("B") or os.path.join(ROOT, "build/release"))
SANITIZED = os.path.basename(BUILD).endswith(("asan", "tsan"))
# Sanitizers stretch everything. A deadline ends what hangs and never judges speed: a busy machine
# gets its time.
PATIENCE = 4 if SANITIZED else 1
DEADLINE_S = 40 * PATIENCE # no wait for something gives up earlier
SOON_S = 12 * PATIENCE # by the event itself: our timers run for 15 s and more
NUMBERS = itertools.count(1)
# Tests sign in and open more than people do; test_auth_limits.py is about the limits.
for _limit in ("SIGN_INS", "TUNNELS", "OPENS"):
    os.environ.setdefault(f"GUAC_AUTHD_{_limit}_PER_MINUTE", "0")
for _limit in ("AT_ONCE", "DIALS_AT_ONCE"):
    os.environ.setdefault(f"GUAC_AUTHD_{_limit}", "0")


def program(name):
    path = os.path.join(BUILD, name)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"{path} is not built")
    return path


def need_part(name):
    script = os.path.join(ROOT, "tests/parts", name + ".sh")
    done = subprocess.run([script, "check"], capture_output=True, text=True, check=False)
    if done.returncode:
        why = f"part {name} is missing: {done.stderr.strip() or script}"
        if os.environ.get("CI") == "true":
            raise AssertionError(why)
        raise unittest.SkipTest(why)
    return script


def folder(prefix="g"):
    """Short, since sockets lie below; goes when the test is over (TestCase.folder does)."""
    return tempfile.mkdtemp(prefix=prefix, dir="/tmp")


def deadline(timeout):
    return time.monotonic() + max(timeout, DEADLINE_S)


def wait(condition, timeout=5.0, why="", every=0.02):
    """The first true value of condition(). why: a text, or what makes it when it is needed."""
    limit = deadline(timeout)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < limit, f"never: {why() if callable(why) else why}"
        time.sleep(every)


def children(pid):
    """Living and dead: (pid, state) of every process whose parent it is."""
    out = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                out.append((int(entry), fields[0]))
    return out


def openers(pid):
    """The processes that make files for a stock guacd (guacd/daemon/opener.h). They are nobody's
    children, but carry its command line."""
    def read(entry, what):
        try:
            with open(f"/proc/{entry}/{what}", "rb") as f:
                return f.read()
        except OSError:
            return None
    return [int(entry) for entry in filter(str.isdigit, os.listdir("/proc"))
            if read(entry, "comm") == b"guacd-opener\n"
            and read(entry, "cmdline") == read(pid, "cmdline")]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def descriptors(pid):
    """{number: what it is}."""
    out = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            out[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            pass
    return out


class Process:
    """A daemon in the foreground; its stderr goes to a file that failures show."""

    def __init__(self, argv, log, env=None, **options):
        self.log = log
        self.argv = argv
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=env, **options)
        self.pid = self.popen.pid

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def running(self):
        return self.popen.poll() is None

    def stop(self, signo=signal.SIGTERM, timeout=15.0):
        """Its exit status. What does not end by itself is killed, and that is an error."""
        if self.running():
            self.popen.send_signal(signo)
        try:
            return self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.argv[0]} did not end within {timeout} s") from None


class Guacd(Process):
    """guacd on a free port of loopback, or with gateway=True on RUN/guacd.sock. A port that
    somebody else took in between is tried again with another."""

    def __init__(self, directory, *options, gateway=False, env=None):
        self.run = os.path.join(directory, "run")
        self.port = None
        self.socket = os.path.join(self.run, "guacd.sock") if gateway else None
        for attempt in range(5):
            argv = [program("guacd"), "-f", "-L", "debug", "--run", self.run]
            if gateway:
                os.makedirs(self.run, exist_ok=True)
                argv += ["--socket", self.socket]
            else:
                self.port = free_port()
                argv += ["-b", "127.0.0.1", "-l", str(self.port)]
            log = os.path.join(directory, f"guacd-{next(NUMBERS)}.log")
            super().__init__(argv + list(options), log, env=env)
            wait(lambda: "listening on" in self.text() or not self.running(), 10 * PATIENCE,
                 "guacd does not listen")
            if self.running() or "in use" not in self.text() or attempt == 4:
                break
        assert self.running(), "guacd ended at once:\n" + self.text()

    def sessions(self):
        """Pids of its living session processes."""
        return [pid for pid, state in children(self.pid) if state not in "ZX"]

    def children_left(self):
        """Living or dead: none once everything was reaped."""
        return children(self.pid)

    def zombies(self):
        return [pid for pid, state in children(self.pid) if state in "ZX"]

    def sockets(self):
        """Ids in the registry."""
        return [n[:-5] for n in os.listdir(os.path.join(self.run, "s")) if n.endswith(".sock")]

    def metrics(self):
        out = {}
        try:
            with open(os.path.join(self.run, "guacd/metrics")) as f:
                for line in f:
                    if not line.startswith("#"):
                        name, _, value = line.rpartition(" ")
                        out[name] = float(value)
        except FileNotFoundError:
            pass
        return out


class TestCase(unittest.TestCase):
    """self.folder is the test's own; self.start(Guacd, …) is ended after it, whatever happens, and
    its log may hold no sanitizer's report."""
    longMessage = True

    def setUp(self):
        self.folder = folder()
        self.started = []
        self.addCleanup(self._clean_up)

    def start(self, kind, *args, **options):
        it = kind(self.folder, *args, **options)
        self.started.append(it)
        return it

    def _clean_up(self):
        errors = []
        for it in reversed(self.started):
            try:
                it.stop()
            except AssertionError as e:
                errors.append(str(e))
            for word in ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
                         "LeakSanitizer"):
                if word in it.text():
                    errors.append(f"{word} in the log")
        result = self._outcome.result if hasattr(self, "_outcome") else None
        mine = result and any(t is self for t, _ in result.failures + result.errors)
        if errors or mine or getattr(self, "show_logs", False):
            for it in self.started:
                print(f"--- {it.log}\n" + "\n".join(it.text().splitlines()[-60:]))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.assertFalse(errors)
