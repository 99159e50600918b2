// The page in every state, against the small back end of lib/dev-server.mjs: what a person sees,
// what goes over the wire, what axe and the content security policy say. The real gateway's turn is
// in gateway.test.mjs.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, statSync, readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { accessible, build, focused, launch, open, pixel, shot, until } from "./lib/browser.mjs";
import { ids, live, logProof, request, serve, session, world } from "./lib/dev-server.mjs";

const web = join(build, "web");
const SIGNED_OUT = [/401 \(Unauthorized\)/];
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

// One page against one world; console errors and CSP violations fail at the end.
function page(name, run, { world: change, allow, options } = {}) {
  test(name, async () => {
    const w = world();
    change?.(w);
    const server = await serve(web, w);
    const it = await open(browser, { allow, ...options });
    try {
      await run({ ...it, w, url: server.url, go: (path) => it.page.goto(server.url + path) });
      await it.done();
    } finally {
      await it.context.close().catch(() => {});
      await server.close();
    }
  });
}

const openSession = async ({ page, go }, path = "/session/new?connection=relay%2Fbuild-host", fingers = false) => {
  await go(path);
  await page.waitForSelector(".screen canvas");
  if (!fingers) await focused(page); // on a phone that would bring its keyboard up
};
// What is in the page by its own time: a value computed there, once it is the one meant.
const becomes = (what, value, get) => until(`${what}: ${JSON.stringify(value)}`, async () => JSON.stringify(await get()) === JSON.stringify(value));
const searching = (page) => page.waitForFunction(() => document.activeElement?.matches("input[type=search]"));
const keysOf = (w) => w.received.filter((e) => e[0] === "key").map((e) => [Number(e[1]), Number(e[2])]);

describe("built files", () => {
  test("the first load is at most 120 KB gzip, all names are hashed, all are compressed", () => {
    const html = readFileSync(join(web, "index.html"), "utf8");
    assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|style=|\son\w+=/);
    const first = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((m) => m[1]);
    // What the entry imports is loaded with it.
    const queue = first.filter((f) => f.endsWith(".js"));
    for (const f of queue)
      for (const m of readFileSync(join(web, f), "utf8").matchAll(/(?:from|import)\s*"\.\/([\w-]+\.js)"/g))
        if (!first.includes(`/assets/${m[1]}`)) { first.push(`/assets/${m[1]}`); queue.push(`/assets/${m[1]}`); }
    let size = statSync(join(web, "index.html.gz")).size;
    for (const f of first) {
      assert.match(f, /-[0-9A-Z]{8}\.\w+$/, f);
      size += statSync(join(web, `${f}.gz`)).size;
    }
    console.log(`first load: ${(size / 1024).toFixed(1)} KB gzip, ${first.length + 1} files`);
    assert.ok(size <= 120 * 1024, `${size}`);
    for (const f of readdirSync(join(web, "assets")).filter((f) => !/\.(gz|br)$/.test(f))) {
      assert.match(f, /-[0-9A-Z]{8}\.\w+$/, f);
      assert.ok(existsSync(join(web, "assets", `${f}.gz`)) && existsSync(join(web, "assets", `${f}.br`)), f);
    }
    assert.ok(existsSync(join(web, "error.css")));
  });
});

describe("signing in", () => {
  page("one button", async ({ page, go }) => {
    await go("/");
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Sign in" }).getAttribute("href"), "/auth/login?to=%2F");
    await accessible(page, "home");
    await shot(page, "home");
  }, { world: (w) => { w.me = null; }, allow: SIGNED_OUT });

  page("a deep link goes straight on, once, and never in a circle", async ({ page, go }) => {
    await go("/recordings?x=1");
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    assert.match(page.url(), /\/recordings\?x=1$/);
    assert.equal(await page.getByRole("link", { name: "Sign in" }).getAttribute("href"), "/auth/login?to=%2Frecordings%3Fx%3D1");
  }, { world: (w) => { w.me = null; }, allow: SIGNED_OUT });

  page("a development gateway names its link", async ({ page, go }) => {
    await go("/");
    await page.getByText("Open the sign-in link").waitFor();
    await shot(page, "home-link");
    await accessible(page, "home-link");
  }, { world: (w) => { w.me = null; w.methods = { oidc: false, link: true }; }, allow: SIGNED_OUT });

  page("a lock is told, and no sign-in tried in vain", async ({ page, go, context }) => {
    await context.route("**/api/me", (r) => r.fulfill({ status: 401, json: { error: "Your access is locked.", advice: "Ask your security team.", rule: "locked" } }));
    await go("/recordings");
    await page.getByText("Your access is locked. Ask your security team.").waitFor();
    await accessible(page, "locked");
    await shot(page, "home-locked");
    assert.match(page.url(), /\/recordings$/);
  }, { allow: SIGNED_OUT });

  page("a gateway that cannot be reached says so", async ({ page, go, context }) => {
    await context.route("**/api/me", (r) => r.abort());
    await go("/");
    await page.getByText("cannot be reached").waitFor();
    await page.getByRole("button", { name: "Try again" }).waitFor();
    await accessible(page, "unreachable");
    await shot(page, "unreachable");
  }, { allow: [/ERR_FAILED/] });

  page("signing out ends at the start", async ({ page, go }) => {
    await go("/connections");
    await page.getByRole("button", { name: /Signed in as/ }).click();
    await shot(page, "person-menu");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("link", { name: "Sign in" }).waitFor();
  }, { allow: SIGNED_OUT });
});

describe("connections", () => {
  page("list, badges, reasons, errors", async ({ page, go }) => {
    await go("/connections");
    await page.getByText("Build host").waitFor();
    await page.getByText("You need the role network-operator.").waitFor();
    await page.getByText("spec.port: 70000 is not a port (1 to 65535)").waitFor();
    assert.equal(await page.locator("a.row").count(), 4);
    await accessible(page, "connections");
    await shot(page, "connections");
    await searching(page);
    await page.keyboard.press("Tab");
    await page.waitForFunction(() => document.activeElement && !document.activeElement.matches("input"));
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keys" }).waitFor();
    await accessible(page, "keys");
    await shot(page, "keys");
  });

  page("type, arrows, Enter", async ({ page, go }) => {
    await go("/connections");
    await page.getByText("Build host").waitFor();
    await searching(page);
    await page.keyboard.type("gateway");
    await page.getByText("1 found").waitFor();
    await shot(page, "connections-search");
    await page.keyboard.press("Escape");
    await page.getByText("6 connections").waitFor();
    await searching(page);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => document.activeElement.querySelector(".name")?.textContent === "Legacy payment gateway");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/session\//);
    await page.waitForURL(new RegExp(`/session/${ids.session}$`));
  });

  page("nothing matches; nothing there", async ({ page, go, w }) => {
    await go("/connections");
    await page.getByText("Build host").waitFor();
    await searching(page);
    await page.keyboard.type("zzz");
    await page.getByText("Nothing matches “zzz”").waitFor();
    await accessible(page, "no-match");
    w.connections = [];
    w.bump();
    await page.keyboard.press("Escape");
    await page.getByText("No connection is open to you yet").waitFor();
    await shot(page, "connections-none");
    await accessible(page, "connections-none");
  });

  page("changes appear by themselves", async ({ page, go, w }) => {
    await go("/connections");
    await page.getByText("Build host").waitFor();
    w.connections.push({ ...w.connections[0], name: "brand-new", title: "Brand new", live: 0, lastUsed: null });
    w.bump();
    await page.getByText("Brand new").waitFor();
  });

  page("own sessions: return, end", async ({ page, go, w }) => {
    await go("/connections");
    await page.getByText("Your open sessions").waitFor();
    await accessible(page, "own-sessions");
    await shot(page, "connections-own");
    await page.getByRole("button", { name: "End" }).click();
    await page.getByText("Your open sessions").waitFor({ state: "detached" });
    assert.deepEqual(w.ended, [ids.session]);
  }, { world: (w) => { w.sessions = [{ id: ids.session, connection: { namespace: "relay", name: "build-host" }, protocol: "ssh", owner: { sub: "u-1", name: "Anna" }, started: Date.now() - 600000, users: 0, mine: true, recording: "recorded", graceMs: 42000 }]; } });

  page("five thousand connections stay quick", async ({ page, go }) => {
    const t = Date.now();
    await go("/connections");
    await page.getByText("5,000 connections").waitFor();
    console.log(`5 000 connections shown after ${Date.now() - t} ms`);
    await searching(page);
    await page.keyboard.type("host 4321");
    await page.getByText("1 found").waitFor();
  }, { world: (w) => { w.connections = Array.from({ length: 5000 }, (_, i) => ({ ...w.connections[0], name: `host-${i}`, title: `Host ${i}`, lastUsed: null, live: 0 })); } });
});

