"""A real SeaweedFS for the recorder's tests. No test is in here."""
import os
import shlex
import subprocess
import sys

import house
import test_record_kit as kit

sys.path.insert(0, os.path.join(house.ROOT, "tests/parts"))
import s3  # noqa: E402

BUCKET = "guacamole-recordings"


class Seaweed:
    def __init__(self, folder, *options):
        self.folder = folder
        self.script = house.need_part("seaweedfs")
        self.verb("start", *options)
        self.env = {}
        with open(os.path.join(folder, "env")) as f:
            for word in shlex.split(f.read()):
                name, _, value = word.partition("=")
                self.env[name] = value

    def verb(self, verb, *args):
        done = subprocess.run([self.script, verb, self.folder, *args], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, check=False,
                              env=dict(os.environ, PART_OWNER=str(os.getpid())))
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"

    def client(self, who="reader"):
        return s3.S3.from_env(os.path.join(self.folder, "env"), who)

    def options(self, who):
        """The store as the project's own programs are told of it."""
        files = []
        for key in ("access", "secret"):
            path = os.path.join(self.folder, f"{who}.{key}")
            with open(path, "w") as f:
                f.write(self.env[f"S3_{who.upper()}_{key.upper()}_KEY"] + "\n")
            os.chmod(path, 0o600)
            files += [f"--{key}-key-file", path]
        ca = ["--ca-file", self.env["S3_CA"]] if self.env["S3_CA"] else []
        return ["--store", "s3:" + self.env["S3_ENDPOINT"], "--region", self.env["S3_REGION"],
                *files, *ca]

    def names(self, prefix, who="reader"):
        bucket, _, key = prefix.partition("/")
        status, _, body = self.client(who).request(
            "GET", bucket, "", {"list-type": "2", "prefix": key + "/", "max-keys": "1000"})
        assert status == 200, body
        root = s3.ET.fromstring(body)
        return sorted(e.text.rpartition("/")[2] for e in root.iter() if e.tag.endswith("Key"))

    def get(self, prefix, name, who="reader"):
        bucket, _, key = prefix.partition("/")
        status, _, body = self.client(who).request("GET", bucket, f"{key}/{name}")
        assert status == 200, (status, body[:300])
        return body


class S3Case(kit.TestCase):
    """One SeaweedFS a class: each test has its own prefixes."""
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.weed_folder = house.folder("w")
        cls.weed = Seaweed(cls.weed_folder, *cls.options)
        cls.made = subprocess.run([house.program("guac-recorder"), "bucket",
                                   "--secret-file", "/dev/null", *cls.weed.options("admin")],
                                  capture_output=True, text=True, check=False)

    @classmethod
    def tearDownClass(cls):
        cls.weed.verb("stop")
        house.shutil.rmtree(cls.weed_folder, ignore_errors=True)

    def recorder(self, *options, who="writer", **named):
        return self.start(kit.Recorder, *options, store=self.weed.options(who), **named)

    def new(self, authd, **named):
        return authd.new(bucket=BUCKET, **named)

    def sealed(self, s, timeout=20):
        house.wait(lambda: "seal.dsse.json" in self.weed.names(s.prefix), timeout * house.PATIENCE,
                   "not sealed", every=0.2)

    def evidence(self, *args, who="reader", status=0):
        done = subprocess.run([house.program("guac-evidence"), *args, *self.weed.options(who)],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, status, (done.stdout[-2000:], done.stderr[-2000:]))
        return done.stdout

    def check(self, s, frames=None):
        """Proved, and the very stream."""
        self.evidence("verify", "--key", self.key.public, s.prefix)
        self.assertEqual(self.evidence("cat", s.prefix, "--raw"), s.stream(frames))
