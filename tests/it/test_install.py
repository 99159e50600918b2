"""`make install`, then what a person does after, by the documentation's own commands: users, folders,
services, evidence, keys, upgrade, backup, a SeaweedFS. The tree is laid over this machine's own in a private
mount namespace, so nothing of it is left behind; each program is started by the very line of its unit, as
the unit's user."""
import configparser
import glob
import os
import re
import shutil
import signal
import subprocess
import threading
import unittest

import docsh
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


# There is no systemd in a test: who asks for a unit asks the test, which starts it by its own line.
SYSTEMCTL = """#!/bin/sh
at=$(mktemp -d /tmp/systemctl.XXXXXX)
echo "$*" >$at/new && mv $at/new $at/ask
while [ ! -e $at/status ]; do sleep 0.1; done
cat $at/text
exit $(cat $at/status)
"""
# What a person does in an editor: keys of authd's and the proxy's file. People sign in by a link, since
# there is no Keycloak here.
EDITOR = """#!/bin/sh
keys=$(cut -d' ' -f1 /srv/work/answers | paste -sd'|')
for f; do { grep -vE "^($keys) = " $f; cat /srv/work/answers; } >/srv/work/edited && cat /srv/work/edited >$f; done
"""
MAPPING = """<user-mapping><authorize username="olga" password="x"><connection name="old box"><protocol>ssh</protocol>
<param name="hostname">192.0.2.7</param><param name="username">olga</param></connection></authorize></user-mapping>
"""


class Services:
    """Answers for the machine's service manager."""

    def __init__(self, machine):
        self.machine, self.running, self.trouble = machine, {}, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.over.wait(0.05):
            for ask in glob.glob(self.machine.outside("/tmp/systemctl.*/ask")):
                with open(ask, encoding="utf-8") as f:
                    words = f.read().split()
                os.unlink(ask)
                try:
                    status, text = self.do(*words)
                except (AssertionError, OSError) as e:
                    status, text = 1, f"{e}\n"
                at = os.path.dirname(ask)
                for name, what in (("text", text), ("status", str(status))):
                    with open(f"{at}/{name}.new", "w", encoding="utf-8") as f:
                        f.write(what)
                    os.rename(f"{at}/{name}.new", f"{at}/{name}")

    def do(self, verb, *units):
        names = [n for u in units if not u.startswith("-") for n in (ORDER if u == "guac.target" else [u])]
        if verb == "enable":
            done = self.machine.inside("env", "SYSTEMD_OFFLINE=1", "/usr/bin/systemctl", "enable", "guac.target")
            if done.returncode or "--now" not in units:
                return done.returncode, done.stderr
        for name in names:
            if verb in ("stop", "restart"):
                self.running.pop(name).stop(timeout=60)
            if verb in ("start", "restart", "enable"):
                self.running[name] = self.machine.start_unit(name)
            if verb == "reload":
                os.kill(self.running[name].pid, signal.SIGHUP)
        if verb in ("start", "restart", "enable"):
            self.machine.wait_ready()
        return 0, ""

    def end(self):
        self.over.set()
        self.thread.join()
        for it in self.running.values():
            it.stop()


