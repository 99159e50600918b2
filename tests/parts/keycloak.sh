#!/bin/sh
# keycloak.sh - a real Keycloak 26.7.3 with the realm of keycloak-realm.json on loopback
#
#   check | start DIR [--tls] | stop DIR
#   token DIR USER [CLIENT]    the token answer (JSON) of a direct grant; CLIENT is guacamole-tests (RS256,
#                              default), guacamole-es256, guacamole-eddsa, or other-app: a foreign audience
#   login DIR USER URL         what a browser does with the authorization URL: prints where it is sent
#                              back to (redirect_uri with code and state)
#   backchannel DIR URL        where the gateway clients' back-channel logout goes
#   redirect DIR URL           one more allowed redirect (a pattern ending in * where wished)
#   logout DIR USER            end all the user's sessions, as an administrator does
#   lifespan DIR SECONDS       how long access and ID tokens are good that are made from now on
#
#   --tls                      serve https beside, which an API server wants of an issuer
#
# env: KEYCLOAK_URL KEYCLOAK_REALM KEYCLOAK_ISSUER KEYCLOAK_PID (java) KEYCLOAK_LOG,
#   KEYCLOAK_CLIENT (standard flow, PKCE, RS256), KEYCLOAK_CLIENT_ES256 (the same, ES256),
#   KEYCLOAK_CLIENT_SECRET (of both), KEYCLOAK_ADMIN KEYCLOAK_ADMIN_PASSWORD (realm master);
#   with --tls KEYCLOAK_TLS_ISSUER and KEYCLOAK_CA (file)
#
# Users, each with the password USER-pw, and fixed `sub`s: olga (prod-operator), aude (auditor), apollo
# (approver, dev-operator, group team-platform), sonja (approver, group security-officers), clara (client
# roles of guacamole: auditor, session-operator), nina (none). Redirects by http go
# to any port of 127.0.0.1, [::1] and localhost; for https, Keycloak wants the port: see redirect.
#
# The first start on a machine fetches the server and imports the realm, about a minute; a copy of
# that is kept, and later starts run on a copy of the copy.
part=keycloak
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

version=26.7.3
tar_sha256=77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47
realm=catalyst secret=guacamole-test-secret admin=admin admin_password=admin-pw

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
java_major() { # by its release file: no JVM needs to start for this
    j=$(command -v "$java") && j=$(readlink -f "$j") || return 0
    sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "${j%/bin/java}/release" 2>/dev/null
}

part_check() {
    major=$(java_major)
    [ "${major:-0}" -ge 17 ] ||
        lacks "Java 17 or newer is missing (found: ${major:-none})" "get it by: $deps test"
    need mvn test
    need curl test
    need jq test
    need openssl test
    need perl test
}

# ---- once a machine ----------------------------------------------------------------------------

fetch() {
    echo "keycloak: first time on this machine: fetching version $version (180 MB)" >&2
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        -Dartifact=org.keycloak:keycloak-quarkus-dist:$version:tar.gz \
        -DoutputDirectory="$cache" -Dmaven.repo.local="$cache/m2" >"$cache/mvn.log" 2>&1 </dev/null || {
        tail -n 15 "$cache/mvn.log" >&2
        die "Maven could not fetch org.keycloak:keycloak-quarkus-dist:$version"
    }
    rm -rf "$cache/m2"
    tar=$cache/keycloak-quarkus-dist-$version.tar.gz
    echo "$tar_sha256  $tar" | sha256sum -c --quiet >&2 || die "$tar is not what it should be"
    mkdir "$cache/dist"
    tar -C "$cache/dist" --strip-components=1 -xf "$tar"
    rm -f "$tar"
}

# A first start, which generates code, makes the schema and imports the realm.
warm() {
    echo "keycloak: first time on this machine: importing the realm (half a minute)" >&2
    own_dir=$dir
    dir=$cache
    link_home
    cp -R "$dist/lib/quarkus" "$dir/kc/lib/"
    mkdir -p "$dir/kc/data/import"
    cp "$parts/keycloak-realm.json" "$dir/kc/data/import/$realm-realm.json"
    serve 240 --import-realm
    end_all 30 # by TERM: the database must be whole
    rm -rf "$dir/kc/data/import" "$dir/kc/data/tmp" "$dir/keycloak.log"
    dir=$own_dir
}

# $dir/kc: a home of its own whose large, never written parts are linked to the distribution's. The
# start script and the boot jars find home by their real path, so these are copied.
link_home() {
    rm -rf "$dir/kc"
    mkdir -p "$dir/kc/bin" "$dir/kc/lib/lib"
    for f in conf providers themes version.txt lib/app lib/lib/main lib/lib/deployment; do
        ln -s "$dist/$f" "$dir/kc/$f"
    done
    for f in bin/kc.sh lib/quarkus-run.jar lib/lib/boot; do
        cp -R "$dist/$f" "$dir/kc/$f"
    done
}

# ---- running -----------------------------------------------------------------------------------

serve() { # seconds, more options
    limit=$1
    shift
    url=http://127.0.0.1:$(free_ports 1)
    # JAVA_OPTS replaces kc.sh's default as a whole, which insists on another collector.
    hold keycloak env KC_BOOTSTRAP_ADMIN_USERNAME=$admin KC_BOOTSTRAP_ADMIN_PASSWORD=$admin_password \
        JAVA_OPTS='-Xms64m -Xmx320m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxMetaspaceSize=256m
            -Dfile.encoding=UTF-8 -Djava.security.egd=file:/dev/urandom -XX:+ExitOnOutOfMemoryError' \
        "$dir/kc/bin/kc.sh" start-dev --http-host=127.0.0.1 --http-port="${url##*:}" --cache=local "$@"
    wait_for "$limit" "login of olga" grant olga guacamole-tests
}

