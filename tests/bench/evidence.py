"""Rows of the evidence: how soon an open record is in the log when ten recorders write at once on a
real SeaweedFS, how fast a bag is verified, how fast ten thousand sessions' text is searched."""
import base64
import ctypes
import ctypes.util
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/it"))

import house  # noqa: E402

RECORDERS, RATE, SECONDS = 10, 50, 20
VERIFY_MB = 200


class FastKey:
    """kit.Key by libcrypto itself: a process for each signature would be what is measured."""

    def __init__(self, kit, folder):
        key = kit.Key(folder)
        self.id, self.base64, self.public = key.id, key.base64, key.public
        self.envelope = lambda statement: kit.Key.envelope(self, statement)
        der = kit.openssl("pkey", "-in", key.path, "-outform", "DER")
        c = self.c = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("EVP_PKEY_new_raw_private_key", "EVP_MD_CTX_new"):
            getattr(c, name).restype = ctypes.c_void_p
        c.EVP_PKEY_new_raw_private_key.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p,
                                                   ctypes.c_size_t]
        c.EVP_DigestSignInit.argtypes = [ctypes.c_void_p] * 5
        c.EVP_DigestSign.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p,
                                     ctypes.c_char_p, ctypes.c_size_t]
        c.EVP_MD_CTX_free.argtypes = [ctypes.c_void_p]
        self.key = c.EVP_PKEY_new_raw_private_key(1087, None, der[-32:], 32)

    def sign(self, data):
        out, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        ctx = self.c.EVP_MD_CTX_new()
        ok = (self.c.EVP_DigestSignInit(ctx, None, None, None, self.key) == 1 and
              self.c.EVP_DigestSign(ctx, out, ctypes.byref(size), data, len(data)) == 1)
        self.c.EVP_MD_CTX_free(ctx)
        assert ok
        return out.raw


def quantile(sorted_list, q):
    return sorted_list[min(len(sorted_list) - 1, int(q * len(sorted_list)))]


def row_opens(ends=False):
    """From `open` to its answer, with the leaf's place in it."""
    import test_record_kit as kit
    from test_log_weed import LogCase

    class Case(LogCase):
        def runTest(self):
            key = self.key = FastKey(kit, self.folder)
            authds = [kit.Authd(r, key) for r in self.recorders(RECORDERS)]
            times, failed, taps, lock = [], [], [], threading.Lock()
            began = time.monotonic() + 1

            def work(n, authd):
                for k in range(RATE * SECONDS // RECORDERS):
                    due = began + (k + n / RECORDERS) * RECORDERS / RATE
                    time.sleep(max(0, due - time.monotonic()))
                    new = self.new(authd)
                    envelope = key.envelope(authd.open_statement(new))
                    sent = time.monotonic()
                    try:
                        _, fds = authd.call(op="open", id=new["id"], envelope=envelope)
                    except kit.Refused as e:
                        failed.append(str(e))
                        continue
                    with lock:
                        times.append(time.monotonic() - sent)
                    tap = socket.socket(fileno=fds[0])
                    taps.append(tap)
                    if not ends:
                        continue
                    end = json.dumps({"event": "ended", "status": 0, "reason": "done"}).encode()
                    tap.sendall(kit.HEADER.pack(len(end), kit.EVENT, 1, 0) + end)
            threads = [threading.Thread(target=work, args=x) for x in enumerate(authds)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            took = time.monotonic() - began
            times.sort()
            conflicts = sum(a.metric("guacamole_log_conflicts_total") for a in authds)
            self.result = {"opens": len(times), "refused": len(failed), "took_s": took,
                           "p50_ms": quantile(times, 0.5) * 1e3, "p95_ms": quantile(times, 0.95) * 1e3,
                           "p99_ms": quantile(times, 0.99) * 1e3, "max_ms": times[-1] * 1e3,
                           "conflicts": conflicts}
            for x in (*authds, *taps):
                x.close()
    return run_case(Case)


def row_opens_and_ends():
    """The same while each session ends at once: as many seals, and their leaves, beside."""
    return row_opens(ends=True)


def run_case(kind):
    case = kind("runTest")
    kind.setUpClass()
    try:
        outcome = case.run()
        if not outcome.wasSuccessful():
            raise RuntimeError((outcome.errors + outcome.failures)[0][1])
    finally:
        kind.tearDownClass()
    return case.result


def row_verify():
    """A desktop's recording of about 200 MB in a folder: stored bytes a second of CPU, so that load
    on the machine counts little."""
    import test_record_kit as kit

    class Case(kit.TestCase):
        def runTest(self):
            recorder = self.recorder()
            authd = self.authd(recorder)
            s = authd.open()
            for n in range(VERIFY_MB):
                blob = base64.b64encode(os.urandom(3 << 18))
                s.data(b"4.blob,1.1,%d.%s;4.sync,%d.%d;" % (len(blob), blob, len(str(n)), n))
                if n % 16 == 15:
                    s.wait_acked(timeout=120)
            s.end()
            r = self.wait_sealed(recorder, s, 120)
            size = sum(os.path.getsize(os.path.join(r.path, n)) for n in r.names())
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            subprocess.run([house.program("guac-evidence"), "verify", "--key", self.key.public,
                            r.path], check=True, stdout=subprocess.DEVNULL)
            wall = time.monotonic() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.result = {"mb": size / 1e6, "mb_per_cpu_s": size / 1e6 / cpu,
                           "mb_per_s": size / 1e6 / wall}
    return run_case(Case)


ROWS = {"opens": row_opens, "opens_and_ends": row_opens_and_ends, "verify": row_verify}


def measure(wanted, measure_one, show, result, build):
    os.environ.setdefault("B", os.path.abspath(build))
    rows = {n: measure_one(n, fn) for n, fn in ROWS.items() if wanted(n)}
    if rows:
        result["evidence"] = rows
        show("evidence", rows)
