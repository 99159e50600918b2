import { test } from "node:test";
import assert from "node:assert/strict";
import { chord, keysymOf, Keys, pasteKeys, typed, type KeyLike } from "../src/session/keys.ts";

const event = (key: string, code: string, more: Partial<KeyLike> & { modifiers?: string[] } = {}): KeyLike => ({
  key, code, location: 0, repeat: false, isComposing: false, keyCode: 0, ctrlKey: false, altKey: false, shiftKey: false, metaKey: false,
  getModifierState: (name) => more.modifiers?.includes(name) ?? false, ...more,
});
const keys = (o: Partial<{ mac: boolean; terminal: boolean; command: boolean; ctrlV: boolean }> = {}) =>
  new Keys({ mac: o.mac ?? false, terminal: () => o.terminal ?? false, commandAsCtrl: () => o.command ?? true, ctrlVPastes: () => o.ctrlV ?? false });

test("letters, names, keypad, function keys", () => {
  const k = keys();
  assert.deepEqual(k.down(event("a", "KeyA")), { send: [[1, 0x61]], prevent: true });
  assert.deepEqual(k.up(event("a", "KeyA")), { send: [[0, 0x61]], prevent: true });
  assert.deepEqual(k.down(event("Enter", "Enter")).send, [[1, 0xff0d]]);
  assert.deepEqual(k.down(event("F11", "F11")).send, [[1, 0xffc8]]);
  assert.deepEqual(k.down(event("5", "Numpad5", { location: 3 })).send, [[1, 0xffb5]]);
  assert.deepEqual(k.down(event("ArrowUp", "Numpad8", { location: 3 })).send, [[1, 0xff52]]);
  assert.deepEqual(k.down(event("€", "KeyE", { modifiers: ["AltGraph"] })).send, [[1, 0x010020ac]]);
  assert.equal(keysymOf(0x1f600), 0x0101f600);
});

test("a key is released as what it was pressed as", () => {
  const k = keys();
  k.down(event("Shift", "ShiftLeft", { shiftKey: true, location: 1 }));
  assert.deepEqual(k.down(event("A", "KeyA", { shiftKey: true })).send, [[1, 0x41]]);
  assert.deepEqual(k.up(event("Shift", "ShiftLeft", { location: 1 })).send, [[0, 0xffe1]]);
  assert.deepEqual(k.up(event("a", "KeyA")).send, [[0, 0x41]]);
});

test("left and right modifiers differ", () => {
  const k = keys();
  assert.deepEqual(k.down(event("Control", "ControlRight", { ctrlKey: true, location: 2 })).send, [[1, 0xffe4]]);
  assert.deepEqual(k.modifiers, ["Ctrl"]);
  assert.deepEqual(k.releaseAll(), [[0, 0xffe4]]);
  assert.deepEqual(k.modifiers, []);
});

test("everything is released on blur, once", () => {
  const k = keys();
  k.down(event("Control", "ControlLeft", { ctrlKey: true }));
  k.down(event("c", "KeyC", { ctrlKey: true }));
  assert.deepEqual(k.releaseAll().sort(), [[0, 0x63], [0, 0xffe3]].sort());
  assert.deepEqual(k.releaseAll(), []);
  assert.deepEqual(k.up(event("c", "KeyC")).send, []);
});

test("modifiers that changed while nobody looked are followed", () => {
  const k = keys();
  k.down(event("Alt", "AltLeft", { altKey: true }));
  assert.deepEqual(k.down(event("x", "KeyX")).send, [[0, 0xffe9], [1, 0x78]]);
  assert.deepEqual(k.down(event("y", "KeyY", { ctrlKey: true })).send, [[1, 0xffe3], [1, 0x79]]);
});

test("AltGr: the character comes without Ctrl+Alt around it", () => {
  const k = keys();
  k.down(event("Control", "ControlLeft", { ctrlKey: true }));
  k.down(event("AltGraph", "AltRight", { ctrlKey: true, altKey: true, location: 2 }));
  const at = k.down(event("@", "KeyQ", { ctrlKey: true, altKey: true, modifiers: ["AltGraph"] }));
  assert.deepEqual(at.send, [[0, 0xffe3], [1, 0x40]]);
  assert.deepEqual(k.up(event("@", "KeyQ", { ctrlKey: true, altKey: true })).send, [[0, 0x40]]);
});

