"""kubectl exec and attach against a real API server and node: the terminal as people use it, how it
ends, what is refused and how, and which pod is taken."""
import json
import time
import unittest

import house
from house import PATIENCE, wait
from kubefront import OldFront, Proxy
from kubeshell import (BAD_REQUEST, CLOSED, ERROR, FORBIDDEN, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE,
                       KubeCase, container)
from shellkit import CTRL, SHIFT


class Terminal(KubeCase):
    def test_exec(self):
        c = self.shell()
        c.run("echo $((6*7))", "\n42")
        c.run("hostname; tty", "/dev/pts/")
        self.assertIn("default/shell/main", json.dumps(c.states()))

    def test_size(self):
        c = self.shell(size=(800, 480, 96))
        c.run("stty size", "25 79")
        c.send("size", 1000, 700)
        c.run("sleep 0.2; stty size", "36 99")

    def test_words(self):
        c = self.connect(exec_command="sh -c 'echo \"one  two\"; echo $0 $1; exit 4' a\\ b \"c d\"")
        c.see("one  two")
        c.see("a b c d")
        c.see("The command ended with status 4.")
        self.assertIsNone(c.ended())
        self.refused(BAD_REQUEST, "exec-command", exec_command="sh -c 'echo")

    def test_exit_status(self):
        for code, said in ((0, "The command ended."), (7, "The command ended with status 7."),
                           (255, "The command ended with status 255.")):
            c = self.shell()
            c.type(f"exit {code}\n")
            c.see(said)
            self.assertIsNone(c.ended())

    def test_signal(self):
        c = self.shell()
        c.type("kill -9 $$\n")
        c.see("The command was ended by signal 9")
        self.assertIsNone(c.ended())

    def test_attach(self):
        c = self.connect(container="tty", exec_command=None)
        c.type("\n")
        c.see("/ #", 20)
        c.run("stty size; echo at-$((40+2))", "at-42")
        self.assertIn("25 79", c.text())

    def test_attach_without_terminal(self):
        c = self.connect(container="talker", exec_command=None)
        c.see("This process takes no input")
        c.see("talking\ntalking")           # in its column: no staircase
        c = self.connect(container="lines", exec_command=None)
        c.see("This process has no terminal")
        c.type("over and back\n")
        c.see("over and back")

    def test_end_of_input(self):
        """Ctrl-D where no terminal is: the program reads the end, and says what it has counted."""
        k = self.kube
        k.start_pods(k.pod("once", container("main", k["IMAGE"], ["sh", "-c", "cat; echo over; exit 5"],
                                             stdin=True, stdinOnce=True), restartPolicy="Never"))
        c = self.connect(pod="once", exec_command=None)
        c.see("This process has no terminal")
        c.type("one line\n")
        c.see("one line")
        c.chord(CTRL, ord("d"))
        c.see("over", 20)
        self.assertIsNone(c.ended(20))

    def test_unicode(self):
        c = self.shell()
        c.run("printf 'gr\\303\\274\\303\\237 \\346\\227\\245\\n'", "gr\u00fc\u00df \u65e5")

    def test_copy_and_paste(self):
        c = self.shell()
        c.run("printf '\\033]52;c;%s\\007' $(printf osc52 | base64)", "")
        c.pump(lambda: c.clipboard == ("text/plain", b"osc52"), 10 * PATIENCE, f"{c.clipboard}")
        c.stream("clipboard", "text/plain", data=b"echo pas''ted")
        c.chord(CTRL, SHIFT, ord("V"))
        c.type("\n")
        c.see("\npasted")

    def test_large_paste(self):
        self.check_large_paste("/tmp")

    def test_flood(self):
        """100 MB of output: all of it, and a terminal that goes on afterwards."""
        c = self.shell()
        began = time.monotonic()
        c.run("head -c 75000000 /dev/urandom | base64 | tee /dev/tty | wc -c; echo e''nd", "\nend", 240)
        took = time.monotonic() - began
        self.assertIn("101315790", c.text())
        print(f"      100 MB of output: {took:.1f} s, {101.3 / took:.1f} MB/s")

    def test_interrupt(self):
        c = self.shell()
        took = []
        for _ in range(3):
            c.type("yes 'a line that is printed for ever and ever'\n")
            c.pump(timeout=0.7)
            c.chord(CTRL, ord("c"))
            began = time.monotonic()
            c.pump(lambda: c.screen()[-1].endswith("#"), 20 * PATIENCE, "no prompt")
            took.append(time.monotonic() - began)
            c.pump(timeout=0.3)
        print(f"      Ctrl-C to prompt: {sorted(round(t * 1000) for t in took)} ms")

    def test_late_viewer(self):
        self.check_late_viewer("ls -la /bin | head -30")

    def test_pause(self):
        self.check_pause()

    def test_browser_goes(self):
        c = self.shell()
        c.reset()
        wait(lambda: not self.guacd.sessions(), 5 * PATIENCE, "the session goes on")


