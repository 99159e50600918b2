"""A session's side of the tap, for the recorder's tests. No test is in here."""
import json
import os
import socket
import struct
import threading
import time

import house

DATA, KEYFRAME, TEXT, EVENT, ACK, SPOOLED = 1, 2, 3, 4, 5, 6
HEADER = struct.Struct("<IB3xQQ")


class Session:
    """A session process's side: frames kept until spooled, counted until acknowledged, sent again
    to a recorder that asks on RUN/s/<id>.sock."""

    def __init__(self, recorder, new, fd):
        self.id, self.prefix, self.new = new["id"], new["prefix"], new
        self.start = new["start"]
        self.frames, self.sent = [], []  # all of them, for comparing
        self.acked = self.spooled = 0
        self.resumed = 0
        self.acked_at = {}
        self.sent_at = {}
        self.condition = threading.Condition()
        self.path = os.path.join(recorder.run, "s", self.id + ".sock")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(4)
        self.tap = None
        threading.Thread(target=self._serve, daemon=True).start()
        self._attach(socket.socket(fileno=fd), 0)

    def _attach(self, sock, after):
        sock.settimeout(None)
        with self.condition:
            self.tap = sock
            self.condition.notify_all()
        threading.Thread(target=self._read, args=(sock,), daemon=True).start()
        threading.Thread(target=self._write, args=(sock, after), daemon=True).start()

    def _write(self, sock, at):
        """What is there, as fast as it is taken: a recorder that reads nothing blocks nobody."""
        while True:
            with self.condition:
                self.condition.wait_for(lambda: self.tap is not sock or len(self.frames) > at)
                if self.tap is not sock:
                    return
                frames = self.frames[at:]
            for frame in frames:
                try:
                    sock.sendall(frame)
                except OSError:
                    return
                at += 1

    def _read(self, sock):
        data = b""
        while True:
            try:
                more = sock.recv(65536)
            except OSError:
                more = b""
            if not more:
                with self.condition:
                    if self.tap is sock:
                        self.tap = None
                    self.condition.notify_all()
                return
            data += more
            while len(data) >= HEADER.size:
                length, kind, sequence, _ = HEADER.unpack_from(data)
                data = data[HEADER.size:]
                assert length == 0 and kind in (ACK, SPOOLED)
                with self.condition:
                    assert sequence <= len(self.frames), "acknowledged what was never sent"
                    if kind == ACK:
                        assert sequence >= self.acked
                        for n in range(self.acked + 1, sequence + 1):
                            self.acked_at[n] = time.monotonic()
                        self.acked = sequence
                    self.spooled = max(self.spooled, sequence)
                    self.condition.notify_all()

    def _serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            data, fds, _, _ = socket.recv_fds(conn, 65536, 1)
            message = json.loads(data)
            after = message["after"]
            if message["op"] != "tap" or after < self.spooled or after > len(self.frames):
                conn.send(json.dumps({"ok": False, "status": 517, "error": "gone"}).encode())
                conn.close()
                continue
            conn.send(json.dumps({"ok": True, "next": after + 1}).encode())
            self.resumed += 1
            self._attach(socket.socket(fileno=fds[0]), after)
            conn.close()

    def send(self, kind, data, ms=None):
        data = data.encode() if isinstance(data, str) else data
        ms = int(time.time() * 1000) - self.start if ms is None else ms
        with self.condition:
            sequence = len(self.frames) + 1
            self.frames.append(HEADER.pack(len(data), kind, sequence, ms) + data)
            self.sent.append((kind, ms, data))
            self.sent_at[sequence] = time.monotonic()
            self.condition.notify_all()
        return sequence

    def data(self, data, ms=None):
        return self.send(DATA, data, ms)

    def text(self, s, k="out", ms=None):
        ms = int(time.time() * 1000) - self.start if ms is None else ms
        return self.send(TEXT, json.dumps({"t": ms, "k": k, "s": s}) + "\n", ms)

    def keyframe(self, data, ms=None):
        return self.send(KEYFRAME, data, ms)

    def end(self, status=0, reason="the shell ended"):
        n = self.send(EVENT, json.dumps({"event": "ended", "status": status, "reason": reason}))
        return n

    def wait_acked(self, sequence=None, timeout=40):
        sequence = sequence or len(self.frames)
        with self.condition:
            assert self.condition.wait_for(lambda: self.acked >= sequence,
                                           timeout * house.PATIENCE), \
                f"frame {sequence} is not acknowledged, {self.acked} are"

    def wait_spooled(self, sequence=None, timeout=40):
        sequence = sequence or len(self.frames)
        with self.condition:
            assert self.condition.wait_for(lambda: self.spooled >= sequence,
                                           timeout * house.PATIENCE), "not spooled"

    def wait_cut(self, timeout=40):
        with self.condition:
            assert self.condition.wait_for(lambda: self.tap is None, timeout * house.PATIENCE)

    def die(self):
        """As a process that is killed: its sockets close, its path stays."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        tap = self.tap
        if tap:
            tap.shutdown(socket.SHUT_RDWR)
            tap.close()

    def stream(self, upto=None):
        return b"".join(d for k, _, d in self.sent[:upto] if k == DATA)
