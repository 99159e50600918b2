// The page's back end as ARCHITECTURE.md describes it, small enough to put the page into any state:
// for work on the page and for tests of states that a real gateway reaches only by failing. The
// acceptance tests use the real gateway (gateway.mjs).
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { join, extname } from "node:path";
import { WebSocketServer } from "ws";
import { instruction, paint, typical } from "./recording.mjs";

export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; " +
  "media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; " +
  "require-trusted-types-for 'script'";
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };

export const ids = {
  session: "019a9f00-0000-7000-8000-000000000001",
  recording: "019a9f00-0000-7000-8000-0000000000aa",
  live: "019a9f00-0000-7000-8000-0000000000bb",
  other: "019a9f00-0000-7000-8000-0000000000cc",
};

export function world() {
  return {
    me: { sub: "u-1", name: "Anna Example", roles: ["operator", "auditor"], canOperate: true, canAudit: true, canApprove: true, canModerate: false, canLock: false, canExport: true, csrf: "csrf-1", expires: Date.now() + 3600000 },
    methods: { oidc: true, link: false },
    generation: 1,
    connections: [
      { namespace: "relay", name: "build-host", title: "Build host", protocol: "ssh", target: "10.42.7.12:22", recording: { enabled: true, retentionDays: 365, keys: "full" }, allowed: true, live: 1, lastUsed: Date.now() - 3600000 },
      { namespace: "relay", name: "legacy-payment-gateway", title: "Legacy payment gateway", protocol: "rdp", target: "10.42.7.30:3389", recording: { enabled: true, retentionDays: 2555 }, jit: { requiredApprovers: ["team-platform"] }, allowed: true, live: 0, lastUsed: Date.now() - 86400000 * 3 },
      { namespace: "staging", name: "db-admin", title: "Database admin", protocol: "ssh", target: "db-1.staging:22", recording: { enabled: true, retentionDays: 90 }, allowed: true, live: 0 },
      { namespace: "staging", name: "kiosk", title: "Kiosk display", protocol: "vnc", target: "kiosk.staging:5900", recording: { enabled: false, retentionDays: 0 }, allowed: true, live: 0 },
      { namespace: "relay", name: "core-switch", title: "Core switch", protocol: "ssh", target: "10.42.0.1:22", recording: { enabled: true, retentionDays: 365 }, allowed: false, why: "You need the role network-operator.", rule: "audience", live: 0 },
      { namespace: "relay", name: "broken", title: "", protocol: "ssh", target: "", recording: { enabled: true, retentionDays: 365 }, allowed: false, why: "", errors: ["spec.port: 70000 is not a port (1 to 65535)", "spec.parameters.colour-scheme: unknown; did you mean color-scheme?"], live: 0 },
    ],
    sessions: [],
    requests: [],
    locks: [],
    asked: [],
    exports: [],
    hold: { on: false },
    holds: true,
    hits: [
      { id: ids.recording, namespace: "relay", connection: "build-host", protocol: "ssh", person: { sub: "u-1", name: "Anna Example" }, started: Date.now() - 600000, state: "closed", t: 144100, kind: "key", by: "u-1", text: "ls -la /srv/app-72⏎", marks: [[8, 3]] },
      { id: ids.recording, namespace: "relay", connection: "build-host", protocol: "ssh", person: { sub: "u-1", name: "Anna Example" }, started: Date.now() - 600000, state: "closed", t: 144300, kind: "out", text: "😀 -rw-r--r-- 1 srv <b>4072</b>", marks: [[15, 3]] },
      { id: ids.other, namespace: "staging", connection: "db-admin", protocol: "ssh", person: { sub: "u-2", name: "Ben Beispiel" }, started: Date.now() - 86400000, state: "closed", t: 8000, kind: "clip", by: "u-2", text: "srv:5432", marks: [[0, 3]] },
    ],
    proof: logProof,
    recordings: [
      typical(ids.recording), typical(ids.live, { minutes: 3, live: true, person: { sub: "u-2", name: "Ben Beispiel" } }),
      typical(ids.other, { minutes: 1, connection: { namespace: "staging", name: "db-admin" }, target: "db-1.staging:22", start: Date.now() - 86400000 }),
    ],
    // What the tunnel does: "live", or a function (socket, url) of a test's own.
    tunnel: "live",
    log: [],
    received: [],
    ended: [],
    waiting: [],
    bump() { this.generation++; for (const w of this.waiting.splice(0)) w(); },
  };
}

