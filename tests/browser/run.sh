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
trap 'rm -f "$out" "$out.part"' EXIT
p=0 f=0 s=0 again=2 # files that may run a second time; more that fail are no accident
count() { awk -v w="$1" '$1 == "#" && $2 == w { n += $3 } END { print n + 0 }' "$out.part"; }
try() { # COMMAND...: its status; the whole report of what failed, one line of what passed
    "$@" >"$out.part" 2>&1
    tried=$?
    awk '/^ *not ok/ {show=1} /^ *ok/ {show=0} show || /^ *(ok|# [0-9a-z].*(ms|KB|MB))/ && !/duration_ms/' "$out.part"
    return $tried
}
# run NAME COMMAND...: adds up its counts. What fails runs once more: see HACKING.md, "A test that
# fails now and then".
run() {
    name=$1
    shift
    if ! try "$@"; then
        failed=1
        if [ -z "$pattern" ] && [ $again -gt 0 ]; then
            again=$((again - 1))
            say "---- $name again"
            try "$@" && failed=0 && say "$name passed at its second try only; its first is above" >>"$out"
        fi
        [ $failed = 0 ] || [ "$(count fail)" != 0 ] || f=$((f + 1))
    fi
    p=$((p + $(count pass))) f=$((f + $(count fail))) s=$((s + $(count skipped)))
}
if [ -z "$pattern" ]; then
    run "the logic's tests" node ../../web-client/test/run.mjs --test-reporter=tap
fi
for file in ./*.test.mjs; do
    run "$file" node --test --test-concurrency=1 --test-reporter=tap \
        ${pattern:+--test-name-pattern="$pattern"} "$file"
done
sed 's/^/UNSTEADY: /' "$out"
say "$p passed, $f failed, $s skipped"
[ "$f" = 0 ]
