/* See authd.h. */
#include "proxy/proxy/authd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define CALLS_MAX 4096 /* waiting for an answer */
#define RETRY_MS 200
#define SWEEP_MS 1000

struct authd_call {
    struct authd_call *next, **link;
    int64_t rid;
    uint64_t deadline; /* uv_now */
    json_t *unsent;    /* not yet on the socket */
    authd_answer_fn *fn;
    void *arg;
};

struct authd {
    uv_loop_t *loop;
    char path[108];
    int fd; /* -1: away */
    uv_poll_t poll;
    int poll_closing; /* libuv still holds the handle of a lost line */
    uv_timer_t timer; /* retry while away, sweep of deadlines */
    int64_t last_rid;
    struct authd_call *calls;
    struct authd_call **tail;
    size_t count;
    size_t unsent;
};

static void on_poll(uv_poll_t *p, int status, int events);

static void unlink_call(struct authd *a, struct authd_call *c) {
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    else
        a->tail = c->link;
    a->count--;
    if (c->unsent) {
        json_decref(c->unsent);
        a->unsent--;
    }
}

static void finish(struct authd *a, struct authd_call *c, const json_t *answer, int fd) {
    unlink_call(a, c);
    if (c->fn)
        c->fn(c->arg, answer, fd);
    else if (fd >= 0)
        close(fd);
    free(c);
}

static void watch(struct authd *a) {
    uv_poll_start(&a->poll, UV_READABLE | (a->unsent ? UV_WRITABLE : 0), on_poll);
}

static void on_poll_closed(uv_handle_t *h) {
    ((struct authd *)h->data)->poll_closing = 0;
}

static void line_lost(struct authd *a, const char *why) {
    if (a->fd < 0)
        return;
    log_warning("authd is away (%s); running sessions go on, new ones wait for it", why);
    uv_poll_stop(&a->poll);
    a->poll_closing = 1;
    uv_close((uv_handle_t *)&a->poll, on_poll_closed);
    close(a->fd);
    a->fd = -1;
    while (a->calls)
        finish(a, a->calls, NULL, -1);
}

static void try_connect(struct authd *a) {
    if (a->poll_closing)
        return;
    struct err e = { 0 };
    int fd = ctl_connect(a->path, &e);
    if (fd < 0) {
        log_debug("authd: %s", e.text);
        return;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    memset(&a->poll, 0, sizeof a->poll);
    if (uv_poll_init(a->loop, &a->poll, fd) != 0) {
        close(fd);
        return;
    }
    a->poll.data = a;
    a->fd = fd;
    watch(a);
    log_info("connected to authd");
}

static void on_timer(uv_timer_t *t) {
    struct authd *a = t->data;
    if (a->fd < 0)
        try_connect(a);
    uint64_t now = uv_now(a->loop);
    for (struct authd_call *c = a->calls, *next; c; c = next) {
        next = c->next;
        if (now >= c->deadline)
            finish(a, c, NULL, -1);
    }
    uv_timer_start(&a->timer, on_timer, a->fd < 0 ? RETRY_MS : SWEEP_MS, 0);
}

/* Send what waits, in order. */
static void flush(struct authd *a) {
    for (struct authd_call *c = a->calls; c && a->unsent; c = c->next) {
        if (!c->unsent)
            continue;
        struct err e = { 0 };
        if (ctl_send(a->fd, c->unsent, NULL, 0, &e) < 0) {
            if (errno == EAGAIN)
                return;
            line_lost(a, e.text);
            return;
        }
        json_decref(c->unsent);
        c->unsent = NULL;
        a->unsent--;
    }
}

static void receive(struct authd *a) {
    for (int i = 0; i < 64 && a->fd >= 0; i++) {
        int fds[FDPASS_MAX];
        size_t nfds = ARRAY_LEN(fds);
        struct err e = { 0 };
        errno = 0;
        _json_ json_t *m = ctl_recv(a->fd, fds, &nfds, &e);
        if (!m) {
            if (errno != EAGAIN)
                line_lost(a, e.text[0] ? e.text : "it closed the line");
            return;
        }
        int fd = nfds > 0 ? fds[0] : -1;
        for (size_t k = 1; k < nfds; k++)
            close(fds[k]);
        int64_t rid = json_num(m, "rid", -1);
        struct authd_call *c = a->calls;
        while (c && c->rid != rid)
            c = c->next;
        if (c)
            finish(a, c, m, fd);
        else if (fd >= 0)
            close(fd); /* its asker has given up */
    }
}

static void on_poll(uv_poll_t *p, int status, int events) {
    struct authd *a = p->data;
    if (status < 0) {
        line_lost(a, uv_strerror(status));
        return;
    }
    if (events & UV_READABLE)
        receive(a);
    if (a->fd >= 0)
        flush(a);
    if (a->fd >= 0)
        watch(a);
}

struct authd *authd_new(uv_loop_t *loop, const char *run, struct err *e) {
    struct authd *a = calloc(1, sizeof *a);
    if (!a) {
        err_set(e, 0x0200, "out of memory");
        return NULL;
    }
    a->loop = loop;
    a->fd = -1;
    a->tail = &a->calls;
    if (snprintf(a->path, sizeof a->path, "%s/authd.sock", run) >= (int)sizeof a->path) {
        err_set(e, 0x0200, "run: '%s' is too long for a socket's path", run);
        free(a);
        return NULL;
    }
    uv_timer_init(loop, &a->timer);
    a->timer.data = a;
    uv_timer_start(&a->timer, on_timer, 0, 0);
    return a;
}

void authd_free(struct authd *a) {
    if (!a)
        return;
    line_lost(a, "stopping");
    uv_timer_stop(&a->timer);
    free(a);
}

struct authd_call *authd_send(struct authd *a, json_t *request, int timeout_ms, authd_answer_fn *fn,
                              void *arg) {
    if (a->fd < 0 || a->count >= CALLS_MAX) {
        json_decref(request);
        return NULL;
    }
    struct authd_call *c = calloc(1, sizeof *c);
    if (!c) {
        json_decref(request);
        return NULL;
    }
    c->rid = ++a->last_rid;
    c->deadline = uv_now(a->loop) + (uint64_t)timeout_ms;
    c->fn = fn;
    c->arg = arg;
    json_object_set_new(request, "rid", json_integer(c->rid));
    c->unsent = request;
    a->unsent++;
    c->link = a->tail;
    *a->tail = c;
    a->tail = &c->next;
    a->count++;
    /* Sent from the loop, so that a lost line never calls back into the sender. */
    watch(a);
    return c;
}

void authd_cancel(struct authd_call *c) {
    if (c)
        c->fn = NULL;
}