describe("a session", () => {
  page("the address becomes the session's, the picture is there, REC is shown", async (it) => {
    await openSession(it);
    await it.page.waitForURL(new RegExp(`/session/${ids.session}$`));
    assert.deepEqual(await pixel(it.page, ".screen", 3, 300), [255, 138, 117, 255]);
    await it.page.locator(".toolbar .recflag").waitFor();
    const size = it.w.received.length; void size;
    await accessible(it.page, "session");
    await shot(it.page, "session");
    await it.page.keyboard.press("Control+Alt+Shift");
    await it.page.locator(".corner .recflag").waitFor();
    assert.equal(await it.page.locator(".toolbar").count(), 0);
    await accessible(it.page, "session-hidden-toolbar");
    await shot(it.page, "session-hidden-toolbar");
    await it.page.keyboard.down("Control"); await it.page.keyboard.down("Alt"); await it.page.keyboard.down("Shift");
    await it.page.locator(".toolbar").waitFor();
    for (const k of ["Shift", "Alt", "Control"]) await it.page.keyboard.up(k);
    await it.page.waitForFunction(() => document.activeElement?.closest(".toolbar"));
  });

  page("keys go over, and none stays pressed after blur", async (it) => {
    await openSession(it);
    await it.page.keyboard.type("lsA");
    await it.page.keyboard.press("Enter");
    await it.page.keyboard.down("Control");
    await it.page.locator(".held kbd").waitFor();
    await it.page.evaluate(() => window.dispatchEvent(new Event("blur")));
    await until("Ctrl let go", () => keysOf(it.w).some(([k, p]) => k === 0xffe3 && !p));
    const keys = keysOf(it.w);
    assert.deepEqual(keys.slice(0, 4), [[0x6c, 1], [0x6c, 0], [0x73, 1], [0x73, 0]]);
    assert.deepEqual(keys.slice(-2), [[0xffe3, 1], [0xffe3, 0]]);
    const held = new Set();
    for (const [k, p] of keys) if (p) held.add(k); else held.delete(k);
    assert.equal(held.size, 0);
  });

  page("input methods and emoji arrive as whole characters", async (it) => {
    await openSession(it);
    const cdp = await it.context.newCDPSession(it.page);
    await cdp.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
    await cdp.send("Input.insertText", { text: "日本" });
    await cdp.send("Input.insertText", { text: "😀" });
    await becomes("characters", [0x010065e5, 0x0100672c, 0x0101f600], () => keysOf(it.w).filter(([, p]) => p).map(([k]) => k));
    await becomes("the field", "", () => it.page.locator(".sink").inputValue());
  });

  page("keys that nobody has are the screen's: what had the focus may vanish", async (it) => {
    await openSession(it);
    await it.page.evaluate(() => document.activeElement.blur());
    await it.page.waitForFunction(() => document.activeElement === document.body);
    await it.page.keyboard.type("zy");
    await becomes("keys", [[0x7a, 1], [0x7a, 0], [0x79, 1], [0x79, 0]], () => keysOf(it.w));
    await becomes("the field", "", () => it.page.locator(".sink").inputValue());
  });

  page("paste: clipboard stream first, then the remote paste key", async (it) => {
    await openSession(it);
    const text = "echo 'grüße 😀'\n".repeat(500);
    await it.page.evaluate((t) => navigator.clipboard.writeText(t), text);
    await it.page.keyboard.press("Control+Shift+V");
    await until("the paste key", () => keysOf(it.w).some(([k]) => k === 0x56) && keysOf(it.w).at(-1).join() === `${0xffe3},0`);
    const order = it.w.received.map((e) => e[0]);
    assert.ok(order.lastIndexOf("end") < it.w.received.findIndex((e) => e[0] === "key" && e[1] === String(0x56)));
    const sent = Buffer.concat(it.w.received.filter((e) => e[0] === "blob").map((e) => Buffer.from(e[2], "base64"))).toString();
    assert.equal(sent, text);
    assert.deepEqual(keysOf(it.w).slice(-6), [[0xffe3, 1], [0xffe1, 1], [0x56, 1], [0x56, 0], [0xffe1, 0], [0xffe3, 0]]);
  });

  page("Ctrl+V reaches a terminal as itself, and pastes in a desktop", async (it) => {
    await openSession(it);
    await it.page.evaluate(() => navigator.clipboard.writeText("x"));
    await it.page.keyboard.press("Control+v");
    await until("Ctrl+V", () => keysOf(it.w).some(([k, p]) => k === 0x76 && p));
    await it.page.waitForTimeout(200); // nothing follows
    assert.ok(!it.w.received.some((e) => e[0] === "clipboard"));
    it.w.received.length = 0;
    await openSession(it, "/session/new?connection=staging%2Fkiosk");
    await it.page.keyboard.press("Control+v");
    await until("the end of the stream", () => it.w.received.some((e) => e[0] === "end"));
    assert.ok(it.w.received.some((e) => e[0] === "clipboard"));
  });

  page("six megabytes are pasted with progress, all of them", async (it) => {
    await openSession(it);
    await it.page.getByRole("button", { name: "Clipboard" }).click();
    await accessible(it.page, "clipboard panel");
    await shot(it.page, "session-clipboard");
    await it.page.keyboard.press("Escape");
    await it.page.evaluate(async () => {
      const data = new DataTransfer();
      data.setData("text/plain", "0123456789abcdef".repeat(393216));
      document.querySelector(".sink").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await it.page.locator(".toast progress").waitFor();
    await shot(it.page, "session-pasting");
    await until("the end of the stream", () => it.w.received.some((e) => e[0] === "end"), 90_000);
    const size = it.w.received.filter((e) => e[0] === "blob").reduce((n, e) => n + Buffer.from(e[2], "base64").length, 0);
    assert.equal(size, 6291456);
  });

  page("what is copied there is offered, and taken on a click", async (it) => {
    let far;
    it.w.tunnel = (s, u) => live(it.w, s, u, { ready: (x) => { far = x; } });
    await openSession(it);
    far.send("clipboard", 1, "text/plain");
    far.send("blob", 1, Buffer.from("from there: ü😀").toString("base64"));
    far.send("end", 1);
    await it.page.getByText("Copied there:").waitFor();
    await accessible(it.page, "copied toast");
    await shot(it.page, "session-copied");
    assert.notEqual(await it.page.evaluate(() => navigator.clipboard.readText()), "from there: ü😀");
    await it.page.getByRole("button", { name: "Take" }).click();
    await it.page.getByText("It is in your clipboard now.").waitFor();
    assert.equal(await it.page.evaluate(() => navigator.clipboard.readText()), "from there: ü😀");
  });

  page("policy: directions are shown and pasting is not tried", async (it) => {
    it.w.tunnel = (s, u) => live(it.w, s, u, { ready: (x) => x.state({ policy: { copy: false, paste: false } }) });
    await openSession(it);
    await it.page.evaluate(() => navigator.clipboard.writeText("x"));
    await it.page.keyboard.press("Control+Shift+V");
    await it.page.getByText("Pasting into this session is not allowed.").waitFor();
    assert.ok(!it.w.received.some((e) => e[0] === "clipboard"));
    await it.page.getByRole("button", { name: "Clipboard" }).click();
    await it.page.getByText("Copying out of this session is not allowed.").waitFor();
  });

  page("the remote screen follows the window, in device pixels", async (it) => {
    await openSession(it);
    assert.equal(await it.page.locator(".screen canvas").first().evaluate((c) => c.getBoundingClientRect().width), 1280);
    await it.page.setViewportSize({ width: 900, height: 700 });
    await becomes("the size asked for", ["1800", "1320", "192"], () => it.w.received.findLast((e) => e[0] === "size")?.slice(1));
  }, { options: { deviceScaleFactor: 2 } });

  page("text of the terminal is there for a screen reader", async (it) => {
    await openSession(it);
    await it.page.keyboard.type("date");
    await it.page.waitForFunction(() => /deploy@build-host:~\$ date/.test(document.querySelector(".sr pre").textContent));
    assert.match((await it.page.locator("[role=log]").textContent()).replace(/ /g, ""), /date/);
  });

  page("a password is asked in a real form and answered by argv", async (it) => {
    it.w.tunnel = (s, u) => live(it.w, s, u, { required: ["username", "password"] });
    await it.go("/session/new?connection=relay%2Fbuild-host");
    await it.page.getByLabel("User name").fill("deploy");
    assert.equal(await it.page.getByLabel("Password").getAttribute("type"), "password");
    await it.page.getByLabel("Password").fill("s3cret ü");
    await accessible(it.page, "prompt");
    await shot(it.page, "session-password");
    await it.page.keyboard.press("Enter");
    await it.page.waitForSelector(".screen canvas");
    const argv = it.w.received.filter((e) => e[0] === "argv").map((e) => e[3]);
    assert.deepEqual(argv, ["username", "password"]);
    assert.deepEqual(it.w.received.filter((e) => e[0] === "blob").map((e) => Buffer.from(e[2], "base64").toString()), ["deploy", "s3cret ü"]);
  });

  page("questions come with their own words; an unknown host key is a choice", async (it) => {
    const key = "The host key of 10.42.7.12, port 22, is not known. It is a ED25519 key with the fingerprint SHA256:uNiVztksCsDhcc0u9e8BrpJr9gBZFuCxqhGyIVOcRlA. Connect if this is the server you mean: answer yes.";
    it.w.tunnel = (s, u) => live(it.w, s, u, { ask: [{ name: "host-key-accept", text: key, echo: true }] });
    await it.go("/session/new?connection=relay%2Fbuild-host");
    await it.page.getByText("Do you trust this host?").waitFor();
    assert.equal(await it.page.locator(".fingerprint").textContent(), "SHA256:uNiVztksCsDhcc0u9e8BrpJr9gBZFuCxqhGyIVOcRlA");
    await accessible(it.page, "host key");
    await shot(it.page, "session-host-key");
    await it.page.getByRole("button", { name: "It matches: connect" }).click();
    await it.page.waitForSelector(".screen canvas");
    assert.equal(Buffer.from(it.w.received.find((e) => e[0] === "blob")[2], "base64").toString(), "yes");
    it.w.received.length = 0;
    it.w.tunnel = (s, u) => live(it.w, s, u, { ask: [{ name: "password", text: "Verification code: ", echo: true }] });
    await it.go("/session/new?connection=relay%2Fbuild-host");
    await it.page.getByLabel("Verification code:").fill("123456");
    assert.equal(await it.page.getByLabel("Verification code:").getAttribute("type"), "text");
    await shot(it.page, "session-question");
  });

  const statuses = { 0x100: 0, 0x201: 1, 0x202: 1, 0x203: 0, 0x204: 0, 0x205: 0, 0x207: 0, 0x208: 1, 0x209: 0, 0x20a: 0, 0x20b: 0, 0x301: 0, 0x303: 0, 0x31d: 1 };
  for (const [code, auto] of Object.entries(statuses)) {
    const hex = Number(code).toString(16);
    page(`status 0x${hex}: a title, a sentence, what to do`, async (it) => {
      it.w.tunnel = (s) => { s.send("0.,36." + ids.session + ";"); s.send(`5.error,22.The host says: sorry.,${String(code).length}.${code};`.replace("22.", `${"The host says: sorry.".length}.`)); s.close(1000, String(code)); };
      await it.go("/session/new?connection=relay%2Fbuild-host");
      await it.page.getByText("The host says: sorry.").waitFor();
      assert.equal(await it.page.getByText(/Trying again in \d+ s/).count(), auto);
      assert.equal(await it.page.getByRole("button", { name: "Try again" }).count(), hex === "303" || hex === "100" ? 0 : 1);
      if (hex === "207" || hex === "208") await accessible(it.page, `status ${hex}`);
      await shot(it.page, `session-status-${hex}`);
    });
  }

  page("a lost line: the session comes back by itself", async (it) => {
    const seen = [];
    let away = false;
    it.w.tunnel = (s, u) => {
      seen.push(u.search);
      if (away) return s.terminate();
      live(it.w, s, u, { ready: (x) => { it.cut ??= () => x.socket.terminate(); } });
    };
    await openSession(it);
    away = true;
    it.cut();
    await it.page.getByText("The line broke").waitFor();
    await until("a second try", () => seen.length >= 3);
    await accessible(it.page, "lost");
    await shot(it.page, "session-lost");
    away = false;
    await it.page.getByText("The line broke").waitFor({ state: "detached" });
    assert.match(seen[0], /connection=relay%2Fbuild-host/);
    assert.match(seen.at(-1), new RegExp(`session=${ids.session}`));
    await focused(it.page);
  }, { allow: [/WebSocket connection/] });

  page("paused by the recorder, and on again", async (it) => {
    let far;
    it.w.tunnel = (s, u) => live(it.w, s, u, { ready: (x) => { far = x; } });
    await openSession(it);
    far.state({ paused: ["recorder"], why: "The store does not answer; what you see is kept until it does." });
    await it.page.getByText("Paused", { exact: true }).waitFor();
    await accessible(it.page, "paused");
    await shot(it.page, "session-paused");
    far.state({ paused: [], why: "" });
    await it.page.getByText("Paused", { exact: true }).waitFor({ state: "detached" });
    far.state({ left: 250000, reason: "duration", warn: true, message: "Maintenance in ten minutes." });
    await it.page.locator(".toolbar .meter", { hasText: /[34]:\d\d/ }).waitFor();
    await it.page.getByText("Maintenance in ten minutes.").waitFor();
    await accessible(it.page, "message");
    await shot(it.page, "session-message");
    // Both are bars above the picture, not over it, and both go by keyboard; the keys are the target's again.
    const bars = it.page.locator(".notices .notice");
    await becomes("bars", 2, () => bars.count());
    const under = () => it.page.evaluate(() => document.querySelector(".notices").getBoundingClientRect().bottom <= document.querySelector(".stage").getBoundingClientRect().top);
    assert.ok(await under(), "the notices lie over the picture");
    for (const left of [1, 0]) {
      await bars.last().getByRole("button", { name: "Close" }).press("Enter");
      await becomes("bars", left, () => bars.count());
      await focused(it.page);
    }
    far.state({ left: 200000, reason: "duration", warn: true, message: "Two minutes." });
    await it.page.getByText("Two minutes.").waitFor();
    assert.equal(await bars.count(), 1, "a warning that was dismissed came back");
  });

  page("disconnect ends the session by name", async (it) => {
    await openSession(it);
    await it.page.getByRole("button", { name: "Disconnect" }).click();
    await it.page.getByText("Session ended").waitFor();
    await becomes("ended", [ids.session], () => it.w.ended);
    await accessible(it.page, "ended");
    await shot(it.page, "session-ended");
    await it.page.getByRole("button", { name: "Connect again" }).click();
    await it.page.getByText("Session ended").waitFor({ state: "detached" });
  });

  page("menus: keys, display, text bar; on a phone", async (it) => {
    await openSession(it);
    await it.page.getByRole("button", { name: "Keys", exact: true }).click();
    await accessible(it.page, "keys menu");
    await shot(it.page, "session-keys");
    await it.page.getByRole("button", { name: "Ctrl+Alt+Del" }).click();
    await becomes("keys", [[0xffe3, 1], [0xffe9, 1], [0xffff, 1], [0xffff, 0], [0xffe9, 0], [0xffe3, 0]], () => keysOf(it.w).slice(-6));
    await it.page.getByRole("button", { name: "Display" }).click();
    await shot(it.page, "session-display");
    await it.page.getByRole("button", { name: "200 %" }).click();
    await becomes("the width", 2560, () => it.page.locator(".screen > div").evaluate((e) => e.getBoundingClientRect().width));
    await it.page.getByRole("button", { name: "Typing and touch" }).click();
    await shot(it.page, "session-input");
    await it.page.getByRole("button", { name: "Text bar" }).click();
    await it.page.getByLabel("Type here").fill("");
    it.w.received.length = 0;
    await it.page.getByLabel("Type here").pressSequentially("hé");
    await it.page.getByRole("button", { name: "Ctrl", exact: true }).click();
    await it.page.getByLabel("Type here").pressSequentially("c");
    await becomes("keys", [[0x68, 1], [0x68, 0], [0xe9, 1], [0xe9, 0], [0xffe3, 1], [0x63, 1], [0x63, 0], [0xffe3, 0]], () => keysOf(it.w));
    await accessible(it.page, "text bar");
    await it.page.setViewportSize({ width: 390, height: 800 });
    await shot(it.page, "session-phone");
  });

  page("zoom: step by step, one to one, fit; dense panels may be used by their pixels or not", async (it) => {
    await openSession(it, "/session/new?connection=staging%2Fkiosk");
    const width = () => it.page.locator(".screen > div").evaluate((e) => e.getBoundingClientRect().width);
    await becomes("the width", 1280, width);
    await it.page.getByRole("button", { name: "Display" }).click();
    for (let i = 0; i < 2; i++) await it.page.getByRole("button", { name: "Larger" }).click();
    await becomes("the width", 1280 * 1.5, width);
    for (let i = 0; i < 3; i++) await it.page.getByRole("button", { name: "Smaller" }).click();
    await becomes("the width", 1280 * 0.75, width);
    await it.page.getByText("75 %").first().waitFor();
    await it.page.getByRole("button", { name: "Use every pixel" }).click();
    await becomes("the size asked for", ["2560", "1520", "192"], () => it.w.received.findLast((e) => e[0] === "size")?.slice(1));
    await it.page.getByRole("button", { name: "Display" }).click();
    await it.page.getByRole("button", { name: "Actual size" }).click();
    await it.page.waitForFunction(() => document.querySelector(".screen > div").getBoundingClientRect().width === 1280);
  }, { options: { deviceScaleFactor: 2 } });

  page("the on-screen keyboard: characters by level, modifiers held once, layouts", async (it) => {
    await openSession(it);
    await it.page.getByRole("button", { name: "Typing and touch" }).click();
    await it.page.getByRole("button", { name: "On-screen keyboard" }).click();
    const key = (name) => it.page.locator(".osk").getByRole("button", { name, exact: true });
    await accessible(it.page, "on-screen keyboard");
    await shot(it.page, "session-osk");
    it.w.received.length = 0;
    await key("a").click();
    await key("Shift").first().click();
    await key("A").click();
    await key("Ctrl").click();
    await key("c").click();
    await key("F5").click();
    const press = (k) => [[k, 1], [k, 0]];
    await becomes("keys", [...press(0x61), ...press(0x41), [0xffe3, 1], ...press(0x63), [0xffe3, 0], ...press(0xffc2)], () => keysOf(it.w));
    await focused(it.page); // the screen keeps the keys
    await it.page.getByLabel("Layout of the on-screen keyboard").selectOption("de");
    await key("AltGr").click();
    await key("@").click();
    await key("ß").focus();
    await it.page.keyboard.press("Enter");
    await becomes("keys", [...press(0x40), ...press(0xdf)], () => keysOf(it.w).slice(-4));
    await it.page.setViewportSize({ width: 390, height: 800 });
    await shot(it.page, "session-osk-phone");
  });

  page("a finger taps, or moves the pointer like a touchpad; two fingers zoom", async (it) => {
    const mice = [];
    it.w.tunnel = (s, u) => { live(it.w, s, u); s.on("message", (d) => { const m = /^5\.mouse,\d+\.(-?\d+),\d+\.(-?\d+),\d+\.(\d+)/.exec(String(d)); if (m) mice.push(m.slice(1).map(Number)); }); };
    await openSession(it, "/session/new?connection=staging%2Fkiosk", true);
    const cdp = await it.context.newCDPSession(it.page);
    const touch = (type, ...points) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    const top = await it.page.locator(".stage").evaluate((e) => e.getBoundingClientRect().top);
    await touch("touchStart", [300, top + 200]);
    await touch("touchEnd");
    await until("a click", () => mice.some((m) => m[2] === 1));
    assert.deepEqual(mice.find((m) => m[2] === 1), [300, 200, 1]);
    await touch("touchStart", [300, top + 200], [400, top + 200]);
    for (let x = 400; x <= 600; x += 20) await touch("touchMove", [300, top + 200], [x, top + 200]);
    await touch("touchEnd");
    await it.page.waitForFunction(() => Math.abs(document.querySelector(".screen > div").getBoundingClientRect().width - 3840) < 200);
    await it.page.getByRole("button", { name: "Display" }).click();
    await it.page.getByRole("button", { name: "Fit the window" }).click();
    await it.page.getByRole("button", { name: "Typing and touch" }).click();
    await it.page.getByRole("button", { name: "Like a touchpad" }).click();
    mice.length = 0;
    await touch("touchStart", [300, top + 200]);
    for (let x = 300; x <= 360; x += 10) await touch("touchMove", [x, top + 200]);
    await touch("touchEnd");
    await until("the pointer on its way", () => mice.length > 2 && mice.at(-1)[0] > mice[0][0]);
    assert.ok(mice.every((m) => m[2] === 0), JSON.stringify(mice));
  }, { options: { hasTouch: true } });

  page("files: browse, fetch, send with progress, cancel, refusals, directions", async (it) => {
    let far;
    const big = Buffer.alloc(300000, "0123456789");
    const disk = { "/": { "/reports": "/", "/note.txt": Buffer.from("hello"), "/.hidden": Buffer.from(""), "/secret": "refused", "/‮gpj.exe": Buffer.from("x") }, "/reports": { "/reports/big.bin": big, "/reports/slow.bin": "slow" } };
    it.w.tunnel = (s, u) => live(it.w, s, u, { disk, ready: (x) => { far = x; } });
    await openSession(it, "/session/new?connection=staging%2Fkiosk");
    await it.page.getByRole("button", { name: "Files" }).click();
    await it.page.getByRole("button", { name: /note\.txt/ }).waitFor();
    await accessible(it.page, "files");
    await shot(it.page, "session-files");
    let [download] = await Promise.all([it.page.waitForEvent("download"), it.page.getByRole("button", { name: /note\.txt/ }).click()]);
    assert.equal(download.suggestedFilename(), "note.txt");
    assert.equal(readFileSync(await download.path(), "utf8"), "hello");
    [download] = await Promise.all([it.page.waitForEvent("download"), it.page.getByRole("button", { name: /gpj\.exe/ }).click()]);
    assert.doesNotMatch(download.suggestedFilename(), /\u202e/);
    await it.page.getByRole("button", { name: /secret/ }).click();
    await it.page.locator(".transfer.failed").getByText("The target says no.").waitFor();
    await it.page.getByRole("button", { name: /reports/ }).click();
    [download] = await Promise.all([it.page.waitForEvent("download"), it.page.getByRole("button", { name: /big\.bin/ }).click()]);
    assert.deepEqual(readFileSync(await download.path()), big);
    await it.page.getByRole("button", { name: /slow\.bin/ }).click();
    await it.page.locator(".transfer.running").waitFor();
    await shot(it.page, "session-files-running");
    await it.page.getByRole("button", { name: "Cancel: slow.bin" }).click();
    await it.page.locator(".transfer.cancelled").waitFor();
    await it.page.locator(".files input[type=file]").setInputFiles([{ name: "up.bin", mimeType: "application/octet-stream", buffer: big }, { name: "ü 😀.txt", mimeType: "text/plain", buffer: Buffer.from("x") }, { name: "empty", mimeType: "text/plain", buffer: Buffer.alloc(0) }]);
    await it.page.locator(".transfer.done", { hasText: "empty" }).waitFor();
    assert.deepEqual(disk["/reports"]["/reports/up.bin"], big);
    assert.equal(String(disk["/reports"]["/reports/ü 😀.txt"]), "x");
    await it.page.getByRole("button", { name: /up\.bin/ }).first().waitFor();
    await it.page.locator(".files input[type=file]").setInputFiles([{ name: "refused.bin", mimeType: "text/plain", buffer: Buffer.from("x") }]);
    await it.page.locator(".transfer.failed", { hasText: "refused.bin" }).getByText("Disk full.").waitFor();
    await shot(it.page, "session-files-done");
    await accessible(it.page, "transfers");
    // dropped onto the picture
    await it.page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["dropped"], "dropped.txt"));
      const stage = document.querySelector(".stage");
      stage.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
      stage.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    await it.page.locator(".transfer.done", { hasText: "dropped.txt" }).waitFor();
    assert.equal(String(disk["/reports"]["/reports/dropped.txt"]), "dropped");
    // what the far side sends by itself is taken on a click only
    far.send("file", 40, "text/plain", "offered.txt");
    await it.page.getByText("offered by the target").waitFor();
    assert.ok(!far.acks.has(40));
    [download] = await Promise.all([it.page.waitForEvent("download"), it.page.getByRole("button", { name: "Save" }).click().then(async () => {
      await until("an acknowledgement", () => far.acks.has(40));
      far.send("blob", 40, Buffer.from("given").toString("base64"));
      far.send("end", 40);
    })]);
    assert.equal(readFileSync(await download.path(), "utf8"), "given");
    await it.page.getByRole("button", { name: "New folder" }).click();
    await it.page.getByLabel("Name").fill("made here");
    await it.page.getByRole("button", { name: "Make it" }).click();
    await it.page.getByRole("button", { name: /made here/ }).waitFor();
    far.state({ files: [{ object: 7, name: "Home", upload: false, download: false, limit: 0 }] });
    await it.page.getByText("Sending files there is not allowed.").waitFor();
    assert.ok(await it.page.getByRole("button", { name: "Upload", exact: true }).isDisabled());
    assert.ok(await it.page.getByRole("button", { name: /big\.bin/ }).first().isDisabled());
    await accessible(it.page, "files refused");
    await shot(it.page, "session-files-refused");
  });

  page("sound is played, muted, and of the right length", async (it) => {
    let far;
    it.w.tunnel = (s, u) => live(it.w, s, u, { ready: (x) => { far = x; } });
    await it.page.addInitScript(() => {
      const start = AudioBufferSourceNode.prototype.start;
      window.played = [];
      AudioBufferSourceNode.prototype.start = function (when) { window.played.push([this.buffer.duration, this.buffer.numberOfChannels, this.buffer.getChannelData(0)[1]]); return start.call(this, when); };
    });
    await openSession(it, "/session/new?connection=staging%2Fkiosk");
    await it.page.mouse.click(640, 400); // a person's touch: before it browsers stay silent
    far.send("audio", 30, "audio/L16;rate=44100,channels=2");
    const tone = Buffer.alloc(4410 * 4);
    for (let i = 0; i < 4410; i++) { tone.writeInt16LE(i === 1 ? 16384 : 0, i * 4); tone.writeInt16LE(0, i * 4 + 2); }
    await until("sound", () => { far.send("blob", 30, tone.toString("base64")); return it.page.evaluate(() => window.played.length > 0); });
    assert.deepEqual(await it.page.evaluate(() => window.played[0].map((n) => Math.round(n * 100) / 100)), [0.1, 2, 0.5]);
    await it.page.getByRole("button", { name: "Sound" }).click();
    await accessible(it.page, "sound menu");
    await shot(it.page, "session-sound");
    await it.page.getByRole("button", { name: "Mute" }).click();
    await it.page.getByRole("button", { name: "Mute", pressed: true }).waitFor();
    const before = await it.page.evaluate(() => window.played.length);
    far.send("blob", 30, tone.toString("base64"));
    await it.page.waitForTimeout(200); // nothing is heard
    assert.equal(await it.page.evaluate(() => window.played.length), before);
  });

  page("sessions side by side: each has its keys, the address holds them all", async (it) => {
    let n = 1;
    it.w.tunnel = (s, u) => {
      const id = u.searchParams.get("session") ?? `019a9f00-0000-7000-8000-00000000000${n++}`;
      u.searchParams.set("session", id);
      if (!it.w.sessions.some((x) => x.id === id)) it.w.sessions.push({ id, connection: { namespace: u.searchParams.get("connection").split("/")[0], name: u.searchParams.get("connection").split("/")[1] }, protocol: "ssh", owner: { sub: "u-1", name: "Anna" }, started: Date.now(), users: 1, mine: true });
      live(it.w, s, u);
      s.on("message", (d) => { if (/^3\.key/.test(String(d))) (it.w.typed ??= []).push(id.at(-1)); });
    };
    await openSession(it);
    await it.page.getByRole("button", { name: "Another session" }).click();
    await it.page.getByRole("searchbox").fill("kiosk");
    await accessible(it.page, "beside menu");
    await it.page.getByRole("button", { name: /Kiosk display/ }).click();
    await it.page.waitForFunction(() => document.querySelectorAll(".screen canvas").length >= 2);
    await focused(it.page, ".tile:last-child");
    await it.page.keyboard.type("b");
    await it.page.locator(".tile").first().locator(".screen").click();
    await focused(it.page, ".tile:first-child"); // the press gives the keys at once
    await it.page.keyboard.type("a");
    await becomes("keys", ["2", "2", "1", "1"], () => it.w.typed);
    await it.page.waitForURL(/session\/019a9f00-0000-7000-8000-000000000001\?beside=019a9f00-0000-7000-8000-000000000002$/);
    await accessible(it.page, "side by side");
    await shot(it.page, "session-beside");
    await it.page.reload();
    await it.page.waitForFunction(() => document.querySelectorAll(".screen canvas").length >= 2);
    await it.page.getByRole("button", { name: /Close Build host here/ }).click();
    await it.page.waitForURL(/session\/019a9f00-0000-7000-8000-000000000002$/);
    assert.equal(await it.page.locator(".caption").count(), 0);
  });

  page("soon over: a warning with what helps; who is there is shown", async (it) => {
    let far;
    it.w.tunnel = (s, u) => live(it.w, s, u, { ready: (x) => { far = x; } });
    await openSession(it, "/session/new?connection=staging%2Fkiosk");
    far.state({ left: 60000, reason: "idle", warn: true, users: [{ user: 1, name: "Anna Example", role: "owner" }, { user: 2, name: "Ben Beispiel", role: "viewer" }] });
    await it.page.getByText("Nobody did anything for a while").waitFor();
    await accessible(it.page, "idle warning");
    await shot(it.page, "session-idle");
    await it.page.getByRole("button", { name: "I am here" }).click();
    await it.page.getByText("Nobody did anything for a while").waitFor({ state: "detached" });
    await it.page.getByRole("button", { name: "2 people are here" }).click();
    await it.page.getByText("Ben Beispiel").waitFor();
    await accessible(it.page, "people");
    await shot(it.page, "session-people");
    far.state({ left: 90000, reason: "duration", warn: true });
    await it.page.getByText("time is nearly over").waitFor();
    await shot(it.page, "session-time");
  });
});

