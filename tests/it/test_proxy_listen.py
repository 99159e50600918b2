"""The proxy listens where its configuration says, and nowhere else."""
import os
import socket
import unittest

import house


def listeners(pid):
    """(address, port) of every TCP socket that a process listens on, in the kernel's own words."""
    inodes = {name[8:-1] for name in house.descriptors(pid).values() if name.startswith("socket:[")}
    out = set()
    for family, path in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        try:
            with open(f"/proc/{pid}/net/{path}") as f:
                rows = [line.split() for line in f][1:]
        except FileNotFoundError:
            continue  # a kernel without IPv6
        for row in rows:
            if row[3] == "0A" and row[9] in inodes:
                address, port = row[1].split(":")
                words = [bytes.fromhex(address[i:i + 8])[::-1] for i in range(0, len(address), 8)]
                out.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return out


class Listen(house.TestCase):
    def listening(self, *hosts):
        """Of a proxy whose public and admin listeners are on these."""
        ports = [house.free_port(), house.free_port()]
        places = [f"{host}:{port}" for host, port in zip(hosts, ports)]
        it = house.Process([house.program("guac-proxy"), "--run", self.folder, "--web",
                            os.path.join(house.BUILD, "web"), "--listen", places[0],
                            "--admin-listen", places[1]], os.path.join(self.folder, "log"))
        self.started.append(it)

        def found():
            self.assertTrue(it.running(), it.text())
            there = listeners(it.pid)
            return len(there) == 2 and there
        there = house.wait(found, why="two listeners")
        self.assertEqual({port for _, port in there}, set(ports))
        by_port = {port: address for address, port in there}
        return [by_port[port] for port in ports]

    def test_on_the_address_that_is_named(self):
        self.assertEqual(self.listening("127.0.0.1", "127.0.0.9"), ["127.0.0.1", "127.0.0.9"])

    def test_on_all_of_one_kind(self):
        self.assertEqual(self.listening("0.0.0.0", "127.0.0.1"), ["0.0.0.0", "127.0.0.1"])

    @unittest.skipUnless(os.path.exists("/proc/net/if_inet6"), "this kernel has no IPv6")
    def test_with_ipv6(self):
        self.assertEqual(self.listening("", "[::1]"), ["::", "::1"])

    def test_names_are_refused(self):
        for place in ("localhost:8080", "lo:8080"):
            it = house.Process([house.program("guac-proxy"), "--run", self.folder, "--web",
                                os.path.join(house.BUILD, "web"), "--listen", place],
                               os.path.join(self.folder, place))
            self.assertEqual(it.popen.wait(60), 1)
            self.assertIn("names no address in numbers", it.text())


if __name__ == "__main__":
    unittest.main()
