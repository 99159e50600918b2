// The clipboard on the wire. Out: whole text as blobs, paced by the acks of the far side (a stock
// guacd sends none for the clipboard; then by what the socket has taken). In: bounded, then text.

export interface OutStream {
  sendBlob(data: string): void;
  sendEnd(): void;
  onack: ((status: { code: number; message?: string | undefined }) => void) | null;
}

export class ClipboardError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

export const BLOB = 6048; // bytes before base64 that every guacd accepts
const WINDOW = 16;

export interface SendOptions {
  buffered: () => number; // bytes the socket still holds
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
  ackWait?: number; // ms until silence means "this side sends no acks"
  stall?: number; // ms without any progress until we give up
}

// The browser's own, where it has them: a file's worth of bytes goes through here.
interface Native extends Uint8Array { toBase64?(): string }
const native = Uint8Array as unknown as { fromBase64?(text: string): Uint8Array<ArrayBuffer> };

export function toBase64(bytes: Uint8Array): string {
  const own = (bytes as Native).toBase64?.();
  if (own !== undefined) return own;
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x2000) text += String.fromCharCode(...bytes.subarray(i, i + 0x2000));
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  if (native.fromBase64) return native.fromBase64(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

// Resolves when the far side has everything (as far as it tells), rejects with its refusal.
export async function sendBytes(stream: OutStream, bytes: Uint8Array, options: SendOptions): Promise<void> {
  const { buffered, onProgress, signal, ackWait = 400, stall = 20_000 } = options;
  let acked = 0;
  let sent = 0;
  let silent = false;
  let refused: ClipboardError | null = null;
  let wake: () => void = () => {};
  stream.onack = (status) => {
    if (status.code >= 0x100) refused = new ClipboardError(status.code, status.message ?? "");
    else acked++;
    wake();
  };
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const check = (): void => {
    if (refused) throw refused;
    if (signal?.aborted) throw new ClipboardError(0, "cancelled");
  };
  // Waits until `done()`, or until the far side has been silent for too long.
  const until = async (done: () => boolean): Promise<void> => {
    let seen = acked;
    let since = performance.now();
    while (!done()) {
      check();
      await pause(silent ? 20 : 50);
      if (acked !== seen) {
        seen = acked;
        since = performance.now();
      }
      const quiet = performance.now() - since;
      if (!acked && quiet >= ackWait) silent = true;
      if (quiet >= stall) throw new ClipboardError(0x0202, "stalled");
    }
    check();
  };

  // Opening is acknowledged too, or nothing is.
  await until(() => silent || acked > 0);
  const blobs = Math.ceil(bytes.length / BLOB);
  while (sent < blobs) {
    await until(() => (silent ? buffered() < 0x40000 : sent + 1 - acked < WINDOW));
    stream.sendBlob(toBase64(bytes.subarray(sent * BLOB, ++sent * BLOB)));
    onProgress?.(Math.min(sent * BLOB, bytes.length), bytes.length);
  }
  // The library forgets the stream with its end, so what is still to be heard comes first.
  await until(() => silent || acked > blobs);
  stream.onack = null;
  stream.sendEnd();
}

export interface InStream {
  onblob: ((data: string) => void) | null;
  onend: (() => void) | null;
  sendAck(message: string, code: number): void;
}

// Collects a stream; null when it is larger than `max` (the rest is refused, nothing is kept).
export function readStream(stream: InStream, max: number, done: (bytes: Uint8Array<ArrayBuffer> | null) => void): void {
  let parts: Uint8Array[] = [];
  let size = 0;
  stream.onblob = (data) => {
    if (size > max) return;
    const part = fromBase64(data);
    size += part.length;
    if (size > max) {
      parts = [];
      stream.sendAck("too large", 0x30d);
      done(null);
      return;
    }
    parts.push(part);
    stream.sendAck("OK", 0);
  };
  stream.onend = () => {
    if (size > max) return;
    const out = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    done(out);
  };
}

// A stream of JSON lines, as `guac.text` and `guac.state` are. Lines that are no JSON are dropped.
export function readLines(stream: InStream, line: (value: Record<string, unknown>) => void): void {
  const decoder = new TextDecoder();
  let rest = "";
  stream.onblob = (data) => {
    rest += decoder.decode(fromBase64(data), { stream: true });
    stream.sendAck("OK", 0);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > 0x100000) rest = "";
    for (const text of lines) {
      if (!text) continue;
      try {
        const value: unknown = JSON.parse(text);
        if (value && typeof value === "object") line(value as Record<string, unknown>);
      } catch {
        /* not ours */
      }
    }
  };
}
