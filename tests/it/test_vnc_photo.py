"""Photographs that move: JPEG meanwhile, exact once they rest, for whoever is there and whoever comes.
The server is ours, so that its pixels are known without a race."""
import io
import math
import random
import struct
import threading
import time
import unittest

import guac
import hostile_vnc as rfb
import house
from canvas import Canvas, difference
from house import Guacd, PATIENCE
from vncpart import psnr, rgb, unlike

try:
    from PIL import Image
except ImportError:
    Image = None

WIDTH, HEIGHT = 640, 360


def photo(width, height, seed=7):
    """Soft shapes with a little noise, as cameras see the world; rows of BGRX."""
    dice = random.Random(seed)
    waves = [(dice.uniform(0.004, 0.03), dice.uniform(0.004, 0.03), dice.uniform(0, 6))
             for _ in range(3)]
    noise = [dice.randrange(-5, 6) for _ in range(4099)]
    rows = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            n = noise[(y * 631 + x * 7) % 4099]
            row += bytes(max(0, min(255, int(128 + 90 * math.sin(a * x + b * y + c)) + n))
                         for a, b, c in waves) + b"\0"
        rows.append(bytes(row))
    return rows


ROWS = photo(WIDTH, HEIGHT)


class Film:
    """An RFB server that scrolls a photograph for some frames, then rests."""

    def __init__(self, frames, fps=12.0, pause=None):
        self.frames, self.fps = frames, fps
        self.go = threading.Event()
        self.shift = 0
        self.done = threading.Event()

    def picture(self):
        """(width, height, RGB) of what it shows."""
        data = b"".join(self.rows())
        out = bytearray(WIDTH * HEIGHT * 3)
        for c in range(3):
            out[c::3] = data[2 - c::4]
        return WIDTH, HEIGHT, bytes(out)

    def rows(self):
        k = self.shift % HEIGHT
        return ROWS[k:] + ROWS[:k]

    def __call__(self, peer):
        peer.begin(width=WIDTH, height=HEIGHT, name=b"film")
        for i in range(self.frames):
            peer.wait_request()
            if i == 1:
                self.go.wait(60)
            self.shift = i * 7
            peer.update(rfb.rect(0, 0, WIDTH, HEIGHT, rfb.RAW, b"".join(self.rows())))
            time.sleep(1 / self.fps)
        self.done.set()
        return True


class ColourCanvas(Canvas):
    """Draws JPEG, too."""

    def end(self, stream):
        held = self.images.get(stream)
        if not held or held[2] != "image/jpeg":
            return super().end(stream)
        mask, layer, mimetype, x, y, data = self.images.pop(stream)
        self.lossy.append(mimetype)
        image = Image.open(io.BytesIO(bytes(data))).convert("RGBA")
        width, height = image.size
        pixels = image.tobytes()
        self.layer(layer).draw(mask, x, y, width, height,
                               lambda i: pixels[i * width * 4:(i + 1) * width * 4], True)
        return True


@unittest.skipUnless(Image, "python3-pil is missing: deploy/deps/deps.sh test")
class Photo(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, server=None, joins=None, **values):
        client = guac.Client.tcp(self.guacd.port)
        client.canvas = ColourCanvas()
        if joins:
            return client.handshake(joins)
        return client.handshake("vnc", hostname="127.0.0.1", port=server.port,
                                image=("image/png", "image/jpeg"), **values)

    def rest(self, film, clients, timeout=20):
        guac.pump(clients, film.done.is_set, timeout * PATIENCE, "the film's end")
        guac.pump(clients, lambda: not any(unlike(rgb(c.canvas), film.picture()) for c in clients),
                  timeout * PATIENCE, "the exact picture")

    def test_moves_as_jpeg_rests_exactly(self):
        film = Film(30)
        with rfb.Server(film) as server:
            client = self.connect(server)
            client.pump(lambda: client.syncs)
            film.go.set()
            worst = 99
            while not film.done.is_set():
                client.pump(lambda n=len(client.syncs): len(client.syncs) > n or film.done.is_set(),
                            10 * PATIENCE)
            client.pump(timeout=0.2)
            self.assertGreater(len(client.canvas.lossy), 5)
            worst = psnr(rgb(client.canvas), film.picture())
            self.assertGreater(worst, 32)
            moving = client.bytes / max(1, len(client.syncs))
            self.rest(film, [client])
            print(f"      {len(client.syncs)} frames, {moving / 1000:.0f} KB each, "
                  f"{worst:.1f} dB while it moves")
            quiet = len(client.syncs)
            client.pump(timeout=2.5)
            self.assertEqual(len(client.syncs), quiet, "nothing more once it is exact")

    def test_everybody_ends_exact(self):
        film = Film(24)
        with rfb.Server(film) as server:
            owner = self.connect(server)
            owner.pump(lambda: owner.syncs)
            slow = self.connect(joins=owner.id)
            film.go.set()
            guac.pump([owner], timeout=1.0)           # slow reads nothing
            late = self.connect(joins=owner.id)       # in the middle of the film
            self.rest(film, [owner, slow, late])
            last = self.connect(joins=owner.id)
            guac.settle([owner, last])
            self.assertEqual(last.canvas.lossy, [], "at rest only PNG")
            self.assertIsNone(difference(owner.canvas, last.canvas))

    def test_lossless(self):
        film = Film(6)
        with rfb.Server(film) as server:
            client = self.connect(server, force_lossless="true")
            client.pump(lambda: client.syncs)
            film.go.set()
            self.rest(film, [client])
            self.assertEqual(client.canvas.lossy, [])


if __name__ == "__main__":
    unittest.main()
