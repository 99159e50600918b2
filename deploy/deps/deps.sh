#!/bin/sh
# deps.sh [build|run|test|all]... [--check] [--yes] - what this project needs from the machine.
# deps.sh prefix                                   - print where the libraries built here are
#
# Installs missing packages by their apt names (Debian 12 and 13; Ubuntu 24.04 best effort), saying
# which and why, asking once when there is a terminal. Where the distribution's libssh2, libvncserver
# or libvterm is too old, debian12-libs.sh builds newer ones into a private prefix; the system's own
# stay as they are. With everything there it is done in a blink and touches nothing.
#
#   build   compile everything            run    also run it, with make run's demo target
#   test    make test, lint, fuzz, cover  all    the three (default)
#   --check only tell: status 1 and a list when something is missing
#   --yes   do not ask
#
# stdout: the prefix, or an empty line when the distribution's own libraries are new enough: put
# PREFIX/lib/pkgconfig into PKG_CONFIG_PATH and PREFIX/lib into the rpath. All else goes to stderr.
# REFRESH=1 asks the archive for security updates of what was built (see debian12-libs.sh).
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd -P)

# group | packages | already there when (a function below, or - for dpkg alone) | why
rows='
build | gcc libc6-dev           | -       | the C compiler
build | make                    | -       | the build
build | pkg-config              | -       | finds the libraries
build | libssl-dev              | -       | TLS, signatures, SigV4
build | libcurl4-openssl-dev    | -       | HTTP to Keycloak, Kubernetes, S3, OpenSearch
build | libjwt-dev              | -       | ID tokens
build | libjansson-dev          | -       | JSON
build | libyaml-dev             | -       | connections in a folder of YAML
build | libexpat1-dev           | -       | guac-import reads user-mapping.xml
build | libwebsockets-dev       | -       | the server behind guac-proxy
build | libwebsockets-evlib-uv  | -       | its libuv event loop
build | libuv1-dev              | -       | its libuv event loop
build | libseccomp-dev          | -       | the sandbox
build | libfreetype-dev         | -       | terminal glyphs
build | libfontconfig-dev       | -       | finds the terminal fonts
build | libpixman-1-dev         | -       | damage regions and compositing
build | libjpeg-dev             | -       | JPEG
build | libwebp-dev             | -       | WebP
build | libpng-dev              | -       | PNG
build | libdeflate-dev          | -       | PNG, fast
build | zlib1g-dev              | -       | compression
build | libzstd-dev             | -       | recording chunks
build | freerdp3-dev libwinpr3-dev | -    | RDP (Debian 12: from bookworm-backports)
build | libsqlite3-dev          | -       | the index that recordings are searched by
build | check                   | -       | unit tests
build | ca-certificates         | -       | TLS to package registries (npm ci)
build | nodejs npm              | node18  | bundles the web page (node 18 or newer)

run   | openssh-server          | -       | the demo target: a private sshd with its own keys
run   | openssh-client          | -       | ssh-keygen for its throw-away keys
run   | fonts-dejavu-core       | -       | the terminal font
run   | fonts-droid-fallback    | cjkfont | Chinese, Japanese, Korean in the terminal
run   | tzdata                  | -       | time zones
run   | openssl                 | -       | keys and certificates
run   | tigervnc-standalone-server openbox xterm x11-apps x11-xserver-utils | - | the demo desktop
run   | vim htop                | -       | something to show in the demo shell

