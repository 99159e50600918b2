import { test } from "node:test";
import assert from "node:assert/strict";
import { INDEX, join, parent, parseListing, safeName } from "../src/session/files.ts";
import { layout, level } from "../src/session/osk-layouts.ts";
import { zoomed } from "../src/session/screen.ts";
import { parseFormat, samples } from "../src/session/sound.ts";

test("a folder: Guacamole's own index and our listing; folders first, numbers by value", () => {
  const plain = parseListing(JSON.stringify({ "/d/a10.txt": "text/plain", "/d/a9.txt": "text/plain", "/d/z/": INDEX, "/d/..": INDEX, "/d": INDEX }), "/d");
  assert.deepEqual(plain.entries.map((e) => [e.name, e.folder, e.size]), [["z", true, null], ["a9.txt", false, null], ["a10.txt", false, null]]);
  const ours = parseListing(JSON.stringify({ cut: true, entries: [{ path: "/d/f", name: "f", type: "file", size: 7, mtime: 5 }, { path: "/d/s", name: "s", type: "special" }, { path: "/d/g", name: "g", type: "folder" }, null, { name: "nowhere" }] }), "/d");
  assert.deepEqual(ours.entries.map((e) => [e.name, e.folder, e.special, e.size, e.modified]), [["g", true, false, null, 0], ["f", false, false, 7, 5], ["s", false, true, null, 0]]);
  assert.equal(ours.cut, true);
  assert.equal(parseListing(JSON.stringify({ "/x\u202egpj.exe": "a/b" }), "/").entries[0]?.name, "x\ufffdgpj.exe");
  for (const bad of ["null", "[", "7"]) assert.throws(() => parseListing(bad, "/"));
});

test("paths and names for the local disk", () => {
  assert.deepEqual([join("/", "a"), join("/a/", "b"), parent("/a/b"), parent("/a"), parent("/")], ["/a", "/a/b", "/a", "/", "/"]);
  assert.deepEqual(["../../etc/passwd", ".bashrc", "a\u202eb", "", "con. ", "x".repeat(300)].map(safeName).map((s) => s.length > 200 ? "long" : s), ["_.._etc_passwd", "bashrc", "a_b", "file", "con", "x".repeat(200)]);
});

test("sound: formats and samples", () => {
  assert.deepEqual(parseFormat("audio/L16;rate=44100,channels=2"), { bytes: 2, channels: 2, rate: 44100 });
  assert.deepEqual(parseFormat("audio/L8"), { bytes: 1, channels: 1, rate: 44100 });
  for (const bad of ["audio/ogg", "audio/L16;rate=1", "audio/L16;rate=44100,channels=99", "audio/L24;rate=44100"]) assert.equal(parseFormat(bad), null, bad);
  const rows = samples(new Uint8Array([0, 64, 0, 192, 1]), { bytes: 2, channels: 2, rate: 8000 });
  assert.deepEqual(rows.map((r) => [...r]), [[0.5], [-0.5]]);
});

test("zoom steps from any size, and stops at its ends", () => {
  assert.deepEqual([zoomed(100, 1), zoomed(100, -1), zoomed(87.3, 1), zoomed(400, 1), zoomed(10, -1)], [125, 75, 100, 400, 25]);
});

test("every layout has the letters, digits and signs a shell needs, each once on a level", () => {
  for (const name of ["us", "de", "fr"]) {
    const keys = layout(name).flat();
    const reach = new Set(keys.flatMap((k) => k.keysyms));
    for (const ch of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_/\\|~.:;,'\"!?$&()[]{}<>=+*#@%^`") assert.ok(reach.has(ch.codePointAt(0) as number), `${name}: ${ch}`);
    assert.equal(new Set(keys.map((k) => k.id)).size, keys.length);
  }
  const at = layout("de").flat().find((k) => k.label[0] === "q");
  assert.equal(at && at.label[level(at, false, true)], "@");
});
