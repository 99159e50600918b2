/* A poll loop for tens of descriptors. Nothing is freed while callbacks may still stand on it: what
 * is removed is marked dead and swept before the next poll. Timers lie in a binary heap whose room
 * is made with the timer, so that arming one cannot fail. */
#include "guacd/base/loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"

#define SIGNALS 65
/* ppoll sleeps on a clock that stands still while the machine does; timers do not. */
#define LONGEST_SLEEP_US 60000000u

struct loop_fd {
    struct loop *loop;
    size_t index;
    void (*fn)(void *arg, int fd, short revents);
    void *arg;
    int fd;
    short events;
    bool dead;
};

struct loop_timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    uint64_t due, seq; /* seq: the order of arming, for equal times and for one round's end */
    size_t slot;       /* place in the heap + 1; 0: not armed */
};

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct loop_fd **fds;
    struct pollfd *polls; /* parallel to fds */
    size_t nfds, fds_cap;
    bool dead_fds;

    struct loop_timer **heap;
    size_t armed, timers, heap_cap;
    uint64_t seq;

    pthread_mutex_t lock; /* guards the posts */
    struct post *first, **last;
    int wake;
    atomic_bool stop;

    int signals;
    sigset_t mask;
    struct {
        void (*fn)(void *arg, int signo);
        void *arg;
    } handlers[SIGNALS];
};

/* ---- descriptors ----------------------------------------------------------------------------- */

/* poll() reports hang-ups even when nothing is asked for, which would spin: events 0 takes the
 * descriptor out altogether. */
static void arm(struct loop_fd *f) {
    struct pollfd *p = &f->loop->polls[f->index];
    p->fd = f->events ? f->fd : -1;
    p->events = f->events;
}

struct loop_fd *loop_fd_add(struct loop *l, int fd, short events,
                            void (*fn)(void *arg, int fd, short revents), void *arg) {
    if (l->nfds == l->fds_cap) {
        size_t cap = l->fds_cap ? l->fds_cap * 2 : 16;
        struct loop_fd **fds = realloc(l->fds, cap * sizeof *fds);
        if (!fds)
            return NULL;
        l->fds = fds;
        struct pollfd *polls = realloc(l->polls, cap * sizeof *polls);
        if (!polls)
            return NULL;
        l->polls = polls;
        l->fds_cap = cap;
    }
    struct loop_fd *f = malloc(sizeof *f);
    if (!f)
        return NULL;
    *f = (struct loop_fd){
        .loop = l, .index = l->nfds, .fn = fn, .arg = arg, .fd = fd, .events = events
    };
    l->fds[l->nfds] = f;
    l->polls[l->nfds++] = (struct pollfd){ 0 };
    arm(f);
    return f;
}

void loop_fd_events(struct loop_fd *f, short events) {
    f->events = events;
    arm(f);
}

void loop_fd_remove(struct loop_fd *f) {
    if (!f)
        return;
    f->dead = true;
    f->loop->dead_fds = true;
    loop_fd_events(f, 0);
}

static void sweep(struct loop *l) {
    size_t kept = 0;
    for (size_t i = 0; l->dead_fds && i < l->nfds; i++) {
        if (l->fds[i]->dead) {
            free(l->fds[i]);
            continue;
        }
        l->fds[i]->index = kept;
        l->fds[kept] = l->fds[i];
        l->polls[kept++] = l->polls[i];
    }
    if (l->dead_fds)
        l->nfds = kept;
    l->dead_fds = false;
}

static void run_fds(struct loop *l, size_t polled) {
    for (size_t i = 0; i < polled; i++) {
        struct loop_fd *f = l->fds[i];
        short got = l->polls[i].revents;
        l->polls[i].revents = 0;
        /* An earlier callback of this round may have asked for less. */
        if (f->events && (got &= (short)(f->events | POLLERR | POLLHUP | POLLNVAL)))
            f->fn(f->arg, f->fd, got);
    }
}

/* ---- timers ---------------------------------------------------------------------------------- */

static bool before(const struct loop_timer *a, const struct loop_timer *b) {
    return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void place(struct loop *l, size_t i, struct loop_timer *t) {
    l->heap[i] = t;
    t->slot = i + 1;
}

static void sift(struct loop *l, size_t i, struct loop_timer *t) {
    while (i > 0 && before(t, l->heap[(i - 1) / 2])) {
        place(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < l->armed && before(l->heap[child + 1], l->heap[child]))
            child++;
        if (child >= l->armed || !before(l->heap[child], t))
            break;
        place(l, i, l->heap[child]);
        i = child;
    }
    place(l, i, t);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg) {
    if (l->timers == l->heap_cap) {
        size_t cap = l->heap_cap ? l->heap_cap * 2 : 16;
        struct loop_timer **heap = realloc(l->heap, cap * sizeof *heap);
        if (!heap)
            return NULL;
        l->heap = heap;
        l->heap_cap = cap;
    }
    struct loop_timer *t = malloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg };
    l->timers++;
    return t;
}