describe("approvals", () => {
  const jit = (w) => {
    w.connections[1].allowed = false;
    Object.assign(w.connections[1], { rule: "jit-approval", why: "This connection needs an approval.", advice: "Ask for one." });
    w.connections[1].jit = { requiredApprovers: ["team-platform", "security-officer"], maxDurationMinutes: 240, request: null };
  };
  page("asked for from the list: reason, minutes, refusal in words; then waiting; then open", async ({ page, go, w }) => {
    await go("/connections");
    await page.getByRole("button", { name: "Ask for approval" }).click();
    await accessible(page, "request dialog");
    await shot(page, "request-dialog");
    assert.ok(await page.getByRole("button", { name: "Ask", exact: true }).isDisabled());
    await page.getByLabel("Why").fill("refuse me");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByText("You asked for this already.").waitFor();
    await page.getByLabel("Why").fill("Ticket 4711");
    await page.getByRole("button", { name: "120 minutes" }).click();
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByText("Asked for. Still missing:").waitFor();
    assert.equal(w.requests[0].minutes, 120);
    await accessible(page, "connections with a request");
    await shot(page, "connections-pending");
    Object.assign(w.connections[1], { allowed: true, why: null, rule: null });
    w.connections[1].jit.request = { id: "r-1", state: "approved", missing: [], until: Date.now() + 7200000 };
    w.bump();
    await page.getByText("Open for").waitFor();
    await page.getByText("Legacy payment gateway").waitFor();
    assert.equal(await page.locator("a.row", { hasText: "Legacy" }).count(), 1);
    await shot(page, "connections-window");
  }, { world: jit, allow: [/403/] });

  page("decided by another: the badge counts, a note goes along, a conflict is told, both pages move by themselves", async ({ page, go, w }) => {
    await go("/connections");
    await page.getByRole("link", { name: /Approvals/ }).getByText("2").waitFor();
    await page.getByRole("link", { name: /Approvals/ }).click();
    await page.getByText("Waiting for your word").waitFor();
    await accessible(page, "approvals");
    await shot(page, "approvals");
    const row = page.locator(".card-row", { hasText: "batch of last night" });
    await row.getByRole("button", { name: "Approve" }).click();
    await accessible(page, "approve dialog");
    await shot(page, "approvals-approve");
    await page.getByLabel("Note").fill("refuse: too late");
    await page.locator("dialog").getByRole("button", { name: "Approve" }).click();
    await page.getByText("Somebody else decided first.").waitFor();
    await page.getByLabel("Note").fill("go ahead");
    await page.locator("dialog").getByRole("button", { name: "Approve" }).click();
    await row.getByText("Approved", { exact: true }).waitFor();
    assert.deepEqual(w.asked.at(-1), ["approve", "r-1", { note: "go ahead" }]);
    await page.locator(".card-row", { hasText: "production is down" }).getByRole("button", { name: "Deny" }).click();
    assert.ok(await page.locator("dialog").getByRole("button", { name: "Deny" }).isDisabled(), "a no has a reason");
    await page.keyboard.press("Escape");
    await row.getByRole("button", { name: "Revoke", exact: true }).click();
    await page.getByText("A session that runs under it ends at once.").waitFor();
    await page.getByLabel("Note").fill("done");
    await page.locator("dialog").getByRole("button", { name: "Revoke" }).click();
    await row.waitFor({ state: "detached" });
    await page.getByLabel("Show past requests").check();
    await row.getByText("Revoked").first().waitFor();
    await shot(page, "approvals-past");
    w.requests.push(request("r-9", { reason: "Newest of all" }));
    w.bump();
    await page.getByText("Newest of all").waitFor();
  }, { allow: [/409/], world: (w) => {
    w.requests = [request("r-1"), request("r-2", { reason: "production is down", breakGlass: true, minutes: 30, missing: ["team-platform", "security-officer"] }),
      request("r-3", { reason: "Month-end closing", mine: true, requester: { sub: "u-1", name: "Anna Example" }, state: "approved", missing: [], from: Date.now() - 600000, until: Date.now() + 3000000, may: ["revoke", "connect"], decisions: [{ by: { sub: "u-3", name: "Chris Approver" }, decision: "approve", as: "team-platform", note: "fine", at: Date.now() - 600000 }] })];
  } });

  page("nothing asked", async ({ page, go }) => {
    await go("/approvals");
    await page.getByText("No request is open").waitFor();
    await accessible(page, "approvals-none");
    await shot(page, "approvals-none");
  });

  page("a connection that wants a fresh sign-in says so", async ({ page, go }) => {
    await go("/connections");
    const link = page.getByRole("link", { name: "Sign in again" });
    assert.equal(await link.getAttribute("href"), "/auth/login?to=%2F&connection=relay%2Fcore-switch");
    await shot(page, "connections-step-up");
  }, { world: (w) => { Object.assign(w.connections[4], { why: "This connection wants a recent sign-in with a second factor.", rule: "step-up", stepUp: "/auth/login?to=%2F&connection=relay%2Fcore-switch" }); } });
});

