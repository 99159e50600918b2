"""Search, proofs and verification by guac-evidence serve, over a real recorder's recordings."""
import fcntl
import hashlib
import json
import os
import signal
import time
import unittest

import house
import test_record_kit as kit
import tlog
from test_record_evidence import EvidenceCase, Serve


class Search(EvidenceCase):
    def setUp(self):
        super().setUp()
        self.rec = self.recorder()
        self.auth = self.authd(self.rec)

    def say(self, lines, end=True, **named):
        s = self.auth.open(self.auth.new(**named))
        for n, (kind, text) in enumerate(lines):
            s.text(text, k=kind, ms=100 * (n + 1))
        s.data(kit.frame(1))
        if end:
            s.end()
        s.wait_acked()
        return s

    def ready(self, reader, sessions):
        house.wait(lambda: reader.call(op="search", query="zzz")[0]["indexed"]["sessions"] >=
                   sessions, 20 * house.PATIENCE, "not indexed")

    def hits(self, reader, query, **named):
        answer, body = reader.call(op="search", query=query, **named)
        return (json.loads(body) if body else answer)["hits"]

    def test_words_are_found_at_their_moment(self):
        one = self.say([("out", "total 42\nlibrary README"), ("key", "cat secrets.txt"),
                        ("clip", "Grüße aus Zürich"), ("title", "root@db: ~")])
        two = self.say([("key", "cat \u2022\u2022\u2022\u2022"), ("out", "permission denied")],
                       connection="other")
        live = self.say([("out", "still running here")], end=False)
        for s in (one, two):
            self.wait_sealed(self.rec, s)
        reader = self.start(Serve).connect()
        self.ready(reader, 2)
        hit, = self.hits(reader, "secrets")
        self.assertEqual((hit["id"], hit["kind"], hit["t"], hit["prefix"]),
                         (one.id, "key", 200, one.prefix))
        self.assertEqual(hit["person"], {"sub": "u-olga", "name": "Olga"})
        (first, count), = hit["marks"]
        self.assertEqual(hit["text"][first:first + count], "secrets")
        hit, = self.hits(reader, "zurich")  # accents do not matter
        (first, count), = hit["marks"]
        self.assertEqual((hit["kind"], hit["text"][first:first + count]), ("clip", "Zürich"))
        self.assertEqual([h["id"] for h in self.hits(reader, "cat")], [two.id, one.id])
        self.assertEqual([h["id"] for h in self.hits(reader, "cat", filter={"connection": "other"})],
                         [two.id])
        self.assertEqual(self.hits(reader, "cat", filter={"kind": "out"}), [])
        for none in ({"person": "nobody"}, {"connection": "none"}, {"protocol": "vnc"},
                     {"from": int(time.time() * 1000) + 3600000}, {"to": 1},
                     {"kind": "file"}, {"kind": "x OR y"}):
            self.assertEqual(self.hits(reader, "cat", filter=none), [], none)
        self.assertEqual([h["id"] for h in self.hits(reader, "cat", filter={
            "person": "olga", "protocol": "ssh", "kind": "key", "from": 1})], [two.id, one.id])
        # What stands for a session or a kind in the index is no text to be found.
        self.assertEqual(self.hits(reader, "key"), [])
        self.assertEqual(self.hits(reader, "3"), [])
        self.assertEqual(len(self.hits(reader, "lib*")), 1)
        self.assertEqual(len(self.hits(reader, '"permission denied"')), 1)
        self.assertEqual(self.hits(reader, '"denied permission"'), [])
        self.assertEqual([h["id"] for h in self.hits(reader, "cat -secrets")], [two.id])
        # People and targets; and what still runs.
        self.assertEqual({h["id"] for h in self.hits(reader, "10.0.0.1")}, {one.id, two.id, live.id})
        house.wait(lambda: self.hits(reader, "running"), 10 * house.PATIENCE, "live is not found")
        live.text("now a marmot came")
        live.wait_acked()
        house.wait(lambda: self.hits(reader, "marmot"), 20 * house.PATIENCE, "not followed")

    def test_pages_and_what_is_no_query(self):
        for n in range(7):
            self.wait_sealed(self.rec, self.say([("out", f"needle {n}")]))
        reader = self.start(Serve).connect()
        self.ready(reader, 7)
        seen, after = [], ""
        for _ in range(10):
            answer, _ = reader.call(op="search", query="needle", limit=3, after=after)
            seen += [h["text"] for h in answer["hits"]]
            after = answer.get("next")
            if not after:
                break
        self.assertEqual(seen, [f"needle {n}" for n in reversed(range(7))])
        for query in ("", " ", "-", "-needle", '"', '""', "* ( )", None, "x" * 2000, "a " * 40):
            with self.assertRaises(kit.Refused, msg=query):
                reader.call(op="search", query=query)
        for query in ('needle"', "needle OR", "needle AND (", "NEAR(needle)", "needle:x", "text:needle",
                      "'; DROP TABLE lines; --needle", "{needle}", "needle\x02\x03", "^needle"):
            self.hits(reader, query)
        for named in ({"limit": 0}, {"limit": 201}, {"after": "x"}, {"after": "-1"}):
            with self.assertRaises(kit.Refused, msg=named):
                reader.call(op="search", query="needle", **named)
        self.assertEqual(len(self.hits(reader, "needle")), 7)

    def test_the_index_is_a_cache(self):
        self.wait_sealed(self.rec, self.say([("out", "needle in it")]))
        index = os.path.join(self.folder, "index")
        options = ["--store", "folder:" + self.rec.store_folder, "--index", index]
        for damage in (None, b"no database at all", b""):
            serve = self.start(Serve, *options)
            reader = serve.connect()
            self.ready(reader, 1)
            self.assertEqual(len(self.hits(reader, "needle")), 1, damage)
            serve.stop(signal.SIGTERM)
            if damage is not None:
                with open(os.path.join(index, "search.sqlite"), "wb") as f:
                    f.write(damage)

    def test_the_command_finds_what_serve_finds(self):
        store = ["--store", "folder:" + self.rec.store_folder]
        index = os.path.join(self.folder, "cache")
        one = self.say([("out", "total 42"), ("key", "cat needle.txt"), ("out", "no more")])
        two = self.say([("title", "needle \x1b]0;owned\x07\u009b2J")])
        for s in (one, two):
            self.wait_sealed(self.rec, s)
        reader = self.start(Serve).connect()
        self.ready(reader, 2)
        asked = self.hits(reader, "needle")
        self.assertEqual([h["id"] for h in asked], [two.id, one.id])
        for options in ([], ["--index", index], ["--index", index]):
            out = self.evidence("search", "needle", "--json", *options, *store)
            self.assertEqual([json.loads(l) for l in out.splitlines()], asked)
        text = self.evidence("search", "needle", *store)
        self.assertNotRegex(text, b"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
        first, second = text.decode().splitlines()
        self.assertRegex(first, f"^{two.id} .* title +Olga ")
        self.assertRegex(second, f"^{one.id} .* 0.200 s  key +Olga +cat needle.txt$")
        self.assertEqual(self.evidence("search", "cat -needle", *store), b"")
        self.assertEqual(self.evidence("search", "needle", "--to", "2020-01-01T00:00:00Z", *store),
                         b"")
        # It follows what came later, with the index it has; and a second one does not disturb it.
        self.wait_sealed(self.rec, self.say([("out", "another needle")]))
        with open(os.path.join(index, "search-command.lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.evidence("search", "needle", "--index", index, *store, status=2)
        out = self.evidence("search", "needle", "--json", "--index", index, *store)
        self.assertEqual(len(out.splitlines()), 3)
        for words in ([], [""], ["needle", "--from", "yesterday"]):
            self.evidence("search", *words, *store, status=2)

    def test_a_damaged_text_stops_nobody(self):
        bad = self.say([("out", "needle one")])
        good = self.say([("out", "needle two")])
        r = self.wait_sealed(self.rec, bad)
        self.wait_sealed(self.rec, good)
        path = os.path.join(r.path, r.names(".text.zst")[0])
        os.chmod(path, 0o640)
        with open(path, "r+b") as f:
            f.truncate(30)
        reader = self.start(Serve).connect()
        self.ready(reader, 2)
        self.assertEqual([h["id"] for h in self.hits(reader, "needle")], [good.id])


class Proofs(EvidenceCase):
    def test_by_an_outsiders_own_arithmetic(self):
        rec = self.recorder()
        auth = self.authd(rec)
        s = self.record(auth)
        for _ in range(6):
            auth.leaf("export")
        auth.leaf("replay", s.id, {"from": 1500})
        self.wait_sealed(rec, s)
        reader = self.start(Serve).connect()
        proof = house.wait(lambda: self.signed(reader, s), 15 * house.PATIENCE, "not signed")
        top = bytes.fromhex(proof["checkpoint"]["root"])
        size = proof["checkpoint"]["size"]
        self.assertEqual(proof["checkpoint"]["note"], auth.note(size, top))
        r = self.recording(rec, s)
        for kind in ("open", "seal"):
            p = proof[kind]
            leaf = json.loads(p["leaf"])
            self.assertEqual(leaf["sha256"],
                             hashlib.sha256(r.read(kind + ".dsse.json")).hexdigest())
            self.assertEqual(self.climb(p, size), top)
        who, = [a for a in proof["access"] if a["kind"] == "replay"]
        self.assertEqual((who["person"], who["range"]),
                         ({"sub": "u-a", "name": "Ada"}, {"from": 1500}))
        with self.assertRaises(kit.Refused):
            reader.call(op="proof", id="x")
        self.assertIsNone(json.loads(reader.call(op="proof", id=kit.uuid7())[1])["open"])
        report = json.loads(reader.call(op="verify", id=s.id)[1])
        self.assertEqual(report["result"], "self-consistent, not anchored")
        self.shown(rec, auth, s, proof)

    def shown(self, rec, auth, s, proof):
        """The same, told by the command."""
        store = ["--store", "folder:" + rec.store_folder]
        shown = json.loads(self.evidence("show", s.id, "--json", *store))
        self.assertEqual(shown["log"], {"open": proof["open"]["index"], "signed":
                                        proof["checkpoint"]["size"], "seal": proof["seal"]["index"]})
        self.assertEqual((shown["hold"], shown["prefix"], shown["state"]),
                         (None, s.prefix, "closed"))
        self.assertEqual([a["kind"] for a in shown["access"]], ["replay"])
        for on, reason in ((True, "case 7"), (False, "closed \x1b[2J")):
            auth.leaf("hold", s.id, {"on": on, "reason": reason})
            hold = json.loads(self.evidence("show", s.prefix, "--json", *store))["hold"]
            self.assertEqual((hold["on"], hold["reason"], hold["person"]["name"]),
                             (on, reason, "Ada"))
        text = self.evidence("show", s.id, *store).decode()
        for title, value in (("person", "Olga"), ("target", "10.0.0.1.*"), ("state", "closed"),
                             ("sealed by key", auth.key.id), ("held", "no"),
                             ("root", shown["seal"]["root"]), ("  reason", r"closed \?\[2J"),
                             ("log: seal", str(proof["seal"]["index"]))):
            self.assertRegex(text, f"(?m)^{title} +{value}$")
        # A copy has no log beside it; and what is nowhere is told.
        text = self.evidence("show", os.path.join(rec.store_folder, s.prefix)).decode()
        self.assertRegex(text, "(?m)^person +Olga$")
        self.assertNotIn("log:", text)
        for words in ([], [kit.uuid7()], [s.id, s.id]):
            self.evidence("show", *words, *store, status=2)

    def signed(self, reader, s):
        proof = json.loads(reader.call(op="proof", id=s.id)[1])
        return proof if proof["seal"] and "proof" in proof["seal"] else None

    def climb(self, p, size):
        """RFC 9162 section 2.1.3.2."""
        h, fn, sn = tlog.leaf_hash(p["leaf"].encode()), p["index"], size - 1
        for sibling in map(bytes.fromhex, p["proof"]):
            if fn & 1 or fn == sn:
                h = tlog.node(sibling, h)
                while not fn & 1 and fn:
                    fn, sn = fn >> 1, sn >> 1
            else:
                h = tlog.node(h, sibling)
            fn, sn = fn >> 1, sn >> 1
        self.assertEqual(sn, 0)
        return h


if __name__ == "__main__":
    unittest.main()
