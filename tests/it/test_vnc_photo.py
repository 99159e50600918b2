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
from deskpart import psnr, rgb, unlike
from house import Guacd, PATIENCE

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
    """An RFB server that scrolls a photograph whose light changes, so that no frame is a moved copy
    of another, for some frames, then rests."""

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
        light = bytes(max(0, v - self.shift % 31) for v in range(256))
        return [row.translate(light) for row in ROWS[k:] + ROWS[:k]]

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


def halves_colours(jpeg):
    """Whether a JPEG has its colours at a quarter (ITU-T T.81 B.2.2: sampling of component 1)."""
    at = jpeg.index(b"\xff\xc0")
    return jpeg[at + 11] == 0x22


class ColourCanvas(Canvas):
    """Draws JPEG and WebP, too. coarse: of each JPEG, in order, whether it saved on colours."""

    def __init__(self):
        super().__init__()
        self.coarse = []

    def end(self, stream):
        held = self.images.get(stream)
        if not held or held[2] == "image/png":
            return super().end(stream)
        mask, layer, mimetype, x, y, data = self.images.pop(stream)
        self.lossy.append(mimetype)
        if mimetype == "image/jpeg":
            self.coarse.append(halves_colours(bytes(data)))
        image = Image.open(io.BytesIO(bytes(data))).convert("RGBA")
        width, height = image.size
        pixels = image.tobytes()
        self.layer(layer).draw(mask, x, y, width, height,
                               lambda i: pixels[i * width * 4:(i + 1) * width * 4], True)
        return True


class Late(guac.Client):
    """Answers syncs `late` seconds late."""
    late = 0

    def handle(self, instr):
        if instr[0] != "sync":
            super().handle(instr)
            return
        self.syncs.append(int(instr[1]))
        self.due.append((time.monotonic() + self.late, instr[1]))

    def answer_due(self):
        while self.due and self.due[0][0] <= time.monotonic():
            self.send("sync", self.due.pop(0)[1])


@unittest.skipUnless(Image, "python3-pil is missing: deploy/deps/deps.sh test")
class Photo(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, server=None, joins=None, kind=guac.Client,
                image=("image/png", "image/jpeg"), **values):
        client = kind.tcp(self.guacd.port)
        client.canvas = ColourCanvas()
        client.due = []
        if joins:
            return client.handshake(joins, image=image)
        return client.handshake("vnc", hostname="127.0.0.1", port=server.port, image=image,
                                **values)

    def rest(self, film, clients, timeout=20):
        guac.pump(clients, film.done.is_set, timeout * PATIENCE, "the film's end")
        guac.pump(clients, lambda: not any(unlike(rgb(c.canvas), film.picture()) for c in clients),
                  timeout * PATIENCE, "the exact picture")

    def test_moves_as_jpeg_rests_exactly(self):
        film = Film(30)
        with rfb.Liar(film) as server:
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
        with rfb.Liar(film) as server:
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

    def test_slow_answers_get_coarser_pictures(self):
        """And sharp ones again, exact at rest, once the way is quick."""
        film = Film(90)
        with rfb.Liar(film) as server:
            client = self.connect(server, kind=Late)

            def pump(until, timeout, why=""):
                limit = house.deadline(timeout * PATIENCE)
                while not until():
                    client.pump(timeout=0.01)
                    client.answer_due()
                    self.assertLess(time.monotonic(), limit, why)
            pump(lambda: client.syncs and not client.due, 10)
            film.go.set()
            pump(lambda: len(client.canvas.coarse) > 4, 10)
            self.assertFalse(any(client.canvas.coarse[:3]), "coarse from the start")
            client.late = 0.3
            pump(lambda: client.canvas.coarse[-1], 10, "a coarser picture")
            client.late = 0
            pump(lambda: not client.canvas.coarse[-1] or film.done.is_set(), 20)
            pump(lambda: film.done.is_set() and not unlike(rgb(client.canvas), film.picture()), 20)

    def test_only_what_was_announced(self):
        film = Film(6)
        with rfb.Liar(film) as server:
            client = self.connect(server, image=("image/png",))
            client.pump(lambda: client.syncs)
            film.go.set()
            self.rest(film, [client])
            self.assertEqual(client.canvas.lossy, [])

    def test_webp_exact_at_rest(self):
        """Photographs come to rest as WebP where it is taken: half the bytes, the same pixels."""
        film = Film(10)
        with rfb.Liar(film) as server:
            client = self.connect(server, image=("image/png", "image/jpeg", "image/webp"))
            client.pump(lambda: client.syncs)
            film.go.set()
            self.rest(film, [client])
            self.assertIn("image/webp", client.canvas.lossy)

    def test_lossless(self):
        film = Film(6)
        with rfb.Liar(film) as server:
            client = self.connect(server, force_lossless="true")
            client.pump(lambda: client.syncs)
            film.go.set()
            self.rest(film, [client])
            self.assertEqual(client.canvas.lossy, [])


if __name__ == "__main__":
    unittest.main()
