"""The CRDs and admission policies, applied to a real API server: what the gateway's reader finds wrong
the API server refuses at the door, in words, and what one takes the other takes."""
import os
import subprocess
import unittest

import house
from kubepart import Cluster

HEAD = """apiVersion: catalyst.openova.io/v1alpha1
kind: {}
metadata: {{ name: {}, namespace: relay }}
"""
AUDIENCE = "audience: { keycloakRoles: [ops] }"

VALID = {
    "as its users write it": """protocol: rdp
  hostname: "10.42.7.12"
  port: 3389
  audience: { keycloakRoles: [legacy-app-operator, security-officer] }
  recording: { enabled: true, bucket: guacamole-recordings, retentionDays: 365 }
  jit: { requiredApprovers: [team-platform], maxDurationMinutes: 60 }""",
    "everything of ssh": """protocol: ssh
  hostname: fd00::1
  environment: prod
  parameters: { font-size: 14, enable-sftp: true, color-scheme: gray-black }
  credentials: { from: certificate, username: root }
  clipboard: { copy: false, paste: true }
  files: { upload: false, download: true }
  limits: { idleMinutes: 15, maxMinutes: 480, sessionsPerPerson: 1, sessionsPerConnection: 3 }
  moderation: { roles: [boss], onLeave: end }
  watermark: { text: "{name} on {connection}" }
  stepUp: { acr: gold, maxAgeMinutes: 5 }
  locks: { failClosed: true }
  hostKey: { keys: ["ssh-ed25519 AAAAC3Nz"], unknown: refuse }
  """ + AUDIENCE,
    "a secret": "protocol: vnc\n  hostname: h.example\n  credentials: { secretRef: { name: x } }\n  " + AUDIENCE,
    "a pod, as the person": """protocol: kubernetes
  kubernetes: { namespace: shop, selector: "app=web,tier!=db", container: app, command: [sh], choose: [container] }
  credentials: { from: kubernetes }
  """ + AUDIENCE,
    "a pod, by a certificate": """protocol: kubernetes
  hostname: api
  kubernetes: { choose: [namespace, pod] }
  credentials: { from: kubernetes, kubernetes: clientCertificate, secretRef: { name: cert } }
  """ + AUDIENCE,
    "a pod by parameters": "protocol: kubernetes\n  hostname: api\n  parameters: { pod: a }\n  " + AUDIENCE,
    "null is nothing": "protocol: ssh\n  hostname: h\n  jit: null\n  " + AUDIENCE,
}

