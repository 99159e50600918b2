"""guac-recorder check against the real SeaweedFS: sound buckets; then everything that is wrong at once,
the filer's open port too, through which whoever reaches it removes what is locked."""
import os
import shutil
import subprocess
import unittest

import house
import whole


class Store(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.s3 = whole.Part("seaweedfs")
        cls.addClassCleanup(cls.s3.stop)
        cls.folder = house.folder("c")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        os.mkdir(os.path.join(cls.folder, "spool"))
        cls.secret = cls.write("secret", "k" * 44)

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def recorder(self, command, who, *options):
        words = ["--store", "s3:" + self.s3["S3_ENDPOINT"], "--region", self.s3["S3_REGION"],
                 "--spool", os.path.join(self.folder, "spool"), "--secret-file", self.secret]
        for key in ("access", "secret"):
            words += [f"--{key}-key-file", self.write(f"{who}.{key}",
                                                      self.s3[f"S3_{who}_{key.upper()}_KEY"])]
        done = subprocess.run([house.program("guac-recorder"), command, *words, *options], text=True,
                              capture_output=True, check=False, timeout=120 * house.PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def test_sound(self):
        rc, out, err = self.recorder("bucket", "ADMIN", "--buckets", self.s3["S3_BUCKET"])
        self.assertEqual(rc, 0, out + err)
        # A port where nobody listens is a closed one.
        rc, out, err = self.recorder("check", "WRITER", "--buckets", self.s3["S3_BUCKET"], "--closed",
                                     f"127.0.0.1:{house.free_port()}")
        self.assertEqual(rc, 0, out + err)
        for word in ("ok   secret-file: ", "ok   spool: ", f"ok   {self.s3['S3_BUCKET']}: ", f"ok   {self.s3['S3_BUCKET']}-head: ",
                     "ok   clock: ", "ok   closed: ", "nothing is wrong"):
            self.assertIn(word, out)

    def test_all_at_once(self):
        self.secret = os.path.join(self.folder, "no-such-secret")
        rc, out, _ = self.recorder("check", "WRITER", "--buckets", "missing-1 missing-2",
                                   "--spool", os.path.join(self.folder, "no-such-spool"),
                                   "--closed", self.s3["SEAWEEDFS_FILER"])
        self.assertEqual(rc, 1, out)
        for word in ("BAD  secret-file: ", "BAD  spool: ", "BAD  missing-1: ", "BAD  missing-2: ",
                     "needs Write and PutObjectRetention", "BAD  missing-1-head: ",
                     f"BAD  closed: {self.s3['SEAWEEDFS_FILER']} (SeaweedFS",
                     "Whoever reaches it removes what is locked", "6 wrong"):
            self.assertIn(word, out)


if __name__ == "__main__":
    unittest.main()
