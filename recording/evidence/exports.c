/* What is asked about exports; the makers look at the folder by themselves. */
#include "recording/evidence/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/export_list.h"
#include "recording/evidence/exports_impl.h"
#include "recording/work.h"

#define ALL_MAX 1000 /* exports there may be, whoever wants them */
#define EXPORTS_IDS_MAX 64
#define END_MS 3000 /* for what runs, at the end */

struct exports *exports_new(const struct exports_config *c, struct err *e) {
    struct exports *x = calloc(1, sizeof *x);
    pthread_condattr_t attr;
    if (!x) {
        err_set(e, 0, "no memory for exports");
        return NULL;
    }
    x->c = *c;
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&x->wake, &attr);
    pthread_condattr_destroy(&attr);
    x->dir = mkdir(c->folder, 0700) < 0 && errno != EEXIST
                 ? -1
                 : open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = x->dir >= 0;
    if (!good)
        err_errno(e, 0, "exports: %s", c->folder);
    for (long i = 0; good && i < c->at_once; i++) {
        x->makers[i] = (struct exports_maker){ .x = x, .store = store_new(c->target, e) };
        good = x->makers[i].store != NULL;
    }
    if (good)
        return x;
    exports_free(x);
    return NULL;
}

int exports_start(struct exports *x, struct err *e) {
    for (long i = 0; i < x->c.at_once; i++) {
        if (pthread_create(&x->makers[i].thread, NULL, exports_maker_run, &x->makers[i]) != 0)
            return err_set(e, 0, "no thread for exports");
        x->makers[i].started = true;
    }
    return 0;
}

static bool all_ended(struct exports *x) {
    bool ended = true;
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < EXPORTS_AT_ONCE_MAX; i++)
        ended = ended && (!x->makers[i].started || x->makers[i].ended);
    pthread_mutex_unlock(&x->lock);
    return ended;
}

bool exports_free(struct exports *x) {
    if (!x)
        return true;
    atomic_store(&x->stop, true);
    pthread_mutex_lock(&x->lock);
    pthread_cond_broadcast(&x->wake);
    pthread_mutex_unlock(&x->lock);
    for (uint64_t until = clock_ms() + END_MS; !all_ended(x) && clock_ms() < until;)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    if (!all_ended(x))
        return false;
    for (size_t i = 0; i < EXPORTS_AT_ONCE_MAX; i++) {
        if (x->makers[i].started)
            pthread_join(x->makers[i].thread, NULL);
        store_free(x->makers[i].store);
    }
    if (x->dir >= 0)
        close(x->dir);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->wake);
    free(x);
    return true;
}

static bool is_of(const struct exports_job *j, const json_t *by) {
    const char *sub = json_str(by, "sub", "");
    return *sub && strcmp(sub, json_str(json_object_get(j->job, "by"), "sub", "")) == 0;
}

static int open_own(struct exports *x, const char *id, const json_t *by, struct exports_job *j,
                    struct err *e) {
    if (exports_job_open(x, id, j, e) < 0)
        return -1;
    if (is_of(j, by))
        return 0;
    exports_job_fini(j);
    return err_set(e, STATUS_RESOURCE_NOT_FOUND, "There is no such export.");
}

/* ---- planning ------------------------------------------------------------------------------- */

struct tally {
    struct exports *x;
    const json_t *by;
    long mine, all;
};

static int on_tally(void *arg, const char *id) {
    struct tally *t = arg;
    struct exports_job j;
    t->all++;
    if (exports_job_open(t->x, id, &j, NULL) < 0)
        return 0;
    t->mine += j.begun && is_of(&j, t->by);
    exports_job_fini(&j);
    return 0;
}

static int may_have_another(struct exports *x, const json_t *by, struct err *e) {
    struct tally t = { .x = x, .by = by };
    exports_each(x, on_tally, &t);
    if (t.mine < x->c.each && t.all < ALL_MAX)
        return 0;
    return err_set(e, STATUS_CLIENT_TOO_MANY,
                   "You have %ld exports already, which is as many as there may be: remove one.",
                   t.mine);
}

