"""guac-recorder killed, restarted, with its spool torn, full or unreadable; and its sandbox."""
import glob
import os
import random
import subprocess
import time
import unittest

import house
import test_record_kit as kit


class Restarts(kit.TestCase):
    def restart(self, recorder, *options):
        recorder.kill()
        again = self.start(kit.Recorder, *options)
        return again

    def test_killed_and_resumed(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        for n in range(200):
            s.data(kit.frame(n, 2000))
            if n % 20 == 0:
                s.text(f"t{n}")
                s.keyframe(b"4.sync,%d.%d;" % (len(str(n)), n))
            if n in (50, 120, 121, 170):
                recorder = self.restart(recorder)
                self.authd(recorder)
            time.sleep(0.005)
        s.end()
        s.wait_acked(timeout=30)
        r = self.wait_sealed(recorder, s, 30)
        self.assertEqual(r.stream(), s.stream())
        self.assertEqual(r.seal()["state"], "closed")
        self.assertEqual(r.seal()["frames"], len(s.frames))
        self.assertGreaterEqual(s.resumed, 3)
        self.verify(r)

    def verify(self, r):
        done = subprocess.run([house.program("guac-evidence"), "verify", "--key", self.key.public,
                               r.path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_killed_at_random(self):
        """Many sessions, a kill every now and then, whatever stage each is in."""
        chance = random.Random(int(os.environ.get("SEED", "4711")))
        recorder = self.recorder()
        authd = self.authd(recorder)
        sessions = [authd.open() for _ in range(6)]
        live, count = list(sessions), 0
        until = time.monotonic() + (12 if not house.SANITIZED else 20)
        next_kill = time.monotonic() + 0.5
        while time.monotonic() < until:
            for s in live:
                for _ in range(chance.randrange(4)):
                    count += 1
                    s.data(kit.frame(count, chance.randrange(30000)))
                if chance.random() < 0.1:
                    s.text(f"{count}")
                if chance.random() < 0.02:
                    s.keyframe(kit.frame(count))
            if live and chance.random() < 0.02:
                live.pop().end()
            if time.monotonic() > next_kill:
                recorder = self.restart(recorder)
                authd = self.authd(recorder)
                next_kill = time.monotonic() + chance.random() * 1.5
                if chance.random() < 0.5:
                    s = authd.open()
                    sessions.append(s)
                    live.append(s)
            time.sleep(0.02)
        for s in live:
            s.end()
        for s in sessions:
            r = self.wait_sealed(recorder, s, 60)
            self.assertEqual(r.stream(), s.stream())
            self.assertEqual(r.seal()["frames"], len(s.frames))
            self.verify(r)
        house.wait(lambda: recorder.spooled_files() == [], 10 * house.PATIENCE, "the spool is not empty")

    def test_sessions_that_died_meanwhile(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        shown, silent = authd.open(), authd.open()
        for n in range(20):
            shown.data(kit.frame(n))
        shown.wait_spooled()
        recorder.kill()
        shown.die()
        silent.die()
        os.unlink(silent.path)
        recorder = self.recorder()
        self.authd(recorder)
        r = self.wait_sealed(recorder, shown)
        self.assertEqual(r.seal()["state"], "interrupted")
        self.assertEqual(r.stream(), shown.stream())
        self.verify(r)
        # This one had shown nothing: it may not have bound its socket yet, so it is waited for.
        r = self.wait_sealed(recorder, silent, 40)
        self.assertEqual(r.seal()["state"], "refused")

    def test_stopped_politely(self):
        recorder = self.recorder()
        s = self.authd(recorder).open()
        for n in range(30):
            s.data(kit.frame(n))
        s.wait_spooled()
        recorder.stop()
        again = self.recorder()
        self.authd(again)
        for n in range(30, 60):
            s.data(kit.frame(n))
        s.end()
        r = self.wait_sealed(again, s)
        self.assertEqual(r.stream(), s.stream())
        self.verify(r)

    def test_killed_between_its_end_and_its_seal(self):
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        s = authd.open()
        s.data(kit.frame(1))
        s.end()
        first = authd.wait_ended(s.id)
        recorder.kill()
        recorder = self.recorder()
        authd = self.authd(recorder, seal=False)
        second = authd.wait_ended(s.id)
        self.assertEqual(first["predicate"], second["predicate"])
        authd.answer_seal(second)
        self.verify(self.wait_sealed(recorder, s))

    def test_killed_as_it_ends(self):
        """Wherever in its end it is hit: the last frame spooled, in a chunk, stored, listed."""
        for delay in (0, 0.005, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
            recorder = self.recorder()
            authd = self.authd(recorder)
            sessions = [authd.open() for _ in range(4)]
            for s in sessions:
                s.data(kit.frame(1))
                s.end()
            time.sleep(delay)
            recorder = self.restart(recorder)
            self.authd(recorder)
            for s in sessions:
                r = self.wait_sealed(recorder, s)
                self.assertEqual(r.seal()["state"], "closed")
                self.verify(r)
            recorder.stop()

    def test_a_torn_spool(self):
        """What a crash left half written is cut off; the rest is stored."""
        recorder = self.recorder("--put-timeout", "60000")
        s = self.authd(recorder).open()
        s.data(kit.frame(1))
        s.wait_acked()
        for n in range(2, 12):
            s.data(kit.frame(n))
        s.wait_spooled()
        recorder.kill()
        s.die()
        log = sorted(glob.glob(f"{recorder.spool}/{s.id}.*.log"))[-1]
        with open(log, "ab") as f:
            f.write(s.frames[3][:100] + os.urandom(50))
        listing = f"{recorder.spool}/{s.id}.list"
        with open(listing, "ab") as f:
            f.write(b'{"frames":1,"he')
        recorder = self.recorder()
        self.authd(recorder)
        r = self.wait_sealed(recorder, s)
        self.assertEqual(r.stream(), s.stream())
        self.verify(r)

    def test_another_secret(self):
        """A spool that cannot be read harms no other session, and is kept."""
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(kit.frame(1))
        s.wait_acked()
        recorder.kill()
        with open(os.path.join(self.folder, "secret"), "w") as f:
            f.write("another secret, long enough")
        recorder = self.recorder()
        self.assertIn("another secret-file?", recorder.text())
        self.assertIn(s.id + ".json", recorder.spooled_files())
        other = self.authd(recorder).open()
        other.end()
        self.wait_sealed(recorder, other)


class Spool(kit.TestCase):
    """A spool on a file system of its own, small enough to be full."""

    def setUp(self):
        super().setUp()
        self.mount = os.path.join(self.folder, "spool")
        os.mkdir(self.mount)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", self.mount],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest("cannot mount a small file system: " + done.stderr.strip())

    def _clean_up(self):
        subprocess.run(["umount", "-l", self.mount], capture_output=True, check=False)
        super()._clean_up()

    def test_full(self):
        recorder = self.recorder()
        authd = self.authd(recorder)
        s = authd.open()
        s.data(kit.frame(0))
        s.wait_acked()
        ballast = os.open(os.path.join(self.mount, "ballast"), os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(ballast, b"x" * 4096)
        except OSError:
            os.close(ballast)
        sent = s.data(kit.frame(1, 20000))
        for n in range(2, 50):
            s.data(kit.frame(n, 20000))
        house.wait(lambda: "cannot be written" in recorder.text(), 10 * house.PATIENCE, "unnoticed")
        time.sleep(1)
        self.assertLess(s.spooled, len(s.frames))
        acked = s.acked
        self.assertLess(acked, sent + 1)
        with self.assertRaises(kit.Refused) as e:  # fails closed for new ones, too
            authd.open()
        self.assertIn("spool", str(e.exception))
        os.unlink(os.path.join(self.mount, "ballast"))
        s.wait_acked(timeout=20)
        s.end()
        r = self.wait_sealed(recorder, s, 20)
        self.assertEqual(r.stream(), s.stream())
        self.assertGreater(authd.metric("guacamole_recording_spool_failures_total"), 0)

    def test_frames_larger_than_the_spool(self):
        """It never fits: nothing is acknowledged, the session ends by its own limit."""
        recorder = self.recorder()
        s = self.authd(recorder).open()
        s.data(kit.frame(0))
        s.wait_acked()
        s.data(b"y" * (4 << 20))
        time.sleep(2)
        self.assertEqual(s.acked, 1)
        self.assertTrue(recorder.running())


class Sandbox(kit.TestCase):
    def test_what_it_may_touch(self):
        """The secret and the rest of the machine are closed once it runs."""
        recorder = self.recorder()
        with open(f"/proc/{recorder.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        if not house.SANITIZED:
            self.assertEqual(status["Seccomp"], "2")


if __name__ == "__main__":
    unittest.main()
