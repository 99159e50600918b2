// The gateway's HTTP interface (ARCHITECTURE.md). JSON in and out, the cookie goes by itself, and
// every failure is an ApiError that carries a sentence and an advice.
import { t } from "./i18n.ts";

export interface Me {
  sub: string;
  name: string;
  roles: string[];
  canOperate: boolean;
  canAudit: boolean;
  canModerate?: boolean;
  canApprove?: boolean;
  canLock?: boolean;
  canExport?: boolean; // the gateway makes bags itself: /api/exports is there
  refresh?: boolean;
  refreshSeconds?: number;
  csrf: string;
  expires: number;
}

export type PickPart = "namespace" | "pod" | "container" | "command";
export type Pick = Partial<Record<PickPart, string>>;

export interface Connection {
  namespace: string;
  name: string;
  title?: string;
  protocol: string;
  target: string;
  recording: { enabled: boolean; retentionDays: number; keys?: string };
  jit?: {
    requiredApprovers?: string[];
    maxDurationMinutes?: number;
    request?: { id: string; state: RequestState; missing?: string[]; until?: number | null } | null;
  } | null;
  stepUp?: string | null; // where to sign in again before it opens
  moderated?: boolean;
  allowed: boolean;
  why?: string | null;
  advice?: string | null;
  rule?: string | null;
  errors?: string[];
  choose?: PickPart[]; // what of a cluster has to be picked first
  ownToken?: boolean; // it goes by the person's own token, which this page has renewed
  live?: number;
  lastUsed?: number | string | null;
}

export type SessionAct = "resume" | "view" | "help" | "takeover" | "message" | "end" | "pause" | "role" | "invite";

export interface Session {
  id: string;
  namespace?: string;
  name?: string;
  title?: string;
  protocol: string;
  target?: string;
  connection: { namespace: string; name: string };
  owner: { sub: string; name: string };
  peer?: string;
  gateway?: string;
  started: number;
  until?: number | null;
  users: number | unknown[];
  people?: { user: number; sub: string; name: string; role: string; lagMs?: number }[];
  mine: boolean;
  recording?: unknown;
  recorder?: "ok" | "behind" | "away";
  paused?: string[] | boolean | null;
  moderated?: boolean;
  graceMs?: number | null;
  may?: SessionAct[];
}

export type RequestState = "pending" | "approved" | "denied" | "revoked" | "withdrawn" | "expired" | "over";

export interface AccessRequest {
  id: string;
  namespace: string;
  name: string;
  title?: string;
  protocol: string;
  requester: { sub: string; name: string };
  reason: string;
  minutes: number;
  breakGlass?: boolean;
  created: number | string;
  state: RequestState;
  expires?: number | string | null;
  from?: number | string | null;
  until?: number | string | null;
  required: string[];
  missing: string[];
  decisions: { by: { sub: string; name: string }; decision: "approve" | "deny" | "revoke"; as?: string; note?: string; at: number | string }[];
  mine: boolean;
  may: ("approve" | "deny" | "revoke" | "connect")[];
  why?: string | null;
}

export interface Lock {
  id: string;
  sub?: string | null;
  sid?: string | null;
  connection?: string | { namespace: string; name: string } | null;
  session?: string | null;
  reason: string;
  by?: { sub: string; name: string } | string | null;
  created: number | string;
  until?: number | string | null;
}

export interface Recording {
  id: string;
  prefix?: string;
  namespace: string;
  connection: string;
  protocol: string;
  target: string;
  person: { sub: string; name: string };
  started: number | string;
  ended?: number | string | null;
  durationMs: number;
  state: "live" | "closed" | "interrupted" | "refused";
  bytes: number;
  reason?: string;
}

export interface StoredObject {
  name: string;
  n: number;
  start: number;
  offset?: number;
  size: number;
}

export interface Show {
  open: Record<string, unknown>;
  seal: Record<string, unknown> | null;
  state: Recording["state"];
  durationMs: number;
  chunks: StoredObject[];
  keyframes: StoredObject[];
  texts: StoredObject[];
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly advice = "",
    readonly rule = "",
    readonly id = "",
    readonly stepUp = "", // where to sign in again
    readonly again = 0, // Unix ms when it may be tried again, of what came too often; 0: not told
  ) {
    super(message);
  }
}

