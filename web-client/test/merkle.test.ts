import { test } from "node:test";
import assert from "node:assert/strict";
import { leafHash, rootOf, standing, type LogProof } from "../src/replay/merkle.ts";
import { sha256 } from "../src/replay/chunk.ts";
import { splitMarks } from "../src/lib/search.ts";

// RFC 6962, section 2.1, written down a second time: recursion over the leaves.
const bytes = (hex: string) => (hex.match(/../g) ?? []).map((x) => parseInt(x, 16));
const h = (prefix: number, ...parts: (readonly number[])[]) => sha256(Uint8Array.from([prefix, ...parts.flat()]));
const utf8 = (text: string) => [...new TextEncoder().encode(text)];
const split = (n: number) => { let k = 1; while (k * 2 < n) k *= 2; return k; };
const root = async (d: string[]): Promise<string> =>
  d.length === 1 ? h(0, utf8(d[0] as string)) : h(1, bytes(await root(d.slice(0, split(d.length)))), bytes(await root(d.slice(split(d.length)))));
const path = async (m: number, d: string[]): Promise<string[]> => {
  if (d.length === 1) return [];
  const k = split(d.length);
  return m < k ? [...(await path(m, d.slice(0, k))), await root(d.slice(k))] : [...(await path(m - k, d.slice(k))), await root(d.slice(0, k))];
};

test("leaf and tree hashes are RFC 6962's", async () => {
  assert.equal(await leafHash(""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
});

test("every leaf of every tree up to 40 is proved by its path, and by no other place, size or path", async () => {
  const leaves = Array.from({ length: 40 }, (_, i) => `leaf ${i}`);
  for (let size = 1; size <= 40; size++) {
    const d = leaves.slice(0, size);
    const want = await root(d);
    for (let i = 0; i < size; i += size > 12 ? 5 : 1) {
      const proof = await path(i, d);
      const leaf = await leafHash(d[i] as string);
      assert.equal(await rootOf(leaf, i, size, proof), want, `${i} of ${size}`);
      if (size > 1) {
        assert.ok((await rootOf(leaf, (i + 1) % size, size, proof)) !== want);
        assert.ok((await rootOf(leaf, i, size, proof.slice(1))) !== want);
        assert.ok((await rootOf(await leafHash("other"), i, size, proof)) !== want);
      }
      assert.equal(await rootOf(leaf, i, size, [...proof, want]), null);
    }
  }
  for (const [i, n] of [[-1, 3], [3, 3], [0.5, 3], [0, 0]]) assert.equal(await rootOf("00", i as number, n as number, []), null);
});

test("a leaf counts for its own session and record only, under the root its checkpoint's note names", async () => {
  const session = "019a9f00-0000-7000-8000-000000000001";
  const leaf = JSON.stringify({ at: 1, kind: "open", sha256: "ab", session });
  const d = ["x", leaf, "y"];
  const top = await root(d);
  const way = await path(1, d);
  const log = (more: object = {}): LogProof => ({
    session, seal: null,
    open: { index: 1, leaf, hash: "", proof: way, ...more },
    checkpoint: { note: `gw/log\n3\n${btoa(String.fromCharCode(...bytes(top)))}\n\n— gw x`, size: 3, root: top, origin: "gw/log", signatures: [] },
  });
  assert.equal(await standing(log(), "open", "ab"), "ok");
  assert.equal(await standing(log(), "open", ""), "ok");
  assert.equal(await standing(log(), "seal", ""), "open");
  assert.equal(await standing(log(), "open", "cd"), "bad");
  assert.equal(await standing({ ...log(), session: "other" }, "open", "ab"), "bad");
  assert.equal(await standing(log({ leaf: "nonsense" }), "open", "ab"), "bad");
  const forged = log();
  forged.checkpoint.root = "00".repeat(32);
  assert.equal(await standing(forged, "open", "ab"), "bad");
});

test("marks count code points, and a wrong mark marks nothing", () => {
  assert.deepEqual(splitMarks("😀 ab cd", [[2, 2], [5, 2]]), [{ text: "😀 ", hit: false }, { text: "ab", hit: true }, { text: " ", hit: false }, { text: "cd", hit: true }]);
  assert.deepEqual(splitMarks("abc", [[2, 9], [-1, 1]]), [{ text: "abc", hit: false }]);
});
