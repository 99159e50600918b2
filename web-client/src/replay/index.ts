// The listing is the index: which object to fetch for which moment. Pure.
import type { Show, StoredObject } from "../lib/api.ts";
import { parseName } from "./names.ts";

export interface Range {
  from: number;
  to: number;
}

// A gap without frames from here on counts as idle.
export const IDLE = 3000;
// A chunk is flushed at the latest this long after its first frame.
const FLUSH = 2500;

export class Index {
  chunks: StoredObject[];
  keyframes: StoredObject[];
  texts: StoredObject[];
  duration: number;
  live: boolean;

  constructor(show: Pick<Show, "chunks" | "keyframes" | "texts" | "durationMs" | "state">) {
    const sorted = (list: StoredObject[]) =>
      list.filter((o) => parseName(o.name)).sort((a, b) => a.start - b.start || a.n - b.n);
    this.chunks = sorted(show.chunks);
    this.keyframes = sorted(show.keyframes);
    this.texts = sorted(show.texts);
    this.duration = Math.max(show.durationMs, this.chunks.at(-1)?.start ?? 0);
    this.live = show.state === "live";
  }

  // The last full picture at or before a moment; -1: none, begin with the first chunk.
  keyframeAt(ms: number): number {
    return lastAtOrBefore(this.keyframes, ms);
  }

  // Position in `chunks` of the first chunk to feed after a keyframe.
  chunkAfter(keyframe: number): number {
    const n = this.keyframes[keyframe]?.n ?? 0;
    const at = this.chunks.findIndex((c) => c.n >= n);
    return at < 0 ? this.chunks.length : at;
  }

  chunkAt(ms: number): number {
    return Math.max(0, lastAtOrBefore(this.chunks, ms));
  }

  textAt(ms: number): number {
    return Math.max(0, lastAtOrBefore(this.texts, ms));
  }

  // Where nothing happened. `ends` knows the last frame of chunks that were loaded; the others are
  // taken to be as long as they can be.
  idle(ends: ReadonlyMap<number, number> = new Map()): Range[] {
    const out: Range[] = [];
    const gap = (from: number, to: number) => {
      if (to - from >= IDLE) out.push({ from, to });
    };
    let end = 0;
    for (const [i, c] of this.chunks.entries()) {
      gap(end, c.start);
      end = ends.get(i) ?? Math.min(c.start + FLUSH, this.chunks[i + 1]?.start ?? this.duration);
    }
    if (!this.live) gap(end, this.duration);
    return out;
  }
}

export function lastAtOrBefore(list: readonly { start: number }[], ms: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((list[mid] as { start: number }).start <= ms) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}
