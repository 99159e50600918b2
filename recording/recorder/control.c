/* Connections, requests, answers. */
#include "recording/recorder/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/session.h"

#define CONNECTIONS_MAX 64
#define QUEUE_MAX 4096      /* messages a peer may leave unread */
#define STATUS_SESSIONS 600 /* that fit a message */
#define TRUSTED_MAX 16

struct message {
    struct message *next;
    json_t *body;
    int fd;
};

/* An `open` that is not answered yet. */
struct pending {
    struct pending *next;
    struct control_conn *conn;
    json_t *rid;
};

struct control_conn {
    struct control_conn *next;
    struct control *control;
    int fd;
    struct loop_fd *watch;
    struct message *first, **last;
    size_t queued;
    struct pending *pending;
};

struct control {
    struct recorder *r;
    int fd;
    struct loop_fd *watch;
    struct control_conn *conns;
    size_t count;
    uid_t trusted[TRUSTED_MAX];
    size_t trusted_count;
};

/* ---- connections ---------------------------------------------------------------------------- */

static void message_free(struct message *m) {
    json_decref(m->body);
    if (m->fd >= 0)
        close(m->fd);
    free(m);
}

static void conn_free(struct control_conn *n) {
    struct control *c = n->control;
    for (struct control_conn **p = &c->conns; *p; p = &(*p)->next)
        if (*p == n) {
            *p = n->next;
            c->count--;
            break;
        }
    for (struct pending *q = n->pending, *next; q; q = next) {
        next = q->next;
        session_forget(c->r, q);
        json_decref(q->rid);
        free(q);
    }
    for (struct message *m = n->first, *next; m; m = next) {
        next = m->next;
        message_free(m);
    }
    loop_fd_remove(n->watch);
    close(n->fd);
    free(n);
}

static void flush(struct control_conn *n) {
    while (n->first) {
        struct message *m = n->first;
        struct err e = { 0 };
        if (ctl_send(n->fd, m->body, &m->fd, m->fd >= 0, &e) < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                break;
            log_warning("control: %s", e.text); /* gone: reading tells; too large: ours to mend */
        }
        n->first = m->next;
        if (!n->first)
            n->last = &n->first;
        n->queued--;
        message_free(m);
    }
    loop_fd_events(n->watch, (short)(POLLIN | (n->first ? POLLOUT : 0)));
}

/* Takes the body over; the descriptor is duplicated. A peer that does not read is dropped by its
 * own next request, since its answers are. */
static void post(struct control_conn *n, json_t *body, int fd) {
    struct message *m = n->queued < QUEUE_MAX ? calloc(1, sizeof *m) : NULL;
    if (!m || !body) {
        json_decref(body);
        free(m);
        shutdown(n->fd, SHUT_RDWR);
        return;
    }
    m->body = body;
    m->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    *n->last = m;
    n->last = &m->next;
    n->queued++;
    flush(n);
}

static void reply(struct control_conn *n, json_t *rid, json_t *body, const struct err *e, int fd) {
    if (!body)
        body = json_pack("{s:b, s:i, s:s}", "ok", 0, "status", e->status, "error", e->text);
    else
        json_object_set_new(body, "ok", json_true());
    if (body && rid)
        json_object_set(body, "rid", rid);
    post(n, body, fd);
}

/* ---- requests ------------------------------------------------------------------------------- */

static json_t *op_new(struct control_conn *n, const json_t *msg, struct err *e) {
    struct recorder *r = n->control->r;
    struct session *s = session_new(r, msg, e);
    if (!s)
        return NULL;
    const struct sign_key *k = session_key(s);
    return json_pack("{s:s, s:s, s:I}", "publicKey", sign_key_public_base64(k), "keyid",
                     sign_key_id(k), "clockOffsetMs", (json_int_t)r->clock_offset_ms);
}

static struct session *find(struct control_conn *n, const json_t *msg, struct err *e) {
    struct session *s = session_find(n->control->r, json_str(msg, "id", ""));
    if (!s)
        err_set(e, STATUS_RESOURCE_NOT_FOUND, "no such session");
    return s;
}

static void on_opened(void *arg, struct session *s, int fd, const struct err *e) {
    struct pending *q = arg, **p = &q->conn->pending;
    (void)s;
    while (*p != q)
        p = &(*p)->next;
    *p = q->next;
    reply(q->conn, q->rid, fd >= 0 ? json_object() : NULL, e, fd);
    json_decref(q->rid);
    free(q);
}

/* Answered later, unless it is refused at once. */
static int op_open(struct control_conn *n, const json_t *msg, json_t *rid, struct err *e) {
    struct session *s = find(n, msg, e);
    struct pending *q = s ? calloc(1, sizeof *q) : NULL;
    if (!s)
        return -1;
    if (!q)
        return err_set(e, STATUS_SERVER_BUSY, "no memory");
    if (session_open(s, json_object_get(msg, "envelope"), on_opened, q, e) < 0) {
        free(q);
        return -1;
    }
    *q = (struct pending){ .next = n->pending, .conn = n, .rid = json_incref(rid) };
    n->pending = q;
    return 0;
}

static json_t *op_drop(struct control_conn *n, const json_t *msg, struct err *e) {
    struct session *s = find(n, msg, e);
    if (!s)
        return NULL;
    session_drop(s);
    return json_object();
}

static json_t *op_seal(struct control_conn *n, const json_t *msg, struct err *e) {
    struct session *s = find(n, msg, e);
    if (!s || session_seal(s, json_object_get(msg, "envelope"), e) < 0) {
        if (s)
            log_error("session %s: %s", session_id(s), e->text);
        return NULL;
    }
    return json_object();
}