static int chosen(const struct export_from *f, const json_t *list, struct export_plan *p, int fd,
                  struct err *e) {
    size_t n = json_array_size(list);
    _free_ char(*ids)[UUID_LEN + 1] = calloc(n ? n : 1, sizeof *ids);
    if (!ids || n == 0 || n > EXPORT_CHOSEN_MAX)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "sessions: 1 to %u ids", EXPORT_CHOSEN_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (!id || !uuid_valid(id, strlen(id)))
            return err_set(e, STATUS_CLIENT_BAD_REQUEST, "sessions: not an id of a recording");
        memcpy(ids[i], id, sizeof ids[i]);
    }
    return export_plan_chosen(f, ids, n, p, fd, e);
}

static bool is_text(const json_t *o, const char *key, size_t room) {
    const json_t *v = json_object_get(o, key);
    return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) < room);
}

static int period(const struct export_from *f, const json_t *filter, struct export_plan *p, int fd,
                  struct err *e) {
    const json_t *end = json_object_get(filter, "to");
    int64_t from = json_num(filter, "from", -1), to = json_num(filter, "to", 0);
    const char *connection = json_str(filter, "connection", ""),
               *person = json_str(filter, "person", "");
    if (from < 0 || (end && !json_is_null(end) && to <= from))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "A period has a beginning, and an end behind it (Unix ms).");
    if (!is_text(filter, "connection", sizeof p->connection) ||
        !is_text(filter, "person", sizeof p->person))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "connection and person are short texts.");
    p->from_ms = (uint64_t)from;
    p->to_ms = (uint64_t)to;
    snprintf(p->connection, sizeof p->connection, "%s", connection);
    snprintf(p->person, sizeof p->person, "%s", person);
    return export_plan_period(f, p, fd, e);
}

static json_t *plan_json(const char *id, const struct export_plan *p, const json_t *by) {
    return json_pack("{s:s, s:O, s:I, s:b, s:I, s:I, s:s, s:s, s:I, s:s}", "export", id, "by", by,
                     "started", (json_int_t)clock_wall_ms(), "period", p->period, "from",
                     (json_int_t)p->from_ms, "to", (json_int_t)p->to_ms, "connection",
                     p->connection, "person", p->person, "sessions", (json_int_t)p->count, "root",
                     p->root);
}

/* Few enough to stand in a leaf. */
static void add_ids(json_t *o, int fd, size_t count) {
    struct export_list l;
    char id[UUID_LEN + 1];
    if (count > EXPORTS_IDS_MAX || export_list_open(&l, fd, -1, count, NULL) < 0)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        export_list_id(&l, i, id);
        json_array_append_new(list, json_string(id));
    }
    export_list_fini(&l);
    json_object_set_new(o, "ids", list);
}

static json_t *plan(struct exports *x, struct store *s, const char *id, const json_t *msg,
                    struct err *e) {
    struct export_plan p = { 0 };
    const struct export_from from = { s, x->c.tree, x->c.log_bucket };
    const json_t *list = json_object_get(msg, "sessions"), *by = json_object_get(msg, "by");
    _close_ int dir = openat(x->dir, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    _close_ int fd = dir < 0 ? -1
                             : openat(dir, "sessions.new",
                                      O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(e, 0, "exports");
        return NULL;
    }
    if ((list ? chosen(&from, list, &p, fd, e)
              : period(&from, json_object_get(msg, "filter"), &p, fd, e)) < 0)
        return NULL;
    if (fsync(fd) < 0 || exports_job_write(dir, "job.json", plan_json(id, &p, by), e) < 0)
        return NULL;
    json_t *o = plan_json(id, &p, by);
    if (o)
        add_ids(o, fd, p.count);
    return o;
}

json_t *exports_plan(struct exports *x, struct store *s, const json_t *msg, struct err *e) {
    char id[UUID_LEN + 1];
    const json_t *by = json_object_get(msg, "by");
    if (!*json_str(by, "sub", "")) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "by: who wants it");
        return NULL;
    }
    if (may_have_another(x, by, e) < 0)
        return NULL;
    uuid_v7(id, clock_wall_ms());
    if (mkdirat(x->dir, id, 0700) < 0) {
        err_errno(e, 0, "exports");
        return NULL;
    }
    json_t *o = plan(x, s, id, msg, e);
    if (!o)
        exports_job_remove(x, id);
    return o;
}

