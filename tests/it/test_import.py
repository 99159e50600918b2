"""guac-import: a user-mapping.xml becomes connections that the gateway opens; what has no counterpart
is told; what is hostile is refused with nothing written."""
import os
import shutil
import subprocess
import unittest

import house
import whole

SAMPLE = os.path.join(house.ROOT, "tests/fuzz/corpus/usermap/whole.xml")
SECRETS = ("hunter2 secret", "vnc-pw", "plain-pw", "5f4dcc3b5aa765d61d8327deb882cf99", "PRIVATE KEY")


class Import(house.TestCase):
    def run_import(self, text, *options, out="out"):
        path = text
        if "<" in text or "\0" in text:
            path = os.path.join(self.folder, "user-mapping.xml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        self.out = os.path.join(self.folder, out)
        return subprocess.run([house.program("guac-import"), *options, "-o", self.out, path],
                              text=True, capture_output=True, timeout=60 * house.PATIENCE,
                              check=False)

    def files(self):
        return {os.path.relpath(os.path.join(d, f), self.out): os.path.join(d, f)
                for d, _, names in os.walk(self.out) for f in names}

    def test_what_it_makes(self):
        done = self.run_import(SAMPLE, "--retention-days", "90")
        self.assertEqual(done.returncode, 1, done.stderr)
        files = self.files()
        yaml = {n: open(p, encoding="utf-8").read() for n, p in files.items()
                if n.endswith(".yaml")}
        self.assertEqual(sorted(yaml), ["bob.yaml", "desks-desk-7.yaml", "ledger-co-b-hmisch.yaml",
                                        "pod.yaml"])
        checked = subprocess.run([house.program("guac-crds"), "--check",
                                  *(files[n] for n in yaml)], text=True, capture_output=True,
                                 check=False)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))
        for secret in SECRETS:
            for text in (*yaml.values(), done.stdout, done.stderr):
                self.assertNotIn(secret, text)
        with open(files["secrets/relay/ledger-co-b-hmisch/password"], encoding="utf-8") as f:
            self.assertEqual(f.read(), "hunter2 secret")
        for path in files.values():
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)
        self.assertEqual(os.stat(self.out).st_mode & 0o777, 0o700)
        for word in ("retentionDays: 90", "keycloakRoles: [guacamole-alice]", "upload: false",
                     'keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHY"]'):
            self.assertIn(word, yaml["ledger-co-b-hmisch.yaml"])
        for word in ("! line 20: old switch: not imported: there is no protocol telnet here",
                     "parameter colour: ssh has none of that name here",
                     "parameter color-depth is none of 8|16|24|32",
                     "parameter recording-path: sessions are recorded by the gateway",
                     "connection groups", "user 'alice': the password (md5) stays behind",
                     "user 'bob': the password (plain) stays behind",
                     "role guacamole-bob has to be given in Keycloak to: 'bob'"):
            self.assertIn(word, done.stdout)

    def test_people_who_share_a_connection(self):
        one = ('<connection name="a"><protocol>ssh</protocol><param name="hostname">h</param>'
               '<param name="host-key">ssh-ed25519 AAAA</param></connection>')
        text = "<user-mapping>" + "".join(f'<authorize username="{u}" password="p">{c}</authorize>'
                                          for u, c in (("u1", one), ("u2", one),
                                                       ("u3", one.replace(">h<", ">other<"))))
        done = self.run_import(text + "</user-mapping>")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(self.files()["a.yaml"], encoding="utf-8") as f:
            self.assertIn("keycloakRoles: [guacamole-u1, guacamole-u2]", f.read())
        with open(self.files()["a-2.yaml"], encoding="utf-8") as f:
            self.assertIn("hostname: other", f.read())

    def test_hostile_files(self):
        corpus = os.path.dirname(SAMPLE)
        with open(os.path.join(corpus, "bomb.xml"), encoding="utf-8") as f:
            bomb = f.read()
        with open(os.path.join(corpus, "external.xml"), encoding="utf-8") as f:
            external = f.read()
        c = '<connection name="c"><protocol>ssh</protocol></connection>'
        cases = [
            (bomb, "document type"), (external, "document type"),
            ("<x/>", "this is no user-mapping.xml"),
            ("<user-mapping>" + "<a>" * 100000, "nested too deep"),
            ("<user-mapping><authorize username='u'>" + c * 5001, "more than 5000 connections"),
            ("<user-mapping><authorize username='u'><param name='x'>" + "y" * 70000,
             "longer than 65536 bytes"),
            ("<user-mapping><authorize username='" + "u" * 300 + "'>", "longer than 255 bytes"),
            ("<user-mapping><!--" + " " * (8 << 20), "larger than"),
            ("<user-mapping><authorize>", "line 1: no element found"),
        ]
        for n, (text, why) in enumerate(cases):
            with self.subTest(why):
                done = self.run_import(text, out=f"out{n}")
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(why, done.stderr)
                self.assertEqual(self.files(), {})
                self.assertNotIn("root:", done.stdout + done.stderr)

    def test_refusals(self):
        os.mkdir(os.path.join(self.folder, "there"))
        for words, why in ((("-o", os.path.join(self.folder, "there"), SAMPLE), "has to be a new"),
                           (("-o", os.path.join(self.folder, "o"), "/no/such"), "No such file"),
                           (("-o", os.path.join(self.folder, "o")), "say which"),
                           ((SAMPLE,), "'output' is not set"),
                           (("-o", os.path.join(self.folder, "o"), "-n", "A/B", SAMPLE), "namespace"),
                           (("--nmaespace", "x", SAMPLE), "did you mean 'namespace'?")):
            done = subprocess.run([house.program("guac-import"), *words], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(why, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "o")))