export const request = (id, more = {}) => ({
  id, namespace: "relay", name: "legacy-payment-gateway", title: "Legacy payment gateway", protocol: "rdp", requester: { sub: "u-2", name: "Ben Beispiel" },
  reason: "Ticket 4711: the batch of last night hangs", minutes: 60, breakGlass: false, created: Date.now() - 120000, state: "pending", expires: Date.now() + 780000,
  from: null, until: null, required: ["team-platform"], missing: ["team-platform"], decisions: [], mine: false, may: ["approve", "deny"], why: null, ...more,
});

export const session = (id, more = {}) => ({
  id, namespace: "relay", name: "build-host", title: "Build host", protocol: "ssh", target: "10.42.7.12:22", connection: { namespace: "relay", name: "build-host" },
  owner: { sub: "u-2", name: "Ben Beispiel" }, peer: "10.1.2.3", gateway: "gw-1", started: Date.now() - 754000, until: null, users: 1,
  people: [{ user: 1, sub: "u-2", name: "Ben Beispiel", role: "owner", lagMs: 12 }], mine: false, recording: true, recorder: "ok", paused: [], moderated: false, graceMs: null,
  may: ["view", "help", "takeover", "message", "end", "pause"], ...more,
});

// A log of three leaves that holds the recording's open record at place 1.
export function logProof(recording) {
  const h = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
  const zero = Buffer.from([0]), one = Buffer.from([1]);
  const leaf = JSON.stringify({ at: recording.start, kind: "open", prefix: "p", session: recording.id, sha256: createHash("sha256").update(recording.objects.get("open.dsse.json")).digest("hex") });
  const [a, b, c] = ["first", leaf, "third"].map((text) => h(zero, Buffer.from(text)));
  const root = h(one, h(one, a, b), c);
  return {
    session: recording.id, open: { index: 1, leaf, hash: b.toString("hex"), proof: [a.toString("hex"), c.toString("hex")] }, seal: null,
    checkpoint: { note: `gw/log\n3\n${root.toString("base64")}\n\n— gw AAAA\n`, size: 3, root: root.toString("hex"), origin: "gw/log", signatures: [{ name: "gw", keyid: "1a2b3c4d" }] },
    stamps: [{ size: 2, name: "log/tsa/2.tsr" }], access: [{ index: 2, kind: "replay", at: Date.now() - 60000, person: { sub: "u-1", name: "Anna Example" }, range: null }],
  };
}

const text = (req) => new Promise((resolve) => { let all = ""; req.on("data", (d) => { all += d; }).on("end", () => resolve(all || "{}")); });

function json(res, status, body) {
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  res.end(JSON.stringify(body));
}

