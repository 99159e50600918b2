"""The Helm chart: what it refuses and how, and what a real API server says to everything in it."""
import glob
import json
import os
import re
import shutil
import subprocess
import unittest

import chart
import house

VALUES = {"publicUrl": "https://access.example", "keycloak": {"issuer": "https://keycloak.example/realms/catalyst"}}
ALL = {**VALUES,
       "keycloak": {**VALUES["keycloak"], "ca": {"configMap": "ca"}, "admin": {"secret": "keycloak-admin"}},
       "store": {"admin": "guacamole-s3-admin", "holder": "guacamole-s3-holder", "ca": {"configMap": "ca"},
                 "buckets": ["other-recordings"], "closed": ["seaweedfs-filer.storage.svc:8888"]},
       "namespaces": ["relay", "shop"], "tls": {"secret": "page"}, "trustedProxies": ["10.0.0.0/8"],
       "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "page"},
       "monitoring": {"enabled": True, "labels": {"release": "prometheus"}}, "dashboard": {"enabled": True},
       "networkPolicy": {"closeStore": {"enabled": True}, "store": {"podLabels": {"app": "seaweedfs"}},
                         "monitoringFrom": [{"namespaceSelector": {}}], "ingressFrom": [{"namespaceSelector": {}}]},
       "opensearch": {"url": "https://opensearch.search.svc:9200/guacamole-audit", "secret": "opensearch-account",
                      "ca": {"configMap": "ca"}},
       "config": {"guacd": {"max-sessions": 200}, "authd": {"claims-minutes": 10}},
       "userTokenServers": ["https://api.east:6443", "https://api.west=/etc/guac/west.crt"],
       "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}],
       "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["keycloak.example"]}]}

# What ALL says is what the program goes by.
SET = {"guacd": {"max-sessions": "200"},
       "recorder": {"closed": "seaweedfs-filer.storage.svc:8888"},
       "authd": {"user-token-servers": "https://api.east:6443 https://api.west=/etc/guac/west.crt",
                 "audit-opensearch": "https://opensearch.search.svc:9200/guacamole-audit",
                 "audit-opensearch-account": "/etc/guac/opensearch/account",
                 "audit-opensearch-ca": "/etc/guac/opensearch-ca/ca.crt"}}


def changed(path, value):
    out = json.loads(json.dumps(VALUES))
    at = out
    *way, last = path.split(".")
    for word in way:
        at = at.setdefault(word, {})
    at[last] = value
    return out


class Case(unittest.TestCase):
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if house.SANITIZED:
            raise unittest.SkipTest("the chart is of the release build")
        cls.folder = house.folder("c")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.helm = chart.Helm()
        cls.chart = chart.pack(cls.folder, "v1")

    def render(self, values, check=True, name="relay"):
        return self.helm.run("template", name, self.chart, "-n", "guacamole", values=values, check=check)


class Words(Case):
    def test_good_values_lint(self):
        for values in (VALUES, ALL):
            self.helm.run("lint", "--strict", self.chart, values=values)

    def test_wrong_values_say_what_to_do(self):
        for path, value, words in (
                ("publicUrl", "", "publicUrl is not set: the URL people open"),
                ("publicUrl", "access.example", "publicUrl"),
                ("publicUrl", "https://access.example/gateway", "publicUrl"),
                ("publicUrl", "http://access.example", "cookies by https only"),
                ("keycloak.issuer", "", "keycloak.issuer is not set: the realm's URL"),
                ("keycloak.issuer", "http://k.example/realms/r", "lets anybody in between sign in as anybody"),
                ("keycloak.issuer", "https://k.example/auth", "has to end in /realms/NAME"),
                ("store.bucket", "Recordings", "/store/bucket"),
                ("store.endpoint", "seaweedfs:8333", "/store/endpoint"),
                ("store.reader", "guacamole-s3-writer", "who reads recordings must not be able to write"),
                ("store.admin", "guacamole-s3-writer", "must not be able to change its bucket"),
                ("store.secretKey", "abc", "additional properties 'secretKey' not allowed"),
                ("store.closed", ["seaweedfs"], "/store/closed/0"),
                ("opensearch.secret", "account", "opensearch.url is not set, but its secret"),
                ("opensearch.url", "http://o.example:9200/audit", "shows audit events and the account's password"),
                ("opensearch.url", "https://o.example:9200", "/opensearch/url"),
                ("opensearch.user", "admin", "additional properties 'user' not allowed"),
                ("replicas", 0, "/replicas"),
                ("replica", 2, "additional properties 'replica' not allowed"),
                ("impersonatePrefix", "system:", "/impersonatePrefix"),
                ("namespaces", ["*", "relay"], "leave the others out"),
                ("namespaces", [], "/namespaces"),
                ("ingress.enabled", True, "ingress.tlsSecret is not set"),
                ("image.digests", {"guacd": "latest"}, "/image/digests/guacd")):
            with self.subTest(f"{path}={value}"):
                done = self.render(changed(path, value), check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stderr)
        both = self.render({}, check=False).stderr
        self.assertIn("publicUrl is not set", both)
        self.assertIn("keycloak.issuer is not set", both)

    def test_configuration_is_what_the_programs_take(self):
        """Each file by its own program: an unknown key or a wrong value is refused there."""
        text = self.render(ALL).stdout
        configs = re.findall(r"(?m)^  (\w+)\.conf: \|\n((?:    .*\n|\n)+)", text)
        self.assertEqual({n for n, _ in configs}, {"proxy", "authd", "recorder", "evidence", "guacd"})
        for name, body in configs:
            path = os.path.join(self.folder, name + ".conf")
            with open(path, "w") as f:
                f.write(re.sub(r"(?m)^    ", "", body))
            program = "guacd" if name == "guacd" else "guac-" + name
            done = subprocess.run([house.program(program), *(["serve"] if name == "evidence" else []), "--config",
                                   path, "--print-config"], text=True, capture_output=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 0, name + done.stderr)
            for key, value in SET.get(name, {}).items():
                self.assertRegex(done.stdout, rf"(?m)^{key} = {re.escape(value)}$")

    def test_whom_the_gateway_may_be(self):
        """People and their groups, which carry a prefix; never a service account, and nothing by a star."""
        def by_verb(values):
            rules = re.findall(r"resources: \[([^\]]*)\],?\s+verbs: \[([^\]]*)\]", self.render(values).stdout)
            self.assertTrue(rules)
            return {r.strip() for resources, verbs in rules if re.search(r"impersonate|\*", verbs)
                    for r in resources.split(",")}
        self.assertEqual(by_verb(ALL), {"users", "groups", "uids", "userextras/guacamole-session"})
        self.assertEqual(by_verb({**VALUES, "allowImpersonation": False}), set())

    def test_alerts_and_dashboard_name_real_metrics(self):
        """Every name stands in a program's tables."""
        names = set()
        for path in glob.glob(os.path.join(chart.CHART, "files/*")):
            with open(path) as f:
                names |= set(re.findall(r"guacamole_\w+", f.read()))
        self.assertGreater(len(names), 15)
        have = ""
        for program in ("guac-proxy", "guac-authd", "guac-recorder", "guacd", "guacd-session"):
            with open(house.program(program), "rb") as f:
                have += f.read().decode("latin-1")
        for name in names:
            stem = re.sub("_(bucket|count|sum)$", "", name)
            self.assertTrue(re.search(rf"\0{stem}\0", have), f"{name} is nobody's metric")


class Server(Case):
    """Everything, by a real API server that admits as production's do."""

    def test_api_server_takes_all_of_it(self):
        crds = sorted(glob.glob(os.path.join(self.chart, "crds/*.yaml")))
        self.assertEqual(len(crds), 5)
        cluster = chart.Cluster("--no-node", "--crds", self.helm.kinds, *(w for f in crds for w in ("--crds", f)))
        self.addCleanup(cluster.stop)
        relay = os.path.join(house.ROOT, "deploy/relay")
        cluster.kubectl("apply", "-f", os.path.join(relay, "namespaces.yaml"))
        for name in ("storage", "shop", "flux-system"):
            cluster.kubectl("create", "namespace", name)
        for values, kinds in ((VALUES, 11), (ALL, 15)):
            text = self.render(values).stdout
            done = cluster.run("apply", "--dry-run=server", "-f", "-", text=text)
            self.assertGreaterEqual(len(set(re.findall(r"(?m)^([\w.]+)/", done.stdout))), kinds, done.stdout)
            # Restricted pods: a warning would say which rule is broken.
            self.assertNotIn("Warning", done.stderr)
        template = re.search(r"(?ms)^kind: Deployment.*?^---", text)
        self.assertIsNotNone(template)
        # A pod is what the standard is enforced on.
        deployment = json.loads(cluster.run("create", "--dry-run=server", "-o", "json", "-f", "-", text=next(
            d for d in text.split("\n---\n") if "kind: Deployment" in d)).stdout)
        pod = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": "p", "namespace": "guacamole"}, "spec": deployment["spec"]["template"]["spec"]}
        cluster.kubectl("-n", "guacamole", "create", "serviceaccount", pod["spec"]["serviceAccountName"])
        cluster.run("create", "--dry-run=server", "-f", "-", text=json.dumps(pod))
        uids = [c["securityContext"]["runAsUser"] for c in
                pod["spec"]["containers"] + pod["spec"]["initContainers"]]
        self.assertEqual(len(set(uids)), 6, "each program its own uid")
        self.flux(cluster, relay)

    def flux(self, cluster, relay):
        """Flux's own kinds take what the relay product applies."""
        env = {"public_url": "https://access.example", "keycloak_issuer": "https://k.example/realms/r"}
        for name in ("release.yaml", "flux.yaml"):
            with open(os.path.join(relay, name)) as f:
                text = re.sub(r"\$\{(\w+)(?::=([^}]*))?\}", lambda m: env.get(m[1]) or m[2], f.read())
            cluster.run("apply", "--dry-run=server", "-f", "-", text=text)
        done = cluster.run("kustomize", relay)
        self.assertIn("kind: HelmRelease", done.stdout)


if __name__ == "__main__":
    unittest.main()
