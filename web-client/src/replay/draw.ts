// Executes a recording's drawing, and nothing else: an opcode that is not in the table below does
// not exist. No clipboard, file, pipe, argv, audio, nest: what was recorded is somebody else's, and
// may be hostile. Numbers are checked, areas bounded, broken pictures skipped.
import { Client, Display, type Layer, type VisibleLayer } from "@glokon/guacamole-common-js";
import { InstructionParser } from "../lib/instructions.ts";
import { fromBase64 } from "../session/clipboard.ts";

const SIDE = 8192;
const LAYERS = 1024;
const AREA = 160 << 20; // pixels of all layers together
const STREAMS = 64;
const BLOB = 32 << 20;
const IMAGES = new Set(["image/png", "image/jpeg", "image/webp"]);

interface Image {
  layer: Layer;
  index: number;
  mask: number;
  x: number;
  y: number;
  type: string;
  parts: Uint8Array<ArrayBuffer>[];
  size: number;
}

// Members of the library's Display that its types leave out.
interface FullDisplay extends Display {
  createLayer(): VisibleLayer;
  createBuffer(): Layer;
  drawImage(layer: Layer, x: number, y: number, image: CanvasImageSource): void;
  setCursor(x: number, y: number, layer: Layer, sx: number, sy: number, w: number, h: number): void;
  moveCursor(x: number, y: number): void;
  showCursor(shown: boolean): void;
  flush(done: () => void): void;
  cancel(): void;
  [method: string]: unknown;
}

type Handler = (this: Drawing, a: string[]) => void;

class Bad extends Error {}

function int(text: string | undefined, low: number, high: number): number {
  if (text === undefined || !/^-?\d{1,10}$/.test(text)) throw new Bad();
  const n = Number(text);
  if (n < low || n > high) throw new Bad();
  return n;
}
const at = (text: string | undefined): number => int(text, -SIDE, SIDE);
const side = (text: string | undefined): number => int(text, 0, SIDE);
const byte = (text: string | undefined): number => int(text, 0, 255);
function real(text: string | undefined): number {
  const n = Number(text);
  if (!text || text.length > 32 || !Number.isFinite(n)) throw new Bad();
  return n;
}

const caps = ["butt", "round", "square"];
const joins = ["bevel", "miter", "round"];

