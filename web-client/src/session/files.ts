// Files of the session: the filesystem objects the far side announces (`filesystem`), browsed by
// `get` of stream indexes, fetched by `get`, written by `put`. Transfers are flows with a window:
// a file is never held whole, neither here nor on the wire. No markup.
import type { InputStream, Object as Filesystem, OutputStream } from "@glokon/guacamole-common-js";
import { printable } from "../lib/format.ts";
import { fromBase64, toBase64 } from "./clipboard.ts";
import { openSink, type Sink } from "./sink.ts";
import { Status } from "./status.ts";

export const INDEX = "application/vnd.glyptodon.guacamole.stream-index+json";
export const LISTING = "application/vnd.guac.listing+json"; // what our own gateway answers this page
const BLOB = 6048; // bytes before base64 that every guacd accepts
const WINDOW = 256; // blobs on their way without an ack
const READ = BLOB * 168; // read from the disk at once, about 1 MB
const ANSWER = 20_000; // ms until a request counts as unanswered
const STALL = 60_000; // ms without any progress until a transfer is given up
const INDEX_MAX = 32 << 20;

export interface Entry {
  path: string;
  name: string;
  folder: boolean;
  special: boolean; // neither folder nor file: shown, not to be fetched
  size: number | null; // bytes, null: not told
  modified: number; // Unix ms, 0: not told
}

export interface Transfer {
  id: number;
  name: string;
  up: boolean;
  done: number;
  total: number | null;
  state: "offered" | "waiting" | "running" | "done" | "failed" | "cancelled";
  code: number; // Guacamole status of a failure
  text: string; // what the far side said
  rate: number; // bytes a second, lately
}

export interface System {
  name: string;
  object: Filesystem;
  download: boolean;
  upload: boolean;
  limit: number; // bytes of a file, 0: none
}

export interface Listing {
  entries: Entry[];
  cut: boolean; // there are more than a listing may hold
}

export interface FileState {
  systems: System[];
  transfers: Transfer[];
}

export class FileError extends Error {
  constructor(readonly code: number, message = "") {
    super(message);
  }
}

// A folder: our gateway's listing {entries: [{path, name, type, size, mtime}], cut}, or the stream
// index {path: type} that every guacd has. Names are data: what would move text around is shown as it
// is, and a path is only ever sent back.
export function parseListing(text: string, folder: string): Listing {
  const found = JSON.parse(text) as Record<string, unknown>;
  if (!found || typeof found !== "object") throw new FileError(Status.SERVER_ERROR);
  const listing = Array.isArray(found["entries"]);
  const rows = listing
    ? (found["entries"] as unknown[]).map((v) => (v && typeof v === "object" ? (v as Record<string, unknown>) : {}))
    : Object.entries(found).map(([path, type]) => ({ path, type: type === INDEX ? "folder" : "file" }) as Record<string, unknown>);
  const entries: Entry[] = [];
  const count = (v: unknown) => (typeof v === "number" && v >= 0 ? v : null);
  for (const row of rows.slice(0, 100_000)) {
    const path = typeof row["path"] === "string" ? row["path"] : "";
    const name = typeof row["name"] === "string" ? row["name"] : (path.replace(/\/+$/, "").split("/").at(-1) ?? "");
    if (!path || !name || name === "." || name === ".." || path === folder) continue;
    entries.push({
      path, name: printable(name), folder: row["type"] === "folder", special: row["type"] === "special",
      size: count(row["size"]), modified: count(row["mtime"]) ?? 0,
    });
  }
  const collator = new Intl.Collator(undefined, { numeric: true });
  entries.sort((a, b) => Number(b.folder) - Number(a.folder) || collator.compare(a.name, b.name));
  return { entries, cut: found["cut"] === true && listing };
}

export const join = (folder: string, name: string): string => `${folder.replace(/\/+$/, "")}/${name}`;
export const parent = (path: string): string => path.replace(/\/+$/, "").replace(/\/[^/]*$/, "") || "/";

// Names for the local disk: no separators, no controls, nothing that hides what it is.
export function safeName(name: string): string {
  const clean = name.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069/\\:*?"<>|]/g, "_").replace(/^\.+|[. ]+$/g, "").slice(0, 200);
  return clean || "file";
}

// Somebody waits for what the gateway says of a file (guac.state, `file`).
interface Wait {
  object: number;
  name: string;
  up: boolean;
  settle: (state: string, error: FileError | null) => void;
}

interface Job {
  transfer: Transfer;
  run: (signal: AbortSignal) => Promise<void>;
  abort: AbortController;
}

