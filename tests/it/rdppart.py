"""The real RDP servers of tests/parts/rdp-shadow.sh and xrdp.sh, started once for a test file."""
import subprocess
import time

import deskpart
import guac
import house
from deskpart import psnr, rgb, spawn_on, unlike
from house import Guacd, PATIENCE


class Servers(deskpart.Servers):
    def port(self, kind):
        return self[f"RDP_PORT_{kind}"]

    def run(self, *argv, **options):
        """An X client on the screen that is shown; its output."""
        return self.verb("run", *argv, **options).stdout

    def spawn(self, *argv):
        return spawn_on(self["RDP_DISPLAY"], *argv)

    def typed(self):
        return deskpart.read_text(self["RDP_TYPED"])

    def shot(self):
        return self.picture()


class Rdp(house.TestCase):
    """A guacd, and ways to the servers that a file started."""
    servers = None
    client_class = guac.Client

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, kind="tls", joins=None, size=(800, 600, 96), **values):
        client = self.client_class.tcp(self.guacd.port)
        if not joins:
            values = {"hostname": "127.0.0.1", "port": self.servers.port(kind), **values}
        return client.handshake(joins or "rdp", size=size, **values)

    def answer(self, client, until, seconds=20, **known):
        """Answers whatever is asked, as a person would; the names asked for."""
        known = {"cert-fingerprints": "yes", **{k.replace("_", "-"): v for k, v in known.items()}}
        asked = []
        while True:
            client.pump(lambda: until() or client.error or client.required, seconds * PATIENCE,
                        "a prompt or what was waited for")
            if not client.required:
                return asked
            names, client.required = client.required, []
            asked += names
            client.answer_required(**{n.replace("-", "_"): known[n] for n in names})

    def desk(self, kind="tls", **values):
        """Connected, the picture at rest."""
        values.setdefault("ignore_cert", "true")
        client = self.connect(kind, **values)
        self.answer(client, lambda: client.syncs)
        self.assertIsNone(client.error)
        client.settle(timeout=20 * PATIENCE)
        return client

    def refusal(self, kind="tls", seconds=20, **values):
        """Status and words of a connection that does not come about."""
        values.setdefault("ignore_cert", "true")
        client = self.connect(kind, **values)
        self.answer(client, lambda: client.syncs, seconds)
        self.assertIsNotNone(client.error, "it connected")
        client.close()
        return client.error[1], client.error[0]

    def assert_shows(self, client, least=99.0):
        """The canvas is the target's screen, at least that well (dB; 99: to the bit). Looks again
        for a moment: servers send when they like."""
        limit = time.monotonic() + 8 * PATIENCE
        while True:
            client.pump(timeout=0.3)
            try:
                screen, shown = self.servers.shot(), rgb(client.canvas)
            except subprocess.CalledProcessError as e:   # its size changed meanwhile
                if time.monotonic() > limit:
                    self.fail(e.stderr)
                continue
            wrong = unlike(shown, screen)
            if not wrong or (least < 99 and shown[:2] == screen[:2] and
                             psnr(shown, screen) >= least):
                break
            if time.monotonic() > limit:
                if shown[:2] == screen[:2]:
                    wrong = f"{psnr(shown, screen):.1f} dB; {wrong}"
                self.fail(wrong)

    def terminal_has_focus(self):
        try:
            return self.servers.run("xdotool", "getwindowfocus", "getwindowname") == b"typed\n"
        except subprocess.CalledProcessError:
            return False

    def point_at_terminal(self, client):
        """A click into it; what is typed from here on counts for arrives()."""
        for mask in (0, 1, 0):
            client.send("mouse", 200, 120, mask)
        client.pump(self.terminal_has_focus, 20 * PATIENCE, "the focus in the terminal")
        self.seen = len(self.servers.typed())
        return client

    def arrives(self, client, text):
        client.key(0xFF0D)
        client.pump(lambda: self.servers.typed()[self.seen:].endswith("\n"), 10 * PATIENCE,
                    f"{text!r} in the terminal")
        self.assertEqual(self.servers.typed()[self.seen:], text + "\n")
        self.seen = len(self.servers.typed())