# spec, a part of the API server's words
INVALID = {
    "no audience": ("protocol: ssh\n  hostname: h", "spec.audience: Required"),
    "nobody": ("protocol: ssh\n  hostname: h\n  audience: { keycloakRoles: [] }", "keycloakRoles"),
    "unknown protocol": ("protocol: telnet\n  hostname: h\n  " + AUDIENCE, "spec.protocol: Unsupported value"),
    "no host": ("protocol: ssh\n  " + AUDIENCE, "hostname is missing"),
    "no host's name": ("protocol: ssh\n  hostname: a b\n  " + AUDIENCE, "spec.hostname"),
    "port": ("protocol: ssh\n  hostname: h\n  port: 70000\n  " + AUDIENCE, "spec.port"),
    "days": ("protocol: ssh\n  hostname: h\n  recording: { retentionDays: 0 }\n  " + AUDIENCE,
             "spec.recording.retentionDays"),
    "bucket": ("protocol: ssh\n  hostname: h\n  recording: { bucket: _ }\n  " + AUDIENCE, "spec.recording.bucket"),
    "keys": ("protocol: ssh\n  hostname: h\n  recording: { keys: some }\n  " + AUDIENCE, 'supported values: "full"'),
    "flag as text": ('protocol: ssh\n  hostname: h\n  recording: { enabled: "yes" }\n  ' + AUDIENCE,
                     "spec.recording.enabled"),
    "no approvers": ("protocol: ssh\n  hostname: h\n  jit: { maxDurationMinutes: 5 }\n  " + AUDIENCE,
                     "spec.jit.requiredApprovers: Required"),
    "misspelt": ("protocol: ssh\n  hostname: h\n  recordng: {}\n  " + AUDIENCE, 'unknown field "spec.recordng"'),
    "a password": ("protocol: ssh\n  hostname: h\n  parameters: { password: hunter2 }\n  " + AUDIENCE,
                   "password: is a secret: it comes by spec.credentials only"),
    "a private key": ("protocol: ssh\n  hostname: h\n  parameters: { private-key: x }\n  " + AUDIENCE,
                      "private-key: is a secret"),
    "a local path": ("protocol: ssh\n  hostname: h\n  parameters: { recording-path: /tmp }\n  " + AUDIENCE,
                     "names something on the gateway's own machine"),
    "policy": ("protocol: ssh\n  hostname: h\n  parameters: { require-tap: false }\n  " + AUDIENCE,
               "is the gateway's own"),
    "said elsewhere": ("protocol: ssh\n  hostname: h\n  parameters: { disable-copy: true }\n  " + AUDIENCE,
                       "is said by spec.clipboard"),
    "secret without name": ("protocol: ssh\n  hostname: h\n  credentials: { from: secret }\n  " + AUDIENCE,
                            "secretRef is missing"),
    "secret of nothing": ("protocol: ssh\n  hostname: h\n  credentials: { from: prompt, secretRef: { name: a } }\n  " +
                          AUDIENCE, "secretRef goes with from: secret"),
    "certificate for vnc": ("protocol: vnc\n  hostname: h\n  credentials: { from: certificate }\n  " + AUDIENCE,
                            "certificates are for ssh"),
    "cluster for ssh": ("protocol: ssh\n  hostname: h\n  credentials: { from: kubernetes }\n  " + AUDIENCE,
                        "goes with protocol kubernetes only"),
    "identity of nothing": ("protocol: ssh\n  hostname: h\n  credentials: { kubernetes: userToken }\n  " + AUDIENCE,
                            "goes with from: kubernetes only"),
    "token to the author's host": ("protocol: kubernetes\n  hostname: evil\n  kubernetes: { pod: a }\n"
                                   "  credentials: { from: kubernetes, kubernetes: serviceAccount }\n  " + AUDIENCE,
                                   "the gateway's own identity goes to the cluster it runs in only"),
    "two pods": ("protocol: kubernetes\n  hostname: h\n  kubernetes: { pod: a, selector: b=c }\n  " + AUDIENCE,
                 "say one of them"),
    "which pod": ("protocol: kubernetes\n  hostname: h\n  " + AUDIENCE, "which pod?"),
    "pods over ssh": ("protocol: ssh\n  hostname: h\n  kubernetes: { pod: a }\n  " + AUDIENCE,
                      "kubernetes goes with protocol kubernetes only"),
    "namespace without pod": ("protocol: kubernetes\n  hostname: h\n  kubernetes: { pod: a, choose: [namespace] }\n  " +
                              AUDIENCE, "who chooses the namespace has to choose the pod"),
    "watermark": ("protocol: ssh\n  hostname: h\n  watermark: { text: 'by {user}' }\n  " + AUDIENCE,
                  "spec.watermark.text"),
    "step-up of nothing": ("protocol: ssh\n  hostname: h\n  stepUp: {}\n  " + AUDIENCE, "says neither acr nor"),
    "host key of vnc": ("protocol: vnc\n  hostname: h\n  hostKey: { unknown: ask }\n  " + AUDIENCE,
                        "hostKey goes with protocol ssh only"),
}

SESSION = "01936e2a-0000-7000-8000-000000000000"
OTHERS = [  # kind, name, spec, None or a part of the words
    ("GuacamoleLock", "a", "{ sub: x, reason: why, until: '2026-11-21T22:08:26Z' }", None),
    ("GuacamoleLock", "b", "{ connection: relay/ledger, reason: why }", None),
    ("GuacamoleLock", "c", "{ sub: x, sid: z, reason: why }", "say exactly one of them"),
    ("GuacamoleLock", "d", "{ reason: why }", "say exactly one of them"),
    ("GuacamoleLock", "e", "{ sub: x }", "spec.reason: Required"),
    ("GuacamoleLock", "f", "{ connection: ledger, reason: why }", "spec.connection"),
    ("GuacamoleLock", "g", "{ sub: x, reason: why, until: tomorrow }", "spec.until"),
    ("GuacamoleSession", SESSION, "{ connection: a, owner: { sub: x }, started: '2026-11-21T22:08:26Z' }", None),
    ("GuacamoleSession", "a", "{ connection: a, owner: { sub: x }, started: '2026-11-21T22:08:26Z' }",
     "metadata.name must be the session's id"),
]


