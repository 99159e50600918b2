"""make bench: the rows of docs/benchmarks.md, each the median of RUNS runs."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import desktop
import evidence
import pods
import procs
import proxy
import resources
from gateway import Gateway

BUILD = sys.argv[1]
RUNS = int(os.environ.get("RUNS", "5"))
ONLY = os.environ.get("ROWS", "").split()
LOAD = os.path.join(BUILD, "guac-load")
FILE_BYTES = 300_000_000
TEXT = b"".join(b"%07d the quick brown fox jumps over the lazy dog 0123456789 abcdefghijklmnopqrstuvwxyz\n"
                % i for i in range(100000))


class Daemon:
    def __init__(self, name, where, pid, own=None, protocol="ssh"):
        self.name, self.where, self.pid = name, where, pid
        self.own, self.protocol = own, protocol   # a target other than the sshd
        self.extra = {}

    def argv(self, params, select=None):
        select = select or self.protocol
        pairs = dict(params, **(self.extra if params else {}))
        return [LOAD, self.where, f"select={select}"] + [f"{k}={v}" for k, v in pairs.items()]

    def load(self, *words, params=None, **kw):
        argv = self.argv((self.own or SSH) if params is None else params)
        out = subprocess.run(argv + ["--"] + [str(w) for w in words], stdout=subprocess.PIPE,
                             text=True, timeout=400, **kw)
        return json.loads(out.stdout.strip().splitlines()[-1]) if out.stdout.strip() else {}

    def hold(self, *words, params=None, select="ssh"):
        argv = self.argv(SSH if params is None else params, select)
        p = subprocess.Popen(argv + ["--"] + [str(w) for w in words], stdout=subprocess.PIPE,
                             text=True)
        first = p.stdout.readline().split()
        if first[:1] != ["ready"]:
            p.wait()
            raise RuntimeError(f"{self.name}: no session: {first}")
        return p, first[1] if len(first) > 1 else ""

    def cpu(self):
        return procs.cpu(self.pid)


def settled_cpu(daemon):
    """CPU once the last session is reaped."""
    time.sleep(0.4)
    return daemon.cpu()


def command(daemon, text, done):
    before = settled_cpu(daemon)
    r = daemon.load("run", f"{text}; touch {done}", done)
    r["cpu_s"] = settled_cpu(daemon) - before
    return r


# ---- rows: each returns {figure: value} of one run ----------------------------------------------

def row_cat50(d, work):
    return command(d, f"cat {work}/50mb", f"{work}/done")


def row_yes(d, work):
    return command(d, "yes | head -n 2000000", f"{work}/done")


def row_seq(d, work):
    return command(d, "seq 1 1000000", f"{work}/done")


def row_interrupt(d, work):
    return d.load("interrupt", "yes")


def row_echo(d, work):
    return d.load("echo", "200")


def row_first(d, work):
    r = d.load("first")
    began = time.monotonic()
    subprocess.run(["ssh", "-F", "none", "-p", SSH["port"], "-i", ENV["SSHD_KEY_ED25519"], "-o",
                    "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                    "LogLevel=ERROR", "-T", f"{SSH['username']}@127.0.0.1", "true"],
                   check=True, stdin=subprocess.DEVNULL)
    r["ssh_true_ms"] = (time.monotonic() - began) * 1000
    return r


def row_idle(d, work):
    before = procs.tree(d.pid)
    held = [d.hold("stall", 30)[0] for _ in range(20)]
    time.sleep(3)
    new = sorted(procs.tree(d.pid) - before)
    pss = sum(procs.pss_mb(p) for p in new) / 20
    count = sum(procs.threads(p) for p in new) / 20
    for p in held:
        p.kill()
        p.wait()
    time.sleep(1)
    return {"pss_mb": pss, "threads": count}


def flood_watchers(d, work, viewers, stalled):
    """A steady picture (a counter at 20 Hz), watched by others."""
    script = 'i=0; while :; do i=$((i+1)); printf "\\033[5;5H%08d" $i; sleep 0.05; done'
    owner = subprocess.Popen(d.argv(dict(SSH, command=f"bash -c '{script}'")) +
                             ["--", "watch", "14"], stdout=subprocess.PIPE, text=True)
    name = owner.stdout.readline().split()[1]
    if not name.startswith("$"):
        name = "$" + name
    others = [d.hold("watch", 9, params={}, select=name)[0] for _ in range(viewers)]
    still = [d.hold("stall", 12, params={}, select=name)[0] for _ in range(stalled)]
    before, began = d.cpu(), time.monotonic()
    time.sleep(6)
    cores = (d.cpu() - before) / (time.monotonic() - began)
    seen = [json.loads(p.communicate()[0].strip().splitlines()[-1]) for p in others]
    result = json.loads(owner.communicate()[0].strip().splitlines()[-1])
    for p in still:
        p.kill()
        p.wait()
    r = {"cores": cores, "owner_fps": result["fps"], "owner_gap_ms": result["longest_gap_ms"]}
    if seen:
        r["viewer_fps"] = min(s["fps"] for s in seen)
    return r


def row_viewers(d, work):
    alone = flood_watchers(d, work, 0, 0)
    ten = flood_watchers(d, work, 10, 0)
    return {"cores_alone": alone["cores"], "cores_ten": ten["cores"],
            "ratio": ten["cores"] / max(alone["cores"], 1e-9), "viewer_fps": ten["viewer_fps"]}


def row_stalled(d, work):
    return flood_watchers(d, work, 1, 1)


def row_selects(d, work):
    return d.load("selects", "200", params={})


def sftp(work, line):
    """The reference: OpenSSH's own client, the same sshd, cipher and file."""
    began, before = time.monotonic(), os.times()
    subprocess.run(["sftp", "-F", "none", "-P", SSH["port"], "-i", ENV["SSHD_KEY_ED25519"], "-o",
                    "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                    "LogLevel=ERROR", "-c", "aes128-gcm@openssh.com", "-q", "-b", "-",
                    f"{SSH['username']}@127.0.0.1"], input=line, text=True, check=True,
                   stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return FILE_BYTES / (time.monotonic() - began) / 1e6, cpu


def row_files(d, work):
    """One file down and up, and the same by sftp."""
    big, there, r = f"{work}/big", f"{work}/there", {}
    if not os.path.exists(big):
        with open(big, "wb") as f:
            for _ in range(FILE_BYTES // 1_000_000):
                f.write(os.urandom(1_000_000))
    params = dict(SSH, **{"enable-sftp": "true"})
    for way, words, line in (("get", ("get", big), f"get {big} {there}\n"),
                             ("put", ("put", there, FILE_BYTES, 256), f"put {big} {there}\n")):
        r[f"sftp_{way}_mb_per_s"], r[f"sftp_{way}_cpu_s"] = sftp(work, line)
        os.unlink(there)
        before = settled_cpu(d)
        r[f"{way}_mb_per_s"] = d.load(*words, params=params)["mb_per_s"]
        r[f"{way}_cpu_s"] = settled_cpu(d) - before
        if os.path.exists(there):
            os.unlink(there)
    return r


DAEMON_ROWS = {"cat50": row_cat50, "yes": row_yes, "seq": row_seq, "interrupt": row_interrupt,
               "echo": row_echo, "first": row_first, "idle": row_idle, "viewers": row_viewers,
               "stalled": row_stalled, "selects": row_selects, "files": row_files}


# ---- the gateway: proxy, recording, click to frame ----------------------------------------------

QUERY = "connection=demo/{}&width=1024&height=768&dpi=96&image=image/png&client=bench"


def settle(t, quiet=0.7, limit=20):
    end = time.monotonic() + limit
    while time.monotonic() < end and not t.closed:
        t.step(0.05)
        if t.frames and time.monotonic() - t.last_frame > quiet:
            return
    if t.closed:
        raise RuntimeError("the tunnel closed: " + t.text[-300:].decode(errors="replace"))


def row_click(g, work):
    began = time.monotonic()
    t = g.tunnel(QUERY.format("bench"))
    while not t.frames and not t.closed:
        t.step(1)
    r = {"click_to_frame_ms": (t.last_frame - began) * 1000}
    settle(t)
    samples = []
    for i in range(100):
        n, sent = t.frames, time.monotonic()
        t.key(ord("a") + i % 26)
        while t.frames == n and time.monotonic() - sent < 1:
            t.step(0.5)
        samples.append((t.last_frame - sent) * 1000)
        until = sent + 0.04
        while time.monotonic() < until:
            t.step(0.002)
        if i % 50 == 49:
            t.key(0xFF0D)
    t.close()
    samples.sort()
    r.update(key_p50_ms=samples[50], key_p95_ms=samples[95])
    return r


def row_recording(g, work):
    """The flood again, recorded: what the daemon and the recorder spend together."""
    pids = g.pids()
    t = g.tunnel(QUERY.format("bench"))
    settle(t)
    before = {n: procs.cpu(p) for n, p in pids.items()}
    got = t.bytes
    done = f"{work}/done"
    if os.path.exists(done):
        os.unlink(done)
    began = time.monotonic()
    t.type(f"cat {work}/50mb; touch {done}")
    while not os.path.exists(done) and not t.closed and time.monotonic() - began < 300:
        t.step(0.02)
    wall = time.monotonic() - began
    settle(t)
    spent = {n: procs.cpu(p) - before[n] for n, p in pids.items()}
    mb = (t.bytes - got) / 1e6
    t.close()
    time.sleep(1)
    return {"wall_s": wall, "guacd_cpu_s": spent["guacd"], "recorder_cpu_s": spent["guac-recorder"],
            "proxy_cpu_s": spent["guac-proxy"], "mb_shown": mb,
            "recorder_ms_per_mb": spent["guac-recorder"] * 1000 / max(mb, 0.1)}


GATEWAY_ROWS = {"click": row_click, "recording": row_recording}


# ---- running -------------------------------------------------------------------------------------

def medians(runs):
    keys = {k for r in runs for k in r}
    return {k: statistics.median(r[k] for r in runs if isinstance(r.get(k), (int, float)))
            for k in sorted(keys) if any(isinstance(r.get(k), (int, float)) for r in runs)}


def wanted(name):
    return not ONLY or name in ONLY


def show(title, rows):
    print(f"\n{title}")
    for name, figures in rows.items():
        words = "  ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}"
                          for k, v in figures.items())
        print(f"  {name:<10} {words}")


def measure(name, fn, *args):
    runs = []
    for _ in range(RUNS):
        try:
            runs.append(fn(*args))
        except (RuntimeError, subprocess.SubprocessError, ValueError, OSError) as e:
            print(f"  {name}: a run failed: {e}", file=sys.stderr)
    return medians(runs) if runs else {"failed": 1}


def part_env(folder):
    with open(os.path.join(folder, "env")) as f:
        out = subprocess.run(["sh", "-c", f". {folder}/env; set"], text=True, stdout=subprocess.PIPE)
        del f
    pairs = (line.split("=", 1) for line in out.stdout.splitlines() if "=" in line)
    return {k: v.strip("'") for k, v in pairs}


def start_guacd(work):
    port = procs.free_port()
    run = os.path.join(work, "run")
    os.makedirs(os.path.join(run, "s"), exist_ok=True)
    log = open(os.path.join(work, "guacd.log"), "w")
    p = subprocess.Popen([os.path.join(BUILD, "guacd"), "-f", "-b", "127.0.0.1", "-l", str(port),
                          "--run", run], stderr=log, stdout=log)
    for _ in range(100):
        if procs.listener(port):
            return Daemon("guacd", f"127.0.0.1:{port}", p.pid), p
        time.sleep(0.05)
    raise RuntimeError("guacd did not start; see " + log.name)


def main():
    global SSH, ENV
    work = tempfile.mkdtemp(prefix="gw", dir="/tmp")
    os.chmod(work, 0o777)
    with open(os.path.join(work, "50mb"), "wb") as f:
        while f.tell() < 50_000_000:
            f.write(TEXT[:50_000_000 - f.tell()])
    part = tempfile.mkdtemp(prefix="gs", dir="/tmp")
    subprocess.run(["tests/parts/sshd.sh", "start", part], check=True, stdout=subprocess.DEVNULL)
    result = {"machine": os.uname().release, "cores": os.cpu_count(), "runs": RUNS}
    ours = None
    try:
        ENV = part_env(part)
        SSH = {"hostname": "127.0.0.1", "port": ENV["SSHD_PORT"], "username": ENV["SSHD_USER"],
               "password": ENV["SSHD_PASSWORD"]}
        daemon, ours = start_guacd(work)
        daemon.extra = {"host-key": ENV["SSHD_HOSTKEY_ED25519"]}  # unknown keys would be asked about
        daemons = [daemon]
        peer = os.environ.get("PEER")
        if peer:
            pid = procs.listener(int(peer.rsplit(":", 1)[1]))
            if not pid:
                sys.exit(f"PEER={peer}: nobody listens there on this machine")
            daemons.append(Daemon("peer", peer, pid))
        for name, fn in DAEMON_ROWS.items():
            if wanted(name):
                for d in daemons: # side by side: row after row, not daemon after daemon
                    result.setdefault(d.name, {})[name] = measure(name, fn, d, work)
                show(name, {d.name: result[d.name][name] for d in daemons})
        plain = [Daemon(d.name, d.where, d.pid) for d in daemons]
        desktop.measure(plain, wanted, measure, show, result, BUILD)
        evidence.measure(wanted, measure, show, result, BUILD)
        proxy.measure_all(wanted, measure, show, result, BUILD, work)
        pods.measure(wanted, measure, show, result, command, lambda params: Daemon(
            "ours", daemons[0].where, daemons[0].pid, params, "kubernetes"), work)
        resources.measure(wanted, measure, show, result, work)
        if any(wanted(n) for n in GATEWAY_ROWS):
            run_gateway_rows(work, result)
    finally:
        if ours:
            ours.terminate()
        subprocess.run(["tests/parts/sshd.sh", "stop", part], stdout=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(part, ignore_errors=True)
    with open(os.path.join(BUILD, "bench.json"), "w") as f:
        json.dump(result, f, indent=1)
    print(f"\n{BUILD}/bench.json has them all")


def run_gateway_rows(work, result):
    folder = tempfile.mkdtemp(prefix="gg", dir="/tmp")
    connections = os.path.join(folder, "connections")
    os.makedirs(os.path.join(connections, "secrets", "demo", "bench"), mode=0o700)
    secret = os.path.join(connections, "secrets", "demo", "bench", "password")
    with open(secret, "w") as f:
        f.write(SSH["password"])
    os.chmod(secret, 0o600)
    with open(os.path.join(connections, "bench.yaml"), "w") as f:
        f.write(f"""apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: {{ name: bench, namespace: demo }}
spec:
  protocol: ssh
  hostname: 127.0.0.1
  port: {SSH['port']}
  audience: {{ keycloakRoles: [operator] }}
  recording: {{ enabled: true, bucket: recordings, retentionDays: 1 }}
  hostKey: {{ keys: ["{ENV['SSHD_HOSTKEY_ED25519']}"], unknown: refuse }}
  credentials: {{ username: {SSH['username']}, secretRef: {{ name: bench }} }}
""")
    g = Gateway(folder, procs.free_port(), BUILD)
    try:
        rows = {n: measure(n, fn, g, work) for n, fn in GATEWAY_ROWS.items() if wanted(n)}
        result["gateway"] = rows
        show("gateway", rows)
    finally:
        g.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
