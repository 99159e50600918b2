// The terminal's text beside its picture (pipe `guac.text`, JSON lines as guacd/term/text.c writes
// them), kept as rows for a screen reader: what is on the screen, and what is new since it was last
// said. A line is {"rows", "cols", "cursor": [row, column], "alt", "set": [[row, text], …]}.

const MAX_ROWS = 400;
const MAX_SAID = 3; // rows of a full-screen program that are said at once

export class ScreenText {
  rows: string[] = [];
  cursor = { row: 0, column: 0 };
  alternate = false;
  onchange: () => void = () => {};
  #said: readonly string[] = []; // the screen when something was last said

  clear(): void {
    this.rows = [];
    this.#said = [];
  }

  apply(line: Record<string, unknown>): void {
    const count = line["rows"];
    const rows = [...this.rows];
    if (typeof count === "number" && count >= 0 && count <= MAX_ROWS) {
      rows.length = Math.min(rows.length, count);
      while (rows.length < count) rows.push("");
    }
    for (const item of Array.isArray(line["set"]) ? line["set"] : []) {
      if (!Array.isArray(item) || typeof item[0] !== "number" || typeof item[1] !== "string") continue;
      const [row, text] = item as [number, string];
      if (!Number.isInteger(row) || row < 0 || row >= rows.length) continue;
      rows[row] = text.slice(0, 2000).trimEnd();
    }
    const cursor = line["cursor"];
    if (Array.isArray(cursor) && typeof cursor[0] === "number" && typeof cursor[1] === "number")
      this.cursor = { row: cursor[0], column: cursor[1] };
    this.alternate = line["alt"] === true;
    this.rows = rows;
    this.onchange();
  }

  // What is new since the last time: a whole moment's changes at once, not key by key.
  take(): string {
    const before = this.#said;
    this.#said = this.rows;
    if (!this.alternate) return news(before, this.rows);
    return this.rows.filter((text, i) => text && text !== before[i]).slice(0, MAX_SAID).join("\n");
  }

  get screen(): string {
    return this.rows.join("\n").trimEnd();
  }
}

// What the second screen says that the first did not, when it may have scrolled up in between.
export function news(before: readonly string[], after: readonly string[]): string {
  const shift = scrolled(before, after);
  const said: string[] = [];
  for (const [i, text] of after.entries()) {
    const old = before[i + shift] ?? "";
    if (text === old || !text) continue;
    said.push(text.startsWith(old) ? text.slice(old.length) : text);
  }
  return said.filter((s) => s.trim()).join("\n");
}

// By how many rows: the smallest shift at which what was there still stands, but for its last line.
function scrolled(before: readonly string[], after: readonly string[]): number {
  let last = before.length - 1;
  while (last >= 0 && !before[last]) last--;
  for (let shift = 0; shift <= last; shift++) {
    let same = true;
    for (let i = shift; i < last && same; i++) same = before[i] === after[i - shift];
    if (same && (shift < last || (after[0] ?? "").startsWith(before[last] as string))) return shift;
  }
  return 0;
}
