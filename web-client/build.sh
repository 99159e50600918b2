#!/bin/sh
# build.sh OUTDIR - check the types, bundle the page into OUTDIR: index.html, error.css, assets/ with
# hashed names, each also as .gz and .br. Packages come by `npm ci` and only when the lock changed.
set -eu
out=${1:?usage: build.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
cd "$(dirname "$0")"

mark=node_modules/.lock-installed
if ! cmp -s package-lock.json $mark; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json $mark
fi
node_modules/.bin/tsc --noEmit -p .
node build.mjs "$out"
