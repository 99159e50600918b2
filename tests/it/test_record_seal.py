"""Sealing by anyone, on a real SeaweedFS: recorders that are killed in each phase, that sleep through
their fence, that lose everything but the store; each session has one seal and one seal leaf."""
import json
import os
import shutil
import signal

import house
import test_record_kit as kit
from test_log_weed import LogCase
from test_record_weed import BUCKET

FENCE = 18  # seconds; each test waits for it once
FORGED = "00000001.9999.500.guac.zst"
OPTIONS = ("--fence-after", str(FENCE))


class SealCase(LogCase):
    def recorder_in(self, name, *options):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        r = kit.Recorder(folder, *OPTIONS, *options, store=self.weed.options("writer"))
        self.addCleanup(lambda: r.running() and r.kill())
        return r

    def seals(self, ids):
        """How many seal leaves each has."""
        leaves = [x for x in self.log().leaves() if x["kind"] == "seal"]
        return [sum(x["session"] == i for x in leaves) for i in ids]

    def sealed_once(self, sessions, timeout=FENCE + 60):
        ids = [s["id"] for s in sessions]
        house.wait(lambda: all(n == 1 for n in self.seals(ids)), timeout * house.PATIENCE,
                   "not sealed", every=0.5)
        return ids

    def alive(self):
        return self.weed.names(f"{BUCKET}-head/alive")

    def wait_no_alive(self, timeout=60):
        house.wait(lambda: not self.alive(), timeout * house.PATIENCE,
                   "what was left is not removed", every=0.5)


class ByAnother(SealCase):
    def victim(self, name, **authd):
        r = self.recorder_in(name)
        a = self.authd(r, **authd)
        return r, a, self.new(a)

    def dead_ones(self):
        """Each dies for good, each in another phase: what they had opened, and what was stored."""
        news, streams = {}, {}
        # Announced, and not opened.
        r, a, _ = self.victim("new")
        r.kill()
        # Open, and nothing shown.
        r, a, news["open"] = self.victim("open")
        a.open(news["open"])
        r.kill()
        streams["open"] = b""
        # In the middle: chunks, keyframes, text; the last of them in nobody's memory any more.
        r, a, news["live"] = self.victim("live")
        s = a.open(news["live"])
        for n in range(30):
            s.data(kit.frame(n, 2000))
            if n % 10 == 5:
                s.keyframe(b"4.size,1.0,3.640,3.480;4.sync,1.1,1.1;")
            s.text(f"line {n}")
        s.wait_acked()
        acked = len(s.frames)
        s.data(kit.frame(99, 2000))
        r.kill()
        streams["live"] = s.stream(acked)
        # Ended, all stored, authd never signs.
        r, a, news["sealing"] = self.victim("sealing", seal=False)
        s = a.open(news["sealing"])
        for n in range(5):
            s.data(kit.frame(n, 2000))
        s.end()
        a.wait_ended(s.id)
        r.kill()
        streams["sealing"] = s.stream()
        # Sealed by itself, and killed at once: nothing is left to do, or its leaf only.
        r, a, news["sealed"] = self.victim("sealed")
        s = a.open(news["sealed"])
        s.data(kit.frame(1))
        s.end()
        self.sealed(s)
        r.kill()
        streams["sealed"] = s.stream()
        # An attacker puts a chunk of his own beside one that is to be sealed.
        r, a, news["forged"] = self.victim("forged")
        s = a.open(news["forged"])
        s.data(kit.frame(1, 500))
        s.wait_acked()
        r.kill()
        name = next(n for n in self.weed.names(s.prefix) if n.endswith(".guac.zst"))
        chunk = bytearray(self.weed.get(s.prefix, name))
        chunk[-3] ^= 1
        bucket, _, key = s.prefix.partition("/")
        status, _, body = self.weed.client("writer").request(
            "PUT", bucket, f"{key}/{FORGED}", body=bytes(chunk))
        self.assertEqual(status, 200, body)
        # Its spool is lost with its disk: the next life on that machine has no word of it.
        r, a, news["disk"] = self.victim("disk")
        s = a.open(news["disk"])
        s.data(kit.frame(1))
        s.wait_acked()
        r.kill()
        shutil.rmtree(r.spool)
        streams["disk"] = s.stream()
        self.authd(self.recorder_in("disk"))
        return news, streams

    def check_dead(self, news, streams):
        for name, n in news.items():
            seal = json.loads(kit.base64.b64decode(json.loads(
                self.weed.get(n["prefix"], "seal.dsse.json"))["payload"]))["predicate"]
            self.assertEqual(seal["state"], "closed" if name == "sealed" else "interrupted", name)
            if name in ("open", "live"):
                self.assertIn("gateway", seal["silent"])
            if name == "forged":
                report = json.loads(self.evidence("verify", "--json", "--key", self.key.public,
                                                  n["prefix"], status=1))
                self.assertEqual({p["object"] for p in report["problems"]}, {FORGED})
                continue
            self.evidence("verify", "--key", self.key.public, n["prefix"])
            self.assertEqual(self.evidence("cat", n["prefix"], "--raw"), streams[name], name)

    def test_dead_and_sleeping_ones(self):
        """One more sleeps through its fence, wakes up with frames in hand, and stores none."""
        witness = self.recorder_in("witness")
        self.authd(witness)
        sleeper = self.recorder_in("sleeper")
        a = self.authd(sleeper)
        s, idle = a.open(self.new(a)), a.open(self.new(a))
        for n in range(10):
            s.data(kit.frame(n, 2000))
        s.wait_acked()
        os.kill(sleeper.pid, signal.SIGSTOP)
        self.addCleanup(lambda: sleeper.running() and os.kill(sleeper.pid, signal.SIGCONT))
        for n in range(10, 20):
            s.data(kit.frame(n, 2000))
        news, streams = self.dead_ones()
        sleeping = [{"id": s.id}, {"id": idle.id}]
        ids = self.sealed_once([*news.values(), *sleeping])
        self.wait_no_alive()
        self.check_dead(news, streams)
        self.assertIn("is none of its chunks", witness.text() + self.recorder_text("disk"))
        names = self.weed.names(s.prefix)
        os.kill(sleeper.pid, signal.SIGCONT)
        house.wait(lambda: sleeper.text().count("sealed by another recorder") == 2,
                   30 * house.PATIENCE, "does not notice: " + sleeper.text()[-600:])
        s.wait_cut()
        # It goes on with new sessions, under a new name.
        t = a.open(self.new(a))
        t.data(kit.frame(1))
        t.end()
        self.sealed(t)
        self.check(t)
        self.assertEqual(self.weed.names(s.prefix), names)
        for prefix in (s.prefix, idle.prefix):
            self.evidence("verify", "--key", self.key.public, prefix)
        self.assertEqual(a.metric("guacamole_recording_lost_total"), 2)
        # What came too late is kept, and told at each start.
        if any(n.startswith(s.id) for n in sleeper.spooled_files()):
            sleeper.kill()
            self.assertIn("is still in the spool", self.recorder_in("sleeper").text())
        self.assertEqual(self.seals(ids), [1] * len(ids))
        opens = [x["session"] for x in self.log().leaves() if x["kind"] == "open"]
        self.assertEqual(sorted(opens), sorted([*ids, t.id]))

    def recorder_text(self, name):
        folder = os.path.join(self.folder, name)
        texts = []
        for n in os.listdir(folder):
            if n.endswith(".log"):
                with open(os.path.join(folder, n)) as f:
                    texts.append(f.read())
        return "".join(texts)


