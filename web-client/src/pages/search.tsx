// Words over all recordings: what was shown, typed, copied, transferred. A hit is a way to its moment.
import { useEffect, useState } from "preact/hooks";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { when } from "../lib/api.ts";
import type { Filter } from "../lib/filter.ts";
import { clock, printable, seconds, shortDateTime } from "../lib/format.ts";
import { t, tn, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { usePages } from "../lib/pages.ts";
import { splitMarks } from "../lib/search.ts";
import { protocolIcon } from "./connections.tsx";

export interface Hit {
  id: string;
  namespace: string;
  connection: string;
  protocol: string;
  person: { sub: string; name: string };
  started: number | string;
  state: string;
  t: number;
  kind: string;
  by?: string;
  text: string;
  marks: [first: number, count: number][];
}

interface Answer {
  hits: Hit[];
  next?: string | null;
  indexed?: { sessions: number; waiting: number };
}

const kinds = ["out", "key", "clip", "file", "title"] as const;

export function Hits({ query, filter }: { query: string; filter: Filter }) {
  const [kind, setKind] = useState("");
  const { data: answer, error, busy, load } = usePages<Answer>((after) => {
    const params = new URLSearchParams({ q: query, limit: "50" });
    for (const key of ["person", "connection", "protocol"] as const) if (filter[key].trim()) params.set(key, filter[key].trim());
    for (const key of ["from", "to"] as const) {
      const ms = filter[key] ? new Date(filter[key]).getTime() : NaN;
      if (Number.isFinite(ms)) params.set(key, String(ms));
    }
    if (kind) params.set("kind", kind);
    if (after) params.set("after", after);
    return `/api/search?${params}`;
  }, (before, found) => ({ ...found, hits: [...before.hits, ...found.hits] }));
  useEffect(() => {
    const timer = setTimeout(() => load(""), 300);
    return () => clearTimeout(timer);
  }, [query, kind, JSON.stringify(filter)]);

  // Hits of one recording stand together, in the order they came.
  const groups: Hit[][] = [];
  for (const hit of answer?.hits ?? []) {
    const last = groups.at(-1);
    if (last?.[0]?.id === hit.id) last.push(hit);
    else groups.push([hit]);
  }
  return (
    <>
      <div class="hint kinds">
        <div class="options" role="radiogroup" aria-label={t("search.kind")}>
          {["", ...kinds].map((k) => (
            <label class="option" key={k}><input type="radio" name="kind" checked={kind === k} onChange={() => setKind(k)} />{t(k ? (`search.kind.${k}` as Key) : "search.kind.all")}</label>
          ))}
        </div>
        <span role="status">{answer ? tn("search.count", answer.hits.length) : ""}{answer?.next ? "+" : ""}</span>
        {answer?.indexed?.waiting ? <span>{tn("search.waiting", answer.indexed.waiting)}</span> : null}
      </div>
      {error ? <ErrorState error={error} retry={() => load("")} /> : !answer ? <Loading /> : groups.length === 0 ? (
        <Empty title={t("search.none", { query })}><p>{t("search.none.advice")}</p></Empty>
      ) : (
        <>
          <ul class="cards" aria-busy={busy}>
            {groups.map((hits) => {
              const h = hits[0] as Hit;
              return (
                <li class="card-row hitgroup" key={`${h.id}.${h.t}`}>
                  <Icon name={protocolIcon(h.protocol)} />
                  <div class="about">
                    <div class="name">{h.person?.name || h.person?.sub} <span class="sub">{h.namespace}/{h.connection}</span></div>
                    <ul class="hits">
                      {hits.map((hit, i) => (
                        <li key={i}>
                          <a href={`/replay/${hit.id}?t=${seconds(hit.t)}`}>
                            <time class="num">{clock(hit.t)}</time>
                            <span class="kind">{t(`search.kind.${(kinds as readonly string[]).includes(hit.kind) ? hit.kind : "out"}` as Key)}</span>
                            <span class="mono">{splitMarks(hit.text, hit.marks).map((part, n) => (part.hit ? <mark key={n}>{printable(part.text)}</mark> : printable(part.text)))}</span>
                          </a>
                        </li>
                      ))}
                    </ul>
                  </div>
                  <div class="side sub">{shortDateTime(when(h.started))}</div>
                </li>
              );
            })}
          </ul>
          {answer.next && <div class="more"><button class="button" type="button" disabled={busy} onClick={() => load(answer.next ?? "")}>{t("search.more")}</button></div>}
        </>
      )}
    </>
  );
}
