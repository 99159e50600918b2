// Taking recordings out as evidence: a period or what was chosen, made by the gateway as a bag that
// anybody can verify without it; progress, download, and how to verify.
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../app/ask.tsx";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { api, post, when, type Me } from "../lib/api.ts";
import { ago, bytes, dateTime } from "../lib/format.ts";
import { t, tn } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";

interface Export {
  export: string;
  state: "waiting" | "running" | "ready" | "failed";
  started: number | string;
  by?: { sub: string; name: string };
  sessions: number | unknown[];
  done: number;
  total: number;
  bytes: number;
  until?: number; // when a finished one goes
  error?: string | null;
}

const chosenByLink = (): string[] =>
  (new URLSearchParams(location.search).get("sessions") ?? "").split(",").filter((id) => /^[0-9a-f-]{36}$/i.test(id));

// A gateway that makes no exports offers no form that would fail: it says how they are made.
export function Evidence({ who }: { who: Me }) {
  return (
    <>
      <header class="page-head"><h1>{t("nav.evidence")}</h1></header>
      <div class="evidence">{who.canExport ? <Exports /> : <ByCommand />}</div>
    </>
  );
}

function ByCommand() {
  const sessions = chosenByLink();
  const what = sessions.length ? sessions.join(" ") : "--from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z";
  return (
    <>
      <section class="how" aria-labelledby="command">
        <h2 id="command">{t("evidence.command")}</h2>
        <p>{t("evidence.command.text")}</p>
        <pre tabIndex={0}>{`guac-evidence export --store STORE --output EXPORT ${what}`}</pre>
        <p class="muted">{t("evidence.none.advice")}</p>
      </section>
      <How command="cd EXPORT && sh verify.sh" />
    </>
  );
}

function How({ command }: { command: string }) {
  return (
    <section class="how" aria-labelledby="how">
      <h2 id="how">{t("evidence.how")}</h2>
      <p>{t("evidence.how.text")}</p>
      <pre tabIndex={0}>{command}</pre>
      <p class="muted">{t("evidence.how.anchor")}</p>
    </section>
  );
}

function Exports() {
  const [list, setList] = useState<Export[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => {
    api<{ exports: Export[] }>("/api/exports").then((a) => { setList(a.exports); setError(null); }, setError);
  };
  const running = list?.some((e) => e.state === "running" || e.state === "waiting") ?? false;
  useEffect(load, []);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && load(), running ? 1000 : 10_000);
    return () => clearInterval(timer);
  }, [running]);
  const remove = (id: string) => {
    api(`/api/exports/${encodeURIComponent(id)}`, { method: "DELETE", body: "{}" }).then(load, setError);
  };
  return (
    <>
      <Form done={load} />
      <section aria-labelledby="exports">
        <h2 id="exports">{t("evidence.exports")}</h2>
        {error && !list ? <ErrorState error={error} retry={load} /> : !list ? <Loading /> : list.length === 0 ? (
          <Empty title={t("evidence.none")}><p>{t("evidence.none.advice")}</p></Empty>
        ) : (
          <ul class="cards">
            {[...list].sort((a, b) => when(b.started) - when(a.started)).map((e) => (
              <li class="card-row" key={e.export}>
                <Icon name={e.state === "failed" ? "alert" : e.state === "ready" ? "check" : "clock"} />
                <div class="about">
                  <div class="name">{tn("evidence.sessions", typeof e.sessions === "number" ? e.sessions : e.sessions.length)} <span class="sub">{ago(when(e.started))}{e.bytes ? ` · ${bytes(e.bytes)}` : ""}</span></div>
                  <code class="muted">{e.export}</code>
                  {e.state === "waiting" && <p class="sub">{t("evidence.waiting")}</p>}
                  {e.state === "ready" && e.until && <p class="sub">{t("evidence.until", { when: dateTime(e.until) })}</p>}
                  {e.state === "running" && (
                    <div class="sending"><progress aria-label={t("evidence.progress")} {...(e.total ? { max: e.total, value: e.done } : {})} />
                      <span class="sub">{t("evidence.done", { done: e.done, total: e.total })}</span></div>
                  )}
                  {e.state === "failed" && <p class="problem" role="alert">{e.error || t("evidence.failed")}</p>}
                </div>
                <div class="side"><div class="buttons">
                  {e.state === "ready" && <a class="button primary" href={`/api/exports/${encodeURIComponent(e.export)}/bag?offset=0`} download={`${e.export}.tar`}><Icon name="download" />{t("evidence.download")}</a>}
                  <button class="button" type="button" onClick={() => remove(e.export)}>{t(e.state === "running" || e.state === "waiting" ? "cancel" : "evidence.remove")}</button>
                </div></div>
              </li>
            ))}
          </ul>
        )}
      </section>
      <How command="tar -xf EXPORT.tar && cd EXPORT && sh verify.sh" />
    </>
  );
}

function Form({ done }: { done: () => void }) {
  const start = new URLSearchParams(location.search);
  const [f, setF] = useState({ from: "", to: "", connection: start.get("connection") ?? "", person: start.get("person") ?? "" });
  const [chosen, setChosen] = useState(chosenByLink);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const set = (part: Partial<typeof f>) => setF({ ...f, ...part });
  const ms = (text: string): number | undefined => (text ? new Date(text).getTime() : undefined);
  const submit = (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    const body = chosen.length ? { sessions: chosen } : {
      from: ms(f.from), to: ms(f.to), ...(f.connection.trim() ? { connection: f.connection.trim() } : {}), ...(f.person.trim() ? { person: f.person.trim() } : {}),
    };
    post("/api/exports", body).then(() => { setBusy(false); setChosen([]); done(); }, (e: unknown) => { setError(e); setBusy(false); });
  };
  return (
    <form class="card prompt" onSubmit={submit}>
      <h2>{t("evidence.new")}</h2>
      {chosen.length > 0 ? (
        <p>{tn("evidence.chosen", chosen.length)} <button class="button" type="button" onClick={() => setChosen([])}>{t("evidence.period")}</button></p>
      ) : (
        <div class="filters">
          <label class="field">{t("recordings.from")}<input type="datetime-local" required value={f.from} onInput={(e) => set({ from: e.currentTarget.value })} /></label>
          <label class="field">{t("recordings.to")}<input type="datetime-local" required value={f.to} onInput={(e) => set({ to: e.currentTarget.value })} /></label>
          <label class="field wide">{t("recordings.connection")}<input type="search" placeholder={t("recordings.connection.hint")} value={f.connection} onInput={(e) => set({ connection: e.currentTarget.value })} /></label>
          <label class="field wide">{t("recordings.person")}<input type="search" value={f.person} onInput={(e) => set({ person: e.currentTarget.value })} /></label>
        </div>
      )}
      <p class="muted"><Icon name="eye" /> {t("evidence.logged")}</p>
      <Problem error={error} />
      <div class="actions"><button class="button primary" disabled={busy}>{t("evidence.make")}</button></div>
    </form>
  );
}
