"""Somebody between the gateway and a real RDP server who does his worst with what the server says. The
shadow server's plain security encrypts nothing, so its messages can be taken apart."""
import random
import socket
import struct
import threading
import time

from between import Server, carry, shut

CUT, HALF = object(), object()


class Between(Server):
    """act(i, message) gives what is passed on instead of the server's i-th message: bytes, CUT (hang up
    before it) or HALF (in its middle)."""

    def __init__(self, target, act):
        self.target, self.act = target, act
        self.count, self.moved = 0, time.monotonic()
        super().__init__()

    def stuck(self):
        """Both sides wait for each other."""
        return self.count and time.monotonic() - self.moved > 1.5

    def serve(self, peer):
        far = self.dial(self.target)
        threading.Thread(target=carry, args=(peer, far), daemon=True).start()
        self.relay(far, peer)
        shut(far)

    def relay(self, far, near):
        data = b""
        try:
            while got := far.recv(65536):
                data += got
                while (n := size_of(data)) and len(data) >= n:
                    message, data = data[:n], data[n:]
                    if not self.pass_on(near, message):
                        return
        except OSError:
            pass

    def pass_on(self, near, message):
        out = self.act(self.count, message)
        self.count, self.moved = self.count + 1, time.monotonic()
        if out is CUT or out is HALF:
            if out is HALF:
                near.sendall(message[:len(message) // 2])
            near.shutdown(socket.SHUT_RDWR)
            return False
        near.sendall(out)
        return True


def size_of(data):
    """Of the message at the beginning (TPKT, or fast path); 0: not enough of it is there."""
    if len(data) < 4:
        return 0
    if data[0] == 3:
        return struct.unpack(">H", data[2:4])[0]
    return (data[1] & 0x7F) << 8 | data[2] if data[1] & 0x80 else data[1]


def cut(at, how=CUT):
    return lambda i, m: how if i == at else m


def then_cut(at, worst):
    """Does that to one message, and hangs up soon after: what waits for more would wait for long."""
    return lambda i, m: worst(m) if i == at else CUT if i > at + 2 else m


def lies(at, length):
    """About its own length."""
    def worst(m):
        if m[0] == 3:
            return m[:2] + struct.pack(">H", length) + m[4:]
        return m[:1] + struct.pack(">H", 0x8000 | length & 0x7FFF) + m[3:]
    return then_cut(at, worst)


def inner(at, value):
    """Every length inside it is that: all 16-bit words behind the head."""
    def worst(m):
        words = max(0, len(m) - 12) // 2
        return m[:12] + value * words + m[12 + words * 2:]
    return then_cut(at, worst)


def garbage(at):
    dice = random.Random(at)
    return lambda i, m: dice.randbytes(70000) if i == at else m


def again(at):
    """The same a thousand times."""
    return lambda i, m: m * 1000 if i == at else m


def flips(seed, first=0):
    dice = random.Random(seed)

    def act(i, m):
        if i < first or dice.random() < 0.5:
            return m
        out = bytearray(m)
        for _ in range(dice.randint(1, 4)):
            out[dice.randrange(4, len(out)) if len(out) > 4 else 0] = dice.randrange(256)
        return bytes(out)
    return act
