// A recording: picture, transcript, timeline. What plays is in replay/player.ts.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { PageProps } from "../main.tsx";
import { openKeys } from "../app/keys-dialog.tsx";
import { Menu } from "../app/menu.tsx";
import { ErrorState, Loading } from "../app/states.tsx";
import { api, type Me, type Show } from "../lib/api.ts";
import { clock, dateTime, seconds } from "../lib/format.ts";
import { t, tryT } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { Book } from "../replay/book.ts";
import { Index } from "../replay/index.ts";
import { replayKey } from "../replay/keys.ts";
import { Loader } from "../replay/loader.ts";
import { HoldDialog, LogDialog } from "../replay/log-proof.tsx";
import { Player, type PlayerView } from "../replay/player.ts";
import { ProofMenu } from "../replay/proof-menu.tsx";
import { openFacts } from "../replay/statement.ts";
import { Thumbs } from "../replay/thumbs.ts";
import { Timeline, type Lane } from "../replay/timeline.tsx";
import { RATES } from "../replay/timing.ts";
import { Transcript } from "../replay/transcript.tsx";
import { Watermark } from "../replay/watermark.tsx";

// Text objects read for the timeline's lanes; beyond, lanes fill as one watches.
const LANES = 600;
const EVENT_LEAD = 1000; // ms

export function ReplayPage({ route, who }: PageProps) {
  const id = route.page === "replay" ? route.id : "";
  const at = route.page === "replay" ? route.at : null;
  const [show, setShow] = useState<Show | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => {
    setError(null);
    api<Show>(`/api/recordings/${encodeURIComponent(id)}`).then(setShow, setError);
  };
  useEffect(load, [id]);
  if (error) return <main class="page"><ErrorState error={error} retry={load} /><a href="/recordings">{t("replay.back")}</a></main>;
  if (!show) return <main class="page"><Loading /></main>;
  return <Replay id={id} first={show} at={at} who={who} />;
}

