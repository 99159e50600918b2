// Keyboard events to keysyms: a state machine without DOM, so that it can be tested with plain
// objects. It knows what is held by physical key, so a key is released as what it was pressed as,
// whatever the layout or the modifiers became in between.

export interface KeyLike {
  key: string;
  code: string;
  location: number;
  repeat: boolean;
  isComposing: boolean;
  keyCode: number;
  ctrlKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  metaKey: boolean;
  getModifierState(name: string): boolean;
}

export type KeyOut = [pressed: 0 | 1, keysym: number];

export interface KeyResult {
  send: KeyOut[];
  prevent: boolean;
  action?: "toolbar" | "paste";
}

export const SHIFT = 0xffe1;
export const CTRL = 0xffe3;
export const META = 0xffe7;
export const ALT = 0xffe9;
export const RETURN = 0xff0d;
export const INSERT = 0xff63;

const modifiers: Record<string, [left: number, right: number]> = {
  Shift: [0xffe1, 0xffe2],
  Control: [0xffe3, 0xffe4],
  Meta: [0xffe7, 0xffe8],
  OS: [0xffe7, 0xffe8],
  Alt: [0xffe9, 0xffea],
  Super: [0xffeb, 0xffec],
  Hyper: [0xffed, 0xffee],
};

const named: Record<string, number> = {
  Backspace: 0xff08, Tab: 0xff09, Clear: 0xff0b, Enter: 0xff0d, Pause: 0xff13, ScrollLock: 0xff14,
  Escape: 0xff1b, Delete: 0xffff, Home: 0xff50, ArrowLeft: 0xff51, ArrowUp: 0xff52,
  ArrowRight: 0xff53, ArrowDown: 0xff54, PageUp: 0xff55, PageDown: 0xff56, End: 0xff57,
  Select: 0xff60, PrintScreen: 0xff61, Execute: 0xff62, Insert: 0xff63, Undo: 0xff65,
  Redo: 0xff66, Again: 0xff66, ContextMenu: 0xff67, Find: 0xff68, Cancel: 0xff69, Help: 0xff6a,
  NumLock: 0xff7f, Convert: 0xff23, NonConvert: 0xff22, KanjiMode: 0xff21, Romaji: 0xff24,
  Hiragana: 0xff25, Katakana: 0xff26, HiraganaKatakana: 0xff27, Zenkaku: 0xff28, Hankaku: 0xff29,
  ZenkakuHankaku: 0xff2a, KanaMode: 0xff2d, Eisu: 0xff30, Alphanumeric: 0xff30,
  HangulMode: 0xff31, HanjaMode: 0xff34, JunjaMode: 0xff38, ModeChange: 0xff7e,
};
for (let i = 1; i <= 24; i++) named[`F${i}`] = 0xffbd + i;

const keypad: Record<string, number> = {
  NumpadMultiply: 0xffaa, NumpadAdd: 0xffab, NumpadComma: 0xffac, NumpadSubtract: 0xffad,
  NumpadDecimal: 0xffae, NumpadDivide: 0xffaf, NumpadEnter: 0xff8d, NumpadEqual: 0xffbd,
};
for (let i = 0; i <= 9; i++) keypad[`Numpad${i}`] = 0xffb0 + i;

// Never sent: the character's keysym already says what these decided.
const silent = new Set(["CapsLock", "AltGraph", "Dead", "Process", "Unidentified", "Fn", "FnLock", "Compose", "Symbol", "SymbolLock"]);

export function keysymOf(codePoint: number): number {
  if (codePoint === 0x0a) return RETURN;
  if (codePoint <= 0x1f || (codePoint >= 0x7f && codePoint <= 0x9f)) return 0xff00 | (codePoint & 0xff);
  return codePoint <= 0xff ? codePoint : 0x01000000 | codePoint;
}

const isCharacter = (key: string): boolean => [...key].length === 1;
const isPrintable = (keysym: number): boolean => keysym <= 0xff || keysym >= 0x01000000;

// What a text (typed by an input method, a phone's keyboard, the text bar) is as keys.
export function typed(text: string): KeyOut[] {
  const out: KeyOut[] = [];
  for (const ch of text.replace(/\r\n/g, "\n")) {
    const keysym = keysymOf(ch.codePointAt(0) as number);
    out.push([1, keysym], [0, keysym]);
  }
  return out;
}

// Keys pressed in order and released in reverse.
export function chord(...keysyms: number[]): KeyOut[] {
  return [
    ...keysyms.map((k): KeyOut => [1, k]),
    ...[...keysyms].reverse().map((k): KeyOut => [0, k]),
  ];
}

export interface KeyOptions {
  mac: boolean;
  terminal: () => boolean;
  commandAsCtrl: () => boolean;
  ctrlVPastes: () => boolean;
}

export class Keys {
  #held = new Map<string, number>(); // physical key -> keysym as pressed

  constructor(readonly options: KeyOptions) {}

