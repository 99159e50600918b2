// Chromium, driven by playwright-core: one browser a test file, and a page that fails its test on any
// console error, page error or CSP violation.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const build = resolve(root, process.env.B ?? "build/release");
export const shots = join(root, "build/screenshots");
mkdirSync(shots, { recursive: true });

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const DEADLINE = 45_000; // what has not come by then does not come, however busy the machine is

// The only way to wait in these tests for what no locator of the page can wait for. check: gives, at
// once or by a promise, what was waited for; anything falsy means not yet.
export async function until(what, check, ms = DEADLINE) {
  for (const end = Date.now() + ms; ; await sleep(50)) {
    const value = await check();
    if (value) return value;
    if (Date.now() >= end) throw new Error(`${what} did not happen within ${ms / 1000} s`);
  }
}

// The remote screen has the keys: before that nothing is typed. tile: of which of several sessions.
export const focused = (page, tile = ".tile.active") =>
  page.waitForFunction((t) => {
    const sink = document.querySelector(`${t} .sink`) ?? document.querySelector(".sink");
    return sink !== null && document.activeElement === sink;
  }, tile);

// Nothing moves any more: what is looked at is what stays.
const still = (page) => page.waitForFunction(() => document.getAnimations().every((a) =>
  a.playState === "finished" || a.playState === "idle" || a.effect?.getComputedTiming().iterations === Infinity));

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
  });

// allow: patterns of console errors a test provokes on purpose (a 404 it asks for).
export async function open(browser, { allow = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]).catch(() => {});
  context.setDefaultTimeout(DEADLINE);
  const page = await context.newPage();
  const problems = [];
  const note = (text) => { if (!allow.some((p) => p.test(text))) problems.push(text); };
  page.on("console", (m) => { if (m.type() === "error" || /Content Security Policy/i.test(m.text())) note(`${m.text()} ${m.location().url}`); });
  page.on("pageerror", (e) => note(e.stack ?? e.message));
  await page.addInitScript(() => {
    window.addEventListener("securitypolicyviolation", (e) => console.error(`CSP violation: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  return { context, page, problems, done: async () => { const found = [...problems]; await context.close(); assert.deepEqual(found, [], "console errors or CSP violations"); } };
}

// axe on the page as it is: no serious or critical finding. Injected by the debugger, so the page's
// own policy stays as it is.
export async function accessible(page, name) {
  await still(page);
  const session = await page.context().newCDPSession(page);
  await session.send("Page.enable");
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  await session.send("Runtime.evaluate", { expression: axe, contextId: executionContextId });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 5).map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "")) })))`,
    awaitPromise: true, returnByValue: true, contextId: executionContextId,
  });
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  const grave = result.value.filter((v) => v.impact === "serious" || v.impact === "critical");
  assert.deepEqual(grave, [], `axe: ${name}`);
  return result.value;
}

export const shot = async (page, name) => {
  await still(page);
  await page.screenshot({ path: join(shots, `${name}.png`) });
};

// A picture of what was there when a test of a whole gateway failed.
export const pictured = (page, name, run) => async () => {
  try {
    await run();
  } catch (error) {
    await shot(page(), `failed-${name.replace(/[^a-z0-9]+/gi, "-").slice(0, 40)}`).catch(() => {});
    throw error;
  }
};

// Average colour of a part of the remote picture.
export const pixel = (page, selector, x, y) =>
  page.evaluate(({ selector, x, y }) => {
    const canvas = document.querySelector(`${selector} canvas`);
    return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
  }, { selector, x, y });
