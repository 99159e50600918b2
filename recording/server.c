/* Connections of a control socket. */
#include "recording/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/conf.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define CONNECTIONS_MAX 64
#define QUEUE_MAX 4096 /* messages a peer may leave unread */
#define TRUSTED_MAX 16

struct message {
    struct message *next;
    json_t *body;
    int fd;
};

struct server_conn {
    struct server_conn *next;
    struct server *server;
    int fd, refs;
    bool closed, held;
    struct loop_fd *watch;
    struct message *first, **last;
    size_t queued;
};

struct server {
    struct loop *loop;
    const struct server_events *events;
    void *arg;
    int fd;
    struct loop_fd *watch;
    struct server_conn *conns;
    size_t count;
    uid_t trusted[TRUSTED_MAX];
    size_t trusted_count;
};

/* ---- messages out --------------------------------------------------------------------------- */

static void message_free(struct message *m) {
    json_decref(m->body);
    if (m->fd >= 0)
        close(m->fd);
    free(m);
}

static void watch(struct server_conn *n) {
    loop_fd_events(n->watch, (short)((n->held ? 0 : POLLIN) | (n->first ? POLLOUT : 0)));
}

static void flush(struct server_conn *n) {
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
    watch(n);
}

void server_post(struct server_conn *n, json_t *body, int fd) {
    struct message *m = !n->closed && n->queued < QUEUE_MAX ? calloc(1, sizeof *m) : NULL;
    if (!m || !body) {
        json_decref(body);
        free(m);
        if (!n->closed) /* reading finds it, and closes */
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

void server_reply(struct server_conn *n, json_t *rid, json_t *body, const struct err *e, int fd) {
    if (!body)
        body = json_pack("{s:b, s:i, s:s}", "ok", 0, "status", e->status, "error", e->text);
    else
        json_object_set_new(body, "ok", json_true());
    if (body && rid)
        json_object_set(body, "rid", rid);
    server_post(n, body, fd);
}

/* ---- connections ---------------------------------------------------------------------------- */

struct server_conn *server_conn_ref(struct server_conn *n) {
    n->refs++;
    return n;
}

void server_conn_unref(struct server_conn *n) {
    if (--n->refs == 0)
        free(n);
}

static void conn_close(struct server_conn *n) {
    struct server *s = n->server;
    for (struct server_conn **p = &s->conns; *p; p = &(*p)->next)
        if (*p == n) {
            *p = n->next;
            s->count--;
            break;
        }
    if (s->events->closed)
        s->events->closed(s->arg, n);
    for (struct message *m = n->first, *next; m; m = next) {
        next = m->next;
        message_free(m);
    }
    n->first = NULL;
    loop_fd_remove(n->watch);
    close(n->fd);
    n->closed = true;
    server_conn_unref(n);
}

void server_hold(struct server_conn *n, bool hold) {
    n->held = hold;
    if (!n->closed)
        watch(n);
}

static void on_conn(void *arg, int fd, short revents) {
    struct server_conn *n = arg;
    struct server *s = n->server;
    (void)fd;
    if (revents & POLLOUT)
        flush(n);
    if (n->held || !(revents & (POLLIN | POLLHUP | POLLERR)))
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
        conn_close(n);
        return;
    }
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]); /* no request brings one */
    s->events->request(s->arg, n, msg);
}

static bool trusted(const struct server *s, int fd) {
    uid_t uid;
    pid_t pid;
    if (ctl_peer(fd, &uid, &pid) < 0)
        return false;
    if (uid == geteuid())
        return true;
    for (size_t i = 0; i < s->trusted_count; i++)
        if (s->trusted[i] == uid)
            return true;
    log_warning("control: uid %u (pid %d) is not trusted", (unsigned)uid, (int)pid);
    return false;
}

static void on_listen(void *arg, int fd, short revents) {
    struct server *s = arg;
    (void)revents;
    int sock = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (sock < 0)
        return;
    struct server_conn *n =
        s->count < CONNECTIONS_MAX && trusted(s, sock) ? calloc(1, sizeof *n) : NULL;
    if (n)
        n->watch = loop_fd_add(s->loop, sock, POLLIN, on_conn, n);
    if (!n || !n->watch) {
        free(n);
        close(sock);
        return;
    }
    n->server = s;
    n->fd = sock;
    n->refs = 1;
    n->last = &n->first;
    n->next = s->conns;
    s->conns = n;
    s->count++;
    if (s->events->connected)
        s->events->connected(s->arg, n);
}

void server_each(struct server *s, void (*fn)(void *arg, struct server_conn *n), void *arg) {
    for (struct server_conn *n = s->conns, *next; n; n = next) {
        next = n->next;
        fn(arg, n);
    }
}

/* ---- the socket ----------------------------------------------------------------------------- */

static int add_trusted(const char *item, void *arg) {
    struct server *s = arg;
    unsigned uid;
    if (s->trusted_count == TRUSTED_MAX || conf_uid(item, &uid) < 0)
        return -1;
    s->trusted[s->trusted_count++] = uid;
    return 0;
}

struct server *server_new(struct loop *l, const char *path, const char *uids,
                          const struct server_events *events, void *arg, struct err *e) {
    struct server *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    s->loop = l;
    s->events = events;
    s->arg = arg;
    s->fd = conf_each(uids ? uids : "", add_trusted, s) == 0
                ? ctl_listen(path, 0660, e)
                : err_set(e, 0, "trusted-uids: at most %d, each a number or a user that there is",
                          TRUSTED_MAX);
    if (s->fd >= 0) {
        fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK);
        s->watch = loop_fd_add(l, s->fd, POLLIN, on_listen, s);
    }
    if (s->watch)
        return s;
    server_free(s);
    return NULL;
}

void server_free(struct server *s) {
    if (!s)
        return;
    while (s->conns)
        conn_close(s->conns);
    loop_fd_remove(s->watch);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}
