// Sessions in the page: one, or up to four side by side; the toolbar and the panels belong to the
// one that has the keys. What happens in a session is in session/session.ts.
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../main.tsx";
import { ErrorState, Loading } from "../app/states.tsx";
import { api, type Connection, type Pick, type Session as SessionInfo } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { go, TILES, type JoinRole } from "../lib/router.ts";
import { BesideMenu } from "../session/beside.tsx";
import { FilesPanel } from "../session/files-panel.tsx";
import { OnScreenKeyboard } from "../session/osk.tsx";
import { Session } from "../session/session.ts";
import { sweep } from "../session/sink.ts";
import { TextBar } from "../session/textbar.tsx";
import { Tile, type Known } from "../session/tile.tsx";
import { ReceivedToast, SendingToast } from "../session/toasts.tsx";
import { RecFlag, Toolbar } from "../session/toolbar.tsx";
import { useView } from "../session/use-view.ts";
import { Modal } from "../app/modal.tsx";
import { Picker, stepsOf } from "./picker.tsx";

interface Lists {
  connections: Connection[];
  sessions: SessionInfo[];
}

// A connection by name, or (after a reload) one's own live session by id.
function known(lists: Lists, id: string, connection: string, role: JoinRole | "" = "", pick: Pick = {}): Known {
  const live = lists.sessions.find((s) => s.id === id);
  const name = live ? `${live.connection.namespace}/${live.connection.name}` : connection;
  const c = lists.connections.find((x) => `${x.namespace}/${x.name}` === name);
  return {
    session: new Session({ id, connection: role ? "" : name, protocol: c?.protocol ?? live?.protocol ?? "", role, pick, ownToken: c?.ownToken ?? false }),
    title: c?.title || live?.title || c?.name || live?.connection.name || name || t("session.somebodys"),
    target: c?.target ?? live?.target ?? "",
    recorded: c?.recording?.enabled ?? null,
    retention: c?.recording?.retentionDays ?? 0,
  };
}

// What is asked before a session can begin: which pod, of a connection that leaves it open.
const unpicked = (lists: Lists, name: string): Connection | undefined =>
  lists.connections.find((c) => `${c.namespace}/${c.name}` === name && c.allowed && stepsOf(c).length > 0);

async function find(route: PageProps["route"]): Promise<Known[] | Connection> {
  if (route.page !== "session") throw new Error("not a session");
  const [{ connections }, { sessions }] = await Promise.all([
    api<{ connections: Connection[] }>("/api/connections"),
    route.id || route.beside.length ? api<{ sessions: SessionInfo[] }>("/api/sessions") : { sessions: [] as SessionInfo[] },
  ]);
  const lists = { connections, sessions };
  const open = route.id || route.pick ? undefined : unpicked(lists, route.connection);
  if (open) return open;
  return [known(lists, route.id, route.connection, route.role, route.pick), ...route.beside.map((id) => known(lists, id, ""))];
}

export function SessionPage({ route }: PageProps) {
  const [first, setFirst] = useState<Known[] | Connection | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => {
    setError(null);
    find(route).then(setFirst, setError);
  };
  useEffect(load, []);
  if (error) return <main class="page"><ErrorState error={error} retry={load} /></main>;
  if (first && !Array.isArray(first)) {
    const name = `${first.namespace}/${first.name}`;
    const done = (pick: Pick) => setFirst([known({ connections: [first], sessions: [] }, "", name, "", pick)]);
    return <main class="page"><Picker c={first} done={done} cancel={() => go("/connections")} /></main>;
  }
  return first ? <Workspace first={first} /> : <main class="page"><Loading /></main>;
}

export type Panel = "files" | "text" | "osk";

