"""VNC servers that lie: at most their own session ends, with a status, in time."""
import struct
import time
import unittest

import guac
import hostile_vnc as hostile
import house
from hostile_vnc import Liar, compressed, rect, says, shows
from house import Guacd, PATIENCE

BROKEN, TIMEOUT, UNAVAILABLE, UNAUTHORIZED = 0x0203, 0x0202, 0x0208, 0x0301

# name: (what it does, status)
CASES = {
    "no VNC at all": (says(b""), None),
    "screen of 0 by 0": (shows(width=0, height=0), BROKEN),
    "screen of 0 by 100": (shows(width=0, height=100), BROKEN),
    "screen of 65535 by 65535": (shows(width=65535, height=65535), BROKEN),
    "screen one too wide": (shows(width=8193, height=10), BROKEN),
    "screen with too many pixels": (shows(width=8192, height=8192), BROKEN),
    "name of 4 GB": (lambda p: p.begin(length=0xFFFFFFFF) or True, BROKEN),
    "rectangle outside, right": (shows(rect(319, 0, 2, 1, 0, bytes(8))), BROKEN),
    "rectangle outside, far": (shows(rect(65535, 65535, 65535, 65535, 0)), BROKEN),
    "copy to outside": (shows(rect(310, 0, 20, 20, 1, struct.pack(">HH", 0, 0))), BROKEN),
    "copy from outside, then nonsense": (
        shows(rect(0, 0, 20, 20, 1, struct.pack(">HH", 65000, 65000)),
              rect(0, 0, 1, 1, 9999)), BROKEN),
    "unknown encoding": (shows(rect(0, 0, 1, 1, 4711)), BROKEN),
    "unknown message": (says(b"\xEE" + bytes(300)), BROKEN),
    "resized to 65535": (shows(rect(0, 0, 65535, 65535, hostile.NEW_SIZE)), BROKEN),
    "resized to 0": (shows(rect(0, 0, 0, 0, hostile.NEW_SIZE)), BROKEN),
    "cursor of 2000 by 2000": (shows(rect(0, 0, 2000, 2000, hostile.CURSOR)), BROKEN),
    "clipboard of 2 GB": (says(b"\x03\0\0\0" + struct.pack(">I", 0x7FFFFFFF)), BROKEN),
    # The library takes this one for allowed; the session's memory limit does not.
    "clipboard of -2 GB": (says(b"\x03\0\0\0" + struct.pack(">I", 0x80000000), keep=False), BROKEN),
    "clipboard that is no zlib": (
        says(b"\x03\0\0\0" + struct.pack(">i", -16) + struct.pack(">I", 0x10000001) + bytes(12)),
        BROKEN),
    "desktop name of 4 GB": (shows(rect(0, 0, 0, 0, hostile.NAME, b"\xff" * 4)), BROKEN),
    "zlib bomb": (shows(compressed(bytes(60_000_000))), BROKEN),
    "zlib that is none": (shows(rect(0, 0, 9, 9, 6, struct.pack(">I", 9) + b"x" * 9)), BROKEN),
    "ZRLE bomb": (shows(compressed(bytes(60_000_000), hostile.ZRLE)), BROKEN),
    "Tight with more rows than it has": (shows(hostile.tight_rows(4, 4, 400_000)), BROKEN),
    "Tight with no filter of that name": (shows(rect(0, 0, 9, 9, 7, b"\x40\x09")), BROKEN),
    "Tight JPEG that is none": (shows(rect(0, 0, 9, 9, 7, b"\x90\x05hello")), BROKEN),
    "update cut off": (shows(rect(0, 0, 320, 200, 0, bytes(1000)), keep=False), BROKEN),
}

HANGUPS = {
    "before a word": (),
    "after the version": ("version",),
    "after security": ("version", "security"),
}


def http(peer):
    peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    return False


def refuses(reason):
    def case(peer):
        peer.version()
        peer.send(b"\0", struct.pack(">I", len(reason)), reason)
        return True
    return case


def endless_reason(peer):
    peer.version()
    peer.send(b"\0", struct.pack(">I", 0xFFFFFFFF), b"a" * 100)
    return True


def unknown_security(peer):
    peer.version()
    peer.send(b"\x02\xC8\xC9")
    return True


