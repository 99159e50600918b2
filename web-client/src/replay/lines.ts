// The transcript: JSON lines {t, k, by, s} of a text object to readable entries. Pure. The text is
// what a target showed and a person typed: data, never markup.

export type LineKind = "out" | "key" | "clip" | "file" | "title";

export interface Line {
  t: number;
  kind: LineKind;
  by: string;
  text: string;
}

const kinds = new Set(["out", "key", "clip", "file", "title"]);
const MERGE = 1500; // keys typed within this belong together

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

// Controls that would move or hide text are shown, not obeyed.
export function printable(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

// Keys one after another become one entry; empty output disappears.
export function mergeLines(lines: readonly Line[]): Line[] {
  const out: Line[] = [];
  let end = 0;
  for (const line of lines) {
    const last = out.at(-1);
    if (line.kind === "out" && !line.text.trim()) continue;
    if (last && last.kind === "key" && line.kind === "key" && line.by === last.by && line.t - end < MERGE && last.text.length < 400)
      last.text += line.text;
    else if (last && last.kind === "out" && line.kind === "out" && line.t - last.t < 40 && last.text.length < 2000)
      last.text = `${last.text.replace(/\n$/, "")}\n${line.text}`;
    else out.push({ ...line });
    end = line.t;
  }
  return out;
}
