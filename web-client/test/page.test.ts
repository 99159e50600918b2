import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { clock, parseClock } from "../src/lib/format.ts";
import { emptyFilter, filterQuery } from "../src/lib/filter.ts";
import { chooseLanguage, fill, languages } from "../src/lib/i18n.ts";
import { optionsOf, stepsOf } from "../src/pages/picker.tsx";
import { parseRoute, safePath, sessionPath } from "../src/lib/router.ts";
import { filterConnections, sortConnections, splitMatch } from "../src/lib/search.ts";
import { defaults, parseSettings } from "../src/lib/settings.ts";
import { retryAt, type Connection } from "../src/lib/api.ts";

const folder = process.env["WEB_CLIENT"] as string;

test("when it may be tried again: seconds, a date, nonsense, never too soon or too late", () => {
  const at = (status: number, value?: string) => retryAt(new Response("", { status, headers: value === undefined ? {} : { "retry-after": value } }), 1_000_000);
  assert.equal(at(200, "5"), 0);
  assert.equal(at(429, "5"), 1_005_000);
  assert.equal(at(429, "0"), 1_001_000);
  assert.equal(at(429, "999999999"), 1_900_000);
  assert.equal(at(429, "Thu, 01 Jan 1970 00:17:00 GMT"), 1_020_000);
  for (const nonsense of [undefined, "soon"]) assert.equal(at(429, nonsense), 1_010_000);
});

test("routes", () => {
  const id = "019a9f00-0000-7000-8000-000000000001";
  assert.deepEqual(parseRoute("/", ""), { page: "home" });
  assert.deepEqual(parseRoute("/connections/", ""), { page: "connections" });
  assert.deepEqual(parseRoute("/session/new", "?connection=relay%2Fa"), { page: "session", id: "", connection: "relay/a", beside: [], role: "" });
  assert.deepEqual(parseRoute(`/session/${id}`, ""), { page: "session", id, connection: "", beside: [], role: "" });
  assert.deepEqual(parseRoute(`/session/${id}`, `?beside=${id},x,${id},${id},${id}`), { page: "session", id, connection: "", beside: [id, id, id], role: "" });
  assert.equal((parseRoute(`/session/${id}`, "?role=viewer") as { role: string }).role, "viewer");
  assert.equal((parseRoute(`/session/${id}`, "?role=root") as { role: string }).role, "");
  assert.deepEqual(parseRoute(`/replay/${id}`, "?t=12.5"), { page: "replay", id, at: 12500 });
  assert.deepEqual(parseRoute(`/replay/${id}`, "?t=x"), { page: "replay", id, at: null });
  for (const path of ["/session/new", "/session/a%2Fb", "/replay", "/replay/../x", "/lives", "/join/short", "/a/b/c"]) assert.equal(parseRoute(path, "").page, "missing", path);
  assert.equal(sessionPath({ namespace: "a b", name: "c/d" }), "/session/new?connection=a%20b%2Fc%2Fd");
});

test("what is picked of a cluster: asked in order, kept in the address", () => {
  assert.deepEqual(stepsOf({ choose: ["container", "pod", "namespace"] }), ["namespace", "pod", "container"]);
  assert.deepEqual(stepsOf({ choose: ["container"] }), [], "of a pod that nobody picked the gateway asks itself");
  assert.deepEqual(stepsOf({}), []);
  const pod = (name: string, ready: boolean) => ({ name, phase: "Running", ready, containers: [{ name: "main", ready }, { name: "side", ready }] });
  const answer = { namespace: "default", pods: [pod("web-1", true), pod("db-0", false)] };
  assert.deepEqual(optionsOf("pod", answer, [], "WEB").map((o) => [o.value, o.containers]), [["web-1", ["main", "side"]]]);
  assert.deepEqual(optionsOf("container", null, ["main", "side"], "").map((o) => o.value), ["", "main", "side"]);
  const at = "?connection=relay%2Fa&namespace=n&pod=p&other=x";
  assert.deepEqual((parseRoute("/session/new", at) as { pick?: unknown }).pick, { namespace: "n", pod: "p" });
});

test("after sign-in one goes to a path of this page only", () => {
  for (const bad of ["//evil.example", "https://evil.example", "/\\evil", "javascript:x", "", null]) assert.equal(safePath(bad), "/");
  assert.equal(safePath("/replay/x?t=1"), "/replay/x?t=1");
});

