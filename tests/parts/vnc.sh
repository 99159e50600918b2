#!/bin/sh
# vnc.sh - real VNC servers on loopback: Xvnc (TigerVNC) once for each security type, x11vnc on Xvfb
#
#   check | start DIR [OPTION...] | stop DIR
#   shot DIR TYPE FILE     what the screen really shows, as xwd writes it
#   run DIR TYPE COMMAND...  run an X client there (DISPLAY set)
#   resize DIR TYPE WxH    the server's own resize
#
#   --types 'T...'   only these of: None VncAuth TLSNone TLSVnc TLSPlain X509None X509Vnc X509Plain
#                    x11vnc x11vncTLS x11vncX509 (default: all)
#   --geometry WxH   of the screens (800x600)
#   --bare           no window manager and xterm on None and x11vnc
#
# env: VNC_HOST, VNC_TYPES (those that run), VNC_PORT_<TYPE> and VNC_DISPLAY_<TYPE>,
#   VNC_PASSWORD (VncAuth), VNC_USER and VNC_USER_PASSWORD (Plain), VNC_CA (PEM of the CA that signed
#   the certificate for localhost and 127.0.0.1), VNC_CERT and VNC_FP (its certificate and SHA-256),
#   VNC_OTHER_CA (of somebody else), VNC_TYPED_<TYPE>: what was typed into the xterm, line by line.
#
# The user of the Plain types exists for those servers alone, as in sshd.sh: where mount namespaces
# are refused, TLSPlain and X509Plain are left out and said.
part=vnc
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

password=vnc-pass user=vnctest user_password='plain password'
uid=47832
all='None VncAuth TLSNone TLSVnc TLSPlain X509None X509Vnc X509Plain x11vnc x11vncTLS x11vncX509'

part_check() {
    need Xvnc test
    need x11vnc test
    need Xvfb test
    need openbox test
    need xterm test
    need xwd test
    need xrandr test
    need xprop test
    need xclip test
    need xdotool test
    need openssl run
}

make_certificates() {
    for ca in ca other; do
        openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
            -subj "/CN=guac vnc test $ca" -keyout $ca.key -out $ca.pem 2>/dev/null ||
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
                -subj "/CN=guac vnc test $ca" -keyout $ca.key -out $ca.pem 2>openssl.log
    done
    # RSA: x11vnc takes nothing else
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost \
        -keyout cert.key -out cert.csr 2>openssl.log
    echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >cert.ext
    openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
        -extfile cert.ext -out cert.pem 2>openssl.log
    cat cert.key cert.pem >both.pem
}

make_accounts() {
    mkdir -p etc
    getent passwd | grep -v "^$user:" >etc/passwd
    getent group | grep -v "^$user:" >etc/group
    echo "$user:x:$uid:$uid:test user:/nonexistent:/bin/false" >>etc/passwd
    echo "$user:$(openssl passwd -6 "$user_password"):20000:0:99999:7:::" >etc/shadow
    chmod 600 etc/shadow
    cat >with-accounts <<W
#!/bin/sh
# COMMAND... in a mount namespace of its own, where the test user exists
exec unshare --mount --propagation private sh -euc '
    for f in passwd shadow group; do mount --bind "$dir/etc/\$f" "/etc/\$f"; done
    mount --bind "$dir/etc/pam" /etc/pam.d/other
    exec "\$@"' - "\$@"
W
    chmod 755 with-accounts
    printf '%s\n' 'auth required pam_unix.so nodelay' 'account required pam_unix.so' >etc/pam
}

# screen NAME COMMAND...: an X server that tells its display in TYPE.display
screen() {
    name_=$1
    shift
    rm -f "$type.display"
    # shellcheck disable=SC2016 # for the inner shell
    hold "$name_" sh -c 'exec 3>"$0"; exec "$@"' "$dir/$type.display" "$@"
}

xvnc() { # TYPE PORT
    type=$1
    set -- Xvnc -displayfd 3 -rfbport "$2" -localhost=1 -geometry "$geometry" -depth 24 \
        -SecurityTypes "$type" -PasswordFile "$dir/passwd" -X509Cert "$dir/cert.pem" \
        -X509Key "$dir/cert.key" -PlainUsers $user -pam_service other -nolisten tcp \
        -AlwaysShared -desktop "guac $type" -FrameRate 60 -BlacklistThreshold 1000
    case $type in
    *Plain) screen "$type" "$dir/with-accounts" "$@" ;;
    *) screen "$type" "$@" ;;
    esac
}

xvfb() { # TYPE: what x11vnc will show
    type=$1
    screen "$type-screen" Xvfb -displayfd 3 -screen 0 "${geometry}x24" -nolisten tcp
}

x11vnc_on() { # TYPE PORT OPTIONS...
    type=$1 at=$2
    shift 2
    # Its anonymous TLS asks for ciphers that OpenSSL 3 refuses by default.
    printf '%s\n' 'openssl_conf = a' '[a]' 'ssl_conf = b' '[b]' 'system_default = c' '[c]' \
        'CipherString = DEFAULT:@SECLEVEL=0' 'MinProtocol = TLSv1' >x11vnc.cnf
    hold "$type" env OPENSSL_CONF="$dir/x11vnc.cnf" x11vnc -display ":$(cat "$type.display")" -rfbport "$at" -localhost -forever \
        -shared -nopw -noipv6 -desktop "guac $type" -quiet -wait 10 -defer 5 "$@"
}

