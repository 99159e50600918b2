"""Rows of a terminal in a pod: the rows of SSH's terminal, by exec through a real API server and node.
The work folder is mounted into the pod under its own name, so that what is done there is seen here."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../it"))


def parameters(k, work):
    mount = [{"name": "work", "mountPath": work}]
    pod = k.pod("bench", k.sleeper(volumeMounts=mount),
                volumes=[{"name": "work", "hostPath": {"path": work}}])
    k.start_pods(pod)
    token = k.token("bench")
    k.grant("bench", "bench", (["get", "create"], ["pods/exec"]), (["get"], ["pods"]))
    return {"hostname": k["HOST"], "port": k["PORT"], "use-ssl": "true", "ca-cert": k.file("CA"),
            "token": token, "pod": "bench", "exec-command": "sh"}


def measure(wanted, measure_row, show, result, command, daemon, work):
    from kubeshell import Cluster
    rows = {"kube_cat100": lambda d: command(d, f"cat {work}/100mb", f"{work}/done"),
            "kube_yes": lambda d: command(d, "yes | head -n 2000000", f"{work}/done"),
            "kube_echo": lambda d: d.load("echo", "200"),
            "kube_interrupt": lambda d: d.load("interrupt", "yes")}
    if not any(wanted(name) for name in rows):
        return
    k = Cluster()
    try:
        with open(os.path.join(work, "50mb"), "rb") as f, open(os.path.join(work, "100mb"), "wb") as out:
            text = f.read()
            out.write(text + text)
        d = daemon(parameters(k, work))
        for name, fn in rows.items():
            if wanted(name):
                result.setdefault("ours", {})[name] = measure_row(name, fn, d)
                show(name, {"ours": result["ours"][name]})
    finally:
        k.stop()
