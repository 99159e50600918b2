/* The log's end. */
#include "recording/tail.h"

#include <stdio.h>
#include <string.h>

#include "guacd/proto/status.h"

#define MAGIC "guac-log-head-1\n"

void tail_init(struct tail *t) {
    *t = (struct tail){ 0 };
    buf_init(&t->text, TAIL_MAX);
    tail_seal(t);
}

void tail_fini(struct tail *t) {
    buf_fini(&t->text);
    t->entries = 0;
}

int tail_copy(const struct tail *from, struct tail *to, struct err *e) {
    struct buf text = to->text;
    buf_clear(&text);
    buf_add(&text, from->text.data, from->text.len);
    *to = *from;
    to->text = text;
    return text.failed ? err_set(e, 0, "no memory for the log") : 0;
}

int tail_add(struct tail *t, const void *leaf, size_t len, struct err *e) {
    if (t->entries == TAIL_ENTRIES_MAX || len == 0 || len > LEAF_MAX)
        return err_set(e, STATUS_SERVER_BUSY, "log: no room for another leaf");
    struct tail_entry *n = &t->entry[t->entries];
    *n = (struct tail_entry){ .at = t->text.len, .len = len };
    if (buf_add(&t->text, leaf, len) < 0)
        return err_set(e, 0, "no memory for the log");
    merkle_leaf(leaf, len, n->hash);
    t->entries++;
    t->size++;
    return 0;
}

struct slice tail_leaf(const struct tail *t, uint64_t index) {
    const struct tail_entry *n = &t->entry[index - t->base];
    return (struct slice){ t->text.data + n->at, n->len };
}

/* ---- the root ------------------------------------------------------------------------------- */

/* The root of 2^bits hashes. */
static void fold(const uint8_t (*hashes)[MERKLE_HASH], unsigned bits, uint8_t out[MERKLE_HASH]) {
    uint8_t work[PROOF_TILE][MERKLE_HASH];
    memcpy(work, hashes, (size_t)MERKLE_HASH << bits);
    for (unsigned count = 1u << bits; count > 1; count /= 2)
        for (unsigned i = 0; i < count / 2; i++)
            merkle_node(work[2 * i], work[2 * i + 1], work[i]);
    memcpy(out, work[0], MERKLE_HASH);
}

static void level0(const struct tail *t, size_t first, uint8_t out[PROOF_TILE][MERKLE_HASH]) {
    for (size_t i = 0; i < PROOF_TILE; i++)
        memcpy(out[i], t->entry[first + i].hash, MERKLE_HASH);
}

/* merkle.h's binary counter: a bit of a level's count is a perfect subtree of its hashes. */
static void pending(const struct tail *t, struct merkle *m) {
    m->count = t->base;
    for (unsigned level = 1; level <= TAIL_LEVELS; level++) {
        unsigned at = 0;
        for (int bit = 7; bit >= 0; bit--) {
            if (!(t->counts[level] >> bit & 1))
                continue;
            fold((const uint8_t(*)[MERKLE_HASH]) & t->levels[level][at], (unsigned)bit,
                 m->pending[8 * level + (unsigned)bit]);
            at += 1u << bit;
        }
    }
}

/* As merkle_add(), of a hash. */
static void add_hash(struct merkle *m, const uint8_t leaf[MERKLE_HASH]) {
    uint8_t hash[MERKLE_HASH];
    int level = 0;
    memcpy(hash, leaf, MERKLE_HASH);
    for (uint64_t c = m->count; c & 1; c >>= 1, level++)
        merkle_node(m->pending[level], hash, hash);
    memcpy(m->pending[level], hash, MERKLE_HASH);
    m->count++;
}

void tail_seal(struct tail *t) {
    struct merkle m;
    merkle_init(&m);
    pending(t, &m);
    for (size_t i = 0; i < t->entries; i++)
        add_hash(&m, t->entry[i].hash);
    merkle_root(&m, t->root);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void put(struct buf *b, uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; i--)
        buf_putc(b, (char)(v >> (8 * i)));
}

