"""Container images made without a container engine: the same bytes twice, nothing in them that is not
needed, each program starts from its own image with nothing else of the machine."""
import json
import os
import shutil
import subprocess
import unittest

import house
import image

SHELLS = ("sh", "bash", "dash", "busybox", "apt", "dpkg")
PROGRAMS = ("guac-proxy", "guac-authd", "guac-recorder", "guac-evidence", "guacd")


class Image(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if house.SANITIZED:
            raise unittest.SkipTest("images are made of the release build")
        cls.folder = house.folder("i")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        paths = [os.path.join(cls.folder, n, "guac.tar") for n in ("one", "two")]
        makers = [image.start_making(p) for p in paths]
        cls.notes = [image.finish(m) for m in makers]
        cls.images = [image.Images(p) for p in paths]

    def test_same_bytes_twice(self):
        one, two = ({n: m["digest"] for n, m in i.manifests.items()} for i in self.images)
        self.assertEqual(one, two)
        self.assertEqual(set(one), set(PROGRAMS))
        for name in PROGRAMS:
            self.assertRegex(self.notes[0], rf"(?m)^{name} +[0-9.]+ MB, unpacked")

    def test_each_its_own_uid_and_nothing_beside(self):
        uids = set()
        for name in PROGRAMS:
            with self.subTest(name):
                config = self.images[0].config(name)["config"]
                uid, gid = config["User"].split(":")
                uids.add(uid)
                self.assertTrue(int(uid) > 0 and int(gid) > 0)
                self.assertEqual(config["Entrypoint"], ["/usr/lib/guac/" + name])
                members = self.images[0].members(name)
                for path, m in members.items():
                    self.assertFalse(m.mode & 0o6022 and not m.issym(), f"{path}: mode {m.mode:o}")
                    self.assertEqual((m.uid, m.gid), (0, 0), path)
                    self.assertFalse(m.isfile() and os.path.basename(path) in SHELLS, path)
                ours = {p for p in members if p.startswith("usr/lib/guac/guac")}
                self.assertEqual(ours, {"usr/lib/guac/" + name} | ({"usr/lib/guac/guacd-session", "usr/lib/guac/guac-prepare"}
                                                                   if name == "guacd" else set()))
        self.assertEqual(len(uids), len(PROGRAMS))

    def test_bill_names_what_is_in_it(self):
        for name in PROGRAMS:
            with self.subTest(name):
                members = self.images[0].members(name)
                tar = list(self.images[0].layers(name))[-1]
                bill = json.load(tar.extractfile("usr/share/guac/sbom.spdx.json"))
                self.assertEqual(bill["spdxVersion"], "SPDX-2.3")
                rows = {p["name"]: p for p in bill["packages"]}
                self.assertEqual(rows[name]["versionInfo"], "test")
                asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libc6"], text=True, check=True,
                                       stdout=subprocess.PIPE).stdout
                self.assertEqual(rows["libc6"]["versionInfo"], asked)
                self.assertEqual(len(rows), len({p["SPDXID"] for p in bill["packages"]}))
                self.assertIn("libfreerdp3-3" if name == "guacd" else "ca-certificates", rows)
                self.assertIn("var/lib/dpkg/status.d/libc6", members)
                self.assertIn("usr/share/doc/libc6/copyright", members)

    @unittest.skipIf(os.geteuid(), "chroot needs root")
    def test_starts_with_nothing_else(self):
        for name in PROGRAMS:
            with self.subTest(name):
                root = self.images[0].unpack(name, os.path.join(self.folder, "root", name))
                done = subprocess.run(["chroot", "--userspec=64001:64000", root, "/usr/lib/guac/" + name,
                                       "--version"], text=True, capture_output=True, check=False, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(name, done.stdout)
        backends = os.listdir(os.path.join(root, "usr/lib/guac/backends"))
        self.assertIn("rdp.so", backends)
        for backend in backends:
            done = subprocess.run(["chroot", root, "/lib64/ld-linux-x86-64.so.2" if
                                   os.uname().machine == "x86_64" else "/lib/ld-linux-aarch64.so.1",
                                   "--list", "/usr/lib/guac/backends/" + backend],
                                  text=True, capture_output=True, check=False, timeout=60)
            self.assertEqual((done.returncode, "not found" in done.stdout), (0, False), backend + done.stderr)


if __name__ == "__main__":
    unittest.main()
