"""Files over SFTP against a real OpenSSH server, on the terminal's own connection."""
import hashlib
import os
import shutil
import subprocess
import unittest

import filekit
import house
import shellkit
import test_ssh
from filekit import Files
from house import Guacd, PATIENCE, wait

NOT_FOUND, CONFLICT, FORBIDDEN, UPSTREAM, BAD_REQUEST = 0x204, 0x205, 0x303, 0x203, 0x300
MB = 1 << 20


class Shell(Files, shellkit.Shell):
    """The terminal's words and files in one client."""


def digest(data):
    return hashlib.sha256(data).hexdigest()


class SftpCase(house.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.sshd = test_ssh.Sshd(*cls.options)
        cls.addClassCleanup(cls.sshd.stop)
        cls.home = cls.sshd["HOME"]

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, client=("test", "text"), **values):
        given = dict(hostname="127.0.0.1", port=self.sshd["PORT"], username=self.sshd["USER"],
                     password=self.sshd["PASSWORD"], host_key=self.sshd["HOSTKEY_ED25519"],
                     enable_sftp="true")
        given.update(values)
        c = Shell.tcp(self.guacd.port, draw=False)
        self.addCleanup(c.close)
        return c.handshake("ssh", size=(800, 480, 96), client=client, **given)

    def files(self, **values):
        c = self.connect(**values)
        c.appear()
        return c

    def make_folder(self, name, mode=0o755):
        """A fresh folder of the user's; where the target has it."""
        path = os.path.join(self.home, name)
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path, mode)
        self.own(path)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def own(self, path):
        uid = int(self.sshd["UID"])
        os.chown(path, uid, uid, follow_symlinks=False)

    def write(self, path, data):
        with open(path, "wb") as f:
            f.write(data)
        self.own(path)

    def read(self, path):
        with open(path, "rb") as f:
            return f.read()


    def at(self, path):
        """The target's name of a path of ours: its homes are mounted elsewhere."""
        return path.replace(self.home, self.target_home())

    def target_home(self):
        return subprocess.run([self.sshd.script, "login", self.sshd.folder, "pwd"], check=True,
                              capture_output=True, text=True).stdout.strip()


class Browse(SftpCase):
    def test_the_whole_target(self):
        c = self.files()
        top = c.list("/")
        self.assertEqual(top["etc"]["type"], "folder")
        self.assertEqual(c.list("/etc")["passwd"]["type"], "file")

    def test_names_in_any_encoding(self):
        here = self.make_folder("names")
        names = [b"caf\xe9", "grün".encode(), b"new\nline", b"back\\slash", b"\\x41", "😀".encode(),
                 b" ", b"-rf", "\u202egpj.exe".encode(), b"a" * 255, b"tab\t"]
        for n in names:
            self.write(os.path.join(here.encode(), n), n)
        for client in (("test", "text"), None):
            c = self.files(client=client, sftp_root_directory=self.at(here))
            paths = [e["path"] for e in c.list("/").values()] if client else list(c.list("/"))
            self.assertEqual(len(paths), len(names))
            self.assertEqual(sorted(c.get(p)[1] for p in paths), sorted(names))
            if not client:
                self.assertTrue(all(len(p.encode("utf-16-le")) == 2 * len(p) for p in paths),
                                "no character that old clients count wrongly")
            c.close()

    def test_links_and_what_is_no_file(self):
        here = self.make_folder("links")
        os.mkdir(os.path.join(here, "real"))
        self.write(os.path.join(here, "real", "file"), b"x")
        os.symlink("real", os.path.join(here, "to-folder"))
        os.symlink("real/file", os.path.join(here, "to-file"))
        os.symlink("nowhere", os.path.join(here, "to-nothing"))
        os.mkfifo(os.path.join(here, "pipe"))
        c = self.files(sftp_root_directory=self.at(here))
        types = {n: e["type"] for n, e in c.list("/").items()}
        self.assertEqual(types, {"real": "folder", "to-folder": "folder", "to-file": "file",
                                 "to-nothing": "special", "pipe": "special"})
        self.assertEqual(c.get("/to-folder/file")[1], b"x")
        c.send("get", 1, "/pipe")
        self.assertEqual(c.told("failed", s="/pipe")["status"], FORBIDDEN)
        c.send("get", 1, "/to-nothing")
        self.assertEqual(c.told("failed", s="/to-nothing")["status"], NOT_FOUND)

    def test_the_top_confines(self):
        here = self.make_folder("top")
        os.mkdir(os.path.join(here, "in"))
        self.own(os.path.join(here, "in"))
        os.symlink("/etc", os.path.join(here, "out"))
        os.symlink("/etc/passwd", os.path.join(here, "passwd"))
        os.symlink(self.at(self.home) + "/made-outside", os.path.join(here, "dangling"))
        c = self.files(sftp_root_directory=self.at(here))
        for path in ("/out", "/out/passwd", "/passwd"):
            c.send("get", 1, path)
            self.assertEqual(c.told("failed", s=path)["status"], FORBIDDEN)
        self.assertEqual(c.put("/out/x", b"x"), FORBIDDEN)
        self.assertNotEqual(c.put("/dangling", b"x"), 0)
        self.assertFalse(os.path.exists(os.path.join(self.home, "made-outside")))
        self.assertEqual(c.put("/in/deep/er/file", b"fine"), 0)
        c.told("done", s="/in/deep/er/file")
        self.assertEqual(self.read(os.path.join(here, "in/deep/er/file")), b"fine")
        self.assertEqual(c.put("dropped", b"x", obj=None), 0)
        c.told("done", s="/dropped")

    def test_a_top_that_is_not_there(self):
        c = self.connect(sftp_root_directory="/no/such/folder")
        c.see("~$")
        c.pump(lambda: any("sftp-root-directory" in s.get("state", {}).get("files", "")
                           for s in c.states()), 10 * PATIENCE)
        self.assertEqual(c.objects, {})

    def test_many_entries(self):
        here = self.make_folder("many")
        for i in range(3000):
            open(os.path.join(here, f"entry {i}"), "w").close()
        c = self.files(sftp_root_directory=self.at(here))
        self.assertEqual(len(c.list("/")), 3000)


