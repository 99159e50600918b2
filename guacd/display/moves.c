#include "guacd/display/moves.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"

#define VOTES_MIN 10
#define VOTES_PART 4 /* of the lines that changed, a quarter has to agree */
#define PRIME 0x9E3779B1u

struct moves_slot {
    uint32_t hash;
    int32_t line; /* + 1; 0: free, -1: there are several of them */
};

/* Lines first to first + count - 1 come from `by` lines further on. */
struct run {
    int first, count, by;
};

void moves_fini(struct moves *m) {
    free(m->now);
    free(m->old);
    free(m->slots);
    free(m->votes);
    *m = (struct moves){ 0 };
}

/* Slots for four times the lines: half full at most. */
static size_t slots_of(int lines) {
    size_t n = 64;
    while (n < 2 * (size_t)lines)
        n *= 2;
    return n;
}

static bool reserve(struct moves *m, int lines) {
    if (lines <= m->cap)
        return true;
    const unsigned misses = m->misses;
    moves_fini(m);
    m->misses = misses;
    m->now = malloc((size_t)lines * sizeof(*m->now));
    m->old = malloc((size_t)lines * sizeof(*m->old));
    m->slots = malloc(slots_of(lines) * sizeof(*m->slots));
    m->votes = malloc(2 * (size_t)lines * sizeof(*m->votes));
    if (!m->now || !m->old || !m->slots || !m->votes) {
        moves_fini(m);
        return false;
    }
    m->cap = lines;
    return true;
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Four sums side by side, since one would wait for its own multiplications. */
static uint32_t hash_row(const uint32_t *p, int count) {
    uint64_t a = 1, b = 2, c = 3, d = 4, v[4];
    const uint64_t k = 0x9E3779B97F4A7C15u;
    int i = 0;
    for (; i + 8 <= count; i += 8) {
        memcpy(v, p + i, sizeof(v));
        a = (a ^ v[0]) * k;
        b = (b ^ v[1]) * k;
        c = (c ^ v[2]) * k;
        d = (d ^ v[3]) * k;
    }
    for (; i < count; i++)
        a = (a ^ p[i]) * k;
    uint64_t all = (a ^ (b >> 7)) * k ^ (c ^ (d >> 11)) * (k + 2);
    return (uint32_t)(all >> 32);
}

/* Column after column of `rows` rows at once: shifts and sums, so that the loop becomes SIMD. */
static void hash_columns(const uint32_t *p, int stride, int count, int rows, uint32_t *out) {
    memset(out, 0, (size_t)count * sizeof(*out));
    for (int y = 0; y < rows; y++, p += stride)
        for (int x = 0; x < count; x++)
            out[x] = ((out[x] << 5) | (out[x] >> 27)) + (p[x] ^ PRIME);
}

static void index_old(struct moves *m, int lines) {
    size_t mask = slots_of(lines) - 1;
    memset(m->slots, 0, (mask + 1) * sizeof(*m->slots));
    for (int i = 0; i < lines; i++) {
        size_t at = (m->old[i] * PRIME) >> 7 & mask;
        while (m->slots[at].line && m->slots[at].hash != m->old[i])
            at = (at + 1) & mask;
        m->slots[at].line = m->slots[at].line ? -1 : i + 1;
        m->slots[at].hash = m->old[i];
    }
}

static int find_old(const struct moves *m, int lines, uint32_t hash) {
    size_t mask = slots_of(lines) - 1, at = (hash * PRIME) >> 7 & mask;
    while (m->slots[at].line && m->slots[at].hash != hash)
        at = (at + 1) & mask;
    return m->slots[at].line > 0 ? m->slots[at].line - 1 : -1;
}

/* How far most lines moved; 0: they do not agree. */
static int vote(struct moves *m, int lines) {
    int changed = 0, best = 0;
    memset(m->votes, 0, 2 * (size_t)lines * sizeof(*m->votes));
    for (int i = 0; i < lines; i++) {
        if (m->now[i] == m->old[i])
            continue;
        changed++;
        int from = find_old(m, lines, m->now[i]);
        if (from >= 0 && from != i)
            m->votes[from - i + lines]++;
    }
    for (int by = 1 - lines; by < lines; by++)
        if (m->votes[by + lines] > m->votes[best + lines])
            best = by;
    int votes = m->votes[best + lines];
    return votes >= VOTES_MIN && votes * VOTES_PART >= changed ? best : 0;
}

/* The longest run of lines that are there `by` lines further on, without what did not change at its
 * ends. */
static struct run longest(const struct moves *m, int lines, int by) {
    struct run best = { 0 };
    int first = -1;
    for (int i = MAX_OF(0, -by); i <= lines; i++) {
        bool same = i < lines && i + by < lines && m->now[i] == m->old[i + by];
        if (same && first < 0)
            first = i;
        if (!same && first >= 0) {
            if (i - first > best.count)
                best = (struct run){ first, i - first, by };
            first = -1;
        }
    }
    while (best.count && m->now[best.first] == m->old[best.first]) {
        best.first++;
        best.count--;
    }
    while (best.count && m->now[best.first + best.count - 1] == m->old[best.first + best.count - 1])
        best.count--;
    return best;
}

/* count 0: nothing moved. */
static struct run find_run(struct moves *m, int lines) {
    struct run none = { 0 };
    if (memcmp(m->now, m->old, (size_t)lines * sizeof(*m->now)) == 0)
        return none;
    index_old(m, lines);
    int by = vote(m, lines);
    struct run r = by ? longest(m, lines, by) : none;
    return r.count >= MOVES_LINES_MIN ? r : none;
}

/* ---- strips -------------------------------------------------------------------------------- */

/* A strip's run becomes part of its neighbour's copy when both moved alike. */
struct strip {
    int at, width; /* across the move */
    struct run run;
};

static bool joins(const struct strip *a, const struct strip *b) {
    int first = MAX_OF(a->run.first, b->run.first);
    int end = MIN_OF(a->run.first + a->run.count, b->run.first + b->run.count);
    return a->at + a->width == b->at && a->run.by == b->run.by &&
           (end - first) * 2 > MAX_OF(a->run.count, b->run.count);
}

static void join(struct strip *a, const struct strip *b) {
    int first = MAX_OF(a->run.first, b->run.first);
    int end = MIN_OF(a->run.first + a->run.count, b->run.first + b->run.count);
    a->width += b->width;
    a->run.first = first;
    a->run.count = end - first;
}

static size_t emit(const struct strip *s, bool vertical, struct copies *out) {
    if (!s->run.count || out->count == COPIES_MAX)
        return 0;
    const struct run *r = &s->run;
    struct copy c = { s->at, r->first + r->by, s->width, r->count, s->at, r->first };
    if (!vertical)
        c = (struct copy){ r->first + r->by, s->at, r->count, s->width, r->first, s->at };
    copies_add(out, &c);
    return 1;
}

/* The tiles of one strip that differ, from the first to the last; false: too few. */
static bool extent(const struct moves_frames *f, bool vertical, int strip, int *first, int *end) {
    int count = vertical ? f->rows : f->columns, from = -1, to = -1;
    for (int i = 0; i < count; i++)
        if (f->differs[vertical ? i * f->columns + strip : strip * f->columns + i]) {
            from = from < 0 ? i : from;
            to = i;
        }
    *first = from * f->tile;
    *end = MIN_OF((to + 1) * f->tile, vertical ? f->height : f->width);
    return from >= 0 && *end - *first >= 2 * MOVES_LINES_MIN;
}

static void hash_strip(struct moves *m, const struct moves_frames *f, bool vertical,
                       const struct strip *s, int first, int lines) {
    if (!vertical) {
        size_t at = (size_t)s->at * (size_t)f->width + (size_t)first;
        hash_columns(f->now + at, f->width, lines, s->width, m->now);
        hash_columns(f->old + at, f->width, lines, s->width, m->old);
        return;
    }
    for (int i = 0; i < lines; i++) {
        size_t at = (size_t)(first + i) * (size_t)f->width + (size_t)s->at;
        m->now[i] = hash_row(f->now + at, s->width);
        m->old[i] = hash_row(f->old + at, s->width);
    }
}

static size_t search(struct moves *m, const struct moves_frames *f, bool vertical,
                     struct copies *out) {
    struct strip open = { 0 };
    size_t found = 0;
    int strips = vertical ? f->columns : f->rows, across = vertical ? f->width : f->height;
    for (int i = 0; i < strips; i++) {
        int first, end;
        if (!extent(f, vertical, i, &first, &end))
            continue;
        struct strip s = { .at = i * f->tile, .width = MIN_OF(f->tile, across - i * f->tile) };
        hash_strip(m, f, vertical, &s, first, end - first);
        s.run = find_run(m, end - first);
        s.run.first += first;
        if (open.run.count && s.run.count && joins(&open, &s)) {
            join(&open, &s);
            continue;
        }
        found += emit(&open, vertical, out);
        open = s;
    }
    return found + emit(&open, vertical, out);
}

size_t moves_find(struct moves *m, const struct moves_frames *f, struct copies *out) {
    if (m->skip) {
        m->skip--;
        return 0;
    }
    if (!reserve(m, MAX_OF(f->width, f->height)))
        return 0;
    size_t found = search(m, f, true, out);
    if (!found)
        found = search(m, f, false, out);
    m->misses = found ? 0 : m->misses + 1;
    m->skip = MIN_OF(m->misses, (unsigned)MOVES_SKIP_MAX);
    return found;
}
