// The frame of the quiet pages: where one can go, who one is.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { post, setSignedOut, type AccessRequest, type Me } from "../lib/api.ts";
import { t, tn, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { useList } from "../lib/live.ts";
import { openKeys } from "./keys-dialog.tsx";
import { Menu } from "./menu.tsx";

async function signOut(): Promise<void> {
  // What else this page asks for is refused from now on; that must not start a new sign-in while the
  // identity provider has not yet ended the old one.
  setSignedOut(() => {});
  const { to } = await post<{ to?: string }>("/auth/logout", {}).catch(() => ({ to: "/" }));
  location.assign(to && /^(https?:\/\/|\/(?!\/))/.test(to) ? to : "/");
}

export function Shell({ who, page, children }: { who: Me; page: string; children: ComponentChildren }) {
  const main = useRef<HTMLElement>(null);
  const nav = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // On a phone the bar is wider than the window.
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    document.title = `${t(`nav.${page}` in titles ? (`nav.${page}` as Key) : "app.name")} – ${t("app.name")}`;
    if (first.current) first.current = false;
    else if (!main.current?.contains(document.activeElement)) main.current?.focus();
  }, [page]);
  // What waits for this person's word.
  const { data } = useList<{ requests: AccessRequest[] }>(who.canApprove === undefined ? null : "/api/requests?state=open");
  const requests = data?.requests ?? [];
  const todo = requests.filter((r) => r.state === "pending" && r.may.includes("approve")).length;
  const link = (name: "connections" | "approvals" | "live" | "recordings" | "evidence", count = 0) => (
    <a href={`/${name}`} aria-current={page === name ? "page" : undefined}>
      {t(`nav.${name}`)}{count > 0 && <span class="count">{count}<span class="sr"> {tn("nav.waiting", count)}</span></span>}
    </a>
  );
  return (
    <div class="shell">
      <header class="top">
        <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>{t("nav.skip")}</a>
        <a class="brand" href="/" aria-label={t("app.name")}><span>{t("app.name")}</span></a>
        <nav aria-label={t("nav.label")} ref={nav}>
          {who.canOperate && link("connections")}
          {who.canApprove !== undefined && link("approvals", todo)}
          {(who.canModerate || who.canAudit || who.canApprove) && link("live")}
          {who.canAudit && link("recordings")}
          {who.canAudit && who.canExport && link("evidence")}
        </nav>
        <span class="grow" />
        <button class="tool" type="button" title={t("keys.open")} aria-label={t("keys.open")} onClick={openKeys}><Icon name="help" /></button>
        <Menu title={t("nav.person", { name: who.name })} label={<><Icon name="user" /><span class="wide">{who.name}</span></>}>
          {(close) => (
            <>
              <a class="item" href="/settings" onClick={close}>{t("nav.settings")}</a>
              <button class="item" type="button" onClick={() => void signOut()}>{t("nav.signOut")}</button>
            </>
          )}
        </Menu>
      </header>
      <main class="page" id="main" ref={main} tabIndex={-1}>{children}</main>
    </div>
  );
}

const titles: Record<string, true> = { "nav.connections": true, "nav.approvals": true, "nav.live": true, "nav.locks": true, "nav.recordings": true, "nav.evidence": true, "nav.settings": true };
