/* What guacd may do once it listens, in both modes. */
#include "guacd/daemon/seal.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>

#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "guacd/daemon/registry.h"
#include "guacd/daemon/stats.h"

#define FOLDERS_MAX 6
#define PATHS_MAX 16

/* The kernel opens the loader of a program with the right to execute it, too. */
#define LOADERS \
    { "/lib64/ld-linux-x86-64.so.2", SANDBOX_EXECUTE }, { \
        "/lib/ld-linux-aarch64.so.1", SANDBOX_EXECUTE \
    }

/* Where a file lies, by its name and by what that leads to. */
struct folders {
    char text[FOLDERS_MAX][PATH_MAX];
    size_t count;
};

static size_t add(struct folders *f, const char *path, enum sandbox_access access,
                  struct sandbox_path *out) {
    if (!path || !*path || f->count == FOLDERS_MAX)
        return 0;
    char *text = f->text[f->count++];
    snprintf(text, PATH_MAX, "%s", path);
    *out = (struct sandbox_path){ dirname(text), access };
    return 1;
}

/* What Apache's command line brings: a certificate that is read again on SIGHUP (and may be another
 * file by then), a pid file and a folder of our own to remove at the end. */
static size_t stock_paths(const struct options *o, const char *run, struct folders *f,
                          struct sandbox_path *out) {
    const char *const pem[] = { o->certificate, o->key };
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(pem); i++) {
        _free_ char *real = pem[i] ? realpath(pem[i], NULL) : NULL;
        n += add(f, pem[i], SANDBOX_READ, out + n);
        n += add(f, real, SANDBOX_READ, out + n);
    }
    n += add(f, o->pid_file, SANDBOX_UNLINK, out + n);
    if (!o->run) {
        out[n++] = (struct sandbox_path){ run, SANDBOX_RMDIR };
        n += add(f, run, SANDBOX_RMDIR, out + n);
    }
    return n;
}

int seal(const struct options *o, const char *run, struct err *e) {
    char sockets[128], own[128];
    snprintf(sockets, sizeof(sockets), "%s/s", run);
    snprintf(own, sizeof(own), "%s/" REGISTRY_OWN, run);
    struct sandbox_path paths[PATHS_MAX] = {
        { o->session_program, SANDBOX_EXECUTE },
        LOADERS,
        { o->backends, SANDBOX_READ },
        { own, SANDBOX_WRITE },
        { sockets, SANDBOX_SOCKETS },
#ifdef GUAC_SANITIZER
        /* LeakSanitizer looks into /proc/self. A rule on that would mean guacd's own, in its
         * sessions as well; they do without it, and other programs' stay closed to guacd. */
        { "/proc", SANDBOX_READ },
#endif
    };
    struct folders folders = { .count = 0 };
    size_t count = 0;
    while (paths[count].path)
        count++;
    if (!o->socket)
        count += stock_paths(o, run, &folders, paths + count);
    const struct sandbox_profile profile = {
        .paths = paths,
        .path_count = count,
        .any_connect = true,
        .any_bind = true,
        .unix_sockets = true,
        .datagrams = true,
        .servers = true,
        .allow_exec = true,
        .libraries = true,
        .fonts = true,
        .tls = true,
    };
    const struct sandbox_options options = { .allow_no_seccomp = o->allow_no_seccomp };
    metric_set(&stats_landlock, sandbox_landlock_abi());
    return sandbox_begin(e) < 0 ? -1 : sandbox_enter(&profile, &options, e);
}
