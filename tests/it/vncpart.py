"""The real VNC servers of tests/parts/vnc.sh, started once for a test file."""
import os
import shutil
import struct
import subprocess
import tempfile
import time

import guac
import house
from house import Guacd, PATIENCE


class Servers:
    def __init__(self, *options):
        self.script = house.need_part("vnc")
        self.dir = tempfile.mkdtemp(prefix="vnc", dir="/tmp")
        self.env = {}
        done = subprocess.run([self.script, "start", self.dir, *options], capture_output=True,
                              text=True, check=False,
                              env={**os.environ, "PART_OWNER": str(os.getpid())})
        if done.returncode:
            self.stop()
            raise AssertionError(done.stderr)
        with open(os.path.join(self.dir, "env")) as f:
            for line in f:
                name, _, value = line.rstrip("\n").partition("=")
                self.env[name] = value.strip("'")
        self.types = self["VNC_TYPES"].split()

    def __getitem__(self, name):
        return self.env[name]

    def stop(self):
        subprocess.run([self.script, "stop", self.dir], capture_output=True, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def port(self, kind):
        return self[f"VNC_PORT_{kind}"]

    def verb(self, verb, *args):
        return subprocess.run([self.script, verb, self.dir, *args], capture_output=True, check=True)

    def run(self, kind, *argv, **options):
        """An X client on that server; its output."""
        env = {**os.environ, "DISPLAY": self[f"VNC_DISPLAY_{kind}"]}
        return subprocess.run(argv, env=env, check=True, capture_output=True, **options).stdout

    def spawn(self, kind, *argv, **options):
        env = {**os.environ, "DISPLAY": self[f"VNC_DISPLAY_{kind}"]}
        return subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, **options)

    def typed(self, kind):
        with open(self[f"VNC_TYPED_{kind}"], encoding="utf-8", errors="replace") as f:
            return f.read()

    def shot(self, kind):
        """(width, height, RGB) of what the screen really shows."""
        path = os.path.join(self.dir, "shot.xwd")
        self.verb("shot", kind, path)
        with open(path, "rb") as f:
            return read_xwd(f.read())


def read_xwd(data):
    head = struct.unpack(">25I", data[:100])
    size, _, _, _, width, height, _, order, _, _, _, bits, line = head[:13]
    assert bits == 32 and order == 0, f"{bits} bits, byte order {order}"
    at = size + head[19] * 12
    out = bytearray(width * height * 3)
    for y in range(height):
        row = data[at + y * line:at + y * line + width * 4]
        base = y * width * 3
        for c in range(3):
            out[base + c:base + width * 3:3] = row[2 - c::4]
    return width, height, bytes(out)


def rgb(canvas):
    width, height, rgba = canvas.picture()
    out = bytearray(width * height * 3)
    for c in range(3):
        out[c::3] = rgba[c::4]
    return width, height, bytes(out)


def unlike(a, b):
    """None when two (width, height, RGB) are the same, else a sentence."""
    if a[:2] != b[:2]:
        return f"{a[0]}x{a[1]} against {b[0]}x{b[1]}"
    if a[2] == b[2]:
        return None
    wrong = [i // 3 for i in range(0, len(a[2]), 3) if a[2][i:i + 3] != b[2][i:i + 3]]
    x, y = wrong[0] % a[0], wrong[0] // a[0]
    at = wrong[0] * 3
    return (f"{len(wrong)} pixels differ, the first at {x},{y}: {tuple(a[2][at:at + 3])} "
            f"against {tuple(b[2][at:at + 3])}")


def psnr(a, b):
    """In RGB, dB; 99 for equal ones."""
    import math
    assert a[:2] == b[:2], (a[:2], b[:2])
    error = sum((x - y) ** 2 for x, y in zip(a[2], b[2])) / len(a[2])
    return 99.0 if error == 0 else 10 * math.log10(255 ** 2 / error)


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
