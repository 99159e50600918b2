#include "guacd/term/intern.h"

#include <stdlib.h>
#include <string.h>

enum { FREE, USED, MARKED };

#define SWEEP_MIN 2048u

static uint32_t hash_record(const struct intern *t, const void *record) {
    const unsigned char *p = record;
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < t->record_size; i += 4) {
        uint32_t w;
        memcpy(&w, p + i, 4);
        h = (h ^ w) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static void *record_at(const struct intern *t, uint32_t number) {
    return t->records + (size_t)number * t->record_size;
}

static void insert(struct intern *t, uint32_t number) {
    uint32_t i = hash_record(t, record_at(t, number)) & (t->slot_count - 1);
    while (t->slots[i])
        i = (i + 1) & (t->slot_count - 1);
    t->slots[i] = number + 1;
}

static void rehash(struct intern *t) {
    memset(t->slots, 0, t->slot_count * sizeof *t->slots);
    for (uint32_t n = 0; n < t->end; n++)
        if (t->state[n] != FREE)
            insert(t, n);
}

static int grow(struct intern *t) {
    uint32_t cap = t->cap ? t->cap * 2 : 64;
    if (cap > t->max)
        cap = t->max;
    if (cap <= t->cap)
        return -1;
    uint32_t slot_count = 128;
    while (slot_count < cap * 2)
        slot_count *= 2;
    unsigned char *records = realloc(t->records, (size_t)cap * t->record_size);
    if (records)
        t->records = records;
    uint8_t *state = realloc(t->state, cap);
    if (state)
        t->state = state;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!records || !state || !slots) {
        free(slots);
        return -1;
    }
    memset(t->state + t->cap, FREE, cap - t->cap);
    free(t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    t->cap = cap;
    rehash(t);
    return 0;
}

int intern_init(struct intern *t, size_t record_size, uint32_t max, const void *first) {
    *t = (struct intern){ .record_size = record_size, .max = max, .sweep_at = SWEEP_MIN };
    if (t->sweep_at > max)
        t->sweep_at = max;
    return intern_get(t, first) == 0 ? 0 : -1;
}

void intern_fini(struct intern *t) {
    free(t->records);
    free(t->slots);
    free(t->state);
    *t = (struct intern){ 0 };
}

uint32_t intern_get(struct intern *t, const void *record) {
    uint32_t i = 0;
    if (t->slot_count) {
        i = hash_record(t, record) & (t->slot_count - 1);
        for (; t->slots[i]; i = (i + 1) & (t->slot_count - 1)) {
            uint32_t n = t->slots[i] - 1;
            if (memcmp(record_at(t, n), record, t->record_size) == 0)
                return n;
        }
    }
    uint32_t n = t->end;
    if (t->count < t->end) {
        for (n = t->free_hint; n < t->end && t->state[n] != FREE; n++)
            ;
        t->free_hint = n + 1;
    }
    if (n >= t->end) {
        n = t->end;
        if (n == t->cap && grow(t))
            return INTERN_NONE;
        t->end++;
    }
    memcpy(record_at(t, n), record, t->record_size);
    t->state[n] = USED;
    t->count++;
    insert(t, n);
    return n;
}

const void *intern_at(const struct intern *t, uint32_t number) {
    return number < t->end && t->state[number] != FREE ? record_at(t, number) : NULL;
}

bool intern_crowded(const struct intern *t) {
    return t->count >= t->sweep_at;
}

void intern_mark(struct intern *t, uint32_t number) {
    if (number < t->end && t->state[number] == USED)
        t->state[number] = MARKED;
}

void intern_sweep(struct intern *t) {
    intern_mark(t, 0);
    t->count = 0;
    for (uint32_t n = 0; n < t->end; n++) {
        t->state[n] = t->state[n] == MARKED ? USED : FREE;
        t->count += t->state[n] == USED;
    }
    t->free_hint = 0;
    rehash(t);
    /* A sweep walks every cell: not again before the table has grown by as much as it kept, or,
     * close to the maximum, by a thousandth part of it. */
    uint32_t at = t->count * 2 < SWEEP_MIN ? SWEEP_MIN : t->count * 2;
    if (at > t->max)
        at = t->count + t->max / 64 + 1;
    t->sweep_at = at;
}
