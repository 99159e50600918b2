#!/bin/sh
# kubernetes.sh - a real Kubernetes 1.34 on loopback: etcd, API server, controllers, scheduler, and one
# node (kubelet, containerd, runc) that runs pods
#
#   check | start DIR [OPTION...] | stop DIR
#   kubectl DIR ARGUMENT...      kubectl as the cluster's administrator
#   token DIR NAMESPACE NAME [DURATION]  a token of that service account (made when it is not there)
#   cert DIR NAME [GROUP...]     a client certificate of that user: prints DIR/pki/NAME.crt's path
#   down DIR, up DIR             end the API server, start it again on the same port and data
#   image DIR FILE               take the images of that OCI layout onto the node
#   bridge DIR FROM=TO           with --network: carry connections (tests/parts/kubernetes/bridge.py)
#                                until the part ends
#   killnode DIR                 end the node with all its pods at once, as a machine that dies
#
#   --no-node        etcd and API server only (3 s, 450 MB): all objects, policies, RBAC, reviews; no
#                    pod runs, no controller makes or removes anything
#   --controllers    with --no-node: the controllers beside (namespaces end, view and edit fill)
#   --network        the node has a network of its own, and so has each pod (10.244.0.0/24). Pods reach
#                    the API server as everywhere, 10.0.0.1:443; what else they shall reach on this
#                    machine, and how it reaches them, `bridge` says (10.0.0.2 … are free). No kube-proxy,
#                    no names, no network policies
#   --crds FILE      apply FILE and wait until its kinds are served; may be repeated
#   --flag FLAG      one more flag of the API server; may be repeated
#   --oidc ISSUER CLIENT CA   the API server takes ID tokens of this issuer (https) for this client:
#                    users are oidc:<preferred_username>, groups oidc:<role of realm_access or groups>
#
# env: KUBE_SERVER (URL) KUBE_HOST KUBE_PORT KUBE_CA (file), KUBE_CONFIG (administrator's kubeconfig),
#   KUBE_ADMIN_CERT KUBE_ADMIN_KEY, KUBE_KUBECTL (the program), KUBE_AUDIT (the API server's audit log,
#   one JSON object a line, all but what the cluster itself does), KUBE_LOG (the API server's),
#   KUBE_NODE (the node's name; empty without one), KUBE_IMAGE (a busybox with shell, stty and tar),
#   KUBE_IMAGE_BARE (/app/sleep and nothing else: no shell, no tar)
#
# Without --network pods need `hostNetwork: true`. There is no registry: `imagePullPolicy: Never`.
# The node lives in a mount namespace of its own and under a control group of its own, so several can
# run at a time, and nothing stays when they end, however they end.
#
# The first start on a machine builds Kubernetes from its Go modules (7 to 12 minutes, 4 GB in Go's
# caches, 140 MB kept).
part=kubernetes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

version=v1.34.4
src=$parts/kubernetes
node=localhost # the API server reaches the kubelet by the node's name
image=guac.test/busybox:1 bare=guac.test/bare:1
toolchain=1.24.13 # fetched as a module where the Go that is here is older than 1.24

