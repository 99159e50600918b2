// What has been proved so far: each object by itself, and the chains that hold them together. Pure.
import type { Proof } from "./chunk.ts";
import type { Kind } from "./names.ts";

export type Mark = "ok" | "bad" | "open";

export class Proofs {
  #byName = new Map<string, Proof>();
  #byPlace = new Map<string, { name: string; proof: Proof }>();
  broken: { name: string; reason: string }[] = [];
  first = ""; // hash of the open record, which the first object of each chain names

  add(name: string, proof: Proof): void {
    if (this.#byName.has(name)) return;
    this.#byName.set(name, proof);
    if (proof.state === "bad") {
      this.#break(name, proof.reason);
      return;
    }
    const place = `${proof.kind}/${proof.i}`;
    const same = this.#byPlace.get(place);
    if (same && same.proof.head !== proof.head) this.#break(name, "there are two objects for one place");
    this.#byPlace.set(place, { name, proof });
    this.#link(proof.kind, proof.i);
    this.#link(proof.kind, proof.i + 1);
  }

  fail(name: string, reason: string): void {
    this.add(name, { state: "bad", reason, signature: false, kind: "data", i: -1, head: "", prev: "", t1: 0 });
  }

  mark(name: string): Mark {
    const proof = this.#byName.get(name);
    return !proof ? "open" : proof.state === "bad" || this.broken.some((b) => b.name === name) ? "bad" : "ok";
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  get checked(): number {
    return this.#byName.size;
  }

  get unsigned(): boolean {
    return [...this.#byName.values()].some((p) => p.state === "ok" && !p.signature);
  }

  // Against the seal: as many objects as it says, and the last header is the one it names.
  sealed(chains: Record<Kind, { count: number; head: string }>): Mark {
    let mark: Mark = "ok";
    for (const kind of ["data", "keyframe", "text"] as const) {
      const { count, head } = chains[kind];
      if (!count) continue;
      for (let i = 0; i < count; i++) if (!this.#byPlace.has(`${kind}/${i}`)) return this.broken.length ? "bad" : "open";
      if (this.#byPlace.get(`${kind}/${count - 1}`)?.proof.head !== head) mark = "bad";
    }
    return this.broken.length ? "bad" : mark;
  }

  // The link between i-1 and i, once both are known.
  #link(kind: Kind, i: number): void {
    const here = this.#byPlace.get(`${kind}/${i}`);
    if (!here) return;
    const before = i === 0 ? this.first : this.#byPlace.get(`${kind}/${i - 1}`)?.proof.head;
    if (before && here.proof.prev !== before) this.#break(here.name, "it does not follow the one before it");
  }

  #break(name: string, reason: string): void {
    if (!this.broken.some((b) => b.name === name)) this.broken.push({ name, reason });
  }
}