async function api(w, req, res, url) {
  const path = url.pathname;
  if (path === "/auth/methods") return json(res, 200, w.methods);
  if (path === "/auth/login") { res.writeHead(302, { location: url.searchParams.get("to") ?? "/" }); return res.end(); }
  if (path === "/api/me") return w.me ? json(res, 200, w.me) : json(res, 401, { error: "You are not signed in." });
  if (!w.me) return json(res, 401, { error: "You are not signed in.", advice: "Sign in first." });
  if (w.fail?.status === 429) res.setHeader("retry-after", String(w.retryAfter));
  if (w.fail) return json(res, w.fail.status, w.fail);
  if (req.method === "POST" && req.headers["x-csrf"] !== w.me.csrf) return json(res, 403, { error: "CSRF" });
  if (path === "/auth/logout") { w.me = null; return json(res, 200, { to: "/" }); }
  const body = req.method === "POST" ? JSON.parse(await text(req)) : {};
  if (url.searchParams.get("after") === String(w.generation))
    await new Promise((r) => { const timer = setTimeout(r, 25000); w.waiting.push(() => { clearTimeout(timer); r(); }); res.on("close", r); });
  const { generation } = w;
  if (path === "/api/connections") return json(res, 200, { connections: w.connections, generation });
  if (path === "/api/sessions") return json(res, 200, { sessions: w.sessions, generation });
  let m = /^\/api\/sessions\/([^/]+)(?:\/(\w+))?$/.exec(path);
  if (m) {
    const session = w.sessions.find((s) => s.id === m[1]);
    if (!m[2]) return session ? json(res, 200, session) : json(res, 404, { error: "There is no such session." });
    w.asked.push([m[2], m[1], body]);
    if (m[2] === "invite") return json(res, 201, { url: `http://gateway.example/join/${"t".repeat(43)}`, role: body.role, until: Date.now() + body.minutes * 60000 });
    if (m[2] === "end") { w.ended.push(m[1]); w.sessions = w.sessions.filter((s) => s.id !== m[1]); w.bump(); }
    if (m[2] === "pause" || m[2] === "resume") { if (session) session.paused = m[2] === "pause" ? ["moderator"] : []; w.bump(); }
    return json(res, 200, {});
  }
  if (path === "/api/requests" && req.method === "GET")
    return json(res, 200, { requests: w.requests.filter((r) => url.searchParams.get("state") === "all" || r.state === "pending" || r.state === "approved"), generation });
  if (path === "/api/requests") {
    if (/^refuse/.test(body.reason)) return json(res, 403, { error: "You asked for this already.", advice: "Wait for the answer.", rule: "request-pending", id: "c-9" });
    const c = w.connections.find((x) => x.name === body.name);
    const r = request(`r-${w.requests.length + 1}`, { ...body, title: c.title, protocol: c.protocol, mine: true, may: ["revoke"], requester: { sub: w.me.sub, name: w.me.name }, required: c.jit.requiredApprovers });
    w.requests.push(r);
    c.jit.request = { id: r.id, state: "pending", missing: r.missing, until: null };
    w.bump();
    return json(res, 201, r);
  }
  m = /^\/api\/requests\/([^/]+)\/(approve|deny|revoke)$/.exec(path);
  if (m) {
    const r = w.requests.find((x) => x.id === m[1]);
    w.asked.push([m[2], m[1], body]);
    if (/^refuse/.test(body.note)) return json(res, 409, { error: "Somebody else decided first.", advice: "Look again.", rule: "conflict" });
    r.decisions.push({ by: { sub: w.me.sub, name: w.me.name }, decision: m[2], as: m[2] === "approve" ? "team-platform" : "", note: body.note, at: Date.now() });
    Object.assign(r, m[2] === "approve" ? { state: "approved", missing: [], from: Date.now(), until: Date.now() + r.minutes * 60000, may: ["revoke"] } : { state: m[2] === "deny" ? "denied" : "revoked", may: [] });
    w.bump();
    return json(res, 200, r);
  }
  if (path === "/api/locks" && req.method === "GET") return json(res, 200, { locks: w.locks, generation });
  if (path === "/api/locks") { w.locks.push({ id: `l-${w.locks.length}`, ...body, by: { sub: w.me.sub, name: w.me.name }, created: Date.now(), until: body.minutes ? Date.now() + body.minutes * 60000 : null }); w.bump(); return json(res, 201, w.locks.at(-1)); }
  m = /^\/api\/locks\/([^/]+)\/lift$/.exec(path);
  if (m) { w.asked.push(["lift", m[1], body]); w.locks = w.locks.filter((l) => l.id !== m[1]); w.bump(); return json(res, 200, {}); }
  if (path === "/api/invites") return body.token.startsWith("used") ? json(res, 410, { error: "This link was used already.", advice: "Ask for another one.", rule: "invite-used" }) : json(res, 200, { session: ids.session, role: "viewer" });
  if (path === "/api/recordings") {
    const q = url.searchParams;
    const rows = w.recordings.map((r) => r.row).filter((r) =>
      (!q.get("person") || r.person.name.toLowerCase().includes(q.get("person").toLowerCase())) &&
      (!q.get("connection") || `${r.namespace}/${r.connection}`.includes(q.get("connection"))) &&
      (!q.get("protocol") || r.protocol === q.get("protocol")) && (!q.get("state") || r.state === q.get("state")));
    const at = Number(q.get("after") ?? 0), limit = w.pageSize ?? Number(q.get("limit") ?? 100);
    return json(res, 200, { recordings: rows.slice(at, at + limit), next: at + limit < rows.length ? String(at + limit) : "" });
  }
  if (path === "/api/search") {
    w.asked.push(["search", Object.fromEntries(url.searchParams)]);
    const hits = url.searchParams.get("q") === "nothing" ? [] : w.hits.filter((h) => !url.searchParams.get("kind") || h.kind === url.searchParams.get("kind"));
    return json(res, 200, { hits, next: "", indexed: { sessions: 3, waiting: 1 } });
  }
  if (path === "/api/exports" && req.method === "POST") { w.asked.push(["export", body]); w.exports.push({ export: "ex-0001", state: "running", started: Date.now(), by: w.me, sessions: 2, done: 1, total: 2, bytes: 4000000 }); return json(res, 202, { export: "ex-0001" }); }
  if (path === "/api/exports") return json(res, 200, { exports: w.exports });
  if (/^\/api\/exports\/[^/]+$/.test(path) && req.method === "DELETE") { w.exports = w.exports.filter((e) => !path.endsWith(e.export)); return json(res, 200, {}); }
  if (/\/bag$/.test(path)) { res.writeHead(200, { "content-type": "application/x-tar", "content-disposition": 'attachment; filename="ex-0001.tar"' }); return res.end("a tar"); }
  m = /^\/api\/recordings\/([^/]+)\/(proof|hold)$/.exec(path);
  if (m?.[2] === "proof") return json(res, 200, w.proof(w.recordings.find((r) => r.id === m[1])));
  if (m && req.method === "POST") { if (!w.holds) return json(res, 403, { error: "You may not set holds.", advice: "Ask for the role legal.", rule: "role" }); w.hold = { on: body.on, at: Date.now(), by: w.me, reason: body.reason }; return json(res, 200, {}); }
  if (m) return json(res, 200, w.hold);
  m = /^\/api\/recordings\/([^/]+)(?:\/objects\/([^/]+))?$/.exec(path);
  const recording = m && w.recordings.find((r) => r.id === m[1]);
  if (!recording) return json(res, 404, { error: "There is no such recording.", advice: "It may have expired.", id: "c-123" });
  if (!m[2]) return json(res, 200, recording.show);
  const object = recording.objects.get(decodeURIComponent(m[2]));
  if (!object) return json(res, 404, { error: "There is no such object." });
  w.log.push(decodeURIComponent(m[2]));
  w.bytes = (w.bytes ?? 0) + object.length;
  res.writeHead(200, { "content-type": "application/octet-stream", "content-disposition": "attachment", "cache-control": "no-store", "x-content-type-options": "nosniff" });
  res.end(object);
}

