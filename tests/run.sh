#!/bin/sh
# run.sh unit B           unit tests and fuzz corpora of the build folder B
# run.sh it B [PATTERN]   integration tests (PATTERN: part of a file's or test's name)
# run.sh e2e B [PATTERN]  browser tests
# run.sh all              everything a release needs: lint, release, ASan and TSan builds, it, e2e
#
# The last line is always "N passed, N failed, N skipped"; the status is 1 when anything failed. A
# runner that this script starts ends with the same line, and its numbers are added up. In CI
# (CI=true) a part that is missing is a failure, elsewhere it is skipped and said.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8
export CK_TIMEOUT_MULTIPLIER=8 # a test's time ends what hangs; sanitizers and a busy machine get theirs
# The browsers of a test sign in and open more than one person does; test_auth_limits.py is about that.
export GUAC_AUTHD_SIGN_INS_PER_MINUTE=0 GUAC_AUTHD_TUNNELS_PER_MINUTE=0 GUAC_AUTHD_OPENS_PER_MINUTE=0
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
python=/usr/bin/python3 # not a shim's: those take 0.1 s each
[ -x $python ] || python=python3

say() { printf '%s\n' "$*"; }
head1() { printf '\n==== %s\n' "$*"; }
pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    say "FAIL: $*"
}
lack() { # what is missing, and the way to get it
    if [ "${CI:-}" = true ]; then
        fail "$1; $2"
    else
        skipped=$((skipped + 1))
        say "SKIP: $1; $2"
    fi
}

# run LABEL COMMAND...: a runner of ours; shows its output and adds up its last line.
run() {
    label=$1
    shift
    { "$@" 2>&1 && echo 0 >"$work/status" || echo 1 >"$work/status"; } | tee "$work/out"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$work/out" | tail -n 1)
    if [ -z "$line" ]; then
        fail "$label ended without its line of counts"
        return
    fi
    # shellcheck disable=SC2086 # three numbers among words
    set -- $line
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
    [ "$(cat "$work/status")" = 0 ] || [ "$3" != 0 ] || fail "$label failed without saying what"
}

# quiet LABEL COMMAND...: one test; its output is shown when it fails.
quiet() {
    label=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        pass
    else
        cat "$work/out"
        fail "$label"
    fi
}

# TSan of older compilers stumbles over the address layout of newer kernels.
steady() {
    case $B in
    *tsan*) if setarch "$(uname -m)" -R true 2>/dev/null; then setarch "$(uname -m)" -R "$@"; else "$@"; fi ;;
    *) "$@" ;;
    esac
}

# ---- unit ---------------------------------------------------------------------------------------

# one KIND NAME: runs it for judge_unit or judge_corpus; many at a time, by xargs.
one() {
    place=$WORK/$1.$(printf %s "$2" | tr / .)
    if [ "$1" = unit ]; then
        [ -x "$B/unit/$2" ] || return 0
        steady timeout 300 "$B/unit/$2" >"$place" 2>&1
    else
        [ -x "$B/fuzz/$2" ] || return 0
        steady timeout 300 "$B/fuzz/$2" "tests/fuzz/corpus/${2##*/}"/* >"$place" 2>&1
    fi
    echo $? >"$place.status"
}

judge_unit() { # name: adds Check's own numbers
    place=$work/unit.$(printf %s "$1" | tr / .)
    if [ ! -e "$place" ]; then
        fail "unit $1 is not built"
        return
    fi
    status=$(cat "$place.status")
    line=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$place" |
        tail -n 1)
    # shellcheck disable=SC2086 # three numbers
    set -- "$1" ${line:-0 0 0}
    bad=$(($3 + $4))
    passed=$((passed + $2 - bad)) failed=$((failed + bad))
    if [ "$status" != 0 ] || [ -z "$line" ]; then
        cat "$place"
        [ "$bad" != 0 ] || fail "unit $1 ended with status $status"
        say "FAIL: unit $1"
    fi
}

judge_corpus() { # module/name
    place=$work/corpus.$(printf %s "$1" | tr / .)
    if [ ! -e "$place" ]; then
        fail "fuzzer $1 is not built"
    elif [ -z "$(ls -A "tests/fuzz/corpus/${1##*/}" 2>/dev/null)" ]; then
        fail "fuzzer $1 has no corpus in tests/fuzz/corpus/${1##*/}"
    elif [ "$(cat "$place.status")" != 0 ]; then
        cat "$place"
        fail "corpus of $1"
    else
        pass
    fi
}

