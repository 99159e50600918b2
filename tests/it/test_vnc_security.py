"""Getting in to VNC servers: every security type that Xvnc (TigerVNC) and x11vnc have, certificates,
credentials, repeater, reverse connection."""
import unittest

import guac
import house
from between import Road, Server, join
from house import PATIENCE
from vncpart import Vnc, start_servers, stop_servers


def setUpModule():
    start_servers()


def tearDownModule():
    stop_servers()


class Security(Vnc):
    def accept(self, client, kind):
        """Answers whatever is asked, as a person would."""
        known = {"cert-fingerprints": "yes", **self.secrets(kind)}
        asked = []
        while not client.pump(lambda: client.syncs or client.error or client.required,
                              20 * PATIENCE, "a prompt or a frame") is None:
            if not client.required:
                return asked
            names, client.required = client.required, []
            asked += names
            client.answer_required(**{n.replace("-", "_"): known[n] for n in names})

    def test_every_type(self):
        for kind in self.servers.types:
            with self.subTest(kind):
                client = self.connect(kind, disable_display_resize="true", **self.secrets(kind))
                asked = self.accept(client, kind)
                self.assertIsNone(client.error)
                self.assertEqual(asked, ["cert-fingerprints"] if "X509" in kind else [])
                self.point(client)
                client.settle(timeout=20 * PATIENCE)
                self.assert_exact(kind, client)
                self.assertEqual(client.title, "guac " + kind)
                client.send("disconnect")
                client.pump(lambda c=client: c.closed)

    def test_asked_for_credentials(self):
        for kind in self.servers.types:
            if kind.endswith("None"):
                continue
            with self.subTest(kind):
                client = self.connect(kind)
                asked = self.accept(client, kind)
                self.assertIsNone(client.error)
                want = ["username", "password"] if kind.endswith("Plain") else ["password"]
                self.assertEqual([a for a in asked if a != "cert-fingerprints"], want)
                client.close()

    def test_wrong_password(self):
        for kind in ("VncAuth", "TLSVnc", "TLSPlain", "x11vnc"):
            if kind not in self.servers.types:
                continue
            with self.subTest(kind):
                wrong = {**self.secrets(kind), "password": "wrong"}
                client = self.connect(kind, **wrong)
                client.pump(lambda c=client: c.error, 20 * PATIENCE)
                self.assertEqual(client.error[1], 0x0301, client.error)

    def test_certificate_refused(self):
        client = self.connect("X509Vnc", password=self.servers["VNC_PASSWORD"])
        client.pump(lambda: client.required, 10 * PATIENCE)
        client.answer_required(cert_fingerprints="no")
        client.pump(lambda: client.error, 10 * PATIENCE)
        self.assertEqual(client.error[1], 0x0203)
        self.assertIn(self.servers["VNC_FP"], client.error[0])

    def test_certificate_repeated(self):
        client = self.connect("X509None")
        client.pump(lambda: client.required, 10 * PATIENCE)
        client.answer_required(cert_fingerprints=self.servers["VNC_FP"].upper())
        client.pump(lambda: client.syncs or client.error, 10 * PATIENCE)
        self.assertIsNone(client.error)

    def certificate(self, host="localhost", **values):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname=host, port=self.servers.port("X509None"), **values)
        client.pump(lambda: client.syncs or client.error or client.required, 10 * PATIENCE)
        self.assertEqual(client.required, [])
        return client.error and client.error[1]

    def test_certificate_authority(self):
        with open(self.servers["VNC_CA"]) as f:
            ca = f.read()
        with open(self.servers["VNC_OTHER_CA"]) as f:
            other = f.read()
        self.assertIsNone(self.certificate(ca_cert=ca))
        self.assertEqual(self.certificate(ca_cert=other), 0x0203)

    def test_certificate_pin(self):
        pin = self.servers["VNC_FP"]
        self.assertIsNone(self.certificate(cert_fingerprints="00" * 32 + " " + pin))
        self.assertEqual(self.certificate(cert_fingerprints="00" * 32), 0x0203)

    def test_nobody_there(self):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname="127.0.0.1", port=str(house.free_port()))
        client.pump(lambda: client.error, 10 * PATIENCE)
        self.assertEqual(client.error[1], 0x0208)

    def test_no_such_name(self):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname="no.such.host.invalid", port="5900")
        client.pump(lambda: client.error, 30 * PATIENCE)
        self.assertEqual(client.error[1], 0x0207)

    def test_autoretry(self):
        port = house.free_port()
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname="127.0.0.1", port=str(port), autoretry="5")
        client.pump(timeout=0.5)
        self.assertIsNone(client.error)
        with Road(self.servers.port("None"), port):
            client.pump(lambda: client.syncs or client.error, 10 * PATIENCE)
            self.assertIsNone(client.error)


class Repeater(Server):
    """Asks whom a viewer wants; leads to one port all the same. targets: what it was asked for."""

    def __init__(self, to):
        self.to, self.targets = to, []
        super().__init__()

    def serve(self, peer):
        peer.sendall(b"RFB 000.000\n")
        target = b""
        while len(target) < 250:
            target += peer.recv(250 - len(target))
        self.targets.append(target.rstrip(b"\0").decode())
        join(peer, self.dial(self.to))


class Ways(Vnc):
    def test_repeater(self):
        with Repeater(self.servers.port("None")) as repeater:
            client = guac.Client.tcp(self.guacd.port)
            client.handshake("vnc", hostname="127.0.0.1", port=repeater.port, dest_host="inside",
                             dest_port="5901", disable_display_resize="true")
            client.pump(lambda: client.syncs or client.error, 10 * PATIENCE)
            self.assertIsNone(client.error)
            self.assertEqual(repeater.targets, ["inside:5901"])
            self.point(client)
            self.assert_exact("None", client)

    def test_no_repeater(self):
        client = self.connect("None", dest_host="inside", dest_port="5901")
        client.pump(lambda: client.error, 10 * PATIENCE)
        self.assertEqual(client.error[1], 0x0203)

    def test_reverse(self):
        port = house.free_port()
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname="127.0.0.1", port=str(port), reverse_connect="true",
                         listen_timeout="8000", disable_display_resize="true",
                         password=self.servers["VNC_PASSWORD"])
        client.pump(timeout=0.5)
        self.assertIsNone(client.error)
        self.servers.run("x11vnc", "x11vnc", "-remote", f"connect:127.0.0.1:{port}")
        client.pump(lambda: client.syncs or client.error, 10 * PATIENCE)
        self.assertIsNone(client.error)

    def test_reverse_nobody_comes(self):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("vnc", hostname="127.0.0.1", port=str(house.free_port()),
                         reverse_connect="true", listen_timeout="500")
        client.pump(lambda: client.error, 10 * PATIENCE)
        self.assertEqual(client.error[1], 0x0202)


if __name__ == "__main__":
    unittest.main()
