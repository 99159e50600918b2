"""PNG, as far as a Guacamole daemon sends it, decoded to RGBA bytes with the standard library only.
Checks what a lenient decoder would let pass (CRCs, sizes), for our encoders are under test too."""
import struct
import zlib
from itertools import accumulate

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


class BadPng(ValueError):
    pass


def _need(condition, why):
    if not condition:
        raise BadPng(why)


def _chunks(data):
    _need(data[:8] == SIGNATURE, "no PNG signature")
    at = 8
    while at < len(data):
        _need(len(data) >= at + 12, "a chunk is cut off")
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        _need(len(body) == size and len(data) >= at + 12 + size, "a chunk is cut off")
        crc, = struct.unpack(">I", data[at + 8 + size:at + 12 + size])
        _need(crc == zlib.crc32(kind + body), f"wrong CRC of {kind}")
        yield kind, body
        at += 12 + size
    _need(at == len(data), "bytes behind the last chunk")


def _paeth(row, above, bpp):
    out = bytearray(len(row))
    for i, value in enumerate(row):
        a = out[i - bpp] if i >= bpp else 0
        b = above[i]
        c = above[i - bpp] if i >= bpp else 0
        p = a + b - c
        pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
        best = a if pa <= pb and pa <= pc else b if pb <= pc else c
        out[i] = (value + best) & 255
    return out


def _average(row, above, bpp):
    out = bytearray(len(row))
    for i, value in enumerate(row):
        left = out[i - bpp] if i >= bpp else 0
        out[i] = (value + (left + above[i] >> 1)) & 255
    return out


def _sub(row, bpp):
    out = bytearray(len(row))
    for c in range(bpp):
        out[c::bpp] = bytes(accumulate(row[c::bpp], lambda a, b: (a + b) & 255))
    return out


def _rows(raw, height, stride, bpp):
    _need(len(raw) == height * (stride + 1), "pixel data of the wrong length")
    above = bytes(stride)
    for y in range(height):
        at = y * (stride + 1)
        kind, row = raw[at], raw[at + 1:at + 1 + stride]
        if kind == 1:
            row = _sub(row, bpp)
        elif kind == 2:
            row = bytes([(a + b) & 255 for a, b in zip(row, above)])
        elif kind == 3:
            row = _average(row, above, bpp)
        elif kind == 4:
            row = _paeth(row, above, bpp)
        else:
            _need(kind == 0, f"filter {kind}")
        above = row
        yield row


def _samples(row, width, depth):
    """One byte a sample, for 1, 2 and 4 bits."""
    per, mask = 8 // depth, (1 << depth) - 1
    out = bytearray(len(row) * per)
    for k in range(per):
        shift = 8 - depth * (k + 1)
        out[k::per] = bytes((b >> shift) & mask for b in row)
    return out[:width]


def _to_rgba(row, width, depth, color, palette, transparency):
    if depth == 16:
        _need(not transparency, "tRNS with 16 bits is not sent")
        row, depth = row[::2], 8
    if depth < 8:
        row = _samples(row, width, depth)
        if color == 0:
            row = bytes(v * 255 // ((1 << depth) - 1) for v in row)
    out = bytearray(b"\xff") * (4 * width)
    if color == 3:
        _need(max(row) < len(palette), "a colour beyond the palette")
        for c in range(4):
            out[c::4] = row.translate(bytes(p[c] for p in palette) + bytes(256 - len(palette)))
    elif color in (0, 4):
        step = CHANNELS[color]
        out[0::4] = out[1::4] = out[2::4] = row[0::step]
        if color == 4:
            out[3::4] = row[1::2]
    else:
        step = CHANNELS[color]
        for c in range(step):
            out[c::4] = row[c::step]
    if transparency and color in (0, 2):
        key = bytes(transparency[1::2] if color == 2 else transparency[1:2] * 3)
        for x in range(width):
            if out[4 * x:4 * x + 3] == key:
                out[4 * x + 3] = 0
    return out


def decode(data):
    """(width, height, RGBA)."""
    header = palette = transparency = None
    packed, ended = b"", False
    for kind, body in _chunks(data):
        _need(not ended, "chunks behind IEND")
        if header is None:
            _need(kind == b"IHDR" and len(body) == 13, "IHDR is not first")
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"PLTE":
            palette = [(*body[i:i + 3], 255) for i in range(0, len(body), 3)]
        elif kind == b"tRNS":
            transparency = body
        elif kind == b"IDAT":
            packed += body
        elif kind == b"IEND":
            ended = True
        else:
            _need(kind[0] & 32, f"unknown critical chunk {kind}")
    _need(header and ended, "no IHDR or no IEND")
    width, height, depth, color, compression, filtering, interlace = header
    _need(0 < width <= 32767 and 0 < height <= 32767, "an empty or enormous picture")
    _need(color in CHANNELS and not (compression or filtering or interlace), "an unusual picture")
    if color == 3:
        _need(palette and depth <= 8, "no palette")
        for i, alpha in enumerate(transparency or b""):
            palette[i] = (*palette[i][:3], alpha)
    inflate = zlib.decompressobj()
    raw = inflate.decompress(packed)
    _need(inflate.eof and not inflate.unused_data, "IDAT ends early or late")
    bits = CHANNELS[color] * depth
    stride, bpp = (width * bits + 7) // 8, max(1, bits // 8)
    out = bytearray()
    for row in _rows(raw, height, stride, bpp):
        out += _to_rgba(row, width, depth, color, palette, transparency)
    return width, height, bytes(out)


def encode(width, height, rgba):
    """For artefacts of failed tests."""
    raw = b"".join(b"\0" + rgba[y * width * 4:(y + 1) * width * 4] for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return (SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b""))