class Machine:
    """This machine's own tree with another laid over it, in a mount namespace that a process holds."""

    def __init__(self, folder, port):
        self.folder, self.port, self.services = folder, port, None
        os.chmod(folder, 0o755)
        self.root = os.path.join(folder, "m/root")
        os.mkdir(os.path.join(folder, "m"))
        script = f"""cd {folder}
mount -t tmpfs -o mode=755 tmpfs m
mkdir m/upper m/work m/root
mount -t overlay overlay -o lowerdir=/,upperdir=m/upper,workdir=m/work m/root
cd m/root
mount --rbind /proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p srv/work
for d in {house.ROOT} {house.BUILD}; do
    mkdir -p .$d
    mount --bind $d .$d
done
cd {folder}
touch ready && exec sleep 1200"""
        self.holder = house.Process(["unshare", "-m", "sh", "-euc", script], os.path.join(folder, "holder.log"))
        house.wait(lambda: os.path.exists(os.path.join(folder, "ready")) or not self.holder.running(),
                   20 * house.PATIENCE, "no namespace")
        if not self.holder.running():
            raise unittest.SkipTest("this kernel grants no overlay: " + self.holder.text())

    def outside(self, path):
        return f"/proc/{self.holder.pid}/root{self.root}{path}"

    def end(self):
        try:
            if self.services:
                self.services.end()
        finally:
            self.holder.popen.kill()
            self.holder.popen.wait()

    def inside(self, *words):
        return subprocess.run(["nsenter", "-m", "-t", str(self.holder.pid), "chroot", self.root, *words],
                              text=True, capture_output=True, timeout=600, check=False)

    def write(self, path, text, mode=0o644, user="root"):
        with open(self.outside(path), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.outside(path), mode)
        self.inside("chown", user + ":", path)

    def run(self, page, world, prelude="", folder="/srv/work"):
        """The page's commands, by a person who is root; what they wrote."""
        script = f"cd {folder}\n{prelude}\n{docsh.script(page, world)}"
        done = self.inside("env", "-u", "B", "HOME=/srv/work", "SUDO_EDITOR=/usr/local/sbin/edit-it",
                           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", script)
        assert done.returncode == 0, f"{page}, {world}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start_unit(self, name):
        service = unit(name)["Service"]
        user = service["User"]
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--inh-caps=-all"]
        umask = f"umask {service['UMask']}; exec "
        if "ExecStartPre" in service:
            pre = re.fullmatch(r"/bin/sh -c '(.*)'", service["ExecStartPre"]).group(1)
            done = self.inside(*as_user, "sh", "-c", pre)
            assert done.returncode == 0, done.stderr
        line = service["ExecStart"].replace("@PREFIX@", "/usr/local")
        return house.Process(["nsenter", "-m", "-t", str(self.holder.pid), "chroot", self.root,
                              *as_user, "sh", "-c", umask + line], os.path.join(self.folder, name + ".log"))

    def wait_ready(self):
        def ready():
            for name, it in self.services.running.items():
                assert it.running(), f"{name} ended:\n{it.text()}"
            return self.inside("curl", "-fs", f"http://127.0.0.1:{self.port}/readyz").returncode == 0
        house.wait(ready, 40 * house.PATIENCE, "the gateway is not ready", every=0.3)


class Installed(unittest.TestCase):
    """By the commands of the documentation, page after page."""
    longMessage = True

    @classmethod
    def setUpClass(cls):
        if os.getuid() != 0 or house.SANITIZED:
            raise unittest.SkipTest("needs root and a release build")
        for name in ("systemd-sysusers", "systemd-tmpfiles", "setpriv", "unshare", "nsenter", "sudo"):
            tool(name)
        cls.sshd = whole.Part("sshd")
        cls.addClassCleanup(cls.sshd.stop)
        folder = house.folder("i")
        cls.addClassCleanup(shutil.rmtree, folder, True)
        cls.port = house.free_port()
        cls.machine = m = Machine(folder, cls.port)
        cls.addClassCleanup(m.end)
        with open(os.path.join(house.BUILD, "version"), encoding="ascii") as f:
            version = f.read().strip()  # what is built is not built again
        m.write("/etc/sudoers.d/make", 'Defaults env_keep += "MAKEFLAGS"\n', 0o440)
        m.run("one-machine.md", "sources", f"export MAKEFLAGS='B={house.BUILD} VERSION={version} CC=gcc'", house.ROOT)
        m.write("/usr/local/sbin/systemctl", SYSTEMCTL, 0o755)
        m.write("/usr/local/sbin/edit-it", EDITOR, 0o755)
        m.write("/srv/work/answers", f"public-url = http://127.0.0.1:{cls.port}\ndev-link = yes\ndev-user = olga\n"
                "dev-roles = operator auditor\naddress-allow = 127.0.0.1\n")
        proxy = m.outside("/etc/guac/guac-proxy.conf")
        with open(proxy, encoding="utf-8") as f:
            text = re.sub(r"(?m)^listen = .*", f"listen = 127.0.0.1:{cls.port}", f.read())
        m.write("/etc/guac/guac-proxy.conf", re.sub(r"(?m)^(admin-listen = 127.0.0.1):.*",
                                                    rf"\g<1>:{house.free_port()}", text))
        m.write("/srv/work/user-mapping.xml", MAPPING)
        m.services = Services(m)
        cls.told = m.run("one-machine.md", "installed")
        cls.work()

    @classmethod
    def work(cls):
        """A connection as the page has it, a session, its recording."""
        m = cls.machine
        secret = "/etc/guac/connections/secrets/demo/shell"
        m.inside("mkdir", "-p", secret)
        for key, value in (("username", cls.sshd["SSHD_USER"]), ("password", cls.sshd["SSHD_PASSWORD"])):
            m.write(f"{secret}/{key}", value, 0o640)
        m.write("/etc/guac/connections/shell.yaml", f"""
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: shell, namespace: demo }}
spec:
  protocol: ssh
  hostname: 127.0.0.1
  port: {cls.sshd['SSHD_PORT']}
  audience: {{ keycloakRoles: [operator] }}
  hostKey: {{ keys: ["{cls.sshd['SSHD_HOSTKEY_ED25519']}"] }}
  credentials: {{ secretRef: {{ name: shell }} }}
""")
        m.inside("chgrp", "-R", "guac-authd", "/etc/guac/connections")
        g = whole.Gateway.__new__(whole.Gateway)
        g.port, g.url = cls.port, f"http://127.0.0.1:{cls.port}"
        link = m.inside("sudo", "-u", "guac-authd", "guac-authd", "link")
        assert link.returncode == 0, link.stderr
        status, answer, _ = g.request("GET", link.stdout.strip()[len(g.url):])
        assert status == 302, status
        cookie = g.cookies(answer)
        house.wait(lambda: g.get("/api/connections", cookie)[1]["connections"], why="the connection is listed")
        shared = house.folder("x")
        cls.addClassCleanup(shutil.rmtree, shared, True)
        os.chmod(shared, 0o777)
        shell = g.open(cookie)
        text = shell.effect(f"echo needle; echo typed > {shared}/seen", shared + "/seen")
        assert text == "typed\n", text
        shell.type("exit")
        assert shell.wait_closed()
        cls.session = shell.id
        cls.recording = house.wait(lambda: next((d for d, _, names in os.walk(m.outside("/var/lib/guac/recordings"))
                                                 if shell.id in d and "seal.dsse.json" in names), None),
                                   40 * house.PATIENCE, "no seal", every=0.3)

    def run_page(self, *page):
        return self.machine.run(*page, prelude=f"SESSION={self.session} GATEWAY=http://127.0.0.1:{self.port}")

    def test_1_one_machine(self):
        self.assertIn("nothing is wrong", self.told)
        # Each under its own uid, and nothing of it root's.
        programs = self.machine.services.running.values()
        uids = {os.stat(f"/proc/{it.pid}").st_uid for it in programs}
        self.assertEqual(len(uids), 5)
        self.assertNotIn(0, uids)
        for it in programs:
            self.assertNotIn("uid checks", it.text())
        self.assertIn("nothing is wrong", self.run_page("keycloak.md", "installed"))
        self.assertIn("/api/recordings/{id}/proof", self.run_page("api.md", "installed"))

    def test_2_evidence(self):
        told = self.run_page("evidence.md", "installed")
        for word in (self.session, "needle", "proved"):
            self.assertIn(word, told)
        place = self.machine.outside("/srv/work/recording")
        shutil.copytree(self.recording, place)
        shutil.copy(self.machine.outside("/srv/work/gateway.pub"), place + "/gateway.pem")
        told = self.machine.run("evidence.md", "recording", folder="/srv/work/recording")
        self.assertEqual(told.count("Signature Verified Successfully"), 2, told)
        with open(place + "/session.guac", "rb") as f:
            self.assertIn(b"4.sync,", f.read())
        self.assertRegex(self.run_page("controls.md", "installed"), r"\tdev:olga\tSuccess")

    def test_3_operations(self):
        with open(self.machine.outside("/var/lib/guac/authd/cookie"), encoding="ascii") as f:
            before = f.read()
        self.run_page("operations.md", "installed")
        with open(self.machine.outside("/var/lib/guac/authd/cookie"), encoding="ascii") as f:
            self.assertTrue(f.read().endswith(before))
        authd = self.machine.services.running["guac-authd"]
        house.wait(lambda: "authd/cookie again" in authd.text(), why=lambda: "the keys are read again\n" + authd.text())
        self.assertIn("nothing is wrong", self.run_page("upgrade.md", "installed"))

    def test_4_recovery(self):
        told = self.run_page("recovery.md", "installed")
        self.assertIn("nothing is wrong", told)
        self.assertIn("proved", told)

    def test_5_seaweedfs(self):
        weed = whole.Part("seaweedfs")
        self.addCleanup(weed.stop)
        m = self.machine
        with open(m.outside("/etc/guac/recorder.conf"), encoding="utf-8") as f:
            kept = "".join(line for line in f if not line.startswith("store ="))
        for who, name in (("admin", "/srv/work/admin"), ("writer", "/etc/guac/s3")):
            for key in ("access", "secret"):
                m.write(f"{name}.{key}", weed[f"S3_{who.upper()}_{key.upper()}_KEY"], 0o600,
                        "root" if who == "admin" else "guac-recorder")
        m.write("/etc/guac/recorder.conf", kept + f"store = s3:{weed['S3_ENDPOINT']}\nbuckets = {weed['S3_BUCKET']}\n"
                "access-key-file = /etc/guac/s3.access\nsecret-key-file = /etc/guac/s3.secret\n")
        told = m.run("seaweedfs.md", "seaweedfs")
        self.assertIn("nothing is wrong", told)

    def test_6_mtls_of_seaweedfs(self):
        """What was made by the page's commands really closes a SeaweedFS."""
        house.need_part("seaweedfs")
        m = self.machine
        m.inside("mkdir", "/srv/work/weed")
        m.run("seaweedfs.md", "weed", folder="/srv/work/weed")
        weed = whole.Part("seaweedfs", "--security", m.outside("/srv/work/weed"))
        self.addCleanup(weed.stop)
        ports = {"8333": weed["S3_ENDPOINT"], "8888": weed["SEAWEEDFS_FILER"]}
        text = docsh.script("seaweedfs.md", "weed-up")
        for port, place in ports.items():
            text = text.replace("$STORE:" + port, "127.0.0.1:" + place.rpartition(":")[2])
        grpc = int(weed["SEAWEEDFS_FILER"].rpartition(":")[2]) + 10000
        text = text.replace("$STORE:18888", f"127.0.0.1:{grpc}")
        self.assertNotIn("$STORE", text)
        done = subprocess.run(["sh", "-c", f"cd {m.outside('/srv/work/weed')}\n{text}"], text=True, capture_output=True,
                              check=False, timeout=120)
        told = done.stdout.splitlines()
        self.assertEqual(told[1:3], ["403", "401"], done.stdout + done.stderr)
        self.assertIn("alert certificate required", told[3])


if __name__ == "__main__":
    unittest.main()
