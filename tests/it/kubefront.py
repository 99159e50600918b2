"""What stands between a gateway and an API server: proxies, and what makes a server look old."""
import select
import socket
import ssl
import threading


class Proxy:
    """CONNECT, as RFC 9110 has it, to wherever it is told."""

    def __init__(self, answer=None):
        self.answer, self.asked = answer, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.socket.getsockname()[1])
        threading.Thread(target=self.work, daemon=True).start()

    def close(self):
        self.socket.close()

    def work(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            head = read_head(peer)
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self.answer:
                peer.sendall(self.answer)
                continue
            host, _, port = head.split()[1].decode().rpartition(":")
            there = socket.create_connection((host, int(port)))
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            join(peer, there)


class OldFront:
    """In front of a real API server: offers it v4.channel.k8s.io alone, as an old client does, so that
    it answers as an old server would. Plain towards us, so it says who asks itself."""

    def __init__(self, host, port, ca, token):
        self.there, self.token = (host, int(port)), token
        self.tls = ssl.create_default_context(cafile=ca)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.socket.getsockname()[1])
        threading.Thread(target=self.work, daemon=True).start()

    def close(self):
        self.socket.close()

    def work(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        there = self.tls.wrap_socket(socket.create_connection(self.there), server_hostname=self.there[0])
        try:
            head = read_head(peer).replace(b"v5.channel.k8s.io, ", b"")
            lines = "" if b"Upgrade:" in head else "Connection: close\r\n"
            there.sendall(head[:-2] + f"{lines}Authorization: Bearer {self.token}\r\n\r\n".encode())
            self.carry(peer, there)
        except OSError:
            pass

    @staticmethod
    def carry(peer, there):
        """One thread alone reads and writes the TLS side."""
        while True:
            ready, _, _ = select.select([peer] + ([] if there.pending() else [there]), [], [],
                                        0 if there.pending() else None)
            for a, b in ((peer, there), (there, peer)):
                if a in ready or (a is there and there.pending()):
                    piece = a.recv(65536)
                    if not piece:
                        peer.close()
                        there.close()
                        return
                    b.sendall(piece)


def read_head(peer):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(65536)
        if not piece:
            return b""
        head += piece
    return head


def copy(a, b):
    try:
        while piece := a.recv(65536):
            b.sendall(piece)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def join(peer, there):
    for a, b in ((peer, there), (there, peer)):
        threading.Thread(target=copy, args=(a, b), daemon=True).start()
