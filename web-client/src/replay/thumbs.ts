// Small pictures of moments, for the timeline: the keyframe at or before it, drawn once and kept
// small. One is made at a time; what the pointer has left already is not made.
import { Drawing } from "./draw.ts";
import type { Index } from "./index.ts";
import type { Loader } from "./loader.ts";

const WIDTH = 240;
const KEPT = 48;
const REST = 90; // ms the pointer stays before anything is fetched

export class Thumbs {
  #made = new Map<string, HTMLCanvasElement>();
  #want = "";
  #busy = false;
  #timer = 0;

  constructor(public index: Index, readonly loader: Loader) {}

  // At once what is there; else `ready` is called when it came.
  at(ms: number, ready: () => void): HTMLCanvasElement | null {
    const object = this.index.keyframes[this.index.keyframeAt(ms)];
    if (!object) return null;
    const made = this.#made.get(object.name);
    if (made) return made;
    clearTimeout(this.#timer);
    this.#want = object.name;
    this.#timer = window.setTimeout(() => void this.#make(object.name, ready), REST);
    return null;
  }

  leave(): void {
    clearTimeout(this.#timer);
    this.#want = "";
  }

  async #make(name: string, ready: () => void): Promise<void> {
    if (this.#busy || this.#want !== name) {
      if (this.#want === name) this.#timer = window.setTimeout(() => void this.#make(name, ready), REST);
      return;
    }
    this.#busy = true;
    const drawing = new Drawing();
    try {
      const loaded = await this.loader.get(name);
      drawing.feed(new TextDecoder().decode(loaded.bytes));
      await drawing.flush();
      const [width, height] = [drawing.display.getWidth(), drawing.display.getHeight()];
      if (!width || !height) return;
      const small = document.createElement("canvas");
      const scale = Math.min(1, WIDTH / width, (WIDTH * 0.75) / height);
      small.width = Math.max(1, Math.round(width * scale));
      small.height = Math.max(1, Math.round(height * scale));
      small.getContext("2d")?.drawImage(drawing.display.flatten(), 0, 0, small.width, small.height);
      this.#made.set(name, small);
      for (const oldest of this.#made.keys()) {
        if (this.#made.size <= KEPT) break;
        this.#made.delete(oldest);
      }
      ready();
    } catch {
      /* no picture then: the time alone is shown */
    } finally {
      drawing.close();
      this.#busy = false;
    }
  }
}
