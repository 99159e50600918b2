"""What the recorder's tests share: the recorder itself, an authd that signs (with the openssl
program, so that no code of ours checks itself), and a session's side of the tap. No test is in here."""
import base64
import datetime
import hashlib
import json
import os
import socket
import subprocess
import threading
import time
import uuid

import house
from test_record_tap import (DATA, EVENT, HEADER, KEYFRAME, SPOOLED, TEXT, ACK,  # noqa: F401
                             Session)

INTOTO = "application/vnd.in-toto+json"


def canonical(o):
    return json.dumps(o, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def uuid7(ms=None):
    ms = int(time.time() * 1000) if ms is None else ms
    raw = bytearray(ms.to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def openssl(*args, stdin=b""):
    return subprocess.run(["openssl", *args], input=stdin, capture_output=True, check=True).stdout


class Key:
    """An Ed25519 key in a file."""

    def __init__(self, folder, name="evidence"):
        self.folder = folder
        self.path = os.path.join(folder, name + ".pem")
        self.public = os.path.join(folder, name + ".pub.pem")
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.path)
        os.chmod(self.path, 0o600)
        openssl("pkey", "-in", self.path, "-pubout", "-out", self.public)
        der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        self.id = hashlib.sha256(der).hexdigest()
        self.base64 = base64.b64encode(der[-32:]).decode()

    def sign(self, data):
        path = os.path.join(self.folder, f"tbs-{threading.get_ident()}")
        with open(path, "wb") as f:
            f.write(data)
        return openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", path)

    def envelope(self, statement):
        payload = canonical(statement)
        pae = b"DSSEv1 %d %s %d %s" % (len(INTOTO), INTOTO.encode(), len(payload), payload)
        return {"payload": base64.b64encode(payload).decode(), "payloadType": INTOTO,
                "signatures": [{"keyid": self.id, "sig": base64.b64encode(self.sign(pae)).decode()}]}


class Recorder(house.Process):
    def __init__(self, folder, *options, store=None, wait=True, **named):
        self.folder = folder
        self.run = os.path.join(folder, "run")
        self.spool = os.path.join(folder, "spool")
        self.store_folder = os.path.join(folder, "store")
        os.makedirs(os.path.join(self.run, "s"), exist_ok=True)
        secret = os.path.join(folder, "secret")
        if not os.path.exists(secret):
            with open(secret, "w") as f:
                f.write(os.urandom(32).hex())
            os.chmod(secret, 0o600)
        self.socket = os.path.join(self.run, "recorder.sock")
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        store = store or ["--store", "folder:" + self.store_folder]
        argv = [house.program("guac-recorder"), "--run", self.run, "--spool", self.spool,
                "--secret-file", secret, "--log-level", "debug", "--fence-after", "300", *store,
                *options]
        super().__init__(argv, os.path.join(folder, f"recorder-{next(house.NUMBERS)}.log"), **named)
        if wait:
            house.wait(lambda: "ready;" in self.text() or not self.running(),
                       15 * house.PATIENCE, "the recorder is not ready")
            assert self.running(), "the recorder ended:\n" + self.text()

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def cpu(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def spooled_files(self):
        """Of sessions: the recorder's own name lies there, too."""
        return sorted(n for n in os.listdir(self.spool) if not n.startswith("alive"))


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer.get("error"))
        self.status = answer.get("status")


class Authd:
    """One connection to the recorder; a thread reads it and, unless told not to, seals."""

    def __init__(self, recorder, key, seal=True, sign=True):
        self.recorder, self.key, self.seal, self.sign = recorder, key, seal, sign
        self.answers, self.ended = {}, []
        self.checkpoints, self.logged = [], []
        self.condition = threading.Condition()
        self.rid = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(recorder.socket)
        self.alive = True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 4)
            except OSError:
                data = b""
            if not data:
                with self.condition:
                    self.alive = False
                    self.condition.notify_all()
                return
            message = json.loads(data)
            if message.get("op") == "ended":
                if self.seal:
                    self.answer_seal(message)
                with self.condition:
                    self.ended.append(message)
                    self.condition.notify_all()
                continue
            if "rid" not in message:
                if message.get("op") == "checkpoint" and self.sign:
                    self.answer_checkpoint(message)
                with self.condition:
                    (self.logged if message.get("op") == "logged" else
                     self.checkpoints).append(message)
                    self.condition.notify_all()
                continue
            with self.condition:
                self.answers[message.get("rid")] = (message, fds)
                self.condition.notify_all()

    def seal_envelope(self, message, **change):
        p = dict(message["predicate"], **change)
        p["gateway"] = {"version": "test", "publicKey": self.key.base64, "keyid": self.key.id}
        return self.key.envelope({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": "open.dsse.json", "digest": {"sha256": p["open"]["sha256"]}},
                {"name": "chunks.jsonl.zst", "digest": {"sha256": p["list"]["sha256"]}}],
            "predicateType": "https://catalyst.openova.io/guacamole/recording/seal/v1",
            "predicate": p})

    def answer_seal(self, message):
        try:
            self.send(op="seal", id=message["id"], envelope=self.seal_envelope(message))
        except OSError:
            pass

    def note(self, size, root, origin="test-log"):
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
        raw = base64.b64decode(self.key.base64)
        keyid = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
        sig = base64.b64encode(keyid + self.key.sign(text)).decode()
        return text.decode() + f"\n\u2014 {origin} {sig}\n"

    def answer_checkpoint(self, message):
        try:
            self.send(op="checkpoint", size=message["size"], root=message["root"],
                      note=self.note(message["size"], bytes.fromhex(message["root"])))
        except OSError:
            pass

    def leaf(self, kind, session=None, detail=None, **change):
        """A leaf of our own: its place."""
        name = session or "log"
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name,
                         "digest": {"sha256": hashlib.sha256(name.encode()).hexdigest()}}],
            "predicateType": f"https://catalyst.openova.io/guacamole/log/{kind}/v1",
            "predicate": {"at": int(time.time() * 1000), "person": {"sub": "u-a", "name": "Ada"},
                          "detail": detail or {}, **({"session": session} if session else {}),
                          "gateway": {"name": "gw-test", "version": "1",
                                      "publicKey": self.key.base64, "keyid": self.key.id}}}
        message = {"op": "leaf", "kind": kind, "envelope": self.key.envelope(statement)}
        if session:
            message["session"] = session
        return self.call(**dict(message, **change.get("change", {})))[0]

    def send(self, **message):
        self.sock.send(json.dumps(message).encode())

    def post(self, **message):
        with self.condition:
            self.rid += 1
            rid = self.rid
        self.send(rid=rid, **message)
        return rid

    def take(self, rid, timeout=40):
        with self.condition:
            assert self.condition.wait_for(lambda: rid in self.answers or not self.alive,
                                           timeout * house.PATIENCE), "no answer"
            assert rid in self.answers, "the recorder hung up"
            answer, fds = self.answers.pop(rid)
        if not answer.get("ok"):
            raise Refused(answer)
        return answer, fds

    def call(self, **message):
        return self.take(self.post(**message))

    def status(self):
        return self.call(op="status")[0]

    def metric(self, name):
        total = 0.0
        for line in self.status()["metrics"].splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                total += float(line.rpartition(" ")[2])
        return total

    def wait_ended(self, session, timeout=40):
        with self.condition:
            found = lambda: next((m for m in self.ended if m["id"] == session), None)
            assert self.condition.wait_for(found, timeout * house.PATIENCE), "not ended"
            return found()

    def new(self, bucket="recordings", namespace="relay", connection="legacy-1", start=None,
            retain_days=1, **change):
        start = start or int(time.time() * 1000)
        session = uuid7(start)
        day = datetime.datetime.fromtimestamp(start / 1000, datetime.timezone.utc)
        prefix = f"{bucket}/{namespace}/{connection}/{day:%Y/%m/%d}/{session}"
        message = {"op": "new", "id": session, "prefix": prefix, "start": start,
                   "retainUntil": start + retain_days * 86400000, "keys": "masked", **change}
        answer, _ = self.call(**message)
        return dict(message, namespace=namespace, connection=connection, **answer)

    def open_statement(self, new, **predicate):
        der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(new["publicKey"])
        assert hashlib.sha256(der).hexdigest() == new["keyid"]
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": new["prefix"], "digest": {"sha256": new["keyid"]}}],
            "predicateType": "https://catalyst.openova.io/guacamole/recording/open/v1",
            "predicate": {
                "session": new["id"], "prefix": new["prefix"], "start": new["start"],
                "retainUntil": new["retainUntil"], "clockOffsetMs": new["clockOffsetMs"],
                "person": {"sub": "u-olga", "name": "Olga", "roles": ["operator"]},
                "connection": {"namespace": new["namespace"], "name": new["connection"],
                               "uid": "1", "resourceVersion": "7", "specSha256": "0" * 64},
                "protocol": "ssh", "target": "10.0.0.1:22", "approvals": [],
                "recording": {"enabled": True, "keys": new["keys"], "retentionDays": 1},
                "key": {"publicKey": new["publicKey"], "keyid": new["keyid"]},
                "gateway": {"name": "gw-test", "version": "1", "publicKey": self.key.base64,
                            "keyid": self.key.id}, **predicate}}

    def open(self, new=None, **named):
        """A session that records: its tap."""
        new = new or self.new(**named)
        answer, fds = self.call(op="open", id=new["id"],
                                envelope=self.key.envelope(self.open_statement(new)))
        session = Session(self.recorder, new, fds[0])
        session.index, session.leaf = answer["index"], answer["leaf"]
        return session

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Folder:
    """A recording in a folder store, read with public tools."""

    def __init__(self, path):
        self.path = path

    def names(self, suffix=""):
        return sorted(n for n in os.listdir(self.path)
                      if not n.startswith(".") and n.endswith(suffix))

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as f:
            return f.read()

    def stream(self):
        if not self.names(".guac.zst"):
            return b""
        return subprocess.run(["sh", "-c", "cat *.guac.zst | zstd -dcq"], cwd=self.path,
                              capture_output=True, check=True).stdout

    def lines(self):
        if not self.names(".text.zst"):
            return []
        out = subprocess.run(["sh", "-c", "cat *.text.zst | zstd -dcq"], cwd=self.path,
                             capture_output=True, check=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def payload(self, name):
        return json.loads(base64.b64decode(json.loads(self.read(name))["payload"]))

    def sealed(self):
        return os.path.exists(os.path.join(self.path, "seal.dsse.json"))

    def seal(self):
        return self.payload("seal.dsse.json")["predicate"]


def frame(n, size=200):
    """A picture's worth of instructions, ended by a sync."""
    blob = base64.b64encode(hashlib.sha256(str(n).encode()).digest() * (size // 32 + 1))[:size]
    return b"4.blob,1.1,%d.%s;4.sync,%d.%d,1.1;" % (len(blob), blob, len(str(n)), n)


class TestCase(house.TestCase):
    def recorder(self, *options, **named):
        return self.start(Recorder, *options, **named)

    def authd(self, recorder, **named):
        if not hasattr(self, "key"):
            self.key = Key(self.folder)
        a = Authd(recorder, self.key, **named)
        self.addCleanup(a.close)
        return a

    def recording(self, recorder, session):
        return Folder(os.path.join(recorder.store_folder, session.prefix))

    def wait_sealed(self, recorder, session, timeout=40):
        r = self.recording(recorder, session)
        house.wait(r.sealed, timeout * house.PATIENCE, "not sealed")
        house.wait(lambda: not recorder.running() or not any(
            n.startswith(session.id) for n in recorder.spooled_files()), 5 * house.PATIENCE,
                   "the spool did not forget it")
        return r
