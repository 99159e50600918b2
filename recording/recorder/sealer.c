/* Looks round every quarter of the time after which one is taken for dead. Silence counts only as
 * far as we watched it: a store that was away, or a machine that slept, made all of us silent. */
#include "recording/recorder/sealer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "recording/heartbeat.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/session.h"

#define SEEN_MAX 1024
#define ADOPT_MAX 4 /* sealed at once */

struct seen {
    char id[UUID_LEN + 1], etag[STORE_ETAG_SIZE];
    uint64_t since_ms; /* by the store's clock: since when it is as it is */
    bool there, take;  /* met in this round; no need to wait */
};

struct sealer {
    struct job job;
    struct recorder *r;
    struct loop_timer *timer;
    uint64_t fence_ms;
    bool running;
    char take[UUID_LEN + 1]; /* to be looked at first */
    /* the worker's while `running` */
    char own[UUID_LEN + 1];
    struct seen seen[SEEN_MAX];
    size_t count;
    uint64_t looked_ms, silent_ms;
    bool remove; /* what is at hand is done with */
    struct err err;
    /* what is at hand: a fenced one */
    struct heartbeat at;
    size_t next, busy;
    bool failed;
};

/* ---- on a worker ---------------------------------------------------------------------------- */

static struct seen *seen_of(struct sealer *s, const char *id) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->seen[i].id, id) == 0)
            return &s->seen[i];
    if (s->count == SEEN_MAX)
        return NULL;
    struct seen *n = &s->seen[s->count++];
    *n = (struct seen){ 0 };
    memcpy(n->id, id, UUID_LEN + 1);
    return n;
}

static int on_name(void *arg, const struct store_entry *entry) {
    struct sealer *s = arg;
    const char *slash = strrchr(entry->key, '/');
    if (entry->folder || !slash || !uuid_valid(slash + 1, strlen(slash + 1)) ||
        strcmp(slash + 1, s->own) == 0)
        return 0;
    struct seen *n = seen_of(s, slash + 1);
    if (n)
        n->there = true;
    return 0;
}

/* Fence it, unless it moved; then s->at is what it left. */
static enum store_result fence(struct sealer *s, struct store *store, const struct seen *n) {
    struct buf b __attribute__((cleanup(buf_fini)));
    struct store_meta meta = { 0 };
    char key[HEARTBEAT_KEY], etag[STORE_ETAG_SIZE];
    heartbeat_key(s->r->config->log_bucket, n->id, key);
    buf_init(&b, HEARTBEAT_MAX);
    heartbeat_fini(&s->at);
    enum store_result r = store_get(store, key, NULL, &b, &meta, &s->err);
    if (r != STORE_OK)
        return r;
    if (heartbeat_parse(buf_str(&b), b.len, &s->at, &s->err) < 0 ||
        strcmp(s->at.gateway, n->id) != 0)
        return STORE_REFUSED;
    if (*s->at.by)
        return STORE_OK;
    if (n->take || strcmp(meta.etag, n->etag) != 0 || s->silent_ms < s->at.fence_ms)
        return STORE_EXISTS;
    snprintf(s->at.by, sizeof s->at.by, "%s", s->own);
    buf_clear(&b);
    if (heartbeat_write(&s->at, &b, &s->err) < 0)
        return STORE_AWAY;
    return store_swap(store, key, b.data, b.len, meta.etag, etag, &s->err);
}

/* True when it has kept silent long enough. */
static bool silent(struct sealer *s, struct store *store, struct seen *n, bool watched) {
    struct store_meta meta = { 0 };
    char key[HEARTBEAT_KEY];
    heartbeat_key(s->r->config->log_bucket, n->id, key);
    if (n->take) {
        s->silent_ms = 0;
        return true;
    }
    if (store_head(store, key, NULL, &meta, &s->err) != STORE_OK || !meta.now_ms)
        return false;
    if (!watched || strcmp(meta.etag, n->etag) != 0) {
        memcpy(n->etag, meta.etag, sizeof n->etag);
        n->since_ms = meta.now_ms;
    }
    s->silent_ms = meta.now_ms - MIN_OF(meta.now_ms, MAX_OF(n->since_ms, meta.modified_ms));
    return s->silent_ms >= s->fence_ms;
}

static void remove_it(struct sealer *s, struct store *store) {
    char key[HEARTBEAT_KEY];
    heartbeat_key(s->r->config->log_bucket, s->at.gateway, key);
    if (store_remove(store, key, &s->err) == STORE_OK)
        log_info("what recorder %s left is sealed", s->at.gateway);
    heartbeat_fini(&s->at);
}

