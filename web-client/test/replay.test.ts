import { test } from "node:test";
import assert from "node:assert/strict";
import { Cache } from "../src/replay/cache.ts";
import { checkWindow, hex, importKey, parseChunk, prove, windowSize, type Chunk } from "../src/replay/chunk.ts";
import { Book, currentLine } from "../src/replay/book.ts";
import { findFrames } from "../src/replay/frames.ts";
import { Index } from "../src/replay/index.ts";
import type { Loader } from "../src/replay/loader.ts";
import { replayKey } from "../src/replay/keys.ts";
import { printable } from "../src/lib/format.ts";
import { mergeLines, parseLines } from "../src/replay/lines.ts";
import { parseName } from "../src/replay/names.ts";
import { Proofs } from "../src/replay/proofs.ts";
import { openFacts, sealChains } from "../src/replay/statement.ts";
import { advance, faster, type Tick } from "../src/replay/timing.ts";
import { encode } from "../src/lib/instructions.ts";
import { toBase64 } from "../src/session/clipboard.ts";

test("names have one spelling", () => {
  assert.deepEqual(parseName("00000012.3400.99.guac.zst"), { kind: "data", n: 12, start: 3400, offset: 99 });
  assert.deepEqual(parseName("00000000.0.0.key.zst"), { kind: "keyframe", n: 0, start: 0, offset: 0 });
  assert.deepEqual(parseName("00000003.17.text.zst"), { kind: "text", n: 3, start: 17, offset: 0 });
  for (const bad of ["12.0.0.guac.zst", "00000001.01.0.guac.zst", "00000001.0.guac.zst", "00000001.0.0.text.zst", "../00000001.0.0.guac.zst", "00000001.0.0.guac.zst ", "open.dsse.json"])
    assert.equal(parseName(bad), null, bad);
});

const object = (n: number, start: number, kind: string) => ({ name: `${String(n).padStart(8, "0")}.${start}.${kind === "text" ? "" : "0."}${kind}.zst`, n, start, offset: 0, size: 1 });
const index = (live = false) => new Index({
  chunks: [object(0, 0, "guac"), object(1, 2000, "guac"), object(2, 4000, "guac"), object(3, 60000, "guac"), object(4, 62000, "guac")],
  keyframes: [object(0, 0, "key"), object(3, 60000, "key")],
  texts: [object(0, 0, "text"), object(1, 30000, "text"), object(2, 61000, "text")],
  durationMs: 70000, state: live ? "live" : "closed",
});

test("the nearest keyframe, the chunk to feed after it", () => {
  const i = index();
  assert.deepEqual([-1, 0, 59999, 60000, 1e9].map((t) => i.keyframeAt(t)), [-1, 0, 0, 1, 1]);
  assert.equal(i.chunkAfter(1), 3);
  assert.equal(i.chunkAfter(-1), 0);
  assert.deepEqual([0, 2000, 3999, 59999, 60000].map((t) => i.chunkAt(t)), [0, 1, 1, 2, 3]);
  assert.equal(i.textAt(30001), 1);
});

test("idle stretches: between chunks, at the end, not at a live edge", () => {
  assert.deepEqual(index().idle(), [{ from: 6500, to: 60000 }, { from: 64500, to: 70000 }]);
  assert.deepEqual(index(true).idle(), [{ from: 6500, to: 60000 }]);
  assert.deepEqual(index().idle(new Map([[2, 4100], [4, 69000]])), [{ from: 4100, to: 60000 }]);
});

test("an empty or odd listing does no harm", () => {
  const i = new Index({ chunks: [{ name: "evil", n: 0, start: 0, size: 1 }], keyframes: [], texts: [], durationMs: 0, state: "refused" });
  assert.equal(i.chunks.length, 0);
  assert.equal(i.keyframeAt(0), -1);
  assert.equal(i.chunkAfter(-1), 0);
  assert.deepEqual(i.idle(), []);
});

