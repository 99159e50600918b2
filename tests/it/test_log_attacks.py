"""Attacks on a real SeaweedFS: by its filer's port, by an Admin key, with the gateway's own stolen
key. Each is found by `guac-evidence verify` of the whole store, and by which anchor; without an
anchor what is consistent in itself exits 3, never 0."""
import base64
import hashlib
import json
import os
import signal
import struct
import subprocess
import time
import unittest
import urllib.request

import house
import test_record_kit as kit
import tlog
from test_log_weed import Tsa
from test_record_weed import S3Case


def head(entries):
    """log/head as an attacker who knows the format writes it."""
    body = b"guac-log-head-1\n" + struct.pack(">QQ", len(entries), 0)
    body += tlog.root([tlog.leaf_hash(x) for x in entries]) + b"\0" + struct.pack(">H", len(entries))
    return body + b"".join(struct.pack(">H", len(x)) + x for x in entries)


class Attacks(S3Case):
    counter = iter(range(1000))

    def setUp(self):
        super().setUp()
        self.bucket = f"attacked-{next(self.counter)}"
        self.admin = self.weed.client("admin")
        done = subprocess.run([house.program("guac-recorder"), "bucket", "--secret-file",
                               "/dev/null", "--buckets", self.bucket, *self.weed.options("admin")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.options = ["--buckets", self.bucket]
        self.record()

    def record(self, *options):
        """Two sessions, then an anchor, then another two; the recorder is gone when it is done."""
        r = kit.Recorder(self.folder, *self.options, *options, store=self.weed.options("admin"))
        self.addCleanup(r.stop, signal.SIGKILL)
        self.auth = self.authd(r)
        self.sessions = self.two()
        self.wait_signed(4)
        self.anchor = self.file("anchor", self.get("-head", "log/checkpoint"))
        self.old_head = self.get("-head", "log/head")
        self.old_note = self.get("-head", "log/checkpoint")
        self.sessions += self.two()
        self.wait_signed(8)
        self.events = self.file("events", b"".join(
            json.dumps({"unmapped": {"index": m["index"], "leaf": m["leaf"]}}).encode() + b"\n"
            for m in self.auth.logged))
        r.stop(signal.SIGKILL)

    def two(self):
        """Side by side, of two chunks each."""
        both = [self.auth.open(self.auth.new(bucket=self.bucket)) for _ in range(2)]
        for s in both:
            s.data(kit.frame(1))
        for s in both:
            s.wait_acked()
            s.data(kit.frame(2))
            s.end()
        for s in both:
            house.wait(lambda: [m for m in self.auth.logged if m["id"] == s.id],
                       20 * house.PATIENCE, "not sealed")
        return both

    def wait_signed(self, size):
        def signed():
            note = self.get("-head", "log/checkpoint")
            return note and int(note.split(b"\n")[1]) == size
        house.wait(signed, 20 * house.PATIENCE, "not signed", every=0.1)

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def get(self, suffix, key):
        status, _, body = self.admin.request("GET", self.bucket + suffix, key)
        return body if status == 200 else None

    def put(self, suffix, key, data):
        status, _, body = self.admin.request("PUT", self.bucket + suffix, key, (), (), data)
        self.assertEqual(status, 200, body)

    def entries(self):
        return tlog.head(self.get("-head", "log/head"))[3]

    def verify(self, status, *args, problem=None, anchor=None, obj=None):
        done = subprocess.run(
            [house.program("guac-evidence"), "verify", "--json", "--buckets", self.bucket,
             "--log-bucket", self.bucket, *args, *self.weed.options("admin")],
            capture_output=True, check=False)
        self.assertEqual(done.returncode, status, (done.stdout[-3000:], done.stderr[-2000:]))
        report = json.loads(done.stdout)
        if problem:
            found = [p for p in report["problems"] if problem in p["problem"] and
                     (not anchor or anchor == p.get("anchor")) and (not obj or obj in p["object"])]
            self.assertTrue(found, report["problems"])
        return report

    def script(self, status, *args, problem=""):
        """The bag's own script, of a bag exported from what the attacker left."""
        bag = os.path.join(self.folder, "bag")
        if not os.path.exists(bag):
            done = subprocess.run(
                [house.program("guac-evidence"), "export", "--output", bag, "--buckets",
                 self.bucket, "--log-bucket", self.bucket, "--from", "2020-01-01T00:00:00Z",
                 *self.weed.options("admin")], capture_output=True, text=True, check=False)
            self.assertTrue(os.path.exists(os.path.join(bag, "verify.sh")), done.stderr)
        done = subprocess.run(["sh", os.path.join(bag, "verify.sh"), *args], capture_output=True,
                              text=True, check=False)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, said)
        self.assertTrue([x for x in said.splitlines() if problem in x], said)

    @property
    def all_script(self):
        return ("-k", self.key.id, "-a", self.anchor)

    @property
    def key_args(self):
        return ("--key", self.key.public)

    @property
    def all_args(self):
        return (*self.key_args, "--anchor", self.anchor)

    # ---- the filer's port: it knows no lock -----------------------------------------------------

    def filer(self, method, path, data=None):
        url = f"http://{self.weed.env['SEAWEEDFS_FILER']}/buckets/{self.bucket}/{path}"
        rq = urllib.request.Request(url, method=method, data=data, headers={
            "Accept": "application/json"})
        with urllib.request.urlopen(rq) as rs:
            return rs.read()

    def stored(self, key):
        """Where the filer keeps the object's only version."""
        entries = json.loads(self.filer("GET", key + ".versions/?limit=10"))["Entries"]
        return key + ".versions/" + entries[0]["FullPath"].rpartition("/")[2]

    def rewrite(self, key, data):
        path = self.stored(key)
        with urllib.request.urlopen(urllib.request.Request(
                f"http://{self.weed.env['SEAWEEDFS_FILER']}/buckets/{self.bucket}/{path}",
                method="HEAD")) as rs:
            extended = {k: v for k, v in rs.headers.items() if k.lower().startswith(("seaweed-",
                                                                                     "x-amz-"))}
        rq = urllib.request.Request(
            f"http://{self.weed.env['SEAWEEDFS_FILER']}/buckets/{self.bucket}/{path}",
            method="PUT", data=data, headers={"Content-Type": "application/octet-stream",
                                              **extended})
        urllib.request.urlopen(rq).read()

    def chunks(self, s):
        prefix = s.prefix.partition("/")[2]
        return [f"{prefix}/{n}" for n in self.weed.names(s.prefix, "admin")
                if n.endswith(".guac.zst")]


class ByTheFiler(Attacks):
    def test_nothing_was_done(self):
        report = self.verify(0, *self.all_args)
        self.assertEqual((report["sessions"], report["leaves"], report["live"]), (4, 8, 0))
        self.verify(0, *self.key_args, "--events", self.events)
        self.verify(3)
        self.verify(3, *self.key_args)
        self.verify(3, "--anchor", self.anchor)
        self.verify(3, *self.key_args, "--quick")
        other = kit.Key(self.folder, "other")
        self.verify(1, "--key", other.public, problem="none of the keys", anchor="key")
        self.script(0, *self.all_script)
        self.script(3)
        self.script(3, "-k", self.key.id)
        self.script(1, "-k", other.id, problem="BROKEN")

    def test_flip(self):
        key = self.chunks(self.sessions[0])[1]
        data = bytearray(self.get("", key))
        data[-5] ^= 1
        self.rewrite(key, bytes(data))
        self.assertEqual(self.get("", key), bytes(data), "the attack did not work")
        self.verify(1, obj=key, problem="")
        self.verify(1, *self.all_args, obj=key, problem="changed")
        self.script(1, problem=os.path.basename(key))


class ByTheFilerMore(Attacks):
    def test_truncate(self):
        key = self.chunks(self.sessions[1])[0]
        self.rewrite(key, self.get("", key)[:-20])
        self.verify(1, *self.all_args, obj=key, problem="changed")
        self.script(1, problem=os.path.basename(key))

    def test_swap(self):
        a, b = self.chunks(self.sessions[1])[:2]
        one, two = self.get("", a), self.get("", b)
        self.rewrite(a, two)
        self.rewrite(b, one)
        self.verify(1, *self.all_args, obj=a, problem="changed")
        self.verify(1, *self.all_args, obj=b, problem="changed")
        self.script(1, problem=os.path.basename(a))
        self.script(1, problem=os.path.basename(b))

    def test_a_session_removed_whole(self):
        s = self.sessions[1]
        self.filer("DELETE", s.prefix.partition("/")[2] + "?recursive=true")
        self.assertEqual(self.weed.names(s.prefix, "admin"), [])
        self.verify(1, *self.all_args, obj=s.id, problem="removed", anchor="log")
        self.script(1, problem=s.id)


class ByAnAdminKey(Attacks):
    def test_hidden_behind_delete_markers(self):
        s = self.sessions[0]
        self.admin.request("DELETE", self.bucket, "", {"policy": ""})
        prefix = s.prefix.partition("/")[2]
        for name in self.weed.names(s.prefix, "admin"):
            status, _, body = self.admin.request("DELETE", self.bucket, f"{prefix}/{name}")
            self.assertEqual(status, 204, body)
        self.verify(1, *self.all_args, obj=s.id, problem="removed", anchor="log")
        self.script(1, problem=s.id)

    def test_put_over(self):
        s = self.sessions[0]
        key = s.prefix.partition("/")[2] + "/open.dsse.json"
        mine = json.loads(self.get("", key))
        mine["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
        self.put("", key, kit.canonical(mine))
        self.verify(1, obj=s.id, problem="not the one in the log", anchor="log")
        self.script(1, problem=s.id)

    def test_a_session_added(self):
        s = self.sessions[0]
        prefix = s.prefix.partition("/")[2]
        new = kit.uuid7(s.start + 1)
        for name in self.weed.names(s.prefix, "admin"):
            self.put("", f"{prefix[:-36]}{new}/{name}", self.get("", f"{prefix}/{name}"))
        self.verify(1, *self.all_args, obj=new, problem="added", anchor="log")
        self.script(1, problem=new)


class RolledBack(Attacks):
    def test_rolled_back(self):
        """An old head and its own, truly signed checkpoint, and the later sessions gone."""
        self.put("-head", "log/head", self.old_head)
        self.put("-head", "log/checkpoint", self.old_note)
        for s in self.sessions[2:]:
            self.filer("DELETE", s.prefix.partition("/")[2] + "?recursive=true")
        self.verify(3, *self.key_args)      # the key alone cannot know
        self.verify(0, *self.all_args)      # nor can an anchor as old as that
        self.verify(1, *self.key_args, "--events", self.events, problem="rolled back",
                    anchor=self.events)
        new = self.file("new", self.latest)
        self.verify(1, *self.key_args, "--anchor", new, problem="rolled back", anchor=new)
        self.script(3, "-k", self.key.id)
        self.script(1, "-k", self.key.id, "-a", new, problem="BROKEN")

    def test_head_rolled_back_below_its_checkpoint(self):
        self.put("-head", "log/head", self.old_head)
        self.verify(1, problem="rolled back")

    @property
    def latest(self):
        leaves = [tlog.leaf_hash(x) for x in self.saved]
        return self.auth.note(len(leaves), tlog.root(leaves)).encode()

    def record(self, *options):
        super().record(*options)
        self.saved = self.entries()


class ByTheStolenKey(Attacks):
    """Whoever has the gateway's own key can sign anything: only what was kept elsewhere tells."""

    def write(self, entries, key=None):
        self.put("-head", "log/head", head(entries))
        signer = self.auth
        if key:
            signer = kit.Authd.__new__(kit.Authd)
            signer.key = key
        self.put("-head", "log/checkpoint", signer.note(
            len(entries), tlog.root([tlog.leaf_hash(x) for x in entries])).encode())

    def test_a_session_and_its_leaves_removed(self):
        s = self.sessions[0]
        self.filer("DELETE", s.prefix.partition("/")[2] + "?recursive=true")
        self.write([x for x in self.entries() if s.id.encode() not in x])
        self.verify(3)
        self.verify(3, *self.key_args)
        self.verify(1, *self.all_args, problem="another log", anchor=self.anchor)
        self.script(3, "-k", self.key.id)
        self.script(1, *self.all_script, problem=self.anchor)
        self.verify(1, *self.key_args, "--events", self.events, problem="another leaf",
                    anchor=self.events)

    def test_forked(self):
        """The same number of leaves, one of them another."""
        entries = self.entries()
        self.auth.sock.close()
        fake = dict(json.loads(entries[-1]), at=json.loads(entries[-1])["at"] + 1)
        self.write(entries[:-1] + [kit.canonical(fake)])
        self.verify(3, *self.key_args)
        self.verify(1, *self.key_args, "--events", self.events, problem="another leaf",
                    anchor=self.events)
        old = self.file("latest", self.auth.note(
            len(entries), tlog.root([tlog.leaf_hash(x) for x in entries])).encode())
        self.verify(1, *self.key_args, "--anchor", old, problem="another log", anchor=old)
        self.script(3, "-k", self.key.id)
        self.script(1, "-k", self.key.id, "-a", old, problem=old)

    def test_signed_anew_by_another_key(self):
        """Everything consistent, under a key of the attacker's own: the pinned key finds it."""
        other = kit.Key(self.folder, "attacker")
        entries = []
        for leaf in map(json.loads, self.entries()):
            prefix = leaf["prefix"].partition("/")[2]
            name = f"{prefix}/{'open' if leaf['kind'] == 'open' else 'seal'}.dsse.json"
            statement = json.loads(base64.b64decode(json.loads(self.get("", name))["payload"]))
            p = statement["predicate"]
            p["gateway"].update(publicKey=other.base64, keyid=other.id)
            if leaf["kind"] == "seal":
                opened = self.get("", f"{prefix}/open.dsse.json")
                p["open"].update(sha256=hashlib.sha256(opened).hexdigest(), size=len(opened))
                statement["subject"][0]["digest"]["sha256"] = p["open"]["sha256"]
            data = kit.canonical(other.envelope(statement))
            self.put("", name, data)
            entries.append(kit.canonical(dict(leaf, sha256=hashlib.sha256(data).hexdigest())))
        self.write(entries, other)
        with open(other.public, "rb") as f:
            self.put("", f"keys/{other.id}.pem", f.read())
        self.verify(3, "--quick")
        self.verify(1, *self.key_args, problem="none of the keys", anchor="key")
        self.verify(1, "--anchor", self.anchor, problem="another log", anchor=self.anchor)
        # The sessions' own keys are gone: their chunks still tell.
        self.script(1, problem="does not follow the one before")
        self.script(1, "-k", self.key.id, problem="none of those given")
        self.script(1, "-a", self.anchor, problem=self.anchor)


class Retimed(Attacks):
    def setUp(self):
        self.tsa_folder = house.folder("t")
        self.addCleanup(house.shutil.rmtree, self.tsa_folder, True)
        self.tsa = Tsa(self.tsa_folder)
        self.addCleanup(self.tsa.close)
        super().setUp()

    def record(self, *options):
        super().record("--tsa-url", self.tsa.url, "--checkpoint-interval", "1")

    def test_times_changed_under_a_stamp(self):
        self.verify(0, *self.key_args, "--stamp-ca", self.tsa.ca)
        entries = [kit.canonical(dict(json.loads(x), at=json.loads(x)["at"] + 3600000))
                   for x in self.entries()]
        self.put("-head", "log/head", head(entries))
        top = tlog.root([tlog.leaf_hash(x) for x in entries])
        self.put("-head", "log/checkpoint", self.auth.note(len(entries), top).encode())
        self.verify(3, *self.key_args, "--quick")
        self.verify(1, *self.key_args, "--quick", "--stamp-ca", self.tsa.ca,
                    problem="does not contain what was stamped", anchor=self.tsa.ca)
        self.script(1, "-k", self.key.id, "-t", self.tsa.ca, problem="stamp")

    def test_a_stamp_that_is_later_believed(self):
        """A leaf dated after the stamp on it."""
        other = house.folder("t")
        self.addCleanup(house.shutil.rmtree, other, True)
        self.verify(1, *self.key_args, "--stamp-ca", Tsa(other).ca,
                    problem="not the authority's")


if __name__ == "__main__":
    unittest.main()