go=$(command -v go) || go=/usr/local/go/bin/go
go_minor() { # of "go1.26.8"
    v=$("$go" env GOVERSION 2>/dev/null) || v=
    v=${v#go1.}
    echo "${v%%[!0-9]*}"
}

part_check() {
    minor=$(go_minor)
    [ "${minor:-0}" -ge 19 ] ||
        lacks "Go 1.19 or newer is missing (found: ${minor:+1.}${minor:-none})" "get it by: $deps test"
    need openssl test
    need curl test
    need perl test
    [ "$(id -u)" = 0 ] || lacks "not root" "containers need it: use sudo"
    need containerd test
    need runc test
    [ -x /usr/lib/cni/ptp ] || lacks "containernetworking-plugins is missing" "get it by: $deps test"
    need ip test
    [ -x /bin/busybox ] || lacks "busybox-static is missing" "get it by: $deps test"
    unshare --mount true 2>/dev/null ||
        lacks "no mount namespaces here" "a node cannot run in this container; use a machine or VM"
}

# ---- once a machine ----------------------------------------------------------------------------

# Debian 12's Go cannot build Kubernetes, but it can fetch one that does.
newer_go() {
    mkdir "$cache/go"
    echo 'module none' >"$cache/go/go.mod"
    module=golang.org/toolchain@v0.0.1-go$toolchain.$("$go" env GOOS)-$("$go" env GOARCH)
    (cd "$cache/go" && GOFLAGS=-mod=mod "$go" mod download "$module") >&2
    go=$("$go" env GOMODCACHE)/$module/bin/go
    find "${go%/bin/go}/bin" "${go%/bin/go}/pkg/tool" -type f -exec chmod 755 {} + # modules have no modes
    rm -rf "$cache/go"
}

build() {
    echo "kubernetes: first time on this machine: building $version (7 to 12 minutes)" >&2
    ld="-s -w"
    for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        for x in gitVersion=$version gitMajor=1 gitMinor=34 gitTreeState=clean \
            gitCommit=0000000000000000000000000000000000000000 buildDate=1970-01-01T00:00:00Z; do
            ld="$ld -X $p.$x"
        done
    done
    [ "$(go_minor)" -ge 24 ] || newer_go
    (cd "$src" && CGO_ENABLED=0 GOFLAGS='' GOTOOLCHAIN=local nice "$go" build -p 2 -mod=readonly -buildvcs=false \
        -trimpath -ldflags "$ld" -o "$cache/kube" . >"$cache/build.log" 2>&1 </dev/null) || {
        grep -v '^go: downloading' "$cache/build.log" | tail -n 15 >&2
        die "Kubernetes $version does not build"
    }
    for c in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do
        ln -s kube "$cache/$c"
    done
}

images() {
    "$python" "$src/image.py" "$cache/busybox.tar" $image all -- /bin/sh
    "$python" "$src/image.py" "$cache/bare.tar" $bare /app/sleep -- /app/sleep 2147483647
}

programs() {
    # format: raise it when build() changes.
    cached "kubernetes-$version-$( (echo format 1 && cat "$src/main.go" "$src/go.mod" "$src/go.sum") |
        hash_of -)" build
    bin=$cache
}

# ---- keys --------------------------------------------------------------------------------------

sign() { # name, subject, alternative names: pki/NAME.crt and .key
    openssl ecparam -name prime256v1 -genkey -noout -out "pki/$1.key"
    openssl req -new -key "pki/$1.key" -subj "$2" -out "pki/$1.csr"
    {
        echo 'basicConstraints=CA:FALSE'
        echo 'keyUsage=digitalSignature'
        echo 'extendedKeyUsage=serverAuth,clientAuth'
        [ -z "${3:-}" ] || echo "subjectAltName=$3"
    } >"pki/$1.ext"
    openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 30 \
        -extfile "pki/$1.ext" -out "pki/$1.crt"
}

keys() {
    mkdir -p pki
    chmod 700 pki
    openssl ecparam -name prime256v1 -genkey -noout -out pki/ca.key
    openssl req -x509 -new -key pki/ca.key -subj /CN=test-ca -days 30 -out pki/ca.crt \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    openssl genrsa -out pki/sa.key 2048
    openssl rsa -in pki/sa.key -pubout -out pki/sa.pub
    sign apiserver /CN=kube-apiserver \
        DNS:localhost,DNS:kubernetes.default.svc,DNS:kubernetes,IP:127.0.0.1,IP:::1,IP:10.0.0.1
    sign admin /O=system:masters/CN=admin
    sign controllers /O=system:masters/CN=controllers
    sign to-kubelet /O=system:masters/CN=kube-apiserver
    sign kubelet "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:127.0.0.1"
    sign front-proxy /CN=front-proxy
}

kubeconfig() { # name of the certificate: writes NAME.kubeconfig
    cat >"$1.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: t, cluster: {server: "$server", certificate-authority: $dir/pki/ca.crt}}]
users: [{name: $1, user: {client-certificate: $dir/pki/$1.crt, client-key: $dir/pki/$1.key}}]
contexts: [{name: t, context: {cluster: t, user: $1}}]
current-context: t
Y
}

# ---- control plane -----------------------------------------------------------------------------

serve_etcd() { # client port, peer port
    hold etcd "$bin/etcd" --name t --data-dir etcd --log-level warn --unsafe-no-fsync \
        --listen-client-urls "http://127.0.0.1:$1" --advertise-client-urls "http://127.0.0.1:$1" \
        --listen-peer-urls "http://127.0.0.1:$2" --initial-advertise-peer-urls "http://127.0.0.1:$2" \
        --initial-cluster "t=http://127.0.0.1:$2"
}

