"""Runs tests/it/test_*.py, each file in a process of its own, and ends with one line of counts.

    run.py [PATTERN]     PATTERN: part of file.Class.test; the build folder is in $B

Without a pattern two files at a time ($JOBS), since most tests wait for something. A file that hangs
is ended after its limit and counted as a failure; so is one that dies.

The suite starts some hundred real servers on a machine it shares. Where no more than AGAIN files
failed they run once more, alone: what fails twice has failed, what passed at the second try is named
at the end and is a defect to look into (HACKING.md, "A test that fails now and then")."""
import os
import re
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 900  # seconds a file
AGAIN = 3  # more failed files than this are no accident


class Result(unittest.TextTestResult):
    """One line a test, with what it took."""

    def startTest(self, test):
        super(unittest.TextTestResult, self).startTest(test)
        self.began = time.monotonic()
        self.passed = getattr(self, "passed", 0)

    def _line(self, test, what):
        name = test.id() if hasattr(test, "id") else str(test)
        took = time.monotonic() - getattr(self, "began", time.monotonic())
        self.stream.writeln(f"{what:5} {name} ({took:.1f} s)")
        self.stream.flush()

    def printErrors(self):
        pass  # each was shown when it happened

    def addSuccess(self, test):
        self.passed += 1
        self._line(test, "ok")

    def addFailure(self, test, err):
        super(unittest.TextTestResult, self).addFailure(test, err)
        self._line(test, "FAIL")
        self.stream.writeln(self.failures[-1][1])

    def addError(self, test, err):
        super(unittest.TextTestResult, self).addError(test, err)
        self._line(test, "ERROR")
        self.stream.writeln(self.errors[-1][1])

    def addSkip(self, test, reason):
        super(unittest.TextTestResult, self).addSkip(test, reason)
        self._line(test, "skip")
        self.stream.writeln("      " + reason)

    def addSubTest(self, test, subtest, err):
        super(unittest.TextTestResult, self).addSubTest(test, subtest, err)
        if err is not None:
            self._line(subtest, "FAIL")
            self.stream.writeln((self.failures or self.errors)[-1][1])


def flatten(suite):
    for it in suite:
        if isinstance(it, unittest.TestSuite):
            yield from flatten(it)
        else:
            yield it


def one(name, pattern):
    """In the child: run one file."""
    sys.path.insert(0, HERE)
    tests = flatten(unittest.defaultTestLoader.loadTestsFromName(name))
    suite = unittest.TestSuite(t for t in tests if pattern in t.id())
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0)
    r = runner.run(suite)
    failed = len(r.failures) + len(r.errors) + len(r.unexpectedSuccesses)
    print(f"#counts {getattr(r, 'passed', 0)} {failed} {len(r.skipped)}")
    return 1 if failed else 0


class File:
    """One file's tests in a process of their own; its output is shown whole when it ends."""

    def __init__(self, name, pattern):
        self.name = name
        with open(os.path.join(HERE, name)) as f:
            text = f.read()
        # What one machine has once, and what measures: no two files with one of these at a time.
        needs = re.search(r'^NEEDS = "(.*)"', text, re.M)
        self.needs = set(needs.group(1).split()) if needs else set()
        self.pattern, self.counts, self.lines = pattern, [0, 1, 0], []

    def run(self, show):
        child = subprocess.Popen([sys.executable, "-u", __file__, "--one", self.name[:-3],
                                  self.pattern], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, errors="replace", start_new_session=True)
        began = time.monotonic()
        watchdog = subprocess.Popen(["sh", "-c", f"sleep {LIMIT}; kill -TERM -{child.pid}"],
                                    start_new_session=True)
        counts = None
        for line in child.stdout:
            if line.startswith("#counts "):
                counts = [int(n) for n in line.split()[1:]]
            elif not line.startswith(("Ran ", "OK", "-----")) and line.strip():
                self.lines.append(line)
                if show:
                    sys.stdout.write(line)
        child.wait()
        os.killpg(watchdog.pid, 15)
        watchdog.wait()
        took = time.monotonic() - began
        if counts:
            self.counts = counts
            self.lines.append(f"      {self.name}: {took:.0f} s\n")
        else:
            self.lines.append(f"FAIL  {self.name} ended with status {child.returncode} "
                              f"after {took:.0f} s\n")


def run_all(files, jobs):
    """As many at once as there are jobs; a file waits for what it needs."""
    lock, waiting, taken = threading.Condition(), list(files), set()

    def work():
        while True:
            with lock:
                while waiting:
                    it = next((f for f in waiting if not f.needs & taken), None)
                    if it:
                        break
                    lock.wait()
                else:
                    return
                waiting.remove(it)
                taken.update(it.needs)
            it.run(jobs == 1)
            with lock:
                taken.difference_update(it.needs)
                if any(it.counts):
                    sys.stdout.write("".join(it.lines[-1:] if jobs == 1 else it.lines))
                    sys.stdout.flush()
                lock.notify_all()
    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def run_again(failed):
    """The names of those that pass alone."""
    unsteady = []
    for it in failed:
        print(f"\n---- {it.name} again, alone")
        it.counts, it.lines = [0, 1, 0], []
        it.run(True)
        print("".join(it.lines[-1:]), end="", flush=True)
        if not it.counts[1]:
            unsteady.append(it.name)
    return unsteady


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--one":
        return one(sys.argv[2], sys.argv[3])
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    files = [File(file, pattern) for file in sorted(os.listdir(HERE))
             if file.startswith("test_") and file.endswith(".py")]
    jobs = int(os.environ.get("JOBS", 1 if pattern else 2))
    run_all(files, jobs)
    failed = [f for f in files if f.counts[1]]
    if not pattern and len(failed) <= AGAIN:
        for name in run_again(failed):
            print(f"UNSTEADY: {name} passed at its second try only; its first is above")
    total = [sum(f.counts[i] for f in files) for i in range(3)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
