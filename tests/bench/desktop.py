"""The desktop rows of make bench: Xvnc and xrdp with something that moves on it (motion.c), watched through a
daemon. Frames, CPU and bytes come from guac-load; what the picture is worth comes from a second run,
whose instructions are kept and drawn afterwards, so that drawing does not slow the client down."""
import base64
import io
import json
import math
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "it"))
# pylint: disable=wrong-import-position
import guac
import rdppart
from vncpart import Servers
from PIL import Image, ImageChops

import procs

SECONDS = 6
WARM = 1.5          # before anything is counted
RECORDED = 3.0      # of motion, for the picture's quality
STOPPED = 0.45      # after the last change: what was sent while it moved has arrived
RESTED = 4.0        # after it: sharpened, where a daemon does that


class Recorder(guac.Client):
    """Answers syncs at once and keeps the rest for later."""

    def __init__(self, sock):
        super().__init__(sock)
        self.kept = []

    def handle(self, instr):
        if instr[0] == "sync":
            super().handle(instr)
        else:
            self.kept.append(instr)
            if instr[0] in ("error", "required", "name"):
                super().handle(instr)


class Painter:
    """Layer 0 of what was kept."""

    def __init__(self):
        self.layers, self.streams, self.paths, self.at = {}, {}, {}, 0

    def layer(self, index, width=1, height=1):
        if index not in self.layers:
            self.layers[index] = Image.new("RGBA", (width, height))
        return self.layers[index]

    def paint(self, kept):
        for instr in kept[self.at:]:
            handler = getattr(self, "do_" + instr[0], None) if instr[0].isalpha() else None
            if handler:
                handler(*instr[1:])
        self.at = len(kept)
        return self.layer("0").convert("RGB")

    def do_size(self, layer, width, height):
        fresh = Image.new("RGBA", (max(1, int(width)), max(1, int(height))))
        fresh.paste(self.layer(layer), (0, 0))
        self.layers[layer] = fresh

    def do_dispose(self, layer):
        self.layers.pop(layer, None)

    def do_rect(self, layer, *box):
        self.paths.setdefault(layer, []).append([int(v) for v in box])

    def do_cfill(self, _mask, layer, r, g, b, a):
        for x, y, width, height in self.paths.pop(layer, []):
            self.put(layer, Image.new("RGBA", (width, height), tuple(map(int, (r, g, b, a)))), x, y)

    def do_copy(self, src, sx, sy, width, height, _mask, dst, dx, dy):
        sx, sy, width, height, dx, dy = map(int, (sx, sy, width, height, dx, dy))
        self.put(dst, self.layer(src).crop((sx, sy, sx + width, sy + height)), dx, dy)

    def do_img(self, stream, _mask, layer, _mimetype, x, y):
        self.streams[stream] = (layer, int(x), int(y), [])

    def do_blob(self, stream, data):
        if stream in self.streams:
            self.streams[stream][3].append(base64.b64decode(data))

    def do_end(self, stream):
        if stream in self.streams:
            layer, x, y, data = self.streams.pop(stream)
            self.put(layer, Image.open(io.BytesIO(b"".join(data))).convert("RGBA"), x, y)

    def put(self, layer, image, x, y):
        to = self.layer(layer)
        if x + image.width > to.width or y + image.height > to.height:
            if int(layer) < 0:  # buffers grow
                self.do_size(layer, max(to.width, x + image.width), max(to.height, y + image.height))
                to = self.layer(layer)
        to.paste(image, (x, y), image if image.getextrema()[3][0] < 255 else None)


def psnr(a, b):
    if a.size != b.size:
        return 0.0
    counts = ImageChops.difference(a, b).histogram()
    total = sum(n * (i % 256) ** 2 for i, n in enumerate(counts))
    error = total / (a.width * a.height * 3)
    return 99.0 if not error else 10 * math.log10(255 ** 2 / error)


class Desktop:
    """A bare Xvnc of this size."""
    select = "vnc"

    def __init__(self, build, geometry):
        self.motion = os.path.join(build, "guac-motion")
        self.servers = Servers("--types", "None", "--geometry", geometry, "--bare")
        self.params = {"hostname": "127.0.0.1", "port": self.servers.port("None"),
                       "disable-display-resize": "true"}

    def move(self, mode, hz, seconds):
        return subprocess.Popen([self.motion, mode, str(hz), str(seconds)], stdout=subprocess.PIPE,
                                env={**os.environ, "DISPLAY": self.servers["VNC_DISPLAY_None"]})

    def shot(self):
        width, height, rgb = self.servers.shot("None")
        return Image.frombytes("RGB", (width, height), rgb)

    def stop(self):
        self.servers.stop()


