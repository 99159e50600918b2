"""A recording on a cold tier: its volumes moved to a second SeaweedFS by SeaweedFS's own command.
Nothing of ours is told; everything reads it through the one endpoint as before."""
import glob
import http.client
import json
import os
import signal
import subprocess
import unittest

import house
import test_record_kit as kit
from test_record_evidence import Serve
from test_record_weed import BUCKET, S3Case, Seaweed, s3


class Cold(S3Case):
    @classmethod
    def setUpClass(cls):
        cls.cold_folder = house.folder("c")
        cls.cold = Seaweed(cls.cold_folder)
        try:
            cls.cold.verb("bucket", "cold", "--plain")
            cls.options = ("--cold", os.path.join(cls.cold_folder, "env"))
            super().setUpClass()
        except BaseException:
            cls.stop_cold()
            raise

    @classmethod
    def stop_cold(cls):
        cls.cold.verb("stop")
        house.shutil.rmtree(cls.cold_folder, ignore_errors=True)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.stop_cold()

    def shell(self, *commands):
        done = subprocess.run([self.weed.env["SEAWEEDFS_WEED"], "shell", "-master",
                               self.weed.env["SEAWEEDFS_MASTER"]], text=True, check=False,
                              input="\n".join(("lock", *commands, "unlock", "exit", "")),
                              capture_output=True, cwd=self.weed_folder,
                              timeout=120 * house.PATIENCE)
        return done.stdout + done.stderr

    def local(self):
        """Volumes of recordings that have their data here."""
        return glob.glob(os.path.join(self.weed_folder, "data", BUCKET + "_*.dat"))

    def moved(self):
        status, _, body = self.cold.client("admin").request("GET", "cold", "", {"list-type": "2"})
        return status == 200 and b"<Key>" in body

    def readable(self, s, name):
        """Asked without patience: the store itself goes on trying."""
        client = s3.S3.from_env(os.path.join(self.weed_folder, "env"), "reader",
                                timeout=2 * house.PATIENCE)
        try:
            return client.request("GET", BUCKET, f"{s.prefix.partition('/')[2]}/{name}")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def test_replays_and_verifies(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(40):
            s.data(kit.frame(n, 8192))
        s.keyframe(kit.frame(40))
        s.text("marmots on ice")
        s.wait_acked()
        s.end()
        self.sealed(s)
        recorder.stop(signal.SIGTERM)
        self.assertTrue(self.local())
        said = []

        def upload():  # it takes the volumes whose size the master was told of, some seconds later
            said.append(self.shell(f"volume.tier.upload -dest=s3.default -collection={BUCKET} "
                                   "-fullPercent=0 -quietFor=0s"))
            return not self.local()
        house.wait(upload, 60 * house.PATIENCE, lambda: f"still here: {self.local()}: {said[-1]}", every=1)
        self.assertTrue(self.moved(), said)

        self.check(s, 41)
        reader = self.start(Serve, *self.weed.options("reader")).connect()
        self.addCleanup(reader.sock.close)
        shown = json.loads(reader.call(op="show", id=s.id)[1])
        for x in shown["chunks"] + shown["keyframes"]:
            answer, body = reader.call(op="object", id=s.id, name=x["name"])
            self.assertEqual((answer["size"], len(body)), (x["size"], x["size"]))
        house.wait(lambda: reader.call(op="search", query="marmots")[0].get("hits"),
                   30 * house.PATIENCE, "not found by search", every=0.3)

        # It is read from there and from nowhere else.
        name = shown["chunks"][0]["name"]
        house.wait(lambda: self.readable(s, name), 30 * house.PATIENCE, "cannot be read", every=0.5)
        self.cold.verb("kill9")
        self.assertFalse(self.readable(s, name))
        self.cold.verb("restart")
        house.wait(lambda: self.readable(s, name), 60 * house.PATIENCE, "does not come back",
                   every=0.5)
        self.check(s, 41)


if __name__ == "__main__":
    unittest.main()
