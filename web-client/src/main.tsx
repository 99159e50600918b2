// Entry: who is there, which page, and the frame around it.
import "./css/app.css";
import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { KeysDialog, openKeys } from "./app/keys-dialog.tsx";
import { Shell } from "./app/shell.tsx";
import { ErrorState, Loading } from "./app/states.tsx";
import { keepSignedIn, me, setSignedOut, type Me } from "./lib/api.ts";
import { chooseLanguage, t, useLanguage } from "./lib/i18n.ts";
import { listenTo } from "./lib/live.ts";
import { go, onNavigate, parseRoute, type Route } from "./lib/router.ts";
import { settings } from "./lib/settings.ts";
import { Connections } from "./pages/connections.tsx";
import { Home } from "./pages/home.tsx";
import { Join } from "./pages/join.tsx";
import { Recordings } from "./pages/recordings.tsx";
import { Settings } from "./pages/settings.tsx";

export interface PageProps {
  who: Me;
  route: Route;
}

// The heavy pages come when they are opened.
const lazy = {
  session: () => import("./pages/session.tsx").then((m) => m.SessionPage as ComponentType<PageProps>),
  approvals: () => import("./pages/approvals.tsx").then((m) => m.Approvals as unknown as ComponentType<PageProps>),
  live: () => import("./pages/live.tsx").then((m) => m.Live as unknown as ComponentType<PageProps>),
  locks: () => import("./pages/locks.tsx").then((m) => m.Locks as unknown as ComponentType<PageProps>),
  evidence: () => import("./pages/evidence.tsx").then((m) => m.Evidence as unknown as ComponentType<PageProps>),
  replay: () => import("./pages/replay.tsx").then((m) => m.ReplayPage as ComponentType<PageProps>),
};

function Lazy({ name, ...props }: PageProps & { name: keyof typeof lazy }) {
  const [Page, setPage] = useState<ComponentType<PageProps> | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let current = true;
    lazy[name]().then((p) => current && setPage(() => p), (e: unknown) => current && setError(e));
    return () => { current = false; };
  }, [name]);
  const whole = name === "session" || name === "replay"; // not inside the frame: a main of its own
  const state = error ? <ErrorState error={error} retry={() => location.reload()} /> : <Loading />;
  if (!error && Page) return <Page {...props} />;
  return whole ? <main class="page">{state}</main> : state;
}

function App() {
  const [route, setRoute] = useState<Route>(() => parseRoute(location.pathname, location.search));
  const [who, setWho] = useState<Me | null | undefined>(undefined);
  const [error, setError] = useState<unknown>(null);
  const [words, setWords] = useState(0); // counts languages chosen: everything is said anew
  const load = () => {
    setError(null);
    me().then((found) => {
      if (found) listenTo(found);
      setWho(found);
    }, setError);
  };
  useEffect(() => {
    onNavigate(() => setRoute(parseRoute(location.pathname, location.search)));
    setSignedOut(() => setWho(null));
    addEventListener("language", () => setWords((n) => n + 1));
    load();
    const keys = (e: KeyboardEvent) => {
      const inField = e.target instanceof Element && e.target.closest("input, textarea, select, [data-remote]");
      if (e.key === "?" && !inField && !e.ctrlKey && !e.metaKey && !e.altKey) {
        e.preventDefault();
        openKeys();
      }
    };
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, []);
  useEffect(() => (who ? keepSignedIn(who) : undefined), [who]);
  useEffect(() => {
    if (who && route.page === "home") go(who.canOperate || !who.canAudit ? "/connections" : "/recordings", true);
  }, [who, route]);

  if (error) return <div class="welcome"><main><ErrorState error={error} retry={load} /></main></div>;
  if (who === undefined) return <div class="welcome"><main><Loading /></main></div>;
  if (who === null) return <Home to={route.page === "home" ? "/" : location.pathname + location.search} />;
  return (
    <>
      <Current key={words} who={who} route={route} />
      <KeysDialog page={route.page} />
    </>
  );
}

function Current({ who, route }: PageProps) {
  switch (route.page) {
    case "session":
      return <Lazy key={`s${route.connection}${route.role}`} name="session" who={who} route={route} />;
    case "replay":
      return <Lazy key={route.id} name="replay" who={who} route={route} />;
    default:
      return (
        <Shell who={who} page={route.page}>
          {route.page === "connections" && <Connections who={who} />}
          {route.page === "recordings" && <Recordings who={who} />}
          {(route.page === "approvals" || route.page === "live" || route.page === "locks" || route.page === "evidence") && <Lazy key={route.page} name={route.page} who={who} route={route} />}
          {route.page === "join" && <Join token={route.token} />}
          {route.page === "settings" && <Settings />}
          {route.page === "missing" && (
            <div class="state">
              <h1>{t("missing.title")}</h1>
              <p class="muted">{t("missing.text")}</p>
              <a class="button" href="/">{t("missing.back")}</a>
            </div>
          )}
        </Shell>
      );
  }
}

async function start(): Promise<void> {
  await useLanguage(chooseLanguage(settings().language, navigator.languages)).catch(() => {});
  render(<App />, document.getElementById("app") as HTMLElement);
}
void start();
