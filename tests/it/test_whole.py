"""The gateway as its users have it: sign in, work, come back, be recorded, be replayed; and what is
left when each of its programs, or the store, fails."""
import http.client
import json
import os
import shutil
import subprocess
import time
import unittest

import house
import whole


def evidence(gateway, *words):
    words = [house.program("guac-evidence"), *words, *gateway.store["evidence"]]
    return subprocess.run(words, text=True, capture_output=True, timeout=60, check=False)


def public_key(gateway):
    out = os.path.join(gateway.folder, "gateway.pub")
    subprocess.run(["openssl", "pkey", "-in", os.path.join(gateway.folder, "gateway.pem"),
                    "-pubout", "-out", out], check=True)
    return out


class Case(unittest.TestCase):
    longMessage = True

    def setUp(self):
        self.folder = house.folder("w")
        os.chmod(self.folder, 0o755)
        self.shared = house.folder("x") # where the target's user leaves effects
        os.chmod(self.shared, 0o777)
        self.addCleanup(shutil.rmtree, self.shared, True)
        if not os.environ.get("KEEP"):
            self.addCleanup(shutil.rmtree, self.folder, True)

    def gateway(self, **kw):
        g = whole.Gateway(self.folder, self.sshd, **kw)
        self.addCleanup(g.stop)
        return g

    def file(self, name):
        return os.path.join(self.shared, name)

    def sealed(self, g, cookie, session, state="closed"):
        def is_sealed():
            status, data = g.get("/api/recordings/" + session, cookie)
            return status == 200 and data.get("seal") and data
        data = house.wait(is_sealed, 30 * house.PATIENCE, "no seal of " + session, 0.3)
        self.assertIn(data["state"], state.split())
        return data

    def verify(self, g, session, code=0):
        r = evidence(g, "verify", "--key", public_key(g), session)
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return r.stdout


def setUpModule():
    Case.sshd = whole.Part("sshd")
    unittest.addModuleCleanup(Case.sshd.stop)


