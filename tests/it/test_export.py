"""Bags: verified by public tools alone, on a machine that has none of our programs; and every tampered
bag found, by verify.sh and by our own verifier alike."""
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import house
import test_record_kit as kit
from test_record_evidence import EvidenceCase

TOOLS = ("sh sha256sum openssl jq base64 od sort comm cut head tail wc tr grep mktemp mkdir rm cat "
         "dirname").split()


class Bags(EvidenceCase):
    @classmethod
    def setUpClass(cls):
        cls.made = house.folder("b")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.made, ignore_errors=True)

    def setUp(self):
        super().setUp()
        self.bag = os.path.join(self.folder, "bag")
        if not os.path.exists(os.path.join(self.made, "bag")):
            self.make()
        with open(os.path.join(self.made, "what.json")) as f:
            self.what = json.load(f)
        self.sessions = self.what["sessions"]
        shutil.copytree(os.path.join(self.made, "bag"), self.bag)

    def make(self):
        """Once for all: three sessions, an anchor after the first, a bag of the whole period."""
        self.key = kit.Key(self.made)
        shutil.copytree(self.made, os.path.join(self.folder, "k"))
        rec = self.recorder()
        auth = self.authd(rec)
        store = ["--store", "folder:" + rec.store_folder]
        sessions = []
        for n in range(3):
            s = auth.open()
            for k in range(2):
                s.data(kit.frame(k))
                if k == 0 and n == 0:
                    s.wait_acked()
            s.keyframe(kit.frame(5))
            s.text("<script>alert('you & me')</script> \x1b[31m=cmd|' /C calc'!A0")
            s.text("cat \u2022\u2022\u2022", k="key")
            s.end()
            self.wait_sealed(rec, s)
            sessions.append(s)
            self.wait_signed(rec, 2 * n + 2)
            if n == 0:
                shutil.copy(self.checkpoint(rec), os.path.join(self.made, "anchor.note"))
        out = self.evidence("export", "--output", os.path.join(self.made, "bag"), *store)
        self.assertIn(b"3 sessions", out)
        shutil.copytree(rec.store_folder, os.path.join(self.made, "store"))
        with open(os.path.join(self.made, "what.json"), "w") as f:
            json.dump({"keyid": self.key.id, "sessions": [[s.id, s.prefix] for s in sessions],
                       "stream": base64.b64encode(sessions[0].stream()).decode()}, f)

    def checkpoint(self, rec):
        return os.path.join(rec.store_folder, "guacamole-recordings-head/log/checkpoint")

    def wait_signed(self, rec, size):
        def signed():
            try:
                with open(self.checkpoint(rec)) as f:
                    return int(f.read().split("\n")[1]) == size
            except OSError:
                return False
        house.wait(signed, 15 * house.PATIENCE, "not signed")

    @property
    def key_args(self):
        return ("-k", self.what["keyid"])

    @property
    def anchor(self):
        return ("-a", os.path.join(self.made, "anchor.note"))

    def sh(self, status, *args, problem=None, obj=None):
        """verify.sh where nothing else is: a PATH of the public tools only, no other environment."""
        path = os.path.join(self.folder, "path")
        if not os.path.exists(path):
            os.mkdir(path)
            for tool in TOOLS:
                found = shutil.which(tool)
                if found:
                    os.symlink(found, os.path.join(path, tool))
        done = subprocess.run(["./verify.sh", *args], cwd=self.bag, env={"PATH": path},
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        self.by_us(status, args)
        if problem:
            self.assertTrue([l for l in done.stdout.splitlines() if l.startswith("BROKEN") and
                             problem in l and (obj or "") in l], done.stdout)
        return done.stdout

    def by_us(self, status, args):
        """The same bag by guac-evidence, as a folder and as a tar made by somebody else's tar: the
        same verdict."""
        options = [{"-k": "--key", "-a": "--anchor", "-t": "--stamp-ca"}.get(a, a) for a in args]
        tar = os.path.join(self.folder, f"bag-{next(house.NUMBERS)}.tar")
        subprocess.run(["tar", "--format", ("gnu", "pax")[next(house.NUMBERS) % 2], "-cf", tar, "-C",
                        self.folder, "bag"], check=True)
        for bag in (self.bag, tar):
            done = subprocess.run([house.program("guac-evidence"), "verify", bag, *options],
                                  cwd=self.bag, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, (bag, done.stdout, done.stderr))
            self.assertEqual(done.stderr, "")
        os.unlink(tar)

    def ours(self, status, n=0):
        self.evidence("verify", "--key", self.what["keyid"], self.path(n), status=status)

    def path(self, n=0, name=""):
        return os.path.join(self.bag, "data/recordings", self.sessions[n][1], name)

    def chunk(self, n=0):
        return sorted(x for x in os.listdir(self.path(n)) if x.endswith(".guac.zst"))[0]

    def rewrite(self, path, data):
        """As an attacker does it: the manifest fits again."""
        with open(path, "wb") as f:
            f.write(data)
        self.manifest()

    def manifest(self):
        lines = []
        for folder, _, names in os.walk(os.path.join(self.bag, "data")):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    lines.append(f"{hashlib.sha256(f.read()).hexdigest()}  "
                                 f"{os.path.relpath(path, self.bag)}\n")
        with open(os.path.join(self.bag, "manifest-sha256.txt"), "w") as f:
            f.write("".join(sorted(lines)))

    # ---- whole ----------------------------------------------------------------------------------

    def test_proved_with_an_anchor_only(self):
        self.sh(0, *self.key_args, *self.anchor)
        self.sh(0, *self.key_args, "-a", "0:" + hashlib.sha256(b"").hexdigest())
        self.sh(3)
        self.sh(3, *self.key_args)
        self.sh(3, *self.anchor)
        other = kit.Key(self.folder, "other")
        self.sh(1, "-k", other.id, problem="none of those given")
        self.sh(1, "-k", other.public, *self.anchor, problem="none of the keys given")
        self.ours(0)

    def test_what_is_in_it(self):
        names = [os.path.relpath(os.path.join(f, n), self.bag)
                 for f, _, ns in os.walk(self.bag) for n in ns]
        for name in ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt",
                     "verify.sh", "data/report.html", "data/control-map.md", "data/log/checkpoint",
                     "data/log/leaves.jsonl", f"data/keys/{self.what['keyid']}.pem"):
            self.assertIn(name, names)
        for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
            subprocess.run(["sha256sum", "-c", "--quiet", manifest], cwd=self.bag, check=True)
        with open(os.path.join(self.bag, "manifest-sha256.txt")) as f:
            listed = [l.split("  ", 1)[1].strip() for l in f]
        self.assertEqual(sorted(listed), sorted(n for n in names if n.startswith("data/")))
        with open(os.path.join(self.bag, "bag-info.txt")) as f:
            oxum = re.search(r"Payload-Oxum: (\d+)\.(\d+)", f.read())
        size = sum(os.stat(os.path.join(self.bag, n)).st_size for n in listed)
        self.assertEqual((int(oxum[1]), int(oxum[2])), (size, len(listed)))
        derived = os.path.join(self.bag, "data/derived", self.sessions[0][0])
        with open(os.path.join(derived, "session.guac"), "rb") as f:
            self.assertTrue(f.read().startswith(base64.b64decode(self.what["stream"])[:200]))
        with open(os.path.join(derived, "session.cast")) as f:
            lines = [json.loads(l) for l in f]
        self.assertEqual(lines[0]["version"], 2)
        self.assertEqual(lines[1][1], "o")
        with open(os.path.join(derived, "events.jsonl")) as f:
            keys = [e for e in map(json.loads, f) if e["k"] == "key"]
        self.assertEqual([e["s"] for e in keys], ["cat \u2022\u2022\u2022"])

    def test_a_hostile_recording_harms_no_reader(self):
        with open(os.path.join(self.bag, "data/report.html")) as f:
            report = f.read()
        self.assertNotIn("<script", report.lower())
        self.assertIn("default-src 'none'", report)
        with open(os.path.join(self.bag, "data/derived", self.sessions[0][0], "transcript.txt"),
                  "rb") as f:
            text = f.read()
        self.assertNotIn(b"\x1b", text)
        self.assertIn(b"\\x1b[31m", text)

    # ---- tampered with: both find it ------------------------------------------------------------

    def test_a_flipped_bit_and_a_cut(self):
        for n, change in enumerate((lambda d: d[:-3] + bytes([d[-3] ^ 1]) + d[-2:],
                                    lambda d: d[:-9])):
            path = self.path(n, self.chunk(n))
            with open(path, "rb") as f:
                data = f.read()
            with open(path, "wb") as f:
                f.write(change(data))
            self.sh(1, problem="manifest", obj=self.chunk(n))
            self.manifest()
            self.sh(1, *self.key_args, *self.anchor, problem="changed", obj=self.chunk(n))
            self.ours(1, n)

    def test_removed_swapped_added(self):
        gone = self.chunk(0)
        os.unlink(self.path(0, gone))
        one, two = (self.path(1, x) for x in sorted(os.listdir(self.path(1)))[:2])
        added = self.path(2, "00000099.1.2.guac.zst")
        shutil.copy(self.path(2, self.chunk(2)), added)
        a, b = open(one, "rb").read(), open(two, "rb").read()
        with open(one, "wb") as f:
            f.write(b)
        with open(two, "wb") as f:
            f.write(a)
        self.manifest()
        out = self.sh(1, *self.key_args, *self.anchor, problem="changed", obj=gone)
        self.assertRegex(out, "BROKEN.*" + re.escape(os.path.basename(one)))
        self.assertRegex(out, "BROKEN.*00000099.*added")
        for n in range(3):
            self.ours(1, n)

    def test_signatures(self):
        for name in ("seal.dsse.json", "open.dsse.json"):
            with open(self.path(0, name)) as f:
                envelope = json.load(f)
            envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
            self.rewrite(self.path(0, name), kit.canonical(envelope))
            self.sh(1, *self.key_args, problem="does not fit", obj=name)
            self.ours(1)

    def test_a_seal_taken_away(self):
        os.unlink(self.path(1, "seal.dsse.json"))
        self.manifest()
        self.sh(1, *self.key_args, *self.anchor, problem="missing: it is in the log")

    def test_a_session_left_out_of_the_period(self):
        shutil.rmtree(self.path(1))
        self.manifest()
        self.sh(1, *self.key_args, *self.anchor, problem="in the period", obj=self.sessions[1][0])

    def test_the_log(self):
        path = os.path.join(self.bag, "data/log/leaves.jsonl")
        with open(path, "rb") as f:
            leaves = f.read().splitlines(True)
        self.rewrite(path, b"".join(leaves[:-1]))
        self.sh(1, *self.key_args, problem="root")
        self.rewrite(path, b"".join(leaves[:2] + leaves[3:] + [leaves[2]]))
        self.sh(1, problem="root")
        self.rewrite(path, b"".join(leaves) + leaves[-1])
        self.sh(1, problem="beyond")

    def test_written_anew_with_the_stolen_key(self):
        """Consistent and truly signed: only the anchor knows."""
        key = kit.Key.__new__(kit.Key)
        key.folder, key.path = self.folder, os.path.join(self.made, "evidence.pem")
        with open(os.path.join(self.bag, "data/keys", self.what["keyid"] + ".pem")) as f:
            der = base64.b64decode("".join(f.read().split("\n")[1:-2]))
        key.base64 = base64.b64encode(der[-32:]).decode()
        auth = kit.Authd.__new__(kit.Authd)
        auth.key = key
        shutil.rmtree(self.path(0))
        path = os.path.join(self.bag, "data/log/leaves.jsonl")
        with open(path, "rb") as f:
            leaves = [x for x in f.read().splitlines() if self.sessions[0][0].encode() not in x]
        import tlog
        with open(path, "wb") as f:
            f.write(b"".join(x + b"\n" for x in leaves))
        with open(os.path.join(self.bag, "data/log/checkpoint"), "w") as f:
            f.write(auth.note(len(leaves), tlog.root([tlog.leaf_hash(x) for x in leaves])))
        self.manifest()
        self.sh(3)
        self.sh(3, *self.key_args)
        self.sh(1, *self.key_args, *self.anchor, problem="another log")

    def test_what_only_a_bag_has(self):
        """Its manifest, its names, its keys and the plain lists: all wrong at once, all told."""
        manifest = os.path.join(self.bag, "manifest-sha256.txt")
        derived = f"data/derived/{self.sessions[0][0]}/chunks.jsonl"
        key = f"data/keys/{self.what['keyid']}.pem"
        os.unlink(os.path.join(self.bag, derived))
        for name in (self.path(1, "notes.txt"), os.path.join(self.bag, "data/period.json")):
            with open(name, "w") as f:
                f.write('{"from":"x"}\n')
        self.manifest()
        with open(manifest, "a") as f:
            f.write("0" * 64 + "  data/gone\n" + "0" * 64 + "  ../../etc/passwd\n")
        with open(os.path.join(self.bag, "data/.hidden"), "w") as f:
            f.write("x")
        os.symlink("/etc/passwd", os.path.join(self.bag, "data/link"))
        said = self.sh(1)
        ours = self.evidence("verify", "--json", self.bag, status=1).decode()
        for words, mine in ((f"{derived}: missing", f'"{derived}","problem":"missing"'),
                            ("notes.txt: added", "notes.txt"), ("no period", "no period"),
                            ("data/gone: not the", "data/gone"), ("passwd: not the", "passwd"),
                            (".hidden: added", ".hidden"), ("data/link: a link", "a link")):
            self.assertIn(words, said)
            self.assertIn(mine, ours)
        # Without its key; and a manifest that is none in one line hides nothing behind it.
        os.unlink(os.path.join(self.bag, "data/link"))
        os.unlink(os.path.join(self.bag, key))
        self.manifest()
        with open(manifest) as f:
            lines = f.read()
        with open(manifest, "w") as f:
            f.write(lines.replace("  data/report", " data/report"))
        self.assertIn("none of those given", self.sh(1, problem="none of a manifest"))
        self.assertIn("not in data/keys", self.evidence("verify", self.bag, status=1).decode())

    # ---- making ---------------------------------------------------------------------------------

    def test_goes_on_where_it_was_cut(self):
        store = ["--store", "folder:" + os.path.join(self.made, "store")]
        out = os.path.join(self.folder, "again")
        for after in (0.02, 0.05):
            p = subprocess.Popen([house.program("guac-evidence"), "export", "--output", out, *store],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                p.wait(after)
            except subprocess.TimeoutExpired:
                p.send_signal(signal.SIGKILL)
                p.wait()
        if not os.path.exists(os.path.join(out, "manifest-sha256.txt")):
            self.evidence("export", "--output", out, *store)
        shutil.rmtree(self.bag)
        shutil.move(out, self.bag)
        for folder, _, names in os.walk(self.bag):
            for name in names:
                self.assertFalse(name.endswith(".new"), name)
        self.sh(0, *self.key_args, *self.anchor)
        self.evidence("export", "--output", self.bag, *store, status=2)  # one that is finished
        self.evidence("export", *store, status=2)
        self.evidence("export", kit.uuid7(), "--output", self.folder + "/x", *store, status=2)

    def test_one_session(self):
        store = ["--store", "folder:" + os.path.join(self.made, "store")]
        shutil.rmtree(self.bag)
        self.evidence("export", self.sessions[1][0], "--output", self.bag, *store)
        self.sh(0, *self.key_args, *self.anchor)
        self.assertFalse(os.path.exists(os.path.join(self.bag, "data/period.json")))
        self.assertEqual(os.listdir(os.path.join(self.bag, "data/derived")), [self.sessions[1][0]])


if __name__ == "__main__":
    unittest.main()
