"""The object model of files, with the demo's own: what is the session's (roles, policy, flow control,
pauses, the recording) and no server's."""
import contextlib
import hashlib
import os
import socket
import time
import unittest

import filekit
import guac
import house
import tap
from filekit import BYTES, INDEX, Files
from house import Guacd, PATIENCE

FORBIDDEN, BAD_REQUEST, NOT_FOUND, OVERRUN = 0x303, 0x300, 0x204, 0x30D
OURS = ("test", "text")
BIG = 256 << 20


def made(start, count):
    """Bytes of /big.bin."""
    return bytes((i * 131 >> 3) & 0xFF for i in range(start, start + count))


class Demo(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def client(self, select="demo", client=None, **values):
        c = Files.tcp(self.guacd.port, draw=False)
        self.addCleanup(c.close)
        if select == "demo":
            values.setdefault("enable_files", "true")
        return c.handshake(select, client=client, **values)


class Browse(Demo):
    def test_stock_index(self):
        c = self.client()
        c.appear()
        self.assertEqual(c.objects, {1: "Demo"})
        top = c.list("/")
        self.assertEqual(top, {"/folder": INDEX, "/big.bin": BYTES, "/caf\\xE9": BYTES})
        self.assertEqual(c.list("/folder"), {"/folder/hello.txt": BYTES})
        self.assertEqual(c.get("/folder/hello.txt"), (BYTES, b"Hello from the demo.\n"))
        self.assertEqual(c.get("/caf\\xE9"), (BYTES, b""), "a name that is no UTF-8 is usable")

    def test_our_listing(self):
        c = self.client(client=OURS)
        c.appear()
        top = c.list("/")
        self.assertEqual(top["big.bin"], {"name": "big.bin", "path": "/big.bin", "type": "file",
                                          "size": BIG})
        self.assertEqual(top["folder"], {"name": "folder", "path": "/folder", "type": "folder"})
        policy = next(s["files"] for s in c.states() if "files" in s)
        self.assertEqual(policy, [{"object": 1, "name": "Demo", "download": True, "upload": True,
                                   "limit": 0}])

    def test_what_is_not_there(self):
        c = self.client(client=OURS)
        c.appear()
        c.send("get", 1, "/nothing")
        self.assertEqual(c.told("failed", s="/nothing")["status"], NOT_FOUND)
        c.send("get", 1, "/folder/../big.bin")
        self.assertEqual(c.told("refused")["status"], BAD_REQUEST)
        c.send("get", 7, "/")
        self.assertEqual(c.list("//folder/./"), c.list("/folder"), "harmless detours")


class Transfers(Demo):
    def test_download_in_a_window(self):
        c = self.client(client=OURS)
        c.appear()
        c.answer_blobs = False
        c.send("get", 1, "/big.bin")
        c.told("begun", s="/big.bin", size=BIG)
        c.pump(timeout=0.5)
        (stream, item), = c.open.items()
        first = len(item[3])
        self.assertTrue(0 < first <= 16 * 6048, "more than the first window without any ack")
        for _ in range(first // 6048):
            c.send("ack", stream, "OK", 0)
        c.answer_blobs = True
        c.pump(lambda: len(item[3]) > 4 << 20, 30 * PATIENCE)
        self.assertEqual(bytes(item[3][:100000]), made(0, 100000))
        c.send("ack", stream, "Enough", 0x30D)
        end = c.told("cancelled", s="/big.bin")
        self.assertEqual(end["sha256"],
                         hashlib.sha256(made(0, end["bytes"])).hexdigest(), "of what left")
        self.assertLess(end["bytes"], BIG)

    def test_upload_and_back(self):
        c = self.client(client=OURS)
        c.appear()
        data = os.urandom(300001)
        self.assertEqual(c.put("/new/deep/file", data), 0)
        end = c.told("done", dir="in")
        self.assertEqual((end["bytes"], end["sha256"]),
                         (len(data), hashlib.sha256(data).hexdigest()))
        self.assertEqual(c.get("/new/deep/file")[1], data)
        self.assertEqual(c.put("/new/deep/file", b""), 0, "cut to nothing")
        c.pump(lambda: len([f for f in c.files() if f["state"] == "done" and f["dir"] == "in"]) == 2)
        self.assertEqual(c.get("/new/deep/file")[1], b"")
        self.assertEqual(c.put("/new", b"x" * 9), 0, "told when the target tries to close it")
        self.assertEqual(c.told("failed", s="/new")["status"], 0x205)

    def test_drop_and_folders(self):
        c = self.client(client=OURS)
        c.appear()
        self.assertEqual(c.put("dropped.txt", b"by file", obj=None), 0)
        c.told("done", s="/dropped.txt")
        self.assertEqual(c.put("../x", b"", obj=None), BAD_REQUEST)
        c.send("put", 1, 99, INDEX, "/made/of/folders")
        c.pump(lambda: (99, "OK", 0) in c.acks)
        c.send("end", 99)
        self.assertEqual(c.list("/made")["of"]["type"], "folder")

    def test_window_of_ours(self):
        c = self.client(client=OURS)
        c.appear()
        data = os.urandom(3 << 20)
        self.assertEqual(c.put("/w", data, window=128), 0)
        self.assertEqual(c.told("done", s="/w")["sha256"], hashlib.sha256(data).hexdigest())

    def test_given_up(self):
        c = self.client(client=OURS)
        c.appear()
        self.assertEqual(c.put("/half", b"1" * 20000, stream=5, end=False), 0)
        self.assertEqual(c.put("/half2", b"2", stream=5), 0, "the number begins anew")
        c.told("cancelled", s="/half")
        c.told("done", s="/half2")
        self.assertNotIn("half", c.list("/"))

    def test_many_at_once(self):
        c = self.client(client=OURS)
        c.appear()
        c.ready = False
        for i in range(70):
            c.send("get", 1, "/big.bin")
        c.told("refused", status=0x31D)
        c.pump(lambda: len(c.open) == 64)
        for stream in list(c.open):
            c.open.pop(stream)
            c.send("ack", stream, "No", 0x200)
        c.pump(lambda: len([f for f in c.files() if f["state"] == "cancelled"]) == 64)
        c.ready = True
        self.assertEqual(c.get("/folder/hello.txt")[1][:5], b"Hello")


class Policy(Demo):
    def test_directions(self):
        c = self.client(client=OURS, disable_download="true", disable_upload="true")
        c.appear()
        self.assertIn("big.bin", c.list("/"))
        c.send("get", 1, "/big.bin")
        self.assertEqual(c.told("refused", dir="out")["status"], FORBIDDEN)
        self.assertEqual(c.put("/x", b"x"), FORBIDDEN)
        self.assertEqual(c.put("x", b"x", obj=None), FORBIDDEN)
        self.assertNotIn("x", c.list("/"))

    def test_others_have_no_files(self):
        owner = self.client()
        owner.appear()
        for read_only in ("", "true"):
            joined = self.client(owner.id, read_only=read_only)
            joined.pump(lambda: joined.syncs)
            joined.send("get", 1, "/")
            self.assertEqual(joined.put("/x", b"x"), FORBIDDEN)
            guac.pump([owner, joined], timeout=0.2)
            self.assertEqual((joined.objects, joined.bodies, joined.open), ({}, {}, {}))
        self.assertNotIn("/x", owner.list("/"))

    def test_a_read_only_owner(self):
        c = self.client(read_only="true")
        c.pump(lambda: c.syncs)
        c.send("get", 1, "/")
        c.pump(timeout=0.2)
        self.assertEqual((c.objects, c.bodies), ({}, {}))


class Recorded(house.TestCase):
    """In gateway mode: what the recording, the events and the control socket tell."""

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd, gateway=True)
        self.number = 0
        self.addCleanup(self.hurry)

    def hurry(self):
        """A session whose recorder does not answer takes 5 s to end; sanitizers want to see it."""
        for pid in self.guacd.sessions() if self.guacd.running() and not house.SANITIZED else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)

    def dial(self, recorder=None, client=OURS, **values):
        self.number += 1
        self.tap = recorder or tap.Tap()
        self.addCleanup(self.tap.close)
        session = f"0192f0c1-2345-7abc-8def-{self.number:012x}"
        c = Files.unix(self.guacd.socket, [self.tap.give()], b"6", draw=False)
        self.addCleanup(c.close)
        self.tap.sent()
        c.raw(b".select,4.demo;")
        c.handshake(None, client=client, session=session, connection="relay/demo",
                    owner="sub-olga", owner_name="Olga", grace="5",
                    started=str(int(time.time() * 1000)), enable_files="true", **values)
        self.path = os.path.join(self.guacd.run, "s", session + ".sock")
        self.both(c, lambda: c.objects)
        return c

    def both(self, c, condition, why=""):
        return self.tap.wait(condition, 20 * PATIENCE, why, [c])

    def lines(self):
        return [o for o in self.tap.json(tap.TEXT) if o["k"] == "file"]

    def test_lines_and_transfers(self):
        c = self.dial()
        data = os.urandom(50000)
        digest = hashlib.sha256(data).hexdigest()
        self.assertEqual(c.put("/a/\\x07b", data), 0)
        self.assertEqual(c.get("/folder/hello.txt")[1], b"Hello from the demo.\n")
        self.both(c, lambda: len(self.lines()) == 4)
        up, up2, down, down2 = self.lines()
        self.assertEqual((up["state"], up["by"], up["dir"], up["s"], up["fs"]),
                         ("begun", "sub-olga", "in", "/a/\\x07b", "Demo"))
        self.assertNotIn("sha256", up)
        self.assertEqual((up2["state"], up2["bytes"], up2["sha256"]), ("done", 50000, digest))
        self.assertEqual((down["state"], down["size"], down["dir"]), ("begun", 21, "out"))
        self.assertEqual((down2["state"], down2["bytes"]), ("done", 21))
        control = tap.Control(self.path)
        got = control.ask("transfers", after=0)
        self.assertEqual([(t["n"], t["dir"], t["state"], t["by"]) for t in got["transfers"]],
                         [(1, "in", "done", "sub-olga"), (2, "out", "done", "sub-olga")])
        self.assertEqual(control.ask("info")["transfers"], 2)
        self.assertEqual(control.ask("transfers", after=1)["transfers"], got["transfers"][1:])
        c.send("disconnect")

    def test_events_only(self):
        c = self.dial(recording="events")
        self.assertEqual(c.put("/x", b"123"), 0)
        done = lambda: [e for e in self.tap.events("file") if e["state"] == "done"]
        event = self.both(c, done)[0]
        self.assertEqual((event["s"], event["bytes"], event["sha256"], event["by"]),
                         ("/x", 3, hashlib.sha256(b"123").hexdigest(), "sub-olga"))

    def test_policy_rows(self):
        c = self.dial(allow_download="false", file_size_limit="1000")
        c.send("get", 1, "/folder/hello.txt")
        self.assertEqual(c.told("refused", dir="out")["status"], FORBIDDEN)
        self.assertEqual(c.put("/small", b"x" * 1000), 0)
        c.told("done", s="/small")
        self.assertEqual(c.put("/large", b"x" * 1001), OVERRUN)
        c.told("failed", s="/large", status=OVERRUN)
        self.assertEqual(set(c.list("/")) & {"small", "large"}, {"small"})
        self.both(c, lambda: any(o["state"] == "refused" for o in self.lines()))

    def test_a_pause_stops_both_ways(self):
        c = self.dial()
        control = tap.Control(self.path)
        c.send("get", 1, "/big.bin")
        item = self.both(c, lambda: next(iter(c.open.values()), None))
        self.both(c, lambda: len(item[3]) > 1 << 20)
        control.ask("pause", why="The moderator is away.")
        self.both(c, lambda: any(s.get("paused") for s in c.states()))
        c.pump(timeout=0.3)  # what was on its way
        before = len(item[3])
        c.send("put", 1, 50, BYTES, "/late")
        c.pump(timeout=0.5)
        self.assertEqual(len(item[3]), before)
        self.assertFalse([a for a in c.acks if a[0] == 50 and a[2] == 0])
        control.ask("resume")
        self.both(c, lambda: len(item[3]) > before + (1 << 20))
        c.ready = False
        stream = next(iter(c.open))
        c.send("ack", stream, "", 0x30D)
        c.told("cancelled")

    def test_the_owner_comes_back_and_helpers(self):
        c = self.dial(helper_files="true")
        control = tap.Control(self.path)
        a, b = socket.socketpair()
        control.ask("join", [b.fileno()], role="helper", user="sub-hans", name="Hans")
        b.close()
        helper = Files(a, draw=False)
        self.addCleanup(helper.close)
        helper.handshake(None, client=OURS)
        self.assertEqual(helper.put("/from-hans", b"hans"), 0)
        helper.told("done", s="/from-hans")
        self.assertEqual([o["by"] for o in self.lines() if o["state"] == "done"] or
                         self.both(c, lambda: [o["by"] for o in self.lines()
                                               if o["state"] == "done"]), ["sub-hans"])
        user = next(u["user"] for u in control.ask("info")["users"] if u["sub"] == "sub-hans")
        helper.ready = False
        helper.send("get", 1, "/big.bin")
        helper.told("begun", s="/big.bin")
        control.ask("role", user=user, role="viewer")
        helper.pump(lambda: not helper.objects, 10 * PATIENCE)
        self.both(c, lambda: [o for o in self.lines() if o["state"] == "cancelled"])
        self.assertEqual(helper.put("/no", b"x"), FORBIDDEN)


if __name__ == "__main__":
    unittest.main()
