// What was recorded, for auditors: filtered and paged by the server.
import { useEffect, useRef, useState } from "preact/hooks";
import { Empty, ErrorState, Loading } from "../app/states.tsx";
import { when, type Me, type Recording } from "../lib/api.ts";
import { bytes, clock, shortDateTime } from "../lib/format.ts";
import { t, tryT } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { emptyFilter, filterQuery, type Filter } from "../lib/filter.ts";
import { usePages } from "../lib/pages.ts";
import { Hits } from "./search.tsx";
import { protocolIcon } from "./connections.tsx";

interface Answer {
  recordings: Recording[];
  next?: string | null;
}

export function Recordings({ who: _who }: { who: Me }) {
  const [filter, setFilter] = useState<Filter>(emptyFilter);
  const [words, setWords] = useState(() => new URLSearchParams(location.search).get("q") ?? "");
  // The address keeps the words: back from a hit one finds the hits again.
  useEffect(() => { history.replaceState(null, "", words.trim() ? `/recordings?q=${encodeURIComponent(words.trim())}` : "/recordings"); }, [words]);
  const { data, error, busy, load } = usePages<Answer>(
    (after) => `/api/recordings?${filterQuery(filter, after)}`,
    (before, more) => ({ ...more, recordings: [...before.recordings, ...more.recordings] }));
  const list = data?.recordings ?? null;
  const next = data?.next ?? "";
  const rows = useRef<HTMLUListElement>(null);

  useEffect(() => {
    const timer = setTimeout(() => load(""), list ? 250 : 0);
    return () => clearTimeout(timer);
  }, [filter]);
  const live = list?.some((r) => r.state === "live") ?? false;
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => document.visibilityState === "visible" && !next && load(""), 5000);
    return () => clearInterval(timer);
  }, [live, filter, next]);

  const keys = (e: KeyboardEvent) => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    if (e.target instanceof HTMLSelectElement || (e.target instanceof HTMLInputElement && e.target.type.startsWith("date"))) return;
    const all = [...(rows.current?.querySelectorAll<HTMLElement>("a.row") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement) + (e.key === "ArrowDown" ? 1 : -1);
    if (at < 0) return;
    e.preventDefault();
    all[Math.min(at, all.length - 1)]?.focus();
  };
  const set = (part: Partial<Filter>) => setFilter({ ...filter, ...part });
  const filtered = JSON.stringify(filter) !== JSON.stringify(emptyFilter);
  return (
    <div onKeyDown={keys}>
      <header class="page-head">
        <h1>{t("nav.recordings")}</h1>
        <label class="search"><Icon name="search" /><span class="sr">{t("search.label")}</span>
          <input type="search" value={words} placeholder={t("search.label")} autocomplete="off" spellcheck={false} aria-describedby="search-how" onInput={(e) => setWords(e.currentTarget.value)} /></label>
        <span class="sr" id="search-how">{t("search.how")}</span>
      </header>
      <form class="filters" onSubmit={(e) => { e.preventDefault(); load(""); }}>
        <label class="field wide">{t("recordings.person")}<input type="search" value={filter.person} onInput={(e) => set({ person: e.currentTarget.value })} /></label>
        <label class="field wide">{t("recordings.connection")}<input type="search" placeholder={t("recordings.connection.hint")} value={filter.connection} onInput={(e) => set({ connection: e.currentTarget.value })} /></label>
        <label class="field">{t("recordings.protocol")}
          <select value={filter.protocol} onChange={(e) => set({ protocol: e.currentTarget.value })}>
            <option value="">{t("recordings.any")}</option>
            {["ssh", "rdp", "vnc", "kubernetes"].map((p) => <option key={p} value={p}>{p}</option>)}
          </select>
        </label>
        <label class="field">{t("recordings.state")}
          <select value={filter.state} onChange={(e) => set({ state: e.currentTarget.value })}>
            <option value="">{t("recordings.any")}</option>
            {["live", "closed", "interrupted", "refused"].map((s) => <option key={s} value={s}>{tryT(`recording.${s}`, s)}</option>)}
          </select>
        </label>
        <label class="field">{t("recordings.from")}<input type="datetime-local" value={filter.from} onInput={(e) => set({ from: e.currentTarget.value })} /></label>
        <label class="field">{t("recordings.to")}<input type="datetime-local" value={filter.to} onInput={(e) => set({ to: e.currentTarget.value })} /></label>
        {filtered && <button class="button" type="button" onClick={() => setFilter(emptyFilter)}>{t("recordings.clear")}</button>}
      </form>
      {words.trim() ? <Hits query={words.trim()} filter={filter} /> : error ? <ErrorState error={error} retry={() => load("")} /> : !list ? <Loading /> : list.length === 0 ? (
        filtered
          ? <Empty title={t("recordings.noMatch")}><p>{t("recordings.noMatch.advice")}</p></Empty>
          : <Empty title={t("recordings.none")}><p>{t("recordings.none.advice")}</p></Empty>
      ) : (
        <>
          <ul class="rows recordings" ref={rows} aria-busy={busy}>
            {list.map((r) => <li key={r.id}><Row r={r} /></li>)}
          </ul>
          {next && <div class="more"><button class="button" type="button" disabled={busy} onClick={() => load(next)}>{t("recordings.older")}</button></div>}
        </>
      )}
    </div>
  );
}

function Row({ r }: { r: Recording }) {
  return (
    <a class="row recording" href={`/replay/${r.id}`}>
      <Icon name={protocolIcon(r.protocol)} />
      <div class="name">{r.person?.name || r.person?.sub}</div>
      <div>
        <div class="name">{r.connection}</div>
        <div class="sub">{r.namespace}</div>
      </div>
      <div class="mono">{r.target}</div>
      <div class="badges">
        {r.state === "live"
          ? <span class="badge rec"><Icon name="rec" />{t("recording.live")}</span>
          : r.state === "closed" ? null : <span class="badge strong" title={r.reason ?? ""}>{tryT(`recording.${r.state}`, r.state)}</span>}
      </div>
      <div class="end when">
        <div>{shortDateTime(when(r.started))}</div>
        <div><span class="sr">{t("recordings.length")} </span>{clock(r.durationMs)} · {bytes(r.bytes)}</div>
      </div>
      <span class="go" aria-hidden="true"><Icon name="chevron" /></span>
    </a>
  );
}