test("dead keys and input methods are left to composition", () => {
  const k = keys();
  for (const e of [event("Dead", "Quote"), event("Process", "KeyA", { keyCode: 229 }), event("a", "KeyA", { isComposing: true })])
    assert.deepEqual(k.down(e), { send: [], prevent: false });
});

test("shortcuts go by the key where the layout is not Latin", () => {
  const k = keys({ terminal: true });
  k.down(event("Control", "ControlLeft", { ctrlKey: true }));
  assert.deepEqual(k.down(event("с", "KeyC", { ctrlKey: true })).send, [[1, 0x63]]);
  assert.deepEqual(keys().down(event("с", "KeyC")).send, [[1, 0x01000441]]);
});

test("repeats release and press again, modifiers do not repeat", () => {
  const k = keys();
  k.down(event("a", "KeyA"));
  assert.deepEqual(k.down(event("a", "KeyA", { repeat: true })).send, [[0, 0x61], [1, 0x61]]);
  k.down(event("Shift", "ShiftLeft", { shiftKey: true }));
  assert.deepEqual(k.down(event("Shift", "ShiftLeft", { shiftKey: true, repeat: true })).send, []);
});

test("Ctrl+Alt+Shift is ours and leaves nothing pressed", () => {
  const k = keys();
  k.down(event("Control", "ControlLeft", { ctrlKey: true }));
  k.down(event("Alt", "AltLeft", { ctrlKey: true, altKey: true }));
  const r = k.down(event("Shift", "ShiftLeft", { ctrlKey: true, altKey: true, shiftKey: true }));
  assert.equal(r.action, "toolbar");
  assert.equal(keys().down(event("Shift", "ShiftLeft", { ctrlKey: true, altKey: true, shiftKey: true, modifiers: ["AltGraph"] })).action, undefined);
  assert.deepEqual(r.send.sort(), [[0, 0xffe3], [0, 0xffe9]]);
  assert.deepEqual(k.releaseAll(), []);
});

test("which chord pastes depends on the target and the choice", () => {
  const ctrlV = event("v", "KeyV", { ctrlKey: true });
  const ctrlShiftV = event("V", "KeyV", { ctrlKey: true, shiftKey: true });
  assert.equal(keys().down(ctrlV).action, "paste");
  assert.equal(keys({ terminal: true }).down(ctrlV).action, undefined);
  assert.equal(keys({ terminal: true, ctrlV: true }).down(ctrlV).action, "paste");
  assert.equal(keys({ terminal: true }).down(ctrlShiftV).action, "paste");
  assert.equal(keys({ terminal: true }).down(event("Insert", "Insert", { shiftKey: true })).action, "paste");
  assert.equal(keys({ mac: true, terminal: true }).down(event("v", "KeyV", { metaKey: true })).action, "paste");
  const pasting = keys();
  pasting.down(event("Control", "ControlLeft", { ctrlKey: true }));
  const result = pasting.down(ctrlV);
  assert.deepEqual(result, { send: [[0, 0xffe3]], prevent: false, action: "paste" });
  assert.deepEqual(pasteKeys(true), [[1, 0xffe3], [1, 0xffe1], [1, 0x56], [0, 0x56], [0, 0xffe1], [0, 0xffe3]]);
  assert.deepEqual(pasteKeys(false), chord(0xffe3, 0x76));
});

test("Command is Ctrl by choice, and letters under it are released at once", () => {
  const k = keys({ mac: true });
  assert.deepEqual(k.down(event("Meta", "MetaLeft", { metaKey: true })).send, [[1, 0xffe3]]);
  assert.deepEqual(k.down(event("c", "KeyC", { metaKey: true })).send, [[1, 0x63], [0, 0x63]]);
  assert.deepEqual(k.up(event("Meta", "MetaLeft")).send, [[0, 0xffe3]]);
  assert.deepEqual(keys({ mac: true, command: false }).down(event("Meta", "MetaLeft", { metaKey: true })).send, [[1, 0xffe7]]);
  const t = keys({ mac: true, terminal: true });
  t.down(event("Meta", "MetaLeft", { metaKey: true }));
  assert.deepEqual(t.down(event("c", "KeyC", { metaKey: true })).send, [[1, 0xffe1], [1, 0x43], [0, 0x43], [0, 0xffe1]]);
});

test("typed text: emoji whole, line ends as Return", () => {
  assert.deepEqual(typed("a😀\r\n"), [[1, 0x61], [0, 0x61], [1, 0x0101f600], [0, 0x0101f600], [1, 0xff0d], [0, 0xff0d]]);
});
