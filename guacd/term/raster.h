/* One cell's pixels: background, glyph, lines under and through it. */
#ifndef GUAC_TERM_RASTER_H
#define GUAC_TERM_RASTER_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/term/cell.h"
#include "guacd/term/font.h"

/* How a cell looks, all colours known (0x00RRGGBB). */
struct look {
    uint32_t fg, bg, ul;
    uint32_t attrs; /* as struct style; REVERSE, FAINT and CONCEAL are in the colours already */
};

struct raster_job {
    struct look look;
    uint32_t cp[CLUSTER_MAX];
    uint32_t count; /* code points, 0: blank */
    int cells;      /* 1 or 2 */
};

struct raster {
    uint8_t *mask; /* two cells */
    uint32_t *color;
    struct font_metrics m;
};

int raster_init(struct raster *r, const struct font_metrics *m);
void raster_fini(struct raster *r); /* zeroed is valid */
/* Writes job->cells * width by height pixels 0x00RRGGBB. */
void raster_cell(struct raster *r, struct font_set *font, const struct raster_job *job,
                 uint32_t *pixels, size_t stride);

#endif