test("search finds every word anywhere, without accents; order: usable, recent, by name", () => {
  const c = (name: string, more: Partial<Connection> = {}): Connection => ({ namespace: "relay", name, protocol: "ssh", target: `${name}:22`, recording: { enabled: true, retentionDays: 1 }, allowed: true, ...more });
  const list = [c("zeta"), c("cafe", { title: "Café Server" }), c("old", { lastUsed: 5 }), c("no", { allowed: false }), c("bad", { errors: ["x"] }), c("new", { lastUsed: 9 })];
  assert.deepEqual(filterConnections(list, "CAFE ssh").map((x) => x.name), ["cafe"]);
  assert.deepEqual(filterConnections(list, "relay/o").map((x) => x.name), ["old"]);
  assert.deepEqual(sortConnections([...list], true).map((x) => x.name), ["new", "old", "cafe", "zeta", "bad", "no"]);
  assert.deepEqual(sortConnections([...list], false).map((x) => x.name), ["cafe", "new", "old", "zeta", "bad", "no"]);
  assert.deepEqual(splitMatch("Build host", "HOST x"), ["Build ", "host", ""]);
});

test("the filter asks for what is set", () => {
  assert.equal(filterQuery(emptyFilter, ""), "limit=100");
  const q = new URLSearchParams(filterQuery({ ...emptyFilter, person: " anna ", protocol: "ssh", from: "2026-11-21T10:00" }, "c1"));
  assert.deepEqual([q.get("person"), q.get("protocol"), q.get("after"), Number(q.get("from")) > 1e12], ["anna", "ssh", "c1", true]);
});

test("times", () => {
  assert.deepEqual([0, 61_000, 3_675_900, -5].map(clock), ["0:00", "1:01", "1:01:15", "0:00"]);
  assert.deepEqual(["12:34", "1:02:03", "75.5", "x", "1:2:3:4"].map(parseClock), [754000, 3723000, 75500, null, null]);
});

test("settings: damaged or old entries fall back", () => {
  assert.deepEqual(parseSettings(null), defaults);
  assert.deepEqual(parseSettings("{nonsense"), defaults);
  assert.deepEqual(parseSettings('{"theme":"dark","motion":7,"commandAsCtrl":"yes","extra":1}'), { ...defaults, theme: "dark" });
});

// ---- words ---------------------------------------------------------------------------------------

const sources = readdirSync(`${folder}/src`, { recursive: true }).filter((f) => /\.tsx?$/.test(f)).map((f) => readFileSync(`${folder}/src/${f}`, "utf8")).join("\n");
const catalogues = Object.fromEntries(Object.keys(languages).map((code) => [code, JSON.parse(readFileSync(`${folder}/src/i18n/${code}.json`, "utf8")) as Record<string, string>]));
const english = catalogues["en"] as Record<string, string>;

test("all catalogues have the same keys and the same places to fill", () => {
  const places = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
  for (const [code, words] of Object.entries(catalogues)) {
    assert.deepEqual(Object.keys(words).sort(), Object.keys(english).sort(), code);
    for (const [key, text] of Object.entries(words)) {
      assert.ok(text.trim(), `${code}: ${key} is empty`);
      assert.deepEqual(places(text), places(english[key] as string), `${code}: ${key}`);
    }
  }
});

test("every key that is used exists, every key that exists is used", () => {
  const used = new Set([...sources.matchAll(/\b(?:t|tn|tryT)\(\s*(?:[^"'`()]*\?\s*)?"([\w.-]+)"/g)].map((m) => m[1] as string));
  for (const m of sources.matchAll(/"([a-z][\w-]*(?:\.[\w-]+)+)"/gi)) used.add(m[1] as string);
  for (const key of used) {
    if (!/^[a-z]+(\.[A-Za-z0-9-]+)+$/.test(key) || !Object.keys(english).some((k) => k.split(".")[0] === key.split(".")[0])) continue;
    assert.ok(key in english || `${key}.other` in english, `${key} is used, and not in the catalogue`);
  }
  const made = [...sources.matchAll(/`([a-z]+(?:\.[a-z]+)*)\.\$\{/g)].map((m) => `${m[1]}.`);
  for (const key of Object.keys(english)) {
    const base = key.replace(/\.(one|other)$/, "");
    assert.ok(used.has(key) || used.has(base) || made.some((p) => key.startsWith(p)) || sources.includes(`"${key}"`), `${key} is in the catalogue, and never used`);
  }
});

test("languages: chosen, else the browser's, else English", () => {
  assert.equal(chooseLanguage("en", ["fr"]), "en");
  assert.equal(chooseLanguage("", ["fr-CA", "en-GB"]), "en");
  assert.equal(chooseLanguage("", ["fr", "de-AT"]), "de");
  assert.equal(chooseLanguage("xx", []), "en");
  assert.equal(fill("{a} of {b} {c}", { a: 1, b: "x" }), "1 of x {c}");
});

test("no inline style attribute, no HTML from strings, in any source", () => {
  assert.ok(!/dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write|setAttribute\("style"/.test(sources));
  assert.ok(!/\bstyle="/.test(sources));
});
