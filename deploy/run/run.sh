#!/usr/bin/env bash
# make run: a whole gateway on loopback, with a demo target, a folder of connections and recordings
# in a folder. PORT (8080), STATE (its folder) and B (build folder) are honoured. Ctrl-C stops all
# of it; what STATE holds stays: connections, keys, recordings.
set -eu
umask 077
cd "$(dirname "$0")/../.."
B=$(realpath -m "${B:-build/release}")
PORT=${PORT:-8080}
STATE=$(realpath -m "${STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/guac}")

say() { printf '%s\n' "$*"; }
die() {
    printf 'make run: %s\n' "$*" >&2
    exit 1
}

case $PORT in '' | *[!0-9]*) die "PORT=$PORT is no port" ;; esac
[ "${#STATE}" -le 60 ] || die "STATE=$STATE is too long for the sockets' paths; choose a shorter one"

# ---- what is needed, and the build ------------------------------------------------------------
deploy/deps/deps.sh build run >/dev/null
(umask 022 && make --no-print-directory -s B="$B" all)

run=$STATE/run logs=$STATE/log keys=$STATE/keys demo=$STATE/demo
mkdir -p "$run/s" "$logs" "$STATE/audit" "$keys" "$demo" "$STATE/connections" "$STATE/recordings" "$STATE/spool"
exec 8>"$STATE/.lock"
flock -n 8 || die "a gateway runs in $STATE already; stop it, or choose another STATE="

