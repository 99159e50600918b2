#!/bin/bash
# parts.test.sh [PART...] - each real part starts, works, and leaves nothing behind
#
# Without arguments all of them. A part whose `check` finds something missing is skipped, in CI (CI set)
# failed. Ends with "N passed, N failed, N skipped", status 1 when one failed.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
work=$(mktemp -d /tmp/parts.XXXXXX)
passed=0 failed=0 skipped=0
export PART_OWNER=$$ # should we be killed, the parts go too

finish() {
    for p in sshd seaweedfs keycloak kubernetes; do
        for d in "$work/$p"*; do [ ! -d "$d" ] || "$here/$p.sh" stop "$d" >/dev/null 2>&1; done
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# ok WHAT COMMAND...: passes when the command succeeds; `no WHAT ...` when it does not
ok() {
    local what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1)) && echo "ok   $what"
    else
        failed=$((failed + 1)) && echo "FAIL $what" && tail -n 15 "$work/out" | sed 's/^/     /'
    fi
}
fails() { ! "$@"; }
no() { local what=$1 && shift && ok "$what" fails "$@"; }
says() { # TEXT COMMAND...: its output holds TEXT
    local text=$1
    shift
    "$@" 2>&1 | tee "$work/said" | grep -q -e "$text" || { cat "$work/said"; return 1; }
}

# Nothing below DIR is named in a running command line any more.
nothing_left() {
    local dir=$1 p left=0
    for p in /proc/[0-9]*; do
        [ "$p" != "/proc/$$" ] || continue
        # The server's command line, or its folder.
        if tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -qF "$dir/" ||
            [[ "$(readlink "$p/cwd" 2>/dev/null)/" == "$dir/"* ]]; then
            echo "still there: ${p#/proc/} $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
            left=1
        fi
    done
    return $left
}

# ---- sshd --------------------------------------------------------------------------------------

ssh_as() { # identity, user, command...
    local key=$1 user=$2
    shift 2
    ssh -F none -p "$SSHD_PORT" -i "$key" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$SSHD_KNOWN_HOSTS" \
        "$user@$SSHD_HOST" "$@" </dev/null
}

