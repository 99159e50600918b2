// Plays a recording: which frames are on the screen, and when the next ones come. A seek feeds the
// nearest keyframe to a fresh drawing and what follows it up to the moment, shown with one flush.
import { Drawing } from "./draw.ts";
import type { Index } from "./index.ts";
import { LoadError, type Loader } from "./loader.ts";
import type { Loaded } from "./messages.ts";
import { advance, faster } from "./timing.ts";

export interface PlayerView {
  position: number;
  drawn: number; // moment of the frame on the screen, -1: none yet
  playing: boolean;
  rate: number;
  skipIdle: boolean;
  busy: boolean; // waiting for an object
  ended: boolean;
  following: boolean; // at the live edge
  error: string;
  size: { width: number; height: number };
}

// Decoded pictures waiting at once during a long seek.
const BATCH = 96;
// Chunks between a keyframe and a moment that are fetched side by side.
const AHEAD = 32;
const DECODER = new TextDecoder();
// Nearer than this it is cheaper to play on than to start from a keyframe.
const NEAR = 4000;

export class Player {
  view: PlayerView = {
    position: 0, drawn: -1, playing: false, rate: 1, skipIdle: true, busy: false, ended: false,
    following: false, error: "", size: { width: 0, height: 0 },
  };
  onchange: () => void = () => {};
  // Last frame of each chunk that was loaded: the index knows only where chunks start.
  readonly ends = new Map<number, number>();

  #drawing: Drawing | null = null;
  #chunk = 0; // position in index.chunks of the next frame …
  #frame = 0; // … and the frame within it
  #drawn = -1; // moment of the frame on the screen
  #work: Promise<void> = Promise.resolve();
  #turn = 0; // counts seeks: an older one gives way
  #last = 0;
  #raf = 0;
  #closed = false;

  constructor(
    public index: Index,
    readonly loader: Loader,
    readonly host: HTMLElement,
  ) {}