  down(e: KeyLike): KeyResult {
    if (e.isComposing || e.keyCode === 229) return { send: [], prevent: false };
    if (e.ctrlKey && e.altKey && e.shiftKey && e.key in modifiers && !e.repeat && !e.getModifierState("AltGraph"))
      return { send: this.releaseAll(), prevent: true, action: "toolbar" };
    if (silent.has(e.key)) return { send: [], prevent: e.key === "CapsLock" };
    if (this.#pastes(e)) return { send: this.releaseAll(), prevent: false, action: "paste" };

    const keysym = this.#keysym(e);
    if (keysym === null) return { send: [], prevent: false };
    const id = e.code || e.key;
    const before = this.#held.get(id);
    if (e.repeat && before !== undefined && before >= SHIFT && before <= 0xffee)
      return { send: [], prevent: true };

    const send = e.key in modifiers ? [] : this.#followModifiers(e, keysym);
    if (before !== undefined) send.push([0, before]);
    if (this.options.mac && e.metaKey && !(e.key in modifiers)) {
      // macOS never tells that a key was released while Command is held.
      if (this.options.commandAsCtrl() && this.options.terminal() && e.code === "KeyC")
        send.push([1, SHIFT], [1, 0x43], [0, 0x43], [0, SHIFT]);
      else send.push([1, keysym], [0, keysym]);
      return { send, prevent: true };
    }
    this.#held.set(id, keysym);
    send.push([1, keysym]);
    return { send, prevent: true };
  }

  up(e: KeyLike): KeyResult {
    const id = e.code || e.key;
    const keysym = this.#held.get(id);
    if (keysym === undefined) return { send: [], prevent: false };
    this.#held.delete(id);
    return { send: [[0, keysym]], prevent: true };
  }

  releaseAll(): KeyOut[] {
    const out = [...new Set(this.#held.values())].map((k): KeyOut => [0, k]);
    this.#held.clear();
    return out;
  }

  // Names of the modifiers held, for the toolbar.
  get modifiers(): string[] {
    const held = new Set(this.#held.values());
    const has = (from: number) => held.has(from) || held.has(from + 1);
    return [
      ...(has(CTRL) ? ["Ctrl"] : []),
      ...(has(ALT) ? ["Alt"] : []),
      ...(has(SHIFT) ? ["Shift"] : []),
      ...(has(META) ? ["Win"] : []),
    ];
  }

  #keysym(e: KeyLike): number | null {
    const pair = modifiers[e.key];
    if (pair) {
      const base = pair[0] === META && this.options.mac && this.options.commandAsCtrl() ? CTRL : pair[0];
      return base + (e.location === 2 ? 1 : 0);
    }
    const onKeypad = e.location === 3 && (isCharacter(e.key) || e.key === "Enter") ? keypad[e.code] : undefined;
    if (onKeypad) return onKeypad;
    if (!isCharacter(e.key)) return named[e.key] ?? null;
    // Ctrl+С on a Cyrillic layout is meant as Ctrl+C: shortcuts go by the key, not by the letter.
    const point = e.key.codePointAt(0) as number;
    if (point > 0xff && (e.ctrlKey || e.metaKey || (e.altKey && !this.options.mac)) && !this.#altGr(e)) {
      const letter = /^Key([A-Z])$/.exec(e.code)?.[1];
      if (letter) return (e.shiftKey ? letter : letter.toLowerCase()).charCodeAt(0);
    }
    return keysymOf(point);
  }

  #altGr(e: KeyLike): boolean {
    return e.getModifierState("AltGraph") || (this.options.mac && e.altKey && !e.ctrlKey && !e.metaKey);
  }

  // Make the remote's modifiers agree with the event: some were released (or pressed) while the
  // page did not look, and a character made by AltGr must not arrive with Ctrl+Alt around it.
  #followModifiers(e: KeyLike, keysym: number): KeyOut[] {
    const send: KeyOut[] = [];
    const altGr = this.#altGr(e) && isPrintable(keysym);
    const meta = this.options.mac && this.options.commandAsCtrl() ? CTRL : META;
    const wanted = new Map<number, boolean>([[SHIFT, e.shiftKey], [CTRL, e.ctrlKey], [ALT, e.altKey]]);
    wanted.set(meta, e.metaKey || (meta === CTRL && e.ctrlKey));
    for (const [base, down] of wanted) {
      const holders = [...this.#held].filter(([, k]) => k === base || k === base + 1);
      const release = !down || (altGr && (base === CTRL || base === ALT));
      if (release) {
        for (const [id, k] of holders) {
          this.#held.delete(id);
          send.push([0, k]);
        }
      } else if (!holders.length && !altGr) {
        this.#held.set(`implicit-${base}`, base);
        send.push([1, base]);
      }
    }
    return send;
  }

  #pastes(e: KeyLike): boolean {
    const v = e.code === "KeyV" || e.key === "v" || e.key === "V";
    if (e.key === "Insert" && e.shiftKey && !e.ctrlKey && !e.altKey) return true;
    if (!v || e.altKey) return false;
    if (this.options.mac && e.metaKey && !e.ctrlKey) return true;
    if (!e.ctrlKey || e.metaKey) return false;
    return !this.options.terminal() || e.shiftKey || this.options.ctrlVPastes();
  }
}

// What makes the remote side paste once it has our clipboard.
export function pasteKeys(terminal: boolean): KeyOut[] {
  return terminal ? chord(CTRL, SHIFT, 0x56) : chord(CTRL, 0x76);
}
