// What lies over the screen when it is not simply live: connecting, lost, paused, ended.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useSeconds } from "../app/seconds.ts";
import { clock } from "../lib/format.ts";
import { fill, t, tryT, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import type { Session, View } from "./session.ts";

export function Overlay({ session, view, title, leave }: { session: Session; view: View; title: string; leave: () => void }) {
  const { phase, remote } = view;
  const next = phase.at === "lost" || phase.at === "ended" ? phase.next : 0;
  const seconds = useSeconds(next);
  // The card and not its button: what was still typed for the target must press nothing here.
  const card = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (phase.at === "ended") card.current?.focus();
  }, [phase.at]);

  if (phase.at === "connecting") {
    if (view.prompts.length) return null;
    return (
      <div class="veil">
        <div class="card" role="status">
          <h2><span class="spinner" aria-hidden="true" />{t("overlay.connecting", { title })}</h2>
          {remote.progress.value && <p class="muted">{fill(tryT(`progress.${remote.progress.key}`, "{value}"), { value: remote.progress.value })}</p>}
          <div class="actions"><button class="button" type="button" onClick={leave}>{t("cancel")}</button></div>
        </div>
      </div>
    );
  }
  if (phase.at === "lost")
    return (
      <div class="veil dim">
        <div class="card" role="status">
          <h2><span class="spinner" aria-hidden="true" />{t("overlay.lost")}</h2>
          <p>{t("overlay.lost.text")}</p>
          <p class="muted">{seconds > 0 ? t("overlay.next", { seconds }) : t("overlay.trying")}</p>
          <div class="actions">
            <button class="button primary" type="button" onClick={() => session.retry()}>{t("overlay.now")}</button>
            <button class="button" type="button" onClick={leave}>{t("overlay.leave")}</button>
          </div>
        </div>
      </div>
    );
  if (phase.at === "ended") {
    const { verdict } = phase;
    const ended = verdict.code === 0;
    const again = phase.alive || (!!session.target.connection && verdict.retry !== "never");
    return (
      <div class="veil dim">
        <div class="card" role={ended ? "status" : "alert"} ref={card} tabIndex={-1}>
          <h2>{!ended && <Icon name="alert" />}{verdict.title}</h2>
          <p>{verdict.text}</p>
          <p class="muted">{verdict.advice}</p>
          {next > 0 && <p class="muted" aria-live="off">{t("overlay.next", { seconds })}</p>}
          <div class="actions">
            {again && <button class="button primary" type="button" onClick={() => session.retry()}>{t(phase.alive ? "overlay.comeBack" : ended ? "overlay.again" : "retry")}</button>}
            {next > 0 && <button class="button" type="button" onClick={() => session.stopRetrying()}>{t("overlay.stop")}</button>}
            <button class="button" type="button" onClick={leave}>{t("overlay.leave")}</button>
          </div>
        </div>
      </div>
    );
  }
  if (remote.paused.length > 0)
    return (
      <div class="veil dim">
        <div class="card" role="alert">
          <h2><Icon name="pause" />{t("overlay.paused")}</h2>
          <p>{remote.why || t("overlay.paused.text")}</p>
          <p class="muted">{t(remote.paused.includes("moderator") ? "overlay.paused.moderator" : "overlay.paused.advice")}</p>
        </div>
      </div>
    );
  if (phase.unstable)
    return <div class="banner" role="status"><span class="spinner" aria-hidden="true" />{t("overlay.unstable")}</div>;
  return null;
}

// What is told while one works: a moderator's words, and that it is soon over. A bar of its own above
// the picture, which gives way, so that it hides no line; a region that is always there, so that a
// screen reader hears of it politely.
export function Notices({ session, view, focus }: { session: Session; view: View; focus: () => void }) {
  const { message, warn, endReason } = view.remote;
  const live = view.phase.at === "live";
  const [seen, setSeen] = useState(""); // the warning that was dismissed; another reason is told again
  useEffect(() => { if (!warn) setSeen(""); }, [warn]);
  const close = (run: () => void) => (
    <button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={() => { run(); focus(); }}><Icon name="close" /></button>
  );
  return (
    <div class="notices" role="status" aria-label={t("overlay.notices")}>
      {live && message && <div class="notice"><Icon name="user" /><span class="grow">{message}</span>{close(() => session.dismissMessage())}</div>}
      {live && warn && seen !== endReason && <Warning session={session} view={view} focus={focus}>{close(() => setSeen(endReason))}</Warning>}
    </div>
  );
}

// Why it is soon over, by guacd's word for it; a word that is not here is the session's own longest time.
const warnings: Record<string, Key> = { idle: "overlay.idle", restart: "overlay.restart", approval: "overlay.approval" };

// Soon over: why, when, and what helps.
function Warning({ session, view, focus, children }: { session: Session; view: View; focus: () => void; children: ComponentChildren }) {
  const { endsAt, endReason } = view.remote;
  const seconds = useSeconds(endsAt);
  const idle = endReason === "idle";
  return (
    <div class="notice">
      <Icon name="clock" />
      <span class="grow">{t(warnings[endReason] ?? "overlay.duration")} <span aria-hidden="true">{clock(seconds * 1000)}</span></span>
      {idle && <button class="button" type="button" onClick={() => { session.stay(); focus(); }}>{t("overlay.stay")}</button>}
      {children}
    </div>
  );
}
