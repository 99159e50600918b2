// One session's screen: the picture, what takes its keys, its text for a screen reader, its
// overlays. Alone it fills the page; beside others it has a caption and a frame when it is active.
import { useEffect, useRef, useState } from "preact/hooks";
import { go } from "../lib/router.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { Notices, Overlay } from "./overlay.tsx";
import { Prompts } from "./prompt-form.tsx";
import type { Session } from "./session.ts";
import { RecFlag } from "./toolbar.tsx";
import { useView } from "./use-view.ts";

export interface Known {
  session: Session;
  title: string;
  target: string;
  recorded: boolean | null;
  retention: number;
}

interface TileProps {
  known: Known;
  alone: boolean;
  active: boolean;
  activate: () => void;
  close: () => void;
  onToolbar: () => void;
  onFiles: (files: File[]) => void;
  focus: (take: () => void) => void; // hands out what gives the keys to this screen
}

export function Tile({ known, alone, active, activate, close, onToolbar, onFiles, focus }: TileProps) {
  const { session } = known;
  const view = useView(session);
  const host = useRef<HTMLDivElement>(null);
  const sink = useRef<HTMLTextAreaElement>(null);
  const [over, setOver] = useState(false); // files are held above it
  const live = view.phase.at === "live";

  const focusSink = () => {
    if (!matchMedia("(pointer: coarse) and (hover: none)").matches) sink.current?.focus({ preventScroll: true });
  };
  focus(focusSink);
  useEffect(() => {
    session.attach(host.current as HTMLElement);
    return () => session.detach();
  }, []);
  useEffect(() => {
    if (active && live && !view.prompts.length) focusSink();
  }, [live, view.prompts.length]);

  const keyDown = (e: KeyboardEvent) => {
    const { prevent, action } = session.keyDown(e);
    if (prevent) e.preventDefault();
    if (action === "toolbar") onToolbar();
  };
  // A button that vanished with its work (a toast, a menu) leaves the keys to nobody: they are this screen's.
  const orphan = useRef(keyDown);
  orphan.current = keyDown;
  useEffect(() => {
    if (!active || !live || view.prompts.length) return;
    const take = (e: KeyboardEvent) => {
      if (e.target !== document.body || document.querySelector("dialog[open]")) return;
      focusSink();
      orphan.current(e);
    };
    window.addEventListener("keydown", take);
    return () => window.removeEventListener("keydown", take);
  }, [active, live, view.prompts.length]);
  const keyUp = (e: KeyboardEvent) => { if (session.keyUp(e)) e.preventDefault(); };
  const paste = (e: ClipboardEvent) => {
    const text = e.clipboardData?.getData("text/plain") ?? "";
    const files = [...(e.clipboardData?.files ?? [])];
    e.preventDefault();
    if (text) void session.copyTo(text, true);
    else if (files.length) onFiles(files);
  };
  // What no key event told: phones, dictation, emoji pickers, dead keys, input methods.
  const input = (e: InputEvent) => {
    if (e.isComposing) return;
    if (e.inputType === "insertText" && e.data) session.type(e.data);
    else if (e.inputType === "insertLineBreak") session.type("\n");
    else if (e.inputType === "deleteContentBackward") session.type("\b");
    (e.currentTarget as HTMLTextAreaElement).value = "";
  };
  const composed = (e: CompositionEvent) => {
    if (e.data) session.type(e.data);
    setTimeout(() => { if (sink.current) sink.current.value = ""; });
    (e.currentTarget as HTMLElement).dataset["composed"] = "1";
  };
  const carries = (e: DragEvent) => e.dataTransfer?.types.includes("Files") ?? false;

  return (
    <section class={`tile ${alone ? "alone" : ""} ${active ? "active" : ""}`} aria-label={known.title} onFocusIn={activate} onMouseDown={(e) => {
      activate();
      if ((e.target as Element).closest("button, a, input, textarea, .card")) return;
      e.preventDefault(); // else the press takes the keys away, and gives them back too late for a fast typist
      focusSink();
    }}>
      {!alone && (
        <header class="caption">
          <RecFlag recorded={view.remote.recording ?? known.recorded} paused={view.remote.paused.length > 0} retention={known.retention} />
          <span class="name">{known.title}</span>
          <span class="mono muted">{known.target}</span>
          <span class="grow" />
          <button class="tool" type="button" title={t("tiles.close", { title: known.title })} aria-label={t("tiles.close", { title: known.title })} onClick={close}><Icon name="close" /></button>
        </header>
      )}
      <Notices session={session} view={view} focus={focusSink} />
      <div class="stage"
        onDragOver={(e) => { if (carries(e)) { e.preventDefault(); setOver(true); } }} onDragLeave={() => setOver(false)}
        onDrop={(e) => { setOver(false); if (carries(e)) { e.preventDefault(); onFiles([...(e.dataTransfer?.files ?? [])]); } }}>
        <div class={`screen ${view.fit === "fit" ? "fit" : ""}`} ref={host} aria-hidden="true" />
        <textarea ref={sink} class="sink" aria-label={t("session.sink", { title: known.title })} autocomplete="off" autocapitalize="off" spellcheck={false}
          onKeyDown={keyDown} onKeyUp={keyUp} onPaste={paste} onInput={(e) => input(e as unknown as InputEvent)} onCompositionEnd={composed} />
        <ScreenReaderText session={session} />
        {over && live && <div class="veil drop" aria-hidden="true"><div class="card"><h2><Icon name="upload" />{t(session.files.state.systems[0]?.upload ? "files.drop" : "files.noDrop")}</h2></div></div>}
        <Overlay session={session} view={view} title={known.title} leave={() => (alone ? go("/connections") : close())} />
        {active && view.prompts.length > 0 && <Prompts session={session} view={view} title={known.title} />}
      </div>
    </section>
  );
}

// The terminal's text for a screen reader: the whole screen to read, and what is new said politely.
function ScreenReaderText({ session }: { session: Session }) {
  const [screen, setScreen] = useState("");
  const [said, setSaid] = useState<string[]>([]);
  useEffect(() => {
    let timer = 0;
    session.text.onchange = () => {
      if (timer) return;
      timer = window.setTimeout(() => {
        timer = 0;
        setScreen(session.text.screen);
        const news = session.text.take().slice(-2000);
        if (news) setSaid((before) => [...before, news].slice(-20));
      }, 300);
    };
    return () => { clearTimeout(timer); session.text.onchange = () => {}; };
  }, []);
  return (
    <div class="sr">
      <div role="log" aria-live="polite" aria-label={t("session.news")}>{said.map((s, i) => <p key={i}>{s}</p>)}</div>
      <div role="region" aria-label={t("session.screen")}><pre>{screen}</pre></div>
    </div>
  );
}