function Workspace({ first }: { first: Known[] }) {
  const [tiles, setTiles] = useState(first);
  const [at, setAt] = useState(0);
  const [bar, setBar] = useState(true);
  const [panels, setPanels] = useState<Panel[]>([]);
  const [picking, setPicking] = useState<{ c: Connection; put: (pick: Pick) => void } | null>(null);
  const toolbar = useRef<HTMLDivElement>(null);
  const takers = useRef(new Map<Session, () => void>());
  const here = tiles[Math.min(at, tiles.length - 1)] as Known;
  const { session } = here;
  const view = useView(session);

  // The address holds the sessions, so that a reload comes back into all of them.
  useEffect(() => {
    const write = () => {
      const [one, ...others] = tiles;
      if (!location.pathname.startsWith("/session/") || !one?.session.target.id) return;
      const ids = others.map((o) => o.session.target.id).filter(Boolean);
      const query = new URLSearchParams();
      if (one.session.target.role) query.set("role", one.session.target.role);
      const beside = ids.length ? `beside=${ids.join(",")}` : "";
      const search = [query.toString(), beside].filter(Boolean).join("&");
      history.replaceState(null, "", `/session/${one.session.target.id}${search ? `?${search}` : ""}`);
    };
    for (const tile of tiles) tile.session.onid = write;
    write();
  }, [tiles]);
  useEffect(() => {
    document.title = `${view.title || here.title} – ${t("app.name")}`;
  }, [view.title, here]);
  useEffect(() => void sweep(), []);
  useEffect(() => {
    const ask = (e: BeforeUnloadEvent) => { if (tiles.some((x) => x.session.files.busy)) e.preventDefault(); };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [tiles]);

  const focusScreen = () => takers.current.get(session)?.();
  const toggleBar = () => {
    setBar((shown) => {
      if (!shown) setTimeout(() => toolbar.current?.querySelector<HTMLElement>("a, button")?.focus());
      else focusScreen();
      return !shown;
    });
  };
  const toggle = (panel: Panel) => setPanels((open) => (open.includes(panel) ? open.filter((p) => p !== panel) : [...open, panel]));
  const close = (tile: Known) => {
    const left = tiles.filter((x) => x !== tile);
    if (!left.length) return go("/connections");
    setTiles(left);
    setAt(Math.min(at, left.length - 1));
  };
  const add = async (id: string, connection: string) => {
    const [{ connections }, { sessions }] = await Promise.all([
      api<{ connections: Connection[] }>("/api/connections"), api<{ sessions: SessionInfo[] }>("/api/sessions"),
    ]);
    const lists = { connections, sessions };
    const put = (pick: Pick = {}) => {
      setPicking(null);
      setTiles((before) => [...before, known(lists, id, connection, "", pick)].slice(0, TILES));
      setAt(tiles.length);
    };
    const open = id ? undefined : unpicked(lists, connection);
    if (open) setPicking({ c: open, put });
    else put();
  };
  const drop = (tile: Known) => (files: File[]) => {
    const { session: s } = tile;
    const system = s.files.state.systems[0];
    if (!system?.upload) return s.say(t("files.noDrop"));
    if (!panels.includes("files")) toggle("files");
    for (const file of files) s.files.upload(system.object, s.folder, file, () => s.files.changed());
  };

  const recorded = view.remote.recording ?? here.recorded;
  const alone = tiles.length === 1;
  return (
    <div class="session" data-remote>
      {bar ? (
        <header><Toolbar session={session} view={view} title={here.title} target={here.target} recorded={recorded} retention={here.retention}
          panels={panels} onPanel={toggle} onHide={toggleBar} focusScreen={focusScreen} ref={toolbar}
          beside={tiles.length < TILES && <BesideMenu open={tiles.map((x) => x.session.target.id)} add={(id, c) => void add(id, c)} />} /></header>
      ) : <div />}
      <main class="work">
        <h1 class="sr">{tiles.map((x) => x.title).join(", ")}</h1>
        <div class="tiles" data-count={tiles.length}>
          {tiles.map((tile, i) => (
            <Tile key={tile.session.key} known={tile} alone={alone} active={tile === here} activate={() => setAt(i)} close={() => close(tile)}
              onToolbar={toggleBar} onFiles={drop(tile)} focus={(take) => takers.current.set(tile.session, take)} />
          ))}
          {!bar && (
            <div class="corner">
              <RecFlag recorded={recorded} paused={view.remote.paused.length > 0} retention={here.retention} />
              <button class="tool" type="button" title={t("toolbar.show")} aria-label={t("toolbar.show")} onClick={toggleBar}><Icon name="chevron-down" /></button>
            </div>
          )}
        </div>
        {panels.includes("files") && <FilesPanel key={session.key} session={session} close={() => { toggle("files"); focusScreen(); }} />}
      </main>
      <footer>
        {panels.includes("text") && <TextBar session={session} />}
        {panels.includes("osk") && <OnScreenKeyboard session={session} close={() => { toggle("osk"); focusScreen(); }} />}
      </footer>
      {picking && (
        <Modal title={picking.c.title || picking.c.name} close={() => setPicking(null)}>
          <Picker c={picking.c} done={picking.put} cancel={() => setPicking(null)} />
        </Modal>
      )}
      <ReceivedToast session={session} view={view} done={focusScreen} />
      <SendingToast session={session} view={view} />
    </div>
  );
}
