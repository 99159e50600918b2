// The page's side of the worker: one promise an object, nothing fetched twice, memory bounded.
import { Cache } from "./cache.ts";
import type { Answer, Loaded, Request, Setup } from "./messages.ts";
import { Proofs } from "./proofs.ts";

declare const WORKER_URL: string;

export class LoadError extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

function worker(): Worker {
  // The policy says the one thing it allows, for pages that require Trusted Types.
  const url = window.trustedTypes?.createPolicy("replay-worker", { createScriptURL: () => WORKER_URL }).createScriptURL("");
  return new Worker((url ?? WORKER_URL) as string);
}

let shared: Worker | null = null;

export class Loader {
  readonly proofs = new Proofs();
  openSigned: boolean | null = null;
  onproof: () => void = () => {};
  // Moments of keys and of clipboard and files, by text object: small, and kept for the timeline.
  readonly moments = new Map<string, { keys: number[]; clips: number[]; files: number[] }>();
  #cache = new Cache<Loaded>(48 << 20);
  #waiting = new Map<string, Promise<Loaded>>();
  #answers = new Map<number, (answer: Answer) => void>();
  #next = 1;
  #worker: Worker;
  #isSetUp: () => void = () => {};
  #ready = new Promise<void>((resolve) => { this.#isSetUp = resolve; });

  constructor() {
    this.#worker = shared ??= worker();
    this.#worker.onmessage = (event: MessageEvent<Answer>) => {
      const done = this.#answers.get(event.data.id);
      this.#answers.delete(event.data.id);
      done?.(event.data);
    };
  }

  async setup(setup: Setup): Promise<void> {
    const { open } = await this.#ask({ want: "setup", name: "", setup });
    this.proofs.first = open?.hash ?? "";
    this.openSigned = open?.signed ?? null;
    this.#isSetUp();
    this.onproof();
  }

  // At once when it is in memory.
  have(name: string): Loaded | undefined {
    return this.#cache.get(name);
  }

  get(name: string): Promise<Loaded> {
    const cached = this.#cache.get(name);
    if (cached) return Promise.resolve(cached);
    let waiting = this.#waiting.get(name);
    if (!waiting) {
      waiting = this.#load(name).finally(() => this.#waiting.delete(name));
      this.#waiting.set(name, waiting);
    }
    return waiting;
  }

  // Only whether it holds; keeps nothing.
  async prove(name: string): Promise<void> {
    if (this.proofs.has(name)) return;
    const answer = await this.#ask({ want: "proof", name });
    this.#note(name, answer);
  }

  async #load(name: string): Promise<Loaded> {
    await this.#ready;
    const answer = await this.#ask({ want: "object", name });
    this.#note(name, answer);
    if (!answer.loaded) throw new LoadError(answer.proof?.reason ?? answer.error ?? "", answer.status ?? 0);
    const { bytes, times, lines } = answer.loaded;
    if (answer.loaded.kind === "text")
      this.moments.set(name, {
        keys: lines.filter((l) => l.kind === "key").map((l) => l.t),
        clips: lines.filter((l) => l.kind === "clip").map((l) => l.t),
        files: lines.filter((l) => l.kind === "file").map((l) => l.t),
      });
    const size = bytes.length + times.length * 12 + lines.reduce((n, l) => n + 120 + l.text.length * 2, 0);
    this.#cache.set(name, answer.loaded, size);
    return answer.loaded;
  }

  #note(name: string, answer: Answer): void {
    if (answer.proof) this.proofs.add(name, answer.proof);
    else if (answer.error && answer.status === undefined) this.proofs.fail(name, answer.error);
    else return;
    this.onproof();
  }

  #ask(request: Omit<Request, "id">): Promise<Answer> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#worker.postMessage({ id, ...request });
    });
  }
}
