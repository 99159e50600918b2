#!/bin/sh
# Verifies this bag with public tools alone: sha256sum and its kin (coreutils), openssl 3, jq, a shell.
#
#   verify.sh [-k KEY]... [-a ANCHOR]... [-t CAFILE]
#     -k KEY     fingerprint (64 hex digits) or PEM file of a key that must have signed everything,
#                told to you by another way than this bag
#     -a ANCHOR  an earlier checkpoint you kept: a file with the signed note, or SIZE:ROOT in hex
#     -t CAFILE  certificates of the authority that stamped the log's checkpoints (RFC 3161)
#
# Exit status: 0 proved · 1 broken, each finding is printed · 2 cannot be run · 3 self-consistent, but
# without a key and an anchor whoever made the bag could have made up all of it.
set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd) || exit 2
keys='' anchors='' ca='' bad=0 loose=0 fallen=''
while getopts k:a:t: o; do
    case $o in
    k) keys="$keys$OPTARG
" ;;
    a) anchors="$anchors$OPTARG
" ;;
    t) ca=$OPTARG ;;
    *) exit 2 ;;
    esac
done
for tool in sha256sum openssl jq base64 od sort comm cut head tail wc tr grep mktemp; do
    command -v $tool >/dev/null || { echo "verify.sh: $tool is missing" >&2 && exit 2; }
