"""A Guacamole client in the standard library: any version of the handshake, over TCP, TLS or a Unix
socket with descriptors, and a canvas. One thread serves any number of clients by pump(), so that a
test decides who reads, who answers and who is slow."""
import base64
import json
import select
import socket
import ssl
import struct
import time

import house
from canvas import Canvas

NOP_EVERY = 5.0


class Closed(Exception):
    """The daemon hung up before what was waited for came."""


class Refused(Exception):
    """`error` came."""

    def __init__(self, text, status):
        super().__init__(f"{text} (0x{status:04X})")
        self.text, self.status = text, status


def encode(*elements):
    out = []
    for e in elements:
        e = e if isinstance(e, str) else str(e)
        out.append(f"{len(e)}.{e}")
    return (",".join(out) + ";").encode()


class Parser:
    """Strict: what our daemons send has to be right to the byte."""

    def __init__(self):
        self.data = b""

    def feed(self, data):
        self.data += data
        at = 0
        while True:
            got, end = self._one(at)
            if got is None:
                break
            at = end
            yield got
        self.data = self.data[at:]

    def _one(self, at):
        data, out, start = self.data, [], at
        while True:
            dot = data.find(b".", at, at + 7)
            if dot < 0:
                assert len(data) - at < 7, f"no length in {data[at:at + 40]!r}"
                return None, 0
            digits = data[at:dot]
            assert digits.isdigit() and len(digits) <= 5, f"length {digits!r}"
            count = int(digits)
            assert count <= 8192, f"an element of {count} characters"
            end = dot + 1 + count
            piece = data[dot + 1:end]
            if not piece.isascii():
                end = self._end(dot + 1, count)
                if end is None:
                    return None, 0
                piece = data[dot + 1:end]
            if end >= len(data):
                assert len(data) - start <= 32768, "an instruction beyond 32 KiB"
                return None, 0
            out.append(piece.decode())
            assert len(out) <= 128, "more than 128 elements"
            mark = data[end:end + 1]
            at = end + 1
            if mark == b";":
                return out, at
            assert mark == b",", f"element of {count} ends in {mark!r}: {piece[:60]!r}"

    def _end(self, at, count):
        """Where `count` characters of UTF-8 end; None when they are not all there."""
        for _ in range(count):
            if at >= len(self.data):
                return None
            lead = self.data[at]
            at += 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        return at if at <= len(self.data) else None


