// Where a download goes. Small files: pieces of a Blob, which the browser keeps (and puts on disk)
// outside the page. Large ones: straight into a file of the browser's private storage, given out as a
// download when whole, so that no file of any size is held in memory.

export interface Sink {
  write(part: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>; // hands it to the person
  abort(): Promise<void>;
}

const LUMP = 4 << 20;
const LARGE = 64 << 20;
const KEPT = 600_000; // ms a finished private file stays while the browser copies it

interface Writable {
  write(data: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}
interface FileHandle {
  createWritable?(): Promise<Writable>;
  getFile(): Promise<File>;
}
interface Folder {
  getFileHandle(name: string, options: { create: boolean }): Promise<FileHandle>;
  removeEntry(name: string): Promise<void>;
}

export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}

export async function openSink(name: string, size: number | null): Promise<Sink> {
  if (size === null || size > LARGE) {
    const disk = await openDisk(name).catch(() => null);
    if (disk) return disk;
  }
  return openBlob(name);
}

// Blob pieces of a few megabytes: the page itself holds one lump at most.
function openBlob(name: string): Sink {
  let pieces: Blob[] = [];
  let lump: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  const fold = () => {
    if (lump.length) pieces.push(new Blob(lump));
    lump = [];
    held = 0;
  };
  return {
    async write(part) {
      lump.push(part);
      held += part.length;
      if (held >= LUMP) fold();
    },
    async close() {
      fold();
      // Never rendered, whatever it is: a download of unknown bytes.
      save(new Blob(pieces, { type: "application/octet-stream" }), name);
      pieces = [];
    },
    async abort() {
      pieces = [];
      lump = [];
    },
  };
}

async function openDisk(name: string): Promise<Sink | null> {
  const root = (await navigator.storage?.getDirectory?.()) as unknown as Folder | undefined;
  if (!root) return null;
  const file = `download-${crypto.randomUUID()}`;
  const handle = await root.getFileHandle(file, { create: true });
  if (!handle.createWritable) return null;
  const out = await handle.createWritable();
  let lump: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  const fold = async () => {
    const whole = new Uint8Array(held);
    let at = 0;
    for (const part of lump) {
      whole.set(part, at);
      at += part.length;
    }
    lump = [];
    held = 0;
    await out.write(whole);
  };
  return {
    async write(part) {
      lump.push(part);
      held += part.length;
      if (held >= LUMP) await fold();
    },
    async close() {
      await fold();
      await out.close();
      save(await handle.getFile(), name);
      setTimeout(() => void root.removeEntry(file).catch(() => {}), KEPT);
    },
    async abort() {
      await out.abort().catch(() => {});
      await root.removeEntry(file).catch(() => {});
    },
  };
}

// What a closed page left behind.
export async function sweep(): Promise<void> {
  const root = await navigator.storage?.getDirectory?.().catch(() => undefined);
  if (!root) return;
  const names: string[] = [];
  for await (const name of (root as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  for (const name of names) if (name.startsWith("download-")) await root.removeEntry(name).catch(() => {});
}
