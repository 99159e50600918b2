#include "guacd/display/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/display/classify.h"
#include "guacd/display/draw.h"
#include "guacd/display/webp.h"

#define RUN_TILES 4        /* 256x64: the best trade for text */
#define WEBP_AREA_MIN 1024 /* pixels; its set-up costs 80 us */
#define STRIP_TILES 2      /* 128 rows, when there would be too many pictures */

struct rect {
    struct tile_box box;
    bool solid;
    uint32_t color;
    int first, last, row; /* tiles it came from; row: the lowest */
};

struct rects {
    struct rect *list;
    size_t count;
    size_t pictures;
    size_t *ending; /* by column: the rectangle starting there in the row above, + 1; 0: none */
};

static bool is_solid(const struct tiles *t, const struct tile_box *b, uint32_t *color) {
    const uint32_t *row = t->pixels + (size_t)b->y0 * (size_t)t->width;
    uint32_t c = row[b->x0];
    for (int y = b->y0; y < b->y1; y++, row += t->width)
        for (int x = b->x0; x < b->x1; x++)
            if (row[x] != c)
                return false;
    *color = c;
    return true;
}

static void join(struct tile_box *a, const struct tile_box *b) {
    a->x0 = MIN_OF(a->x0, b->x0);
    a->y0 = MIN_OF(a->y0, b->y0);
    a->x1 = MAX_OF(a->x1, b->x1);
    a->y1 = MAX_OF(a->y1, b->y1);
}

/* Solid rectangles join only where the result is covered by them exactly. */
static bool flush_sides(const struct tile_box *a, const struct tile_box *b, bool vertical) {
    return vertical ? a->x0 == b->x0 && a->x1 == b->x1 && a->y1 == b->y0
                    : a->y0 == b->y0 && a->y1 == b->y1 && a->x1 == b->x0;
}

static bool joins(const struct rect *a, const struct rect *b, bool vertical) {
    if (a->solid != b->solid)
        return false;
    return !a->solid || (a->color == b->color && flush_sides(&a->box, &b->box, vertical));
}

/* One row of tiles into runs, appended to the list. */
static void add_row(const struct tiles *t, int row, int widest, struct rects *r) {
    size_t start = r->count;
    for (int col = 0; col < t->columns; col++) {
        const struct tile_box *b = &t->boxes[row * t->columns + col];
        if (b->x0 == b->x1)
            continue;
        struct rect one = { .box = *b, .first = col, .last = col, .row = row };
        one.solid = is_solid(t, b, &one.color);
        struct rect *prev = r->count > start ? &r->list[r->count - 1] : NULL;
        if (prev && prev->last == col - 1 && joins(prev, &one, false) &&
            (one.solid || col - prev->first < widest)) {
            join(&prev->box, b);
            prev->last = col;
        } else {
            r->list[r->count++] = one;
        }
    }
}

/* Rectangles of this row that continue one right above are joined to it. */
static void join_up(struct rects *r, size_t start, int highest) {
    size_t kept = start;
    for (size_t i = start; i < r->count; i++) {
        struct rect one = r->list[i];
        size_t above = r->ending[one.first];
        struct rect *up = above ? &r->list[above - 1] : NULL;
        bool low = one.solid || one.row % highest != 0;
        if (up && up->row == one.row - 1 && up->last == one.last && low && joins(up, &one, true)) {
            join(&up->box, &one.box);
            up->row = one.row;
        } else {
            r->list[kept++] = one;
        }
    }
    /* Whoever ends in this row is found by its first column; others above do not count any more. */
    for (size_t i = start; i < kept; i++)
        r->ending[r->list[i].first] = i + 1;
    r->count = kept;
}

static void gather(const struct tiles *t, int widest, int highest, struct rects *r) {
    r->count = 0;
    memset(r->ending, 0, (size_t)t->columns * sizeof(*r->ending));
    for (int row = 0; row < t->rows; row++) {
        size_t start = r->count;
        add_row(t, row, widest, r);
        join_up(r, start, highest);
    }
    r->pictures = 0;
    for (size_t i = 0; i < r->count; i++)
        r->pictures += !r->list[i].solid;
}

/* The WebP level that is worth it here, or -1. */
static int webp_level(const struct picture_caps *caps, const uint32_t *pixels, int stride,
                      int width, int height) {
    if (!caps->webp || width * height < WEBP_AREA_MIN)
        return -1;
    if (classify_photo(pixels, (size_t)stride, width, height))
        return WEBP_EXACT_PHOTO;
    return caps->thrift == PICTURE_THRIFT_MAX ? WEBP_EXACT_TEXT : -1;
}

static int put(const struct tiles *t, const struct rect *r, int layer,
               const struct picture_caps *caps, struct png_encoder *png, struct buf *scratch,
               struct buf *out) {
    const struct tile_box *b = &r->box;
    int width = b->x1 - b->x0, height = b->y1 - b->y0;
    if (r->solid) {
        draw_fill(out, layer, b->x0, b->y0, width, height, r->color);
        return 0;
    }
    buf_clear(scratch);
    const uint32_t *from = t->pixels + (size_t)b->y0 * (size_t)t->width + b->x0;
    int level = webp_level(caps, from, t->width, width, height);
    bool webp =
        level >= 0 && webp_encode_exact(from, (size_t)t->width, width, height, level, scratch) == 0;
    if (!webp && png_encode_rgb(png, from, (size_t)t->width, width, height, scratch) < 0)
        return -1;
    draw_image(out, DRAW_OVER, layer, webp ? "image/webp" : "image/png", b->x0, b->y0,
               scratch->data, scratch->len);
    return out->failed ? -1 : 0;
}

int tiles_encode(const struct tiles *t, int layer, const struct picture_caps *caps,
                 struct png_encoder *png, struct buf *out) {
    size_t most = (size_t)t->columns * (size_t)t->rows;
    struct rects r = { .list = calloc(most ? most : 1, sizeof(struct rect)),
                       .ending = calloc((size_t)t->columns + 1, sizeof(size_t)) };
    struct buf scratch;
    buf_init(&scratch, out->max);
    int result = r.list && r.ending ? 0 : -1;
    if (result == 0) {
        gather(t, RUN_TILES, 1, &r);
        if (r.pictures > TILES_PICTURES)
            gather(t, t->columns, STRIP_TILES, &r);
    }
    for (size_t i = 0; i < r.count && result == 0; i++)
        result = put(t, &r.list[i], layer, caps, png, &scratch, out);
    buf_fini(&scratch);
    free(r.list);
    free(r.ending);
    if (result < 0)
        out->failed = true;
    return result;
}
