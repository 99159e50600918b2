"""Gateway mode without the gateway: what guacd and its sessions owe to authd and the recorder. Here
the test is both: it dials with a tap, joins, moderates, acknowledges or does not."""
import contextlib
import os
import socket
import subprocess
import sys
import time
import unittest

import guac
import house
import tap
from canvas import difference
from house import Guacd, PATIENCE, wait

FORBIDDEN, BAD, CONFLICT = 0x303, 0x300, 0x209
TIMEOUT, CLOSED = 0x20A, 0x20B
SIZE = (400, 300, 96)


class Gateway(house.TestCase):
    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd, gateway=True)
        self.number = 0
        self.taps = []
        self.addCleanup(self.hurry)

    def hurry(self):
        """A session whose recorder does not answer takes 5 s to end; sanitizers want to see it."""
        for it in self.taps:
            it.close()
        if not house.SANITIZED:
            for pid in self.guacd.sessions() if self.guacd.running() else []:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)

    def dial(self, recorder=None, hello=None, protocol="demo", **values):
        """As authd does: tap with the first byte, then the handshake with policy."""
        self.number += 1
        self.tap = recorder or tap.Tap()
        self.taps.append(self.tap)
        c = guac.Client.unix(self.guacd.socket, [self.tap.give()], b"6")
        self.tap.sent()
        values = {"session": f"0192f0c1-2345-7abc-8def-{self.number:012x}",
                  "connection": "relay/demo", "owner": "sub-olga", "owner_name": "Olga",
                  "started": str(int(time.time() * 1000)), **values}
        c.raw(guac.encode("select", protocol)[1:])
        c.handshake(None, **(hello or {"size": SIZE}), **values)
        self.assertEqual(c.id, "$" + values["session"], "one id everywhere")
        self.path = os.path.join(self.guacd.run, "s", values["session"] + ".sock")
        return c

    def owner_back(self, **members):
        members = {"user": "sub-olga", "name": "Olga", **members}
        return tap.join(self.path, "owner", hello={"size": SIZE}, **members)

    def both(self, clients, condition, timeout=10, why=""):
        return self.tap.wait(condition, timeout * PATIENCE, why, clients)

    def ended(self):
        wait(lambda: not self.guacd.children_left(), 10 * PATIENCE, "the session stays")
        self.assertEqual(self.guacd.sockets(), [])


class Doors(Gateway):
    def test_no_tap_no_session(self):
        c = guac.Client.unix(self.guacd.socket)
        with self.assertRaises(guac.Refused) as r:
            c.handshake("demo")
        self.assertEqual(r.exception.status, FORBIDDEN)

    def test_no_tcp(self):
        listening = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=False)
        if listening.returncode == 0:
            self.assertNotIn(f"pid={self.guacd.pid},", listening.stdout)

    @unittest.skipUnless(os.getuid() == 0, "another uid needs root")
    def test_other_uids(self):
        """guacd's socket and a session's: who is not trusted gets nothing, whatever the modes."""
        c = self.dial()
        for path in (self.folder, self.guacd.run, os.path.dirname(self.path)):
            os.chmod(path, 0o755)
        for path in (self.guacd.socket, self.path):
            os.chmod(path, 0o666)
        probe = ("import socket,sys\n"
                 "s=socket.socket(socket.AF_UNIX, int(sys.argv[2])); s.settimeout(5)\n"
                 "s.connect(sys.argv[1])\n"
                 "try: s.send(sys.argv[3].encode()); print(repr(s.recv(100)))\n"
                 "except OSError as e: print(type(e).__name__)\n")
        for path, kind, word in [(self.guacd.socket, socket.SOCK_STREAM, "6.select,4.demo;"),
                                 (self.path, socket.SOCK_SEQPACKET, '{"op":"info"}')]:
            done = subprocess.run([sys.executable if os.access(sys.executable, os.X_OK) and
                                   not sys.executable.startswith("/root") else "/usr/bin/python3",
                                   "-c", probe, path, str(int(kind)), word], user=65534,
                                  group=65534, extra_groups=[], capture_output=True, text=True,
                                  timeout=20, check=False, cwd="/")
            self.assertIn(done.stdout.strip(), ("b''", "BrokenPipeError", "ConnectionResetError"),
                          done.stderr)
        self.assertTrue(tap.Control(self.path).ask("info"))
        c.send("disconnect")
        wait(lambda: self.guacd.metrics().get('guacamole_guacd_refused_total{reason="uid"}') == 1,
             3, "metric")

    def test_policy_that_makes_no_sense(self):
        for values in ({"session": "no-uuid"}, {"session": ""}, {"grace": "-1"},
                       {"recording_keys": "some"}, {"allow_copy": "maybe"},
                       {"recording_path": "/tmp"}, {"fps": "many"}):
            with self.subTest(values=values), self.assertRaises(guac.Refused) as r:
                self.dial(**values)
            self.assertEqual(r.exception.status, BAD)

    def test_a_name_that_holds_elements(self):
        """Peers count in two ways; a display name must not use that to write policy."""
        name = "😀😀😀😀,1.x"
        self.dial(owner_name=name, grace="33")
        info = tap.Control(self.path).ask("info")
        self.assertEqual((info["ownerName"], info["owner"]), (name, "sub-olga"))

    def test_same_id_twice(self):
        first = self.dial()
        with self.assertRaises(guac.Refused):
            self.dial(session=first.id[1:])
        first.type("still there")
        first.settle()
        self.assertIsNone(first.error)
        wait(lambda: len(self.guacd.sessions()) == 1, 10 * PATIENCE, "the second one stays")
        self.assertTrue(tap.Control(self.path.replace("002.sock", "001.sock")).ask("info"))

    def test_dialling_needs_permission(self):
        """Loopback is refused unless the policy allows it, and by name as well."""
        with socket.socket() as target:
            target.bind(("127.0.0.1", 0))
            target.listen()
            port = str(target.getsockname()[1])
            for host in ("127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"):
                c = self.dial(hostname=host, port=port)
                c.pump(lambda c=c: c.closed)
                self.assertEqual(c.error[1], FORBIDDEN, host)
            c = self.dial(hostname="127.0.0.1", port=port, address_allow="127.0.0.1:" + port)
            c.settle()
            self.assertIsNone(c.error)


