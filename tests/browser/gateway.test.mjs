// A person's whole path in real Chromium through the real gateway: sign in, work in a shell, come
// back, watch the recording, prove it. And what happens when a part of it dies.
import { after, before, describe, test as nodeTest } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accessible, build, focused, launch, open, pictured, shot, until } from "./lib/browser.mjs";
import { Gateway } from "./lib/gateway.mjs";

const missing = Gateway.missing();
if (missing && process.env.CI === "true") throw new Error(missing);
const options = { skip: missing || false };

// What the terminal shows, as a screen reader reads it.
const screen = (page) => page.locator(".sr pre").textContent();
const shows = (page, pattern, ms = 60_000) =>
  page.waitForFunction((p) => new RegExp(p, "m").test(document.querySelector(".sr pre")?.textContent ?? ""), pattern instanceof RegExp ? pattern.source : pattern, { timeout: ms });
// Colours on the remote picture: how many pixels are not its most frequent colour.
const inked = (page, selector = ".screen") =>
  page.evaluate((s) => {
    const c = document.querySelector(`${s} canvas`);
    if (!c?.width) return 0;
    const d = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer);
    const first = d[d.length - 1 - c.width * 8];
    let n = 0;
    for (const v of d) if (v !== first) n++;
    return n;
  }, selector);

