// One session in the page: the tunnel, the client library, input, clipboard, and coming back after
// a lost line. No markup: it draws into the element it is given and tells what changed by `view`.
import { Client, Mouse, Touch, type InputStream, type OutputStream } from "@glokon/guacamole-common-js";
import { api, ApiError, post, type Pick, type Session as SessionInfo } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import type { JoinRole } from "../lib/router.ts";
import { isMac, settings } from "../lib/settings.ts";
import { delay } from "./backoff.ts";
import { ClipboardError, readLines, readStream, sendBytes } from "./clipboard.ts";
import { Files } from "./files.ts";
import { Keys, pasteKeys, typed, type KeyLike, type KeyOut } from "./keys.ts";
import { promptsFor, type Prompt } from "./prompts.ts";
import { remoteSize, scaleFor, zoomed, type Fit } from "./screen.ts";
import { Sound } from "./sound.ts";
import { mayComeBack, Status, verdict, type Verdict } from "./status.ts";
import { applyState, emptyState, type RemoteState } from "./state.ts";
import { ScreenText } from "./text.ts";
import { SocketTunnel, TunnelState } from "./tunnel.ts";

export type Phase =
  | { at: "connecting" }
  | { at: "live"; unstable: boolean }
  | { at: "lost"; attempt: number; next: number }
  | { at: "ended"; verdict: Verdict; next: number; alive: boolean };

export interface Received {
  text: string;
  truncated: boolean;
}

export interface View {
  phase: Phase;
  id: string;
  title: string;
  roundTrip: number | null;
  lag: number | null;
  fps: number | null;
  modifiers: string[];
  prompts: Prompt[];
  received: Received | null;
  sending: { sent: number; total: number } | null;
  notice: string;
  remote: RemoteState;
  fit: Fit;
  sharp: boolean; // the remote screen has as many pixels as the panel, not as the page counts
  touch: "touchscreen" | "touchpad";
  size: { width: number; height: number };
}

export interface Target {
  connection: string; // namespace/name, "" when only the id is known
  protocol: string;
  id: string; // of a session to come back to, ""
  role: JoinRole | ""; // to join somebody else's session in; "": one's own
  pick?: Pick; // of a cluster: namespace, pod, container, command
  ownToken?: boolean; // its cluster takes the person's own token, which has to be renewed
}

const CLIPBOARD_MAX = 16 << 20;
const GRACE = 60_000;
const TERMINALS = new Set(["ssh", "kubernetes", "telnet"]);

export class Session {
  view: View;
  readonly keys: Keys;
  readonly text = new ScreenText();
  readonly key = crypto.randomUUID?.() ?? String(Math.random()); // of this screen in this page
  readonly files = new Files();
  folder = "/"; // that the file panel shows
  readonly sound = new Sound();
  onid: (id: string) => void = () => {};

  #tunnel: SocketTunnel | null = null;
  #client: Client | null = null;
  #host: HTMLElement | null = null;
  #observer: ResizeObserver | null = null;
  #sizeTimer = 0;
  #sentSize = "";
  #retryTimer = 0;
  #tokenTimer = 0;
  #lostSince = 0;
  #alive = false; // a picture has been seen in this page
  #over = false; // the person left
  #said: { code: number; text: string } | null = null; // `error` before the close
  #bye = false; // `disconnect` by the server
  #required: string[] = [];
  #sending: AbortController | null = null;
  #listeners = new Set<() => void>();
  #multitouch = 0; // touches the far side takes as such
  #abort = new AbortController();

  constructor(readonly target: Target) {
    this.view = {
      phase: { at: "connecting" }, id: target.id, title: "", roundTrip: null, lag: null, fps: null,
      modifiers: [], prompts: [], received: null, sending: null, notice: "",
      remote: emptyState(), fit: "fit", size: { width: 0, height: 0 },
      // A VNC server draws for one density: on a dense panel its letters would be tiny.
      sharp: target.protocol !== "vnc", touch: settings().touch,
    };
    this.files.onchange = this.sound.onchange = () => this.#tell();
    this.files.buffered = () => this.#tunnel?.buffered ?? 0;
    this.keys = new Keys({
      mac: isMac(),
      terminal: () => this.isTerminal,
      commandAsCtrl: () => settings().commandAsCtrl,
      ctrlVPastes: () => settings().ctrlVPastes,
    });
  }

