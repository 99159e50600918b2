#!/bin/sh
# opensearch.sh - a real OpenSearch 2.19.1 (its core: no security plugin) on loopback
#
#   check | start DIR [PORT] | stop DIR
#
# env: OPENSEARCH_URL OPENSEARCH_PORT OPENSEARCH_PID. What was indexed stays in DIR: start it there
# again, with PORT at the same place.
#
# The first start on a machine fetches it (50 MB). It refuses to run as root, so root runs it as nobody.
part=opensearch
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

version=2.19.1
zip_sha256=af7152d8b7f6f1cee09d47276b32b70479fe6dd8cdbb61213f84eb7f8098b261

part_check() {
    need java test
    need mvn test
    need curl test
    need unzip test
    [ "$(id -u)" != 0 ] || need setpriv test
}

fetch() {
    echo "opensearch: first time on this machine: fetching version $version (50 MB)" >&2
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        -Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:$version:zip \
        -DoutputDirectory="$cache" -Dmaven.repo.local="$cache/m2" >"$cache/mvn.log" 2>&1 </dev/null || {
        tail -n 15 "$cache/mvn.log" >&2
        die "Maven could not fetch OpenSearch $version"
    }
    rm -rf "$cache/m2"
    zip=$cache/opensearch-$version.zip
    echo "$zip_sha256  $zip" | sha256sum -c --quiet >&2 || die "$zip is not what it should be"
    unzip -q "$zip" -d "$cache"
    rm -f "$zip"
    mv "$cache/opensearch-$version" "$cache/dist"
}

part_start() {
    cached "opensearch-$version" fetch
    # shellcheck disable=SC2046 # two ports
    set -- "${1:-}" $(free_ports 2)
    port=${1:-$2}
    url=http://127.0.0.1:$port
    [ -d "$dir/home" ] || cp -R "$cache/dist" "$dir/home" # it writes its key store beside its configuration
    mkdir -p "$dir/data" "$dir/logs"
    home=$(cd "$(dirname "$(readlink -f "$(command -v java)")")/.." && pwd -P)
    as=
    if [ "$(id -u)" = 0 ]; then
        chown -R nobody "$dir/home" "$dir/data" "$dir/logs"
        chmod o+x "$dir"
        as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
    fi
    # shellcheck disable=SC2086 # words
    hold opensearch $as env OPENSEARCH_JAVA_HOME="$home" \
        OPENSEARCH_JAVA_OPTS='-Xms256m -Xmx256m -XX:TieredStopAtLevel=1' \
        OPENSEARCH_PATH_CONF="$dir/home/config" "$dir/home/bin/opensearch" \
        -Ediscovery.type=single-node -Enetwork.host=127.0.0.1 "-Ehttp.port=$port" \
        "-Etransport.port=$3" -Ecluster.name=guac "-Epath.data=$dir/data" "-Epath.logs=$dir/logs" \
        -Ecluster.routing.allocation.disk.threshold_enabled=false
    wait_for 180 "answer with a cluster's health" \
        curl -sSf --max-time 10 "$url/_cluster/health?wait_for_status=yellow&timeout=5s"
    put OPENSEARCH_URL "$url"
    put OPENSEARCH_PORT "$port"
    put OPENSEARCH_PID "$pid"
    echo "opensearch: ready on $url (pid $pid)"
}

part_stop() { end_all 10; }

part_main "$@"