describe("the gateway", options, () => {
  let g, browser, it, page;
  let recorded; // the session's id

  before(async () => {
    g = await new Gateway().start();
    browser = await launch();
    it = await open(browser, { allow: [/401 \(Unauthorized\)/] });
    page = it.page;
  });
  after(async () => {
    await browser?.close();
    await g?.stop();
  });
  const test = (name, run) => nodeTest(name, pictured(() => page, name, run));
  const clean = () => assert.deepEqual(it.problems.splice(0), [], "console errors or CSP violations");
  const openShell = async (name = "shell") => {
    await page.goto(`${g.url}/session/new?connection=test%2F${name}`);
    await focused(page);
    await shows(page, "\\$ *$");
  };

  test("signed out: the page says how to sign in; a wrong link is refused in words", async () => {
    await page.goto(g.url);
    await page.getByText("Open the sign-in link").waitFor();
    await accessible(page, "home");
    await shot(page, "gateway-home");
    const answer = await page.goto(`${g.url}/auth/link?token=wrong`);
    assert.equal(answer.status(), 401);
    await shot(page, "gateway-wrong-link");
    await accessible(page, "error page");
    it.problems.splice(0); // the browser reports the 401 itself
  });

  test("the link signs in, once", async () => {
    const link = g.link();
    await page.goto(link);
    await page.waitForURL(`${g.url}/connections`);
    await page.getByText("Test shell").waitFor();
    await accessible(page, "connections");
    await shot(page, "gateway-connections");
    clean();
    const again = await it.context.request.get(link, { maxRedirects: 0, headers: { cookie: "" } });
    assert.ok(again.status() === 401 || again.status() === 302);
  });

  test("changed YAML appears by itself, with every error of it", async () => {
    g.connection("broken", { spec: "  limits: { idleMinutes: -3 }\n  colour: blue\n" });
    await page.getByText("This connection is not set up correctly:").waitFor();
    await shot(page, "gateway-broken");
    g.connection("hidden", { title: "Not for you", roles: "somebody-else" });
    clean();
  });

  test("a shell: picture, text, REC, the address becomes the session's", async () => {
    await page.getByText("Test shell").click();
    await focused(page);
    await page.waitForURL(/\/session\/[0-9a-f-]{36}$/);
    recorded = page.url().split("/").at(-1);
    await shows(page, "\\$ *$");
    assert.ok((await inked(page)) > 200);
    await page.locator(".toolbar .recflag").waitFor();
    await page.keyboard.type("echo hello-$((40+2))\n");
    await shows(page, "^hello-42");
    await accessible(page, "session");
    await shot(page, "gateway-session");
    clean();
  });

  test("seq 1 100000 to its end, Ctrl-C in a flood", async () => {
    await page.keyboard.type("clear; seq 1 100000\n");
    await shows(page, "^100000\\n.*\\$ *$");
    await page.keyboard.type("yes flooding\n");
    await shows(page, "^flooding");
    await page.keyboard.press("Control+c");
    await shows(page, "\\$ *$");
    await page.keyboard.type("clear; echo after-flood\n");
    await shows(page, "^after-flood");
  });

  test("vim: full screen, colours, leaves the shell as it was", async () => {
    await page.keyboard.type("clear; vim -u NONE /tmp/browser-test.txt\n");
    await shows(page, "^~\\n~\\n~");
    await page.keyboard.type("iwritten by a browser: grüße");
    await shows(page, "written by a browser: grüße");
    await shot(page, "gateway-vim");
    await page.keyboard.press("Escape");
    await page.keyboard.type(":wq\n");
    await shows(page, "\\$ *$");
    await page.keyboard.type("clear; cat /tmp/browser-test.txt; rm /tmp/browser-test.txt\n");
    await shows(page, "^written by a browser: grüße");
    clean();
  });

  test("htop draws itself", async () => {
    await page.keyboard.type("clear; htop\n");
    await shows(page, "PID.*USER|Mem\\[");
    await shot(page, "gateway-htop");
    await page.keyboard.press("q");
    await shows(page, "\\$ *$");
  });

  test("paste: the browser's clipboard arrives whole; copy: by selecting, taken on a click", async () => {
    await page.keyboard.type("clear; cat > /tmp/pasted.$USER\n");
    const text = Array.from({ length: 2000 }, (_, i) => `line ${i} ünïcödé 😀 ${"x".repeat(i % 40)}`).join("\n") + "\n";
    await page.evaluate((t) => navigator.clipboard.writeText(t), text);
    await page.keyboard.press("Control+Shift+V");
    await shows(page, "line 1999", 90000); // sshd is given pasted text at the pace it takes
    await page.keyboard.press("Control+d");
    await page.keyboard.type("clear; md5sum < /tmp/pasted.$USER; rm /tmp/pasted.$USER\n");
    const md5 = execFileSync("md5sum", { input: text }).toString().split(" ")[0];
    await shows(page, md5);
    await page.keyboard.type("clear; echo copy-this-word; stty size\n");
    await shows(page, "^\\d+ \\d+");
    const row = (await screen(page)).split("\n").findIndex((l) => l === "copy-this-word");
    const box = await page.locator(".screen > div").first().boundingBox();
    const rows = Number(/^(\d+) \d+$/m.exec(await screen(page))[1]);
    assert.ok(row >= 0 && rows > 10);
    await page.mouse.dblclick(box.x + 40, box.y + (box.height / rows) * (row + 0.5));
    await page.locator(".toast", { hasText: "copy-this-word" }).waitFor();
    await shot(page, "gateway-copied");
    await page.getByRole("button", { name: "Take" }).click();
    await page.getByText("It is in your clipboard now.").waitFor();
    assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trim(), "copy-this-word");
    clean();
  });

  test("the terminal follows the window", async () => {
    // The shell is told with the picture: what is typed after it finds the new size.
    const wide = (n) => page.waitForFunction((n) => { const w = document.querySelector(".screen > div")?.getBoundingClientRect().width ?? 0; return w <= n && w > n - 40; }, n);
    await page.locator(".stage").click();
    await focused(page);
    await page.setViewportSize({ width: 800, height: 500 });
    await wide(800);
    await page.keyboard.type("clear; echo size-$(stty size | tr ' ' x)\n");
    await shows(page, "^size-\\d+x\\d+");
    const [rows, cols] = /size-(\d+)x(\d+)/.exec((await screen(page)).split("\n").find((l) => /^size-/.test(l))).slice(1).map(Number);
    assert.ok(rows > 15 && rows < 40 && cols > 60 && cols < 130, `${rows}x${cols}`);
    await page.setViewportSize({ width: 1280, height: 800 });
    await wide(1280);
    await page.keyboard.type("clear; stty size\n");
    await shows(page, "^\\d+ \\d+");
  });

  test("reload: back in the same shell", async () => {
    await page.keyboard.type("clear; MARK=still-the-same; echo kept\n");
    await shows(page, "^kept");
    await page.reload();
    await focused(page);
    assert.ok(page.url().endsWith(recorded));
    await page.keyboard.type("clear; echo $MARK\n");
    await shows(page, "^still-the-same");
    clean();
  });

  test("leave, return from the list", async () => {
    await page.getByRole("link", { name: /Back to connections/ }).click();
    await page.getByText("Your open sessions").waitFor();
    await shot(page, "gateway-own-session");
    await page.getByRole("link", { name: "Return" }).click();
    await focused(page);
    await page.keyboard.type("clear; echo $MARK\n");
    await shows(page, "^still-the-same");
    clean();
  });

  test("the auditor sees it live, beside it", async () => {
    const auditor = await it.context.newPage();
    await auditor.goto(`${g.url}/recordings`);
    await auditor.locator("a.row", { hasText: "LIVE" }).first().click();
    await auditor.waitForFunction(() => document.querySelector(".picture canvas")?.width > 100);
    await until("a picture", () => inked(auditor, ".picture").then((n) => n > 200));
    await page.bringToFront();
    await focused(page);
    await page.keyboard.type("clear; echo seen-live\n");
    await auditor.bringToFront();
    await auditor.locator(".line", { hasText: "seen-live" }).first().waitFor();
    await accessible(auditor, "live replay");
    await shot(auditor, "gateway-live-replay");
    await auditor.close();
    await page.bringToFront();
    clean();
  });

  test("exit ends it; the page says so", async () => {
    await page.locator(".sink").focus();
    await focused(page);
    await page.keyboard.type("exit\n");
    await page.getByText("Session ended").waitFor();
    await shot(page, "gateway-ended");
    clean();
  });

  test("the recording: found, opened, sought, read, proved", async () => {
    await page.goto(`${g.url}/recordings`);
    const row = page.locator(`a.row[href="/replay/${recorded}"]`);
    await row.waitFor();
    await until("the seal", async () => { await page.reload(); await row.waitFor(); return !(await row.textContent()).includes("LIVE"); });
    await accessible(page, "recordings");
    await shot(page, "gateway-recordings");
    const rows = (n) => page.waitForFunction((n) => document.querySelectorAll("a.row").length === n, n);
    const all = await page.locator("a.row").count();
    for (const [label, wrong, right] of [["Person", "nobody", "anna"], ["Connection", "test/other", "test/shell"]]) {
      await page.getByLabel(label).fill(wrong);
      await page.getByText("No recording matches").waitFor();
      await page.getByLabel(label).fill(right);
      await rows(all);
      await page.getByRole("button", { name: "Clear" }).click();
    }
    await row.click();
    await page.waitForFunction(() => document.querySelector(".picture canvas")?.width > 100);
    await page.locator(".line").first().waitFor();
    const box = await page.locator(".timeline").boundingBox();
    const t = performance.now();
    await page.mouse.click(box.x + box.width / 2, box.y + 20);
    await page.waitForFunction(() => {
      const at = Number(document.querySelector(".timeline").getAttribute("aria-valuenow"));
      return at > 2 && Math.abs(Number(document.querySelector(".picture").dataset.moment) / 1000 - at) < 5;
    });
    console.log(`seek to the middle: ${Math.round(performance.now() - t)} ms`);
    await shot(page, "gateway-replay");
    assert.ok((await inked(page, ".picture")) > 100);
    await page.keyboard.press("Home");
    await page.locator(".line", { hasText: "hello-42" }).first().waitFor();
    await page.locator(".line", { hasText: "after-flood" }).first().waitFor();
    // While it plays the list follows it: nothing to aim at for a machine that clicks when it can.
    const pause = page.getByRole("button", { name: "Pause" });
    if (await pause.count()) await pause.click();
    await page.locator(".line", { hasText: "after-flood" }).first().click();
    await page.locator(".line[aria-current]", { hasText: "after-flood" }).first().waitFor();
    await shot(page, "gateway-replay-transcript");
    await accessible(page, "replay");
    await page.getByRole("button", { name: /Parts/ }).click();
    const check = page.getByRole("button", { name: "Check everything" });
    if (await check.isEnabled()) await check.click(); // a short one is proved by the time it was looked at
    await page.getByText("complete", { exact: true }).waitFor();
    await shot(page, "gateway-replay-proved");
    clean();
  });

  // Taken by the browser, unpacked by tar, proved by nothing but what every machine has.
  const proved = async (period) => {
    const ready = page.locator(".card-row", { has: page.getByRole("link", { name: "Download" }) });
    await page.getByRole("button", { name: "Make the export" }).click();
    await ready.first().waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), ready.getByRole("link", { name: "Download" }).click()]);
    const folder = join(g.state, `bag-${period}`);
    mkdirSync(folder);
    await download.saveAs(`${folder}.tar`);
    execFileSync("tar", ["-xf", `${folder}.tar`, "-C", folder]);
    const bag = join(folder, readdirSync(folder)[0]);
    execFileSync("openssl", ["pkey", "-in", join(g.state, "keys/gateway.pem"), "-pubout", "-out", `${folder}.pem`]);
    const tools = `${folder}.tools`;
    mkdirSync(tools);
    for (const tool of "sh sha256sum openssl jq base64 od sort comm cut head tail wc tr grep mktemp mkdir rm cat dirname".split(" "))
      symlinkSync(execFileSync("sh", ["-c", `command -v ${tool}`]).toString().trim(), join(tools, tool));
    const nothing = createHash("sha256").digest("hex"); // the tree before the first session
    const said = execFileSync("./verify.sh", ["-k", `${folder}.pem`, "-a", `0:${nothing}`], { cwd: bag, env: { PATH: tools } }).toString();
    assert.match(said, /proved: complete and unchanged/);
    assert.equal(existsSync(join(bag, "data/period.json")), period);
    assert.ok(readdirSync(join(bag, "data/derived")).includes(recorded));
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByText("No export yet").waitFor();
    return bag;
  };

  test("export: one recording, and a period; made, taken, verified with public tools alone", async () => {
    await page.goto(`${g.url}/replay/${recorded}`);
    await page.getByRole("button", { name: "Evidence" }).click();
    await page.getByRole("link", { name: "Export this recording" }).click();
    await page.getByText("1 recording chosen.").waitFor();
    const one = await proved(false);
    assert.deepEqual(readdirSync(join(one, "data/derived")), [recorded]);
    await page.goto(`${g.url}/evidence`);
    await page.getByLabel("From").fill("2020-01-01T00:00");
    await page.getByLabel("To").fill("2099-01-01T00:00");
    await proved(true);
    assert.match(g.audit(), /"activity_name": ?"export"/);
    clean();
  });

  test("recordings are found by time", async () => {
    await page.goto(`${g.url}/recordings`);
    await page.locator("a.row").first().waitFor();
    await page.getByLabel("From").fill("2099-01-01T00:00");
    await page.getByText("No recording matches").waitFor();
    await page.getByLabel("From").fill("2020-01-01T00:00");
    await page.locator("a.row").first().waitFor();
    clean();
  });

  test("one byte changed: the page names the part and does not show it; so does guac-evidence", async () => {
    const found = [];
    const walk = (d) => { for (const f of readdirSync(d)) { const p = join(d, f); if (statSync(p).isDirectory()) walk(p); else if (p.includes(recorded) && /\.guac\.zst$/.test(p)) found.push(p); } };
    walk(join(g.state, "recordings"));
    found.sort();
    assert.ok(found.length > 2);
    const victim = found[Math.floor(found.length / 2)];
    const bytes = readFileSync(victim);
    execFileSync("chmod", ["u+w", victim]);
    const changed = Buffer.from(bytes);
    changed[changed.length - 5] ^= 1;
    writeFileSync(victim, changed);
    await page.goto(`${g.url}/replay/${recorded}`);
    await page.getByRole("button", { name: /Parts/ }).click();
    await page.getByRole("button", { name: "Check everything" }).click();
    await page.locator(".proofs li").first().waitFor();
    await shot(page, "gateway-altered");
    writeFileSync(victim, bytes);
    it.problems.splice(0);
  });

  test("password and host key are asked in the page", async () => {
    g.connection("asks", { title: "Asks for everything", hostKey: "hostKey: { unknown: ask }" });
    await page.goto(`${g.url}/connections`);
    await page.getByText("Asks for everything").click();
    await page.getByText("Do you trust this host?").waitFor();
    assert.equal(await page.locator(".fingerprint").textContent(), g.ssh.SSHD_FP_ED25519);
    await accessible(page, "host key");
    await shot(page, "gateway-host-key");
    await page.getByRole("button", { name: "It matches: connect" }).click();
    await page.locator("dialog input").first().waitFor();
    await shot(page, "gateway-username");
    if (await page.getByLabel("User name").count()) {
      await page.getByLabel("User name").fill(g.ssh.SSHD_USER);
      await page.keyboard.press("Enter");
    }
    await page.locator("dialog input[type=password]").waitFor();
    await page.locator("dialog input[type=password]").fill("wrong");
    await page.keyboard.press("Enter");
    // Asked anew: the field is an empty one.
    await page.waitForFunction(() => document.querySelector("dialog input[type=password]")?.value === "");
    await shot(page, "gateway-password");
    await page.locator("dialog input[type=password]").fill(g.ssh.SSHD_PASSWORD);
    await page.keyboard.press("Enter");
    await focused(page);
    await shows(page, "\\$ *$");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("Session ended").waitFor();
    clean();
  });

  test("a target that refuses, one that is not there: the right words", async () => {
    g.connection("closed", { title: "Closed port", secret: { username: "x", password: "y" }, port: 1 });
    await page.goto(`${g.url}/connections`);
    await page.getByText("Closed port").click();
    await page.getByText(/The target (refuses|cannot be found)/).waitFor();
    await shot(page, "gateway-refused");
    await accessible(page, "refused");
    clean();
  });

  test("a wrong host key is never connected", async () => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(g.state, "other")]);
    const other = readFileSync(join(g.state, "other.pub"), "utf8").split(" ").slice(0, 2).join(" ");
    g.connection("mismatch", { title: "Wrong host key", secret: { username: g.ssh.SSHD_USER, password: g.ssh.SSHD_PASSWORD }, hostKey: `hostKey: { keys: ["${other}"], unknown: refuse }` });
    await page.goto(`${g.url}/session/new?connection=test%2Fmismatch`);
    await page.locator(".veil [role=alert] h2").waitFor();
    await shot(page, "gateway-host-key-mismatch");
    assert.equal(await page.locator(".screen canvas").count(), 0);
    it.problems.splice(0);
  });

  test("proxy killed: the line breaks, the page comes back into the same shell", async () => {
    await openShell();
    await page.keyboard.type("clear; MARK=survived; echo kept\n");
    await shows(page, "^kept");
    g.kill("proxy");
    await page.getByText("The line broke").waitFor();
    await shot(page, "gateway-lost");
    g.launch("proxy");
    await page.getByText("The line broke").waitFor({ state: "detached" });
    await focused(page);
    await page.keyboard.type("clear; echo $MARK\n");
    await shows(page, "^survived");
    it.problems.splice(0); // refused WebSockets while it was away
  });

  test("recorder killed: the session pauses and goes on when it is back", async () => {
    g.kill("recorder");
    await page.keyboard.type("clear; seq 1 5\n");
    const paused = await page.getByText("Paused", { exact: true }).waitFor().then(() => true, () => false);
    if (paused) await shot(page, "gateway-paused");
    g.launch("recorder");
    await page.getByText("Paused", { exact: true }).waitFor({ state: "detached" });
    await page.locator(".sink").focus();
    await focused(page);
    await page.keyboard.type("clear; echo goes-on\n");
    await shows(page, "^goes-on");
    assert.ok(paused, "the page did not show the pause");
    clean();
  });

  test("session process killed: the browser is told within a second or two", async () => {
    const pid = execFileSync("sh", ["-c", `pgrep -f "guacd-session.*" -P ${g.programs.get("guacd").pid} || true`]).toString().trim().split("\n").filter(Boolean);
    assert.ok(pid.length >= 1, "no guacd-session below our guacd");
    const t = Date.now();
    for (const p of pid) process.kill(Number(p), "SIGKILL");
    await page.locator(".veil [role=alert], .veil [role=status]").first().waitFor();
    console.log(`told after ${Date.now() - t} ms`);
    await shot(page, "gateway-session-killed");
    it.problems.splice(0);
  });

  test("signing out ends at the start", async () => {
    await page.goto(`${g.url}/connections`);
    await page.getByRole("button", { name: /Signed in as/ }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("Open the sign-in link").waitFor();
    await page.goto(`${g.url}/recordings`);
    await page.getByText("Open the sign-in link").waitFor();
    it.problems.splice(0);
  });
});
