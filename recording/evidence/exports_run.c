/* The makers: each takes the oldest export that nobody makes, and goes on behind the last session
 * that is in it whole. What is old is removed on the way. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/exports_impl.h"

#define LOOK_MS 5000                       /* for what another process began, or left */
#define PLANNED_MS ((int64_t)15 * 60000)   /* a plan that nobody begins */
#define PATIENCE_MS ((uint64_t)10 * 60000) /* with a store that is away, since it last got on */
#define AGAIN_S 2

struct making {
    struct exports *x;
    struct exports_job job;
    struct bag bag;
    struct export_work work;
    int lock;
};

/* ---- space ---------------------------------------------------------------------------------- */

struct use {
    struct exports *x;
    const char *but;
    uint64_t bytes;
};

static int on_use(void *arg, const char *id) {
    struct use *u = arg;
    struct exports_job j;
    if (strcmp(id, u->but) == 0 || exports_job_open(u->x, id, &j, NULL) < 0)
        return 0;
    u->bytes += j.bytes;
    exports_job_fini(&j);
    return 0;
}

/* What the others leave of it; at least a byte, since 0 would be no limit. */
static uint64_t room(struct exports *x, const char *id) {
    struct use u = { x, id, 0 };
    uint64_t all = (uint64_t)x->c.space_mib << 20;
    exports_each(x, on_use, &u);
    return u.bytes < all ? all - u.bytes : 1;
}

/* ---- one export ----------------------------------------------------------------------------- */

static bool stop(void *arg, size_t session) {
    struct making *m = arg;
    (void)session;
    return atomic_load(&m->x->stop) || !exports_job_begun(m->job.dir);
}

static int whole(void *arg, size_t done, struct err *e) {
    struct making *m = arg;
    struct bag_mark mark;
    struct stat rows;
    if (bag_sync(&m->bag, &mark, e) < 0 || fsync(m->work.rows) < 0 ||
        fstat(m->work.rows, &rows) < 0)
        return err_prefix(e, "exports");
    m->bag.limit = room(m->x, m->job.id);
    m->work.done = done;
    return exports_job_write(m->job.dir, "progress.json",
                             json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "done", (json_int_t)done,
                                       "end", (json_int_t)mark.end, "manifest",
                                       (json_int_t)mark.manifest, "files", (json_int_t)mark.files,
                                       "bytes", (json_int_t)mark.bytes, "rows",
                                       (json_int_t)rows.st_size),
                             e);
}

static uint64_t number(const json_t *o, const char *key) {
    int64_t v = json_num(o, key, 0);
    return v > 0 ? (uint64_t)v : 0;
}

static void set_plan(struct export_plan *p, const json_t *job) {
    *p = (struct export_plan){ .period = json_flag(job, "period", false),
                               .from_ms = number(job, "from"),
                               .to_ms = number(job, "to"),
                               .count = (size_t)number(job, "sessions") };
    snprintf(p->connection, sizeof p->connection, "%s", json_str(job, "connection", ""));
    snprintf(p->person, sizeof p->person, "%s", json_str(job, "person", ""));
}