test("frames end at syncs; keys have their moments; text behind counts", () => {
  const text = encode(["name", "é😀"]) + encode(["sync", 1000, 1]) + encode(["key", 97, 1, 1500]) + encode(["key", 97, 0, 1510]) + encode(["sync", 2000]) + encode(["mouse", 1, 2, 0, 2500]);
  const bytes = new TextEncoder().encode(text);
  const f = findFrames(bytes, 900, 2500);
  assert.deepEqual([...f.times], [1000, 2000, 2500]);
  assert.equal(f.ends.at(-1), bytes.length);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, f.ends[0])), encode(["name", "é😀"]) + encode(["sync", 1000, 1]));
  assert.deepEqual([...f.keys], [1500]);
});

test("time never runs backwards, and what is no Guacamole is refused", () => {
  const back = new TextEncoder().encode(encode(["sync", 5000]) + encode(["sync", 100]) + encode(["sync", "99999999999999999999"]));
  assert.deepEqual([...findFrames(back, 0, 5000).times], [5000, 5000, 5000]);
  for (const bad of ["4.sync,1.", "hello", "4.sync;4", "999999999.x;", "1.a:", "4.sync"]) assert.throws(() => findFrames(new TextEncoder().encode(bad), 0, 0), /not Guacamole|cut off/);
});

const tick = (o: Partial<Tick>): Tick => ({ position: 0, elapsed: 16, rate: 1, skipIdle: true, lastFrame: 0, nextFrame: null, end: 100_000, ...o });

test("the clock: rate, idle, the end, a sleeping page", () => {
  assert.equal(advance(tick({ position: 1000, elapsed: 100, rate: 4, nextFrame: 1100, lastFrame: 990 })), 1400);
  assert.equal(advance(tick({ position: 1000, lastFrame: 900, nextFrame: 90_000 })), 1016);
  assert.equal(advance(tick({ position: 2500, lastFrame: 900, nextFrame: 90_000 })), 89_700);
  assert.equal(advance(tick({ position: 2500, lastFrame: 900, nextFrame: 90_000, skipIdle: false })), 2516);
  assert.equal(advance(tick({ position: 99_990, elapsed: 100, lastFrame: 99_900 })), 100_000);
  assert.equal(advance(tick({ position: 0, elapsed: 3_600_000, lastFrame: 0, nextFrame: 900 })), 1000);
});

test("an idle stretch at the end is skipped to just before it", () => {
  assert.equal(advance(tick({ position: 60_000, lastFrame: 50_000, nextFrame: null })), 99_700);
});

test("speeds", () => {
  assert.deepEqual([faster(1, 1), faster(1, -1), faster(16, 1), faster(0.25, -1), faster(3, 1)], [2, 0.5, 16, 0.25, 8]);
});

test("keys of the player; browser shortcuts stay the browser's", () => {
  const key = (k: string, more = {}) => replayKey({ key: k, ctrlKey: false, metaKey: false, altKey: false, ...more }, false);
  assert.deepEqual(key("k"), { do: "toggle" });
  assert.deepEqual(key("j"), { do: "by", ms: -10000 });
  assert.deepEqual(key("5"), { do: "part", part: 0.5 });
  assert.deepEqual(key(","), { do: "frame", step: -1 });
  assert.deepEqual(key(">"), { do: "speed", step: 1 });
  assert.equal(key("l", { ctrlKey: true }), null);
  assert.equal(replayKey({ key: " ", ctrlKey: false, metaKey: false, altKey: false }, true), null);
});

test("the cache keeps what was used last, within its bytes", () => {
  const c = new Cache<number>(100);
  c.set("a", 1, 40);
  c.set("b", 2, 40);
  c.get("a");
  c.set("c", 3, 40);
  assert.deepEqual([c.get("a"), c.get("b"), c.get("c"), c.size], [1, undefined, 3, 80]);
  c.set("huge", 4, 1000);
  assert.deepEqual([c.get("huge"), c.count], [4, 1]);
  c.set("small", 5, 1);
  assert.deepEqual([c.get("huge"), c.get("small"), c.size], [undefined, 5, 1]);
});

