"""VNC against the real thing: pixels, sizes, hands and clipboards, with Xvnc (TigerVNC) and x11vnc."""
import subprocess
import time
import unittest

import guac
from canvas import difference
from deskpart import rgb, unlike
from house import PATIENCE, wait
from vncpart import Vnc, start_servers, stop_servers

SAMPLE = "Grüße 10 € 漢字 😀"


def setUpModule():
    start_servers()


def tearDownModule():
    stop_servers()


class Pictures(Vnc):
    def stir(self, kind="None"):
        """Text that scrolls, a window that moves: what desktops do all day."""
        term = self.servers.spawn(kind, "xterm", "-geometry", "70x20+100+120", "-T", "stir", "-e", "sh",
                             "-c", "seq 1 400; echo done; read x")
        self.addCleanup(term.wait)
        self.addCleanup(term.kill)
        found = wait(lambda: subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", "^stir$"], capture_output=True,
            env={"DISPLAY": self.servers[f"VNC_DISPLAY_{kind}"]}, check=False).stdout.split(), 10)
        return found[0].decode()

    def test_exact_in_every_encoding(self):
        for encodings in ("raw", "copyrect raw", "hextile", "copyrect hextile", "zlib", "rre",
                          "corre", "zrle", "trle", "tight", "copyrect tight zrle", ""):
            with self.subTest(encodings):
                client = self.desk(encodings=encodings)
                window = self.stir()
                guac.pump([client], timeout=0.4)
                self.servers.run("None", "xdotool", "windowmove", "--sync", window, "150", "180")
                client.settle(timeout=20 * PATIENCE)
                self.assert_exact("None", client)
                client.close()
                self.doCleanups_of_windows()

    def doCleanups_of_windows(self):
        subprocess.run(["xdotool", "search", "--name", "^stir$", "windowkill"], check=False,
                       env={"DISPLAY": self.servers["VNC_DISPLAY_None"]}, capture_output=True)

    def test_exact_x11vnc(self):
        client = self.desk("x11vnc")
        window = self.stir("x11vnc")
        guac.pump([client], timeout=0.4)
        self.servers.run("x11vnc", "xdotool", "windowmove", "--sync", window, "150", "180")
        client.settle(timeout=20 * PATIENCE)
        self.assert_exact("x11vnc", client)

    def test_copy_passed_on(self):
        client = self.desk(encodings="copyrect zrle raw")
        window = self.stir()
        client.settle(timeout=20 * PATIENCE)
        before, bytes_before = client.canvas.counts.get("copy", 0), client.bytes
        for i in range(6):
            self.servers.run("None", "xdotool", "windowmove", "--sync", window, str(120 + 30 * (i % 2)),
                        "160")
            client.settle(timeout=20 * PATIENCE)
        copies = client.canvas.counts.get("copy", 0) - before
        self.assertGreaterEqual(copies, 3, client.canvas.counts)
        late = self.connect("None", joins=client.id)
        guac.settle([client, late])
        self.assert_exact("None", client, late)
        print(f"      6 window moves: {copies} copies, {client.bytes - bytes_before} bytes")

    def test_late_joiner(self):
        owner = self.desk()
        self.stir()
        guac.pump([owner], timeout=0.3)
        late = self.connect("None", joins=owner.id)
        guac.settle([owner, late], timeout=20 * PATIENCE)
        self.assertIsNone(difference(owner.canvas, late.canvas))
        self.assert_exact("None", owner, late)
        self.assertEqual(owner.canvas.cursor, late.canvas.cursor)

    def test_stalled_viewer(self):
        owner = self.desk()
        slow = self.connect("None", joins=owner.id)
        guac.settle([owner, slow])
        self.stir()
        guac.pump([owner], timeout=1.5)   # slow reads nothing
        guac.settle([owner, slow], timeout=20 * PATIENCE)
        self.assert_exact("None", owner, slow)

    def test_depths(self):
        self.desk().close()   # moves the pointer away
        screen = self.servers.shot("None")
        for depth, most in (("8", 64), ("16", 9), ("24", 0), ("32", 0)):
            with self.subTest(depth):
                client = self.desk(color_depth=depth)
                self.assertEqual(client.canvas.picture()[:2], screen[:2])

                def close(c=client, limit=most):
                    shown = rgb(c.canvas)[2]
                    return max(abs(a - b) for a, b in zip(shown, screen[2])) <= limit or \
                        self.point(c)
                client.pump(close, 10 * PATIENCE, f"depth {depth}: colours within {most}")
                client.close()

    def test_swapped(self):
        self.servers.run("None", "xsetroot", "-solid", "#C02010")
        self.addCleanup(self.servers.run, "None", "xsetroot", "-solid", "#000000")
        client = self.desk(swap_red_blue="true")
        self.assertEqual(client.canvas.pixel(790, 590)[:3], (0x10, 0x20, 0xC0))

    def test_cursor_local_and_remote(self):
        local = self.desk()
        local.send("mouse", 300, 200, 0)
        local.send("mouse", 700, 500, 0)
        local.settle()
        self.assertGreater(local.canvas.cursor[2] * local.canvas.cursor[3], 25)
        self.assert_exact("None", local)
        local.close()
        remote = self.desk(cursor="remote")
        remote.send("mouse", 700, 500, 0)
        remote.pump(lambda: unlike(rgb(remote.canvas), self.servers.shot("None")), 5 * PATIENCE,
                    "the server's pointer in the picture")
        self.assertEqual(remote.canvas.cursor[2:4], (5, 5))


