// Bundles the unit tests (they import TypeScript) and hands them to node's test runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "web-client-test-"));
const tests = readdirSync(here).filter((f) => f.endsWith(".test.ts"));
await build({
  entryPoints: tests.map((f) => join(here, f)), outdir: out, outExtension: { ".js": ".mjs" }, bundle: true,
  format: "esm", platform: "node", target: "node18", external: ["node:*"], logLevel: "warning",
  // Node 18 has the Web Crypto interface, but not under its global name.
  banner: { js: 'import { webcrypto } from "node:crypto"; globalThis.crypto ??= webcrypto;' },
  loader: { ".css": "empty" }, jsx: "automatic", jsxImportSource: "preact", sourcemap: "inline",
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...process.argv.slice(2), ...tests.map((f) => join(out, f.replace(/ts$/, "mjs")))], {
  stdio: "inherit", env: { ...process.env, WEB_CLIENT: join(here, "..") },
});
rmSync(out, { recursive: true });
process.exit(status ?? 1);
