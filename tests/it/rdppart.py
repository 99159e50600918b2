"""The real RDP servers of tests/parts/rdp-shadow.sh and xrdp.sh, started once for a test file."""
import os
import shutil
import subprocess
import tempfile
import time

import guac
import house
from house import Guacd, PATIENCE
from vncpart import psnr, read_xwd, rgb, unlike


class Servers:
    def __init__(self, part, *options):
        self.script = house.need_part(part)
        self.dir = tempfile.mkdtemp(prefix="rdp", dir="/tmp")
        self.env = {}
        done = subprocess.run([self.script, "start", self.dir, *options], capture_output=True,
                              text=True, check=False,
                              env={**os.environ, "PART_OWNER": str(os.getpid())})
        if done.returncode:
            self.stop()
            raise AssertionError(done.stderr)
        with open(os.path.join(self.dir, "env")) as f:
            for line in f:
                name, _, value = line.rstrip("\n").partition("=")
                self.env[name] = value.strip("'")
        self.types = self.env.get("RDP_TYPES", "").split()

    def __getitem__(self, name):
        return self.env[name]

    def stop(self):
        subprocess.run([self.script, "stop", self.dir], capture_output=True, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def port(self, kind):
        return self[f"RDP_PORT_{kind}"]

    def verb(self, verb, *args, **options):
        return subprocess.run([self.script, verb, self.dir, *args], capture_output=True,
                              check=True, **options)

    def run(self, *argv, **options):
        """An X client on the screen that is shown; its output."""
        return self.verb("run", *argv, **options).stdout

    def spawn(self, *argv):
        env = {**os.environ, "DISPLAY": self["RDP_DISPLAY"]}
        return subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def typed(self):
        with open(self["RDP_TYPED"], encoding="utf-8", errors="replace") as f:
            return f.read()

    def shot(self):
        """(width, height, RGB) of what the screen really shows."""
        path = os.path.join(self.dir, "shot.xwd")
        self.verb("shot", path)
        with open(path, "rb") as f:
            return read_xwd(f.read())


class Rdp(house.TestCase):
    """A guacd, and ways to the servers that a file started."""
    servers = None

    def setUp(self):
        super().setUp()
        self.guacd = self.start(Guacd)

    def connect(self, kind="tls", joins=None, size=(800, 600, 96), **values):
        client = guac.Client.tcp(self.guacd.port)
        if not joins:
            values = {"hostname": "127.0.0.1", "port": self.servers.port(kind), **values}
        return client.handshake(joins or "rdp", size=size, **values)

    def answer(self, client, until, seconds=20, **known):
        """Answers whatever is asked, as a person would; the names asked for."""
        known = {"cert-fingerprints": "yes", **{k.replace("_", "-"): v for k, v in known.items()}}
        asked = []
        while True:
            client.pump(lambda: until() or client.error or client.required, seconds * PATIENCE,
                        "a prompt or what was waited for")
            if not client.required:
                return asked
            names, client.required = client.required, []
            asked += names
            client.answer_required(**{n.replace("-", "_"): known[n] for n in names})

    def desk(self, kind="tls", **values):
        """Connected, the picture at rest."""
        values.setdefault("ignore_cert", "true")
        client = self.connect(kind, **values)
        self.answer(client, lambda: client.syncs)
        self.assertIsNone(client.error)
        client.settle(timeout=20 * PATIENCE)
        return client

    def refusal(self, kind="tls", seconds=20, **values):
        """Status and words of a connection that does not come about."""
        values.setdefault("ignore_cert", "true")
        client = self.connect(kind, **values)
        self.answer(client, lambda: client.syncs, seconds)
        self.assertIsNotNone(client.error, "it connected")
        client.close()
        return client.error[1], client.error[0]

    def assert_shows(self, client, least=99.0):
        """The canvas is the target's screen, at least that well (dB; 99: to the bit). Looks again
        for a moment: servers send when they like."""
        limit = time.monotonic() + 8 * PATIENCE
        while True:
            client.pump(timeout=0.3)
            screen, shown = self.servers.shot(), rgb(client.canvas)
            wrong = unlike(shown, screen)
            if not wrong or (least < 99 and shown[:2] == screen[:2] and
                             psnr(shown, screen) >= least):
                break
            if time.monotonic() > limit:
                if shown[:2] == screen[:2]:
                    wrong = f"{psnr(shown, screen):.1f} dB; {wrong}"
                self.fail(wrong)