pids=()
stop() {
    trap - EXIT INT TERM
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "${pids[i]}" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "${pids[i]}" 2>/dev/null || true
    done
    rm -f "$run"/*.pid "$run"/*.sock "$run"/authd/link
    say "stopped; recordings and connections are in $STATE"
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

# start NAME PROGRAM ARGUMENT...: in the background, its log in $logs
start() {
    name=$1
    shift
    "$@" </dev/null >>"$logs/$name.log" 2>&1 8>&- &
    pids+=($!)
    echo $! >"$run/$name.pid"
}

# wait_for WHAT COMMAND...: up to two minutes, for a slow machine, and not if a program has ended
wait_for() {
    what=$1
    shift
    for _ in $(seq 1200); do
        "$@" >/dev/null 2>&1 && return
        for pid in "${pids[@]}"; do
            kill -0 "$pid" 2>/dev/null || {
                tail -n 5 "$logs"/*.log >&2
                die "a program ended while starting; its log is in $logs"
            }
        done
        sleep 0.1
    done
    tail -n 5 "$logs"/*.log >&2
    die "$what did not come up within two minutes; see $logs"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() { # by trying: a private server in the dynamic range
    for _ in $(seq 100); do
        p=$((20000 + RANDOM % 12000))
        listens "$p" || {
            echo "$p"
            return
        }
    done
    die "no free port"
}
listens "$PORT" && die "port $PORT is in use; choose another: make run PORT=9000"

# ---- the demo target: an sshd of its own, whose shell is jailed --------------------------------
make_key() { # type, file
    [ -f "$2" ] || ssh-keygen -q -t "$1" -N '' -C guac-demo -f "$2" </dev/null
}
make_key ed25519 "$demo/host_key"
make_key ed25519 "$demo/user_key"
# As root the shell becomes nobody, who cannot pass through root's folders: its home is elsewhere.
home=$demo/home
if [ "$(id -u)" = 0 ]; then
    home=$(cat "$demo/home-path" 2>/dev/null || true)
    [ -n "$home" ] && [ -f "$home/.bashrc" ] || home=$(mktemp -d /tmp/guac-demo.XXXXXX)
    echo "$home" >"$demo/home-path"
fi
mkdir -p "$home"
[ -f "$home/.bashrc" ] || cat >"$home/.bashrc" <<'RC'
# The demo's shell: jailed to the system's programs and this folder.
PS1='\[\e[32m\]demo\[\e[0m\]:\[\e[34m\]\w\[\e[0m\]\$ '
alias ls='ls --color=auto' ll='ls -l' grep='grep --color=auto'
if [ -z "$GREETED" ]; then
    export GREETED=1
    printf '\e[1mThis is a real SSH session, recorded while you work.\e[0m\n'
    printf 'Try vim, htop or seq 1 100000; Ctrl+Alt+Shift shows the toolbar.\n\n'
fi
RC
me=$(id -un)
if [ "$(id -u)" = 0 ]; then
    chown nobody: "$home" "$home/.bashrc"
    mkdir -p /run/sshd
fi
demo_port=$(cat "$demo/port" 2>/dev/null || true)
if [ -z "$demo_port" ] || listens "$demo_port"; then
    demo_port=$(free_port)
    echo "$demo_port" >"$demo/port"
fi
cp "$demo/user_key.pub" "$demo/authorized_keys"
cat >"$demo/sshd_config" <<C
Port $demo_port
ListenAddress 127.0.0.1
HostKey $demo/host_key
PidFile none
UsePAM no
StrictModes no
AuthorizedKeysFile $demo/authorized_keys
AuthenticationMethods publickey
PermitRootLogin yes
AllowUsers $me
AllowTcpForwarding no
AllowAgentForwarding no
AllowStreamLocalForwarding no
X11Forwarding no
PermitTunnel no
PermitUserRC no
PermitUserEnvironment no
AcceptEnv LANG TZ
PrintMotd no
PrintLastLog no
ForceCommand $B/guac-demo-shell $home
C
start sshd "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$demo/sshd_config"

secret=$STATE/connections/secrets/demo/demo-shell
mkdir -p "$secret"
cp "$demo/user_key" "$secret/private-key"
printf '%s' "$me" >"$secret/username"
cat >"$STATE/connections/demo-shell.yaml" <<Y
# Written by make run. Put connections of your own beside it: they appear within a second.
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata:
  namespace: demo
  name: demo-shell
  annotations: { catalyst.openova.io/title: "Demo shell" }
spec:
  protocol: ssh
  hostname: 127.0.0.1
  port: $demo_port
  audience: { keycloakRoles: [operator] }
  recording: { enabled: true, bucket: recordings, retentionDays: 30 }
  hostKey: { keys: ["$(cut -d' ' -f1,2 "$demo/host_key.pub")"], unknown: refuse }
  credentials: { secretRef: { name: demo-shell } }
Y

# ---- the demo desktop: Xvnc in a jail of its own, where the kernel grants one ------------------
desktop=$B/guac-demo-desktop
rm -f "$STATE/connections/demo-desktop.yaml"
if why=$("$desktop" "$STATE" 0 /dev/null 2>&1); then
    desk_port=$(cat "$demo/desktop-port" 2>/dev/null || true)
    if [ -z "$desk_port" ] || listens "$desk_port"; then
        desk_port=$(free_port)
        echo "$desk_port" >"$demo/desktop-port"
    fi
    # A password for this run. VNC's password file is it, in DES with a key everybody knows.
    password=$(head -c 6 /dev/urandom | base64)
    passwd=$(printf %s "$password" | openssl enc -des-ecb -nopad -K e84ad660c4721ae0 \
        -provider legacy -provider default | od -An -to1 | sed 's/ /\\/g')
    {
        printf "passwd='%s'\n" "$passwd"
        cat deploy/run/demo-desktop.sh
    } >"$demo/desktop.sh"
    start desktop "$desktop" "$STATE" "$desk_port" "$demo/desktop.sh"
    secret=$STATE/connections/secrets/demo/demo-desktop
    mkdir -p "$secret"
    printf %s "$password" >"$secret/password"
    cat >"$STATE/connections/demo-desktop.yaml" <<Y
# Written by make run.
apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata:
  namespace: demo
  name: demo-desktop
  annotations: { catalyst.openova.io/title: "Demo desktop" }
spec:
  protocol: vnc
  hostname: 127.0.0.1
  port: $desk_port
  audience: { keycloakRoles: [operator] }
  recording: { enabled: true, bucket: recordings, retentionDays: 30 }
  credentials: { secretRef: { name: demo-desktop } }
Y
else
    say "No demo desktop: it could not be kept from your files here (${why##*: })."
fi

# ---- the gateway --------------------------------------------------------------------------------
[ -f "$keys/recorder" ] || head -c 32 /dev/urandom | base64 -w0 >"$keys/recorder"

store=folder:$STATE/recordings
start recorder "$B/guac-recorder" --run "$run" --store "$store" --spool "$STATE/spool" \
    --secret-file "$keys/recorder"
start evidence "$B/guac-evidence" serve --run "$run" --store "$store" --exports "$STATE/exports"
start guacd "$B/guacd" -f --socket "$run/guacd.sock" --run "$run"
wait_for "the recorder" test -S "$run/recorder.sock"
wait_for "the evidence reader" test -S "$run/evidence.sock"
wait_for guacd test -S "$run/guacd.sock"
cat >"$STATE/authd.conf" <<C
# Written by make run.
run = $run
folder = $STATE/connections
public-url = http://127.0.0.1:$PORT
create-keys = yes
cookie-keys = $keys/cookie
gateway-key = $keys/gateway.pem
audit-file = $STATE/audit/audit.jsonl
resources = $STATE/resources
dev-link = yes
dev-user = demo
dev-roles = operator auditor
auditor-roles = auditor
address-allow = 127.0.0.1 ::1
C
start authd "$B/guac-authd" --config "$STATE/authd.conf"
wait_for authd test -S "$run/authd.sock"
start proxy "$B/guac-proxy" --run "$run" --web "$B/web" --listen "127.0.0.1:$PORT" \
    --admin-listen "127.0.0.1:$(free_port)"
wait_for "the page" listens "$PORT"

link=$("$B/guac-authd" link --config "$STATE/authd.conf") || die "no sign-in link; see $logs/authd.log"
say ""
say "The gateway runs. Open this link, which works once (make link prints another):"
say ""
say "    $link"
say ""
say "Connections are in $STATE/connections, recordings in $STATE/recordings, logs in $logs."
say "Ctrl-C stops it."
wait -n || true
tail -n 5 "$logs"/*.log >&2
die "a program ended by itself; its log is in $logs"