describe("live sessions", () => {
  const all = (w) => {
    Object.assign(w.me, { canModerate: true, canLock: true });
    w.sessions = [session(ids.session), session(ids.live, { title: "Kiosk display", protocol: "vnc", target: "kiosk.staging:5900", owner: { sub: "u-3", name: "Chris Approver" }, recorder: "behind", moderated: true, paused: ["recorder"], until: Date.now() + 1500000, people: [{ user: 1, sub: "u-3", name: "Chris Approver", role: "owner" }, { user: 2, sub: "u-1", name: "Anna Example", role: "viewer" }], users: 2 })];
  };
  page("who, where, since when; message, pause, resume, end with a reason", async ({ page, go, w }) => {
    await go("/live");
    const row = page.locator(".card-row", { hasText: "Build host" });
    await row.waitFor();
    await accessible(page, "live");
    await shot(page, "live");
    await row.getByRole("button", { name: "More for" }).click();
    await shot(page, "live-more");
    await row.getByRole("button", { name: "Message" }).click();
    await page.getByLabel("Message", { exact: true }).fill("Maintenance in ten minutes.");
    await accessible(page, "message dialog");
    await page.locator("dialog").getByRole("button", { name: "Message" }).click();
    await page.locator("dialog[open]").waitFor({ state: "detached" });
    assert.deepEqual(w.asked.at(-1), ["message", ids.session, { text: "Maintenance in ten minutes." }]);
    await row.getByRole("button", { name: "More for" }).click();
    await row.getByRole("button", { name: "Pause" }).click();
    await page.getByLabel("Why").fill("Wait.");
    await page.locator("dialog").getByRole("button", { name: "Pause" }).click();
    await row.getByText("Paused").waitFor();
    await row.getByRole("button", { name: "More for" }).click();
    await row.getByRole("button", { name: "Resume" }).click();
    await row.getByText("Paused").waitFor({ state: "detached" });
    await row.getByRole("button", { name: "End" }).click();
    await shot(page, "live-end");
    await page.getByLabel("Reason, shown to the person").fill("Leaves the company.");
    await page.locator("dialog").getByRole("button", { name: "End" }).click();
    await row.waitFor({ state: "detached" });
    assert.deepEqual(w.asked.at(-1), ["end", ids.session, { text: "Leaves the company." }]);
    w.sessions = [];
    w.bump();
    await page.getByText("Nobody is connected").waitFor();
    await shot(page, "live-none");
  }, { world: all });

  page("watching sends nothing: no key, no mouse, no size, and says so", async (it) => {
    let asked;
    it.w.tunnel = (s, u) => { asked = u.searchParams; live(it.w, s, u, { ready: (x) => x.state({ role: "viewer", readOnly: true, users: [{ user: 1, name: "Ben Beispiel", role: "owner" }, { user: 2, name: "Anna Example", role: "viewer" }] }) }); };
    await it.go("/live");
    await it.page.locator(".card-row", { hasText: "Build host" }).getByRole("link", { name: "Watch" }).click();
    await it.page.waitForSelector(".screen canvas");
    assert.equal(asked.get("role"), "viewer");
    await it.page.getByText("You watch").waitFor();
    await it.page.keyboard.type("rm -rf");
    await it.page.mouse.click(400, 400);
    await it.page.setViewportSize({ width: 900, height: 600 });
    await it.page.waitForTimeout(500); // nothing goes over
    assert.deepEqual(it.w.received.filter((e) => ["key", "mouse", "size", "clipboard"].includes(e[0])), []);
    await accessible(it.page, "watching");
    await shot(it.page, "session-watching");
    await it.page.getByRole("button", { name: "Leave" }).click();
    await it.page.waitForTimeout(200); // nothing is asked
    assert.deepEqual(it.w.ended, [], "a guest who leaves ends nothing");
  }, { world: all });

  page("an invitation: a link for one person, once; roles of those who are there", async (it) => {
    let far;
    it.w.tunnel = (s, u) => live(it.w, s, u, { ready: (x) => { far = x; } });
    it.w.sessions = [session(ids.session, { mine: true, owner: { sub: "u-1", name: "Anna Example" }, may: ["resume", "end", "invite", "role"] })];
    await openSession(it);
    far.state({ users: [{ user: 1, name: "Anna Example", role: "owner" }, { user: 2, name: "Ben Beispiel", role: "viewer" }] });
    await it.page.getByRole("button", { name: "Share this session" }).click();
    await it.page.getByText("To help (keys and mouse)").click();
    await it.page.getByRole("button", { name: "Make a link" }).click();
    assert.match(await it.page.getByLabel("Link", { exact: true }).inputValue(), /\/join\/t{43}$/);
    assert.deepEqual(it.w.asked.at(-1), ["invite", ids.session, { role: "helper", minutes: 15 }]);
    await accessible(it.page, "share");
    await shot(it.page, "session-share");
    await it.page.getByLabel("What Ben Beispiel may do").selectOption("helper");
    await becomes("asked", ["role", ids.session, { user: 2, role: "helper" }], () => it.w.asked.at(-1));
  });

  page("an invited person joins by a click; a used link says so", async ({ page, go }) => {
    await go(`/join/used${"x".repeat(40)}`);
    await accessible(page, "join");
    await shot(page, "join");
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByText("This link was used already.").waitFor();
    await accessible(page, "join-used");
    await go(`/join/${"x".repeat(43)}`);
    await page.getByRole("button", { name: "Join" }).click();
    await page.waitForURL(new RegExp(`/session/${ids.session}\\?role=viewer`));
    await page.waitForSelector(".screen canvas");
  }, { allow: [/410/], world: all });

  page("locks: a person is shut out, and let in again", async ({ page, go, w }) => {
    await go("/live");
    await page.getByRole("link", { name: "Locks" }).click();
    await page.getByText("Nothing is locked").waitFor();
    await page.getByRole("button", { name: "Lock", exact: true }).click();
    await page.getByLabel("Person (sub)").fill("u-2");
    await page.getByLabel("Reason").fill("Lost laptop");
    await page.getByLabel("Minutes").fill("60");
    await accessible(page, "lock dialog");
    await shot(page, "lock-dialog");
    await page.locator("dialog").getByRole("button", { name: "Lock", exact: true }).click();
    await page.getByText("Lost laptop").waitFor();
    assert.equal(w.locks[0].minutes, 60);
    await accessible(page, "locks");
    await shot(page, "locks");
    await page.getByRole("button", { name: "Lift" }).click();
    await page.getByLabel("Reason").fill("Found it");
    await page.locator("dialog").getByRole("button", { name: "Lift" }).click();
    await page.getByText("Nothing is locked").waitFor();
  }, { world: all });
});

