"""Files of a container, as kubectl cp moves them: against a real API server and node, in containers with
busybox's tar, with GNU's, without tar, without a shell."""
import hashlib
import os
import unittest

import filekit
import shellkit
from filekit import Files
from house import PATIENCE, wait
from kubeshell import FORBIDDEN, NOT_FOUND, CONFLICT, ERROR, BAD_REQUEST, KubeCase, container

UNSUPPORTED = 0x100
MB = 1 << 20


class Shell(Files, shellkit.Shell):
    """The terminal's words and files in one client."""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def gnu(k):
    """The machine's own shell, tar, find and stat."""
    folders = ("usr", "lib", "lib64")
    here = [f for f in folders if os.path.isdir("/" + f)]
    main = container("main", k["IMAGE"], ["/usr/bin/sleep", "100000"],
                     env=[{"name": "PATH", "value": "/usr/bin"}],
                     volumeMounts=[{"name": f, "mountPath": "/" + f, "readOnly": True} for f in here])
    return k.pod("gnu", main, volumes=[{"name": f, "hostPath": {"path": "/" + f}} for f in here])


def poor(k):
    """A shell and nothing else."""
    mounts = [{"name": "only", "mountPath": "/only"}]
    libs = [{"name": f, "mountPath": "/" + f, "readOnly": True} for f in ("lib", "lib64")
            if os.path.isdir("/" + f)]
    make = container("make", k["IMAGE"], ["sh", "-c", "cp /usr/bin/dash /only/sh; cp /usr/bin/sleep /only"],
                     volumeMounts=mounts + [{"name": "usr", "mountPath": "/usr", "readOnly": True}])
    main = container("main", k["IMAGE"], ["/only/sleep", "100000"], volumeMounts=mounts + libs,
                     env=[{"name": "PATH", "value": "/only"}])
    return k.pod("poor", main, initContainers=[make], volumes=[
        {"name": "only", "emptyDir": {}},
        *({"name": f, "hostPath": {"path": "/" + f}} for f in ("usr", *(m["name"] for m in libs)))])


class FilesCase(KubeCase):
    client = Shell

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not hasattr(FilesCase, "ready"):
            FilesCase.ready = True
            cls.kube.start_pods(gnu(cls.kube), poor(cls.kube))

    def parameters(self):
        return dict(super().parameters(), enable_files="true", container=None)

    def files(self, pod="shell", **values):
        c = self.connect(pod=pod, **dict({"container": "main"}, **values))
        c.appear()
        return c

    def there(self, pod, *command, text=None):
        """What a command in the pod says."""
        return self.kube.kubectl("exec", "-i", pod, "-c", "main", "--", "sh", "-c", *command, text=text,
                                 check=False)

    def sha(self, pod, path):
        return self.there(pod, f"sha256sum {path}").split(" ")[0]