class Opened(house.TestCase):
    def test_the_gateway_opens_it(self):
        sshd = whole.Part("sshd")
        self.addCleanup(sshd.stop)
        os.chmod(self.folder, 0o755)
        gateway = whole.Gateway(self.folder, sshd)
        self.addCleanup(gateway.stop)
        mapping = os.path.join(self.folder, "user-mapping.xml")
        with open(mapping, "w", encoding="utf-8") as f:
            f.write(f"""<user-mapping><authorize username="olga" password="x">
<connection name="Moved"><protocol>ssh</protocol><param name="hostname">127.0.0.1</param>
<param name="port">{sshd['SSHD_PORT']}</param><param name="username">{sshd['SSHD_USER']}</param>
<param name="password">{sshd['SSHD_PASSWORD']}</param>
<param name="host-key">[127.0.0.1]:{sshd['SSHD_PORT']} {sshd['SSHD_HOSTKEY_ED25519']}</param>
</connection></authorize></user-mapping>""")
        out = os.path.join(self.folder, "out")
        done = subprocess.run([house.program("guac-import"), "-o", out, "--namespace", "demo",
                               "--role", "operator", "--bucket", "recordings", mapping],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        shutil.copytree(out, gateway.connections, dirs_exist_ok=True)
        cookie = gateway.sign_in()
        house.wait(lambda: any(c["name"] == "moved" and c["allowed"] for c in
                               gateway.get("/api/connections", cookie)[1]["connections"]),
                   20 * house.PATIENCE, "the imported connection is not listed")
        shared = os.path.join(house.folder("x"), "seen")
        self.addCleanup(shutil.rmtree, os.path.dirname(shared), True)
        os.chmod(os.path.dirname(shared), 0o777)
        shell = gateway.open(cookie, "moved")
        self.assertEqual(shell.effect(f"echo moved > {shared}", shared).strip(), "moved")
        shell.type("exit")
        self.assertTrue(shell.wait_closed())


if __name__ == "__main__":
    unittest.main()
