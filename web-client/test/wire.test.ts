import { test } from "node:test";
import assert from "node:assert/strict";
import { codePoints, encode, InstructionParser } from "../src/lib/instructions.ts";
import { closeStatus } from "../src/session/tunnel.ts";

function all(...packets: string[]): string[][] {
  const out: string[][] = [];
  const parser = new InstructionParser();
  for (const p of packets) parser.feed(p, (opcode, args) => out.push([opcode, ...args]));
  return out;
}

test("lengths count code points", () => {
  assert.equal(encode(["name", "a😀é"]), "4.name,3.a😀é;");
  assert.equal(codePoints("😀😀"), 2);
  assert.deepEqual(all("4.name,3.a😀é;0.,4.ping,1.5;"), [["name", "a😀é"], ["", "ping", "5"]]);
});

test("instructions may be cut anywhere", () => {
  const text = encode(["clipboard", 1, "text/plain"]) + encode(["blob", 1, "😀,;.1"]) + encode(["sync", 12, 1]);
  const whole = all(text);
  assert.equal(whole.length, 3);
  for (let i = 0; i <= text.length; i++) assert.deepEqual(all(text.slice(0, i), text.slice(i)), whole, `cut at ${i}`);
  assert.deepEqual(all(...text.split("")), whole);
});

test("malformed lengths are refused", () => {
  for (const bad of ["x.a;", ".a;", "99999999.", "-1.a;", "1.ab;", "123456789", "2097152.a", "1 .a;"])
    assert.throws(() => all(bad), /length|long|end|digits/);
});

test("an instruction has a bound of elements", () => {
  assert.throws(() => all("1.a,".repeat(1100)), /too many/);
});

test("a close reason is a decimal status, everything else is derived or unknown", () => {
  assert.equal(closeStatus(1000, "519"), 519);
  assert.equal(closeStatus(1011, "0x200"), 0x200);
  assert.equal(closeStatus(1008, ""), 0x303);
  assert.equal(closeStatus(1006, ""), null);
  assert.equal(closeStatus(1000, ""), 0);
});
