/* The store's clock each minute; a real PUT when one failed, and each few seconds while it is away,
 * since a store may answer everything else while it takes nothing. */
#include "recording/recorder/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "guacd/base/log.h"

#define CLOCK_US 60000000u
#define PROBE_US 3000000u
#define CLOCK_ALARM_MS 2000

struct watch {
    struct job job;
    struct recorder *r;
    struct loop_timer *timer;
    char bucket[64];
    bool running, probe, suspect;
    enum store_result result;
    int64_t offset_ms;
    struct err err;
};

void watch_set(struct recorder *r, bool away, const char *why) {
    if (away && !r->store_away)
        log_error("the store does not take what is recorded: %s", why);
    if (!away && r->store_away)
        log_info("the store takes what is recorded again");
    r->store_away = away;
    if (away)
        snprintf(r->store_why, sizeof r->store_why, "%s", why);
}

static bool bad(enum store_result result) {
    return result == STORE_AWAY || result == STORE_REFUSED;
}

void watch_result(struct recorder *r, enum store_result result, const char *why) {
    struct watch *w = r->watch;
    if (!bad(result)) {
        watch_set(r, false, NULL);
        return;
    }
    log_debug("store: %s", why);
    if (w && !w->suspect && !r->store_away) {
        w->suspect = true;
        if (!w->running)
            loop_timer_set(w->timer, 0);
    }
}

static void look(struct job *j, struct worker *worker) {
    struct watch *w = (struct watch *)j;
    w->err = (struct err){ 0 };
    w->result = w->probe ? store_check(worker->store, w->bucket, &w->err) : STORE_OK;
    if (w->result == STORE_OK)
        w->result = store_clock(worker->store, w->bucket, &w->offset_ms, &w->err);
}

static void note_clock(struct recorder *r, int64_t offset_ms) {
    if (offset_ms > CLOCK_ALARM_MS || offset_ms < -CLOCK_ALARM_MS)
        log_warning("the store's clock and this machine's differ by %lld ms", (long long)offset_ms);
    r->clock_offset_ms = offset_ms;
}

static void looked(struct job *j) {
    struct watch *w = (struct watch *)j;
    w->running = false;
    if (w->probe) {
        w->suspect = false;
        watch_set(w->r, bad(w->result), w->err.text);
    } else if (bad(w->result)) {
        w->suspect = true;
    }
    if (w->result == STORE_OK)
        note_clock(w->r, w->offset_ms);
    loop_timer_set(w->timer, w->suspect ? 0 : w->r->store_away ? PROBE_US : CLOCK_US);
}

static void on_timer(void *arg) {
    struct watch *w = arg;
    if (w->running)
        return;
    w->running = true;
    w->probe = w->r->store_away || w->suspect;
    work_submit(w->r->work, &w->job);
}

struct watch *watch_new(struct recorder *r, const char *bucket) {
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->job = (struct job){ .urgent = true, .run = look, .done = looked };
    w->r = r;
    w->timer = loop_timer_new(r->loop, on_timer, w);
    snprintf(w->bucket, sizeof w->bucket, "%s", bucket);
    if (w->timer)
        return w;
    free(w);
    return NULL;
}

void watch_start(struct watch *w) {
    loop_timer_set(w->timer, w->r->store_away ? PROBE_US : CLOCK_US);
}

void watch_free(struct watch *w) {
    if (!w)
        return;
    loop_timer_free(w->timer);
    free(w);
}