class Work(Case):
    def test_open_work_reload_end_replay(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        pid = t.effect(f"echo $$ > {self.file('pid')}", self.file("pid"))
        t.close() # as a reload does
        back = g.open(cookie, session=t.id)
        self.assertEqual(back.id, t.id)
        again = back.effect(f"echo $$ > {self.file('again')}", self.file("again"))
        self.assertEqual(again, pid, "another shell")
        back.effect(f"echo transcribed-text; seq 1 20000; touch {self.file('done')}", self.file("done"))
        back.type("exit")
        self.assertTrue(back.wait_closed())
        data = self.sealed(g, cookie, t.id)
        self.assertGreaterEqual(len(data["keyframes"]), 1)
        self.verify(g, t.id)
        self.assertIn("transcribed-text", evidence(g, "transcript", t.id).stdout)
        name = data["chunks"][0]["name"]
        status, r, body = g.request("GET", f"/api/recordings/{t.id}/objects/{name}", cookie)
        self.assertEqual((status, len(body)), (200, data["chunks"][0]["size"]))
        self.assertIn("attachment", r.getheader("content-disposition"))
        with open(os.path.join(self.folder, "audit.jsonl")) as f:
            names = [json.loads(line)["activity_name"] for line in f]
        for wanted in ("session-start", "session-resume", "session-end", "replay"):
            self.assertIn(wanted, names)

    def test_metrics_have_their_names(self):
        g = self.gateway()
        t = g.open(g.sign_in())
        status, text = g.get("/metrics", port=g.admin)
        text = text.decode()
        self.assertEqual(status, 200)
        self.assertRegex(text, r"(?m)^guacamole_active_sessions(\{.*\})? 1$")
        for name in ("guacamole_session_duration_seconds_bucket", "guacamole_recording_bytes_total",
                     "guacamole_auth_failures_total"):
            self.assertIn(name, text)
        self.assertEqual(g.get("/readyz", port=g.admin)[0], 200, g.get("/readyz", port=g.admin))
        self.assertEqual(g.get("/metrics")[0], 404, "public")
        t.close()

    def test_an_end_stalls_no_other_connection(self):
        """What is accepted between a session's end and its tunnel's may get the descriptor's number."""
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        t.type("exit")
        self.assertTrue(t.wait_closed())
        others = [http.client.HTTPConnection("127.0.0.1", g.port, timeout=60) for _ in range(8)]

        def served(c):
            c.request("GET", "/healthz")
            answer = c.getresponse()
            answer.read()
            return answer.status
        self.assertEqual([served(c) for c in others], [200] * 8)
        t.sock.close()
        house.wait(lambda: b"\nguacamole_proxy_tunnels 0\n" in g.get("/metrics", port=g.admin)[1], 20,
                   "its tunnel goes")
        self.assertEqual([served(c) for c in others], [200] * 8)
        for c in others:
            c.close()

    def test_who_may_not(self):
        g = self.gateway()
        g.connection("other", roles="somebody-else")
        g._write("connections/broken.yaml", """
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: { name: broken, namespace: demo }
spec: { protocol: gopher, port: 70000 }
""")
        cookie = g.sign_in()
        for path in ("/api/me", "/api/connections", "/api/recordings"):
            self.assertEqual(g.get(path)[0], 401, path)
            self.assertEqual(g.get(path, "guac=AAAA")[0], 401, path)

        def both():
            found = {c["name"]: c for c in g.get("/api/connections", cookie)[1]["connections"]}
            return found if len(found) == 3 else None
        found = house.wait(both, 5, "the folder is not live")
        self.assertFalse(found["other"]["allowed"])
        self.assertIn(found["other"]["rule"], ("audience", "auditor-replay-only"), found["other"])
        self.assertGreaterEqual(len(found["broken"]["errors"]), 2, found["broken"])
        for query, status in (("connection=demo/other", b"771"), ("connection=demo/broken", b"[57]"),
                              ("connection=demo/none", b"516")):
            t = whole.Tunnel(g.port, query, cookie)
            while not t.closed:
                t.step(0.2)
            self.assertRegex(t.text, rb"5\.error,.*\.%s" % status, query)
        t = whole.Tunnel(g.port, "connection=demo/shell", "")
        while not t.closed:
            t.step(0.2)
        self.assertIn(b"3.769", t.text, "no cookie")
        try:
            t = whole.Tunnel(g.port, "connection=demo/shell", cookie, origin="https://evil.example")
            while not t.closed:
                t.step(0.2)
            self.assertIn(b"5.error", t.text)
        except RuntimeError:
            pass # refused before the upgrade
        status, _, _ = g.request("POST", "/auth/logout", cookie, {"Origin": g.url}, b"{}")
        self.assertEqual(status, 403, "no CSRF token")

    def test_paste_of_6_mb_arrives_whole(self):
        g = self.gateway()
        t = g.open(g.sign_in())
        line = "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"
        text = line * (6_000_000 // len(line))
        t.effect(f"stty -echo; touch {self.file('go')}", self.file("go"))
        t.type(f"head -c {len(text)} | sha256sum > {self.file('sum')}; stty echo")
        time.sleep(0.5)
        import base64
        import hashlib
        t.send("9.clipboard,1.0,10.text/plain;")
        for at in range(0, len(text), 6048):
            blob = base64.b64encode(text[at:at + 6048].encode()).decode()
            t.send(f"4.blob,1.0,{len(blob)}.{blob};")
            t.step(0)
        t.send("3.end,1.0;")
        for key, pressed in ((65507, 1), (65505, 1), (0x56, 1), (0x56, 0), (65505, 0), (65507, 0)):
            t.send(f"3.key,{len(str(key))}.{key},1.{pressed};") # Ctrl+Shift+V
        want = hashlib.sha256(text.encode()).hexdigest()

        def arrived():
            return os.path.exists(self.file("sum")) and os.path.getsize(self.file("sum")) > 64
        t.until(arrived, "the whole paste", 90)
        with open(self.file("sum")) as f:
            self.assertEqual(f.read().split()[0], want)


class Faults(Case):
    def test_programs_killed_and_back(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        pid = t.effect(f"echo $$ > {self.file('pid')}", self.file("pid"))
        for name in ("guacd", "authd", "proxy"):
            g.kill(name)
            g.start(name)
            if name == "proxy":
                self.assertTrue(t.wait_closed())
                t = g.open(cookie, session=t.id)
            got = t.effect(f"echo $$ > {self.file(name)}", self.file(name))
            self.assertEqual(got, pid, f"{name} took the session with it")
        t.close()
        t = g.open(cookie, session=t.id)
        self.assertEqual(t.effect(f"echo $$ > {self.file('z')}", self.file("z")), pid)
        fresh = g.open(cookie)
        self.assertNotEqual(fresh.id, t.id)
        for it in (t, fresh):
            it.type("exit")
            self.assertTrue(it.wait_closed())
            self.sealed(g, cookie, it.id)
            self.verify(g, it.id)

    def test_recorder_killed_and_back(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        t.effect(f"echo before; touch {self.file('a')}", self.file("a"))
        g.kill("recorder")
        time.sleep(1)
        g.start("recorder")
        t.effect(f"echo after; touch {self.file('b')}", self.file("b"))
        t.type("exit")
        self.assertTrue(t.wait_closed())
        self.sealed(g, cookie, t.id)
        self.verify(g, t.id)
        text = evidence(g, "transcript", t.id).stdout
        self.assertIn("before", text)
        self.assertIn("after", text)

    def test_recorder_away_for_good(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        t.effect(f"touch {self.file('a')}", self.file("a"))
        g.kill("recorder")
        self.assertTrue(t.wait_closed(40), "a session that is not recorded goes on")
        self.assertRegex(t.text, rb"5\.error,.*ecord")
        refused = whole.Tunnel(g.port, whole.QUERY.format("shell"), cookie)
        while not refused.closed:
            refused.step(0.2)
        self.assertIn(b"5.error", refused.text)

    def test_session_process_killed(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        pids = [p for p, _ in house.children(g.programs["guacd"].pid)]
        self.assertEqual(len(pids), 1)
        began = time.monotonic()
        os.kill(pids[0], 9)
        self.assertTrue(t.wait_closed())
        self.assertLess(time.monotonic() - began, house.SOON_S)
        self.assertIn(b"5.error", t.text)
        self.sealed(g, cookie, t.id, "interrupted")
        self.verify(g, t.id)

    def test_any_flipped_byte_is_found(self):
        g = self.gateway()
        cookie = g.sign_in()
        t = g.open(cookie)
        t.effect(f"seq 1 3000; touch {self.file('a')}", self.file("a"))
        t.type("exit")
        self.assertTrue(t.wait_closed())
        self.sealed(g, cookie, t.id)
        self.verify(g, t.id)
        top = next(os.path.join(d, n) for d, names, _ in os.walk(g.folder + "/recordings")
                   for n in names if n == t.id)
        key = public_key(g)
        names = [n for n in sorted(os.listdir(top)) if not n.startswith(".")]
        self.assertGreater(len(names), 4)
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as f:
                good = f.read()
            for at in {0, 5, 40, len(good) // 2, len(good) - 1}:
                bad = bytearray(good)
                bad[at] ^= 1
                os.chmod(path, 0o600)
                with open(path, "wb") as f:
                    f.write(bad)
                r = evidence(g, "verify", "--key", key, t.id)
                self.assertEqual(r.returncode, 1, f"{name} byte {at}: {r.stdout}{r.stderr}")
            with open(path, "wb") as f:
                f.write(good)
        self.verify(g, t.id)
        r = evidence(g, "verify", t.id)
        self.assertEqual(r.returncode, 3, "no anchor: " + r.stdout)


class RealParts(Case):
    """The same by configuration alone: Keycloak signs in, SeaweedFS keeps."""

    @classmethod
    def setUpClass(cls):
        cls.keycloak = whole.Part("keycloak")
        cls.addClassCleanup(cls.keycloak.stop)
        cls.s3 = whole.Part("seaweedfs", "--buckets", "recordings")
        cls.addClassCleanup(cls.s3.stop)
        # As an operator does it, with an admin's key; twice, since it is idempotent.
        probe = whole.Gateway.__new__(whole.Gateway)
        probe.folder, probe.s3 = house.folder("b"), cls.s3
        for _ in range(2):
            subprocess.run([house.program("guac-recorder"), "bucket", *probe._store()["admin"],
                            "--secret-file", probe._write("x", "y" * 44)], check=True,
                           stderr=subprocess.PIPE, timeout=60)
        shutil.rmtree(probe.folder, True)

    def test_keycloak_and_seaweedfs(self):
        g = self.gateway(keycloak=self.keycloak, seaweedfs=self.s3)
        g.connection("shell", roles="prod-operator")
        cookie = g.sign_in("olga")
        me = g.get("/api/me", cookie)[1]
        self.assertTrue(me["canOperate"])
        self.assertFalse(me["canAudit"])
        t = g.open(cookie)
        t.effect(f"echo kept-in-seaweedfs; seq 1 5000; touch {self.file('a')}", self.file("a"))
        t.type("exit")
        self.assertTrue(t.wait_closed())
        self.assertEqual(g.get("/api/recordings", cookie)[0], 403, "an operator is no auditor")
        auditor = g.sign_in("aude")
        self.sealed(g, auditor, t.id)
        self.verify(g, t.id)
        self.assertIn("kept-in-seaweedfs", evidence(g, "transcript", t.id).stdout)
        refused = whole.Tunnel(g.port, whole.QUERY.format("shell"), auditor)
        while not refused.closed:
            refused.step(0.2)
        self.assertIn(b"3.771", refused.text, "an auditor opens no target")

    def test_store_hangs_then_is_back(self):
        g = self.gateway(seaweedfs=self.s3)
        cookie = g.sign_in()
        t = g.open(cookie)
        t.effect(f"echo one; touch {self.file('a')}", self.file("a"))
        self.s3.verb("hang")
        t.type("echo while-away")
        time.sleep(7)
        self.s3.verb("cont")
        for _ in range(15): # what is typed while the session is paused is for nobody
            try:
                t.effect(f"echo two; touch {self.file('b')}", self.file("b"), 2)
                break
            except AssertionError:
                self.assertFalse(t.closed, t.text[-200:])
        self.assertTrue(os.path.exists(self.file("b")), "the session stays paused")
        t.type("exit")
        self.assertTrue(t.wait_closed())
        self.sealed(g, cookie, t.id)
        self.verify(g, t.id)

    def test_store_hangs_for_good(self):
        g = self.gateway(seaweedfs=self.s3)
        cookie = g.sign_in()
        t = g.open(cookie)
        t.effect(f"echo acknowledged; touch {self.file('a')}", self.file("a"))
        time.sleep(4)
        self.s3.verb("hang")
        t.type("echo lost")
        try:
            self.assertTrue(t.wait_closed(40), "a session whose store hangs goes on")
            self.assertRegex(t.text, rb"5\.error,.*(tore|ecord)")
        finally:
            self.s3.verb("cont")
        # Who comes first after ten seconds: the session at its limit, or the recorder that can no
        # longer say that it lives.
        self.sealed(g, cookie, t.id, "closed interrupted")
        self.verify(g, t.id)
        self.assertIn("acknowledged", evidence(g, "transcript", t.id).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
