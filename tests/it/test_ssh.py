"""SSH against a real OpenSSH server: every way to log in, host keys, what is refused and how, the
terminal as people use it, large pastes, floods, and how it ends."""
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import guac
import house
import shellkit
import tap
from between import join
from house import Guacd, PATIENCE, wait
from shellkit import CTRL, SHIFT, ShellCase

TIMEOUT, ERROR, CLOSED, NOT_FOUND, UNAVAILABLE = 0x202, 0x203, 0x206, 0x207, 0x208
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 0x300, 0x301, 0x303


class Sshd(shellkit.Part):
    """The part, started once a class with the options it needs."""

    def __init__(self, *options):
        super().__init__("sshd", "s", "SSHD_", *options)

    def otp(self):
        return subprocess.run([self.script, "otp", self.folder], check=True, capture_output=True,
                              text=True).stdout.strip()


class SshCase(ShellCase):
    protocol, prompt = "ssh", "~$"
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.sshd = Sshd(*cls.options)
        cls.addClassCleanup(cls.sshd.stop)

    def parameters(self):
        return dict(hostname="127.0.0.1", port=self.sshd["PORT"], username=self.sshd["USER"],
                    password=self.sshd["PASSWORD"], host_key=self.sshd["HOSTKEY_ED25519"])


class Login(SshCase):
    def test_password(self):
        c = self.shell()
        c.run("id -un", self.sshd["USER"])

    def test_wrong_password(self):
        self.refused(UNAUTHORIZED, self.sshd["USER"], password="wrong")

    def test_no_such_user(self):
        self.refused(UNAUTHORIZED, username="nobody-here")

    def test_keys(self):
        for key in ("ED25519", "ECDSA", "RSA", "RSA_PEM"):
            with self.subTest(key):
                self.shell(password=None, private_key=self.sshd.file("KEY_" + key)).close()

    def test_encrypted_keys(self):
        for key in ("ENC", "ENC_PEM"):
            with self.subTest(key):
                pem = self.sshd.file("KEY_" + key)
                self.shell(password=None, private_key=pem,
                           passphrase=self.sshd["PASSPHRASE"]).close()
                c = self.connect(password=None, private_key=pem)
                self.asked(c, "passphrase", "not this one")
                self.asked(c, "passphrase", self.sshd["PASSPHRASE"], "Passphrase")
                c.see("~$")
                c.close()
                self.refused(UNAUTHORIZED, "private key", password=None, private_key=pem,
                             passphrase="wrong")

    def test_certificate(self):
        for key in ("ED25519", "RSA"):
            with self.subTest(key), open(self.sshd["CERT_" + key] + "-cert.pub") as f:
                self.shell(password=None, private_key=self.sshd.file("CERT_" + key),
                           public_key=f.read()).close()

    def test_key_refused(self):
        """A key the server does not know, and no password to fall back on."""
        path = os.path.join(self.folder, "k")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        with open(path) as f:
            c = self.connect(password=None, private_key=f.read())
        for _ in range(3):
            self.asked(c, "password", "wrong")
        self.assertEqual(c.ended()[1], UNAUTHORIZED)

    def test_no_key_at_all(self):
        self.refused(UNAUTHORIZED, "private key", private_key="this is no key", password=None)

    def test_everything_is_asked(self):
        c = self.connect(username=None, password=None)
        self.asked(c, "username", self.sshd["USER"])
        self.asked(c, "password", self.sshd["PASSWORD"], "Password")
        c.see("~$")
        c.run("id -un", self.sshd["USER"])

    def test_three_tries(self):
        c = self.connect(password=None)
        self.asked(c, "password", "wrong")
        self.asked(c, "password", "wrong again")
        self.asked(c, "password", self.sshd["PASSWORD"])
        c.see("~$")

    def test_old_client_cannot_be_asked(self):
        c = self.connect(version="VERSION_1_1_0", password=None)
        self.assertEqual(c.ended()[1], UNAUTHORIZED)

    def test_one_time_password(self):
        if not self.sshd["OTP_USER"]:
            self.skipTest("the package libpam-oath is missing")
        c = self.connect(username=self.sshd["OTP_USER"])
        c.pump(lambda: c.required, 10 * PATIENCE, "nothing is asked")
        name = c.required[0]
        self.assertNotEqual(name, "username")
        if name == "password":   # the module calls its own question so
            self.asked(c, name, self.sshd.otp())
        else:
            self.asked(c, name, self.sshd.otp())
        c.see("~$")


