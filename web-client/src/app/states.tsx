// Loading, failed, empty: each says what happened and what to do next.
import { useEffect, useRef } from "preact/hooks";
import { ApiError } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { useSeconds } from "./seconds.ts";

export function Loading() {
  return (
    <div class="state" role="status">
      <span class="spinner" aria-hidden="true" />
      <p class="muted">{t("loading")}</p>
    </div>
  );
}

export function ErrorState({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const e = error instanceof ApiError ? error : new ApiError(0, (error as Error)?.message || t("error.unknown"));
  return (
    <div class="state" role="alert">
      <h2><Icon name="alert" /> {e.message}</h2>
      {e.advice && <p>{e.advice}</p>}
      {e.rule && <p class="muted">{t("error.rule")} <code>{e.rule}</code></p>}
      {e.id && <p class="muted">{t("error.id")} <code>{e.id}</code></p>}
      {e.stepUp && <a class="button primary" href={e.stepUp}>{t("connections.stepUp")}</a>}
      {retry && e.again > 0 && <Again at={e.again} retry={retry} />}
      {retry && <button class="button" type="button" onClick={retry}><Icon name="refresh" />{t("retry")}</button>}
    </div>
  );
}

// Too often: when it is tried again, and that it is. A second late rather than early.
function Again({ at, retry }: { at: number; retry: () => void }) {
  const seconds = useSeconds(at);
  const latest = useRef(retry);
  latest.current = retry;
  useEffect(() => {
    const timer = setTimeout(() => latest.current(), Math.max(0, at - Date.now()) + 200);
    return () => clearTimeout(timer);
  }, [at]);
  return <p class="muted" aria-live="off">{t("error.again", { seconds })}</p>;
}

export function Empty({ title, children }: { title: string; children?: preact.ComponentChildren }) {
  return (
    <div class="state">
      <h2>{title}</h2>
      {children && <div class="muted">{children}</div>}
    </div>
  );
}
