"""What tests of any terminal share: a client that reads its screen, a case that connects it to a part
with parameters, and what must hold of pastes and pauses whatever the protocol."""
import hashlib
import json
import os
import shutil
import socket
import subprocess

import guac
import house
from house import Guacd, PATIENCE

SHIFT, CTRL, ALT = 0xFFE1, 0xFFE3, 0xFFE9


class Part:
    """A real server of tests/parts; what its file env says, without the prefix."""

    def __init__(self, name, folder, prefix, *options):
        self.script = house.need_part(name)
        self.folder = house.folder(folder)
        env = dict(os.environ, PART_OWNER=str(os.getpid()))
        subprocess.run([self.script, "start", self.folder, *options], check=True, env=env,
                       stdout=subprocess.DEVNULL)
        self.env = {}
        with open(os.path.join(self.folder, "env")) as f:
            for line in f:
                key, _, value = line.strip().partition("=")
                self.env[key.removeprefix(prefix)] = value.strip("'")

    def __getitem__(self, key):
        return self.env[key]

    def file(self, key):
        with open(self.env[key]) as f:
            return f.read()

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Shell(guac.Client):
    """A client that also reads the screen, by our text channel."""
    connect_timeout = None   # the parameter `timeout`, a word that handshake() has for itself

    def send(self, *elements):
        if elements[0] == "connect" and self.connect_timeout:
            elements = list(elements)
            elements[1 + self.args.index("timeout")] = self.connect_timeout
        super().send(*elements)

    def screen(self):
        rows, self.cursor, self.alt = {}, None, False
        for line in self.states("guac.text"):
            if "set" not in line:
                continue
            if len(line["set"]) == line["rows"]:
                rows = {}
            rows.update({r: t for r, t in line["set"]})
            self.cursor, self.alt = line["cursor"], line["alt"]
        return [rows.get(r, "") for r in range(max(rows, default=-1) + 1)]

    def text(self):
        return "\n".join(self.screen())

    def see(self, what, timeout=10.0):
        """Until this is on the screen."""
        return self.pump(lambda: what in self.text(), timeout * PATIENCE,
                         lambda: f"no {what!r} in\n" + self.text())

    def run(self, command, what, timeout=10.0):
        self.type(command + "\n")
        return self.see(what, timeout)

    def chord(self, *keysyms):
        for k in keysyms:
            self.key(k, True)
        for k in reversed(keysyms):
            self.key(k, False)

    def ended(self, timeout=10.0):
        """(text, status) of the error, None when it ended well."""
        self.pump(lambda: self.closed or self.error, timeout * PATIENCE, "the session goes on")
        return self.error


class ShellCase(house.TestCase):
    """A guacd, and clients of one protocol on it."""
    protocol = prompt = ""
    slow = 10   # seconds for what takes one answer of the target's
    client = Shell

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def parameters(self):
        raise NotImplementedError

    def connect(self, version="VERSION_1_5_0", size=(800, 480, 96), client=("test", "text"),
                draw=False, **values):
        """Parameters may be left out by None."""
        given = dict(self.parameters(), **values)
        c = self.client.tcp(self.guacd.port, draw=draw)
        self.addCleanup(c.close)
        c.connect_timeout = given.pop("timeout", None)
        return c.handshake(self.protocol, version=version, size=size, client=client,
                           **{k: v for k, v in given.items() if v is not None})

    def shell(self, **values):
        c = self.connect(**values)
        c.see(self.prompt, self.slow)
        return c

    def refused(self, status, words="", **values):
        c = self.connect(**values)
        text, got = c.ended(30) or ("it ended well:\n" + c.text(), 0)
        self.assertEqual(hex(got), hex(status), text)
        self.assertIn(words, text)
        return text

    def asked(self, c, name, answer, text=None):
        """Wait for a prompt and answer it."""
        c.pump(lambda: name in c.required, self.slow * PATIENCE, f"{name} is not asked for: {c.error}")
        if text is not None:
            shown = [s["ask"]["text"] for s in c.states() if s.get("ask")]
            self.assertTrue(any(text in t for t in shown), shown)
        c.required.remove(name)
        c.answer_required(**{name.replace("-", "_"): answer})

    # ---- what must hold of any terminal ------------------------------------------------------------

    def check_large_paste(self, folder="."):
        """6 MB arrive whole, and the keys typed behind them come after them."""
        line = "".join(chr(33 + i * 7 % 90) for i in range(72))
        data = "".join(f"{i:08d}{line}\n" for i in range(6 * 1024 * 1024 // 81 + 1)).encode()
        c = self.shell(clipboard_buffer_size=str(8 << 20))
        c.run(f"cd {folder}; stty -echo; echo rea'd'y; cat >big; stty echo; sha256sum big; "
              "wc -c big; rm big", "ready")
        c.stream("clipboard", "text/plain", data=data)
        c.chord(CTRL, SHIFT, ord("V"))
        c.chord(CTRL, ord("d"))
        c.see(hashlib.sha256(data).hexdigest(), 90)
        c.see(f"{len(data)} big")

    def check_pause(self):
        """A paused session reads nothing; what was printed meanwhile comes afterwards."""
        c = self.shell()
        path = os.path.join(self.guacd.run, "s", c.id.lstrip("$") + ".sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as ctl:
            ctl.connect(path)
            c.type("sleep 1; seq 1 50000; echo e'n'd\n")
            c.pump(timeout=0.3)
            ctl.send(json.dumps({"op": "pause", "why": "test"}).encode())
            self.assertTrue(json.loads(ctl.recv(65536))["ok"])
            c.pump(timeout=2)
            self.assertNotIn("50000", c.text().replace("seq 1 50000", ""))
            ctl.send(json.dumps({"op": "resume", "why": "test"}).encode())
            self.assertTrue(json.loads(ctl.recv(65536))["ok"])
            c.see("\n50000\nend", 20)

    def check_late_viewer(self, fill, **values):
        """The same picture for who was there and who comes late."""
        c = self.shell(draw=True)
        c.run(fill + "; echo d'o'ne", "done")
        c.settle()
        late = self.client.tcp(self.guacd.port)
        self.addCleanup(late.close)
        late.handshake(c.id, **values)
        guac.settle([c, late])
        import canvas
        self.assertIsNone(canvas.difference(c.canvas, late.canvas))
        return c