def locked(peer):
    """VncAuth, answered by a reason, as servers do that count wrong passwords."""
    peer.version()
    peer.send(b"\x01\x02")
    peer.recv(1)
    peer.send(bytes(16))
    peer.recv(16)
    peer.send(struct.pack(">I", 1), struct.pack(">I", 27), b"Too many security failures.")
    return True


CASES["no VNC at all"] = (http, BROKEN)
CASES["refused with a reason"] = (refuses(b"Too many security failures"), UNAVAILABLE)
CASES["refused with a reason in bytes"] = (refuses(bytes(range(256))), UNAVAILABLE)
CASES["reason of 4 GB"] = (endless_reason, None)
CASES["unknown security types"] = (unknown_security, BROKEN)
CASES["locked after wrong passwords"] = (locked, UNAVAILABLE)


def word(n):
    return struct.pack(">I", n & 0xFFFFFFFF)


# Said behind an honest beginning, and followed by an honest picture: the session may end, with a
# status, or go on; what it may not is die, hang or grow.
ODD = {
    "RRE of 4 G pieces": rect(0, 0, 9, 9, 2, word(-1) + bytes(64)),
    "RRE piece outside": rect(0, 0, 9, 9, 2, word(1) + bytes(8) + struct.pack(">4H", 65000, 0, 9, 9)),
    "CoRRE of 4 G pieces": rect(0, 0, 9, 9, 4, word(-1) + bytes(64)),
    "CoRRE piece outside": rect(0, 0, 9, 9, 4, word(1) + bytes(8) + bytes([200, 200, 255, 255])),
    "hextile piece outside its tile": rect(304, 184, 16, 16, 5, b"\x1e" + bytes(8) + b"\x01" +
                                           bytes(4) + b"\xff\xff"),
    "hextile of a size none has": rect(0, 0, 65535, 1, 5, b"\x01" * 64),
    "Ultra that is no LZO": rect(0, 0, 9, 9, 9, word(64) + b"\xff" * 64),
    "Ultra of 4 GB": rect(0, 0, 9, 9, 9, word(-1) + bytes(64)),
    "UltraZip of nothing": rect(0, 0, 9, 9, 10, word(0)),
    "UltraZip of 65535 rectangles": rect(65535, 65535, 65535, 65535, 10, word(16) + b"\x11" * 16),
    "ZRLE palette run beyond": rect(0, 0, 16, 16, hostile.ZRLE, hostile.zipped(b"\x82" + b"\xff" * 200)),
    "ZRLE packed beyond": rect(0, 0, 64, 64, hostile.ZRLE, hostile.zipped(b"\x10" + bytes(40))),
    "TRLE run without end": rect(0, 0, 16, 16, 15, b"\x80" + b"\xff" * 400),
    "Tight palette of 256, none there": rect(0, 0, 9, 9, 7, b"\x50\x01\xff" + bytes(600)),
    "Tight gradient": rect(0, 0, 9, 9, 7, b"\x40\x02\x8a\x01" + bytes(300)),
    "Tight of a negative length": rect(0, 0, 99, 99, 7, b"\x00\xff\xff\xff" + bytes(300)),
    "cursor with its point outside": rect(65000, 65000, 8, 8, hostile.CURSOR, bytes(8 * 8 * 4 + 8)),
    "X cursor of 65535": rect(0, 0, 65535, 65535, -240, bytes(64)),
    "cursor position outside": rect(65535, 65535, 0, 0, -232),
    "screens: 255 of them, cut off": rect(0, 0, 320, 200, hostile.EXT_SIZE, b"\xff\0\0\0" + bytes(64)),
    "screens of 65535 by 65535": rect(0, 0, 65535, 65535, hostile.EXT_SIZE, b"\x01\0\0\0" + b"\xff" * 16),
    "keyboard lights": rect(0, 0, 1, 0, -131072),
    "supported messages, too many": rect(0, 0, 65535, 0, -0x1FFFF, bytes(300)),
    "supported encodings, too many": rect(0, 65535, 65535, 65535, -0x1FFFE, bytes(300)),
    "identity of 65535": rect(0, 0, 65535, 0, -0x1FFFD, bytes(300)),
    "last rectangle first": rect(0, 0, 0, 0, hostile.LAST_RECT),
    "colour map": b"RAW\x01\0" + struct.pack(">HH", 65535, 65535) + bytes(600),
    "text chat of 2 GB": b"RAW\x0b\0\0\0" + word(0x7FFFFFFF) + bytes(64),
    "text chat of -1": b"RAW\x0b\0\0\0" + word(-1) + bytes(64),
    "file transfer": b"RAW\x07" + b"\xff" * 64,
    "xvp": b"RAW\xfa\0\xff\xff",
    "resized by message": b"RAW\x04\0" + struct.pack(">HH", 65535, 65535) + bytes(12),
    "Palm's resize": b"RAW\x0f\0" + b"\xff" * 10,
    "fence of 255": b"RAW\xf8\0\0\0" + b"\xff" * 5 + bytes(255),
    "end of continuous updates": b"RAW\x96",
    "server's wish to stop": b"RAW\x02" * 50,
}


