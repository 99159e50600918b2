"""Half-open connections are capped by address at accept; whoever was answered or admitted waits no more,
other addresses and trusted proxies are served meanwhile."""
import http.client
import os
import re
import select
import socket
import time
import unittest

import house

CAP = 64
FLOOD, OTHER = "127.0.0.3", "127.0.0.2"


class Waiting(house.TestCase):
    def proxy(self, *options):
        self.port, self.admin = house.free_port(), house.free_port()
        os.makedirs(os.path.join(self.folder, "run"))
        it = house.Process([house.program("guac-proxy"), "--run", os.path.join(self.folder, "run"), "--web",
                            os.path.join(house.BUILD, "web"), "--listen", f"127.0.0.1:{self.port}",
                            "--admin-listen", f"127.0.0.1:{self.admin}", "--max-waiting", str(CAP), *options],
                           os.path.join(self.folder, "proxy.log"))
        self.started.append(it)

        def up():
            self.assertTrue(it.running(), it.text())
            return self.served(OTHER)
        house.wait(up, why="the proxy answers")

    def connect(self, source):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))
        self.addCleanup(s.close)
        return s

    def served(self, source):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(source, 0))
        try:
            c.request("GET", "/healthz")
            return c.getresponse().read() == b"ok\n"
        except (OSError, http.client.HTTPException):
            return False
        finally:
            c.close()

    def metric(self, name):
        c = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        c.close()
        found = re.search(rf"^guacamole_proxy_{name} (\d+)$", text, re.M)
        self.assertTrue(found, text)
        return int(found.group(1))

    def waiting(self, count):
        house.wait(lambda: self.metric("waiting") == count, 20 * house.PATIENCE, f"{count} waiting")

    def flood(self):
        """200 connections of one address, while the proxy keeps those that it let in: whoever says
        nothing for 10 s is hung up on, too, and counts no more. False: this machine was so slow."""
        began, before = time.monotonic(), self.metric("cut_total")
        held = [self.connect(FLOOD) for _ in range(200)]
        for s in held[:20]:
            try:
                s.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")  # and never more
            except OSError:
                return False if time.monotonic() - began > 5 else self.fail("one of the first was cut")
        house.wait(lambda: self.metric("cut_total") >= before + 200 - CAP, why="the rest is cut")
        seen = [self.served(FLOOD), self.served(OTHER), sum(bool(select.select([s], [], [], 0)[0]) for s in held)]
        for s in held:
            s.close()
        if time.monotonic() - began > 5:
            return False
        self.assertEqual(seen, [False, True, 200 - CAP], "its address is full, another is not; the rest is cut")
        self.assertEqual(self.metric("cut_total"), before + 200 - CAP + 1)
        return True

    def test_a_flood_from_one_address(self):
        self.proxy()
        while not self.flood():
            self.waiting(0)
        self.waiting(0)
        self.assertTrue(self.served(FLOOD))

    def test_who_was_answered_waits_no_more(self):
        self.proxy()
        kept = []
        for _ in range(CAP + 20):
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(FLOOD, 0))
            self.addCleanup(c.close)
            c.request("GET", "/healthz")
            self.assertEqual(c.getresponse().read(), b"ok\n")
            kept.append(c)
        self.waiting(0)
        self.assertEqual(self.metric("cut_total"), 0)

    def test_trusted_proxies_are_not_counted(self):
        self.proxy("--trusted-proxies", FLOOD)
        for _ in range(CAP + 20):
            self.connect(FLOOD)
        self.assertTrue(self.served(FLOOD))
        self.assertEqual((self.metric("cut_total"), self.metric("waiting")), (0, 0))


if __name__ == "__main__":
    unittest.main()
