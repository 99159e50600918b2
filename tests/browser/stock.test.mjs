// Stock clients against our guacd's TCP port: the two npm builds of guacamole-common-js in Chromium,
// behind guacamole-lite as their tunnel. Nothing of our page, proxy or authd takes part.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { randomBytes, createCipheriv } from "node:crypto";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, launch, open, root, shot, until } from "./lib/browser.mjs";
import { assignments, freePort, Gateway } from "./lib/gateway.mjs";

const require = createRequire(import.meta.url);
const GuacamoleLite = require("guacamole-lite");
const missing = Gateway.missing();
if (missing && process.env.CI === "true") throw new Error(missing);

const libraries = {
  "guacamole-common-js 1.5.0": readFileSync(require.resolve("guacamole-common-js").replace(/dist\/.*/, "dist/esm/guacamole-common.js"), "utf8"),
  "guacamole-common-js 1.6.0": readFileSync(require.resolve("@glokon/guacamole-common-js").replace(/lib\/.*/, "lib/esm/guacamole.js"), "utf8"),
};
const key = randomBytes(32);
const token = (connection) => {
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const value = Buffer.concat([cipher.update(JSON.stringify({ connection }), "utf8"), cipher.final()]).toString("base64");
  return Buffer.from(JSON.stringify({ iv: iv.toString("base64"), value })).toString("base64");
};

// The smallest page a stock client makes: a tunnel, a client, a keyboard.
const page = `<!doctype html><meta charset="utf-8"><div id="screen"></div><textarea id="keys"></textarea><script type="module">
import * as all from "/lib.js";
const G = all.default ?? all;
const tunnel = new G.WebSocketTunnel("ws://" + location.host.replace(/:.*/, "") + ":" + new URLSearchParams(location.search).get("port") + "/");
const client = window.client = new G.Client(tunnel);
window.seen = { states: [], errors: [], names: [], syncs: 0, clipboard: "" };
client.onstatechange = (s) => seen.states.push(s);
client.onerror = (e) => seen.errors.push([e.code, e.message]);
tunnel.onerror = (e) => seen.errors.push([e.code, e.message]);
client.onname = (n) => seen.names.push(n);
client.onsync = () => seen.syncs++;
client.onrequired = (names) => { seen.required = names; };
client.onclipboard = (stream) => { let text = ""; const r = new G.StringReader(stream); r.ontext = (t) => text += t; r.onend = () => { seen.clipboard = text; }; };
window.paste = (text) => { const w = new G.StringWriter(client.createClipboardStream("text/plain")); w.sendText(text); w.sendEnd(); };
window.answer = (name, text) => { const w = new G.StringWriter(client.createArgumentValueStream("text/plain", name)); w.sendText(text); w.sendEnd(); };
document.getElementById("screen").append(client.getDisplay().getElement());
const keyboard = new G.Keyboard(document.getElementById("keys"));
keyboard.onkeydown = (k) => { client.sendKeyEvent(1, k); };
keyboard.onkeyup = (k) => client.sendKeyEvent(0, k);
client.connect("token=" + encodeURIComponent(new URLSearchParams(location.search).get("token")));
</script>`;

