/* Requests to the API server: who asks, what, and the answer; then the upgrade to a WebSocket. */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "guacd/backends/kubernetes/kube.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"

/* ---- who asks ---------------------------------------------------------------------------------
 */

static int header(struct buf *out, const char *name, const char *value, size_t len, struct err *e) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                           "what goes into %s holds a control character", name);
    return buf_printf(out, "%s: %.*s\r\n", name, (int)len, value);
}

/* Lines of "key=value": what the audit log of the cluster shall hold beside the user. */
static int extras(struct buf *out, const char *lines, struct err *e) {
    while (*lines) {
        size_t n = strcspn(lines, "\n"), key = strcspn(lines, "=\n");
        if (key && key < n) {
            _buf_cleanup_ struct buf name = { 0 };
            buf_init(&name, 512);
            buf_puts(&name, "Impersonate-Extra-");
            char one[256];
            snprintf(one, sizeof one, "%.*s", (int)key, lines);
            http1_escape(&name, one);
            if (header(out, buf_str(&name), lines + key + 1, n - key - 1, e))
                return -1;
        }
        lines += n + (lines[n] == '\n');
    }
    return 0;
}

int ask_token(struct kube *k, const char *token, size_t len, struct err *e) {
    while (len && strchr(" \r\n", token[len - 1]))
        len--;
    if (len && !k->use_tls)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "a token goes by TLS only: set use-ssl, or leave the token out");
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                           "parameter token holds what no token holds");
    buf_wipe(&k->auth);
    buf_init(&k->auth, 64u << 10);
    k->auth.secret = true;
    if (len)
        buf_printf(&k->auth, "Authorization: Bearer %.*s\r\n", (int)len, token);
    return k->auth.failed ? err_set(e, STATUS_CLIENT_BAD_REQUEST, "the token is too long") : 0;
}

int ask_identity(struct kube *k, const struct args *a, struct err *e) {
    const char *token = args_str(a, "token"), *user = args_str(a, "impersonate-user");
    const char *groups = args_str(a, "impersonate-groups"), *uid = args_str(a, "impersonate-uid");
    buf_init(&k->persona, 64u << 10);
    if (ask_token(k, token, strlen(token), e))
        return -1;
    if (!*user && (*groups || *uid || *args_str(a, "impersonate-extra")))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "impersonation needs a user: set impersonate-user");
    if (*user && header(&k->persona, "Impersonate-User", user, strlen(user), e))
        return -1;
    while (*groups) {
        size_t n = strcspn(groups, ",\n");
        if (n && header(&k->persona, "Impersonate-Group", groups, n, e))
            return -1;
        groups += n + (groups[n] ? 1 : 0);
    }
    if (*uid && header(&k->persona, "Impersonate-Uid", uid, strlen(uid), e))
        return -1;
    if (extras(&k->persona, args_str(a, "impersonate-extra"), e))
        return -1;
    return k->persona.failed ? err_set(e, STATUS_CLIENT_BAD_REQUEST, "too many groups") : 0;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static int request(struct kube *k, struct conn *c, const char *path, const char *key,
                   struct err *e) {
    bool six = strchr(k->host, ':');
    buf_printf(&c->out, "GET %s HTTP/1.1\r\nHost: %s%s%s:%d\r\nUser-Agent: guacd/%s\r\n", path,
               six ? "[" : "", k->host, six ? "]" : "", k->port, guac_version);
    if (!key) /* v4 is passed on to the node, which answers 406 to anything but no wish */
        buf_puts(&c->out, "Accept: application/json\r\n");
    buf_add(&c->out, k->auth.data, k->auth.len);
    buf_add(&c->out, k->persona.data, k->persona.len);
    if (key)
        buf_printf(&c->out,
                   "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\n",
                   key);
    buf_puts(&c->out, "\r\n");
    return c->out.failed ? err_set(e, STATUS_CLIENT_BAD_REQUEST, "the request is too long") : 0;
}

static int not_http(const struct kube *k, const struct err *why, struct err *e) {
    return err_set(e, STATUS_UPSTREAM_ERROR, "what listens at %s, port %d is no API server (%s)%s",
                   k->host, k->port, why->text, k->use_tls ? "" : "; it may want use-ssl");
}