class Transfers(SftpCase):

    def test_there_and_back(self):
        here = self.make_folder("data")
        c = self.files(sftp_root_directory=self.at(here))
        for size in (0, 1, 6048, 300000, 20 * MB + 7):
            data = os.urandom(size)
            name = f"/file-{size}"
            self.assertEqual(c.put(name, data, window=64), 0)
            end = c.told("done", s=name, dir="in")
            self.assertEqual((end["bytes"], end["sha256"]), (size, digest(data)))
            self.assertEqual(self.read(here + name), data)
            self.assertTrue(c.get(name, timeout=60)[1] == data, "the bytes that come back")
            self.assertEqual(c.told("done", s=name, dir="out")["sha256"], digest(data))
        self.assertEqual(c.put("/file-6048", b"shorter"), 0, "replaced, not written into")
        c.told("done", s="/file-6048", bytes=7)
        self.assertEqual(self.read(here + "/file-6048"), b"shorter")

    def test_cancel(self):
        here = self.make_folder("cancel")
        self.write(here + "/big", os.urandom(30 * MB))
        c = self.files(sftp_root_directory=self.at(here))
        c.answer_blobs = False
        c.send("get", 1, "/big")
        stream = c.pump(lambda: next((s for s, i in c.open.items() if i[3]), None), 10 * PATIENCE)
        c.send("ack", stream, "Enough", 0x200)
        c.told("cancelled", s="/big")
        c.open.clear()
        c.answer_blobs = True
        self.assertEqual(c.put("/half", os.urandom(MB), stream=3, end=False, window=32), 0)
        self.assertTrue(os.path.exists(here + "/half"))
        self.assertEqual(c.put("/other", b"1", stream=3), 0)
        c.told("cancelled", s="/half")
        wait(lambda: not os.path.exists(here + "/half"), 10 * PATIENCE, "half a file stays")
        self.assertEqual(c.put("/big", b"2", stream=4, end=False), 0)
        c.send("put", 1, 4, filekit.BYTES, "/other2")
        c.told("cancelled", s="/big", dir="in")
        self.assertTrue(os.path.exists(here + "/big"), "what was there before is not removed")
        self.assertEqual(set(c.list("/")) - {"other2"}, {"big", "other"})

    def test_refusals(self):
        here = self.make_folder("refused")
        self.write(here + "/secret", b"x")
        os.chmod(here + "/secret", 0)
        os.mkdir(here + "/theirs", 0o755)
        os.mkdir(here + "/dark", 0o700)
        self.write(here + "/file", b"x")
        c = self.files(sftp_root_directory=self.at(here))
        for path in ("/secret", "/dark"):
            c.send("get", 1, path)
            told = c.told("failed", s=path)
            self.assertEqual(told["status"], FORBIDDEN, told)
        self.assertEqual(c.open, {}, "nothing was begun")
        for path, status in (("/theirs/x", FORBIDDEN), ("/theirs/deep/x", FORBIDDEN),
                             ("/file/x", CONFLICT), ("/theirs", CONFLICT), ("/", BAD_REQUEST)):
            self.assertEqual(c.put(path, b"x"), status, f"{path}: {c.files()[-1:]}")

    def test_disk_full(self):
        c = self.files()
        self.assertEqual(c.put("/dev/full", os.urandom(MB), window=64), UPSTREAM)
        self.assertIn("full", c.told("failed", s="/dev/full")["error"])
        self.assertEqual(set(c.list("/dev")) & {"full"}, {"full"}, "removed, although not made")

    def test_a_file_that_shrinks(self):
        """What was promised does not come: never told as whole to who does not hash."""
        here = self.make_folder("shrinks")
        self.write(here + "/f", os.urandom(8 * MB))
        c = self.files(sftp_root_directory=self.at(here))
        c.ready = False
        c.send("get", 1, "/f")
        c.told("begun", s="/f")
        os.truncate(here + "/f", 100)
        stream = next(iter(c.open))
        c.send("ack", stream, "Ready", 0)
        end = c.pump(lambda: next((f for f in c.files() if f["state"] in ("done", "failed")), None),
                     20 * PATIENCE)
        self.assertTrue(end["state"] == "failed" or end["bytes"] == 8 * MB, end)

    def test_several_at_once(self):
        here = self.make_folder("several")
        sent = {f"/f{i}": os.urandom(2 * MB + i) for i in range(8)}
        for name, data in sent.items():
            self.write(here + name, data)
        c = self.files(sftp_root_directory=self.at(here))
        for name in sent:
            c.send("get", 1, name)
        self.assertEqual(len(c.list("/")), 8, "a listing does not wait for them")
        c.pump(lambda: len(c.bodies) >= 9, 60 * PATIENCE)
        for name, data in sent.items():
            self.assertTrue(c.bodies[name][1] == data, name)


