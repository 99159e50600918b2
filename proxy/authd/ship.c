/* Position: RUN/authd/ship.<sink> holds "<inode> <offset>". A file that was moved away is read to
 * its end before the new one. */
#include "proxy/authd/ship.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define LOOK_MS 2000
#define BACKOFF_MAX_MS 30000
#define SINKS 2

static const struct ship_sink *const sinks[SINKS] = { &ship_opensearch, &ship_syslog };

#define EACH(what, text, kind, help_) \
    static struct metric what[SINKS] = { \
        { .name = text, .type = kind, .help = help_, .labels = "sink=\"opensearch\"" }, \
        { .name = text, .type = kind, .help = help_, .labels = "sink=\"syslog\"" } \
    }
EACH(sent, "guacamole_audit_shipped_bytes_total", METRIC_COUNTER, "Audit events delivered.");
EACH(behind, "guacamole_audit_behind_bytes", METRIC_GAUGE, "Audit events not delivered yet.");
EACH(failures, "guacamole_audit_ship_failures_total", METRIC_COUNTER, "Attempts that failed.");
EACH(rejections, "guacamole_audit_rejected_total", METRIC_COUNTER,
     "Audit events that a sink refuses for good; the audit file has them.");

int ship_metrics(struct buf *out) {
    struct metric *const rows[] = { &sent[0],     &sent[1],     &behind[0],     &behind[1],
                                    &failures[0], &failures[1], &rejections[0], &rejections[1] };
    return metrics_write(rows, ARRAY_LEN(rows), out);
}

struct line { /* one sink */
    struct ship *ship;
    size_t index;
    void *state;
    pthread_t thread;
    bool running;
    int fd; /* the audit file, or the one before it */
    ino_t inode;
    off_t at;
    char position[400];
};

struct ship {
    char *path;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool stopping;
    unsigned long wakes;
    struct line lines[SINKS];
};

/* ---- where it stands ------------------------------------------------------------------------- */

static void keep_position(struct line *l) {
    char text[64], fresh[420];
    int n = snprintf(text, sizeof text, "%ju %jd\n", (uintmax_t)l->inode, (intmax_t)l->at);
    snprintf(fresh, sizeof fresh, "%s.new", l->position);
    _close_ int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, (size_t)n) != n || rename(fresh, l->position) < 0)
        log_warning("%s: %s; after a restart some audit events are sent again", l->position,
                    strerror(errno));
}

static bool open_at(struct line *l, const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0 || (l->inode && st.st_ino != l->inode)) {
        close(fd);
        return false;
    }
    l->fd = fd;
    l->inode = st.st_ino;
    if (l->at > st.st_size) /* it was emptied in place */
        l->at = 0;
    return true;
}

/* The file that it was in, here or moved away as logrotate does; else the present one's start. */
static bool find_file(struct line *l) {
    char old[PATH_MAX];
    snprintf(old, sizeof old, "%s.1", l->ship->path);
    if (open_at(l, l->ship->path) || (l->inode && open_at(l, old)))
        return true;
    l->inode = 0;
    l->at = 0;
    return open_at(l, l->ship->path);
}

static void read_position(struct line *l) {
    char text[64] = "";
    uintmax_t inode;
    intmax_t at;
    _close_ int fd = open(l->position, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 &&
        sscanf(text, "%ju %jd", &inode, &at) == 2 && at >= 0) {
        l->inode = (ino_t)inode;
        l->at = (off_t)at;
    }
}

