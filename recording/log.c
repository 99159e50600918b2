/* Objects of the log. */
#include "recording/log.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/proto/status.h"

void log_init_reader(struct log *l, struct store *s, const char *bucket) {
    *l = (struct log){ .store = s };
    snprintf(l->bucket, sizeof l->bucket, "%s", bucket);
    tail_init(&l->tail);
}

void log_fini(struct log *l) {
    for (size_t i = 0; i < LOG_CACHE; i++)
        buf_fini(&l->cache[i].data);
    tail_fini(&l->tail);
}

void log_head_key(const struct log *l, const char *name, char out[128]) {
    snprintf(out, 128, "%s-head/%.50s", l->bucket, name);
}

void log_key(const struct log *l, const char *name, char out[128]) {
    snprintf(out, 128, "%s/log/%.56s", l->bucket, name);
}

/* ---- reading -------------------------------------------------------------------------------- */

enum store_result log_refresh(struct log *l, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    struct store_meta meta = { 0 };
    char key[128];
    buf_init(&b, TAIL_MAX);
    log_head_key(l, "log/head", key);
    enum store_result r = store_get(l->store, key, NULL, &b, &meta, e);
    if (r == STORE_MISSING) {
        if (l->seen) {
            err_set(e, STATUS_RESOURCE_CONFLICT, "log: its head is gone, it had %llu leaves",
                    (unsigned long long)l->seen);
            return STORE_REFUSED;
        }
        tail_fini(&l->tail);
        tail_init(&l->tail);
        l->etag[0] = '\0';
        l->known = true;
        return STORE_OK;
    }
    if (r != STORE_OK)
        return r;
    if (tail_parse(b.data, b.len, &l->tail, e) < 0)
        return STORE_REFUSED;
    memcpy(l->etag, meta.etag, sizeof l->etag);
    if (l->tail.size < l->seen) {
        err_set(e, STATUS_RESOURCE_CONFLICT, "log: rolled back from %llu leaves to %llu",
                (unsigned long long)l->seen, (unsigned long long)l->tail.size);
        return STORE_REFUSED;
    }
    l->seen = l->tail.size;
    l->known = true;
    return STORE_OK;
}

/* A full tile's bytes, by way of the cache. */
static const struct buf *full(struct log *l, int level, uint64_t n, struct err *e) {
    struct log_tile *oldest = &l->cache[0];
    char path[TAIL_PATH], key[128];
    for (size_t i = 0; i < LOG_CACHE; i++) {
        struct log_tile *t = &l->cache[i];
        if (t->there && t->level == level && t->n == n) {
            t->used = ++l->clock;
            return &t->data;
        }
        if (t->used < oldest->used)
            oldest = t;
    }
    tail_path(level, n, PROOF_TILE, path);
    log_key(l, path, key);
    oldest->there = false;
    if (!oldest->data.max)
        buf_init(&oldest->data, TAIL_MAX);
    buf_clear(&oldest->data);
    if (store_get(l->store, key, NULL, &oldest->data, NULL, e) != STORE_OK) {
        err_prefix(e, "log");
        return NULL;
    }
    if (level >= 0 && oldest->data.len != (size_t)PROOF_TILE * MERKLE_HASH) {
        err_set(e, STATUS_RESOURCE_CONFLICT, "log: %s has not the size of a full tile", path);
        return NULL;
    }
    *oldest = (struct log_tile){
        .there = true, .level = level, .n = n, .used = ++l->clock, .data = oldest->data
    };
    return &oldest->data;
}

/* Of level 0 that the tail holds: [base, size). */
static void own_leaves(const struct tail *t, uint64_t n, unsigned count,
                       uint8_t (*out)[MERKLE_HASH]) {
    for (unsigned i = 0; i < count; i++)
        memcpy(out[i], t->entry[n * PROOF_TILE + i - t->base].hash, MERKLE_HASH);
}

static int tile(void *arg, unsigned level, uint64_t n, unsigned count, uint8_t (*out)[MERKLE_HASH],
                struct err *e) {
    struct log *l = arg;
    const struct tail *t = &l->tail;
    uint64_t first = n * PROOF_TILE, flushed = t->base >> (8 * level);
    if (level > TAIL_LEVELS || first + count > t->size >> (8 * level))
        return err_set(e, 0, "log: no such tile");
    if (level == 0 && first >= t->base) {
        own_leaves(t, n, count, out);
        return 0;
    }
    if (first + PROOF_TILE <= flushed) {
        const struct buf *b = full(l, (int)level, n, e);
        if (b)
            memcpy(out, b->data, (size_t)count * MERKLE_HASH);
        return b ? 0 : -1;
    }
    /* Partial: what is flushed, and behind it what tiles the tail completes. */
    unsigned have = (unsigned)(flushed - first);
    memcpy(out, t->levels[level], (size_t)MIN_OF(have, count) * MERKLE_HASH);
    for (unsigned i = have; i < count; i++) {
        const struct proof_source s = { tile, l };
        uint8_t below[PROOF_TILE][MERKLE_HASH];
        if (s.tile(l, level - 1, first + i, PROOF_TILE, below, e) < 0)
            return -1;
        for (unsigned c = PROOF_TILE; c > 1; c /= 2)
            for (unsigned k = 0; k < c / 2; k++)
                merkle_node(below[2 * k], below[2 * k + 1], below[k]);
        memcpy(out[i], below[0], MERKLE_HASH);
    }
    return 0;
}