class Sizes(Vnc):
    def tearDown(self):
        self.servers.verb("resize", "None", "800x600")
        super().tearDown()

    def test_browser_resizes(self):
        client = self.connect("None")
        client.pump(lambda: client.canvas.picture()[:2] == (640, 480), 10 * PATIENCE,
                    "the size asked for at connect")
        for size in ((1024, 700), (801, 601), (1280, 900)):
            client.send("size", *size)
            self.point(client)
            client.pump(lambda s=size: client.canvas.picture()[:2] == s, 10 * PATIENCE, str(size))
            client.settle()
            self.assertEqual(self.servers.shot("None")[:2], size)
            self.assert_exact("None", client)

    def test_server_resizes(self):
        client = self.desk()
        late = self.connect("None", joins=client.id)
        for size in ((1024, 768), (640, 480)):
            self.servers.verb("resize", "None", f"{size[0]}x{size[1]}")
            client.send("mouse", 500, 470, 0)
            guac.pump([client, late], lambda s=size: client.canvas.picture()[:2] == s,
                      10 * PATIENCE, str(size))
            guac.settle([client, late])
            self.assert_exact("None", client, late)

    def test_not_when_disabled(self):
        client = self.desk()
        client.send("size", 1000, 700)
        client.pump(timeout=1.0)
        self.assertEqual(client.canvas.picture()[:2], (800, 600))


