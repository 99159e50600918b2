/* Two lanes: what may wait for other programs (a recorder that hangs, a far identity provider)
 * never takes the last workers, so that the page's own questions are always answered. */
#include "proxy/authd/listener.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/lane.h"
#include "proxy/authd/request.h"
#include "proxy/authd/stats.h"

#define PEERS_MAX 64
#define QUEUE_MAX 2048 /* requests of a lane that wait for a worker */
#define PARKED_MAX 20000
#define READ_AT_ONCE 64
#define WAKE_US 50000  /* changes within this wake long polls once */
#define TICK_US 250000 /* between looks for long polls that waited long enough */
#define KEPT_FREE 2    /* workers that the slow lane leaves alone */

struct listener {
    struct authd *a;
    struct loop *loop;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *tick, *wake;
    struct peer *peers;
    size_t peer_count;
    uint64_t refused_at;
    pthread_t *threads;
    size_t thread_count;
    _Atomic bool wake_posted;
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t work;
    struct lane fast, slow;
    struct job *parked;
    size_t parked_count;
    bool stopping;
};

/* ---- peers ----------------------------------------------------------------------------------- */

/* The loop's thread. Requests on their way keep the memory, and their answers go nowhere. */
static void close_peer(struct listener *s, struct peer *p) {
    struct peer **at = &s->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    s->peer_count--;
    atomic_store(&p->closed, true);
    loop_fd_remove(p->watch);
    p->watch = NULL;
    shutdown(p->fd, SHUT_RDWR);
    peer_unref(p);
}