class Browse(FilesCase):
    def test_folders_and_names(self):
        names = ["gr\u00fcn", "a b", "new\nline", "%s\\n", "-rf", ".hidden", "\U0001f600"]
        for pod in ("shell", "gnu"):
            with self.subTest(pod):
                c = self.files(pod)
                self.assertEqual(c.list("/")["etc" if pod == "shell" else "usr"]["type"], "folder")
                for name in names:
                    self.assertEqual(c.put("/tmp/names/" + name, name.encode()), 0, c.files()[-1:])
                    c.told("done", s=f"/tmp/names/{name}".replace("\\", "\\\\").replace("\n", "\\x0A"))
                got = c.list("/tmp/names")
                self.assertEqual(len(got), len(names), got)
                self.assertEqual(got["-rf"]["size"], 3)
                self.assertGreater(got["-rf"]["mtime"], 1.6e12)
                self.assertEqual(sorted(c.get(e["path"])[1].decode() for e in got.values()), sorted(names))

    def test_links_and_what_is_no_file(self):
        for pod in ("shell", "gnu"):
            with self.subTest(pod):
                self.there(pod, "mkdir -p /tmp/l/real; echo x >/tmp/l/real/file; cd /tmp/l; ln -s real f; "
                           "ln -s real/file g; ln -s nowhere n; mkfifo p")
                c = self.files(pod)
                self.assertEqual({n: e["type"] for n, e in c.list("/tmp/l").items()},
                                 {"real": "folder", "f": "folder", "g": "file", "n": "special",
                                  "p": "special"})
                self.assertEqual(c.get("/tmp/l/g")[1], b"x\n")
                for path, status in (("p", FORBIDDEN), ("n", NOT_FOUND), ("none", NOT_FOUND)):
                    c.send("get", 1, "/tmp/l/" + path)
                    self.assertEqual(c.told("failed", s="/tmp/l/" + path)["status"], status)

    def test_many_entries(self):
        self.there("shell", "mkdir -p /tmp/many; cd /tmp/many; seq 1 1500 | xargs touch")
        self.assertEqual(len(self.files().list("/tmp/many")), 1500)

    def test_without_find_stat_and_tar(self):
        c = self.files("poor")
        top = c.list("/")
        self.assertEqual((top["etc"]["type"], top["tmp"]["type"]), ("folder", "folder"))
        self.assertEqual(c.list("/etc")["passwd"]["type"], "file")
        c.send("get", 1, "/etc/passwd")
        told = c.told("failed", s="/etc/passwd")
        self.assertEqual((told["status"], "no tar" in told["error"]), (UNSUPPORTED, True), told)
        self.assertEqual(c.put("/tmp/x", b"x"), UNSUPPORTED)

    def test_without_a_shell(self):
        c = self.connect(pod="bare", exec_command="/app/sleep 1000")
        c.appear()
        c.send("get", 1, "/")
        told = c.told("failed", s="/")
        self.assertEqual((told["status"], "no shell" in told["error"]), (UNSUPPORTED, True), told)


