"""The demo target's shell: whoever opens the demo connection is inside it, and the gateway's files
and ports are on the same machine. All that the shell must not touch is open by mode to the uid it
runs as, so that nothing but its jail is in the way; each deed is shown to work outside of it."""
import os
import shutil
import socket
import subprocess
import sys
import unittest

import house

sys.path.insert(0, os.path.join(house.ROOT, "tests/probe"))
import probe  # noqa: E402

NOBODY, UID = 65534, 61000
PYTHON = "/usr/bin/python3"
# Landlock says the last when a file would move between two sets of rights.
REFUSED = ("Permission denied", "Operation not permitted", "Invalid cross-device link")
CONNECT = """
import socket, sys
s = socket.socket({family}, {type}, {protocol})
s.settimeout(3)
{deed}
print("done")
"""


class Jail(unittest.TestCase):
    """As root it becomes nobody; as anybody else it stays, which is the harder case."""
    uid = None  # that starts it
    lives_as = NOBODY if os.getuid() == 0 else os.getuid()

    def setUp(self):
        self.root = house.folder()
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        for name in ("home", "keys", "recordings", "run", "connections", "bin"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o777)
        house.program("guac-demo-shell")
        probe.copy("guac-demo-shell", self.path("bin"))
        self.key = self.path("keys/cookie")
        with open(self.key, "w") as f:
            f.write("the cookie key")
        os.chmod(self.key, 0o666)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.tcp.listen(64)
        self.port = self.tcp.getsockname()[1]
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.unix.bind(self.path("run/authd.sock"))
        os.chmod(self.path("run/authd.sock"), 0o666)
        self.unix.listen(64)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        for it in (self.tcp, self.unix, self.udp):
            self.addCleanup(it.close)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def run_as(self, argv, uid, env):
        more = {"user": uid, "group": uid, "extra_groups": []} if uid not in (None, os.getuid()) \
            else {}
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False,
                              stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", **env},
                              **more)

    def jailed(self, command):
        return self.run_as([self.path("bin/guac-demo-shell"), self.path("home")], self.uid,
                           {"SSH_ORIGINAL_COMMAND": command})

    def free(self, command):
        return self.run_as(["/bin/bash", "-c", command], self.lives_as, {})

    def refused(self, command, says=REFUSED, wide=False):
        """`wide`: works today, see probe.WIDE. {where}: a word of its own for each try."""
        outside = self.free(command.replace("{where}", "outside"))
        inside = self.jailed(command.replace("{where}", "inside"))
        self.assertEqual(outside.returncode, 0, f"{command}: proves nothing: {outside.stderr}")
        if wide and inside.returncode == 0:
            probe.say_wide("demo shell", wide, f"{wide}: works")
            return
        self.assertNotEqual(inside.returncode, 0, f"{command} works in the demo shell")
        self.assertTrue(any(s in inside.stderr for s in says), inside.stderr)

    def python(self, family, kind, protocol, deed):
        code = CONNECT.format(family=family, type=kind, protocol=protocol, deed=deed)
        return f"{PYTHON} -c '{code}'"

    def test_it_is_a_shell(self):
        done = self.jailed("echo hello; ls /usr/bin >/dev/null && touch ~/a && echo $HOME; id -u")
        self.assertEqual(done.stdout.split(), ["hello", self.path("home"), str(self.lives_as)],
                         done.stderr)
        self.assertTrue(os.path.exists(self.path("home/a")))

    def test_files(self):
        for where in ("outside", "inside"):
            with open(self.path("run", where), "w"):
                pass
            os.chmod(self.path("run", where), 0o666)
        for command in (f"cat {self.key}", f"ls {self.root}", f"ls {self.path('recordings')}",
                        f"echo x >>{self.key}", f"echo x >{self.path('connections/a.yaml')}",
                        f"cp {self.key} {self.path('home/copy')}",
                        f"ln {self.key} {self.path('home')}/{{where}}",
                        f"rm -f {self.path('run')}/{{where}}", "touch /tmp/guac-probe-$$ && rm $_"):
            with self.subTest(command=command):
                self.refused(command)
        done = self.jailed(f"ln -s {self.key} ~/s; cat ~/s")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("the cookie key", done.stdout)

    def test_processes_of_the_same_uid(self):
        """A gateway under the same uid: its memory, its environment, a signal to it."""
        it = house.Process(["/bin/sleep", "60"], self.path("sleep.log"),
                           **({"user": self.lives_as, "group": self.lives_as, "extra_groups": []}
                              if os.getuid() == 0 else {}))
        self.addCleanup(it.stop)
        self.refused(f"cat /proc/{it.pid}/environ >/dev/null")
        self.refused(f"kill -0 {it.pid}")

    def test_other_terminals(self):
        """The person's own, of the same uid: what is typed there, and what is shown."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        if os.getuid() == 0:
            os.fchown(theirs, self.lives_as, -1)
        self.refused(f"echo x >{os.ttyname(theirs)}", wide="another terminal")

    def test_the_gateways_ports(self):
        self.refused(f"exec 3<>/dev/tcp/127.0.0.1/{self.port}")
        self.refused(self.python("socket.AF_INET", "socket.SOCK_STREAM", 0,
                                 f"s.connect((\"127.0.0.1\", {self.port}))"),
                     ("PermissionError",))

    def test_the_gateways_ports_by_other_ways(self):
        """What Landlock's rule for TCP ports does not see."""
        at, udp = f"(\"127.0.0.1\", {self.port})", f"(\"127.0.0.1\", {self.udp.getsockname()[1]})"
        ways = {
            "multipath TCP": self.python("socket.AF_INET", "socket.SOCK_STREAM", 262,
                                         f"s.connect({at})"),
            "fast open": self.python("socket.AF_INET", "socket.SOCK_STREAM", 0,
                                     f"s.setblocking(True); s.sendto(b\"x\", 0x20000000, {at})"),
            "UDP": self.python("socket.AF_INET", "socket.SOCK_DGRAM", 0,
                               f"s.sendto(b\"x\", {udp})"),
        }
        for name, command in ways.items():
            with self.subTest(way=name):
                self.refused(command, ("PermissionError",), name)

    def test_the_gateways_sockets(self):
        """Of one uid with the gateway, the peer's uid would be no guard."""
        self.refused(self.python("socket.AF_UNIX", "socket.SOCK_SEQPACKET", 0,
                                 f"s.connect(\"{self.path('run/authd.sock')}\")"),
                     ("PermissionError",), "Unix socket")


class JailOfTheSameUid(Jail):
    """make run by a person: gateway, sshd and shell are of one uid."""
    uid = lives_as = UID

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("another uid needs root; the class above is this case")
        super().setUp()


if __name__ == "__main__":
    unittest.main()
