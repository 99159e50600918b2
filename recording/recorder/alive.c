/* One job at a time: the object is swapped for the newest list, by its etag, so that whoever fenced
 * it is noticed; and what the life before left is claimed. */
#include "recording/recorder/alive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/file.h"
#include "recording/heartbeat.h"
#include "recording/recorder/sealer.h"
#include "recording/recorder/session.h"
#include "recording/recorder/watch.h"

#define SPOOL_FILE "alive" /* names of this life and of those not claimed yet, one a line */
#define BEFORE_MAX 64
#define AGAIN_US 500000u
#define TRIES 8

enum outcome { FAILED, WRITTEN, FENCED };

struct alive {
    struct job job;
    struct recorder *r;
    struct loop_timer *timer;
    char id[UUID_LEN + 1];
    char before[BEFORE_MAX][UUID_LEN + 1];
    size_t before_count;
    bool started, running, due;
    uint64_t fence_ms, sent_ms, ok_ms;
    /* the worker's while `running` */
    bool noted, there; /* the name is in the spool; the object may be in the store */
    char etag[STORE_ETAG_SIZE];
    struct heartbeat list, theirs;
    enum outcome outcome;
    json_t *lost; /* ids */
    char taken[BEFORE_MAX][UUID_LEN + 1];
    size_t taken_count;
    struct err err;
};

enum store_result alive_late(const struct recorder *r, struct err *e) {
    if (clock_ms() <= atomic_load(&r->alive_until))
        return STORE_OK;
    err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
            "others may take this recorder's sessions over: it could not tell that it lives");
    return STORE_AWAY;
}

/* ---- on a worker: our own object ------------------------------------------------------------ */

static int note_names(struct alive *a, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, (BEFORE_MAX + 1) * (UUID_LEN + 1));
    if (a->noted)
        return 0;
    for (size_t i = 0; i < a->before_count; i++)
        buf_printf(&b, "%s\n", a->before[i]);
    buf_printf(&b, "%s\n", a->id);
    if (file_replace_at(spooler_folder(a->r->spooler), SPOOL_FILE, b.data, b.len, 0600, e) < 0)
        return -1;
    a->noted = true;
    return 0;
}

static enum store_result fetch(struct alive *a, struct store *store, const char *id,
                               char etag[STORE_ETAG_SIZE], struct heartbeat *out) {
    struct buf b __attribute__((cleanup(buf_fini)));
    struct store_meta meta = { 0 };
    char key[HEARTBEAT_KEY];
    heartbeat_key(a->r->config->log_bucket, id, key);
    buf_init(&b, HEARTBEAT_MAX);
    enum store_result r = store_get(store, key, NULL, &b, &meta, &a->err);
    if (r != STORE_OK)
        return r;
    memcpy(etag, meta.etag, STORE_ETAG_SIZE);
    heartbeat_fini(out);
    return heartbeat_parse(buf_str(&b), b.len, out, &a->err) < 0 ? STORE_REFUSED : STORE_OK;
}

/* Only this life writes this name, as long as nobody fenced it: a swap that timed out may be what
 * is there. */
static void write_own(struct alive *a, struct store *store) {
    struct buf b __attribute__((cleanup(buf_fini)));
    char key[HEARTBEAT_KEY], fresh[STORE_ETAG_SIZE];
    enum store_result r = STORE_EXISTS;
    heartbeat_key(a->r->config->log_bucket, a->id, key);
    buf_init(&b, HEARTBEAT_MAX);
    if (heartbeat_write(&a->list, &b, &a->err) < 0)
        return;
    for (int i = 0; i < TRIES; i++) {
        a->there = true;
        r = store_swap(store, key, b.data, b.len, a->etag, fresh, &a->err);
        if (r == STORE_OK) {
            memcpy(a->etag, fresh, sizeof a->etag);
            a->outcome = WRITTEN;
            return;
        }
        if (r != STORE_EXISTS && r != STORE_MISSING)
            return;
        bool had = *a->etag != '\0';
        r = fetch(a, store, a->id, a->etag, &a->theirs);
        if (r == STORE_MISSING && !had)
            continue; /* it was never there */
        if (r == STORE_MISSING || (r == STORE_OK && *a->theirs.by)) {
            a->outcome = FENCED;
            return;
        }
        if (r != STORE_OK)
            return;
    }
}

