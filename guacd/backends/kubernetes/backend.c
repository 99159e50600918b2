/* Kubernetes exec and attach: life and death of one connection. */
#include <stdio.h>
#include <string.h>

#include "guacd/backends/kubernetes/files.h"
#include "guacd/backends/kubernetes/kube.h"
#include "guacd/base/log.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static int warm(void *state, struct err *e) {
    struct kube *k = state;
    k->conn.stream.fd = -1;
    /* What OpenSSL loads once (its configuration, a random source) is loaded while files can be. */
    struct ssl_ctx_st *ctx = stream_context("", "", "", false, e);
    if (!ctx)
        return -1;
    stream_context_free(ctx);
    char accept[29];
    ws_accept("", accept);
    term_warm();
    return 0;
}

static size_t ports(const struct args *args, uint16_t *out, size_t max) {
    if (!max)
        return 0;
    out[0] = (uint16_t)args_int(args, *args_str(args, "proxy-hostname") ? "proxy-port" : "port");
    return 1;
}

static int read_args(struct kube *k, const struct args *a, struct err *e) {
    snprintf(k->host, sizeof k->host, "%s", args_str(a, "hostname"));
    snprintf(k->proxy, sizeof k->proxy, "%s", args_str(a, "proxy-hostname"));
    k->port = (int)args_int(a, "port");
    k->proxy_port = (int)args_int(a, "proxy-port");
    k->timeout_ms = (int)args_int(a, "timeout") * 1000;
    k->alive_ms = (int)args_int(a, "server-alive-interval") * 1000;
    k->use_tls = args_bool(a, "use-ssl");
    if (!*k->host)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "parameter hostname is missing");
    if (!k->use_tls)
        return 0;
    k->tls = stream_context(args_str(a, "ca-cert"), args_str(a, "client-cert"),
                            args_str(a, "client-key"), args_bool(a, "ignore-cert"), e);
    return k->tls ? 0 : -1;
}

/* The gateway hands on a newer token: files and questions after this go by it. */
static bool option(void *arg, const char *name, const char *value, size_t len) {
    struct kube *k = arg;
    struct err e = { 0 };
    if (strcmp(name, "token") != 0)
        return false;
    if (ask_token(k, value, len, &e))
        log_warning("a newer token: %s", e.text);
    else
        log_info("the token was renewed");
    return true;
}

static int kube_open(struct session *s, void *state, const struct args *args, struct err *e) {
    struct kube *k = state;
    k->s = s;
    k->con.option = option;
    k->con.option_arg = k;
    if (console_init(&k->con, s, args, e) || read_args(k, args, e) || ask_identity(k, args, e))
        return -1;
    session_state(s, "connecting", k->host);
    if (conn_open(k, &k->conn, e))
        return -1;
    session_state(s, "login", k->host);
    if (target_choose(k, args, e))
        return -1;
    console_show(&k->con);
    if (shell_open(k, e))
        return -1;
    if (args_bool(args, "enable-files") &&
        !(k->files = kube_files_new(k, args_str(args, "files-directory"), e)))
        return -1;
    char where[400];
    snprintf(where, sizeof where, "%s/%s%s%s", k->namespace, k->pod.name, *k->container ? "/" : "",
             k->container);
    session_state(s, "connected", where);
    log_info("%s %s of %s by %s", *k->command ? "exec" : "attach", where, k->host,
             k->conn.v5 ? "v5.channel.k8s.io" : "v4.channel.k8s.io");
    return 0;
}

static int kube_run(struct session *s, void *state, struct err *e) {
    (void)s;
    return shell_run(state, e);
}

static void kube_close(struct session *s, void *state) {
    struct kube *k = state;
    (void)s;
    kube_files_free(k->files);
    channel_goodbye(&k->conn);
    conn_close(&k->conn);
    stream_context_free(k->tls);
    buf_wipe(&k->auth);
    buf_fini(&k->persona);
    buf_wipe(&k->gathered);
    buf_fini(&k->query);
    console_fini(&k->con);
}

extern const struct backend backend;
__attribute__((visibility("default"))) const struct backend backend = {
    .name = "kubernetes",
    .state_size = sizeof(struct kube),
    .sandbox_needs = SANDBOX_NEED_TCP,
    .warm = warm,
    .ports = ports,
    .open = kube_open,
    .run = kube_run,
    .close = kube_close,
};
