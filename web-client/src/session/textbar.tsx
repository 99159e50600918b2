// A real text field under the screen: for phones, for input methods, for dictation. What is typed
// goes over at once; keys that a phone lacks stand beside it.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../lib/i18n.ts";
import { ALT, CTRL, keysymOf, RETURN, SHIFT, type KeyOut } from "./keys.ts";
import type { Session } from "./session.ts";

const sticky: [label: string, keysym: number][] = [["Ctrl", CTRL], ["Alt", ALT], ["Shift", SHIFT]];
const plain: [label: string, keysym: number][] = [
  ["Esc", 0xff1b], ["Tab", 0xff09], ["←", 0xff51], ["↑", 0xff52], ["↓", 0xff54], ["→", 0xff53], ["⌫", 0xff08], ["⏎", RETURN],
];

export function TextBar({ session }: { session: Session }) {
  const field = useRef<HTMLInputElement>(null);
  const [held, setHeld] = useState<number[]>([]);
  useEffect(() => field.current?.focus(), []);
  const send = (keysyms: number[]) => {
    const around = held.map((k): KeyOut => [1, k]);
    const after = [...held].reverse().map((k): KeyOut => [0, k]);
    session.press([...around, ...keysyms.flatMap((k): KeyOut[] => [[1, k], [0, k]]), ...after]);
    setHeld([]);
  };
  const text = (s: string) => send([...s].map((ch) => keysymOf(ch.codePointAt(0) as number)));
  const input = (e: InputEvent) => {
    if (e.isComposing) return;
    const element = e.currentTarget as HTMLInputElement;
    if (e.data) text(e.data);
    else if (e.inputType.startsWith("delete")) send([0xff08]);
    else if (element.value) text(element.value);
    element.value = "";
  };
  return (
    <div class="textbar" role="group" aria-label={t("toolbar.text")}>
      <input ref={field} type="text" placeholder={t("textbar.type")} aria-label={t("textbar.type")} autocomplete="off" autocapitalize="off" spellcheck={false}
        onInput={(e) => input(e as unknown as InputEvent)}
        onCompositionEnd={(e) => { if (e.data) text(e.data); setTimeout(() => { if (field.current) field.current.value = ""; }); }}
        onKeyDown={(e) => {
          if (e.key === "Enter") send([RETURN]);
          else if (e.key === "Backspace" && !field.current?.value) send([0xff08]);
        }}
        onPaste={(e) => {
          const pasted = e.clipboardData?.getData("text/plain");
          e.preventDefault();
          if (pasted) void session.copyTo(pasted, true);
        }} />
      {sticky.map(([label, k]) => (
        <button key={label} class="tool" type="button" aria-pressed={held.includes(k)} onClick={() => { setHeld(held.includes(k) ? held.filter((x) => x !== k) : [...held, k]); field.current?.focus(); }}><kbd>{label}</kbd></button>
      ))}
      {plain.map(([label, k]) => (
        <button key={label} class="tool" type="button" onClick={() => { send([k]); field.current?.focus(); }}><kbd>{label}</kbd></button>
      ))}
    </div>
  );
}
