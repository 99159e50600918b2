"""RDP against xrdp: logins, sizes, clipboard, locks, layouts, ends."""
import os
import socket
import struct
import subprocess
import unittest

import guac
import house
from deskpart import rgb
from house import PATIENCE, wait
from rdppart import Rdp, Servers
from xpointer import Pointer

# Nothing beyond the first plane: xrdp 0.9 garbles that (tests/unit/vnc/clip.c has it).
SAMPLE = "Grüße 10 € 漢字\nzweite Zeile"


def setUpModule():
    Rdp.servers = Servers("xrdp")


def tearDownModule():
    if Rdp.servers:
        Rdp.servers.stop()
        Rdp.servers = None


def seen(shape):
    """Its hot spot and where it has which colours; a server may send it with an empty rim."""
    hot_x, hot_y, width, _, rgba = shape
    return (hot_x, hot_y), {(i // 4 % width, i // 4 // width): rgba[i:i + 4]
                            for i in range(0, len(rgba), 4) if rgba[i + 3]}


class Xrdp(Rdp):
    def login(self, **values):
        values = {"username": self.servers["RDP_USER"], "password": self.servers["RDP_PASSWORD"],
                  **values}
        client = self.desk("xrdp", **values)
        try:
            client.pump(self.has_desk, 8 * PATIENCE)
        except AssertionError:   # sesman may still have had the session before
            client.close()
            client = self.desk("xrdp", **values)
            client.pump(self.has_desk, 20 * PATIENCE, "the desktop of the test user")
        self.servers.env["RDP_DISPLAY"] = self.display()
        client.pump(lambda: self.shows_desk(client), 20 * PATIENCE, "the desktop's blue")
        return client

    def has_desk(self):
        return os.path.exists(self.servers["RDP_HOME"] + "/display")

    def display(self):
        with open(self.servers["RDP_HOME"] + "/display") as f:
            return f.read().strip()

    @staticmethod
    def shows_desk(client):
        width, height, _ = client.canvas.picture()
        return width and client.canvas.pixel(width - 3, height - 3)[:3] == (0x20, 0x40, 0x60)

    def clip(self, *argv, **options):
        env = {**os.environ, "DISPLAY": self.display(),
               "XAUTHORITY": self.servers["RDP_HOME"] + "/.Xauthority"}
        return subprocess.run(["xclip", "-selection", "clipboard", *argv], env=env, timeout=20,
                              check=False, **options)


class Sessions(Xrdp):
    def test_exact(self):
        client = self.login()
        self.assert_shows(client)

    def test_login_by_itself_and_wrong_password(self):
        """xrdp shows its own login window then: the gateway cannot know."""
        client = self.desk("xrdp", username=self.servers["RDP_USER"], password="wrong")
        client.pump(timeout=1.0)
        self.assertIsNone(client.error)
        self.assertFalse(self.shows_desk(client))
        _, _, pixels = rgb(client.canvas)
        self.assertGreater(len(set(zip(pixels[0::3], pixels[1::3], pixels[2::3]))), 1)

    def test_no_nla(self):
        status, text = self.refusal("xrdp", security="nla")
        self.assertEqual(status, 0x0203)
        self.assertIn("set security to", text)

    def test_plain_security(self):
        """This one does not take it, and says no more than that it is over."""
        self.assertIn("it may want another security", self.refusal("xrdp", security="rdp")[1])

    def test_logout_ends_it(self):
        client = self.login()
        self.servers.verb("logout")
        client.pump(lambda: client.closed, 20 * PATIENCE)
        self.assertIsNone(client.error)

    def test_in_use_elsewhere(self):
        """The same user connects again: the session goes over to him, and the first is told."""
        first = self.login()
        second = self.login()
        guac.pump([first, second], lambda: first.closed or first.error, 15 * PATIENCE)
        self.assert_shows(second)

    def test_pointer(self):
        """The terminal's pointer is to the pixel what the X server shows."""
        client = self.login()
        os.environ["XAUTHORITY"] = self.servers["RDP_HOME"] + "/.Xauthority"
        self.addCleanup(os.environ.pop, "XAUTHORITY")
        moves = iter(range(1 << 30))
        with Pointer(self.display()) as real:
            def same():
                """Moves a little each time: this server tells of a pointer when it moves."""
                client.send("mouse", 200 + next(moves) // 4 % 5, 120, 0)
                return seen(client.canvas.cursor) == seen(real.shape())
            client.pump(same, 20 * PATIENCE, "the terminal's pointer")

    def test_small_and_few(self):
        """A session's memory and threads (targets.md: 30 MB, 8 threads)."""
        client = self.login(size=(1280, 720, 96))
        client.settle(timeout=20 * PATIENCE)
        pid, = self.guacd.sessions()
        self.assertLessEqual(len(os.listdir(f"/proc/{pid}/task")), 4)
        with open(f"/proc/{pid}/smaps_rollup") as f:
            pss = next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        if not house.SANITIZED:
            self.assertLess(pss, 60 * 1024)  # alone on a machine it pays for all its libraries


class Sizes(Xrdp):
    def follow(self, client):
        for size in ((1024, 700), (803, 601), (1280, 720)):
            client.send("size", *size)
            want = (size[0] & ~1, size[1])
            client.pump(lambda w=want: client.canvas.picture()[:2] == w or client.error,
                        20 * PATIENCE, f"a desktop of {want}")
            self.assertIsNone(client.error)
            self.assert_shows(client)

    def test_by_display_control(self):
        self.follow(self.login())

    def test_by_reconnecting(self):
        client = self.login(resize_method="reconnect")
        self.follow(client)

    def test_size_asked_for_at_connect(self):
        client = self.login(size=(900, 650, 96))
        client.pump(lambda: client.canvas.picture()[:2] == (900, 650), 15 * PATIENCE, "the size")
        client.close()
        client = self.login(width="1000", height="700")
        client.pump(lambda: client.canvas.picture()[:2] == (1000, 700), 15 * PATIENCE, "the size")


class Clipboard(Xrdp):
    def test_from_the_browser(self):
        client = self.login()
        client.stream("clipboard", "text/plain", data=SAMPLE.encode())

        def there():
            got = self.clip("-o", capture_output=True).stdout.decode(errors="replace")
            return got.replace("\r\n", "\n") == SAMPLE
        client.pump(there, 15 * PATIENCE, "the text on the server")

    def test_from_the_server(self):
        client = self.login()
        client.pump(timeout=1.0)
        self.clip("-i", input=SAMPLE.encode(), stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL)
        client.pump(lambda: client.clipboard == ("text/plain", SAMPLE.encode()), 15 * PATIENCE,
                    "the text in the browser")

    def test_long(self):
        text = ("0123456789abcdef" * 64 + "\n") * 200   # 200 KB
        client = self.login()
        client.pump(timeout=1.0)
        self.clip("-i", input=text.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client.pump(lambda: client.clipboard and client.clipboard[1] == text.encode(),
                    20 * PATIENCE, "all of it in the browser")

    def test_not_allowed(self):
        client = self.login(disable_copy="true")
        client.pump(timeout=1.0)
        self.clip("-i", input=b"secret", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client.pump(timeout=2.0)
        self.assertIsNone(client.clipboard)
        client.close()
        client = self.login(disable_paste="true")
        client.stream("clipboard", "text/plain", data=b"not for the server")
        client.pump(timeout=2.0)
        self.assertNotIn(b"not for", self.clip("-o", capture_output=True).stdout)


class Sound(Xrdp):
    """Samples are put where the sound server of a desktop puts them: into the socket of xrdp's
    channel server, in 16 bits, stereo, 44.1 kHz."""
    SAMPLES = b"".join(struct.pack("<hh", (i * 37) % 30000, -(i * 91) % 30000)
                       for i in range(20000))

    def play(self, clients):
        number = self.display().lstrip(":").split(".")[0]
        path = f"{self.servers['RDP_SOCKETS']}/xrdp_chansrv_audio_out_socket_{number}"
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            for at in range(0, len(self.SAMPLES), 8192):
                piece = self.SAMPLES[at:at + 8192]
                s.sendall(struct.pack("<ii", 0, len(piece) + 8) + piece)
                guac.pump(clients, timeout=0.05)

    @staticmethod
    def heard(client):
        streams = [i for i, _ in client.streams.values()] + \
            [e[1] for e in client.log if e[0] == "ended"]
        data = [bytes(d) for i, d in client.streams.values() if i[0] == "audio"]
        return [i for i in streams if i[0] == "audio"], b"".join(data)

    def test_to_who_plays_it(self):
        client = self.login(audio=("audio/L8", "audio/L16"))
        deaf = self.connect(joins=client.id)
        guac.pump([client, deaf], timeout=1.5)   # the channel is trained meanwhile
        self.play([client, deaf])
        middle = self.SAMPLES[32768:40960]
        guac.pump([client, deaf], lambda: middle in self.heard(client)[1], 10 * PATIENCE,
                  "the samples")
        opened, _ = self.heard(client)
        self.assertEqual(opened[0][2], "audio/L16;rate=44100,channels=2")
        self.assertEqual(self.heard(deaf)[0], [])

    def test_disabled(self):
        client = self.login(audio=("audio/L16",), disable_audio="true")
        client.pump(timeout=1.5)
        try:
            self.play([client])
        except FileNotFoundError:
            pass   # no channel: xrdp listens for no sound either
        client.pump(timeout=1.0)
        self.assertEqual(self.heard(client)[0], [])


class Keys(Xrdp):
    def typist(self, **values):
        return self.point_at_terminal(self.login(**values))

    def test_keypad_and_repeats(self):
        client = self.typist()
        for keysym in (*range(0xFFB0, 0xFFBA), 0xFFAA, 0xFFAB, 0xFFAD, 0xFFAE, 0xFFAF):
            client.key(keysym)
        self.arrives(client, "0123456789*+-./")
        client.type("Mixed CASE, again")
        self.arrives(client, "Mixed CASE, again")

    def test_layouts(self):
        """What each keyboard writes, typed by keys alone. A session keeps the layout it began
        with, so each begins anew."""
        for layout, text in (("de-de-qwertz", "zZyY öÖäÄüÜß @€{[]}\\~ |<>µ 2² \"§$%&/()=?"),
                             ("fr-fr-azerty", "aAqQzZwW éèçàù 0123 #{[|\\@]} €"),
                             ("en-gb-qwerty", "£\"@'~#\\|¬")):
            with self.subTest(layout):
                if os.path.exists(self.servers["RDP_HOME"] + "/display"):
                    self.servers.verb("logout")
                    wait(lambda: not self.sessions(), 15 * PATIENCE, "the session's end")
                client = self.typist(server_layout=layout)
                for c in text:
                    point = ord(c)
                    client.key(point if point < 0x100 else 0x01000000 | point)
                self.arrives(client, text)
                client.close()
        self.servers.verb("logout")
        wait(lambda: not self.sessions(), 15 * PATIENCE, "the session's end")

    @staticmethod
    def sessions():
        return subprocess.run(["pgrep", "-u", "47842", "-x", "Xorg"], capture_output=True,
                              check=False).stdout


if __name__ == "__main__":
    unittest.main()