class Client:
    """Attributes a test looks at: id, version, args (names asked for), canvas, syncs (timestamps),
    log (all instructions but drawing), error (text, status), closed, required, messages,
    clipboard (mimetype, bytes), pipes and streams {name: bytes}."""

    def __init__(self, sock, answer=True, draw=True):
        self.sock = sock
        self.answer = answer        # sync
        self.keep_alive = True
        self.draw = draw
        self.canvas = Canvas()
        self.parser = Parser()
        self.out = b""
        self.waiting = []           # parsed, not handled yet
        self.log, self.syncs, self.frames = [], [], {}
        self.hash_frames = False    # remember a checksum of the picture at each sync
        self.id = self.version = self.error = self.clipboard = self.title = None
        self.args, self.required, self.messages = [], [], []
        self.streams, self.pipes = {}, {}
        self.closed = False
        self.bytes = 0
        self.next_stream = 0
        self.spoke = time.monotonic()

    # ---- connecting

    @classmethod
    def tcp(cls, port, host="127.0.0.1", buffer=None, tls=None, **options):
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(10)
        sock.connect((host, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=tls)
            sock = context.wrap_socket(sock, server_hostname=host)
        return cls(sock, **options)

    @classmethod
    def unix(cls, path, fds=(), first=b"", **options):
        """The descriptors go with the first bytes."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        sock.connect(path)
        if fds:
            socket.send_fds(sock, [first], list(fds))
        elif first:
            sock.sendall(first)
        return cls(sock, **options)

    # ---- speaking

    def send(self, *elements):
        self.raw(encode(*elements))

    def raw(self, data):
        self.spoke = time.monotonic()
        self.out += data
        self.flush()

    def flush(self):
        if self.closed or not self.out:
            return
        self.sock.setblocking(False)
        try:
            while self.out:
                self.out = self.out[self.sock.send(self.out):]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.out = b""

    def stream(self, *opening, data=b"", piece=6048):
        """Open a stream, send all of it, end it. `opening`: opcode, then what follows the index."""
        index = self.next_stream
        self.next_stream = (index + 1) % 512
        self.send(opening[0], index, *opening[1:])
        for at in range(0, len(data), piece):
            self.send("blob", index, base64.b64encode(data[at:at + piece]).decode())
        self.send("end", index)
        return index

    def answer_required(self, **values):
        for name, value in values.items():
            self.stream("argv", "text/plain", name.replace("_", "-"), data=value.encode())

    def key(self, keysym, pressed=None):
        for down in ([1, 0] if pressed is None else [int(pressed)]):
            self.send("key", keysym, down)

    def type(self, text):
        for c in text:
            self.key({"\n": 0xFF0D, "\t": 0xFF09, "\b": 0xFF08}.get(c) or ord(c))

    # ---- the handshake

    def handshake(self, select="demo", version="VERSION_1_5_0", size=(640, 480, 96),
                  image=("image/png",), audio=(), video=(), timezone="UTC", name=None, client=None,
                  timeout=10, **values):
        """`values`: parameters by name, with _ for -. Returns self once `ready` came."""
        if select:
            self.send("select", select)
        args = self.expect("args", timeout=timeout)
        self.args = args[1:]
        assert self.args and self.args[0].startswith("VERSION_"), self.args[:1]
        self.send("size", *size)
        self.send("audio", *audio)
        self.send("video", *video)
        self.send("image", *image)
        if version and version > "VERSION_1_0_0" and timezone:
            self.send("timezone", timezone)
        if name:
            self.send("name", name)
        if client:
            self.send("client", *client)
        given = {k.replace("_", "-"): v for k, v in values.items()}
        unknown = set(given) - set(self.args)
        assert not unknown, f"the daemon has no parameter {unknown}"
        self.send("connect", version or "", *(given.get(a, "") for a in self.args[1:]))
        self.id = self.expect("ready", timeout=timeout)[1]
        self.version = version
        return self

    # ---- hearing

    def fileno(self):
        return self.sock.fileno()

    def receive(self):
        """What is there now. False when the daemon hung up."""
        self.sock.setblocking(False)
        try:
            while True:
                data = self.sock.recv(1 << 18)
                if not data:
                    self.closed = True
                    break
                self.bytes += len(data)
                self.waiting.extend(self.parser.feed(data))
                if not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.closed = True
        return not self.closed

    def handle_all(self):
        while self.waiting:
            self.handle(self.waiting.pop(0))

    def handle(self, instr):
        opcode, rest = instr[0], instr[1:]
        if opcode == "sync":
            self.syncs.append(int(rest[0]))
            if self.hash_frames:
                self.frames[int(rest[0])] = self.canvas.crc()
            if self.answer:
                self.send("sync", rest[0])
            return
        if opcode == "blob":
            data = base64.b64decode(rest[1], validate=True)
            assert len(data) <= 6048, "a blob beyond 6048 bytes"
            if self.draw and self.canvas.blob(rest[0], data):
                return
            if rest[0] in self.streams:
                self.streams[rest[0]][1].extend(data)
                if int(rest[0]) % 2 == 0:
                    self.send("ack", rest[0], "OK", 0)
            return
        if opcode == "end":
            if not (self.draw and self.canvas.end(rest[0])):
                self._ended(rest[0])
            return
        if opcode == "img" or (opcode != "nop" and self.draw and self.canvas.apply(instr)):
            if opcode == "img" and self.draw:
                self.canvas.apply(instr)
            return
        self.log.append(instr)
        if opcode == "error":
            self.error = (rest[0], int(rest[1]))
        elif opcode == "required":
            self.required += rest
        elif opcode == "msg":
            self.messages.append(rest)
        elif opcode == "name":
            self.title = rest[0]
        elif opcode in ("clipboard", "pipe", "file", "argv", "audio", "body"):
            self.streams[rest[0]] = (instr, bytearray())

    def _ended(self, index):
        if index not in self.streams:
            return
        instr, data = self.streams.pop(index)
        if instr[0] == "clipboard":
            self.clipboard = (instr[2], bytes(data))
        elif instr[0] == "pipe":
            self.pipes.setdefault(instr[3], []).append(bytes(data))
        self.log.append(["ended", instr, bytes(data)])

    def expect(self, opcode, timeout=10):
        """The next instruction with this opcode, all before it handled. During the handshake."""
        limit = house.deadline(timeout)
        while True:
            while self.waiting:
                instr = self.waiting.pop(0)
                if instr[0] == opcode:
                    return instr
                if instr[0] == "error":
                    self.error = (instr[1], int(instr[2]))
                    raise Refused(instr[1], int(instr[2]))
                self.handle(instr)
            if self.closed:
                raise Closed(f"closed before {opcode}")
            left = limit - time.monotonic()
            assert left > 0, f"no {opcode}"
            self.flush()
            readable, _, _ = select.select([self.sock], [self.sock] if self.out else [], [], left)
            if readable:
                self.receive()

    def pump(self, until=None, timeout=10.0, why=""):
        return pump([self], until, timeout, why)

    def settle(self, quiet=0.4, timeout=15):
        """Until no frame came for a while."""
        return settle([self], quiet, timeout)

    def states(self, name="guac.state"):
        """JSON lines of our private pipes, so far."""
        data = b"".join(self.pipes.get(name, []))
        data += b"".join(bytes(d) for i, d in self.streams.values() if i[0] == "pipe" and i[3] == name)
        return [json.loads(line) for line in data.splitlines() if line.strip()]

    def reset(self):
        """Hang up as a crashed machine does: RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.closed = True
        self.sock.close()


def pump(clients, until=None, timeout=10.0, why=""):
    """Serve these clients until `until()` is true (its value is returned), or for `timeout` seconds
    when it is None. Clients left out of the list read nothing: that is how to be slow."""
    limit = house.deadline(timeout) if until else time.monotonic() + timeout
    while True:
        for c in clients:
            c.handle_all()
            if c.keep_alive and not c.closed and time.monotonic() - c.spoke > NOP_EVERY:
                c.send("nop")
            c.flush()
        done = until() if until else None
        if done:
            return done
        left = limit - time.monotonic()
        if left <= 0:
            assert until is None, f"never: {(why() if callable(why) else why) or 'what was waited for'}"
            return None
        alive = [c for c in clients if not c.closed]
        if not alive:
            assert until is None, ("all clients were closed before: "
                                   f"{(why() if callable(why) else why) or 'what was waited for'}")
            time.sleep(min(left, 0.05))
            continue
        writers = [c for c in alive if c.out]
        for c in select.select(alive, writers, [], min(left, 0.5))[0]:
            c.receive()


def settle(clients, quiet=0.4, timeout=15):
    limit = house.deadline(timeout)
    while True:
        before = [len(c.syncs) for c in clients]
        pump(clients, timeout=quiet)
        if before == [len(c.syncs) for c in clients] and all(before):
            return
        assert time.monotonic() < limit, "the picture does not come to rest"