/* At the end of a file that is the audit file no more: on to the new one. */
static bool next_file(struct line *l) {
    struct stat st;
    if (stat(l->ship->path, &st) < 0 || st.st_ino == l->inode)
        return false;
    close(l->fd);
    l->fd = -1;
    l->inode = 0;
    l->at = 0;
    return find_file(l);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Whole lines from where it stands: their size, 0: none. */
static size_t read_lines(struct line *l, char *room) {
    ssize_t n = pread(l->fd, room, SHIP_BYTES_MAX, l->at);
    size_t end = 0, lines = 0;
    for (size_t i = 0; n > 0 && i < (size_t)n && lines < SHIP_LINES_MAX; i++)
        if (room[i] == '\n') {
            end = i + 1;
            lines++;
        }
    return end;
}

static void tell_behind(struct line *l) {
    struct stat st;
    if (l->fd >= 0 && fstat(l->fd, &st) == 0)
        metric_set(&behind[l->index], (int64_t)(st.st_size - l->at));
}

/* 1: something went out, 0: nothing to do, -1: it failed. */
static int step(struct line *l, char *room, struct err *e) {
    size_t rejected = 0;
    if (l->fd < 0 && !find_file(l))
        return 0;
    size_t n = read_lines(l, room);
    if (n == 0)
        return next_file(l) ? 1 : 0;
    if (sinks[l->index]->send(l->state, room, n, &rejected, e) < 0)
        return -1;
    l->at += (off_t)n;
    metric_add(&sent[l->index], (int64_t)n);
    metric_add(&rejections[l->index], (int64_t)rejected);
    keep_position(l);
    return 1;
}

/* Until the next event, or so long. True: it is over. */
static bool rest(struct ship *s, unsigned long *seen, int ms, bool wake) {
    const struct timespec until = clock_deadline((uint64_t)MAX_OF(ms, 0));
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !(wake && s->wakes != *seen) &&
           pthread_cond_timedwait(&s->woken, &s->lock, &until) == 0)
        ;
    *seen = s->wakes;
    bool over = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return over;
}

static void *run(void *arg) {
    struct line *l = arg;
    const char *name = sinks[l->index]->name;
    unsigned long seen = 0;
    int backoff = 0;
    char *room = malloc(SHIP_BYTES_MAX);
    while (room) {
        struct err e = { 0 };
        int r = step(l, room, &e);
        tell_behind(l);
        if (r < 0) {
            metric_add(&failures[l->index], 1);
            if (!backoff)
                log_warning("audit events wait for %s: %s", name, e.text);
            backoff = backoff ? MIN_OF(backoff * 2, BACKOFF_MAX_MS) : 500;
        } else if (r > 0 && backoff) {
            log_info("%s takes audit events again", name);
            backoff = 0;
        }
        if (r <= 0 && rest(l->ship, &seen, r < 0 ? backoff : LOOK_MS, r == 0))
            break;
        if (r > 0 && rest(l->ship, &seen, 0, false))
            break;
    }
    free(room);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int start(struct ship *s, size_t i, const struct config *c, struct err *e) {
    struct line *l = &s->lines[i];
    l->ship = s;
    l->index = i;
    l->fd = -1;
    snprintf(l->position, sizeof l->position, "%s/authd/ship.%s", c->run, sinks[i]->name);
    l->state = sinks[i]->open(c, e);
    if (!l->state)
        return e->text[0] ? -1 : 0;
    if (!s->path)
        return err_set(e, 0, "audit-%s needs audit-file, which holds what is not sent yet",
                       sinks[i]->name);
    read_position(l);
    l->running = pthread_create(&l->thread, NULL, run, l) == 0;
    return l->running ? 0 : err_set(e, 0, "no thread for audit-%s", sinks[i]->name);
}

struct ship *ship_new(const struct config *c, struct err *e) {
    struct ship *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;
    if (!s) {
        err_set(e, 0, "no memory for the audit");
        return NULL;
    }
    s->path = c->audit_file && *c->audit_file ? strdup(c->audit_file) : NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->woken, &attr);
    pthread_condattr_destroy(&attr);
    for (size_t i = 0; i < SINKS; i++)
        s->lines[i].fd = -1;
    for (size_t i = 0; i < SINKS; i++)
        if (start(s, i, c, e) < 0) {
            ship_free(s);
            return NULL;
        }
    return s;
}

void ship_wake(struct ship *s) {
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->wakes++;
    pthread_cond_broadcast(&s->woken);
    pthread_mutex_unlock(&s->lock);
}

void ship_free(struct ship *s) {
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->woken);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < SINKS; i++) {
        struct line *l = &s->lines[i];
        if (l->running)
            pthread_join(l->thread, NULL);
        if (l->state)
            sinks[i]->close(l->state);
        if (l->fd >= 0)
            close(l->fd);
    }
    pthread_cond_destroy(&s->woken);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}
