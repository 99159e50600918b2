/* See replicas.h. */
#include "proxy/proxy/replicas.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/base/conf.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "proxy/proxy/channel.h"

#define PORTS_MAX 8
#define KEY_TEXT_LEN 43 /* base64url of SECURE_KEY_LEN bytes */
#define TICKET_TIMEOUT_MS 5000
#define REQUEST_TIMEOUT_MS 12000

static struct metric metric_relays = { .name = "guacamole_proxy_relays",
                                       .type = METRIC_GAUGE,
                                       .help = "Relays from and to other replicas." };
static struct metric metric_relayed_out = { .name = "guacamole_proxy_relayed_total",
                                            .labels = "direction=\"out\"",
                                            .help = "Requests relayed between replicas." };
static struct metric metric_relayed_in = { .name = "guacamole_proxy_relayed_total",
                                           .labels = "direction=\"in\"",
                                           .help = "Requests relayed between replicas." };
static struct metric metric_relay_failures = { .name = "guacamole_proxy_relay_failures_total",
                                               .help = "Relays that came to nothing." };

void replicas_metrics(struct buf *out) {
    struct metric *const table[] = { &metric_relays, &metric_relayed_in, &metric_relayed_out,
                                     &metric_relay_failures };
    metrics_write(table, ARRAY_LEN(table), out);
}

/* ---- the holding side ------------------------------------------------------------------------ */

struct replicas {
    struct edge *edge;
    uv_poll_t poll;
    int listener; /* -1: none */
    uint16_t ports[PORTS_MAX];
    size_t port_count;
    long waiting; /* came in, and not admitted yet */
};

struct incoming {
    struct replicas *r;
    struct channel *channel; /* NULL: gone */
    struct authd_call *call;
    char session[UUID_LEN + 1];
    bool admitted;
};

static void incoming_gone(void *arg, const char *why) {
    struct incoming *in = arg;
    if (*why) {
        log_info("relay from another replica: %s", why);
        metric_add(&metric_relay_failures, 1);
    }
    if (!in->admitted)
        in->r->waiting--;
    authd_cancel(in->call);
    metric_add(&metric_relays, -1);
    free(in);
}

static void refuse(struct incoming *in, const char *why) {
    channel_close(in->channel);
    incoming_gone(in, why);
}

static void on_request_answer(void *arg, const json_t *answer, int fd) {
    struct incoming *in = arg;
    in->call = NULL;
    if (!answer) {
        refuse(in, "authd is away");
        return;
    }
    metric_add(&metric_relayed_in, 1);
    channel_answer(in->channel, answer, fd);
}

static void incoming_message(void *arg, const json_t *message) {
    struct incoming *in = arg;
    const char *op = json_str(message, "op", "");
    if (strcmp(op, "http") != 0 && strcmp(op, "tunnel") != 0) { /* what browsers ask, no more */
        refuse(in, "the other replica asks for what no browser asks");
        return;
    }
    json_t *rq = json_copy((json_t *)(uintptr_t)message);
    if (rq)
        json_object_set_new(rq, "relayed", json_string(in->session));
    in->call =
        rq ? authd_send(in->r->edge->authd, rq, REQUEST_TIMEOUT_MS, on_request_answer, in) : NULL;
    if (!in->call)
        refuse(in, "authd is away");
}

static void on_ticket_answer(void *arg, const json_t *answer, int fd) {
    struct incoming *in = arg;
    unsigned char key[SECURE_KEY_LEN];
    in->call = NULL;
    if (fd >= 0)
        close(fd);
    const char *text = json_str(answer, "key", ""), *session = json_str(answer, "session", "");
    if (!answer || !json_flag(answer, "ok", false) || strlen(text) != KEY_TEXT_LEN ||
        base64url_decode(text, strlen(text), key) != SECURE_KEY_LEN ||
        !uuid_valid(session, strlen(session))) {
        refuse(in, json_str(answer, "error", "authd is away"));
        return;
    }
    memcpy(in->session, session, UUID_LEN + 1);
    in->admitted = true;
    in->r->waiting--;
    channel_admit(in->channel, key);
    secret_wipe(key, sizeof key);
}

