/* guac-proxy: serves the page, hands requests to authd, relays tunnels. Holds no credential but the
 * TLS key, starts no program, and connects to authd's socket and other replicas only. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/log.h"
#include "guacd/base/sandbox.h"
#include "proxy/proxy/edge.h"
#include "proxy/proxy/tls.h"
#include "proxy/proxy/replicas.h"

#define HEADER_BYTES_MAX 16384 /* cookies of 3 KB, and what else browsers send */
#define HEADER_TIMEOUT_S 10
#define LOOK_MS 30000 /* for a renewed certificate */

static const struct lws_protocols public_protocols[] = {
    { .name = "http",
      .callback = web_callback,
      .per_session_data_size = sizeof(void *),
      .tx_packet_size = TUNNEL_READ_MAX },
    { .name = "guacamole",
      .callback = tunnel_callback,
      .per_session_data_size = sizeof(void *),
      .rx_buffer_size = 2048,
      .tx_packet_size = TUNNEL_READ_MAX + 32768 },
    { 0 },
};
static const struct lws_protocols admin_protocols[] = {
    { .name = "admin",
      .callback = admin_callback,
      .per_session_data_size = sizeof(void *),
      .tx_packet_size = TUNNEL_READ_MAX },
    { 0 },
};

static void on_lws_log(int level, const char *line) {
    int n = (int)strcspn(line, "\n");
    if (level & LLL_ERR)
        log_error("http: %.*s", n, line);
    else
        log_debug("http: %.*s", n, line);
}

static int raise_descriptor_limit(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return -1;
    r.rlim_cur = r.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &r);
}

static bool has_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int add_listener(struct edge *x, const char *where, const struct lws_protocols *protocols,
                        const char *name, bool tls, struct err *e) {
    static struct proxy_listen places[2]; /* lws keeps the address's pointer */
    struct proxy_listen *at = &places[protocols == admin_protocols];
    if (proxy_parse_listen(where, at, e) < 0)
        return -1;
    struct lws_context_creation_info info = {
        .port = at->port,
        .iface = *at->address ? at->address : NULL,
        .protocols = protocols,
        .vhost_name = name,
        .alpn = "http/1.1",
        .keepalive_timeout = 60,
        .timeout_secs = HEADER_TIMEOUT_S,
        .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
    };
    /* With an IPv6 socket lws binds an IPv4 address as "::", that is all of the machine's. */
    if (at->family == AF_INET || (at->family == AF_UNSPEC && !has_ipv6()))
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    if (tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT; /* the listener's own switch, too */
        info.ssl_cert_filepath = x->conf.tls_cert;
        info.ssl_private_key_filepath = x->conf.tls_key;
        info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
    }
    if (!lws_create_vhost(x->context, &info))
        return err_set(e, 0x0200, "cannot listen on %s: the address is in use or not ours", where);
    log_info("%s listener on %s%s", name, where, tls ? " (TLS)" : "");
    return 0;
}

static int create_context(struct edge *x, struct err *e) {
    bool tls = x->conf.tls_cert != NULL;
    if (tls != (x->conf.tls_key != NULL))
        return err_set(e, 0x0200, "tls-cert and tls-key go together");
    if (tls && tls_check(x->conf.tls_cert, x->conf.tls_key, e) < 0)
        return -1;
    struct err ring = { 0 };
    if (sandbox_begin(e) < 0)
        return -1;
    if (sandbox_deny_rings(&ring) < 0) /* the deny-list that follows says what to do about it */
        log_warning("%s", ring.text);
    uv_loop_init(&x->loop);
    void *loops[] = { &x->loop };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV |
                   (tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .foreign_loops = loops,
        .user = x,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .max_http_header_data = HEADER_BYTES_MAX,
        .max_http_header_pool = 512,
        .pt_serv_buf_size = 16384,
        .timeout_secs = HEADER_TIMEOUT_S,
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    x->context = lws_create_context(&info);
    if (!x->context)
        return err_set(e, 0x0200,
                       "libwebsockets cannot start; is its libuv plugin "
                       "(libwebsockets-evlib-uv) installed?");
    if (add_listener(x, x->conf.listen, public_protocols, "public", tls, e) < 0)
        return -1;
    return x->conf.admin_listen
               ? add_listener(x, x->conf.admin_listen, admin_protocols, "admin", false, e)
               : 0;
}

static void folder_of(const char *path, char out[PATH_MAX]) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    snprintf(out, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 2, slash ? path : "./");
}

/* After this the process opens nothing but sockets to authd and to other replicas, which Landlock
 * does not ask about: the folder they lie in stays shut, since authd's one-time links lie there,
 * too. And the certificate's files: their folders, since a renewed file is another one. */
