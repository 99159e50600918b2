// The slim bar above the screen: visible, hidden by Ctrl+Alt+Shift, never in the way of the picture.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Menu } from "../app/menu.tsx";
import { openKeys } from "../app/keys-dialog.tsx";
import { clock } from "../lib/format.ts";
import { t, tn, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import type { Panel } from "../pages/session.tsx";
import { forwardRef } from "./forward.ts";
import { ALT, chord, CTRL, META, SHIFT, type KeyOut } from "./keys.ts";
import { level } from "./quality.ts";
import type { Session, View } from "./session.ts";
import { ShareButton } from "./share.tsx";

interface ToolbarProps {
  session: Session;
  view: View;
  title: string;
  target: string;
  recorded: boolean | null;
  retention: number;
  panels: Panel[];
  onPanel: (panel: Panel) => void;
  onHide: () => void;
  focusScreen: () => void;
  beside: ComponentChildren;
}

const combos: [label: string, keys: KeyOut[]][] = [
  ["Ctrl+Alt+Del", chord(CTRL, ALT, 0xffff)],
  ["Ctrl+Alt+Backspace", chord(CTRL, ALT, 0xff08)],
  ["Esc", chord(0xff1b)],
  ["Tab", chord(0xff09)],
  ["Alt+Tab", chord(ALT, 0xff09)],
  ["Win", chord(META)],
  ["Ctrl+W", chord(CTRL, 0x77)],
  ["Ctrl+T", chord(CTRL, 0x74)],
  ["Ctrl+N", chord(CTRL, 0x6e)],
  ["Print", chord(0xff61)],
  ["Pause", chord(0xff13)],
  ["Shift+Insert", chord(SHIFT, 0xff63)],
];

export const Toolbar = forwardRef<ToolbarProps, HTMLDivElement>((props, ref) => {
  const { session, view, focusScreen } = props;
  const live = view.phase.at === "live";
  const press = (keys: KeyOut[], close: () => void) => () => {
    session.press(keys);
    close();
    focusScreen();
  };
  return (
    <div class="toolbar" role="toolbar" aria-label={t("toolbar.label")} ref={ref ?? null}>
      <a class="tool" href="/connections" title={t("toolbar.back")} aria-label={t("toolbar.back")}><Icon name="arrow-left" /></a>
      <div class="what">
        <span class="name">{props.title}</span>
        <span class="mono muted">{view.title && view.title !== props.title ? view.title : props.target}</span>
      </div>
      {session.watching && live && <span class="badge strong"><Icon name="eye" />{t("session.watching")}</span>}
      {!session.watching && view.remote.role === "helper" && <span class="badge strong">{t("session.helping")}</span>}
      <span class="held" aria-live="off">{view.modifiers.map((m) => <kbd key={m}>{m}</kbd>)}</span>
      <span class="grow" />
      <Menu title={t("toolbar.keys")} label={<><Icon name="keyboard" /><span class="label">{t("toolbar.keys")}</span></>}>
        {(close) => (
          <>
            {combos.map(([label, keys]) => <button key={label} class="item" type="button" disabled={!live} onClick={press(keys, close)}><kbd>{label}</kbd></button>)}
            <hr />
            <div class="note">{t("toolbar.fkeys")}</div>
            <div class="actions">{Array.from({ length: 12 }, (_, i) => (
              <button key={i} class="tool item-f" type="button" disabled={!live} onClick={press(chord(0xffbe + i), close)}><kbd>F{i + 1}</kbd></button>
            ))}</div>
          </>
        )}
      </Menu>
      <ClipboardMenu {...props} />
      <FilesButton {...props} />
      <Menu title={t("toolbar.input")} label={<Icon name="touch" />}>
        {(close) => (
          <>
            {(["text", "osk"] as const).map((p) => (
              <button key={p} class="item" type="button" aria-pressed={props.panels.includes(p)} onClick={() => { close(); focusScreen(); props.onPanel(p); }}>{t(`toolbar.${p}`)}</button>
            ))}
            <hr />
            <div class="note">{t("settings.touch")}</div>
            {(["touchscreen", "touchpad"] as const).map((p) => (
              <button key={p} class="item" type="button" aria-pressed={view.touch === p} onClick={() => { session.setTouch(p); close(); focusScreen(); }}>{t(`settings.touch.${p}`)}</button>
            ))}
          </>
        )}
      </Menu>
      <SoundMenu session={session} />
      <DisplayMenu {...props} />
      {props.beside}
      <FullScreen session={session} focusScreen={focusScreen} />
      <span class="sep" />
      <Quality view={view} />
      <ShareButton session={session} view={view} />
      <People view={view} />
      <TimeLeft endsAt={view.remote.endsAt} />
      <RecFlag recorded={props.recorded} paused={view.remote.paused.length > 0} retention={props.retention} />
      <span class="sep" />
      <button class="tool" type="button" title={t("keys.open")} aria-label={t("keys.open")} onClick={openKeys}><Icon name="help" /></button>
      <button class="tool" type="button" title={t("toolbar.hide")} aria-label={t("toolbar.hide")} onClick={props.onHide}><Icon name="up" /></button>
      <button class="tool" type="button" disabled={view.phase.at === "ended"} onClick={() => session.end()}><Icon name="power" /><span class="label">{t(session.target.role === "viewer" || session.target.role === "helper" ? "toolbar.leave" : "toolbar.disconnect")}</span></button>
    </div>
  );
});

const ZOOMS = [50, 75, 150, 200, 300] as const;

function DisplayMenu({ session, view, focusScreen }: ToolbarProps) {
  return (
    <Menu title={t("toolbar.display")} label={<Icon name="desktop" />}>
      {(close) => {
        const choose = (run: () => void) => () => { run(); close(); focusScreen(); };
        return (
          <>
            <button class="item" type="button" aria-pressed={view.fit === "fit"} onClick={choose(() => session.setFit("fit"))}>{t("display.fit")}</button>
            <button class="item" type="button" aria-pressed={view.fit === "actual"} onClick={choose(() => session.setFit("actual"))}>{t("display.actual")}</button>
            <hr />
            <div class="zoom" role="group" aria-label={t("display.zoom")}>
              <button class="tool item-z" type="button" title={t("display.out")} aria-label={t("display.out")} onClick={() => session.zoom(-1)}>−</button>
              <span class="grow" aria-live="polite">{t("display.percent", { percent: Math.round(session.percent) })}</span>
              <button class="tool item-z" type="button" title={t("display.in")} aria-label={t("display.in")} onClick={() => session.zoom(1)}>+</button>
            </div>
            {ZOOMS.map((z) => <button key={z} class="item" type="button" aria-pressed={view.fit === z} onClick={choose(() => session.setFit(z))}>{t("display.percent", { percent: z })}</button>)}
            {devicePixelRatio > 1 && (
              <>
                <hr />
                <button class="item" type="button" aria-pressed={view.sharp} onClick={choose(() => session.setSharp(!view.sharp))}>{t("display.sharp")}</button>
              </>
            )}
            <div class="note">{view.size.width} × {view.size.height}</div>
          </>
        );
      }}
    </Menu>
  );
}

function FilesButton({ session, panels, onPanel }: ToolbarProps) {
  const { systems, transfers } = session.files.state;
  if (!systems.length && !transfers.length && !panels.includes("files")) return null;
  const open = transfers.filter((x) => x.state === "running" || x.state === "waiting" || x.state === "offered").length;
  return (
    <button class="tool" type="button" aria-pressed={panels.includes("files")} title={t("files.title")} onClick={() => onPanel("files")}>
      <Icon name="folder" /><span class="label">{t("files.title")}</span>{open > 0 && <span class="count">{open}<span class="sr"> {t("files.transfers")}</span></span>}
    </button>
  );
}

function SoundMenu({ session }: { session: Session }) {
  const { sound } = session;
  if (!sound.heard) return null;
  const quiet = sound.volume === 0;
  return (
    <Menu title={t("toolbar.sound")} label={<Icon name={quiet || sound.blocked ? "sound-off" : "sound"} />} panelClass="volume">
      {() => (
        <>
          <label class="field">{t("sound.volume")}
            <input type="range" class="item-range" min="0" max="1" step="0.05" value={sound.volume} onInput={(e) => { sound.volume = Number(e.currentTarget.value); }} />
          </label>
          <button class="item" type="button" aria-pressed={quiet} onClick={() => { sound.volume = quiet ? 1 : 0; }}>{t("sound.mute")}</button>
        </>
      )}
    </Menu>
  );
}

// Who else is there: nobody is watched without seeing it.
function People({ view }: { view: View }) {
  const { users } = view.remote;
  if (users.length < 2 || view.phase.at !== "live") return null;
  return (
    <Menu title={tn("people.count", users.length)} label={<><Icon name="eye" /><span class="num">{users.length}</span></>}>
      {() => (
        <>
          <div class="note">{t("people.title")}</div>
          <ul>{users.map((u) => <li key={u.user} class="person"><span class="name">{u.name || t("people.somebody")}</span><span class="end muted">{t(`people.${u.role === "owner" || u.role === "helper" ? u.role : "viewer"}`)}</span></li>)}</ul>
        </>
      )}
    </Menu>
  );
}

export function RecFlag({ recorded, paused, retention }: { recorded: boolean | null; paused: boolean; retention: number }) {
  if (recorded === false) return <span class="recflag off">{t("rec.off")}</span>;
  return (
    <span class={`recflag ${paused ? "still" : ""}`} title={retention ? tn("rec.kept", retention) : t("rec.on")}>
      <Icon name="rec" />REC<span class="sr"> {t("rec.on")}</span>
    </span>
  );
}

function Quality({ view }: { view: View }) {
  if (view.phase.at !== "live" || view.roundTrip === null) return null;
  const bars = view.phase.unstable ? 0 : level(view.roundTrip, view.lag);
  const words = t(`quality.${bars}` as Key);
  const detail = t("quality.detail", { quality: words, rtt: view.roundTrip, lag: view.lag ?? 0 });
  return (
    <span class="meter" title={detail} role="img" aria-label={detail}>
      <span class="bars" data-level={bars}><i /><i /><i /></span>
      <span class="num" aria-hidden="true">{view.roundTrip} ms</span>
    </span>
  );
}

function TimeLeft({ endsAt }: { endsAt: number }) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!endsAt) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [endsAt]);
  if (!endsAt) return null;
  const left = Math.max(0, endsAt - Date.now());
  return (
    <span class="meter" title={t("toolbar.timeLeft")}>
      <Icon name="clock" /><span class="sr">{t("toolbar.timeLeft")} </span>{clock(left)}
      {left < 300_000 && <span class="sr" role="alert">{t("toolbar.soonOver")}</span>}
    </span>
  );
}