test("transcript: kinds, merging, nothing hostile", () => {
  const lines = parseLines('{"t":1,"k":"key","by":"u","s":"l"}\n{"t":20,"k":"key","by":"u","s":"s"}\nnonsense\n{"t":5,"k":"evil","s":"x"}\n{"t":30,"k":"out","s":"\\n$ a"}\n{"t":40,"k":"out","s":"b\\n"}\n{"t":5000,"k":"out","s":"c"}\n{"t":4000,"k":"key","by":"u","s":"x"}\n{"t":9000,"k":"out","s":"  "}\n');
  assert.deepEqual(mergeLines(lines).map((l) => [l.kind, l.text]), [["key", "ls"], ["out", "$ ab"], ["key", "x"], ["out", "c"]]);
  assert.equal(printable("a\u001b[31mb\u202ec\u0007\r\n"), "a␛[31mb\ufffdc␇\n");
  assert.equal(currentLine(lines, 25), 1);
  assert.equal(currentLine([], 25), -1);
});

// ---- chunks --------------------------------------------------------------------------------------

async function signer() {
  const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"])) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { pair, publicKey: toBase64(raw) };
}

async function make(pair: CryptoKeyPair, header: Record<string, unknown>, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const sha256 = hex(await crypto.subtle.digest("SHA-256", data));
  const line = new TextEncoder().encode(JSON.stringify({ frames: 1, i: 0, kind: "data", n: 0, offset: 0, prev: "p", raw: data.length, seq0: 0, seq1: 0, session: "s", sha256, size: data.length, t0: 0, t1: 10, ...header }) + "\n");
  const message = new Uint8Array([...new TextEncoder().encode("guac-chunk-v1\n"), ...line]);
  const signature = toBase64(new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, message)));
  const head = new Uint8Array([...line, ...new TextEncoder().encode(signature + "\n")]);
  const out = new Uint8Array(8 + head.length + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, 0x184d2a50, true);
  view.setUint32(4, head.length, true);
  out.set(head, 8);
  out.set(data, 8 + head.length);
  return out;
}

const expect = { session: "s", kind: "data" as const, n: 0, start: 0 };

test("a chunk is proved by hash, name and signature; any byte changed is found", async () => {
  const { pair, publicKey } = await signer();
  const key = await importKey(publicKey);
  const bytes = await make(pair, {}, Uint8Array.of(1, 2, 3, 4, 5));
  const proof = await prove(parseChunk(bytes), expect, key);
  assert.deepEqual([proof.state, proof.signature], ["ok", true]);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] as number) ^ 1;
    let state = "bad";
    try {
      state = (await prove(parseChunk(changed), expect, key)).state;
    } catch {
      /* refused before that */
    }
    // The newline behind the signature is the one byte that says nothing.
    if (at !== bytes.length - 6) assert.equal(state, "bad", `byte ${at}`);
  }
  for (const other of [{ ...expect, session: "x" }, { ...expect, n: 1 }, { ...expect, start: 5 }, { ...expect, kind: "text" as const }])
    assert.equal((await prove(parseChunk(bytes), other, key)).state, "bad");
  assert.equal((await prove(parseChunk(bytes), expect, await importKey((await signer()).publicKey))).state, "bad");
  assert.equal((await prove(parseChunk(bytes), expect, null)).signature, false);
});

test("cut, oversized and lying chunks are refused", async () => {
  const { pair } = await signer();
  const good = await make(pair, {}, Uint8Array.of(9));
  for (let n = 0; n < good.length; n++) assert.throws(() => parseChunk(good.slice(0, n)));
  for (const header of [{ raw: 1e12 }, { raw: -1 }, { size: 7 }, { n: "0" }, { sha256: 5 }, { t0: 1.5 }]) {
    const bytes = await make(pair, header, Uint8Array.of(9));
    assert.throws(() => parseChunk(bytes));
  }
  assert.equal(await importKey("not base64!"), null);
});

