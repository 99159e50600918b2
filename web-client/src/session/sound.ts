// Sound of the session: raw samples (audio/L8, audio/L16) to the speakers, with a volume of its own.
// Browsers keep an audio context silent until a person has touched the page, so it is woken then.
import type { AudioPlayer, InputStream } from "@glokon/guacamole-common-js";
import { fromBase64 } from "./clipboard.ts";

const AHEAD = 0.25; // seconds of sound waiting at most; what comes later than that is dropped
const START = 0.06; // seconds kept back so that a late packet does not crackle

export interface Format {
  bytes: 1 | 2;
  channels: number;
  rate: number;
}

// Guacamole's own spelling has a comma: audio/L16;rate=44100,channels=2.
export function parseFormat(mimetype: string): Format | null {
  const m = /^audio\/L(8|16)((?:[;,]\s*\w+=\d+)*)$/.exec(mimetype);
  if (!m) return null;
  const value = (name: string, or: number) => Number(new RegExp(`[;,]\\s*${name}=(\\d+)`).exec(m[2] ?? "")?.[1] ?? or);
  const [rate, channels] = [value("rate", 44100), value("channels", 1)];
  if (rate < 3000 || rate > 192_000 || channels < 1 || channels > 8) return null;
  return { bytes: m[1] === "8" ? 1 : 2, channels, rate };
}

// Interleaved signed samples to one row of floats a channel.
export function samples(data: Uint8Array<ArrayBuffer>, format: Format): Float32Array<ArrayBuffer>[] {
  const count = Math.floor(data.length / (format.bytes * format.channels));
  const out = Array.from({ length: format.channels }, () => new Float32Array(count));
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let i = 0, at = 0; i < count; i++)
    for (let c = 0; c < format.channels; c++, at += format.bytes)
      (out[c] as Float32Array)[i] = format.bytes === 1 ? view.getInt8(at) / 128 : view.getInt16(at, true) / 32768;
  return out;
}

let context: AudioContext | null = null;
function shared(): AudioContext | null {
  if (!context && typeof AudioContext === "function") {
    context = new AudioContext({ latencyHint: "interactive" });
    const wake = () => {
      void context?.resume().then(() => {
        if (context?.state !== "running") return;
        for (const type of ["pointerdown", "keydown"]) document.removeEventListener(type, wake, true);
      });
    };
    for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, wake, true);
    wake();
  }
  return context;
}

export class Sound {
  heard = false; // something can be heard: there is a stream
  onchange: () => void = () => {};
  #volume = 1;
  #gain: GainNode | null = null;

  get volume(): number {
    return this.#volume;
  }

  set volume(value: number) {
    this.#volume = Math.min(1, Math.max(0, value));
    if (this.#gain) this.#gain.gain.value = this.#volume;
    this.onchange();
  }

  get blocked(): boolean {
    return this.heard && context?.state === "suspended";
  }

  // For Client.onaudio: null refuses the stream.
  play(stream: InputStream, mimetype: string): AudioPlayer | null {
    const format = parseFormat(mimetype);
    const audio = format && shared();
    if (!format || !audio) return null;
    if (!this.#gain) {
      this.#gain = audio.createGain();
      this.#gain.gain.value = this.#volume;
      this.#gain.connect(audio.destination);
    }
    const gain = this.#gain;
    let next = 0;
    stream.onblob = (data) => {
      const bytes = fromBase64(data);
      if (!this.heard) {
        this.heard = true;
        this.onchange();
      }
      const now = audio.currentTime;
      if (audio.state !== "running" || this.#volume === 0 || next > now + AHEAD) return;
      const rows = samples(bytes, format);
      const length = rows[0]?.length ?? 0;
      if (!length) return;
      const buffer = audio.createBuffer(format.channels, length, format.rate);
      rows.forEach((row, c) => buffer.copyToChannel(row, c));
      const source = audio.createBufferSource();
      source.buffer = buffer;
      source.connect(gain);
      if (next < now) next = now + START;
      source.start(next);
      next += buffer.duration;
    };
    return { sync() {} } as AudioPlayer;
  }

  close(): void {
    this.#gain?.disconnect();
    this.#gain = null;
  }
}
