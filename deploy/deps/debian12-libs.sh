#!/bin/sh
# debian12-libs.sh PREFIX - libssh2 1.11, libvncclient 0.9.15 and libvterm 0.3.3 for Debian 12,
# built from Debian 13's (trixie) source packages, security patches and all, into PREFIX. System
# packages and apt sources are not touched: deb-src lines, lists and downloads live below CACHE.
# A second run finds the stamps and is done in a blink, without network. deps.sh calls this, chooses
# the prefix and removes PREFIX/.cache afterwards.
#
#   CACHE=dir         sources and apt state (default PREFIX/.cache); a CI keeps PREFIX between runs
#   JOBS=n            compile jobs (default 2)
#   REFRESH=1         ask the archive for newer Debian revisions of what is already built
#   ONLY="a b"        only these of: libssh2 libvncserver libvterm
#   DEBIAN_MIRROR=uri instead of the mirror this machine's apt uses
#
# Needs: gcc make cmake pkg-config dpkg-dev, and the -dev packages of the libraries underneath:
#        zlib1g libssl libgnutls28 libgcrypt20 libsasl2 libjpeg liblzo2.
# Use:   PKG_CONFIG_PATH=PREFIX/lib/pkgconfig, and link with -Wl,-rpath,PREFIX/lib. Sonames equal
#        those of Debian 12's older libraries: without the rpath the loader takes the old ones.
set -eu
export LC_ALL=C
umask 022

