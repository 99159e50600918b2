import { test } from "node:test";
import assert from "node:assert/strict";
import { BLOB, fromBase64, readLines, readStream, sendBytes, toBase64, type OutStream } from "../src/session/clipboard.ts";

// A far side: acks `after` each blob, or never, or refuses at one.
function far(o: { acks: boolean; refuseAt?: number; delay?: number }) {
  const got: Uint8Array[] = [];
  let inFlight = 0, most = 0, ended = false;
  const stream: OutStream = {
    onack: null,
    sendBlob(data) {
      got.push(fromBase64(data));
      most = Math.max(most, ++inFlight);
      const refuse = o.refuseAt === got.length;
      if (o.acks && o.delay !== Infinity) setTimeout(() => { inFlight--; stream.onack?.(refuse ? { code: 0x30d, message: "too much" } : { code: 0 }); }, o.delay ?? 0);
    },
    sendEnd() { ended = true; stream.onack = null; },
  };
  if (o.acks) setTimeout(() => stream.onack?.({ code: 0 }), 0); // of the opening
  return { stream, get bytes() { return new Uint8Array(Buffer_concat(got)); }, get most() { return most; }, get ended() { return ended; } };
}
function Buffer_concat(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) { out.set(p, at); at += p.length; }
  return out;
}
const data = (n: number) => Uint8Array.from({ length: n }, (_, i) => (i * 31 + (i >> 8)) & 255);

test("all of it arrives, paced by acks, with progress", async () => {
  const side = far({ acks: true });
  const seen: number[] = [];
  await sendBytes(side.stream, data(BLOB * 40 + 17), { buffered: () => 0, onProgress: (n) => seen.push(n) });
  assert.deepEqual(side.bytes, data(BLOB * 40 + 17));
  assert.ok(side.ended);
  assert.ok(side.most <= 16, `in flight ${side.most}`);
  assert.equal(seen.at(-1), BLOB * 40 + 17);
});

test("a side that acks nothing gets it too, paced by the socket", async () => {
  const side = far({ acks: false });
  let full = 0;
  await sendBytes(side.stream, data(BLOB * 30), { buffered: () => (full++ % 3 ? 0 : 1 << 20), ackWait: 60 });
  assert.deepEqual(side.bytes, data(BLOB * 30));
});

test("a refusal stops it", async () => {
  const side = far({ acks: true, refuseAt: 3 });
  await assert.rejects(sendBytes(side.stream, data(BLOB * 200), { buffered: () => 0 }), (e) => (e as { code?: number }).code === 0x30d);
  assert.ok(side.bytes.length < BLOB * 40);
});

test("a side that stalls is given up, a person may cancel", async () => {
  const side = far({ acks: true, delay: Infinity });
  await assert.rejects(sendBytes(side.stream, data(BLOB * 100), { buffered: () => 0, stall: 150 }), /stalled/);
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 30);
  await assert.rejects(sendBytes(far({ acks: true, delay: Infinity }).stream, data(BLOB * 100), { buffered: () => 0, signal: abort.signal }), /cancelled/);
});

test("base64 both ways, any length", () => {
  for (const n of [0, 1, 2, 3, 8191, 8192, 8193, 40000]) assert.deepEqual(fromBase64(toBase64(data(n))), data(n));
});

test("a stream is collected up to its bound", () => {
  const acks: number[] = [];
  const stream = { onblob: null as ((d: string) => void) | null, onend: null as (() => void) | null, sendAck: (_: string, code: number) => void acks.push(code) };
  let got: Uint8Array | null | undefined;
  readStream(stream, 10, (b) => { got = b; });
  stream.onblob?.(toBase64(data(6)));
  stream.onend?.();
  assert.deepEqual(got, data(6));
  readStream(stream, 10, (b) => { got = b; });
  stream.onblob?.(toBase64(data(6)));
  stream.onblob?.(toBase64(data(6)));
  stream.onblob?.(toBase64(data(6)));
  stream.onend?.();
  assert.equal(got, null);
  assert.deepEqual(acks, [0, 0, 0x30d]);
});

test("JSON lines come whole, however the blobs are cut, and junk is dropped", () => {
  const stream = { onblob: null as ((d: string) => void) | null, onend: null, sendAck() {} };
  const seen: unknown[] = [];
  readLines(stream, (v) => seen.push(v));
  const bytes = new TextEncoder().encode('{"a":"é😀"}\nnot json\n3\n{"b":1}\n{"c"');
  for (let i = 0; i < bytes.length; i += 3) stream.onblob?.(toBase64(bytes.subarray(i, i + 3)));
  assert.deepEqual(seen, [{ a: "é😀" }, { b: 1 }]);
});