int tail_write(const struct tail *t, struct buf *out) {
    unsigned levels = TAIL_LEVELS;
    while (levels > 0 && t->counts[levels] == 0)
        levels--;
    buf_puts(out, MAGIC);
    put(out, t->size, 8);
    put(out, t->base, 8);
    buf_add(out, t->root, MERKLE_HASH);
    put(out, levels, 1);
    for (unsigned level = 1; level <= levels; level++) {
        put(out, t->counts[level], 2);
        buf_add(out, t->levels[level], (size_t)t->counts[level] * MERKLE_HASH);
    }
    put(out, t->entries, 2);
    for (size_t i = 0; i < t->entries; i++) {
        put(out, t->entry[i].len, 2);
        buf_add(out, t->text.data + t->entry[i].at, t->entry[i].len);
    }
    return out->failed ? -1 : 0;
}

struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static uint64_t get(struct reader *r, int bytes) {
    uint64_t v = 0;
    if (r->end - r->p < bytes) {
        r->bad = true;
        return 0;
    }
    while (bytes-- > 0)
        v = v << 8 | *r->p++;
    return v;
}

static const void *take(struct reader *r, size_t len) {
    const uint8_t *p = r->p;
    if ((size_t)(r->end - r->p) < len) {
        r->bad = true;
        return NULL;
    }
    r->p += len;
    return p;
}

static int bad(struct err *e, const char *what) {
    return err_set(e, STATUS_CLIENT_BAD_REQUEST, "log: its head %s", what);
}

static void read_levels(struct reader *r, struct tail *t) {
    unsigned levels = (unsigned)get(r, 1);
    r->bad = r->bad || levels > TAIL_LEVELS;
    for (unsigned level = 1; !r->bad && level <= levels; level++) {
        unsigned count = (unsigned)get(r, 2);
        const void *hashes =
            count < PROOF_TILE ? take(r, (size_t)count * MERKLE_HASH) : (r->bad = true, NULL);
        if (!hashes)
            break;
        memcpy(t->levels[level], hashes, (size_t)count * MERKLE_HASH);
        t->counts[level] = count;
        r->bad = level == levels && count == 0; /* one spelling */
    }
    for (unsigned level = 1; level <= TAIL_LEVELS; level++)
        r->bad = r->bad || (t->base >> (8 * level)) % PROOF_TILE != t->counts[level];
    r->bad = r->bad || t->base % PROOF_TILE || t->base >> 56;
}

static void read_entries(struct reader *r, struct tail *t) {
    unsigned entries = (unsigned)get(r, 2);
    r->bad = r->bad || entries > TAIL_ENTRIES_MAX;
    for (unsigned i = 0; !r->bad && i < entries; i++) {
        size_t len = (size_t)get(r, 2);
        const void *leaf = take(r, len);
        if (!leaf || tail_add(t, leaf, len, NULL) < 0)
            r->bad = true;
    }
}

int tail_parse(const void *data, size_t len, struct tail *out, struct err *e) {
    struct reader r = { data, (const uint8_t *)data + len, false };
    const void *magic = take(&r, strlen(MAGIC)), *root;
    if (!magic || memcmp(magic, MAGIC, strlen(MAGIC)) != 0)
        return bad(e, "is of another kind");
    uint64_t size = get(&r, 8);
    _free_ struct tail *t = malloc(sizeof *t);
    if (!t)
        return err_set(e, 0, "no memory for the log");
    tail_init(t);
    t->base = t->size = get(&r, 8);
    root = take(&r, MERKLE_HASH);
    read_levels(&r, t);
    read_entries(&r, t);
    if (r.bad || !root || r.p != r.end || t->size != size) {
        tail_fini(t);
        return bad(e, "is malformed");
    }
    tail_seal(t);
    if (memcmp(t->root, root, MERKLE_HASH) != 0) {
        tail_fini(t);
        return bad(e, "does not have the root it says");
    }
    tail_fini(out);
    *out = *t;
    return 0;
}

/* ---- full tiles ----------------------------------------------------------------------------- */

