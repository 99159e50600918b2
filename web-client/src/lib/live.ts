// Lists that keep themselves fresh. The gateway counts every change of connections, requests,
// sessions and locks by one number, so one long poll a page (on the requests, the smallest of them)
// is enough: when the number moves, the lists that are shown are read again.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, ApiError, type Me } from "./api.ts";

const EVERY = 500; // ms: a list is read no more often than that

type Heard = (generation: string) => void;

const listeners = new Set<Heard>();
let running: AbortController | null = null;
let path = "/api/connections";
export let stale = false; // the gateway does not answer at the moment

// A gateway without approvals has connections to listen to.
export function listenTo(who: Me): void {
  path = who.canApprove === undefined ? "/api/connections" : "/api/requests?state=open";
}

const wait = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

async function poll(signal: AbortSignal): Promise<void> {
  let generation = "";
  let failures = 0;
  while (!signal.aborted) {
    try {
      const query: string = generation ? `${path.includes("?") ? "&" : "?"}after=${encodeURIComponent(generation)}&wait=25` : "";
      const answer: { generation?: number | string } = await api<{ generation?: number | string }>(path + query, { signal });
      const now: string = String(answer.generation ?? "");
      const moved = now !== generation || failures > 0;
      failures = 0;
      stale = false;
      if (moved) for (const heard of [...listeners]) heard(now);
      // An answer that came at once with nothing new must not become a storm.
      else await wait(250);
      generation = now;
    } catch (e) {
      if (signal.aborted || (e instanceof ApiError && e.status === 401)) return;
      if (++failures > 1 && !stale) {
        stale = true;
        for (const heard of [...listeners]) heard(generation);
      }
      const told = e instanceof ApiError && e.again ? e.again - Date.now() : 0;
      await wait(Math.max(told, Math.min(1000 * 2 ** failures, 15_000)) * (told > 0 ? 1 + 0.2 * Math.random() : 0.7 + 0.6 * Math.random()));
    }
  }
}

function listen(heard: Heard): () => void {
  listeners.add(heard);
  if (!running) {
    running = new AbortController();
    void poll(running.signal);
  }
  return () => {
    listeners.delete(heard);
    // A moment's grace: from one page to the next the poll goes on.
    setTimeout(() => {
      if (listeners.size || !running) return;
      running.abort();
      running = null;
    }, 500);
  };
}

export interface List<T> {
  data: T | null;
  error: unknown;
  reload: () => void;
}

// `source` is read now and whenever something changed; null reads nothing.
export function useList<T>(source: string | null): List<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(0);
  const have = useRef(""); // the generation of what is shown
  const last = useRef(0);
  const load = () => {
    if (!source) return;
    const mine = ++asked.current;
    last.current = Date.now();
    api<T>(source).then(
      (answer) => {
        if (mine !== asked.current) return;
        have.current = String((answer as { generation?: unknown }).generation ?? "");
        setData(answer);
        setError(null);
      },
      (e: unknown) => { if (mine === asked.current) setError(e); },
    );
  };
  useEffect(() => {
    setData(null);
    if (!source) return;
    load();
    let timer = 0;
    const stop = listen((generation) => {
      if (stale) return setError(new ApiError(0, ""));
      if (generation && generation === have.current) return setError(null);
      clearTimeout(timer);
      timer = window.setTimeout(load, Math.max(0, last.current + EVERY - Date.now()));
    });
    return () => {
      stop();
      clearTimeout(timer);
      asked.current++;
    };
  }, [source]);
  return { data, error, reload: load };
}
