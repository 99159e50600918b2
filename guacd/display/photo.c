#include "guacd/display/photo.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/display/classify.h"
#include "guacd/display/draw.h"
#include "guacd/display/webp.h"

#define TILE 64

void photos_fini(struct photos *p) {
    jpeg_encoder_free(p->jpeg);
    free(p->blurred);
    free(p->chosen);
    free(p->changed_ms);
    *p = (struct photos){ 0 };
}

int photos_resize(struct photos *p, size_t tiles) {
    bool *blurred = calloc(tiles, sizeof(*blurred)), *chosen = calloc(tiles, sizeof(*chosen));
    uint64_t *changed = calloc(tiles, sizeof(*changed));
    if (!blurred || !chosen || !changed) {
        free(blurred);
        free(chosen);
        free(changed);
        return -1;
    }
    free(p->blurred);
    free(p->chosen);
    free(p->changed_ms);
    p->blurred = blurred;
    p->chosen = chosen;
    p->changed_ms = changed;
    p->count = tiles;
    p->blurred_count = 0;
    return 0;
}

static bool is_empty(const struct tile_box *b) {
    return b->x0 == b->x1;
}

static void set_blurred(struct photos *p, size_t i, bool blurred) {
    p->blurred_count += blurred;
    p->blurred_count -= p->blurred[i];
    p->blurred[i] = blurred;
}

void photos_blur(struct photos *p, size_t dst, uint64_t now_ms) {
    set_blurred(p, dst, true);
    p->changed_ms[dst] = now_ms;
}

static struct tile_box whole(const struct tiles *t, size_t i) {
    int x = (int)(i % (size_t)t->columns) * TILE, y = (int)(i / (size_t)t->columns) * TILE;
    return (struct tile_box){ (uint16_t)x, (uint16_t)y, (uint16_t)MIN_OF(x + TILE, t->width),
                              (uint16_t)MIN_OF(y + TILE, t->height) };
}

bool photos_sharpen(struct photos *p, const struct tiles *t, struct tile_box *boxes,
                    unsigned thrift, uint64_t now_ms) {
    size_t done = 0, most = MAX_OF(PHOTO_SHARPEN_MAX >> (2 * thrift), PHOTO_SHARPEN_MIN);
    for (size_t i = 0; p->blurred_count && i < p->count && done < most; i++) {
        if (!p->blurred[i] || !is_empty(&boxes[i]) || now_ms - p->changed_ms[i] < PHOTO_REST_MS)
            continue;
        boxes[i] = whole(t, i);
        set_blurred(p, i, false);
        p->chosen[i] = false;
        done++;
    }
    return done > 0;
}

static bool is_photo(const struct tiles *t, const struct tile_box *box, size_t i) {
    if ((box->x1 - box->x0) * (box->y1 - box->y0) < PHOTO_AREA_MIN)
        return false;
    struct tile_box w = whole(t, i);
    return classify_photo(t->pixels + (size_t)w.y0 * (size_t)t->width + w.x0, (size_t)t->width,
                          w.x1 - w.x0, w.y1 - w.y0);
}

void photos_choose(struct photos *p, const struct tiles *t, struct tile_box *boxes, bool allowed,
                   uint64_t now_ms) {
    for (size_t i = 0; i < p->count; i++) {
        p->chosen[i] = false;
        if (is_empty(&boxes[i]))
            continue;
        p->chosen[i] = allowed && is_photo(t, &boxes[i], i);
        if (p->chosen[i]) {
            photos_blur(p, i, now_ms);
        } else if (p->blurred[i]) {
            boxes[i] = whole(t, i);
            set_blurred(p, i, false);
        }
    }
}

void photos_repeat(struct photos *p, const struct tiles *t, bool allowed) {
    for (size_t i = 0; i < p->count; i++)
        p->chosen[i] = allowed && p->blurred[i] && !is_empty(&t->boxes[i]);
}

