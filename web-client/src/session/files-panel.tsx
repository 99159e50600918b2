// Files there and on their way: a filesystem's folders, drop to send, click to fetch, progress and
// cancel of each transfer, and which directions are allowed at all.
import { useEffect, useRef, useState } from "preact/hooks";
import { Ask } from "../app/ask.tsx";
import { bytes, shortDateTime } from "../lib/format.ts";
import { t, tn, tryT } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { FileError, join, parent, type Entry, type Transfer } from "./files.ts";
import type { Session } from "./session.ts";

const SHOWN = 500;

export function FilesPanel({ session, close }: { session: Session; close: () => void }) {
  const { files } = session;
  const { systems, transfers } = files.state;
  const [which, setWhich] = useState(0);
  const [path, setPath] = useState(session.folder);
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [cut, setCut] = useState(false);
  const [naming, setNaming] = useState(false);
  const [error, setError] = useState("");
  const [filter, setFilter] = useState("");
  const [limit, setLimit] = useState(SHOWN);
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const asked = useRef(0);
  const list = useRef<HTMLUListElement>(null);
  const system = systems[Math.min(which, systems.length - 1)];
  const upload = system?.upload ?? false;
  const download = system?.download ?? false;

  const load = (to: string) => {
    if (!system) return;
    const mine = ++asked.current;
    setError("");
    files.list(system.object, to).then(
      (found) => {
        if (mine !== asked.current) return;
        setEntries(found.entries);
        setCut(found.cut);
        setPath(to);
        session.folder = to;
      },
      (e: unknown) => {
        if (mine !== asked.current) return;
        const code = e instanceof FileError ? e.code : 0x200;
        setError((e instanceof FileError && e.message) || tryT(`files.error.${code.toString(16)}`, t("files.failed")));
        setEntries((before) => before ?? []);
      },
    );
  };
  const enter = (to: string) => {
    setFilter("");
    setLimit(SHOWN);
    load(to);
    list.current?.scrollTo(0, 0);
  };
  useEffect(() => {
    setEntries(null);
    load(session.folder);
  }, [system?.object]);
  useEffect(() => {
    session.files.changed = () => load(session.folder);
    return () => { session.files.changed = () => {}; };
  }, [system?.object]);

  const send = (chosen: Iterable<File>) => {
    if (!system || !upload) return;
    for (const file of chosen) files.upload(system.object, path, file, () => files.changed());
  };
  const keys = (e: KeyboardEvent) => {
    e.stopPropagation();
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const all = [...(list.current?.querySelectorAll<HTMLElement>("button.entry") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement) + (e.key === "ArrowDown" ? 1 : -1);
    e.preventDefault();
    all[Math.min(Math.max(0, at), all.length - 1)]?.focus();
  };
  const low = filter.toLowerCase();
  const shown = (entries ?? []).filter((e) => !low || e.name.toLowerCase().includes(low));
  const crumbs = path.split("/").filter(Boolean);
  return (
    <aside class={`files ${over ? "over" : ""}`} aria-label={t("files.title")} onKeyDown={keys}
      onDragOver={(e) => { if (upload && e.dataTransfer?.types.includes("Files")) { e.preventDefault(); setOver(true); } }}
      onDragLeave={() => setOver(false)}
      onDrop={(e) => { e.preventDefault(); setOver(false); send(e.dataTransfer?.files ?? []); }}>
      <header>
        <h2>{t("files.title")}</h2>
        {systems.length > 1 && (
          <select aria-label={t("files.system")} value={which} onChange={(e) => setWhich(Number(e.currentTarget.value))}>
            {systems.map((s, i) => <option key={i} value={i}>{s.name}</option>)}
          </select>
        )}
        <button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={close}><Icon name="close" /></button>
      </header>
      {!system ? <p class="muted note">{t("files.none")}</p> : (
        <>
          <nav class="crumbs" aria-label={t("files.path")}>
            <button class="tool" type="button" disabled={path === "/"} title={t("files.up")} aria-label={t("files.up")} onClick={() => enter(parent(path))}><Icon name="up" /></button>
            <button class="crumb" type="button" onClick={() => enter("/")}>{systems.length > 1 ? "/" : system.name || "/"}</button>
            {crumbs.map((c, i) => <button key={i} class="crumb" type="button" aria-current={i === crumbs.length - 1 ? "true" : undefined} onClick={() => enter(`/${crumbs.slice(0, i + 1).join("/")}`)}>{c}</button>)}
          </nav>
          <div class="filetools">
            <input type="search" value={filter} placeholder={t("files.filter")} aria-label={t("files.filter")} onInput={(e) => setFilter(e.currentTarget.value)} />
            <button class="tool" type="button" title={t("files.refresh")} aria-label={t("files.refresh")} onClick={() => load(path)}><Icon name="refresh" /></button>
            <button class="tool" type="button" disabled={!upload} title={t("files.newFolder")} aria-label={t("files.newFolder")} onClick={() => setNaming(true)}><Icon name="folder-new" /></button>
            <button class="button" type="button" disabled={!upload} title={upload ? "" : t("files.noUpload")} onClick={() => picker.current?.click()}><Icon name="upload" />{t("files.upload")}</button>
            <input ref={picker} class="sr" type="file" multiple tabIndex={-1} aria-hidden="true" onChange={(e) => { send(e.currentTarget.files ?? []); e.currentTarget.value = ""; }} />
          </div>
          {error && <p class="note" role="alert"><Icon name="alert" /> {error}</p>}
          <ul class="entries" ref={list} aria-busy={entries === null}>
            {entries === null && <li class="note" role="status"><span class="spinner" aria-hidden="true" /> {t("loading")}</li>}
            {entries?.length === 0 && !error && <li class="note muted">{t("files.empty")}</li>}
            {shown.slice(0, limit).map((e) => (
              <li key={e.path}>
                <button class="entry" type="button" disabled={e.special || (!e.folder && !download)} title={e.folder ? t("files.open", { name: e.name }) : download ? t("files.download", { name: e.name }) : t("files.noDownload")}
                  onClick={() => (e.folder ? enter(e.path) : files.download(system.object, e))}>
                  <Icon name={e.folder ? "folder" : "file"} />
                  <span class="about">
                    <span class="name">{e.name}</span>
                    <span class="muted">{e.modified ? shortDateTime(e.modified) : ""}</span>
                    <span class="muted num">{e.folder || e.size === null ? "" : bytes(e.size)}</span>
                  </span>
                </button>
              </li>
            ))}
            {cut && <li class="note muted">{t("files.cut")}</li>}
            {shown.length > limit && <li class="more"><button class="button" type="button" onClick={() => setLimit(limit + 2 * SHOWN)}>{tn("connections.more", shown.length - limit)}</button></li>}
          </ul>
        </>
      )}
      {naming && system && (
        <Ask title={t("files.newFolder")} label={t("files.name")} needed line action={t("files.make")} close={() => setNaming(false)} done={() => load(path)}
          run={(name) => files.makeFolder(system.object, join(path, name)).catch((e: FileError) => { throw new Error(e.message || tryT(`files.error.${e.code.toString(16)}`, t("files.failed"))); })} />
      )}
      <Transfers transfers={transfers} session={session} />
      <p class="directions">
        <span class={upload ? "" : "not"}><Icon name={upload ? "upload" : "lock"} />{t(upload ? "files.mayUpload" : "files.noUpload")}</span>
        <span class={download ? "" : "not"}><Icon name={download ? "download" : "lock"} />{t(download ? "files.mayDownload" : "files.noDownload")}</span>
      </p>
    </aside>
  );
}

function Transfers({ transfers, session }: { transfers: Transfer[]; session: Session }) {
  if (!transfers.length) return null;
  const over = transfers.some((x) => x.state === "done" || x.state === "failed" || x.state === "cancelled");
  return (
    <section class="transfers" aria-label={t("files.transfers")}>
      <header><h3>{t("files.transfers")}</h3>{over && <button class="button" type="button" onClick={() => session.files.clear()}>{t("files.clear")}</button>}</header>
      <ul>{[...transfers].reverse().map((x) => <Row key={x.id} x={x} session={session} />)}</ul>
    </section>
  );
}

function Row({ x, session }: { x: Transfer; session: Session }) {
  const active = x.state === "running" || x.state === "waiting" || x.state === "offered";
  const amount = x.total === null ? bytes(x.done) : t("files.amount", { done: bytes(x.done), total: bytes(x.total) });
  const words = x.state === "failed" ? x.text || tryT(`files.error.${x.code.toString(16)}`, t("files.failed"))
    : x.state === "running" ? `${amount}${x.rate ? ` · ${t("files.rate", { rate: bytes(Math.round(x.rate)) })}` : ""}`
    : x.state === "done" ? bytes(x.done) : tryT(`files.state.${x.state}`, x.state);
  return (
    <li class={`transfer ${x.state}`}>
      <Icon name={x.state === "done" ? "check" : x.state === "failed" ? "alert" : x.up ? "upload" : "download"} />
      <div>
        <span class="sr">{t(x.up ? "files.up.word" : "files.down.word")} </span>
        <div class="name">{x.name}</div>
        <div class="muted" role={x.state === "failed" ? "alert" : undefined}>{words}</div>
        {x.state === "running" && <progress aria-label={x.name} {...(x.total ? { max: x.total, value: x.done } : {})} />}
      </div>
      {x.state === "offered" && <button class="button primary" type="button" onClick={() => session.files.accept(x.id)}>{t("files.save")}</button>}
      {active && <button class="tool" type="button" title={t("cancel")} aria-label={`${t("cancel")}: ${x.name}`} onClick={() => session.files.cancel(x.id)}><Icon name="close" /></button>}
    </li>
  );
}
