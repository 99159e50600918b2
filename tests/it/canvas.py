"""What a Guacamole client shows, pixel by pixel: layers, buffers, and the drawing instructions our
daemons use, with the meaning they have in guacamole-common-js. So tests can say "exactly"."""
import functools
import zlib

import png

# Porter-Duff factors by channel mask: what the source counts, what the destination counts.
ONE, ZERO, SRC_A, DST_A, NOT_SRC_A, NOT_DST_A = range(6)
MASKS = {
    0x1: (ZERO, SRC_A), 0x2: (ZERO, NOT_SRC_A), 0x4: (DST_A, ZERO), 0x6: (DST_A, NOT_SRC_A),
    0x8: (NOT_DST_A, ZERO), 0x9: (NOT_DST_A, SRC_A), 0xA: (NOT_DST_A, NOT_SRC_A),
    0xB: (NOT_DST_A, ONE), 0xC: (ONE, ZERO), 0xE: (ONE, NOT_SRC_A), 0xF: (ONE, ONE),
}
SRC, OVER = 0xC, 0xE


def _factor(kind, sa, da):
    return (255, 0, sa, da, 255 - sa, 255 - da)[kind]


def _mix(src, dst, mask):
    """One pixel, not premultiplied."""
    fs, fd = (_factor(k, src[3], dst[3]) for k in MASKS[mask])
    alpha = min(255, (src[3] * fs + dst[3] * fd + 127) // 255)
    if not alpha:
        return b"\0\0\0\0"
    rgb = (min(255, (s * src[3] * fs + d * dst[3] * fd) // (255 * alpha))
           for s, d in zip(src[:3], dst[:3]))
    return bytes((*rgb, alpha))


@functools.lru_cache(maxsize=256)
def _decode(data):
    width, height, rgba = png.decode(data)
    return width, height, rgba, rgba[3::4].count(255) == width * height


class Layer:
    def __init__(self, autosize):
        self.width = self.height = 0
        self.data = bytearray()
        self.autosize = autosize
        self.path = []
        self.parent, self.x, self.y, self.z, self.opacity = 0, 0, 0, 0, 255

    def resize(self, width, height):
        if (width, height) == (self.width, self.height):
            return
        fresh = bytearray(width * height * 4)
        keep = min(width, self.width) * 4
        for y in range(min(height, self.height)):
            fresh[y * width * 4:y * width * 4 + keep] = \
                self.data[y * self.width * 4:y * self.width * 4 + keep]
        self.width, self.height, self.data = width, height, fresh

    def row(self, y, x, width):
        at = (y * self.width + x) * 4
        return self.data[at:at + width * 4]

    def draw(self, mask, x, y, width, height, rows, opaque):
        """rows(i) gives row i of the source, `width` pixels of RGBA."""
        if self.autosize:
            self.resize(max(self.width, x + width), max(self.height, y + height))
        if mask == SRC:  # as on an HTML canvas: all that is not covered goes
            source = [rows(i) for i in range(height)]
            self.data = bytearray(len(self.data))
            rows, opaque = source.__getitem__, True
        left, right = max(0, x), min(self.width, x + width)
        if left >= right:
            return
        for i in range(max(0, -y), min(height, self.height - y)):
            src = rows(i)[(left - x) * 4:(right - x) * 4]
            at = ((y + i) * self.width + left) * 4
            if mask != SRC and not (mask == OVER and opaque):
                dst = self.data[at:at + len(src)]
                src = b"".join(_mix(src[k:k + 4], dst[k:k + 4], mask)
                               for k in range(0, len(src), 4))
            self.data[at:at + len(src)] = src


class Canvas:
    """Feed it instructions as lists of strings; it ignores what does not draw."""

    def __init__(self):
        self.layers = {}
        self.images = {}
        self.cursor = None
        self.counts = {}
        self.bytes = 0
        self.lossy = []  # mimetypes of pictures that were not taken

    def layer(self, index):
        if index not in self.layers:
            self.layers[index] = Layer(index < 0)
        return self.layers[index]

    def apply(self, instr):
        handler = getattr(self, "do_" + instr[0], None) if instr[0].isalpha() else None
        if handler:
            self.counts[instr[0]] = self.counts.get(instr[0], 0) + 1
            handler(*instr[1:])
        return handler is not None

    def do_size(self, layer, width, height):
        self.layer(int(layer)).resize(int(width), int(height))

    def do_move(self, layer, parent, x, y, z):
        it = self.layer(int(layer))
        it.parent, it.x, it.y, it.z = int(parent), int(x), int(y), int(z)

    def do_shade(self, layer, opacity):
        self.layer(int(layer)).opacity = int(opacity)

    def do_dispose(self, layer):
        self.layers.pop(int(layer), None)

    def do_rect(self, layer, x, y, width, height):
        self.layer(int(layer)).path.append(tuple(map(int, (x, y, width, height))))

    def do_cfill(self, mask, layer, r, g, b, a):
        it = self.layer(int(layer))
        pixel = bytes(map(int, (r, g, b, a)))
        for x, y, width, height in it.path:
            row = pixel * width
            it.draw(int(mask), x, y, width, height, lambda i, row=row: row, int(a) == 255)
        it.path = []

    def do_copy(self, src, sx, sy, width, height, mask, dst, dx, dy):
        src, dst = self.layer(int(src)), self.layer(int(dst))
        sx, sy, width, height, dx, dy = map(int, (sx, sy, width, height, dx, dy))
        width, height = min(width, src.width - sx), min(height, src.height - sy)
        if width <= 0 or height <= 0:
            return
        rows = [bytes(src.row(sy + i, sx, width)) for i in range(height)]
        opaque = all(r[3::4].count(255) == width for r in rows)
        dst.draw(int(mask), dx, dy, width, height, rows.__getitem__, opaque)

    def do_img(self, stream, mask, layer, mimetype, x, y):
        self.images[stream] = (int(mask), int(layer), mimetype, int(x), int(y), bytearray())

    def do_cursor(self, x, y, layer, sx, sy, width, height):
        it = self.layer(int(layer))
        sx, sy, width, height = map(int, (sx, sy, width, height))
        rows = [bytes(it.row(sy + i, sx, width)) for i in range(height)]
        self.cursor = (int(x), int(y), width, height, b"".join(rows))

    def blob(self, stream, data):
        """False: not a picture's stream."""
        if stream not in self.images:
            return False
        self.images[stream][5].extend(data)
        self.bytes += len(data)
        return True

    def end(self, stream):
        if stream not in self.images:
            return False
        mask, layer, mimetype, x, y, data = self.images.pop(stream)
        if mimetype != "image/png":
            self.lossy.append(mimetype)
            return True
        width, height, rgba, opaque = _decode(bytes(data))
        self.layer(layer).draw(mask, x, y, width, height,
                               lambda i: rgba[i * width * 4:(i + 1) * width * 4], opaque)
        return True

    def picture(self):
        """(width, height, RGBA) of what is to be seen: layer 0 with the visible layers on it."""
        base = self.layer(0)
        if len(self.layers) == 1 or not any(i > 0 for i in self.layers):
            return base.width, base.height, bytes(base.data)
        out = Layer(False)
        out.resize(base.width, base.height)
        out.data[:] = base.data
        self._stack(out, 0, 0, 0)
        return out.width, out.height, bytes(out.data)

    def _stack(self, out, parent, x0, y0):
        above = sorted((i for i in self.layers if i > 0 and self.layers[i].parent == parent),
                       key=lambda i: (self.layers[i].z, i))
        for i in above:
            it = self.layers[i]
            if it.opacity == 255 and it.width and it.height:
                rows = [bytes(it.row(y, 0, it.width)) for y in range(it.height)]
                opaque = all(r[3::4].count(255) == it.width for r in rows)
                out.draw(OVER, x0 + it.x, y0 + it.y, it.width, it.height, rows.__getitem__, opaque)
            self._stack(out, i, x0 + it.x, y0 + it.y)

    def crc(self):
        width, height, rgba = self.picture()
        return zlib.crc32(rgba, width * 65536 + height)

    def pixel(self, x, y):
        width, _, rgba = self.picture()
        at = (y * width + x) * 4
        return tuple(rgba[at:at + 4])


def difference(a, b):
    """None when two canvases show the same; else a sentence."""
    (wa, ha, da), (wb, hb, db) = a.picture(), b.picture()
    if (wa, ha) != (wb, hb):
        return f"{wa}x{ha} against {wb}x{hb}"
    if da == db:
        return None
    wrong = [i // 4 for i in range(0, len(da), 4) if da[i:i + 4] != db[i:i + 4]]
    x, y = wrong[0] % wa, wrong[0] // wa
    at = wrong[0] * 4
    return (f"{len(wrong)} pixels differ, the first at {x},{y}: "
            f"{tuple(da[at:at + 4])} against {tuple(db[at:at + 4])}")
