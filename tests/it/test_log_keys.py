"""A key that hands over to another, and one that was stolen: what an auditor who holds the first
key alone is told, on a real SeaweedFS, by our tool and by the bag's own script."""
import hashlib
import json
import os
import signal
import subprocess
import time
import unittest

import house
import test_record_kit as kit
from test_log_weed import LogCase


class Keys(LogCase):
    def leaf(self, authd, kind, detail, *signers):
        """A leaf's statement by the first of the signers, signed by all of them."""
        first = signers[0]
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "log", "digest": {"sha256": hashlib.sha256(b"log").hexdigest()}}],
            "predicateType": f"https://catalyst.openova.io/guacamole/log/{kind}/v1",
            "predicate": {"at": int(time.time() * 1000), "detail": detail,
                          "gateway": {"name": "gw-test", "version": "1", "publicKey": first.base64,
                                      "keyid": first.id}}}
        envelope = first.envelope(statement)
        for k in signers[1:]:
            envelope["signatures"] += k.envelope(statement)["signatures"]
        return authd.call(op="leaf", kind=kind, envelope=envelope)[0]

    def session(self, authd):
        s = authd.open(self.new(authd))
        s.data(kit.frame(1))
        s.wait_acked()
        s.end()
        house.wait(lambda: [m for m in authd.logged if m["id"] == s.id], 30 * house.PATIENCE,
                   "not sealed")
        return s

    def signed(self, size):
        def there():
            found = self.log().checkpoint()
            return found and found[1] >= size
        house.wait(there, 30 * house.PATIENCE, "not signed", every=0.2)
        with open(os.path.join(self.folder, f"anchor-{size}"), "wb") as f:
            f.write(self.log().checkpoint()[3])
        return f.name

    def line(self, key):
        self.key = key
        authd = self.authd(self.one)
        return authd

    def verify(self, status, key, anchor):
        return json.loads(self.evidence("verify", "--json", "--key", key.id, "--anchor", anchor,
                                        status=status))

    def script(self, key, anchor):
        bag = os.path.join(self.folder, f"bag-{next(house.NUMBERS)}")
        self.evidence("export", "--output", bag, "--from", "2020-01-01T00:00:00Z")
        done = subprocess.run(["sh", os.path.join(bag, "verify.sh"), "-k", key.id, "-a", anchor],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def keys(self):
        lines = self.evidence("keys", "--json").splitlines()
        return {k["keyid"]: k for k in map(json.loads, lines)}

    def test_rotated_and_stolen(self):
        old, new = kit.Key(self.folder, "old"), kit.Key(self.folder, "new")
        self.one, = self.recorders(1)
        authd = self.line(old)
        self.session(authd)
        anchor = self.signed(2)
        self.leaf(authd, "key", {"new": {"publicKey": new.base64, "keyid": new.id}}, old, new)
        authd.close()
        authd = self.line(new)
        self.session(authd)
        self.signed(5)
        report = self.verify(0, old, anchor)
        self.assertEqual(report["result"], "proved")
        status, text = self.script(old, anchor)
        self.assertEqual(status, 0, text)
        keys = self.keys()
        self.assertEqual((keys[old.id]["state"], keys[old.id]["until"]["to"],
                          keys[new.id]["state"], keys[new.id]["from"]["by"]),
                         ("handed over", new.id, "in use", old.id))
        self.assertEqual(self.verify(1, new, anchor)["result"], "broken")  # it does not reach back
        # The old one is stolen: what it signs from now on is worth nothing.
        at = self.leaf(authd, "compromise", {"keyid": old.id, "since": int(time.time() * 1000)},
                       new)["index"]
        self.verify(0, old, anchor)
        fallen = self.keys()[old.id]
        self.assertEqual((fallen["state"], fallen["compromised"]["leaf"],
                          fallen["compromised"]["by"]), ("compromised", at, new.id))
        self.assertIn(f"{old.id}  compromised", self.evidence("keys").decode())
        authd.close()
        thief = self.line(old)
        s = self.session(thief)
        self.signed(8)
        report = self.verify(1, old, anchor)
        told = [p for p in report["problems"] if f"declared compromised by log leaf {at}" in
                p["problem"]]
        self.assertEqual({p["object"] for p in told},
                         {f"{s.prefix}/open.dsse.json", f"{s.prefix}/seal.dsse.json"})
        status, text = self.script(old, anchor)
        self.assertEqual(status, 1, text)
        self.assertIn(f"declared compromised by log leaf {at}", text)
        # Nor may it hand over; and nobody is announced without signing it too.
        other = kit.Key(self.folder, "other")
        detail = {"new": {"publicKey": other.base64, "keyid": other.id}}
        one = self.leaf(thief, "key", detail, old, other)["index"]
        two = self.leaf(thief, "key", detail, new)["index"]
        problems = {(p["object"], p["problem"])
                    for p in self.verify(1, old, anchor)["problems"]}
        self.assertIn((f"log leaf {one}", "signed by a key that had been declared compromised"),
                      problems)
        self.assertNotIn("until", self.keys()[new.id])  # it handed over to nobody
        self.assertIn((f"log leaf {two}", "a key that did not sign its own coming"), problems)
        self.assertIn(("log/checkpoint", "signed by none of the keys given"), problems)
        self.signed(10)
        _, text = self.script(old, anchor)
        self.assertIn(f"log leaf {one}: signed by a key that had been", text)
        self.assertIn(f"log leaf {two}: a key that did not sign", text)
        self.assertIn("data/log/checkpoint: signed by none", text)
        self.one.stop(signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
