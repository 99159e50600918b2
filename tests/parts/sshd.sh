#!/bin/sh
# sshd.sh - a real OpenSSH server on loopback, with users, keys, certificates and one-time passwords
#
#   check | start DIR [OPTION...] | stop DIR
#   login DIR COMMAND...   run a command as the user, by key (what readiness is proved with)
#   otp DIR                the next one-time password of user sshotp (HOTP)
#
#   --port N             instead of a free one (a second server in the place of a stopped first one,
#                        with other host keys: a mismatch)
#   --config 'LINE'      a line before the rest of sshd_config, so that it wins; may be repeated
#   --host-keys 'T...'   only these of: ed25519 ecdsa rsa
#
# env: SSHD_HOST SSHD_PORT SSHD_PID SSHD_LOG, SSHD_USER SSHD_PASSWORD SSHD_UID SSHD_HOME,
#   SSHD_OTP_USER (password, then a one-time password, both by keyboard-interactive; empty without
#   the package libpam-oath),
#   SSHD_KEY_{ED25519,ECDSA,RSA} (OpenSSH format), SSHD_KEY_RSA_PEM, SSHD_KEY_ENC and
#   SSHD_KEY_ENC_PEM with SSHD_PASSPHRASE, SSHD_CERT_{ED25519,RSA} (KEY-cert.pub beside) for a user
#   CA SSHD_CA, SSHD_KNOWN_HOSTS, SSHD_KNOWN_HOSTS_HASHED,
#   SSHD_HOSTKEY_{ED25519,ECDSA,RSA} (type and base64) and SSHD_FP_{...} (SHA256:...)
#
# The users exist for this server alone: it runs in a mount namespace of its own with its own
# passwd, shadow, group and PAM files, so no account with a known password is left on, or even
# shown to, the machine. Where namespaces are refused (most containers) they are made for real.
part=sshd
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

user=sshtest otp_user=sshotp password=ssh-test-pw passphrase=key-pass
otp_secret=3132333435363738393031323334353637383930
uid=47822 # users have the same uid as group id
program=/usr/sbin/sshd

part_check() {
    [ "$(id -u)" = 0 ] ||
        lacks "not root" "passwords by PAM and becoming the test user need it: use sudo"
    [ -x $program ] || lacks "$program is missing" "get it by: $deps run"
    need ssh-keygen run
    need ssh run
    need vim run
    need htop run
    need openssl run
    need unshare run
}

keygen() { ssh-keygen -q "$@" </dev/null; }
bits() { [ "$1" != rsa ] || echo '-b 2048'; } # 3072 takes seconds

make_keys() {
    for t in ed25519 ecdsa rsa; do
        # shellcheck disable=SC2046 # two words or none
        for k in host user; do
            keygen -N '' -t $t $(bits $t) -C "${k}_$t" -f "${k}_$t" &
        done
    done
    keygen -N '' -t rsa -b 2048 -C user_rsa_pem -m PEM -f user_rsa_pem &
    keygen -N $passphrase -t ed25519 -C user_enc -f user_enc &
    keygen -N $passphrase -t rsa -b 2048 -C user_enc_pem -m PEM -f user_enc_pem &
    keygen -N '' -t ed25519 -C ca -f ca &
    keygen -N '' -t ed25519 -C cert_ed25519 -f cert_ed25519 &
    keygen -N '' -t rsa -b 2048 -C cert_rsa -f cert_rsa &
    wait
    for t in ed25519 rsa; do
        keygen -s ca -I "test $t" -n $user -V -5m:+1d cert_$t.pub
    done
    cat user_*.pub >authorized_keys
}

