"""RDP against FreeRDP's shadow server: security types, certificates, credentials, codecs and
keys."""
import os
import socket
import struct
import threading
import unittest

import deskpart
import guac
import house
import rdprelay
from house import Guacd, PATIENCE
from rdppart import Rdp, Servers


def setUpModule():
    Rdp.servers = Servers("rdp-shadow")


def tearDownModule():
    if Rdp.servers:
        Rdp.servers.stop()
        Rdp.servers = None


class Security(Rdp):
    def test_every_type(self):
        for kind in ("rdp", "tls", "nla"):
            for security in ("any", kind):
                with self.subTest(kind, security=security):
                    client = self.desk(kind, security=security, username=self.servers["RDP_USER"],
                                       password=self.servers["RDP_PASSWORD"])
                    self.assertEqual(client.canvas.picture()[:2], (800, 600))
                    client.send("disconnect")
                    client.pump(lambda c=client: c.closed)

    def test_not_the_one_it_takes(self):
        for kind, security in (("rdp", "tls"), ("rdp", "nla"), ("tls", "rdp"), ("nla", "tls"),
                               ("nla", "rdp")):
            with self.subTest(kind, security=security):
                status, text = self.refusal(kind, security=security)
                self.assertEqual(status, 0x0203)
                self.assertIn("set security to", text)

    def test_no_downgrade_by_itself(self):
        """What has no certificate proves nothing: not where proof is asked for."""
        status, text = self.refusal("rdp", security="any", ignore_cert="false")
        self.assertEqual(status, 0x0203)
        self.assertIn("set security to", text)

    def test_asked_for_credentials(self):
        client = self.connect("nla", ignore_cert="true")
        asked = self.answer(client, lambda: client.syncs, username=self.servers["RDP_USER"],
                            password=self.servers["RDP_PASSWORD"], domain="")
        self.assertEqual(asked, ["username", "domain", "password"])
        self.assertIsNone(client.error)
        client.close()
        client = self.connect("nla", ignore_cert="true", username=self.servers["RDP_USER"])
        asked = self.answer(client, lambda: client.syncs, password=self.servers["RDP_PASSWORD"])
        self.assertEqual(asked, ["password"])
        self.assertIsNone(client.error)

    def test_wrong_credentials(self):
        for user, password in ((self.servers["RDP_USER"], "wrong"), ("nobody", "alice-pw")):
            with self.subTest(user):
                self.assertEqual(self.refusal("nla", username=user, password=password),
                                 (0x0301, "user name or password is wrong"))

    def test_domain_with_the_name(self):
        """DOMAIN\\user is taken apart; this server knows no domains."""
        client = self.connect("nla", ignore_cert="true")
        asked = self.answer(client, lambda: client.syncs,
                            username="SOMEWHERE\\" + self.servers["RDP_USER"],
                            password=self.servers["RDP_PASSWORD"], domain="")
        self.assertEqual(asked, ["username", "domain", "password"])
        self.assertIsNone(client.error)

    def test_client_that_cannot_be_asked(self):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("rdp", version="VERSION_1_1_0", hostname="127.0.0.1",
                         port=self.servers.port("nla"), ignore_cert="true")
        client.pump(lambda: client.error, 20 * PATIENCE)
        self.assertEqual(client.error[1], 0x0301)