# What the cluster does by itself would drown what people do.
audit_policy() {
    cat >audit.yaml <<Y
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [controllers, "system:apiserver", "system:node:$node"]
- level: None
  users: [admin]
  nonResourceURLs: ["*"]
- level: Metadata
Y
}

# The command stands in a file, so that `up` starts the same again.
write_api() { # port, etcd's port
    audit_policy
    [ -z "$issuer" ] || cat >auth.yaml <<Y
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: $issuer
    audiences: [$client]
    certificateAuthority: |
$(sed 's/^/      /' "$oidc_ca")
  claimMappings:
    username: {expression: '"oidc:" + claims.preferred_username'}
    groups: {expression: '(has(claims.realm_access) ? claims.realm_access.roles : []).map(r, "oidc:" + r)'}
anonymous: {enabled: true}
Y
    cat >api.run <<R
exec "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:$2 \\
    --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port $1 \\
    --endpoint-reconciler-type none --shutdown-delay-duration 0s \\
    --client-ca-file pki/ca.crt --tls-cert-file pki/apiserver.crt --tls-private-key-file pki/apiserver.key \\
    --authorization-mode Node,RBAC --allow-privileged=true \\
    --service-account-key-file pki/sa.pub --service-account-signing-key-file pki/sa.key \\
    --service-account-issuer https://kubernetes.default.svc --api-audiences https://kubernetes.default.svc \\
    --service-cluster-ip-range 10.0.0.0/24 \\
    --kubelet-certificate-authority pki/ca.crt --kubelet-client-certificate pki/to-kubelet.crt \\
    --kubelet-client-key pki/to-kubelet.key --kubelet-preferred-address-types Hostname \\
    --requestheader-client-ca-file pki/ca.crt --requestheader-allowed-names front-proxy \\
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \\
    --requestheader-extra-headers-prefix X-Remote-Extra- \\
    --proxy-client-cert-file pki/front-proxy.crt --proxy-client-key-file pki/front-proxy.key \\
    --audit-policy-file audit.yaml --audit-log-path audit.log --audit-log-mode blocking \\
    ${issuer:+--authentication-config auth.yaml} $flags
R
}

api() { # path, curl's options
    path=$1
    shift
    curl -sf --max-time 5 --cacert pki/ca.crt --cert pki/admin.crt --key pki/admin.key "$@" "$server$path"
}

serve_api() {
    hold api sh api.run
    wait_for 90 "ready API server" api /readyz
    wait_for 30 "namespace default" api /api/v1/namespaces/default
}

kubectl() { "$bin/kubectl" --kubeconfig "$dir/admin.kubeconfig" "$@"; }

serve_controllers() {
    kubeconfig controllers
    hold controllers "$bin/kube-controller-manager" --kubeconfig controllers.kubeconfig --leader-elect=false \
        --bind-address 127.0.0.1 --secure-port 0 --root-ca-file pki/ca.crt \
        --service-account-private-key-file pki/sa.key --controllers '*,-ttl-after-finished'
    wait_for 60 "service account of namespace default" api /api/v1/namespaces/default/serviceaccounts/default
    wait_for 60 "root certificate of namespace default" api /api/v1/namespaces/default/configmaps/kube-root-ca.crt
}

# ---- node --------------------------------------------------------------------------------------

