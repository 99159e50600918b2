"""authd with its resources in a real cluster: what kubectl applies is in the page within a second, what
authd decides on is there for kubectl, and the API server may go away meanwhile."""
import time
import unittest

import house
from kubepart import Cluster, connection, lock
from test_auth_kit import Authd, Browser


class Gateway(house.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        super().setUp()
        c = self.cluster
        self.addCleanup(c.kubectl, "delete", "guac,guaclock,guacses", "--all", "-A", "--wait=false")
        self.authd = self.start(Authd, self.folder, store="kubernetes", namespaces="relay shop",
                                cluster_server=c["KUBE_SERVER"], cluster_ca=c["KUBE_CA"],
                                cluster_token=c.token, dev_link="yes", dev_user="olga",
                                dev_roles="operator auditor")
        self.browser = Browser(self.authd)
        self.addCleanup(self.browser.line.close)
        self.browser.use_link(self.authd.link())

    def listed(self):
        return {c["name"]: c for c in self.browser.get("/api/connections").json["connections"]}

    def test_apply_to_page(self):
        for n in range(3):
            self.cluster.apply(connection(f"a{n}"))
            house.wait(lambda k=n: f"a{k}" in self.listed(), 10 * house.PATIENCE, "applied")
        one = self.listed()["a0"]
        self.assertEqual((one["target"], one["allowed"], one["namespace"]), ("h:22", True, "relay"))
        # a connection that only the reader knows to be wrong: listed with the reason
        self.cluster.apply(connection("bad", "protocol: ssh, hostname: h, parameters: { no-such: 1 }"))
        house.wait(lambda: "bad" in self.listed(), 10, "applied")
        self.assertEqual(self.listed()["bad"]["errors"],
                         ["spec.parameters.no-such: ssh knows no such parameter"])
        self.assertFalse(self.browser.tunnel("connection=relay/bad&width=9&height=9")["ok"])
        # the namespace that is only for locks serves no connections
        self.cluster.apply(connection("mine", namespace="guacamole"))
        self.cluster.apply(connection("last"))
        house.wait(lambda: "last" in self.listed(), 10, "applied")
        self.assertNotIn("mine", self.listed())
        self.cluster.kubectl("-n", "relay", "delete", "guac", "a0")
        house.wait(lambda: "a0" not in self.listed(), 10, "deleted")

    def test_away(self):
        self.cluster.apply(connection("a"))
        house.wait(lambda: "a" in self.listed(), 10, "applied")
        line = self.browser.line
        self.assertEqual(line.call("ready")["checks"]["resources"], "ok")
        self.cluster.verb("down")
        try:
            self.assertIn("a", self.listed())
            house.wait(lambda: any(text.startswith("guacamole_resources_age_seconds ") and
                                   int(text.split()[1]) >= 2 for text in
                                   line.call("metrics")["text"].split("\n")), 20, "its age is told")
            self.assertEqual(line.call("ready")["checks"]["resources"], "ok")
        finally:
            self.cluster.verb("up")
        self.cluster.apply(connection("b"))
        house.wait(lambda: "b" in self.listed(), 40 * house.PATIENCE, "it is back")

    def test_a_lock_by_kubectl(self):
        self.cluster.apply(connection("a"))
        house.wait(lambda: self.listed().get("a", {}).get("allowed"), 10, "open")
        self.cluster.apply(lock("l1", "guacamole").replace("sub: someone", "sub: 'dev:olga'"))
        house.wait(lambda: self.browser.get("/api/connections").status == 401 or
                   not self.listed()["a"]["allowed"], 10 * house.PATIENCE, "locked")


if __name__ == "__main__":
    unittest.main()
