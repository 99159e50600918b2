"""The demo desktop: a person sits in it by VNC and types. What belongs to the gateway is open by mode to
the uid it runs as, so that nothing but the jail is in the way; each deed is shown to work outside."""
import os
import shutil
import socket
import signal
import subprocess
import time
import sys
import unittest

import guac
import house
from house import Guacd, PATIENCE, wait

sys.path.insert(0, os.path.join(house.ROOT, "tests/probe"))
import probe  # noqa: E402

NOBODY, UID = 65534, 61001
PASSWD = r"\062\220\351\003\265\277\067\151"  # demopass, as VNC keeps it
CONNECT = ("/usr/bin/python3 -c 'import socket; s = socket.socket({}, {}, {}); s.settimeout(3); "
           "s.connect({})'")


def program(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def below(pid):
    found = [child for child, _ in house.children(pid)]
    return found + [p for child in found for p in below(child)]


class Desktop(house.TestCase):
    """As root it becomes nobody; as anybody else it stays, which is the harder case."""
    uid = None  # that starts it
    lives_as = NOBODY if os.getuid() == 0 else os.getuid()

    def setUp(self):
        super().setUp()
        house.need_part("vnc")
        self.root = house.folder()
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        for name in ("state", "bin"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o777)
        probe.copy("guac-demo-desktop", self.path("bin"))
        with open(self.path("state/key"), "w") as f:
            f.write("the cookie key")
        os.chmod(self.path("state/key"), 0o666)
        with open(os.path.join(house.ROOT, "deploy/run/demo-desktop.sh")) as f:
            script = f"passwd='{PASSWD}'\n" + f.read()
        with open(self.path("desktop.sh"), "w") as f:
            f.write(script)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.path("state/authd.sock"))
        os.chmod(self.path("state/authd.sock"), 0o666)
        self.unix.listen(64)
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.root)
        self.abstract.listen(64)
        for it in (self.tcp, self.unix, self.abstract):
            self.addCleanup(it.close)
        self.port = house.free_port()

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def identity(self, uid):
        return {"user": uid, "group": uid, "extra_groups": []} \
            if uid not in (None, os.getuid()) else {}

    def desktop(self):
        program = [self.path("bin/guac-demo-desktop"), self.path("state")]
        tried = subprocess.run([*program, "0", "/dev/null"], capture_output=True, text=True,
                               timeout=20, check=False, **self.identity(self.uid))
        if tried.returncode:
            self.skipTest("the kernel grants no such jail here: " + tried.stderr.strip())
        it = house.Process([*program, str(self.port), self.path("desktop.sh")],
                           self.path("desktop.log"), **self.identity(self.uid))
        self.addCleanup(it.stop)
        return it

    def first(self, pid):
        """The first process of the jail."""
        for _ in range(2):
            found = house.children(pid)
            if not found:
                return None
            pid = found[0][0]
        return pid

    @staticmethod
    def stir(client, until, why):
        """X clients here sleep now and then on what is queued for them; a pointer that moves wakes
        them, as a person's does."""
        turns = iter(range(1 << 30))

        def moved():
            client.send("mouse", 620 + next(turns) // 8 % 3, 410, 0)
            return until()
        client.pump(moved, 60 * PATIENCE, why)

    def sit_down(self, desktop):
        client = guac.Client.tcp(self.start(Guacd).port)
        client.handshake("vnc", hostname="127.0.0.1", port=str(self.port), password="demopass",
                         disable_display_resize="true", autoretry="20")
        client.pump(lambda: client.syncs or client.error, 20 * PATIENCE)
        self.assertIsNone(client.error)
        client.pump(lambda: client.canvas.pixel(20, 700)[:3] == (0x24, 0x47, 0x6B), 20 * PATIENCE,
                    "the desktop's colour")
        self.stir(client, lambda: client.canvas.pixel(600, 400)[:3] == (255, 255, 255), "a terminal")
        # A click gives the keys to the terminal when the window manager comes to it.
        mark = f"/proc/{self.first(desktop.pid)}/root/tmp/home/ready-{next(house.NUMBERS)}"
        limit = house.deadline(0)
        while not os.path.exists(mark):
            self.assertLess(time.monotonic(), limit, "the terminal takes no keys")
            for mask in (0, 1, 0):
                client.send("mouse", 600, 400, mask)
            client.type(f"\n: >~/{os.path.basename(mark)}\n")
            client.pump(timeout=1)
        return client

    def deeds(self, victim):
        at = f'("127.0.0.1", {self.tcp.getsockname()[1]})'
        return {
            "key": f"cat {self.path('state/key')}",
            "write": f"echo x >>{self.path('state/key')}",
            "tcp": CONNECT.format("socket.AF_INET", "socket.SOCK_STREAM", 0, at),
            "mptcp": CONNECT.format("socket.AF_INET", "socket.SOCK_STREAM", 262, at),
            "unix": CONNECT.format("socket.AF_UNIX", "socket.SOCK_STREAM", 0,
                                   f'"{self.path("state/authd.sock")}"'),
            "abstract": CONNECT.format("socket.AF_UNIX", "socket.SOCK_STREAM", 0,
                                       f'"\\0{self.root}"'),
            "kill": f"kill -0 {victim}",
            "environ": f"cat /proc/{victim}/environ",
        }

    def test_a_desktop_in_a_jail(self):
        desktop = self.desktop()
        victim = house.Process(["/bin/sleep", "60"], self.path("sleep.log"),
                               **self.identity(self.lives_as))
        self.addCleanup(victim.stop)
        deeds = self.deeds(victim.pid)
        for name, deed in deeds.items():
            done = subprocess.run(["/bin/bash", "-c", deed], capture_output=True, check=False,
                                  timeout=20, **self.identity(self.lives_as))
            self.assertEqual(done.returncode, 0, f"{name} proves nothing: {done.stderr}")
        client = self.sit_down(desktop)
        for name, deed in {**deeds, "own": "touch ~/a && ls /usr/bin"}.items():
            client.type(f"{deed} >/dev/null 2>&1 && echo {name} >>did\n")
            client.pump(timeout=0.2)
        client.type("echo end >>did\n")
        did = f"/proc/{self.first(desktop.pid)}/root/tmp/home/did"

        def told():
            try:
                with open(did) as f:
                    return f.read().split()
            except OSError:
                return []
        self.stir(client, lambda: "end" in told(), "the last word")
        self.assertEqual(told(), ["own", "end"])

    def test_ends_with_all_in_it(self):
        desktop = self.desktop()
        self.sit_down(desktop).close()
        first = self.first(desktop.pid)
        tree = below(desktop.pid)
        self.assertGreater(len(tree), 4)
        desktop.stop()
        wait(lambda: not any(house.alive(p) for p in [first, *tree]), 10 * PATIENCE)

    def test_another_when_it_ends(self):
        desktop = self.desktop()
        client = self.sit_down(desktop)
        before = self.first(desktop.pid)
        server, = (p for p in below(desktop.pid) if program(p) == "Xvnc")
        os.kill(server, signal.SIGTERM)
        client.pump(lambda: client.closed, 20 * PATIENCE, "the session's end")
        wait(lambda: self.first(desktop.pid) not in (None, before), 20 * PATIENCE)
        self.sit_down(desktop)


class DesktopOfTheSameUid(Desktop):
    """make run by a person: gateway and desktop are of one uid."""
    uid = lives_as = UID

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("another uid needs root; the class above is this case")
        super().setUp()
        os.chown(self.path("desktop.sh"), UID, UID)


if __name__ == "__main__":
    unittest.main()
