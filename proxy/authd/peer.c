/* Answers leave in order: once one waits, all wait. */
#include "proxy/authd/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/log.h"

struct peer_answer {
    struct peer_answer *next;
    json_t *answer;
    int fd;
};

static void drop(struct peer_answer *a) {
    if (a->fd >= 0)
        close(a->fd);
    json_decref(a->answer);
    free(a);
}

struct peer *peer_new(struct loop *l, int fd, unsigned uid, void (*flush)(void *arg), void *arg) {
    struct peer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->refs = 1;
    p->loop = l;
    p->flush = flush;
    p->arg = arg;
    p->fd = fd;
    p->uid = uid;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

struct peer *peer_ref(struct peer *p) {
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void peer_unref(struct peer *p) {
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    while (p->first) {
        struct peer_answer *a = p->first;
        p->first = a->next;
        drop(a);
    }
    close(p->fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void peer_cut(struct peer *p, const char *why) {
    if (!atomic_exchange(&p->closed, true))
        log_warning("a proxy is cut off: %s", why);
    shutdown(p->fd, SHUT_RDWR);
}

/* Under the lock: as many as fit. */
static void send_waiting(struct peer *p) {
    while (p->first) {
        struct peer_answer *a = p->first;
        struct err e = { 0 };
        if (!atomic_load(&p->closed) && ctl_send(p->fd, a->answer, &a->fd, a->fd >= 0, &e)) {
            if (errno == EAGAIN)
                return;
            peer_cut(p, e.text);
        }
        p->first = a->next;
        if (!p->first)
            p->last = &p->first;
        p->waiting--;
        p->stuck_since = clock_ms();
        drop(a);
    }
}

void peer_answer(struct peer *p, json_t *answer, int fd) {
    struct peer_answer *a = calloc(1, sizeof *a);
    if (!a) {
        json_decref(answer);
        if (fd >= 0)
            close(fd);
        peer_cut(p, "no memory for an answer");
        return;
    }
    *a = (struct peer_answer){ NULL, answer, fd };
    pthread_mutex_lock(&p->lock);
    bool was_empty = !p->first;
    if (was_empty)
        p->stuck_since = clock_ms();
    *p->last = a;
    p->last = &a->next;
    p->waiting++;
    if (was_empty)
        send_waiting(p);
    bool tell = was_empty && p->first, full = p->waiting > PEER_WAITING_MAX;
    pthread_mutex_unlock(&p->lock);
    if (full)
        peer_cut(p, "it does not take its answers");
    if (tell && loop_post(p->loop, p->flush, p->arg))
        peer_cut(p, "no memory for an answer");
}

void peer_flush(struct peer *p) {
    pthread_mutex_lock(&p->lock);
    send_waiting(p);
    bool more = p->first != NULL;
    pthread_mutex_unlock(&p->lock);
    if (p->watch)
        loop_fd_events(p->watch, more ? POLLIN | POLLOUT : POLLIN);
}

bool peer_is_stuck(struct peer *p) {
    pthread_mutex_lock(&p->lock);
    bool stuck = p->first && clock_ms() - p->stuck_since > PEER_STUCK_MS;
    pthread_mutex_unlock(&p->lock);
    return stuck;
}
