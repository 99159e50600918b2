/* What guacd may do once it listens, in both modes. */
#include "guacd/daemon/seal.h"

#include <stdio.h>

#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "guacd/daemon/registry.h"
#include "guacd/daemon/stats.h"

/* The kernel opens the loader of a program with the right to execute it, too. */
#define LOADERS \
    { "/lib64/ld-linux-x86-64.so.2", SANDBOX_EXECUTE }, { \
        "/lib/ld-linux-aarch64.so.1", SANDBOX_EXECUTE \
    }

int seal(const struct options *o, const char *run, struct err *e) {
    char sockets[128], own[128];
    snprintf(sockets, sizeof(sockets), "%s/s", run);
    snprintf(own, sizeof(own), "%s/" REGISTRY_OWN, run);
    /* Gateway: what sessions need is known. Stock: recordings, typescripts and drives go to folders
     * that the client names, so files are the session's own sandbox's business. */
    const struct sandbox_path gateway[] = {
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
    const struct sandbox_path stock[] = {
        { o->session_program, SANDBOX_EXECUTE },
        LOADERS,
        { "/", SANDBOX_WRITE },
        { "/", SANDBOX_SOCKETS },
    };
    const struct sandbox_profile profile = {
        .paths = o->socket ? gateway : stock,
        .path_count = o->socket ? ARRAY_LEN(gateway) : ARRAY_LEN(stock),
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
