"""Runs tests/it/test_*.py, each file in a process of its own, and ends with one line of counts.

    run.py [PATTERN]     PATTERN: part of file.Class.test; the build folder is in $B

A file that hangs is ended after its limit and counted as a failure; so is one that dies."""
import os
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 900  # seconds a file


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


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--one":
        return one(sys.argv[2], sys.argv[3])
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    total = [0, 0, 0]
    for file in sorted(os.listdir(HERE)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        counts = None
        child = subprocess.Popen([sys.executable, "-u", __file__, "--one", file[:-3], pattern],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace", start_new_session=True)
        began = time.monotonic()
        watchdog = subprocess.Popen(["sh", "-c", f"sleep {LIMIT}; kill -TERM -{child.pid}"],
                                    start_new_session=True)
        for line in child.stdout:
            if line.startswith("#counts "):
                counts = [int(n) for n in line.split()[1:]]
            elif not line.startswith(("Ran ", "OK", "-----")) and line.strip():
                sys.stdout.write(line)
        child.wait()
        os.killpg(watchdog.pid, 15)
        watchdog.wait()
        if counts is None:
            took = time.monotonic() - began
            print(f"FAIL  {file} ended with status {child.returncode} after {took:.0f} s")
            counts = [0, 1, 0]
        total = [a + b for a, b in zip(total, counts)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
