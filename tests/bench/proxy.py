"""Rows of the proxy alone: authd's socket is played by a process of ours that hands out sessions which
only send, so that what is measured is the relay and nothing else."""
import json
import multiprocessing
import os
import resource
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import procs
from gateway import Tunnel

SESSION = "0193c9a0-0000-7000-8000-000000000000"
BLOB = b"4.blob,1.1,8064." + b"A" * 8064 + b";"
MIXED = b"4.rect,1.0,3.100,3.200,2.10,2.20;5.cfill,2.14,1.0,2.10,2.20,2.30,3.255;4.sync,9.123456789,1.1;"
PIECES = {"blob": BLOB * 130, "mixed": MIXED * 10000}
IDLE = 5000      # tunnels of the memory row
FRAMES = 600     # of the jitter row, at 60 Hz: ten seconds
FRAME = 3 * (b"4.blob,1.1,6000." + b"A" * 6000 + b";")


# ---- the far side, a process of its own -----------------------------------------------------------

def flood(sock, piece):
    try:
        while True:
            sock.sendall(piece)
    except OSError:
        sock.close()


def stamp():
    """A frame that tells when it was sent, in nanoseconds of the monotonic clock."""
    now = str(time.monotonic_ns()).encode()
    return FRAME + b"4.sync,%d.%s,1.1;" % (len(now), now)


def tick(sock, other=None):
    if other:
        other.close()  # inherited: its end would never be seen
    try:
        began = time.monotonic()
        for n in range(FRAMES):
            time.sleep(max(0, began + n / 60 - time.monotonic()))
            sock.sendall(stamp())
        sock.recv(1)
    except OSError:
        pass
    sock.close()


def serve(listener):
    """A session a request; what it sends is named by `kind` in the browser's query."""
    raise_files()
    idle = []
    c = listener.accept()[0]
    while True:
        data = c.recv(200000)
        if not data:
            return
        rq = json.loads(data)
        ours, theirs = socket.socketpair()
        answer = {"rid": rq["rid"], "ok": True, "id": SESSION}
        socket.send_fds(c, [json.dumps(answer).encode()], [theirs.fileno()])
        theirs.close()
        query = rq.get("query", "")
        kind = next((k for k in PIECES if f"kind={k}" in query), None)
        if kind:
            threading.Thread(target=flood, args=(ours, PIECES[kind]), daemon=True).start()
        elif "kind=tick" in query:
            threading.Thread(target=tick, args=(ours,), daemon=True).start()
        else:
            idle.append(ours)


def raise_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---- the proxy -------------------------------------------------------------------------------------

class Proxy:
    def __init__(self, build, work, tls):
        self.run = tempfile.mkdtemp(prefix="gb")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(os.path.join(self.run, "authd.sock"))
        listener.listen()
        self.source = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
        self.source.start()
        listener.close()
        self.port, self.tls = procs.free_port(), None
        more = []
        if tls:
            cert, key = (os.path.join(work, f"proxy.{x}") for x in ("crt", "key"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                            "-nodes", "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", cert],
                           check=True, stderr=subprocess.DEVNULL)
            more = ["--tls-cert", cert, "--tls-key", key]
            self.tls = ssl.create_default_context(cafile=cert)
            self.tls.check_hostname = False
        self.log = open(os.path.join(work, "proxy.log"), "a")
        self.process = subprocess.Popen(
            [os.path.join(build, "guac-proxy"), "--run", self.run, "--web", os.path.join(build, "web"), "--listen",
             f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{procs.free_port()}", *more], stderr=self.log)
        self.pid = self.process.pid
        for _ in range(100):
            if procs.listener(self.port):
                return
            time.sleep(0.05)
        raise RuntimeError("guac-proxy did not start; see " + self.log.name)

    def tunnel(self, query):
        return Tunnel(self.port, query, "", tls=self.tls)

    def anonymous_kb(self):
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.source.terminate()
        self.source.join()
        self.log.close()
        shutil.rmtree(self.run, ignore_errors=True)


# ---- rows ------------------------------------------------------------------------------------------

def flooded(proxy, kind, seconds=3.0):
    t = proxy.tunnel(f"kind={kind}&client=bench")
    view = bytearray(1 << 20)
    total, before, began = 0, procs.cpu(proxy.pid), time.monotonic()
    while time.monotonic() - began < seconds:
        total += t.sock.recv_into(view)
    wall = time.monotonic() - began
    spent = procs.cpu(proxy.pid) - before
    t.close()
    return {f"{kind}_mb_per_s": total / wall / 1e6, f"{kind}_cpu_s_per_gb": spent / (total / 1e9)}


def delays(sock, first):
    """Milliseconds from a frame's sending to its reading here, sorted."""
    raw, out, pad = first, [], b"4.sync,"
    sock.settimeout(30)
    while len(out) < FRAMES:
        at = raw.find(pad)
        end = raw.find(b",1.1;", at)
        if at >= 0 and end >= 0:
            out.append((time.monotonic_ns() - int(raw[at + len(pad):end].split(b".")[1])) / 1e6)
            raw = raw[end + 5:]
            continue
        piece = sock.recv(1 << 20)
        if not piece:
            raise RuntimeError("the stream of frames ended early")
        raw += piece
    return sorted(out[10:])


def direct_delays():
    """The same source and the same reader with nothing between them: what the machine itself adds."""
    a, b = socket.socketpair()
    source = multiprocessing.get_context("fork").Process(target=tick, args=(b, a), daemon=True)
    source.start()
    b.close()
    out = delays(a, b"")
    a.close()
    source.join()
    return out


def jitter(proxy):
    def at(d, p):
        return d[min(len(d) - 1, int(len(d) * p))]
    direct = direct_delays()
    t = proxy.tunnel("kind=tick&client=bench")
    relayed = delays(t.sock, t.raw)
    t.close()
    return {"frame_p50_ms": at(relayed, 0.5), "frame_p99_ms": at(relayed, 0.99),
            "added_p99_ms": at(relayed, 0.99) - at(direct, 0.99), "direct_p99_ms": at(direct, 0.99)}


def idle(proxy):
    raise_files()
    warm = [proxy.tunnel("client=bench") for _ in range(20)]
    time.sleep(0.5)
    before = proxy.anonymous_kb()
    held = [proxy.tunnel("client=bench") for _ in range(IDLE)]
    time.sleep(1)
    r = {"idle_tunnel_kb": (proxy.anonymous_kb() - before) / IDLE}
    spent = procs.cpu(proxy.pid)
    time.sleep(5)
    r["idle_5000_cores"] = (procs.cpu(proxy.pid) - spent) / 5
    for t in held + warm:
        t.close()
    return r


def row(build, work, tls):
    proxy = Proxy(build, work, tls)
    try:
        r = {}
        for kind in PIECES:
            r.update(flooded(proxy, kind))
            time.sleep(0.3)
        r.update(jitter(proxy))
        r.update(idle(proxy))
        return r
    finally:
        proxy.stop()


def measure_all(wanted, measure, show, result, build, work):
    for name, tls in (("proxy", False), ("proxytls", True)):
        if wanted(name):
            result.setdefault("proxy", {})[name] = measure(name, row, build, work, tls)
            show(name, {name: result["proxy"][name]})