static json_t *op_status(struct control_conn *n, const json_t *msg, struct err *e) {
    struct recorder *r = n->control->r;
    struct buf text __attribute__((cleanup(buf_fini)));
    (void)msg;
    buf_init(&text, 65536);
    session_measure(r);
    metric_set(&r->metrics.spool_bytes, (int64_t)spooler_bytes(r->spooler));
    r->metrics.spool_failures.value = (int64_t)spooler_failures(r->spooler);
    metric_set(&r->metrics.clock, r->clock_offset_ms);
    metric_set(&r->metrics.store_up, !r->store_away);
    if (recorder_metrics_write(&r->metrics, &text) < 0) {
        err_set(e, STATUS_SERVER_ERROR, "status: too large");
        return NULL;
    }
    return json_pack("{s:o, s:s, s:s}", "sessions", session_status(r, STATUS_SESSIONS), "metrics",
                     buf_str(&text), "store", r->store_away ? r->store_why : "ok");
}

static const struct {
    const char *op;
    json_t *(*fn)(struct control_conn *n, const json_t *msg, struct err *e);
} ops[] = { { "new", op_new }, { "drop", op_drop }, { "seal", op_seal }, { "status", op_status } };

static void request(struct control_conn *n, const json_t *msg) {
    const char *op = json_str(msg, "op", "");
    json_t *rid = json_object_get(msg, "rid"), *answer = NULL;
    struct err e = { 0 };
    err_set(&e, STATUS_CLIENT_BAD_REQUEST, "unknown op");
    if (strcmp(op, "open") == 0) {
        if (op_open(n, msg, rid, &e) == 0)
            return;
    } else {
        for (size_t i = 0; i < ARRAY_LEN(ops); i++)
            if (strcmp(op, ops[i].op) == 0)
                answer = ops[i].fn(n, msg, &e);
    }
    /* A seal is an answer itself, unless authd wants to hear how it was taken. */
    if (strcmp(op, "seal") != 0 || rid)
        reply(n, rid, answer, &e, -1);
    else
        json_decref(answer);
}

static void on_conn(void *arg, int fd, short revents) {
    struct control_conn *n = arg;
    (void)fd;
    if (revents & POLLOUT)
        flush(n);
    if (!(revents & (POLLIN | POLLHUP | POLLERR)))
        return;
    struct err e = { 0 };
    int fds[FDPASS_MAX];
    size_t nfds = FDPASS_MAX;
    _json_ json_t *msg = ctl_recv(n->fd, fds, &nfds, &e);
    if (!msg && *e.text && errno == EAGAIN)
        return;
    if (!msg) {
        if (*e.text)
            log_warning("control: %s", e.text);
        conn_free(n);
        return;
    }
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]); /* no request brings one */
    request(n, msg);
}

/* ---- the socket ----------------------------------------------------------------------------- */

static bool trusted(const struct control *c, int fd) {
    uid_t uid;
    pid_t pid;
    if (ctl_peer(fd, &uid, &pid) < 0)
        return false;
    if (uid == geteuid())
        return true;
    for (size_t i = 0; i < c->trusted_count; i++)
        if (c->trusted[i] == uid)
            return true;
    log_warning("control: uid %u (pid %d) is not trusted", (unsigned)uid, (int)pid);
    return false;
}

static void on_listen(void *arg, int fd, short revents) {
    struct control *c = arg;
    (void)revents;
    int sock = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (sock < 0)
        return;
    struct control_conn *n =
        c->count < CONNECTIONS_MAX && trusted(c, sock) ? calloc(1, sizeof *n) : NULL;
    if (n)
        n->watch = loop_fd_add(c->r->loop, sock, POLLIN, on_conn, n);
    if (!n || !n->watch) {
        free(n);
        close(sock);
        return;
    }
    n->control = c;
    n->fd = sock;
    n->last = &n->first;
    n->next = c->conns;
    c->conns = n;
    c->count++;
    control_ask_seals(c->r, NULL, n);
}

static void ask(struct control_conn *n, const struct session *s) {
    const json_t *predicate = session_predicate(s);
    if (predicate)
        post(n,
             json_pack("{s:s, s:s, s:s, s:o}", "op", "ended", "id", session_id(s), "prefix",
                       session_prefix(s), "predicate", json_deep_copy(predicate)),
             -1);
}

void control_ask_seals(struct recorder *r, struct session *only, struct control_conn *to) {
    if (!r->control)
        return;
    for (struct control_conn *n = to ? to : r->control->conns; n; n = to ? NULL : n->next) {
        if (only)
            ask(n, only);
        for (struct session *s = only ? NULL : r->sessions; s; s = session_next(s))
            ask(n, s);
    }
}

static int add_trusted(const char *item, void *arg) {
    struct control *c = arg;
    char *end;
    unsigned long uid = strtoul(item, &end, 10);
    if (*end || end == item || uid > UINT32_MAX || c->trusted_count == TRUSTED_MAX)
        return -1;
    c->trusted[c->trusted_count++] = (uid_t)uid;
    return 0;
}

struct control *control_new(struct recorder *r, const char *path, const char *uids, struct err *e) {
    struct control *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    c->r = r;
    c->fd = conf_each(uids ? uids : "", add_trusted, c) == 0
                ? ctl_listen(path, 0660, e)
                : err_set(e, 0, "trusted-uids: at most %d numbers", TRUSTED_MAX);
    if (c->fd >= 0) {
        fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
        c->watch = loop_fd_add(r->loop, c->fd, POLLIN, on_listen, c);
    }
    if (c->watch)
        return c;
    control_free(c);
    return NULL;
}

void control_free(struct control *c) {
    if (!c)
        return;
    while (c->conns)
        conn_free(c->conns);
    loop_fd_remove(c->watch);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}
