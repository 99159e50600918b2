"""A client that browses, downloads and uploads, for tests of any backend's files."""
import base64
import json

import guac
from house import PATIENCE

INDEX = "application/vnd.glyptodon.guacamole.stream-index+json"
LISTING = "application/vnd.guac.listing+json"
BYTES = "application/octet-stream"


class Files(guac.Client):
    """objects {number: name}; bodies {name: (mimetype, bytes)} that ended; acks [(stream, text,
    status)]; ready: whether streams are wanted (their first ack)."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.objects, self.bodies, self.open, self.offers = {}, {}, {}, {}
        self.acks = []
        self.ready = True
        self.answer_blobs = True

    def handle(self, instr):
        opcode, rest = instr[0], instr[1:]
        if opcode == "filesystem":
            self.objects[int(rest[0])] = rest[1]
        elif opcode == "undefine":
            self.objects.pop(int(rest[0]))
        elif opcode == "ack":
            self.acks.append((int(rest[0]), rest[1], int(rest[2])))
        elif opcode in ("body", "file"):
            stream, mimetype, name = rest[-3:]
            assert int(stream) % 2 == 0 and stream not in self.open, instr
            self.open[stream] = [opcode, mimetype, name, bytearray()]
            if self.ready:
                self.send("ack", stream, "Ready", 0)
        elif opcode == "blob" and rest[0] in self.open:
            self.open[rest[0]][3].extend(base64.b64decode(rest[1], validate=True))
            if self.answer_blobs:
                self.send("ack", rest[0], "OK", 0)
        elif opcode == "end" and rest[0] in self.open:
            opcode, mimetype, name, data = self.open.pop(rest[0])
            where = self.bodies if opcode == "body" else self.offers
            where[name] = (mimetype, bytes(data))
        else:
            super().handle(instr)
            return
        if opcode != "blob":
            self.log.append(instr)

    def files(self):
        """What guac.state told of transfers."""
        return [s["file"] for s in self.states() if "file" in s]

    def told(self, state, timeout=20, **members):
        """The first transfer told with this state and these members."""
        def look():
            return next((f for f in self.files() if f["state"] == state
                         and all(f.get(k) == v for k, v in members.items())), None)
        return self.pump(look, timeout * PATIENCE, f"no file {state} {members}: {self.files()}")

    def appear(self, count=1):
        self.pump(lambda: len(self.objects) >= count, 20 * PATIENCE, "no file system")
        return max(self.objects)

    def get(self, path, obj=1, timeout=20):
        """(mimetype, bytes)"""
        self.bodies.pop(path, None)
        self.send("get", obj, path)
        return self.pump(lambda: self.bodies.get(path), timeout * PATIENCE,
                         f"no body {path}: {self.files()}")

    def list(self, path="/", obj=1):
        """A stock client's index, or {name: entry} of our own page's."""
        mimetype, data = self.get(path, obj)
        content = json.loads(data)
        if mimetype == INDEX:
            return content
        assert mimetype == LISTING, mimetype
        return {e["name"]: e for e in content["entries"]}

    def put(self, path, data, obj=1, window=1, mimetype=BYTES, stream=None, end=True, timeout=60):
        """As the stock client does: the next blob when the last one is acknowledged. Returns the
        status of the first refusal, or 0."""
        if stream is None:
            self.next_stream += 1
            stream = self.next_stream
        before = len(self.acks)
        if obj is None:
            self.send("file", stream, mimetype, path)
        else:
            self.send("put", obj, stream, mimetype, path)
        seen = lambda: [a for a in self.acks[before:] if a[0] == stream]
        blobs = [data[i:i + 6048] for i in range(0, len(data), 6048)]
        for i in range(len(blobs) + 1):
            want = max(1, i - window + 2) if i < len(blobs) else len(blobs) + 1
            self.pump(lambda: len(seen()) >= want or any(a[2] for a in seen()), timeout * PATIENCE,
                      f"no ack {want} of {path}")
            bad = next((a for a in seen() if a[2]), None)
            if bad:
                self.refused = bad[1]
                self.send("end", stream)
                return bad[2]
            if i < len(blobs):
                self.send("blob", stream, base64.b64encode(blobs[i]).decode())
        if end:
            self.send("end", stream)
        return 0
