"""What a connection's parameters make a VNC client say. The server writes down what it hears, which
real ones do not tell."""
import struct
import unittest

import guac
import hostile_vnc as rfb
import house
from house import Guacd, PATIENCE

COMPRESS, QUALITY = -256, -32
NAMES = {"raw": 0, "copyrect": 1, "hextile": 5, "zlib": 6, "tight": 7, "zrle": 16}
SUPPORTED = -0x1FFFF  # 0xFFFE0001: which messages the server takes
SET_SERVER_INPUT = 9


class Notebook:
    """An honest server. heard: messages by type; encodings: as asked for, in order."""

    def __init__(self, cut_text=None, takes=()):
        self.heard, self.encodings, self.cut, self.cut_text = [], [], [], cut_text
        self.takes = takes

    def __call__(self, peer):
        peer.begin(name=b"notebook")
        answered = False
        while True:
            kind = peer.recv(1)[0]
            if kind == 2:
                count = struct.unpack(">xH", peer.recv(3))[0]
                self.encodings = list(struct.unpack(f">{count}i", peer.recv(4 * count)))
            elif kind == 6:
                size = struct.unpack(">3xI", peer.recv(7))[0]
                self.cut.append(peer.recv(size))
            else:
                body = peer.recv({0: 19, 3: 9, 4: 7, 5: 5, 9: 3, 251: 23}[kind])
                self.heard.append((kind, body))
                if kind == 3 and not answered:
                    answered = True
                    self.answer(peer)

    def answer(self, peer):
        rects = [rfb.rect(0, 0, 320, 200, rfb.RAW, b"\x40\x80\xc0\x00" * (320 * 200))]
        if self.takes:
            bits = bytearray(64)
            for kind in (0, 2, 3, 4, 5, 6, *self.takes):
                bits[kind // 8] |= 1 << kind % 8
            rects.append(rfb.rect(0, 0, 64, 0, SUPPORTED, bytes(bits)))
        peer.update(*rects)
        if self.cut_text is not None:
            peer.send(b"\x03\0\0\0" + struct.pack(">I", len(self.cut_text)), self.cut_text)


class Parameters(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def talk(self, book, **values):
        server = self.enterContext(rfb.Liar(book))
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname="127.0.0.1", port=server.port, **values)
        client.pump(lambda: client.syncs or client.error, 10 * PATIENCE)
        self.assertIsNone(client.error)
        return client

    def order(self, book):
        names = {v: k for k, v in NAMES.items()}
        return [names[e] for e in book.encodings if e in names]

    def test_encodings(self):
        for words, levels in (
                ({}, set()),
                ({"encodings": "zrle hextile raw"}, set()),
                ({"compress_level": "3"}, {COMPRESS + 3}),
                ({"quality_level": "4"}, {QUALITY + 4}),
                ({"quality_level": "4", "force_lossless": "true"}, set())):
            with self.subTest(words):
                book = Notebook()
                self.talk(book, **words).close()
                said = {e for e in book.encodings if QUALITY <= e < QUALITY + 10}
                if "compress_level" in words:
                    said |= {e for e in book.encodings if COMPRESS <= e < COMPRESS + 10}
                self.assertEqual(said, levels)
                order = self.order(book)
                if "encodings" in words:
                    self.assertEqual(order, words["encodings"].split())
                elif levels:
                    self.assertEqual(order[:2], ["copyrect", "tight"], "only it has both")
                else:
                    self.assertEqual(order[0], "copyrect")
                    self.assertIn("raw", order)

    def test_server_input(self):
        for asked, takes in (("true", (SET_SERVER_INPUT,)), ("true", ()),
                             ("false", (SET_SERVER_INPUT,))):
            with self.subTest(asked=asked, takes=takes):
                book = Notebook(takes=takes)
                client = self.talk(book, disable_server_input=asked)
                client.send("mouse", 5, 5, 0)
                client.pump(lambda b=book: any(k == 5 for k, _ in b.heard), 10 * PATIENCE)
                told = [body[0] for kind, body in book.heard if kind == SET_SERVER_INPUT]
                self.assertEqual(told, [1] if asked == "true" and takes else [])
                client.close()

    def test_clipboard_encodings(self):
        text = "Grüße 10 €"
        for name, codec in (("ISO8859-1", "latin-1"), ("UTF-8", "utf-8"), ("CP1252", "cp1252"),
                            ("UTF-16", "utf-16-le")):
            with self.subTest(name):
                sample = text if name != "ISO8859-1" else text[:8]
                book = Notebook(cut_text=sample.encode(codec))
                client = self.talk(book, clipboard_encoding=name)
                client.pump(lambda c=client: c.clipboard, 10 * PATIENCE, "the server's text")
                self.assertEqual(client.clipboard, ("text/plain", sample.encode()))
                client.stream("clipboard", "text/plain", data=sample.encode())
                client.pump(lambda b=book: b.cut, 10 * PATIENCE, "ours")
                self.assertEqual(book.cut[0], sample.encode(codec))
                client.close()

    def test_pixels_asked_for(self):
        for depth, bits in (("8", 8), ("16", 16), ("24", 32), ("", 32)):
            with self.subTest(depth):
                book = Notebook()
                server = self.enterContext(rfb.Liar(book))
                client = guac.Client.tcp(self.guacd.port)
                client.handshake("vnc", hostname="127.0.0.1", port=server.port, color_depth=depth)
                client.pump(lambda b=book: any(k == 3 for k, _ in b.heard), 10 * PATIENCE)
                form = next(body for kind, body in book.heard if kind == 0)
                self.assertEqual(form[3], bits)
                client.close()


if __name__ == "__main__":
    unittest.main()
