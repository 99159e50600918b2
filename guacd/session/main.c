/* guacd-session: one session, from its first byte to its last. Started by guacd with the client's
 * socket and nothing of anybody else's (guacd/daemon/child.h); locks the doors before it reads. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guacd/base/conf.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define OPT(field) offsetof(struct options, field)

static const struct conf_row rows[] = {
    { "mode", CONF_STRING, OPT(mode), "stock", 0, 0, 0, "stock or gateway." },
    { "tls", CONF_BOOL, OPT(tls), "false", 0, 0, 0, "Speak TLS with the first client." },
    { "run", CONF_PATH, OPT(run), NULL, 0, 0, 0, "Folder of the control sockets." },
    { "trusted-uids", CONF_LIST, OPT(trusted_uids), "", 0, 0, 0, "Who may use them." },
    { "log-level", CONF_STRING, OPT(log_level), "info", 0, 0, 0, "error … trace." },
    { "backends", CONF_PATH, OPT(backends), NULL, 0, 0, 0, "Folder of the backends." },
    { "allow-no-seccomp", CONF_BOOL, OPT(allow_no_seccomp), "false", 0, 0, 0,
      "Go on where the kernel has no seccomp." },
    { "denylist-only", CONF_BOOL, OPT(denylist_only), "false", 0, 0, 0,
      "No allow-list of system calls." },
    { "sandbox-trap", CONF_BOOL, OPT(sandbox_trap), "false", 0, 0, 0,
      "Name refused system calls on stderr." },
};

static const struct conf_table table = {
    .program = "guacd-session",
    .purpose = "One remote session. Started by guacd only.",
    .rows = rows,
    .count = ARRAY_LEN(rows),
};

/* The certificate and key, from the pipe that guacd wrote. */
static struct ssl_ctx_st *read_tls(struct err *e) {
    char *pem = malloc(CHILD_TLS_MAX);
    size_t len = 0;
    ssize_t n = -1;
    while (pem && len < CHILD_TLS_MAX &&
           (n = read(CHILD_FD_TLS, pem + len, CHILD_TLS_MAX - len)) > 0)
        len += (size_t)n;
    close(CHILD_FD_TLS);
    struct ssl_ctx_st *ctx = NULL;
    if (n < 0)
        err_errno(e, 0, "the TLS key cannot be read");
    else
        ctx = link_tls_context(pem, len, e);
    if (pem)
        secret_wipe(pem, CHILD_TLS_MAX);
    free(pem);
    return ctx;
}

/* Stage A. Connecting and listening are narrowed down once the target is known. */
static int lock_doors(const struct options *o, struct err *e) {
    const struct sandbox_path paths[] = { { o->backends, SANDBOX_READ } };
    const struct sandbox_profile profile = {
        .paths = paths,
        .path_count = ARRAY_LEN(paths),
        .any_connect = true,
        .any_bind = true,
        .datagrams = true,
        .servers = true,
        .libraries = true,
        .fonts = true,
        .tls = true, /* a target's certificate, against the machine's authorities */
    };
    const struct sandbox_options options = { .allow_no_seccomp = o->allow_no_seccomp,
                                             .denylist_only = o->denylist_only,
                                             .trap = o->sandbox_trap };
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 256, 256 });
#ifndef GUAC_SANITIZER
    setrlimit(RLIMIT_DATA, &(struct rlimit){ 1ul << 30, 1ul << 30 });
#endif
    return sandbox_begin(e) < 0 ? -1 : sandbox_enter(&profile, &options, e);
}

static int serve(const struct options *o, struct ssl_ctx_st *tls, struct err *e) {
    if (lock_doors(o, e) < 0)
        return -1;
    struct session *s = session_new(o, e);
    if (!s)
        return -1;
    s->gateway = strcmp(o->mode, "gateway") == 0;
    fcntl(CHILD_FD_CLIENT, F_SETFD, FD_CLOEXEC);
    struct user *u = NULL;
    if (channel_open(s, e) == 0)
        u = user_new(s, CHILD_FD_CLIENT, tls, ROLE_OWNER, e);
    if (u) {
        u->fresh = !tls;
        life_tick(s);
        loop_run(s->loop);
    }
    /* A backend that does not come back cannot be waited for, nor freed under it. */
    if (u && s->thread_runs && !s->backend_done)
        _exit(0);
    session_free(s);
    return u ? 0 : -1;
}

int main(int argc, char **argv) {
    mallopt(M_ARENA_MAX, 1); /* two threads that seldom meet */
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    struct options o = { 0 };
    struct err e = { 0 };
    enum conf_result r = conf_load(&table, &o, argc, argv, NULL, NULL, &e);
    if (r != CONF_OK) {
        if (r == CONF_BAD)
            fprintf(stderr, "guacd-session: %s\n", e.text);
        return r == CONF_BAD;
    }
    int level = log_level_parse(o.log_level);
    log_init("guacd-session", level < 0 ? LOG_LEVEL_INFO : (enum log_level)level);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes by write(2) */
    struct ssl_ctx_st *tls = o.tls ? read_tls(&e) : NULL;
    int status = 1;
    if (!o.tls || tls)
        status = serve(&o, tls, &e) < 0;
    if (status)
        log_error("%s", e.text);
    link_tls_context_free(tls);
    conf_free(&table, &o);
    return status;
}
