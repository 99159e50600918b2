#!/bin/sh
# run.sh B [PATTERN] - the page's tests: unit tests of its logic, then real Chromium against a small
# back end (states that fail on purpose) and against the whole gateway of build folder B. Ends with
# "N passed, N failed, N skipped".
set -u
B=$(realpath "${1:?usage: run.sh BUILD-FOLDER [PATTERN]}")
pattern=${2:-}
export B
cd "$(dirname "$0")" || exit 1

say() { printf '%s\n' "$*"; }
over() { # MESSAGE: nothing can be tested
    say "$1"
    if [ "${CI:-}" = true ]; then say "0 passed, 1 failed, 0 skipped"; exit 1; fi
    say "0 passed, 0 failed, 1 skipped"
    exit 0
}
command -v npm >/dev/null || over "node and npm are missing: make deps installs them"
[ -x "${CHROMIUM:=/usr/bin/chromium}" ] || over "Chromium is missing: make deps installs it"
export CHROMIUM

packages() { # FOLDER: its packages as the lock file says, only when it changed
    cmp -s "$1/package-lock.json" "$1/node_modules/.lock-installed" && return
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) &&
        cp "$1/package-lock.json" "$1/node_modules/.lock-installed"
}
for folder in . ../../web-client; do
    packages $folder || over "npm ci failed in $folder: is the package registry reachable?"
done

out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
status=0
run() {
    "$@" >"$out.part" 2>&1 || status=1
    cat "$out.part" >>"$out"
    # The whole report of what failed, one line of what passed.
    awk '/^ *not ok/ {show=1} /^ *ok/ {show=0} show || /^ *(ok|# [0-9a-z].*(ms|KB|MB))/ && !/duration_ms/' "$out.part"
    rm -f "$out.part"
}
if [ -z "$pattern" ]; then
    run node ../../web-client/test/run.mjs --test-reporter=tap
fi
tests=$(ls ./*.test.mjs)
# shellcheck disable=SC2086 # names without blanks
run node --test --test-concurrency=1 --test-reporter=tap ${pattern:+--test-name-pattern="$pattern"} $tests

count() { awk -v w="$1" '$1 == "#" && $2 == w { n += $3 } END { print n + 0 }' "$out"; }
p=$(count pass) f=$(count fail) s=$(count skipped)
[ $status = 0 ] || [ "$f" != 0 ] || f=1
say "$p passed, $f failed, $s skipped"
[ "$f" = 0 ]
