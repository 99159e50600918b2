"""Rows about resources: kubectl apply until the page has it, and a list of 5 000 connections."""
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../it"))
from procs import cpu  # noqa: E402

COUNT, LISTS = 5000, 21


def row_list(work):
    """5 000 connections in a folder: until authd lists them, and one list for the page."""
    from test_auth_kit import Authd, Browser, connection
    folder = tempfile.mkdtemp(dir=work)
    os.makedirs(os.path.join(folder, "connections"))
    with open(os.path.join(folder, "connections", "all.yaml"), "w", encoding="utf-8") as f:
        f.write("---\n".join(connection(f"c{i}", spec=f"protocol: ssh\nhostname: h{i}")
                             for i in range(COUNT)))
    began = time.monotonic()
    authd = Authd(folder, dev_link="yes", dev_user="b", dev_roles="operator")
    try:
        loaded = time.monotonic() - began
        b = Browser(authd)
        b.use_link(authd.link())
        took, burnt = [], cpu(authd.pid)
        for _ in range(LISTS):
            began = time.monotonic()
            message = b.line.wait(b.send("GET", "/api/connections"))
            took.append(time.monotonic() - began)
            with open(message["fds"][0], "rb") as f:
                last = json.load(f)
        burnt = cpu(authd.pid) - burnt
        assert len(last["connections"]) == COUNT
        b.line.close()
        with open(f"/proc/{authd.pid}/status", encoding="utf-8") as f:
            rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        return {"list_5000_ms": sorted(took)[LISTS // 2] * 1000, "list_5000_least_ms": min(took) * 1000,
                "list_5000_cpu_ms": burnt / LISTS * 1000, "start_ms": loaded * 1000, "rss_mb": rss / 1024}
    finally:
        authd.stop()


def row_apply(cluster, work):
    """From kubectl's return, and from its start, until the page's list has it."""
    from kubepart import connection
    from test_auth_kit import Authd, Browser
    folder = tempfile.mkdtemp(dir=work)
    authd = Authd(folder, store="kubernetes", namespaces="relay", cluster_server=cluster["KUBE_SERVER"],
                  cluster_ca=cluster["KUBE_CA"], cluster_token=cluster.token, dev_link="yes",
                  dev_user="b", dev_roles="operator")
    try:
        b = Browser(authd)
        b.use_link(authd.link())
        whole, after = [], []
        for i in range(5):
            name = f"b{time.monotonic_ns()}"
            began = time.monotonic()
            cluster.apply(connection(name))
            returned = time.monotonic()
            while all(c["name"] != name for c in b.get("/api/connections").json["connections"]):
                assert time.monotonic() < returned + 30, i
            whole.append(time.monotonic() - began)
            after.append(time.monotonic() - returned)
        b.line.close()
        return {"apply_to_page_ms": sorted(whole)[2] * 1000, "after_kubectl_ms": sorted(after)[2] * 1000}
    finally:
        authd.stop()


def measure(wanted, run, show, result, work):
    rows = {}
    if wanted("list5000"):
        rows["list5000"] = run("list5000", row_list, work)
    if wanted("apply"):
        from kubepart import Cluster
        cluster = Cluster()
        try:
            rows["apply"] = run("apply", row_apply, cluster, work)
        finally:
            cluster.stop()
    if rows:
        result["resources"] = rows
        show("resources", rows)
