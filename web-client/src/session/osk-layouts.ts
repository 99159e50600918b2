// Layouts of the on-screen keyboard: rows of keys, each with what it says and sends. A key is
// "plain shifted altgr" by character, or a name of the table below; `name:width` makes it wider.

export interface OskKey {
  id: string;
  label: string[]; // by level: plain, shifted, AltGr
  keysyms: number[]; // by level
  width: number; // in keys
  holds: boolean; // a modifier: stays until the next key
}

const special: Record<string, [label: string, keysym: number, holds?: true]> = {
  Esc: ["Esc", 0xff1b], Tab: ["Tab", 0xff09], Back: ["⌫", 0xff08], Enter: ["⏎", 0xff0d], Space: [" ", 0x20],
  Caps: ["Caps", 0xffe5], Shift: ["Shift", 0xffe1, true], RShift: ["Shift", 0xffe2, true], Ctrl: ["Ctrl", 0xffe3, true],
  Win: ["Win", 0xffeb, true], Alt: ["Alt", 0xffe9, true], AltGr: ["AltGr", 0xfe03, true], Menu: ["Menu", 0xff67],
  Ins: ["Ins", 0xff63], Del: ["Del", 0xffff], Home: ["Home", 0xff50], End: ["End", 0xff57], PgUp: ["PgUp", 0xff55], PgDn: ["PgDn", 0xff56],
  Left: ["←", 0xff51], Up: ["↑", 0xff52], Right: ["→", 0xff53], Down: ["↓", 0xff54], Print: ["Print", 0xff61],
};
for (let i = 1; i <= 12; i++) special[`F${i}`] = [`F${i}`, 0xffbd + i];

const top = "Esc F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 Print Del";
const bottom = "Ctrl:1.25 Win:1.25 Alt:1.25 Space:5.5 AltGr:1.25 Menu Home End PgUp PgDn";

const rows: Record<string, string[]> = {
  us: [
    "`~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) -_ =+ Back:2",
    "Tab:1.5 qQ wW eE rR tT yY uU iI oO pP [{ ]} \\|:1.5",
    "Caps:1.75 aA sS dD fF gG hH jJ kK lL ;: '\" Enter:2.25",
    "Shift:2 zZ xX cC vV bB nN mM ,< .> /? Up RShift:2",
  ],
  de: [
    "^° 1! 2\"² 3§³ 4$ 5% 6& 7/{ 8([ 9)] 0=} ß?\\ ´` Back:2",
    "Tab:1.5 qQ@ wW eE€ rR tT zZ uU iI oO pP üÜ +*~ #':1.5",
    "Caps:1.75 aA sS dD fF gG hH jJ kK lL öÖ äÄ Enter:2.25",
    "Shift:1.25 <>| yY xX cC vV bB nN mMµ ,; .: -_ Up RShift:1.75",
  ],
  fr: [
    "²~ &1 é2~ \"3# '4{ (5[ -6| è7` _8\\ ç9^ à0@ )°] =+} Back:2",
    "Tab:1.5 aA zZ eE€ rR tT yY uU iI oO pP ^¨ $£¤ *µ:1.5",
    "Caps:1.75 qQ sS dD fF gG hH jJ kK lL mM ù% Enter:2.25",
    "Shift:1.25 <> wW xX cC vV bB nN ,? ;. :/ !§ Up RShift:1.75",
  ],
};

export const layoutNames: Record<string, string> = { us: "English (US)", de: "Deutsch", fr: "Français" };

const keysym = (ch: string): number => {
  const point = ch.codePointAt(0) as number;
  return point <= 0xff ? point : 0x01000000 | point;
};

function key(text: string, id: string): OskKey {
  const at = text.length > 2 ? text.lastIndexOf(":") : -1;
  const wide = at > 0 && /^[\d.]+$/.test(text.slice(at + 1));
  const face = wide ? text.slice(0, at) : text;
  const width = wide ? Number(text.slice(at + 1)) : 1;
  const known = special[face];
  if (known) return { id, label: [known[0]], keysyms: [known[1]], width, holds: known[2] === true };
  const label = [...face];
  return { id, label, keysyms: label.map(keysym), width, holds: false };
}

export function layout(name: string): OskKey[][] {
  const lines = [top, ...(rows[name] ?? (rows["us"] as string[])), `${bottom} Left Down Right`];
  return lines.map((line, r) => line.split(" ").map((text, i) => key(text, `${r}.${i}`)));
}

// Which of a key's faces counts: AltGr where it has one, else shifted, else plain.
export function level(k: OskKey, shift: boolean, altGr: boolean): number {
  if (altGr && k.keysyms.length > 2) return 2;
  return shift && k.keysyms.length > 1 ? 1 : 0;
}
