"""Many at one session: joins, roles, slow ones, stalled ones, late ones. Nobody waits for anybody,
and every canvas is exact."""
import os
import time
import unittest

import guac
import house
from canvas import difference
from house import Guacd, PATIENCE, wait

LARGE = (1024, 768, 96)


class Users(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def client(self, **options):
        return guac.Client.tcp(self.guacd.port, **options)

    def assert_same(self, a, b, what=""):
        """In the end: what was quiet may have been a machine that stood still."""
        guac.pump([a, b], lambda: a.canvas.crc() == b.canvas.crc(),
                  why=lambda: f"the same picture {what}: {difference(a.canvas, b.canvas)}")
        self.assertEqual(a.canvas.lossy + b.canvas.lossy, [], "pictures that cannot be compared")
        self.assertIsNone(difference(a.canvas, b.canvas), what)
        width, height, rgba = a.canvas.picture()
        self.assertGreater(width * height, 0)
        self.assertNotEqual(rgba, rgba[:4] * (width * height), "nothing is drawn at all")

    def stop_moving(self, owner):
        owner.stream("argv", "text/plain", "fps", data=b"0")

    def test_join_and_leave(self):
        owner = self.client().handshake("demo", name="Olga")
        owner.settle()
        helper = self.client().handshake(owner.id, name="Hans")
        self.assertEqual(helper.id, owner.id)
        guac.settle([owner, helper])
        self.assert_same(owner, helper)
        guac.pump([owner, helper], lambda: owner.messages)
        code, user, name = owner.messages[0]
        self.assertEqual((code, name), ("1", "Hans"))
        self.assertEqual(len(self.guacd.sessions()), 1, "a plain joiner's process has ended")
        helper.type("x")
        guac.settle([owner, helper])
        self.assert_same(owner, helper)
        before = owner.canvas.crc()
        helper.send("disconnect")
        guac.pump([owner, helper], lambda: helper.closed)
        owner.pump(lambda: len(owner.messages) == 2)
        self.assertEqual(owner.messages[1], ["2", user, name])
        owner.type("y")
        owner.pump(lambda: owner.canvas.crc() != before)

    def test_older_owners_hear_no_msg(self):
        owner = self.client().handshake("demo", version="VERSION_1_3_0")
        helper = self.client().handshake(owner.id)
        guac.settle([owner, helper])
        self.assertEqual(owner.messages, [])

    def test_owner_leaves(self):
        """Grace is 0 in stock mode: all go."""
        owner = self.client().handshake("demo")
        viewer = self.client().handshake(owner.id)
        guac.pump([owner, viewer], lambda: viewer.syncs)
        owner.send("disconnect")
        guac.pump([owner, viewer], lambda: owner.closed and viewer.closed)
        wait(lambda: not self.guacd.children_left(), 5 * PATIENCE, "processes")
        self.assertEqual(self.guacd.sockets(), [])
        with self.assertRaises(guac.Refused) as r:
            self.client().handshake(owner.id)
        self.assertEqual(r.exception.status, 0x204)

    def test_owner_is_cut_off(self):
        owner = self.client().handshake("demo")
        viewer = self.client().handshake(owner.id)
        guac.pump([owner, viewer], lambda: viewer.syncs)
        began = time.monotonic()
        owner.reset()
        viewer.pump(lambda: viewer.closed, 5 * PATIENCE)
        self.assertLess(time.monotonic() - began, house.SOON_S)

    def test_read_only_joiner(self):
        """What he asked for is kept by the server: his keys, pointer, clipboard, size and argv end
        there."""
        owner = self.client().handshake("demo")
        viewer = self.client().handshake(owner.id, read_only="true")
        guac.settle([owner, viewer])
        before = owner.canvas.crc()
        viewer.type("nothing")
        viewer.send("mouse", 30, 30, 1)
        viewer.send("mouse", 30, 30, 0)
        viewer.send("size", 333, 222)
        viewer.send("touch", 0, 50, 50, 5, 5, 0, "1.0")
        viewer.stream("clipboard", "text/plain", data=b"from the viewer")
        viewer.stream("argv", "text/plain", "color", data=b"#ffffff")
        guac.pump([owner, viewer], timeout=1.0)
        self.assertEqual(owner.canvas.crc(), before)
        self.assertIsNone(owner.clipboard)
        owner.type("something")
        guac.pump([owner, viewer], lambda: owner.canvas.crc() != before)
        self.assert_same(owner, viewer)

    def test_read_only_owner_binds_all(self):
        """A joiner may at most do what the owner's own parameters allow."""
        owner = self.client().handshake("demo", read_only="true")
        helper = self.client().handshake(owner.id, read_only="false")
        guac.settle([owner, helper])
        before = owner.canvas.crc()
        for c in (owner, helper):
            c.type("nothing")
            c.send("mouse", 30, 30, 1)
        guac.pump([owner, helper], timeout=0.6)
        self.assertEqual(owner.canvas.crc(), before)

    def test_clipboard(self):
        owner = self.client().handshake("demo")
        owner.settle()
        text = "zwölf boxkämpfer 😀\n".encode() * 2000
        owner.stream("clipboard", "text/plain", data=text)
        owner.pump(lambda: owner.clipboard)
        self.assertEqual(owner.clipboard[1].decode().lower(), text.decode().lower())
        closed = self.client().handshake("demo", disable_copy="true")
        closed.stream("clipboard", "text/plain", data=b"x")
        closed.pump(timeout=0.5)
        self.assertIsNone(closed.clipboard)

    def test_late_joiner(self):
        """In the middle of movement: what he is painted is exactly a frame that others saw, and
        from there on all see the same at the same sync."""
        owner = self.client().handshake("demo", size=LARGE, fps="25")
        owner.hash_frames = True
        owner.pump(lambda: len(owner.syncs) > 10)
        late = []
        for _ in range(4):
            c = self.client()
            c.hash_frames = True
            late.append(c.handshake(owner.id))
            guac.pump([owner, *late], lambda c=c: len(c.syncs) > 8)
        for c in late:
            shared = sorted(set(c.frames) & set(owner.frames))
            self.assertGreater(len(shared), 4)
            wrong = [ts for ts in shared if c.frames[ts] != owner.frames[ts]]
            self.assertEqual(wrong, [], f"of {len(shared)} shared frames")
        self.stop_moving(owner)
        guac.settle([owner, *late])
        for c in late:
            self.assert_same(owner, c)

    def frames(self, count, clients, watched, silent=()):
        """So many more for the one who is watched. Who is silent reads nothing meanwhile, but says
        that he is there, as a browser does whose tab is asleep."""
        goal, spoken = len(watched.syncs) + count, time.monotonic()

        def enough():
            nonlocal spoken
            if time.monotonic() - spoken > 3:
                spoken = time.monotonic()
                for c in silent:
                    c.send("nop")
                    c.flush()
            return len(watched.syncs) >= goal
        guac.pump(clients, enough, why=f"{count} more frames")

    def test_slow_reader(self):
        """He reads nothing while 150 frames are drawn: the others get them, and when he reads again
        he catches up with the exact picture, by few bytes."""
        owner = self.client().handshake("demo", size=LARGE, fps="25")
        slow = self.client(buffer=4096).handshake(owner.id)
        guac.pump([owner, slow], lambda: owner.syncs and slow.syncs)
        self.frames(150, [owner], owner, silent=[slow])
        missed = slow.bytes
        self.stop_moving(owner)
        guac.settle([owner, slow])
        self.assertFalse(slow.closed)
        self.assert_same(owner, slow)
        self.assertLess(slow.bytes - missed, 4 << 20, "he gets what changed, not the whole past")
        owner.type("and on")
        guac.settle([owner, slow])
        self.assert_same(owner, slow)

    def test_one_who_answers_no_sync(self):
        """He reads but never answers: fewer frames for him, the same picture in the end."""
        owner = self.client().handshake("demo", size=LARGE, fps="25")
        mute = self.client(answer=False).handshake(owner.id)
        guac.pump([owner, mute], lambda: owner.syncs and mute.syncs)
        self.frames(75, [owner, mute], owner)
        self.stop_moving(owner)
        guac.pump([owner, mute], timeout=2.5)
        guac.settle([owner, mute])
        self.assert_same(owner, mute)

    def test_one_who_never_reads_again(self):
        """Stalled for good: the session's memory stays bounded and he goes in the end, by silence;
        others go on."""
        owner = self.client().handshake("demo", size=LARGE, fps="25")
        stalled = self.client(buffer=4096).handshake(owner.id)
        guac.pump([owner, stalled], lambda: stalled.syncs)
        pid, = self.guacd.sessions()
        before = resident(pid)
        guac.pump([owner], lambda: len(owner.messages) == 2, 25 * PATIENCE, "he is still there")
        self.frames(50, [owner], owner)
        if not house.SANITIZED:
            self.assertLess(resident(pid) - before, 16 << 10, "KiB more for one who does not read")

    def test_many(self):
        owner = self.client().handshake("demo", fps="20")
        viewers = [self.client().handshake(owner.id) for _ in range(20)]
        everyone = [owner, *viewers]
        guac.pump(everyone, lambda: all(len(c.syncs) > 20 for c in everyone), 20 * PATIENCE)
        self.stop_moving(owner)
        guac.settle(everyone)
        for v in viewers:
            self.assert_same(owner, v)
        for v in viewers[::2]:
            v.reset()
        owner.type("still here")
        rest = [owner, *viewers[1::2]]
        guac.settle(rest)
        for v in rest:
            self.assert_same(owner, v)

    def test_resize_reaches_all(self):
        owner = self.client().handshake("demo", fps="15")
        viewer = self.client().handshake(owner.id)
        for size in [(800, 600), (100, 100), (1001, 333)]:
            owner.send("size", *size)
            guac.pump([owner, viewer], lambda s=size: all(
                c.canvas.picture()[:2] == s for c in (owner, viewer)))
        self.stop_moving(owner)
        guac.settle([owner, viewer])
        self.assert_same(owner, viewer)


def resident(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 10


if __name__ == "__main__":
    unittest.main()
