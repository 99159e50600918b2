"""guac-recorder against a folder: what it stores, what it survives, what it refuses."""
import base64
import hashlib
import json
import os
import subprocess
import time
import unittest

import house
import test_record_kit as kit


class Recording(kit.TestCase):
    def test_a_session_from_its_first_frame_to_its_seal(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        for n in range(50):
            s.data(kit.frame(n))
        s.keyframe(b"4.size,1.0,3.640,3.480;4.sync,2.49;")
        for n in range(50, 80):
            s.data(kit.frame(n))
            s.text(f"line {n}\n")
        s.send(kit.EVENT, json.dumps({"event": "joined", "user": 2}))
        s.end()
        s.wait_acked()
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.stream(), s.stream())
        lines = r.lines()
        self.assertEqual([x["s"] for x in lines if x["k"] == "out"],
                         [f"line {n}\n" for n in range(50, 80)])
        self.assertEqual([x["event"] for x in lines if x["k"] == "event"], ["joined", "ended"])
        seal = r.seal()
        self.assertEqual(seal["state"], "closed")
        self.assertEqual(seal["reason"], "the shell ended")
        self.assertEqual(seal["sequence"], len(s.frames))
        self.assertEqual(seal["frames"], len(s.frames))
        self.assertEqual(seal["chains"]["data"]["raw"], len(s.stream()))
        self.assertEqual(seal["chains"]["keyframe"]["count"], 1)
        # The keyframe stands where the data stream stood, before the chunk to feed next.
        key = r.names(".key.zst")[0].split(".")
        data = [n.split(".") for n in r.names(".guac.zst")]
        self.assertIn([key[0], key[2]], [[d[0], d[2]] for d in data])
        self.assertEqual(recorder.spooled_files(), [])
        for name in r.names():
            self.assertEqual(os.stat(os.path.join(r.path, name)).st_mode & 0o777, 0o440)


if __name__ == "__main__":
    unittest.main()
