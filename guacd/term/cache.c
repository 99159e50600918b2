#include "guacd/term/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"

static uint32_t hash(cell_t key) {
    key *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(key >> 32);
}

static void slot_insert(struct cache *c, cell_t key, uint32_t place) {
    uint32_t i = hash(key) & (c->slot_count - 1);
    while (c->slots[i])
        i = (i + 1) & (c->slot_count - 1);
    c->slots[i] = place + 1;
}

static void rehash(struct cache *c) {
    memset(c->slots, 0, c->slot_count * sizeof *c->slots);
    c->in_use = 0;
    for (int r = 0; r < c->rows; r++)
        for (int k = 0; k < c->row[r]->fill; k++)
            if (c->row[r]->place[k].key) {
                slot_insert(c, c->row[r]->place[k].key, (uint32_t)(r * CACHE_ACROSS + k));
                c->in_use++;
            }
}

void cache_fini(struct cache *c) {
    for (int r = 0; r < c->rows; r++) {
        free(c->row[r]->pixels);
        free(c->row[r]);
    }
    free(c->row);
    free(c->slots);
    *c = (struct cache){ 0 };
}

int cache_reset(struct cache *c, int width, int height, uint64_t frame) {
    cache_fini(c);
    c->width = width;
    c->height = height;
    c->across = MAX_OF(MIN_OF(CACHE_ACROSS, 4096 / width), 2);
    int fit = (int)(CACHE_PIXELS / (unsigned)(c->across * width * height));
    c->row_max = MAX_OF(MIN_OF(fit, 64), 3);
    c->reset = frame;
    c->slot_count = 512;
    c->row = calloc((size_t)c->row_max, sizeof *c->row);
    c->slots = calloc(c->slot_count, sizeof *c->slots);
    if (c->row && c->slots)
        return 0;
    cache_fini(c);
    return -1;
}

int cache_find(struct cache *c, cell_t key, uint64_t frame) {
    if (!c->slot_count)
        return -1;
    for (uint32_t i = hash(key) & (c->slot_count - 1); c->slots[i];
         i = (i + 1) & (c->slot_count - 1)) {
        int place = (int)c->slots[i] - 1;
        struct cache_row *r = c->row[place / CACHE_ACROSS];
        if (r->place[place % CACHE_ACROSS].key == key) {
            if (frame > r->used)
                r->used = frame;
            return place;
        }
    }
    return -1;
}

static bool fits(const struct cache *c, int row, int cells) {
    return row < c->rows && c->row[row]->fill + cells <= c->across;
}

bool cache_full(const struct cache *c, int cells) {
    return c->rows == c->row_max && !fits(c, c->current, cells);
}

static bool row_new(struct cache *c) {
    if (c->rows >= c->row_max)
        return false;
    struct cache_row *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    r->pixels = calloc((size_t)c->across * (size_t)c->width * (size_t)c->height, sizeof *r->pixels);
    if (!r->pixels) {
        free(r);
        return false;
    }
    c->current = c->rows;
    c->row[c->rows++] = r;
    return true;
}

/* Empty the row that was not needed for the longest time. */
static bool row_evict(struct cache *c, uint64_t frame) {
    int oldest = -1;
    for (int r = 0; r < c->rows; r++)
        if (c->row[r]->used < frame && (oldest < 0 || c->row[r]->used < c->row[oldest]->used))
            oldest = r;
    if (oldest < 0)
        return false;
    struct cache_row *r = c->row[oldest];
    memset(r->place, 0, sizeof r->place);
    r->fill = 0;
    c->current = oldest;
    rehash(c);
    return true;
}

static bool slots_grow(struct cache *c) {
    if (c->in_use * 2 < c->slot_count)
        return true;
    uint32_t *slots = calloc((size_t)c->slot_count * 2, sizeof *slots);
    if (!slots)
        return c->in_use + 8 < c->slot_count;
    free(c->slots);
    c->slots = slots;
    c->slot_count *= 2;
    rehash(c);
    return true;
}

int cache_add(struct cache *c, cell_t key, int cells, uint64_t frame) {
    if (!c->slot_count || !slots_grow(c))
        return -1;
    if (!fits(c, c->current, cells) && !row_new(c) && !row_evict(c, frame))
        return -1;
    struct cache_row *r = c->row[c->current];
    int k = r->fill, place = c->current * CACHE_ACROSS + k;
    r->fill += cells;
    r->used = r->added = frame;
    struct cache_place *p = &r->place[k];
    p->key = key;
    p->added = frame;
    char num[4][8];
    int v[4] = { k * c->width, c->current * c->height, cells * c->width, c->height };
    for (int i = 0; i < 4; i++)
        snprintf(num[i], sizeof num[i], "%d", v[i]);
    int n = snprintf(p->prefix, sizeof p->prefix,
                     "4.copy,2.-1,%zu.%s,%zu.%s,%zu.%s,%zu.%s,2.14,1.0,", strlen(num[0]), num[0],
                     strlen(num[1]), num[1], strlen(num[2]), num[2], strlen(num[3]), num[3]);
    p->prefix_len = (uint8_t)n;
    slot_insert(c, key, (uint32_t)place);
    c->in_use++;
    return place;
}

uint32_t *cache_pixels(struct cache *c, int place, size_t *stride) {
    *stride = (size_t)c->across * (size_t)c->width;
    return c->row[place / CACHE_ACROSS]->pixels + (place % CACHE_ACROSS) * c->width;
}

int cache_layer_height(const struct cache *c) {
    /* In steps, for each new height costs the browser a copy of the layer. */
    int rows = 4;
    while (rows < c->rows)
        rows *= 2;
    return MIN_OF(rows, MAX_OF(c->row_max, 4)) * c->height;
}