test  | clang libclang-rt-dev   | -       | fuzzers
test  | clang-format clang-tidy | -       | make lint
test  | cppcheck                | -       | make lint
test  | shellcheck              | -       | make lint
test  | gcovr                   | -       | make cover
test  | chromium                | browser | browser tests
test  | curl jq zstd            | -       | integration tests, reading recordings off-line
test  | python3 python3-venv    | -       | integration tests; SeaweedFS comes as a Python package
test  | default-jre-headless    | java17  | Keycloak (Java 17 or newer)
test  | maven                   | maven   | fetches Keycloak and OpenSearch
test  | unzip                   | -       | unpacks OpenSearch
test  | rsyslog                 | -       | takes audit events
test  | expect tmux             | -       | terminal tests
test  | sudo                    | -       | masking tests: sudo at a prompt
test  | libpam-oath             | -       | one-time passwords of the test sshd
test  | procps strace           | -       | process and sandbox tests
test  | man-db groff-base       | -       | manual pages without a warning
test  | systemd util-linux      | -       | units, users and folders of make install
test  | tigervnc-standalone-server tigervnc-common | - | VNC targets: Xvnc, vncpasswd
test  | x11vnc xvfb xauth       | -       | a VNC target that shows a screen of another program
test  | openbox xterm xclip xdotool | -   | something to show, to type into and to paste there
test  | x11-apps x11-utils x11-xserver-utils | - | xwd and xrandr: what a screen really shows
test  | golang-go               | golang  | builds Kubernetes, once a machine
test  | containerd runc         | -       | a Kubernetes node
test  | busybox-static          | -       | what is in its containers
test  | containernetworking-plugins iproute2 | - | the network of its pods
test  | libxcb1-dev libxcb-shm0-dev | - | what moves on the desktops of make bench
test  | python3-pil             | -       | pictures in the integration tests
test  | python3-jsonschema      | -       | answers against what is said of the interface
test  | freerdp3-shadow-x11 winpr3-utils | - | an RDP target with NLA and the graphics pipeline
test  | xrdp xorgxrdp xserver-xorg-core fuse3 | - | an RDP target with logins, resize and channels
'

# needed only while a library has to be built
builder='
libs  | cmake dpkg-dev patch xz-utils | - | building newer libraries
libs  | debian-archive-keyring  | -       | verifies their sources
libs  | libgnutls28-dev libgcrypt20-dev libsasl2-dev liblzo2-dev | - | libvncclient: TLS, SASL, LZO
'

# What Debian 12 has in its backports only. They are asked for by these names alone; nothing else
# moves there, since apt takes from backports what the release lacks and no more.
backports=' freerdp3-dev libwinpr3-dev freerdp3-shadow-x11 winpr3-utils '
backports_file=/etc/apt/sources.list.d/guac-backports.sources

# source package | oldest version that will do | development package | pkg-config name | for
libs='libssh2 1.11.0 libssh2-1-dev libssh2 SSH: RSA keys of today, certificates, strict key exchange
libvncserver 0.9.15 libvncserver-dev libvncclient VNC: UTF-8 clipboard, resize
libvterm 0.3.3 libvterm-dev vterm the terminal: reflow, OSC 52, 24-bit colour'

say() { printf '%s\n' "$*" >&2; }
die() { say "deps: $*"; exit 1; }

# ---- is it there? ------------------------------------------------------------------------------

node18() {
    v=$(node --version 2>/dev/null) && command -v npm >/dev/null || return 1
    v=${v#v}
    [ "${v%%.*}" -ge 18 ]
}
java17() { # by its release file: starting a JVM takes longer than all the rest
    if [ -n "${JAVA_HOME:-}" ]; then j=$JAVA_HOME/bin/java
    else j=$(command -v java) && j=$(readlink -f "$j") || return 1; fi
    v=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "${j%/bin/java}/release" 2>/dev/null)
    [ "${v:-0}" -ge 17 ]
}
maven() { command -v mvn >/dev/null; }
golang() { command -v go >/dev/null || [ -x /usr/local/go/bin/go ]; }
browser() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }
cjkfont() { # any of the usual ones will do
    installed fonts-droid-fallback || installed fonts-noto-cjk || installed fonts-wqy-zenhei
}

have= # " name name ... " of the installed packages among those we care about
installed() { case "$have" in *" $1 "*) ;; *) return 1 ;; esac; }
look() {
    # shellcheck disable=SC2046 # a list of words
    have=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' fonts-noto-cjk fonts-wqy-zenhei \
        $(printf '%s\n%s\n' "$rows" "$builder" | cut -s -d'|' -f2) 2>/dev/null |
        sed -n 's/^installed //p' | tr '\n' ' ')"
}

# Whether the distribution's library $1 is installed and at least $2, by pkg-config; a
# PKG_CONFIG_PATH that already points at our own prefix must not answer for it.
own() { PKG_CONFIG_PATH='' pkg-config --atleast-version="$2" "$1" 2>/dev/null; }

# ---- the prefix --------------------------------------------------------------------------------

prefix_path() {
    cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -n "$cache" ] || die "neither HOME nor XDG_CACHE_HOME is set: no place for the libraries"
    # A changed recipe, release or machine is another prefix.
    hash=$(cat "$here/debian12-libs.sh" /etc/os-release - <<M | sha256sum | cut -c1-12
$(uname -m)
M
)
    printf '%s/guac-deps/%s\n' "$cache" "$hash"
}

