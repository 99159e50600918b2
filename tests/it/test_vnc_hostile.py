"""VNC servers that lie: at most their own session ends, with a status, in time."""
import struct
import time
import unittest

import guac
import hostile_vnc as hostile
import house
from hostile_vnc import Server, compressed, rect, says, shows
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


class Hostile(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, server, **values):
        client = guac.Client.tcp(self.guacd.port)
        return client.handshake("vnc", hostname="127.0.0.1", port=server.port, password="secret",
                                **values)

    def ends(self, case, status, within=10):
        with Server(case) as server:
            client = self.connect(server)
            client.pump(lambda: client.error or client.closed, within * PATIENCE, "the end")
            client.pump(lambda: client.closed, 5 * PATIENCE, "the socket's end")
            self.assertIsNotNone(client.error, "ended without a word")
            if status:
                self.assertEqual(client.error[1], status, client.error)
            self.assertTrue(client.error[0].isascii())

    def test_lies(self):
        with Server(hostile.honest) as other:
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

    def test_hang_ups(self):
        for name, steps in HANGUPS.items():
            with self.subTest(name):
                self.ends(hostile.hangs_up_after(*steps), BROKEN)

    def test_hang_up_between_messages(self):
        """That is how a desktop ends: no error."""
        with Server(hostile.hangs_up_after("begin", "wait_request")) as server:
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
        with Server(case) as server:
            client = self.connect(server)
            client.pump(timeout=1.5)
            self.assertFalse(client.closed)
            began = time.monotonic()
            client.send("disconnect")
            client.pump(lambda: client.closed, 10 * PATIENCE)
            house.wait(lambda: not self.guacd.sessions(), 10 * PATIENCE, "the session's end")
            self.assertLess(time.monotonic() - began, 4 * PATIENCE)

    def test_endless_message(self):
        self.leaves_quickly(hostile.endless)

    def test_trickle(self):
        self.leaves_quickly(hostile.trickle)


if __name__ == "__main__":
    unittest.main()