# A certificate that is its own authority.
make_cert() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -subj /CN=keycloak -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
        -keyout "$dir/tls.key" -out "$dir/tls.crt" >"$dir/tls.log" 2>&1
}

part_start() {
    tls=
    [ "${1:-}" != --tls ] || tls=$(free_ports 1)
    cached "keycloak-$version" fetch
    dist=$cache/dist
    # format: raise it when warm() changes.
    cached "keycloak-warm-$( (echo "$version $(java_major) format 1" && cat "$parts/keycloak-realm.json") |
        hash_of -)" warm
    link_home
    cp -R "$cache/kc/lib/quarkus" "$dir/kc/lib/"
    cp -R "$cache/kc/data" "$dir/kc/"
    rm -f "$dir/keycloak.log"
    if [ -n "$tls" ]; then
        make_cert
        serve 120 --https-port="$tls" --https-certificate-file="$dir/tls.crt" \
            --https-certificate-key-file="$dir/tls.key"
        put KEYCLOAK_TLS_ISSUER "https://127.0.0.1:$tls/realms/$realm"
        put KEYCLOAK_CA "$dir/tls.crt"
    else
        serve 120
    fi

    put KEYCLOAK_URL "$url"
    put KEYCLOAK_REALM $realm
    put KEYCLOAK_ISSUER "$url/realms/$realm"
    put KEYCLOAK_PID "$(cut -d' ' -f1 "/proc/$pid/task/$pid/children")" # kc.sh's java
    put KEYCLOAK_LOG "$log"
    put KEYCLOAK_CLIENT guacamole
    put KEYCLOAK_CLIENT_ES256 guacamole-es256
    put KEYCLOAK_CLIENT_SECRET $secret
    put KEYCLOAK_ADMIN $admin
    put KEYCLOAK_ADMIN_PASSWORD $admin_password
    echo "keycloak: ready on $url (pid $pid)"
}

# ---- talking to it -----------------------------------------------------------------------------

grant() { # user, client: the answer of a direct grant
    curl -sS --fail-with-body --max-time 20 "$url/realms/$realm/protocol/openid-connect/token" \
        -d grant_type=password -d "client_id=$2" -d "client_secret=$secret" -d "username=$1" \
        -d "password=$1-pw" -d 'scope=openid profile email'
}

admin_api() { # METHOD PATH [curl options]
    method=$1 path=$2
    shift 2
    token=$(curl -sSf --max-time 20 "$url/realms/master/protocol/openid-connect/token" \
        -d grant_type=password -d client_id=admin-cli -d username=$admin -d password=$admin_password |
        jq -r .access_token)
    curl -sS --fail-with-body --max-time 20 -X "$method" -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' "$@" "$url/admin/realms/$realm/$path"
}

here() { # the URL of the one running in DIR
    running keycloak
    # shellcheck source=/dev/null
    url=$(. "$dir/env" && echo "$KEYCLOAK_URL")
}

verb_token() {
    [ -n "${1:-}" ] || die "usage: keycloak.sh token DIR USER [CLIENT]"
    here
    grant "$1" "${2:-guacamole-tests}"
    echo
}

verb_login() {
    [ -n "${2:-}" ] || die "usage: keycloak.sh login DIR USER URL"
    here
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    set -- "$1" "$2" -sS --max-time 20
    [ ! -e "$dir/tls.crt" ] || set -- "$@" --cacert "$dir/tls.crt"
    user=$1 to=$2
    shift 2
    to=$(curl "$@" -c "$work/jar" -o "$work/page" -w '%{redirect_url}' "$to")
    if [ -z "$to" ]; then
        action=$(tr '\n' ' ' <"$work/page" |
            sed -n 's/.*id="kc-form-login"[^>]* action="\([^"]*\)".*/\1/p' | sed 's/&amp;/\&/g')
        [ -n "$action" ] || die "no login form: $(tr '\n' ' ' <"$work/page" |
            sed -n 's/.*class="instruction">\([^<]*\).*/\1/p')"
        to=$(curl "$@" -b "$work/jar" -c "$work/jar" -o "$work/page" -w '%{redirect_url}' \
            --data-urlencode "username=$user" --data-urlencode "password=$user-pw" "$action")
        [ -n "$to" ] || die "the login of $user was refused"
    fi
    echo "$to"
}

# Changes both gateway clients by a jq expression in which $v is the value.
change_clients() { # value, expression
    here
    for c in guacamole guacamole-es256; do
        admin_api GET "clients?clientId=$c" | jq --arg v "$1" ".[0] | $2" >"$dir/client.json"
        admin_api PUT "clients/$(jq -r .id "$dir/client.json")" -d @"$dir/client.json"
    done
    rm -f "$dir/client.json"
}

verb_backchannel() {
    [ -n "${1:-}" ] || die "usage: keycloak.sh backchannel DIR URL"
    # shellcheck disable=SC2016 # jq's dollar
    change_clients "$1" '.attributes["backchannel.logout.url"] = $v'
}

verb_redirect() {
    [ -n "${1:-}" ] || die "usage: keycloak.sh redirect DIR URL"
    # shellcheck disable=SC2016 # jq's dollar
    change_clients "$1" '.redirectUris += [$v]'
}

verb_logout() {
    [ -n "${1:-}" ] || die "usage: keycloak.sh logout DIR USER"
    here
    id=$(admin_api GET "users?username=$1&exact=true" | jq -r '.[0].id')
    admin_api POST "users/$id/logout"
}

verb_lifespan() {
    [ -n "${1:-}" ] || die "usage: keycloak.sh lifespan DIR SECONDS"
    here
    admin_api PUT "" -d "{\"accessTokenLifespan\": $1}"
}

part_main "$@"