class Owners(Gateway):
    def test_grace_and_back(self):
        """Cut off, the session waits; the owner returns to the same picture, twice."""
        c = self.dial(fps="20")
        c.type("abc")
        self.both([c], lambda: len(c.syncs) > 10)
        c.reset()
        self.both([], lambda: tap.Control(self.path).ask("info")["grace"] > 50000, why="grace")
        again = self.owner_back()
        self.assertEqual(again.id, c.id)
        self.both([again], lambda: again.syncs)
        self.assertEqual(tap.Control(self.path).ask("info")["grace"], 0)
        again.stream("argv", "text/plain", "fps", data=b"0")
        again.settle()
        self.tap.wait(lambda: self.tap.syncs and self.tap.syncs[-1] >= again.syncs[-1])
        self.assertIsNone(difference(again.canvas, self.tap.canvas))
        again.close()
        third = self.owner_back()
        third.settle()
        self.assertIsNone(difference(third.canvas, self.tap.canvas))

    def test_grace_over(self):
        c = self.dial(grace="1")
        c.settle()
        began = time.monotonic()
        c.reset()
        self.both([], lambda: self.tap.events("ended"))
        self.assertGreater(time.monotonic() - began, 0.9)
        self.tap.close()
        self.ended()

    def test_no_grace(self):
        c = self.dial(grace="0")
        c.settle()
        c.reset()
        self.both([], lambda: self.tap.events("ended"), 3)

    def test_disconnect_is_not_a_cut(self):
        """Leaving on purpose: the session ends (or waits), but says which; nothing hangs."""
        c = self.dial(grace="1")
        c.settle()
        c.send("disconnect")
        self.both([c], lambda: c.closed and self.tap.events("ended"))

    def test_replaced_by_another_tunnel(self):
        c = self.dial(fps="20")
        c.settle_time = self.both([c], lambda: c.syncs)
        with self.assertRaises(guac.Refused) as r:
            self.owner_back()
        self.assertEqual(r.exception.status, CONFLICT)
        again = self.owner_back(replace=True)
        self.both([c, again], lambda: c.closed and again.syncs)
        self.assertEqual(c.error[1], CONFLICT)
        users = tap.Control(self.path).ask("info")["users"]
        self.assertEqual([u["role"] for u in users], ["owner"])

    def test_limits_of_time(self):
        c = self.dial(max_duration="1")
        self.both([c], lambda: c.closed)
        self.assertEqual(c.error[1], CLOSED)
        idle = self.dial(idle_timeout="1", fps="20")
        began = time.monotonic()
        self.both([idle], lambda: len(idle.syncs) > 10)
        idle.type("x")
        self.both([idle], lambda: idle.closed)
        self.assertEqual(idle.error[1], TIMEOUT)
        self.assertGreater(time.monotonic() - began, 1.2)

    def test_guacd_killed(self):
        """The session neither ends nor loses its tap; its owner can come back."""
        c = self.dial(fps="20")
        self.both([c], lambda: c.syncs)
        self.guacd.popen.kill()
        self.guacd.popen.wait()
        c.reset()
        again = self.both([], self.owner_back)
        before = len(self.tap.syncs)
        self.both([again], lambda: len(again.syncs) > 5 and len(self.tap.syncs) > before + 5)
        tap.Control(self.path).ask("end", status=CLOSED, text="over")
        self.both([again], lambda: again.closed and self.tap.events("ended"))