static int open_work(struct making *m, struct err *e) {
    const struct exports_job *j = &m->job;
    const json_t *p = j->progress;
    const struct bag_mark mark = { number(p, "end"), number(p, "manifest"), number(p, "files"),
                                   number(p, "bytes") };
    struct export_work *w = &m->work;
    if (bag_open_tar(&m->bag, j->dir, j->id, number(j->job, "started") / 1000, p ? &mark : NULL,
                     e) < 0)
        return -1;
    w->ids = openat(j->dir, "sessions.new", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    w->marks = bag_scratch(&m->bag, "marks", p != NULL, e);
    w->rows = bag_scratch(&m->bag, "rows", p != NULL, e);
    if (w->ids < 0 || w->marks < 0 || w->rows < 0 ||
        ftruncate(w->rows, (off_t)number(p, "rows")) < 0)
        return err_errno(e, 0, "exports: what is left of it cannot be read");
    m->bag.limit = room(m->x, j->id);
    w->done = (size_t)number(p, "done");
    return 0;
}

static void close_work(struct making *m) {
    const int files[] = { m->work.ids, m->work.marks, m->work.rows };
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (files[i] >= 0)
            close(files[i]);
    m->work.ids = m->work.marks = m->work.rows = -1;
    bag_fini(&m->bag);
}

/* Once, from where it was. */
static int attempt(struct making *m, struct err *e) {
    m->bag = (struct bag){ .root = -1, .tar = -1, .manifest = -1 };
    m->work.bag = &m->bag;
    m->work.ids = m->work.marks = m->work.rows = -1;
    set_plan(&m->work.plan, m->job.job);
    int r = open_work(m, e);
    if (r == 0)
        r = export_run(&m->work, e);
    close_work(m);
    return r;
}

/* What time does not mend. */
static bool final(const struct err *e) {
    return e->status == STATUS_RESOURCE_CLOSED || e->status == STATUS_RESOURCE_NOT_FOUND ||
           e->status == STATUS_CLIENT_OVERRUN;
}

static int make(struct making *m, struct err *e) {
    uint64_t since = clock_ms();
    for (size_t before = 0;; before = m->work.done) {
        struct exports_job again;
        if (attempt(m, e) == 0)
            return 0;
        if (m->work.done > before)
            since = clock_ms();
        if (stop(m, 0) || final(e) || clock_ms() - since > PATIENCE_MS ||
            exports_job_open(m->x, m->job.id, &again, NULL) < 0)
            return -1;
        exports_job_fini(&m->job);
        m->job = again;
        log_warning("export %s: %s; once more", m->job.id, e->text);
        nanosleep(&(struct timespec){ .tv_sec = AGAIN_S }, NULL);
    }
}

static void clean(int dir, bool bag) {
    static const char *const scratch[] = { "sessions.new", "marks.new", "rows.new",
                                           "manifest-sha256.txt.new", "progress.json" };
    for (size_t i = 0; i < ARRAY_LEN(scratch); i++)
        unlinkat(dir, scratch[i], 0);
    if (bag)
        unlinkat(dir, BAG_TAR, 0);
}

/* With the job's lock. */
static void serve(struct making *m, struct store *store) {
    struct err e = { 0 };
    struct exports *x = m->x;
    m->work.from = (struct export_from){ store, x->c.tree, x->c.log_bucket };
    m->work.stop = stop;
    m->work.whole = whole;
    m->work.arg = m;
    log_info("export %s: begun", m->job.id);
    int r = make(m, &e);
    if (!exports_job_begun(m->job.dir)) {
        log_info("export %s: cancelled", m->job.id);
        exports_job_remove(x, m->job.id);
        return;
    }
    if (r < 0 && atomic_load(&x->stop))
        return; /* the next life goes on */
    json_t *done = json_pack("{s:I, s:s*}", "finished", (json_int_t)clock_wall_ms(), "error",
                             r < 0 ? e.text : NULL);
    if (exports_job_write(m->job.dir, "done.json", done, &e) < 0)
        log_error("export %s: %s", m->job.id, e.text);
    else
        clean(m->job.dir, r < 0);
    if (r < 0)
        log_error("export %s: %s", m->job.id, e.text);
    else
        log_info("export %s: ready", m->job.id);
}

/* ---- which one ------------------------------------------------------------------------------ */

struct pick {
    struct making *m;
    char id[UUID_LEN + 1];
};

/* Of those that may be made, the oldest; those whose time is over go. */
static int consider(void *arg, const char *id) {
    struct pick *p = arg;
    struct exports *x = p->m->x;
    struct exports_job j;
    int64_t now = (int64_t)clock_wall_ms(), keep = x->c.hours * 3600000;
    bool there = exports_job_open(x, id, &j, NULL) == 0;
    bool over = !there     ? now - (int64_t)uuid_v7_ms(id) > PLANNED_MS
                : !j.begun ? now - json_num(j.job, "started", 0) > PLANNED_MS
                           : j.done && now - json_num(j.done, "finished", 0) > keep;
    if (over)
        exports_job_remove(x, id);
    else if (there && j.begun && !j.done && (!*p->id || strcmp(id, p->id) < 0)) {
        int lock = exports_job_lock(j.dir);
        if (lock >= 0) {
            if (p->m->lock >= 0)
                close(p->m->lock);
            p->m->lock = lock;
            memcpy(p->id, id, sizeof p->id);
        }
    }
    if (there)
        exports_job_fini(&j);
    return 0;
}

static bool take(struct making *m) {
    struct pick p = { .m = m };
    m->lock = -1;
    exports_each(m->x, consider, &p);
    if (*p.id && exports_job_open(m->x, p.id, &m->job, NULL) == 0 && !m->job.done)
        return true;
    if (m->lock >= 0)
        close(m->lock);
    return false;
}

static void wait(struct exports *x) {
    const struct timespec until = clock_deadline(LOOK_MS);
    pthread_mutex_lock(&x->lock);
    if (!atomic_load(&x->stop))
        pthread_cond_timedwait(&x->wake, &x->lock, &until);
    pthread_mutex_unlock(&x->lock);
}

void *exports_maker_run(void *arg) {
    struct exports_maker *maker = arg;
    struct exports *x = maker->x;
    while (!atomic_load(&x->stop)) {
        struct making m = { .x = x, .job.dir = -1 };
        if (!take(&m)) {
            wait(x);
            continue;
        }
        serve(&m, maker->store);
        close(m.lock);
        exports_job_fini(&m.job);
    }
    pthread_mutex_lock(&x->lock);
    maker->ended = true;
    pthread_mutex_unlock(&x->lock);
    return NULL;
}