class Hands(Vnc):
    KEYSYMS = {"€": 0x20AC, "\n": 0xFF0D}

    def type(self, client, text):
        for c in text:
            keysym = self.KEYSYMS.get(c) or (ord(c) if ord(c) < 256 else 0x01000000 + ord(c))
            client.key(keysym)

    def focus(self, client, kind):
        client.send("mouse", 200, 150, 0)
        client.send("mouse", 200, 150, 1)
        client.send("mouse", 200, 150, 0)
        client.pump(timeout=0.3)

    def test_typing(self):
        for kind in ("None", "x11vnc"):
            with self.subTest(kind):
                client = self.desk(kind)
                self.focus(client, kind)
                word = f"Hello {time.monotonic_ns()} äöü € (x)\n"
                self.type(client, word)
                client.pump(lambda w=word, k=kind: w in self.servers.typed(k), 10 * PATIENCE,
                            f"{word!r} in {self.servers.typed(kind)[-80:]!r}")
                client.settle()
                self.assert_exact(kind, client)
                client.close()

    def test_read_only(self):
        client = self.desk(read_only="true")
        before = self.servers.typed("None")
        self.focus(client, "None")
        self.type(client, "no\n")
        client.pump(timeout=0.7)
        self.assertEqual(self.servers.typed("None"), before)

    def test_wheel(self):
        log = self.servers.spawn("None", "sh", "-c", f"exec xev -event button -geometry 300x200+450+350"
                            f" >{self.servers.dir}/xev 2>&1")
        self.addCleanup(log.wait)
        self.addCleanup(log.kill)
        client = self.desk()
        wait(lambda: subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "Event Tester"],
                                    env={"DISPLAY": self.servers["VNC_DISPLAY_None"]}, check=False,
                                    capture_output=True).stdout, 10)
        client.pump(timeout=0.5)
        for mask in (0, 8, 0, 16, 0, 4, 0, 2, 0):
            client.send("mouse", 520, 480, mask)

        def pressed():
            with open(f"{self.servers.dir}/xev") as f:
                return [w for w in f.read().split() if w in ("4,", "5,", "3,", "2,")]
        client.pump(lambda: {"4,", "5,", "3,", "2,"} <= set(pressed()), 5 * PATIENCE, "four buttons")

    def test_released_when_the_owner_goes(self):
        client = self.desk()
        self.focus(client, "None")
        client.key(0xFFE1, True)   # Shift
        client.pump(timeout=0.3)
        client.reset()
        wait(lambda: not self.guacd.sessions(), 10 * PATIENCE)
        again = self.desk()
        self.focus(again, "None")
        word = f"small {time.monotonic_ns()}\n"
        self.type(again, word)
        again.pump(lambda: word in self.servers.typed("None"), 5 * PATIENCE)


class Clipboard(Vnc):
    def pasted(self, kind):
        if kind == "x11vnc":   # it sets X's cut buffer
            out = self.servers.run(kind, "xprop", "-root", "-f", "CUT_BUFFER0", "8x", "CUT_BUFFER0")
            codes = out.decode().partition("=")[2].split(",")
            return bytes(int(c, 16) for c in codes if c.strip()).decode("latin-1")
        try:
            return self.servers.run(kind, "xclip", "-o", "-selection", "clipboard", "-t", "UTF8_STRING",
                               timeout=2).decode()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None

    def copy(self, kind, text):
        it = self.servers.spawn(kind, "xclip", "-i", "-selection", "clipboard", "-quiet")
        it.stdin.write(text.encode())
        it.stdin.close()
        self.addCleanup(it.wait)
        self.addCleanup(it.kill)

    def test_to_the_server(self):
        client = self.desk()
        for text in (SAMPLE, "two\nlines\n", "x" * 100000):
            client.stream("clipboard", "text/plain", data=text.encode())
            client.pump(lambda t=text: self.pasted("None") == t, 10 * PATIENCE, text[:40])

    def test_from_the_server(self):
        client = self.desk()
        for text in (SAMPLE, "two\nlines\n", "y" * 100000):
            self.copy("None", text)
            client.pump(lambda t=text: client.clipboard == ("text/plain", t.encode()),
                        10 * PATIENCE, text[:40])

    def test_latin1_server(self):
        """x11vnc has no clipboard in UTF-8: what Latin-1 can say arrives, the rest is marked."""
        client = self.desk("x11vnc")
        client.stream("clipboard", "text/plain", data="Grüße 10 €".encode())
        client.pump(lambda: self.pasted("x11vnc") == "Grüße 10 ?", 10 * PATIENCE,
                    "the text there")
        for text in (b"once", "Grüße zurück".encode("latin-1")):   # it tells of changes only
            self.servers.run("x11vnc", b"xprop", b"-root", b"-f", b"CUT_BUFFER0", b"8s", b"-set",
                        b"CUT_BUFFER0", text)
            client.pump(timeout=0.5)
        client.pump(lambda: client.clipboard == ("text/plain", "Grüße zurück".encode()),
                    10 * PATIENCE, f"the text here, not {client.clipboard}")

    def test_not_allowed(self):
        client = self.desk(disable_copy="true", disable_paste="true")
        secret = f"secret {time.monotonic_ns()}"
        client.stream("clipboard", "text/plain", data=secret.encode())
        self.copy("None", "from there")
        client.pump(timeout=1.0)
        self.assertIsNone(client.clipboard)
        self.assertNotEqual(self.pasted("None"), secret)


if __name__ == "__main__":
    unittest.main()