done
start=$(pwd)
absolute() { case $1 in /*) echo "$1" ;; *) echo "$start/$1" ;; esac; }
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
trap 'exit 2' HUP INT TERM
cd "$here" || exit 2

broken() { echo "BROKEN  $1: $2" && bad=1; }
note() { echo "note    $1: $2"; }
sum() { sha256sum <"$1" | cut -c1-64; }

# Bytes from hex digits.
unhex() {
    h=$1 s=
    while [ -n "$h" ]; do
        r=${h#??}
        s="$s 0x${h%"$r"}"
        h=$r
    done
    # shellcheck disable=SC2086,SC2059 # words, and octal escapes
    printf "$(printf '\\%03o' $s)"
}

# RFC 6962 tree hash over the first $2 lines of $1, on standard output; all of a level at once.
merkle() {
    rm -rf "$tmp/m" && mkdir "$tmp/m"
    n=0
    while [ "$n" -lt "$2" ] && IFS= read -r line; do
        n=$((n + 1))
        printf '\000%s' "$line" >"$tmp/m/$((1000000000 + n))"
    done <"$1"
    [ "$n" -eq "$2" ] || return 1
    [ "$n" -gt 0 ] || { sha256sum </dev/null | cut -c1-64 && return; }
    level
    while [ "$n" -gt 1 ]; do
        n=0 odd=
        while read -r a; do
            if read -r b; then
                n=$((n + 1))
                { printf '\001' && unhex "$a$b"; } >"$tmp/m/$((1000000000 + n))"
            else
                odd=$a
            fi
        done <"$tmp/level"
        level
        [ -z "$odd" ] || { echo "$odd" >>"$tmp/level" && n=$((n + 1)); }
    done
    cat "$tmp/level"
}
level() {
    # All at once, or a thousand at a time: an argument list has an end.
    (cd "$tmp/m" && if [ "$n" -lt 50000 ]; then
        sha256sum 1*
    else
        i=0
        while [ $((i * 1000)) -le "$n" ]; do
            set -- "$((1000000 + i))"???
            [ ! -e "$1" ] || sha256sum "$@"
            i=$((i + 1))
        done
    fi) | cut -c1-64 >"$tmp/level"
    rm -rf "$tmp/m" && mkdir "$tmp/m"
}

# What sha256sum said in $tmp/out, and means.
failed() { # folder, words
    while IFS= read -r l; do
        case $l in *': FAILED'*) broken "$1${l%%: *}" "$2" ;; esac
    done <"$tmp/out"
}

# ---- the bag itself
sha256sum -c --quiet --strict manifest-sha256.txt >"$tmp/out" 2>&1 || {
    failed '' "not the bytes of the manifest"
    [ $bad -ne 0 ] || broken manifest-sha256.txt "missing, or it has lines that are none of a manifest"
}
cut -c67- manifest-sha256.txt | sort >"$tmp/told"
walk() {
    for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -L "$f" ]; then echo "$f" >>"$tmp/links"; fi
        if [ -d "$f" ]; then walk "$f"; elif [ -e "$f" ]; then echo "$f"; fi
    done
}
: >"$tmp/links"
walk data | sort >"$tmp/there"
while IFS= read -r f; do broken "$f" "a link"; done <"$tmp/links"
comm -13 "$tmp/told" "$tmp/there" >"$tmp/more"
while IFS= read -r f; do broken "$f" "added: not in the manifest"; done <"$tmp/more"

# ---- keys: those of the bag, and which of them are believed
trusted() { # key id
    [ -f "data/keys/$1.pem" ] || return 1
    [ "$(openssl pkey -pubin -in "data/keys/$1.pem" -outform DER 2>/dev/null | sha256sum |
        cut -c1-64)" = "$1" ] || return 1
    [ -n "$keys" ] || return 0
    echo "$keys" | while IFS= read -r k; do
        [ -n "$k" ] || continue
        [ "$k" = "$1" ] && exit 9
        k=$(absolute "$k")
        [ -f "$k" ] && [ "$(openssl pkey -pubin -in "$k" -outform DER | sha256sum |
            cut -c1-64)" = "$1" ] && exit 9
    done
    [ $? -eq 9 ]
}
signed() { # PEM, file, signature file
    openssl pkeyutl -verify -rawin -pubin -inkey "$1" -in "$2" -sigfile "$3" >/dev/null 2>&1
}

# An envelope's payload into $tmp/payload, when a believed key signed it.
envelope() {
    id=$(jq -r '.signatures[0].keyid' "$1" 2>/dev/null)
    case $id in *[!0-9a-f]* | '' | null) broken "$1" "no envelope" && return 1 ;; esac
    t=$(jq -r .payloadType "$1")
    jq -r .payload "$1" | base64 -d >"$tmp/payload" 2>/dev/null || : >"$tmp/payload"
    { printf 'DSSEv1 %d %s %d ' ${#t} "$t" "$(wc -c <"$tmp/payload")" && cat "$tmp/payload"; } >"$tmp/pae"
    jq -r '.signatures[0].sig' "$1" | base64 -d >"$tmp/sig" 2>/dev/null
    trusted "$id" || { broken "$1" "signed by key $id, which is none of those given" && return 1; }
    signed "data/keys/$id.pem" "$tmp/pae" "$tmp/sig" || { broken "$1" "its signature does not fit" && return 1; }
}

# Keys that hand over to others, both saying so; and such that were declared compromised.
successors() {
    grep -nE '"kind":"(key|compromise)"' data/log/leaves.jsonl >"$tmp/keyleaves"
    while IFS= read -r l; do
        n=$((${l%%:*} - 1))
        echo "${l#*:}" | jq -c .envelope >"$tmp/leaf $n"
        envelope "$tmp/leaf $n" || continue
        if has_fallen "$id" "$n"; then
            broken "log leaf $n" "signed by a key that had been declared compromised" && continue
        fi
        case $l in
        *'"kind":"key"'*)
            new=$(jq -r .predicate.detail.new.keyid "$tmp/payload")
            case $new in *[!0-9a-f]* | '' | null) continue ;; esac
            jq -r --arg k "$new" '.signatures[] | select(.keyid == $k) | .sig' "$tmp/leaf $n" |
                base64 -d >"$tmp/sig" 2>/dev/null
            if [ -f "data/keys/$new.pem" ] && signed "data/keys/$new.pem" "$tmp/pae" "$tmp/sig"; then
                [ -z "$keys" ] || keys="$keys$new
"
            else
                broken "log leaf $n" "a key that did not sign its own coming"
            fi
            ;;
        *) fallen="$fallen$(jq -r .predicate.detail.keyid "$tmp/payload") $n
" ;;
        esac
    done <"$tmp/keyleaves"
}
has_fallen() { # key id, index: was it declared compromised by an earlier leaf?
    echo "$fallen" | while read -r k n; do
        [ "$k" != "$1" ] || [ "$2" -le "$n" ] || exit 9
    done
    [ $? -eq 9 ]
}
not_fallen() { # file, kind, session; signed by $id
    at=$(grep -n "\"kind\":\"$2\".*\"session\":\"$3\"" data/log/leaves.jsonl | head -n 1 | cut -d: -f1)
    if [ -n "$at" ] && has_fallen "$id" $((at - 1)); then
        broken "$1" "signed by key $id, declared compromised by log leaf $(echo "$fallen" |
            grep "^$id " | head -n 1 | cut -d' ' -f2)"
    fi
}

# ---- one recording
# Is it a whole chunk of this session, by its header, its signature and the hash of its data?
own_chunk() { # file, session
    tail -c +9 "$1" | head -n 1 >"$tmp/head"
    { printf 'guac-chunk-v1\n' && cat "$tmp/head"; } >"$tmp/tbs"
    tail -c +9 "$1" | head -n 2 | tail -n 1 | base64 -d >"$tmp/sig" 2>/dev/null
    signed "$tmp/session.pem" "$tmp/tbs" "$tmp/sig" || return 1
    [ "$(jq -r .session "$tmp/head" 2>/dev/null)" = "$2" ] || return 1
    # shellcheck disable=SC2046 # four bytes
    set -- "$1" $(head -c 8 "$1" | tail -c 4 | od -An -v -tu1)
    [ "$(tail -c +$((9 + $2 + $3 * 256 + $4 * 65536 + $5 * 16777216)) "$1" | sha256sum | cut -c1-64)" = \
        "$(jq -r .sha256 "$tmp/head")" ]
}

others() { # directory: all that lies there beside what has a fixed name
    (cd "$1" && for f in * .[!.]* ..?*; do
        case $f in open.dsse.json | seal.dsse.json | chunks.jsonl.zst) continue ;; esac
        [ ! -e "$f" ] || echo "$f"
    done)
}

chunks() { # directory, session, root, count, hash of the list, name of the recorder that was lost
    d=$1 list=data/derived/$2/chunks.jsonl
    [ -e "$list" ] || { broken "$list" missing && return; }
    [ "$(sum "$d/chunks.jsonl.zst")" = "$5" ] || broken "$d/chunks.jsonl.zst" "not the one that was sealed"
    root=$(merkle "$list" "$4") || root=none
    [ "$root $(wc -l <"$list")" = "$3 $4" ] || broken "$list" "its Merkle root is not the one that was sealed"
    jq -r '"\(.sha256)  \(.name)"' "$list" >"$tmp/list" 2>/dev/null
    (cd "$d" && sha256sum -c --quiet "$tmp/list" 2>&1) >"$tmp/out" ||
        failed "$d/" "changed: not the bytes that were sealed"
    cut -c67- "$tmp/list" | sort >"$tmp/told"
    others "$d" | sort | comm -13 "$tmp/told" - >"$tmp/more"
    while IFS= read -r f; do
        if [ -n "$6" ] && own_chunk "$d/$f" "$2"; then
            note "$d/$f" "left out of the seal: behind a gap when its recorder was lost, or late"
        else
            broken "$d/$f" "added: it is not in the sealed list"
        fi
    done <"$tmp/more"
    opened=$(sum "$d/open.dsse.json")
    for kind in data keyframe text; do
        prev=$opened
        jq -r "select(.kind == \"$kind\") | \"\(.i) \(.head) \(.name)\"" "$list" |
            sort -n >"$tmp/chain"
        while read -r _ head name; do
            [ -e "$d/$name" ] || continue # was told above
            tail -c +9 "$d/$name" | head -n 1 >"$tmp/head"
            { printf 'guac-chunk-v1\n' && cat "$tmp/head"; } >"$tmp/tbs"
            tail -c +9 "$d/$name" | head -n 2 | tail -n 1 | base64 -d >"$tmp/sig" 2>/dev/null
            [ "$(sum "$tmp/head")" = "$head" ] || broken "$d/$name" "its header is not the one that was sealed"
            signed "$tmp/session.pem" "$tmp/tbs" "$tmp/sig" || broken "$d/$name" "not signed by the session's key"
            [ "$(jq -r '.session + " " + .prev' "$tmp/head")" = "$2 $prev" ] ||
                broken "$d/$name" "does not follow the one before"
            prev=$head
        done <"$tmp/chain"
    done
}

recording() { # directory
    s=${1##*/}
    envelope "$1/open.dsse.json" || return
    [ "$(jq -r '.predicate.session + " data/recordings/" + .predicate.prefix' "$tmp/payload")" = "$s $1" ] ||
        broken "$1/open.dsse.json" "the open record of another recording"
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000' &&
        jq -r .predicate.key.publicKey "$tmp/payload" | base64 -d; } |
        openssl pkey -pubin -inform DER -out "$tmp/session.pem" 2>/dev/null
    logged open "$s" "$(sum "$1/open.dsse.json")" || broken "$1/open.dsse.json" "not in the log"
    not_fallen "$1/open.dsse.json" open "$s"
    if [ ! -e "$1/seal.dsse.json" ]; then
        if grep -Fq "seal $s " "$tmp/pairs"; then
            broken "$1/seal.dsse.json" "missing: it is in the log"
        else
            note "$1" "not sealed yet" && loose=1
            others "$1" >"$tmp/more"
            while IFS= read -r f; do
                own_chunk "$1/$f" "$s" || broken "$1/$f" "added, or changed: no chunk of this session"
            done <"$tmp/more"
        fi
        return
    fi
    envelope "$1/seal.dsse.json" || return
    logged seal "$s" "$(sum "$1/seal.dsse.json")" || broken "$1/seal.dsse.json" "not in the log"
    not_fallen "$1/seal.dsse.json" seal "$s"
    # shellcheck disable=SC2046 # five words, or six
    set -- "$1" $(jq -r '.predicate | "\(.session) \(.root) \(.list.count) \(.list.sha256) \(.open.sha256) \(.silent.gateway // "")"' "$tmp/payload")
    [ "$2" = "$s" ] || broken "$1/seal.dsse.json" "the seal of another recording"
    [ "$6" = "$(sum "$1/open.dsse.json")" ] || broken "$1/open.dsse.json" "not the one that was sealed"
    chunks "$1" "$2" "$3" "$4" "$5" "${7:-}"
}