class RdpDesktop:
    """A user's session on xrdp in this size. It lives on between connections, as the first one left
    it."""
    select = "rdp"

    def __init__(self, build, geometry):
        self.motion = os.path.join(build, "guac-motion")
        self.servers = rdppart.Servers("xrdp")
        width, height = geometry.split("x")
        self.params = {"hostname": "127.0.0.1", "port": self.servers.port("xrdp"),
                       "username": self.servers["RDP_USER"],
                       "password": self.servers["RDP_PASSWORD"], "ignore-cert": "true",
                       "security": "tls", "width": width, "height": height,
                       "disable-audio": "true"}

    def log_in(self, d):
        """The desktop appears with the first login; motion needs its display."""
        if os.path.exists(self.servers["RDP_HOME"] + "/display"):
            return
        host, port = d.where.rsplit(":", 1)
        client = guac.Client.tcp(int(port), host)
        client.handshake("rdp", **{k.replace("-", "_"): v for k, v in self.params.items()})
        client.pump(lambda: os.path.exists(self.servers["RDP_HOME"] + "/display"), 30, "a login")
        client.send("disconnect")
        client.close()

    def move(self, mode, hz, seconds):
        home = self.servers["RDP_HOME"]
        with open(home + "/display") as f:
            env = {**os.environ, "DISPLAY": f.read().strip(), "XAUTHORITY": home + "/.Xauthority"}
        return subprocess.Popen([self.motion, mode, str(hz), str(seconds)], stdout=subprocess.PIPE,
                                env=env)

    def shot(self):
        width, height, rgb = self.servers.shot()
        return Image.frombytes("RGB", (width, height), rgb)

    def stop(self):
        self.servers.stop()


def end(process):
    process.kill()
    process.wait()


def watch(d, desk, mode, hz, viewers=0):
    """{fps, cores, KB a frame} of SECONDS of motion."""
    moving = desk.move(mode, hz, SECONDS + 30)
    others = []
    try:
        time.sleep(0.5)
        p, name = d.hold("watch", SECONDS + WARM, params=desk.params,
                         select=desk.select)
        name = name if name.startswith("$") else "$" + name
        others = [d.hold("watch", SECONDS + WARM, params={}, select=name)[0] for _ in range(viewers)]
        time.sleep(WARM / 2)
        before, began = d.cpu(), time.monotonic()
        time.sleep(SECONDS - 1)
        cores = (d.cpu() - before) / (time.monotonic() - began)
        memory = sum(procs.pss_mb(x) for x in procs.tree(d.pid) - {d.pid})
        out = p.communicate()[0].strip().splitlines()[-1]
    finally:
        for other in others:
            other.communicate()
        end(moving)
    seen = json.loads(out)
    return {"fps": seen["fps"], "cores": cores, "mb_per_s": seen["kb_per_s"] / 1000,
            "kb_per_frame": seen["kb_per_s"] / max(seen["fps"], 0.1), "pss_mb": memory}


def quality(d, desk, mode, hz):
    """PSNR of the picture when motion stops, and once it rests."""
    host, port = d.where.rsplit(":", 1)
    client = Recorder(guac.Client.tcp(int(port), host).sock)
    client.handshake(desk.select, image=("image/png", "image/jpeg", "image/webp"),
                     **{k.replace("-", "_"): v for k, v in desk.params.items()})
    client.pump(lambda: client.syncs, 10)
    moving = desk.move(mode, hz, RECORDED)
    try:
        os.set_blocking(moving.stdout.fileno(), False)
        client.pump(moving.stdout.read, RECORDED + 20, "the motion's end")
        client.pump(timeout=STOPPED)
        painter = Painter()
        at_stop = painter.paint(client.kept)
        truth = desk.shot()
        client.pump(timeout=RESTED)
        at_rest = painter.paint(client.kept)
        client.send("disconnect")
        client.close()
        return {"psnr_db": psnr(at_stop, truth), "rest_db": psnr(at_rest, truth)}
    finally:
        end(moving)


def row(geometry, mode, hz, viewers=False, kind=Desktop):
    def run(d, desks):
        desk = desks[kind, geometry]
        if kind is RdpDesktop:
            desk.log_in(d)
        r = watch(d, desk, mode, hz)
        if viewers:
            ten = watch(d, desk, mode, hz, 10)
            return {"cores_alone": r["cores"], "cores_ten": ten["cores"], "fps_ten": ten["fps"],
                    "ratio": ten["cores"] / max(r["cores"], 1e-9)}
        r.update(quality(d, desk, mode, hz))
        return r
    return (kind, geometry), run


ROWS = {
    "vnc720": row("1280x720", "mixed", 30),
    "vnc1080": row("1920x1080", "mixed", 60),
    "vncscroll": row("1280x720", "scroll", 30),
    "vncviewers": row("1280x720", "mixed", 30, viewers=True),
    "rdp720": row("1280x720", "mixed", 30, kind=RdpDesktop),
}


def measure(daemons, wanted, measured, show, result, build):
    """Each wanted row for each daemon, side by side."""
    names = [n for n in ROWS if wanted(n)]
    desks = {}
    try:
        for name in names:
            (kind, geometry), run = ROWS[name]
            if (kind, geometry) not in desks:
                desks[kind, geometry] = kind(build, geometry)
            for d in daemons:
                result.setdefault(d.name, {})[name] = measured(name, run, d, desks)
            show(name, {d.name: result[d.name][name] for d in daemons})
    finally:
        for desk in desks.values():
            desk.stop()