const line = (o) => Buffer.from(JSON.stringify(o) + "\n").toString("base64");

// A session: a picture, state and text pipes, echo of what is typed as text, acks.
export function live(w, socket, url, options = {}) {
  const send = (...e) => socket.readyState === 1 && socket.send(instruction(...e));
  const id = url.searchParams.get("session") ?? ids.session;
  send("", id);
  const state = (o) => send("blob", 0, line(o));
  const text = (o) => send("blob", 2, line(o));
  send("pipe", 0, "application/x-ndjson", "guac.state");
  send("pipe", 2, "application/x-ndjson", "guac.text");
  state({ role: "owner", readOnly: false, protocol: "ssh", recording: true, policy: { copy: true, paste: true, clipboardMax: 8388608 } });
  if (options.ask) { for (const a of options.ask) state({ ask: a }); send("required", ...(options.required ?? options.ask.map((a) => a.name))); }
  else if (options.required) send("required", ...options.required);
  const width = Math.min(Number(url.searchParams.get("width")) || 800, 4096), height = Math.min(Number(url.searchParams.get("height")) || 600, 4096);
  let t = 0, timer = null;
  const draw = (w2, h2) => {
    send("size", 0, w2, h2);
    socket.send(paint(0, true).replace(/^4\.size.*?;/, "") + instruction("rect", 0, 0, 0, 8, h2) + instruction("cfill", 14, 0, 255, 138, 117, 255));
    send("sync", ++t, 1);
  };
  const begin = () => {
    draw(width, height);
    send("name", "deploy@build-host: ~");
    text({ rows: 24, cols: 80, cursor: [0, 21], alt: false, set: [[0, "deploy@build-host:~$ "]] });
    timer = setInterval(() => { socket.readyState === 1 ? socket.send(paint(t * 1000, false) + instruction("sync", ++t, 1)) : clearInterval(timer); }, 1000);
  };
  if (!options.required && !options.ask) begin();
  const files = options.disk ? disk(options.disk, send, state) : null;
  const acks = new Set();
  let typed = "";
  socket.on("message", (data) => {
    const message = String(data);
    if (message.startsWith("0.,4.ping")) return socket.readyState === 1 && socket.send(message);
    const e = parse(message);
    if (e[0] === "ack") acks.add(Number(e[1]));
    if (files?.(e)) return;
    if (e[0] !== "nop" && e[0] !== "sync" && e[0] !== "mouse") w.received.push(e);
    if (e[0] === "clipboard" || e[0] === "argv") send("ack", e[1], "OK", 0);
    if (e[0] === "blob") send("ack", e[1], "OK", 0);
    if (e[0] === "size") draw(Number(e[1]), Number(e[2]));
    if (e[0] === "end" && (options.required || options.ask) && !timer) begin();
    if (e[0] === "key" && e[2] === "1" && Number(e[1]) < 256) { typed += String.fromCharCode(Number(e[1])); text({ rows: 24, cols: 80, cursor: [0, 21], alt: false, set: [[0, `deploy@build-host:~$ ${typed}`]] }); }
    if (e[0] === "disconnect") socket.close(1000, "0");
  });
  socket.on("close", () => clearInterval(timer));
  options.ready?.({ send, state, text, socket, acks });
}