/* Takes answer and fd. */
static void answer(struct peer *p, const json_t *msg, json_t *answer, int fd) {
    json_t *rid = json_object_get(msg, "rid");
    if (rid) /* a copy: the request's tree stays with its own thread */
        json_object_set_new(answer, "rid", json_deep_copy(rid));
    peer_answer(p, answer, fd);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static struct lane *lane_of(struct listener *s, const struct job *j) {
    return request_is_slow(j->msg) ? &s->slow : &s->fast;
}

/* Under the lock. */
static void push(struct listener *s, struct job *j) {
    lane_push(lane_of(s, j), j);
    pthread_cond_signal(&s->work);
}

/* The worker gives the job back: it waits for a change, unless there has been one already. */
static bool park(struct listener *s, struct job *j, const struct request *rq) {
    bool kept = false;
    j->park_until = rq->park_until;
    j->park_generation = rq->park_generation;
    pthread_mutex_lock(&s->lock);
    if (!s->stopping && s->parked_count < PARKED_MAX) {
        kept = true;
        if (authd_generation(s->a) != j->park_generation) {
            push(s, j);
        } else {
            j->next = s->parked;
            s->parked = j;
            metric_set(&stats_parked, (int64_t)++s->parked_count);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return kept;
}

static void run_job(struct listener *s, struct job *j, struct http *http) {
    struct request rq = {
        .a = s->a, .http = http, .msg = j->msg, .uid = j->peer->uid, .waited = j->waited, .fd = -1
    };
    request_run(&rq);
    if (!rq.answer && park(s, j, &rq))
        return;
    if (!rq.answer) /* too many wait */
        rq.answer = request_busy(j->msg);
    if (rq.answer)
        answer(j->peer, j->msg, rq.answer, rq.fd);
    else if (rq.fd >= 0)
        close(rq.fd);
    job_free(j);
}

static void *work(void *arg) {
    struct listener *s = arg;
    struct err e = { 0 };
    struct http *http = http_new(&e);
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct lane *l = &s->fast;
        struct job *j = lane_pop(l);
        if (!j)
            j = lane_pop(l = &s->slow);
        if (!j) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        run_job(s, j, http);
        pthread_mutex_lock(&s->lock);
        if (lane_done(l))
            pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    http_free(http);
    return NULL;
}

/* ---- the loop's thread ----------------------------------------------------------------------- */

/* Long polls: all after a change, else those whose time is up; those of a proxy that is gone end.
 */
static void unpark(struct listener *s, bool all) {
    struct job *gone = NULL;
    uint64_t now = clock_ms();
    pthread_mutex_lock(&s->lock);
    for (struct job **at = &s->parked; *at;) {
        struct job *j = *at;
        bool due = j->park_until <= now;
        if (!all && !due && !atomic_load(&j->peer->closed)) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        s->parked_count--;
        if (atomic_load(&j->peer->closed)) {
            j->next = gone;
            gone = j;
        } else {
            j->waited = due;
            push(s, j);
        }
    }
    metric_set(&stats_parked, (int64_t)s->parked_count);
    pthread_mutex_unlock(&s->lock);
    while (gone) {
        struct job *j = gone;
        gone = j->next;
        job_free(j);
    }
}

static void on_tick(void *arg) {
    struct listener *s = arg;
    unpark(s, false);
    for (struct peer *p = s->peers; p; p = p->next)
        if (peer_is_stuck(p))
            peer_cut(p, "it does not take its answers");
    loop_timer_set(s->tick, TICK_US);
}

static void on_wake_timer(void *arg) {
    struct listener *s = arg;
    atomic_store(&s->wake_posted, false);
    unpark(s, true);
}

static void on_wake(void *arg) {
    struct listener *s = arg;
    loop_timer_set(s->wake, WAKE_US);
}

void listener_wake(struct listener *s) {
    if (!atomic_exchange(&s->wake_posted, true) && loop_post(s->loop, on_wake, s))
        atomic_store(&s->wake_posted, false);
}

/* Takes msg: trees are never shared by threads. Busy is said at once, by the reader itself. */
static void take(struct listener *s, struct peer *p, json_t *msg) {
    struct job *j = job_new(p, msg);
    bool taken = false;
    if (j) {
        pthread_mutex_lock(&s->lock);
        if (lane_of(s, j)->count < QUEUE_MAX) {
            peer_ref(p);
            push(s, j);
            taken = true;
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (taken)
        return;
    free(j);
    _json_ json_t *held = msg;
    metric_add(&stats_busy, 1);
    json_t *busy = request_busy(held);
    if (busy)
        answer(p, held, busy, -1);
}

static void on_flush(void *arg) {
    struct listener *s = arg;
    for (struct peer *p = s->peers; p; p = p->next)
        peer_flush(p);
}

static struct peer *peer_of(struct listener *s, int fd) {
    struct peer *p = s->peers;
    while (p && p->fd != fd)
        p = p->next;
    return p;
}

static void on_peer(void *arg, int fd, short revents) {
    struct listener *s = arg;
    struct peer *p = peer_of(s, fd);
    if (!p)
        return;
    if (revents & POLLOUT)
        peer_flush(p);
    for (int i = 0; i < READ_AT_ONCE; i++) {
        struct err e = { 0 };
        int fds[FDPASS_MAX];
        size_t nfds = FDPASS_MAX;
        errno = 0;
        _json_ json_t *msg = ctl_recv(fd, fds, &nfds, &e);
        if (!msg && errno == EAGAIN)
            return;
        if (!msg) {
            if (*e.text)
                log_warning("a proxy's message: %s", e.text);
            close_peer(s, p);
            return;
        }
        for (size_t k = 0; k < nfds; k++) /* none are asked for */
            close(fds[k]);
        take(s, p, steal_ptr(msg));
    }
}

static void on_connect(void *arg, int fd, short revents) {
    struct listener *s = arg;
    uid_t uid = 0;
    pid_t pid = 0;
    (void)revents;
    int sock = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (sock < 0)
        return;
    struct peer *p = NULL;
    if (s->peer_count < PEERS_MAX && ctl_peer(sock, &uid, &pid) == 0 && authd_trusts(s->a, uid))
        p = peer_new(s->loop, sock, uid, on_flush, s);
    if (!p) {
        if (clock_ms() - s->refused_at > 1000) /* a flood is told once a second */
            log_warning("connections are refused, the last of user %u", uid);
        s->refused_at = clock_ms();
        close(sock);
        return;
    }
    p->next = s->peers;
    s->peers = p;
    s->peer_count++;
    p->watch = loop_fd_add(s->loop, sock, POLLIN, on_peer, s);
    if (!p->watch)
        close_peer(s, p);
}

/* ---- life ------------------------------------------------------------------------------------ */

int listener_open(const struct config *c, struct err *e) {
    char path[400];
    snprintf(path, sizeof path, "%s/authd.sock", c->run);
    return ctl_listen(path, 0660, e);
}

struct listener *listener_new(struct authd *a, struct loop *l, int fd, struct err *e) {
    size_t workers = (size_t)a->conf.workers;
    struct listener *s = calloc(1, sizeof *s);
    if (!s) {
        close(fd);
        err_set(e, 0, "no memory for the listener");
        return NULL;
    }
    s->a = a;
    s->loop = l;
    lane_init(&s->fast, workers);
    lane_init(&s->slow, workers > 2 * KEPT_FREE ? workers - KEPT_FREE : MAX_OF(workers / 2, 1));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    s->threads = calloc(workers, sizeof *s->threads);
    s->tick = loop_timer_new(l, on_tick, s);
    s->wake = loop_timer_new(l, on_wake_timer, s);
    s->fd = fd;
    s->watch = loop_fd_add(l, s->fd, POLLIN, on_connect, s);
    if (!s->threads || !s->tick || !s->wake || !s->watch) {
        listener_free(s);
        return NULL;
    }
    while (s->thread_count < workers &&
           pthread_create(&s->threads[s->thread_count], NULL, work, s) == 0)
        s->thread_count++;
    if (s->thread_count < workers) {
        err_set(e, 0, "no threads for requests");
        listener_free(s);
        return NULL;
    }
    loop_timer_set(s->tick, TICK_US);
    return s;
}

void listener_stop(struct listener *s) {
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->thread_count; i++)
        pthread_join(s->threads[i], NULL);
    s->thread_count = 0;
}

void listener_free(struct listener *s) {
    if (!s)
        return;
    listener_stop(s);
    lane_fini(&s->fast);
    lane_fini(&s->slow);
    while (s->parked) {
        struct job *j = s->parked;
        s->parked = j->next;
        job_free(j);
    }
    while (s->peers)
        close_peer(s, s->peers);
    loop_fd_remove(s->watch);
    if (s->fd >= 0)
        close(s->fd);
    loop_timer_free(s->tick);
    loop_timer_free(s->wake);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    free(s->threads);
    free(s);
}
