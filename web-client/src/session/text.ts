// The terminal's text beside its picture (pipe `guac.text`, JSON lines), kept as rows for a screen
// reader: what is on the screen, and what newly appeared since it was last said.

const MAX_ROWS = 400;

export class ScreenText {
  rows: string[] = [];
  cursor = { row: 0, column: 0 };
  onchange: (said: string) => void = () => {};

  clear(): void {
    this.rows = [];
  }

  // {"rows": n} the screen's height, {"row": i, "s": text} one row anew, {"scroll": n} rows moved
  // up by n, {"cursor": [row, column]}.
  apply(line: Record<string, unknown>): void {
    const said: string[] = [];
    const count = line["rows"];
    if (typeof count === "number" && count >= 0 && count <= MAX_ROWS) {
      this.rows.length = Math.min(this.rows.length, count);
      while (this.rows.length < count) this.rows.push("");
    }
    const scroll = line["scroll"];
    if (typeof scroll === "number" && scroll > 0) {
      const n = Math.min(scroll, this.rows.length);
      this.rows.splice(0, n);
      for (let i = 0; i < n; i++) this.rows.push("");
    }
    const set = (row: unknown, s: unknown): void => {
      if (typeof row !== "number" || typeof s !== "string" || row < 0 || row >= MAX_ROWS) return;
      while (this.rows.length <= row) this.rows.push("");
      const before = this.rows[row] ?? "";
      const text = s.slice(0, 2000).trimEnd();
      this.rows[row] = text;
      const news = text.startsWith(before) ? text.slice(before.length) : text;
      if (news.trim()) said.push(news);
    };
    set(line["row"], line["s"]);
    const lines = line["lines"];
    if (Array.isArray(lines)) for (const item of lines) if (Array.isArray(item)) set(item[0], item[1]);
    const cursor = line["cursor"];
    if (Array.isArray(cursor) && typeof cursor[0] === "number" && typeof cursor[1] === "number")
      this.cursor = { row: cursor[0], column: cursor[1] };
    this.onchange(said.join("\n"));
  }

  get screen(): string {
    return this.rows.join("\n").trimEnd();
  }
}
