// What the unit tests use of node, so that no package of types is needed for it.
declare module "node:test" {
  export function test(name: string, fn: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  interface Assert {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
    throws(fn: () => unknown, expected?: RegExp): void;
    rejects(fn: Promise<unknown> | (() => Promise<unknown>), expected?: RegExp | ((e: Error) => boolean)): Promise<void>;
    match(text: string, pattern: RegExp): void;
  }
  const assert: Assert;
  export default assert;
}
declare module "node:fs" {
  export function readFileSync(path: string, encoding: "utf8"): string;
  export function readdirSync(path: string, options: { recursive: true }): string[];
}
declare module "node:zlib" {
  export function gzipSync(data: Uint8Array): Uint8Array;
}
declare const process: { env: Record<string, string | undefined> };
