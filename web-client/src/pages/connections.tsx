// What a person may connect to. The list keeps itself fresh by a long poll; typing searches, arrows
// and Enter do the rest.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { api, ApiError, post, when, type Connection, type Me, type Session } from "../lib/api.ts";
import { ago } from "../lib/format.ts";
import { t, tn } from "../lib/i18n.ts";
import { Icon, type IconName } from "../lib/icons.tsx";
import { filterConnections, sortConnections, splitMatch } from "../lib/search.ts";
import { sessionPath } from "../lib/router.ts";

const icons: Record<string, IconName> = { ssh: "terminal", kubernetes: "pod" };
export const protocolIcon = (protocol: string): IconName => icons[protocol] ?? "desktop";

interface Answer {
  connections: Connection[];
  generation: number | string;
  problems?: { source: string; errors: string[] }[]; // files that are no connection, for moderators
}

function useConnections(): [Answer | null, unknown, () => void] {
  const [list, setList] = useState<Answer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, again] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let generation: number | string | null = null;
    let failures = 0;
    const wait = (ms: number) => new Promise((r) => setTimeout(r, ms));
    void (async () => {
      while (!abort.signal.aborted) {
        try {
          const query: string = generation === null ? "" : `?after=${encodeURIComponent(generation)}&wait=25`;
          const answer: Answer = await api<Answer>(`/api/connections${query}`, { signal: abort.signal });
          if (answer.generation !== generation || failures) setList(answer);
          // An answer that came at once with nothing new must not become a storm.
          if (answer.generation === generation) await wait(250);
          generation = answer.generation;
          failures = 0;
          setError(null);
        } catch (e) {
          if (abort.signal.aborted) return;
          if (e instanceof ApiError && e.status === 401) return;
          failures++;
          if (failures > 1 || generation === null) setError(e);
          await wait(Math.min(1000 * 2 ** failures, 15_000) * (0.7 + 0.6 * Math.random()));
        }
      }
    })();
    return () => abort.abort();
  }, [round]);
  return [list, error, () => again(round + 1)];
}

function useOwnSessions(fresh: unknown): [Session[], () => void] {
  const [sessions, setSessions] = useState<Session[]>([]);
  const load = () => {
    api<{ sessions: Session[] }>("/api/sessions").then((a) => setSessions(a.sessions.filter((s) => s.mine)), () => {});
  };
  useEffect(load, [fresh]);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && load(), 10_000);
    return () => clearInterval(timer);
  }, []);
  return [sessions, load];
}

const PAGE = 120;

export function Connections({ who }: { who: Me }) {
  const [answer, error, retry] = useConnections();
  const list = answer?.connections ?? null;
  const [sessions, reload] = useOwnSessions(list);
  const [query, setQuery] = useState("");
  const [limit, setLimit] = useState(PAGE);
  const search = useRef<HTMLInputElement>(null);
  const rows = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => sortConnections(filterConnections(list ?? [], query), query === ""), [list, query]);
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) search.current?.focus();
  }, [list === null]);

  const links = () => [...(rows.current?.querySelectorAll<HTMLElement>("a.row") ?? [])];
  const keys = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const all = links();
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      const next = at + (e.key === "ArrowDown" ? 1 : -1);
      if (next < 0) search.current?.focus();
      else all[Math.min(next, all.length - 1)]?.focus();
    } else if (e.key === "Enter" && e.target === search.current) all[0]?.click();
    else if (e.key === "Escape" && query) {
      setQuery("");
      search.current?.focus();
    } else if (at >= 0 && e.key.length === 1 && e.key !== " " && e.key !== "?") search.current?.focus();
  };

  if (error && !list) return <ErrorState error={error} retry={retry} />;
  if (!list) return <Loading />;
  return (
    <div onKeyDown={keys}>
      <header class="page-head">
        <h1 class="sr">{t("nav.connections")}</h1>
        <label class="search">
          <Icon name="search" />
          <span class="sr">{t("connections.search")}</span>
          <input ref={search} type="search" value={query} placeholder={t("connections.search")} autocomplete="off" spellcheck={false}
            aria-describedby="search-hint" onInput={(e) => { setQuery(e.currentTarget.value); setLimit(PAGE); }} />
        </label>
        <p class="hint" id="search-hint">
          <span role="status">{query ? tn("connections.found", shown.length) : tn("connections.count", list.length)}</span>
          {error ? <span><Icon name="alert" /> {t("connections.stale")}</span> : null}
        </p>
      </header>
      <div ref={rows}>
        {!query && sessions.length > 0 && <OwnSessions sessions={sessions} list={list} reload={reload} />}
        {answer?.problems?.length ? (
          <section class="group" aria-labelledby="problems">
            <h2 id="problems">{t("connections.problems")}</h2>
            <ul class="rows">{answer.problems.map((p) => (
              <li key={p.source}><div class="row off"><Icon name="alert" /><div class="why"><div><code>{p.source}</code><ul>{p.errors.map((e) => <li key={e}>{e}</li>)}</ul></div></div></div></li>
            ))}</ul>
          </section>
        ) : null}
        {list.length === 0 ? (
          <Empty title={t("connections.none")}><p>{t("connections.none.advice", { roles: who.roles.join(", ") || "–" })}</p></Empty>
        ) : shown.length === 0 ? (
          <Empty title={t("connections.noMatch", { query })}><p>{t("connections.noMatch.advice")}</p></Empty>
        ) : (
          <section class="group" aria-label={t("nav.connections")}>
            <ul class="rows">
              {shown.slice(0, limit).map((c) => <li key={`${c.namespace}/${c.name}`}><Row c={c} query={query} /></li>)}
            </ul>
            {shown.length > limit && (
              <div class="more"><button class="button" type="button" onClick={() => setLimit(limit + 4 * PAGE)}>{tn("connections.more", shown.length - limit)}</button></div>
            )}
          </section>
        )}
      </div>
    </div>
  );
}

