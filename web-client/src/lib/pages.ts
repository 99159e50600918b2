// A list that the server gives page by page: the next page joins what is there, and of two questions
// under way the later one's answer counts.
import { useRef, useState } from "preact/hooks";
import { api } from "./api.ts";

export interface Pages<A> {
  data: A | null;
  error: unknown;
  busy: boolean;
  load: (after: string) => void; // "": from the start
}

export function usePages<A>(address: (after: string) => string, join: (before: A, more: A) => A): Pages<A> {
  const [data, setData] = useState<A | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const asked = useRef(0);
  const load = (after: string) => {
    const mine = ++asked.current;
    setBusy(true);
    api<A>(address(after)).then((found) => {
      if (mine !== asked.current) return;
      setData((before) => (after && before ? join(before, found) : found));
      setError(null);
      setBusy(false);
    }, (e: unknown) => {
      if (mine !== asked.current) return;
      setError(e);
      setBusy(false);
    });
  };
  return { data, error, busy, load };
}
