"""The pointer that an X server really shows, by XFixes."""
import contextlib
import ctypes


class Image(ctypes.Structure):
    _fields_ = [("x", ctypes.c_short), ("y", ctypes.c_short), ("width", ctypes.c_ushort),
                ("height", ctypes.c_ushort), ("hot_x", ctypes.c_ushort), ("hot_y", ctypes.c_ushort),
                ("serial", ctypes.c_ulong), ("pixels", ctypes.POINTER(ctypes.c_ulong))]


class Pointer:
    """with Pointer(display) as p: p.shape()"""

    def __init__(self, display):
        self.x = ctypes.CDLL("libX11.so.6")
        self.fixes = ctypes.CDLL("libXfixes.so.3")
        self.x.XOpenDisplay.restype = ctypes.c_void_p
        self.x.XCloseDisplay.argtypes = self.x.XFree.argtypes = [ctypes.c_void_p]
        self.fixes.XFixesGetCursorImage.argtypes = [ctypes.c_void_p]
        self.fixes.XFixesGetCursorImage.restype = ctypes.POINTER(Image)
        self.display = self.x.XOpenDisplay(display.encode())
        assert self.display, display

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.x.XCloseDisplay(self.display)

    def shape(self):
        """(hot x, hot y, width, height, RGBA rows), alpha not multiplied in; what is not to be seen
        has no colour."""
        got = self.fixes.XFixesGetCursorImage(self.display)
        image = got.contents
        out = bytearray()
        for i in range(image.width * image.height):
            p = image.pixels[i]
            a = p >> 24 & 0xFF
            rgb = [min(255, c * 255 // a) if a else 0 for c in (p >> 16 & 255, p >> 8 & 255, p & 255)]
            out += bytes(rgb) + bytes([a])
        shape = image.hot_x, image.hot_y, image.width, image.height, bytes(out)
        self.x.XFree(ctypes.cast(got, ctypes.c_void_p))
        return shape