// A filesystem object as guacd's: listings, bodies blob by blob as they are acknowledged, puts.
// Entries: a Buffer, "/" (a folder), "refused", "slow" (one blob, then silence).
function disk(folders, send, state) {
  const LISTING = "application/vnd.guac.listing+json";
  const out = new Map(); // stream -> {bytes, at}
  const into = new Map(); // stream -> {path, parts}
  let next = 100;
  send("filesystem", 7, "Home");
  const body = (path, type, bytes, slow) => { out.set(next, { bytes, at: 0, slow }); send("body", 7, next++, type, path); };
  const entry = (path) => folders[path.replace(/\/[^/]*$/, "") || "/"]?.[path];
  return (e) => {
    const stream = Number(e[1]);
    if (e[0] === "get") {
      const path = e[2], found = entry(path);
      if (folders[path]) body(path, LISTING, Buffer.from(JSON.stringify({ cut: false, entries: Object.entries(folders[path]).map(([p, v]) => ({ path: p, name: p.split("/").at(-1), type: v === "/" ? "folder" : "file", ...(v === "/" ? {} : { size: v.length, mtime: 1763760000000 }) })) })));
      else if (found === "refused") state({ file: { id: 1, object: 7, name: path, dir: "out", state: "refused", status: 0x303, error: "The target says no." } });
      else body(path, "application/octet-stream", found === "slow" ? Buffer.alloc(50000000) : found, found === "slow");
      return true;
    }
    if (e[0] === "put" && e[3].includes("stream-index")) { folders[e[4].replace(/\/[^/]*$/, "") || "/"][e[4]] = "/"; folders[e[4]] = {}; send("ack", e[2], "OK", 0); return true; }
    if (e[0] === "put") { into.set(Number(e[2]), { path: e[4], parts: [] }); send("ack", e[2], "OK", 0); return true; }
    const s = out.get(stream);
    if (e[0] === "ack" && s) {
      if (Number(e[3]) !== 0) out.delete(stream);
      else if (s.at >= s.bytes.length) { send("end", stream); out.delete(stream); }
      else if (!s.slow || s.at === 0) { send("blob", stream, s.bytes.subarray(s.at, (s.at += 6048)).toString("base64")); }
      return true;
    }
    const put = into.get(stream);
    if (!put || (e[0] !== "blob" && e[0] !== "end")) return false;
    if (e[0] === "blob") {
      put.parts.push(Buffer.from(e[2], "base64"));
      if (put.path.endsWith("refused.bin")) { send("ack", stream, "Disk full.", 0x200); into.delete(stream); } else send("ack", stream, "OK", 0);
    } else {
      folders[put.path.replace(/\/[^/]*$/, "") || "/"][put.path] = Buffer.concat(put.parts);
      into.delete(stream);
      state({ file: { id: 2, object: 7, name: put.path, dir: "in", state: "done" } });
    }
    return true;
  };
}