class Ways(KubeCase):
    """What may stand between us and the API server."""

    def test_proxy(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        c = self.shell(proxy_hostname="127.0.0.1", proxy_port=proxy.port)
        c.run("echo $((6*7))", "\n42")
        self.assertEqual(set(proxy.asked), {f"CONNECT 127.0.0.1:{self.kube['PORT']} HTTP/1.1"})

    def test_v4(self):
        front = OldFront(self.kube["HOST"], self.kube["PORT"], self.kube["CA"], self.one)
        self.addCleanup(front.close)
        old = dict(hostname="127.0.0.1", port=front.port, use_ssl="false", token=None, ca_cert=None)
        c = self.shell(**old)
        c.run("stty size", "25 79")
        c.type("exit 7\n")
        c.see("The command ended with status 7.")
        self.assertIsNone(c.ended())
        with open(self.guacd.log, encoding="utf-8") as f:
            self.assertIn("by v4.channel.k8s.io", f.read())
        c = self.connect(container="lines", exec_command=None, **old)
        c.see("This process has no terminal")
        c.chord(CTRL, ord("d"))
        c.see("too old to be told the end of the input")
        c.type("goes on\n")
        c.see("goes on")


class Refusals(KubeCase):
    def test_tokens(self):
        self.refused(UNAUTHORIZED, "token or certificate", token="nonsense")
        self.refused(UNAUTHORIZED, "token or certificate", token=self.one[:-3] + "AAA")
        self.refused(FORBIDDEN, "system:anonymous", token=None)
        text = self.refused(BAD_REQUEST, "use-ssl", use_ssl="false")
        self.assertNotIn(self.one, text)

    def test_rights(self):
        """The sentence names verb and resource, and who it was."""
        text = self.refused(FORBIDDEN, "pods/exec", token=self.kube.token("stranger"))
        self.assertIn("system:serviceaccount:default:stranger", text)
        self.assertRegex(text, "cannot (get|create) resource")

    def test_names_without_rights_to_look(self):
        """exec alone is enough, if the names are known; containers are asked for all the same."""
        self.kube.grant("blind", "blind", (["get", "create"], ["pods/exec"]))
        token = self.kube.token("blind")
        self.shell(token=token).run("echo $((6*7))", "\n42")
        c = self.connect(token=token, container=None)
        self.asked(c, "container", "main", "main tty lines talker")
        c.see("/ #", 20)
        self.refused(FORBIDDEN, "cannot list resource", token=token, pod=None, pod_selector="a=b")

    def test_no_such_thing(self):
        self.refused(NOT_FOUND, 'pods "gone" not found', pod="gone")
        self.refused(NOT_FOUND, "it has main, tty, lines, talker", container="gone")
        self.refused(FORBIDDEN, "nowhere", namespace="nowhere")
        self.refused(BAD_REQUEST, "no pod is named", pod=None)
        self.refused(NOT_FOUND, "longer", pod="x" * 300)

    def test_no_such_command(self):
        self.refused(NOT_FOUND, "has no program nosuch", exec_command="nosuch --flag")
        self.refused(NOT_FOUND, "without a shell", pod="bare")

    def test_which_container(self):
        c = self.connect(container=None)
        self.asked(c, "container", "nope", "main, tty, lines, talker")
        self.asked(c, "container", "main", "no container nope")
        c.see("/ #", 20)
        c = self.connect(pod="bare", container=None, exec_command="/app/sleep 1")   # the only one
        c.see("The command ended.")

    def test_default_container(self):
        k = self.kube
        k.start_pods(k.pod("named", k.sleeper("first"), k.sleeper("second"),
                           annotations={"kubectl.kubernetes.io/default-container": "second"}))
        c = self.shell(pod="named", container=None)
        self.assertIn("default/named/second", json.dumps(c.states()))

    def test_certificates(self):
        self.refused(ERROR, "not trusted", ca_cert=None)
        self.refused(BAD_REQUEST, "ca-cert", ca_cert="nothing")
        self.shell(ca_cert=None, ignore_cert="true").close()
        self.refused(ERROR, "use-ssl", use_ssl="false", token=None)   # HTTP to an HTTPS server
        cert = self.kube.verb("cert", "anna").strip()
        self.kube.grant("anna", "anna", (["get", "create"], ["pods/exec"]), (["get"], ["pods"]),
                        subject={"kind": "User", "name": "anna",
                                 "apiGroup": "rbac.authorization.k8s.io"})
        with open(cert) as c, open(cert[:-3] + "key") as k:
            cert, key = c.read(), k.read()
        self.shell(token=None, client_cert=cert, client_key=key).run("echo $((6*7))", "\n42")
        self.refused(BAD_REQUEST, "client-key", token=None, client_cert=cert, client_key="nothing")
        entry = self.kube.audit(user__username="anna", objectRef__subresource="exec")
        self.assertTrue(entry)

    def test_impersonation(self):
        k = self.kube
        k.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                 "metadata": {"name": "impersonator"},
                 "rules": [{"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]},
                           {"apiGroups": ["authentication.k8s.io"], "verbs": ["impersonate"],
                            "resources": ["uids", "userextras/guacamole-session"]}]},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                 "metadata": {"name": "impersonator"},
                 "subjects": [{"kind": "ServiceAccount", "name": "gateway", "namespace": "default"}],
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                             "name": "impersonator"}})
        k.grant("ops", "ops", (["get", "create"], ["pods/exec"]), (["get"], ["pods"]),
                subject={"kind": "Group", "name": "oidc:ops", "apiGroup": "rbac.authorization.k8s.io"})
        token = k.token("gateway")
        who = dict(token=token, impersonate_user="oidc:olga", impersonate_uid="u-1",
                   impersonate_groups="oidc:ops,oidc:dev", impersonate_extra="guacamole-session=s-1")
        self.shell(**who).run("echo $((6*7))", "\n42")
        entry = k.audit(impersonatedUser__username="oidc:olga", objectRef__subresource="exec")[-1]
        self.assertEqual(entry["user"]["username"], "system:serviceaccount:default:gateway")
        it = entry["impersonatedUser"]
        self.assertEqual((it["uid"], it["extra"]), ("u-1", {"guacamole-session": ["s-1"]}))
        self.assertEqual(set(it["groups"]) - {"system:authenticated"}, {"oidc:ops", "oidc:dev"})
        who["impersonate_groups"] = "oidc:dev"
        self.refused(FORBIDDEN, 'User "oidc:olga" cannot', **who)
        self.refused(BAD_REQUEST, "impersonate-user", token=token, impersonate_groups="oidc:ops")

    def test_nobody_there(self):
        self.refused(UNAVAILABLE, port=str(house.free_port()))