struct proof_source log_source(struct log *l) {
    return (struct proof_source){ tile, l };
}

struct each {
    uint64_t first, from, to;
    int (*fn)(void *arg, uint64_t index, struct slice leaf);
    void *arg;
    size_t count;
};

static int each_one(void *arg, size_t i, struct slice leaf) {
    struct each *x = arg;
    uint64_t index = x->first + i;
    x->count = i + 1;
    return index >= x->from && index < x->to ? x->fn(x->arg, index, leaf) : 0;
}

int log_each(struct log *l, uint64_t from, uint64_t to,
             int (*fn)(void *arg, uint64_t index, struct slice leaf), void *arg, struct err *e) {
    while (from < to && from < l->tail.base) {
        uint64_t n = from / PROOF_TILE;
        struct each x = { n * PROOF_TILE, from, to, fn, arg, 0 };
        const struct buf *b = full(l, -1, n, e);
        int r = b ? tail_bundle_each(b->data, b->len, each_one, &x, e) : -1;
        if (r != 0)
            return r;
        if (x.count != PROOF_TILE)
            return err_set(e, STATUS_RESOURCE_CONFLICT, "log: a bundle of entries is cut");
        from = (n + 1) * PROOF_TILE;
    }
    for (; from < to && from < l->tail.size; from++) {
        int r = fn(arg, from, tail_leaf(&l->tail, from));
        if (r != 0)
            return r;
    }
    return 0;
}

struct find {
    struct slice text;
    uint64_t index;
};

static int is_it(void *arg, uint64_t index, struct slice text) {
    struct find *f = arg;
    f->index = index;
    return text.len == f->text.len && memcmp(text.data, f->text.data, text.len) == 0;
}

int log_find(struct log *l, struct slice text, uint64_t from, uint64_t *index, struct err *e) {
    struct find f = { text, 0 };
    int r = log_each(l, from, l->tail.size, is_it, &f, e);
    if (r > 0)
        *index = f.index;
    return r;
}

/* ---- writing -------------------------------------------------------------------------------- */

enum store_result log_flush(struct log *l, uint64_t retain_until_ms, struct err *e) {
    struct tail_tile tiles[TAIL_LEVELS + 2];
    enum store_result r = STORE_OK;
    size_t n = tail_tiles(&l->tail, tiles, TAIL_LEVELS + 2);
    uint8_t sums[TAIL_LEVELS + 2][32], all[32];
    for (size_t i = 0; i < n; i++) {
        sha256(tiles[i].data.data, tiles[i].data.len, sums[i]);
        r = tiles[i].data.failed ? STORE_AWAY : r;
    }
    sha256(sums, n * sizeof sums[0], all);
    bool there = l->flushed_base == l->tail.base && memcmp(all, l->flushed, sizeof all) == 0;
    for (size_t i = 0; i < n; i++) {
        const struct buf *b = &tiles[i].data;
        char key[128];
        log_key(l, tiles[i].path, key);
        if (r == STORE_OK && !there)
            r = store_put(l->store, key, b->data, b->len, sums[i], retain_until_ms, NULL, e);
        buf_fini(&tiles[i].data);
    }
    if (r == STORE_EXISTS) {
        err_prefix(e, "log: forked");
    } else if (r == STORE_OK) {
        memcpy(l->flushed, all, sizeof all);
        l->flushed_base = l->tail.base;
        tail_advance(&l->tail);
    }
    return r;
}

enum store_result log_commit(struct log *l, const struct tail *next, int timeout_ms,
                             struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    char key[128], fresh[STORE_ETAG_SIZE];
    buf_init(&b, TAIL_MAX);
    log_head_key(l, "log/head", key);
    if (tail_write(next, &b) < 0)
        return err_set(e, 0, "no memory for the log"), STORE_AWAY;
    int before = store_timeout(l->store, timeout_ms);
    enum store_result r = store_swap(l->store, key, b.data, b.len, l->etag, fresh, e);
    store_timeout(l->store, before);
    if (r != STORE_OK)
        return r;
    memcpy(l->etag, fresh, sizeof l->etag);
    l->seen = next->size;
    if (!*l->etag || tail_copy(next, &l->tail, e) < 0)
        l->known = false; /* committed all the same: it is read again */
    return STORE_OK;
}

enum store_result log_checkpoint_get(struct log *l, struct buf *out, struct store_meta *meta,
                                     struct err *e) {
    char key[128];
    log_head_key(l, "log/checkpoint", key);
    return store_get(l->store, key, NULL, out, meta, e);
}

enum store_result log_checkpoint_put(struct log *l, const struct buf *note, uint64_t size,
                                     struct err *e) {
    char key[128], fresh[STORE_ETAG_SIZE];
    log_head_key(l, "log/checkpoint", key);
    enum store_result r = STORE_EXISTS;
    for (int tries = 0; r == STORE_EXISTS && tries < 8; tries++) {
        struct buf there __attribute__((cleanup(buf_fini)));
        struct note n;
        struct store_meta meta = { 0 };
        buf_init(&there, NOTE_MAX);
        r = log_checkpoint_get(l, &there, &meta, e);
        if (r == STORE_OK && note_parse(there.data, there.len, &n, NULL) == 0 && n.size >= size)
            return STORE_OK;
        if (r != STORE_OK && r != STORE_MISSING)
            return r;
        r = store_swap(l->store, key, note->data, note->len, meta.etag, fresh, e);
    }
    return r;
}
