/* Group commit: leaves wait in a queue, and one job at a time takes all that wait to the store
 * (logger_commit.c). Who met others there rests before it goes again, so that they come to it. */
#include "recording/recorder/logger.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/checkpoint.h"
#include "recording/recorder/logger_impl.h"
#include "recording/recorder/watch.h"

#define RETRY_MIN_US 50000u
#define RETRY_MAX_US 2000000u

/* ---- on the loop ---------------------------------------------------------------------------- */

static void item_free(struct logger_item *it) {
    buf_fini(&it->text);
    free(it);
}

static void go(struct logger *l);

static void trouble(struct logger *l) {
    if (!*l->trouble)
        log_error("the log cannot be written: %s", l->err.text);
    snprintf(l->trouble, sizeof l->trouble, "%.250s", l->err.text);
    metric_add(&l->r->metrics.log_failures, 1);
    l->retry_us = l->retry_us ? MIN_OF(l->retry_us * 2, RETRY_MAX_US) : RETRY_MIN_US;
    loop_timer_set(l->timer, l->retry_us);
}

static void put_back(struct logger *l, struct logger_item *it) {
    it->next = l->first;
    l->first = it;
    if (!it->next)
        l->last = &it->next;
    l->waiting++;
}

static void committed(struct job *j) {
    struct logger *l = (struct logger *)j;
    struct logger_item *placed[TAIL_BATCH];
    size_t count = 0;
    l->running = false;
    watch_result(l->r, l->result == STORE_EXISTS ? STORE_OK : l->result, l->err.text);
    metric_add(&l->r->metrics.log_conflicts, l->conflicts);
    metric_add(&l->r->metrics.log_slow, l->slow);
    for (size_t i = l->batch_count; i-- > 0;) {
        if (l->batch[i]->placed)
            placed[count++] = l->batch[i];
        else
            put_back(l, l->batch[i]);
    }
    l->size = MAX_OF(l->size, l->log.seen);
    if (l->result == STORE_EXISTS) { /* others were first, again and again: no trouble */
        go(l);
    } else if (l->result != STORE_OK) {
        trouble(l);
    } else {
        if (*l->trouble)
            log_info("the log is written again");
        l->trouble[0] = '\0';
        l->retry_us = 0;
        metric_set(&l->r->metrics.log_size, (int64_t)l->size);
        checkpoint_due(l->checkpoint);
        go(l);
    }
    while (count-- > 0) { /* last: they may do anything */
        struct logger_item *it = placed[count];
        struct logger_place place = { .index = it->index };
        uint8_t hash[MERKLE_HASH];
        merkle_leaf(it->text.data, it->text.len, hash);
        hex_encode(hash, sizeof hash, place.hash);
        metric_observe(&l->r->metrics.log_seconds, (double)(clock_us() - it->since_us) / 1e6);
        if (it->done)
            it->done(it->arg, &place);
        item_free(it);
    }
}

static void go(struct logger *l) {
    bool tiles = l->filled && !l->running && !l->first;
    if (l->running || (!l->first && !tiles) || !l->started || l->retry_us)
        return;
    uint64_t now = clock_us();
    uint64_t turn = tiles ? now : logger_turn(l, now);
    if (turn > now) {
        loop_timer_set(l->timer, turn - now);
        return;
    }
    l->batch_count = 0;
    while (l->first && l->batch_count < TAIL_BATCH - 1) {
        struct logger_item *it = l->first;
        if (!(l->first = it->next))
            l->last = &l->first;
        l->waiting--;
        l->batch[l->batch_count++] = it;
    }
    l->running = true;
    l->job = (struct job){ .urgent = true, .run = logger_commit, .done = committed };
    work_submit(l->r->work, &l->job);
}

static void on_timer(void *arg) {
    struct logger *l = arg;
    uint64_t kept = l->retry_us;
    l->retry_us = 0;
    go(l);
    l->retry_us = l->running ? kept : 0;
}

int logger_add(struct logger *l, const struct leaf *leaf, bool in_doubt, uint64_t from,
               logger_done *done, void *arg, struct err *e) {
    if (l->waiting >= LOGGER_QUEUE_MAX)
        return err_set(e, STATUS_SERVER_BUSY, "too many leaves wait for the log%s%s",
                       *l->trouble ? ": " : "", l->trouble);
    struct logger_item *it = calloc(1, sizeof *it);
    if (!it)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for a leaf");
    buf_init(&it->text, LEAF_MAX);
    if (leaf_write(leaf, &it->text, e) < 0) {
        item_free(it);
        return -1;
    }
    it->in_doubt = in_doubt;
    it->from = from;
    it->done = done;
    it->arg = arg;
    it->since_us = clock_us();
    *l->last = it;
    l->last = &it->next;
    l->waiting++;
    go(l);
    return 0;
}

void logger_forget(struct logger *l, const void *arg) {
    for (struct logger_item *it = l->first; it; it = it->next)
        if (it->arg == arg)
            it->done = NULL;
    for (size_t i = 0; l->running && i < l->batch_count; i++)
        if (l->batch[i]->arg == arg)
            l->batch[i]->done = NULL;
}

uint64_t logger_size(const struct logger *l) {
    return l->size;
}

const char *logger_trouble(const struct logger *l) {
    return *l->trouble ? l->trouble : NULL;
}

void logger_key(struct logger *l, const char *public_key_base64) {
    checkpoint_key(l->checkpoint, public_key_base64);
}

void logger_signed(struct logger *l, const json_t *msg) {
    checkpoint_signed(l->checkpoint, msg);
}

void logger_connected(struct logger *l) {
    checkpoint_connected(l->checkpoint);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct logger *logger_new(struct recorder *r, struct err *e) {
    struct logger *l = calloc(1, sizeof *l);
    if (!l) {
        err_set(e, 0, "no memory for the log");
        return NULL;
    }
    l->r = r;
    l->last = &l->first;
    l->retain_ms = (uint64_t)r->config->log_retention_days * 86400000u;
    log_init_reader(&l->log, NULL, r->config->log_bucket);
    l->next = malloc(sizeof *l->next);
    l->timer = loop_timer_new(r->loop, on_timer, l);
    l->checkpoint = l->next && l->timer ? checkpoint_new(r, e) : NULL;
    if (l->next)
        tail_init(l->next);
    if (l->checkpoint)
        return l;
    logger_free(l);
    return NULL;
}

void logger_start(struct logger *l) {
    l->started = true;
    go(l);
}

void logger_free(struct logger *l) {
    if (!l)
        return;
    for (struct logger_item *it = l->first, *next; it; it = next) {
        next = it->next;
        item_free(it);
    }
    for (size_t i = 0; l->running && i < l->batch_count; i++)
        item_free(l->batch[i]);
    checkpoint_free(l->checkpoint);
    loop_timer_free(l->timer);
    log_fini(&l->log);
    if (l->next)
        tail_fini(l->next);
    free(l->next);
    free(l);
}
