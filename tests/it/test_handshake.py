"""The handshake of every version, and what becomes of clients that do it wrong: each gets its
status, and a session beside it notices nothing."""
import time
import unittest

import guac
import house
from house import Guacd, PATIENCE, wait

BAD, OVERRUN, TIMEOUT = 0x300, 0x30D, 0x308
UNSUPPORTED, NOT_FOUND, UNAUTHORIZED = 0x100, 0x204, 0x301


class Versions(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def client(self, **options):
        return guac.Client.tcp(self.guacd.port, **options)

    def test_all_of_them(self):
        for version in (None, "VERSION_1_0_0", "VERSION_1_1_0", "VERSION_1_2_0", "VERSION_1_3_0",
                        "VERSION_1_4_0", "VERSION_1_5_0", "VERSION_2_0_0"):
            with self.subTest(version=version):
                c = self.client().handshake("demo", version=version)
                self.assertRegex(c.id, r"^\$[0-9a-f-]{36}$")
                self.assertEqual(c.args[0], "VERSION_1_5_0")
                c.settle()
                self.assertEqual(c.canvas.picture()[:2], (640, 480))
                c.close()

    def test_oldest_client_says_only_size_and_connect(self):
        c = self.client()
        c.raw(guac.encode("select", "demo"))
        args = c.expect("args")
        c.send("size", 320, 200)
        c.send("connect", *[""] * (len(args) - 1))
        c.expect("ready")
        c.settle()
        self.assertEqual(c.canvas.picture()[:2], (320, 200))

    def test_in_pieces_and_in_one(self):
        """Byte by byte, and everything at once, unknown opcodes and empty ones between."""
        probe = self.client()
        probe.send("select", "demo")
        count = len(probe.expect("args")) - 1
        probe.close()
        talk = (guac.encode("", "ping", 123) + guac.encode("select", "demo") +
                guac.encode("size", 200, 100, 96) + guac.encode("x-unknown", "ü😀") +
                guac.encode("", "ping", 456) + guac.encode("name", "Zoë 😀") +
                guac.encode("connect", "VERSION_1_5_0", *[""] * (count - 1)))
        for step in (1, 7, len(talk)):
            with self.subTest(step=step):
                c = self.client()
                for at in range(0, len(talk), step):
                    c.sock.sendall(talk[at:at + step])
                c.expect("ready")
                c.settle()
                self.assertEqual(c.canvas.picture()[:2], (200, 100))
                c.close()

    def test_window_sizes(self):
        """0, negative, huge, nonsense: clamped, at connect and later, never an abort."""
        for size, want in [((0, 0, 0), (1, 1)), ((-5, -5, -5), (1, 1)), ((1, 8193, 96), (1, 8192)),
                           (("9" * 30, 1, "9" * 30), (8192, 1)), (("a", "b", "c"), (640, 480))]:
            with self.subTest(size=size):
                c = self.client().handshake("demo", size=size)
                c.settle()
                self.assertEqual(c.canvas.picture()[:2], want)
                c.close()
        c = self.client().handshake("demo", size=(300, 200, 96))
        c.settle()
        for size, want in [((0, 0), (1, 1)), ((-1, 99999), (1, 8192)), ((310, 210), (310, 210))]:
            c.send("size", *size)
            c.pump(lambda want=want: c.canvas.picture()[:2] == want, why=str(want))
        self.assertIsNone(c.error)

    def test_required(self):
        """Asked for what is missing, by name; a client older than 1.3.0 cannot be asked."""
        both = self.client().handshake("demo", ask="true", version="VERSION_1_3_0")
        both.pump(lambda: both.required)
        self.assertEqual(sorted(both.required), ["password", "username"])
        both.answer_required(password="geheim ü;,")
        both.pump(timeout=0.3)
        both.answer_required(username="a")
        both.settle()
        self.assertIsNone(both.error)
        old = self.client().handshake("demo", ask="true", version="VERSION_1_1_0")
        old.pump(lambda: old.closed)
        self.assertEqual(old.error[1], UNAUTHORIZED)

    def test_argv_changes_live_parameters_only(self):
        c = self.client().handshake("demo", color="#102030")
        c.settle()
        self.assertEqual(c.canvas.pixel(0, 0), (0x10, 0x20, 0x30, 255))
        c.stream("argv", "text/plain", "color", data=b"#a0b0c0")
        c.pump(lambda: c.canvas.pixel(0, 0) == (0xA0, 0xB0, 0xC0, 255))
        for name, value in [("hostname", b"10.0.0.1"), ("no-such", b"1"), ("fps", b"1e9")]:
            c.stream("argv", "text/plain", name, data=value)
        c.settle()
        self.assertEqual(c.canvas.pixel(0, 0), (0xA0, 0xB0, 0xC0, 255))
        self.assertIsNone(c.error)

    def test_backend_that_fails(self):
        for status in (0x203, 0x207, 0x208, 0x301):
            c = self.client().handshake("demo", fail=str(status))
            c.pump(lambda c=c: c.closed)
            self.assertEqual(c.error[1], status)

    def test_target_that_ends(self):
        c = self.client().handshake("demo", duration="300")
        c.pump(lambda: c.closed)
        self.assertIsNone(c.error)
        self.assertEqual(c.log[-1], ["disconnect"])


class Wrong(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)
        self.neighbour = guac.Client.tcp(self.guacd.port).handshake("demo", fps="25")

    def refused(self, talk, status):
        c = guac.Client.tcp(self.guacd.port)
        try:
            c.sock.sendall(talk)
        except OSError:
            pass  # it may be refused half-way
        guac.pump([c, self.neighbour], lambda: c.closed, 5 * PATIENCE, f"{talk[:60]!r} stays")
        self.assertIsNotNone(c.error, talk[:60])
        self.assertEqual(f"{c.error[1]:x}", f"{status:x}", (talk[:60], c.error))
        self.assertTrue(c.error[0].isascii() and c.error[0])
        c.close()

    def undisturbed(self):
        before = len(self.neighbour.syncs)
        self.neighbour.pump(lambda: len(self.neighbour.syncs) > before + 10)

    def test_in_the_handshake(self):
        select = guac.encode("select", "demo")
        for talk, status in [
                (b"GET / HTTP/1.1\r\n\r\n", BAD), (b"\x16\x03\x01\x02\x00\x01", BAD),
                (b";", BAD), (b"3,nop;", BAD), (b"x.nop;", BAD), (b"-3.nop;", BAD),
                (b"4294967302.select,4.demo;", BAD), (b"18446744073709551622.select,4.demo;", BAD),
                (b"000006.select,4.demo;", BAD), (b"6.selec,4.demo;", BAD),
                (b"6.select,3.demo;", BAD), (b"6.select,4.\xff\xfe\xfd\xfc;", BAD),
                (b"9000." + b"x" * 9000, OVERRUN),
                (b"6.select" + b",1.x" * 200 + b";", OVERRUN),
                (b"3.nop" + b",8000.".join([b""] + [b"x" * 8000] * 6) + b";", OVERRUN),
                (guac.encode("connect", "VERSION_1_5_0"), BAD),
                (guac.encode("size", 1, 1, 1), BAD), (guac.encode("select"), BAD),
                (guac.encode("select", ""), BAD), (guac.encode("select", "a", "b"), BAD),
                (guac.encode("select", "x" * 100), BAD),
                (guac.encode("select", "../../../tmp/evil"), UNSUPPORTED),
                (guac.encode("select", "telnet"), UNSUPPORTED),
                (guac.encode("select", "$" + "0" * 36), NOT_FOUND),
                (guac.encode("select", "$0192f0c1-2345-7abc-8def-0123456789ab"), NOT_FOUND),
                (guac.encode("select", "$../guacd"), NOT_FOUND),
                (select + select, BAD), (select + guac.encode("connect"), BAD),
                (select + guac.encode("connect", "VERSION_1_5_0", "", ""), BAD)]:
            with self.subTest(talk=talk[:50]):
                self.refused(talk, status)
        self.undisturbed()

    def test_wrong_values(self):
        for name, value in [("read_only", "maybe"), ("hostname", "a\nb")]:
            with self.subTest(name=name), self.assertRaises(guac.Refused) as r:
                guac.Client.tcp(self.guacd.port).handshake("demo", **{name: value})
            self.assertEqual(r.exception.status, BAD)
            self.assertIn(name.replace("_", "-"), r.exception.text)
        # Stock guacd takes its default for numbers it cannot read, and templates rely on it.
        c = guac.Client.tcp(self.guacd.port).handshake("demo", fps="many", clipboard_buffer_size="x")
        c.settle()
        self.assertIsNone(c.error)

    def test_once_connected(self):
        for talk, status in [
                (b"garbage", BAD), (b"000004.sync,1.1;", BAD), (b"99999.", OVERRUN),
                (guac.encode("key", "a", "b"), BAD), (guac.encode("key"), BAD),
                (guac.encode("mouse", "x", "y", "z"), BAD), (guac.encode("size", "x"), BAD),
                (b"3.nop" + b",8000.".join([b""] + [b"x" * 8000] * 6) + b";", OVERRUN)]:
            with self.subTest(talk=talk[:50]):
                c = guac.Client.tcp(self.guacd.port).handshake("demo")
                c.raw(talk)
                guac.pump([c, self.neighbour], lambda c=c: c.closed, 5 * PATIENCE)
                self.assertEqual(c.error and c.error[1], status)
        self.undisturbed()

    def test_harmless_once_connected(self):
        """Unknown opcodes, streams nobody opened, coordinates from nowhere."""
        c = guac.Client.tcp(self.guacd.port).handshake("demo")
        for talk in [("",), ("", "ping", "1"), ("nest", "1", "x"), ("select", "demo"),
                     ("blob", "77", "QUJD"), ("end", "77"), ("ack", "99", "OK", "0"),
                     ("get", "0", "/"), ("put", "0", "1", "text/plain", "x"),
                     ("mouse", "-100", "99999", "0"), ("mouse", "10.75", "20.25", "1"),
                     ("sync", "0"), ("sync", "-1"), ("sync", "999999999999999"),
                     ("file", "3", "text/plain", "x"), ("audio", "4", "audio/L16"),
                     ("key", "65", "1"), ("key", "65", "0")]:
            c.send(*talk)
        c.settle()
        self.assertIsNone(c.error)
        self.assertFalse(c.closed)

    def test_silence_in_the_handshake(self):
        """15 s, then a word and the end; nobody waits for it but its own process."""
        began = time.monotonic()
        c = guac.Client.tcp(self.guacd.port)
        c.keep_alive = False
        c.send("select", "demo")
        guac.pump([c, self.neighbour], lambda: c.closed, 20 * PATIENCE)
        self.assertEqual(c.error[1], TIMEOUT)
        self.assertGreater(time.monotonic() - began, 14.5)
        self.undisturbed()

    def test_silence_once_connected(self):
        """Keep-alives come each 5 s; who says nothing for 15 s is gone, and his session with him."""
        began = time.monotonic()
        c = guac.Client.tcp(self.guacd.port, answer=False).handshake("demo")
        c.keep_alive = False
        guac.pump([c, self.neighbour], lambda: c.closed, 20 * PATIENCE)
        self.assertGreater(time.monotonic() - began, 14.5)
        self.assertGreaterEqual(c.log.count(["nop"]), 2)
        wait(lambda: len(self.guacd.sessions()) == 1, 5 * PATIENCE, "the session stays")
        self.undisturbed()


if __name__ == "__main__":
    unittest.main()