# ---- the log over all sessions
logged() {
    grep -Fxq "$1 $2 $3" "$tmp/pairs"
}
hex() { od -An -v -tx1 | tr -d ' \n'; }

checkpoint() {
    size=$(head -n 2 data/log/checkpoint | tail -n 1)
    case $size in '' | *[!0-9]*) broken data/log/checkpoint "no checkpoint" && return ;; esac
    root=$(head -n 3 data/log/checkpoint | tail -n 1 | base64 -d | hex)
    [ "$(merkle data/log/leaves.jsonl "$size")" = "$root" ] ||
        broken data/log/checkpoint "its root is not that of the leaves"
    [ "$(wc -l <data/log/leaves.jsonl)" -eq "$size" ] || broken data/log/leaves.jsonl "leaves beyond the checkpoint"
    gap=0
    while IFS= read -r l; do
        gap=$((gap + 1))
        [ -n "$l" ] || break
    done <data/log/checkpoint
    head -n $((gap - 1)) data/log/checkpoint >"$tmp/text"
    good=
    tail -n +$((gap + 1)) data/log/checkpoint >"$tmp/sigs"
    while read -r _ _ sig; do
        echo "$sig" | base64 -d 2>/dev/null | tail -c +5 >"$tmp/sig"
        for k in data/keys/*.pem; do
            id=${k##*/}
            trusted "${id%.pem}" && ! has_fallen "${id%.pem}" $((size - 1)) && signed "$k" "$tmp/text" "$tmp/sig" && good=1
        done
    done <"$tmp/sigs"
    [ -n "$good" ] || broken data/log/checkpoint "signed by none of the keys given"
}

