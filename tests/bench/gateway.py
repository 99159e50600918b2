"""The whole gateway, as `make run` starts it, and a browser's side of its HTTP interface."""
import base64
import http.client
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import time
import urllib.parse


class Gateway:
    """deploy/run/run.sh on a free port with its state in a folder of its own."""

    def __init__(self, folder, port, build):
        env = dict(os.environ, PORT=str(port), STATE=folder, B=build, CI="true",
                   # one person opens them all
                   GUAC_AUTHD_TUNNELS_PER_MINUTE="0", GUAC_AUTHD_OPENS_PER_MINUTE="0",
                   GUAC_AUTHD_SIGN_INS_PER_MINUTE="0", GUAC_AUTHD_AT_ONCE="0",
                   GUAC_AUTHD_DIALS_AT_ONCE="0")
        self.port = port
        self.folder = folder
        self.log = open(os.path.join(folder, "run.log"), "w+")
        self.process = subprocess.Popen(["deploy/run/run.sh"], env=env, stdout=self.log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        deadline = time.time() + 120
        self.link = None
        while not self.link and time.time() < deadline:
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
            with open(self.log.name) as f:
                found = re.search(r"http://\S+/auth/link\?token=\S+", f.read())
                self.link = found and found.group(0)
        if not self.link:
            self.stop()
            with open(self.log.name) as f:
                raise RuntimeError("the gateway did not start:\n" + f.read()[-2000:])
        self.cookie = self._sign_in()

    def _sign_in(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port)
        url = urllib.parse.urlsplit(self.link)
        c.request("GET", url.path + "?" + url.query)
        r = c.getresponse()
        cookies = [h.split(";")[0] for n, h in r.getheaders() if n.lower() == "set-cookie"]
        if not cookies:
            raise RuntimeError(f"the sign-in link gave no cookie: {r.status} {r.read()[:300]}")
        return "; ".join(cookies)

    def pids(self):
        """name -> pid of the gateway's programs."""
        found = {}
        for name in ("guacd", "guac-proxy", "guac-authd", "guac-recorder"):
            path = os.path.join(self.folder, "run", name.removeprefix("guac-") + ".pid")
            if os.path.exists(path):
                with open(path) as f:
                    found[name] = int(f.read())
        return found

    def tunnel(self, query):
        return Tunnel(self.port, query, self.cookie)

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)


class Tunnel:
    """A WebSocket tunnel that counts; text is what came since the last clear."""

    def __init__(self, port, query, cookie, origin=None, tls=None):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        scheme = f"http{'s' if tls else ''}://127.0.0.1:"
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((f"GET /tunnel?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: guacamole\r\n"
                           f"Origin: {origin or scheme + str(port)}\r\n"
                           f"Cookie: {cookie}\r\n\r\n").encode())
        self.raw = b""
        while b"\r\n\r\n" not in self.raw:
            piece = self.sock.recv(65536)
            if not piece:
                raise RuntimeError("no upgrade: " + self.raw.decode(errors="replace"))
            self.raw += piece
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError("no upgrade: " + head.decode(errors="replace"))
        self.bytes = self.frames = 0
        self.last_frame = 0.0
        self.closed = False
        self.text = b""

    def send(self, text):
        data = text.encode()
        n = len(data)
        head = bytes([0x81, 0x80 | n]) if n < 126 else bytes([0x81, 0xFE]) + struct.pack(">H", n)
        self.sock.sendall(head + b"\0\0\0\0" + data)  # a mask of zeros

    def key(self, keysym):
        k = str(keysym)
        self.send(f"3.key,{len(k)}.{k},1.1;3.key,{len(k)}.{k},1.0;")

    def type(self, text):
        for c in text:
            self.key(ord(c))
        self.key(0xFF0D)

    def step(self, seconds):
        self._parse()  # what came with the upgrade's answer
        waiting = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()  # of a record read already
        if self.closed or not (waiting or select.select([self.sock], [], [], seconds)[0]):
            return
        piece = self.sock.recv(1 << 20)
        if not piece:
            self.closed = True
            return
        self.raw += piece
        self.bytes += len(piece)
        self._parse()

    def _parse(self):
        while len(self.raw) >= 2:
            n, at = self.raw[1] & 127, 2
            if n == 126:
                n, at = struct.unpack(">H", self.raw[2:4].ljust(2, b"\0"))[0], 4
            elif n == 127:
                n, at = struct.unpack(">Q", self.raw[2:10].ljust(8, b"\0"))[0], 10
            if len(self.raw) < at + n:
                return
            opcode, message, self.raw = self.raw[0] & 15, self.raw[at:at + n], self.raw[at + n:]
            if opcode == 8:
                self.closed = True
                return
            self._message(message)

    def _message(self, message):
        self.text = (self.text + message)[-1 << 16:]
        for stamp in re.findall(rb";4\.sync,\d+\.(\d+)", b";" + message):
            self.frames += 1
            self.last_frame = time.monotonic()
            s = stamp.decode()
            self.send(f"4.sync,{len(s)}.{s};")

    def close(self):
        self.sock.close()