class Moderation(Gateway):
    def test_roles(self):
        owner = self.dial()
        viewer = tap.join(self.path, "viewer", user="sub-aude", name="Aude")
        helper = tap.join(self.path, "helper", user="sub-hans", name="Hans")
        everyone = [owner, viewer, helper]
        self.both(everyone, lambda: all(c.syncs for c in everyone))
        info = tap.Control(self.path).ask("info")
        self.assertEqual({u["name"]: u["role"] for u in info["users"]},
                         {"Olga": "owner", "Aude": "viewer", "Hans": "helper"})
        self.assertEqual((info["owner"], info["ownerName"], info["connection"], info["protocol"]),
                         ("sub-olga", "Olga", "relay/demo", "demo"))
        guac.settle(everyone)
        before = owner.canvas.crc()
        viewer.type("x")
        guac.pump(everyone, timeout=0.5)
        self.assertEqual(owner.canvas.crc(), before, "a viewer's keys end at the server")
        helper.type("x")
        guac.pump(everyone, lambda: owner.canvas.crc() != before)
        number = next(u["user"] for u in info["users"] if u["name"] == "Aude")
        tap.Control(self.path).ask("role", user=number, role="helper")
        guac.settle(everyone)
        before = owner.canvas.crc()
        viewer.type("y")
        guac.pump(everyone, lambda: owner.canvas.crc() != before)
        by = {e["name"]: e["role"] for e in self.tap_events("joined")}
        self.assertEqual(by["Aude"], "viewer")

    def tap_events(self, name):
        self.tap.serve()
        return self.tap.events(name)

    def test_wire_cannot_choose_a_role(self):
        """`select $id` without authd is refused here; only `join` decides."""
        owner = self.dial()
        owner.settle()
        stray = tap.Tap()
        c = guac.Client.unix(self.guacd.socket, [stray.give()], b"")
        stray.sent()
        c.send("select", owner.id)
        with self.assertRaises((guac.Refused, guac.Closed)):
            c.expect("args")

    def test_pause_and_message(self):
        c = self.dial(fps="20", hello={"size": SIZE, "client": ("page", "state")})
        self.both([c], lambda: len(c.syncs) > 5)
        control = tap.Control(self.path)
        control.ask("pause", why="the moderator is away")
        self.both([c], lambda: any("paused" in s and s["paused"] for s in c.states()))
        guac.pump([c], timeout=0.5)
        frames, input_lines = len(c.syncs), len(self.tap.input)
        c.type("nobody reads this")
        self.tap.wait(lambda: True)
        guac.pump([c], timeout=0.5)
        self.tap.serve()
        self.assertLessEqual(len(c.syncs) - frames, 1, "frames of a paused session")
        self.assertEqual(len(self.tap.input), input_lines, "input of a paused session")
        self.assertTrue(control.ask("info")["paused"])
        control.ask("resume")
        self.both([c], lambda: len(c.syncs) > frames + 5)
        control.ask("msg", text="Please come to an end.")
        self.both([c], lambda: any(i[0] == "log" and "come to an end" in i[1] for i in c.log))

    def test_end_with_words(self):
        c = self.dial()
        viewer = tap.join(self.path, "viewer")
        self.both([c, viewer], lambda: c.syncs and viewer.syncs)
        tap.Control(self.path).ask("end", status=CLOSED, text="Ended by the moderator.")
        self.both([c, viewer], lambda: c.closed and viewer.closed)
        for it in (c, viewer):
            self.assertEqual(it.error, ("Ended by the moderator.", CLOSED))
        ended, = self.both([], lambda: self.tap.events("ended"))
        self.assertEqual(ended["status"], CLOSED)
        self.assertEqual(self.tap.frames[-1][0], tap.EVENT, "the last frame")
        self.tap.close()
        self.ended()

    def test_nonsense_on_the_control_socket(self):
        c = self.dial()
        c.settle()
        for op, members in [("no-such-op", {}), ("join", {}), ("join", {"role": "king"}),
                            ("tap", {}), ("role", {"user": 99, "role": "owner"}), ("role", {}),
                            ("msg", {}), ("", {})]:
            answer = tap.Control(self.path).call(op, **members)
            self.assertFalse(answer["ok"], op)
            self.assertTrue(answer["error"])
        for packet in (b"{", b"[]", b"null", b"\xff" * 100, b'{"op":1}', b"{}" * 60000):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(self.path)
            s.send(packet)
            s.settimeout(5)
            s.recv(65536)  # an answer or the end
            s.close()
        c.type("fine")
        c.settle()
        self.assertIsNone(c.error)

    def test_policy_of_directions(self):
        c = self.dial(allow_copy="false")
        c.settle()
        c.stream("clipboard", "text/plain", data=b"x")
        c.pump(timeout=0.5)
        self.assertIsNone(c.clipboard)
        free = self.dial()
        free.settle()
        free.stream("clipboard", "text/plain", data=b"abc")
        free.pump(lambda: free.clipboard)
        self.assertEqual(free.clipboard[1], b"ABC")


