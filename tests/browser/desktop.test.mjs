// A desktop in real Chromium through the real gateway: Xvnc's screen, hands, clipboard and size.
import { after, before, describe, test as nodeTest } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, build, focused, launch, open, pictured, shot, until } from "./lib/browser.mjs";
import { Gateway } from "./lib/gateway.mjs";

const missing = Gateway.missing("vnc") || (existsSync(join(build, "backends/vnc.so")) ? "" : "backends/vnc.so is not built");
if (missing && process.env.CI === "true") throw new Error(missing);

describe("a desktop", { skip: missing || false }, () => {
  let g, vnc, browser, it, page;

  before(async () => {
    g = await new Gateway().start();
    vnc = g.desktops("None VncAuth");
    g.connection("desk", { title: "Real desktop", protocol: "vnc", port: vnc.VNC_PORT_None });
    g.connection("locked", { title: "Locked desktop", protocol: "vnc", port: vnc.VNC_PORT_VncAuth });
    browser = await launch();
    it = await open(browser, { allow: [/401 \(Unauthorized\)/] });
    page = it.page;
    await page.goto(g.link());
    await page.getByText("Real desktop").waitFor();
  });
  after(async () => {
    await browser?.close();
    await g?.stop();
  });
  const test = (name, run) => nodeTest(name, pictured(() => page, name, async () => {
    await run();
    assert.deepEqual(it.problems.splice(0), [], "console errors or CSP violations");
  }));
  const typed = () => readFileSync(vnc.VNC_TYPED_None, "utf8");
  const size = () => vnc.run("None", "xdotool", "getdisplaygeometry").trim().replace(" ", "x");
  // Colours on the picture: nothing drawn has one.
  const colours = () => page.evaluate(() => {
    const c = document.querySelector(".screen canvas");
    if (!c?.width) return 0;
    return new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size;
  });
  // The keys go to the picture here and to the terminal there.
  const ready = async (tile) => {
    await focused(page, tile);
    await until("the focus of the terminal there", () => {
      try {
        return vnc.run("None", "xdotool", "getwindowfocus", "getwindowname").trim() === "typed";
      } catch { return false; } // no window has it
    });
  };

  test("its picture, at the size of this window", async () => {
    await page.getByText("Real desktop").click();
    await until("a picture", () => colours().then((n) => n > 4));
    await focused(page);
    const room = await page.locator(".stage").evaluate((e) => `${e.clientWidth}x${e.clientHeight}`);
    await until("the desktop's size", () => size() === room);
    await page.setViewportSize({ width: 1000, height: 640 });
    await until("the smaller size", () => size() === "1000x599" || size() === "1000x600");
    await page.setViewportSize({ width: 1280, height: 800 });
    await until("the first size again", () => size() === room);
    await until("a picture of that size", () => page.evaluate(() => document.querySelector(".screen > div").getBoundingClientRect().width === 1280));
    await accessible(page, "desktop");
    await shot(page, "desktop");
  });

  test("keys and the mouse reach it, whatever the zoom", async () => {
    const place = () => { const [, x, y] = /x:(-?\d+) y:(-?\d+)/.exec(vnc.run("None", "xdotool", "getmouselocation")); return [Number(x), Number(y)]; };
    await ready();
    await page.keyboard.type("hello from a browser {[]}\n");
    await until("the typed line", () => typed().includes("hello from a browser {[]}\n"));
    const box = await page.locator(".screen").boundingBox();
    await page.mouse.move(box.x + 400, box.y + 300);
    await until("the pointer", () => { const [x, y] = place(); return Math.abs(x - 400) < 2 && Math.abs(y - 300) < 2; });
    await page.getByRole("button", { name: "Display" }).click();
    await page.getByRole("button", { name: "200 %" }).click();
    await page.mouse.move(box.x + 410, box.y + 310);
    await until("the pointer at half the way", () => { const [x, y] = place(); return Math.abs(x - 205) < 3 && Math.abs(y - 155) < 3; });
    await shot(page, "desktop-zoom");
    await page.getByRole("button", { name: "Display" }).click();
    await page.getByRole("button", { name: "Fit the window" }).click();
    await page.getByRole("button", { name: "Keys", exact: true }).click();
    await page.getByRole("button", { name: "Tab", exact: true }).click();
    await ready();
    await page.keyboard.type("x\n");
    await until("a tab", () => typed().includes("\tx\n"));
  });

  test("the on-screen keyboard types there", async () => {
    await page.getByRole("button", { name: "Typing and touch" }).click();
    await page.getByRole("button", { name: "On-screen keyboard" }).click();
    for (const k of ["o", "k"]) await page.locator(".osk").getByRole("button", { name: k, exact: true }).click();
    await page.locator(".osk").getByRole("button", { name: "⏎" }).click();
    await until("ok", () => typed().includes("\nok\n"));
    await shot(page, "desktop-osk");
    await page.locator(".osk").getByRole("button", { name: "Close" }).click();
    await focused(page);
  });

  test("paste by the trusted event, in UTF-8; what is copied there is offered here", async () => {
    await page.evaluate(() => navigator.clipboard.writeText("grüße 😀 from here"));
    await page.keyboard.press("Control+v");
    await until("the clipboard there", () => {
      try {
        return vnc.run("None", "timeout", "2", "xclip", "-o", "-selection", "clipboard") === "grüße 😀 from here";
      } catch { return false; }
    });
    vnc.run("None", "sh", "-c", "printf 'copied: ä€' | xclip -i -selection clipboard >/dev/null 2>&1");
    await page.getByText("Copied there:").waitFor();
    await page.getByRole("button", { name: "Take" }).click();
    await page.getByText("It is in your clipboard now.").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "copied: ä€");
  });

  test("full screen takes the keys, and says how to leave", async () => {
    await page.getByRole("button", { name: "Full screen" }).click();
    await page.waitForFunction(() => !!document.fullscreenElement);
    await page.getByText("Hold Esc to leave full screen").waitFor();
    await shot(page, "desktop-full");
    await page.getByRole("button", { name: "Leave full screen" }).click();
    await page.waitForFunction(() => !document.fullscreenElement);
  });

  test("a desktop and a shell side by side", async () => {
    await page.getByRole("button", { name: "Another session" }).click();
    await page.getByRole("button", { name: /Test shell/ }).click();
    await page.waitForFunction(() => /\$ *$/m.test([...document.querySelectorAll(".sr pre")].at(-1)?.textContent ?? ""));
    await focused(page);
    await page.keyboard.type("echo in-the-shell\n");
    await page.waitForFunction(() => /^in-the-shell/m.test([...document.querySelectorAll(".sr pre")].at(-1)?.textContent ?? ""));
    await accessible(page, "desktop beside shell");
    await shot(page, "desktop-beside");
    await page.locator(".tile").first().locator(".screen").click({ position: { x: 200, y: 200 } });
    await ready(".tile:first-child");
    await page.keyboard.type("still here\n");
    await until("the line", () => typed().includes("still here\n"));
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll(".screen canvas").length >= 2);
    await page.getByRole("button", { name: /Close Test shell here/ }).click();
    await until("the whole window again", () => size().startsWith("1280x"));
  });

  test("files over SFTP: 20 MB each way, whole; folders, a refusal in words", async () => {
    const folder = mkdtempSync(join(tmpdir(), "files-"));
    try {
      chmodSync(folder, 0o777);
      const bytes = randomBytes(20 << 20);
      writeFileSync(join(folder, "down ü.bin"), bytes);
      writeFileSync(join(folder, "secret"), "x", { mode: 0o600 });
      mkdirSync(join(folder, "sub"));
      g.connection("files", {
        title: "Shell with files", secret: { username: g.ssh.SSHD_USER, "private-key": readFileSync(g.ssh.SSHD_KEY_ED25519) },
        spec: `  parameters: { enable-sftp: "true", sftp-root-directory: "${folder}" }\n`,
      });
      await page.goto(`${g.url}/connections`);
      await page.getByText("Shell with files").click();
      await page.getByRole("button", { name: "Files" }).click({ timeout: 60000 });
      await page.getByRole("button", { name: /down ü\.bin/ }).waitFor();
      await accessible(page, "real files");
      const [download] = await Promise.all([page.waitForEvent("download", { timeout: 120000 }), page.getByRole("button", { name: /down ü\.bin/ }).click()]);
      assert.equal(download.suggestedFilename(), "down ü.bin");
      assert.ok(readFileSync(await download.path()).equals(bytes), "what came is what is there");
      await page.getByRole("button", { name: /secret/ }).click();
      await page.locator(".transfer.failed", { hasText: "secret" }).waitFor();
      writeFileSync(join(g.state, "up 😀.bin"), bytes);
      const t = Date.now();
      await page.locator(".files input[type=file]").setInputFiles(join(g.state, "up 😀.bin"));
      await page.locator(".transfer.done", { hasText: "up 😀.bin" }).waitFor({ timeout: 120000 });
      console.log(`20 MB up: ${Date.now() - t} ms`);
      assert.ok(readFileSync(join(folder, "up 😀.bin")).equals(bytes), "what is there is what was sent");
      await page.getByRole("button", { name: "New folder" }).click();
      await page.getByLabel("Name").fill("made");
      await page.getByRole("button", { name: "Make it" }).click();
      await page.getByRole("button", { name: /made/ }).waitFor();
      await shot(page, "real-files");
      await page.getByRole("button", { name: "Disconnect" }).click();
      await page.getByText("Session ended").waitFor();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("a wrong password is said, a right one opens", async () => {
    await page.goto(`${g.url}/session/new?connection=test%2Flocked`);
    await page.locator("dialog input[type=password]").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("Sign-in failed").waitFor();
    await shot(page, "desktop-wrong-password");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("dialog input[type=password]").fill(vnc.VNC_PASSWORD);
    await page.keyboard.press("Enter");
    await until("a picture", () => page.evaluate(() => document.querySelector(".screen canvas")?.width > 100));
  });
});
