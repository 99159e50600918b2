"""What stands between a gateway and an API server: proxies, and what makes a server look old."""
import select
import socket
import ssl

from between import Server, join, read_head


class Proxy(Server):
    """CONNECT, as RFC 9110 has it, to wherever it is told; or one answer to everybody."""

    def __init__(self, answer=None):
        self.answer, self.asked = answer, []
        super().__init__()

    def serve(self, peer):
        head = read_head(peer)
        self.asked.append(head.split(b"\r\n")[0].decode())
        if self.answer:
            peer.sendall(self.answer)
            peer.recv(65536)  # what follows is the client's to end
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        there = self.dial(port, host)
        peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        join(peer, there)


class OldFront(Server):
    """In front of a real API server: offers it v4.channel.k8s.io alone, as an old client does, so that
    it answers as an old server would. Plain towards us, so it says who asks itself."""

    def __init__(self, host, port, ca, token):
        self.there, self.token = (host, int(port)), token
        self.tls = ssl.create_default_context(cafile=ca)
        super().__init__()

    def serve(self, peer):
        there = self.tls.wrap_socket(socket.create_connection(self.there), server_hostname=self.there[0])
        with there:
            head = read_head(peer).replace(b"v5.channel.k8s.io, ", b"")
            lines = "" if b"Upgrade:" in head else "Connection: close\r\n"
            there.sendall(head[:-2] + f"{lines}Authorization: Bearer {self.token}\r\n\r\n".encode())
            self.carry(peer, there)

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
                        return
                    b.sendall(piece)