static void incoming_ticket(void *arg, const char *ticket) {
    struct incoming *in = arg;
    in->call =
        authd_send(in->r->edge->authd, json_pack("{s:s, s:s}", "op", "ticket", "ticket", ticket),
                   TICKET_TIMEOUT_MS, on_ticket_answer, in);
    if (!in->call)
        refuse(in, "authd is away");
}

static const struct channel_events incoming_events = { incoming_ticket, incoming_message,
                                                       incoming_gone };

static void on_connection(uv_poll_t *p, int status, int events) {
    struct replicas *r = p->data;
    (void)status;
    (void)events;
    for (int i = 0; i < 64; i++) {
        int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct incoming *in =
            r->waiting < r->edge->conf.relay_waiting ? calloc(1, sizeof *in) : NULL;
        if (!in) {
            metric_add(&metric_relay_failures, 1);
            close(fd);
            continue;
        }
        in->r = r;
        r->waiting++;
        metric_add(&metric_relays, 1);
        in->channel = channel_accept(&r->edge->loop, fd, &incoming_events, in);
        if (!in->channel)
            incoming_gone(in, "out of memory");
    }
}

static int listen_on(struct replicas *r, const char *where, struct err *e) {
    struct sockaddr_storage sa;
    int on = 1;
    if (channel_address(where, &sa, e) < 0)
        return err_prefix(e, "relay-listen");
    socklen_t size =
        sa.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    r->listener = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->listener < 0 || setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(r->listener, (struct sockaddr *)&sa, size) < 0 || listen(r->listener, 128) < 0)
        return err_errno(e, 0, "relay-listen: %s", where);
    uint16_t port = sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
                                            : ((struct sockaddr_in6 *)&sa)->sin6_port;
    if (r->port_count ==
        0) /* all replicas listen on the same, unless the configuration says more */
        r->ports[r->port_count++] = ntohs(port);
    if (uv_poll_init(&r->edge->loop, &r->poll, r->listener) != 0)
        return err_set(e, 0, "relay-listen cannot be watched");
    r->poll.data = r;
    uv_poll_start(&r->poll, UV_READABLE, on_connection);
    log_info("relay listener on %s", where);
    return 0;
}

static int add_port(const char *item, void *arg) {
    struct replicas *r = arg;
    char *end;
    long n = strtol(item, &end, 10);
    if (*end || n < 1 || n > 65535 || r->port_count == PORTS_MAX)
        return -1;
    r->ports[r->port_count++] = (uint16_t)n;
    return 0;
}

struct replicas *replicas_new(struct edge *x, struct err *e) {
    struct replicas *r = calloc(1, sizeof *r);
    if (!r) {
        err_set(e, 0, "no memory for the relay");
        return NULL;
    }
    r->edge = x;
    r->listener = -1;
    if (x->conf.relay_ports && conf_each(x->conf.relay_ports, add_port, r)) {
        err_set(e, 0, "relay-ports: at most %d ports of 1…65535", PORTS_MAX);
        replicas_free(r);
        return NULL;
    }
    if (x->conf.relay_listen && listen_on(r, x->conf.relay_listen, e) < 0) {
        replicas_free(r);
        return NULL;
    }
    return r;
}

void replicas_free(struct replicas *r) {
    if (!r)
        return;
    if (r->listener >= 0)
        close(r->listener);
    free(r);
}

const uint16_t *replicas_ports(const struct replicas *r, size_t *count) {
    *count = r->port_count;
    return r->ports;
}

/* ---- the asking side ------------------------------------------------------------------------- */

struct ask {
    struct edge *edge;
    struct authd_call *call;
    struct channel *channel;
    json_t *request, *fallback;
    authd_answer_fn *fn; /* NULL: cancelled */
    void *arg;
    int ours; /* the tunnel's end of the stream, until it is handed over */
};