void tail_path(int level, uint64_t n, unsigned width, char out[TAIL_PATH]) {
    char number[32] = "";
    uint64_t high = n / 1000;
    /* x001/x234/067: three digits a part, all but the last behind an x */
    if (high >= 1000000)
        snprintf(number, sizeof number, "x%03u/x%03u/x%03u/", (unsigned)(high / 1000000 % 1000),
                 (unsigned)(high / 1000 % 1000), (unsigned)(high % 1000));
    else if (high >= 1000)
        snprintf(number, sizeof number, "x%03u/x%03u/", (unsigned)(high / 1000),
                 (unsigned)(high % 1000));
    else if (high > 0)
        snprintf(number, sizeof number, "x%03u/", (unsigned)high);
    char name[12] = "entries", part[16] = "";
    if (level >= 0)
        snprintf(name, sizeof name, "%d", level);
    if (width < PROOF_TILE)
        snprintf(part, sizeof part, ".p/%u", width);
    snprintf(out, TAIL_PATH, "tile/%s/%s%03u%s", name, number, (unsigned)(n % 1000), part);
}

static struct buf *tile(struct tail_tile *t, int level, uint64_t n) {
    tail_path(level, n, PROOF_TILE, t->path);
    buf_init(&t->data, TAIL_MAX);
    return &t->data;
}

size_t tail_tiles(const struct tail *t, struct tail_tile *out, size_t max) {
    if (t->entries < PROOF_TILE || max < 2)
        return 0;
    uint8_t hashes[PROOF_TILE][MERKLE_HASH];
    struct buf *b = tile(&out[0], -1, t->base / PROOF_TILE);
    for (size_t i = 0; i < PROOF_TILE; i++) {
        put(b, t->entry[i].len, 2);
        buf_add(b, t->text.data + t->entry[i].at, t->entry[i].len);
    }
    level0(t, 0, hashes);
    buf_add(tile(&out[1], 0, t->base / PROOF_TILE), hashes, sizeof hashes);
    size_t n = 2;
    /* A level that stands at 255 becomes full by the hash from below. */
    for (unsigned level = 1; n < max && level <= TAIL_LEVELS && t->counts[level] == PROOF_TILE - 1;
         level++) {
        uint8_t last[MERKLE_HASH];
        fold((const uint8_t(*)[MERKLE_HASH])hashes, 8, last);
        memcpy(hashes, t->levels[level], sizeof hashes - MERKLE_HASH);
        memcpy(hashes[PROOF_TILE - 1], last, MERKLE_HASH);
        buf_add(tile(&out[n++], (int)level, t->base >> (8 * (level + 1))), hashes, sizeof hashes);
    }
    return n;
}

void tail_advance(struct tail *t) {
    uint8_t hashes[PROOF_TILE][MERKLE_HASH], hash[MERKLE_HASH];
    if (t->entries < PROOF_TILE)
        return;
    level0(t, 0, hashes);
    fold((const uint8_t(*)[MERKLE_HASH])hashes, 8, hash);
    for (unsigned level = 1; level <= TAIL_LEVELS; level++) {
        memcpy(t->levels[level][t->counts[level]++], hash, MERKLE_HASH);
        if (t->counts[level] < PROOF_TILE)
            break;
        fold((const uint8_t(*)[MERKLE_HASH])t->levels[level], 8, hash);
        t->counts[level] = 0;
    }
    size_t gone = t->entries > PROOF_TILE ? t->entry[PROOF_TILE].at : t->text.len;
    t->entries -= PROOF_TILE;
    t->base += PROOF_TILE;
    memmove(t->entry, t->entry + PROOF_TILE, t->entries * sizeof *t->entry);
    for (size_t i = 0; i < t->entries; i++)
        t->entry[i].at -= gone;
    buf_consume(&t->text, gone);
}

int tail_bundle_each(const void *data, size_t len,
                     int (*fn)(void *arg, size_t i, struct slice leaf), void *arg, struct err *e) {
    struct reader r = { data, (const uint8_t *)data + len, false };
    for (size_t i = 0; r.p < r.end; i++) {
        size_t n = (size_t)get(&r, 2);
        const char *leaf = take(&r, n);
        if (r.bad || i >= PROOF_TILE)
            return err_set(e, STATUS_CLIENT_BAD_REQUEST, "log: a bundle of entries is malformed");
        int stop = fn(arg, i, (struct slice){ leaf, n });
        if (stop)
            return stop;
    }
    return 0;
}
