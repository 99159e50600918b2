"""A VNC server that lies. Each case is a function of a Peer: it speaks until it has done its worst, and
returns whether the connection is to be kept open then."""
import struct
import time
import zlib

from between import Server

RAW, COPYRECT, ZLIB, TIGHT, ZRLE = 0, 1, 6, 7, 16
CURSOR, NEW_SIZE, LAST_RECT, EXT_SIZE, NAME = -239, -223, -224, -308, -307


class Peer:
    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(60)

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def recv(self, n):
        out = b""
        while len(out) < n:
            got = self.sock.recv(n - len(out))
            if not got:
                raise ConnectionError
            out += got
        return out

    # ---- an honest beginning, up to where it is asked to stop

    def version(self, text=b"RFB 003.008\n"):
        self.send(text)
        return self.recv(12)

    def security(self):
        self.send(b"\x01\x01")
        self.recv(1)
        self.send(struct.pack(">I", 0))

    def init(self, width=320, height=200, name=b"liar", length=None):
        self.recv(1)
        form = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self.send(struct.pack(">HH", width, height), form,
                  struct.pack(">I", len(name) if length is None else length), name)

    def begin(self, **how):
        self.version()
        self.security()
        self.init(**how)

    def wait_request(self):
        """Reads up to the first FramebufferUpdateRequest."""
        while True:
            kind = self.recv(1)[0]
            if kind == 3:
                self.recv(9)
                return
            if kind == 2:
                self.recv(struct.unpack(">xH", self.recv(3))[0] * 4)
            else:
                self.recv({0: 19, 4: 7, 5: 5, 251: 23}[kind])

    def update(self, *rects, count=None):
        self.send(struct.pack(">BxH", 0, len(rects) if count is None else count), *rects)


def rect(x, y, w, h, encoding, data=b""):
    return struct.pack(">HHHHi", x, y, w, h, encoding) + data


class Liar(Server):
    """Every connection gets the case; port: a number as text."""

    def __init__(self, case):
        self.case = case
        super().__init__()

    def serve(self, peer):
        if self.case(Peer(peer)):
            while peer.recv(65536):
                pass


# ---- after the beginning: `what` is sent as the first update -----------------------------------------

def shows(*rects, count=None, keep=True, **how):
    def case(peer):
        peer.begin(**how)
        peer.wait_request()
        peer.update(*rects, count=count)
        return keep
    return case


def says(data, keep=True):
    def case(peer):
        peer.begin()
        peer.wait_request()
        peer.send(data)
        return keep
    return case


def honest(peer):
    peer.begin()
    peer.wait_request()
    peer.update(rect(0, 0, 320, 200, RAW, b"\x40\x80\xc0\x00" * (320 * 200)))
    return True


def hangs_up_after(*steps):
    def case(peer):
        for step in steps:
            getattr(peer, step)()
        return False
    return case


def silent_after(*steps):
    def case(peer):
        for step in steps:
            getattr(peer, step)()
        return True
    return case


def endless(peer):
    """One message that never ends: rectangles for ever."""
    peer.begin()
    peer.wait_request()
    peer.update(count=65535)
    one = rect(0, 0, 8, 8, RAW, b"\x10\x20\x30\x00" * 64) * 100
    while True:
        peer.send(one)
        time.sleep(0.05)


def trickle(peer):
    peer.begin()
    peer.wait_request()
    peer.update(rect(0, 0, 320, 200, RAW), count=1)
    while True:
        peer.send(b"\x55")
        time.sleep(0.3)


def compressed(raw, encoding=ZLIB, w=16, h=16):
    data = zlib.compress(raw, 9)
    return rect(0, 0, w, h, encoding, struct.pack(">I", len(data)) + data)


def zipped(raw):
    data = zlib.compress(raw)
    return struct.pack(">I", len(data)) + data


def tight_rows(w, h, rows):
    """Tight, basic compression, for many more rows than the rectangle has."""
    data = zlib.compress(b"\xa5" * (w * 3 * rows), 9)
    n = len(data)
    length = bytes([n & 0x7F | 0x80, n >> 7 & 0x7F | 0x80, n >> 14])
    return rect(0, 0, w, h, TIGHT, b"\x00" + length + data)
