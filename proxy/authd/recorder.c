/* The thread reads; callers send, and wait for their answer by number. */
#include "proxy/authd/recorder.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/stats.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define SEND_S 5

struct call {
    struct call *next;
    int64_t rid;
    pthread_cond_t done;
    json_t *answer; /* NULL and over: the line was cut */
    int fd;
    bool over;
};

struct recorder {
    char *path;
    recorder_ask_fn *ask;
    recorder_trust_fn *trust;
    void *arg;
    int stop; /* eventfd */
    pthread_t thread;
    bool running;
    pthread_mutex_t sending; /* one packet at a time; taken before `lock` */
    pthread_mutex_t lock;    /* what follows */
    int sock;                /* -1: away */
    int64_t last_rid;
    struct call *calls;
};

/* ---- calls ----------------------------------------------------------------------------------- */

static int send_packet(struct recorder *r, json_t *msg, struct err *e) {
    pthread_mutex_lock(&r->sending);
    pthread_mutex_lock(&r->lock);
    int sock = r->sock;
    pthread_mutex_unlock(&r->lock);
    /* The thread closes the socket under `sending`, so it stays ours while we send. */
    int rc = sock < 0 ? err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "the recorder is away")
                      : ctl_send(sock, msg, NULL, 0, e);
    pthread_mutex_unlock(&r->sending);
    return rc;
}

static void unlink_call(struct recorder *r, struct call *c) {
    struct call **p = &r->calls;
    while (*p && *p != c)
        p = &(*p)->next;
    if (*p)
        *p = c->next;
}

static json_t *judge(json_t *answer, struct err *e) {
    if (json_flag(answer, "ok", false))
        return answer;
    err_set(e, (int)json_num(answer, "status", STATUS_SERVER_ERROR), "%s",
            json_str(answer, "error", "the recorder refused"));
    json_decref(answer);
    return NULL;
}

json_t *recorder_call(struct recorder *r, json_t *msg, int timeout_ms, int *fd, struct err *e) {
    _json_ json_t *held = msg;
    struct call c = { .fd = -1 };
    const struct timespec until = clock_deadline((uint64_t)MAX_OF(timeout_ms, 0));
    pthread_condattr_t attr;
    if (fd)
        *fd = -1;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c.done, &attr);
    pthread_condattr_destroy(&attr);

    pthread_mutex_lock(&r->lock);
    c.rid = ++r->last_rid;
    c.next = r->calls;
    r->calls = &c;
    pthread_mutex_unlock(&r->lock);
    json_object_set_new(held, "rid", json_integer(c.rid));

    int rc = send_packet(r, held, e);
    if (rc)
        err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "the recorder went away");
    pthread_mutex_lock(&r->lock);
    while (rc == 0 && !c.over && pthread_cond_timedwait(&c.done, &r->lock, &until) == 0)
        ;
    unlink_call(r, &c);
    pthread_mutex_unlock(&r->lock);
    pthread_cond_destroy(&c.done);
    if (rc == 0 && !c.over)
        err_set(e, STATUS_UPSTREAM_TIMEOUT, "the recorder did not answer within %d s",
                timeout_ms / 1000);
    else if (rc == 0 && !c.answer)
        err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "the recorder went away");
    json_t *answer = c.answer ? judge(c.answer, e) : NULL;
    if (answer && fd)
        *fd = c.fd;
    else if (c.fd >= 0)
        close(c.fd);
    return answer;
}

