"""Files with an RDP desktop: the drive of a session, as xrdp mounts it and as people see it, and
SFTP beside a desktop."""
import hashlib
import os
import subprocess
import unittest

import house
import rdppart
import test_rdp_xrdp
from besidekit import Beside
from filekit import Files
from house import PATIENCE, wait
from test_rdp_xrdp import Xrdp

MB = 1 << 20


class BesideRdp(Beside, house.TestCase):
    protocol = "rdp"

    @classmethod
    def start_desktop(cls):
        cls.rdp = rdppart.Servers("rdp-shadow", "--types", "tls")
        cls.addClassCleanup(cls.rdp.stop)

    def desktop(self):
        return {"port": self.rdp.port("tls"), "ignore_cert": "true"}


class Drive(Xrdp):
    """The server's side is what its user can do with the folder that xrdp shows him."""
    client_class = Files

    @classmethod
    def setUpClass(cls):
        test_rdp_xrdp.setUpModule()
        cls.addClassCleanup(test_rdp_xrdp.tearDownModule)

    def open(self, **values):
        client = self.login(enable_drive="true", drive_name="Exchange", client=("test",), **values)
        client.appear()
        self.at_server(client, "until cd $HOME/thinclient_drives/Exchange; do sleep 0.2; done")
        return client

    def at_server(self, client, script):
        """What a shell of the user says there, while the session goes on."""
        argv = [self.servers.script, "user", self.servers.dir, "sh", "-c",
                f"export HOME=~{self.servers['RDP_USER']}; {script}"]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as shell:
            client.pump(lambda: shell.poll() is not None, 60 * PATIENCE, script)
            said = shell.stdout.read().decode()
        self.assertEqual(shell.returncode, 0, said)
        return said

    def on_drive(self, client, script):
        return self.at_server(client, "cd $HOME/thinclient_drives/Exchange && " + script)

    def test_both_ways(self):
        client = self.open()
        up, down = os.urandom(3 * MB + 17), os.urandom(MB)
        self.assertEqual(client.put("/in/up.bin", up, window=64), 0)
        digest = hashlib.sha256(up).hexdigest()
        self.assertEqual(client.told("done", dir="in")["sha256"], digest)
        self.assertIn(digest, self.on_drive(client, "sha256sum in/up.bin"))
        # The server changes, makes, renames, removes.
        self.on_drive(client, "printf more >>in/up.bin && mkdir -p new/deep && "
                              "cp in/up.bin new/deep/copy && mv new/deep/copy new/moved && "
                              "rm in/up.bin && rmdir new/deep in && ls new | grep -qx moved")
        self.assertEqual(set(client.list("/")), {"Download", "new"})
        self.assertEqual(client.list("/new")["moved"]["size"], len(up) + 4)
        self.assertTrue(client.get("/new/moved", timeout=60)[1] == up + b"more")
        # What it puts into Download comes by itself, once it is whole.
        with open(os.path.join(self.servers["RDP_HOME"], "down"), "wb") as f:
            f.write(down)
        self.on_drive(client, "cp $HOME/down Download/down")
        client.pump(lambda: "down" in client.offers, 30 * PATIENCE, "the download")
        self.assertTrue(client.offers["down"][1] == down)
        told = client.told("done", dir="out", name="down")
        self.assertEqual(told["sha256"], hashlib.sha256(down).hexdigest())

    def test_its_end(self):
        """A session's files are its own: gone with it, nothing of them in any folder."""
        client = self.open()
        self.assertEqual(client.put("/secret", b"nobody else's" * 1000, window=8), 0)
        pid, = self.guacd.sessions()
        storage = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        storage = [name for name in storage if "/guacd/" in name]
        self.assertEqual([name.endswith("(deleted)") for name in storage], [True])
        client.close()
        wait(lambda: not self.guacd.sessions(), 20 * PATIENCE, "the session's end")
        client = self.open()
        self.assertEqual(set(client.list("/")), {"Download"})

    def test_quota(self):
        client = self.open(drive_size_limit=str(MB))
        self.assertEqual(client.put("/fits", bytes(700_000), window=64), 0)
        self.assertEqual(client.put("/too-much", bytes(MB), window=64), 0x30D)
        self.assertIn("full", client.refused)
        self.assertEqual(set(client.list("/")), {"Download", "fits"})
        said = self.on_drive(client, "head -c 2000000 /dev/zero >more 2>&1 || echo refused; rm -f more")
        self.assertIn("refused", said)
        self.on_drive(client, "rm fits")
        self.assertEqual(client.put("/again", bytes(900_000), window=64), 0)

    def test_directions(self):
        client = self.open(disable_download="true")
        self.assertEqual(client.put("/in", b"allowed"), 0)
        self.on_drive(client, "cp in Download/out")
        client.send("get", 1, "/in")
        client.told("refused", dir="out")
        self.assertEqual((client.bodies.get("/in"), client.offers), (None, {}))
        client.close()
        client = self.open(disable_upload="true")
        self.assertEqual(client.put("/in", b"not allowed"), 0x303)
        self.on_drive(client, "echo from the server >out")
        self.assertEqual(client.get("/out")[1], b"from the server\n")

    def test_names(self):
        client = self.open()
        self.assertEqual(client.put("/grün 漢字.txt", b"text"), 0)
        self.assertIn("grün 漢字.txt", self.on_drive(client, "LC_ALL=C.UTF-8 ls"))
        for name in ("a:b", "a*", "trailing.", "con\\x"):
            with self.subTest(name):
                self.assertEqual(client.put("/" + name, b"x"), 0x300)


if __name__ == "__main__":
    unittest.main()
