"""The test's end of probes.c: starts programs with the probe in them, asks for one deed after
another, and compares with a table of rows (expectation, probe, word…).

    OK      must work: a probe that always fails proves nothing
    NO      must be refused by EACCES or EPERM (or the program must not have survived trying)
    WIDE    works today although the row of design.md says otherwise, or rests on a check that is
            not the sandbox's: printed, not judged
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

import house

OK, NO, WIDE = "ok", "no", "wide"
REFUSED = ("EACCES", "EPERM")
# The sandbox let it pass; that nobody listens there is another matter.
PASSED = ("", "ECONNREFUSED", "EINPROGRESS", "ETIMEDOUT")
ABSENT = ("EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "ENOSYS", "ENOPROTOOPT")
# What needs a privilege, or other processes to be dumpable: its refusal is not the sandbox's alone.
PRIVILEGED = ("ptrace", "vm-read", "pidfd-getfd", "userns", "socket", "/etc/shadow", "/proc/")
SIGNAL = signal.SIGRTMAX - 1
PATIENCE_S = 30

_said = set()
_libc = ctypes.CDLL(None, use_errno=True)


def build():
    """The probe libraries of the build under test; made here, since only these tests want them."""
    done = subprocess.run(["make", "--no-print-directory", "-s", "-C", house.ROOT,
                           f"B={house.BUILD}", "probes"], capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return os.path.join(house.BUILD, "probe")


def copy(file, folder):
    """A file of the build, where and as any uid may use it."""
    os.chmod(shutil.copy(os.path.join(house.BUILD, file), folder), 0o755)


class Gone(Exception):
    """The probed program ended, or became another one."""


class Agent:
    """One serving of probes, from its greeting to `done`."""

    def __init__(self, sock, stage, thread=None):
        self.sock = sock
        sock.settimeout(PATIENCE_S)
        hello = self._receive()
        assert hello["stage"] == stage, f"{hello} instead of stage {stage}"
        assert thread in (None, hello["thread"]), f"{hello} instead of thread {thread}"
        self.thread = hello["thread"]

    def _receive(self):
        try:
            data = self.sock.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            raise Gone("the probed program is gone")
        return json.loads(data)

    def ask(self, name, *words):
        """(error's name or "", value)."""
        self.sock.send("\t".join([name, *map(str, words)]).encode())
        answer = self._receive()
        assert answer["probe"] == name, answer
        assert answer["error"] != "EINVAL", f"{answer}: is it a probe at all?"
        return answer["error"], answer["value"]

    def done(self):
        """Returns when the thread serves no more: the next agent may be made then."""
        self.sock.send(b"done")
        answer = self._receive()
        assert answer == {"probe": "done"}, answer


class Probed(house.Process):
    """A program with preload.so in it. `identity` is (uid, gid, further groups), or None."""

    def __init__(self, argv, log, identity=None, env=None):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        limit = struct.pack("ll", PATIENCE_S, 0)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(env or {}),
               "LD_PRELOAD": env["PROBE"], "GUAC_PROBE_FD": str(theirs.fileno())}
        del env["PROBE"]
        more = {}
        if identity:
            more = {"user": identity[0], "group": identity[1], "extra_groups": identity[2]}
        super().__init__(argv, log, env=env, pass_fds=[theirs.fileno()], **more)
        theirs.close()

    def threads(self):
        return sorted(int(t) for t in os.listdir(f"/proc/{self.pid}/task"))

    def status(self, thread=None):
        path = f"/proc/{self.pid}/task/{thread or self.pid}/status"
        with open(path) as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def sealed(self):
        """seccomp is the last that sandbox_enter() does."""
        return self.status()["Seccomp"] == "2"

    def blocks(self, thread):
        return int(self.status(thread)["SigBlk"], 16) >> (SIGNAL - 1) & 1

    def agent(self, thread=None):
        thread = thread or self.pid
        return interrupt(self.ours, self.pid, thread)

    def stop(self, *args, **options):
        self.ours.close()
        return super().stop(*args, **options)


def interrupt(sock, pid, thread):
    """Let that thread of that process serve."""
    assert _libc.tgkill(pid, thread, SIGNAL) == 0, os.strerror(ctypes.get_errno())
    return Agent(sock, "signal", thread)


def say_wide(who, name, text):
    """Once a program and deed, however many tests see it."""
    if (who, name) in _said:
        return
    _said.add((who, name))
    sys.stdout.write(f"      wide: {who}: {text}\n")
    sys.stdout.flush()


def judge(agent, rows, who):
    """What is wrong with these rows, as sentences."""
    wrong = []
    for expected, name, *words in rows:
        deed = " ".join([name, *map(str, words)])
        try:
            error, _ = agent.ask(name, *words)
        except Gone:
            if expected == OK:
                wrong.append(f"{who}: {deed}: the program is gone")
            else:
                wrong.append(f"{who}: {deed}: done, the program is another one now")
            return wrong
        if expected == OK and error not in PASSED:
            wrong.append(f"{who}: {deed}: {error}, should work")
        elif expected == NO and error not in REFUSED:
            wrong.append(f"{who}: {deed}: {error or 'done'}, should be refused")
        elif expected == WIDE:
            say_wide(who, name, f"{deed}: {error or 'works'}")
    return wrong


def control(start, rows, may_fail=()):
    """The refused rows, by a process of the same identity that is in no sandbox: each has to work
    there, or its refusal proves nothing. `start()` gives a fresh process; `may_fail`: probes, or
    beginnings of paths, that this identity may not do anyway."""
    wrong, process = [], start()
    agent = process.agent()
    # What changes the process itself comes last.
    for expected, name, *words in sorted(rows, key=lambda r: r[1] == "userns" or "exec" in r[1]):
        if expected != NO or name in may_fail:
            continue
        if words and any(str(words[0]).startswith(p) for p in may_fail if p[0] == "/"):
            continue
        deed = " ".join([name, *map(str, words)])
        try:
            error, _ = agent.ask(name, *words)
        except Gone: # it was replaced by another program, as asked
            process = start()
            agent = process.agent()
            continue
        if error not in PASSED and error not in ABSENT:
            wrong.append(f"outside of any sandbox: {deed}: {error}, so its refusal proves nothing")
    return wrong
