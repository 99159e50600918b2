// The timeline: where something happened, where nothing did, keys and clipboard, what is proved,
// and the moment one looks at. A slider for the keyboard, a picture for the eye.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { clock } from "../lib/format.ts";
import { t } from "../lib/i18n.ts";
import type { Range } from "./index.ts";
import type { Mark } from "./proofs.ts";
import type { Thumbs } from "./thumbs.ts";

export interface Lane {
  from: number;
  to: number;
  mark: Mark;
}

interface TimelineProps {
  position: number;
  duration: number;
  idle: Range[];
  keys: readonly number[]; // moments
  clips: readonly number[];
  files: readonly number[];
  proofs: readonly Lane[];
  live: boolean;
  thumbs: Thumbs | null;
  seek: (ms: number) => void;
}

const W = 1000;

export function Timeline({ position, duration, idle, keys, clips, files, proofs, live, thumbs, seek }: TimelineProps) {
  const root = useRef<HTMLDivElement>(null);
  const [peek, setPeek] = useState<number | null>(null);
  const x = (ms: number): number => (duration ? (Math.min(Math.max(ms, 0), duration) / duration) * W : 0);
  const at = (e: PointerEvent): number => {
    const box = (root.current as HTMLElement).getBoundingClientRect();
    return (Math.min(Math.max(e.clientX - box.left, 0), box.width) / (box.width || 1)) * duration;
  };
  const bars = (moments: readonly number[]): string => {
    const seen = new Set<number>();
    for (const ms of moments) seen.add(Math.round(x(ms) / 2) * 2);
    return [...seen].map((px) => `M${px} 0h2v4.5h-2z`).join("");
  };
  const words = t("replay.position", { position: clock(position), duration: clock(duration) });
  return (
    <div class="timeline" ref={root} role="slider" tabIndex={0} aria-label={t("replay.timeline")} aria-valuemin={0} aria-valuemax={Math.round(duration / 1000)}
      aria-valuenow={Math.round(position / 1000)} aria-valuetext={words}
      onPointerDown={(e) => { root.current?.setPointerCapture(e.pointerId); seek(at(e)); }}
      onPointerMove={(e) => { setPeek(at(e)); if (e.buttons & 1) seek(at(e)); }}
      onPointerLeave={() => { setPeek(null); thumbs?.leave(); }}>
      <svg viewBox={`0 0 ${W} 44`} preserveAspectRatio="none" aria-hidden="true">
        <defs>
          <pattern id="idle" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect class="track" width="2" height="5" />
          </pattern>
        </defs>
        <g transform="translate(0 0)"><path class="keys" d={bars(keys)} /></g>
        <g transform="translate(0 5.5)"><path class="clip" d={bars(clips)} /></g>
        <g transform="translate(0 11)"><path class="file" d={bars(files)} /></g>
        <rect class="active" x="0" y="16" width={W} height="12" />
        {idle.map((r) => (
          <g key={r.from}>
            <rect class="bg" fill="var(--surface)" x={x(r.from)} y="16" width={Math.max(0, x(r.to) - x(r.from))} height="12" />
            <rect class="idle" x={x(r.from)} y="16" width={Math.max(0, x(r.to) - x(r.from))} height="12" />
          </g>
        ))}
        <rect class="done" x="0" y="29" width={x(position)} height="3" />
        {proofs.filter((p) => p.mark !== "open").map((p) => (
          <rect key={p.from} class={p.mark === "ok" ? "good" : "bad"} x={x(p.from)} y={p.mark === "ok" ? 37 : 35} width={Math.max(1, x(p.to) - x(p.from))} height={p.mark === "ok" ? 2 : 6} />
        ))}
        {peek !== null && <path class="peek" d={`M${x(peek)} 0V44`} />}
        <path class="head" d={`M${x(position)} 0V44`} />
      </svg>
      {peek !== null && <Tip at={duration ? peek / duration : 0} thumbs={thumbs} ms={peek} text={live && peek >= duration ? t("replay.live") : clock(peek)} />}
    </div>
  );
}

function Tip({ at, text, thumbs, ms }: { at: number; text: string; thumbs: Thumbs | null; ms: number }) {
  const [, redraw] = useState(0);
  const place = useRef<HTMLSpanElement>(null);
  const picture = thumbs?.at(ms, () => redraw((n) => n + 1)) ?? null;
  useLayoutEffect(() => {
    if (picture) place.current?.replaceChildren(picture);
    else place.current?.replaceChildren();
  }, [picture]);
  // Near the ends the picture stays inside the page.
  return (
    <span class={`tip ${at < 0.1 ? "first" : at > 0.9 ? "last" : ""}`} aria-hidden="true" style={{ insetInlineStart: `${at * 100}%` }}>
      <span class="thumb" ref={place} />{text}
    </span>
  );
}