let csrf = "";
export let onSignedOut: () => void = () => {};
export function setSignedOut(handler: () => void): void {
  onSignedOut = handler;
}

const AGAIN_MAX = 15 * 60_000;

// RFC 9110 10.2.3: seconds or a date. Without it a refusal for coming too often lasts some seconds.
export function retryAt(response: Response, now = Date.now()): number {
  if (response.status !== 429) return 0;
  const said = response.headers.get("retry-after")?.trim() ?? "";
  const at = /^\d{1,9}$/.test(said) ? now + Number(said) * 1000 : Date.parse(said);
  return Number.isFinite(at) ? Math.min(Math.max(at, now + 1000), now + AGAIN_MAX) : now + 10_000;
}

export async function failure(response: Response): Promise<ApiError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    /* a proxy in between answered in its own way: the status alone speaks */
  }
  const say = (key: string) => (typeof body[key] === "string" ? (body[key] as string) : "");
  const fallback = response.status >= 500 ? t("error.server", { status: response.status }) : t("error.http", { status: response.status });
  return new ApiError(response.status, say("error") || fallback, say("advice"), say("rule"), say("id"), say("stepUp"), retryAt(response));
}

export async function api<T>(path: string, init: RequestInit = {}): Promise<T> {
  const headers = new Headers(init.headers);
  if (init.method && init.method !== "GET") {
    headers.set("X-CSRF", csrf);
    if (init.body) headers.set("Content-Type", "application/json");
  }
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: "same-origin", cache: "no-store" });
  } catch (cause) {
    if ((cause as Error).name === "AbortError") throw cause;
    throw new ApiError(0, t("error.unreachable"), t("error.unreachable.advice"));
  }
  if (!response.ok) {
    const error = await failure(response);
    if (response.status === 401 && path !== "/api/me") {
      refusal = ended(error);
      onSignedOut();
    }
    throw error;
  }
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

// Why nobody is signed in, where somebody ended it: that is told, and a person's click begins anew. By
// itself the page would sign in again while the identity provider is still ending the old sign-in.
export let refusal: ApiError | null = null;
const ended = (error: ApiError): ApiError | null => (error.rule === "locked" || error.rule === "signed-out" ? error : null);

export async function me(): Promise<Me | null> {
  try {
    const who = await api<Me>("/api/me");
    csrf = who.csrf;
    refusal = null;
    return who;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      refusal = ended(error);
      return null;
    }
    throw error;
  }
}

// Keeps a person signed in while the page is open: the gateway renews the sign-in where Keycloak
// allows that, in one tab at a time. What fails here shows at the next question.
export function keepSignedIn(who: Me): () => void {
  if (!who.refresh || !who.expires) return () => {};
  let timer = 0;
  const renew = async (): Promise<Me | null> => {
    const fresh = await post<Partial<Me>>("/auth/refresh", {});
    if (!fresh.csrf) return me();
    csrf = fresh.csrf;
    return fresh as Me;
  };
  const plan = (now: Me): void => {
    const soon = now.refreshSeconds ? now.refreshSeconds * 1000 : now.expires - Date.now() - 60_000;
    timer = window.setTimeout(async () => {
      try {
        const fresh = navigator.locks ? ((await navigator.locks.request("refresh", renew)) as Me | null) : await renew();
        if (fresh?.refresh) plan(fresh);
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return;
        timer = window.setTimeout(() => plan(now), 15_000); // the gateway is away
      }
    }, Math.min(Math.max(soon, 10_000), 2 ** 31 - 1));
  };
  plan(who);
  return () => clearTimeout(timer);
}

export const post = <T>(path: string, body: unknown): Promise<T> =>
  api<T>(path, { method: "POST", body: JSON.stringify(body) });

// Times come as Unix milliseconds or as RFC 3339 text.
export function when(value: number | string | null | undefined): number {
  if (typeof value === "number") return value;
  const ms = value ? Date.parse(value) : NaN;
  return Number.isFinite(ms) ? ms : 0;
}