function Replay({ id, first, at, who }: { id: string; first: Show; at: number | null; who: Me }) {
  const [show, setShow] = useState(first);
  const facts = useMemo(() => openFacts(first.open), [first]);
  const loader = useMemo(() => new Loader(), []);
  const index = useMemo(() => new Index(show), [show]);
  const book = useMemo(() => new Book(index, loader), []);
  const host = useRef<HTMLDivElement>(null);
  const [player, setPlayer] = useState<Player | null>(null);
  const [view, setView] = useState<PlayerView | null>(null);
  const [text, setText] = useState(() => innerWidth > 860);
  const [notice, setNotice] = useState("");
  const [dialog, setDialog] = useState<"" | "log" | "hold">("");
  const [, redraw] = useState(0);

  useEffect(() => {
    const p = new Player(index, loader, host.current as HTMLElement);
    let frame = 0;
    const changed = () => {
      if (frame) return;
      const run = () => { frame = 0; setView(p.view); redraw((n) => n + 1); };
      frame = document.hidden ? window.setTimeout(run, 100) : requestAnimationFrame(run);
    };
    p.onchange = changed;
    loader.onproof = changed;
    setPlayer(p);
    setView(p.view);
    void loader.setup({ session: id, publicKey: facts.publicKey, gatewayKey: facts.gatewayKey }).then(() => {
      if (at === null && index.live) p.followLive();
      else void p.seek(at ?? 0).then(() => { if (at === null) p.play(); });
    });
    return () => p.close();
  }, []);
  useEffect(() => { document.title = `${facts.person} · ${facts.connection} – ${t("app.name")}`; }, []);

  // The live edge: the listing grows until the session is over.
  useEffect(() => {
    if (show.state !== "live") return;
    const timer = setInterval(() => {
      api<Show>(`/api/recordings/${encodeURIComponent(id)}`).then(setShow, () => {});
    }, 3000);
    return () => clearInterval(timer);
  }, [show.state]);
  useEffect(() => {
    player?.update(index);
    book.index = index;
  }, [index, player]);

  const copyLink = () => {
    const url = new URL(`/replay/${id}`, location.href);
    url.searchParams.set("t", seconds(player?.view.position ?? 0));
    navigator.clipboard?.writeText(url.href).then(
      () => setNotice(t("replay.linkCopied", { at: clock(player?.view.position ?? 0) })),
      () => setNotice(url.href),
    );
  };
  useEffect(() => {
    if (!notice) return;
    const timer = setTimeout(() => setNotice(""), 4000);
    return () => clearTimeout(timer);
  }, [notice]);
  useEffect(() => {
    const keys = (e: KeyboardEvent) => {
      if (!player || (e.target instanceof Element && e.target.closest("input, select, textarea, dialog"))) return;
      const onButton = e.target instanceof Element && e.target.closest("button, a");
      const command = replayKey(e, !!onButton);
      if (!command) return;
      e.preventDefault();
      const { position, rate } = player.view;
      switch (command.do) {
        case "toggle": player.toggle(); break;
        case "by": void player.seek(position + command.ms); break;
        case "part": void player.seek(index.duration * command.part); break;
        case "frame": void player.step(command.step); break;
        case "speed": player.speed(command.step); setNotice(t("replay.speedNow", { rate: player.view.rate || rate })); break;
        case "event": void toEvent(command.step); break;
        case "idle": player.setSkipIdle(!player.view.skipIdle); break;
        case "text": setText((shown) => !shown); break;
        case "link": copyLink(); break;
      }
    };
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, [player, index]);

  // To the next thing worth a look: clipboard, files; a little before it, so that it is seen happening.
  // Text that was not read yet is read on the way there; a newer wish overtakes.
  const wish = useRef(0);
  const toEvent = async (step: 1 | -1) => {
    if (!player) return;
    const turn = ++wish.current;
    const here = player.view.position + EVENT_LEAD + step * 50;
    for (let page = Math.min(Math.max(0, index.textAt(here) - step), index.texts.length - 1); page >= 0 && page < index.texts.length; page += step) {
      const { name } = index.texts[page] as { name: string };
      if (!loader.moments.has(name)) await loader.get(name).catch(() => {});
      if (turn !== wish.current) return;
      const { clips, files } = loader.moments.get(name) ?? { clips: [], files: [] };
      const all = [...clips, ...files].sort((a, b) => a - b);
      const next = step > 0 ? all.find((ms) => ms > here) : all.filter((ms) => ms < here).at(-1);
      if (next !== undefined) return void player.seek(next - EVENT_LEAD);
    }
    setNotice(t("replay.noEvent"));
  };

  // The lanes of the whole recording come piece by piece, while nothing else is waited for.
  useEffect(() => {
    let stop = false;
    void (async () => {
      for (const text of index.texts.slice(0, LANES)) {
        if (loader.moments.has(text.name)) continue;
        await new Promise((r) => setTimeout(r, player?.view.busy ? 1000 : 80));
        if (stop) return;
        await loader.get(text.name).catch(() => {});
      }
    })();
    return () => { stop = true; };
  }, [index, player]);
  const moments = (kind: "keys" | "clips" | "files") => index.texts.flatMap((o) => loader.moments.get(o.name)?.[kind] ?? []);
  const keys = useMemo(() => moments("keys"), [index, loader.moments.size]);
  const clips = useMemo(() => moments("clips"), [index, loader.moments.size]);
  const files = useMemo(() => moments("files"), [index, loader.moments.size]);
  const thumbs = useMemo(() => new Thumbs(index, loader), []);
  thumbs.index = index;
  const idle = useMemo(() => index.idle(player?.ends), [index, loader.proofs.checked]);
  const lanes = useMemo((): Lane[] => index.chunks.map((c, i) => ({ from: c.start, to: index.chunks[i + 1]?.start ?? index.duration, mark: loader.proofs.mark(c.name) })), [index, loader.proofs.checked]);
  const seek = (ms: number) => void player?.seek(ms);
  const position = view?.position ?? 0;

  return (
    <div class={`player ${text ? "with-text" : ""}`}>
      <header class="toolbar">
        <a class="tool" href="/recordings" title={t("replay.back")} aria-label={t("replay.back")}><Icon name="arrow-left" /></a>
        <h1 class="what">
          <span class="name">{facts.person}</span>
          <span>{facts.connection}</span>
          <span class="mono muted">{facts.target}</span>
          <span class="muted">{dateTime(facts.start)}</span>
        </h1>
        <span class="grow" />
        {show.state === "live"
          ? <button class="tool live-edge" type="button" aria-pressed={!!view?.following} onClick={() => player?.followLive()}><Icon name="rec" />{t("replay.live")}</button>
          : show.state !== "closed" && <span class="badge strong">{tryT(`recording.${show.state}`, show.state)}</span>}
        <button class="tool" type="button" title={t("keys.open")} aria-label={t("keys.open")} onClick={openKeys}><Icon name="help" /></button>
        <button class="tool" type="button" aria-pressed={text} title={t("replay.transcript")} aria-label={t("replay.transcript")} onClick={() => setText(!text)}><Icon name="transcript" /></button>
      </header>
      <main class="middle">
        <div class="stage">
          <Picture host={host} view={view} who={who} label={t("replay.picture", { person: facts.person, connection: facts.connection })} onClick={() => player?.toggle()} />
          {view?.busy && <div class="veil"><span class="spinner" role="status" aria-label={t("loading")} /></div>}
          {view?.error && (
            <div class="veil dim"><div class="card" role="alert">
              <h2><Icon name="alert" />{t("replay.failed")}</h2>
              <p>{tryT(`proof.reason.${view.error}`, view.error)}</p>
              <div class="actions"><button class="button" type="button" onClick={() => seek(position)}>{t("retry")}</button></div>
            </div></div>
          )}
          {!index.chunks.length && <div class="veil"><div class="card"><h2>{t("replay.empty")}</h2><p class="muted">{t(show.state === "live" ? "replay.empty.live" : "replay.empty.over")}</p></div></div>}
        </div>
        {text && <Transcript book={book} position={position} seek={seek} close={() => setText(false)} />}
      </main>
      <footer class="controls">
        <Timeline position={position} duration={index.duration} idle={idle} keys={keys} clips={clips} files={files} proofs={lanes} live={index.live} thumbs={thumbs} seek={seek} />
        <div class="buttons">
          <button class="tool play" type="button" title={t(view?.playing ? "replay.pause" : "replay.play")} aria-label={t(view?.playing ? "replay.pause" : "replay.play")} onClick={() => player?.toggle()}><Icon name={view?.playing ? "pause" : "play"} /></button>
          <button class="tool" type="button" title={t("replay.back10")} aria-label={t("replay.back10")} onClick={() => seek(position - 10_000)}><Icon name="back10" /></button>
          <button class="tool" type="button" title={t("replay.forward10")} aria-label={t("replay.forward10")} onClick={() => seek(position + 10_000)}><Icon name="forward10" /></button>
          <button class="tool" type="button" title={t("replay.frameBack")} aria-label={t("replay.frameBack")} onClick={() => void player?.step(-1)}><Icon name="step-back" /></button>
          <button class="tool" type="button" title={t("replay.frameOn")} aria-label={t("replay.frameOn")} onClick={() => void player?.step(1)}><Icon name="step-forward" /></button>
          <span class="time">{clock(position)} / {clock(index.duration)}</span>
          <label><span class="sr">{t("replay.speed")}</span>
            <select value={String(view?.rate ?? 1)} onChange={(e) => player?.setRate(Number(e.currentTarget.value))}>
              {RATES.map((r) => <option key={r} value={String(r)}>{r}×</option>)}
            </select>
          </label>
          <button class="tool" type="button" aria-pressed={!!view?.skipIdle} onClick={() => player?.setSkipIdle(!view?.skipIdle)}><Icon name="skip" />{t("replay.skipIdle")}</button>
          <span class="grow legend">
            <span><span class="swatch idle" />{t("replay.idle")}</span>
            <span><span class="swatch keys" />{t("replay.keys")}</span>
            <span><span class="swatch clip" />{t("replay.kind.clip")}</span>
            <span><span class="swatch file" />{t("replay.files")}</span>
          </span>
          <Menu title={t("replay.evidence")} class="up" label={<Icon name="folder" />}>
            {(close) => (
              <>
                {who.canExport && <a class="item" href={`/evidence?sessions=${id}`}>{t("replay.export")}</a>}
                <button class="item" type="button" onClick={() => { close(); setDialog("log"); }}>{t("log.title")}</button>
                <button class="item" type="button" onClick={() => { close(); setDialog("hold"); }}>{t("hold.title")}</button>
              </>
            )}
          </Menu>
          <button class="tool" type="button" onClick={copyLink}><Icon name="link" />{t("replay.copyLink")}</button>
          <ProofMenu loader={loader} index={index} seal={show.seal} facts={facts} />
        </div>
      </footer>
      {dialog === "log" && <LogDialog id={id} openHash={loader.proofs.first} close={() => setDialog("")} />}
      {dialog === "hold" && <HoldDialog id={id} close={() => setDialog("")} />}
      {notice && <div class="toast" role="status"><span>{notice}</span><button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={() => setNotice("")}><Icon name="close" /></button></div>}
    </div>
  );
}

// Fits the picture into the room there is, never larger than its own pixels.
function Picture({ host, view, who, label, onClick }: {
  host: { current: HTMLDivElement | null }; view: PlayerView | null; who: Me; label: string; onClick: () => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && setRoom({ width: entry.contentRect.width, height: entry.contentRect.height }));
    observer.observe(box.current as HTMLElement);
    return () => observer.disconnect();
  }, []);
  const { width, height } = view?.size ?? { width: 0, height: 0 };
  const scale = width && height && room.width ? Math.min(1, room.width / width, room.height / height) : 1;
  return (
    <div class="fitted" ref={box}>
      <div class="picture" data-moment={view?.drawn ?? -1} role="img" aria-label={label} style={{ width: `${width * scale}px`, height: `${height * scale}px`, overflow: "hidden" }} onClick={onClick}>
        <div ref={host} style={{ transform: `scale(${scale})`, transformOrigin: "0 0", width: `${width}px`, height: `${height}px` }} />
        <Watermark name={who.name} width={width * scale} height={height * scale} />
      </div>
    </div>
  );
}