export function parse(message) {
  const out = [];
  for (let rest = message; rest; ) {
    const m = /^(\d+)\./.exec(rest);
    if (!m) break;
    const chars = [...rest.slice(m[0].length)].slice(0, Number(m[1])).join("");
    out.push(chars);
    rest = rest.slice(m[0].length + chars.length);
    if (rest[0] === ";") break;
    rest = rest.slice(1);
  }
  return out;
}

export async function serve(folder, w = world(), port = 0) {
  const server = createServer((req, res) => {
    const url = new URL(req.url, "http://x");
    for (const [k, v] of Object.entries({ "content-security-policy": CSP, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin" })) res.setHeader(k, v);
    if (/^\/(api|auth)\//.test(url.pathname)) return void api(w, req, res, url).catch((e) => json(res, 500, { error: e.message }));
    let file = join(folder, url.pathname);
    if (!/\.[^/]*$/.test(url.pathname)) file = join(folder, "index.html");
    if (!existsSync(file)) { res.writeHead(404); return res.end("no such page\n"); }
    res.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
    const gz = /gzip/.test(req.headers["accept-encoding"] ?? "") && existsSync(`${file}.gz`);
    if (gz) res.setHeader("content-encoding", "gzip");
    res.end(readFileSync(gz ? `${file}.gz` : file));
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (p) => (p.has("guacamole") ? "guacamole" : false) });
  server.on("upgrade", (req, socket, head) => {
    const url = new URL(req.url, "http://x");
    sockets.handleUpgrade(req, socket, head, (ws) => (w.tunnel === "live" ? live(w, ws, url) : w.tunnel(ws, url)));
  });
  await new Promise((r) => server.listen(port, "127.0.0.1", r));
  return { url: `http://127.0.0.1:${server.address().port}`, world: w, close: () => { for (const c of sockets.clients) c.terminate(); server.closeAllConnections(); return new Promise((r) => server.close(r)); } };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { url } = await serve(process.argv[2] ?? "build/release/web", world(), Number(process.env.PORT ?? 8000));
  console.log(url);
}
