"""The log over all sessions, read without a line of the project's own code: tiles, entries,
checkpoint, RFC 6962 hashes and proofs. `get(key)` is how objects are fetched: bytes or None."""
import base64
import hashlib
import json
import struct


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node(a, b):
    return hashlib.sha256(b"\1" + a + b).digest()


def root(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node(root(hashes[:k]), root(hashes[k:]))


def tile_name(level, n, width=256):
    parts = [f"{n % 1000:03d}"]
    while n >= 1000:
        n //= 1000
        parts.insert(0, f"x{n % 1000:03d}")
    return f"tile/{level}/{'/'.join(parts)}" + (f".p/{width}" if width < 256 else "")


def bundle(data):
    out = []
    while data:
        n, = struct.unpack(">H", data[:2])
        assert len(data) >= 2 + n
        out.append(data[2:2 + n])
        data = data[2 + n:]
    return out


def head(data):
    """(size, root, base, entries from base on) of log/head."""
    magic = b"guac-log-head-1\n"
    assert data.startswith(magic)
    size, base = struct.unpack(">QQ", data[16:32])
    top = data[32:64]
    levels, at = data[64], 65
    for _ in range(levels):
        count, = struct.unpack(">H", data[at:at + 2])
        at += 2 + 32 * count
    count, = struct.unpack(">H", data[at:at + 2])
    entries = bundle(data[at + 2:])
    assert len(entries) == count and base + count == size
    return size, top, base, entries


class Log:
    def __init__(self, get, bucket="guacamole-recordings"):
        self.get, self.bucket = get, bucket

    def entries(self):
        """Every leaf, from full tiles and the head; the head's root is checked."""
        data = self.get(f"{self.bucket}-head/log/head")
        if data is None:
            return []
        size, top, base, tail = head(data)
        out = []
        for n in range(base // 256):
            full = bundle(self.get(f"{self.bucket}/log/" + tile_name("entries", n)))
            assert len(full) == 256
            hashes = self.get(f"{self.bucket}/log/" + tile_name(0, n))
            assert hashes == b"".join(map(leaf_hash, full))
            out += full
        out += tail
        assert len(out) == size
        assert root([leaf_hash(x) for x in out]) == top, "the head's root is not the tree's"
        return out

    def leaves(self):
        return [json.loads(x) for x in self.entries()]

    def checkpoint(self):
        """(origin, size, root, note) of the newest signed one."""
        data = self.get(f"{self.bucket}-head/log/checkpoint")
        if data is None:
            return None
        lines = data.decode().split("\n")
        return lines[0], int(lines[1]), base64.b64decode(lines[2]), data