  get isTerminal(): boolean {
    return TERMINALS.has(this.target.protocol);
  }

  // One who watches sends nothing: the session would not take it.
  get watching(): boolean {
    return this.view.remote.readOnly || this.target.role === "viewer" && this.view.remote.role !== "helper";
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  // ---- life ---------------------------------------------------------------------------------

  attach(host: HTMLElement): void {
    this.#host = host;
    const signal = this.#abort.signal;
    this.#observer = new ResizeObserver(() => this.#resized());
    this.#observer.observe(host);
    window.addEventListener("blur", () => this.releaseKeys(), { signal });
    document.addEventListener("visibilitychange", () => this.releaseKeys(), { signal });
    window.addEventListener("online", () => this.#comeBackNow(), { signal });
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => this.#resized(), { signal });
    this.#connect();
  }

  // Leaves the page: the session itself stays for the grace period.
  detach(): void {
    this.#over = true;
    this.#abort.abort();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#sizeTimer);
    clearTimeout(this.#tokenTimer);
    this.#observer?.disconnect();
    this.#sending?.abort();
    this.files.reset();
    this.sound.close();
    this.#tunnel?.disconnect();
  }

  // Ends the session for good.
  end(): void {
    this.releaseKeys();
    clearTimeout(this.#retryTimer);
    const client = this.#client;
    // Who is a guest leaves; who owns it ends it.
    const guest = (this.target.role === "viewer" || this.target.role === "helper");
    const id = guest ? "" : this.view.id;
    this.#finish(verdict(Status.SUCCESS), false);
    // A closed tunnel alone would leave the session waiting for its owner: it is ended by name.
    const over = id ? post(`/api/sessions/${encodeURIComponent(id)}/end`, { text: "" }).catch(() => {}) : Promise.resolve();
    void over.then(() => client?.disconnect());
  }

  retry(): void {
    clearTimeout(this.#retryTimer);
    const phase = this.view.phase;
    if (phase.at === "ended" && !phase.alive) {
      this.target.id = "";
      this.#alive = false;
      this.#set({ id: "", remote: emptyState() });
    }
    this.#set({ phase: { at: "connecting" } });
    this.#connect();
  }

  stopRetrying(): void {
    clearTimeout(this.#retryTimer);
    const phase = this.view.phase;
    if (phase.at === "ended") this.#set({ phase: { ...phase, next: 0 } });
    else if (phase.at === "lost") this.#finish({ ...verdict(Status.UPSTREAM_NOT_FOUND), retry: "manual" }, true);
  }

  #connect(): void {
    const host = this.#host;
    if (!host || this.#over) return;
    this.#tunnel?.disconnect();
    const want = remoteSize(host.clientWidth, host.clientHeight, this.#ratio);
    const query = new URLSearchParams();
    if (this.target.id) query.set("session", this.target.id);
    else query.set("connection", this.target.connection);
    if (!this.target.id) for (const [name, value] of Object.entries(this.target.pick ?? {})) query.set(name, value);
    if (this.target.role) query.set("role", this.target.role);
    query.set("width", String(want.width));
    query.set("height", String(want.height));
    query.set("dpi", String(want.dpi));
    query.set("timezone", Intl.DateTimeFormat().resolvedOptions().timeZone);
    for (const type of ["image/png", "image/jpeg", "image/webp"]) query.append("image", type);
    for (const type of ["audio/L8", "audio/L16"]) query.append("audio", type);
    query.set("client", "guac-web");
    for (const feature of ["text", "state"]) query.append("feature", feature);

    const tunnel = (this.#tunnel = new SocketTunnel("/tunnel"));
    const client = (this.#client = new Client(tunnel as unknown as ConstructorParameters<typeof Client>[0]));
    this.#said = null;
    this.#bye = false;
    this.#sentSize = `${want.width}x${want.height}`;
    tunnel.onuuid = (uuid) => this.#hasId(uuid);
    tunnel.onroundtrip = (ms) => {
      const before = this.view.roundTrip;
      this.#set({ roundTrip: before === null ? ms : Math.round(before * 0.75 + ms * 0.25) });
    };
    tunnel.onstatechange = (state) => {
      if (this.view.phase.at === "live")
        this.#set({ phase: { at: "live", unstable: state === TunnelState.UNSTABLE } });
    };
    tunnel.onclosed = ({ status }) => this.#closed(status, client);
    this.#listen(client, tunnel, host);
    client.connect(query.toString());
  }

  #listen(client: Client, tunnel: SocketTunnel, host: HTMLElement): void {
    const display = client.getDisplay();
    this.#pointer(client, display.getElement());
    let shown = false;
    client.onsync = () => {
      if (shown) return;
      shown = true;
      // The old picture stays until there is a new one.
      host.replaceChildren(display.getElement());
      this.#alive = true;
      this.#lostSince = 0;
      this.text.clear();
      this.#set({ phase: { at: "live", unstable: false } });
      this.#rescale();
      if (this.target.ownToken && !this.target.role) void this.#renewToken();
    };
    display.onresize = (width, height) => {
      this.#set({ size: { width, height } });
      this.#rescale();
    };
    display.statisticWindow = 1000;
    display.onstatistics = (stats) =>
      this.#set({ lag: stats.processingLag ?? null, fps: stats.clientFps ?? null });
    client.onname = (title) => this.#set({ title: title.slice(0, 200) });
    client.onerror = (status) => {
      this.#said = { code: status.code, text: status.message ?? "" };
    };
    client.onrequired = (names) => {
      this.#required = names.slice(0, 16);
      this.#set({ prompts: promptsFor(this.#required, this.view.remote.questions) });
    };
    client.onclipboard = (stream, mimetype) => this.#received(stream, mimetype);
    client.onpipe = (stream, _mimetype, name) => {
      if (name === "guac.text") readLines(stream as never, (line) => this.text.apply(line));
      else if (name === "guac.state") readLines(stream as never, (line) => this.#state(line));
      else stream.sendAck("unsupported", Status.UNSUPPORTED as never);
    };
    client.onfile = (stream, mimetype, name) => this.files.offer(stream, mimetype, name);
    client.onfilesystem = (object, name) => this.files.add(object, name);
    client.onaudio = (stream, mimetype) => this.sound.play(stream, mimetype);
    client.onmultitouch = (_layer, touches) => { this.#multitouch = touches; };
    const inner = tunnel.oninstruction;
    tunnel.oninstruction = (opcode, args) => {
      if (opcode === "disconnect") this.#bye = true;
      if (tunnel === this.#tunnel) inner?.(opcode, args);
    };
  }

  // The gateway keeps no token of anybody's: it makes a newer one of what this browser sends, and
  // says when to come again. What fails shows where the session needs it.
  async #renewToken(): Promise<void> {
    clearTimeout(this.#tokenTimer);
    if (this.#over || this.view.phase.at !== "live") return;
    let again = 30;
    try {
      again = (await post<{ again: number }>(`/api/sessions/${encodeURIComponent(this.view.id)}/token`, {})).again;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return;
    }
    if (again > 0 && !this.#over) this.#tokenTimer = window.setTimeout(() => void this.#renewToken(), again * 1000);
  }

  #hasId(uuid: string): void {
    const id = uuid.replace(/^\$/, "");
    this.target.id = id;
    this.#set({ id });
    this.onid(id);
  }

  #closed(status: number | null, client: Client): void {
    if (client !== this.#client || this.#over) return;
    this.releaseKeys(false);
    this.#sending?.abort();
    this.files.reset();
    this.#multitouch = 0;
    this.#set({ prompts: [], roundTrip: null });
    if (this.view.phase.at === "ended") return;
    if (this.#said) return this.#finish(verdict(this.#said.code, this.#said.text), false);
    if (this.#bye) {
      const { key, value } = this.view.remote.progress;
      return this.#finish(verdict(Status.SUCCESS, key === "exit" ? value : ""), false);
    }
    const back = this.target.id && (this.#alive || this.#lostSince > 0);
    if (back && mayComeBack(status)) return this.#comeBack();
    if (status === null) return void this.#explain();
    this.#finish(verdict(status), false);
  }

  // The line is gone, the session most likely is not.
  #comeBack(): void {
    const now = Date.now();
    if (!this.#lostSince) this.#lostSince = now;
    if (now - this.#lostSince > GRACE + 5000)
      return this.#finish({ ...verdict(Status.UPSTREAM_NOT_FOUND), retry: "manual" }, true);
    const attempt = this.view.phase.at === "lost" ? this.view.phase.attempt + 1 : 0;
    const wait = delay(attempt);
    this.#set({ phase: { at: "lost", attempt, next: now + wait } });
    this.#retryTimer = window.setTimeout(() => this.#connect(), wait);
  }

  #comeBackNow(): void {
    if (this.view.phase.at !== "lost") return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  // The line broke before anything was said: signed out, or the gateway is away?
  async #explain(): Promise<void> {
    try {
      const { sessions } = await api<{ sessions: SessionInfo[] }>("/api/sessions");
      if (this.#over) return;
      const known = !this.target.id || sessions.some((s) => s.id === this.target.id);
      this.#finish(verdict(known ? Status.UPSTREAM_UNAVAILABLE : Status.NOT_FOUND), known && !!this.target.id);
    } catch {
      if (!this.#over) this.#finish(verdict(Status.UPSTREAM_NOT_FOUND), !!this.target.id);
    }
  }

  #finish(result: Verdict, alive: boolean): void {
    const before = this.view.phase;
    const tries = before.at === "ended" || before.at === "connecting" ? this.#tries : 0;
    let next = 0;
    if (result.retry === "auto" && tries < 6 && (this.target.connection || alive)) {
      const wait = delay(tries + 2);
      next = Date.now() + wait;
      this.#retryTimer = window.setTimeout(() => this.retry(), wait);
      this.#tries = tries + 1;
    } else this.#tries = 0;
    this.#lostSince = 0;
    this.#set({ phase: { at: "ended", verdict: result, next, alive }, prompts: [] });
  }
  #tries = 0;
  #mouse = new Mouse.State({ x: 0, y: 0 } as never);

  // ---- screen -------------------------------------------------------------------------------

  setFit(fit: Fit): void {
    this.#set({ fit });
    this.#rescale();
  }

  get #ratio(): number {
    return this.view.sharp ? window.devicePixelRatio || 1 : 1;
  }

  setSharp(sharp: boolean): void {
    this.#set({ sharp });
    this.#resized();
  }

  // Size of a remote pixel as it is shown, in percent of its own.
  get percent(): number {
    return (this.#client?.getDisplay().getScale() ?? 1) * this.#ratio * 100;
  }

  zoom(step: 1 | -1): void {
    this.setFit(zoomed(this.percent, step));
  }

  #rescale(): void {
    const host = this.#host;
    const display = this.#client?.getDisplay();
    if (!host || !display) return;
    const scale = scaleFor(
      this.view.fit,
      { width: host.clientWidth, height: host.clientHeight },
      { width: display.getWidth(), height: display.getHeight() },
      this.#ratio,
    );
    if (Math.abs(scale - display.getScale()) > 1e-6) display.scale(scale);
  }

  #resized(): void {
    this.#rescale();
    clearTimeout(this.#sizeTimer);
    this.#sizeTimer = window.setTimeout(() => {
      const host = this.#host;
      if (!host || !this.#tunnel?.isConnected() || !host.clientWidth) return;
      const { width, height, dpi } = remoteSize(host.clientWidth, host.clientHeight, this.#ratio);
      if (this.watching || this.target.role === "helper") return; // the owner's window decides
      if (this.#sentSize === `${width}x${height}`) return;
      this.#sentSize = `${width}x${height}`;
      this.#tunnel.sendMessage("size", width, height, dpi);
    }, 200);
  }

  #pointer(client: Client, element: HTMLElement): void {
    const mouse = new Mouse(element);
    const display = client.getDisplay();
    const send = (state: Mouse.State) => {
      if (client === this.#client && !this.watching) client.sendMouseState(this.#mouse = state, true);
    };
    // Each way of touching sees fingers only while it is the chosen one.
    const screen = new Mouse.Touchscreen(when(element, () => this.view.touch === "touchscreen" && !this.#multitouch));
    const pad = new Mouse.Touchpad(when(element, () => this.view.touch === "touchpad" && !this.#multitouch));
    for (const source of [mouse, screen, pad])
      source.onEach(["mousedown", "mousemove", "mouseup"], (event) => send((event as Mouse.Event).state));
    new Touch(element).onEach(["touchstart", "touchmove", "touchend"], (event) => {
      if (!this.#multitouch || client !== this.#client) return;
      (event as Touch.Event).preventDefault();
      client.sendTouchState((event as Touch.Event).state, true);
    });
    this.#pinch(element);
    // The browser draws the pointer where its size is right; else it is a layer of the picture.
    display.oncursor = (canvas, x, y) => {
      const local = Math.abs(display.getScale() - 1) < 0.01 && mouse.setCursor(canvas, x, y);
      display.showCursor(!local);
    };
    mouse.on("mouseout", () => display.showCursor(false));
  }

  // Two fingers zoom and move the picture, where the far side has no use for them.
  #pinch(element: HTMLElement): void {
    let from: { distance: number; percent: number; x: number; y: number } | null = null;
    const two = (e: TouchEvent) => {
      const [a, b] = [e.touches[0] as globalThis.Touch, e.touches[1] as globalThis.Touch];
      return { distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2 };
    };
    element.addEventListener("touchstart", (e) => {
      const display = this.#client?.getDisplay();
      from = e.touches.length === 2 && display && !this.#multitouch ? { ...two(e), percent: this.percent } : null;
    });
    element.addEventListener("touchmove", (e) => {
      if (!from || e.touches.length !== 2) return;
      e.preventDefault();
      const now = two(e);
      const grown = now.distance / from.distance;
      if (Math.abs(grown - 1) > 0.08) this.setFit(Math.round(Math.min(400, Math.max(25, from.percent * grown))));
      this.#host?.scrollBy(from.x - now.x, from.y - now.y);
      from = { ...from, x: now.x, y: now.y };
    }, { passive: false });
    element.addEventListener("touchend", () => { from = null; });
  }

  setTouch(touch: View["touch"]): void {
    this.#set({ touch });
  }

  dismissMessage(): void {
    this.#set({ remote: { ...this.view.remote, message: "" } });
  }

  // Says that somebody is here, where a session ends for being idle.
  stay(): void {
    this.#client?.sendMouseState(this.#mouse, true);
    this.#set({ remote: { ...this.view.remote, warn: false } });
  }

  // ---- keys ---------------------------------------------------------------------------------

  keyDown(e: KeyLike): { prevent: boolean; action?: "toolbar" | "paste" } {
    const result = this.keys.down(e);
    this.press(result.send);
    this.#modifiers();
    return result;
  }

  keyUp(e: KeyLike): boolean {
    const result = this.keys.up(e);
    this.press(result.send);
    this.#modifiers();
    return result.prevent;
  }

  releaseKeys(send = true): void {
    const out = this.keys.releaseAll();
    if (send) this.press(out);
    this.#modifiers();
  }

  press(keys: KeyOut[]): void {
    if (this.watching) return;
    for (const [pressed, keysym] of keys) this.#client?.sendKeyEvent(pressed, keysym);
  }

  type(text: string): void {
    this.press(typed(text));
  }

  #modifiers(): void {
    const now = this.keys.modifiers;
    if (now.join() !== this.view.modifiers.join()) this.#set({ modifiers: now });
  }

  // ---- clipboard ----------------------------------------------------------------------------

  // To the remote clipboard, and (paste) from there into what has the focus there.
  async copyTo(text: string, paste: boolean): Promise<void> {
    const client = this.#client;
    const tunnel = this.#tunnel;
    if (!client || !tunnel?.isConnected() || !text) return;
    this.#sending?.abort();
    const abort = (this.#sending = new AbortController());
    const bytes = new TextEncoder().encode(text);
    const { paste: allowed, clipboardMax } = this.view.remote;
    if (!allowed || this.watching) return this.say(t("clipboard.refused"));
    if (clipboardMax && bytes.length > clipboardMax) return this.say(t("clipboard.tooLarge"));
    this.releaseKeys();
    this.#set({ sending: { sent: 0, total: bytes.length }, notice: "" });
    try {
      const stream: OutputStream = client.createClipboardStream("text/plain");
      await sendBytes(stream as never, bytes, {
        buffered: () => tunnel.buffered,
        onProgress: (sent, total) => this.#set({ sending: { sent, total } }),
        signal: abort.signal,
      });
      if (paste) this.press(pasteKeys(this.isTerminal));
      else this.#set({ notice: t("clipboard.sent") });
    } catch (error) {
      if (abort.signal.aborted) return;
      const code = error instanceof ClipboardError ? error.code : 0;
      const key = code === Status.SERVER_BUSY ? "clipboard.paused" : code === Status.FORBIDDEN || code === Status.UNSUPPORTED ? "clipboard.refused"
        : code === Status.OVERRUN ? "clipboard.tooLarge" : "clipboard.failed";
      this.#set({ notice: t(key) });
    } finally {
      if (this.#sending === abort) {
        this.#sending = null;
        this.#set({ sending: null });
      }
    }
  }

  cancelSending(): void {
    this.#sending?.abort();
    this.#set({ sending: null });
  }

  #received(stream: InputStream, mimetype: string): void {
    if (!/^text\/plain\b/.test(mimetype)) {
      stream.sendAck("unsupported", Status.BAD_TYPE as never);
      return;
    }
    readStream(stream as never, CLIPBOARD_MAX, (bytes) => {
      const text = bytes ? new TextDecoder().decode(bytes) : "";
      this.#set({ received: text || !bytes ? { text, truncated: !bytes } : null });
    });
  }

  dismissReceived(): void {
    this.#set({ received: null });
  }

  say(notice: string): void {
    this.#set({ notice });
  }

  // ---- prompts and state --------------------------------------------------------------------

  answer(values: Record<string, string>): void {
    const client = this.#client;
    if (!client) return;
    for (const name of this.#required) {
      const stream = client.createArgumentValueStream("text/plain", name) as OutputStream & {
        sendBlob(data: string): void;
        sendEnd(): void;
      };
      const bytes = new TextEncoder().encode(values[name] ?? "");
      let text = "";
      for (const b of bytes) text += String.fromCharCode(b);
      if (bytes.length) stream.sendBlob(btoa(text));
      stream.sendEnd();
    }
    this.#required = [];
    this.#set({ prompts: [] });
  }

  #state(line: Record<string, unknown>): void {
    if (Array.isArray(line["files"])) this.files.allow(line["files"].filter((f) => f && typeof f === "object") as Record<string, unknown>[]);
    if (line["file"] && typeof line["file"] === "object") this.files.told(line["file"] as Record<string, unknown>);
    const before = this.view.remote;
    const remote = applyState(before, line, Date.now());
    if (remote.asked !== before.asked) this.#required = []; // answered elsewhere, or too late
    this.#set({ remote, prompts: promptsFor(this.#required, remote.questions) });
  }

  #set(part: Partial<View>): void {
    this.view = { ...this.view, ...part };
    this.#tell();
  }
}

// An element whose events are heard only while `on` says so: the library never stops listening.
function when(element: HTMLElement, on: () => boolean): HTMLElement {
  return new Proxy(element, {
    get(target, name) {
      if (name === "addEventListener")
        return (type: string, listener: (e: Event) => void, options?: boolean) => target.addEventListener(type, (e) => { if (on()) listener(e); }, options);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
