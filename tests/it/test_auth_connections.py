"""The list of connections as the page sees it: the folder live, wrong resources, policies, long polls,
five thousand of them."""
import os
import time
import unittest

import house
from test_auth_kit import LinkCase, connection


class Connections(LinkCase):
    def list(self, b):
        return {c["name"]: c for c in b.get("/api/connections").json["connections"]}

    def test_live(self):
        b = self.browser()
        self.assertEqual(self.list(b), {})
        self.authd.connections.write("a.yaml", connection("box", spec="protocol: ssh\nhostname: h"))
        house.wait(lambda: "box" in self.list(b), 1, "a new file")
        one = self.list(b)["box"]
        self.assertEqual((one["target"], one["protocol"], one["allowed"]), ("h:22", "ssh", True))
        self.assertEqual(one["recording"], {"enabled": True, "retentionDays": 365, "keys": "masked"})
        self.authd.connections.write("a.yaml", connection("box", spec="protocol: ssh\nhostname: i"))
        house.wait(lambda: self.list(b)["box"]["target"] == "i:22", 1, "a change")
        self.authd.connections.write("a.yaml", connection("box", ["others"], "protocol: ssh\nhostname: i"))
        house.wait(lambda: not self.list(b)["box"]["allowed"], 1, "another audience")
        one = self.list(b)["box"]
        self.assertEqual((one["rule"], one["target"]), ("auditor-replay-only", ""))
        self.authd.connections.remove("a.yaml")
        house.wait(lambda: self.list(b) == {}, 1, "gone")

    def test_wrong_ones_are_listed_with_all_errors(self):
        b = self.browser()
        self.authd.connections.write("good.yaml", connection("good"))
        self.authd.connections.write("bad.yaml", connection(
            "bad", spec="protocol: ssh\nhostname: h\nport: 70000\nrecordng: {}"))
        self.authd.connections.write("broken.yaml", "apiVersion: [\n")
        house.wait(lambda: len(self.list(b)) == 3, 2)
        bad = self.list(b)["bad"]
        self.assertEqual(sorted(bad["errors"]),
                         ["spec.port: 70000 is not in 1…65535",
                          "spec: unknown field 'recordng', did you mean 'recording'?"])
        self.assertEqual((bad["allowed"], bad["rule"]), (False, "connection-valid"))
        self.assertIn("line 2", self.list(b)["broken.yaml"]["errors"][0])
        self.assertTrue(self.list(b)["good"]["allowed"])
        self.assertFalse(b.tunnel("connection=relay/bad")["ok"])

    def test_policies(self):
        b = self.browser()
        self.authd.connections.write("c.yaml", connection("plain", more="environment: prod") + "---\n" +
                                     connection("off", more="environment: prod\n"
                                                            "recording: { enabled: false }"))
        self.authd.connections.write("p.yaml", "apiVersion: catalyst.openova.io/v1\nkind: EnvironmentPolicy\n"
                                     "metadata: { name: production }\nspec:\n"
                                     "  appliesTo: { environments: [prod] }\n"
                                     "  rules: [ { kind: recording-required } ]\n")
        house.wait(lambda: self.list(b).get("off", {}).get("rule") == "production/recording-required", 2)
        self.assertIn("Policy production", self.list(b)["off"]["why"])
        self.assertTrue(self.list(b)["plain"]["allowed"])
        refused = b.tunnel("connection=relay/off")
        self.assertEqual((refused["status"], refused["rule"]), (0x303, "production/recording-required"))

    def test_jit_refuses_without_approval(self):
        b = self.browser()
        self.authd.connections.write("c.yaml", connection(
            "j", more="jit: { requiredApprovers: [team-platform], maxDurationMinutes: 60 }"))
        house.wait(lambda: "j" in self.list(b), 2)
        one = self.list(b)["j"]
        self.assertEqual((one["allowed"], one["rule"]), (False, "jit-approval"))
        self.assertEqual(one["jit"], {"requiredApprovers": ["team-platform"], "maxDurationMinutes": 60,
                                      "request": None})

    def test_long_poll(self):
        b = self.browser()
        g = b.get("/api/connections").json["generation"]
        at = time.monotonic()
        rid = b.send("GET", f"/api/connections?after={g}&wait=1")
        answer = b.finish(rid)
        self.assertGreater(time.monotonic() - at, 0.9, "it waits as long as it was asked to")
        self.assertEqual(answer.json["generation"], g)
        # fifty pages wait, which is more than there are workers; all learn of a change at once
        rids = [b.send("GET", f"/api/connections?after={g}&wait=25") for _ in range(50)]
        time.sleep(0.3)
        self.assertEqual(b.me().status, 200, "nobody else waits")
        self.authd.connections.write("a.yaml", connection("box"))
        at = time.monotonic()
        answers = [b.finish(rid) for rid in rids]
        self.assertLess(time.monotonic() - at, house.SOON_S)
        self.assertTrue(all(a.json["connections"][0]["name"] == "box" for a in answers))
        # a generation of another life, or none at all, answers at once
        for after in ("1", "x", "", str(g)):
            self.assertEqual(b.get(f"/api/connections?after={after}&wait=25").status, 200)

    def test_5000_connections(self):
        b = self.browser()
        self.authd.connections.write("many.yaml", "---\n".join(
            connection(f"c{i:04}", ["operator" if i % 2 else "others"], "protocol: ssh\nhostname: h")
            for i in range(5000)))
        house.wait(lambda: len(self.list(b)) == 5000, 20)
        times = []
        for _ in range(9):
            at = time.monotonic()
            rid = b.send("GET", "/api/connections")
            message = b.line.wait(rid)
            times.append(time.monotonic() - at)
            os.close(message["fds"][0])
        print(f"5000 connections: median {sorted(times)[4] * 1000:.1f} ms, {message['size']} bytes")


class OwnParts(LinkCase):
    """Nobody's connection leads to what the gateway stands on, unless the operators say so."""
    SETTINGS = {**LinkCase.SETTINGS, "oidc_issuer": "https://203.0.113.8:8443/realms/catalyst",
                "cluster_server": "https://203.0.113.7:6443",
                "gateway_hosts": "203.0.113.9 2001:db8::9", "address_deny": "198.51.100.1"}
    HOSTS = {"keycloak": "203.0.113.8", "server": "203.0.113.7", "store": "203.0.113.9",
             "six": "2001:db8::9", "denied": "198.51.100.1", "other": "203.0.113.10"}

    def refused(self):
        b = self.browser()
        for name, host in self.HOSTS.items():
            self.authd.connections.write(name + ".yaml", connection(
                name, spec=f"protocol: ssh\nhostname: '{host}'\nport: 22"))

        def listed():
            return {c["name"]: c for c in b.get("/api/connections").json["connections"]}
        house.wait(lambda: len(listed()) == len(self.HOSTS), 20)
        return {n for n, c in listed().items() if not c["allowed"] and c["rule"] == "address"}

    def test_refused_by_default(self):
        self.assertEqual(self.refused(), {"keycloak", "server", "store", "six", "denied"})

    def test_unless_configured(self):
        self.restart(address_allow="203.0.113.8 203.0.113.9:22")
        # a port is not the whole address, and address-deny has the last word
        self.assertEqual(self.refused(), {"server", "store", "six", "denied"})


if __name__ == "__main__":
    unittest.main()
