/* The spool's thread: in each round it takes what a session gathered, writes it, syncs once. What
 * could not be written is kept and tried again, so a full disk stops acknowledgements and nothing
 * else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "recording/recorder/spool_impl.h"

#define KEPT_BYTES (256u << 10) /* memory kept for the next lot */
#define ROUND_US 100000         /* rounds start at least this far apart: one sync for many frames */
#define RETRY_US 500000

/* ---- events --------------------------------------------------------------------------------- */

struct event {
    struct spool *s;
    uint64_t seq, objects, lines, files;
    bool failing;
    char why[160];
};

static void tasks_free(struct task *t) {
    for (struct task *next; t; t = next) {
        next = t->next;
        free(t);
    }
}

void spool_unref(struct spool *s) {
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    buf_fini(&s->log);
    buf_fini(&s->list);
    buf_fini(&s->out_log);
    buf_fini(&s->out_list);
    tasks_free(s->tasks);
    tasks_free(s->out_tasks);
    spool_disk_fini(&s->disk);
    free(s);
}

static void deliver(void *arg) {
    struct event *v = arg;
    struct spool *s = v->s;
    if (s->events && v->failing)
        s->events->failing(s->arg, *v->why ? v->why : NULL);
    else if (s->events)
        s->events->durable(s->arg, v->seq, v->objects, v->lines, v->files);
    free(v);
    spool_unref(s);
}

static int post(struct spool *s, bool failing, const char *why) {
    struct event *v = malloc(sizeof *v);
    if (!v)
        return -1;
    *v = (struct event){ .s = s,
                         .seq = s->out_seq,
                         .objects = s->out_objects,
                         .lines = s->out_lines,
                         .files = s->out_files,
                         .failing = failing };
    snprintf(v->why, sizeof v->why, "%s", why ? why : "");
    atomic_fetch_add(&s->refs, 1);
    if (loop_post(s->owner->loop, deliver, v) == 0)
        return 0;
    free(v);
    spool_unref(s);
    return -1;
}

/* ---- rounds (the thread) -------------------------------------------------------------------- */

/* Takes what is pending unless the last lot is still unwritten. */
static void take(struct spool *s, uint64_t *acked, uint64_t *stored) {
    if (s->out_log.len == 0 && s->out_list.len == 0 && !s->out_tasks) {
        struct buf log = s->out_log, list = s->out_list;
        s->out_log = s->log;
        s->out_list = s->list;
        s->log = log;
        s->list = list;
        s->out_tasks = s->tasks;
        s->tasks = NULL;
        s->tasks_end = &s->tasks;
        s->out_seq = s->seq;
        s->out_objects = s->objects;
        s->out_lines = s->lines;
        s->out_files = s->files;
    }
    *acked = s->acked;
    *stored = s->stored;
}

static void done_with(struct buf *b) {
    if (b->cap > KEPT_BYTES)
        buf_fini(b);
    else
        buf_clear(b);
}

static int write_all(struct spool *s, uint64_t acked, uint64_t stored) {
    struct spool_disk *d = &s->disk;
    if (s->out_log.len > 0) {
        if (spool_disk_append(d, s->out_log.data, s->out_log.len, s->out_seq, s->out_objects) < 0)
            return -1;
        atomic_fetch_sub(&s->unwritten, s->out_log.len);
        done_with(&s->out_log);
    }
    if (s->out_list.len > 0) {
        if (spool_disk_list(d, s->out_list.data, s->out_list.len) < 0)
            return -1;
        done_with(&s->out_list);
    }
    if (spool_disk_drop(d, acked, stored) < 0)
        return -1;
    for (struct task *t; (t = s->out_tasks);) {
        int r = t->kind == TASK_STATE ? spool_disk_state(d, t->data, t->len) : spool_disk_remove(d);
        if (r < 0)
            return -1;
        s->out_tasks = t->next;
        free(t);
    }
    return 0;
}

