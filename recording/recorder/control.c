/* Requests and answers. */
#include "recording/recorder/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/holder.h"
#include "recording/recorder/logger.h"
#include "recording/recorder/session.h"
#include "recording/dsse.h"
#include "recording/server.h"

#define STATUS_SESSIONS 600 /* that fit a message */

/* An `open` or `leaf` that is not answered yet. */
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
    size_t conns;
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
                     buf_str(&text), "store",
                     r->store_away  ? r->store_why
                     : *r->door_why ? r->door_why
                                    : "ok");
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

static json_t *place_json(const struct logger_place *place) {
    return json_pack("{s:I, s:s}", "index", (json_int_t)place->index, "leaf", place->hash);
}

static void on_opened(void *arg, struct session *s, int fd, const struct err *e) {
    struct pending *q = arg;
    server_reply(q->conn, q->rid, fd >= 0 ? place_json(session_place(s)) : NULL, e, fd);
    pending_free(q);
}

static struct pending *pending_new(struct control *c, struct server_conn *n, json_t *rid,
                                   struct err *e) {
    struct pending *q = calloc(1, sizeof *q);
    if (!q) {
        err_set(e, STATUS_SERVER_BUSY, "no memory");
        return NULL;
    }
    *q = (struct pending){
        .next = c->pending, .control = c, .conn = server_conn_ref(n), .rid = json_incref(rid)
    };
    c->pending = q;
    return q;
}

static int op_open(struct control *c, struct server_conn *n, const json_t *msg, json_t *rid,
                   struct err *e) {
    struct session *s = find(c->r, msg, e);
    struct pending *q = s ? pending_new(c, n, rid, e) : NULL;
    if (!q)
        return -1;
    if (session_open(s, json_object_get(msg, "envelope"), on_opened, q, e) == 0)
        return 0;
    pending_free(q);
    return -1;
}

/* ---- leaves --------------------------------------------------------------------------------- */

static void on_logged(void *arg, const struct logger_place *place) {
    struct pending *q = arg;
    server_reply(q->conn, q->rid, place_json(place), NULL, -1);
    pending_free(q);
}

/* What it says must be what it is logged as, under a signature that is good in itself. */
static int leaf_check(const json_t *envelope, int kind, const char *session, struct leaf_said *said,
                      json_t **statement, struct err *e) {
    struct dsse d = { 0 };
    _sign_key_ struct sign_key *signer = NULL;
    int r = dsse_read(envelope, &d, e);
    *statement = r == 0 ? dsse_statement(&d, e) : NULL;
    r = *statement ? leaf_said(*statement, said, e) : -1;
    if (r == 0 && ((int)said->kind != kind ||
                   strcmp(said->session ? said->session : "", session ? session : "") != 0))
        r = err_set(e, STATUS_CLIENT_BAD_REQUEST, "leaf: its statement is about something else");
    if (r == 0) {
        signer = sign_key_from_base64(said->public_key, e);
        r = signer ? dsse_verify(&d, signer, e) : -1;
    }
    dsse_fini(&d);
    return r;
}

static int op_leaf(struct control *c, struct server_conn *n, const json_t *msg, json_t *rid,
                   struct err *e) {
    const char *session = json_str(msg, "session", NULL);
    const json_t *envelope = json_object_get(msg, "envelope");
    int kind = leaf_kind_parse(json_str(msg, "kind", ""));
    struct leaf_said said;
    _json_ json_t *statement = NULL;
    if (kind < 0 || kind == LEAF_OPEN || kind == LEAF_SEAL)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "leaf: of no kind that is asked for");
    if (leaf_check(envelope, kind, session, &said, &statement, e) < 0)
        return -1;
    if (logger_trouble(c->r->logger))
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "the log cannot be written now: %s",
                       logger_trouble(c->r->logger));
    const struct leaf leaf = {
        .kind = (enum leaf_kind)kind, .at = said.at, .session = session, .envelope = envelope
    };
    struct pending *q = pending_new(c, n, rid, e);
    if (!q)
        return -1;
    if (logger_add(c->r->logger, &leaf, false, 0, on_logged, q, e) == 0)
        return 0;
    pending_free(q);
    return -1;
}

static void on_held(void *arg, const struct logger_place *place, size_t objects,
                    const struct err *e) {
    struct pending *q = arg;
    json_t *answer = place ? place_json(place) : NULL;
    if (answer)
        json_object_set_new(answer, "objects", json_integer((json_int_t)objects));
    server_reply(q->conn, q->rid, answer, e, -1);
    pending_free(q);
}

static int op_hold(struct control *c, struct server_conn *n, const json_t *msg, json_t *rid,
                   struct err *e) {
    const char *id = json_str(msg, "id", "");
    struct leaf_said said;
    _json_ json_t *statement = NULL;
    struct holder_want want = { .session = id,
                                .prefix = json_str(msg, "prefix", ""),
                                .on = json_flag(msg, "on", false),
                                .envelope = json_object_get(msg, "envelope") };
    if (leaf_check(want.envelope, LEAF_HOLD, id, &said, &statement, e) < 0)
        return -1;
    if (json_flag(said.detail, "on", !want.on) != want.on)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "hold: its statement says something else");
    want.at = said.at;
    struct pending *q = pending_new(c, n, rid, e);
    if (!q)
        return -1;
    if (holder_set(c->r->holder, &want, on_held, q, e) == 0)
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
    if (strcmp(op, "checkpoint") == 0 && !rid) {
        logger_signed(c->r->logger, msg);
        return;
    }
    if (strcmp(op, "open") == 0 || strcmp(op, "leaf") == 0 || strcmp(op, "hold") == 0) {
        if ((*op == 'o' ? op_open : *op == 'l' ? op_leaf : op_hold)(c, n, msg, rid, &e) == 0)
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

struct post {
    const json_t *body;
};

static void post_one(void *arg, struct server_conn *n) {
    const struct post *p = arg;
    server_post(n, json_deep_copy(p->body), -1);
}

void control_post(struct recorder *r, json_t *body) {
    struct post p = { body };
    if (r->control)
        server_each(r->control->server, post_one, &p);
    json_decref(body);
}

bool control_listened(const struct recorder *r) {
    return r->control && r->control->conns > 0;
}

static void on_connected(void *arg, struct server_conn *n) {
    struct control *c = arg;
    c->conns++;
    logger_connected(c->r->logger);
    for (struct session *s = c->r->sessions; s; s = session_next(s))
        ask(n, s);
}

static void on_closed(void *arg, struct server_conn *n) {
    struct control *c = arg;
    c->conns--;
    for (struct pending *q = c->pending, *next; q; q = next) {
        next = q->next;
        if (q->conn == n) {
            session_forget(c->r, q);
            logger_forget(c->r->logger, q);
            holder_forget(c->r->holder, q);
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