class Certificates(Rdp):
    def test_unknown_is_asked_about(self):
        client = self.connect("tls")
        client.pump(lambda: client.required, 15 * PATIENCE)
        self.assertEqual(client.required, ["cert-fingerprints"])
        client.required = []
        client.answer_required(cert_fingerprints="no")
        client.pump(lambda: client.error, 15 * PATIENCE)
        self.assertEqual(client.error[1], 0x0203)
        self.assertIn(self.servers["RDP_FP"], client.error[0])

    def test_answers(self):
        print_ = self.servers["RDP_FP"]
        for answer in ("yes", print_, "sha256:" + print_.upper()):
            with self.subTest(answer):
                client = self.connect("tls")
                asked = self.answer(client, lambda c=client: c.syncs, cert_fingerprints=answer)
                self.assertEqual(asked, ["cert-fingerprints"])
                self.assertIsNone(client.error)
                client.close()

    def test_pins(self):
        print_ = self.servers["RDP_FP"]
        colons = ":".join(print_[i:i + 2] for i in range(0, 64, 2))
        for pins in (print_, colons, "00" * 32 + ", " + colons):
            with self.subTest(pins):
                client = self.connect("tls", cert_fingerprints=pins)
                client.pump(lambda c=client: c.syncs or c.error or c.required, 15 * PATIENCE)
                self.assertEqual((client.required, client.error), ([], None))
                client.close()
        status, text = self.refusal("tls", cert_fingerprints="00" * 32)
        self.assertEqual(status, 0x0203)
        self.assertIn("is not the pinned one", text)


class FirstUse(Rdp):
    """cert-tofu: the server keeps its port and changes its certificate."""

    def test_remembered(self):
        one, first = rdprelay.certificate(self.folder, "one")
        two, second = rdprelay.certificate(self.folder, "two")
        relay = rdprelay.Relay(self.servers.port("tls"), one)
        self.addCleanup(relay.stop)

        def come():
            client = self.connect(port=relay.port, cert_tofu="true")
            client.pump(lambda: client.syncs or client.error or client.required, 20 * PATIENCE)
            self.assertEqual(client.required, [], "nobody is asked")
            client.close()
            return client.error
        for _ in range(2):
            self.assertIsNone(come())
        relay.pem = two
        text, status = come()
        self.assertEqual(status, 0x0203)
        self.assertIn("not the one that was seen at the first use", text)
        self.assertIn(second, text)
        self.guacd.stop()
        with open(os.path.join(self.guacd.run, "guacd", "known-certificates"),
                  encoding="ascii") as f:
            self.assertEqual(f.read(), f"rdp:127.0.0.1:{relay.port} {first}\n")
        self.guacd = self.start(Guacd)
        self.assertIn("first use", come()[0], "another guacd in its place knows it")
        relay.pem = one
        self.assertIsNone(come())


class Wire(Rdp):
    """What parameters become on the way to the server, read between it and us."""
    SHOW = {"enable_wallpaper": 0x1, "enable_full_window_drag": 0x2, "enable_menu_animations": 0x4,
            "enable_theming": 0x8}
    MORE = {"enable_font_smoothing": 0x80, "enable_desktop_composition": 0x100}

    def setUp(self):
        super().setUp()
        self.pem, _ = rdprelay.certificate(self.folder, "relay")
        self.relay = rdprelay.Relay(self.servers.port("tls"), self.pem)
        self.addCleanup(self.relay.stop)

    def said(self, **values):
        client = self.connect(port=self.relay.port, ignore_cert="true", **values)
        self.answer(client, lambda: client.syncs)
        self.assertIsNone(client.error)
        truth = self.relay.truths[-1]
        house.wait(truth.info, 20 * PATIENCE, "what the client says of itself")
        client.close()
        return truth

    def test_nothing_asked_for(self):
        truth = self.said()
        info = truth.info()
        self.assertEqual(truth.before, b"")
        self.assertNotIn(b"Cookie", truth.request)
        self.assertEqual(info.shell, "")
        self.assertEqual(info.performance, sum(self.SHOW.values()), "what costs is off")
        self.assertFalse(truth.cluster()[0] & 2, "no session by number")

    def test_everything_asked_for(self):
        truth = self.said(preconnection_id="77", preconnection_blob="vm-1", console="true",
                          load_balance_info="Cookie: msts=3640205228.15629.0000",
                          initial_program="notepad.exe", timezone="America/New_York",
                          **dict.fromkeys([*self.SHOW, *self.MORE], "true"))
        info = truth.info()
        blob = "vm-1\0".encode("utf-16-le")  # MS-RDPEPS 2.2.1.2
        self.assertEqual(truth.before, struct.pack("<IIIIH", 18 + len(blob), 0, 2, 77, 5) + blob)
        self.assertIn(b"Cookie: msts=3640205228.15629.0000\r\n", truth.request)
        self.assertEqual(info.shell, "notepad.exe")
        self.assertEqual((info.bias, info.summer_bias, info.summer_month), (300, -60, 3))
        self.assertEqual(info.performance, sum(self.MORE.values()))
        flags, session = truth.cluster()
        self.assertEqual((flags & 2, session), (2, 0), "the administrator's session")

    def test_gateway(self):
        """Nothing goes to the server itself: the gateway hears its own user, and is the one that
        says no."""
        gateway = rdprelay.Gateway(self.pem)
        self.addCleanup(gateway.stop)
        status, text = self.refusal(port=self.relay.port, gateway_hostname="127.0.0.1",
                                    gateway_port=gateway.port, gateway_domain="EDGE",
                                    gateway_username="porter", gateway_password="p",
                                    username=self.servers["RDP_USER"])
        self.assertEqual(gateway.visitors, [("EDGE", "porter")])
        self.assertTrue(gateway.requests[0].startswith("RDG_OUT_DATA /remoteDesktopGateway/"))
        self.assertEqual((status, self.relay.truths), (0x0303, []))
        self.assertIn("the gateway 127.0.0.1", text)