int exports_begin(struct exports *x, const char *id, const json_t *by, struct err *e) {
    _exports_job_ struct exports_job j;
    if (open_own(x, id, by, &j, e) < 0)
        return -1;
    _close_ int fd = openat(j.dir, "begun", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fsync(j.dir) < 0)
        return err_errno(e, 0, "exports");
    pthread_mutex_lock(&x->lock);
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
    return 0;
}

/* ---- what there is -------------------------------------------------------------------------- */

static json_t *job_json(const struct exports *x, const struct exports_job *j) {
    const char *error = json_str(j->done, "error", NULL);
    int64_t finished = json_num(j->done, "finished", 0);
    const char *state = !j->done ? (j->bytes || j->progress ? "running" : "waiting")
                        : error  ? "failed"
                                 : "ready";
    json_t *o = json_deep_copy(j->job);
    json_int_t total = (json_int_t)json_num(j->job, "sessions", 0);
    _json_ json_t *more =
        json_pack("{s:s, s:I, s:I, s:I, s:s?}", "state", state, "total", total, "done",
                  j->done && !error ? total : (json_int_t)json_num(j->progress, "done", 0), "bytes",
                  (json_int_t)j->bytes, "error", error);
    if (more && finished) {
        json_object_set_new(more, "finished", json_integer(finished));
        json_object_set_new(more, "until", json_integer(finished + x->c.hours * 3600000));
    }
    json_object_update(o, more);
    return o;
}

struct found {
    struct exports *x;
    const json_t *by;
    json_t *list;
};

static int on_found(void *arg, const char *id) {
    struct found *f = arg;
    struct exports_job j;
    if (open_own(f->x, id, f->by, &j, NULL) < 0)
        return 0;
    if (j.begun)
        json_array_append_new(f->list, job_json(f->x, &j));
    exports_job_fini(&j);
    return 0;
}

json_t *exports_list(struct exports *x, const char *id, const json_t *by, struct err *e) {
    struct found f = { x, by, json_array() };
    if (id)
        on_found(&f, id);
    else
        exports_each(x, on_found, &f);
    if (!id || json_array_size(f.list))
        return f.list;
    json_decref(f.list);
    err_set(e, STATUS_RESOURCE_NOT_FOUND, "There is no such export.");
    return NULL;
}

int exports_bag(struct exports *x, const char *id, const json_t *by, uint64_t offset,
                uint64_t *size, struct err *e) {
    _exports_job_ struct exports_job j;
    struct stat st;
    if (open_own(x, id, by, &j, e) < 0)
        return -1;
    if (!j.begun || !j.done || json_str(j.done, "error", NULL))
        return err_set(e, STATUS_RESOURCE_CONFLICT, "The export is not ready.");
    _close_ int fd = openat(j.dir, BAG_TAR, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, 0, "the export cannot be read");
    if (offset > (uint64_t)st.st_size || lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "The export has %llu bytes.",
                       (unsigned long long)st.st_size);
    *size = (uint64_t)st.st_size - offset;
    return steal_fd(&fd);
}

int exports_drop(struct exports *x, const char *id, const json_t *by, struct err *e) {
    _exports_job_ struct exports_job j;
    if (open_own(x, id, by, &j, e) < 0)
        return -1;
    if (unlinkat(j.dir, "begun", 0) < 0 && errno != ENOENT)
        return err_errno(e, 0, "the export cannot be removed");
    _close_ int lock = exports_job_lock(j.dir);
    if (lock >= 0) /* else its maker sees it, and removes it */
        exports_job_remove(x, id);
    return 0;
}
