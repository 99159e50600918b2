"""guac-proxy speaks TLS itself: page, sign-in and a session through it, and what it says of a bad pair."""
import http.client
import os
import socket
import ssl
import subprocess
import tempfile
import unittest

import house
import whole

MAX_WAITING = 4


def make_pair(folder, name, *options):
    cert, key = (os.path.join(folder, f"{name}.{x}") for x in ("crt", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    *(options or ["-nodes"]), "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-days", "2", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return cert, key


class TlsGateway(whole.Gateway):
    """The proxy speaks TLS; authd is told of http, since its sign-in by link is for that only."""

    def __init__(self, folder, sshd, pair):
        self.pair = pair
        self.context = ssl.create_default_context(cafile=pair[0])
        super().__init__(folder, sshd)

    def argv(self, name):
        more = ["--tls-cert", self.pair[0], "--tls-key", self.pair[1], "--max-waiting",
                str(MAX_WAITING)] if name == "proxy" else []
        return super().argv(name) + more

    def request(self, method, path, cookie="", headers=None, body=None, port=None):
        c = http.client.HTTPSConnection("127.0.0.1", port or self.port, timeout=30, context=self.context)
        c.request(method, path, body, dict(headers or {}, Cookie=cookie))
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, r, data


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sshd = whole.Part("sshd")
        cls.addClassCleanup(cls.sshd.stop)
        cls.folder = house.folder("t")
        cls.pair = make_pair(cls.folder, "proxy")
        cls.g = TlsGateway(house.folder("w"), cls.sshd, cls.pair)
        cls.addClassCleanup(cls.g.stop)

    def test_a_session(self):
        cookie = self.g.sign_in()
        status, r, page = self.g.request("GET", "/connections", cookie)
        self.assertEqual(status, 200)
        self.assertIn(b"<html", page.lower())
        with self.assertRaises(ssl.SSLCertVerificationError):
            http.client.HTTPSConnection("127.0.0.1", self.g.port, timeout=30,
                                        context=ssl.create_default_context()).request("GET", "/")
        t = whole.Shell(self.g.port, whole.QUERY.format("shell"), cookie, tls=self.g.context,
                        origin=self.g.url)
        with tempfile.TemporaryDirectory() as where:
            os.chmod(where, 0o777)
            path = os.path.join(where, "made")
            self.assertEqual(t.effect(f"seq 1 20000; echo through tls > {path}", path), "through tls\n")
        t.type("exit")
        self.assertTrue(t.wait_closed())

    def test_an_admitted_tunnel_waits_no_more(self):
        cookie = self.g.sign_in()
        for _ in range(MAX_WAITING + 2):
            t = whole.Tunnel(self.g.port, whole.QUERY.format("shell"), cookie, tls=self.g.context, origin=self.g.url)
            self.addCleanup(t.close)
            house.wait(lambda t=t: t.step(0.05) or b"0.,36." in t.text, why="the tunnel's id")

    def handshake(self, low, high):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.set_ciphers("ALL:@SECLEVEL=0")
        c.minimum_version, c.maximum_version = low, high
        with socket.create_connection(("127.0.0.1", self.g.port), timeout=30) as s:
            return c.wrap_socket(s).version()

    def test_versions(self):
        v = ssl.TLSVersion
        self.assertEqual(self.handshake(v.TLSv1_2, v.TLSv1_2), "TLSv1.2")
        self.assertEqual(self.handshake(v.TLSv1_3, v.TLSv1_3), "TLSv1.3")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.handshake(v.TLSv1, v.TLSv1_1)

    def test_plain_http_gets_no_page(self):
        c = http.client.HTTPConnection("127.0.0.1", self.g.port, timeout=30)
        with self.assertRaises((http.client.HTTPException, OSError)):
            c.request("GET", "/")
            c.getresponse()
        self.assertEqual(self.g.get("/api/me")[0], 401, "others are served as before")


class Refusals(unittest.TestCase):
    """Each ends the start, with the file and the reason."""

    @classmethod
    def setUpClass(cls):
        cls.folder = house.folder("t")
        cls.cert, cls.key = make_pair(cls.folder, "one")
        cls.other = make_pair(cls.folder, "other")[1]
        cls.locked = make_pair(cls.folder, "locked", "-passout", "pass:secret")[1]
        cls.garbage = os.path.join(cls.folder, "garbage")
        with open(cls.garbage, "w") as f:
            f.write("no PEM at all\n")

    def refused(self, cert, key, *words):
        argv = [house.program("guac-proxy"), "--run", self.folder, "--web", os.path.join(house.BUILD, "web"), "--listen",
                f"127.0.0.1:{house.free_port()}", "--admin-listen", "", "--tls-cert", cert]
        r = subprocess.run(argv + (["--tls-key", key] if key else []), text=True, timeout=60,
                           stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.assertEqual(r.returncode, 1, r.stderr)
        for word in words:
            self.assertIn(word, r.stderr)

    def test_pairs(self):
        self.refused(self.cert, None, "tls-cert and tls-key go together")
        self.refused(self.cert, self.other, "tls-key", self.other, "mismatch")
        self.refused(self.cert, self.locked, "tls-key", "without a passphrase")
        self.refused(self.garbage, self.key, "tls-cert", self.garbage, "PEM")
        self.refused(os.path.join(self.folder, "missing"), self.key, "tls-cert", "missing", "No such file")


if __name__ == "__main__":
    unittest.main()