# name of the source package | oldest version that will do | pkg-config name
packages='libssh2|1.11.1|libssh2
libvncserver|0.9.15|libvncclient
libvterm|0.3.3|vterm'
suite=trixie
keyring=${KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

die() { echo "debian12-libs: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: debian12-libs.sh PREFIX"
mkdir -p "$1/.stamps"
prefix=$(cd "$1" && pwd -P)
mkdir -p "${CACHE:=$prefix/.cache}/src" "$CACHE/log"
cache=$(cd "$CACHE" && pwd -P)
jobs=${JOBS:-2}
case "$prefix$cache" in *[[:space:]]*) die "no blanks in paths, please" ;; esac
for t in apt-get dpkg-buildflags cmake cc pkg-config flock patch; do
    command -v $t >/dev/null || die "$t is missing"
done

# The recipe is part of the version: change this file and everything is built anew.
recipe=$(sha256sum <"$0" | cut -c1-12)

exec 9>"$prefix/.lock" # one builder at a time; the next one waits, then finds the stamps
flock 9

# ---- apt with its own sources, lists and archives ----------------------------------------------

apt=$cache/apt

# Repository this machine's apt uses for release $1, whatever the format of its source files.
mirror() {
    # shellcheck disable=SC2016 # the dollars are apt's
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
        awk -v r="$1" '$1 == r && $2 == "main" && !n++ { print $3 }'
}

apt_update() {
    [ -z "${updated:-}" ] || return 0
    [ -r "$keyring" ] || die "no $keyring (package debian-archive-keyring)"
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    uri=${DEBIAN_MIRROR:-$(mirror "$release")}
    [ -n "$uri" ] || die "no apt source for $release main to take the mirror from"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none" "$apt/get"
    echo "deb-src [signed-by=$keyring] $uri $suite main" >"$apt/sources.list"
    uri=$(mirror "$release-security")
    [ -z "$uri" ] ||
        echo "deb-src [signed-by=$keyring] $uri $suite-security main" >>"$apt/sources.list"
    cat >"$apt/conf" <<CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$apt/none";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
CONF
    if [ "$(id -u)" = 0 ]; then # let apt's own user fetch, where it can reach the folder
        if runuser -u _apt -- test -x "$apt/get" 2>/dev/null; then chown _apt "$apt/get"
        else echo 'APT::Sandbox::User "root";' >>"$apt/conf"; fi
    fi
    apt-get -c "$apt/conf" -qq update || die "apt-get update failed: no source is taken unsigned"
    updated=1
}

# Newest version of source package $1 that is not older than $2.
newest() {
    best=$2~
    for v in $(apt-cache -c "$apt/conf" showsrc --only-source "$1" | awk '/^Version:/ { print $2 }')
    do
        dpkg --compare-versions "$v" le "$best" || best=$v
    done
    [ "$best" != "$2~" ] || die "$1: the archive has no version >= $2"
    echo "$best"
}

# Fetch and unpack version $2 of $1 to $work. The signed index vouches for both archives by hash,
# so the .dsc (which some mirrors lack after a point release) is not needed.
unpack() {
    work=$cache/src/$1-$2
    if [ ! -f "$work/.ready" ]; then
        rm -rf "$work" && mkdir -p "$work"
        for part in tar diff; do
            (cd "$apt/get" &&
                apt-get -c "$apt/conf" -qq source --only-source --download-only --$part-only \
                    "$1=$2") || die "$1: cannot fetch or verify the $part"
        done
        upstream=${2%-*}
        tar -C "$work" --strip-components=1 -xf "$(ls "$apt/get/${1}_$upstream".orig.tar.?z*)"
        tar -C "$work" -xf "$(ls "$apt/get/${1}_$2".debian.tar.?z*)"
        if [ -f "$work/debian/patches/series" ]; then
            sed 's/#.*//;s/ .*//;/^$/d' "$work/debian/patches/series" |
                while read -r p; do
                    patch -d "$work" -p1 -s -f -i "debian/patches/$p" || die "$1: $p"
                done
        fi
        : >"$work/.ready"
    fi
}

# ---- the builds: each runs in its unpacked tree ------------------------------------------------

with_cmake() {
    cmake -S . -B obj -DCMAKE_BUILD_TYPE=None -DCMAKE_INSTALL_PREFIX="$prefix" \
        -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=ON -DCMAKE_SKIP_RPATH=ON "$@"
    cmake --build obj -j "$jobs"
    cmake --install obj
}

build_libssh2() {
    with_cmake -DCRYPTO_BACKEND=OpenSSL -DENABLE_ZLIB_COMPRESSION=ON -DBUILD_STATIC_LIBS=OFF \
        -DBUILD_TESTING=OFF -DBUILD_EXAMPLES=OFF
    rm -rf "$prefix/share/doc/libssh2" "$prefix"/share/man/man3/libssh2_*
}

build_libvncserver() { # TLS by GnuTLS, DES/DH/AES for the older schemes by libgcrypt, as Debian
    with_cmake -DWITH_GNUTLS=ON -DWITH_GCRYPT=ON -DWITH_OPENSSL=OFF -DWITH_SASL=ON \
        -DWITH_JPEG=ON -DWITH_ZLIB=ON -DWITH_LZO=ON -DWITH_PNG=OFF -DWITH_SDL=OFF -DWITH_GTK=OFF \
        -DWITH_QT=OFF -DWITH_XCB=OFF -DWITH_FFMPEG=OFF -DWITH_SYSTEMD=OFF \
        -DWITH_LIBSSHTUNNEL=OFF -DWITH_EXAMPLES=OFF -DWITH_TESTS=OFF
    for f in GNUTLS SASL LIBZ LIBJPEG LZO; do # what cmake does not find it leaves out in silence
        grep -Eq "^#define LIBVNCSERVER_HAVE_$f +1" "$prefix/include/rfb/rfbconfig.h" ||
            die "built without $f"
    done
}

build_libvterm() { # its Makefile wants libtool's program, which libtool-bin alone has
    mkdir -p obj "$prefix/lib/pkgconfig" "$prefix/include"
    for c in src/*.c; do echo "$c"; done | xargs -P "$jobs" -I{} sh -c \
        "cc $CPPFLAGS $CFLAGS -std=c99 -fPIC -Iinclude -c {} -o obj/\$(basename {} .c).o"
    # shellcheck disable=SC2086 # a list of flags
    cc -shared $LDFLAGS -Wl,-soname,libvterm.so.0 -o obj/libvterm.so.0.0.0 obj/*.o
    install -m644 include/*.h "$prefix/include"
    install -m644 obj/libvterm.so.0.0.0 "$prefix/lib"
    ln -sf libvterm.so.0.0.0 "$prefix/lib/libvterm.so.0"
    ln -sf libvterm.so.0 "$prefix/lib/libvterm.so"
    sed "s,@INCDIR@,$prefix/include,;s,@LIBDIR@,$prefix/lib,;s,@VERSION@,$1," vterm.pc.in \
        >"$prefix/lib/pkgconfig/vterm.pc"
}

# ---- main --------------------------------------------------------------------------------------

export DEB_BUILD_MAINT_OPTIONS='hardening=+all' # pie is for programs: -fPIC comes with each library
CPPFLAGS=$(dpkg-buildflags --get CPPFLAGS)
CFLAGS="$(dpkg-buildflags --get CFLAGS) $CPPFLAGS" # cmake knows no CPPFLAGS
LDFLAGS=$(dpkg-buildflags --get LDFLAGS)
export CFLAGS LDFLAGS

for row in $packages; do
    IFS='|' read -r name min pc <<ROW
$row
ROW
    case " ${ONLY:-$name} " in *" $name "*) ;; *) continue ;; esac
    stamp=$prefix/.stamps/$name
    have=$(cat "$stamp" 2>/dev/null || :)
    if [ "${have#* }" = "$recipe" ] && [ -z "${REFRESH:-}" ]; then
        echo "$name ${have% *} is there"
        continue
    fi
    apt_update
    version=$(newest "$name" "$min")
    if [ "$have" = "$version $recipe" ]; then
        echo "$name $version is there"
        continue
    fi
    unpack "$name" "$version"
    upstream=${version%-*} upstream=${upstream%+*}
    log=$cache/log/$name-$version
    rm -rf "$stamp" "$work/obj"
    # In the background, for "set -e" is off inside whatever stands before "||".
    (cd "$work"; "build_$name" "$upstream") >"$log" 2>&1 &
    wait $! || {
        tail -n 30 "$log" >&2
        die "$name $version: build failed, see $log"
    }
    got=$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --modversion "$pc")
    dpkg --compare-versions "$got" ge "$min" || die "$pc.pc says $got, want $min or newer"
    echo "$version $recipe" >"$stamp"
    rm -rf "$work/obj"
    echo "$name $version built"
done