describe("recordings", () => {
  page("list, filter, pages", async ({ page, go, w }) => {
    w.pageSize = 2;
    await go("/recordings");
    await page.getByText("Ben Beispiel").waitFor();
    await accessible(page, "recordings");
    await page.getByRole("button", { name: "Show older" }).click();
    await page.locator("a.row").nth(2).waitFor();
    await shot(page, "recordings");
    await page.getByLabel("Person").fill("ben");
    await page.waitForFunction(() => document.querySelectorAll("a.row").length === 1);
    await page.getByLabel("Person").fill("nobody");
    await page.getByText("No recording matches").waitFor();
    await shot(page, "recordings-no-match");
    await accessible(page, "recordings-no-match");
  });
  page("none yet", async ({ page, go }) => {
    await go("/recordings");
    await page.getByText("Nothing was recorded yet").waitFor();
    await shot(page, "recordings-none");
  }, { world: (w) => { w.recordings = []; } });
  page("a recording that is not there", async ({ page, go }) => {
    await go("/replay/019a9f00-0000-7000-8000-00000000dead");
    await page.getByText("There is no such recording.").waitFor();
    await page.getByText("c-123").waitFor();
    await accessible(page, "no such recording");
    await shot(page, "replay-missing");
  }, { allow: [/404/] });
});