export class Files {
  state: FileState = { systems: [], transfers: [] };
  onchange: () => void = () => {};
  changed: () => void = () => {}; // something was uploaded: what is shown is old
  buffered: () => number = () => 0;
  #next = 1;
  #jobs = new Map<number, Job>();
  #queue: Job[] = [];
  #running = 0;
  #asked = new Map<Filesystem, Promise<unknown>>();
  #waits = new Set<Wait>();

  // ---- what the far side announces ----------------------------------------------------------

  reset(): void {
    for (const job of this.#jobs.values()) job.abort.abort();
    this.#queue = [];
    this.#asked.clear();
    this.#set({ systems: [] });
  }

  add(object: Filesystem, name: string): void {
    object.onundefine = () => this.#set({ systems: this.state.systems.filter((s) => s.object !== object) });
    this.#set({ systems: [...this.state.systems, { name: name.slice(0, 200), object, download: true, upload: true, limit: 0 }] });
  }

  // What may be done with each file system, as the session says it.
  allow(rules: Record<string, unknown>[]): void {
    this.#set({
      systems: this.state.systems.map((s) => {
        const rule = rules.find((r) => r["object"] === s.object.index);
        return rule ? { ...s, download: rule["download"] !== false, upload: rule["upload"] !== false, limit: Number(rule["limit"]) || 0 } : s;
      }),
    });
  }

  // What became of something that was asked for here.
  told(line: Record<string, unknown>): void {
    const state = String(line["state"] ?? "");
    const failed = state === "failed" || state === "refused" || state === "cancelled";
    const error = failed ? new FileError(Number(line["status"]) || Status.SERVER_ERROR, typeof line["error"] === "string" ? line["error"].slice(0, 500) : "") : null;
    if (!failed && state !== "done") return;
    for (const wait of [...this.#waits])
      if (wait.object === line["object"] && wait.name === line["name"] && wait.up === (line["dir"] === "in")) {
        this.#waits.delete(wait);
        wait.settle(state, error);
        return;
      }
  }

  #wait(object: Filesystem, name: string, up: boolean, settle: Wait["settle"]): () => void {
    const wait = { object: object.index, name, up, settle };
    this.#waits.add(wait);
    return () => this.#waits.delete(wait);
  }

  // A file the far side sends by itself: nothing is taken before a person says so.
  offer(stream: InputStream, _mimetype: string, name: string): void {
    const transfer = this.#transfer(safeName(name), false, null, "offered");
    const job = this.#job(transfer, async (signal) => {
      const sink = await openSink(transfer.name, null);
      await this.#receive(stream, sink, transfer, signal);
    });
    job.abort.signal.addEventListener("abort", () => transfer.state === "offered" && stream.sendAck("refused", Status.FORBIDDEN as never));
  }

  accept(id: number): void {
    const job = this.#jobs.get(id);
    if (job?.transfer.state === "offered") this.#enqueue(job);
  }

  // ---- browsing -----------------------------------------------------------------------------

  async list(object: Filesystem, path: string): Promise<Listing> {
    const bytes = await this.#get(object, path, (stream, mimetype, resolve: (bytes: Uint8Array) => void, reject) => {
      if (mimetype !== INDEX && mimetype !== LISTING) {
        stream.sendAck("not a folder", Status.UNSUPPORTED as never);
        return reject(new FileError(Status.BAD_TYPE));
      }
      const parts: Uint8Array[] = [];
      let size = 0;
      stream.onblob = (data) => {
        const part = fromBase64(data);
        size += part.length;
        if (size > INDEX_MAX) {
          stream.sendAck("too large", Status.OVERRUN as never);
          return reject(new FileError(Status.OVERRUN));
        }
        parts.push(part);
        stream.sendAck("OK", 0 as never);
      };
      stream.onend = () => resolve(concat(parts, size));
      stream.sendAck("OK", 0 as never);
    });
    return parseListing(new TextDecoder().decode(bytes), path);
  }

  // Asks for a path. Bodies are told apart by their path alone: one question at a time to each
  // filesystem. A refusal comes by guac.state, or not at all.
  #get<T>(object: Filesystem, path: string, body: (stream: InputStream, mimetype: string, resolve: (value: T) => void, reject: (error: unknown) => void) => void): Promise<T> {
    return this.#exclusive(object, () => new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(new FileError(Status.UPSTREAM_TIMEOUT)), ANSWER);
      const forget = this.#wait(object, path, false, (_state, error) => error && over(reject)(error));
      const over = <A>(next: (value: A) => void) => (value: A) => {
        clearTimeout(timer);
        forget();
        next(value);
      };
      object.requestInputStream(path, (stream, mimetype) => {
        clearTimeout(timer);
        body(stream, mimetype, over(resolve), over(reject));
      });
    }));
  }

  // Made with those above it; one that is there is good.
  async makeFolder(object: Filesystem, path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stream = object.createOutputStream(INDEX, path);
      const timer = setTimeout(() => reject(new FileError(Status.UPSTREAM_TIMEOUT)), ANSWER);
      stream.onack = (status) => {
        clearTimeout(timer);
        if (status.code >= 0x100) return reject(new FileError(status.code, status.message ?? ""));
        stream.sendEnd();
        resolve();
      };
    });
  }

  // ---- transfers ----------------------------------------------------------------------------

  download(object: Filesystem, entry: Entry): void {
    const transfer = this.#transfer(safeName(entry.name), false, entry.size, "waiting");
    const job = this.#job(transfer, async (signal) => {
      const sink = await openSink(transfer.name, entry.size);
      try {
        let broken: (error: FileError) => void = () => {};
        const stream = await this.#get<InputStream>(object, entry.path, (found, mimetype, resolve, reject) => {
          if (mimetype === INDEX || mimetype === LISTING) {
            found.sendAck("a folder", Status.UNSUPPORTED as never);
            reject(new FileError(Status.BAD_TYPE));
          } else resolve(found);
        });
        const forget = this.#wait(object, entry.path, false, (_state, error) => error && broken(error));
        await this.#receive(stream, sink, transfer, signal, (fail) => { broken = fail; }).finally(forget);
      } catch (error) {
        await sink.abort();
        throw error;
      }
    });
    this.#enqueue(job);
  }

  upload(object: Filesystem, folder: string, file: File, done: () => void = () => {}): void {
    const transfer = this.#transfer(file.name, true, file.size, "waiting");
    this.#enqueue(this.#job(transfer, async (signal) => {
      const path = join(folder, file.name);
      const stream = object.createOutputStream(file.type || "application/octet-stream", path);
      // Good only once the target has closed the file: the gateway says so.
      const closed = new Promise<void>((resolve, reject) => {
        const forget = this.#wait(object, path, true, (_state, error) => (error ? reject(error) : resolve()));
        signal.addEventListener("abort", () => { forget(); reject(new FileError(0, "cancelled")); });
      });
      closed.catch(() => {});
      await Promise.race([this.#send(stream, file, transfer, signal), closed.then(() => new Promise<never>(() => {}))]);
      await Promise.race([closed, new Promise((_, reject) => setTimeout(() => reject(new FileError(Status.UPSTREAM_TIMEOUT)), STALL))]);
      done();
    }));
  }

  cancel(id: number): void {
    const job = this.#jobs.get(id);
    if (!job) return;
    this.#queue = this.#queue.filter((q) => q !== job);
    job.abort.abort();
    this.#update(job.transfer, { state: "cancelled" });
  }

  clear(): void {
    const open = new Set(["offered", "waiting", "running"]);
    this.#set({ transfers: this.state.transfers.filter((x) => open.has(x.state)) });
  }

  get busy(): boolean {
    return this.state.transfers.some((x) => x.state === "running" || x.state === "waiting");
  }

  // Everything received is acknowledged when it has been handed to the disk: the far side can be no
  // further ahead than that.
  async #receive(stream: InputStream, sink: Sink, transfer: Transfer, signal: AbortSignal, onbreak: (fail: (error: FileError) => void) => void = () => {}): Promise<void> {
    let work: Promise<void> = Promise.resolve();
    let last = performance.now();
    await new Promise<void>((resolve, reject) => {
      const watch = setInterval(() => performance.now() - last > STALL && over(new FileError(Status.UPSTREAM_TIMEOUT)), 1000);
      let done = false;
      const over = (error?: unknown) => {
        if (done) return;
        done = true;
        clearInterval(watch);
        stream.onblob = stream.onend = null;
        if (error) {
          stream.sendAck(signal.aborted ? "cancelled" : "failed", (signal.aborted ? Status.CLOSED : Status.SERVER_ERROR) as never);
          reject(error);
        } else resolve();
      };
      signal.addEventListener("abort", () => over(new FileError(0, "cancelled")));
      onbreak(over);
      stream.onblob = (data) => {
        const part = fromBase64(data);
        last = performance.now();
        work = work.then(() => sink.write(part)).then(() => {
          if (signal.aborted) return;
          this.#progress(transfer, part.length);
          stream.sendAck("OK", 0 as never);
        });
        work.catch(over);
      };
      stream.onend = () => void work.then(() => over(), over);
      stream.sendAck("OK", 0 as never);
    }).catch(async (error: unknown) => {
      await sink.abort();
      throw error;
    });
    if (transfer.total !== null && transfer.done < transfer.total) {
      await sink.abort();
      throw new FileError(Status.UPSTREAM_ERROR);
    }
    await sink.close();
  }

  // Each blob is acknowledged when it is written there; a window of them is on its way.
  async #send(stream: OutputStream, file: Blob, transfer: Transfer, signal: AbortSignal): Promise<void> {
    let acked = 0;
    let sent = 0;
    let refused: FileError | null = null;
    let wake: () => void = () => {};
    stream.onack = (status) => {
      if (status.code >= 0x100) refused = new FileError(status.code, status.message ?? "");
      else {
        if (acked++) this.#progress(transfer, Math.min(BLOB, file.size - (acked - 2) * BLOB));
      }
      wake();
    };
    const until = async (done: () => boolean): Promise<void> => {
      for (let since = performance.now(), seen = acked; !done(); ) {
        if (refused) throw refused;
        if (signal.aborted) {
          stream.sendEnd();
          throw new FileError(0, "cancelled");
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 250);
          wake = () => { clearTimeout(timer); resolve(); };
        });
        if (acked !== seen) [seen, since] = [acked, performance.now()];
        if (performance.now() - since > STALL) throw new FileError(Status.UPSTREAM_TIMEOUT);
      }
      if (refused) throw refused;
    };
    signal.addEventListener("abort", () => wake());
    await until(() => acked > 0);
    for (let at = 0; at < file.size; at += READ) {
      const bytes = new Uint8Array(await file.slice(at, at + READ).arrayBuffer());
      for (let i = 0; i < bytes.length; i += BLOB) {
        await until(() => sent + 1 - acked < WINDOW && this.buffered() < 0x80000);
        stream.sendBlob(toBase64(bytes.subarray(i, i + BLOB)));
        sent++;
      }
    }
    await until(() => acked > sent);
    stream.onack = null;
    stream.sendEnd();
  }

  // ---- the list -----------------------------------------------------------------------------

  async #exclusive<T>(object: Filesystem, ask: () => Promise<T>): Promise<T> {
    const before = this.#asked.get(object) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(ask);
    this.#asked.set(object, mine);
    return mine;
  }

  #transfer(name: string, up: boolean, total: number | null, state: Transfer["state"]): Transfer {
    const transfer: Transfer = { id: this.#next++, name, up, done: 0, total, state, code: 0, text: "", rate: 0 };
    this.#set({ transfers: [...this.state.transfers, transfer].slice(-200) });
    return transfer;
  }

  #job(transfer: Transfer, run: Job["run"]): Job {
    const job = { transfer, run, abort: new AbortController() };
    this.#jobs.set(transfer.id, job);
    return job;
  }

  #enqueue(job: Job): void {
    this.#update(job.transfer, { state: "waiting" });
    this.#queue.push(job);
    this.#go();
  }

  #go(): void {
    while (this.#running < 2 && this.#queue.length) {
      const job = this.#queue.shift() as Job;
      this.#running++;
      this.#update(job.transfer, { state: "running" });
      job.run(job.abort.signal).then(
        () => this.#update(job.transfer, { state: "done" }),
        (error: unknown) => {
          if (job.abort.signal.aborted || (error as Error).name === "AbortError") return this.#update(job.transfer, { state: "cancelled" });
          const [code, text] = error instanceof FileError ? [error.code, error.message] : [Status.SERVER_ERROR, (error as Error).message];
          this.#update(job.transfer, { state: "failed", code, text });
        },
      ).finally(() => {
        this.#running--;
        this.#jobs.delete(job.transfer.id);
        this.#go();
      });
    }
  }

  #rates = new WeakMap<Transfer, { at: number; done: number }>();
  #progress(transfer: Transfer, bytes: number): void {
    transfer.done += bytes;
    const now = performance.now();
    const mark = this.#rates.get(transfer) ?? { at: now, done: 0 };
    if (now - mark.at > 500) {
      transfer.rate = ((transfer.done - mark.done) * 1000) / (now - mark.at);
      this.#rates.set(transfer, { at: now, done: transfer.done });
    } else if (!this.#rates.has(transfer)) this.#rates.set(transfer, mark);
    this.onchange();
  }

  #update(transfer: Transfer, part: Partial<Transfer>): void {
    Object.assign(transfer, part);
    this.#set({});
  }

  #set(part: Partial<FileState>): void {
    this.state = { ...this.state, ...part };
    this.onchange();
  }
}

function concat(parts: Uint8Array[], size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