# Sets $prefix: the path when one of the libraries must come from there, else empty.
find_prefix() {
    prefix=
    while read -r _ min _ pc _; do
        own "$pc" "$min" || { prefix=$(prefix_path); return 0; }
    done <<L
$libs
L
}

# ---- what is missing: sets $packages, $builds and $report -----------------------------------------

add() { # package, why
    case " $packages " in *" $1 "*) return ;; esac
    packages="$packages${packages:+ }$1"
    report="$report$(printf '  %-24s %s' "$1" "$2")
"
}

plan_rows() { # table, groups
    while IFS='|' read -r group names unless why; do
        group=${group%%[ ]*}
        case " $2 " in *" ${group:-none} "*) ;; *) continue ;; esac
        set -f
        # shellcheck disable=SC2086 # words
        set -- "$1" "$2" $unless
        unless=$3
        [ "$unless" = - ] || ! "$unless" || continue
        for p in $names; do installed "$p" || add "$p" "${why# }"; done
    done <<R
$1
R
    set +f
}

plan() {
    packages='' builds='' report=''
    look
    plan_rows "$rows" "$groups"
    case " $groups " in *" build "*) ;; *) return 0 ;; esac
    while read -r name min dev pc why; do
        own "$pc" "$min" && continue
        [ ! -e "$(prefix_path)/.stamps/$name" ] || [ -n "${REFRESH:-}" ] || continue
        candidate=$(apt-cache policy "$dev" 2>/dev/null | sed -n 's/^  Candidate: //p')
        if dpkg --compare-versions "${candidate#*:}" ge "$min" 2>/dev/null; then
            add "$dev" "$why"
        else
            builds="$builds${builds:+ }$name"
            report="$report$(printf '  %-24s %s' "$name >= $min" \
                "$why (built here: $distro has ${candidate:-an older one})")
"
        fi
    done <<L
$libs
L
    [ -z "$builds" ] || plan_rows "$builder" libs
}

# True when something missing is in a suite that this machine's apt does not ask yet.
wants_backports() {
    [ "$distro_id" = debian ] && [ "$(os VERSION_CODENAME)" = bookworm ] || return 1
    for p in $packages; do
        case $backports in *" $p "*)
            apt-cache show --no-all-versions "$p" >/dev/null 2>&1 || return 0
            ;;
        esac
    done
    return 1
}

# ---- getting it --------------------------------------------------------------------------------

# Runs stdin as root with the given arguments; what it prints goes to $log.
as_root() {
    # shellcheck disable=SC2024 # the log is the caller's own
    if [ "$(id -u)" = 0 ]; then sh -s -- "$@" >>"$log" 2>&1
    else sudo sh -s -- "$@" >>"$log" 2>&1; fi
}

apt_update() {
    as_root <<'ROOT' || say "deps: apt-get update had errors (see $log); going on with what it has"
set -eu
mkdir -p /run/lock && exec 9>/run/lock/guac-deps.lock && flock 9
apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 update
ROOT
}

# The backports of the mirror that this machine's apt uses already.
add_backports() {
    # shellcheck disable=SC2016 # the dollars are apt's
    mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
        'Identifier: Packages' | awk '$1 == "bookworm" && $2 == "main" && !n++ { print $3 }')
    [ -n "$mirror" ] || die "no apt source for bookworm main to take the mirror from"
    as_root "$backports_file" "$mirror" <<'ROOT' || die "cannot write $backports_file (see $log)"
set -eu
cat >"$1" <<S
# by guac deps.sh: FreeRDP 3
Types: deb
URIs: $2
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
S
chmod 644 "$1"
ROOT
}

# Services must not start because a test wants their program: a policy-rc.d for the time of the
# installation, and what systemd enabled is disabled again (an sshd for all the world above all).
apt_install() {
    # shellcheck disable=SC2086 # a list of words
    as_root $packages <<'ROOT'
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
mkdir -p /run/lock && exec 9>/run/lock/guac-deps.lock && flock 9
fresh=
for p; do
    case $p in openssh-server) fresh="$fresh ssh.service ssh.socket" ;; containerd) fresh="$fresh containerd.service" ;; esac
done
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\n# by guac deps.sh, for a moment\nexit 101\n' >$policy
    chmod 755 $policy