describe("evidence", () => {
  page("search: hits with their words marked, by kind, and each opens its moment", async ({ page, go, w }) => {
    await go("/recordings");
    await page.getByLabel("Search in all recordings").fill("srv");
    await page.getByText("3 hits").waitFor();
    assert.deepEqual(await page.locator(".hits mark").allTextContents(), ["srv", "srv", "srv"]);
    assert.equal(await page.locator(".hits b").count(), 0, "what was recorded is text");
    await accessible(page, "search");
    await shot(page, "search");
    await page.getByText("clipboard", { exact: true }).first().click();
    await page.getByText("1 hit", { exact: true }).waitFor();
    assert.equal(w.asked.at(-1)[1].kind, "clip");
    await page.getByText("everything").click();
    await page.getByText("3 hits").waitFor();
    await page.locator(".hits a").first().click();
    await page.waitForURL(new RegExp(`/replay/${ids.recording}\\?t=144.1`));
    await at(page, 24);
    await page.goBack();
    await page.getByText("3 hits").waitFor();
    await page.getByLabel("Search in all recordings").fill("nothing");
    await page.getByText("“nothing” is nowhere").waitFor();
    await accessible(page, "search-none");
    await shot(page, "search-none");
  });

  page("the timeline shows small pictures and lanes; n and p go from event to event", async ({ page, go }) => {
    await go(`/replay/${ids.recording}?t=5`);
    await at(page, 5);
    const before = await page.locator(".time").textContent();
    await page.keyboard.press("n"); // whether or not its text was read yet
    await page.waitForFunction((b) => document.querySelector(".time").textContent !== b, before);
    const box = await page.locator(".timeline").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.locator(".tip canvas").waitFor();
    const ink = await page.evaluate(() => { const c = document.querySelector(".tip canvas"); return new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size; });
    assert.ok(ink > 4, `${ink} colours`);
    await shot(page, "replay-thumbnail");
    await page.waitForFunction(() => (document.querySelector(".timeline .clip")?.getAttribute("d") ?? "").length > 10);
    await page.mouse.move(10, 10);
    const there = await page.locator(".time").textContent();
    await page.keyboard.press("n");
    await page.waitForFunction((b) => document.querySelector(".time").textContent !== b, there);
    await page.keyboard.press("p");
    await page.waitForFunction((b) => document.querySelector(".time").textContent === b, there);
  });

  page("the place in the log is computed in the page; a forged path does not hold", async ({ page, go, w }) => {
    await go(`/replay/${ids.other}?t=1.5`);
    await at(page, 1);
    await page.getByRole("button", { name: "Evidence" }).click();
    await accessible(page, "evidence menu");
    await page.getByRole("button", { name: "Proof in the log" }).click();
    await page.getByText("in the log, proved here").waitFor();
    await page.getByText("Anna Example").last().waitFor();
    await accessible(page, "log proof");
    await shot(page, "log-proof");
    await page.getByRole("button", { name: "Close" }).last().click();
    w.proof = (r) => { const p = logProof(r); p.open.proof[0] = "00".repeat(32); return p; };
    await page.getByRole("button", { name: "Evidence" }).click();
    await page.getByRole("button", { name: "Proof in the log" }).click();
    await page.getByText("does not hold").waitFor();
    await shot(page, "log-proof-bad");
  });

  page("legal hold: set with a reason, cleared; refused in words", async ({ page, go, w }) => {
    await go(`/replay/${ids.other}`);
    await page.getByRole("button", { name: "Evidence" }).click();
    await page.getByRole("button", { name: "Legal hold" }).click();
    await page.getByText("Not on hold").waitFor();
    await page.getByLabel("Reason").fill("Case 4711");
    await page.getByRole("button", { name: "Set the hold" }).click();
    await page.getByText("On hold", { exact: true }).waitFor();
    await accessible(page, "hold");
    await shot(page, "hold");
    w.holds = false;
    await page.getByLabel("Reason").fill("Over");
    await page.getByRole("button", { name: "Clear the hold" }).click();
    await page.getByText("You may not set holds.").waitFor();
  }, { allow: [/403/] });

  page("export: one recording or a period, progress, download, how to verify", async ({ page, go, w }) => {
    await go(`/replay/${ids.other}`);
    await page.getByRole("button", { name: "Evidence" }).click();
    await page.getByRole("link", { name: "Export this recording" }).click();
    await page.getByText("1 recording chosen.").waitFor();
    await page.getByText("No export yet").waitFor();
    await accessible(page, "evidence-none");
    await page.getByRole("button", { name: "Make the export" }).click();
    await page.getByText("1 of 2").waitFor();
    assert.deepEqual(w.asked.at(-1), ["export", { sessions: [ids.other] }]);
    await shot(page, "evidence-running");
    Object.assign(w.exports[0], { state: "ready", done: 2 });
    w.exports.push({ export: "ex-0000", state: "failed", started: Date.now() - 3600000, sessions: 12, done: 3, total: 12, bytes: 0, error: "The store does not answer." });
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    assert.equal(download.suggestedFilename(), "ex-0001.tar");
    await accessible(page, "evidence");
    await shot(page, "evidence");
    await page.getByRole("button", { name: "Remove" }).first().click();
    await page.getByRole("link", { name: "Download" }).waitFor({ state: "detached" });
    await page.getByLabel("From").fill("2026-11-01T00:00");
    await page.getByLabel("To").fill("2026-12-01T00:00");
    await page.getByRole("button", { name: "Make the export" }).click();
    await page.getByText("1 of 2").waitFor();
    assert.equal(w.asked.at(-1)[1].to - w.asked.at(-1)[1].from, 30 * 86400000);
  });

  page("a gateway that makes no exports offers none, asks for none, and says how they are made", async ({ page, go }) => {
    const asked = [];
    page.on("request", (r) => { if (r.url().includes("/api/exports")) asked.push(r.url()); });
    await go(`/replay/${ids.other}`);
    await page.getByRole("button", { name: "Evidence" }).click();
    await page.getByRole("button", { name: "Proof in the log" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Export this recording" }).count(), 0);
    await go("/recordings");
    await page.getByRole("link", { name: "Recordings", exact: true }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Evidence", exact: true }).count(), 0);
    await go(`/evidence?sessions=${ids.other}`); // a link from elsewhere
    await page.getByText(`--output EXPORT ${ids.other}`).waitFor();
    assert.equal(await page.getByRole("button", { name: "Make the export" }).count(), 0);
    await accessible(page, "evidence-command");
    await shot(page, "evidence-command");
    assert.deepEqual(asked, []);
  }, { world: (w) => { w.me.canExport = false; } });
});

// The bar at the bottom of the made picture is as long as the second within its minute.
const second = (page) => page.evaluate(() => {
  const c = document.querySelector(".picture canvas");
  const row = c.getContext("2d").getImageData(0, 632, 1024, 1).data;
  let x = 0;
  while (x < 1024 && row[x * 4] === 255) x++;
  return Math.round(x / (1024 / 60));
});
const at = (page, s) => page.waitForFunction((s) => {
  const c = document.querySelector(".picture canvas");
  if (!c?.width) return false;
  const row = c.getContext("2d").getImageData(0, 632, 1024, 1).data;
  let x = 0;
  while (x < 1024 && row[x * 4] === 255) x++;
  return Math.round(x / (1024 / 60)) === s;
}, s);

describe("replay", () => {
  page("opens at a moment with few bytes, seeks at once, transcript follows and can be clicked", async ({ page, go, w }) => {
    await go(`/replay/${ids.recording}?t=312.5`);
    await at(page, 12);
    assert.ok(w.log.filter((n) => n.endsWith("key.zst")).length === 1);
    assert.ok(w.log.filter((n) => n.endsWith("guac.zst")).length < 12, `${w.log}`);
    await accessible(page, "replay");
    await shot(page, "replay");
    const times = [];
    for (const share of [0.9, 0.1, 0.5, 0.31]) {
      const box = await page.locator(".timeline").boundingBox();
      const t = performance.now();
      await page.mouse.click(box.x + box.width * share, box.y + 20);
      // The frame on the screen is at most an idle stretch older than the moment asked for.
      await page.waitForFunction((ms) => {
        const drawn = Number(document.querySelector(".picture").dataset.moment);
        return drawn <= ms + 3000 && drawn > ms - 36000;
      }, 600000 * share);
      times.push(Math.round(performance.now() - t));
    }
    console.log(`seeks: ${times.join(", ")} ms`);
    // 186 s: the transcript stands at the entry before; an earlier one is a way back.
    await page.waitForFunction(() => document.querySelector(".line[aria-current] time")?.textContent === "3:04");
    await page.locator(".line", { hasText: "2:24" }).first().click();
    await page.waitForFunction(() => document.querySelector(".time").textContent.startsWith("2:24"));
    assert.equal(await page.locator(".line[aria-current]").count(), 1);
  });

  page("play, pause, frames, speed, skip idle, keys", async ({ page, go }) => {
    await go(`/replay/${ids.recording}?t=20`);
    await at(page, 20);
    await page.keyboard.press(".");
    await page.waitForFunction(() => document.querySelector(".time").textContent.startsWith("0:20"));
    for (let i = 0; i < 12; i++) await page.keyboard.press(".");
    await at(page, 21);
    for (let i = 0; i < 14; i++) await page.keyboard.press(",");
    await at(page, 19);
    await page.keyboard.press("l");
    await page.waitForFunction(() => document.querySelector(".time").textContent.startsWith("0:29"));
    await page.keyboard.press("Home");
    await page.waitForFunction(() => document.querySelector(".time").textContent.startsWith("0:00"));
    for (let i = 0; i < 4; i++) await page.keyboard.press(">");
    await becomes("the speed", "16", () => page.locator("select").inputValue());
    await page.keyboard.press("k");
    await page.waitForFunction(() => Number(document.querySelector(".timeline").getAttribute("aria-valuenow")) >= 90);
    await page.keyboard.press("k");
    await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    await shot(page, "replay-playing");
    const still = await page.locator(".time").textContent();
    await page.waitForTimeout(300); // nothing moves
    assert.equal(await page.locator(".time").textContent(), still);
  });

  page("a link to the moment", async ({ page, go }) => {
    await go(`/replay/${ids.recording}?t=61.5`);
    await at(page, 55);
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Link to 1:01 copied").waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), new RegExp(`/replay/${ids.recording}\\?t=61\\.5$`));
  });

  page("everything is proved on demand: hashes, signatures, chain, seal", async ({ page, go }) => {
    await go(`/replay/${ids.other}?t=1.5`);
    await at(page, 1);
    await page.getByRole("button", { name: /Parts/ }).click();
    await accessible(page, "proofs");
    await page.getByRole("button", { name: "Check everything" }).click();
    await page.getByText("complete", { exact: true }).waitFor();
    assert.equal(await page.locator(".proofs dd", { hasText: "hold" }).count(), 3);
    await shot(page, "replay-proved");
  });

  page("a changed part is not shown, and named", async ({ page, go, w }) => {
    const r = w.recordings[2];
    const victim = r.chains.data[3].name;
    const bytes = Buffer.from(r.objects.get(victim));
    bytes[bytes.length - 20] ^= 1;
    r.objects.set(victim, bytes);
    await go(`/replay/${ids.other}?t=7.5`);
    await page.getByText("This part cannot be shown").waitFor();
    await page.getByText("altered").waitFor();
    await accessible(page, "altered");
    await shot(page, "replay-altered");
  });

  page("a hostile recording does nothing but draw", async ({ page, go, context }) => {
    const asked = [];
    context.on("request", (r) => { if (!new URL(r.url()).pathname.startsWith("/api/")) asked.push(r.url()); });
    await go("/settings");
    await page.evaluate(() => navigator.clipboard.writeText("mine"));
    await go(`/replay/${ids.recording}`);
    await page.waitForFunction(() => document.querySelector(".picture canvas")?.width >= 300);
    await page.waitForFunction(() => Number(document.querySelector(".timeline").getAttribute("aria-valuenow")) >= 1);
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "mine");
    assert.equal(await page.evaluate(() => window.owned), undefined);
    assert.deepEqual(asked.filter((u) => /evil/.test(u)), []);
    assert.deepEqual(await pixel(page, ".picture", 150, 100), [0, 128, 0, 255]);
    await page.getByText("<img src=x onerror=owned=1>").waitFor();
    assert.equal(await page.locator(".transcript img, .transcript a").count(), 0);
    await shot(page, "replay-hostile");
  }, {
    world: (w) => {
      const r = new (w.recordings[0].constructor)({ id: ids.recording, person: { sub: "x", name: "<b>Mallory</b>" } });
      const i = (...e) => e.map((x) => `${[...String(x)].length}.${x}`).join(",") + ";";
      const b64 = (s) => Buffer.from(s).toString("base64");
      r.add("keyframe", 0, 0, 0, i("size", 0, 300, 200) + i("rect", 0, 0, 0, 300, 200) + i("cfill", 14, 0, 0, 128, 0, 255) + i("sync", 1));
      r.add("data", 0, 0, 2000,
        i("clipboard", 1, "text/plain") + i("blob", 1, b64("stolen")) + i("end", 1) +
        i("pipe", 2, "text/plain", "x") + i("argv", 3, "text/plain", "x") + i("file", 4, "text/html", "evil.html") + i("blob", 4, b64("<script>owned=1</script>")) + i("end", 4) +
        i("img", 5, 14, 0, "image/svg+xml", 0, 0) + i("blob", 5, b64("<svg xmlns='http://www.w3.org/2000/svg'><image href='/evil.png'/></svg>")) + i("end", 5) +
        i("img", 6, 14, 0, "image/png", 0, 0) + i("blob", 6, b64("not a png")) + i("end", 6) +
        i("img", 7, 14, 0, "image/png", 0, 0) + i("blob", 7, "%%%not base64%%%") + i("end", 7) +
        i("nest", 1, i("clipboard", 9, "text/plain")) + i("audio", 8, "audio/L8") + i("video", 9, 0, "video/mp4") + i("required", "password") +
        i("size", 0, -5, 1e9) + i("size", 1, 99999, 99999) + i("move", 1, 1, 0, 0, 0) + i("move", 1, 2, 0, 0, 0) + i("move", 2, 1, 0, 0, 0) +
        i("size", 999999, 10, 10) + i("dispose", 0) + i("cfill", 14, 0, "x", "y", "z", "w") + i("transform", 0, "Infinity", "NaN", 0, 0, 0, 0) +
        i("constructor", 1) + i("__proto__", 1) + i("error", "boo", 512) + i("disconnect") + i("png", 14, 0, 0, 0, "x") + i("copy", -1, 0, 0, 8192, 8192, 14, -2, 8192, 8192) +
        Array.from({ length: 300 }, (_, k) => i("size", -k - 1, 8192, 8192)).join("") + i("sync", 500) + i("sync", 1500) + i("sync", 2000));
      r.add("text", 0, 0, 2000, JSON.stringify({ t: 10, k: "out", s: "<img src=x onerror=owned=1> \u001b]0;evil\u0007 https://evil.example/" }) + "\n");
      w.recordings[0] = r;
    },
  });

  page("the live edge: grows while the session runs, ends with it", async ({ page, go, w }) => {
    await go(`/replay/${ids.live}`);
    await page.getByRole("button", { name: "LIVE" }).waitFor();
    await page.waitForFunction(() => document.querySelector(".time").textContent.startsWith("3:00"));
    await accessible(page, "live replay");
    await shot(page, "replay-live");
    const r = w.recordings[1];
    const { paint } = await import("./lib/recording.mjs");
    const n = r.chains.data.length;
    const sync = (t) => `4.sync,${String(t).length}.${t};`;
    r.add("data", n, 180100, 182000, paint(181000, true).replace(/^4\.size.*?;/, "") + sync(181000) + sync(182000));
    await page.waitForFunction(() => document.querySelector(".time").textContent.startsWith("3:02"));
    await at(page, 1);
    r.state = "closed";
    await page.getByRole("button", { name: "LIVE" }).waitFor({ state: "detached" });
  });

  page("an empty recording says so", async ({ page, go }) => {
    await go(`/replay/${ids.recording}`);
    await page.getByText("There is no picture").waitFor();
    await accessible(page, "empty replay");
    await shot(page, "replay-empty");
  }, { world: (w) => { const r = new (w.recordings[0].constructor)({ id: ids.recording }); r.state = "refused"; w.recordings[0] = r; } });
});

const busy = (w) => {
  Object.assign(w.me, { canModerate: true, canApprove: true, canLock: true });
  w.requests = [request("r-1"), request("r-2", { mine: true, may: ["revoke"], breakGlass: true, reason: "A long reason ".repeat(12) })];
  w.sessions = [session(ids.session), session(ids.live, { title: "Kiosk display", protocol: "vnc", target: "kiosk.staging:5900", recorder: "behind", moderated: true, paused: ["recorder"], until: Date.now() + 1500000 })];
  w.locks = [{ id: "l-0", sub: "u-2", name: "Ben Beispiel", reason: "Lost a laptop", by: { sub: "u-1", name: "Anna Example" }, created: Date.now() - 60000, until: Date.now() + 3600000 }];
  w.exports = [{ export: "ex-0001", state: "running", started: Date.now() - 60000, sessions: 12, done: 3, total: 12, bytes: 0 }, { export: "ex-0000", state: "failed", started: Date.now() - 3600000, sessions: 12, done: 3, total: 12, bytes: 0, error: "The store does not answer." }];
  w.tunnel = (s, u) => live(w, s, u, { disk: { "/": { "/reports": "/", "/note.txt": Buffer.from("hello"), [`/${"long-name-".repeat(9)}.txt`]: Buffer.from("x") } }, ready: (far) => { w.far = far; } });
};

describe("looks", () => {
  const looks = { dark: { options: { colorScheme: "dark" } }, contrast: { theme: "contrast" }, forced: { options: { forcedColors: "active" } }, phone: { options: { viewport: { width: 390, height: 844 } } } };
  for (const [name, { options, theme }] of Object.entries(looks))
    page(`every page, ${name}`, async (it) => {
      if (theme) await it.context.addInitScript((t) => localStorage.setItem("settings", JSON.stringify({ theme: t })), theme);
      for (const [path, file, wait] of [["/connections", "connections", ".row"], ["/recordings", "recordings", ".row"], ["/settings", "settings", "fieldset"], [`/replay/${ids.recording}?t=31.5`, "replay", ".picture canvas"],
        ["/approvals", "approvals", ".card-row"], ["/live", "live", ".card-row"], ["/locks", "locks", ".card-row"], ["/evidence", "evidence", ".card-row"], ["/recordings?q=srv", "search", ".hits a"], ["/nowhere", "missing", ".state"]]) {
        await it.go(path);
        await it.page.locator(wait).first().waitFor();
        await accessible(it.page, `${file} ${name}`);
        await shot(it.page, `${file}-${name}`);
        const over = await it.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${file} ${name}: ${over} px wider than the window`);
      }
      await it.go("/session/new?connection=relay%2Fbuild-host");
      await it.page.waitForSelector(".screen canvas");
      await accessible(it.page, `session ${name}`);
      await shot(it.page, `session-${name}`);
      it.w.far.state({ left: 60000, reason: "idle", warn: true, message: "Maintenance in ten minutes." });
      await it.page.locator(".notice").nth(1).waitFor();
      await accessible(it.page, `notices ${name}`);
      await shot(it.page, `notices-${name}`);
      await it.go("/session/new?connection=staging%2Fkiosk");
      await it.page.waitForSelector(".screen canvas");
      await it.page.getByRole("button", { name: "Files" }).click();
      await it.page.getByRole("button", { name: /note\.txt/ }).waitFor();
      await accessible(it.page, `files ${name}`);
      await shot(it.page, `files-${name}`);
    }, { options, world: busy });

  page("asked too often: when it is tried again, and it is, by itself", async ({ page, go, w }) => {
    Object.assign(w, { fail: { status: 429, error: "Too many questions.", rule: "rate-limit" }, retryAfter: 2 });
    await go("/recordings");
    await page.getByText("It is tried again by itself in").waitFor();
    await accessible(page, "too often");
    await shot(page, "too-often");
    w.fail = null;
    await page.locator("a.row").first().waitFor();
  }, { allow: [/429/] });

  page("another language: from the browser, on every page, and changed at once", async ({ page, go }) => {
    for (const [path, words] of [["/connections", "Verbindungen suchen"], ["/approvals", "Keine Anfrage ist offen"], ["/recordings", "Protokoll"], ["/evidence", "Noch kein Export"], ["/settings", "Einstellungen"]]) {
      await go(path);
      await page.getByText(words).or(page.getByPlaceholder(words)).first().waitFor();
    }
    assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
    await accessible(page, "settings in German");
    await shot(page, "settings-de");
    await page.getByLabel("English").check();
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    await page.getByRole("link", { name: "Connections" }).waitFor();
    await page.getByLabel("Deutsch").check();
    await go("/session/new?connection=relay%2Flegacy-payment-gateway");
    await page.getByRole("button", { name: "Trennen" }).waitFor();
    await shot(page, "session-de");
  }, { options: { locale: "de-DE" } });

  page("settings hold at once and after a reload", async ({ page, go }) => {
    await go("/settings");
    await page.getByLabel("Dark").check();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    assert.ok(await page.getByLabel("Dark").isChecked());
    await accessible(page, "settings");
    await shot(page, "settings");
  });
});
