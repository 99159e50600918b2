"""`make install` as a packager runs it, then what a person does after: users, folders, services. The
tree is laid over this machine's own in a private mount namespace, so nothing of it is left behind;
each program is started by the very line of its unit, as the unit's user."""
import configparser
import glob
import os
import re
import shutil
import subprocess
import unittest

import house
import whole

UNITS = os.path.join(house.ROOT, "deploy/systemd")
ORDER = ("guac-recorder", "guac-evidence", "guacd", "guac-authd", "guac-proxy")


def tool(name):
    path = shutil.which(name)
    if not path:
        raise unittest.SkipTest(f"{name} is missing")
    return path


def unit(name):
    c = configparser.RawConfigParser(strict=False, interpolation=None)
    c.optionxform = str
    c.read(os.path.join(UNITS, name + ".service"))
    return c


class Files(house.TestCase):
    def test_units(self):
        analyze = tool("systemd-analyze")
        for path in glob.glob(UNITS + "/*.service") + glob.glob(UNITS + "/*.target"):
            with open(path, encoding="utf-8") as f:
                text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", f.read(), flags=re.M)
            with open(os.path.join(self.folder, os.path.basename(path)), "w") as f:
                f.write(text)
        for name in sorted(os.listdir(self.folder)):
            it = os.path.join(self.folder, name)
            done = subprocess.run([analyze, "verify", "--man=no", it], text=True,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            if name.endswith(".service"):
                done = subprocess.run([analyze, "security", "--offline=true", "--threshold=25", it],
                                      text=True, capture_output=True, check=False)
                self.assertEqual(done.returncode, 0, f"{name}: exposure above 2.5\n{done.stdout}")

    def test_users_and_folders(self):
        root = os.path.join(self.folder, "root")
        os.makedirs(root + "/etc")
        os.makedirs(root + "/usr/lib/sysusers.d")
        shutil.copy(os.path.join(UNITS, "guac.sysusers"), root + "/usr/lib/sysusers.d/guac.conf")
        done = subprocess.run([tool("systemd-sysusers"), "--root", root], text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(root + "/etc/passwd") as f:
            users = {line.split(":")[0]: line.split(":") for line in f}
        with open(root + "/etc/group") as f:
            members = next(line for line in f if line.startswith("guac:")).strip().split(":")[3]
        self.assertEqual(set(ORDER), set(members.split(",")))
        self.assertEqual(len({users[n][2] for n in ORDER}), 5, "a uid each")
        for name in ORDER:
            self.assertEqual(unit(name)["Service"]["User"], name)
            self.assertIn("nologin", users[name][6])
            self.assertTrue(users[name][4].startswith("Gateway "), users[name])


class Installed(house.TestCase):
    def sh(self, script, **kw):
        return subprocess.run(["sh", "-euc", script], text=True, capture_output=True, timeout=300,
                              check=False, **kw)

    def setUp(self):
        super().setUp()
        if os.getuid() != 0 or house.SANITIZED:
            raise unittest.SkipTest("needs root and a release build")
        for name in ("systemd-sysusers", "systemd-tmpfiles", "setpriv", "unshare", "nsenter"):
            tool(name)
        os.chmod(self.folder, 0o755)
        self.root = os.path.join(self.folder, "m/root")
        # A process that holds the namespace; everything else enters it.
        os.mkdir(os.path.join(self.folder, "m"))
        script = f"""cd {self.folder}
mount -t tmpfs -o mode=755 tmpfs m && mkdir m/upper m/work m/root
mount -t overlay overlay -o lowerdir=/,upperdir=m/upper,workdir=m/work m/root
mount --rbind /proc m/root/proc && mount --rbind /dev m/root/dev
mount -t tmpfs -o mode=755 tmpfs m/root/run && mount -t tmpfs -o mode=1777 tmpfs m/root/tmp
touch ready && exec sleep 1200"""
        self.holder = house.Process(["unshare", "-m", "sh", "-euc", script],
                                    os.path.join(self.folder, "holder.log"))
        self.addCleanup(self.holder.popen.kill)
        house.wait(lambda: os.path.exists(os.path.join(self.folder, "ready")) or
                   not self.holder.running(), 20 * house.PATIENCE, "no namespace")
        if not self.holder.running():
            raise unittest.SkipTest("this kernel grants no overlay: " + self.holder.text())

    def inside(self, *words, **kw):
        return subprocess.run(["nsenter", "-m", "-t", str(self.holder.pid), "chroot", self.root,
                               *words], text=True, capture_output=True, timeout=120, check=False, **kw)

    def write(self, path, text):
        done = subprocess.run(["nsenter", "-m", "-t", str(self.holder.pid), "tee",
                               self.root + path], input=text, text=True, capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def start_unit(self, name):
        service = unit(name)["Service"]
        user = service["User"]
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--inh-caps=-all"]
        umask = f"umask {service['UMask']}; exec "
        if "ExecStartPre" in service:
            pre = re.fullmatch(r"/bin/sh -c '(.*)'", service["ExecStartPre"]).group(1)
            done = self.inside(*as_user, "sh", "-c", pre)
            self.assertEqual(done.returncode, 0, done.stderr)
        line = service["ExecStart"].replace("@PREFIX@", "/usr/local")
        it = house.Process(["nsenter", "-m", "-t", str(self.holder.pid), "chroot", self.root,
                            *as_user, "sh", "-c", umask + line],
                           os.path.join(self.folder, name + ".log"))
        self.started.append(it)
        return it

    def test_started_by_its_units(self):
        sshd = whole.Part("sshd")
        self.addCleanup(sshd.stop)
        done = subprocess.run(["nsenter", "-m", "-t", str(self.holder.pid), "make", "-s", "-C", house.ROOT, "install",
                               "DESTDIR=" + self.root, "B=" + house.BUILD, "CC=gcc"], text=True,
                              capture_output=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        for words in (["systemd-sysusers", "/usr/local/lib/sysusers.d/guac.conf"],
                      ["systemd-tmpfiles", "--create", "/usr/local/lib/tmpfiles.d/guac.conf"]):
            done = self.inside(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
        port = house.free_port()
        # What a person edits; people sign in by a link, since there is no Keycloak here.
        for file, lines in (("guac-authd", f"public-url = http://127.0.0.1:{port}\ndev-link = yes\n"
                             "dev-user = olga\ndev-roles = operator\naddress-allow = 127.0.0.1\n"),
                            ("guac-proxy", f"listen = 127.0.0.1:{port}\n"
                             f"admin-listen = 127.0.0.1:{house.free_port()}\n")):
            path = f"/etc/guac/{file}.conf"
            text = self.inside("cat", path).stdout
            keys = {line.split(" =")[0] for line in lines.splitlines()}
            kept = [l for l in text.splitlines() if l.split(" =")[0] not in keys]
            self.write(path, "\n".join(kept) + "\n" + lines)
        self.write("/etc/guac/connections/shell.yaml", f"""
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: shell, namespace: demo }}
spec:
  protocol: ssh
  hostname: 127.0.0.1
  port: {sshd['SSHD_PORT']}
  audience: {{ keycloakRoles: [operator] }}
  hostKey: {{ keys: ["{sshd['SSHD_HOSTKEY_ED25519']}"] }}
  credentials: {{ secretRef: {{ name: shell }} }}
""")
        self.inside("mkdir", "-p", "/etc/guac/connections/secrets/demo/shell")
        for key, value in (("username", sshd["SSHD_USER"]), ("password", sshd["SSHD_PASSWORD"])):
            path = "/etc/guac/connections/secrets/demo/shell/" + key
            self.write(path, value)
            self.inside("chmod", "640", path)
        self.inside("chgrp", "-R", "guac-authd", "/etc/guac/connections")
        programs = {name: self.start_unit(name) for name in ORDER}

        def ready():
            for name, it in programs.items():
                assert it.running(), f"{name} ended:\n{it.text()}"
            return self.inside("curl", "-fs", f"http://127.0.0.1:{port}/readyz").returncode == 0
        house.wait(ready, 40 * house.PATIENCE, "the gateway is not ready", every=0.3)
        link = self.inside("setpriv", "--reuid", "guac-authd", "--regid", "guac-authd",
                           "--init-groups", "guac-authd", "link")
        self.assertEqual(link.returncode, 0, link.stderr)
        # Each under its own uid, and nothing of it root's.
        uids = {os.stat(f"/proc/{it.pid}").st_uid for it in programs.values()}
        self.assertEqual(len(uids), 5)
        self.assertNotIn(0, uids)
        g = whole.Gateway.__new__(whole.Gateway)
        g.port, g.url = port, f"http://127.0.0.1:{port}"
        status, answer, _ = g.request("GET", link.stdout.strip()[len(g.url):])
        self.assertEqual(status, 302)
        shared = house.folder("x")
        self.addCleanup(shutil.rmtree, shared, True)
        os.chmod(shared, 0o777)
        shell = g.open(g.cookies(answer))
        self.assertEqual(shell.effect(f"echo typed > {shared}/seen", shared + "/seen"), "typed\n")
        shell.type("exit")
        self.assertTrue(shell.wait_closed())
        house.wait(lambda: "seal.dsse.json" in
                   self.inside("find", "/var/lib/guac/recordings").stdout,
                   40 * house.PATIENCE, "no seal", every=0.3)
        for it in programs.values():
            self.assertNotIn("uid checks", it.text())


if __name__ == "__main__":
    unittest.main()
