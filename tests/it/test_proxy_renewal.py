"""guac-proxy's own TLS: a certificate renewed while a tunnel is open; a pair that does not fit."""
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import unittest

import house


class Renewal(house.TestCase):
    def make(self, name, host="127.0.0.1"):
        """A fresh self-signed pair, put in place as renewals are: by rename."""
        for what in ("key", "crt"):
            self.assertFalse(os.path.exists(self.path("new." + what)))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=" + name, "-addext", "subjectAltName=IP:" + host, "-keyout",
                        self.path("new.key"), "-out", self.path("new.crt")], check=True,
                       capture_output=True)
        for what in ("key", "crt"):
            os.rename(self.path("new." + what), self.path("tls." + what))

    def path(self, name):
        return os.path.join(self.folder, "tls", name)

    def shown(self):
        """The name in the certificate that a new handshake shows, and by which protocol."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port)) as raw:
            with context.wrap_socket(raw) as s:
                der = s.getpeercert(True)
                version = s.version()
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"],
                              input=der, check=True, capture_output=True).stdout.decode()
        return re.search(r"CN ?= ?(\S+)", text).group(1), version

    def test_renewed_while_open(self):
        os.mkdir(self.path(""), 0o700)
        os.makedirs(os.path.join(self.folder, "run"))
        self.make("first")
        self.port = house.free_port()
        it = house.Process([house.program("guac-proxy"), "--run", os.path.join(self.folder, "run"),
                            "--web", os.path.join(house.BUILD, "web"), "--listen",
                            f"127.0.0.1:{self.port}", "--admin-listen",
                            f"127.0.0.1:{house.free_port()}", "--tls-cert", self.path("tls.crt"),
                            "--tls-key", self.path("tls.key")],
                           os.path.join(self.folder, "proxy.log"))
        self.started.append(it)

        def up():
            assert it.running(), it.text()
            try:
                return self.shown()
            except OSError:
                return None
        self.assertEqual(house.wait(up, 20 * house.PATIENCE, "no TLS")[0], "first")
        context = ssl.create_default_context(cafile=self.path("tls.crt"))
        kept = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        self.addCleanup(kept.close)

        def ask():
            kept.request("GET", "/healthz")
            return kept.getresponse().read()
        self.assertEqual(ask(), b"ok\n")
        connection = kept.sock
        self.make("second")
        it.popen.send_signal(signal.SIGHUP)
        house.wait(lambda: self.shown()[0] == "second", 20 * house.PATIENCE, "no new one")
        self.assertEqual(ask(), b"ok\n")
        self.assertIs(kept.sock, connection, "the connection did not stay")
        # A key that is another certificate's: the old pair stays, and the log says why.
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-out", self.path("tls.key")], check=True,
                       capture_output=True)
        it.popen.send_signal(signal.SIGHUP)
        house.wait(lambda: "the old certificate stays" in it.text(), 20 * house.PATIENCE,
                   "nothing said")
        self.assertEqual(self.shown()[0], "second")
        self.assertIn("tls-key", it.text())
        # Nothing older than TLS 1.2.
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", self.port)) as raw:
            with self.assertRaises(OSError):
                old.wrap_socket(raw)


if __name__ == "__main__":
    unittest.main()