write_node() { # kubelet's port
    kubelet_port=$1
    mkdir -p cni
    if [ -n "$network" ]; then
        cat >cni/10-ptp.conflist <<Y
{"cniVersion": "0.4.0", "name": "t", "plugins": [{"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local",
  "dataDir": "$dir/cni-ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
Y
    else # Never run, since all pods have the host's network; that it is there makes the node ready.
        echo '{"cniVersion":"0.4.0","name":"t","plugins":[{"type":"none"}]}' >cni/10-none.conflist
    fi
    cat >containerd.toml <<Y
version = 2
root = "$dir/containerd"
state = "$dir/containerd-run"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$dir/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$dir/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$bare"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
Y
    cat >kubelet.yaml <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $1
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: 0
tlsCertFile: $dir/pki/kubelet.crt
tlsPrivateKeyFile: $dir/pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $dir/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$dir/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$group
cgroupsPerQOS: true
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%",
  imagefs.inodesFree: "0%"}
localStorageCapacityIsolation: false
fileCheckFrequency: 1s
syncFrequency: 1s
nodeStatusUpdateFrequency: 1s
volumePluginDir: $dir/kubelet/volumeplugins
podLogsDir: $dir/pods
resolvConf: ""
Y
    # Fixed paths get folders of this node; the kernel settings that a kubelet changes are shown to it
    # as it wants them, so that the machine's own stay.
    cat >node.run <<R
set -eu
if [ -n "$network" ]; then
    ip link set lo up
    for i in 1 2 3 4; do ip address add 10.0.0.\$i/32 dev lo; done
    # a kubelet looks for its address where the default route leads
    ip link add node0 type veth peer name node1
    ip address add 10.243.0.1/24 dev node0
    ip link set node1 up && ip link set node0 up
    ip route add default via 10.243.0.2
    : >network.up
    until [ -e bridge.up ]; do sleep 0.05; done
fi
for p in /var/lib/kubelet /var/log/containers /run/containerd /var/lib/cni /run/netns; do
    mkdir -p "\$p" && mount -t tmpfs none "\$p"
done
while read -r key value; do
    echo "\$value" >sysctl/"\$key"
    mount --bind sysctl/"\$key" "/proc/sys/\$(echo "\$key" | tr . /)"
done <<S
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000
S
containerd --config containerd.toml --log-level warn &
until ctr -a containerd.sock version >/dev/null 2>&1; do
    kill -0 \$! && sleep 0.05
done
for i in $images/*.tar; do ctr -a containerd.sock -n k8s.io images import "\$i"; done
exec "$bin/kubelet" --config kubelet.yaml --kubeconfig kubelet.kubeconfig --hostname-override $node \\
    --root-dir "$dir/kubelet" --cert-dir "$dir/kubelet/pki" --v 1
R
}

groups_of_node() { # mkdir or rmdir, in each hierarchy
    for g in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do
        [ -e "$g/cgroup.procs" ] || continue
        if [ "$1" = make ]; then mkdir -p "$g/$group"
        else find "$g/$group" -depth -type d -exec rmdir {} + 2>/dev/null || :; fi
    done
}

serve_node() {
    kubeconfig kubelet
    mkdir -p sysctl
    groups_of_node make
    rm -f network.up bridge.up
    # shellcheck disable=SC2086 # one option or none
    hold node unshare --mount --propagation private ${network:+--net} sh node.run
    [ -z "$network" ] || bridge_node
    wait_for 90 "node" api "/api/v1/nodes/$node"
    wait_for 60 "ready node" node_ready
}

# The kubelet finds the API server at its own address, and the API server the kubelet; so do pods.
bridge_node() {
    wait_for 20 "network of the node" test -e network.up
    node_space=/proc/$pid/ns/net
    hold bridge "$python" "$src/bridge.py" "$node_space" "node:127.0.0.1:${server##*:}=host:127.0.0.1:${server##*:}" \
        "node:10.0.0.1:443=host:127.0.0.1:${server##*:}" "host:127.0.0.1:$kubelet_port=node:127.0.0.1:$kubelet_port"
    wait_for 20 bridge grep -q ready "$log"
    : >bridge.up
}

node_ready() { # and no taint left that keeps pods away
    api "/api/v1/nodes/$node" >node.json &&
        grep -q '"reason": "KubeletReady"' node.json && ! grep -q '"taints"' node.json
}

# ---- verbs -------------------------------------------------------------------------------------

part_start() {
    with_node=1 with_controllers=1 crds='' flags='' issuer='' network=''
    while [ $# -gt 0 ]; do
        case $1 in
        --no-node) with_node='' with_controllers='' ;;
        --network) network=1 ;;
        --controllers) with_controllers=1 ;;
        --crds) crds="$crds $(realpath "${2:?}")" && shift ;;
        --flag) flags="$flags ${2:?}" && shift ;;
        --oidc) issuer=${2:?} client=${3:?} oidc_ca=$(realpath "${4:?}") && shift 3 ;;
        *) die "unknown option $1" ;;
        esac
        shift
    done
    programs
    cd "$dir"
    rm -rf etcd audit.log kubelet pods ./*.log
    # shellcheck disable=SC2046 # four words
    set -- $(free_ports 4)
    server=https://127.0.0.1:$3
    keys >keys.log 2>&1
    kubeconfig admin
    serve_etcd "$1" "$2"
    write_api "$3" "$1"
    serve_api
    [ -z "$with_controllers" ] || serve_controllers
    for f in $crds; do
        kubectl apply -f "$f" >>crds.log 2>&1 || fail "the API server does not take $f"
        kubectl wait --for=condition=Established --timeout=30s -f "$f" >>crds.log 2>&1 ||
            fail "kinds of $f are not served"
    done
    if [ -n "$with_node" ]; then
        hold scheduler "$bin/kube-scheduler" --kubeconfig controllers.kubeconfig --leader-elect=false \
            --bind-address 127.0.0.1 --secure-port 0
        group=guac-kube-$pid
        cached "kubernetes-images-$(hash_of "$src/image.py" /bin/busybox)" images
        images=$cache
        write_node "$4"
        serve_node
    fi
    write_env "$3"
    echo "kubernetes: ready on $server${with_node:+, with a node}"
}

write_env() {
    put KUBE_SERVER "$server"
    put KUBE_HOST 127.0.0.1
    put KUBE_PORT "$1"
    put KUBE_CA "$dir/pki/ca.crt"
    put KUBE_CONFIG "$dir/admin.kubeconfig"
    put KUBE_ADMIN_CERT "$dir/pki/admin.crt"
    put KUBE_ADMIN_KEY "$dir/pki/admin.key"
    put KUBE_KUBECTL "$bin/kubectl"
    put KUBE_AUDIT "$dir/audit.log"
    put KUBE_LOG "$dir/api.log"
    put KUBE_NODE "${with_node:+$node}"
    put KUBE_IMAGE $image
    put KUBE_IMAGE_BARE $bare
    put KUBE_GROUP "${with_node:+$group}"
}

here() {
    running etcd
    cd "$dir"
    # shellcheck source=/dev/null
    . ./env
    server=$KUBE_SERVER bin=${KUBE_KUBECTL%/*} group=$KUBE_GROUP
}

verb_kubectl() {
    here
    kubectl "$@"
}

verb_token() {
    [ -n "${2:-}" ] || die "usage: kubernetes.sh token DIR NAMESPACE NAME [DURATION]"
    here
    kubectl -n "$1" get serviceaccount "$2" >/dev/null 2>&1 ||
        kubectl -n "$1" create serviceaccount "$2" >/dev/null
    kubectl -n "$1" create token "$2" --duration "${3:-1h}"
}

verb_cert() {
    [ -n "${1:-}" ] || die "usage: kubernetes.sh cert DIR NAME [GROUP...]"
    here
    name=$1
    shift
    subject=
    for g; do subject="$subject/O=$g"; done
    sign "$name" "$subject/CN=$name" >>keys.log 2>&1
    echo "$dir/pki/$name.crt"
}

verb_down() {
    running api
    perl "$parts/hold.pl" end "$dir/api.hold" 0
}

verb_up() {
    here
    starting=1
    trap cleanup_api EXIT
    serve_api
    starting=
    echo "kubernetes: API server ready again"
}

cleanup_api() { # a start that failed takes only the API server with it
    [ -z "$starting" ] || perl "$parts/hold.pl" end "$dir/api.hold" 0 || :
}

verb_image() {
    [ -n "${1:-}" ] || die "usage: kubernetes.sh image DIR FILE"
    here
    ctr -a containerd.sock -n k8s.io images import "$1"
}

verb_bridge() {
    [ -n "${1:-}" ] || die "usage: kubernetes.sh bridge DIR FROM=TO"
    running node
    node_space=/proc/$pid/ns/net
    cd "$dir"
    n=1
    while [ -e "bridge-$n.hold" ]; do n=$((n + 1)); done
    starting=''
    hold "bridge-$n" "$python" "$src/bridge.py" "$node_space" "$@"
    wait_for 20 bridge grep -q ready "$log"
}

verb_killnode() {
    here
    end_node
}

end_node() {
    [ ! -e "$dir/node.hold" ] || perl "$parts/hold.pl" end "$dir/node.hold" 0
    [ -z "${group:-}" ] || groups_of_node remove
}

part_stop() {
    group=
    # shellcheck source=/dev/null
    [ ! -e "$dir/env" ] || group=$(. "$dir/env" && echo "$KUBE_GROUP")
    end_node
    end_all 0 # nothing here has to survive
    groups_of_node remove
}

part_main "$@"
