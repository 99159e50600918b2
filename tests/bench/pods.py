"""Rows of a terminal in a pod: the rows of SSH's terminal, by exec through a real API server and node,
with kubectl beside. The work folder is mounted into the pod under its own name, so that what is done
there is seen here."""
import os
import pty
import sys
import threading
import time

import procs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../it"))

FILE_BYTES = 500_000_000


def parameters(k, work):
    mount = [{"name": "work", "mountPath": work}]
    pod = k.pod("bench", k.sleeper(volumeMounts=mount),
                volumes=[{"name": "work", "hostPath": {"path": work}}])
    k.start_pods(pod)
    token = k.token("bench")
    k.grant("bench", "bench", (["get", "create"], ["pods/exec"]), (["get"], ["pods"]))
    return {"hostname": k["HOST"], "port": k["PORT"], "use-ssl": "true", "ca-cert": k.file("CA"),
            "token": token, "pod": "bench", "exec-command": "sh", "enable-files": "true"}


def kubectl(k, *words):
    """In a terminal, whose output nobody draws: seconds, CPU seconds and peak memory of kubectl, and
    when its last byte came."""
    began = last = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(k["KUBECTL"], ["kubectl", "--kubeconfig", k["CONFIG"], *words])
    try:
        while os.read(terminal, 1 << 16):
            last = time.monotonic()
    except OSError: # the terminal's end
        pass
    os.close(terminal)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"kubectl {words[0]}: {status}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, last


class Peak(threading.Thread):
    """The most memory that any child of the daemon ever had, MB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.mb, self.over = pid, 0.0, False
        self.start()

    def run(self):
        while not self.over:
            for pid in procs.tree(self.pid) - {self.pid}:
                try:
                    with open(f"/proc/{pid}/status") as f:
                        line = next((x for x in f if x.startswith("VmHWM:")), "VmHWM: 0")
                    self.mb = max(self.mb, int(line.split()[1]) / 1024)
                except OSError:
                    pass
            time.sleep(0.2)


def row_cat(d, k, work, command):
    """kubectl's last byte comes as long after the shell is done as the API server and the node take."""
    done = f"{work}/done"
    r = command(d, f"cat {work}/100mb", done)
    os.unlink(done)
    found = []

    def watch():
        while not os.path.exists(done):
            time.sleep(0.002)
        found.append(time.monotonic())
    threading.Thread(target=watch, daemon=True).start()
    line = f"cat {work}/100mb; touch {done}"
    r["kubectl_s"], r["kubectl_cpu_s"], _, last = kubectl(k, "exec", "-it", "bench", "--", "sh", "-c", line)
    r["kubectl_behind_ms"] = (last - found[0]) * 1000
    os.unlink(done)
    return r


def row_yes(d, k, work, command):
    line = "yes | head -n 2000000"
    r = command(d, line, f"{work}/done")
    r["kubectl_s"], r["kubectl_cpu_s"], _, _ = kubectl(k, "exec", "-it", "bench", "--", "sh", "-c", line)
    return r


def row_files(d, k, work):
    """One file down and up, and the same by kubectl cp."""
    big, there, r = f"{work}/big", f"{work}/there", {}
    if not os.path.exists(big):
        with open(big, "wb") as f:
            for _ in range(FILE_BYTES // 1_000_000):
                f.write(os.urandom(1_000_000))
    for way, words, cp in (("get", ("get", big), (f"bench:{big}", there)),
                           ("put", ("put", there, FILE_BYTES, 256), (big, f"bench:{there}"))):
        s, r[f"kubectl_{way}_cpu_s"], r[f"kubectl_{way}_mb"], _ = kubectl(k, "cp", "--retries=0", *cp)
        r[f"kubectl_{way}_mb_per_s"] = FILE_BYTES / s / 1e6
        before, peak = d.cpu(), Peak(d.pid)
        r[f"{way}_mb_per_s"] = d.load(*words)["mb_per_s"]
        peak.over = True
        time.sleep(0.5)
        r[f"{way}_cpu_s"], r[f"{way}_mb"] = d.cpu() - before, peak.mb
        if os.path.exists(there):
            os.unlink(there)
    return r


def measure(wanted, measure_row, show, result, command, daemon, work):
    from kubeshell import Cluster
    rows = {"kube_cat100": lambda d: row_cat(d, k, work, command),
            "kube_yes": lambda d: row_yes(d, k, work, command),
            "kube_echo": lambda d: d.load("echo", "200"),
            "kube_interrupt": lambda d: d.load("interrupt", "yes"),
            "kube_files": lambda d: row_files(d, k, work)}
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
