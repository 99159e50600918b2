// Whole seconds until a moment (Unix ms), counted down while it is shown; 0: none, or it has come.
import { useEffect, useState } from "preact/hooks";

export function useSeconds(until: number): number {
  const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const [seconds, set] = useState(left);
  useEffect(() => {
    set(left());
    if (!until) return;
    const timer = setInterval(() => set(left()), 250);
    return () => clearInterval(timer);
  }, [until]);
  return seconds;
}