test("zstd frames that ask for too much memory are refused", () => {
  const frame = (...rest: number[]) => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...rest, 0, 0, 0, 0, 0, 0, 0, 0);
  assert.equal(windowSize(frame(0x20, 77)), 77);
  assert.equal(windowSize(frame(0x60, 1, 0)), 257);
  assert.equal(windowSize(frame(0x00, 0x50)), 1 << 20);
  assert.throws(() => checkWindow(frame(0x00, 0xf8)), /memory/);
  assert.throws(() => checkWindow(frame(0xa0, 255, 255, 255, 255)), /memory/);
  assert.throws(() => windowSize(Uint8Array.of(1, 2, 3, 4, 5, 6)), /zstd/);
});

test("chains: order of arrival does not matter, a break is found", async () => {
  const { pair, publicKey } = await signer();
  const key = await importKey(publicKey);
  const make3 = async (prevs: string[]) => {
    const out: { name: string; chunk: Chunk }[] = [];
    let prev = "first";
    for (let i = 0; i < 3; i++) {
      const chunk = parseChunk(await make(pair, { i, n: i, t0: i * 10, t1: i * 10 + 5, prev: prevs[i] ?? prev }, Uint8Array.of(i)));
      prev = hex(await crypto.subtle.digest("SHA-256", chunk.line));
      out.push({ name: `c${i}`, chunk });
    }
    return { list: out, head: prev };
  };
  const run = async (prevs: string[], order: number[]) => {
    const { list, head } = await make3(prevs);
    const proofs = new Proofs();
    proofs.first = "first";
    for (const i of order) {
      const { name, chunk } = list[i] as { name: string; chunk: Chunk };
      proofs.add(name, await prove(chunk, { session: "s", kind: "data", n: i, start: i * 10 }, key));
    }
    return { proofs, head };
  };
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
    const { proofs, head } = await run([], order);
    assert.deepEqual(proofs.broken, []);
    const none = { count: 0, head: "" };
    assert.equal(proofs.sealed({ data: { count: 3, head }, keyframe: none, text: none }), "ok");
    assert.equal(proofs.sealed({ data: { count: 3, head: "other" }, keyframe: none, text: none }), "bad");
    assert.equal(proofs.sealed({ data: { count: 4, head }, keyframe: none, text: none }), "open");
  }
  const { proofs } = await run(["first", "wrong"], [0, 1]);
  assert.equal(proofs.mark("c1"), "bad");
  assert.equal(proofs.mark("c0"), "ok");
  assert.equal(proofs.mark("c2"), "open");
});

test("statements: what is missing is empty, never a crash", () => {
  assert.equal(openFacts(null).publicKey, "");
  assert.equal(openFacts({ predicate: { key: { publicKey: "k", keyid: "i" }, person: { sub: "u" }, connection: { namespace: "n", name: "c" } } }).connection, "n/c");
  assert.equal(sealChains(null), null);
  assert.deepEqual(sealChains({ predicate: { chains: { data: { count: 2, head: "h" } } } })?.data, { count: 2, head: "h" });
});

test("transcript: a moment asked for while pages are on their way is gone to", async () => {
  const texts = Array.from({ length: 40 }, (_, n) => object(n, n * 10_000, "text"));
  const waiting: (() => void)[] = [];
  const get = (name: string) => new Promise((r) => waiting.push(() => r({ lines: [{ t: 0, kind: "out", by: "", text: name.slice(0, 8) }] })));
  const book = new Book(new Index({ chunks: [], keyframes: [], texts, durationMs: 400_000, state: "closed" }), { get } as unknown as Loader);
  const first = book.at(0);
  void book.at(100_000);
  void book.at(250_500); // the last one counts
  for (let done = false; !done; ) {
    for (const go of waiting.splice(0)) go();
    void first.then(() => { done = true; });
    await new Promise((r) => setTimeout(r, 0));
  }
  assert.deepEqual(book.lines.map((l) => l.text), ["00000024", "00000025", "00000026"]);
});