class Admission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)

    def reader(self, text):
        """What our own reader finds."""
        path = os.path.join(self.cluster.folder, "one.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return subprocess.run([house.program("guac-crds"), "--check", path], text=True, check=False,
                              stdout=subprocess.PIPE).stdout

    def create(self, text, user=None):
        return self.cluster.run("create", "-f", "-", stdin=text, user=user)

    def both(self, text, words):
        done, found = self.create(text), self.reader(text)
        if words is None:
            self.assertEqual((done.returncode, found), (0, ""), done.stdout)
        else:
            self.assertNotEqual(done.returncode, 0, "the API server takes it")
            self.assertIn(words, done.stdout)
            self.assertNotEqual(found, "", "the reader takes it")

    def test_connections(self):
        head = HEAD.format("GuacamoleConnection", "c{}")
        for n, (what, spec) in enumerate(VALID.items()):
            with self.subTest(what):
                self.both(head.replace("c{}", f"v{n}") + "spec:\n  " + spec + "\n", None)
        for n, (what, (spec, words)) in enumerate(INVALID.items()):
            with self.subTest(what):
                self.both(head.replace("c{}", f"i{n}") + "spec:\n  " + spec + "\n", words)
        table = self.cluster.kubectl("-n", "relay", "get", "guac")
        self.assertIn("PROTOCOL", table)
        self.assertIn("SESSIONS", table)
        self.assertIn("Longest session.", self.cluster.kubectl("explain", "guac.spec.limits.maxMinutes"))
        # the secret that was refused is nowhere: not in the store, not in an event
        self.assertNotIn("hunter2", self.cluster.kubectl("get", "guac,events", "-A", "-o", "yaml"))

    def test_other_kinds(self):
        for kind, name, spec, words in OTHERS:
            with self.subTest(f"{kind} {spec}"):
                self.both(HEAD.format(kind, name) + f"spec: {spec}\n", words)

    def test_people_speak_for_themselves(self):
        c = self.cluster
        c.kubectl("apply", "-f", os.path.join(house.ROOT, "deploy/crd/admission.yaml"))
        c.kubectl("create", "clusterrole", "approvers", "--verb=get,list,create,update",
                  "--resource=guacamoleapprovals.catalyst.openova.io,guacamoleaccessrequests.catalyst.openova.io")
        c.kubectl("create", "clusterrolebinding", "approvers", "--clusterrole=approvers",
                  "--group=system:authenticated")
        ana = ("oidc:ana", ["oidc:operator"])
        boss = ("oidc:boss", ["oidc:team-platform"])
        gateway = ("system:serviceaccount:guacamole:guac-authd", [])
        ask = "spec: {{ connection: ledger, requester: {}, reason: why, minutes: 5 }}\n"
        word = "spec: {{ request: r1, requestUid: u, decision: approve, as: {}, approver: {} }}\n"

        def request(name, who):
            return HEAD.format("GuacamoleAccessRequest", name) + ask.format(who)

        def approval(name, role, who):
            return HEAD.format("GuacamoleApproval", name) + word.format(role, who)

        # the policies take a moment to be in force
        house.wait(lambda: "your own name" in self.create(
            approval("probe", "team-platform", "{ username: x }"), boss).stdout, 30, "in force")
        cases = [
            (request("r1", "{ username: 'oidc:ana' }"), ana, None),
            (request("r2", "{ username: 'oidc:boss' }"), ana, "must be your own name, oidc:ana"),
            (request("r3", "{ username: 'oidc:ana', sub: boss }"), ana, "are the gateway's to say"),
            (request("r4", "{ username: 'admin' }"), ("admin", []), "only people that the issuer knows"),
            (request("r5", "{ sub: 3f1c, name: Ana }"), gateway, None),
            (approval("a1", "team-platform", "{ username: 'oidc:boss' }"), boss, None),
            (approval("a2", "team-platform", "{ username: 'oidc:ana' }"), boss, "must be your own name, oidc:boss"),
            (approval("a3", "team-platform", "{ username: 'oidc:ana' }"), ana, "you are not in team-platform"),
            (approval("a4", "team-platform", "{ username: 'oidc:boss', sub: ana }"), boss,
             "are the gateway's to say"),
            (approval("a5", "masters", "{ username: 'system:admin' }"), ("system:admin", ["system:masters"]),
             "only people that the issuer knows"),
            (approval("a6", "team-platform", "{ sub: 9, name: Boss }".replace("9", "'9'")), gateway, None),
        ]
        for text, user, words in cases:
            with self.subTest(user=user[0], words=words):
                done = self.create(text, user)
                if words is None:
                    self.assertEqual(done.returncode, 0, done.stdout)
                else:
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(words, done.stdout)
        # what was said stays said
        done = c.run("patch", "guacreq", "r1", "-n", "relay", "--type=merge", "-p", '{"spec":{"minutes":50}}')
        self.assertIn("never changes", done.stdout)
        done = c.run("patch", "guacok", "a1", "-n", "relay", "--type=merge", "-p", '{"spec":{"decision":"deny"}}')
        self.assertIn("never changes", done.stdout)


if __name__ == "__main__":
    unittest.main()
