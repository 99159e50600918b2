// The Guacamole wire: LEN.VALUE,LEN.VALUE; with LEN in Unicode code points. Pure: text in,
// instructions out. What comes over the wire or out of a recording decides no allocation without
// a bound, and a malformed length is refused, never guessed.

export type Instruction = [opcode: string, ...args: string[]];

const MAX_ELEMENT = 1 << 20;
const MAX_ELEMENTS = 1024;
const SURROGATE = /[\ud800-\udbff][\udc00-\udfff]/g;

export class ProtocolError extends Error {}

export function codePoints(text: string): number {
  const pairs = text.match(SURROGATE);
  return text.length - (pairs ? pairs.length : 0);
}

export function encode(elements: ArrayLike<unknown>): string {
  let out = "";
  for (let i = 0; i < elements.length; i++) {
    const text = String(elements[i]);
    out += `${i ? "," : ""}${codePoints(text)}.${text}`;
  }
  return out + ";";
}

export class InstructionParser {
  #buffer = "";
  #elements: string[] = [];

  // Calls `out` for each whole instruction; keeps the rest for the next call.
  feed(text: string, out: (opcode: string, args: string[]) => void): void {
    const s = this.#buffer ? this.#buffer + text : text;
    const wide = /[\ud800-\udfff]/.test(s);
    let at = 0;
    for (;;) {
      const dot = s.indexOf(".", at);
      const digits = dot < 0 ? s.length - at : dot - at;
      if (digits > 7) throw new ProtocolError("an element's length has too many digits");
      if (dot < 0) {
        if (digits && !/^\d+$/.test(s.slice(at))) throw new ProtocolError("an element has no length");
        break;
      }
      const head = s.slice(at, dot);
      if (!/^\d+$/.test(head)) throw new ProtocolError("an element has no length");
      const length = Number(head);
      if (length > MAX_ELEMENT) throw new ProtocolError("an element is too long");
      const start = dot + 1;
      const end = wide ? advance(s, start, length) : start + length;
      if (end < 0 || end >= s.length) break;
      const mark = s[end];
      if (mark !== "," && mark !== ";") throw new ProtocolError("an element does not end where it says");
      if (this.#elements.push(s.slice(start, end)) > MAX_ELEMENTS)
        throw new ProtocolError("an instruction has too many elements");
      at = end + 1;
      if (mark === ";") {
        const [opcode = "", ...args] = this.#elements;
        this.#elements = [];
        out(opcode, args);
      }
    }
    this.#buffer = s.slice(at);
  }

  get idle(): boolean {
    return !this.#buffer && !this.#elements.length;
  }
}

// Index behind `count` code points from `start`, or -1 when the text ends before.
function advance(s: string, start: number, count: number): number {
  let i = start;
  while (count > 0) {
    if (i >= s.length) return -1;
    const c = s.charCodeAt(i);
    if (c >= 0xd800 && c < 0xdc00) {
      if (i + 1 >= s.length) return -1;
      const d = s.charCodeAt(i + 1);
      i += d >= 0xdc00 && d < 0xe000 ? 2 : 1;
    } else i++;
    count--;
  }
  return i;
}
