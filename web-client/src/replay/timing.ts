// The player's clock, without clock: where is the picture after dt of real time? Pure.

export const RATES = [0.25, 0.5, 1, 2, 4, 8, 16] as const;
export const IDLE_SHOWN = 1500; // of an idle stretch this much is still played
const LEAD = 300; // and this much before things go on

export interface Tick {
  position: number;
  elapsed: number; // real ms since the last tick
  rate: number;
  skipIdle: boolean;
  lastFrame: number; // moment of the frame on the screen
  nextFrame: number | null; // moment of the next one, null: none known
  end: number;
}

export function advance(t: Tick): number {
  // A page that slept (a closed lid, a hidden tab) does not jump by hours.
  let position = t.position + Math.min(t.elapsed, 1000) * t.rate;
  const next = t.nextFrame ?? t.end;
  if (t.skipIdle && next - t.lastFrame > IDLE_SHOWN + LEAD && position > t.lastFrame + IDLE_SHOWN && position < next - LEAD)
    position = next - LEAD;
  return Math.min(position, t.end);
}

export function faster(rate: number, step: 1 | -1): number {
  const at = RATES.findIndex((r) => r >= rate);
  return RATES[Math.min(RATES.length - 1, Math.max(0, (at < 0 ? RATES.length - 1 : at) + step))] as number;
}
