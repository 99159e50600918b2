#!/bin/sh
# xrdp.sh - a real xrdp on loopback: logins by PAM, sessions on Xorg (xorgxrdp), resize, clipboard,
# sound and drive
#
#   check | start DIR [OPTION...] | stop DIR
#   shot DIR FILE          what the user's screen really shows, as xwd writes it
#   run DIR COMMAND...     run an X client there (DISPLAY set); there has to be a session
#   user DIR COMMAND...    run a command as the user, where his session sees its files
#   logout DIR             end the user's session
#
#   --security TYPE  tls, rdp or negotiate (the default)
#
# env: RDP_HOST, RDP_PORT_xrdp, RDP_USER and RDP_PASSWORD, RDP_FP (SHA-256 of the certificate),
#   RDP_SOCKETS (xrdp's folder of them), RDP_HOME, RDP_TYPED: what was typed into the xterm, line by line. A session's display is in the
#   file RDP_HOME/display once it runs.
#
# xrdp and sesman run in a mount namespace with their own accounts, PAM file, configuration and
# sockets: nothing of the machine's own xrdp is used or changed.
part=xrdp
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

user=rdptest password='rdp test pw'
uid=47842

part_check() {
    [ "$(id -u)" = 0 ] || lacks "not root" "logins by PAM need it: use sudo"
    need xrdp test
    need xrdp-sesman test
    need openbox test
    need xterm test
    need xwd test
    need xclip test
    need xdotool test
    need xsetroot test
    need openssl run
    [ -e /usr/lib/xorg/modules/drivers/xrdpdev_drv.so ] ||
        lacks "xorgxrdp is missing" "get it by: $deps test"
    unshare --mount true 2>/dev/null ||
        lacks "no mount namespaces here" "run it where unshare --mount is allowed"
}

make_accounts() {
    mkdir -p etc home/$user
    getent passwd | grep -v "^$user:" >etc/passwd
    getent group | grep -v "^$user:" >etc/group
    echo "$user:x:$uid:$uid:test user:$homes/$user:/bin/bash" >>etc/passwd
    echo "$user:x:$uid:" >>etc/group
    echo "$user:$(openssl passwd -6 "$password"):20000:0:99999:7:::" >etc/shadow
    chmod 600 etc/shadow
    printf '%s\n' 'auth required pam_unix.so nodelay' 'account required pam_unix.so' \
        'session required pam_permit.so' >etc/pam
    cat >home/$user/startwm.sh <<'W'
#!/bin/sh
# a small desktop: something to show and to type into
cd || exit 1
export LC_ALL=C.UTF-8
echo $$ >session.pid
xsetroot -solid '#204060'
openbox --sm-disable &
: >typed
xterm -fa Mono -fs 10 -geometry 60x16+40+40 -T typed +sb -xrm 'XTerm*cursorBlink: false' \
    -xrm 'XTerm*allowWindowOps: false' -e sh -c 'exec cat >typed' &
# openbox may sleep on a window it has been told of until the next event: each look sends one.
until xdotool search --onlyvisible --class xterm windowactivate; do
    xdotool set_desktop 0
    sleep 0.1
done
echo "$DISPLAY" >display.new
mv display.new display
exec sleep 100000
W
    chmod 755 home/$user/startwm.sh
    rm -f home/$user/display
    chown -R $uid:$uid home/$user
    chmod 750 home/$user
}