ssh_typed() { # user, method, then what is typed at each prompt
    expect - "$@" <<E
set timeout 15
set typed [lassign \$argv user method]
spawn ssh -F none -p $SSHD_PORT -o PubkeyAuthentication=no -o PreferredAuthentications=\$method \
    -o NumberOfPasswordPrompts=1 -o StrictHostKeyChecking=yes \
    -o UserKnownHostsFile=$SSHD_KNOWN_HOSTS_HASHED \$user@$SSHD_HOST {echo in as \$USER}
foreach t \$typed {
    expect {
        -re {assword: ?\$|sshotp': ?\$} { send "\$t\r" }
        eof { exit 1 }
        timeout { exit 2 }
    }
}
expect "in as \$user" { expect eof; exit 0 } eof { exit 1 } timeout { exit 2 }
E
}

encrypted_key() {
    cp "$1" "$work/decrypted" && chmod 600 "$work/decrypted" &&
        ssh-keygen -q -p -P "$SSHD_PASSPHRASE" -N '' -f "$work/decrypted" &&
        ssh_as "$work/decrypted" "$SSHD_USER" true
}

# A full-screen program on a terminal, seen by what it draws.
on_terminal() { # what is to be seen, command
    expect - "$@" <<E
set timeout 15
lassign \$argv seen command
spawn ssh -tt -F none -p $SSHD_PORT -i $SSHD_KEY_ED25519 -o StrictHostKeyChecking=yes \
    -o UserKnownHostsFile=$SSHD_KNOWN_HOSTS $SSHD_USER@$SSHD_HOST "TERM=xterm-256color \$command"
expect \$seen { exit 0 } eof { exit 1 } timeout { exit 2 }
E
}

test_sshd() {
    local d=$work/sshd mark=3600.$$ k
    ok 'sshd starts' "$here/sshd.sh" start "$d"
    [ -e "$d/env" ] || return
    # shellcheck source=/dev/null
    . "$d/env"
    for k in "$SSHD_KEY_ED25519" "$SSHD_KEY_ECDSA" "$SSHD_KEY_RSA" "$SSHD_KEY_RSA_PEM" \
        "$SSHD_CERT_ED25519" "$SSHD_CERT_RSA"; do
        ok "sshd: login by ${k##*/}" ssh_as "$k" "$SSHD_USER" true
    done
    ok 'sshd: the encrypted key opens and logs in' encrypted_key "$SSHD_KEY_ENC"
    ok 'sshd: the encrypted PEM key opens and logs in' encrypted_key "$SSHD_KEY_ENC_PEM"
    ok 'sshd: password' ssh_typed "$SSHD_USER" password "$SSHD_PASSWORD"
    ok 'sshd: keyboard-interactive' ssh_typed "$SSHD_USER" keyboard-interactive "$SSHD_PASSWORD"
    no 'sshd: a wrong password is refused' ssh_typed "$SSHD_USER" password wrong
    if [ -n "$SSHD_OTP_USER" ]; then
        ok 'sshd: password and one-time password' ssh_typed "$SSHD_OTP_USER" keyboard-interactive \
            "$SSHD_PASSWORD" "$("$here/sshd.sh" otp "$d")"
        no 'sshd: a wrong one-time password is refused' ssh_typed "$SSHD_OTP_USER" \
            keyboard-interactive "$SSHD_PASSWORD" 000000
    fi
    ok 'sshd: vim' on_terminal VIM "vim --clean --cmd 'set nocp'"
    ok 'sshd: htop' on_terminal Quit htop
    no 'sshd: the user cannot read the keys of the host' ssh_as "$SSHD_KEY_ED25519" "$SSHD_USER" \
        cat "$d/host_ed25519"
    ok 'sshd: what a login detaches' ssh_as "$SSHD_KEY_ED25519" "$SSHD_USER" \
        "setsid -f sleep $mark >/dev/null 2>&1"
    ok 'sshd: ... runs on' pgrep -f "sleep $mark"
    no 'sshd: not twice in one folder' "$here/sshd.sh" start "$d"
    no 'sshd: a bad line is refused' "$here/sshd.sh" start "$d-bad" --config 'Bogus yes'

    ok 'sshd stops' "$here/sshd.sh" stop "$d"
    no 'sshd: ... with what was detached' pgrep -f "sleep $mark"
    ok 'sshd: nothing left' nothing_left "$d"

    ok 'sshd: another in its place' "$here/sshd.sh" start "$d-other" --port "$SSHD_PORT" \
        --host-keys ed25519 --config 'PasswordAuthentication no'
    ok 'sshd: ... has another host key' says 'IDENTIFICATION HAS CHANGED' ssh_as "$SSHD_KEY_ED25519" \
        "$SSHD_USER" true
    ok 'sshd: ... stops' "$here/sshd.sh" stop "$d-other"

    # An owner that dies.
    (PART_OWNER=$BASHPID && "$here/sshd.sh" start "$d-own" >"$work/out" 2>&1)
    sleep 2.5
    ok 'sshd: ends with its owner' nothing_left "$d-own"
}

# ---- seaweedfs ---------------------------------------------------------------------------------

test_seaweedfs() {
    local d=$work/seaweedfs b=guacamole-recordings version
    s3() { "$here/s3.py" --env "$d/env" --as "$@"; }
    head -c 100000 /dev/urandom >"$work/blob"
    ok 'seaweedfs starts' "$here/seaweedfs.sh" start "$d"
    [ -e "$d/env" ] || return
    ok 'seaweedfs: a locked bucket' "$here/seaweedfs.sh" bucket "$d" $b
    ok 'seaweedfs: a plain one' "$here/seaweedfs.sh" bucket "$d" $b-head --plain
    ok 'seaweedfs: the writer puts, locked' s3 writer put $b a/b "$work/blob" --lock-days 1 --if-none-match
    no 'seaweedfs: ... once only' s3 writer put $b a/b "$work/blob" --lock-days 1 --if-none-match
    ok 'seaweedfs: the reader sees the retention' says COMPLIANCE s3 reader retention $b a/b
    version=$(s3 reader list $b --versions | cut -d' ' -f2)
    for who in writer reader admin; do
        no "seaweedfs: $who cannot delete" s3 $who delete $b a/b
        no "seaweedfs: $who cannot delete the version" s3 $who delete $b a/b --version "$version"
    done
    no 'seaweedfs: the reader cannot put' s3 reader put $b c "$work/blob"
    no 'seaweedfs: the writer has no other bucket' s3 writer make-bucket other
    ok 'seaweedfs: hangs' "$here/seaweedfs.sh" hang "$d"
    no 'seaweedfs: ... and answers nothing' s3 writer --timeout 1 put $b-head h "$work/blob"
    ok 'seaweedfs: goes on' "$here/seaweedfs.sh" cont "$d"
    ok 'seaweedfs: ... and answers' s3 writer put $b-head h "$work/blob"
    ok 'seaweedfs: killed' "$here/seaweedfs.sh" kill9 "$d"
    no 'seaweedfs: ... is away' s3 reader list $b
    ok 'seaweedfs: restarts' "$here/seaweedfs.sh" restart "$d"
    s3 reader get $b a/b --version "$version" >"$work/back"
    ok 'seaweedfs: ... with its data' cmp "$work/blob" "$work/back"
    ok 'seaweedfs stops' "$here/seaweedfs.sh" stop "$d"
    ok 'seaweedfs: nothing left' nothing_left "$d"

    ok 'seaweedfs: small, by TLS' "$here/seaweedfs.sh" start "$d" --small --tls --buckets 'one two'
    ok 'seaweedfs: ... has a bucket' "$here/seaweedfs.sh" bucket "$d" two
    head -c 1500000 /dev/urandom >"$work/blob"
    for i in $(seq 1 60); do s3 writer put two "$i" "$work/blob" >"$work/put" 2>&1 || break; done
    ok 'seaweedfs: ... gets full' grep -q "HTTP 500" "$work/put"
    ok 'seaweedfs: ... restarts full' "$here/seaweedfs.sh" restart "$d"
    no 'seaweedfs: ... and is full again' s3 writer put two again "$work/blob"
    ok 'seaweedfs: ... stops' "$here/seaweedfs.sh" stop "$d"
}

# ---- keycloak ----------------------------------------------------------------------------------

part_of_token() { # 1 header, 2 claims; of the JWT on stdin
    cut -d. -f"$1" | tr '_-' '/+' | sed 's/$/===/' | base64 -di 2>/dev/null
}

id_token() { # user, client
    "$here/keycloak.sh" token "$work/keycloak" "$1" "$2" | jq -r .id_token
}

test_keycloak() {
    local d=$work/keycloak back=http://127.0.0.1:39999/cb verifier challenge auth to
    ok 'keycloak starts' "$here/keycloak.sh" start "$d"
    [ -e "$d/env" ] || return
    # shellcheck source=/dev/null
    . "$d/env"
    local oidc=$KEYCLOAK_ISSUER/protocol/openid-connect
    ok 'keycloak: its issuer' says "\"issuer\":\"$KEYCLOAK_ISSUER\"" \
        curl -sS "$KEYCLOAK_ISSUER/.well-known/openid-configuration"
    ok 'keycloak: keys RS256 and ES256' eval "says RS256 curl -sS $oidc/certs && grep -q ES256 $work/said"
    ok 'keycloak: token RS256' eval "id_token olga guacamole-tests | part_of_token 1 | grep RS256"
    ok 'keycloak: token ES256' eval "id_token olga guacamole-es256 | part_of_token 1 | grep ES256"
    ok 'keycloak: realm role' eval "id_token olga guacamole-tests | part_of_token 2 |
        jq -e '.realm_access.roles | index(\"prod-operator\")'"
    ok 'keycloak: client role' eval "id_token clara guacamole-tests | part_of_token 2 |
        jq -e '.resource_access.guacamole.roles | index(\"auditor\")'"
    no 'keycloak: a stranger gets none' "$here/keycloak.sh" token "$d" stranger

    verifier=$(openssl rand -hex 32)
    challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d =)
    auth="$oidc/auth?response_type=code&client_id=$KEYCLOAK_CLIENT&scope=openid&state=s1&nonce=n1"
    auth="$auth&code_challenge=$challenge&code_challenge_method=S256"
    to=$("$here/keycloak.sh" login "$d" olga "$auth&redirect_uri=$back")
    ok 'keycloak: login sends back with code and state' test -n "$(echo "$to" | grep "^$back?state=s1&.*code=")"
    to=${to##*code=}
    # shellcheck disable=SC2317 # called by ok
    exchange() {
        curl -sS --fail-with-body -u "$KEYCLOAK_CLIENT:$KEYCLOAK_CLIENT_SECRET" "$oidc/token" \
            -d grant_type=authorization_code -d "code=${to%%&*}" -d "redirect_uri=$back" \
            -d "code_verifier=$1"
    }
    ok 'keycloak: code for tokens' says '"id_token"' exchange "$verifier"
    no 'keycloak: ... once only' exchange "$verifier"
    no 'keycloak: no foreign redirect' "$here/keycloak.sh" login "$d" olga \
        "$auth&redirect_uri=http://elsewhere.example/cb"
    ok 'keycloak: takes another redirect' "$here/keycloak.sh" redirect "$d" "https://127.0.0.1:4444/*"
    ok 'keycloak: ... and sends there' says 4444/cb "$here/keycloak.sh" login "$d" olga \
        "$auth&redirect_uri=https://127.0.0.1:4444/cb"

    python3 - "$work" <<'P' &
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(s):
        body = s.rfile.read(int(s.headers["content-length"])).decode()
        s.send_response(200)
        s.end_headers()
        open(sys.argv[1] + "/logout", "w").write(body)
    def log_message(s, *a): pass
h = http.server.HTTPServer(("127.0.0.1", 0), H)
open(sys.argv[1] + "/port", "w").write(f"{h.server_port}\n")
h.timeout = 20
h.handle_request()
P
    local listener=$!
    for _ in $(seq 100); do
        [ ! -s "$work/port" ] || break
        sleep 0.05
    done
    ok 'keycloak: another back-channel URL' "$here/keycloak.sh" backchannel "$d" \
        "http://127.0.0.1:$(cat "$work/port")/out"
    ok 'keycloak: the administrator ends the sessions' "$here/keycloak.sh" logout "$d" olga
    wait $listener
    ok 'keycloak: ... and the back channel says so' grep -q '^logout_token=' "$work/logout"
    ok 'keycloak stops' "$here/keycloak.sh" stop "$d"
    ok 'keycloak: nothing left' nothing_left "$d"
}

# ---- chromium ----------------------------------------------------------------------------------

test_chromium() {
    ok 'chromium draws a page' says '<p>42</p>' timeout 60 "$("$here/chromium.sh" path)" --headless \
        --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/chromium" \
        --dump-dom 'data:text/html,<script>document.write("<p>"+6*7+"</p>")</script>'
    ok 'chromium: nothing left' nothing_left "$work/chromium"
}

# ---- kubernetes --------------------------------------------------------------------------------

pod() { # name, image
    cat <<Y
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "$2", imagePullPolicy: Never, command: [/bin/sleep, "3600"]}]
Y
}