class PowerCut(SealCase):
    def test_everything_at_once(self):
        """Two recorders and the store die together. One recorder comes back: it goes on with its own
        sessions, and seals those of the other, which comes back too late, on a disk of its own."""
        one, two = self.recorder_in("one"), self.recorder_in("two")
        a, b = self.authd(one), self.authd(two)
        mine, theirs = a.open(self.new(a)), b.open(self.new(b))
        for s in (mine, theirs):
            for n in range(20):
                s.data(kit.frame(n, 3000))
            s.wait_acked()
            for n in range(20, 30):
                s.data(kit.frame(n, 3000))
        mine.wait_spooled()
        acked = [mine.acked, theirs.acked]
        one.kill()
        two.kill()
        self.weed.verb("kill9")
        self.weed.verb("restart")
        one = self.recorder_in("one")
        a = self.authd(one)
        mine.wait_acked(timeout=40)
        mine.end()
        self.sealed_once([{"id": mine.id}, {"id": theirs.id}])
        self.check(mine)
        self.assertTrue(mine.stream().startswith(mine.stream(acked[0])))
        stream = self.evidence("cat", theirs.prefix, "--raw")
        self.assertTrue(stream.startswith(theirs.stream(acked[1])))
        self.assertTrue(theirs.stream().startswith(stream))
        self.wait_no_alive()
        names = self.weed.names(theirs.prefix)
        two = self.recorder_in("two")
        b = self.authd(two)
        house.wait(lambda: "sealed by another recorder" in two.text(), 30 * house.PATIENCE,
                   "does not notice: " + two.text()[-600:])
        t = b.open(self.new(b))
        t.end()
        self.sealed(t)
        self.assertEqual(self.weed.names(theirs.prefix), names)
        self.assertEqual(self.seals([mine.id, theirs.id, t.id])[:2], [1, 1])
        self.evidence("verify", "--key", self.key.public, theirs.prefix)

    def test_a_restart_in_time_loses_nothing(self):
        recorder = self.recorder_in("one")
        a = self.authd(recorder)
        s = a.open(self.new(a))
        for n in range(10):
            s.data(kit.frame(n, 3000))
        s.wait_spooled()
        for _ in range(3):
            recorder.kill()
            recorder = self.recorder_in("one")
            a = self.authd(recorder)
            s.data(kit.frame(len(s.frames), 3000))
            s.wait_acked()
        s.end()
        self.sealed_once([{"id": s.id}], 40)
        self.check(s)


if __name__ == "__main__":
    import unittest
    unittest.main()
