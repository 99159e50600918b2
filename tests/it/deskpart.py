"""What the parts of tests/parts that show a desktop have in common, and how pictures of one are
compared."""
import os
import shutil
import struct
import subprocess
import tempfile

import house


class Servers:
    """A part, started once for a test file: its environment by name, its verbs."""

    def __init__(self, part, *options):
        self.script = house.need_part(part)
        self.dir = tempfile.mkdtemp(prefix=part[:4], dir="/tmp")
        self.env = {}
        done = subprocess.run([self.script, "start", self.dir, *options], capture_output=True,
                              text=True, check=False,
                              env={**os.environ, "PART_OWNER": str(os.getpid())})
        if done.returncode:
            self.stop()
            raise AssertionError(done.stderr)
        with open(os.path.join(self.dir, "env")) as f:
            for line in f:
                name, _, value = line.rstrip("\n").partition("=")
                self.env[name] = value.strip("'")

    def __getitem__(self, name):
        return self.env[name]

    def stop(self):
        subprocess.run([self.script, "stop", self.dir], capture_output=True, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def verb(self, verb, *args, **options):
        return subprocess.run([self.script, verb, self.dir, *args], capture_output=True,
                              check=True, **options)

    def picture(self, *args):
        """(width, height, RGB) of what the screen really shows."""
        path = os.path.join(self.dir, "shot.xwd")
        self.verb("shot", *args, path)
        with open(path, "rb") as f:
            return read_xwd(f.read())


def spawn_on(display, *argv, **options):
    """An X client there, which gets no input."""
    return subprocess.Popen(argv, env={**os.environ, "DISPLAY": display}, stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def read_xwd(data):
    head = struct.unpack(">25I", data[:100])
    size, _, _, _, width, height, _, order, _, _, _, bits, line = head[:13]
    assert bits == 32 and order == 0, f"{bits} bits, byte order {order}"
    at = size + head[19] * 12
    out = bytearray(width * height * 3)
    for y in range(height):
        row = data[at + y * line:at + y * line + width * 4]
        base = y * width * 3
        for c in range(3):
            out[base + c:base + width * 3:3] = row[2 - c::4]
    return width, height, bytes(out)


def rgb(canvas):
    width, height, rgba = canvas.picture()
    out = bytearray(width * height * 3)
    for c in range(3):
        out[c::3] = rgba[c::4]
    return width, height, bytes(out)


def unlike(a, b):
    """None when two (width, height, RGB) are the same, else a sentence."""
    if a[:2] != b[:2]:
        return f"{a[0]}x{a[1]} against {b[0]}x{b[1]}"
    if a[2] == b[2]:
        return None
    wrong = [i // 3 for i in range(0, len(a[2]), 3) if a[2][i:i + 3] != b[2][i:i + 3]]
    x, y = wrong[0] % a[0], wrong[0] // a[0]
    at = wrong[0] * 3
    return (f"{len(wrong)} pixels differ, the first at {x},{y}: {tuple(a[2][at:at + 3])} "
            f"against {tuple(b[2][at:at + 3])}")


def psnr(a, b):
    """In RGB, dB; 99 for equal ones."""
    import math
    assert a[:2] == b[:2], (a[:2], b[:2])
    error = sum((x - y) ** 2 for x, y in zip(a[2], b[2])) / len(a[2])
    return 99.0 if error == 0 else 10 * math.log10(255 ** 2 / error)
