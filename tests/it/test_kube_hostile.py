"""API servers that lie, hang or go away, and proxies on the way to one: whatever is said, the session
ends with a status and a sentence, and its process with it."""
import base64
import hashlib
import json
import struct
import unittest

import house
from between import Server, read_head
from house import PATIENCE, Guacd, wait
from kubefront import Proxy
from shellkit import Shell

TIMEOUT, ERROR, NOT_FOUND, CLOSED, UNAVAILABLE = 0x202, 0x203, 0x204, 0x206, 0x208
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]},
       "status": {"phase": "Running", "containerStatuses": [{"name": "c", "state": {"running": {}}}]}}
EXIT = {"status": "Failure", "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}


def frame(op, data, fin=True, length=None):
    n = len(data) if length is None else length
    head = bytes([(0x80 if fin else 0) | op])
    if n < 126:
        return head + bytes([n]) + data
    return head + (struct.pack(">BH", 126, n) if n < 65536 else struct.pack(">BQ", 127, n)) + data


def channel(number, data, **more):
    return frame(2, bytes([number]) + data, **more)


class Liar(Server):
    """Answers for the pod as an API server does, and then says what it is told to."""

    def __init__(self, after=b"", pod=None, upgrade=None, hold=True, protocol="v5.channel.k8s.io"):
        self.after, self.pod, self.upgrade, self.hold = after, pod, upgrade, hold
        self.protocol = protocol
        self.got, self.connections = b"", 0
        super().__init__()

    def serve(self, peer):
        self.connections += 1
        while head := read_head(peer):
            if b"Upgrade:" in head:
                self.upgraded(peer, head)
                return
            body = json.dumps(POD).encode()
            peer.sendall(self.pod if self.pod is not None else
                         b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if self.pod is not None and not self.hold:
                return

    def upgraded(self, peer, head):
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n")
                   if line.startswith(b"Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        peer.sendall(self.upgrade if self.upgrade is not None else (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: "
            + self.protocol.encode() + b"\r\n\r\n"))
        for piece in ([self.after] if isinstance(self.after, bytes) else self.after):
            peer.sendall(piece)
        while self.hold and (piece := peer.recv(65536)):
            self.got += piece


class Case(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, server, timeout="2", **values):
        given = dict(hostname="127.0.0.1", port=server.port, pod="p", exec_command="sh")
        given.update(values)
        self.addCleanup(server.close)
        c = Shell.tcp(self.guacd.port)
        self.addCleanup(c.close)
        c.connect_timeout = timeout
        return c.handshake("kubernetes", size=(800, 480, 96), client=("test", "text"), **given)

    def ends(self, server, status, words, **values):
        c = self.connect(server, **values)
        text, got = c.ended(20) or (c.text(), 0)
        self.assertIn(words, text)
        self.assertEqual(hex(got), hex(status), text)
        return c

    def tearDown(self):
        wait(lambda: not self.guacd.sessions(), 10 * PATIENCE, "a process goes on")
        super().tearDown()


class Liars(Case):
    def test_frames(self):
        for what, data in (("masked", b"\x82\x81abcdX"), ("reserved", b"\xc2\x01X"),
                           ("unknown", b"\x83\x01X"), ("continues", b"\x80\x01X"),
                           ("within", b"\x02\x01\x01" + b"\x82\x01\x01"),
                           ("control", b"\x89\x7e\x01\x00" + b"x" * 256),
                           ("negative", b"\x82\x7f" + b"\xff" * 8), ("half", b"\x88\x01x"),
                           ("text", frame(1, b"hello")), ("no channel", channel(9, b"x")),
                           ("too long", channel(3, b"x" * 70000)), ("masked", bytes(range(255, 0, -1)))):
            with self.subTest(what):
                c = self.connect(Liar(data))
                text, status = c.ended(20)
                self.assertEqual(hex(status), hex(ERROR), text)
                self.assertIn("does not speak as it should", text)

    def test_a_length_that_never_comes(self):
        """Claims of terabytes cost nothing; what comes is shown as it comes."""
        c = self.connect(Liar([channel(1, b"shown at once", length=1 << 40)]))
        c.see("shown at once")
        c.close()

    def test_pieces(self):
        """One byte a frame, one byte a packet, an empty first message, pings between."""
        text = b"a line in many pieces\r\n"
        frames = [b"\x02\x00", b"\x00\x01\x01"] + [frame(0, bytes([b]), fin=False) for b in text]
        frames[5:5] = [frame(9, b"are you there?")]
        frames += [b"\x80\x00", channel(1, b""), channel(3, json.dumps(EXIT).encode()), frame(8, b"\x03\xe8")]
        whole = b"".join(frames)
        server = Liar([bytes([b]) for b in whole])
        c = self.connect(server)
        c.see("a line in many pieces")
        c.see("The command ended with status 7.")
        self.assertIsNone(c.ended())
        self.assertIn(b"\x8a\x8e", server.got)   # the ping was answered by as long a pong

    def test_answers(self):
        for words, status, pod in (
                ("no API server", ERROR, b"SSH-2.0-OpenSSH_9.2\r\n"),
                ("no API server", ERROR, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
                ("no API server", ERROR, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
                ("no API server", ERROR, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40000),
                ("answers 500", ERROR, b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\noh no"),
                ("try again", UNAVAILABLE, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")):
            with self.subTest(words):
                self.ends(Liar(pod=pod), status, words)
        self.ends(Liar(pod=b"", hold=True), TIMEOUT, "does not answer")
        self.ends(Liar(pod=b"", hold=False), UNAVAILABLE, "without an answer")
        self.ends(Liar(upgrade=b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n"
                         b"Sec-WebSocket-Accept: wrong\r\n\r\n"), ERROR, "WebSocket")
        self.ends(Liar(protocol="v1.something"), ERROR, "v5.channel.k8s.io")

    def test_v4(self):
        c = self.connect(Liar(channel(1, b"old server"), protocol="v4.channel.k8s.io"))
        c.see("old server")
        c.close()

    def test_silence(self):
        """Pings that nobody answers."""
        server = Liar(channel(1, b"here"))
        c = self.connect(server, server_alive_interval="1")
        c.see("here")
        text, status = c.ended(20)
        self.assertEqual(hex(status), hex(TIMEOUT), text)
        self.assertIn(b"\x89\x84", server.got)

    def test_goes_away(self):
        self.ends(Liar(channel(1, b"here"), hold=False), CLOSED, "closed the connection")
        self.ends(Liar(frame(8, b"\x03\xf3going down")), CLOSED, "going down")


class Proxies(Case):
    def test_through(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        server = Liar(channel(1, b"through a proxy"))
        c = self.connect(server, proxy_hostname="127.0.0.1", proxy_port=proxy.port)
        c.see("through a proxy")
        c.close()
        self.assertEqual(proxy.asked, [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"])

    def test_refused(self):
        proxy = Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        self.addCleanup(proxy.close)
        self.ends(Liar(), UNAVAILABLE, "the proxy 127.0.0.1 answers 407",
                  proxy_hostname="127.0.0.1", proxy_port=proxy.port)


if __name__ == "__main__":
    unittest.main()
