"""guac-recorder while its SeaweedFS hangs, dies, is away at start, and is full."""
import json
import os
import time
import unittest

import house
import test_record_kit as kit
from test_record_weed import S3Case


class Faults(S3Case):
    def test_hung_and_back(self):
        recorder = self.recorder("--put-timeout", "1500")
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(20):
            s.data(kit.frame(n))
        s.wait_acked()
        self.weed.verb("hang")
        try:
            acked = s.acked
            for n in range(20, 60):
                s.data(kit.frame(n, 3000))
                s.text("hung")
            s.wait_spooled()
            time.sleep(5)  # several attempts time out; each may land later
            self.assertEqual(s.acked, acked)
            began = time.monotonic()
            with self.assertRaises(kit.Refused) as e:
                authd.open(self.new(authd))
            self.assertRegex(str(e.exception), "cannot be stored now|could not be stored")
            self.assertLess(time.monotonic() - began, 2 * house.SOON_S)
        finally:
            self.weed.verb("cont")
        s.wait_acked(timeout=30)
        s.end()
        self.sealed(s, 30)
        self.check(s)
        house.wait(lambda: authd.status()["store"] == "ok", 15 * house.PATIENCE, "not back")

    def test_memory_is_bounded(self):
        """A store that hangs under many floods: each may take its share, all together no more."""
        recorder = self.recorder("--memory", "16", "--put-timeout", "1500")
        authd = self.authd(recorder)
        sessions = [authd.open(self.new(authd)) for _ in range(10)]
        self.weed.verb("hang")
        try:
            for s in sessions:
                for n in range(80):
                    s.data(os.urandom(100000))
            time.sleep(3)
            held = authd.metric("guacamole_recording_held_bytes")
            self.assertGreater(held, 10 << 20)
            self.assertLess(held, 30 << 20)
        finally:
            self.weed.verb("cont")
        for s in sessions:
            s.end()
        for s in sessions:
            self.sealed(s, 60)
            self.check(s)
        self.assertEqual(authd.metric("guacamole_recording_held_bytes"), 0)

    def test_hung_while_opening(self):
        """Refused before anything of it was stored; a record that may have landed is sealed, too."""
        recorder = self.recorder("--put-timeout", "1000")
        authd = self.authd(recorder)
        new = self.new(authd)
        self.weed.verb("hang")
        try:
            with self.assertRaises(kit.Refused):
                authd.open(new)
        finally:
            self.weed.verb("cont")
        house.wait(lambda: recorder.spooled_files() == [], 30 * house.PATIENCE,
                   "the spool did not forget it", every=0.3)
        names = self.weed.names(new["prefix"])
        self.assertEqual("open.dsse.json" in names, "seal.dsse.json" in names, names)
        if names:
            self.assertEqual(json.loads(self.evidence("verify", "--json", "--key", self.key.public,
                                                      new["prefix"]))["state"], "refused")
        s = self.authd(recorder).open(self.new(authd))
        s.end()
        self.sealed(s)

    def test_killed_and_restarted(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(40):
            s.data(kit.frame(n, 3000))
            time.sleep(0.02)
        s.wait_acked()
        acked = s.acked
        self.weed.verb("kill9")
        for n in range(40, 80):
            s.data(kit.frame(n, 3000))
            time.sleep(0.02)
        s.wait_spooled()
        self.assertEqual(s.acked, acked)
        self.weed.verb("restart")
        s.wait_acked(timeout=40)
        s.end()
        self.sealed(s, 40)
        self.check(s)

    def test_away_at_start(self):
        """Sessions in the spool wait for the recorder also when the store is away."""
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(10):
            s.data(kit.frame(n))
        s.wait_spooled()
        self.weed.verb("kill9")
        recorder.kill()
        recorder = self.recorder()
        authd = self.authd(recorder)
        with self.assertRaises(kit.Refused):
            self.new(authd)
        s.end()
        s.wait_spooled()
        self.weed.verb("restart")
        self.sealed(s, 40)
        self.check(s)


class Full(S3Case):
    options = ("--small",)

    def test_full(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open(self.new(authd))
        for n in range(200):
            if s.acked < len(s.frames) - 40:
                time.sleep(0.2)
            s.data(os.urandom(1 << 19))
            if authd.metric("guacamole_recording_put_failures_total") > 4:
                break
        house.wait(lambda: authd.status()["store"] != "ok", 20 * house.PATIENCE, "not noticed")
        acked = s.acked
        self.assertLess(acked, len(s.frames))
        with self.assertRaises(kit.Refused) as e:
            self.new(authd)
        self.assertIn("cannot be stored now", str(e.exception))
        time.sleep(3)
        self.assertLess(s.acked, len(s.frames))
        # Everything acknowledged can be read; the recording goes at least that far.
        stream = self.evidence("cat", s.prefix, "--raw")
        self.assertTrue(stream.startswith(s.stream(s.acked)))
        self.assertTrue(s.stream().startswith(stream))
        self.evidence("verify", s.prefix, "--key", self.key.public, status=3)  # not sealed
        self.assertTrue(any(n.startswith(s.id) for n in recorder.spooled_files()))


if __name__ == "__main__":
    unittest.main()
