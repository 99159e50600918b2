// One stored object: a zstd skippable frame with the signed header, then one zstd frame. Everything
// that can be checked is checked before a byte of the content is looked at.
import { fromBase64 } from "../session/clipboard.ts";
import type { Kind } from "./names.ts";

export const MAGIC = 0x184d2a50;
const HEADER_MAX = 2048;
const RAW_MAX = 24 << 20;
const WINDOW_MAX = 32 << 20;
const DOMAIN = "guac-chunk-v1\n";

export interface Header {
  session: string;
  kind: Kind;
  n: number;
  i: number;
  t0: number;
  t1: number;
  offset: number;
  raw: number;
  size: number;
  sha256: string;
  prev: string;
}

export interface Chunk {
  header: Header;
  line: Uint8Array<ArrayBuffer>; // header as signed, with its newline
  signature: Uint8Array<ArrayBuffer>;
  data: Uint8Array<ArrayBuffer>; // the zstd frame
}

export class ChunkError extends Error {}

export function parseChunk(bytes: Uint8Array<ArrayBuffer>): Chunk {
  if (bytes.length < 8) throw new ChunkError("it is too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new ChunkError("it has no header");
  const size = view.getUint32(4, true);
  if (size > HEADER_MAX || 8 + size > bytes.length) throw new ChunkError("its header is cut");
  const head = bytes.slice(8, 8 + size);
  const newline = head.indexOf(10);
  if (newline < 0) throw new ChunkError("its header has no signature");
  const line = head.slice(0, newline + 1);
  const text = new TextDecoder();
  let header: Record<string, unknown>;
  let signature: Uint8Array<ArrayBuffer>;
  try {
    header = JSON.parse(text.decode(line)) as Record<string, unknown>;
    signature = fromBase64(text.decode(head.slice(newline + 1)).trim());
  } catch {
    throw new ChunkError("its header cannot be read");
  }
  for (const key of ["n", "i", "t0", "t1", "offset", "raw", "size"])
    if (!Number.isSafeInteger(header[key]) || (header[key] as number) < 0)
      throw new ChunkError(`its header has no ${key}`);
  for (const key of ["session", "kind", "sha256", "prev"])
    if (typeof header[key] !== "string") throw new ChunkError(`its header has no ${key}`);
  const chunk: Chunk = { header: header as unknown as Header, line, signature, data: bytes.subarray(8 + size) };
  if (chunk.header.raw > RAW_MAX) throw new ChunkError("it is too large");
  if (chunk.header.size !== chunk.data.length) throw new ChunkError("its length is not what the header says");
  return chunk;
}

// Memory that a zstd frame asks for before anything is decoded (RFC 8878, 3.1.1.1).
export function windowSize(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) throw new ChunkError("its content is no zstd frame");
  const flags = data[4] as number;
  if (!(flags & 0x20)) {
    const exponent = (data[5] as number) >> 3;
    return 2 ** (10 + exponent) * (1 + ((data[5] as number) & 7) / 8);
  }
  const at = 5 + ([0, 1, 2, 4][flags & 3] as number);
  const sizes = flags >> 6;
  if (data.length < at + (1 << sizes)) throw new ChunkError("its content is cut");
  if (sizes === 0) return data[at] as number;
  if (sizes === 1) return view.getUint16(at, true) + 256;
  if (sizes === 2) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}

export function checkWindow(data: Uint8Array): void {
  if (windowSize(data) > WINDOW_MAX) throw new ChunkError("it asks for too much memory");
}

export const hex = (bytes: ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(await crypto.subtle.digest("SHA-256", bytes));
}

// null: this browser cannot check Ed25519 (or there is no key to check with).
export async function importKey(base64: string): Promise<CryptoKey | null> {
  try {
    return await crypto.subtle.importKey("raw", fromBase64(base64), { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return null;
  }
}

export async function signed(chunk: Chunk, key: CryptoKey): Promise<boolean> {
  const domain = new TextEncoder().encode(DOMAIN);
  const message = new Uint8Array(domain.length + chunk.line.length);
  message.set(domain);
  message.set(chunk.line, domain.length);
  return crypto.subtle.verify("Ed25519", key, chunk.signature, message);
}

export interface Proof {
  state: "ok" | "bad";
  reason: string; // when bad
  signature: boolean; // false: not checked, this browser cannot
  kind: Kind;
  i: number;
  head: string; // SHA-256 of the header line: the next one's `prev`
  prev: string;
  t1: number;
}

// Checks one object against its name and the session's key.
export async function prove(chunk: Chunk, expect: { session: string; kind: Kind; n: number; start: number }, key: CryptoKey | null): Promise<Proof> {
  const h = chunk.header;
  const proof: Proof = {
    state: "ok", reason: "", signature: key !== null, kind: expect.kind, i: h.i,
    head: await sha256(chunk.line), prev: h.prev, t1: h.t1,
  };
  const bad = (reason: string): Proof => ({ ...proof, state: "bad", reason });
  if (h.session !== expect.session) return bad("it belongs to another session");
  if (h.kind !== expect.kind || h.n !== expect.n || h.t0 !== expect.start) return bad("it does not belong under this name");
  if ((await sha256(chunk.data)) !== h.sha256) return bad("its content was changed");
  if (key && !(await signed(chunk, key))) return bad("its signature does not fit");
  return proof;
}
