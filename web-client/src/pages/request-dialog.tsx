// Asking for a connection that needs approval: why, for how long, and who will be asked.
import { useState } from "preact/hooks";
import { Modal } from "../app/modal.tsx";
import { Problem } from "../app/ask.tsx";
import { useSubmit } from "../app/submit.ts";
import { post, type AccessRequest, type Connection } from "../lib/api.ts";
import { t, tn } from "../lib/i18n.ts";

const usual = [15, 30, 60, 120, 240, 480];

export function RequestDialog({ c, done, close }: { c: Connection; done: (r: AccessRequest) => void; close: () => void }) {
  const max = c.jit?.maxDurationMinutes || 60;
  const names = c.jit?.requiredApprovers ?? [];
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState(Math.min(max, 60));
  const [breakGlass, setBreakGlass] = useState(false);
  const { busy, error, submit } = useSubmit(
    () => post<AccessRequest>("/api/requests", { namespace: c.namespace, name: c.name, reason: reason.trim(), minutes, breakGlass }),
    (r) => { done(r); close(); });
  return (
    <Modal title={t("request.title", { title: c.title || c.name })} close={close}>
      <form class="prompt" onSubmit={submit}>
        {names.length > 0 && <p class="muted">{t("request.who")} {names.map((n) => <span key={n} class="badge strong">{n}</span>)}</p>}
        <label class="field">{t("request.reason")}
          <textarea class="words" rows={3} maxLength={500} required autofocus value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
          <span class="muted">{t("request.reason.note")}</span>
        </label>
        <fieldset>
          <legend>{t("request.minutes")}</legend>
          <div class="minutes">
            {usual.filter((m) => m <= max).map((m) => <button key={m} class="button" type="button" aria-pressed={minutes === m} onClick={() => setMinutes(m)}>{tn("minutes", m)}</button>)}
            <input type="number" min={1} max={max} required aria-label={t("request.minutes")} value={minutes} onInput={(e) => setMinutes(Number(e.currentTarget.value))} />
          </div>
          <span class="muted">{tn("request.max", max)}</span>
        </fieldset>
        <label class="check">
          <input type="checkbox" checked={breakGlass} onChange={(e) => setBreakGlass(e.currentTarget.checked)} />
          <span>{t("request.breakGlass")}<br /><span class="muted">{t("request.breakGlass.note")}</span></span>
        </label>
        <Problem error={error} />
        <div class="actions">
          <button class="button primary" disabled={busy || !reason.trim() || !(minutes >= 1 && minutes <= max)}>{t("request.send")}</button>
          <button class="button" type="button" onClick={close}>{t("cancel")}</button>
        </div>
      </form>
    </Modal>
  );
}
