#!/bin/sh
# make bench: figures as a table on stdout and as JSON in $B/bench.json. PEER=host:port drives a second
# daemon on this machine beside ours. ROWS="cat50 echo" runs some; RUNS=5 is how often each is measured.
set -eu
cd "$(dirname "$0")/../.."
exec /usr/bin/python3 tests/bench/bench.py "$@"
