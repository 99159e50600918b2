/* Glyphs that the browser has: cells already blended, in rows of an off-screen layer, drawn on the
 * screen by `copy`. Whole rows are given up when it is full, the longest unused first. Each place
 * carries the frame it was filled in, so whoever is behind is sent what he lacks. */
#ifndef GUAC_TERM_CACHE_H
#define GUAC_TERM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/term/cell.h"

#define CACHE_LAYER (-1)
#define CACHE_ACROSS 64         /* places in a row, at most */
#define CACHE_PIXELS (1u << 20) /* of the whole layer; the browser pays four bytes for each */

struct cache_place {
    cell_t key;      /* 0: free, or the second half of a wide one */
    uint64_t added;  /* frame */
    char prefix[52]; /* "4.copy,2.-1,…,1.0," up to the destination's place */
    uint8_t prefix_len;
};

struct cache_row {
    struct cache_place place[CACHE_ACROSS];
    uint32_t *pixels; /* across * width by height, 0x00RRGGBB */
    uint64_t used;    /* last frame that needed one of it */
    uint64_t added;   /* newest of its places */
    int fill;         /* places taken */
};

struct cache {
    int width, height; /* of a cell */
    int across, row_max;
    struct cache_row **row;
    int rows;        /* allocated; all but the last one are full */
    int current;     /* row that takes the next glyph */
    uint64_t reset;  /* frame of the last cache_reset(): all before is void */
    uint32_t *slots; /* hash: place number + 1 */
    uint32_t slot_count, in_use;
};

/* Geometry of a font, everything forgotten. -1 without memory (then it holds nothing). */
int cache_reset(struct cache *c, int width, int height, uint64_t frame);
void cache_fini(struct cache *c); /* zeroed is valid */
/* Place of a glyph, -1: not there. Marks its row as needed by this frame. */
int cache_find(struct cache *c, cell_t key, uint64_t frame);
/* A place for a glyph that is not there; -1 when every row is needed by this frame. The caller
 * draws into cache_pixels(). */
int cache_add(struct cache *c, cell_t key, int cells, uint64_t frame);
uint32_t *cache_pixels(struct cache *c, int place, size_t *stride);
static inline const struct cache_place *cache_place(const struct cache *c, int place) {
    return &c->row[place / CACHE_ACROSS]->place[place % CACHE_ACROSS];
}
/* True when the next cache_add() may have to give up a row. */
bool cache_full(const struct cache *c, int cells);
/* Height in pixels the layer must have. */
int cache_layer_height(const struct cache *c);

#endif