function FullScreen({ session, focusScreen }: { session: Session; focusScreen: () => void }) {
  const [full, setFull] = useState(!!document.fullscreenElement);
  useEffect(() => {
    const changed = () => {
      setFull(!!document.fullscreenElement);
      if (!document.fullscreenElement) navigator.keyboard?.unlock();
    };
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);
  if (!document.fullscreenEnabled) return null;
  const toggle = async () => {
    if (document.fullscreenElement) return document.exitFullscreen();
    try {
      await document.documentElement.requestFullscreen({ navigationUI: "hide" });
      // Esc, Ctrl+W, Alt+Tab then reach the target; holding Esc leaves.
      if (navigator.keyboard) {
        await navigator.keyboard.lock();
        session.say(t("toolbar.locked"));
      }
    } catch {
      /* refused by the browser: nothing changed */
    }
    focusScreen();
  };
  const title = t(full ? "toolbar.leaveFull" : "toolbar.full");
  return <button class="tool" type="button" aria-pressed={full} title={title} aria-label={title} onClick={() => void toggle()}><Icon name="fullscreen" /></button>;
}

function ClipboardMenu({ session, view, focusScreen }: ToolbarProps) {
  const [text, setText] = useState("");
  const { copy, paste } = view.remote;
  return (
    <Menu title={t("toolbar.clipboard")} panelClass="clip" label={<><Icon name="clipboard" /><span class="label">{t("toolbar.clipboard")}</span></>}>
      {(close) => (
        <>
          <label class="field">{t("clipboard.there")}
            <textarea rows={6} value={text} disabled={!paste} onInput={(e) => setText(e.currentTarget.value)}
              onKeyDown={(e) => e.key !== "Escape" && e.stopPropagation()} />
          </label>
          <div class="actions">
            <button class="button primary" type="button" disabled={!paste || !text} onClick={() => { void session.copyTo(text, true); close(); focusScreen(); }}>{t("clipboard.paste")}</button>
            <button class="button" type="button" disabled={!paste || !text} onClick={() => { void session.copyTo(text, false); close(); focusScreen(); }}>{t("clipboard.put")}</button>
          </div>
          <p class="muted">{t(paste ? (session.isTerminal ? "clipboard.hintTerminal" : "clipboard.hint") : "clipboard.noPaste")}</p>
          <p class="muted">{t(copy ? "clipboard.copyHint" : "clipboard.noCopy")}</p>
        </>
      )}
    </Menu>
  );
}
