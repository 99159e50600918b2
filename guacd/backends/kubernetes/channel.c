/* Messages of remotecommand: the first byte of each is its channel, the rest is that stream's. */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "guacd/backends/kubernetes/kube.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static int put(struct conn *c, enum ws_op op, const void *head, size_t head_len, const void *data,
               size_t len) {
    uint8_t mask[4];
    if (RAND_bytes(mask, sizeof mask) != 1)
        return -1;
    return ws_put(&c->out, op, head, head_len, data, len, mask);
}

int channel_put(struct conn *c, enum kube_channel channel, const void *data, size_t len) {
    uint8_t head = (uint8_t)channel;
    return put(c, WS_BINARY, &head, 1, data, len);
}

int channel_ping(struct conn *c) {
    c->asked_ms = clock_ms();
    return put(c, WS_PING, NULL, 0, "guac", 4);
}

int channel_end_stdin(struct conn *c) {
    static const uint8_t which[] = { KUBE_STDIN };
    return c->v5 ? channel_put(c, KUBE_CLOSE, which, 1) : 0;
}

void channel_goodbye(struct conn *c) {
    static const uint8_t normal[] = { 1000 >> 8, 1000 & 0xff };
    if (c->stream.fd < 0 || c->ended)
        return;
    put(c, WS_CLOSE, NULL, 0, normal, c->closed ? 0 : 2);
    conn_flush(c);
}

static enum channel_event lies(struct err *e, const char *what) {
    err_set(e, STATUS_UPSTREAM_ERROR, "the API server does not speak as it should: %s", what);
    return CHANNEL_BAD;
}

/* One piece of a message. NONE: nothing for the caller in it. */
static enum channel_event piece(struct conn *c, const struct ws_piece *p, int *channel,
                                const char **data, size_t *len, struct err *e) {
    const char *from = p->data;
    size_t n = p->len;
    if (p->op != WS_BINARY)
        return lies(e, "a message is text");
    if (p->first)
        c->channel = -1;
    if (c->channel < 0 && n) {
        c->channel = (unsigned char)*from++;
        n--;
    }
    int at = c->channel;
    if (at == KUBE_ERROR && buf_add(&c->status, from, n))
        return lies(e, "its last words are too long");
    if (at > KUBE_ERROR && at != KUBE_CLOSE)
        return lies(e, "a message is for no channel of ours");
    if ((at != KUBE_STDOUT && at != KUBE_STDERR) || !n)
        return CHANNEL_NONE;
    *channel = at;
    *data = from;
    *len = n;
    return CHANNEL_DATA;
}

enum channel_event channel_next(struct conn *c, int *channel, const char **data, size_t *len,
                                struct err *e) {
    for (;;) {
        struct ws_piece p = { 0 };
        struct err why = { 0 };
        enum ws_result r = c->closed ? WS_MORE : ws_next(&c->ws, c->in.data, c->in.len, &p, &why);
        if (r == WS_BAD)
            return lies(e, why.text);
        if (r == WS_MORE) {
            if (!c->closed)
                buf_consume(&c->in, p.used);
            return c->closed || c->ended ? CHANNEL_OVER : CHANNEL_NONE;
        }
        enum channel_event ev = CHANNEL_NONE;
        if (p.op == WS_PING) {
            if (c->out.len < KUBE_OUT_LIMIT) /* who floods pings gets no answer to each */
                put(c, WS_PONG, NULL, 0, p.data, p.len);
        } else if (p.op == WS_CLOSE) {
            c->closed = true;
            c->close_code = p.code;
            snprintf(c->close_text, sizeof c->close_text, "%.*s", (int)MIN_OF(p.len, 120u), p.data);
        } else if (p.op != WS_PONG) {
            ev = piece(c, &p, channel, data, len, e);
        }
        buf_consume(&c->in, p.used); /* what *data points to stays until the buffer is filled */
        if (ev != CHANNEL_NONE)
            return ev;
    }
}
