import { test } from "node:test";
import assert from "node:assert/strict";
import { delay } from "../src/session/backoff.ts";
import { fingerprint, promptsFor } from "../src/session/prompts.ts";
import { level } from "../src/session/quality.ts";
import { remoteSize, scaleFor } from "../src/session/screen.ts";
import { applyState, emptyState } from "../src/session/state.ts";
import { mayComeBack, verdict } from "../src/session/status.ts";
import { ScreenText } from "../src/session/text.ts";

test("back-off doubles, jitters and has a ceiling", () => {
  assert.equal(delay(0, 0.5), 500);
  assert.equal(delay(3, 0.5), 4000);
  assert.equal(delay(30, 0.5), 8000);
  assert.ok(delay(2, 0) < delay(2, 1));
});

test("every status of the protocol has a title, a sentence and an advice", () => {
  for (const code of [0, 0x100, 0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209, 0x20a, 0x20b, 0x300, 0x301, 0x303, 0x308, 0x30d, 0x30f, 0x31d]) {
    const v = verdict(code);
    assert.ok(v.title && v.text && v.advice && v.title !== "Ended", `0x${code.toString(16)}`);
  }
  assert.equal(verdict(0x207, "ssh.example: no such host").text, "ssh.example: no such host");
  assert.match(verdict(0x7777).text, /0x7777/);
  assert.equal(verdict(0x303).retry, "never");
  assert.equal(verdict(0x201).retry, "auto");
  assert.equal(verdict(0x208, "The host key of x is not the one in this connection.").retry, "manual");
});

test("why the gateway ended it: who and why, and an advice that fits", () => {
  const said = (text: string) => verdict(0x20b, text);
  const revoked = said("Revoked by Apollo Prover: The ledger runs: again.");
  assert.match(revoked.text, /^Apollo Prover .*: The ledger runs: again\.$/);
  assert.match(revoked.advice, /Apollo Prover/);
  assert.ok(!/[:{]/.test(said("Revoked by Apollo").text));
  const texts = ["Revoked by Apollo", "The time that was approved is over.", "the session's maximum duration is over", "the gateway restarts", "Your sign-in was not confirmed for some time. Sign in again.", "Ticket 12 is closed."];
  assert.equal(new Set(texts.map((text) => said(text).advice)).size, texts.length);
  assert.equal(said("Ticket 12 is closed.").text, "Ticket 12 is closed.");
});

test("one comes back after a broken line, not after being ended", () => {
  assert.ok(mayComeBack(null));
  assert.ok(mayComeBack(0x208));
  for (const code of [0, 0x20a, 0x20b, 0x209, 0x301, 0x303, 0x204]) assert.ok(!mayComeBack(code));
});

test("the remote screen is as many pixels as the panel has", () => {
  assert.deepEqual(remoteSize(1280.7, 720.2, 1), { width: 1280, height: 720, dpi: 96 });
  assert.deepEqual(remoteSize(1280, 720, 1.5), { width: 1920, height: 1080, dpi: 144 });
  assert.deepEqual(remoteSize(0, -5, 1), { width: 64, height: 64, dpi: 96 });
  assert.deepEqual(remoteSize(90000, 90000, 2), { width: 8192, height: 8192, dpi: 192 });
});

test("fit keeps pixels sharp where the remote followed, and scales where it did not", () => {
  const view = { width: 1000, height: 600 };
  assert.equal(scaleFor("fit", view, { width: 996, height: 592 }, 1), 1);
  assert.equal(scaleFor("fit", view, { width: 1992, height: 1184 }, 2), 0.5);
  assert.equal(scaleFor("fit", view, { width: 2000, height: 600 }, 1), 0.5);
  assert.equal(scaleFor("fit", view, { width: 500, height: 300 }, 1), 2);
  assert.equal(scaleFor("actual", view, { width: 2000, height: 600 }, 2), 0.5);
  assert.equal(scaleFor(200, view, { width: 2000, height: 600 }, 1), 2);
});

test("state lines change what they name and nothing else", () => {
  let s = applyState(emptyState(), { role: "viewer", readOnly: true, policy: { copy: false, clipboardMax: 1024 }, recording: true }, 0);
  assert.equal(s.copy, false);
  assert.equal(s.paste, true);
  s = applyState(s, { paused: ["recorder"], why: "The store is behind." }, 0);
  assert.deepEqual([s.paused, s.why, s.copy], [["recorder"], "The store is behind.", false]);
  s = applyState(s, { paused: [], why: "" }, 0);
  assert.deepEqual(s.paused, []);
  s = applyState(s, { left: 60000, reason: "idle", warn: true }, 1000);
  assert.deepEqual([s.endsAt, s.endReason, s.warn], [61000, "idle", true]);
  s = applyState(s, { ask: { name: "password", text: "Verification code:", echo: true } }, 0);
  assert.deepEqual(promptsFor(["password"], s.questions), [{ name: "password", kind: "text", text: "Verification code:" }]);
  const which = { name: "container", text: "Which?", echo: true, choices: ["main", "side"] };
  assert.deepEqual(promptsFor(["container"], [which]), [{ name: "container", kind: "text", text: "Which?", choices: ["main", "side"] }]);
  s = applyState(s, { asked: null, users: [{ user: 1, name: "Anna", role: "owner" }, 7], what: { is: "this" }, state: { connecting: "Dialling" } }, 0);
  assert.deepEqual([s.questions, s.asked, s.users[0]?.name, s.progress], [[], 1, "Anna", { key: "connecting", value: "Dialling" }]);
});

test("prompts: secrets are hidden, host keys are a choice", () => {
  assert.deepEqual(promptsFor(["username", "password", "private-key"], []).map((p) => p.kind), ["text", "secret", "secret"]);
  assert.equal(promptsFor(["host-key"], [])[0]?.kind, "choice");
  assert.equal(fingerprint("ED25519 key fingerprint is SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG.\nContinue?"), "SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG");
  assert.equal(fingerprint("no key here"), "");
});

test("quality by round trip and lag", () => {
  assert.equal(level(10, 5), 3);
  assert.equal(level(10, 60), 2);
  assert.equal(level(500, null), 1);
});

test("terminal text: rows, news, scrolling", () => {
  const text = new ScreenText();
  const said: string[] = [];
  text.onchange = () => { const s = text.take(); if (s) said.push(s); };
  text.apply({ rows: 3, cols: 80, cursor: [0, 2], alt: false, set: [[0, "$ "], [1, ""]] });
  text.apply({ rows: 3, set: [[0, "$ ls"]] });
  text.apply({ rows: 3, set: [[1, "a.txt"], [2, "$ "]] });
  text.apply({ rows: 3, set: [[0, "a.txt"], [1, "$ echo b"], [2, "b"]] });
  text.apply({ rows: 3, set: [[9999, "beyond"], [0.5, "x"], "junk"] });
  assert.equal(text.screen, "a.txt\n$ echo b\nb");
  assert.deepEqual(said, ["$", " ls", "a.txt\n$", " echo b\nb"]);
  text.apply({ rows: 3, alt: true, set: [[0, "~"], [1, "~"], [2, "-- INSERT --"]] });
  assert.equal(said.at(-1), "~\n~\n-- INSERT --");
});