class Choice(KubeCase):
    def test_by_labels_and_owner(self):
        k = self.kube
        k.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
                 "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}},
                          "template": k.template(k.sleeper(), labels={"app": "shop"})}},
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "store"},
                 "spec": {"replicas": 1, "serviceName": "store",
                          "selector": {"matchExpressions": [
                              {"key": "app", "operator": "In", "values": ["store", "other"]}]},
                          "template": k.template(k.sleeper(), labels={"app": "store"})}})
        k.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
        k.kubectl("rollout", "status", "statefulset/store", "--timeout=60s")
        none = dict(pod=None, container=None)
        c = self.shell(pod_selector="app=shop", **none)
        self.assertIn("default/shop-", json.dumps(c.states()))
        c = self.shell(deployment="shop", **none)
        self.assertIn("default/shop-", json.dumps(c.states()))
        c = self.shell(statefulset="store", **none)
        self.assertIn("default/store-0/main", json.dumps(c.states()))
        pod = k.kubectl("get", "pod", "-l", "app=shop", "-o", "name").split()[0].partition("/")[2]
        self.shell(pod=pod, container=None, deployment="shop").close()
        self.refused(FORBIDDEN, "no ready one of Deployment shop", pod="store-0", container=None,
                     deployment="shop")
        self.refused(FORBIDDEN, "no ready one of app=store", pod=pod, container=None,
                     pod_selector="app=store")
        self.refused(UNAVAILABLE, "there is none", pod_selector="app=nothing", **none)
        self.refused(NOT_FOUND, "cannot do that", pod_selector="app in (", **none)
        self.refused(NOT_FOUND, "nothing", deployment="nothing", **none)
        k.apply(k.pod("sick", k.sleeper(readinessProbe={"exec": {"command": ["false"]}}),
                      labels={"app": "sick"}))
        wait(lambda: "Running" in k.kubectl("get", "pod", "sick"), 30 * PATIENCE, "sick is not there")
        self.refused(UNAVAILABLE, "sick: not ready", pod_selector="app=sick", **none)


