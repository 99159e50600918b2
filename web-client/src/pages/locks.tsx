// Locks: a person, a connection or a session that is shut out, and until when. Their sessions end.
import { useState } from "preact/hooks";
import { Ask, Problem } from "../app/ask.tsx";
import { Modal } from "../app/modal.tsx";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { useSubmit } from "../app/submit.ts";
import { Countdown } from "../app/time.tsx";
import { post, when, type Lock } from "../lib/api.ts";
import { ago } from "../lib/format.ts";
import { t, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { useList } from "../lib/live.ts";

const kinds = ["sub", "connection", "session"] as const;
const nameOf = (v: unknown): string =>
  typeof v === "string" ? v : v && typeof v === "object" ? Object.values(v as Record<string, unknown>).filter((x) => typeof x === "string").join("/") : "";

export function Locks() {
  const { data, error, reload } = useList<{ locks: Lock[] }>("/api/locks");
  const [adding, setAdding] = useState(false);
  const [lifting, setLifting] = useState<Lock | null>(null);
  const list = data?.locks ?? [];
  return (
    <>
      <header class="page-head">
        <h1>{t("nav.locks")}</h1>
        <span class="grow" />
        <button class="button primary" type="button" onClick={() => setAdding(true)}><Icon name="lock" />{t("locks.add")}</button>
      </header>
      {error && !data ? <ErrorState error={error} retry={reload} /> : !data ? <Loading /> : list.length === 0 ? (
        <Empty title={t("locks.none")}><p>{t("locks.none.advice")}</p></Empty>
      ) : (
        <ul class="cards">
          {list.map((lock) => {
            const kind = lock.sub ? "sub" : lock.connection ? "connection" : lock.session ? "session" : "sid";
            return (
              <li class="card-row" key={lock.id}>
                <Icon name="lock" />
                <div class="about">
                  <div class="name">{nameOf(lock[kind])} <span class="sub">{t(`locks.kind.${kind}` as Key)}</span></div>
                  <p class="reason">{lock.reason}</p>
                  <p class="sub">{t("locks.by", { who: nameOf(lock.by && typeof lock.by === "object" ? lock.by.name : lock.by) || "–", when: ago(when(lock.created)) })}</p>
                </div>
                <div class="side">
                  <span class="sub">{lock.until ? <>{t("locks.until")} <Countdown until={when(lock.until)} /></> : t("locks.forever")}</span>
                  <div class="buttons"><button class="button" type="button" onClick={() => setLifting(lock)}>{t("locks.lift")}</button></div>
                </div>
              </li>
            );
          })}
        </ul>
      )}
      {adding && <AddLock done={reload} close={() => setAdding(false)} />}
      {lifting && <Ask title={t("locks.lift.title")} label={t("locks.reason")} needed action={t("locks.lift")}
        run={(reason) => post(`/api/locks/${encodeURIComponent(lifting.id)}/lift`, { reason })} done={reload} close={() => setLifting(null)} />}
    </>
  );
}

function AddLock({ done, close }: { done: () => void; close: () => void }) {
  const [kind, setKind] = useState<(typeof kinds)[number]>("sub");
  const [name, setName] = useState("");
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState("");
  const { busy, error, submit } = useSubmit(
    () => post("/api/locks", { [kind]: name.trim(), reason: reason.trim(), minutes: minutes ? Number(minutes) : null }),
    () => { done(); close(); });
  return (
    <Modal title={t("locks.add")} close={close}>
      <form class="prompt" onSubmit={submit}>
        <p class="muted">{t("locks.text")}</p>
        <label class="field">{t("locks.what")}
          <select value={kind} onChange={(e) => setKind(e.currentTarget.value as typeof kind)}>{kinds.map((k) => <option key={k} value={k}>{t(`locks.kind.${k}`)}</option>)}</select>
        </label>
        <label class="field">{t(`locks.name.${kind}`)}<input type="text" required maxLength={256} autocomplete="off" spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} /></label>
        <label class="field">{t("locks.reason")}<textarea class="words" rows={2} maxLength={500} required value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></label>
        <label class="field">{t("locks.minutes")}<input type="number" min={1} max={525600} value={minutes} onInput={(e) => setMinutes(e.currentTarget.value)} /><span class="muted">{t("locks.minutes.note")}</span></label>
        <Problem error={error} />
        <div class="actions">
          <button class="button primary" disabled={busy || !name.trim() || !reason.trim()}>{t("locks.add")}</button>
          <button class="button" type="button" onClick={close}>{t("cancel")}</button>
        </div>
      </form>
    </Modal>
  );
}