const handlers: Record<string, Handler> = {
  size(a) {
    const index = this.id(a[0]);
    const [w, h] = [side(a[1]), side(a[2])];
    if (this.grow(index, w, h, true)) this.call("resize", this.layer(index), w, h);
  },
  move(a) {
    const [index, parent] = [this.id(a[0]), this.id(a[1])];
    if (index <= 0 || parent < 0 || this.under(parent, index)) return;
    this.parents.set(index, parent);
    this.call("move", this.layer(index), this.layer(parent), at(a[2]), at(a[3]), int(a[4], -1e6, 1e6));
  },
  shade(a) {
    const index = this.id(a[0]);
    if (index >= 0) this.call("shade", this.layer(index), byte(a[1]));
  },
  dispose(a) {
    const index = this.id(a[0]);
    if (index === 0) return;
    if (index > 0) this.call("dispose", this.layer(index));
    this.forget(index);
  },
  copy(a) {
    const target = this.id(a[6]);
    const [w, h, x, y] = [side(a[3]), side(a[4]), at(a[7]), at(a[8])];
    const source = this.layer(this.id(a[0]));
    if (!this.grow(target, x + w, y + h)) return;
    const layer = this.layer(target);
    this.call("setChannelMask", layer, int(a[5], 0, 15));
    this.call("copy", source, at(a[1]), at(a[2]), w, h, layer, x, y);
  },
  transfer(a) {
    const target = this.id(a[6]);
    const [w, h, x, y] = [side(a[3]), side(a[4]), at(a[7]), at(a[8])];
    const source = this.layer(this.id(a[0]));
    const fn = int(a[5], 0, 15);
    if (!this.grow(target, x + w, y + h) || fn === 5) return;
    const layer = this.layer(target);
    if (fn === 3) this.call("put", source, at(a[1]), at(a[2]), w, h, layer, x, y);
    else this.call("transfer", source, at(a[1]), at(a[2]), w, h, layer, x, y,
      (Client as unknown as { DefaultTransferFunction: unknown[] }).DefaultTransferFunction[fn]);
  },
  rect(a) {
    const index = this.id(a[0]);
    const [x, y, w, h] = [at(a[1]), at(a[2]), side(a[3]), side(a[4])];
    if (this.grow(index, x + w, y + h)) this.call("rect", this.layer(index), x, y, w, h);
  },
  cfill(a) {
    const layer = this.layer(this.id(a[1]));
    this.call("setChannelMask", layer, int(a[0], 0, 15));
    this.call("fillColor", layer, byte(a[2]), byte(a[3]), byte(a[4]), byte(a[5]));
  },
  lfill(a) {
    const layer = this.layer(this.id(a[1]));
    this.call("setChannelMask", layer, int(a[0], 0, 15));
    this.call("fillLayer", layer, this.layer(this.id(a[2])));
  },
  cstroke(a) {
    const layer = this.layer(this.id(a[1]));
    this.call("setChannelMask", layer, int(a[0], 0, 15));
    this.call("strokeColor", layer, caps[int(a[2], 0, 2)], joins[int(a[3], 0, 2)], side(a[4]), byte(a[5]), byte(a[6]), byte(a[7]), byte(a[8]));
  },
  start(a) { this.call("moveTo", this.layer(this.id(a[0])), at(a[1]), at(a[2])); },
  line(a) { this.call("lineTo", this.layer(this.id(a[0])), at(a[1]), at(a[2])); },
  arc(a) { this.call("arc", this.layer(this.id(a[0])), at(a[1]), at(a[2]), side(a[3]), real(a[4]), real(a[5]), int(a[6], 0, 1)); },
  curve(a) { this.call("curveTo", this.layer(this.id(a[0])), at(a[1]), at(a[2]), at(a[3]), at(a[4]), at(a[5]), at(a[6])); },
  close(a) { this.call("close", this.layer(this.id(a[0]))); },
  clip(a) { this.call("clip", this.layer(this.id(a[0]))); },
  push(a) { this.call("push", this.layer(this.id(a[0]))); },
  pop(a) { this.call("pop", this.layer(this.id(a[0]))); },
  reset(a) { this.call("reset", this.layer(this.id(a[0]))); },
  identity(a) { this.call("setTransform", this.layer(this.id(a[0])), 1, 0, 0, 1, 0, 0); },
  transform(a) { this.call("transform", this.layer(this.id(a[0])), ...a.slice(1, 7).map(real)); },
  distort(a) {
    const index = this.id(a[0]);
    if (index >= 0) this.call("distort", this.layer(index), ...a.slice(1, 7).map(real));
  },
  cursor(a) {
    this.call("setCursor", at(a[0]), at(a[1]), this.layer(this.id(a[2])), at(a[3]), at(a[4]), side(a[5]), side(a[6]));
    this.hasCursor = true;
  },
  mouse(a) {
    const [x, y] = [at(a[0]), at(a[1])];
    this.ops.push(() => {
      if (!this.hasCursor) this.arrow();
      this.display.showCursor(true);
      this.display.moveCursor(x, y);
    });
  },
  img(a) {
    const index = this.id(a[2]);
    const type = a[3] ?? "";
    if (!IMAGES.has(type) || this.streams.size >= STREAMS) return;
    this.streams.set(int(a[0], 0, 1 << 20), {
      layer: this.layer(index), index, mask: int(a[1], 0, 15), type, x: at(a[4]), y: at(a[5]), parts: [], size: 0,
    });
  },
  blob(a) {
    const image = this.streams.get(int(a[0], 0, 1 << 20));
    if (!image) return;
    const part = fromBase64(a[1] ?? "");
    image.size += part.length;
    if (image.size > BLOB) this.streams.delete(Number(a[0]));
    else image.parts.push(part);
  },
  end(a) {
    const stream = int(a[0], 0, 1 << 20);
    const image = this.streams.get(stream);
    if (!image) return;
    this.streams.delete(stream);
    this.draw(image);
  },
  sync() {},
  nop() {},
  ack() {},
};

export class Drawing {
  readonly display = new Display() as FullDisplay;
  readonly streams = new Map<number, Image>();
  readonly parents = new Map<number, number>();
  ops: (() => void)[] = [];
  hasCursor = false;
  skipped = 0; // instructions that were refused
  onresize: (width: number, height: number) => void = () => {};
  #layers = new Map<number, Layer>();
  #sizes = new Map<number, [number, number]>();
  #area = 0;
  #decoding: Promise<unknown>[] = [];
  #bitmaps: ImageBitmap[] = [];
  #parser = new InstructionParser();

  constructor() {
    this.display.onresize = (w, h) => this.onresize(w, h);
  }

  get element(): HTMLElement {
    return this.display.getElement();
  }