class Interactive(SshCase):
    """A server that only asks questions."""
    options = ("--config", "PasswordAuthentication no")

    def test_configured_password_answers(self):
        self.shell()

    def test_asked(self):
        c = self.connect(password=None)
        self.asked(c, "password", self.sshd["PASSWORD"], "assword")
        c.see("~$")

    def test_wrong(self):
        self.refused(UNAUTHORIZED, password="wrong")


class TwoFactors(SshCase):
    """A key, and then a question."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # sshd reads its configuration for each connection it accepts: ask for more from now on.
        path = os.path.join(cls.sshd.folder, "sshd_config")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write("AuthenticationMethods publickey,keyboard-interactive\n" + text)
        os.kill(int(cls.sshd["PID"]), signal.SIGHUP)
        time.sleep(0.5)

    def test_key_then_question(self):
        c = self.connect(password=None, private_key=self.sshd.file("KEY_ED25519"))
        self.asked(c, "password", self.sshd["PASSWORD"])
        c.see("~$")

    def test_key_then_configured_password(self):
        self.shell(private_key=self.sshd.file("KEY_ED25519"))

    def test_key_missing(self):
        self.refused(UNAUTHORIZED)


class HostKeys(SshCase):
    def test_pins(self):
        for name in ("HOSTKEY_ED25519", "HOSTKEY_ECDSA", "HOSTKEY_RSA", "FP_ED25519"):
            with self.subTest(name):
                self.shell(host_key=self.sshd[name]).close()
        self.shell(host_key=self.sshd["HOSTKEY_RSA"].split()[1]).close()   # bare base64
        self.shell(host_key="# two\n" + self.sshd["HOSTKEY_RSA"] + "\nhost "
                   + self.sshd["HOSTKEY_ED25519"] + " comment\n").close()

    def test_changed(self):
        other = os.path.join(self.folder, "k")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
        with open(other + ".pub") as f:
            text = self.refused(UNAVAILABLE, "host key", host_key=f.read())
        self.assertIn(self.sshd["FP_ED25519"], text)
        self.refused(UNAVAILABLE, "host key", host_key="SHA256:" + "A" * 43)

    def test_nonsense(self):
        self.refused(BAD_REQUEST, "host-key", host_key="not a key")

    def test_unknown(self):
        c = self.connect(host_key=None)
        self.asked(c, "host-key-accept", "yes", self.sshd["FP_ED25519"])
        c.see("~$")
        c.close()
        c = self.connect(host_key=None)
        self.asked(c, "host-key-accept", "no")
        self.assertEqual(c.ended()[1], FORBIDDEN)
        c = self.connect(host_key=None, version="VERSION_1_1_0")
        self.assertEqual(c.ended()[1], FORBIDDEN)

    def test_known_hosts(self):
        for name in ("KNOWN_HOSTS", "KNOWN_HOSTS_HASHED"):
            with self.subTest(name):
                line = self.sshd.file(name).splitlines()[0]
                self.shell(host_key=None, known_hosts=line).close()
        self.refused(BAD_REQUEST, "sandbox", host_key=None, known_hosts=self.sshd["KNOWN_HOSTS"])
        line = f"[127.0.0.1]:{self.sshd['PORT']} ssh-ed25519 " \
            "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
        self.refused(UNAVAILABLE, "known-hosts", host_key=None, known_hosts=line)

    def test_known_by_one_type_only(self):
        """The server has three keys; the one that is known is asked for."""
        line = f"[127.0.0.1]:{self.sshd['PORT']} {self.sshd['HOSTKEY_RSA']}"
        self.shell(host_key=None, known_hosts=line)


class Unreachable(SshCase):
    def serve(self, answer=None, hang_up=False):
        """A port that speaks anything but SSH."""
        s = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(s.close)

        def work():
            kept = []
            while True:
                try:
                    peer, _ = s.accept()
                except OSError:
                    return
                if answer:
                    peer.sendall(answer)
                if hang_up:
                    peer.close()
                else:
                    kept.append(peer)
        threading.Thread(target=work, daemon=True).start()
        return str(s.getsockname()[1])

    def test_refused(self):
        self.refused(UNAVAILABLE, port=str(house.free_port()))

    def test_not_found(self):
        self.refused(NOT_FOUND, "no.such.host.invalid", hostname="no.such.host.invalid")

    def test_silent(self):
        self.refused(TIMEOUT, port=self.serve(), timeout="1")

    def test_hangs_up(self):
        self.refused(CLOSED, port=self.serve(hang_up=True))

    def test_not_ssh(self):
        text = self.refused(ERROR, port=self.serve(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4000),
                            timeout="3")
        self.assertIn("SSH", text)

    def test_liars(self):
        """Whatever a server says, the session ends with a status."""
        for noise in (b"SSH-2.0-x\r\n" + b"\0" * 4096, b"SSH-2.0-x\r\n" + b"\xff" * 4096,
                      b"SSH-1.5-old\r\n", b"SSH-2.0-\r\n" + bytes(range(256)) * 64):
            with self.subTest(noise[:16]):
                c = self.connect(port=self.serve(noise), timeout="2")
                self.assertIn(c.ended(20)[1], (TIMEOUT, ERROR, CLOSED))


class Asleep(SshCase):
    """A machine that is woken first: it answers at this port once the magic packet came."""

    MAC = "52:54:00:ab:cd:ef"

    def setUp(self):
        super().setUp()
        self.air = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.air.close)
        self.air.bind(("127.0.0.1", 0))
        self.air.settimeout(house.DEADLINE_S)

    def wol(self, **values):
        return {"wol_send_packet": "true", "wol_mac_addr": self.MAC, "wol_broadcast_addr": "127.0.0.1",
                "wol_udp_port": str(self.air.getsockname()[1]), **values}

    def test_woken(self):
        door = socket.socket()
        door.bind(("127.0.0.1", 0))
        packets = []

        def machine():
            packets.append(self.air.recv(200))
            time.sleep(2)   # it boots: dialled meanwhile, it refuses
            door.listen()
            join(door.accept()[0], socket.create_connection(("127.0.0.1", int(self.sshd["PORT"]))))

        thread = threading.Thread(target=machine, daemon=True)
        thread.start()
        c = self.shell(port=str(door.getsockname()[1]), **self.wol(wol_wait_time="60"))
        c.run("echo aw''ake", "awake")
        c.close()
        door.close()
        self.assertEqual(packets, [b"\xff" * 6 + bytes.fromhex(self.MAC.replace(":", "")) * 16])

    def test_never_up(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            self.refused(UNAVAILABLE, port=str(closed.getsockname()[1]), **self.wol(wol_wait_time="2"))

    def test_no_address(self):
        self.refused(BAD_REQUEST, "wol-mac-addr", **self.wol(wol_mac_addr="a printer"))


class Terminal(SshCase):
    options = ("--config", "AcceptEnv TZ")

    def test_size(self):
        c = self.shell(size=(800, 480, 96))
        c.run("stty size", "25 79")
        c.send("size", 1000, 700)
        c.run("stty size", "36 99")
        c.run("PS1=; printf '\\033[14t'; read -rsd t x; echo ${#x}", "11")

    def test_words_are_recorded_when_they_are_shown(self):
        """And not with what is shown next: nothing comes until they are there."""
        self.guacd.stop()
        guacd, recorder = self.start(Guacd, gateway=True), tap.Tap()
        self.addCleanup(recorder.close)
        c = guac.Client.unix(guacd.socket, [recorder.give()], b"6")
        self.addCleanup(c.close)
        recorder.sent()
        c.raw(guac.encode("select", "ssh")[1:])
        c.handshake(None, session="0192f0c1-2345-7abc-8def-0000000000dd", owner="sub-olga",
                    connection="relay/shell", started=str(int(time.time() * 1000)),
                    address_allow=f"127.0.0.1:{self.sshd['PORT']}", **self.parameters())
        words = ["$ "] + [f"word-{n}" for n in range(40, 60)]
        for said in words:
            recorder.wait(lambda: said in "".join(o["s"] for o in recorder.json(tap.TEXT)
                                                  if o["k"] == "out"),
                          20 * PATIENCE, said, [c])
            c.type(f"echo word-$((1+{39 + words.index(said)}))\n")
        c.type("exit\n")
        recorder.wait(lambda: recorder.closed, 20 * PATIENCE, "the end", [c])

    def test_environment(self):
        c = self.shell(locale="de_DE.UTF-8", timezone="Asia/Tokyo")
        c.run("echo $TERM/$LANG/$TZ/", "xterm-256color/de_DE.UTF-8/Asia/Tokyo/")
        c = self.shell(terminal_type="vt220")
        c.run("echo $TERM/$TZ/", "vt220/UTC/")   # the browser's zone

    def test_erase_character(self):
        self.shell().run("stty -a | grep -o 'erase = ^.'", "erase = ^?")
        c = self.shell(backspace="8")
        c.run("stty -a | grep -o 'erase = ^.'", "erase = ^H")
        c.type("echo abX\b\b\bxyz\n")
        c.see("\nxyz")

    def test_typed_ahead(self):
        """Keys that come with the first picture, before there is a shell to read them: as with ssh
        they wait for it, in order."""
        for n in range(5):
            c = self.connect()
            c.pump(lambda c=c: c.syncs, 20 * PATIENCE, "the first picture")
            c.type(f"echo ahead-$((40+{n}))\n")
            c.see(f"ahead-{40 + n}\n", 20)
            c.close()

    def test_command(self):
        c = self.connect(command="echo it ran; exit 4")
        c.see("it ran")
        c.see("The command ended with status 4.")
        self.assertIsNone(c.ended())

    def test_unicode(self):
        c = self.shell()
        c.type("echo gr\u00fc\u00df ")
        for cp in (0x20AC, 0x65E5, 0x1F600):
            c.key(0x01000000 | cp)
        c.type("|od -An -tx1\n")
        c.see("67 72 c3 bc c3 9f 20 e2 82 ac e6 97 a5 f0 9f 98")
        c.run("printf 'e\\u0301 \\U1F469 \\u65e5\\u672c x\\n'", "e\u0301 \U0001F469 \u65e5\u672c x")

    def test_vim(self):
        c = self.shell()
        c.run("vim -u NONE -c 'set nocp ruler' notes", '"notes"')
        self.assertTrue(c.alt)
        c.type("ihello from vim")
        c.key(0xFF1B)
        c.type(":wq\n")
        c.pump(lambda: not (c.screen() and c.alt), 10 * PATIENCE, "vim does not end")
        c.run("cat notes; rm notes", "\nhello from vim")

    def test_htop(self):
        c = self.shell()
        c.type("htop\n")
        c.see("F10")
        c.see("Load average")
        c.key(0xFFC7)
        c.pump(lambda: c.screen() and not c.alt, 10 * PATIENCE, "htop does not end by F10")

    def test_mouse_reaches_programs(self):
        c = self.shell()
        c.run("PS1=; stty -echo; printf '\\033[?1000h\\033[?1006h'; read -rsd m x; echo; "
              "echo \"[${x#?}]\"; printf '\\033[?1000l'", "")
        time.sleep(0.5)
        c.send("mouse", 45, 45, 1)
        c.send("mouse", 45, 45, 0)
        c.see("[[<0;5;3M")

    def test_selected_text_is_copied(self):
        c = self.shell()
        c.run("clear; echo some-word here", "some-word here")
        row = next(i for i, t in enumerate(c.screen()) if t.startswith("some-word"))
        for _ in range(2):
            c.send("mouse", 30, 12 + row * 19, 1)
            c.send("mouse", 30, 12 + row * 19, 0)
        c.pump(lambda: c.clipboard == ("text/plain", b"some-word"), 5, f"{c.clipboard}")
        c.run("printf '\\033]52;c;%s\\007' $(echo -n osc52 | base64)", "")
        c.pump(lambda: c.clipboard == ("text/plain", b"osc52"), 5, f"{c.clipboard}")

    def test_copy_may_be_off(self):
        c = self.shell(disable_copy="true")
        c.run("printf '\\033]52;c;%s\\007' $(echo -n osc52 | base64); echo; echo d'o'ne", "done")
        c.settle()
        self.assertIsNone(c.clipboard)

    def test_live_parameters(self):
        c = self.shell()
        c.answer_required(font_size="24")
        c.run("stty size", "12 41")
        c.answer_required(color_scheme="black-white")
        c.settle()

    def test_title(self):
        c = self.shell()
        c.run("printf '\\033]0;my title\\007'", "")
        c.pump(lambda: c.title == "my title", 5, str(c.title))

    def test_picture(self):
        c = self.check_late_viewer("ls --color=always -la /etc | head -40", host_key=None)
        self.assertGreater(len(set(c.canvas.picture()[2])), 20)


class Ends(SshCase):
    def test_exit_status(self):
        c = self.shell()
        c.type("exit 3\n")
        c.see("The shell ended with status 3.")
        self.assertIsNone(c.ended())
        c = self.shell()
        c.type("exit\n")
        c.see("The shell ended.")
        self.assertIsNone(c.ended())

    def test_signal(self):
        c = self.shell()
        c.type("kill -9 $$\n")
        c.see("The shell was ended by signal KILL.")
        self.assertIsNone(c.ended())

    def pids(self, what):
        done = subprocess.run(["pgrep", "-f", what], capture_output=True, text=True, check=False)
        return [int(p) for p in done.stdout.split()]

    def test_login_ends_with_the_browser(self):
        c = self.shell()
        c.run("sleep 98712 & echo started", "started")
        self.assertTrue(self.pids("^sleep 98712"))
        c.run("tty", "/dev/pts/")
        tty = next(t for t in c.screen() if t.startswith("/dev/pts/"))[5:]
        c.reset()
        wait(lambda: not subprocess.run(["pgrep", "-t", tty], capture_output=True,
                                        check=False).stdout, 3 * PATIENCE, "the login goes on")
        for pid in self.pids("^sleep 98712"):
            os.kill(pid, signal.SIGKILL)

    def test_server_dies(self):
        c = self.shell()
        c.run("echo $PPID", "")
        c.pump(lambda: [t for t in c.screen() if t.isdigit()], 5, "no pid")
        line = [t for t in c.screen() if t.isdigit()]
        os.kill(int(line[-1]), signal.SIGKILL)
        text, status = c.ended()
        self.assertEqual(hex(status), hex(CLOSED), text)

    def test_silent_server(self):
        """Keep-alives that are not answered."""
        c = self.shell(server_alive_interval="1")
        c.run("echo $PPID", "")
        c.pump(lambda: [t for t in c.screen() if t.isdigit()], 5, "no pid")
        pid = int([t for t in c.screen() if t.isdigit()][-1])
        # The monitor and its unprivileged child share the connection; both must be silent.
        stopped = [pid] + [int(p) for p, _ in house.children(pid)]
        parent = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        stopped.append(parent)
        try:
            for p in stopped:
                os.kill(p, signal.SIGSTOP)
            text, status = c.ended(20)
        finally:
            for p in stopped:
                os.kill(p, signal.SIGCONT)
        self.assertEqual(hex(status), hex(TIMEOUT), text)


class Floods(SshCase):
    def test_large_paste(self):
        self.check_large_paste()

    def test_paste_nobody_reads_can_be_left(self):
        c = self.shell(clipboard_buffer_size=str(8 << 20))
        c.run("stty -echo raw; echo rea'd'y; sleep 98713", "ready")
        c.stream("clipboard", "text/plain", data=b"x" * (6 << 20))
        c.chord(CTRL, SHIFT, ord("V"))
        c.pump(timeout=1)
        sessions = self.guacd.sessions()
        self.assertEqual(len(sessions), 1)
        c.close()
        wait(lambda: not self.guacd.sessions(), 3 * PATIENCE, "the session goes on")

    def test_interrupt(self):
        """Ctrl-C in a flood: what comes after it is soon on the screen."""
        c = self.shell()
        took = []
        for _ in range(5):
            c.type("yes 'a line that is printed for ever and ever'\n")
            c.pump(timeout=0.7)
            c.chord(CTRL, ord("c"))
            began = time.monotonic()
            c.pump(lambda: c.screen()[-1].endswith("$") or c.screen()[-1] == "~$", 10,
                   "no prompt")
            took.append(time.monotonic() - began)
            c.pump(timeout=0.3)
        print(f"      Ctrl-C to prompt: {sorted(round(t * 1000) for t in took)} ms")

    def test_everything_is_shown_in_the_end(self):
        c = self.shell()
        c.run("seq 1 300000; echo e'n'd", "\nend", 60)
        self.assertIn("\n300000\nend", c.text())

    def test_pause(self):
        self.check_pause()


if __name__ == "__main__":
    unittest.main()
