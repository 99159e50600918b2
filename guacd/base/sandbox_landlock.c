/* Landlock, from ABI 1 (Linux 5.13) on. The constants are our own: Debian 12's header ends at ABI 2
 * while its backported kernels go further. What a kernel does not know is left out of a request. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guacd/base/sandbox_parts.h"
#include "guacd/base/util.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
    VERSION_FLAG = 1,
    RULE_PATH_BENEATH = 1,
    RULE_NET_PORT = 2,
};

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_CHAR (1ull << 6)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_MAKE_SOCK (1ull << 9)
#define FS_MAKE_FIFO (1ull << 10)
#define FS_MAKE_BLOCK (1ull << 11)
#define FS_MAKE_SYM (1ull << 12)
#define FS_REFER (1ull << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ull << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define NET_BIND_TCP (1ull << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ull << 1)

/* All that may stand on a file; the rest is EINVAL there. */
#define FILE_RIGHTS (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct path_attr {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));
struct port_attr {
    uint64_t allowed, port;
};

int sandbox_landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    return abi < 0 ? 0 : (int)abi;
}

static uint64_t fs_rights(int abi) {
    uint64_t rights = (FS_MAKE_SYM << 1) - 1;
    if (abi >= 2)
        rights |= FS_REFER;
    if (abi >= 3)
        rights |= FS_TRUNCATE;
    if (abi >= 5)
        rights |= FS_IOCTL_DEV;
    return rights;
}

static uint64_t rights_of(enum sandbox_access access) {
    const uint64_t read = FS_READ_FILE | FS_READ_DIR;
    switch (access) {
    case SANDBOX_READ:
        return read;
    case SANDBOX_WRITE:
        return read | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR | FS_REMOVE_FILE |
               FS_REMOVE_DIR | FS_REFER;
    case SANDBOX_SOCKETS:
        return read | FS_MAKE_SOCK | FS_REMOVE_FILE;
    case SANDBOX_DEVICE:
        return read | FS_WRITE_FILE | FS_IOCTL_DEV;
    case SANDBOX_EXECUTE:
        return FS_READ_FILE | FS_EXECUTE;
    case SANDBOX_CREATE:
        return FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR;
    case SANDBOX_UNLINK:
        return FS_REMOVE_FILE;
    case SANDBOX_RMDIR:
        return FS_REMOVE_DIR;
    }
    return 0;
}

static int allow_path(int ruleset, uint64_t handled, const char *path, enum sandbox_access access,
                      struct err *e) {
    _close_ int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return 0; /* not there, or not for us: nothing to grant */
    uint64_t rights = rights_of(access) & handled;
    if (!S_ISDIR(st.st_mode))
        rights &= FILE_RIGHTS;
    struct path_attr attr = { .allowed = rights, .parent = fd };
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
        return err_errno(e, 0, "Landlock rule for %s", path);
    return 0;
}

static int allow_set(int ruleset, uint64_t handled, const struct sandbox_path *set, struct err *e) {
    for (; set->path; set++)
        if (allow_path(ruleset, handled, set->path, set->access, e) < 0)
            return -1;
    return 0;
}

/* Where the loader looks for libraries of this program: RUNPATH, LD_LIBRARY_PATH, its defaults. */
static int allow_runpath(int ruleset, uint64_t handled, struct err *e) {
    void *self = dlopen(NULL, RTLD_LAZY);
    Dl_serinfo size = { 0 };
    if (!self || dlinfo(self, RTLD_DI_SERINFOSIZE, &size) != 0)
        return 0;
    _free_ Dl_serinfo *info = calloc(1, size.dls_size);
    if (!info)
        return err_errno(e, 0, "Landlock");
    if (dlinfo(self, RTLD_DI_SERINFOSIZE, info) != 0 || dlinfo(self, RTLD_DI_SERINFO, info) != 0)
        return 0;
    for (unsigned i = 0; i < info->dls_cnt; i++) {
        const char *path = info->dls_serpath[i].dls_name;
        if (path && path[0] == '/' && path[1] &&
            allow_path(ruleset, handled, path, SANDBOX_READ, e) < 0)
            return -1;
    }
    return 0;
}

/* A program that may execute one file needs the loader for it: the kernel opens both. */
static int allow_loader(int ruleset, uint64_t handled, const struct sandbox_profile *p,
                        struct err *e) {
    static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2",
                                           "/lib/ld-linux-aarch64.so.1" };
    bool any = false;
    for (size_t i = 0; i < p->path_count; i++)
        any = any || p->paths[i].access == SANDBOX_EXECUTE;
    for (size_t i = 0; any && i < ARRAY_LEN(loaders); i++)
        if (allow_path(ruleset, handled, loaders[i], SANDBOX_EXECUTE, e) < 0)
            return -1;
    return 0;
}

static int allow_ports(int ruleset, uint64_t right, const uint16_t *ports, size_t count,
                       struct err *e) {
    for (size_t i = 0; i < count; i++) {
        struct port_attr attr = { .allowed = right, .port = ports[i] };
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0) < 0)
            return err_errno(e, 0, "Landlock rule for port %u", ports[i]);
    }
    return 0;
}

static int add_rules(int ruleset, const struct sandbox_profile *p, const struct ruleset_attr *attr,
                     struct err *e) {
    for (size_t i = 0; i < p->path_count; i++)
        if (allow_path(ruleset, attr->fs, p->paths[i].path, p->paths[i].access, e) < 0)
            return -1;
    if (p->libraries && (allow_set(ruleset, attr->fs, sandbox_paths_libraries, e) < 0 ||
                         allow_runpath(ruleset, attr->fs, e) < 0))
        return -1;
    if (p->fonts && allow_set(ruleset, attr->fs, sandbox_paths_fonts, e) < 0)
        return -1;
    if (p->tls && allow_set(ruleset, attr->fs, sandbox_paths_tls, e) < 0)
        return -1;
    if (allow_loader(ruleset, attr->fs, p, e) < 0)
        return -1;
    if (attr->net & NET_CONNECT_TCP &&
        allow_ports(ruleset, NET_CONNECT_TCP, p->connect_ports, p->connect_port_count, e) < 0)
        return -1;
    if (attr->net & NET_BIND_TCP &&
        allow_ports(ruleset, NET_BIND_TCP, p->bind_ports, p->bind_port_count, e) < 0)
        return -1;
    return 0;
}

int sandbox_landlock(const struct sandbox_profile *p, int abi, struct err *e) {
    if (abi <= 0)
        return 0;
    struct ruleset_attr attr = { .fs = fs_rights(abi) };
    size_t size = sizeof attr.fs;
    if (abi >= 4) {
        attr.net = (p->any_connect ? 0 : NET_CONNECT_TCP) | (p->any_bind ? 0 : NET_BIND_TCP);
        size = 2 * sizeof attr.fs;
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        size = sizeof attr;
    }
    _close_ int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_errno(e, 0, "Landlock");
    if (add_rules(ruleset, p, &attr, e) < 0)
        return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_errno(e, 0, "Landlock");
    return 0;
}