listens() { # PORT
    perl -MIO::Socket::INET -e \
        'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0], Timeout => 2)' \
        "$1"
}

desk() { # TYPE: something to show and to type into
    d=:$(cat "$1.display")
    : >"typed.$1"
    hold "$1-openbox" env DISPLAY="$d" openbox --sm-disable
    wait_for 15 "openbox on $1" sh -c \
        "DISPLAY=$d xprop -root _NET_SUPPORTING_WM_CHECK | grep -q 'window id'"
    hold "$1-xterm" env DISPLAY="$d" xterm -fa Mono -fs 10 -geometry 60x16+40+40 -T typed +sb \
        -xrm 'XTerm*cursorBlink: false' -xrm 'XTerm*allowWindowOps: false' \
        -e sh -c "exec cat >'$dir/typed.$1'"
    wait_for 15 "xterm on $1" sh -c \
        "DISPLAY=$d xdotool search --onlyvisible --class xterm windowactivate"
}

part_start() {
    types=$all geometry=800x600 bare=''
    while [ $# -gt 0 ]; do
        case $1 in
        --bare)
            bare=1
            shift
            continue
            ;;
        esac
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --types) types=$2 ;;
        --geometry) geometry=$2 ;;
        *) die "unknown option $1" ;;
        esac
        shift 2
    done
    cd "$dir"
    [ -e both.pem ] || make_certificates
    [ -e passwd ] || x11vnc -quiet -storepasswd $password passwd >passwd.log 2>&1
    case $types in
    *Plain*)
        if unshare --mount true 2>/dev/null; then make_accounts; else
            echo "vnc: no mount namespaces here: no TLSPlain, no X509Plain" >&2
            types=$(printf '%s\n' "$types" | sed 's/[A-Z0-9]*[a-zA-Z0-9]*Plain//g')
        fi
        ;;
    esac
    # shellcheck disable=SC2086 # words
    set -- $types
    ports=$(free_ports $#)
    put VNC_HOST 127.0.0.1
    put VNC_TYPES "$*"
    for t; do
        port=${ports%% *} ports=${ports#* }
        eval "port_$t=$port"
        case $t in
        x11vnc*) xvfb "$t" ;;
        *) xvnc "$t" "$port" ;;
        esac
    done
    for t; do
        eval "port=\$port_$t"
        wait_for 15 "display of $t" test -s "$t.display"
        case $t in
        x11vnc) x11vnc_on "$t" "$port" -rfbauth "$dir/passwd" ;;
        x11vncTLS) x11vnc_on "$t" "$port" -rfbauth "$dir/passwd" -ssl ANON -anontls only ;;
        x11vncX509) x11vnc_on "$t" "$port" -rfbauth "$dir/passwd" -ssl "$dir/both.pem" \
            -vencrypt nodh:only ;;
        esac
    done
    for t; do
        eval "port=\$port_$t"
        held=$dir/$t.hold log=$dir/$t.log
        wait_for 15 "$t listening on port $port" listens "$port"
        case $t in None | x11vnc) [ -n "$bare" ] || desk "$t" ;; esac
        put "VNC_PORT_$t" "$port"
        put "VNC_DISPLAY_$t" ":$(cat "$t.display")"
        put "VNC_TYPED_$t" "$dir/typed.$t"
    done
    put VNC_PASSWORD $password
    put VNC_USER $user
    put VNC_USER_PASSWORD "$user_password"
    put VNC_CA "$dir/ca.pem"
    put VNC_OTHER_CA "$dir/other.pem"
    put VNC_CERT "$dir/cert.pem"
    put VNC_FP "$(openssl x509 -in cert.pem -outform DER | sha256sum | cut -d' ' -f1)"
    echo "vnc: ready: $*"
}

display_of() { # TYPE
    [ -s "$dir/${1:-}.display" ] || die "no server ${1:-} in $dir"
    DISPLAY=:$(cat "$dir/$1.display")
    export DISPLAY
}

verb_shot() {
    display_of "$1"
    xwd -root -silent -out "$2"
}

verb_run() {
    display_of "$1"
    shift
    exec "$@"
}

verb_resize() {
    display_of "$1"
    w=${2%x*} h=${2#*x}
    name=guac-$2
    out=$(xrandr | sed -n 's/^\([^ ]*\) connected.*/\1/p' | head -n 1)
    # A mode of that size: its times mean nothing here.
    xrandr --newmode "$name" 60 "$w" $((w + 8)) $((w + 16)) $((w + 24)) \
        "$h" $((h + 1)) $((h + 2)) $((h + 3)) 2>/dev/null || :
    xrandr --addmode "$out" "$name" 2>/dev/null || :
    xrandr --output "$out" --mode "$name"
}

part_main "$@"