static void ask_done(struct ask *a, const json_t *answer, int fd) {
    if (a->fn)
        a->fn(a->arg, answer, fd);
    else if (fd >= 0)
        close(fd);
    json_decref(a->request);
    json_decref(a->fallback);
    free(a);
}

/* Once the stream runs nobody asks any more: the channel lives by itself. */
static void stream_gone(void *arg, const char *why) {
    (void)arg;
    if (*why)
        log_info("relay to another replica: %s", why);
    metric_add(&metric_relays, -1);
}

static void relay_gone(void *arg, const char *why) {
    struct ask *a = arg;
    if (!a->edge) { /* it is a stream */
        free(a);
        stream_gone(NULL, why);
        return;
    }
    log_warning("a session's replica at %s does not answer: %s",
                json_str(json_object_get(a->fallback, "relay"), "address", ""), why);
    metric_add(&metric_relays, -1);
    metric_add(&metric_relay_failures, 1);
    a->channel = NULL;
    ask_done(a, a->fallback, -1);
}

static void relay_answer(void *arg, const json_t *answer) {
    struct ask *a = arg;
    struct channel *c = a->channel;
    int pair[2] = { -1, -1 };
    bool tunnel = strcmp(json_str(a->request, "op", ""), "tunnel") == 0;
    metric_add(&metric_relayed_out, 1);
    if (!tunnel || !json_flag(answer, "ok", false) || !a->fn ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        metric_add(&metric_relays, -1);
        a->channel = NULL;
        channel_close(c);
        ask_done(a, tunnel && json_flag(answer, "ok", false) ? a->fallback : answer, -1);
        return;
    }
    /* From here on `a` is the stream's: the asker is done with it. */
    authd_answer_fn *fn = a->fn;
    void *who = a->arg;
    json_decref(a->request);
    json_decref(a->fallback);
    *a = (struct ask){ .edge = NULL };
    fn(who, answer, pair[0]);
    channel_stream(c, pair[1]);
}

static const struct channel_events relay_events = { NULL, relay_answer, relay_gone };

static bool relay(struct ask *a, const json_t *answer) {
    const json_t *to = json_object_get(answer, "relay");
    const char *text = json_str(to, "key", "");
    unsigned char key[SECURE_KEY_LEN];
    struct err e = { 0 };
    if (!to || strlen(text) != KEY_TEXT_LEN ||
        base64url_decode(text, strlen(text), key) != SECURE_KEY_LEN)
        return false;
    a->channel = channel_open(&a->edge->loop, json_str(to, "address", ""),
                              json_str(to, "ticket", ""), key, a->request, &relay_events, a, &e);
    secret_wipe(key, sizeof key);
    if (!a->channel) {
        log_warning("%s", e.text);
        metric_add(&metric_relay_failures, 1);
        return false;
    }
    a->fallback = json_deep_copy(answer);
    metric_add(&metric_relays, 1);
    return true;
}

static void on_answer(void *arg, const json_t *answer, int fd) {
    struct ask *a = arg;
    a->call = NULL;
    if (a->fn && fd < 0 && answer && relay(a, answer))
        return;
    ask_done(a, answer, fd);
}

struct ask *ask_send(struct edge *x, json_t *request, int timeout_ms, authd_answer_fn *fn,
                     void *arg) {
    struct ask *a = calloc(1, sizeof *a);
    if (!a) {
        json_decref(request);
        return NULL;
    }
    *a = (struct ask){ .edge = x, .request = json_incref(request), .fn = fn, .arg = arg };
    a->call = authd_send(x->authd, request, timeout_ms, on_answer, a);
    if (a->call)
        return a;
    json_decref(a->request);
    free(a);
    return NULL;
}

void ask_cancel(struct ask *a) {
    if (a)
        a->fn = NULL;
}