bool recorder_up(struct recorder *r) {
    pthread_mutex_lock(&r->lock);
    bool up = r->sock >= 0;
    pthread_mutex_unlock(&r->lock);
    return up;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Takes msg: the caller that waits becomes its only owner, so that no tree is shared by threads. */
static void on_answer(struct recorder *r, json_t *msg, int fd) {
    int64_t rid = json_num(msg, "rid", 0);
    pthread_mutex_lock(&r->lock);
    struct call *c = r->calls;
    while (c && (c->rid != rid || c->over))
        c = c->next;
    if (c) {
        c->answer = steal_ptr(msg);
        c->fd = steal_fd(&fd);
        c->over = true;
        pthread_cond_signal(&c->done);
    }
    pthread_mutex_unlock(&r->lock);
    json_decref(msg);
    if (fd >= 0) /* its caller has given up */
        close(fd);
}

/* Takes msg. */
static void on_message(struct recorder *r, json_t *msg, int fd) {
    struct err e = { 0 };
    if (json_object_get(msg, "rid")) {
        on_answer(r, msg, fd);
        return;
    }
    _json_ json_t *held = msg;
    if (fd >= 0)
        close(fd);
    _json_ json_t *answer = r->ask(r->arg, held);
    if (answer && send_packet(r, answer, &e))
        log_warning("recorder: %s", e.text);
}

static void cut(struct recorder *r) {
    pthread_mutex_lock(&r->sending);
    pthread_mutex_lock(&r->lock);
    int sock = r->sock;
    r->sock = -1;
    for (struct call *c = r->calls; c; c = c->next) {
        c->over = true;
        pthread_cond_signal(&c->done);
    }
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_unlock(&r->sending);
    metric_set(&stats_recorder_up, 0);
    if (sock >= 0)
        close(sock);
}

static int join_up(struct recorder *r, struct err *e) {
    uid_t uid = 0;
    pid_t pid = 0;
    struct timeval limit = { SEND_S, 0 };
    _close_ int sock = ctl_connect(r->path, e);
    if (sock < 0)
        return -1;
    if (ctl_peer(sock, &uid, &pid) || !r->trust(r->arg, uid))
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "user %u at %s is not trusted", uid, r->path);
    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    pthread_mutex_lock(&r->lock);
    r->sock = steal_fd(&sock);
    pthread_mutex_unlock(&r->lock);
    metric_set(&stats_recorder_up, 1);
    return 0;
}

/* Until the line is cut (false) or we are to stop (true). */
static bool serve(struct recorder *r) {
    int sock = r->sock; /* only this thread changes it */
    for (;;) {
        struct pollfd fds[2] = { { sock, POLLIN, 0 }, { r->stop, POLLIN, 0 } };
        struct err e = { 0 };
        int fd[FDPASS_MAX];
        size_t nfds = FDPASS_MAX;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return false;
        if (fds[1].revents)
            return true;
        if (!fds[0].revents)
            continue;
        errno = 0;
        _json_ json_t *msg = ctl_recv(sock, fd, &nfds, &e);
        if (!msg && errno == EAGAIN)
            continue;
        if (!msg) {
            log_warning("the recorder went away%s%s", *e.text ? ": " : "", e.text);
            return false;
        }
        for (size_t i = 1; i < nfds; i++)
            close(fd[i]);
        on_message(r, steal_ptr(msg), nfds ? fd[0] : -1);
    }
}

static void *run(void *arg) {
    struct recorder *r = arg;
    int wait = 0;
    bool told = false;
    for (;;) {
        struct pollfd stop = { r->stop, POLLIN, 0 };
        struct err e = { 0 };
        if (poll(&stop, 1, wait) > 0)
            return NULL;
        if (join_up(r, &e)) {
            if (!told)
                log_warning("the recorder cannot be reached: %s", e.text);
            told = true;
            wait = wait ? MIN_OF(wait * 2, BACKOFF_MAX_MS) : BACKOFF_MIN_MS;
            continue;
        }
        log_info("connected to the recorder");
        told = false;
        wait = BACKOFF_MIN_MS;
        bool stopped = serve(r);
        cut(r);
        if (stopped)
            return NULL;
    }
}

struct recorder *recorder_new(const char *path, recorder_ask_fn *ask, recorder_trust_fn *trust,
                              void *arg, struct err *e) {
    struct recorder *r = calloc(1, sizeof *r);
    if (!r) {
        err_set(e, 0, "no memory for the recorder's line");
        return NULL;
    }
    r->ask = ask;
    r->trust = trust;
    r->arg = arg;
    r->sock = -1;
    r->path = strdup(path);
    r->stop = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&r->sending, NULL);
    pthread_mutex_init(&r->lock, NULL);
    if (r->path && r->stop >= 0 && pthread_create(&r->thread, NULL, run, r) == 0) {
        r->running = true;
        return r;
    }
    err_set(e, 0, "no thread for the recorder's line");
    recorder_free(r);
    return NULL;
}

void recorder_free(struct recorder *r) {
    if (!r)
        return;
    uint64_t one = 1;
    if (r->running && write(r->stop, &one, sizeof one) == sizeof one)
        pthread_join(r->thread, NULL);
    cut(r);
    if (r->stop >= 0)
        close(r->stop);
    pthread_mutex_destroy(&r->sending);
    pthread_mutex_destroy(&r->lock);
    free(r->path);
    free(r);
}
