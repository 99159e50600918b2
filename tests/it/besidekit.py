"""Files over SFTP beside a desktop: a real desktop's server and a real OpenSSH server. The cases,
for whichever protocol a test file has."""
import hashlib
import os
import shutil

import house
import test_ssh
from filekit import Files
from house import Guacd, PATIENCE, wait

MB = 1 << 20


def leaves(pid):
    below = [leaf for child, _ in house.children(pid) for leaf in leaves(child)]
    return below or [pid]


class Beside:
    """protocol, start_desktop() and desktop(), its parameters: the test case's."""
    protocol = None

    @classmethod
    def setUpClass(cls):
        cls.start_desktop()
        cls.sshd = test_ssh.Sshd()
        cls.addClassCleanup(cls.sshd.stop)

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)
        self.here = os.path.join(self.sshd["HOME"], "desk")
        shutil.rmtree(self.here, ignore_errors=True)
        os.mkdir(self.here)
        os.chown(self.here, int(self.sshd["UID"]), int(self.sshd["UID"]))

    def desk(self, **values):
        given = dict(hostname="127.0.0.1", **self.desktop(), enable_sftp="true",
                     sftp_port=self.sshd["PORT"], sftp_username=self.sshd["USER"],
                     sftp_password=self.sshd["PASSWORD"],
                     sftp_host_key=self.sshd["HOSTKEY_ED25519"])
        given.update(values)
        c = Files.tcp(self.guacd.port, draw=False)
        self.addCleanup(c.close)
        c.handshake(self.protocol, client=("test",), **{k: str(v) for k, v in given.items()})
        c.pump(lambda: c.syncs, 20 * PATIENCE, "no picture")
        return c

    def test_by_password_and_key(self):
        data = os.urandom(2 * MB)
        ways = ({}, {"sftp_password": "", "sftp_private_key": self.sshd.file("KEY_ED25519")},
                {"sftp_password": "", "sftp_passphrase": self.sshd["PASSPHRASE"],
                 "sftp_private_key": self.sshd.file("KEY_ENC")},
                {"sftp_host_key": self.sshd["HOSTKEY_RSA"]}, {"sftp_host_key": ""})
        for i, way in enumerate(ways):
            with self.subTest(list(way)):
                c = self.desk(sftp_directory="desk", sftp_server_alive_interval="1", **way)
                c.appear()
                self.assertEqual(c.put(f"dropped-{i}", data, obj=None, window=64), 0)
                told = c.told("done", dir="in")
                self.assertEqual(told["sha256"], hashlib.sha256(data).hexdigest())
                with open(f"{self.here}/dropped-{i}", "rb") as f:
                    self.assertTrue(f.read() == data)
                self.assertTrue(c.get(told["s"], timeout=60)[1] == data)
                c.send("disconnect")
                c.pump(lambda: c.closed, 10 * PATIENCE)
        wait(lambda: not self.guacd.children_left(), 10 * PATIENCE, "processes")

    def test_what_fails_leaves_the_desktop(self):
        free = house.free_port()
        for words, way in (("refuses the login", {"sftp_password": "wrong"}),
                           ("is not sftp-host-key", {"sftp_host_key": "SHA256:" + "A" * 43}),
                           ("", {"sftp_port": free}),
                           ("does not answer", {"sftp_port": self.desktop()["port"]})):
            with self.subTest(words):
                c = self.desk(**way)
                said = c.pump(lambda: next((s["state"]["files"] for s in c.states()
                                            if "files" in s.get("state", {})), None),
                              40 * PATIENCE, "nothing is told")
                self.assertIn(words, said)
                before = len(c.syncs)
                c.send("mouse", 50, 50, 0)
                self.assertFalse(c.closed or c.error or c.objects, before)
                c.close()

    def test_the_server_goes(self):
        c = self.desk()
        c.appear()
        for pid in leaves(int(self.sshd["PID"])):  # who serves the connection
            os.kill(pid, 9)
        c.pump(lambda: not c.objects, 20 * PATIENCE, "files of a server that is gone")
        self.assertFalse(c.closed)