class Transfers(FilesCase):
    def test_there_and_back(self):
        for pod in ("shell", "gnu"):
            c = self.files(pod)
            for size in (0, 1, 512, 6048, 300000, 3 * MB + 7):
                with self.subTest(f"{pod} {size}"):
                    data = os.urandom(size)
                    name = f"/tmp/file-{size}"
                    self.assertEqual(c.put(name, data, window=64), 0, c.files()[-1:])
                    end = c.told("done", s=name, dir="in")
                    self.assertEqual((end["bytes"], end["sha256"]), (size, digest(data)))
                    self.assertEqual(self.sha(pod, name), digest(data))
                    self.assertTrue(c.get(name, timeout=60)[1] == data, "the bytes that come back")
                    self.assertEqual(c.told("done", s=name, dir="out")["sha256"], digest(data))
            self.there(pod, "chmod 750 /tmp/file-6048")
            self.assertEqual(c.put("/tmp/file-6048", b"shorter"), 0, "replaced, not written into")
            c.told("done", s="/tmp/file-6048", bytes=7)
            self.assertEqual(self.there(pod, "cat /tmp/file-6048; stat -c %a /tmp/file-6048"),
                             "shorter750\n")
            self.assertEqual(c.put("dropped", b"x", obj=None), 0)
            c.told("done", s="/tmp/dropped")

    def test_large(self):
        """Each way; the terminal is not kept waiting. FILES_KUBE_MB=300 by hand."""
        size = int(os.environ.get("FILES_KUBE_MB", "24")) * MB
        self.there("shell", f"head -c {size} /dev/urandom >/tmp/large")
        c = self.files()
        c.see("/ #", 20)
        c.ready = False
        c.send("get", 1, "/tmp/large")
        c.told("begun", s="/tmp/large")
        c.run("echo $((40+2))", "42")
        c.send("ack", next(iter(c.open)), "Ready", 0)
        c.pump(lambda: c.bodies.get("/tmp/large"), 240 * PATIENCE, "the file does not come")
        self.assertEqual(digest(c.bodies["/tmp/large"][1]), self.sha("shell", "/tmp/large"))
        data = c.bodies.pop("/tmp/large")[1]
        self.assertEqual(c.put("/tmp/copy", data, window=256, timeout=240), 0)
        c.told("done", 60, s="/tmp/copy")
        self.assertEqual(self.sha("shell", "/tmp/copy"), digest(data))
        self.there("shell", "rm /tmp/large /tmp/copy")

    def test_cancel(self):
        for pod in ("shell", "gnu"):
            with self.subTest(pod):
                self.there(pod, "truncate -s 4G /tmp/big")   # no buffers on the way hold it
                c = self.files(pod)
                c.answer_blobs = False
                c.send("get", 1, "/tmp/big")
                stream = c.pump(lambda c=c: next((s for s, i in c.open.items() if i[3]), None),
                                20 * PATIENCE)
                c.send("ack", stream, "Enough", 0x200)
                c.told("cancelled", s="/tmp/big")
                c.open.clear()
                c.answer_blobs = True
                self.assertEqual(c.put("/tmp/half", os.urandom(MB), stream=3, end=False, window=32), 0)
                self.assertIn("half", self.there(pod, "ls /tmp"))
                self.assertEqual(c.put("/tmp/other", b"1", stream=3), 0)
                c.told("cancelled", s="/tmp/half")
                wait(lambda pod=pod: "half" not in self.there(pod, "ls /tmp"), 20 * PATIENCE,
                     "half a file stays")
                wait(lambda pod=pod: "tar" not in self.there(pod, "cat /proc/[0-9]*/comm"), 20 * PATIENCE,
                     "tar goes on")

    def test_refusals(self):
        c = self.files()
        for path, status in (("/etc/passwd/x", CONFLICT), ("/etc", CONFLICT), ("/", BAD_REQUEST),
                             ("/proc/x/y", FORBIDDEN)):
            self.assertEqual(c.put(path, b"x"), status, f"{path}: {c.files()[-1:]}")
        # What is on its way may be acknowledged before the container says no; the end tells it.
        self.assertIn(c.put("/dev/full", os.urandom(MB), window=64), (0, ERROR))
        self.assertIn("full", c.told("failed", s="/dev/full")["error"])
        c.send("put", 1, 99, filekit.INDEX, "/tmp/made/by/hand")
        wait(lambda: c.pump(timeout=0.1) or "hand" in self.there("shell", "ls /tmp/made/by"),
             20 * PATIENCE, "no folder")

    def test_several_at_once(self):
        sent = {f"/tmp/f{i}": os.urandom(MB + i) for i in range(6)}
        c = self.files()
        for name, data in sent.items():
            self.assertEqual(c.put(name, data, window=64), 0)
        for name in sent:
            c.send("get", 1, name)
        c.pump(lambda: len(c.bodies) >= len(sent), 60 * PATIENCE)
        for name, data in sent.items():
            self.assertTrue(c.bodies[name][1] == data, name)

    def test_directions(self):
        c = self.files(disable_upload="true")
        self.assertEqual(c.put("/tmp/no", b"x"), FORBIDDEN)
        self.assertIn(b"root", c.get("/etc/passwd")[1])
        c = self.files(disable_download="true")
        c.send("get", 1, "/etc/passwd")
        c.told("refused", s="/etc/passwd")
        self.assertEqual(c.put("/tmp/yes", b"x"), 0)
        c = self.connect(enable_files=None, container="main")
        c.see("/ #", 20)
        self.assertEqual(c.objects, {})

    def test_the_cluster_says_no(self):
        """Who may attach and not exec gets a terminal, and no files."""
        k = self.kube
        k.grant("only-attach", "attacher", (["get", "create"], ["pods/attach"]), (["get"], ["pods"]))
        c = self.connect(token=k.token("attacher"), container="tty", exec_command=None)
        c.appear()
        c.send("get", 1, "/")
        told = c.told("failed", s="/")
        self.assertEqual(told["status"], FORBIDDEN)
        self.assertIn("pods/exec", told["error"])


if __name__ == "__main__":
    unittest.main()