/* ---- on a worker: the life before ----------------------------------------------------------- */

static int remainder_of(const struct alive *a, struct heartbeat *out) {
    if (heartbeat_init(out, a->theirs.gateway, a->theirs.fence_ms) < 0)
        return -1;
    snprintf(out->by, sizeof out->by, "%s", a->id);
    out->taken = true;
    for (size_t i = 0; i < heartbeat_count(&a->theirs); i++) {
        uint64_t from;
        const char *prefix = heartbeat_get(&a->theirs, i, &from);
        if (!heartbeat_has(&a->list, strrchr(prefix, '/') + 1) &&
            heartbeat_add(out, prefix, from) < 0)
            return -1;
    }
    return 0;
}

static void all_lost(struct alive *a) {
    for (size_t i = 0; i < heartbeat_count(&a->theirs); i++)
        json_array_append_new(a->lost,
                              json_string(strrchr(heartbeat_get(&a->theirs, i, NULL), '/') + 1));
}

/* True when it is settled. What we do not go on with ourselves is left to be sealed. */
static bool claim(struct alive *a, struct store *store, const char *id) {
    for (int i = 0; i < TRIES; i++) {
        struct buf b __attribute__((cleanup(buf_fini)));
        struct heartbeat rest = { 0 };
        char key[HEARTBEAT_KEY], etag[STORE_ETAG_SIZE];
        buf_init(&b, HEARTBEAT_MAX);
        enum store_result r = fetch(a, store, id, etag, &a->theirs);
        if (r != STORE_OK)
            return r == STORE_MISSING;
        if (*a->theirs.by) {
            all_lost(a);
            return true;
        }
        heartbeat_key(a->r->config->log_bucket, id, key);
        r = remainder_of(a, &rest) == 0 && heartbeat_write(&rest, &b, &a->err) == 0
                ? store_swap(store, key, b.data, b.len, etag, etag, &a->err)
                : STORE_AWAY;
        size_t left = heartbeat_count(&rest);
        heartbeat_fini(&rest);
        if (r == STORE_OK && left == 0) {
            store_remove(store, key, &a->err);
            return true;
        }
        if (r == STORE_OK) {
            snprintf(a->taken[a->taken_count++], UUID_LEN + 1, "%s", id);
            return true;
        }
        if (r != STORE_EXISTS && r != STORE_MISSING)
            return false;
    }
    return false;
}

static void run(struct job *j, struct worker *w) {
    struct alive *a = (struct alive *)j;
    size_t left = 0;
    if (note_names(a, &a->err) < 0)
        return;
    if (heartbeat_count(&a->list) > 0) {
        write_own(a, w->store);
        if (a->outcome != WRITTEN)
            return;
    }
    for (size_t i = 0; i < a->before_count; i++) {
        char id[UUID_LEN + 1];
        memcpy(id, a->before[i], sizeof id);
        if (!claim(a, w->store, id))
            memcpy(a->before[left++], id, sizeof id);
        else
            a->noted = false;
    }
    a->before_count = left;
    if (heartbeat_count(&a->list) == 0 && a->there) {
        char key[HEARTBEAT_KEY];
        heartbeat_key(a->r->config->log_bucket, a->id, key);
        a->there = store_remove(w->store, key, &a->err) != STORE_OK;
    }
    if (left == 0 && !a->there)
        a->outcome = WRITTEN;
}

/* ---- on the loop ---------------------------------------------------------------------------- */

static void go(struct alive *a);

/* An object that was fenced or removed is never written again. */
static void new_name(struct alive *a) {
    uuid_v4(a->id);
    a->etag[0] = '\0';
    a->noted = a->there = false;
}

static void fenced(struct alive *a) {
    log_error("others took the sessions of this recorder over: it was silent for too long");
    if (a->theirs.taken) { /* by the next life on our very spool: it is not ours any more */
        log_error("another recorder uses this spool: this one ends");
        _exit(1);
    }
    session_lost_listed(a->r);
    new_name(a);
    a->due = true;
}

