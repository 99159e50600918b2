#!/bin/sh
# rdp-shadow.sh - FreeRDP's shadow server on loopback: one Xvfb screen, shown by one server for each
# security type
#
#   check | start DIR [OPTION...] | stop DIR
#   shot DIR FILE          what the screen really shows, as xwd writes it
#   run DIR COMMAND...     run an X client there (DISPLAY set)
#
#   --types 'T...'   only these (default: all): rdp tls nla, and bitmaps, which is tls without the
#                    graphics pipeline
#   --geometry WxH   of the screen (800x600)
#
# env: RDP_HOST, RDP_TYPES, RDP_PORT_<TYPE>, RDP_DISPLAY, RDP_USER and RDP_PASSWORD (nla), RDP_FP
#   (SHA-256 of their certificate, which nobody signed), RDP_TYPED: what was typed into the xterm,
#   line by line.
part=rdp-shadow
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

user=alice password='alice-pw'
all='rdp tls nla bitmaps'

part_check() {
    need freerdp-shadow-cli3 test
    need winpr-hash3 test
    need Xvfb test
    need openbox test
    need xterm test
    need xwd test
    need xdotool test
    need xprop test
    need openssl run
}

options_of() { # TYPE
    case $1 in
    rdp | tls) echo "/sec:$1 -auth" ;;
    nla) echo "/sec:nla /sam-file:$dir/SAM" ;;
    bitmaps) echo '/sec:tls -auth -gfx -rfx -nsc' ;;
    *) die "unknown type $1" ;;
    esac
}

listens() { # PORT
    ss -ltnH "sport = :$1" | grep -q .
}

desk() {
    : >typed
    hold openbox env DISPLAY="$display" openbox --sm-disable
    wait_for 15 openbox sh -c \
        "DISPLAY=$display xprop -root _NET_SUPPORTING_WM_CHECK | grep -q 'window id'"
    hold xterm env DISPLAY="$display" xterm -fa Mono -fs 10 -geometry 60x16+40+40 -T typed +sb \
        -xrm 'XTerm*cursorBlink: false' -xrm 'XTerm*allowWindowOps: false' \
        -e sh -c "exec cat >'$dir/typed'"
    wait_for 15 xterm sh -c \
        "DISPLAY=$display xdotool search --onlyvisible --class xterm windowactivate"
}

part_start() {
    types=$all geometry=800x600
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --types) types=$2 ;;
        --geometry) geometry=$2 ;;
        *) die "unknown option $1" ;;
        esac
        shift 2
    done
    cd "$dir"
    # winpr-hash3 writes one line of the file that /sam-file reads.
    winpr-hash3 -u $user -p "$password" -f sam >SAM
    chmod 600 SAM
    # shellcheck disable=SC2016 # for the inner shell
    hold screen sh -c 'exec 3>"$0"; exec "$@"' "$dir/display" \
        Xvfb -displayfd 3 -screen 0 "${geometry}x24" -nolisten tcp
    wait_for 15 'a screen' test -s display
    display=:$(cat display)
    desk
    # shellcheck disable=SC2086 # words
    set -- $types
    ports=$(free_ports $#)
    # The first one makes the certificate that all of them use.
    for t; do
        port=${ports%% *} ports=${ports#* }
        # shellcheck disable=SC2046 # words
        hold "$t" env DISPLAY="$display" HOME="$dir" XDG_CONFIG_HOME="$dir/config" \
            freerdp-shadow-cli3 /port:"$port" /bind-address:127.0.0.1 $(options_of "$t")
        wait_for 20 "$t on port $port" listens "$port"
        put "RDP_PORT_$t" "$port"
    done
    put RDP_HOST 127.0.0.1
    put RDP_TYPES "$*"
    put RDP_DISPLAY "$display"
    put RDP_USER $user
    put RDP_PASSWORD "$password"
    put RDP_TYPED "$dir/typed"
    put RDP_FP "$(find "$dir/config" -name '*.crt' -exec openssl x509 -in {} -outform DER \; |
        sha256sum | cut -d' ' -f1)"
    echo "rdp-shadow: ready: $*"
}

verb_shot() {
    DISPLAY=:$(cat "$dir/display") xwd -root -silent -out "$1"
}

verb_run() {
    DISPLAY=:$(cat "$dir/display")
    export DISPLAY
    exec "$@"
}

part_main "$@"
