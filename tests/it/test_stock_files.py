"""What stock clients ask guacd itself to write: recordings and typescripts (rows `recording-…`,
`typescript-…`), with the names, limits and refusals that they are documented with, played back by
scriptreplay(1) and drawn again pixel by pixel; and the process that makes these files."""
import os
import signal
import subprocess
import unittest

import guac
import house
from canvas import difference
from house import Guacd, PATIENCE, wait
from test_ssh import SshCase

ERROR, CONFLICT = 0x200, 0x205


def instructions(path):
    parser = guac.Parser()
    with open(path, "rb") as f:
        out = list(parser.feed(f.read()))
    return out


class Files(SshCase):
    def setUp(self):
        super().setUp()
        self.made = os.path.join(self.folder, "made")

    def names(self):
        return sorted(os.listdir(self.made))

    def file(self, name):
        with open(os.path.join(self.made, name), "rb") as f:
            return f.read()

    def turned_away(self, words, status=ERROR, **rows):
        """Before `ready`: nobody works unrecorded meanwhile."""
        with self.assertRaises(guac.Refused) as it:
            self.connect(**rows)
        self.assertEqual(it.exception.status, status)
        self.assertIn(words, it.exception.text)
        wait(lambda: "ending:" in self.guacd.text(), 20, "the session's last words")
        self.assertNotIn("ended by signal", self.guacd.text())

    def replay(self, name, live):
        """Draws the recording as a player does; it has to end at what the live client shows."""
        again = guac.Client(None, answer=False)
        for instr in instructions(os.path.join(self.made, name)):
            again.handle(instr)
        self.assertIsNone(difference(live.canvas, again.canvas))
        return again

    def test_recording_and_typescript(self):
        rows = {"recording-path": self.made, "create-recording-path": "true",
                "recording-include-keys": "true", "recording-include-clipboard": "true",
                "typescript-path": self.made, "recording-name": "one", "typescript-name": "words"}
        c = self.shell(draw=True, **rows)
        c.run("echo kept-$((6*7))", "kept-42")
        c.send("mouse", "12", "13", "0")
        c.stream("clipboard", "text/plain", data=b"from the browser")
        guac.settle([c])
        wait(lambda: b"kept-42" in self.file("words"), 20, "flushed while it runs")
        wait(lambda: "mouse" in {i[0] for i in instructions(self.made + "/one")}, 20, "the same")
        c.send("disconnect")
        wait(lambda: not self.guacd.sessions(), 20, "the end")
        self.assertEqual(self.names(), ["one", "words", "words.timing"])
        opcodes = [i[0] for i in instructions(self.made + "/one")]
        self.assertEqual(opcodes[0], "size")
        self.assertLess(opcodes.index("sync"), opcodes.index("key"), "stock players stumble else")
        self.assertLessEqual(set(opcodes) - {"key", "mouse", "clipboard"},
                             {"size", "rect", "cfill", "copy", "img", "blob", "end", "sync",
                              "cursor", "shade", "dispose", "move", "name"}, "no words of ours")
        keys = [chr(int(i[1])) for i in instructions(self.made + "/one")
                if i[0] == "key" and i[2] == "1" and int(i[1]) < 127]
        self.assertIn("echo kept-$((6*7))", "".join(keys))
        self.replay("one", c)
        done = subprocess.run(["scriptreplay", "-d", "1000", self.made + "/words.timing",
                               self.made + "/words"], capture_output=True, timeout=60, check=True)
        self.assertIn(b"kept-42", done.stdout)
        self.assertTrue(self.file("words").startswith(b"Script started on 2"))
        self.assertIn(b"\nScript done on 2", self.file("words"))

        # What is there stays: the next ones are numbered; unless they may write there.
        first = self.file("one")
        rows.pop("create-recording-path")
        rows.update({"recording-include-keys": "false", "recording-exclude-mouse": "true"})
        d = self.shell(**rows)
        d.send("mouse", "12", "13", "0")
        d.run("echo again", "again")
        d.send("disconnect")
        wait(lambda: not self.guacd.sessions(), 20, "the end")
        self.assertEqual(self.names(), ["one", "one.1", "words", "words.1", "words.1.timing",
                                        "words.timing"])
        self.assertEqual(self.file("one"), first)
        opcodes = {i[0] for i in instructions(self.made + "/one.1")}
        self.assertFalse(opcodes & {"key", "mouse"}, "left out")
        rows.update({"recording-write-existing": "true", "typescript-write-existing": "true",
                     "recording-exclude-output": "true", "recording-include-keys": "true"})
        d = self.shell(**rows)
        self.turned_away("another session writes to it", CONFLICT, **rows)
        d.run("exit", "ended")
        wait(lambda: not self.guacd.sessions(), 20, "the end")
        self.assertNotIn("one.2", self.names())
        opcodes = [i[0] for i in instructions(self.made + "/one")]
        self.assertEqual(set(opcodes), {"sync", "key"}, "input alone")
        self.assertNotIn(b"kept-42", self.file("words"))
        self.assertNotIn("ended by signal", self.guacd.text())

    def test_refusals(self):
        """Who asks for a recording and cannot have it is told, and not let in without one."""
        rows = {"recording-path": self.made}
        self.turned_away("recording that this connection asks for", **rows)
        self.turned_away("No such file", **rows)
        self.turned_away("cannot be made", **{"typescript-path": self.made + "/a/b",
                                                "create-typescript-path": "true"})
        self.turned_away("no absolute path", **{"recording-path": "made"})
        os.mkdir(self.made)
        os.mkfifo(self.made + "/recording")
        self.turned_away("cannot be made", **{"recording-write-existing": "true"}, **rows)
        os.unlink(self.made + "/recording")
        os.symlink("/etc/passwd", self.made + "/recording")
        self.turned_away("cannot be made", **{"recording-write-existing": "true"}, **rows)

    def test_a_full_disk(self):
        """The recording ends, so the session does, in words."""
        if not os.path.exists("/dev/full") or os.getuid() != 0:
            self.skipTest("needs root")
        os.mkdir(self.made)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", self.made],
                              capture_output=True, check=False)
        if done.returncode:
            self.skipTest("no small file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.made], check=False)
        c = self.shell(**{"typescript-path": self.made})
        c.type("seq 1 1000000\n")
        self.assertIn("typescript could not be written", c.ended(20)[0])
        wait(lambda: not self.guacd.sessions(), 20, "its files are closed")

    def test_the_opener(self):
        pids = house.openers(self.guacd.pid)
        self.assertEqual(len(pids), 1)
        fds = house.descriptors(pids[0])
        self.assertEqual([fds.pop(i) for i in range(3)], ["/dev/null"] * 3)
        self.assertEqual(len(fds), 1, fds)
        with open(f"/proc/{pids[0]}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        os.kill(pids[0], signal.SIGINT)   # as a terminal's Ctrl-C tells everyone
        self.guacd.popen.send_signal(signal.SIGKILL)
        wait(lambda: not house.alive(pids[0]), 20, "it ends with guacd")
        again = self.start(Guacd)
        pid, = house.openers(again.pid)
        os.kill(pid, signal.SIGKILL)
        wait(lambda: not house.alive(pid), 20, "killed")
        self.guacd = again
        self.turned_away("helper is gone", **{"recording-path": self.folder})
        self.shell().run("echo on", "on")

    def test_gateway(self):
        self.assertEqual(house.openers(self.start(Guacd, gateway=True).pid), [])


if __name__ == "__main__":
    unittest.main()
