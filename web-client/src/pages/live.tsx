// Sessions that run now: who, where, since when, is it being recorded; watch, help, message, pause,
// end with a reason, each as the gateway allows it.
import { useEffect, useState } from "preact/hooks";
import { Ask } from "../app/ask.tsx";
import { Menu } from "../app/menu.tsx";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { Countdown, useNow } from "../app/time.tsx";
import { post, when, type Me, type Session, type SessionAct } from "../lib/api.ts";
import { ago, clock, dateTime } from "../lib/format.ts";
import { t, tn } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { useList } from "../lib/live.ts";
import { protocolIcon } from "./connections.tsx";

const LOOK = 3000; // ms

type Asked = "message" | "pause" | "end";

export const peopleOf = (s: Session): number => (typeof s.users === "number" ? s.users : s.users.length);

export function Live({ who }: { who: Me }) {
  const { data, error, reload } = useList<{ sessions: Session[] }>("/api/sessions");
  // Who is in a session and whether it is paused is no change of the list: it is looked at.
  useEffect(() => {
    const timer = setInterval(() => { if (document.visibilityState === "visible") reload(); }, LOOK);
    return () => clearInterval(timer);
  }, []);
  const [query, setQuery] = useState("");
  const [asking, setAsking] = useState<{ s: Session; what: Asked } | null>(null);
  const [failed, setFailed] = useState("");
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const list = (data?.sessions ?? []).filter((s) => {
    const text = `${s.owner.name} ${s.title ?? ""} ${s.connection.namespace}/${s.connection.name} ${s.target ?? ""} ${s.protocol} ${s.peer ?? ""}`.toLowerCase();
    return words.every((w) => text.includes(w));
  }).sort((a, b) => when(b.started) - when(a.started));
  const resume = (s: Session) => {
    post(`/api/sessions/${encodeURIComponent(s.id)}/resume`, {}).then(reload, (e: Error) => setFailed(e.message));
  };
  return (
    <>
      <header class="page-head">
        <h1>{t("nav.live")}</h1>
        {data && data.sessions.length > 3 && (
          <label class="search"><Icon name="search" /><span class="sr">{t("live.search")}</span>
            <input type="search" value={query} placeholder={t("live.search")} onInput={(e) => setQuery(e.currentTarget.value)} /></label>
        )}
        <span class="hint" role="status">{data ? tn("live.count", list.length) : ""}</span>
        <span class="grow" />
        {who.canLock && <a class="button" href="/locks"><Icon name="lock" />{t("nav.locks")}</a>}
      </header>
      {failed && <p class="problem" role="alert"><Icon name="alert" /> {failed}</p>}
      {error && !data ? <ErrorState error={error} retry={reload} /> : !data ? <Loading /> : list.length === 0 ? (
        <Empty title={t(query ? "live.noMatch" : "live.none")}><p>{t("live.none.advice")}</p></Empty>
      ) : (
        <ul class="cards">{list.map((s) => <Row key={s.id} s={s} who={who} ask={(what) => setAsking({ s, what })} resume={() => resume(s)} />)}</ul>
      )}
      {asking && (
        <Ask title={t(`live.${asking.what}.title`, { person: asking.s.owner.name, title: asking.s.title || asking.s.connection.name })} text={t(`live.${asking.what}.text`)}
          label={t(`live.${asking.what}.label`)} needed action={t(`live.${asking.what}`)}
          run={(text) => post(`/api/sessions/${encodeURIComponent(asking.s.id)}/${asking.what}`, { text })} done={reload} close={() => setAsking(null)} />
      )}
    </>
  );
}

function Row({ s, who, ask, resume }: { s: Session; who: Me; ask: (what: Asked) => void; resume: () => void }) {
  const now = useNow(1000);
  const may = (act: SessionAct) => s.may?.includes(act) ?? (act === "end" && s.mine);
  const paused = Array.isArray(s.paused) ? s.paused.length > 0 : !!s.paused;
  const path = (role: string) => `/session/${s.id}?role=${role}`;
  return (
    <li class="card-row">
      <Icon name={protocolIcon(s.protocol)} />
      <div class="about">
        <div class="name">{s.owner.name}{s.mine ? <span class="sub"> {t("live.you")}</span> : null}</div>
        <p>{s.title || s.connection.name} <span class="sub">{s.connection.namespace}/{s.connection.name}</span> <span class="mono muted">{s.target}</span></p>
        <p class="sub">
          <span title={dateTime(when(s.started))}>{t("sessions.since", { when: ago(when(s.started), now) })}</span> · <span class="num">{clock(now - when(s.started))}</span>
          {s.peer ? <> · {t("live.from", { peer: s.peer })}</> : null}
          {s.until ? <> · {t("live.until")} <Countdown until={s.until} /></> : null}
        </p>
        {s.people && s.people.length > 0 && (
          <p class="sub">{t("people.title")}: {s.people.map((p, i) => <span key={p.user}>{i ? ", " : ""}{p.name || t("people.somebody")} ({t(`people.${p.role === "owner" || p.role === "helper" ? p.role : "viewer"}`)})</span>)}</p>
        )}
      </div>
      <div class="side">
        <div class="badges">
          {paused && <span class="badge strong"><Icon name="pause" />{t("overlay.paused")}</span>}
          {s.moderated && <span class="badge"><Icon name="eye" />{t("live.moderated")}</span>}
          {s.graceMs ? <span class="badge">{t("sessions.waiting", { seconds: Math.ceil(s.graceMs / 1000) })}</span> : null}
          {s.recording === false || s.recording === "stock" ? <span class="badge">{t("rec.off")}</span>
            : <span class="badge rec"><Icon name="rec" />{t(`live.recorder.${s.recorder === "behind" || s.recorder === "away" ? s.recorder : "ok"}`)}</span>}
        </div>
        <div class="buttons">
          {may("resume") && <a class="button primary" href={`/session/${s.id}`}>{t("sessions.return")}</a>}
          {may("view") && <a class="button" href={path("viewer")}><Icon name="eye" />{t("live.view")}</a>}
          {who.canAudit && s.recording !== false && s.recording !== "stock" && <a class="button" href={`/replay/${s.id}`}><Icon name="film" />{t("live.replay")}</a>}
          {may("end") && <button class="button" type="button" onClick={() => ask("end")}>{t("live.end")}</button>}
          {(may("help") || may("takeover") || may("message") || may("pause")) && (
            <Menu title={t("live.more", { person: s.owner.name })} label={<Icon name="more" />}>
              {(close) => {
                const act = (run: () => void) => () => { close(); run(); };
                return (
                  <>
                    {may("help") && <a class="item" href={path("helper")}>{t("live.help")}</a>}
                    {may("takeover") && <a class="item" href={path("owner")}>{t("live.takeover")}</a>}
                    {may("message") && <button class="item" type="button" onClick={act(() => ask("message"))}>{t("live.message")}</button>}
                    {may("pause") && (paused
                      ? <button class="item" type="button" onClick={act(resume)}>{t("live.resume")}</button>
                      : <button class="item" type="button" onClick={act(() => ask("pause"))}>{t("live.pause")}</button>)}
                  </>
                );
              }}
            </Menu>
          )}
        </div>
      </div>
    </li>
  );
}
