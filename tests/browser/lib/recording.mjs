// Makes recordings as the recorder does (recording/chunk.h), for tests of the page that need one of a
// given shape: long, hostile, damaged. zstd frames are written with raw blocks, so no library is needed.
import { createHash, generateKeyPairSync, sign } from "node:crypto";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const raw = (key) => Buffer.from(key.export({ format: "jwk" }).x, "base64url");
const sorted = (o) => JSON.stringify(Object.fromEntries(Object.entries(o).sort(([a], [b]) => (a < b ? -1 : 1))));

export function instruction(...elements) {
  return elements.map((e) => `${[...String(e)].length}.${e}`).join(",") + ";";
}

// A zstd frame of raw blocks (RFC 8878): valid for every decoder.
export function zstd(bytes) {
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]), Buffer.alloc(4)];
  parts[1].writeUInt32LE(bytes.length);
  for (let at = 0; at === 0 || at < bytes.length; at += 0x1ff00) {
    const part = bytes.subarray(at, at + 0x1ff00);
    const last = at + 0x1ff00 >= bytes.length ? 1 : 0;
    const head = (part.length << 3) | last;
    parts.push(Buffer.from([head & 255, (head >> 8) & 255, (head >> 16) & 255]), part);
  }
  return Buffer.concat(parts);
}

export class Recording {
  constructor({ id, person = { sub: "u-1", name: "Anna Example" }, connection = { namespace: "relay", name: "build-host" }, target = "10.42.7.12:22", protocol = "ssh", start = Date.now() - 600000 } = {}) {
    Object.assign(this, { id, person, connection, target, protocol, start });
    this.objects = new Map();
    this.chains = { data: [], keyframe: [], text: [] };
    this.offset = 0;
    this.state = "closed";
    this.end = 0;
    this.session = generateKeyPairSync("ed25519");
    this.gateway = generateKeyPairSync("ed25519");
    this.statement = {
      _type: "https://in-toto.io/Statement/v1",
      predicateType: "https://catalyst.openova.io/guacamole/recording/open/v1",
      subject: [],
      predicate: {
        session: id, start, person: { ...person, roles: ["operator"] },
        connection: { ...connection, uid: "x", resourceVersion: "1", specSha256: "" },
        protocol, target, approvals: [], recording: { enabled: true, keys: "full", retentionDays: 365 },
        key: { publicKey: raw(this.session.publicKey).toString("base64"), keyid: sha256(raw(this.session.publicKey)) },
        gateway: { name: "gw", version: "test", publicKey: raw(this.gateway.publicKey).toString("base64"), keyid: "" },
      },
    };
    const payload = Buffer.from(JSON.stringify(this.statement));
    const type = "application/vnd.in-toto+json";
    const pae = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
    const open = Buffer.from(JSON.stringify({ payload: payload.toString("base64"), payloadType: type, signatures: [{ keyid: "", sig: sign(null, pae, this.gateway.privateKey).toString("base64") }] }));
    this.objects.set("open.dsse.json", open);
    this.heads = { data: sha256(open), keyframe: sha256(open), text: sha256(open) };
  }

