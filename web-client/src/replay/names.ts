// Names of a recording's objects: <n>.<start>.<offset>.guac.zst, ….key.zst, <n>.<start>.text.zst.
// Strict: each name has one spelling (recording/name.h), so nothing else is ever asked for.

export type Kind = "data" | "keyframe" | "text";

export interface ObjectName {
  kind: Kind;
  n: number;
  start: number; // ms since the open record's time
  offset: number;
}

const NAME = /^(\d{8})\.(0|[1-9]\d{0,15})\.(?:(0|[1-9]\d{0,15})\.(guac|key)|text)\.zst$/;

export function parseName(name: string): ObjectName | null {
  const m = NAME.exec(name);
  if (!m) return null;
  return {
    kind: m[4] === "guac" ? "data" : m[4] === "key" ? "keyframe" : "text",
    n: Number(m[1]),
    start: Number(m[2]),
    offset: Number(m[3] ?? 0),
  };
}
