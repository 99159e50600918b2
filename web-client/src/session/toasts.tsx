// The clipboard's notices: what came from there (taken on a gesture), what is on its way there.
import { useEffect } from "preact/hooks";
import { bytes } from "../lib/format.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import type { Session, View } from "./session.ts";

// writeText where it exists; the old way on plain HTTP, where browsers hide it.
async function take(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr";
    document.body.append(area);
    area.select();
    const ok = document.execCommand("copy");
    area.remove();
    return ok;
  }
}

export function ReceivedToast({ session, view, done }: { session: Session; view: View; done: () => void }) {
  const got = view.received;
  if (!got) return null;
  const close = () => {
    session.dismissReceived();
    done();
  };
  const line = got.text.replace(/\s+/g, " ").trim();
  return (
    <div class="toast" role="status">
      {got.truncated ? <span>{t("clipboard.tooMuchBack")}</span> : (
        <>
          <span>{t("clipboard.copied")} <span class="mono muted">{line.length > 40 ? `${line.slice(0, 40)}…` : line}</span></span>
          <button class="button primary" type="button" onClick={() => void take(got.text).then((ok) => {
            close();
            session.say(t(ok ? "clipboard.taken" : "clipboard.notTaken"));
          })}>{t("clipboard.take")}</button>
        </>
      )}
      <button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={close}><Icon name="close" /></button>
    </div>
  );
}

export function SendingToast({ session, view }: { session: Session; view: View }) {
  const { sending, notice } = view;
  useEffect(() => {
    if (!notice) return;
    const timer = setTimeout(() => session.say(""), 5000);
    return () => clearTimeout(timer);
  }, [notice]);
  if (sending && sending.total > 100_000)
    return (
      <div class="toast" role="status">
        <div class="sending">
          <span>{t("clipboard.sending", { sent: bytes(sending.sent), total: bytes(sending.total) })}</span>
          <progress max={sending.total} value={sending.sent} aria-label={t("clipboard.progress")} />
        </div>
        <button class="button" type="button" onClick={() => session.cancelSending()}>{t("cancel")}</button>
      </div>
    );
  if (!notice || view.received) return null;
  return (
    <div class="toast" role="status">
      <span>{notice}</span>
      <button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={() => session.say("")}><Icon name="close" /></button>
    </div>
  );
}
