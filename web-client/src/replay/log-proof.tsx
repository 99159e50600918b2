// The log over all sessions: is this recording in it, who looked at it; and the legal hold.
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../app/ask.tsx";
import { Modal } from "../app/modal.tsx";
import { Loading } from "../app/states.tsx";
import { api, post, when } from "../lib/api.ts";
import { dateTime } from "../lib/format.ts";
import { t, tryT } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { standing, type LogProof, type Standing } from "./merkle.ts";

export function LogDialog({ id, openHash, close }: { id: string; openHash: string; close: () => void }) {
  const [log, setLog] = useState<LogProof | null>(null);
  const [marks, setMarks] = useState<{ open: Standing; seal: Standing } | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    api<LogProof>(`/api/recordings/${encodeURIComponent(id)}/proof`).then(async (found) => {
      const [open, seal] = await Promise.all([standing(found, "open", openHash), standing(found, "seal", "")]);
      setLog(found);
      setMarks({ open, seal });
    }).catch(setError);
  }, []);
  const word = (s: Standing) => <span class={s === "bad" ? "proof bad" : ""}>{t(s === "ok" ? "log.in" : s === "bad" ? "log.notIn" : "log.none")}</span>;
  return (
    <Modal title={t("log.title")} close={close} wide>
      <div class="prompt">
        {error ? <Problem error={error} /> : !log || !marks ? <Loading /> : (
          <>
            <dl class="facts">
              <dt>{t("proof.open")}</dt><dd>{word(marks.open)} {log.open && <span class="muted">{t("log.place", { index: log.open.index })}</span>}</dd>
              <dt>{t("log.seal")}</dt><dd>{word(marks.seal)} {log.seal && <span class="muted">{t("log.place", { index: log.seal.index })}</span>}</dd>
              <dt>{t("log.checkpoint")}</dt><dd>{t("log.size", { size: log.checkpoint.size })}<br /><code>{log.checkpoint.root}</code></dd>
              <dt>{t("log.signed")}</dt><dd>{log.checkpoint.signatures.map((s) => <span key={s.keyid} class="badge">{s.name} {s.keyid}</span>)}{!log.checkpoint.signatures.length && "–"}</dd>
              <dt>{t("log.stamps")}</dt><dd>{log.stamps?.length ? log.stamps.length : t("log.noStamps")}</dd>
            </dl>
            <h3>{t("log.access")}</h3>
            {log.access?.length ? (
              <ul class="access">{log.access.map((a) => <li key={a.index}><span>{dateTime(when(a.at))}</span><span>{a.person?.name || a.person?.sub || "–"}</span><span class="muted">{tryT(`log.kind.${a.kind}`, a.kind)}</span></li>)}</ul>
            ) : <p class="muted">{t("log.noAccess")}</p>}
            <p class="muted">{t("log.note")}</p>
          </>
        )}
        <div class="actions"><button class="button" type="button" onClick={close}>{t("close")}</button></div>
      </div>
    </Modal>
  );
}

interface Hold { on: boolean; at?: number | null; by?: { sub: string; name: string } | null; reason?: string | null }

export function HoldDialog({ id, close }: { id: string; close: () => void }) {
  const [hold, setHold] = useState<Hold | null>(null);
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const path = `/api/recordings/${encodeURIComponent(id)}/hold`;
  const load = () => { api<Hold>(path).then(setHold, setError); };
  useEffect(load, []);
  const submit = (e: Event) => {
    e.preventDefault();
    if (!hold) return;
    setBusy(true);
    setError(null);
    post(path, { on: !hold.on, reason: reason.trim() }).then(() => { setBusy(false); setReason(""); load(); }, (e: unknown) => { setError(e); setBusy(false); });
  };
  return (
    <Modal title={t("hold.title")} close={close}>
      <form class="prompt" onSubmit={submit}>
        <p class="muted">{t("hold.text")}</p>
        {!hold && !error && <Loading />}
        {hold && (
          <>
            <p><Icon name={hold.on ? "lock" : "check"} /> <strong>{t(hold.on ? "hold.on" : "hold.off")}</strong>{hold.at ? <span class="muted"> · {hold.by?.name || hold.by?.sub} · {dateTime(when(hold.at))}</span> : null}</p>
            {hold.reason && <p class="reason">{hold.reason}</p>}
            <label class="field">{t("locks.reason")}<textarea class="words" rows={2} maxLength={500} required value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></label>
          </>
        )}
        <Problem error={error} />
        <div class="actions">
          {hold && <button class="button primary" disabled={busy || !reason.trim()}>{t(hold.on ? "hold.clear" : "hold.set")}</button>}
          <button class="button" type="button" onClick={close}>{t("close")}</button>
        </div>
      </form>
    </Modal>
  );
}
