"""Between a client and a real RDP server: ends TLS on either side and keeps what the client said, so
that a test reads from the wire what a parameter became (MS-RDPBCGR, MS-RDPEPS)."""
import base64
import contextlib
import hashlib
import os
import select
import socket
import ssl
import struct
import subprocess
import threading

TPKT = 3
SEC_INFO_PKT = 0x0040


class Truth:
    """What a client said to one server."""

    def __init__(self):
        self.before = b""    # the preconnection PDU
        self.request = b""   # X.224 connection request, TPKT head included
        self.plain = b""     # all behind TLS

    def packets(self):
        """Whole TPKT packets; fast-path ones are left out."""
        at, out = 0, []
        while at + 4 <= len(self.plain):
            if self.plain[at] == TPKT:
                size = struct.unpack(">H", self.plain[at + 2:at + 4])[0]
                out.append(self.plain[at:at + size])
            else:
                size = self.plain[at + 1]
                if size & 0x80:
                    size = (size & 0x7F) << 8 | self.plain[at + 2]
            at += max(size, 1)
        return [p for p in out if len(p) == struct.unpack(">H", p[2:4])[0]]

    def cluster(self):
        """Flags and session of the client cluster data (2.2.1.3.4)."""
        at = self.plain.index(struct.pack("<HH", 0xC004, 12))
        return struct.unpack_from("<II", self.plain, at + 4)

    def info(self):
        """The client info PDU (2.2.1.11), None while it has not come."""
        for p in self.packets():
            at = 7
            if len(p) < 16 or p[at] != 0x64:  # MCS send data request
                continue
            at += 6
            at += 2 if p[at] & 0x80 else 1
            if struct.unpack_from("<H", p, at)[0] & SEC_INFO_PKT:
                return Info(p[at + 4:])
        return None


class Info:
    def __init__(self, data):
        _, self.flags, *sizes = struct.unpack_from("<II5H", data)
        at = 18
        texts = []
        for size in sizes:
            texts.append(data[at:at + size].decode("utf-16-le"))
            at += size + 2
        self.domain, self.user, _, self.shell, self.folder = texts
        at += 2  # the address's family
        for _ in range(2):  # address, client's folder
            at += 2 + struct.unpack_from("<H", data, at)[0]
        self.bias = struct.unpack_from("<i", data, at)[0]
        self.summer_bias = struct.unpack_from("<i", data, at + 168)[0]
        self.summer_month = struct.unpack_from("<H", data, at + 152 + 2)[0]
        self.performance = struct.unpack_from("<I", data, at + 176)[0]


def certificate(folder, name):
    """A self-signed one: its file, and its SHA-256 fingerprint."""
    path = os.path.join(folder, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-keyout", path, "-out", path + ".crt"], check=True,
                   capture_output=True)
    with open(path + ".crt", encoding="ascii") as f, open(path, "a", encoding="ascii") as out:
        text = f.read()
        out.write(text)
    der = ssl.PEM_cert_to_DER_cert(text)
    return path, hashlib.sha256(der).hexdigest()


class Listener:
    """A port of its own on loopback; each connection has a thread."""

    def __init__(self, pem):
        self.pem = pem
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.listener.getsockname()[1])
        self.taken = []
        self.threads = [threading.Thread(target=self.run)]
        self.threads[0].start()

    def stop(self):
        for sock in (self.listener, *self.taken):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for sock in (self.listener, *self.taken):
            sock.close()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            client.settimeout(120)
            self.taken.append(client.dup())
            thread = threading.Thread(target=self.guarded, args=(client,))
            self.threads.append(thread)
            thread.start()

    def guarded(self, client):
        with client, contextlib.suppress(OSError):
            self.serve(client)

    def secured(self, client):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem)
        return context.wrap_socket(client, server_side=True)


class Relay(Listener):
    """Before a server that listens at `target`; shows the certificate `pem`, which may be another
    for the next connection."""

    def __init__(self, target, pem):
        self.target, self.truths = target, []
        super().__init__(pem)

    def serve(self, client):
        truth = Truth()
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            first = exactly(client, 4)
            if first[0] != TPKT:  # a preconnection PDU says its own length, and goes no further
                truth.before = first + exactly(client, struct.unpack("<I", first)[0] - 4)
                first = exactly(client, 4)
            truth.request = first + rest(client, first)
            self.truths.append(truth)
            server.sendall(truth.request)
            first = exactly(server, 4)
            client.sendall(first + rest(server, first))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with self.secured(client) as ours, context.wrap_socket(server) as theirs:
                pump(ours, theirs, truth)


class Gateway(Listener):
    """A Remote Desktop Gateway's front door (MS-TSGU 3.3.5.1): hears who comes, by NTLM (MS-NLMP),
    and lets nobody in."""

    def __init__(self, pem):
        self.requests, self.visitors = [], []
        super().__init__(pem)

    def serve(self, client):
        with self.secured(client) as tls, tls.makefile("rb") as lines:
            while True:
                self.requests.append(lines.readline().decode())
                token = b""
                for line in iter(lines.readline, b"\r\n"):
                    if not line:
                        return
                    if line.lower().startswith(b"authorization:"):
                        scheme, _, token = line.split(None, 1)[1].strip().partition(b" ")
                answer = self.judge(scheme, base64.b64decode(token)) if token else b"Negotiate"
                tls.sendall(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " + answer +
                            b"\r\nContent-Length: 0\r\n\r\n")

    def judge(self, scheme, message):
        kind, = struct.unpack_from("<I", message, 8)
        if kind == 3:
            texts = []
            for at in (28, 36):
                size, _, start = struct.unpack_from("<HHI", message, at)
                texts.append(message[start:start + size].decode("utf-16-le"))
            self.visitors.append(tuple(texts))
            return scheme
        name = "GATEWAY".encode("utf-16-le")
        about = b"".join(struct.pack("<HH", n, len(v)) + v
                         for n, v in ((2, name), (1, name), (7, bytes(8)), (0, b"")))
        flags = struct.unpack_from("<I", message, 12)[0] | 0x00890205
        challenge = (b"NTLMSSP\0" + struct.pack("<IHHI", 2, len(name), len(name), 56) +
                     struct.pack("<I", flags) + b"12345678" + bytes(8) +
                     struct.pack("<HHI", len(about), len(about), 56 + len(name)) +
                     b"\x0a\0\x63\x45\0\0\0\x0f" + name + about)
        return scheme + b" " + base64.b64encode(challenge)


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise OSError("hung up")
        data += part
    return data


def rest(sock, head):
    """What follows a TPKT head."""
    return exactly(sock, struct.unpack(">H", head[2:])[0] - 4)


def pump(client, server, truth):
    """Until either hangs up. Readable is the socket, not what TLS carries: a ticket is no data."""
    while True:
        ready = [s for s in (client, server) if s.pending()]
        ready = ready or select.select([client, server], [], [], 120)[0]
        if not ready:
            return
        for sock in ready:
            sock.setblocking(False)
            try:
                data = sock.recv(65536)
            except ssl.SSLWantReadError:
                continue
            finally:
                sock.settimeout(120)
            if not data:
                return
            if sock is client:
                truth.plain += data
            (server if sock is client else client).sendall(data)