class OneChannel(SftpCase):
    """A server that allows the shell and one more."""
    options = ("--config", "MaxSessions 2")

    def test_transfers_and_listings(self):
        here = self.make_folder("one")
        data = os.urandom(3 * MB)
        c = self.files(sftp_root_directory=self.at(here))
        self.assertEqual(c.put("/f", data, window=64), 0)
        c.told("done", s="/f")
        self.assertTrue(c.get("/f", timeout=60)[1] == data)
        self.assertEqual(set(c.list("/")), {"f"})


class BesideTheTerminal(SftpCase):

    def test_floods_and_files(self):
        here = self.make_folder("flood")
        data = os.urandom(20 * MB)
        self.write(here + "/f", data)
        c = self.files(sftp_root_directory=self.at(here))
        c.see("$")
        c.type("yes 'the quick brown fox'\n")
        c.see("fox\nthe quick")
        self.assertTrue(c.get("/f", timeout=90)[1] == data, "while the terminal floods")
        self.assertEqual(c.put("/g", data, window=64, timeout=90), 0)
        c.told("done", s="/g", timeout=60)
        self.assertEqual(digest(self.read(here + "/g")), digest(data))
        c.chord(test_ssh.CTRL, ord("c"))
        c.run("echo al''ive", "alive")

    def test_typing_while_a_file_flows(self):
        here = self.make_folder("typing")
        with open(here + "/big", "wb") as f:
            f.truncate(400 * MB)
        c = self.files(sftp_root_directory=self.at(here))
        c.see("$")
        c.send("get", 1, "/big")
        c.told("begun", s="/big")
        for i in range(5):
            c.run(f"echo $(({i}+1000))", str(1000 + i))
        self.assertTrue(c.open, "the download was over before")

    def test_without_files(self):
        c = self.connect(enable_sftp="false")
        c.see("~$")
        self.assertEqual(c.put("/x", b"x"), 0x100)
        self.assertEqual(c.objects, {})


class NoSftp(SftpCase):
    """Where the shell is all a server allows."""
    options = ("--config", "MaxSessions 1")

    def test_told_and_the_shell_lives(self):
        c = self.connect()
        c.see("~$")
        c.pump(lambda: any("files" in s.get("state", {}) for s in c.states()), 10 * PATIENCE)
        self.assertEqual(c.objects, {})
        c.run("echo al''ive", "alive")


if __name__ == "__main__":
    unittest.main()
