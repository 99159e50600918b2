// A session in the page: toolbar, screen, overlays. What happens is in session/session.ts.
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../main.tsx";
import { ErrorState, Loading } from "../app/states.tsx";
import { api, type Connection, type Session as SessionInfo } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { go } from "../lib/router.ts";
import { Session, type View } from "../session/session.ts";
import { Overlay } from "../session/overlay.tsx";
import { Prompts } from "../session/prompt-form.tsx";
import { ReceivedToast, SendingToast } from "../session/toasts.tsx";
import { TextBar } from "../session/textbar.tsx";
import { RecFlag, Toolbar } from "../session/toolbar.tsx";

interface Known {
  session: Session;
  title: string;
  target: string;
  recorded: boolean | null;
  retention: number;
  mine: boolean;
}

// Which connection this is: from the list, or (after a reload) from one's own live sessions.
async function find(route: PageProps["route"]): Promise<Known> {
  if (route.page !== "session") throw new Error("not a session");
  const [{ connections }, { sessions }] = await Promise.all([
    api<{ connections: Connection[] }>("/api/connections"),
    route.id ? api<{ sessions: SessionInfo[] }>("/api/sessions") : { sessions: [] as SessionInfo[] },
  ]);
  const live = sessions.find((s) => s.id === route.id);
  const name = live ? `${live.connection.namespace}/${live.connection.name}` : route.connection;
  const c = connections.find((x) => `${x.namespace}/${x.name}` === name);
  return {
    session: new Session({ id: route.id, connection: name, protocol: c?.protocol ?? live?.protocol ?? "" }),
    title: c ? c.title || c.name : name,
    target: c?.target ?? "",
    recorded: c?.recording?.enabled ?? null,
    retention: c?.recording?.retentionDays ?? 0,
    mine: true,
  };
}

export function SessionPage({ route }: PageProps) {
  const [known, setKnown] = useState<Known | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => {
    setError(null);
    find(route).then(setKnown, setError);
  };
  useEffect(load, []);
  if (error) return <main class="page"><ErrorState error={error} retry={load} /></main>;
  return known ? <Screen known={known} /> : <main class="page"><Loading /></main>;
}

function Screen({ known }: { known: Known }) {
  const { session } = known;
  const [view, setView] = useState<View>(session.view);
  const [bar, setBar] = useState(true);
  const [textBar, setTextBar] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const sink = useRef<HTMLTextAreaElement>(null);
  const toolbar = useRef<HTMLDivElement>(null);
  const live = view.phase.at === "live";

  useEffect(() => {
    let frame = 0;
    session.onchange = () => {
      // One redraw a frame at most, also while thousands of acks come in; a hidden page still runs.
      if (frame) return;
      const run = () => { frame = 0; setView(session.view); };
      frame = document.hidden ? window.setTimeout(run, 50) : requestAnimationFrame(run);
    };
    session.onid = (id) => {
      if (location.pathname.startsWith("/session/")) history.replaceState(null, "", `/session/${id}`);
    };
    session.attach(host.current as HTMLElement);
    return () => session.detach();
  }, []);
  useEffect(() => {
    document.title = `${view.title || known.title} – ${t("app.name")}`;
  }, [view.title]);
  useEffect(() => {
    if (live && !view.prompts.length) focusSink();
  }, [live, view.prompts.length]);

  const focusSink = () => {
    if (!matchMedia("(pointer: coarse) and (hover: none)").matches) sink.current?.focus({ preventScroll: true });
  };
  const toggleBar = () => {
    setBar((shown) => {
      if (!shown) setTimeout(() => toolbar.current?.querySelector<HTMLElement>("a, button")?.focus());
      else focusSink();
      return !shown;
    });
  };
  const keyDown = (e: KeyboardEvent) => {
    const { prevent, action } = session.keyDown(e);
    if (prevent) e.preventDefault();
    if (action === "toolbar") toggleBar();
  };
  const keyUp = (e: KeyboardEvent) => { if (session.keyUp(e)) e.preventDefault(); };
  const paste = (e: ClipboardEvent) => {
    const text = e.clipboardData?.getData("text/plain") ?? "";
    e.preventDefault();
    if (text) void session.copyTo(text, true);
  };
  // What no key event told: phones, dictation, emoji pickers, dead keys, input methods.
  const empty = (e: Event) => { (e.currentTarget as HTMLTextAreaElement).value = ""; };
  const input = (e: InputEvent) => {
    if (e.isComposing) return;
    if (e.inputType === "insertText" && e.data) session.type(e.data);
    else if (e.inputType === "insertLineBreak") session.type("\n");
    else if (e.inputType === "deleteContentBackward") session.type("\b");
    empty(e);
  };
  const composed = (e: CompositionEvent) => {
    if (e.data) session.type(e.data);
    setTimeout(() => { if (sink.current) sink.current.value = ""; });
    (e.currentTarget as HTMLElement).dataset["composed"] = "1";
  };

  const recorded = view.remote.recording ?? known.recorded;
  return (
    <div class="session" data-remote>
      {bar ? (
        <header><Toolbar session={session} view={view} title={known.title} target={known.target} recorded={recorded} retention={known.retention}
          textBar={textBar} onTextBar={() => setTextBar(!textBar)} onHide={toggleBar} focusScreen={focusSink} ref={toolbar} /></header>
      ) : <div />}
      <main class="stage" onMouseDown={() => setTimeout(focusSink)}>
        <h1 class="sr">{known.title}</h1>
        {!bar && (
          <div class="corner">
            <RecFlag recorded={recorded} paused={view.remote.paused.length > 0} retention={known.retention} />
            <button class="tool" type="button" title={t("toolbar.show")} aria-label={t("toolbar.show")} onClick={toggleBar}><Icon name="chevron-down" /></button>
          </div>
        )}
        <div class={`screen ${view.fit === "fit" ? "fit" : ""}`} ref={host} aria-hidden="true" />
        <textarea ref={sink} class="sink" aria-label={t("session.sink", { title: known.title })} autocomplete="off" autocapitalize="off" spellcheck={false}
          onKeyDown={keyDown} onKeyUp={keyUp} onPaste={paste} onInput={(e) => input(e as unknown as InputEvent)} onCompositionEnd={composed} />
        <ScreenReaderText session={session} />
        <Overlay session={session} view={view} title={known.title} leave={() => go("/connections")} />
        {view.prompts.length > 0 && <Prompts session={session} view={view} title={known.title} />}
      </main>
      {textBar ? <TextBar session={session} /> : <div />}
      <ReceivedToast session={session} view={view} done={focusSink} />
      <SendingToast session={session} view={view} />
    </div>
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
