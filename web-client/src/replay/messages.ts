// What the page and its worker say to each other.
import type { Proof } from "./chunk.ts";
import type { Line } from "./lines.ts";
import type { Kind } from "./names.ts";

export interface Setup {
  session: string;
  publicKey: string; // base64, of the session; "" when the open record has none
  gatewayKey: string;
}

export interface Request {
  id: number;
  want: "object" | "proof" | "setup";
  name: string;
  setup?: Setup;
}

export interface Loaded {
  kind: Kind;
  bytes: Uint8Array<ArrayBuffer>; // plain instructions; empty for text
  times: Float64Array;
  ends: Uint32Array;
  keys: Float64Array;
  lines: Line[];
}

export interface Answer {
  id: number;
  proof?: Proof;
  loaded?: Loaded;
  open?: { hash: string; signed: boolean | null }; // of open.dsse.json; null: not checked here
  error?: string;
  status?: number; // HTTP
}
