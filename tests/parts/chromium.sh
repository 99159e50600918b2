#!/bin/sh
# chromium.sh - the browser of the browser tests and what drives it
#
#   check   status 1 and a line for each thing missing, with the way to get it
#   path    print the browser's program (CHROMIUM overrides it)
#
# Nothing is started here: each test launches its own. tests/browser/package.json names playwright-core,
# and `npm ci` there, which make does, installs it.
part=chromium
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

browser() {
    for b in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome; do
        command -v "$b" && return
    done
    return 1
}

part_check() {
    browser >/dev/null || lacks "the browser is missing" "get it by: $deps test (or set CHROMIUM)"
    major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
    [ "${major:-0}" -ge 18 ] ||
        lacks "node 18 or newer is missing (found: ${major:-none})" "get it by: $deps build"
    [ -e "$root/tests/browser/package.json" ] || {
        lacks "tests/browser/package.json is missing" "this checkout is not whole"
        return 0
    }
    [ "${major:-0}" -lt 18 ] || node -e 'require.resolve("playwright-core", { paths: [process.argv[1]] })' \
        "$root/tests/browser" 2>/dev/null ||
        lacks "playwright-core is missing" "get it by: npm ci --prefix tests/browser"
}

if [ "${1:-}" = path ]; then
    browser || die "the browser is missing; get it by: $deps test (or set CHROMIUM)"
else
    part_start() { die "nothing to start: tests launch $(browser) themselves"; }
    part_main "$@"
fi
