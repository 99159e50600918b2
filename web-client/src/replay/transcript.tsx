// What was shown and typed, as text: follows the picture, and every entry is a way to its moment.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clock } from "../lib/format.ts";
import { t, type Key } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import type { Book } from "./book.ts";
import { currentLine } from "./book.ts";
import type { Line } from "./lines.ts";

interface TranscriptProps {
  book: Book;
  position: number;
  seek: (ms: number) => void;
  close: () => void;
}

const REST = 2000; // ms the list rests after the pointer moved over it
const SHOWN = 600; // entries in the document at once

export function Transcript({ book, position, seek, close }: TranscriptProps) {
  const [, redraw] = useState(0);
  const [follow, setFollow] = useState(true);
  const list = useRef<HTMLDivElement>(null);
  const pointed = useRef(-REST); // when the pointer last moved over it
  const touched = useRef(0); // when a person last moved the list: our own scrolling does not count
  useEffect(() => {
    book.onchange = () => redraw((n) => n + 1);
    return () => { book.onchange = () => {}; };
  }, [book]);
  useEffect(() => { void book.at(position); }, [book, Math.floor(position / 1000), book.index]);

  const all = book.lines;
  const current = currentLine(all, position);
  const first = Math.max(0, Math.min(current - SHOWN / 2, all.length - SHOWN));
  const lines = all.slice(first, first + SHOWN);

  useLayoutEffect(() => {
    // A list that moves under the pointer cannot be clicked.
    if (!follow || performance.now() - pointed.current < REST) return;
    const here = list.current?.querySelector<HTMLElement>("[aria-current]");
    const box = list.current;
    if (!here || !box) return;
    const top = here.offsetTop - box.offsetTop;
    if (top >= box.scrollTop && top + here.offsetHeight <= box.scrollTop + box.clientHeight) return;
    box.scrollTop = top - box.clientHeight / 2;
  });
  const scrolled = () => {
    const box = list.current;
    if (!box || performance.now() - touched.current > 1000) return;
    setFollow(false);
    if (box.scrollTop < 80 && !book.atStart) void book.earlier();
    if (box.scrollTop + box.clientHeight > box.scrollHeight - 80 && !book.atEnd) void book.later();
  };
  const touch = () => { touched.current = performance.now(); };
  return (
    <aside class="transcript" aria-label={t("replay.transcript")}>
      <header>
        <h2>{t("replay.transcript")}</h2>
        {!follow && <button class="button" type="button" onClick={() => setFollow(true)}>{t("replay.follow")}</button>}
        <button class="tool" type="button" title={t("close")} aria-label={t("close")} onClick={close}><Icon name="close" /></button>
      </header>
      <div class="lines" ref={list} onScroll={scrolled} onWheel={touch} onTouchMove={touch} onPointerDown={touch} onPointerMove={() => { pointed.current = performance.now(); }} onKeyDown={touch} tabIndex={0} role="region" aria-label={t("replay.transcript")}>
        {all.length === 0 ? <p class="line"><span /> <span>{t(book.index.texts.length ? "loading" : "replay.noText")}</span></p> : null}
        {lines.map((line, i) => <Entry key={first + i} line={line} past={first + i <= current} current={first + i === current} seek={(ms) => { setFollow(true); pointed.current = -REST; seek(ms); }} />)}
      </div>
    </aside>
  );
}

function Entry({ line, past, current, seek }: { line: Line; past: boolean; current: boolean; seek: (ms: number) => void }) {
  return (
    <button type="button" class={`line ${past ? "past" : ""}`} aria-current={current ? "true" : undefined} onClick={() => seek(line.t)}>
      <time>{clock(line.t)}</time>
      <span>{line.kind !== "out" && <span class="kind">{t(`replay.kind.${line.kind}` as Key)}</span>}{line.text}</span>
    </button>
  );
}