void loop_timer_stop(struct loop_timer *t) {
    if (!t->slot)
        return;
    struct loop *l = t->loop;
    size_t i = t->slot - 1;
    t->slot = 0;
    struct loop_timer *last = l->heap[--l->armed];
    if (last != t)
        sift(l, i, last);
}

void loop_timer_set(struct loop_timer *t, uint64_t after_us) {
    loop_timer_stop(t);
    uint64_t now = clock_us();
    t->due = after_us < UINT64_MAX - now ? now + after_us : UINT64_MAX;
    t->seq = ++t->loop->seq;
    sift(t->loop, t->loop->armed++, t);
}

int loop_timer_active(const struct loop_timer *t) {
    return t->slot != 0;
}

void loop_timer_free(struct loop_timer *t) {
    if (!t)
        return;
    loop_timer_stop(t);
    t->loop->timers--;
    free(t);
}

/* What is due now; what these callbacks arm waits for the next round, however soon it is due. */
static void run_timers(struct loop *l) {
    uint64_t now = clock_us(), seq = l->seq;
    while (l->armed > 0 && l->heap[0]->due <= now && l->heap[0]->seq <= seq) {
        struct loop_timer *t = l->heap[0];
        loop_timer_stop(t);
        t->fn(t->arg);
    }
}

static uint64_t sleep_us(const struct loop *l) {
    if (l->armed == 0)
        return LONGEST_SLEEP_US;
    uint64_t now = clock_us(), due = l->heap[0]->due;
    return due <= now ? 0 : MIN_OF(due - now, LONGEST_SLEEP_US);
}

/* ---- posts, signals -------------------------------------------------------------------------- */

static void wake(struct loop *l) {
    uint64_t one = 1;
    while (write(l->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

int loop_post(struct loop *l, void (*fn)(void *arg), void *arg) {
    struct post *p = malloc(sizeof *p);
    if (!p)
        return -1;
    *p = (struct post){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&l->lock);
    bool first = l->first == NULL;
    *l->last = p;
    l->last = &p->next;
    pthread_mutex_unlock(&l->lock);
    if (first)
        wake(l);
    return 0;
}

static struct post *take_posts(struct loop *l) {
    pthread_mutex_lock(&l->lock);
    struct post *p = l->first;
    l->first = NULL;
    l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    return p;
}

static void on_wake(void *arg, int fd, short revents) {
    (void)revents;
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0)
        return;
    struct post *next;
    for (struct post *p = take_posts(arg); p; p = next) {
        next = p->next;
        p->fn(p->arg);
        free(p);
    }
}

static void on_signal(void *arg, int fd, short revents) {
    (void)revents;
    struct loop *l = arg;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo < SIGNALS && l->handlers[info.ssi_signo].fn)
            l->handlers[info.ssi_signo].fn(l->handlers[info.ssi_signo].arg, (int)info.ssi_signo);
}

int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg) {
    if (signo <= 0 || signo >= SIGNALS)
        return -1;
    sigaddset(&l->mask, signo);
    pthread_sigmask(SIG_BLOCK, &l->mask, NULL);
    int fd = signalfd(l->signals, &l->mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (l->signals < 0 && !loop_fd_add(l, fd, POLLIN, on_signal, l)) {
        close(fd);
        return -1;
    }
    l->signals = fd;
    l->handlers[signo].fn = fn;
    l->handlers[signo].arg = arg;
    return 0;
}

/* ---- the loop -------------------------------------------------------------------------------- */

struct loop *loop_new(struct err *e) {
    struct loop *l = calloc(1, sizeof *l);
    if (!l) {
        err_errno(e, 0, "cannot make an event loop");
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    sigemptyset(&l->mask);
    l->last = &l->first;
    l->signals = -1;
    l->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake < 0 || !loop_fd_add(l, l->wake, POLLIN, on_wake, l)) {
        err_errno(e, 0, "cannot make an event loop");
        loop_free(l);
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l) {
    if (!l)
        return;
    struct post *next;
    for (struct post *p = take_posts(l); p; p = next) {
        next = p->next;
        free(p);
    }
    for (size_t i = 0; i < l->nfds; i++)
        free(l->fds[i]);
    if (l->wake >= 0)
        close(l->wake);
    if (l->signals >= 0)
        close(l->signals);
    pthread_mutex_destroy(&l->lock);
    free(l->fds);
    free(l->polls);
    free(l->heap);
    free(l);
}

void loop_run(struct loop *l) {
    while (!atomic_load(&l->stop)) {
        sweep(l);
        size_t polled = l->nfds;
        uint64_t us = sleep_us(l);
        struct timespec limit = { .tv_sec = (time_t)(us / 1000000u),
                                  .tv_nsec = (long)(us % 1000000u) * 1000 };
        if (ppoll(l->polls, polled, &limit, NULL) < 0)
            for (size_t i = 0; i < polled; i++)
                l->polls[i].revents = 0;
        run_timers(l);
        run_fds(l, polled);
    }
    sweep(l);
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l) {
    atomic_store(&l->stop, true);
    wake(l);
}