/* ---- out ----------------------------------------------------------------------------------------
 */

/* A rectangle of tiles, all of them chosen. */
struct block {
    int col, row, columns, rows;
};

static bool row_chosen(const struct photos *p, const struct tiles *t, const struct block *b,
                       int row) {
    for (int col = b->col; col < b->col + b->columns; col++)
        if (!p->chosen[row * t->columns + col])
            return false;
    return true;
}

/* The widest run from here, then as far down as it goes. */
static struct block grow(const struct photos *p, const struct tiles *t, int col, int row) {
    struct block b = { col, row, 1, 1 };
    while (col + b.columns < t->columns && p->chosen[row * t->columns + col + b.columns])
        b.columns++;
    while (row + b.rows < t->rows && row_chosen(p, t, &b, row + b.rows))
        b.rows++;
    return b;
}

/* What of the block changed; its tiles are done. */
static struct tile_box take(struct photos *p, const struct tiles *t, const struct block *b) {
    struct tile_box all = t->boxes[b->row * t->columns + b->col];
    for (int row = b->row; row < b->row + b->rows; row++)
        for (int col = b->col; col < b->col + b->columns; col++) {
            const struct tile_box *one = &t->boxes[row * t->columns + col];
            all.x0 = MIN_OF(all.x0, one->x0);
            all.y0 = MIN_OF(all.y0, one->y0);
            all.x1 = MAX_OF(all.x1, one->x1);
            all.y1 = MAX_OF(all.y1, one->y1);
            p->chosen[row * t->columns + col] = false;
        }
    return all;
}

/* What each step of thrift makes of a photograph (codecs.md section 1). */
static const struct step {
    int quality;
    bool full; /* colours at full resolution */
    bool webp;
} steps[PICTURE_THRIFT_MAX + 1] = {
    { JPEG_QUALITY, true, false },
    { JPEG_QUALITY, false, false },
    { 50, false, false },
    { 35, false, true },
};

static const char *encode(struct photos *p, const struct tiles *t, const struct tile_box *b,
                          const struct picture_caps *caps, struct buf *out) {
    const struct step *s = &steps[MIN_OF(caps->thrift, (unsigned)PICTURE_THRIFT_MAX)];
    const uint32_t *from = t->pixels + (size_t)b->y0 * (size_t)t->width + b->x0;
    int width = b->x1 - b->x0, height = b->y1 - b->y0;
    if (s->webp && caps->webp &&
        webp_encode(from, (size_t)t->width, width, height, s->quality, out) == 0)
        return "image/webp";
    if (!p->jpeg)
        p->jpeg = jpeg_encoder_new();
    if (!p->jpeg ||
        jpeg_encode(p->jpeg, from, (size_t)t->width, width, height, s->quality, s->full, out) < 0)
        return NULL;
    return "image/jpeg";
}

static void put(struct photos *p, const struct tiles *t, struct tile_box *boxes,
                const struct block *b, int layer, const struct picture_caps *caps,
                struct buf *out) {
    struct tile_box all = take(p, t, b);
    struct buf file;
    buf_init(&file, out->max);
    const char *type = encode(p, t, &all, caps, &file);
    if (type) {
        draw_image(out, DRAW_OVER, layer, type, all.x0, all.y0, file.data, file.len);
        for (int row = b->row; row < b->row + b->rows; row++)
            memset(&boxes[row * t->columns + b->col], 0, (size_t)b->columns * sizeof(*boxes));
    }
    buf_fini(&file);
}

void photos_put(struct photos *p, const struct tiles *t, struct tile_box *boxes, int layer,
                const struct picture_caps *caps, struct buf *out) {
    for (int row = 0; row < t->rows; row++)
        for (int col = 0; col < t->columns; col++)
            if (p->chosen[row * t->columns + col]) {
                struct block b = grow(p, t, col, row);
                put(p, t, boxes, &b, layer, caps, out);
            }
}