  // Takes instructions in; nothing is visible before flush().
  feed(text: string): void {
    this.#parser.feed(text, (opcode, args) => {
      const handler = Object.hasOwn(handlers, opcode) ? handlers[opcode] : undefined;
      if (!handler) return;
      try {
        handler.call(this, args);
      } catch {
        this.skipped++;
      }
    });
  }

  // How much is waiting to be decoded: feeders flush in between when it grows.
  get pending(): number {
    return this.#decoding.length;
  }

  async flush(): Promise<void> {
    const [ops, decoding, bitmaps] = [this.ops, this.#decoding, this.#bitmaps];
    this.ops = [];
    this.#decoding = [];
    this.#bitmaps = [];
    await Promise.all(decoding);
    for (const op of ops) op();
    await new Promise<void>((done) => this.display.flush(done));
    for (const bitmap of bitmaps) bitmap.close();
  }

  close(): void {
    this.display.cancel();
    this.element.remove();
    // Pixels are given back now, not when the collector thinks of it: a seek makes a new canvas.
    for (const layer of [...this.#layers.values(), this.display.getDefaultLayer()]) {
      const canvas = (layer as unknown as { getCanvas(): HTMLCanvasElement }).getCanvas();
      canvas.width = canvas.height = 0;
    }
    this.#layers.clear();
    for (const bitmap of this.#bitmaps) bitmap.close();
  }

  // A recording without pointer pictures (a terminal's) still shows where the pointer was.
  arrow(): void {
    this.hasCursor = true;
    const canvas = document.createElement("canvas");
    canvas.width = 14;
    canvas.height = 20;
    const g = canvas.getContext("2d") as CanvasRenderingContext2D;
    g.beginPath();
    for (const [x, y] of [[1, 1], [1, 15], [4.5, 12], [7, 18], [9.5, 17], [7, 11], [12, 11]] as const) g.lineTo(x, y);
    g.closePath();
    g.fillStyle = "#fff";
    g.strokeStyle = "#000";
    g.fill();
    g.stroke();
    const layer = this.display.createBuffer();
    layer.resize(14, 20);
    layer.drawImage(0, 0, canvas as unknown as HTMLImageElement);
    this.display.setCursor(0, 0, layer, 0, 0, 14, 20);
  }

  call(method: string, ...args: unknown[]): void {
    this.ops.push(() => (this.display[method] as (...a: unknown[]) => void)(...args));
  }

  id(text: string | undefined): number {
    return int(text, -LAYERS, LAYERS);
  }

  layer(index: number): Layer {
    let layer = this.#layers.get(index);
    if (!layer) {
      layer = index === 0 ? this.display.getDefaultLayer() : index > 0 ? this.display.createLayer() : this.display.createBuffer();
      this.#layers.set(index, layer);
    }
    return layer;
  }

  forget(index: number): void {
    this.#layers.delete(index);
    this.parents.delete(index);
    const [w, h] = this.#sizes.get(index) ?? [0, 0];
    this.#area -= w * h;
    this.#sizes.delete(index);
  }

  // Is `layer` below `ancestor` (or the same)? Then a move would tie a knot.
  under(layer: number, ancestor: number): boolean {
    for (let i: number | undefined = layer; i !== undefined; i = this.parents.get(i)) if (i === ancestor) return true;
    return false;
  }

  // Accounts for a layer's area; buffers grow with what is drawn into them.
  grow(index: number, w: number, h: number, exact = false): boolean {
    if (index >= 0 && !exact) return true;
    const [bw, bh] = this.#sizes.get(index) ?? [0, 0];
    const [nw, nh] = exact ? [w, h] : [Math.max(bw, w), Math.max(bh, h)];
    const area = this.#area - bw * bh + nw * nh;
    if (nw > SIDE || nh > SIDE || area > AREA) {
      this.skipped++;
      return false;
    }
    this.#area = area;
    this.#sizes.set(index, [nw, nh]);
    return true;
  }

  draw(image: Image): void {
    let bitmap: ImageBitmap | null = null;
    const bitmaps = this.#bitmaps; // of this flush
    this.#decoding.push(
      createImageBitmap(new Blob(image.parts, { type: image.type })).then(
        (decoded) => {
          bitmap = decoded;
          bitmaps.push(decoded);
        },
        () => { this.skipped++; },
      ),
    );
    this.ops.push(() => {
      if (!bitmap || !this.grow(image.index, image.x + bitmap.width, image.y + bitmap.height)) return;
      (this.display["setChannelMask"] as (l: Layer, m: number) => void)(image.layer, image.mask);
      this.display.drawImage(image.layer, image.x, image.y, bitmap);
    });
  }
}
