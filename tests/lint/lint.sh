#!/bin/sh
# lint.sh - layers, format, static analysis, shell, Python, TypeScript, paths. Looks at files that git
# knows. Each check counts as one; the last line is "N passed, N failed, N skipped". A tool that is
# missing skips its check, in CI it fails. LINT_DEEP=1 adds clang's path analysis (minutes, noisy).
set -u
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C.UTF-8
passed=0 failed=0 skipped=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM HUP

files() { git ls-files -- "$@" | while IFS= read -r f; do [ ! -f "$f" ] || echo "$f"; done; }
sources() { files 'guacd/*.c' 'recording/*.c' 'crd/*.c' 'proxy/*.c' 'deploy/*.c'; }

ok() { passed=$((passed + 1)) && echo "ok    $1"; }
skip() {
    if [ "${CI:-}" = true ]; then
        failed=$((failed + 1)) && echo "FAIL  $1: $2"
    else
        skipped=$((skipped + 1)) && echo "skip  $1: $2"
    fi
}
# check NAME COMMAND...: passes when it succeeds; its words are shown when it does not.
check() {
    name=$1
    shift
    if "$@" >"$out" 2>&1; then
        ok "$name"
    else
        failed=$((failed + 1)) && echo "FAIL  $name"
        head -n 60 "$out"
    fi
}
have() { # TOOL NAME
    command -v "$1" >/dev/null && return
    skip "$2" "$1 is missing: deploy/deps/deps.sh test gets it"
    return 1
}

layers() { files '*.c' '*.h' | xargs python3 tests/lint/layers.py; }

# Versions of clang-format disagree, so one is the house's: Debian 12's.
house_format=14
format() { files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>&1 | grep -E ':[0-9]+:[0-9]+: ' | cut -d: -f1 | sort | uniq -c | sort -rn | {
    n=0
    while read -r count file; do
        echo "$file: $count places; make format mends it" && n=$((n + 1))
    done
    [ $n = 0 ]
}; }

static() {
    # jansson's loop macro is told to it, since it does not read libraries' headers.
    sources | xargs cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability,performance \
        --inline-suppr --error-exitcode=1 -I. -D_GNU_SOURCE -D__x86_64__ -D__linux__ \
        '-Djson_object_foreach(o,k,v)=for(;;)' \
        --suppressions-list=tests/lint/cppcheck.txt
}

flags() { make -s pkg-cflags; }
tidy() { # CHECKS
    # shellcheck disable=SC2016 # the inner shell's
    sources | xargs -P "$(nproc)" -n 8 sh -c 'checks=$1; flags=$2; shift 2
        clang-tidy --quiet --warnings-as-errors="*" --checks="$checks" "$@" -- -std=gnu17 \
            -D_GNU_SOURCE -I. $flags 2>/dev/null' tidy "$1" "$(flags)"
}
# Without those that do not know our idioms (cleanup attributes, rows by macro, pointer arrays).
bugs='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier'
bugs="$bugs,-bugprone-narrowing-conversions,-bugprone-assignment-in-if-condition"
bugs="$bugs,-bugprone-implicit-widening-of-multiplication-result,-bugprone-macro-parentheses"
bugs="$bugs,-bugprone-sizeof-expression,-bugprone-not-null-terminated-result"
bugs="$bugs,-bugprone-integer-division,-bugprone-misplaced-widening-cast,-bugprone-branch-clone"
bugs="$bugs,-bugprone-multi-level-implicit-pointer-conversion,-bugprone-switch-missing-default-case"

shells() { git grep -lE '^#!/(bin/|usr/bin/env )(sh|bash)' | xargs shellcheck -x -S warning -P SCRIPTDIR; }

python() {
    files '*.py' | xargs python3 -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path) as f:
        ast.parse(f.read(), path)'
}

# A path of somebody'"'"'s machine: /home/x, /root/, a checkout.
paths() {
    ! git grep -nIE '(^|[^A-Za-z0-9_.}])(/home/[a-z]|/root/|/work/)' -- . ':!tests/lint/lint.sh' \
        ':!*package-lock.json' ':!tests/fuzz/corpus' | grep -v 'lint: path'
}

help_works() { [ "$(make help | wc -l)" -gt 10 ] && make help | grep -q '^ *test '; }

long_files() {
    files '*.c' '*.h' '*.py' '*.ts' '*.tsx' '*.mjs' '*.sh' | while IFS= read -r f; do
        n=$(wc -l <"$f")
        [ "$n" -le 400 ] || echo "note  $f has $n lines; 400 is the house's limit"
    done
}

! have python3 "layers" || check "layers and homes of headers" layers
if have clang-format "format"; then
    version=$(clang-format --version | sed 's/.*version \([0-9]*\).*/\1/')
    if [ "$version" = $house_format ]; then
        check "format" format
    else
        echo "note  format is checked with clang-format $house_format only, this is $version"
    fi
fi
! have cppcheck "cppcheck" || check "cppcheck" static
! have clang-tidy "clang-tidy" || check "clang-tidy" tidy "$bugs"
[ -z "${LINT_DEEP:-}" ] || check "clang's path analysis" tidy '-*,clang-analyzer-*,-clang-analyzer-valist.*'
! have shellcheck "shellcheck" || check "shellcheck" shells
! have python3 "Python" || check "Python parses" python
check "no paths of one machine" paths
check "make help" help_works
if [ -x web-client/node_modules/.bin/tsc ]; then
    check "types of the page" sh -c 'cd web-client && node_modules/.bin/tsc --noEmit -p .'
else
    skip "types of the page" "web-client/node_modules is missing: make web gets it"
fi
long_files
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
