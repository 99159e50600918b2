// Fetches a recording's objects, proves and unpacks them, off the page's thread.
import { Decompress } from "fzstd";
import { fromBase64 } from "../session/clipboard.ts";
import { checkWindow, ChunkError, importKey, parseChunk, prove, sha256 } from "./chunk.ts";
import { findFrames } from "./frames.ts";
import { mergeLines, parseLines } from "./lines.ts";
import type { Answer, Loaded, Request, Setup } from "./messages.ts";
import { parseName } from "./names.ts";

let setup: Setup = { session: "", publicKey: "", gatewayKey: "" };
let key: CryptoKey | null = null;

class HttpError extends Error {
  constructor(readonly status: number) {
    super(`HTTP ${status}`);
  }
}

async function get(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = `/api/recordings/${encodeURIComponent(setup.session)}/objects/${encodeURIComponent(name)}`;
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new HttpError(response.status);
  return new Uint8Array(await response.arrayBuffer());
}

// Never more than the header said, whatever the frame unfolds to.
function unpack(data: Uint8Array, raw: number): Uint8Array<ArrayBuffer> {
  checkWindow(data);
  const out = new Uint8Array(raw);
  let at = 0;
  const stream = new Decompress((part) => {
    if (at + part.length > raw) throw new ChunkError("it unfolds to more than its header says");
    out.set(part, at);
    at += part.length;
  });
  stream.push(data, true);
  if (at !== raw) throw new ChunkError("it unfolds to less than its header says");
  return out;
}

// The open record: its hash begins every chain, its envelope is signed by the gateway.
async function openRecord(): Promise<{ hash: string; signed: boolean | null }> {
  const bytes = await get("open.dsse.json");
  const hash = await sha256(bytes);
  const gateway = setup.gatewayKey ? await importKey(setup.gatewayKey) : null;
  if (!gateway) return { hash, signed: null };
  const envelope = JSON.parse(new TextDecoder().decode(bytes)) as {
    payload: string; payloadType: string; signatures: { sig: string }[];
  };
  const payload = fromBase64(envelope.payload);
  const type = new TextEncoder().encode(envelope.payloadType);
  const head = new TextEncoder().encode(`DSSEv1 ${type.length} ${envelope.payloadType} ${payload.length} `);
  const message = new Uint8Array(head.length + payload.length);
  message.set(head);
  message.set(payload, head.length);
  const checks = await Promise.all(
    envelope.signatures.map((s) => crypto.subtle.verify("Ed25519", gateway, fromBase64(s.sig), message)),
  );
  return { hash, signed: checks.some(Boolean) };
}

async function load(name: string, proofOnly: boolean): Promise<Omit<Answer, "id">> {
  const parsed = parseName(name);
  if (!parsed) throw new ChunkError("no such name");
  const chunk = parseChunk(await get(name));
  const proof = await prove(chunk, { session: setup.session, kind: parsed.kind, n: parsed.n, start: parsed.start }, key);
  // What was changed is not shown: nobody knows what it says.
  if (proofOnly || proof.state === "bad") return { proof };
  const bytes = unpack(chunk.data, chunk.header.raw);
  const nothing = { times: new Float64Array(), ends: new Uint32Array(), keys: new Float64Array() };
  const loaded: Loaded = parsed.kind === "text"
    ? { kind: "text", bytes: new Uint8Array(), ...nothing, lines: mergeLines(parseLines(new TextDecoder().decode(bytes))) }
    : { kind: parsed.kind, bytes, ...findFrames(bytes, chunk.header.t0, chunk.header.t1), lines: [] };
  return { proof, loaded };
}

async function handle(request: Request): Promise<Omit<Answer, "id">> {
  if (request.want === "setup") {
    setup = request.setup as Setup;
    key = setup.publicKey ? await importKey(setup.publicKey) : null;
    return { open: await openRecord().catch(() => ({ hash: "", signed: null })) };
  }
  return load(request.name, request.want === "proof");
}

self.onmessage = (event: MessageEvent<Request>) => {
  const { id } = event.data;
  handle(event.data).then(
    (answer) => {
      const transfer: Transferable[] = [];
      if (answer.loaded) {
        const { bytes, times, ends, keys } = answer.loaded;
        transfer.push(bytes.buffer, times.buffer as ArrayBuffer, ends.buffer as ArrayBuffer, keys.buffer as ArrayBuffer);
      }
      (self as unknown as Worker).postMessage({ id, ...answer } satisfies Answer, transfer);
    },
    (error: unknown) => {
      const status = error instanceof HttpError ? { status: error.status } : {};
      (self as unknown as Worker).postMessage({ id, error: (error as Error).message, ...status } satisfies Answer);
    },
  );
};
