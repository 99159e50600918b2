/* Subtrees are perfect ones, read from one tile and folded, or split at the largest power of two.
 */
#include "recording/proof.h"

#include <stdbool.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct maker {
    const struct proof_source *source;
    uint64_t size; /* of the tree whose tiles may be asked for */
    struct err *e;
};

static uint64_t below(uint64_t n) { /* largest power of two < n, n > 1 */
    uint64_t k = 1;
    while (k < n - k)
        k *= 2;
    return k;
}

/* 2^bits leaves from lo on; lo is a multiple of that. */
static int perfect(const struct maker *m, uint64_t lo, unsigned bits, uint8_t out[MERKLE_HASH]) {
    uint8_t tile[PROOF_TILE][MERKLE_HASH];
    unsigned level = bits / 8, rest = bits % 8;
    uint64_t first = lo >> (8 * level), n = first / PROOF_TILE;
    unsigned at = (unsigned)(first % PROOF_TILE), count = 1u << rest;
    uint64_t there = (m->size >> (8 * level)) - n * PROOF_TILE;
    if (m->source->tile(m->source->arg, level, n, (unsigned)MIN_OF(there, PROOF_TILE), tile, m->e) <
        0)
        return -1;
    for (; count > 1; count /= 2)
        for (unsigned i = 0; i < count / 2; i++)
            merkle_node(tile[at + 2 * i], tile[at + 2 * i + 1], tile[at + i]);
    memcpy(out, tile[at], MERKLE_HASH);
    return 0;
}

static int range(const struct maker *m, uint64_t lo, uint64_t hi, uint8_t out[MERKLE_HASH]) {
    uint8_t hash[MERKLE_HASH], left[64][MERKLE_HASH];
    int lefts = 0;
    while ((hi - lo) & (hi - lo - 1)) { /* no power of two: the left part is one */
        uint64_t k = below(hi - lo);
        if (perfect(m, lo, (unsigned)__builtin_ctzll(k), left[lefts++]) < 0)
            return -1;
        lo += k;
    }
    if (perfect(m, lo, (unsigned)__builtin_ctzll(hi - lo), hash) < 0)
        return -1;
    while (lefts > 0)
        merkle_node(left[--lefts], hash, hash);
    memcpy(out, hash, MERKLE_HASH);
    return 0;
}

int proof_root(const struct proof_source *s, uint64_t size, uint8_t out[MERKLE_HASH],
               struct err *e) {
    const struct maker m = { s, size, e };
    struct merkle empty;
    merkle_init(&empty);
    if (size)
        return range(&m, 0, size, out);
    merkle_root(&empty, out);
    return 0;
}

int proof_inclusion(const struct proof_source *s, uint64_t index, uint64_t size, struct proof *out,
                    struct err *e) {
    const struct maker m = { s, size, e };
    struct proof down = { 0 };
    for (uint64_t lo = 0, hi = size; hi - lo > 1;) {
        uint64_t k = lo + below(hi - lo);
        bool left = index < k;
        if (range(&m, left ? k : lo, left ? hi : k, down.hashes[down.count++]) < 0)
            return -1;
        lo = left ? lo : k;
        hi = left ? k : hi;
    }
    out->count = down.count;
    for (size_t i = 0; i < down.count; i++) /* from the leaf up */
        memcpy(out->hashes[i], down.hashes[down.count - 1 - i], MERKLE_HASH);
    return 0;
}

int proof_consistency(const struct proof_source *s, uint64_t from, uint64_t to, struct proof *out,
                      struct err *e) {
    const struct maker m = { s, to, e };
    struct proof down = { 0 };
    uint64_t lo = 0, hi = to;
    bool whole = true; /* the old tree begins at lo and is a node of the old one's own */
    while (hi != from) {
        uint64_t k = lo + below(hi - lo);
        bool left = from <= k;
        if (range(&m, left ? k : lo, left ? hi : k, down.hashes[down.count++]) < 0)
            return -1;
        whole = whole && left;
        lo = left ? lo : k;
        hi = left ? k : hi;
    }
    if (!whole && range(&m, lo, hi, down.hashes[down.count++]) < 0)
        return -1;
    out->count = down.count;
    for (size_t i = 0; i < down.count; i++)
        memcpy(out->hashes[i], down.hashes[down.count - 1 - i], MERKLE_HASH);
    return 0;
}

/* ---- checks: RFC 9162 sections 2.1.3.2 and 2.1.4.2, the same trees with stated algorithms ---- */

static int differs(struct err *e, const char *what) {
    return err_set(e, STATUS_RESOURCE_CONFLICT, "%s", what);
}

int proof_check_inclusion(const struct proof *p, const uint8_t leaf[MERKLE_HASH], uint64_t index,
                          uint64_t size, const uint8_t root[MERKLE_HASH], struct err *e) {
    static const char no[] = "the leaf is not in that tree";
    uint8_t r[MERKLE_HASH];
    if (index >= size)
        return differs(e, no);
    uint64_t fn = index, sn = size - 1;
    memcpy(r, leaf, MERKLE_HASH);
    for (size_t i = 0; i < p->count; i++) {
        if (sn == 0)
            return differs(e, no);
        if (fn & 1 || fn == sn) {
            merkle_node(p->hashes[i], r, r);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            merkle_node(r, p->hashes[i], r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(r, root, MERKLE_HASH) == 0 ? 0 : differs(e, no);
}

/* Walks both trees up at once; `fr` and `sr` are the old and the new root at its end. */
static bool climb(const struct proof *p, size_t i, uint64_t fn, uint64_t sn,
                  uint8_t fr[MERKLE_HASH], uint8_t sr[MERKLE_HASH]) {
    for (; i < p->count; i++) {
        if (sn == 0)
            return false;
        if (fn & 1 || fn == sn) {
            merkle_node(p->hashes[i], fr, fr);
            merkle_node(p->hashes[i], sr, sr);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            merkle_node(sr, p->hashes[i], sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0;
}

int proof_check_consistency(const struct proof *p, uint64_t from,
                            const uint8_t from_root[MERKLE_HASH], uint64_t to,
                            const uint8_t to_root[MERKLE_HASH], struct err *e) {
    static const char no[] = "the later tree does not contain the earlier one";
    uint8_t fr[MERKLE_HASH], sr[MERKLE_HASH];
    if (from > to || (from == 0 && p->count) || p->count > PROOF_MAX)
        return differs(e, no);
    if (from == 0)
        return 0;
    if (from == to)
        return p->count == 0 && memcmp(from_root, to_root, MERKLE_HASH) == 0 ? 0 : differs(e, no);
    bool power = (from & (from - 1)) == 0;
    if (!power && p->count == 0)
        return differs(e, no);
    memcpy(fr, power ? from_root : p->hashes[0], MERKLE_HASH);
    memcpy(sr, fr, MERKLE_HASH);
    uint64_t fn = from - 1, sn = to - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    return climb(p, power ? 0 : 1, fn, sn, fr, sr) && memcmp(fr, from_root, MERKLE_HASH) == 0 &&
                   memcmp(sr, to_root, MERKLE_HASH) == 0
               ? 0
               : differs(e, no);
}
