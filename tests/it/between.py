"""Servers of a few lines on loopback, and what stands between the two ends of a connection."""
import socket
import threading


def shut(*socks):
    """Ends them; wakes whoever waits on one, which closing alone would not."""
    for s in socks:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()


def read_head(peer):
    """An HTTP head and what came with it; empty when the peer ends before."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(65536)
        if not piece:
            return b""
        head += piece
    return head


def carry(source, sink):
    """What one says, to the other, until it has said all."""
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        shut(source, sink)


def join(a, b):
    """Carries both ways until both have said all."""
    back = threading.Thread(target=carry, args=(b, a), daemon=True)
    back.start()
    carry(a, b)
    back.join()


class Server:
    """Each connection gets serve(peer) on a thread of its own and is closed after it. port: a number
    as text. Begin with super().__init__() last: somebody may connect at once."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", int(port)))
        self.port = str(self.listener.getsockname()[1])
        self._open, self._over, self._lock = [], False, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def serve(self, peer):
        raise NotImplementedError

    def dial(self, port, host="127.0.0.1"):
        """A connection that ends with the server."""
        return self._keep(socket.create_connection((host, int(port))))

    def close(self):
        with self._lock:
            self._over = True
            shut(self.listener, *self._open)
            self._open.clear()

    def _keep(self, sock):
        with self._lock:
            if self._over:
                sock.close()
            self._open.append(sock)
        return sock

    def _accept(self):
        try:
            while True:
                peer = self._keep(self.listener.accept()[0])
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()
        except OSError:
            pass

    def _serve(self, peer):
        try:
            self.serve(peer)
        except (OSError, ValueError):
            pass  # the other end went, in the middle of a word too
        shut(peer)


class Road(Server):
    """Leads to another port."""

    def __init__(self, to, port=0):
        self.to = to
        super().__init__(port)

    def serve(self, peer):
        join(peer, self.dial(self.to))