anchor() { # file or SIZE:ROOT
    f=$(absolute "$1")
    if [ -f "$f" ]; then
        m=$(head -n 2 "$f" | tail -n 1) r=$(head -n 3 "$f" | tail -n 1 | base64 -d | hex)
    else
        m=${1%%:*} r=${1#*:}
    fi
    case $m in '' | *[!0-9]*) broken "$1" "no checkpoint to measure by" && return ;; esac
    if [ "$m" -gt "$size" ]; then
        broken "$1" "the log has fewer leaves than the anchor: rolled back"
    elif [ "$(merkle data/log/leaves.jsonl "$m")" != "$r" ]; then
        broken "$1" "another log than the one of the anchor: forked, or written anew"
    fi
}

whole_period() {
    jq -rs 'group_by(.session) | .[] | select(.[0].session) | . as $l | ($l | map(select(.kind == "open"))) as $o |
        ($l | map(select(.kind == "seal"))) as $s | select(($o | length) > 1 or ($s | length) > 1 or
        (($s | length) > ($o | length))) | .[0].session' data/log/leaves.jsonl >"$tmp/odd"
    while read -r s; do broken data/log/leaves.jsonl "session $s has not one open record and one seal"; done <"$tmp/odd"
    [ -f data/period.json ] || return 0
    from=$(jq -r '.from // 0' data/period.json) to=$(jq -r '.to // 0' data/period.json)
    case $from$to in *[!0-9]*) broken data/period.json "no period" && return ;; esac
    [ "$to" -gt 0 ] || to=281474976710655
    note data/period.json "$(jq -r '"from \(.from / 1000 | todate) to \(.to / 1000 | todate) \(.connection // "")"' data/period.json)"
    # A session's name begins with its time: 48 bits of milliseconds (UUIDv7).
    # shellcheck disable=SC2016 # jq's own variables
    jq -r --arg f "$(printf %012x "$from")" --arg t "$(printf %012x "$to")" \
        --arg c "$(jq -r '.connection // ""' data/period.json)" 'select(.kind == "open") |
        (.session | gsub("-"; "")[0:12]) as $s | (.prefix | split("/")) as $p | select($s >= $f and
        $s < $t and ($c == "" or $p[2] == $c or $p[1] + "/" + $p[2] == $c)) | .prefix' \
        data/log/leaves.jsonl >"$tmp/want"
    while IFS= read -r p; do
        [ -e "data/recordings/$p/open.dsse.json" ] ||
            broken "data/recordings/$p" "missing: it is in the log and in the period"
    done <"$tmp/want"
}