/* True when it must be tried again. */
static bool work(struct spool *s) {
    uint64_t acked, stored;
    pthread_mutex_lock(&s->owner->lock);
    take(s, &acked, &stored);
    pthread_mutex_unlock(&s->owner->lock);
    if (write_all(s, acked, stored) == 0) {
        if (s->failing && post(s, true, NULL) < 0)
            return true;
        s->failing = false;
        return post(s, false, NULL) < 0;
    }
    char why[160], reason[96];
    snprintf(why, sizeof why, "the spool cannot be written: %s",
             strerror_r(errno, reason, sizeof reason));
    atomic_fetch_add(&s->owner->failures, 1);
    /* Space may come back by what is stored meanwhile. */
    spool_disk_drop(&s->disk, acked, stored);
    if (!s->failing)
        s->failing = post(s, true, why) == 0;
    return true;
}

void spool_enqueue(struct spool *s) {
    struct spooler *p = s->owner;
    if (!s->queued) {
        s->queued = true;
        s->next = NULL;
        *p->last = s;
        p->last = &s->next;
        p->waiting++;
        atomic_fetch_add(&s->refs, 1);
        pthread_cond_signal(&p->wake);
    }
}

static struct spool *dequeue(struct spooler *p) {
    struct spool *s = p->first;
    p->first = s->next;
    if (!p->first)
        p->last = &p->first;
    p->waiting--;
    s->queued = false;
    return s;
}

/* So that one sync serves many frames; files do not wait. */
static void wait_until(struct spooler *p, uint64_t us) {
    struct timespec t;
    uint64_t now;
    while (!p->hurry && !p->stop && (now = clock_us()) < us) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        uint64_t ns = (uint64_t)t.tv_nsec + (us - now) * 1000;
        t.tv_sec += (time_t)(ns / 1000000000);
        t.tv_nsec = (long)(ns % 1000000000);
        pthread_cond_timedwait(&p->wake, &p->lock, &t);
    }
}

static void *rounds(void *arg) {
    struct spooler *p = arg;
    uint64_t due = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->stop)
            pthread_cond_wait(&p->wake, &p->lock);
        if (!p->first)
            break;
        wait_until(p, due);
        p->hurry = false;
        due = clock_us() + ROUND_US;
        bool again = false;
        /* Who is queued anew meanwhile waits for the next round. */
        for (size_t n = p->waiting; n > 0; n--) {
            struct spool *s = dequeue(p);
            pthread_mutex_unlock(&p->lock);
            bool retry = work(s);
            pthread_mutex_lock(&p->lock);
            if (retry && !p->stop)
                spool_enqueue(s);
            again |= retry;
            spool_unref(s);
        }
        if (again && !p->stop)
            due = clock_us() + RETRY_US;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct spooler *spooler_new(struct loop *l, const char *folder, struct err *e) {
    struct spooler *p = calloc(1, sizeof *p);
    if (!p) {
        err_set(e, 0, "no memory for the spool");
        return NULL;
    }
    p->loop = l;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->folder < 0) {
        err_errno(e, 0, "spool: %s", folder);
        spooler_free(p, 0);
        return NULL;
    }
    return p;
}

int spooler_start(struct spooler *p, struct err *e) {
    p->started = pthread_create(&p->thread, NULL, rounds, p) == 0;
    return p->started ? 0 : err_set(e, 0, "cannot start the spool's thread");
}

void spooler_free(struct spooler *p, int wait_ms) {
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->started) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += wait_ms / 1000 + 1;
        if (pthread_timedjoin_np(p->thread, NULL, &until) != 0)
            return; /* a disk that hangs: the process ends without it */
    }
    if (p->folder >= 0)
        close(p->folder);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    free(p);
}

int spooler_folder(const struct spooler *p) {
    return p->folder;
}

uint64_t spooler_bytes(const struct spooler *p) {
    return atomic_load(&p->bytes);
}

uint64_t spooler_failures(const struct spooler *p) {
    return atomic_load(&p->failures);
}
