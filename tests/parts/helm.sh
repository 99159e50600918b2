#!/bin/sh
# helm.sh - Helm, and the kinds of other people that charts are checked against
#
#   check            status 1 and a line for each thing missing
#   program          prints the path of helm
#   kinds            prints a file of CustomResourceDefinitions: Prometheus operator, Flux
#
# No server: `start` and `stop` have nothing to do. The first use on a machine builds Helm from its Go
# module (3 to 6 minutes; 60 MB kept).
part=helm
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

src=$parts/helm
toolchain=1.24.13
go=$(command -v go) || go=/usr/local/go/bin/go

go_minor() {
    v=$("$go" env GOVERSION 2>/dev/null) || v=
    v=${v#go1.}
    echo "${v%%[!0-9]*}"
}

part_check() {
    minor=$(go_minor)
    [ "${minor:-0}" -ge 19 ] ||
        lacks "Go 1.19 or newer is missing (found: ${minor:+1.}${minor:-none})" "get it by: $deps test"
}

# Debian 12's Go cannot build Helm, but it can fetch one that does.
newer_go() {
    mkdir "$cache/go"
    echo 'module none' >"$cache/go/go.mod"
    module=golang.org/toolchain@v0.0.1-go$toolchain.$("$go" env GOOS)-$("$go" env GOARCH)
    (cd "$cache/go" && GOFLAGS=-mod=mod "$go" mod download "$module") >&2
    go=$("$go" env GOMODCACHE)/$module/bin/go
    find "${go%/bin/go}/bin" "${go%/bin/go}/pkg/tool" -type f -exec chmod 755 {} +
    rm -rf "$cache/go"
}

build() {
    echo "helm: first time on this machine: building it (3 to 6 minutes)" >&2
    [ "$(go_minor)" -ge 24 ] || newer_go
    util=helm.sh/helm/v3/pkg/chartutil rules=helm.sh/helm/v3/pkg/lint/rules
    ld="-s -w" # the Kubernetes that it takes for granted where there is none to ask
    for p in $util $rules; do ld="$ld -X $p.k8sVersionMajor=1 -X $p.k8sVersionMinor=34"; done
    (cd "$src" && CGO_ENABLED=0 GOFLAGS='' GOTOOLCHAIN=local nice "$go" build -p 2 -mod=readonly -buildvcs=false \
        -trimpath -ldflags "$ld" -o "$cache/helm" helm.sh/helm/v3/cmd/helm >"$cache/build.log" 2>&1 </dev/null) || {
        grep -v '^go: downloading' "$cache/build.log" | tail -n 15 >&2
        die "Helm does not build"
    }
}

# Modules hold more than Go: the kinds as their projects publish them.
fetch_kinds() {
    echo "helm: first time on this machine: fetching kinds of the Prometheus operator and Flux" >&2
    mkdir "$cache/m"
    echo 'module none' >"$cache/m/go.mod"
    for m in $kinds; do
        # A module for a newer Go comes all the same, with a complaint.
        (cd "$cache/m" && GOFLAGS=-mod=mod GOTOOLCHAIN=local "$go" mod download "${m%%=*}") >&2 || :
        for f in "$("$go" env GOMODCACHE)/${m%%=*}"/${m#*=}; do
            echo ---
            cat "$f"
        done
    done >"$cache/kinds.yaml"
    rm -rf "$cache/m"
    grep -q 'kind: ServiceMonitor' "$cache/kinds.yaml" || die "no ServiceMonitor among the kinds"
}

kinds='github.com/prometheus-operator/prometheus-operator@v0.85.0=example/prometheus-operator-crd/*_servicemonitors.yaml
github.com/prometheus-operator/prometheus-operator@v0.85.0=example/prometheus-operator-crd/*_prometheusrules.yaml
github.com/fluxcd/helm-controller@v1.4.0=config/crd/bases/*.yaml
github.com/fluxcd/source-controller@v1.10.1=config/crd/bases/*.yaml
github.com/fluxcd/kustomize-controller@v1.10.1=config/crd/bases/*.yaml'

part_start() { :; }

main_helm() {
    case ${1:-} in
    program)
        cached "helm-$( (echo format 1 && cat "$src/go.mod" "$src/go.sum") | hash_of -)" build
        echo "$cache/helm"
        ;;
    kinds)
        cached "kinds-$(echo "$kinds" | hash_of -)" fetch_kinds
        echo "$cache/kinds.yaml"
        ;;
    *) part_main "$@" ;;
    esac
}
main_helm "$@"