stamps() {
    any=
    for t in data/log/stamps/*.tsr; do
        [ -e "$t" ] || continue
        any=1
        openssl ts -verify -data "${t%.tsr}.note" -in "$t" -CAfile "$(absolute "$ca")" >/dev/null 2>&1 ||
            broken "$t" "the time stamp does not fit, or is not the authority's"
        anchor "$here/${t%.tsr}.note"
    done
    [ -n "$any" ] || broken data/log/stamps "there are no time stamps"
}

jq -r 'select(.sha256) | "\(.kind) \(.session) \(.sha256)"' data/log/leaves.jsonl >"$tmp/pairs"
size=0
successors
checkpoint
echo "$anchors" >"$tmp/anchors"
while IFS= read -r a; do [ -z "$a" ] || anchor "$a"; done <"$tmp/anchors"
[ -z "$ca" ] || stamps
whole_period
for d in data/recordings/*/*/*/*/*/*/*; do
    [ -d "$d" ] && recording "$d"
done

if [ $bad -ne 0 ]; then
    echo BROKEN
    exit 1
fi
if [ -n "$keys" ] && [ -n "$anchors$ca" ] && [ $loose -eq 0 ]; then
    echo "proved: complete and unchanged"
    exit 0
fi
echo "self-consistent, not anchored"
exit 3
