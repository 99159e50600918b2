/* What libraries read behind our back, as seen with strace on Debian 12 and 13. A missing path is
 * no error. Rules follow inodes: a folder of symbolic links needs its targets listed too. */
#include "guacd/base/sandbox_parts.h"

#define R(path) \
    { path, SANDBOX_READ }

const struct sandbox_path sandbox_paths_libraries[] = {
    /* the loader; folders of RUNPATH are added by sandbox_landlock() */
    R("/usr/lib"),
    R("/usr/lib64"),
    R("/usr/local/lib"),
    R("/lib"),
    R("/lib64"),
    R("/etc/ld.so.cache"),
    R("/etc/ld.so.preload"),
    /* libc: locale, time, names */
    R("/usr/share/locale"),
    R("/etc/locale.alias"),
    R("/usr/share/i18n"),
    R("/etc/localtime"),
    R("/etc/timezone"),
    R("/usr/share/zoneinfo"),
    R("/etc/nsswitch.conf"),
    R("/etc/host.conf"),
    R("/etc/hosts"),
    R("/etc/resolv.conf"),
    R("/run/systemd/resolve"),
    R("/run/resolvconf"),
    R("/etc/gai.conf"),
    R("/etc/services"),
    R("/etc/protocols"),
    R("/etc/passwd"),
    R("/etc/group"),
    /* the machine */
    R("/sys/devices/system/cpu"),
    R("/sys/devices/system/node"),
    R("/proc/self"),
    R("/proc/stat"),
    R("/proc/cpuinfo"),
    R("/proc/meminfo"),
    R("/proc/sys/vm/overcommit_memory"),
    R("/proc/sys/kernel/random"),
    R("/proc/sys/kernel/ngroups_max"),
    R("/sys/kernel/mm/transparent_hugepage"),
    { "/dev/null", SANDBOX_WRITE },
    R("/dev/zero"),
    R("/dev/urandom"),
    R("/dev/random"),
    /* libgcrypt and GnuTLS look whether FIPS mode is on, and abort on any answer but these */
    R("/proc/sys/crypto/fips_enabled"),
    R("/etc/gcrypt"),
    R("/etc/gnutls"),
    { 0 },
};

const struct sandbox_path sandbox_paths_fonts[] = {
    R("/etc/fonts"),
    R("/usr/share/fontconfig"),
    R("/usr/share/fonts"),
    R("/usr/local/share/fonts"),
    R("/var/cache/fontconfig"),
    R("/usr/share/mime"),
    R("/usr/share/xml/fontconfig"),
    R("/usr/share/poppler"),
    R("/usr/share/texmf/fonts"),
    R("/usr/share/fonts-font-awesome"),
    R("/var/lib/defoma"),
    { 0 },
};

const struct sandbox_path sandbox_paths_tls[] = {
    R("/etc/ssl/openssl.cnf"),
    R("/etc/ssl/certs"),
    R("/usr/share/ca-certificates"),
    R("/usr/local/share/ca-certificates"),
    R("/etc/ca-certificates"),
    R("/etc/pki/ca-trust/extracted"),
    R("/etc/pki/tls"),
    { 0 },
};
