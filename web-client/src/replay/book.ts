// The transcript's pages: text objects are loaded around the moment one looks at, and forgotten
// again, so that a day-long session costs no more than a short one.
import { lastAtOrBefore, type Index } from "./index.ts";
import type { Line } from "./lines.ts";
import type { Loader } from "./loader.ts";

const PAGES = 12;

export class Book {
  from = 0; // pages [from, to) of index.texts are open, side by side
  to = 0;
  onchange: () => void = () => {};
  #busy = false;
  #wanted = -1; // a moment asked for while pages were on their way
  #pages = new Map<string, Line[]>();
  // Of all open pages, in the order of their moments: keys that were typed before a page ends are
  // written once it is known whether they may be read, which may be in the next.
  lines: Line[] = [];

  constructor(
    public index: Index,
    readonly loader: Loader,
  ) {}

  get atStart(): boolean {
    return this.from === 0;
  }

  get atEnd(): boolean {
    return this.to >= this.index.texts.length;
  }

  // Opens the pages around a moment, unless they are open already.
  async at(ms: number): Promise<void> {
    if (this.#busy) {
      this.#wanted = ms;
      return;
    }
    const page = this.index.textAt(ms);
    if (page >= this.from && page < this.to && (page < this.to - 1 || this.atEnd)) return;
    if (page >= this.from - 1 && page <= this.to && this.to > this.from) return this.#open(Math.min(page, this.from), Math.max(page + 2, this.to), page);
    return this.#open(Math.max(0, page - 1), page + 2, page);
  }

  earlier(): Promise<void> {
    return this.#open(this.from - 1, this.to, this.from - 1);
  }

  later(): Promise<void> {
    return this.#open(this.from, this.to + 1, this.to);
  }

  async #open(from: number, to: number, keep: number): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    from = Math.max(0, from);
    to = Math.min(this.index.texts.length, to);
    while (to - from > PAGES) {
      if (keep - from > to - keep) from++;
      else to--;
    }
    try {
      const names = this.index.texts.slice(from, to).map((text) => text.name);
      const loaded = await Promise.all(names.map((name) => this.#pages.get(name) ?? this.loader.get(name).then((l) => l.lines, () => [])));
      this.#pages = new Map(names.map((name, i) => [name, loaded[i] as Line[]]));
      this.lines = loaded.flat().sort((a, b) => a.t - b.t);
      this.from = from;
      this.to = to;
    } finally {
      this.#busy = false;
      this.onchange();
    }
    const next = this.#wanted;
    this.#wanted = -1;
    if (next >= 0) await this.at(next);
  }
}

// Which entry belongs to a moment: the last that began.
export function currentLine(lines: readonly Line[], ms: number): number {
  return lastAtOrBefore(lines.map((l) => ({ start: l.t })), ms);
}
