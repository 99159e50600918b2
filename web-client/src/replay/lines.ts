// The transcript: JSON lines {t, k, by, s} of a text object to readable entries. Pure. The text is
// what a target showed and a person typed: data, never markup.

import { printable } from "../lib/format.ts";

export type LineKind = "out" | "key" | "clip" | "file" | "title";

export interface Line {
  t: number;
  kind: LineKind;
  by: string;
  text: string;
}

const kinds = new Set(["out", "key", "clip", "file", "title"]);
const TYPED_TOGETHER = 1500;
const SHOWN_TOGETHER = 2500;
const LONG = 2000;

export function parseLines(text: string): Line[] {
  const out: Line[] = [];
  for (const row of text.split("\n")) {
    if (!row) continue;
    let o: Record<string, unknown>;
    try {
      o = JSON.parse(row) as Record<string, unknown>;
    } catch {
      continue;
    }
    if (!o || typeof o["t"] !== "number" || !kinds.has(o["k"] as string)) continue;
    const s = o["s"];
    const shown = typeof s === "string" ? s : s === undefined || s === null ? "" : JSON.stringify(s);
    out.push({
      t: o["t"],
      kind: o["k"] as LineKind,
      by: typeof o["by"] === "string" ? o["by"] : "",
      text: printable(shown),
    });
  }
  return out;
}

// Entries in the order of their moments (typed keys are written once it is known whether they may
// be read, so they come late). What was shown is a stream: its pieces are put together again.
export function mergeLines(lines: readonly Line[]): Line[] {
  const out: Line[] = [];
  for (const line of [...lines].sort((a, b) => a.t - b.t)) {
    const last = out.at(-1);
    const joins = last && last.kind === line.kind && line.by === last.by && last.text.length < LONG;
    if (joins && line.kind === "out" && line.t - last.t < SHOWN_TOGETHER) last.text += line.text;
    else if (joins && line.kind === "key" && line.t - last.t < TYPED_TOGETHER) last.text += line.text;
    else out.push({ ...line });
  }
  for (const line of out) if (line.kind === "out") line.text = line.text.replace(/^\s*\n|\s+$/g, "").replace(/\n{3,}/g, "\n\n");
  return out.filter((line) => line.kind !== "out" || line.text);
}
