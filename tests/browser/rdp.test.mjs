// A desktop by RDP in real Chromium through the real gateway: xrdp's screen, keys, size,
// clipboard and drive, and what is kept of it.
import { after, before, describe, test as nodeTest } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accessible, build, focused, launch, open, pictured, pixel, shot, until } from "./lib/browser.mjs";
import { Gateway } from "./lib/gateway.mjs";

const missing = Gateway.missing("xrdp") || (existsSync(join(build, "backends/rdp.so")) ? "" : "backends/rdp.so is not built");
if (missing && process.env.CI === "true") throw new Error(missing);

describe("a desktop by RDP", { skip: missing || false }, () => {
  let g, rdp, browser, it, page, session;

  before(async () => {
    g = await new Gateway().start();
    rdp = g.rdp();
    g.connection("desk", {
      title: "RDP desktop", protocol: "rdp", port: rdp.RDP_PORT_xrdp,
      secret: { username: rdp.RDP_USER, password: rdp.RDP_PASSWORD },
      spec: `  parameters: { cert-fingerprints: "${rdp.RDP_FP}", security: tls, enable-drive: "true", drive-name: Exchange }\n`,
    });
    browser = await launch();
    it = await open(browser);
    page = it.page;
    await page.goto(g.link());
    await page.getByText("RDP desktop").waitFor();
  });
  after(async () => {
    await browser?.close();
    await g?.stop();
  });
  const test = (name, run) => nodeTest(name, pictured(() => page, name, async () => {
    await run();
    assert.deepEqual(it.problems.splice(0), [], "console errors or CSP violations");
  }));
  // What a command there says; "" while there is no session, no window or no owner of a selection.
  const there = (...command) => {
    try {
      return rdp.run(...command).trim();
    } catch { return ""; }
  };
  const size = () => there("xdotool", "getdisplaygeometry").replace(" ", "x");
  const typed = () => readFileSync(rdp.RDP_TYPED, "utf8");
  const room = () => page.locator(".stage").evaluate((e) => `${e.clientWidth & ~1}x${e.clientHeight}`); // widths are even
  const BLUE = "32,64,96"; // what startwm.sh paints the root window with
  // In the last corner of a desktop of that size (the canvas itself may be larger).
  const corner = async (picture, size) => {
    const [w, h] = size.split("x").map(Number);
    return (await pixel(page, picture, w - 3, h - 3)).slice(0, 3).join() === BLUE;
  };
  // The picture here is as large as the desktop there, which is as large as the window has room for.
  const fits = async () => {
    const want = await room();
    const shown = () => page.locator(".screen > div").first().evaluate((e) => { const r = e.getBoundingClientRect(); return `${r.width}x${r.height}`; });
    return size() === want && await shown() === want && await corner(".screen", want);
  };
  // The keys go to the picture here and to the terminal there.
  const ready = async () => {
    await focused(page);
    await until("the focus of the terminal there", () => there("xdotool", "getwindowfocus", "getwindowname") === "typed");
  };

  test("its picture, at the size of this window and of the next", async () => {
    await page.getByText("RDP desktop").click();
    await until("a session there", () => existsSync(join(rdp.RDP_HOME, "display")));
    await until("the desktop at this window's size", fits);
    await page.waitForURL(/\/session\/[0-9a-f-]{36}$/);
    session = page.url().split("/").at(-1);
    await focused(page);
    await page.setViewportSize({ width: 1000, height: 640 });
    await until("the smaller size", fits);
    assert.match(size(), /^1000x/);
    await page.setViewportSize({ width: 1280, height: 800 });
    await until("the first size again", fits);
    assert.match(size(), /^1280x/);
    await accessible(page, "RDP desktop");
    await shot(page, "rdp");
  });

  test("keys and the mouse reach it", async () => {
    const box = await page.locator(".screen").boundingBox();
    await page.mouse.click(box.x + 200, box.y + 120);
    await until("the pointer", () => /^x:200 y:120 /.test(there("xdotool", "getmouselocation")));
    await ready();
    await page.keyboard.type("hello from a browser {[]} A~1\n");
    await until("the typed line", () => typed().includes("hello from a browser {[]} A~1\n"));
    assert.equal(typed(), "hello from a browser {[]} A~1\n");
    await shot(page, "rdp-typed");
  });

  test("paste by the trusted event, in UTF-8; what is copied there is offered here", async () => {
    await page.evaluate(() => navigator.clipboard.writeText("grüße 漢字 from here"));
    await page.keyboard.press("Control+v");
    await until("the clipboard there", () => there("timeout", "2", "xclip", "-o", "-selection", "clipboard") === "grüße 漢字 from here");
    rdp.run("sh", "-c", "printf 'copied: ä€' | xclip -i -selection clipboard >/dev/null 2>&1");
    await page.getByText("Copied there:").waitFor();
    await page.getByRole("button", { name: "Take" }).click();
    await page.getByText("It is in your clipboard now.").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "copied: ä€");
  });

  test("a file to the drive, changed there, and back", async () => {
    const bytes = randomBytes(3 << 20), more = Buffer.from("more from there");
    const drive = (script) => rdp.user("sh", "-c", `cd ~${rdp.RDP_USER}/thinclient_drives/Exchange && ${script}`);
    writeFileSync(join(g.state, "up ü.bin"), bytes);
    await page.getByRole("button", { name: "Files" }).click();
    await page.locator(".files input[type=file]").setInputFiles(join(g.state, "up ü.bin"));
    await page.locator(".transfer.done", { hasText: "up ü.bin" }).waitFor();
    drive("cp 'up ü.bin' back.bin && printf '%s' 'more from there' >>back.bin");
    await page.getByRole("button", { name: "Read the folder again" }).click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /back\.bin/ }).click()]);
    assert.equal(download.suggestedFilename(), "back.bin");
    assert.ok(readFileSync(await download.path()).equals(Buffer.concat([bytes, more])), "what came is what is there");
    await shot(page, "rdp-files");
  });

  test("its recording: sealed, with keyframes, replayed and proved", async () => {
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("Session ended").waitFor();
    const stored = await until("the seal", async () => {
      const r = await page.request.get(`${g.url}/api/recordings/${session}`);
      const body = r.ok() ? await r.json() : {};
      return body.seal && body;
    });
    assert.equal(stored.state, "closed");
    assert.ok(stored.keyframes.length > 0, "keyframes");
    await page.goto(`${g.url}/replay/${session}`);
    // What was typed at a desktop may be a password: its transcript holds how much.
    for (const text of ["•••••", "grüße 漢字 from here", "copied: ä€", "/up ü.bin", "/back.bin"])
      await page.locator(".line", { hasText: text }).first().waitFor();
    assert.equal(await page.locator(".line", { hasText: "hello" }).count(), 0);
    await page.keyboard.press("End");
    await until("the desktop's picture at the end", () => page.evaluate((blue) => [...document.querySelectorAll(".picture canvas")].some((c) => {
      const at = (x, y) => c.width > 0 && [...c.getContext("2d").getImageData(x * c.width, y * c.height, 1, 1).data].slice(0, 3).join();
      return at(0.75, 0.5) === blue && at(0.25, 0.4) === "255,255,255"; // the desktop beside its terminal
    }), BLUE));
    await shot(page, "rdp-replay");
    await page.getByRole("button", { name: /Parts/ }).click();
    const check = page.getByRole("button", { name: "Check everything" });
    if (await check.isEnabled()) await check.click(); // a short one is proved by the time it was looked at
    await page.getByText("complete", { exact: true }).waitFor();
  });
});