static int lost(const struct kube *k, struct err *e) {
    return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                   "the API server at %s closed the connection without an answer%s", k->host,
                   k->use_tls ? "" : "; it may want use-ssl");
}

int ask_begin(struct kube *k, struct conn *c, const char *path, bool upgrade, struct err *e) {
    unsigned char nonce[16];
    char key[32];
    c->ask.answered = false;
    *c->ask.want = '\0';
    if (!upgrade)
        return request(k, c, path, NULL, e);
    if (RAND_bytes(nonce, sizeof nonce) != 1)
        return err_set(e, STATUS_SERVER_ERROR, "no random numbers");
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    ws_accept(key, c->ask.want);
    return request(k, c, path, key, e);
}

static int upgraded(struct kube *k, struct conn *c, struct err *e) {
    const struct http1_head *h = &c->ask.head;
    if (!h->upgrade || strcmp(h->accept, c->ask.want) != 0)
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s does not upgrade to a WebSocket as it should",
                       k->host);
    c->v5 = strcmp(h->protocol, "v5.channel.k8s.io") == 0;
    if (!c->v5 && strcmp(h->protocol, "v4.channel.k8s.io") != 0)
        return err_set(e, STATUS_UPSTREAM_ERROR,
                       "%s speaks neither v5.channel.k8s.io nor v4.channel.k8s.io", k->host);
    return 101;
}

static int more(struct kube *k, struct conn *c, struct err *e) {
    return c->ended ? lost(k, e) : 0;
}

static int read_head(struct kube *k, struct conn *c, struct err *e) {
    struct err why = { 0 };
    size_t used;
    enum http1_result r = http1_head(c->in.data, c->in.len, &c->ask.head, &used, &why);
    if (r == HTTP1_BAD)
        return not_http(k, &why, e);
    if (r == HTTP1_MORE)
        return more(k, c, e);
    buf_consume(&c->in, used);
    http1_body_init(&c->ask.body, &c->ask.head);
    c->ask.answered = true;
    return 1;
}

static int read_body(struct kube *k, struct conn *c, struct buf *body, struct err *e) {
    struct err why = { 0 };
    struct http1_body *b = &c->ask.body;
    size_t used;
    enum http1_result r = http1_body(b, c->in.data, c->in.len, c->ended, &used, body, &why);
    buf_consume(&c->in, used);
    if (r == HTTP1_BAD)
        return not_http(k, &why, e);
    if (r == HTTP1_MORE)
        return more(k, c, e);
    if (c->ask.head.close || b->until_close) /* the next question needs another connection */
        c->ended = true;
    return 1;
}

int ask_step(struct kube *k, struct conn *c, struct buf *body, struct err *e) {
    if (conn_flush(c))
        return lost(k, e);
    conn_fill(c, KUBE_READ_BUDGET);
    if (!c->ask.answered) {
        int r = read_head(k, c, e);
        if (r <= 0)
            return r;
        buf_clear(body);
    }
    if (c->ask.head.status == 101 && *c->ask.want)
        return upgraded(k, c, e);
    int r = read_body(k, c, body, e);
    return r > 0 ? c->ask.head.status : r;
}

/* ---- and waiting ------------------------------------------------------------------------------
 */

/* A connection that the server let go between two questions is made again. */
static int fresh(struct kube *k, struct conn *c, uint64_t deadline, struct err *e) {
    if (!c->ended && c->stream.fd >= 0) {
        conn_fill(c, KUBE_READ_BUDGET); /* its end may wait there */
        if (!c->ended)
            return 0;
    }
    conn_close(c);
    return conn_again(k, c, deadline, e);
}

static int ask(struct kube *k, struct conn *c, const char *path, bool upgrade, struct buf *body,
               struct err *e) {
    uint64_t deadline = clock_ms() + (uint64_t)k->timeout_ms;
    if (fresh(k, c, deadline, e) || ask_begin(k, c, path, upgrade, e))
        return -1;
    for (;;) {
        int status = ask_step(k, c, body, e);
        if (status)
            return status;
        if (conn_wait(k, c, deadline, e))
            return -1;
    }
}

int ask_get(struct kube *k, struct conn *c, const char *path, struct buf *body, struct err *e) {
    return ask(k, c, path, false, body, e);
}

int ask_upgrade(struct kube *k, struct conn *c, const char *path, struct buf *body, struct err *e) {
    return ask(k, c, path, true, body, e);
}