def odd(what):
    def case(peer):
        peer.begin()
        peer.wait_request()
        if what[:3] == b"RAW":
            peer.send(what[3:])
        else:
            peer.update(what)
        for _ in range(2):
            peer.update(rect(0, 0, 320, 200, hostile.RAW, b"\x40\x80\xc0\x00" * (320 * 200)))
        return False
    return case


class Hostile(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, server, **values):
        client = guac.Client.tcp(self.guacd.port)
        return client.handshake("vnc", hostname="127.0.0.1", port=server.port, password="secret",
                                **values)

    def ends(self, case, status, within=10):
        with Liar(case) as server:
            client = self.connect(server)
            client.pump(lambda: client.error or client.closed, within * PATIENCE, "the end")
            client.pump(lambda: client.closed, 5 * PATIENCE, "the socket's end")
            self.assertIsNotNone(client.error, "ended without a word")
            if status:
                self.assertEqual(client.error[1], status, client.error)
            self.assertTrue(client.error[0].isascii())

    def test_lies(self):
        with Liar(hostile.honest) as other:
            witness = self.connect(other)
            witness.pump(lambda: witness.syncs)
            for name, (case, status) in CASES.items():
                with self.subTest(name):
                    self.ends(case, status)
                    witness.pump(timeout=0.02)   # keeps it alive
            witness.pump(timeout=0.1)
            self.assertFalse(witness.closed)
            self.assertEqual(witness.canvas.pixel(5, 5), (0xC0, 0x80, 0x40, 255))
        self.assertNotIn("signal", self.guacd.text())

    def test_odd_words(self):
        """In the encodings and messages that few servers have."""
        with Liar(hostile.honest) as other:
            witness = self.connect(other)
            witness.pump(lambda: witness.syncs)
            for name, what in ODD.items():
                with self.subTest(name), Liar(odd(what)) as server:
                    client = self.connect(server)
                    # The server hangs up in the end: then it is over, whatever was made of it.
                    client.pump(lambda c=client: c.closed, 25 * PATIENCE, "the end")
                    self.assertTrue(client.error is None or client.error[0].isascii())
                    witness.pump(timeout=0.02)
            self.assertFalse(witness.closed)
        self.assertNotIn("signal", self.guacd.text())

    def test_hang_ups(self):
        for name, steps in HANGUPS.items():
            with self.subTest(name):
                self.ends(hostile.hangs_up_after(*steps), BROKEN)

    def test_hang_up_between_messages(self):
        """That is how a desktop ends: no error."""
        with Liar(hostile.hangs_up_after("begin", "wait_request")) as server:
            client = self.connect(server)
            client.pump(lambda: client.closed, 10 * PATIENCE)
            self.assertIsNone(client.error)

    def test_silence(self):
        for name, steps in {"from the start": (), "after the version": ("version",)}.items():
            with self.subTest(name):
                self.ends(hostile.silent_after(*steps), TIMEOUT, within=20)

    def test_silence_in_a_message(self):
        self.ends(shows(rect(0, 0, 320, 200, 0, bytes(1000))), TIMEOUT, within=20)

    def leaves_quickly(self, case):
        with Liar(case) as server:
            client = self.connect(server)
            client.pump(timeout=1.5)
            self.assertFalse(client.closed)
            began = time.monotonic()
            client.send("disconnect")
            client.pump(lambda: client.closed, 10 * PATIENCE)
            house.wait(lambda: not self.guacd.sessions(), 10 * PATIENCE, "the session's end")
            self.assertLess(time.monotonic() - began, house.SOON_S)

    def test_endless_message(self):
        self.leaves_quickly(hostile.endless)

    def test_trickle(self):
        self.leaves_quickly(hostile.trickle)


if __name__ == "__main__":
    unittest.main()
