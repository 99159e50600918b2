"""The recorder's end of a tap, and the control socket of a session, in Python: for tests that want
to decide what is acknowledged, and when."""
import json
import select
import socket
import struct
import time

import guac
import house
from canvas import Canvas

DATA, KEYFRAME, TEXT, EVENT, ACK, SPOOLED = range(1, 7)
HEADER = struct.Struct("<IB3xQQ")


class Tap:
    """theirs goes to the session with the first byte; frames: [(type, sequence, ms, bytes)]."""

    def __init__(self, ack=True):
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.ack = ack
        self.data = b""
        self.frames = []
        self.canvas, self.parser = Canvas(), guac.Parser()
        self.syncs = []
        self.input = []     # key, mouse and touch lines
        self.closed = False

    def give(self):
        """The descriptor to send; ours closes once it was sent."""
        return self.theirs.fileno()

    def sent(self):
        self.theirs.close()

    def serve(self, timeout=0.05):
        if select.select([self.ours], [], [], timeout)[0]:
            self._receive()

    def _receive(self):
        try:
            while not self.closed:
                data = self.ours.recv(1 << 18)
                self.closed = not data
                self.data += data
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
        last = 0
        while len(self.data) >= HEADER.size:
            length, kind, sequence, ms = HEADER.unpack_from(self.data)
            if len(self.data) < HEADER.size + length:
                break
            body = self.data[HEADER.size:HEADER.size + length]
            self.data = self.data[HEADER.size + length:]
            assert self.data is not None and kind in (DATA, KEYFRAME, TEXT, EVENT), kind
            assert not self.frames or sequence == self.frames[-1][1] + 1, "a gap in the sequence"
            assert not self.frames or ms >= self.frames[-1][2], "time runs backwards"
            self.frames.append((kind, sequence, ms, body))
            last = sequence
            if kind == DATA:
                self._watch(body)
        if last and self.ack:
            self.acknowledge(last)

    def _watch(self, body):
        for instr in self.parser.feed(body):
            if instr[0] == "blob":
                self.canvas.blob(instr[1], guac.base64.b64decode(instr[2]))
            elif instr[0] == "end":
                self.canvas.end(instr[1])
            elif instr[0] == "sync":
                self.syncs.append(int(instr[1]))
            elif instr[0] in ("key", "mouse", "touch") and len(instr) > 3:
                self.input.append(instr)
            else:
                self.canvas.apply(instr)

    def acknowledge(self, sequence, kind=ACK):
        try:
            self.ours.sendall(HEADER.pack(0, kind, sequence, 0))
        except OSError:
            self.closed = True

    def wait(self, condition, timeout=10, why="", clients=()):
        limit = house.deadline(timeout)
        while True:
            self.serve(0.02)
            guac.pump(list(clients), timeout=0.02) if clients else None
            value = condition()
            if value:
                return value
            assert time.monotonic() < limit, f"never: {why}"

    def json(self, kind):
        return [json.loads(body) for k, _, _, body in self.frames if k == kind]

    def events(self, name=None):
        return [e for e in self.json(EVENT) if name is None or e["event"] == name]

    def close(self):
        self.closed = True
        self.ours.close()


class Control:
    """A request, an answer. Refusals come back as they are, ok false."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(10)
        self.sock.connect(path)

    def call(self, op, fds=(), **members):
        packet = json.dumps({"op": op, **members}).encode()
        socket.send_fds(self.sock, [packet], list(fds))
        data = self.sock.recv(1 << 17)
        if not data:
            raise guac.Closed("the control socket hung up")
        return json.loads(data)

    def ask(self, op, fds=(), **members):
        answer = self.call(op, fds, **members)
        assert answer["ok"] is True, answer
        return answer

    def close(self):
        self.sock.close()


def join(path, role, version="VERSION_1_5_0", options=None, hello=None, **members):
    """A client that comes by `join`: its handshake starts at args."""
    ours, theirs = socket.socketpair()
    control = Control(path)
    answer = control.call("join", [theirs.fileno()], role=role, **members)
    theirs.close()
    control.close()
    if not answer["ok"]:
        ours.close()
        raise guac.Refused(answer["error"], answer["status"])
    ours.settimeout(10)
    return guac.Client(ours, **(options or {})).handshake(None, version=version, **(hello or {}))