static int lock_doors(const struct edge *x, struct err *e) {
    char chain[PATH_MAX], key[PATH_MAX];
    size_t ports = 0;
    const uint16_t *list = replicas_ports(x->replicas, &ports);
    folder_of(x->conf.tls_cert, chain);
    folder_of(x->conf.tls_key, key);
    const struct sandbox_path paths[] = { { chain, SANDBOX_READ }, { key, SANDBOX_READ } };
    const struct sandbox_profile profile = { .paths = paths,
                                             .path_count = x->certificate.chain ? 2 : 0,
                                             .unix_sockets = true,
                                             .connect_ports = list,
                                             .connect_port_count = ports,
                                             .libraries = true,
                                             .tls = true };
    const struct sandbox_options options = { .allow_no_seccomp = x->conf.allow_no_seccomp };
    return sandbox_enter(&profile, &options, e);
}

static uv_timer_t drain_timer;

static void on_drained(uv_timer_t *t) {
    uv_stop(t->loop);
}

static void on_stop(uv_signal_t *s, int signo) {
    struct edge *x = s->data;
    (void)signo;
    if (x->draining) {
        uv_stop(s->loop);
        return;
    }
    x->draining = true;
    log_info("stopping: %ld tunnels are told", x->tunnels);
    lws_callback_on_writable_all_protocol(x->context, &public_protocols[1]);
    uv_timer_init(&x->loop, &drain_timer);
    uv_timer_start(&drain_timer, on_drained, x->tunnels ? 1000 : 0, 0);
}

static void renew(struct edge *x, bool told) {
    struct err e = { 0 };
    int r = certificate_renew(&x->certificate, told, &e);
    if (r > 0)
        log_info("certificate and key read again; tunnels stay");
    else if (r < 0)
        log_error("the old certificate stays: %s", e.text);
}

static void on_hangup(uv_signal_t *s, int signo) {
    (void)signo;
    renew(s->data, true);
}

static void on_look(uv_timer_t *t) {
    renew(t->data, false);
}

static int serve(struct edge *x, struct err *e) {
    static uv_signal_t term, interrupt, hangup;
    static uv_timer_t look;
    raise_descriptor_limit();
    x->assets = assets_load(x->conf.web, e);
    if (!x->assets)
        return err_prefix(e, "web");
    x->waiting = waiting_new(x->conf.max_waiting, x->conf.trusted_proxies);
    if (!x->waiting)
        return err_set(e, 0x0200, "no memory to count connections");
    x->certificate.chain = x->conf.tls_cert;
    x->certificate.key = x->conf.tls_key;
    if (create_context(x, e) < 0)
        return -1;
    x->authd = authd_new(&x->loop, x->conf.run, e);
    x->replicas = x->authd ? replicas_new(x, e) : NULL;
    if (!x->replicas || lock_doors(x, e) < 0)
        return -1;
    uv_signal_init(&x->loop, &term);
    uv_signal_init(&x->loop, &interrupt);
    term.data = interrupt.data = x;
    uv_signal_start(&term, on_stop, SIGTERM);
    uv_signal_start(&interrupt, on_stop, SIGINT);
    hangup.data = look.data = x;
    uv_signal_init(&x->loop, &hangup);
    uv_signal_start(&hangup, on_hangup, SIGHUP);
    renew(x, false);
    uv_timer_init(&x->loop, &look);
    uv_timer_start(&look, on_look, LOOK_MS, LOOK_MS);
    uv_run(&x->loop, UV_RUN_DEFAULT);
    return 0;
}

int main(int argc, char **argv) {
    static struct edge edge;
    struct err e = { 0 };
    log_init("guac-proxy", LOG_LEVEL_INFO);
    enum conf_result r = conf_load(&proxy_conf, &edge.conf, argc, argv, NULL, NULL, &e);
    if (r == CONF_EXIT)
        return 0;
    int level = r == CONF_OK ? log_level_parse(edge.conf.log_level) : 0;
    if (r == CONF_OK && level < 0)
        err_set(&e, 0x0200, "log-level: '%s' is none of error, warning, info, debug, trace",
                edge.conf.log_level);
    if (r != CONF_OK || level < 0) {
        log_error("%s", e.text);
        return 2;
    }
    log_init("guac-proxy", (enum log_level)level);
    signal(SIGPIPE, SIG_IGN);
    if (serve(&edge, &e) < 0) {
        log_error("%s", e.text);
        return 1;
    }
    log_info("stopped");
    return 0;
}