static void look_round(struct job *j, struct worker *w) {
    struct sealer *s = (struct sealer *)j;
    char folder[HEARTBEAT_KEY];
    if (s->remove)
        remove_it(s, w->store);
    s->remove = false;
    heartbeat_key(s->r->config->log_bucket, "", folder);
    for (size_t i = 0; i < s->count; i++)
        s->seen[i].there = false;
    if (store_list(w->store, folder, on_name, s, &s->err) != STORE_OK) {
        s->looked_ms = 0;
        return;
    }
    bool watched = s->looked_ms && clock_ms() - s->looked_ms < s->fence_ms / 2;
    s->looked_ms = clock_ms();
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->seen[i].there)
            s->seen[left++] = s->seen[i];
    s->count = left;
    for (size_t i = 0; i < s->count && !s->at.sessions; i++) {
        struct seen *n = &s->seen[i];
        if (!silent(s, w->store, n, watched))
            continue;
        enum store_result r = fence(s, w->store, n);
        n->take = false;
        n->etag[0] = '\0'; /* watched anew, should it stay */
        if (r == STORE_OK)
            break;
        if (r == STORE_REFUSED)
            log_error("%s/%s: %s", HEARTBEAT_FOLDER, n->id, s->err.text);
        heartbeat_fini(&s->at);
    }
}

/* ---- on the loop ---------------------------------------------------------------------------- */

static void go_on(struct sealer *s);

static void adopted(void *arg, bool ok) {
    struct sealer *s = arg;
    s->busy--;
    s->failed |= !ok;
    go_on(s);
}

static void look(struct sealer *s, uint64_t in_us) {
    if (!s->running)
        loop_timer_set(s->timer, in_us);
}

static void go_on(struct sealer *s) {
    size_t count = heartbeat_count(&s->at);
    while (s->busy < ADOPT_MAX && s->next < count) {
        struct session_orphan o = { .gateway = s->at.gateway,
                                    .silent_since = clock_wall_ms() - s->silent_ms,
                                    .done = adopted,
                                    .arg = s };
        o.prefix = heartbeat_get(&s->at, s->next++, &o.from);
        s->busy++;
        if (session_adopt(s->r, &o) < 0) {
            s->busy--;
            s->failed = true;
        }
    }
    if (s->busy > 0 || s->next < count)
        return;
    s->remove = !s->failed; /* else somebody looks at it again after a while */
    if (s->failed)
        heartbeat_fini(&s->at);
    look(s, s->remove ? 0 : s->fence_ms / 4 * 1000);
}

static void looked(struct job *j) {
    struct sealer *s = (struct sealer *)j;
    s->running = false;
    if (*s->err.text)
        log_debug("sealer: %s", s->err.text);
    if (s->at.sessions) {
        log_warning("recorder %s is silent: its %zu sessions are sealed by this one", s->at.gateway,
                    heartbeat_count(&s->at));
        s->next = s->busy = 0;
        s->failed = false;
        go_on(s);
    } else {
        look(s, *s->take ? 0 : s->fence_ms / 4 * 1000);
    }
}

static void on_timer(void *arg) {
    struct sealer *s = arg;
    if (s->running || (s->at.sessions && !s->remove))
        return;
    if (*s->take) {
        struct seen *n = seen_of(s, s->take);
        if (n)
            n->take = true;
        s->take[0] = '\0';
    }
    s->running = true;
    s->err = (struct err){ 0 };
    snprintf(s->own, sizeof s->own, "%s", alive_name(s->r->alive));
    s->job = (struct job){ .run = look_round, .done = looked };
    work_submit(s->r->work, &s->job);
}

void sealer_take(struct sealer *s, const char *gateway) {
    snprintf(s->take, sizeof s->take, "%s", gateway);
    look(s, 0);
}

struct sealer *sealer_new(struct recorder *r, struct err *e) {
    struct sealer *s = calloc(1, sizeof *s);
    if (s) {
        s->r = r;
        s->fence_ms = (uint64_t)r->config->fence_after * 1000;
        s->timer = loop_timer_new(r->loop, on_timer, s);
    }
    if (s && s->timer)
        return s;
    err_set(e, 0, "no memory");
    free(s);
    return NULL;
}

void sealer_start(struct sealer *s) {
    look(s, 0);
}

void sealer_free(struct sealer *s) {
    if (!s)
        return;
    loop_timer_free(s->timer);
    heartbeat_fini(&s->at);
    free(s);
}
