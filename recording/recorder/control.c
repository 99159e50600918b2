/* Requests and answers. */
#include "recording/recorder/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/session.h"
#include "recording/server.h"

#define STATUS_SESSIONS 600 /* that fit a message */

/* An `open` that is not answered yet. */
struct pending {
    struct pending *next;
    struct control *control;
    struct server_conn *conn;
    json_t *rid;
};

struct control {
    struct recorder *r;
    struct server *server;
    struct pending *pending;
};

static json_t *op_new(struct recorder *r, const json_t *msg, struct err *e) {
    struct session *s = session_new(r, msg, e);
    if (!s)
        return NULL;
    const struct sign_key *k = session_key(s);
    return json_pack("{s:s, s:s, s:I}", "publicKey", sign_key_public_base64(k), "keyid",
                     sign_key_id(k), "clockOffsetMs", (json_int_t)r->clock_offset_ms);
}

static struct session *find(struct recorder *r, const json_t *msg, struct err *e) {
    struct session *s = session_find(r, json_str(msg, "id", ""));
    if (!s)
        err_set(e, STATUS_RESOURCE_NOT_FOUND, "no such session");
    return s;
}

static json_t *op_drop(struct recorder *r, const json_t *msg, struct err *e) {
    struct session *s = find(r, msg, e);
    if (!s)
        return NULL;
    session_drop(s);
    return json_object();
}

static json_t *op_seal(struct recorder *r, const json_t *msg, struct err *e) {
    struct session *s = find(r, msg, e);
    if (s && session_seal(s, json_object_get(msg, "envelope"), e) == 0)
        return json_object();
    if (s)
        log_error("session %s: %s", session_id(s), e->text);
    return NULL;
}

static json_t *op_status(struct recorder *r, const json_t *msg, struct err *e) {
    struct buf text __attribute__((cleanup(buf_fini)));
    (void)msg;
    buf_init(&text, 65536);
    session_measure(r);
    metric_set(&r->metrics.spool_bytes, (int64_t)spooler_bytes(r->spooler));
    metric_set(&r->metrics.spool_failures, (int64_t)spooler_failures(r->spooler));
    metric_set(&r->metrics.held, (int64_t)r->held);
    metric_set(&r->metrics.clock, r->clock_offset_ms);
    metric_set(&r->metrics.store_up, !r->store_away);
    if (recorder_metrics_write(&r->metrics, &text) < 0) {
        err_set(e, STATUS_SERVER_ERROR, "status: too large");
        return NULL;
    }
    return json_pack("{s:o, s:s, s:s}", "sessions", session_status(r, STATUS_SESSIONS), "metrics",
                     buf_str(&text), "store", r->store_away ? r->store_why : "ok");
}

/* ---- open: answered later, unless it is refused at once ------------------------------------- */

static void pending_free(struct pending *q) {
    struct pending **p = &q->control->pending;
    while (*p != q)
        p = &(*p)->next;
    *p = q->next;
    server_conn_unref(q->conn);
    json_decref(q->rid);
    free(q);
}

static void on_opened(void *arg, struct session *s, int fd, const struct err *e) {
    struct pending *q = arg;
    (void)s;
    server_reply(q->conn, q->rid, fd >= 0 ? json_object() : NULL, e, fd);
    pending_free(q);
}

static int op_open(struct control *c, struct server_conn *n, const json_t *msg, json_t *rid,
                   struct err *e) {
    struct session *s = find(c->r, msg, e);
    struct pending *q = s ? calloc(1, sizeof *q) : NULL;
    if (!q)
        return s ? err_set(e, STATUS_SERVER_BUSY, "no memory") : -1;
    *q = (struct pending){
        .next = c->pending, .control = c, .conn = server_conn_ref(n), .rid = json_incref(rid)
    };
    c->pending = q;
    if (session_open(s, json_object_get(msg, "envelope"), on_opened, q, e) == 0)
        return 0;
    pending_free(q);
    return -1;
}

/* ---- the socket ----------------------------------------------------------------------------- */

static const struct {
    const char *op;
    json_t *(*fn)(struct recorder *r, const json_t *msg, struct err *e);
} ops[] = { { "new", op_new }, { "drop", op_drop }, { "seal", op_seal }, { "status", op_status } };

static void on_request(void *arg, struct server_conn *n, const json_t *msg) {
    struct control *c = arg;
    const char *op = json_str(msg, "op", "");
    json_t *rid = json_object_get(msg, "rid"), *answer = NULL;
    struct err e = { 0 };
    err_set(&e, STATUS_CLIENT_BAD_REQUEST, "unknown op");
    if (strcmp(op, "open") == 0) {
        if (op_open(c, n, msg, rid, &e) == 0)
            return;
    } else {
        for (size_t i = 0; i < ARRAY_LEN(ops); i++)
            if (strcmp(op, ops[i].op) == 0)
                answer = ops[i].fn(c->r, msg, &e);
    }
    /* A seal is an answer itself, unless authd wants to hear how it was taken. */
    if (strcmp(op, "seal") != 0 || rid)
        server_reply(n, rid, answer, &e, -1);
    else
        json_decref(answer);
}

static void ask(struct server_conn *n, const struct session *s) {
    const json_t *predicate = session_predicate(s);
    if (predicate)
        server_post(n,
                    json_pack("{s:s, s:s, s:s, s:o}", "op", "ended", "id", session_id(s), "prefix",
                              session_prefix(s), "predicate", json_deep_copy(predicate)),
                    -1);
}

static void ask_one(void *arg, struct server_conn *n) {
    ask(n, arg);
}

void control_ask_seal(struct recorder *r, struct session *s) {
    if (r->control)
        server_each(r->control->server, ask_one, s);
}

static void on_connected(void *arg, struct server_conn *n) {
    struct control *c = arg;
    for (struct session *s = c->r->sessions; s; s = session_next(s))
        ask(n, s);
}

static void on_closed(void *arg, struct server_conn *n) {
    struct control *c = arg;
    for (struct pending *q = c->pending, *next; q; q = next) {
        next = q->next;
        if (q->conn == n) {
            session_forget(c->r, q);
            pending_free(q);
        }
    }
}

struct control *control_new(struct recorder *r, const char *path, const char *trusted,
                            struct err *e) {
    static const struct server_events events = { on_connected, on_request, on_closed };
    struct control *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    c->r = r;
    c->server = server_new(r->loop, path, trusted, &events, c, e);
    if (c->server)
        return c;
    free(c);
    return NULL;
}

void control_free(struct control *c) {
    if (!c)
        return;
    server_free(c->server);
    free(c);
}
