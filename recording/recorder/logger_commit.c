/* A commit, on a worker: what waits goes behind the head by one conditional PUT. All gateways want
 * that one object, so what counts is that few are at it at once and that nobody is stuck:
 *
 *   - who met others rests some round trips after its own commit (logger.c), while its leaves
 * gather;
 *   - a PUT that takes much longer than others did is given up, looked for, and made again, as TCP
 *     does with a segment: SeaweedFS 4.48 makes one that meets several of the same name sleep for
 *     whole seconds, and then it is too late anyway;
 *   - whose commit fills a tile writes it, and nobody else while the head has room. */
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/logger_impl.h"

#define ATTEMPT_MS 4000 /* one job, until others get their worker */
#define PATIENCE_MIN_MS 120u
#define SWAP_US 8000u /* before one was measured */
#define RETRY_MAX_US 60000u
#define ROUND 20 /* PUTs of the head */
#define ROUND_MIN_US UINT64_C(100000)
#define ROUND_MAX_US UINT64_C(300000)

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

static size_t to_be_placed(const struct logger *l) {
    size_t n = 0;
    for (size_t i = 0; i < l->batch_count; i++)
        n += !l->batch[i]->placed;
    return n;
}

static enum store_result read_head(struct logger *l, struct err *e) {
    struct log *g = &l->log;
    bool first = g->seen == 0;
    if (g->known)
        return STORE_OK;
    enum store_result r = log_refresh(g, e);
    if (r == STORE_OK && first && g->tail.entries >= PROOF_TILE)
        l->filled = true; /* by nobody who lives, for all we know */
    if (r == STORE_OK && !first)
        l->others = g->tail.size - l->left;
    return r;
}

static enum store_result write_tiles(struct logger *l, struct err *e) {
    struct tail *t = &l->log.tail;
    if (t->entries < PROOF_TILE ||
        (!l->filled && !l->wrote && t->entries + to_be_placed(l) <= TAIL_ENTRIES_MAX))
        return STORE_OK;
    enum store_result r = log_flush(&l->log, clock_wall_ms() + l->retain_ms, e);
    if (r == STORE_OK) {
        l->filled = false;
        l->wrote = true;
    }
    return r == STORE_EXISTS ? STORE_REFUSED : r; /* not "somebody was first", but "another log" */
}

/* Of the next PUT: by how long the last ones took (RFC 6298's arithmetic). */
static unsigned patience_ms(const struct logger *l) {
    uint64_t us = l->swap_us + 4 * l->swap_var_us;
    uint64_t ms = MAX_OF(us / 1000, (uint64_t)PATIENCE_MIN_MS) << MIN_OF(l->slow / 2, 16u);
    return (unsigned)MIN_OF(ms, (uint64_t)l->r->config->put_timeout_ms);
}

static void took(struct logger *l, uint64_t us) {
    uint64_t off = us > l->swap_us ? us - l->swap_us : l->swap_us - us;
    l->swap_var_us = (3 * l->swap_var_us + off) / 4;
    l->swap_us = (7 * l->swap_us + us) / 8;
}

/* Whether the others leave room for one to go when it likes, or all take turns. */
static void turns(struct logger *l, uint64_t now) {
    uint64_t round = MAX_OF(MIN_OF(ROUND * l->swap_us, ROUND_MAX_US), ROUND_MIN_US);
    uint64_t since = now - l->left_us;
    /* each of theirs took the head for about three PUTs */
    bool busy = l->others * 3 * l->swap_us > since / 8;
    l->round_us = busy ? round : 0;
    l->left_us = now;
}

uint64_t logger_turn(const struct logger *l, uint64_t now) {
    if (!l->round_us)
        return now;
    uint64_t after = (now - l->left_us) % l->round_us;
    return now - l->left_us >= l->round_us && after < l->round_us / 16 ? now
                                                                       : now + l->round_us - after;
}

static enum store_result put_head(struct logger *l, unsigned ms, struct err *e) {
    struct log *g = &l->log;
    uint64_t began = clock_us(), first = g->tail.size;
    enum store_result r = log_commit(g, l->next, (int)ms, e);
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
    if (r == STORE_OK) {
        took(l, clock_us() - began);
        l->filled = l->next->entries >= PROOF_TILE && first - l->next->base < PROOF_TILE;
        l->wrote = false;
        turns(l, l->began_us);
        l->left = l->next->size;
    } else {
        g->known = false;
        l->late = r == STORE_AWAY && e->status == STATUS_UPSTREAM_TIMEOUT &&
                  ms < (unsigned)l->r->config->put_timeout_ms;
    }
    return r;
}

static enum store_result attempt(struct logger *l, unsigned ms, struct err *e) {
    struct log *g = &l->log;
    l->began_us = clock_us();
    enum store_result r = read_head(l, e);
    if (r == STORE_OK)
        r = write_tiles(l, e);
    if (r != STORE_OK || look(l, e) < 0)
        return r != STORE_OK ? r : STORE_AWAY;
    if (to_be_placed(l) == 0)
        return STORE_OK;
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
    tail_seal(l->next);
    return put_head(l, ms, e);
}

/* Not longer for those who lost often: all who are there have the same chance. */
static void pause_by_chance(const struct logger *l) {
    uint16_t chance;
    uint64_t most = MIN_OF(2 * l->swap_us, (uint64_t)RETRY_MAX_US);
    random_bytes(&chance, sizeof chance);
    usleep((useconds_t)(most * (chance + 1u) / 65536u) + 1);
}

void logger_commit(struct job *j, struct worker *w) {
    struct logger *l = (struct logger *)j;
    uint64_t until = clock_ms() + ATTEMPT_MS;
    l->log.store = w->store;
    l->conflicts = l->slow = 0;
    l->swap_us = l->swap_us ? l->swap_us : SWAP_US;
    if (l->others)
        l->log.known = false; /* they have gone on meanwhile */
    for (;;) {
        unsigned ms = patience_ms(l);
        l->err = (struct err){ 0 };
        l->late = false;
        l->result = attempt(l, ms, &l->err);
        bool second = l->result == STORE_EXISTS || l->result == STORE_MISSING;
        if ((!second && !l->late) || clock_ms() > until)
            return;
        l->conflicts += second;
        l->slow += l->late;
        if (second)
            pause_by_chance(l);
    }
}