test_kubernetes() {
    local d=$work/kubernetes
    # shellcheck disable=SC2317 # called by ok
    k() { "$here/kubernetes.sh" kubectl "$d" "$@"; }
    # shellcheck disable=SC2317 # called by ok
    api() { curl -sS --fail-with-body --max-time 10 --cacert "$KUBE_CA" "$@"; }
    ok 'kubernetes starts' "$here/kubernetes.sh" start "$d"
    [ -e "$d/env" ] || return
    # shellcheck source=/dev/null
    . "$d/env"
    pod one "$KUBE_IMAGE" >"$work/pod.yaml"
    ok 'kubernetes: a pod' k apply -f "$work/pod.yaml"
    ok 'kubernetes: ... runs' k wait --for=condition=Ready pod/one --timeout=60s
    ok 'kubernetes: ... runs commands' says '^42$' k exec one -- expr 6 '*' 7
    ok 'kubernetes: a service account has a token' says '^ey' "$here/kubernetes.sh" token "$d" \
        default robot
    no 'kubernetes: ... that reads nothing' api -H "Authorization: Bearer $(cat "$work/said")" \
        "$KUBE_SERVER/api/v1/namespaces/default/pods"
    ok 'kubernetes: the audit log names it' grep -q '"username":"system:serviceaccount:default:robot"' "$KUBE_AUDIT"
    ok 'kubernetes: a client certificate' "$here/kubernetes.sh" cert "$d" anna ops
    ok 'kubernetes: ... is known' says 'User ."anna." cannot list' api --cert "$d/pki/anna.crt" --key "$d/pki/anna.key" \
        "$KUBE_SERVER/api/v1/pods"
    ok 'kubernetes: the API server ends' "$here/kubernetes.sh" down "$d"
    no 'kubernetes: ... and answers nothing' k get ns
    ok 'kubernetes: ... and comes back' "$here/kubernetes.sh" up "$d"
    ok 'kubernetes: ... with its data' k get pod one
    ok 'kubernetes stops' "$here/kubernetes.sh" stop "$d"
    ok 'kubernetes: nothing left' nothing_left "$d"
    no 'kubernetes: no control group left' compgen -G "/sys/fs/cgroup/*/$KUBE_GROUP"

    ok 'kubernetes: without a node' "$here/kubernetes.sh" start "$d" --no-node
    ok 'kubernetes: ... answers' k get ns default
    ok 'kubernetes: ... stops' "$here/kubernetes.sh" stop "$d"
}

[ $# -gt 0 ] || set -- sshd seaweedfs keycloak chromium kubernetes
for p; do
    if "$here/$p.sh" check 2>"$work/missing"; then
        "test_$p"
    else
        cat "$work/missing"
        if [ -n "${CI:-}" ]; then failed=$((failed + 1)) && echo "FAIL $p: something is missing"
        else skipped=$((skipped + 1)) && echo "skip $p"; fi
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
