/* The spool's thread: in each round it takes what a session gathered, writes it, syncs once. What
 * could not be written is kept and tried again, so a full disk stops acknowledgements and nothing
 * else; the log is cut back to its last whole record first. */
#include "recording/recorder/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "recording/file.h"
#include "recording/recorder/record.h"

#define LOG_BYTES (4u << 20)    /* a log larger than this is followed by a new one */
#define IDLE_BYTES (512u << 10) /* one with nothing to keep goes when it is larger than this */
#define PENDING_MAX (96u << 20) /* more than a session may ever hold */
#define LIST_PENDING_MAX (64u << 20)
#define ROUND_US 30000 /* rounds start at least this far apart: one sync for many frames */
#define RETRY_US 500000

enum task_kind { TASK_STATE, TASK_REMOVE };

struct task {
    struct task *next;
    enum task_kind kind;
    size_t len;
    uint8_t data[];
};

struct log {
    uint32_t k;
    uint64_t bytes, last_seq, last_object;
};

struct spool {
    struct spooler *owner;
    char id[UUID_LEN + 1];
    const struct spool_events *events; /* the loop's; NULL after spool_free() */
    void *arg;
    atomic_int refs;
    atomic_size_t unwritten;

    /* Under the owner's lock. */
    struct spool *next;
    bool queued;
    struct buf log, list;
    uint64_t seq, objects, lines, files; /* what will be durable once the above is written */
    uint64_t acked, stored;
    struct task *tasks, **tasks_end;

    /* The thread's. */
    struct buf out_log, out_list;
    uint64_t out_seq, out_objects, out_lines, out_files;
    struct task *out_tasks;
    struct log *logs; /* those that are there, oldest first */
    size_t log_count, log_cap;
    uint32_t next_log;
    int log_fd, list_fd; /* of the last log; -1: a new one next time */
    bool failing;
};

struct spooler {
    struct loop *loop;
    int folder;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct spool *first, **last;
    size_t waiting;
    bool stop, hurry;
    atomic_uint_fast64_t bytes, failures;
};

/* ---- events --------------------------------------------------------------------------------- */

struct event {
    struct spool *s;
    uint64_t seq, objects, lines, files;
    bool failing;
    char why[160];
};