class Taps(Gateway):
    def test_recorder_sees_every_frame(self):
        c = self.dial(fps="25")
        c.type("hello")
        self.both([c], lambda: len(self.tap.syncs) > 30)
        c.stream("argv", "text/plain", "fps", data=b"0")
        c.settle()
        self.tap.wait(lambda: self.tap.syncs[-1] >= c.syncs[-1])
        self.assertEqual(self.tap.canvas.lossy, [])
        self.assertIsNone(difference(c.canvas, self.tap.canvas))
        self.assertEqual(self.tap.frames[0][1], 1, "sequences start at 1")
        keys = "".join(chr(int(i[1])) for i in self.tap.input if i[0] == "key" and i[2] == "1")
        self.assertEqual(keys, "hello")

    def test_store_falls_behind(self):
        """Nothing is acknowledged: pause at the soft limit, the end at the hard one."""
        c = self.dial(tap.Tap(ack=False), fps="30", tap_soft_delay="800", tap_hard_delay="2500",
                      hello={"size": SIZE, "client": ("page", "state")})
        began = time.monotonic()
        self.both([c], lambda: any(s.get("paused") for s in c.states()))
        self.assertGreater(time.monotonic() - began, 0.6)
        self.both([c], lambda: c.closed)
        self.assertIsNotNone(c.error)
        self.assertGreater(time.monotonic() - began, 2.2)

    def test_store_comes_back_in_time(self):
        c = self.dial(tap.Tap(ack=False), fps="30", tap_soft_delay="500", tap_hard_delay="8000",
                      hello={"size": SIZE, "client": ("page", "state")})
        self.both([c], lambda: any(s.get("paused") for s in c.states()))
        frames, lines = len(c.syncs), len(self.tap.input)
        c.type("typed meanwhile")
        guac.pump([c], timeout=0.3)
        self.assertEqual(len(self.tap.input), lines, "input waits")
        self.tap.ack = True
        self.tap.acknowledge(self.tap.frames[-1][1])
        self.both([c], lambda: len(c.syncs) > frames + 10)
        self.assertIn([], [s["paused"] for s in c.states() if "paused" in s])
        self.both([c], lambda: len(self.tap.input) >= lines + 2 * len("typed meanwhile"))

    def test_recorder_restarts(self):
        """Its tap is cut; another one takes up after the last acknowledged frame, no gap."""
        c = self.dial(tap.Tap(ack=False), fps="20")
        self.both([c], lambda: len(self.tap.frames) > 20)
        old = self.tap
        acknowledged = old.frames[9][1]
        old.acknowledge(acknowledged)
        guac.pump([c], timeout=0.2)
        old.close()
        guac.pump([c], timeout=0.3)
        fresh = tap.Tap()
        answer = tap.Control(self.path).ask("tap", [fresh.give()], after=acknowledged)
        fresh.sent()
        self.assertEqual(answer["next"], acknowledged + 1)
        self.tap = fresh
        self.both([c], lambda: len(fresh.frames) > 30)
        self.assertEqual(fresh.frames[0][1], acknowledged + 1)
        replayed = {f[1]: f for f in fresh.frames}
        for frame in old.frames[10:]:
            self.assertEqual(replayed[frame[1]], frame, "a frame changed between two taps")

    def test_recorder_never_comes_back(self):
        c = self.dial(fps="20", tap_soft_delay="500", tap_hard_delay="1500")
        self.both([c], lambda: len(self.tap.frames) > 5)
        self.tap.close()
        c.pump(lambda: c.closed, 8 * PATIENCE)
        self.assertIsNotNone(c.error)
        self.ended()


if __name__ == "__main__":
    unittest.main()
