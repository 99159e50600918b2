// What a person may connect to. The list keeps itself fresh by a long poll; typing searches, arrows
// and Enter do the rest.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { post, when, type Connection, type Me, type Session } from "../lib/api.ts";
import { Countdown } from "../app/time.tsx";
import { ago } from "../lib/format.ts";
import { t, tn } from "../lib/i18n.ts";
import { Icon, type IconName } from "../lib/icons.tsx";
import { useList } from "../lib/live.ts";
import { filterConnections, sortConnections, splitMatch } from "../lib/search.ts";
import { sessionPath } from "../lib/router.ts";
import { RequestDialog } from "./request-dialog.tsx";

const icons: Record<string, IconName> = { ssh: "terminal", kubernetes: "pod" };
export const protocolIcon = (protocol: string): IconName => icons[protocol] ?? "desktop";

interface Answer {
  connections: Connection[];
  generation: number | string;
  problems?: { source: string; errors: string[] }[]; // files that are no connection, for moderators
}

const PAGE = 120;

export function Connections({ who }: { who: Me }) {
  const { data: answer, error, reload: retry } = useList<Answer>("/api/connections");
  const list = answer?.connections ?? null;
  const live = useList<{ sessions: Session[] }>("/api/sessions");
  const sessions = (live.data?.sessions ?? []).filter((s) => s.mine || s.may?.includes("resume"));
  const [asking, setAsking] = useState<Connection | null>(null);
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
        {!query && sessions.length > 0 && <OwnSessions sessions={sessions} list={list} reload={live.reload} />}
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
              {shown.slice(0, limit).map((c) => <li key={`${c.namespace}/${c.name}`}><Row c={c} query={query} ask={() => setAsking(c)} /></li>)}
            </ul>
            {shown.length > limit && (
              <div class="more"><button class="button" type="button" onClick={() => setLimit(limit + 4 * PAGE)}>{tn("connections.more", shown.length - limit)}</button></div>
            )}
          </section>
        )}
      </div>
      {asking && <RequestDialog c={asking} done={retry} close={() => setAsking(null)} />}
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

// Refused only for want of an approval or of a fresh sign-in: then there is something to do.
const canAsk = (c: Connection): boolean =>
  !!c.jit && !c.allowed && (c.rule === "jit-approval" || c.rule === "jit-required") && c.jit.request?.state !== "pending";

function Row({ c, query, ask }: { c: Connection; query: string; ask: () => void }) {
  const errors = c.errors ?? [];
  const usable = c.allowed && !errors.length;
  const title = c.title || c.name;
  const id = `${c.namespace}/${c.name}`;
  const request = c.jit?.request;
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
        {usable && request?.state === "approved" && request.until
          ? <span class="badge strong"><Icon name="clock" />{t("connections.window")} <Countdown until={request.until} /></span>
          : c.jit ? <span class="badge"><Icon name="shield" />{t("connections.approval")}</span> : null}
        {c.moderated && <span class="badge" title={t("connections.moderated.note")}><Icon name="eye" />{t("live.moderated")}</span>}
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
        <Icon name={errors.length ? "alert" : request?.state === "pending" ? "clock" : c.jit && canAsk(c) ? "shield" : "lock"} />
        {errors.length ? (
          <div><span>{t("connections.invalid")}</span><ul>{errors.map((e) => <li key={e}><code>{e}</code></li>)}</ul></div>
        ) : request?.state === "pending" ? (
          <span class="grow">{t("connections.pending")} {request.missing?.map((n) => <span key={n} class="badge strong">{n}</span>)} <a href="/approvals">{t("connections.pending.see")}</a></span>
        ) : (
          <span class="grow">{c.why || t("connections.refused")} {c.advice} {c.rule ? <code class="muted">{c.rule}</code> : null}</span>
        )}
        {c.stepUp && <a class="button" href={c.stepUp}>{t("connections.stepUp")}</a>}
        {canAsk(c) && <button class="button" type="button" onClick={ask}>{t("connections.ask")}</button>}
      </div>
    </div>
  );
}
