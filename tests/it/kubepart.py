"""A real API server with our kinds, the gateway's own service account with the roles that
deploy/crd/rbac.yaml gives it, and kubectl."""
import glob
import json
import os
import subprocess

import house
from whole import Part


class Cluster(Part):
    NAMESPACES = ("relay", "shop", "guacamole")

    def __init__(self):
        crds = sorted(glob.glob(os.path.join(house.BUILD, "crds/*.yaml")))
        assert len(crds) == 5, f"{house.BUILD}/crds: make crds"
        super().__init__("kubernetes", "--no-node", *(w for f in crds for w in ("--crds", f)))
        for name in self.NAMESPACES:
            self.kubectl("create", "namespace", name)
        self.kubectl("apply", "-f", os.path.join(house.ROOT, "deploy/crd/rbac.yaml"))
        self.token = os.path.join(self.folder, "token")
        self.refresh_token()
        account = "--serviceaccount=guacamole:guac-authd"
        for name in self.NAMESPACES:
            self.kubectl("-n", name, "create", "rolebinding", "guac", "--clusterrole=guac-authd",
                         account)
        self.kubectl("create", "clusterrolebinding", "guac", "--clusterrole=guac-authd-cluster",
                     account)

    def refresh_token(self, account="guac-authd", duration="1h"):
        """As the kubelet: a new file in the old one's place."""
        text = self.verb("token", "guacamole", account, duration)
        with open(self.token + ".new", "w") as f:
            f.write(text)
        os.chmod(self.token + ".new", 0o644)  # the kubelet's, where a pod has no fsGroup
        os.rename(self.token + ".new", self.token)

    def run(self, *words, stdin=None, user=None):
        """kubectl as the administrator, or as (user, groups); says what came of it."""
        who = []
        if user:
            who = ["--as", user[0], *(w for g in user[1] for w in ("--as-group", g))]
        return subprocess.run([self["KUBE_KUBECTL"], "--kubeconfig", self["KUBE_CONFIG"], *who, *words],
                              input=stdin, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=60)

    def kubectl(self, *words, stdin=None):
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def apply(self, text):
        return self.kubectl("apply", "-f", "-", stdin=text)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def environment(self, **more):
        return {**os.environ, "CRD_SERVER": self["KUBE_SERVER"], "CRD_CA": self["KUBE_CA"],
                "CRD_TOKEN": self.token, "CRD_NAMESPACES": "relay shop", **more}


def connection(name, spec="protocol: ssh, hostname: h", namespace="relay", roles="operator"):
    return f"""---
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {{ {spec}, audience: {{ keycloakRoles: [{roles}] }} }}
"""


def lock(name, namespace="relay"):
    return f"""---
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleLock
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {{ sub: someone, reason: test }}
"""
