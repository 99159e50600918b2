// Addresses to pages. Links are real links; plain clicks on them stay in the page.
import type { Pick, PickPart } from "./api.ts";

export type Route =
  | { page: "home" }
  | { page: "connections" }
  | { page: "session"; id: string; connection: string; beside: string[]; role: JoinRole | ""; pick?: Pick }
  | { page: "approvals" }
  | { page: "live" }
  | { page: "locks" }
  | { page: "evidence" }
  | { page: "join"; token: string }
  | { page: "recordings" }
  | { page: "replay"; id: string; at: number | null }
  | { page: "settings" }
  | { page: "missing" };

export type JoinRole = "viewer" | "helper" | "owner";

// Sessions side by side on one page.
export const TILES = 4;

const ID = /^[0-9a-fA-F-]{8,64}$/;

export function parseRoute(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  const [, first = "", second = "", ...rest] = path.replace(/\/+$/, "").split("/");
  if (rest.length) return { page: "missing" };
  if (!second) {
    switch (first) {
      case "": return { page: "home" };
      case "connections": return { page: "connections" };
      case "recordings": return { page: "recordings" };
      case "approvals": return { page: "approvals" };
      case "live": return { page: "live" };
      case "evidence": return { page: "evidence" };
      case "locks": return { page: "locks" };
      case "settings": return { page: "settings" };
      default: return { page: "missing" };
    }
  }
  if (first === "session") {
    const connection = query.get("connection") ?? "";
    const beside = (query.get("beside") ?? "").split(",").filter((id) => ID.test(id)).slice(0, TILES - 1);
    const asked = query.get("role") ?? "";
    const role = (["viewer", "helper", "owner"] as const).find((r) => r === asked) ?? "";
    if (second === "new") return connection ? { page: "session", id: "", connection, beside, role: "", ...picked(query) } : { page: "missing" };
    return ID.test(second) ? { page: "session", id: second, connection, beside, role } : { page: "missing" };
  }
  if (first === "join" && /^[\w.~-]{16,1024}$/.test(second)) return { page: "join", token: second };
  if (first === "replay" && ID.test(second)) {
    const t = query.get("t");
    const seconds = t === null ? NaN : Number(t);
    return { page: "replay", id: second, at: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null };
  }
  return { page: "missing" };
}

// What was picked of a cluster (pages/picker.tsx) stands in the address, so that it can be kept.
function picked(query: URLSearchParams): { pick?: Pick } {
  const parts = (["namespace", "pod", "container", "command"] as const).flatMap((name): [PickPart, string][] => {
    const value = query.get(name);
    return value ? [[name, value.slice(0, 256)]] : [];
  });
  return parts.length ? { pick: Object.fromEntries(parts) } : {};
}

export const sessionPath = (connection: { namespace: string; name: string }): string =>
  `/session/new?connection=${encodeURIComponent(`${connection.namespace}/${connection.name}`)}`;

// Where to go after sign-in: a path of this page and nothing else.
export function safePath(to: string | null): string {
  return to && /^\/(?![/\\])[^\\]*$/.test(to) ? to : "/";
}

let listener: () => void = () => {};

export function onNavigate(handler: () => void): void {
  listener = handler;
  window.addEventListener("popstate", handler);
  document.addEventListener("click", (e) => {
    if (e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const link = (e.target as Element | null)?.closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.pathname.startsWith("/auth/")) return;
    if (link.hash && link.pathname === location.pathname) return;
    e.preventDefault();
    go(link.pathname + link.search);
  });
}

export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  listener();
}
