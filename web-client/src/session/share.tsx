// Sharing: a link for one person, once, to watch or to help; who is there, and what they may do.
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../app/ask.tsx";
import { Modal } from "../app/modal.tsx";
import { api, post, type Session as SessionInfo } from "../lib/api.ts";
import { clock } from "../lib/format.ts";
import { t, tn } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import type { Session, View } from "./session.ts";

export function ShareButton({ session, view }: { session: Session; view: View }) {
  const [open, setOpen] = useState(false);
  if (view.phase.at !== "live" || view.remote.role !== "owner" || !view.id) return null;
  return (
    <>
      <button class="tool" type="button" title={t("share.title")} aria-label={t("share.title")} aria-expanded={open} onClick={() => setOpen(true)}><Icon name="share" /></button>
      {open && <ShareDialog id={view.id} view={view} close={() => { setOpen(false); }} key={session.key} />}
    </>
  );
}

function ShareDialog({ id, view, close }: { id: string; view: View; close: () => void }) {
  const [info, setInfo] = useState<SessionInfo | null>(null);
  const [role, setRole] = useState<"viewer" | "helper">("viewer");
  const [minutes, setMinutes] = useState(15);
  const [link, setLink] = useState<{ url: string; until: number; role: string } | null>(null);
  const [copied, setCopied] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const path = `/api/sessions/${encodeURIComponent(id)}`;
  const load = () => { api<SessionInfo>(path).then(setInfo, setError); };
  useEffect(load, [view.remote.users.length]);
  const may = (act: "invite" | "role") => !info?.may || info.may.includes(act);
  const invite = (e: Event) => {
    e.preventDefault();
    setError(null);
    setCopied(false);
    post<{ url: string; until: number; role: string }>(`${path}/invite`, { role, minutes }).then(setLink, setError);
  };
  const change = (user: number, to: string) => {
    post(`${path}/role`, { user, role: to }).then(load, setError);
  };
  const copy = () => { void navigator.clipboard?.writeText(link?.url ?? "").then(() => setCopied(true), () => {}); };
  return (
    <Modal title={t("share.title")} close={close}>
      <div class="prompt">
        {info && !may("invite") ? <p>{t("share.not")}</p> : (
          <form class="prompt" onSubmit={invite}>
            <p class="muted">{t("share.text")}</p>
            <div class="options">
              {(["viewer", "helper"] as const).map((r) => (
                <label class="option" key={r}><input type="radio" name="role" checked={role === r} onChange={() => { setRole(r); setLink(null); }} />{t(`share.${r}`)}</label>
              ))}
            </div>
            <label class="field">{t("share.minutes")}
              <select value={String(minutes)} onChange={(e) => { setMinutes(Number(e.currentTarget.value)); setLink(null); }}>
                {[5, 15, 60].map((m) => <option key={m} value={m}>{tn("minutes", m)}</option>)}
              </select>
            </label>
            {link ? (
              <div class="link">
                <input readOnly value={link.url} aria-label={t("share.link")} onFocus={(e) => e.currentTarget.select()} />
                <button class="button primary" type="button" onClick={copy}>{t(copied ? "share.copied" : "share.copy")}</button>
                <p class="muted">{t("share.once", { left: clock(link.until - Date.now()) })}</p>
              </div>
            ) : <div class="actions"><button class="button primary">{t("share.make")}</button></div>}
          </form>
        )}
        <Problem error={error} />
        {view.remote.users.length > 1 && (
          <section>
            <h3>{t("people.title")}</h3>
            <ul class="sharing">{view.remote.users.map((u) => (
              <li key={u.user}>
                <span class="grow">{u.name || t("people.somebody")}</span>
                {u.role === "owner" || !may("role") ? <span class="muted">{t(`people.${u.role === "owner" || u.role === "helper" ? u.role : "viewer"}`)}</span> : (
                  <select aria-label={t("share.role", { person: u.name || t("people.somebody") })} value={u.role} onChange={(e) => change(u.user, e.currentTarget.value)}>
                    <option value="viewer">{t("people.viewer")}</option>
                    <option value="helper">{t("people.helper")}</option>
                  </select>
                )}
              </li>
            ))}</ul>
          </section>
        )}
        <div class="actions"><button class="button" type="button" onClick={close}>{t("close")}</button></div>
      </div>
    </Modal>
  );
}