static void unref(struct spool *s) {
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    buf_fini(&s->log);
    buf_fini(&s->list);
    buf_fini(&s->out_log);
    buf_fini(&s->out_list);
    for (struct task *t = s->tasks, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    if (s->log_fd >= 0)
        close(s->log_fd);
    if (s->list_fd >= 0)
        close(s->list_fd);
    free(s->logs);
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
    unref(s);
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
    unref(s);
    return -1;
}

/* ---- files (the thread) --------------------------------------------------------------------- */

static void file_name(const struct spool *s, const char *suffix, char out[NAME_MAX]) {
    snprintf(out, NAME_MAX, "%s%s", s->id, suffix);
}

static void log_name(const struct spool *s, uint32_t k, char out[NAME_MAX]) {
    snprintf(out, NAME_MAX, "%s.%08u.log", s->id, k);
}

static int add_log(struct spool *s, struct log log) {
    s->next_log = log.k + 1;
    if (s->log_count == s->log_cap) {
        size_t cap = s->log_cap ? s->log_cap * 2 : 4;
        struct log *more = realloc(s->logs, cap * sizeof *more);
        if (!more)
            return -1;
        s->logs = more;
        s->log_cap = cap;
    }
    s->logs[s->log_count++] = log;
    return 0;
}

static void close_log(struct spool *s) {
    int saved = errno;
    if (s->log_fd >= 0)
        close(s->log_fd);
    s->log_fd = -1;
    errno = saved;
}

static int next_log(struct spool *s) {
    char name[NAME_MAX];
    if (s->log_fd >= 0)
        close(s->log_fd);
    log_name(s, s->next_log, name);
    s->log_fd =
        openat(s->owner->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (s->log_fd >= 0 && fsync(s->owner->folder) == 0 &&
        add_log(s, (struct log){ .k = s->next_log }) == 0)
        return 0;
    close_log(s);
    return -1;
}

static int write_log(struct spool *s) {
    if (s->out_log.len == 0)
        return 0;
    if ((s->log_fd < 0 || s->logs[s->log_count - 1].bytes > LOG_BYTES) && next_log(s) < 0)
        return -1;
    struct log *log = &s->logs[s->log_count - 1];
    if (file_write_all(s->log_fd, s->out_log.data, s->out_log.len) < 0 ||
        fdatasync(s->log_fd) < 0) {
        int saved = errno;
        if (ftruncate(s->log_fd, (off_t)log->bytes) < 0)
            close_log(s); /* its tail is unknown: a new log next time */
        errno = saved;
        return -1;
    }
    log->bytes += s->out_log.len;
    log->last_seq = s->out_seq;
    log->last_object = s->out_objects;
    atomic_fetch_add(&s->owner->bytes, s->out_log.len);
    atomic_fetch_sub(&s->unwritten, s->out_log.len);
    buf_clear(&s->out_log);
    return 0;
}

static int write_list(struct spool *s) {
    char name[NAME_MAX];
    if (s->out_list.len == 0)
        return 0;
    file_name(s, ".list", name);
    if (s->list_fd < 0)
        s->list_fd =
            openat(s->owner->folder, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->list_fd < 0)
        return -1;
    off_t size = lseek(s->list_fd, 0, SEEK_END);
    if (file_write_all(s->list_fd, s->out_list.data, s->out_list.len) < 0) {
        int saved = errno;
        if (ftruncate(s->list_fd, size) < 0) {
            close(s->list_fd);
            s->list_fd = -1;
        }
        errno = saved;
        return -1;
    }
    buf_clear(&s->out_list);
    return 0;
}

static int remove_log(struct spool *s, const struct log *log) {
    char name[NAME_MAX];
    log_name(s, log->k, name);
    if (unlinkat(s->owner->folder, name, 0) < 0 && errno != ENOENT)
        return -1;
    atomic_fetch_sub(&s->owner->bytes, log->bytes);
    return 0;
}

/* Logs that hold nothing unstored. The list says so from now on, so it is synced first. */
static int drop_logs(struct spool *s, uint64_t acked, uint64_t stored) {
    size_t n = 0;
    while (n < s->log_count && s->logs[n].last_seq <= acked && s->logs[n].last_object <= stored)
        n++;
    /* Not a new file for each key that is pressed. */
    if (n > 0 && n == s->log_count && s->log_fd >= 0 && s->logs[n - 1].bytes < IDLE_BYTES)
        n--;
    if (n == 0)
        return 0;
    if (s->list_fd >= 0 && fdatasync(s->list_fd) < 0)
        return -1;
    if (n == s->log_count)
        close_log(s);
    size_t gone = 0;
    for (; gone < n && remove_log(s, &s->logs[gone]) == 0; gone++)
        ;
    s->log_count -= gone;
    memmove(s->logs, s->logs + gone, s->log_count * sizeof *s->logs);
    return gone == n ? 0 : -1;
}

/* Zeros over a file that has lost its name: it held a key. */
static int wipe(int fd) {
    static const uint8_t zeros[4096];
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof zeros)
        if (pwrite(fd, zeros, MIN_OF(sizeof zeros, (size_t)(st.st_size - at)), at) < 0)
            return -1;
    return fdatasync(fd);
}

static int replace_state(struct spool *s, const struct task *t) {
    char name[NAME_MAX];
    file_name(s, ".json", name);
    _close_ int old = openat(s->owner->folder, name, O_WRONLY | O_CLOEXEC);
    if (file_replace_at(s->owner->folder, name, t->data, t->len, 0600, NULL) < 0)
        return -1;
    return old >= 0 ? wipe(old) : 0;
}

static int remove_all(struct spool *s) {
    static const char *const suffixes[] = { ".list", ".json" }; /* the state last */
    char name[NAME_MAX];
    close_log(s);
    while (s->log_count > 0 && remove_log(s, &s->logs[s->log_count - 1]) == 0)
        s->log_count--;
    if (s->log_count > 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        file_name(s, suffixes[i], name);
        if (unlinkat(s->owner->folder, name, 0) < 0 && errno != ENOENT)
            return -1;
    }
    return fsync(s->owner->folder);
}

static int do_tasks(struct spool *s) {
    for (struct task *t; (t = s->out_tasks);) {
        if ((t->kind == TASK_STATE ? replace_state(s, t) : remove_all(s)) < 0)
            return -1;
        s->out_tasks = t->next;
        free(t);
    }
    return 0;
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

/* True when it must be tried again. */
static bool work(struct spool *s) {
    uint64_t acked, stored;
    pthread_mutex_lock(&s->owner->lock);
    take(s, &acked, &stored);
    pthread_mutex_unlock(&s->owner->lock);
    if (write_log(s) == 0 && write_list(s) == 0 && drop_logs(s, acked, stored) == 0 &&
        do_tasks(s) == 0) {
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
    drop_logs(s, acked, stored);
    if (!s->failing)
        s->failing = post(s, true, why) == 0;
    return true;
}

static void enqueue(struct spool *s) {
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
                enqueue(s);
            again |= retry;
            unref(s);
        }
        if (again && !p->stop)
            due = clock_us() + RETRY_US;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the loop's side ------------------------------------------------------------------------ */

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

struct spool *spool_new(struct spooler *p, const char *id, const struct spool_events *events,
                        void *arg) {
    struct spool *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->owner = p;
    s->events = events;
    s->arg = arg;
    s->log_fd = s->list_fd = -1;
    s->tasks_end = &s->tasks;
    atomic_init(&s->refs, 1);
    snprintf(s->id, sizeof s->id, "%s", id);
    buf_init(&s->log, PENDING_MAX);
    buf_init(&s->out_log, PENDING_MAX);
    buf_init(&s->list, LIST_PENDING_MAX);
    buf_init(&s->out_list, LIST_PENDING_MAX);
    return s;
}

void spool_add_log(struct spool *s, uint32_t k, uint64_t bytes, uint64_t last_seq,
                   uint64_t last_object) {
    add_log(s, (struct log){
                   .k = k, .bytes = bytes, .last_seq = last_seq, .last_object = last_object });
    atomic_fetch_add(&s->owner->bytes, bytes);
    s->seq = MAX_OF(s->seq, last_seq);
    s->objects = MAX_OF(s->objects, last_object);
}

void spool_set_lines(struct spool *s, uint64_t lines) {
    s->lines = lines;
}

void spool_free(struct spool *s) {
    if (!s)
        return;
    s->events = NULL;
    unref(s);
}

size_t spool_pending(const struct spool *s) {
    return atomic_load(&s->unwritten);
}

static int done(struct spool *s, int result, size_t before) {
    if (result == 0) {
        atomic_fetch_add(&s->unwritten, s->log.len - before);
        enqueue(s);
    }
    pthread_mutex_unlock(&s->owner->lock);
    return result;
}

int spool_frame(struct spool *s, const struct tap_header *h, const void *data) {
    pthread_mutex_lock(&s->owner->lock);
    size_t before = s->log.len;
    int r = record_add_frame(&s->log, h, data);
    if (r == 0)
        s->seq = h->sequence;
    return done(s, r, before);
}

int spool_object(struct spool *s, uint64_t number, const struct list_entry *entry,
                 const void *object, size_t len) {
    pthread_mutex_lock(&s->owner->lock);
    size_t before = s->log.len;
    int r = record_add_object(&s->log, entry, object, len);
    if (r == 0)
        s->objects = number;
    return done(s, r, before);
}

int spool_stored(struct spool *s, const struct list_entry *entry, uint64_t acked,
                 uint64_t objects) {
    pthread_mutex_lock(&s->owner->lock);
    int r = entry ? list_entry_write(entry, &s->list) : 0;
    if (r == 0)
        s->lines += entry != NULL;
    s->acked = MAX_OF(s->acked, acked);
    s->stored = MAX_OF(s->stored, objects);
    return done(s, r, s->log.len);
}

static uint64_t add_task(struct spool *s, enum task_kind kind, const void *data, size_t len) {
    struct task *t = calloc(1, sizeof *t + len);
    if (!t)
        return 0;
    t->kind = kind;
    t->len = len;
    if (len)
        memcpy(t->data, data, len);
    pthread_mutex_lock(&s->owner->lock);
    *s->tasks_end = t;
    s->tasks_end = &t->next;
    uint64_t number = ++s->files;
    s->owner->hurry = true; /* somebody waits for a session to begin or to end */
    pthread_cond_signal(&s->owner->wake);
    done(s, 0, s->log.len);
    return number;
}

uint64_t spool_state(struct spool *s, const void *data, size_t len) {
    return add_task(s, TASK_STATE, data, len);
}

uint64_t spool_remove(struct spool *s) {
    return add_task(s, TASK_REMOVE, NULL, 0);
}
