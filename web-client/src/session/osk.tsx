// The on-screen keyboard: for touch screens, for keys a keyboard lacks. Modifiers stay until the
// next key (twice: until they are pressed again); a held key repeats.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { change, settings } from "../lib/settings.ts";
import type { KeyOut } from "./keys.ts";
import { layout, layoutNames, level, type OskKey } from "./osk-layouts.ts";
import type { Session } from "./session.ts";

const SHIFTS = new Set([0xffe1, 0xffe2]);
const ALT_GR = 0xfe03;
const REPEAT_AFTER = 450;
const REPEAT_EVERY = 60;

export function OnScreenKeyboard({ session, close }: { session: Session; close: () => void }) {
  const [name, setName] = useState(settings().oskLayout);
  const [held, setHeld] = useState<Record<number, "once" | "locked">>({});
  const rows = useMemo(() => layout(name), [name]);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const holds = (k: number) => k in held;
  const shift = [...SHIFTS].some(holds);
  const altGr = holds(ALT_GR);

  const hit = (k: OskKey) => {
    const at = level(k, shift, altGr);
    const keysym = k.keysyms[at] as number;
    // The character says already what Shift and AltGr decided; other keys need them as they are.
    const around = Object.keys(held).map(Number).filter((m) => k.keysyms.length < 2 || (!SHIFTS.has(m) && m !== ALT_GR));
    session.press([
      ...around.map((m): KeyOut => [1, m]), [1, keysym], [0, keysym], ...around.reverse().map((m): KeyOut => [0, m]),
    ]);
  };
  const hold = (keysym: number) => setHeld((before) => {
    const next = { ...before };
    if (!next[keysym]) next[keysym] = "once";
    else if (next[keysym] === "once") next[keysym] = "locked";
    else delete next[keysym];
    return next;
  });
  const down = (e: PointerEvent, k: OskKey) => {
    if (e.button) return;
    e.preventDefault(); // the focus stays where it was
    if (k.holds) return hold(k.keysyms[0] as number);
    hit(k);
    const again = () => {
      hit(k);
      timer.current = window.setTimeout(again, REPEAT_EVERY);
    };
    timer.current = window.setTimeout(again, REPEAT_AFTER);
  };
  const up = () => {
    if (!timer.current) return;
    clearTimeout(timer.current);
    timer.current = 0;
    setHeld((before) => Object.fromEntries(Object.entries(before).filter(([, how]) => how === "locked")));
  };
  // Assistive technology and the Enter key click without a pointer.
  const click = (e: MouseEvent, k: OskKey) => {
    if (e.detail) return;
    if (k.holds) return hold(k.keysyms[0] as number);
    hit(k);
    setHeld((before) => Object.fromEntries(Object.entries(before).filter(([, how]) => how === "locked")));
  };
  return (
    <section class="osk" aria-label={t("toolbar.osk")} onMouseDown={(e) => { if (!(e.target instanceof HTMLSelectElement)) e.preventDefault(); }}>
      <div class="osk-head">
        <label><span class="sr">{t("osk.layout")}</span>
          <select value={name} onChange={(e) => { setName(e.currentTarget.value); change({ oskLayout: e.currentTarget.value }); }}>
            {Object.entries(layoutNames).map(([code, label]) => <option key={code} value={code}>{label}</option>)}
          </select>
        </label>
        <span class="grow" />
        <button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={close}><Icon name="close" /></button>
      </div>
      {rows.map((row, i) => (
        <div class="osk-row" key={i}>
          {row.map((k) => {
            const at = level(k, shift, altGr);
            const how = k.holds ? held[k.keysyms[0] as number] : undefined;
            return (
              <button key={k.id} type="button" class={`osk-key ${how ?? ""}`} style={{ flexGrow: k.width }} aria-pressed={k.holds ? !!how : undefined}
                aria-label={k.label[0] === " " ? t("osk.space") : undefined}
                onPointerDown={(e) => down(e, k)} onPointerUp={up} onPointerLeave={up} onPointerCancel={up} onClick={(e) => click(e, k)}>
                {k.label[at]}
                {k.label.length > 1 && at === 0 && k.label[0]?.toUpperCase() !== k.label[1] && <small aria-hidden="true">{k.label[1]}</small>}
              </button>
            );
          })}
        </div>
      ))}
    </section>
  );
}
