// Time that passes on the page.
import { useEffect, useState } from "preact/hooks";
import { clock } from "../lib/format.ts";

export function useNow(every = 1000, on = true): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every, on]);
  return now;
}

// What is left until a moment. A screen reader reads it when asked and is not told every second.
export function Countdown({ until }: { until: number }) {
  const now = useNow(1000, until > 0);
  return <span class="num" role="timer" aria-live="off">{clock(Math.max(0, until - now))}</span>;
}
