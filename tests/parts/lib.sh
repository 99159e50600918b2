# shellcheck shell=sh
# Common to all parts: ports, waiting, processes, the cache folder, the verbs. A part's script sets
# $part, defines part_check, part_start and perhaps part_stop and verb_<name>, and ends in
# `part_main "$@"`:
#
#   PART.sh check          status 1 and a line for each thing missing, with the way to get it
#   PART.sh start DIR ...  start on loopback on free ports, wait until it really works, write
#                          DIR/env (shell assignments), print one line
#   PART.sh stop DIR       end it with all it started; DIR stays, for its logs
#   PART.sh VERB DIR ...   what the part has beside (see its head)
#
# DIR/env appears only when the part is ready. A part already running in DIR is an error. A start
# that fails ends what it started and shows the log's last lines. PART_OWNER=$$ ends the part by
# itself when that process is gone. Sourced, never run.
set -eu
export LC_ALL=C.UTF-8
umask 022

parts=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck disable=SC2034 # for the parts
root=$(cd "$parts/../.." && pwd -P)
deps=deploy/deps/deps.sh
part=${part:?}
python=/usr/bin/python3 # not a shim's: those take 0.1 s each
[ -x $python ] || python=python3

die() {
    echo "$part: $*" >&2
    exit 1
}

# ---- check -------------------------------------------------------------------------------------

missing=0
lacks() { # what, way out
    echo "$part: $1; $2" >&2
    missing=1
}
need() { # program, group of deps.sh
    command -v "$1" >/dev/null || lacks "$1 is missing" "get it by: $deps $2"
}

# ---- cache: paid once a machine ----------------------------------------------------------------

hash_of() { cat "$@" | sha256sum | cut -c1-12; } # files, or - for stdin

# cached NAME FUNCTION: sets $cache to the folder NAME; where it is not there yet, FUNCTION fills
# $cache (empty before), one process at a time, and only a whole one counts.
cached() {
    base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -n "$base" ] || die "neither HOME nor XDG_CACHE_HOME is set: no place for the cache"
    cache=$base/guac-parts/$1
    [ -e "$cache/.ok" ] && return
    mkdir -p "$base/guac-parts"
    exec 9>"$cache.lock"
    flock 9
    if [ ! -e "$cache/.ok" ]; then
        rm -rf "$cache"
        mkdir "$cache"
        # Not as "fill || die": that would switch off "set -e" inside.
        cache_done=
        trap '[ -n "$cache_done" ] || { cleanup; die "the cache folder $cache could not be filled"; }' EXIT
        "$2"
        : >"$cache/.ok"
        cache_done=1
        trap cleanup EXIT
    fi
    exec 9>&-
}

# ---- ports, waiting ----------------------------------------------------------------------------

# free_ports N [OFFSET]: N ports of 127.0.0.1, as free_port() of tests/it/ports.py gives them:
# not of the range where the kernel finds source ports, nor one that a test has kept; with OFFSET,
# port + OFFSET is free too. All are held until all are found, so they differ.
free_ports() {
    # shellcheck disable=SC2016 # perl's dollars
    perl -MIO::Socket::INET -MIO::Socket::UNIX -e '
        my ($n, $offset) = @ARGV;
        my ($low, $high) = (32768, 60999);
        if (open my $f, "<", "/proc/sys/net/ipv4/ip_local_port_range") {
            ($low, $high) = split " ", <$f>;
        }
        my (@held, @ports);
        sub ours { $_[0] <= 65535 && ($_[0] < $low || $_[0] > $high) }
        sub grab {
            my $name = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "\0guac-test-port-$_[0]")
                or return;
            my $s = IO::Socket::INET->new(LocalPort => $_[0], Proto => "tcp", Listen => 1) or return;
            push @held, $name, $s;
        }
        for (1 .. 10000) {
            last if @ports == $n;
            my $p = 10000 + int rand 24535;
            $p += 31000 if $p >= 30000; # then 61000 to 65534
            next if $p == 10080 || !ours($p) || $offset && !ours($p + $offset);
            push @ports, $p if grab($p) && (!$offset || grab($p + $offset));
        }
        die "no free ports\n" if @ports < $n;
        print "@ports\n";' "$1" "${2:-0}"
}

