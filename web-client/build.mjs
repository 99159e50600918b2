// Bundles the page: hashed names, external files only (the CSP knows no inline), each file also as
// .gz and .br so that the server only hands bytes out. Called by build.sh.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const out = process.argv[2];
const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const assets = join(out, "assets");
mkdirSync(out, { recursive: true });
// The folder is ours, but a mistyped one must not be emptied: only names this script makes go.
for (const name of readdirSync(out))
  if (/^(assets$|index\.html|error\.css)/.test(name)) rmSync(join(out, name), { recursive: true });
mkdirSync(assets, { recursive: true });

const common = {
  bundle: true, minify: true, metafile: true, target: ["es2022"], charset: "utf8",
  outdir: assets, absWorkingDir: here, legalComments: "none", logLevel: "warning",
  loader: { ".svg": "file" }, assetNames: "[name]-[hash]",
  jsx: "automatic", jsxImportSource: "preact",
};
const hashed = (result, entry) => {
  for (const [file, info] of Object.entries(result.metafile.outputs))
    if (info.entryPoint === entry) return { js: basename(file), css: info.cssBundle && basename(info.cssBundle) };
  throw new Error(`no output for ${entry}`);
};

const worker = await build({ ...common, format: "iife", entryNames: "[name]-[hash]", entryPoints: ["src/replay/worker.ts"] });
const workerFile = hashed(worker, "src/replay/worker.ts").js;
const boot = await build({ ...common, format: "iife", entryNames: "[name]-[hash]", entryPoints: ["src/boot.ts"] });
const app = await build({
  ...common, format: "esm", splitting: true, entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]",
  entryPoints: { app: "src/main.tsx" },
  define: { WORKER_URL: JSON.stringify(`/assets/${workerFile}`) },
});
const { js, css } = hashed(app, "src/main.tsx");

const icon = readFileSync(join(here, "static/favicon.svg"));
const iconName = `favicon-${createHash("sha256").update(icon).digest("hex").slice(0, 8).toUpperCase()}.svg`;
writeFileSync(join(assets, iconName), icon);
writeFileSync(join(out, "favicon.svg"), icon); // of the error pages, which know no hashed names
writeFileSync(join(out, "error.css"), readFileSync(join(here, "static/error.css")));
writeFileSync(
  join(out, "index.html"),
  readFileSync(join(here, "static/index.html"), "utf8")
    .replace("/assets/app.js", `/assets/${js}`)
    .replace("/assets/app.css", `/assets/${css}`)
    .replace("/assets/boot.js", `/assets/${hashed(boot, "src/boot.ts").js}`)
    .replace("/assets/favicon.svg", `/assets/${iconName}`),
);

const compressible = new Set([".js", ".css", ".html", ".svg", ".json"]);
for (const folder of [out, assets])
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!compressible.has(extname(name)) || statSync(path).isDirectory()) continue;
    const bytes = readFileSync(path);
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }));
  }
