#!/bin/sh
# run.sh BUILD SECONDS [NAME]: every fuzzer of BUILD (make fuzz builds them with clang, ASan and
# UBSan), SECONDS each, as many at once as there are cores. New inputs go to BUILD/fuzz-found, never
# into the tree; a crash is kept in BUILD/fuzz-crash and said. Put it into tests/fuzz/corpus/<name>/
# with the change that mends it. The last line is "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: run.sh BUILD SECONDS [NAME]} seconds=${2:?} only=${3:-}
passed=0 failed=0 jobs=$(nproc)

one() { # module/name
    name=${1##*/}
    found=$build/fuzz-found/$name crash=$build/fuzz-crash/$name log=$build/fuzz-found/$name.log
    mkdir -p "$found" "$crash" "tests/fuzz/corpus/$name"
    dict=tests/fuzz/$1.dict
    set -- "$build/fuzz/$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=40000 \
        -artifact_prefix="$crash/" -print_final_stats=1
    [ ! -e "$dict" ] || set -- "$@" -dict="$dict"
    "$@" "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 || {
        echo "$name: failed, see $log"
        tail -n 30 "$log"
        return 1
    }
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
}

collect() { # pid
    if wait "$1"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

pids=
for src in tests/fuzz/*/*.c; do
    name=${src#tests/fuzz/} && name=${name%.c}
    [ -z "$only" ] || [ "${name##*/}" = "$only" ] || continue
    # shellcheck disable=SC2086 # a list of numbers
    set -- $pids
    if [ $# -ge "$jobs" ]; then
        collect "$1"
        shift
        pids=$*
    fi
    one "$name" &
    pids="$pids $!"
done
for p in $pids; do collect "$p"; done
[ $((passed + failed)) -gt 0 ] || {
    echo "no fuzzer is called '$only'" >&2
    exit 2
}
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
