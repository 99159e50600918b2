"""What everybody sees in the end is what the target shows, pixel for pixel: those who were there, who
stalled, who came late, and who replays the recording from its beginning or from any keyframe. The
server is ours, so that its screen is known: a film, text that scrolls with and without CopyRect, and a
new size in the middle of it."""
import os
import struct
import threading
import time
import unittest

import guac
import hostile_vnc as rfb
import tap
from deskpart import rgb, unlike
from house import PATIENCE
from test_gateway import Gateway as World
from test_vnc_photo import ROWS, ColourCanvas, Image

SIZE, LATER = (800, 600), (900, 520)
LINE = 13


def letters(line, width):
    """One line of something like text, as rows of BGRX."""
    rows, state = [], line * 2654435761 + 12345
    for y in range(LINE):
        row = bytearray()
        for _ in range(width // 5):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            ink = b"\xe0\xd8\xd0\0" if y < 10 and state & 0x10000 else b"\x18\x14\x10\0"
            row += ink * 4 + b"\x18\x14\x10\0"
        rows.append(bytes(row[:width * 4]).ljust(width * 4, b"\0"))
    return rows


class Screen:
    """The server's framebuffer; each change also as the rectangle that tells it."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [bytearray(b"\x40\x30\x20\0" * width) for _ in range(height)]

    def part(self, x, y, w, h):
        return [bytes(r[x * 4:(x + w) * 4]) for r in self.rows[y:y + h]]

    def set(self, x, y, rows):
        for i, row in enumerate(rows):
            self.rows[y + i][x * 4:x * 4 + len(row)] = row

    def put(self, x, y, rows):
        self.set(x, y, rows)
        return rfb.rect(x, y, len(rows[0]) // 4, len(rows), rfb.RAW, b"".join(rows))

    def copy(self, sx, sy, w, h, x, y):
        self.set(x, y, self.part(sx, sy, w, h))
        return rfb.rect(x, y, w, h, rfb.COPYRECT, struct.pack(">HH", sx, sy))

    def whole(self):
        return self.put(0, 0, self.part(0, 0, self.width, self.height))

    def rgb(self):
        data = b"".join(self.rows)
        out = bytearray(self.width * self.height * 3)
        for c in range(3):
            out[c::3] = data[2 - c::4]
        return self.width, self.height, bytes(out)


class Play:
    """What the server does: `frames` of it, then rest."""

    def __init__(self, frames, hz=14):
        self.frames, self.hz = frames, hz
        self.screen = Screen(*SIZE)
        self.go, self.done = threading.Event(), threading.Event()

    def step(self, n):
        s = self.screen
        light = bytes(max(0, v - n * 5 % 29) for v in range(256))
        k = n * 3 % 100
        yield s.put(20, 30, [r[:300 * 4].translate(light) for r in ROWS[k:k + 200]])
        # By CopyRect, as terminals' servers tell it.
        yield s.copy(330, 30 + LINE, 300, 190, 330, 30)
        yield s.put(330, 30 + 190, letters(n, 300))
        # Whole, as if nothing had moved: to be found.
        moved = s.part(100, 260 + LINE, 420, 221) + letters(n + 7000, 420)
        yield s.put(100, 260, moved)

    def __call__(self, peer):
        peer.begin(width=SIZE[0], height=SIZE[1], name=b"play")
        peer.wait_request()
        peer.update(self.screen.whole())
        self.go.wait(60)
        for n in range(self.frames):
            peer.wait_request()
            if n == self.frames // 2:
                peer.update(rfb.rect(0, 0, *LATER, rfb.NEW_SIZE))
                self.screen = Screen(*LATER)
                peer.wait_request()
                peer.update(self.screen.whole())
            peer.update(*self.step(n))
            time.sleep(1 / self.hz)
        peer.update(*self.step(self.frames))
        self.done.set()
        return True


class QuickCanvas(ColourCanvas):
    """PNG, too, by PIL: for pictures of many MB."""

    def end(self, stream):
        if stream in self.images:
            mask, layer, _, x, y, data = self.images[stream]
            self.images[stream] = mask, layer, "image/any", x, y, data
        return super().end(stream)


class Noise:
    """A screen of noise, and a corner of other noise when asked for."""

    def __init__(self, width, height):
        self.screen = Screen(width, height)
        self.go = threading.Event()
        self.draw(width, height)

    def draw(self, width, height):
        return self.screen.put(0, 0, [os.urandom(width * 4) for _ in range(height)])

    def __call__(self, peer):
        s = self.screen
        peer.begin(width=s.width, height=s.height, name=b"noise")
        peer.wait_request()
        peer.update(s.whole())
        peer.wait_request()
        self.go.wait(300)
        peer.update(self.draw(100, 100))
        return True


def draw(canvas, body):
    for instr in guac.Parser().feed(body):
        if instr[0] == "blob":
            canvas.blob(instr[1], guac.base64.b64decode(instr[2]))
        elif instr[0] == "end":
            canvas.end(instr[1])
        else:
            canvas.apply(instr)


@unittest.skipUnless(Image, "python3-pil is missing: deploy/deps/deps.sh test")
class Exact(World):
    def play(self, frames=36, image=("image/png", "image/jpeg", "image/webp"), **values):
        play = Play(frames)
        server = self.enterContext(rfb.Liar(play))
        recorder = tap.Tap()
        recorder.canvas = ColourCanvas()
        hello = {"size": (*SIZE, 96), "image": image}
        client = self.dial(recorder, hello, "vnc", hostname="127.0.0.1", port=server.port,
                           address_allow="127.0.0.1", disable_display_resize="true", **values)
        client.canvas = ColourCanvas()
        self.both([client], lambda: client.syncs)
        return play, client

    def viewer(self):
        it = tap.join(self.path, "viewer", user="sub-vera", name="Vera",
                      hello={"image": ("image/png", "image/jpeg")})
        it.canvas = ColourCanvas()
        return it

    def rest(self, play, clients):
        self.both(clients, play.done.is_set, 30, "the play's end")
        truth = play.screen.rgb()
        canvases = [c.canvas for c in clients] + [self.tap.canvas]
        self.both(clients, lambda: not any(unlike(rgb(c), truth) for c in canvases), 30,
                  "the exact picture")

    def keyframes_lead_here(self, play):
        """Each keyframe, with the frames after it, in an empty canvas."""
        found = [i for i, f in enumerate(self.tap.frames) if f[0] == tap.KEYFRAME]
        for at in found:
            canvas = ColourCanvas()
            for kind, _, _, body in self.tap.frames[at:]:
                if kind == tap.DATA or kind == tap.KEYFRAME and body is self.tap.frames[at][3]:
                    draw(canvas, body)
            self.assertIsNone(unlike(rgb(canvas), play.screen.rgb()))
        return len(found)

    def test_everybody_and_the_recording(self):
        play, owner = self.play()
        slow = self.viewer()
        self.both([owner, slow], lambda: slow.syncs)
        play.go.set()
        self.both([owner], lambda: len(owner.syncs) > 12, 20)  # slow reads nothing
        late = self.viewer()
        self.rest(play, [owner, slow, late])
        last = self.viewer()
        self.both([last], lambda: not unlike(rgb(last.canvas), play.screen.rgb()), 10)
        self.assertIn("image/jpeg", owner.canvas.lossy)
        self.assertGreater(owner.canvas.counts["copy"], 5, "some told, some found")
        self.assertGreaterEqual(self.keyframes_lead_here(play), 1)

    def test_a_picture_beyond_the_limits(self):
        """Much noise, lossless: 21 MB at once, more than a session may have unstored. It comes in
        pieces, the session waits for the store, and goes on."""
        play = Noise(2600, 2000)
        server = self.enterContext(rfb.Liar(play))
        self.addCleanup(play.go.set)
        recorder = tap.Tap()
        recorder.canvas = QuickCanvas()
        owner = self.dial(recorder, {"size": (2600, 2000, 96)}, "vnc", hostname="127.0.0.1",
                          port=server.port, address_allow="127.0.0.1", force_lossless="true",
                          disable_display_resize="true", tap_hard_delay="600000",
                          tap_soft_delay="600000")
        owner.draw = False
        truth = play.screen.rgb()
        self.both([owner], lambda: recorder.syncs and not unlike(rgb(recorder.canvas), truth), 240,
                  "the whole picture")
        self.both([owner], lambda: recorder.events("resumed"), 60, "the store has it")
        before = len(recorder.syncs)
        play.go.set()
        self.both([owner], lambda: len(recorder.syncs) > before, 60, "it goes on")
        data = [len(body) for kind, _, _, body in recorder.frames if kind == tap.DATA]
        self.assertGreater(sum(data), 18 << 20, "noise cannot be made smaller")
        self.assertLessEqual(max(data), 4 << 20)
        self.assertTrue(recorder.events("paused"))

    def test_lossless(self):
        play, owner = self.play(50, ("image/png",), force_lossless="true")
        play.go.set()
        viewer = self.viewer()
        self.rest(play, [owner, viewer])
        self.assertNotIn("image/jpeg", owner.canvas.lossy + viewer.canvas.lossy)
        self.assertGreater(self.keyframes_lead_here(play), 1, "one for each 4 MB")


if __name__ == "__main__":
    unittest.main()
