"""Rows of the evidence: how soon an open record is in the log when ten recorders write at once on a
real SeaweedFS, how fast a bag is verified, how fast ten thousand sessions' text is searched."""
import base64
import ctypes
import ctypes.util
import hashlib
import itertools
import json
import os
import random
import resource
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/it"))

import house  # noqa: E402

RECORDERS, RATE, SECONDS = 10, 50, 20
VERIFY_MB = 200
SESSIONS, LINES = 10000, 100
REPLAY_MB, REPLAY_CHUNK = 750, 2 << 20


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


def zstd_stored(data):
    """A zstd frame that holds the data as it is: none is compressed for a bench of what reads it."""
    blocks = [data[i:i + 0x20000] for i in range(0, len(data), 0x20000)] or [b""]
    return struct.pack("<IBQ", 0xFD2FB528, 0xE0, len(data)) + b"".join(
        struct.pack("<I", len(b) << 3 | (n == len(blocks) - 1))[:3] + b
        for n, b in enumerate(blocks))


def object_of(raw, header):
    """A chunk; its signature is nobody's, for it is verify that looks at it."""
    frame = zstd_stored(raw)
    header = dict(header, raw=len(raw), size=len(frame), sha256=hashlib.sha256(frame).hexdigest())
    head = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    head += base64.b64encode(bytes(64)) + b"\n"
    return struct.pack("<II", 0x184D2A50, len(head)) + head + frame


class Copies:
    """Sealed sessions of any content, from one that a recorder made: only names and content differ."""

    def __init__(self, kit, recording, session):
        self.kit, self.id, self.prefix = kit, session.id, session.prefix
        self.root = recording.path[:-len(session.prefix)]
        self.open, self.seal = (recording.read(f"{n}.dsse.json") for n in ("open", "seal"))
        self.payload = json.loads(self.open)["payload"]
        self.text = base64.b64decode(self.payload).decode()

    def make(self, n, chunks):
        new = self.kit.uuid7(int(time.time() * 1000) - n)
        prefix = self.prefix.replace(self.id, new)
        folder = os.path.join(self.root, prefix)
        os.makedirs(folder)
        payload = base64.b64encode(self.text.replace(self.id, new).encode()).decode()
        files = {"open.dsse.json": self.open.decode().replace(self.payload, payload).encode(),
                 "seal.dsse.json": self.seal}
        for name, raw, header in chunks:
            files[name] = object_of(raw, dict(header, session=new))
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        return new, prefix


def header(kind, n, t0, offset=0):
    return {"kind": kind, "n": n, "i": n, "t0": t0, "t1": t0 + 1, "offset": offset,
            "prev": "0" * 64, "seq0": n + 1, "seq1": n + 1, "frames": 1}


def one_session(case, kit):
    recorder = case.recorder()
    authd = case.authd(recorder)
    s = authd.open()
    s.text("a first word")
    s.data(kit.frame(1))
    s.wait_acked()
    s.end()
    return recorder, Copies(kit, case.wait_sealed(recorder, s), s)


