// Finding and ordering connections. Pure.
import { when, type Connection } from "./api.ts";

const fold = (s: string): string => s.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// Every word must occur somewhere in title, name, namespace, target or protocol.
export function filterConnections(list: readonly Connection[], query: string): Connection[] {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (!words.length) return [...list];
  return list.filter((c) => {
    const text = fold(`${c.title ?? ""} ${c.namespace}/${c.name} ${c.target} ${c.protocol}`);
    return words.every((w) => text.includes(w));
  });
}

// What works comes first; then, while nobody searches, what was used last; then by name.
export function sortConnections(list: Connection[], recentFirst: boolean): Connection[] {
  const usable = (c: Connection) => (c.allowed && !c.errors?.length ? 0 : 1);
  return list.sort(
    (a, b) =>
      usable(a) - usable(b) ||
      (recentFirst ? when(b.lastUsed) - when(a.lastUsed) : 0) ||
      (a.title || a.name).localeCompare(b.title || b.name) ||
      a.namespace.localeCompare(b.namespace),
  );
}

// The first place where the first word of the query stands as it is, for marking.
export function splitMatch(text: string, query: string): [before: string, hit: string, after: string] {
  const word = query.trim().split(/\s+/)[0]?.toLowerCase() ?? "";
  const at = word ? text.toLowerCase().indexOf(word) : -1;
  return at < 0 ? [text, "", ""] : [text.slice(0, at), text.slice(at, at + word.length), text.slice(at + word.length)];
}

// A hit's text in parts; marks count code points, in order, as the search gives them.
export function splitMarks(text: string, marks: readonly (readonly [first: number, count: number])[]): { text: string; hit: boolean }[] {
  const points = [...text];
  const out: { text: string; hit: boolean }[] = [];
  const add = (from: number, to: number, hit: boolean) => {
    if (to > from) out.push({ text: points.slice(from, to).join(""), hit });
  };
  let at = 0;
  for (const [first, count] of marks) {
    if (!(first >= at && count > 0 && first + count <= points.length)) continue;
    add(at, first, false);
    add(first, first + count, true);
    at = first + count;
  }
  add(at, points.length, false);
  return out;
}