now_ms() { # since boot
    read -r up _ </proc/uptime
    up=${up%.*}${up#*.}0
    up=${up#0} # 0.42: no octal
    echo "${up:-0}"
}

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds; at once an error when the server $held
# has ended.
wait_for() {
    until_ms=$(($(now_ms) + $1 * 1000))
    seconds=$1 what=$2
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        [ -z "$held" ] || perl "$parts/hold.pl" alive "$held" || {
            "$@" >/dev/null 2>&1 && return # it may have been ready and gone
            fail "ended before $what"
        }
        [ "$(now_ms)" -lt "$until_ms" ] || fail "no $what within $seconds s"
        sleep 0.05
    done
}

fail() { # what: with the log's end, after ending what was started
    [ -z "$log" ] || [ ! -s "$log" ] || {
        echo "--- the end of $log" >&2
        tail -n 20 "$log" >&2
    }
    die "$*"
}

# ---- processes ---------------------------------------------------------------------------------

held='' log='' # of the server last started
# hold NAME COMMAND...: start a server under hold.pl, output to DIR/NAME.log; sets $pid.
hold() {
    held=$dir/$1.hold log=$dir/$1.log name=$1
    rm -f "$held" "$held.exit"
    shift
    perl "$parts/hold.pl" run "$held" "$@" >>"$log" 2>&1 </dev/null &
    until [ -e "$held" ]; do
        kill -0 $! 2>/dev/null || [ -e "$held" ] || fail "$name does not start"
        sleep 0.01
    done
    read -r _ _ pid _ <"$held"
}

end_all() { # SECONDS of grace
    for h in "$dir"/*.hold; do
        [ ! -e "$h" ] || perl "$parts/hold.pl" end "$h" "$1"
    done
}

# ---- env ---------------------------------------------------------------------------------------

put() { # NAME VALUE
    printf "%s='%s'\n" "$1" "$(printf %s "$2" | sed "s/'/'\\\\''/g")" >>"$dir/env.new"
}

# ---- verbs -------------------------------------------------------------------------------------

dir='' starting=''
cleanup() {
    [ -z "$starting" ] || end_all 0 || :
}

open_dir() {
    [ -n "${1:-}" ] || die "usage: $part.sh $verb DIR"
    mkdir -p "$1"
    dir=$(cd "$1" && pwd -P)
    # Unix sockets end at 107 characters, and parts put their own names behind this.
    [ ${#dir} -le 70 ] || die "$dir is too long a path for sockets below it: take a shorter one"
    case $dir in *[!A-Za-z0-9/._+-]*) die "$dir: no blanks or odd characters in paths, please" ;; esac
}

running() { # NAME of the server in this DIR
    [ -e "$dir/$1.hold" ] || die "not running in $dir: start it first"
    # shellcheck disable=SC2034 # for the parts
    read -r _ _ pid _ <"$dir/$1.hold"
}

part_stop() { end_all 5; }

part_main() {
    verb=${1:-}
    [ $# -eq 0 ] || shift
    case $verb in
    check)
        part_check
        exit $missing
        ;;
    start)
        part_check
        [ $missing = 0 ] || exit 1
        open_dir "${1:-}"
        shift
        for h in "$dir"/*.hold; do
            [ ! -e "$h" ] || ! perl "$parts/hold.pl" alive "$h" ||
                die "already running in $dir: $part.sh stop $dir first"
        done
        end_all 0 # what a dead one may have left
        rm -f "$dir/env" "$dir/env.new"
        starting=1
        trap cleanup EXIT
        trap 'exit 130' INT TERM HUP
        part_start "$@"
        mv "$dir/env.new" "$dir/env"
        starting=
        ;;
    stop)
        open_dir "${1:-}"
        part_stop
        rm -f "$dir/env"
        ;;
    *)
        command -v "verb_$verb" >/dev/null 2>&1 || {
            sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
            exit 2
        }
        open_dir "${1:-}"
        shift
        "verb_$verb" "$@"
        ;;
    esac
}