class Reaching(Rdp):
    def test_nobody_there(self):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("rdp", hostname="127.0.0.1", port=str(house.free_port()))
        client.pump(lambda: client.error, 15 * PATIENCE)
        self.assertEqual(client.error[1], 0x0208)

    def test_no_such_name(self):
        client = guac.Client.tcp(self.guacd.port)
        client.handshake("rdp", hostname="no-such-host.invalid", timeout=15)
        client.pump(lambda: client.error, 30 * PATIENCE)
        self.assertEqual(client.error[1], 0x0207)

    def test_ends_while_the_server_says_nothing(self):
        """The library blocks: the session ends all the same."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            taken = threading.Event()

            def accept():
                conn = silent.accept()[0]
                taken.set()
                while conn.recv(4096):
                    pass
            threading.Thread(target=accept, daemon=True).start()
            client = guac.Client.tcp(self.guacd.port)
            client.handshake("rdp", hostname="127.0.0.1", port=str(silent.getsockname()[1]))
            self.assertTrue(taken.wait(15 * PATIENCE))
            client.send("disconnect")
            client.pump(lambda: client.closed, 15 * PATIENCE)
            house.wait(lambda: not self.guacd.sessions(), 10 * PATIENCE, "the session to end")
        self.assertNotIn("killed", self.guacd.text())


class Pictures(Rdp):
    def stir(self):
        term = self.servers.spawn("xterm", "-geometry", "70x20+100+120", "-T", "stir", "-e", "sh",
                                  "-c", "seq 1 400; echo done; read x")
        self.addCleanup(term.wait)
        self.addCleanup(term.kill)

    def check(self, kind, least, **values):
        client = self.desk(kind, **values)
        self.stir()
        guac.pump([client], timeout=1.0)
        client.settle(timeout=20 * PATIENCE)
        self.assert_shows(client, least)
        client.close()

    def test_exact(self):
        """What is lossless on the wire is the same to the bit."""
        for kind, values in (("bitmaps", {}), ("bitmaps", {"disable_gfx": "true"}),
                             ("tls", {"force_lossless": "true"})):
            with self.subTest(kind, **values):
                self.check(kind, 99, **values)

    def test_graphics_pipeline(self):
        """H.264, and without it RemoteFX Progressive: no more is lost than the server's encoder
        takes."""
        for values, codec, least in (({}, 11, 36), ({"enable_h264": "false"}, 9, 45)):
            with self.subTest(codec=codec):
                self.check("tls", least, **values)
                self.assertIn(f"graphics pipeline: codec {codec}\"", self.guacd.text())

    def test_late_joiner(self):
        owner = self.desk("bitmaps")
        self.stir()
        owner.settle(timeout=20 * PATIENCE)
        late = self.connect(joins=owner.id)
        guac.settle([owner, late], timeout=20 * PATIENCE)
        self.assert_shows(owner)
        self.assert_shows(late)

    def test_depths(self):
        screen = self.servers.shot()
        for depth, least in (("16", 45), ("24", 45), ("32", 99)):
            with self.subTest(depth):
                client = self.desk("bitmaps", color_depth=depth, disable_gfx="true")
                self.assertEqual(client.canvas.picture()[:2], screen[:2])
                self.assert_shows(client, least)
                client.close()


class Keys(Rdp):
    """Into an xterm behind a US keyboard: what arrives is what was typed."""

    def typist(self, **values):
        return self.point_at_terminal(self.desk("tls", **values))

    def test_all_of_a_keyboard(self):
        client = self.typist()
        text = "".join(chr(c) for c in range(0x20, 0x7F))
        client.type(text)
        self.arrives(client, text)

    def test_shift_in_the_browser(self):
        client = self.typist()
        client.key(0xFFE1, True)
        client.type("Shift HELD!")   # the blank with it
        client.key(0xFFE1, False)
        client.type("and not")
        self.arrives(client, "Shift HELD!and not")

    def test_caps_lock_in_the_browser(self):
        """Its letters come as capitals, without Shift; with it as small ones."""
        client = self.typist()
        client.key(0xFFE5)
        client.type("CAPS ")
        client.key(0xFFE1, True)
        client.type("low")
        client.key(0xFFE1, False)
        client.key(0xFFE5)
        client.type("end")
        self.arrives(client, "CAPS lowend")

    def test_keypad(self):
        """The digits take Num Lock, which this server does not synchronize: xrdp's test has them."""
        client = self.typist()
        for keysym in (0xFFAA, 0xFFAB, 0xFFAD, 0xFFAF):
            client.key(keysym)
        self.arrives(client, "*+-/")

    def test_backspace(self):
        client = self.typist()
        client.type("xxz\b\by")
        self.arrives(client, "xy")

    def test_released_with_the_person(self):
        """A browser that goes with Shift held leaves nothing held."""
        client = self.typist()
        client.key(0xFFE1, True)
        client.pump(timeout=0.3)
        client.close()
        client = self.typist()
        client.type("plain")
        self.arrives(client, "plain")

    def test_wheel(self):
        out = self.servers.dir + "/wheel"
        # Its answer to a question for the cursor's place says that it has read what came before.
        term = self.servers.spawn("xterm", "-geometry", "40x10+400+300", "-T", "wheel", "-e", "sh",
                                  "-c", "stty -icanon -echo; printf '\\033[?1000h\\033[6n'; "
                                  f"head -c 6 >'{out}.ready'; "
                                  f"head -c 12 | od -An -c | tr -d '\\n ' >'{out}'")
        self.addCleanup(term.wait)
        self.addCleanup(term.kill)
        client = self.desk("tls")
        client.pump(lambda: os.path.exists(out + ".ready") and os.path.getsize(out + ".ready"),
                    20 * PATIENCE, "a terminal that reports the wheel")
        for mask in (8, 16):
            client.send("mouse", 480, 360, 0)
            client.send("mouse", 480, 360, mask)
        client.send("mouse", 480, 360, 0)

        def told():
            return deskpart.read_text(out)
        client.pump(lambda: "033[M`" in told() and "033[Ma" in told(), 10 * PATIENCE,
                    "wheel up and down")


if __name__ == "__main__":
    unittest.main()