function OwnSessions({ sessions, list, reload }: { sessions: Session[]; list: Connection[]; reload: () => void }) {
  const [error, setError] = useState("");
  const end = (id: string) => {
    post(`/api/sessions/${id}/end`, {}).then(reload, (e: Error) => setError(e.message));
  };
  return (
    <section class="group" aria-labelledby="own">
      <h2 id="own">{t("sessions.own")}</h2>
      {error && <p role="alert">{error}</p>}
      <ul class="rows">
        {sessions.map((s) => {
          const c = list.find((x) => x.namespace === s.connection.namespace && x.name === s.connection.name);
          return (
            <li key={s.id} class="row mine">
              <Icon name={protocolIcon(s.protocol)} />
              <div>
                <div class="name">{c?.title || s.connection.name}</div>
                <div class="sub">{t("sessions.since", { when: ago(when(s.started)) })}{s.graceMs ? ` · ${t("sessions.waiting", { seconds: Math.ceil(s.graceMs / 1000) })}` : ""}</div>
              </div>
              <button class="button" type="button" onClick={() => end(s.id)}>{t("sessions.end")}</button>
              <a class="button primary" href={`/session/${s.id}`}>{t("sessions.return")}</a>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Marked({ text, query }: { text: string; query: string }) {
  const [before, hit, after] = splitMatch(text, query);
  return <>{before}{hit && <mark>{hit}</mark>}{after}</>;
}

function Row({ c, query }: { c: Connection; query: string }) {
  const errors = c.errors ?? [];
  const usable = c.allowed && !errors.length;
  const title = c.title || c.name;
  const id = `${c.namespace}/${c.name}`;
  const inside = (
    <>
      <Icon name={protocolIcon(c.protocol)} />
      <div>
        <div class="name"><Marked text={title} query={query} /></div>
        <div class="sub"><Marked text={id} query={query} /></div>
      </div>
      <div class="mono"><span class="sr">{c.protocol} </span><Marked text={c.target} query={query} /></div>
      <div class="badges">
        {(c.live ?? 0) > 0 && <span class="badge strong">{tn("connections.live", c.live ?? 0)}</span>}
        {c.jit?.requiredApprovers?.length ? <span class="badge"><Icon name="shield" />{t("connections.approval")}</span> : null}
        {c.recording?.enabled
          ? <span class="badge rec" title={tn("rec.kept", c.recording.retentionDays)}><Icon name="rec" />REC <span>{tn("rec.days", c.recording.retentionDays)}</span></span>
          : <span class="badge">{t("rec.off")}</span>}
      </div>
      <div class="end">{c.lastUsed ? ago(when(c.lastUsed)) : ""}</div>
      {usable ? <span class="go" aria-hidden="true"><Icon name="chevron" /></span> : <span />}
    </>
  );
  if (usable) return <a class="row" href={sessionPath(c)}>{inside}</a>;
  return (
    <div class="row off">
      {inside}
      <div class="why">
        <Icon name={errors.length ? "alert" : "lock"} />
        {errors.length ? (
          <div><span>{t("connections.invalid")}</span><ul>{errors.map((e) => <li key={e}><code>{e}</code></li>)}</ul></div>
        ) : (
          <span>{c.why || t("connections.refused")} {c.advice} {c.rule ? <code class="muted">{c.rule}</code> : null}</span>
        )}
      </div>
    </div>
  );
}
