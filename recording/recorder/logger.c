/* Group commit: what waits is put behind the head as it was last seen; whoever swapped it before us
 * makes us read it again and wait a little, by chance, so that all writers come to their turn. */
#include "recording/recorder/logger.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/checkpoint.h"
#include "recording/recorder/logger_impl.h"
#include "recording/recorder/watch.h"

#define ATTEMPT_MS 4000 /* one job, until others get their worker */
#define CONFLICT_MIN_US 2000
#define CONFLICT_MAX_US 60000
#define RETRY_MIN_US 50000u
#define RETRY_MAX_US 2000000u

/* ---- on a worker ---------------------------------------------------------------------------- */

/* Those that may be there are looked for behind what was looked at. */
static int look(struct logger *l, struct err *e) {
    struct log *g = &l->log;
    for (size_t i = 0; i < l->batch_count; i++) {
        struct logger_item *it = l->batch[i];
        if (it->placed || !it->in_doubt)
            continue;
        struct slice text = { it->text.data, it->text.len };
        int r = log_find(g, text, it->from, &it->index, e);
        if (r < 0)
            return -1;
        it->placed = r > 0;
        it->from = g->tail.size;
    }
    return 0;
}

static enum store_result attempt(struct logger *l, struct err *e) {
    struct log *g = &l->log;
    enum store_result r = g->known ? STORE_OK : log_refresh(g, e);
    while (r == STORE_OK && g->tail.entries >= PROOF_TILE)
        r = log_flush(g, clock_wall_ms() + l->retain_ms, e);
    if (r == STORE_EXISTS)
        r = STORE_REFUSED; /* not "somebody was first", but "somebody else's" */
    if (r != STORE_OK || look(l, e) < 0)
        return r != STORE_OK ? r : STORE_AWAY;
    uint64_t first = g->tail.size;
    if (tail_copy(&g->tail, l->next, e) < 0)
        return STORE_AWAY;
    for (size_t i = 0; i < l->batch_count; i++) {
        struct logger_item *it = l->batch[i];
        if (it->placed)
            continue;
        it->index = l->next->size;
        if (tail_add(l->next, it->text.data, it->text.len, e) < 0)
            return STORE_AWAY;
    }
    if (l->next->size == first)
        return STORE_OK;
    tail_seal(l->next);
    r = log_commit(g, l->next, e);
    for (size_t i = 0; i < l->batch_count; i++) {
        struct logger_item *it = l->batch[i];
        if (it->placed)
            continue;
        it->placed = r == STORE_OK;
        if (r == STORE_OK)
            continue;
        /* Also after 412: a PUT that seemed to be lost may be the one that won. */
        it->from = it->in_doubt ? MIN_OF(it->from, first) : first;
        it->in_doubt = true;
    }
    if (r != STORE_OK)
        g->known = false;
    return r;
}

static void pause_by_chance(unsigned round) {
    uint16_t chance;
    uint64_t most = MIN_OF((uint64_t)CONFLICT_MIN_US << MIN_OF(round, 5u), CONFLICT_MAX_US);
    random_bytes(&chance, sizeof chance);
    usleep((useconds_t)(most * (chance + 1u) / 65536u) + 1);
}

static void commit(struct job *j, struct worker *w) {
    struct logger *l = (struct logger *)j;
    uint64_t until = clock_ms() + ATTEMPT_MS;
    l->log.store = w->store;
    l->conflicts = 0;
    for (;;) {
        l->err = (struct err){ 0 };
        l->result = attempt(l, &l->err);
        if ((l->result != STORE_EXISTS && l->result != STORE_MISSING) || clock_ms() > until)
            return;
        pause_by_chance(l->conflicts++);
    }
}

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
    if (l->running || !l->first || !l->started || l->retry_us)
        return;
    l->batch_count = 0;
    while (l->first && l->batch_count < TAIL_BATCH - 1) {
        struct logger_item *it = l->first;
        if (!(l->first = it->next))
            l->last = &l->first;
        l->waiting--;
        l->batch[l->batch_count++] = it;
    }
    l->running = true;
    l->job = (struct job){ .urgent = true, .run = commit, .done = committed };
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
