/* Connections to the API server: the first is dialled under the address policy, later ones go to
 * the very same address, so the sandbox needs no resolver once the target speaks. Each opens in
 * steps that never block, so that files do not keep the terminal waiting. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guacd/backends/kubernetes/kube.h"
#include "guacd/base/clock.h"
#include "guacd/base/dial.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define PROXY_HEAD_MAX 8192u

static void begin(struct conn *c, int fd) {
    *c = (struct conn){ .stream = { .fd = fd }, .channel = -1 };
    buf_init(&c->in, KUBE_IN_MAX);
    buf_init(&c->out, KUBE_OUT_MAX);
    buf_init(&c->status, KUBE_STATUS_MAX);
    c->in.secret = c->out.secret = true;
    c->heard_ms = c->asked_ms = clock_ms();
}

void conn_close(struct conn *c) {
    stream_close(&c->stream);
    buf_wipe(&c->in);
    buf_wipe(&c->out);
    buf_fini(&c->status);
    *c = (struct conn){ .stream = { .fd = -1 }, .channel = -1 };
}

int conn_fill(struct conn *c, size_t budget) {
    while (budget && c->in.len < KUBE_IN_MAX) {
        size_t want = MIN_OF(budget, (size_t)KUBE_IN_MAX - c->in.len);
        char *p = buf_reserve(&c->in, want);
        if (!p)
            return -1;
        ssize_t n = stream_read(&c->stream, p, want);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            c->ended = true;
            return -1;
        }
        c->in.len += (size_t)n;
        c->heard_ms = clock_ms();
        budget -= (size_t)n;
    }
    return 0;
}

int conn_flush(struct conn *c) {
    while (c->out.len) {
        ssize_t n = stream_write(&c->stream, c->out.data, c->out.len);
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        buf_consume(&c->out, (size_t)n);
    }
    return 0;
}

short conn_events(const struct conn *c, bool reading) {
    return c->stage == CONN_DIAL ? POLLOUT : stream_events(&c->stream, reading, c->out.len);
}

int conn_wait(struct kube *k, struct conn *c, uint64_t deadline, struct err *e) {
    uint64_t now = clock_ms();
    if (now >= deadline)
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "the API server at %s does not answer", k->host);
    struct pollfd p[2] = {
        { c->stream.fd, conn_events(c, true), 0 },
        { console_event_fd(&k->con), POLLIN, 0 },
    };
    int ms = stream_pending(&c->stream) ? 0 : (int)MIN_OF(deadline - now, (uint64_t)60000);
    if (poll(p, 2, ms) < 0 && errno != EINTR)
        return err_errno(e, STATUS_SERVER_ERROR, "poll");
    if (p[1].revents && !console_early_events(&k->con))
        return err_set(e, STATUS_SESSION_CLOSED, "the session ended while it was connecting");
    return 0;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static int closed(const struct kube *k, struct err *e) {
    return err_set(e, STATUS_UPSTREAM_ERROR, "%s closed the connection; is there an API server%s?",
                   *k->proxy ? k->proxy : k->host, k->use_tls ? "" : ", and does it want use-ssl");
}

/* What comes once the socket is connected. CONNECT: RFC 9110 section 9.3.6. */
static void ask_proxy(struct kube *k, struct conn *c) {
    bool six = strchr(k->host, ':');
    const char *open = six ? "[" : "", *shut = six ? "]" : "";
    c->stage = *k->proxy ? CONN_PROXY : CONN_SECURE;
    if (*k->proxy)
        buf_printf(&c->out, "CONNECT %s%s%s:%d HTTP/1.1\r\nHost: %s%s%s:%d\r\n\r\n", open, k->host,
                   shut, k->port, open, k->host, shut, k->port);
}

static int hear_proxy(struct kube *k, struct conn *c, struct err *e) {
    struct http1_head h;
    size_t used;
    if (conn_flush(c) || conn_fill(c, PROXY_HEAD_MAX))
        return closed(k, e);
    enum http1_result r = http1_head(c->in.data, c->in.len, &h, &used, e);
    if (r == HTTP1_MORE)
        return 0;
    if (r == HTTP1_BAD)
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s is no HTTP proxy", k->proxy);
    buf_consume(&c->in, used);
    if (h.status / 100 != 2)
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                       "the proxy %s answers %d to a connection with %s", k->proxy, h.status,
                       k->host);
    c->stage = CONN_SECURE;
    return 1;
}

static int begin_tls(struct kube *k, struct conn *c, struct err *e) {
    if (c->in.len)
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s speaks before it is asked", k->host);
    c->stage = CONN_HANDSHAKE;
    return stream_secure(&c->stream, k->tls, k->host, e) ? -1 : 1;
}

int conn_step(struct kube *k, struct conn *c, struct err *e) {
    int r = 1;
    while (r > 0 && c->stage != CONN_OPEN)
        switch (c->stage) {
        case CONN_DIAL:
            if ((r = dial_done(c->stream.fd, &k->peer, e)) > 0)
                ask_proxy(k, c);
            break;
        case CONN_PROXY:
            r = hear_proxy(k, c, e);
            break;
        case CONN_SECURE:
            if (k->use_tls)
                r = begin_tls(k, c, e);
            else
                c->stage = CONN_OPEN;
            break;
        case CONN_HANDSHAKE:
            if ((r = stream_handshake(&c->stream, k->host, e)) > 0)
                c->stage = CONN_OPEN;
            break;
        case CONN_OPEN:
            break;
        }
    return r;
}

static int set_up(struct kube *k, struct conn *c, uint64_t deadline, struct err *e) {
    for (;;) {
        int r = conn_step(k, c, e);
        if (r)
            return r > 0 ? 0 : -1;
        if (conn_wait(k, c, deadline, e))
            return -1;
    }
}

int conn_open(struct kube *k, struct conn *c, struct err *e) {
    uint64_t deadline = clock_ms() + (uint64_t)k->timeout_ms;
    const char *host = *k->proxy ? k->proxy : k->host;
    int fd, port = *k->proxy ? k->proxy_port : k->port;
    if (session_dial(k->s, host, (uint16_t)port, k->timeout_ms, &fd, e))
        return -1;
    begin(c, fd);
    ask_proxy(k, c);
    socklen_t len = sizeof k->peer;
    if (getpeername(fd, (struct sockaddr *)&k->peer, &len))
        return err_errno(e, STATUS_UPSTREAM_ERROR, "the connection is gone");
    return set_up(k, c, deadline, e);
}

int conn_begin(struct kube *k, struct conn *c, struct err *e) {
    int fd = dial_again(&k->peer, e);
    if (fd < 0)
        return -1;
    begin(c, fd);
    return 0;
}

int conn_again(struct kube *k, struct conn *c, uint64_t deadline, struct err *e) {
    return conn_begin(k, c, e) ? -1 : set_up(k, c, deadline, e);
}