sources() { # tests/unit or tests/fuzz: module/name of each
    for src in "$1"/*/*.c; do
        [ -e "$src" ] || continue
        name=${src#"$1"/}
        printf '%s\n' "${name%.c}"
    done
}

unit() {
    rm -f "$work"/unit.* "$work"/corpus.*
    # Three times as many as there are processors: a third of them waits for a clock.
    {
        sources tests/unit | sed 's/^/unit /'
        sources tests/fuzz | sed 's/^/corpus /'
    } | WORK=$work xargs -P $(($(nproc) * 3)) -L 1 tests/run.sh one "$B"
    for name in $(sources tests/unit); do judge_unit "$name"; done
    for name in $(sources tests/fuzz); do judge_corpus "$name"; done
}

# ---- the others ---------------------------------------------------------------------------------

it() {
    run "integration tests" env B="$(realpath "$B")" "$python" -u tests/it/run.py ${pattern:+"$pattern"}
}

e2e() {
    if [ ! -x tests/browser/run.sh ]; then
        lack "browser tests (tests/browser/run.sh) are not here" "they come with the page"
        return
    fi
    run "browser tests" env B="$(realpath "$B")" tests/browser/run.sh "$B" ${pattern:+"$pattern"}
}

build() { # VARIANT TARGET: quiet while it works; builds all it can
    B=build/$1
    make -k -j"$(nproc)" VARIANT="$1" B="$B" "$2" >"$work/make" 2>&1 && return
    grep -vE '^(  [A-Z]+ |rm )' "$work/make" | tail -n 40
    fail "make VARIANT=$1 $2"
}

parts() { # what the tests lean on: installed where it can be, said before anything takes time
    deploy/deps/deps.sh all >"$work/out" 2>&1 || cat "$work/out" # asks once, on a terminal only
    deploy/deps/deps.sh all --check >/dev/null 2>"$work/out" || {
        cat "$work/out"
        lack "packages are missing" "get them by: deploy/deps/deps.sh all"
    }
    # Chromium is driven by packages that a lock file names; a fresh clone has none yet.
    if command -v npm >/dev/null &&
        ! cmp -s tests/browser/package-lock.json tests/browser/node_modules/.lock-installed; then
        if npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --loglevel=error >"$work/out" 2>&1; then
            cp tests/browser/package-lock.json tests/browser/node_modules/.lock-installed
        else
            cat "$work/out"
        fi
    fi
    for p in tests/parts/*.sh; do
        [ -e "$p" ] || continue
        case $p in */lib.sh | *.test.sh) continue ;; esac
        "$p" check >"$work/out" 2>&1 || {
            cat "$work/out"
            lack "$p lacks something" "as said above"
        }
    done
}

all() {
    head1 "parts"
    parts
    head1 "release build"
    build release all
    build release probes
    [ $failed != 0 ] || pass # the build itself is a test
    head1 "lint"
    run lint tests/lint/lint.sh
    export UNIT_WHOLE=1
    for v in release asan tsan; do
        head1 "unit tests, $v"
        build $v unit-bins
        unit
    done
    B=build/release
    head1 "the parts themselves"
    run parts tests/parts/parts.test.sh
    head1 "integration tests"
    it
    head1 "browser tests"
    e2e
}

what=${1:-} B=${2:-} pattern=${3:-}
if [ "$what" = one ]; then
    one "$3" "$4"
    exit 0
fi
case $what in
unit | it | e2e)
    [ -d "$B" ] || {
        say "usage: run.sh $what BUILD-FOLDER: '$B' is none" >&2
        exit 2
    }
    $what
    ;;
all) all ;;
*)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
say "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