class Ends(KubeCase):
    def test_pod_deleted(self):
        k = self.kube
        k.start_pods(k.pod("doomed", k.sleeper()))
        c = self.shell(pod="doomed", container=None)
        k.kubectl("delete", "pod", "doomed", "--wait=false")
        c.pump(lambda: "Pod doomed" in c.text() or c.closed, 30 * PATIENCE, c.text())
        self.assertRegex(c.text(), "Pod doomed (was deleted|is being deleted)")
        c.ended(20)

    def test_container_restarts(self):
        k = self.kube
        k.start_pods(k.pod("phoenix", dict(k.sleeper(), command=[
            "sh", "-c", "until [ -e /tmp/die ]; do sleep 0.1; done; exit 3"])))
        c = self.shell(pod="phoenix", container=None)
        c.type("touch /tmp/die\n")
        c.pump(lambda: "Container main" in c.text() or c.closed, 40 * PATIENCE, c.text())
        self.assertRegex(c.text(), "Container main (was restarted|ended)")
        c.ended(20)

    def test_api_server_restarts(self):
        c = self.shell()
        self.kube.verb("down")
        try:
            text, status = c.ended(20)
        finally:
            self.kube.verb("up")
        self.assertEqual(hex(status), hex(CLOSED), text)
        self.assertIn("API server", text)
        self.shell().run("echo $((6*7))", "\n42")

    def test_token_expires_meanwhile(self):
        """A session goes on when its token is gone; a new one needs a new token."""
        k = self.kube
        k.grant("fleeting", "fleeting", (["get", "create"], ["pods/exec"]), (["get"], ["pods"]))
        token = k.token("fleeting")
        c = self.shell(token=token)
        k.kubectl("delete", "serviceaccount", "fleeting")
        wait(lambda: "0x301" in self.status_of(token), 30 * PATIENCE, "the token lives on")
        c.run("echo $((6*7))", "\n42")
        self.shell(token=k.token("fleeting")).run("echo $((6*7))", "\n42")

    def status_of(self, token):
        c = self.connect(token=token)
        c.pump(lambda: c.error or "/ #" in c.text(), 20 * PATIENCE)
        c.close()
        return hex(c.error[1]) if c.error else "fine"


if __name__ == "__main__":
    unittest.main()