configure() { # port and sesman's port
    openssl req -quiet -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
        -keyout key.pem -out cert.pem 2>/dev/null ||
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
            -keyout key.pem -out cert.pem 2>openssl.log
    mkdir -p etc/xrdp
    cp -r /etc/xrdp/. etc/xrdp/
    [ -s etc/xrdp/rsakeys.ini ] || xrdp-keygen xrdp etc/xrdp/rsakeys.ini >keygen.log
    chmod 755 etc etc/xrdp
    sed -e "s#^port=3389#port=tcp://127.0.0.1:$1#" -e "s#^security_layer=.*#security_layer=$security#" \
        -e "s#^certificate=.*#certificate=$dir/cert.pem#" -e "s#^key_file=.*#key_file=$dir/key.pem#" \
        -e "s#^LogFile=.*#LogFile=$dir/xrdp-own.log#" -e 's#^EnableSyslog=.*#EnableSyslog=false#' \
        /etc/xrdp/xrdp.ini >etc/xrdp/xrdp.ini
    sed -e "s#^ListenPort=.*#ListenPort=$2#" -e "s#^LogFile=.*#LogFile=$dir/sesman-own.log#" \
        -e 's#^EnableSyslog=.*#EnableSyslog=false#' -e 's#^X11DisplayOffset=.*#X11DisplayOffset=60#' \
        -e "s#^DefaultWindowManager=.*#DefaultWindowManager=$homes/$user/startwm.sh#" \
        -e 's#^EnableUserWindowManager=.*#EnableUserWindowManager=false#' \
        /etc/xrdp/sesman.ini >etc/xrdp/sesman.ini
    cat >inside <<'W'
#!/bin/sh
# DIR HOMES COMMAND...: in the mount namespace made for it
set -eu
dir=$1 homes=$2
shift 2
for f in passwd shadow group; do mount --bind "$dir/etc/$f" "/etc/$f"; done
mount --bind "$dir/etc/pam" /etc/pam.d/xrdp-sesman
mount --bind "$dir/etc/xrdp" /etc/xrdp
mount --bind "$dir/home" "$homes"
mkdir -p /run/xrdp
mount -t tmpfs -o mode=755 none /run/xrdp
mkdir -m 3777 /run/xrdp/sockdir
xrdp-sesman -n -c /etc/xrdp/sesman.ini >"$dir/sesman.out" 2>&1 </dev/null &
exec xrdp -n -c /etc/xrdp/xrdp.ini
W
    chmod 755 inside
}

listens() { # PORT
    ss -ltnH "sport = :$1" | grep -q .
}

part_start() {
    security=negotiate homes=/mnt
    case $dir in /mnt/*) homes=/srv ;; esac
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --security) security=$2 ;;
        *) die "unknown option $1" ;;
        esac
        shift 2
    done
    cd "$dir"
    make_accounts
    ports=$(free_ports 2)
    port=${ports% *} sesman=${ports#* }
    configure "$port" "$sesman"
    hold xrdp unshare --mount --propagation private "$dir/inside" "$dir" "$homes"
    wait_for 15 "xrdp on port $port" listens "$port"
    wait_for 15 "sesman on port $sesman" listens "$sesman"
    put RDP_HOST 127.0.0.1
    put RDP_PORT_xrdp "$port"
    put RDP_USER $user
    put RDP_PASSWORD "$password"
    put RDP_SOCKETS "/proc/$pid/root/run/xrdp/sockdir"
    put RDP_HOME "$dir/home/$user"
    put RDP_TYPED "$dir/home/$user/typed"
    put RDP_FP "$(openssl x509 -in cert.pem -outform DER | sha256sum | cut -d' ' -f1)"
    echo "xrdp: ready on 127.0.0.1:$port (pid $pid)"
}

at_display() {
    [ -s "$dir/home/$user/display" ] || die "nobody is logged in"
    DISPLAY=$(cat "$dir/home/$user/display")
    XAUTHORITY=$dir/home/$user/.Xauthority
    export DISPLAY XAUTHORITY
}

verb_shot() {
    at_display
    xwd -root -silent -out "$1"
}

verb_run() {
    at_display
    exec "$@"
}

# What is mounted in a session (the drive of its client) is there for its own user alone.
verb_user() {
    exec nsenter --mount --target "$(cat "$dir/home/$user/session.pid")" \
        setpriv --reuid $uid --regid $uid --clear-groups -- "$@"
}

ended() { grep -c 'terminated session' "$dir/sesman-own.log" || :; }
ended_more_than() { [ "$(ended)" -gt "$1" ]; }

# Until sesman has seen it: it would give the next login the dead session.
verb_logout() {
    [ -s "$dir/home/$user/session.pid" ] || die "nobody is logged in"
    before=$(ended)
    rm -f "$dir/home/$user/display"
    kill "$(cat "$dir/home/$user/session.pid")"
    rm -f "$dir/home/$user/session.pid"
    wait_for 15 "end of the session" ended_more_than "$before"
}

# X servers that are killed leave their sockets behind.
part_stop() {
    [ ! -s "$dir/home/$user/session.pid" ] || (verb_logout) || :
    end_all 5
}

part_main "$@"
