"""The real VNC servers of tests/parts/vnc.sh, started once for a test file."""
import os
import subprocess
import time

import deskpart
import guac
import house
from deskpart import rgb, spawn_on, unlike
from house import Guacd, PATIENCE


class Servers(deskpart.Servers):
    def __init__(self, *options):
        super().__init__("vnc", *options)
        self.types = self["VNC_TYPES"].split()

    def port(self, kind):
        return self[f"VNC_PORT_{kind}"]

    def run(self, kind, *argv, **options):
        """An X client on that server; its output."""
        env = {**os.environ, "DISPLAY": self[f"VNC_DISPLAY_{kind}"]}
        return subprocess.run(argv, env=env, check=True, capture_output=True, **options).stdout

    def spawn(self, kind, *argv, **options):
        return spawn_on(self[f"VNC_DISPLAY_{kind}"], *argv, **options)

    def typed(self, kind):
        return deskpart.read_text(self[f"VNC_TYPED_{kind}"])

    def shot(self, kind):
        return self.picture(kind)


def start_servers():
    Vnc.servers = Servers()


def stop_servers():
    if Vnc.servers:
        Vnc.servers.stop()


class Vnc(house.TestCase):
    """A guacd, and ways to the servers that a file started: servers is set by start_servers()."""
    servers = None

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, kind, joins=None, hostname="localhost", **values):
        client = guac.Client.tcp(self.guacd.port)
        if not joins:
            values = {"hostname": hostname, "port": self.servers.port(kind), **values}
        return client.handshake(joins or "vnc", **values)

    def secrets(self, kind):
        if kind.endswith("Plain"):
            return {"username": self.servers["VNC_USER"], "password": self.servers["VNC_USER_PASSWORD"]}
        return {} if kind.endswith("None") else {"password": self.servers["VNC_PASSWORD"]}

    def desk(self, kind="None", **values):
        """Connected, the picture at rest, the screen left as it was before."""
        values.setdefault("disable_display_resize", "true")
        client = self.connect(kind, **self.secrets(kind), **values)
        client.pump(lambda: client.syncs or client.error, 15 * PATIENCE, "a first frame")
        self.assertIsNone(client.error)
        self.point(client)
        client.settle(timeout=20 * PATIENCE)
        return client

    def point(self, client):
        """TigerVNC draws the pointer into the picture of whoever has not put it where it is."""
        for y in (570, 590):
            client.send("mouse", 600, y, 0)
            client.pump(timeout=0.1)

    def assert_exact(self, kind, *clients):
        """Each canvas is the target's screen. Looks again for a moment: servers send when they like."""
        limit = time.monotonic() + 6 * PATIENCE
        while True:
            guac.pump(clients, timeout=0.3)
            screen = self.servers.shot(kind)
            wrong = [w for w in (unlike(rgb(c.canvas), screen) for c in clients) if w]
            if not wrong:
                break
            if time.monotonic() > limit:
                self.fail(f"{kind}: {wrong}")
            self.point(clients[0])
        for c in clients:
            self.assertEqual(c.canvas.lossy, [])