describe("stock clients", { skip: missing || false }, () => {
  let state, guacd, lite, http, browser, ssh, port, litePort, library;
  before(async () => {
    state = mkdtempSync(join(tmpdir(), "stock-"));
    execFileSync(join(root, "tests/parts/sshd.sh"), ["start", join(state, "sshd")], { env: { ...process.env, PART_OWNER: String(process.pid) }, stdio: "pipe" });
    ssh = assignments(join(state, "sshd/env"));
    port = await freePort();
    litePort = await freePort();
    const log = openSync(join(state, "guacd.log"), "a");
    guacd = spawn(join(build, "guacd"), ["-f", "-b", "127.0.0.1", "-l", String(port)], { stdio: ["ignore", log, log] });
    await until("guacd", () => new Promise((r) => { const s = createConnection(port, "127.0.0.1"); s.on("connect", () => { s.destroy(); r(true); }); s.on("error", () => r(false)); }));
    lite = new GuacamoleLite({ port: litePort, host: "127.0.0.1" }, { host: "127.0.0.1", port }, { crypt: { cypher: "AES-256-CBC", key }, log: { level: 0 } });
    http = createServer((req, res) => {
      const script = req.url === "/lib.js";
      res.writeHead(200, { "content-type": script ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8" });
      res.end(script ? library : page);
    });
    await new Promise((r) => http.listen(0, "127.0.0.1", r));
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    http?.closeAllConnections();
    http?.close();
    lite?.close?.();
    guacd?.kill();
    try { execFileSync(join(root, "tests/parts/sshd.sh"), ["stop", join(state, "sshd")], { stdio: "pipe" }); } catch { /* goes with us */ }
    if (!process.env.KEEP_STATE) rmSync(state, { recursive: true, force: true });
  });

  const inked = (p) => p.evaluate(() => {
    const c = document.querySelector("#screen canvas");
    if (!c?.width) return 0;
    const d = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer);
    let n = 0;
    for (const v of d) if (v !== d[d.length - 1]) n++;
    return n;
  });
  const connect = async (it, settings) => {
    const url = new URL(`http://127.0.0.1:${http.address().port}/`);
    url.searchParams.set("port", String(litePort));
    url.searchParams.set("token", token({ type: "ssh", settings: { hostname: "127.0.0.1", port: ssh.SSHD_PORT, "host-key": ssh.SSHD_HOSTKEY_ED25519, width: 800, height: 600, ...settings } }));
    await it.page.goto(url.href);
    await it.page.waitForFunction(() => window.client);
  };

  for (const [name, code] of Object.entries(libraries))
    test(`${name} behind guacamole-lite 1.2.0: shell, typing, paste, resize, end`, async () => {
      library = code;
      const it = await open(browser, { allow: [/favicon/] });
      try {
        // What is typed before the prompt, bash forgets: this prompt says by the title that it stands.
        const command = "PS1='\\[\\033]2;ready\\007\\]\\$ ' exec bash --norc --noprofile -i";
        await connect(it, { username: ssh.SSHD_USER, password: ssh.SSHD_PASSWORD, command });
        await until("a prompt", () => it.page.evaluate(() => seen.names.includes("ready")));
        await until("a picture of it", () => inked(it.page).then((n) => n > 50));
        const file = `/tmp/stock-${randomBytes(4).toString("hex")}`;
        await it.page.focus("#keys");
        await it.page.keyboard.type(`echo typed > ${file}\n`);
        await until("what was typed", () => existsSync(file) && readFileSync(file, "utf8") === "typed\n");
        await it.page.keyboard.type(`cat > ${file}\n`);
        await until("cat", () => readFileSync(file, "utf8") === "");
        const text = Array.from({ length: 800 }, (_, i) => `pasted ${i}: grüße 0123456789\n`).join("");
        await it.page.evaluate((t) => window.paste(t), text);
        await it.page.evaluate(() => { for (const k of [0xffe3, 0xffe1, 0x56]) client.sendKeyEvent(1, k); for (const k of [0x56, 0xffe1, 0xffe3]) client.sendKeyEvent(0, k); });
        await until("what was pasted", () => readFileSync(file, "utf8") === text);
        await it.page.keyboard.press("Control+d");
        await it.page.evaluate(() => client.sendSize(1000, 500));
        await until("the new size", () => it.page.evaluate(() => client.getDisplay().getWidth() > 900));
        await it.page.keyboard.type("clear; printf '\\033]2;a title \\303\\274\\007'; ls -la --color=always /etc\n");
        await until("a full screen", () => inked(it.page).then((n) => n > 5000));
        await shot(it.page, `stock-${name.split(" ")[1]}`);
        const before = await it.page.evaluate(() => seen);
        assert.deepEqual(before.errors, []);
        assert.ok(before.syncs > 3);
        await it.page.keyboard.type(`rm ${file}; exit\n`);
        await until("the end", () => it.page.evaluate(() => seen.states.at(-1) === 5));
        assert.ok(!existsSync(file));
        await it.done();
      } catch (error) {
        await shot(it.page, `stock-${name.split(" ")[1]}-failed`);
        throw error;
      } finally {
        await it.context.close().catch(() => {});
      }
    });

  test("a wrong password and a host that is not there come as statuses", async () => {
    const it = await open(browser, { allow: [/favicon/] });
    try {
      await connect(it, { username: ssh.SSHD_USER, port: "1" });
      await until("an error", () => it.page.evaluate(() => seen.errors.length > 0));
      const [status] = (await it.page.evaluate(() => seen.errors))[0];
      assert.ok([0x207, 0x208].includes(status), `0x${status.toString(16)}`);
    } finally {
      await it.context.close();
    }
  });

  test("what is missing is asked by `required` and answered by argv", async () => {
    const it = await open(browser, { allow: [/favicon/] });
    try {
      await connect(it, { username: ssh.SSHD_USER });
      // guacamole-lite answers `args` with VERSION_1_1_0: prompts are for 1.3.0, so it is told no.
      await until("an answer", () => it.page.evaluate(() => seen.errors.length > 0 || seen.required));
      const seen = await it.page.evaluate(() => window.seen);
      assert.ok(seen.required || seen.errors[0][0] === 0x301, JSON.stringify(seen));
    } finally {
      await it.context.close();
    }
  });
});