static void lose(struct alive *a) {
    size_t i;
    json_t *id;
    json_array_foreach(a->lost, i, id) {
        struct session *s = session_find(a->r, json_string_value(id));
        if (s)
            session_lost(s);
    }
    json_array_clear(a->lost);
}

static void done(struct job *j) {
    struct alive *a = (struct alive *)j;
    a->running = false;
    if (a->outcome == FENCED) {
        fenced(a);
    } else if (a->outcome == WRITTEN) {
        a->ok_ms = a->sent_ms;
        atomic_store(&a->r->alive_until, a->sent_ms + a->fence_ms / 6);
        lose(a);
        if (heartbeat_count(&a->list) == 0)
            new_name(a);
    } else {
        log_warning("cannot tell that this recorder lives: %s", a->err.text);
        watch_result(a->r, STORE_AWAY, a->err.text);
        lose(a);
    }
    bool wrote = a->outcome == WRITTEN;
    heartbeat_fini(&a->list);
    heartbeat_fini(&a->theirs);
    while (a->taken_count > 0)
        sealer_take(a->r->sealer, a->taken[--a->taken_count]);
    if (wrote)
        session_listed(a->r);
    else if (!a->due)
        loop_timer_set(a->timer, AGAIN_US);
    if (a->due)
        go(a);
}

static void go(struct alive *a) {
    if (a->running || !a->started)
        return;
    a->due = false;
    if (heartbeat_init(&a->list, a->id, a->fence_ms) < 0)
        return;
    session_list(a->r, &a->list);
    if (heartbeat_count(&a->list) == 0 && !a->there && a->before_count == 0) {
        heartbeat_fini(&a->list);
        return;
    }
    a->running = true;
    a->outcome = FAILED;
    a->err = (struct err){ 0 };
    a->sent_ms = clock_ms();
    a->job = (struct job){ .urgent = true, .run = run, .done = done };
    work_submit(a->r->work, &a->job);
}

static void on_timer(void *arg) {
    struct alive *a = arg;
    if (clock_ms() > a->ok_ms + a->fence_ms / 6)
        session_silent(a->r);
    loop_timer_set(a->timer, a->fence_ms / 12 * 1000);
    alive_due(a);
}

void alive_due(struct alive *a) {
    a->due = true;
    go(a);
}

bool alive_claimed(const struct alive *a) {
    return a->before_count == 0;
}

const char *alive_name(const struct alive *a) {
    return a->id;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int read_names(struct alive *a, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    char path[512];
    buf_init(&b, (BEFORE_MAX + 1) * (UUID_LEN + 1));
    snprintf(path, sizeof path, "%s/%s", a->r->config->spool, SPOOL_FILE);
    if (access(path, F_OK) < 0)
        return 0;
    if (file_read(path, &b, e) < 0)
        return -1;
    buf_str(&b);
    for (char *line = b.data, *next; line && *line; line = next) {
        if ((next = strchr(line, '\n')))
            *next++ = '\0';
        if (!uuid_valid(line, strlen(line)) || a->before_count == BEFORE_MAX)
            log_warning("%s: a line is no name of a recorder", path);
        else
            memcpy(a->before[a->before_count++], line, UUID_LEN + 1);
    }
    return 0;
}

struct alive *alive_new(struct recorder *r, struct err *e) {
    struct alive *a = calloc(1, sizeof *a);
    if (!a) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    a->r = r;
    a->fence_ms = (uint64_t)r->config->fence_after * 1000;
    a->lost = json_array();
    a->timer = loop_timer_new(r->loop, on_timer, a);
    uuid_v4(a->id);
    if (a->lost && a->timer && read_names(a, e) == 0)
        return a;
    alive_free(a);
    return NULL;
}

void alive_start(struct alive *a) {
    a->started = true;
    a->ok_ms = clock_ms();
    loop_timer_set(a->timer, a->fence_ms / 12 * 1000);
    alive_due(a);
}

void alive_free(struct alive *a) {
    if (!a)
        return;
    loop_timer_free(a->timer);
    heartbeat_fini(&a->list);
    heartbeat_fini(&a->theirs);
    json_decref(a->lost);
    free(a);
}
