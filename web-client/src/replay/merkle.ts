// Is a leaf in the log? RFC 6962 hashing and inclusion proofs (section 2.1.1), checked here: the
// gateway's word is not needed for it, only the root of a checkpoint one trusts.
import { sha256 } from "./chunk.ts";

const hexBytes = (hex: string): Uint8Array<ArrayBuffer> => {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error("no hash");
  return Uint8Array.from(hex.match(/../g) ?? [], (h) => parseInt(h, 16));
};

function joined(prefix: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(1 + parts.reduce((n, p) => n + p.length, 0));
  out[0] = prefix;
  let at = 1;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const leafHash = (text: string): Promise<string> => sha256(joined(0, new TextEncoder().encode(text)));

// The root of a tree of `size` leaves that holds `leaf` at `index`, by its audit path; null when the
// path cannot belong to that place.
export async function rootOf(leaf: string, index: number, size: number, proof: readonly string[]): Promise<string | null> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size || proof.length > 64) return null;
  let hash = leaf;
  let fn = index;
  let sn = size - 1;
  for (const p of proof) {
    if (sn === 0) return null;
    if (fn % 2 === 1 || fn === sn) {
      hash = await sha256(joined(1, hexBytes(p), hexBytes(hash)));
      while (fn !== 0 && fn % 2 === 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else hash = await sha256(joined(1, hexBytes(hash), hexBytes(p)));
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 ? hash : null;
}

export interface InLog {
  index: number;
  leaf: string; // its text
  hash: string;
  proof: string[];
}

export interface LogProof {
  session: string;
  open: InLog | null;
  seal: InLog | null;
  checkpoint: { note: string; size: number; root: string; origin: string; signatures: { name: string; keyid: string }[] };
  stamps?: { size: number; name: string }[];
  access?: { index: number; kind: string; at: number; person?: { sub: string; name: string }; range?: unknown }[];
}

export type Standing = "ok" | "bad" | "open";

// Does this leaf speak of this session (and of that record, where its hash is known), and is it in
// the tree of the checkpoint?
export async function standing(log: LogProof, what: "open" | "seal", record: string): Promise<Standing> {
  const at = log[what];
  if (!at) return "open";
  try {
    const said = JSON.parse(at.leaf) as { session?: unknown; kind?: unknown; sha256?: unknown };
    if (said.session !== log.session || said.kind !== what || (record && said.sha256 !== record)) return "bad";
    const [, size, root] = log.checkpoint.note.split("\n");
    const noted = root ? [...atob(root)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("") : "";
    if (Number(size) !== log.checkpoint.size || noted !== log.checkpoint.root) return "bad";
    return (await rootOf(await leafHash(at.leaf), at.index, log.checkpoint.size, at.proof)) === log.checkpoint.root ? "ok" : "bad";
  } catch {
    return "bad";
  }
}
