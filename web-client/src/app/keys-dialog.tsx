// `?`: the keys of this page.
import { useEffect, useRef } from "preact/hooks";
import { t, type Key } from "../lib/i18n.ts";
import { isMac } from "../lib/settings.ts";

let show: () => void = () => {};
export const openKeys = (): void => show();

const lists: Record<string, [keys: string[], what: Key][]> = {
  connections: [
    [["a…z"], "keys.search"], [["↑", "↓"], "keys.choose"], [["Enter"], "keys.connect"],
    [["Ctrl", "Enter"], "keys.newTab"], [["Esc"], "keys.clear"],
  ],
  recordings: [[["↑", "↓"], "keys.choose"], [["Enter"], "keys.openRecording"]],
  session: [
    [["Ctrl", "Alt", "Shift"], "keys.toolbar"], [["Ctrl", "Shift", "V"], "keys.pasteTerminal"],
    [["Ctrl", "V"], "keys.pasteDesktop"], [["Ctrl", "Shift", "C"], "keys.copyTerminal"],
    [["Shift", "Insert"], "keys.pasteAny"],
  ],
  replay: [
    [["Space", "k"], "keys.play"], [["j", "l"], "keys.jump"], [["←", "→"], "keys.five"],
    [[",", "."], "keys.frame"], [["<", ">"], "keys.speed"], [["0…9"], "keys.tenth"], [["Home", "End"], "keys.ends"],
    [["n", "p"], "keys.event"], [["i"], "keys.skipIdle"], [["t"], "keys.transcript"], [["c"], "keys.copyLink"],
  ],
};

export function KeysDialog({ page }: { page: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    show = () => dialog.current?.open || dialog.current?.showModal();
  }, []);
  const rows = lists[page] ?? [];
  const name = (key: string) => (isMac() && key === "Ctrl" && page !== "session" ? "⌘" : key);
  return (
    <dialog class="card" ref={dialog} aria-labelledby="keys-title">
      <h2 id="keys-title">{t("keys.title")}</h2>
      <dl class="keylist">
        {rows.map(([keys, what]) => (
          <>
            <dt>{keys.map((k) => <><kbd>{name(k)}</kbd> </>)}</dt>
            <dd>{t(what)}</dd>
          </>
        ))}
        <dt><kbd>?</kbd></dt>
        <dd>{t("keys.this")}</dd>
      </dl>
      <form method="dialog" class="actions"><button class="button primary">{t("close")}</button></form>
    </dialog>
  );
}
