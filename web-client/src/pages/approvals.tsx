// Who asks for what, and what one may say to it: by itself fresh, with what is left of every window.
import { useEffect, useRef, useState } from "preact/hooks";
import { Ask } from "../app/ask.tsx";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { Countdown } from "../app/time.tsx";
import { post, when, type AccessRequest, type Me } from "../lib/api.ts";
import { ago, dateTime } from "../lib/format.ts";
import { t, tn, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { useList } from "../lib/live.ts";
import { sessionPath } from "../lib/router.ts";
import { protocolIcon } from "./connections.tsx";

interface Answer { requests: AccessRequest[] }

export function Approvals({ who }: { who: Me }) {
  const [past, setPast] = useState(false);
  const { data, error, reload } = useList<Answer>(`/api/requests?state=${past ? "all" : "open"}`);
  const [asking, setAsking] = useState<{ r: AccessRequest; what: "approve" | "deny" | "revoke" } | null>(null);
  const list = data?.requests ?? [];
  const open = (r: AccessRequest) => r.state === "pending" || r.state === "approved";
  const groups: [Key, AccessRequest[]][] = [
    ["approvals.yours.todo", list.filter((r) => r.state === "pending" && r.may.includes("approve"))],
    ["approvals.mine", list.filter((r) => open(r) && r.mine)],
    ["approvals.open", list.filter((r) => open(r) && !r.mine && !(r.state === "pending" && r.may.includes("approve")))],
    ["approvals.past", list.filter((r) => !open(r))],
  ];
  useNotify(groups[0]?.[1] ?? []);
  return (
    <>
      <header class="page-head">
        <h1>{t("nav.approvals")}</h1>
        <span class="grow" />
        <label class="check"><input type="checkbox" checked={past} onChange={(e) => setPast(e.currentTarget.checked)} />{t("approvals.showPast")}</label>
      </header>
      {error && !data ? <ErrorState error={error} retry={reload} /> : !data ? <Loading /> : list.length === 0 ? (
        <Empty title={t("approvals.none")}><p>{t(who.canApprove ? "approvals.none.approver" : "approvals.none.requester")}</p></Empty>
      ) : groups.map(([title, rows]) => rows.length > 0 && (
        <section class="group" key={title} aria-label={t(title)}>
          <h2>{t(title)}</h2>
          <ul class="cards">{rows.map((r) => <Row key={r.id} r={r} ask={(what) => setAsking({ r, what })} />)}</ul>
        </section>
      ))}
      {asking && (
        <Ask title={t(`approvals.${asking.what}.title`, { person: asking.r.requester.name, title: asking.r.title || asking.r.name })}
          label={t("approvals.note")} needed={asking.what !== "approve"} action={t(`approvals.${asking.what === "revoke" && asking.r.mine ? "withdraw" : asking.what}`)}
          {...(asking.what === "revoke" && asking.r.state === "approved" ? { text: t("approvals.revoke.text") } : {})}
          run={(note) => post(`/api/requests/${encodeURIComponent(asking.r.id)}/${asking.what}`, { note })} done={reload} close={() => setAsking(null)} />
      )}
    </>
  );
}

// A note outside the page when something new waits, where a person allowed that.
function useNotify(waiting: AccessRequest[]): void {
  const known = useRef<Set<string> | null>(null);
  useEffect(() => {
    const before = known.current;
    known.current = new Set(waiting.map((r) => r.id));
    if (!before || document.visibilityState === "visible" || typeof Notification !== "function" || Notification.permission !== "granted") return;
    for (const r of waiting)
      if (!before.has(r.id)) new Notification(t("approvals.notify", { person: r.requester.name, title: r.title || r.name }), { tag: r.id });
  }, [waiting.map((r) => r.id).join()]);
}

function Row({ r, ask }: { r: AccessRequest; ask: (what: "approve" | "deny" | "revoke") => void }) {
  const pending = r.state === "pending";
  const approved = r.state === "approved";
  return (
    <li class={`card-row ${r.breakGlass ? "loud" : ""}`}>
      <Icon name={protocolIcon(r.protocol)} />
      <div class="about">
        <div class="name">{r.title || r.name} <span class="sub">{r.namespace}/{r.name}</span></div>
        <p>{r.mine ? t("approvals.you") : r.requester.name} · {tn("minutes", r.minutes)} · <span title={dateTime(when(r.created))}>{ago(when(r.created))}</span></p>
        <p class="reason">{r.reason}</p>
        {pending && r.missing.length > 0 && <p class="sub">{t("approvals.missing")} {r.missing.map((n) => <span key={n} class="badge strong">{n}</span>)}</p>}
        {r.decisions.length > 0 && (
          <ul class="decisions">{r.decisions.map((d, i) => (
            <li key={i}><Icon name={d.decision === "approve" ? "check" : "close"} />{t(`approvals.did.${d.decision}`, { person: d.by.name })}{d.as ? ` (${d.as})` : ""}{d.note ? `: ${d.note}` : ""} <span class="muted">{ago(when(d.at))}</span></li>
          ))}</ul>
        )}
        {r.why && !pending && <p class="sub">{r.why}</p>}
      </div>
      <div class="side">
        <div class="badges">
          {r.breakGlass && <span class="badge rec"><Icon name="alert" />{t("approvals.breakGlass")}</span>}
          <span class={`badge ${approved ? "strong" : ""}`}>{t(`approvals.state.${r.state}`)}</span>
        </div>
        {pending && r.expires ? <span class="sub">{t("approvals.expires")} <Countdown until={when(r.expires)} /></span> : null}
        {approved && r.until ? <span class="sub">{t("approvals.left")} <Countdown until={when(r.until)} /></span> : null}
        <div class="buttons">
          {r.may.includes("connect") && <a class="button primary" href={sessionPath(r)}>{t("approvals.connect")}</a>}
          {pending && r.may.includes("approve") && <button class="button primary" type="button" onClick={() => ask("approve")}>{t("approvals.approve")}</button>}
          {pending && r.may.includes("deny") && <button class="button" type="button" onClick={() => ask("deny")}>{t("approvals.deny")}</button>}
          {(pending || approved) && r.may.includes("revoke") && <button class="button" type="button" onClick={() => ask("revoke")}>{t(pending && r.mine ? "approvals.withdraw" : "approvals.revoke")}</button>}
        </div>
      </div>
    </li>
  );
}