  close(): void {
    this.#closed = true;
    this.#turn++;
    cancelAnimationFrame(this.#raf);
    this.#drawing?.close();
  }

  update(index: Index): void {
    const grown = index.duration > this.index.duration || index.live !== this.index.live;
    this.index = index;
    if (grown && this.view.following && index.live) void this.seek(index.duration, true);
    if (grown) this.#set({ ended: false });
  }

  // ---- commands -----------------------------------------------------------------------------

  play(): void {
    if (this.view.playing) return;
    if (!this.index.live && this.view.position >= this.index.duration) void this.seek(0);
    this.#set({ playing: true, ended: false, error: "" });
    this.#last = performance.now();
    this.#raf = requestAnimationFrame(() => this.#tick());
  }

  pause(): void {
    cancelAnimationFrame(this.#raf);
    this.#set({ playing: false, following: false });
  }

  toggle(): void {
    if (this.view.playing) this.pause();
    else this.play();
  }

  setRate(rate: number): void {
    this.#set({ rate });
  }

  speed(step: 1 | -1): void {
    this.setRate(faster(this.view.rate, step));
  }

  setSkipIdle(skipIdle: boolean): void {
    this.#set({ skipIdle });
  }

  followLive(): void {
    this.#set({ following: true });
    void this.seek(this.index.duration, true);
    this.play();
  }

  seek(ms: number, following = false): Promise<void> {
    const to = Math.min(Math.max(0, ms), this.index.duration);
    const turn = ++this.#turn;
    this.#set({ position: to, ended: false, following, error: "" });
    return this.#queue(turn, () => this.#show(to, turn));
  }

  // One frame on or back, paused.
  step(direction: 1 | -1): Promise<void> {
    if (this.view.playing) this.pause();
    const turn = this.#turn; // steps follow one another, only a seek overtakes them
    return this.#queue(turn, async () => {
      const to = direction > 0 ? await this.#nextFrame() : await this.#frameBefore(this.#drawn);
      if (to === null || turn !== this.#turn) return;
      this.#set({ position: to });
      await this.#show(to, turn);
    });
  }

  // ---- time ---------------------------------------------------------------------------------

  #tick(): void {
    if (!this.view.playing || this.#closed) return;
    const now = performance.now();
    const elapsed = now - this.#last;
    this.#last = now;
    if (!this.view.busy) {
      const position = advance({
        position: this.view.position, elapsed, rate: this.view.rate, skipIdle: this.view.skipIdle && !this.view.following,
        lastFrame: this.#drawn, nextFrame: this.#known(), end: this.index.duration,
      });
      const over = position >= this.index.duration;
      this.#set({ position, ended: over && !this.index.live });
      const turn = this.#turn;
      void this.#queue(turn, async () => void (await this.#feed(position, turn)));
      this.#prefetch();
      if (over && !this.index.live) {
        this.pause();
        return;
      }
      if (over && this.index.live && !this.view.following) this.#set({ following: true });
    }
    this.#raf = requestAnimationFrame(() => this.#tick());
  }

  // Moment of the next frame, as far as it is known without waiting.
  #known(): number | null {
    const chunk = this.index.chunks[this.#chunk];
    if (!chunk) return null;
    const loaded = this.loader.have(chunk.name);
    if (!loaded) return this.#frame ? null : chunk.start;
    return loaded.times[this.#frame] ?? this.index.chunks[this.#chunk + 1]?.start ?? null;
  }

  #prefetch(): void {
    const ahead = this.view.rate > 4 ? 5 : 2;
    for (const chunk of this.index.chunks.slice(this.#chunk, this.#chunk + ahead))
      if (!this.loader.have(chunk.name)) void this.loader.get(chunk.name).catch(() => {});
  }

  // ---- pictures -----------------------------------------------------------------------------

  // One thing at a time, in order; what a newer seek made pointless is dropped.
  #queue(turn: number, work: () => Promise<void>): Promise<void> {
    const run = async () => {
      if (turn !== this.#turn || this.#closed) return;
      try {
        await work();
      } catch (error) {
        if (turn !== this.#turn) return;
        this.#set({ error: (error as Error).message || "error", busy: false });
        if (!(error instanceof LoadError)) console.warn(error);
        cancelAnimationFrame(this.#raf);
        this.#set({ playing: false });
      }
    };
    return (this.#work = this.#work.then(run));
  }

  // Brings the screen to a moment, from where it is or from a keyframe.
  async #show(to: number, turn: number): Promise<void> {
    const keyframe = this.index.keyframeAt(to);
    const start = this.index.keyframes[keyframe]?.start ?? 0;
    const near = this.#drawing && this.#drawn <= to && (to - this.#drawn < NEAR || start <= this.#drawn);
    if (!near) {
      const fresh = new Drawing();
      fresh.onresize = (width, height) => {
        if (this.#drawing === fresh) this.#set({ size: { width, height } });
      };
      const object = this.index.keyframes[keyframe];
      // All that is needed is asked for at once: a round trip for each would be felt.
      const from = object ? this.index.chunkAfter(keyframe) : 0;
      if (object) void this.loader.get(object.name).catch(() => {});
      for (const chunk of this.index.chunks.slice(from, Math.min(this.index.chunkAt(to) + 1, from + AHEAD)))
        void this.loader.get(chunk.name).catch(() => {});
      if (object) {
        const loaded = await this.#wait(this.loader.get(object.name));
        if (turn !== this.#turn) return;
        fresh.feed(DECODER.decode(loaded.bytes));
      }
      const old = this.#drawing;
      this.#drawing = fresh;
      this.#chunk = from;
      this.#frame = 0;
      this.#drawn = object ? object.start : -1;
      const done = await this.#feed(to, turn, true);
      this.host.replaceChildren(fresh.element);
      old?.close();
      this.#set({ drawn: this.#drawn, size: { width: fresh.display.getWidth(), height: fresh.display.getHeight() } });
      if (!done) return;
    } else await this.#feed(to, turn);
  }

  // Feeds all frames up to a moment, flushed once. false: gave way to a newer seek.
  async #feed(to: number, turn: number, flush = false): Promise<boolean> {
    const drawing = this.#drawing;
    if (!drawing) {
      if (turn === this.#turn) await this.#show(to, turn);
      return true;
    }
    let fed = flush;
    for (;;) {
      const chunk = this.index.chunks[this.#chunk];
      if (!chunk || chunk.start > to) break;
      const loaded = this.loader.have(chunk.name) ?? (await this.#wait(this.loader.get(chunk.name)));
      if (turn !== this.#turn) return false;
      this.ends.set(this.#chunk, loaded.times.at(-1) ?? chunk.start);
      const until = this.#frameAt(loaded, to);
      if (until > this.#frame) {
        drawing.feed(DECODER.decode(slice(loaded, this.#frame, until)));
        this.#drawn = loaded.times[until - 1] as number;
        this.#frame = until;
        fed = true;
        if (drawing.pending > BATCH) await drawing.flush();
      }
      if (this.#frame < loaded.times.length) break;
      this.#chunk++;
      this.#frame = 0;
    }
    if (fed) await drawing.flush();
    if (drawing === this.#drawing && this.#drawn !== this.view.drawn && !flush) this.#set({ drawn: this.#drawn });
    return turn === this.#turn;
  }

  // Index behind the last frame at or before a moment.
  #frameAt(loaded: Loaded, to: number): number {
    let i = this.#frame;
    while (i < loaded.times.length && (loaded.times[i] as number) <= to) i++;
    return i;
  }

  async #nextFrame(): Promise<number | null> {
    for (let c = this.#chunk, f = this.#frame; c < this.index.chunks.length; c++, f = 0) {
      const name = this.index.chunks[c]?.name as string;
      const loaded = await this.#wait(this.loader.get(name));
      const at = loaded.times[f];
      if (at !== undefined) return at;
    }
    return null;
  }

  async #frameBefore(ms: number): Promise<number | null> {
    for (let c = this.index.chunkAt(ms); c >= 0; c--) {
      const name = this.index.chunks[c]?.name;
      if (!name) return 0;
      const loaded = await this.#wait(this.loader.get(name));
      for (let f = loaded.times.length - 1; f >= 0; f--) if ((loaded.times[f] as number) < ms) return loaded.times[f] as number;
    }
    return 0;
  }

  async #wait<T>(promise: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#set({ busy: true }), 120);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      if (this.view.busy) {
        this.#set({ busy: false });
        this.#last = performance.now();
      }
    }
  }

  #set(part: Partial<PlayerView>): void {
    this.view = { ...this.view, ...part };
    this.onchange();
  }
}

function slice(loaded: Loaded, from: number, until: number): Uint8Array {
  return loaded.bytes.subarray(from ? loaded.ends[from - 1] : 0, loaded.ends[until - 1]);
}
