// What each Guacamole status means to the person in front of it, and what may be tried. The words
// are in the catalogue as status.<hex> and status.<hex>.advice.
import { fill, tryT, t } from "../lib/i18n.ts";

export const Status = {
  SUCCESS: 0, UNSUPPORTED: 0x100, SERVER_ERROR: 0x200, SERVER_BUSY: 0x201, UPSTREAM_TIMEOUT: 0x202,
  UPSTREAM_ERROR: 0x203, NOT_FOUND: 0x204, CONFLICT: 0x205, CLOSED: 0x206, UPSTREAM_NOT_FOUND: 0x207,
  UPSTREAM_UNAVAILABLE: 0x208, SESSION_CONFLICT: 0x209, SESSION_TIMEOUT: 0x20a,
  SESSION_CLOSED: 0x20b, BAD_REQUEST: 0x300, UNAUTHORIZED: 0x301, FORBIDDEN: 0x303,
  CLIENT_TIMEOUT: 0x308, OVERRUN: 0x30d, BAD_TYPE: 0x30f, TOO_MANY: 0x31d,
} as const;

// "auto": passes by itself, a countdown tries again; "manual": a button; "never": trying is no use.
export type Retry = "auto" | "manual" | "never";

const retries: Record<number, Retry> = {
  [Status.SERVER_BUSY]: "auto",
  [Status.UPSTREAM_TIMEOUT]: "auto",
  [Status.UPSTREAM_UNAVAILABLE]: "auto",
  [Status.TOO_MANY]: "auto",
  [Status.FORBIDDEN]: "never",
  [Status.UNSUPPORTED]: "never",
};

export interface Verdict {
  code: number;
  title: string;
  text: string;
  advice: string;
  retry: Retry;
}

// Why the gateway ended it, told by its sentence: each has an advice of its own. What a person wrote
// matches none, and stays as it was written.
const ends: [RegExp, string][] = [
  [/^Revoked by ([^:]+)(?:: ([^]*))?$/, "status.revoked"],
  [/^(?:The approval for this session is over or was revoked|The time that was approved is over)\.?$/i, "status.window"],
  [/^the session's maximum duration is over\.?$/i, "status.duration"],
  [/^the gateway restarts\.?$/i, "status.restart"],
  [/^Your sign-in was not confirmed/, "status.unconfirmed"],
];

function ended(code: number, said: string): Verdict | null {
  for (const [pattern, key] of ends) {
    const found = pattern.exec(said);
    if (!found) continue;
    const [, person = "", note = ""] = found;
    return {
      code, retry: "manual", title: tryT(`${key}.title`, t("status.20b.title")), advice: fill(tryT(`${key}.advice`, t("status.20b.advice")), { person }),
      text: fill(tryT(note ? `${key}.note` : key, said), { person, note }),
    };
  }
  return null;
}

export function verdict(code: number, said = ""): Verdict {
  const hex = code.toString(16).padStart(3, "0");
  // The same status as a target that is starting up, and the opposite advice.
  if (/host key|certificate/i.test(said))
    return { code, title: t("status.identity.title"), text: said, advice: t("status.identity.advice"), retry: "manual" };
  const known = code === Status.SESSION_CLOSED && ended(code, said);
  if (known) return known;
  return {
    code,
    title: tryT(`status.${hex}.title`, t("status.unknown.title")),
    // What the server says is more exact than what we could; ours stands in when it is silent.
    text: said || tryT(`status.${hex}`, t("status.unknown", { code: `0x${code.toString(16)}` })),
    advice: tryT(`status.${hex}.advice`, t("status.unknown.advice")),
    retry: retries[code] ?? "manual",
  };
}

// Statuses of a closed socket after which the session itself may well be alive: come back to it.
export function mayComeBack(code: number | null): boolean {
  if (code === null) return true; // the line broke, nobody said anything
  return ([
    Status.SERVER_ERROR, Status.SERVER_BUSY, Status.UPSTREAM_TIMEOUT, Status.UPSTREAM_NOT_FOUND,
    Status.UPSTREAM_UNAVAILABLE, Status.CLIENT_TIMEOUT, Status.OVERRUN,
  ] as number[]).includes(code);
}
