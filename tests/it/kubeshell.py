"""The part kubernetes for tests: started once a file, pods made and waited for, and a client on one
of their containers."""
import json
import subprocess
import unittest

import shellkit

TIMEOUT, ERROR, NOT_FOUND, CONFLICT, CLOSED = 0x202, 0x203, 0x204, 0x205, 0x206
UNAVAILABLE, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 0x208, 0x300, 0x301, 0x303


def container(name, image, command, **more):
    return dict(name=name, image=image, imagePullPolicy="Never", command=command, **more)


class Cluster(shellkit.Part):
    def __init__(self, *options):
        super().__init__("kubernetes", "k", "KUBE_", *options)

    def verb(self, *words, text=None, check=True):
        return subprocess.run([self.script, words[0], self.folder, *words[1:]], check=check, input=text,
                              capture_output=True, text=True).stdout

    def kubectl(self, *words, text=None, check=True):
        """By its own command, without the part's script around it."""
        done = subprocess.run([self["KUBECTL"], "--kubeconfig", self["CONFIG"], *words], check=False,
                              input=text, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"kubectl {words}: {done.stderr}"
        return done.stdout

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", text=json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def template(self, *containers, labels=None):
        return {"metadata": {"labels": labels or {}},
                "spec": {"hostNetwork": True, "terminationGracePeriodSeconds": 1,
                         "automountServiceAccountToken": False, "containers": list(containers)}}

    def pod(self, name, *containers, labels=None, annotations=None, **spec):
        it = self.template(*containers, labels=labels)
        it["metadata"].update(name=name, annotations=annotations or {})
        it["spec"].update(spec)
        return dict(apiVersion="v1", kind="Pod", **it)

    def sleeper(self, name="main", **more):
        return container(name, self["IMAGE"], ["sleep", "100000"], **more)

    def bare(self, name="main"):
        return container(name, self["IMAGE_BARE"], ["/app/sleep", "100000"])

    def start_pods(self, *pods):
        self.apply(*pods)
        self.kubectl("wait", "--for=condition=Ready", "--timeout=120s",
                     *(f"pod/{p['metadata']['name']}" for p in pods))

    def token(self, name="robot", namespace="default", duration="1h"):
        return self.verb("token", namespace, name, duration).strip()

    def grant(self, role, name, *rules, subject=None, namespace="default"):
        """rules: (verbs, resources[, group]); subject: a User or service account's name."""
        meta = {"name": role, "namespace": namespace}
        subject = subject or {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        self.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta,
                    "rules": [{"apiGroups": [r[2] if len(r) > 2 else ""], "verbs": r[0],
                               "resources": r[1]} for r in rules]},
                   {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                    "metadata": meta, "subjects": [subject],
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                                "name": role}})

    def audit(self, **want):
        """Entries of the API server's audit log whose members (a.b as a__b) are these."""
        out = []
        with open(self["AUDIT"]) as f:
            for line in f:
                entry = json.loads(line) if line.endswith("\n") else {}
                if all(self._member(entry, k.split("__")) == v for k, v in want.items()):
                    out.append(entry)
        return out

    @staticmethod
    def _member(entry, path):
        for p in path:
            entry = entry.get(p) if isinstance(entry, dict) else None
        return entry


class KubeCase(shellkit.ShellCase):
    """One cluster for the whole file, with the pods `shell` (four containers) and `bare`."""
    protocol, prompt, slow = "kubernetes", "/ #", 20
    kube = one = None

    @classmethod
    def setUpClass(cls):
        if KubeCase.kube:
            return
        k = KubeCase.kube = Cluster()
        unittest.addModuleCleanup(k.stop)
        k.start_pods(
            k.pod("shell", k.sleeper(),
                  container("tty", k["IMAGE"], ["sh"], tty=True, stdin=True),
                  container("lines", k["IMAGE"], ["cat"], stdin=True),
                  container("talker", k["IMAGE"],
                            ["sh", "-c", "while :; do echo talking; sleep 1; done"])),
            k.pod("bare", k.bare()))
        KubeCase.one = k.token()
        k.grant("robot", "robot", (["get", "create"], ["pods/exec", "pods/attach"]),
                (["get", "list"], ["pods"]), (["get"], ["deployments", "statefulsets"], "apps"))

    def parameters(self):
        return dict(hostname="127.0.0.1", port=self.kube["PORT"], use_ssl="true", pod="shell",
                    container="main", exec_command="sh", token=self.one,
                    ca_cert=self.kube.file("CA"))
