// The WebSocket tunnel, as guacamole-common-js's Client expects a Tunnel to be. Our own, since the
// stock one keeps the round trip to itself and turns a lost line and a refusal into the same thing.
import { encode, InstructionParser } from "../lib/instructions.ts";

const PING_EVERY = 500;
const UNSTABLE_AFTER = 1500;
const LOST_AFTER = 15_000;

export const enum TunnelState { CONNECTING = 0, OPEN = 1, CLOSED = 2, UNSTABLE = 3 }

// status: what the far side said (decimal close reason), null when the line simply broke.
export interface Closed {
  status: number | null;
  wasOpen: boolean;
}

export function closeStatus(code: number, reason: string): number | null {
  if (/^\d{1,5}$/.test(reason)) return Number(reason);
  switch (code) {
    case 1000: return 0;
    case 1002: case 1003: case 1007: return 0x300;
    case 1008: return 0x303;
    case 1009: return 0x30d;
    case 1011: case 1013: return 0x200;
    default: return null;
  }
}

export class SocketTunnel {
  state: TunnelState = TunnelState.CLOSED;
  uuid: string | null = null;
  oninstruction: ((opcode: string, args: string[]) => void) | null = null;
  onuuid: ((uuid: string) => void) | null = null;
  onstatechange: ((state: TunnelState) => void) | null = null;
  onclosed: ((closed: Closed) => void) | null = null;
  onroundtrip: ((ms: number) => void) | null = null;
  onerror: ((status: unknown) => void) | null = null; // part of the Tunnel interface, never used

  #socket: WebSocket | null = null;
  #lastPing = 0;
  #timers: number[] = [];

  constructor(readonly path: string) {}

  connect(query: string): void {
    const url = new URL(this.path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = query;
    const parser = new InstructionParser();
    const socket = (this.#socket = new WebSocket(url, "guacamole"));
    this.#setState(TunnelState.CONNECTING);
    this.#heard();
    socket.onopen = () => this.#heard();
    socket.onmessage = (event: MessageEvent<string>) => {
      this.#heard();
      try {
        parser.feed(event.data, (opcode, args) => this.#instruction(opcode, args));
      } catch {
        this.#close({ status: 0x200, wasOpen: this.uuid !== null });
      }
    };
    socket.onclose = (event) =>
      this.#close({ status: closeStatus(event.code, event.reason), wasOpen: this.uuid !== null });
  }

  disconnect(): void {
    this.#close({ status: 0, wasOpen: this.uuid !== null });
  }

  sendMessage(...elements: unknown[]): void {
    if (this.isConnected() && elements.length) this.#socket?.send(encode(elements));
  }

  isConnected(): boolean {
    return (
      (this.state === TunnelState.OPEN || this.state === TunnelState.UNSTABLE) &&
      this.#socket?.readyState === WebSocket.OPEN
    );
  }

  get buffered(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  #instruction(opcode: string, args: string[]): void {
    if (this.uuid === null) {
      if (opcode === "" && args.length === 1) {
        this.uuid = args[0] as string;
        this.onuuid?.(this.uuid);
      }
      this.#setState(TunnelState.OPEN);
    }
    if (opcode !== "") this.oninstruction?.(opcode, args);
    else if (args[0] === "ping") {
      const ms = Date.now() - Number(args[1]);
      if (ms >= 0 && ms < LOST_AFTER) this.onroundtrip?.(ms);
    }
  }

  // Something arrived: the line is fine. A ping goes out from here too, since a browser slows the
  // timers of a page that nobody looks at.
  #heard(): void {
    this.#clear();
    if (this.state === TunnelState.UNSTABLE) this.#setState(TunnelState.OPEN);
    this.#timers = [
      window.setTimeout(() => this.#close({ status: null, wasOpen: this.uuid !== null }), LOST_AFTER),
      window.setTimeout(() => {
        if (this.state === TunnelState.OPEN) this.#setState(TunnelState.UNSTABLE);
      }, UNSTABLE_AFTER),
      window.setTimeout(() => this.#ping(), Math.max(this.#lastPing + PING_EVERY - Date.now(), 0)),
    ];
  }

  #ping(): void {
    this.#lastPing = Date.now();
    this.sendMessage("", "ping", this.#lastPing);
  }

  #close(closed: Closed): void {
    this.#clear();
    if (this.state === TunnelState.CLOSED) return;
    this.#setState(TunnelState.CLOSED);
    const socket = this.#socket;
    if (socket) {
      socket.onmessage = socket.onclose = socket.onopen = null;
      socket.close();
    }
    this.onclosed?.(closed);
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  #setState(state: TunnelState): void {
    if (state === this.state) return;
    this.state = state;
    this.onstatechange?.(state);
  }
}