def row_search():
    """Words in the text of 10 000 sessions of 100 lines: the index made from the store, then asked
    while it is warm."""
    import test_record_kit as kit
    from test_record_evidence import Serve

    class Case(kit.TestCase):
        def runTest(self):
            recorder, copies = one_session(self, kit)
            chance = random.Random(1)
            words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 10)))
                     for _ in range(20000)]
            weights = list(itertools.accumulate(1 / (n + 1) for n in range(len(words))))
            said = [" ".join(chance.choices(words, cum_weights=weights, k=10))
                    for _ in range(20000)]
            for n in range(SESSIONS):
                lines = [b'{"t":%d,"k":"%s","by":"u-olga","s":"%s"}' % (
                    100 * k, (b"out", b"key")[k % 2], text.encode())
                    for k, text in enumerate(chance.choices(said, k=LINES))]
                copies.make(n, [("00000000.0.text.zst", b"\n".join(lines) + b"\n",
                                 header("text", 0, 0))])
            began = time.monotonic()
            index = os.path.join(self.folder, "index")
            serve = self.start(Serve, "--store", "folder:" + recorder.store_folder,
                               "--index", index)
            reader = serve.connect()
            reader.sock.settimeout(600)
            ask = lambda query, **more: reader.call(op="search", query=query, **more)[0]
            house.wait(lambda: ask("zzz")["indexed"]["sessions"] > SESSIONS, 600, "not indexed",
                       every=0.5)
            built = time.monotonic() - began
            asked = {"rare": (words[15000], {}), "common": (words[0], {}),
                     "two": (f"{words[3]} {words[300]}", {}),
                     "phrase": (f'"{words[0]} {words[1]}"', {}),
                     "beginning": (words[40][:3] + "*", {}),
                     "of_nobody": (words[0], {"filter": {"person": "nobody"}}),
                     "of_a_file": (words[0], {"filter": {"kind": "file"}}),
                     "typed": (words[5], {"filter": {"kind": "key"}})}
            self.result = {"build_s": built, "sessions_per_s": SESSIONS / built, "index_mb":
                           os.path.getsize(os.path.join(index, "search.sqlite")) / 1e6}
            for name, (query, more) in asked.items():
                times = []
                for _ in range(6):
                    before = time.monotonic()
                    reader.call(op="search", query=query, **more)
                    times.append(time.monotonic() - before)
                self.result[name + "_ms"] = sorted(times[1:])[2] * 1e3
            reader.sock.close()
    return run_case(Case)


def row_replay():
    """A desktop's hour of 750 MB: from `show` to the first picture's objects in hand, and to those of
    any other moment, as the page fetches them; bytes until the first picture."""
    import test_record_kit as kit
    from test_record_evidence import Serve

    class Case(kit.TestCase):
        def runTest(self):
            recorder, copies = one_session(self, kit)
            blob = os.urandom(3 << 19)
            count = REPLAY_MB * 1000000 // REPLAY_CHUNK
            chunks, offset = [], 0
            for n in range(count):
                raw = b"4.blob,1.1,%d.%s;" % (len(blob) // 3 * 4, base64.b64encode(blob))
                t = n * 3600000 // count
                chunks.append((f"{n:08d}.{t}.{offset}.guac.zst", raw, header("data", n, t, offset)))
                chunks.append((f"{n:08d}.{t}.{offset}.key.zst", raw[:200000],
                               dict(header("keyframe", n, t, offset))))
                offset += len(raw)
            new, _ = copies.make(0, chunks)
            reader = self.start(Serve, "--store",
                                "folder:" + recorder.store_folder).connect()
            house.wait(lambda: any(x["id"] == new for x in reader.list()["recordings"]), 60,
                       "not listed")

            def moment(at):
                before, got = time.monotonic(), 0
                answer, body = reader.call(op="show", id=new)
                got += len(body)
                shown = json.loads(body)
                key = max((x for x in shown["keyframes"] if x["start"] <= at), key=lambda x: x["start"])
                data = next(x for x in shown["chunks"] if x["n"] == key["n"])
                got += len(reader.call(op="object", id=new, name=key["name"])[1])
                first = time.monotonic() - before
                reader.call(op="object", id=new, name=data["name"])
                return first, time.monotonic() - before, got
            opened = [moment(0) for _ in range(5)]
            chance = random.Random(1)
            seeks = sorted(moment(chance.randrange(3600000))[1] for _ in range(100))
            self.result = {"mb": offset / 1e6, "objects": 2 * count,
                           "first_picture_ms": statistics.median(x[0] for x in opened) * 1e3,
                           "first_picture_mb": opened[0][2] / 1e6,
                           "seek_p50_ms": quantile(seeks, 0.5) * 1e3,
                           "seek_p95_ms": quantile(seeks, 0.95) * 1e3}
            reader.sock.close()
    return run_case(Case)


ROWS = {"opens": row_opens, "opens_and_ends": row_opens_and_ends, "verify": row_verify,
        "search": row_search, "replay": row_replay}


def measure(wanted, measure_one, show, result, build):
    os.environ.setdefault("B", os.path.abspath(build))
    rows = {n: measure_one(n, fn) for n, fn in ROWS.items() if wanted(n)}
    if rows:
        result["evidence"] = rows
        show("evidence", rows)