  add(kind, n, t0, t1, content) {
    const plain = Buffer.from(content);
    const data = zstd(plain);
    const i = this.chains[kind].length;
    const line = Buffer.from(sorted({
      session: this.id, kind, n, i, t0, t1, offset: kind === "text" ? 0 : this.offset, raw: plain.length,
      seq0: i, seq1: i, frames: 1, size: data.length, sha256: sha256(data), prev: this.heads[kind],
    }) + "\n");
    const signature = sign(null, Buffer.concat([Buffer.from("guac-chunk-v1\n"), line]), this.session.privateKey);
    const head = Buffer.concat([line, Buffer.from(signature.toString("base64") + "\n")]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32LE(0x184d2a50, 0);
    frame.writeUInt32LE(head.length, 4);
    const number = String(n).padStart(8, "0");
    const name = kind === "text" ? `${number}.${t0}.text.zst` : `${number}.${t0}.${this.offset}.${kind === "data" ? "guac" : "key"}.zst`;
    const object = Buffer.concat([frame, head, data]);
    this.objects.set(name, object);
    this.chains[kind].push({ name, n, start: t0, offset: this.offset, size: object.length });
    this.heads[kind] = sha256(line);
    if (kind === "data") this.offset += plain.length;
    this.end = Math.max(this.end, t1);
    return name;
  }

  get show() {
    const seal = this.state === "live" ? null : {
      predicate: {
        session: this.id, state: this.state, reason: "the owner left",
        chains: Object.fromEntries(Object.entries(this.chains).map(([k, list]) => [k, { count: list.length, raw: 0, stored: 0, head: this.heads[k] }])),
      },
    };
    return {
      open: this.statement, seal, state: this.state, durationMs: this.end,
      chunks: this.chains.data, keyframes: this.chains.keyframe, texts: this.chains.text,
    };
  }

  get row() {
    return {
      id: this.id, prefix: `guacamole-recordings/${this.connection.namespace}/${this.connection.name}/2026/11/21/${this.id}`,
      namespace: this.connection.namespace, connection: this.connection.name, protocol: this.protocol, target: this.target,
      person: this.person, started: this.start, ended: this.state === "live" ? null : this.start + this.end, durationMs: this.end,
      state: this.state, bytes: [...this.objects.values()].reduce((n, o) => n + o.length, 0), reason: this.state === "closed" ? "" : "the gateway was lost",
    };
  }
}

const W = 1024, H = 640;

// A frame of a picture that tells its own time: a bar as long as the second, colour by minute.
export function paint(t, full) {
  const s = Math.floor(t / 1000);
  const out = [];
  if (full) out.push(instruction("size", 0, W, H), instruction("rect", 0, 0, 0, W, H), instruction("cfill", 14, 0, 16, 18, 20, 255));
  for (let row = 0; row < 24; row++) {
    const seen = (s * 7 + row * 13) % 60;
    if (!full && row !== s % 24) continue;
    out.push(instruction("rect", 0, 24, 24 + row * 24, W - 48, 16), instruction("cfill", 14, 0, 16, 18, 20, 255));
    out.push(instruction("rect", 0, 24, 24 + row * 24, 40 + seen * 12, 12), instruction("cfill", 14, 0, 60 + row * 6, 130, 140 + (seen % 20) * 4, 255));
  }
  out.push(instruction("rect", 0, 0, H - 16, W, 16), instruction("cfill", 14, 0, 30, 32, 36, 255));
  out.push(instruction("rect", 0, 0, H - 16, Math.max(1, Math.floor((s % 60) * (W / 60))), 16), instruction("cfill", 14, 0, 255, 138, 117, 255));
  return out.join("");
}

// `minutes` of work with pauses: frames every 100 ms, keyframes every 30 s, text beside them.
export function typical(id, { minutes = 10, live = false, ...about } = {}) {
  const r = new Recording({ id, ...about });
  const total = minutes * 60000;
  let n = 0;
  const busy = (t) => t % 90000 < 55000;
  for (let t = 0; t < total; t += 2000) {
    if (!busy(t)) continue;
    if (t % 30000 === 0) r.add("keyframe", n, t, t, paint(t, true) + instruction("sync", t, 1));
    let data = "";
    for (let f = t + (t ? 0 : 1); f < t + 2000; f += 100) {
      data += paint(f, f < 200) + instruction("sync", f, 1);
      if (f % 700 === 0) data += instruction("key", 97, 1, f) + instruction("key", 97, 0, f + 1) + instruction("mouse", 100 + (f % 400), 200, 0, f);
    }
    r.add("data", n, t, t + 1900, data);
    if (t % 8000 === 0) {
      r.add("text", n, t, t + 1900, [
        { t: t + 100, k: "key", by: "u-1", s: `ls -la /srv/app-${n}⏎` },
        { t: t + 300, k: "out", s: `\ntotal ${n}\n-rw-r--r-- 1 deploy deploy ${4000 + n} Nov 21 22:0${n % 10} release-${n}.tar.zst\n` },
        { t: t + 900, k: "out", s: `deploy@build-host:~$ ` },
        ...(n % 20 === 0 ? [{ t: t + 1200, k: "clip", by: "u-1", dir: "in", type: "text/plain", bytes: 12, s: "kubectl get pods" }] : []),
      ].map((l) => JSON.stringify(l)).join("\n") + "\n");
    }
    n++;
  }
  r.end = total;
  if (live) r.state = "live";
  return r;
}
