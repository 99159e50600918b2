// The few members of the open record and the seal that the page shows or checks. Pure.
import type { Kind } from "./names.ts";

export interface OpenFacts {
  publicKey: string;
  gatewayKey: string;
  keyid: string;
  person: string;
  connection: string;
  target: string;
  protocol: string;
  start: number;
}

const object = (v: unknown): Record<string, unknown> => (v && typeof v === "object" ? (v as Record<string, unknown>) : {});
const text = (v: unknown): string => (typeof v === "string" ? v : "");

export function openFacts(statement: unknown): OpenFacts {
  const o = object(statement);
  const p = object(o["predicate"] ?? o);
  const connection = object(p["connection"]);
  const person = object(p["person"]);
  return {
    publicKey: text(object(p["key"])["publicKey"]),
    keyid: text(object(p["key"])["keyid"]),
    gatewayKey: text(object(p["gateway"])["publicKey"]),
    person: text(person["name"]) || text(person["sub"]),
    connection: [text(connection["namespace"]), text(connection["name"])].filter(Boolean).join("/"),
    target: text(p["target"]),
    protocol: text(p["protocol"]),
    start: typeof p["start"] === "number" ? p["start"] : 0,
  };
}

export function sealChains(seal: unknown): Record<Kind, { count: number; head: string }> | null {
  const o = object(seal);
  const chains = object(object(o["predicate"] ?? o)["chains"]);
  if (!Object.keys(chains).length) return null;
  const chain = (name: string) => {
    const c = object(chains[name]);
    return { count: typeof c["count"] === "number" ? c["count"] : 0, head: text(c["head"]) };
  };
  return { data: chain("data"), keyframe: chain("keyframe"), text: chain("text") };
}
