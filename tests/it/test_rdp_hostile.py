"""RDP servers that lie: at most their own session ends, with a status, in time."""
import socket
import threading
import unittest

import guac
import hostile_rdp as hostile
import house
from house import PATIENCE
from rdppart import Rdp, Servers

STATUSES = {0x0202, 0x0203, 0x0208, 0x020B, 0x0301, 0x0303}


def setUpModule():
    Rdp.servers = Servers("rdp-shadow", "--types", "rdp")


def tearDownModule():
    if Rdp.servers:
        Rdp.servers.stop()
        Rdp.servers = None


class Hostile(Rdp):
    def start(self, kind, *args, **options):
        it = super().start(kind, *args, **options)
        self.seen = 0
        return it

    def meet(self, act, seconds=15, **values):
        """The client of a session with that in between, once it ended or shows something; and how
        many messages passed."""
        between = hostile.Between(self.servers.port("rdp"), act)
        self.addCleanup(between.close)
        client = guac.Client.tcp(self.guacd.port, draw=False)
        client.handshake("rdp", hostname="127.0.0.1", port=str(between.port), security="rdp",
                         disable_audio="true", **values)
        client.pump(lambda: client.error or client.closed or len(client.syncs) > 1 or
                    between.stuck(), seconds * PATIENCE, "an end or a picture")
        between.close()
        return client, between.count

    def assert_ended(self, client, what):
        client.pump(lambda: client.closed or client.error, 12 * PATIENCE, f"{what}: the end")
        if client.error:
            self.assertIn(client.error[1], STATUSES, (what, client.error))
            self.assertGreater(len(client.error[0]), 10, what)
        client.close()

    def crashes(self):
        """Sessions that did not end but were ended, since the last look."""
        text = self.guacd.text()
        count = text.count("by signal") + text.count("crashed")
        new, self.seen = count - self.seen, count
        return new

    def assert_well(self):
        client = self.desk("rdp", security="rdp")
        self.assertEqual(client.canvas.picture()[:2], (800, 600))
        client.close()
        house.wait(lambda: not self.guacd.sessions(), 15 * PATIENCE, "all sessions to end")

    def test_hangs_up_at_every_stage(self):
        _, stages = self.meet(lambda i, m: m)
        self.assertGreater(stages, 10)
        for at in range(min(stages, 30)):
            for how in (hostile.CUT, hostile.HALF):
                client, _ = self.meet(hostile.cut(at, how))
                self.assert_ended(client, (at, how is hostile.HALF))
        self.assertEqual(self.crashes(), 0)
        self.assert_well()

    def test_lengths(self):
        for at in range(0, 16, 2):
            for length in (0, 3, 5, 0x7FFF):
                client, _ = self.meet(hostile.lies(at, length))
                self.assert_ended(client, (at, length))
        for at in range(1, 16, 3):
            for value in (b"\0\0", b"\xff\xff", b"\xff\x7f"):
                client, _ = self.meet(hostile.inner(at, value))
                self.assert_ended(client, (at, value))
        self.assertEqual(self.crashes(), 0)
        self.assert_well()

    def test_nonsense(self):
        for at in range(0, 16, 3):
            for act in (hostile.garbage(at), hostile.again(at)):
                client, _ = self.meet(act)
                client.pump(timeout=0.3)
                self.assert_ended(client, at) if not client.syncs else client.close()
        self.assertEqual(self.crashes(), 0)
        self.assert_well()

    def test_bits_that_flip(self):
        for seed in range(30):
            client, _ = self.meet(hostile.flips(seed, seed % 8))
            client.pump(timeout=0.2)
            client.close()
        self.assert_well()

    def test_no_rdp_at_all(self):
        for answer in (b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n",
                       b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x01\0\0\0" + bytes(4000),
                       b"\x03\0\xff\xff" + bytes(100)):
            with self.subTest(answer[:12]), socket.create_server(("127.0.0.1", 0)) as listener:
                def speak(said=answer, at=listener):
                    try:
                        while True:
                            conn = at.accept()[0]
                            conn.recv(4096)
                            conn.sendall(said)
                            conn.close()
                    except OSError:
                        pass
                threading.Thread(target=speak, daemon=True).start()
                client = guac.Client.tcp(self.guacd.port)
                client.handshake("rdp", hostname="127.0.0.1",
                                 port=str(listener.getsockname()[1]), ignore_cert="true")
                client.pump(lambda: client.error or client.closed, 15 * PATIENCE)
                self.assertEqual(client.error and client.error[1], 0x0203)
                listener.shutdown(socket.SHUT_RDWR)
        self.assertEqual(self.crashes(), 0)
        self.assert_well()


if __name__ == "__main__":
    unittest.main()
