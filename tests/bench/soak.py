"""make soak: many people at work for long, while programs are killed at random.

    soak.py [--minutes 60] [--sessions 50] [--kill-every 30] [--programs "recorder authd …"]

A whole gateway against a real sshd and a folder store. Each session types a command whose effect is
a file, again and again; whoever loses its tunnel comes back. At the end every session is ended and
must be sealed once and verify, with the last command in its transcript, and memory and descriptors
of each program must be as flat as one quarter into the run. Prints a table; status 1 when anything
is not as it should be. The first half of the sessions is left alone when guacd is killed (sessions
outlive it); a killed session process is a case of its own in the integration tests."""
import argparse
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../it"))
import house  # noqa: E402
import procs  # noqa: E402
import whole  # noqa: E402

GROWTH = 1.15       # of a program's memory, from a quarter into the run to its end
SLACK_MB = 4
DESCRIPTORS = 8     # more than then
COME_BACK_S = 30


class Worker:
    """One person: types, waits for the effect, rests."""

    def __init__(self, number, gateway, cookie, shared):
        self.number, self.gateway, self.cookie = number, gateway, cookie
        self.mark = os.path.join(shared, f"mark{number}")
        self.turns, self.came_back, self.lost = 0, 0, None
        self.due, self.waiting = time.monotonic() + random.uniform(0, 2), None
        self.shell = gateway.open(cookie)
        self.id = self.shell.id

    def word(self):
        return f"turn-{self.number}-{self.turns}"

    def come_back(self):
        end = time.monotonic() + COME_BACK_S
        while time.monotonic() < end:
            try:
                self.shell = self.gateway.open(self.cookie, session=self.id)
                self.came_back += 1
                self.waiting = None
                for key, pressed in ((65507, 1), (117, 1), (117, 0), (65507, 0)):
                    self.shell.send(f"3.key,{len(str(key))}.{key},1.{pressed};")  # half a line
                return
            except (OSError, RuntimeError, AssertionError, AttributeError):
                time.sleep(0.5)
        self.lost = f"session {self.id} could not be joined again"

    def step(self):
        if self.lost:
            return
        try:
            self.work()
        except OSError:
            self.shell.closed = True

    def work(self):
        now = time.monotonic()
        if self.shell.closed:
            self.come_back()
        elif self.waiting:
            self.shell.step(0)
            if os.path.exists(self.mark):
                os.unlink(self.mark)
                self.turns += 1
                self.waiting, self.due = None, now + random.uniform(0.5, 3)
            elif now - self.waiting > 40:
                self.lost = f"session {self.id}: {self.word()} had no effect"
        else:
            self.shell.step(0)
            if now > self.due:
                self.shell.type(f"echo {self.word()}; seq 40; touch {self.mark}")
                self.waiting = now

    def leave(self):
        if self.shell.closed:
            self.come_back()
        self.shell.type("")
        self.shell.type("exit")
        return self.shell.wait_closed(30)


def sample(gateway):
    """{program: (MB, descriptors)}; sessions together, a mean each."""
    out = {}
    for name, it in gateway.programs.items():
        pid = it.popen.pid
        try:
            out[name] = (procs.pss_mb(pid), len(os.listdir(f"/proc/{pid}/fd")))
        except OSError:
            pass
    return out


def sessions_sample(pids):
    found = [(procs.pss_mb(p), len(os.listdir(f"/proc/{p}/fd"))) for p in pids]
    return tuple(sum(x) / len(found) for x in zip(*found)) if found else (0, 0)


def session_pids():
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "guacd-session":
                out.append(int(pid))
        except OSError:
            pass
    return out


def judge(first, last):
    wrong = []
    for name, (mb, fds) in last.items():
        if name not in first:
            continue
        was_mb, was_fds = first[name]
        print(f"  {name:10} {was_mb:8.1f} -> {mb:6.1f} MB {was_fds:8.0f} -> {fds:4.0f} descriptors")
        if mb > was_mb * GROWTH + SLACK_MB:
            wrong.append(f"{name}'s memory grows")
        if fds > was_fds + DESCRIPTORS:
            wrong.append(f"{name}'s descriptors grow")
    return wrong


def run(options, gateway, cookie, shared):
    workers, wrong = [], []
    for number in range(options.sessions):
        workers.append(Worker(number, gateway, cookie, shared))
    begin = time.monotonic()
    end = begin + options.minutes * 60
    next_kill = begin + options.kill_every
    first, killed = None, {}
    while time.monotonic() < end:
        for w in workers:
            w.step()
        time.sleep(0.02)
        now = time.monotonic()
        if first is None and now > begin + options.minutes * 15:
            first = dict(sample(gateway), sessions=sessions_sample(session_pids()))
        # None in the last fifth: what is measured then shall not be young.
        if options.programs and now > next_kill and now < end - options.minutes * 12:
            name = random.choice(options.programs)
            gateway.kill(name)
            gateway.start(name)
            killed[name] = killed.get(name, 0) + 1
            if first:
                first.pop(name, None)
            next_kill = now + options.kill_every
    last = dict(sample(gateway), sessions=sessions_sample(session_pids()))
    print(f"{sum(w.turns for w in workers)} commands in {len(workers)} sessions; "
          f"came back {sum(w.came_back for w in workers)} times; killed: {killed or 'nobody'}")
    wrong += judge(first or last, last)
    wrong += [w.lost for w in workers if w.lost]
    wrong += [f"session {w.id} does not end" for w in workers if not w.lost and not w.leave()]
    return workers, wrong


def sealed_once(gateway, cookie, worker):
    """"" or what is wrong."""
    def sealed():
        status, data = gateway.get("/api/recordings/" + worker.id, cookie)
        return status == 200 and data.get("seal")
    try:
        house.wait(sealed, 60, "no seal", 0.5)
    except AssertionError:
        return f"session {worker.id} has no seal"
    store = [house.program("guac-evidence")], gateway.store["evidence"]
    r = subprocess.run([*store[0], "verify", worker.id, *store[1]], text=True, capture_output=True,
                       check=False)
    if r.returncode not in (0, 3):
        return f"session {worker.id}: {r.stdout}{r.stderr}"
    text = subprocess.run([*store[0], "transcript", worker.id, *store[1]], text=True,
                          capture_output=True, check=False).stdout
    for turn in range(worker.turns):
        if f"turn-{worker.number}-{turn}" not in text:
            return f"session {worker.id}: turn {turn} of {worker.turns} is not in its transcript"
    return ""


def main(argv=None):
    p = argparse.ArgumentParser(description="many sessions for long, programs killed at random")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--sessions", type=int, default=50)
    p.add_argument("--kill-every", type=float, default=30)
    p.add_argument("--programs", type=str.split, default="recorder evidence guacd authd proxy".split())
    p.add_argument("--seed", type=int, default=None)
    options = p.parse_args(argv)
    random.seed(options.seed)
    folder, shared = house.folder("soak"), house.folder("x")
    os.chmod(shared, 0o777)
    sshd = whole.Part("sshd")
    gateway = None
    try:
        gateway = whole.Gateway(folder, sshd, authd=["--sessions-per-person", "1000"])
        cookie = gateway.sign_in()
        workers, wrong = run(options, gateway, cookie, shared)
        wrong += filter(None, (sealed_once(gateway, cookie, w) for w in workers if not w.lost))
        for line in wrong:
            print("WRONG:", line)
        print("soak:", "as it should be" if not wrong else f"{len(wrong)} things wrong")
        return 1 if wrong else 0
    finally:
        if gateway:
            gateway.stop()
        sshd.stop()
        for path in (folder, shared):
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
