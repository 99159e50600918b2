// Finds the frames in a chunk's plain instructions: where each `sync` ends and which moment it is.
// Works on bytes (LEN counts code points), pure, and refuses what is not Guacamole.

export interface Frames {
  times: Float64Array; // ms, never decreasing
  ends: Uint32Array; // byte offset behind each frame's `sync`
  keys: Float64Array; // moments of key presses
}

const SYNC = [115, 121, 110, 99];
const KEY = [107, 101, 121];

export function findFrames(bytes: Uint8Array, t0: number, t1: number): Frames {
  const times: number[] = [];
  const ends: number[] = [];
  const keys: number[] = [];
  let last = t0;
  let at = 0;
  let drawn = 0; // end of the last whole instruction
  const starts: number[] = [];
  const stops: number[] = [];
  while (at < bytes.length) {
    starts.length = stops.length = 0;
    for (;;) {
      let length = 0;
      let digits = 0;
      for (; at < bytes.length; at++, digits++) {
        const b = bytes[at] as number;
        if (b === 46) break;
        if (b < 48 || b > 57 || digits > 6) throw new Error("not Guacamole");
        length = length * 10 + b - 48;
      }
      if (!digits || at >= bytes.length) throw new Error("cut off");
      const start = ++at;
      for (; length > 0; length--) {
        if (at >= bytes.length) throw new Error("cut off");
        const b = bytes[at] as number;
        at += b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
      }
      if (starts.length < 8) {
        starts.push(start);
        stops.push(at);
      }
      const mark = bytes[at++];
      if (mark === 59) break;
      if (mark !== 44) throw new Error("not Guacamole");
    }
    drawn = at;
    if (is(bytes, starts, stops, SYNC)) {
      last = Math.max(last, number(bytes, starts[1], stops[1]));
      times.push(last);
      ends.push(at);
    } else if (is(bytes, starts, stops, KEY) && number(bytes, starts[2], stops[2]) === 1) {
      const t = number(bytes, starts[3], stops[3]);
      keys.push(Math.min(Math.max(t || last, t0), Math.max(t1, t0)));
    }
  }
  if (drawn > (ends.at(-1) ?? 0)) {
    // Input lines behind the last `sync`: a frame of their own, so that the pointer still moves.
    times.push(Math.max(last, t1));
    ends.push(drawn);
  }
  return { times: Float64Array.from(times), ends: Uint32Array.from(ends), keys: Float64Array.from(keys) };
}

function is(bytes: Uint8Array, starts: number[], stops: number[], word: number[]): boolean {
  const start = starts[0] as number;
  return (stops[0] as number) - start === word.length && word.every((c, i) => bytes[start + i] === c);
}

function number(bytes: Uint8Array, start: number | undefined, stop: number | undefined): number {
  if (start === undefined || stop === undefined || stop - start > 16) return 0;
  let n = 0;
  for (let i = start; i < stop; i++) {
    const d = (bytes[i] as number) - 48;
    if (d < 0 || d > 9) return 0;
    n = n * 10 + d;
  }
  return n;
}