# passwd, shadow, group and PAM as the server shall see them.
make_accounts() {
    mkdir -p etc home
    homes=/mnt # where they are mounted, for this server only
    case $dir in /mnt/*) homes=/srv ;; esac
    hashed=$(openssl passwd -6 "$password")
    getent passwd | grep -v "^\($user\|$otp_user\):" >etc/passwd
    getent group | grep -v "^\($user\|$otp_user\):" >etc/group
    : >etc/shadow
    chmod 600 etc/shadow
    id=$uid
    for u in $user $otp_user; do
        echo "$u:x:$id:$id:test user:$homes/$u:/bin/bash" >>etc/passwd
        echo "$u:x:$id:" >>etc/group
        echo "$u:$hashed:20000:0:99999:7:::" >>etc/shadow
        mkdir -p "home/$u"
        cat >"home/$u/.bashrc" <<'RC'
: "${LANG:=C.UTF-8}"
export LANG
case $- in *i*) PS1='\u:\w\$ ' ;; esac
RC
        echo '. ~/.bashrc' >"home/$u/.profile"
        chown -R "$id:$id" "home/$u"
        chmod 750 "home/$u"
        id=$((id + 1))
    done
    {
        echo 'auth required pam_unix.so nodelay'
        [ -z "$otp" ] || {
            echo "auth [success=1 default=ignore] pam_succeed_if.so quiet user != $otp_user"
            echo "auth required pam_oath.so usersfile=$dir/etc/oath window=10"
        }
        echo 'auth required pam_permit.so'
        echo 'account required pam_unix.so'
        echo 'password required pam_unix.so'
        echo 'session required pam_permit.so'
    } >etc/pam
    [ -e etc/oath ] || echo "HOTP $otp_user - $otp_secret" >etc/oath
    chmod 600 etc/oath
}

# The same for the whole machine, which is then taken for a throw-away container.
make_real_users() {
    echo "sshd: no mount namespaces here: making $user and $otp_user on this machine" >&2
    id=$uid
    for u in $user $otp_user; do
        getent passwd "$u" >/dev/null || useradd -m -u "$id" -s /bin/bash "$u"
        cp "home/$u/.bashrc" "home/$u/.profile" "/home/$u/"
        echo "$u:$password" | chpasswd
        id=$((id + 1))
    done
    cp etc/pam /etc/pam.d/sshd
}

part_start() {
    port='' extra='' types='ed25519 ecdsa rsa'
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --port) port=$2 ;;
        --host-keys) types=$2 ;;
        --config) extra="$extra$2
" ;;
        *) die "unknown option $1" ;;
        esac
        shift 2
    done
    cd "$dir"
    otp=
    for f in /lib/*/security/pam_oath.so /usr/lib/*/security/pam_oath.so; do
        [ ! -e "$f" ] || otp=$otp_user
    done
    [ -e authorized_keys ] || make_keys
    make_accounts
    mkdir -p /run/sshd # sshd's own, fixed; gone after a boot
    chmod 755 /run/sshd

    fixed=$port
    for _ in 1 2 3; do # another program may take a free port before sshd does
        [ -n "$fixed" ] || port=$(free_ports 1)
        configure
        $program -t -f sshd_config || die "sshd does not take its configuration $dir/sshd_config"
        serve
        wait_for 10 "listening on port $port" grep -Eq 'Server listening|Cannot bind' sshd.log
        grep -q 'Cannot bind' sshd.log || break
        [ -z "$fixed" ] || fail "port $port is taken"
        end_all 0
    done
    wait_for 10 "login by key as $user" verb_login true

    write_env
    echo "sshd: ready on 127.0.0.1:$port (pid $pid)"
}

configure() {
    {
        printf %s "$extra"
        echo "Port $port"
        echo 'ListenAddress 127.0.0.1'
        for t in $types; do echo "HostKey $dir/host_$t"; done
        cat <<C
PidFile none
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PubkeyAuthentication yes
# By a command, since it runs as root: no login has to be able to walk to this folder.
AuthorizedKeysFile none
AuthorizedKeysCommand /bin/cat $dir/authorized_keys
AuthorizedKeysCommandUser root
TrustedUserCAKeys $dir/ca.pub
AllowAgentForwarding yes
AllowTcpForwarding yes
AcceptEnv LANG LC_* GUAC_*
PrintMotd no
UseDNS no
MaxStartups 1000
MaxSessions 100
MaxAuthTries 20
Subsystem sftp internal-sftp
LogLevel VERBOSE
C
        # OpenSSH 9.8 and later punish an address for wrong passwords: here all come from one.
        printf '%s\n' 'PerSourcePenalties no' >penalties
        $program -T -f penalties >/dev/null 2>&1 && cat penalties
        rm -f penalties
    } >sshd_config
}

serve() {
    rm -f sshd.log
    if unshare --mount true 2>/dev/null; then
        # shellcheck disable=SC2016 # for the inner shell
        hold sshd unshare --mount --propagation private sh -euc '
            for f in passwd shadow group; do mount --bind "$1/etc/$f" "/etc/$f"; done
            mount --bind "$1/etc/pam" /etc/pam.d/sshd
            mount --bind "$1/home" "$2"
            exec "$3" -D -e -f "$1/sshd_config"' - "$dir" "$homes" $program
        home=$dir/home/$user
    else
        make_real_users
        hold sshd $program -D -e -f "$dir/sshd_config"
        home=/home/$user
    fi
}

verb_login() {
    # shellcheck source=/dev/null
    [ -n "${port:-}" ] || . "$dir/env"
    ssh -F none -i "$dir/user_ed25519" -p "${port:-$SSHD_PORT}" -o IdentitiesOnly=yes \
        -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -o ControlPath=none $user@127.0.0.1 "$@" </dev/null
}

# RFC 4226, six digits: what follows the counter in the users' file.
verb_otp() {
    # shellcheck disable=SC2016 # perl's dollars
    awk '{ print $5 == "" ? 0 : $5 + 1 }' "$dir/etc/oath" |
        perl -ne 'print pack "Q>", $_' |
        openssl dgst -sha1 -mac HMAC -macopt hexkey:$otp_secret -binary |
        perl -0777 -ne '$o = ord(substr $_, 19) & 15;
            printf "%06d\n", (unpack("N", substr $_, $o, 4) & 0x7fffffff) % 1000000'
}

write_env() {
    put SSHD_HOST 127.0.0.1
    put SSHD_PORT "$port"
    put SSHD_PID "$pid"
    put SSHD_LOG "$log"
    put SSHD_USER $user
    put SSHD_PASSWORD $password
    put SSHD_UID "$(id -u $user 2>/dev/null || echo $uid)"
    put SSHD_HOME "$home"
    put SSHD_OTP_USER "$otp"
    put SSHD_PASSPHRASE $passphrase
    for k in ed25519 ecdsa rsa rsa_pem enc enc_pem; do
        put "SSHD_KEY_$(echo $k | tr '[:lower:]' '[:upper:]')" "$dir/user_$k"
    done
    put SSHD_CERT_ED25519 "$dir/cert_ed25519"
    put SSHD_CERT_RSA "$dir/cert_rsa"
    put SSHD_CA "$dir/ca"
    for t in $types; do
        T=$(echo "$t" | tr '[:lower:]' '[:upper:]')
        read -r type base64 _ <"host_$t.pub"
        put "SSHD_HOSTKEY_$T" "$type $base64"
        put "SSHD_FP_$T" "$(ssh-keygen -lf "host_$t.pub" | cut -d' ' -f2)"
        echo "[127.0.0.1]:$port $type $base64"
    done >known_hosts
    cp known_hosts known_hosts_hashed
    ssh-keygen -q -H -f known_hosts_hashed >/dev/null 2>&1
    rm -f known_hosts_hashed.old
    put SSHD_KNOWN_HOSTS "$dir/known_hosts"
    put SSHD_KNOWN_HOSTS_HASHED "$dir/known_hosts_hashed"
}

part_main "$@"