fi
apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
    install --no-install-recommends "$@"
if [ -n "$fresh" ] && [ -d /run/systemd/system ]; then
    # shellcheck disable=SC2086 # a list of words
    systemctl disable --now $fresh 2>&1 || :
    echo "installed, not enabled:$fresh"
fi
ROOT
}

# Takes what the archive does not know out of $packages and names it in $absent.
sift() {
    absent='' known=''
    for p in $packages; do
        if apt-cache show --no-all-versions "$p" >/dev/null 2>&1; then known="$known $p"
        else absent="$absent $p"; fi
    done
    packages=${known# }
}

build_libs() {
    [ -n "${DEBIAN_MIRROR:-}" ] || [ "$distro_id" = debian ] || {
        say "deps: $distro has no $builds that is new enough, and sources are taken from a Debian" \
            "mirror: say which by DEBIAN_MIRROR=URI (and install debian-archive-keyring)"
        return 1
    }
    say "deps: building $builds into $(prefix_path) (half a minute)"
    JOBS=$(nproc) ONLY=$builds "$here/debian12-libs.sh" "$(prefix_path)" >&2 || return 1
    rm -rf "$(prefix_path)/.cache"
}

# ---- main --------------------------------------------------------------------------------------

command -v dpkg-query >/dev/null || die "this is no Debian or Ubuntu: install by hand what the" \
    "table in $0 lists, and set PKG_CONFIG_PATH"
os() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\).*/\1/p" /etc/os-release; }
distro_id=$(os ID)
distro="$(os NAME) $(os VERSION_ID)"

groups='' only_tell='' yes='' need_backports='' verb=install
for a; do
    case $a in
    build | run | test) groups="$groups $a" ;;
    all) groups="build run test" ;;
    prefix) verb=prefix ;;
    --check) only_tell=1 ;;
    --yes | -y) yes=1 ;;
    -h | --help) sed -n '2,/^set /{s/^# \{0,1\}//;/^set /d;p}' "$0"; exit 0 ;;
    *) die "unknown: $a (build, run, test, all, prefix, --check, --yes)" ;;
    esac
done
: "${groups:=build run test}"

find_prefix
if [ "$verb" = prefix ]; then
    echo "$prefix"
    exit 0
fi

plan
if [ -z "$packages$builds" ]; then
    echo "$prefix"
    exit 0
fi

groups=${groups# }
say "Missing on this machine ($distro) for: $groups"
printf '%s' "$report" >&2
if wants_backports; then
    need_backports=1
    say "For FreeRDP 3, apt gets one more source: bookworm-backports, in $backports_file"
fi
if [ -n "$only_tell" ]; then
    say "Get all of it: $0 $groups"
    exit 1
fi
if [ -z "$yes" ] && [ -t 0 ] && [ -t 2 ]; then
    printf 'Install this now? [Y/n] ' >&2
    read -r answer || answer=n
    case $answer in '' | [yY]*) ;; *) die "nothing done" ;; esac
fi
if [ "$(id -u)" != 0 ] && [ -n "$packages" ]; then
    command -v sudo >/dev/null ||
        die "not root and no sudo: have root run: apt-get install --no-install-recommends $packages"
    if [ -t 0 ]; then sudo -v; else sudo -n -v 2>/dev/null; fi ||
        die "sudo says no: have root run: apt-get install --no-install-recommends $packages"
fi

log=$(mktemp "${TMPDIR:-/tmp}/guac-deps.XXXXXX")
absent=
if [ -n "$packages" ]; then
    [ -z "$need_backports" ] || add_backports
    apt_update
    plan # the lists may have been empty or old
    sift
    if [ -n "$packages" ]; then
        # shellcheck disable=SC2086
        set -- $packages
        say "deps: installing $# package(s) by apt-get"
        apt_install || {
            tail -n 25 "$log" >&2
            die "apt-get failed; its whole output is in $log"
        }
    fi
fi
failed=
[ -z "$builds" ] || build_libs || failed=1
REFRESH= # done; now only look
find_prefix
plan
if [ -n "$packages$builds" ]; then
    say "Still missing:"
    printf '%s' "$report" >&2
    [ -z "$absent" ] || say "$distro has no package$absent: get it in another way"
    die "not complete; apt's output is in $log"
fi
[ -z "$failed" ] || die "not complete"
rm -f "$log"
echo "$prefix"
