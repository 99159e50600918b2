/* The pool: two queues under one lock. */
#include "recording/work.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "guacd/base/util.h"

struct queue {
    struct job *first, **last;
};

struct thread {
    struct work *pool;
    struct worker worker;
    pthread_t id;
    bool started, urgent_only;
};

struct work {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t wake, urgent_wake; /* the latter for the one that takes urgent jobs only */
    struct queue urgent, normal;
    bool stop;
    size_t count;
    struct thread threads[];
};

static struct job *take(struct queue *q) {
    struct job *j = q->first;
    if (j && !(q->first = j->next))
        q->last = &q->first;
    return j;
}

static void deliver(void *arg) {
    struct job *j = arg;
    j->done(j);
}

static void *work_loop(void *arg) {
    struct thread *t = arg;
    struct work *w = t->pool;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct job *j = take(&w->urgent);
        if (!j && !t->urgent_only)
            j = take(&w->normal);
        if (!j) {
            pthread_cond_wait(t->urgent_only ? &w->urgent_wake : &w->wake, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        j->run(j, &t->worker);
        while (loop_post(w->loop, deliver, j) < 0)
            usleep(10000); /* no memory: the job must not be lost */
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct work *work_new(struct loop *l, const struct store_target *t, int threads, int timeout_ms,
                      int level, struct err *e) {
    size_t count = (size_t)threads + 1;
    struct work *w = calloc(1, sizeof *w + count * sizeof *w->threads);
    if (!w) {
        err_set(e, 0, "no memory for workers");
        return NULL;
    }
    w->loop = l;
    w->urgent.last = &w->urgent.first;
    w->normal.last = &w->normal.first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->urgent_wake, NULL);
    for (; w->count < count; w->count++) {
        struct thread *one = &w->threads[w->count];
        one->pool = w;
        one->urgent_only = w->count == 0;
        one->worker.store = store_new(t, e);
        one->worker.codec = one->worker.store ? chunk_codec_new(level, e) : NULL;
        if (!one->worker.codec) {
            store_free(one->worker.store);
            work_free(w, 0);
            return NULL;
        }
        store_timeout(one->worker.store, timeout_ms);
    }
    return w;
}

int work_start(struct work *w, struct err *e) {
    for (size_t i = 0; i < w->count; i++) {
        struct thread *t = &w->threads[i];
        t->started = pthread_create(&t->id, NULL, work_loop, t) == 0;
        if (!t->started)
            return err_set(e, 0, "cannot start a worker");
    }
    return 0;
}

bool work_free(struct work *w, int wait_ms) {
    if (!w)
        return true;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000 + 1;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->wake);
    pthread_cond_broadcast(&w->urgent_wake);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->count; i++)
        if (w->threads[i].started && pthread_timedjoin_np(w->threads[i].id, NULL, &until) != 0)
            return false; /* a store that hangs: the process ends without it */
    for (size_t i = 0; i < w->count; i++) {
        store_free(w->threads[i].worker.store);
        chunk_codec_free(w->threads[i].worker.codec);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->urgent_wake);
    free(w);
    return true;
}

void work_submit(struct work *w, struct job *j) {
    struct queue *q = j->urgent ? &w->urgent : &w->normal;
    j->next = NULL;
    pthread_mutex_lock(&w->lock);
    *q->last = j;
    q->last = &j->next;
    pthread_cond_signal(&w->wake);
    if (j->urgent)
        pthread_cond_signal(&w->urgent_wake);
    pthread_mutex_unlock(&w->lock);
}
