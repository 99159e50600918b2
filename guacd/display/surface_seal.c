/* A surface's frames: what differs from the frame before is found, copied and encoded. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/display/draw.h"
#include "guacd/display/surface_impl.h"

#define CURSOR_BUFFER (-1)

/* Everything anew in the new size. -1 without memory: the old frame stays. */
static int take_size(struct surface *s) {
    size_t tiles = surface_tiles(s->width, s->height);
    uint32_t *sealed = calloc((size_t)s->width * (size_t)s->height, sizeof(*sealed));
    uint64_t *versions = calloc(tiles, sizeof(*versions));
    struct tile_box *boxes = calloc(tiles, sizeof(*boxes));
    if (!sealed || !versions || !boxes || photos_resize(&s->photos, tiles) < 0) {
        free(sealed);
        free(versions);
        free(boxes);
        return -1;
    }
    free(s->sealed);
    free(s->versions);
    free(s->boxes);
    s->sealed = sealed;
    s->versions = versions;
    s->boxes = boxes;
    s->sealed_width = s->width;
    s->sealed_height = s->height;
    return 0;
}

/* The part of a tile that differs, copied. */
static void compare_tile(struct surface *s, int col, int row, struct tile_box *box) {
    int x0 = col * SURFACE_TILE, y0 = row * SURFACE_TILE;
    int width = MIN_OF(SURFACE_TILE, s->width - x0), y1 = MIN_OF(y0 + SURFACE_TILE, s->height);
    *box = (struct tile_box){ 0 };
    int left = width, right = 0, top = -1, bottom = 0;
    for (int y = y0; y < y1; y++) {
        size_t at = (size_t)y * (size_t)s->width + (size_t)x0;
        const uint32_t *now = s->pixels + at;
        uint32_t *old = s->sealed + at;
        if (memcmp(now, old, (size_t)width * sizeof(*now)) == 0)
            continue;
        int l = 0, r = width;
        while (now[l] == old[l])
            l++;
        while (now[r - 1] == old[r - 1])
            r--;
        memcpy(old + l, now + l, (size_t)(r - l) * sizeof(*now));
        left = MIN_OF(left, l);
        right = MAX_OF(right, r);
        top = top < 0 ? y : top;
        bottom = y + 1;
    }
    if (top >= 0)
        *box = (struct tile_box){ (uint16_t)(x0 + left), (uint16_t)top, (uint16_t)(x0 + right),
                                  (uint16_t)bottom };
}

/* Rows of tiles over the whole run of touched ones first: an equal run costs one memcmp a row. */
static bool differs(const struct surface *s, int first, int last, int row) {
    int x0 = first * SURFACE_TILE, x1 = MIN_OF((last + 1) * SURFACE_TILE, s->width);
    int y1 = MIN_OF((row + 1) * SURFACE_TILE, s->height);
    for (int y = row * SURFACE_TILE; y < y1; y++) {
        size_t at = (size_t)y * (size_t)s->width + (size_t)x0;
        if (memcmp(s->pixels + at, s->sealed + at, (size_t)(x1 - x0) * sizeof(uint32_t)) != 0)
            return true;
    }
    return false;
}

/* Of the touched tiles, those that differ stay touched. How many. */
static size_t keep_differing(struct surface *s) {
    int columns = surface_columns(s->width), rows = surface_columns(s->height);
    size_t count = 0;
    for (int row = 0; row < rows; row++) {
        bool *touched = s->touched + row * columns;
        for (int col = 0; col < columns; col++) {
            if (!touched[col])
                continue;
            int last = col;
            while (last + 1 < columns && touched[last + 1])
                last++;
            bool any = differs(s, col, last, row);
            for (int i = col; i <= last; i++) {
                touched[i] = any && (col == last || differs(s, i, i, row));
                count += touched[i];
            }
            col = last;
        }
    }
    return count;
}

/* Fills boxes with what differs, and copies it. true: something does. */
static bool compare(struct surface *s) {
    int columns = surface_columns(s->width);
    bool any = false;
    for (size_t i = 0; i < s->photos.count; i++) {
        s->boxes[i] = (struct tile_box){ 0 };
        if (!s->touched[i])
            continue;
        s->touched[i] = false;
        compare_tile(s, (int)i % columns, (int)i / columns, &s->boxes[i]);
        any |= s->boxes[i].x0 != s->boxes[i].x1;
    }
    return any;
}

static void whole_tiles(struct surface *s, uint64_t since) {
    int columns = surface_columns(s->sealed_width), rows = surface_columns(s->sealed_height);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < columns; col++) {
            size_t i = (size_t)(row * columns + col);
            s->boxes[i] = (struct tile_box){ 0 };
            if (s->versions[i] > since)
                s->boxes[i] = (struct tile_box){
                    (uint16_t)(col * SURFACE_TILE),
                    (uint16_t)(row * SURFACE_TILE),
                    (uint16_t)MIN_OF((col + 1) * SURFACE_TILE, s->sealed_width),
                    (uint16_t)MIN_OF((row + 1) * SURFACE_TILE, s->sealed_height),
                };
        }
}

static void put_cursor(struct surface *s, struct buf *out) {
    const struct cursor *c = &s->sealed_cursor;
    struct buf png;
    buf_init(&png, 1u << 20);
    if (png_encode_rgba(s->png, c->pixels, (size_t)c->width, c->width, c->height, &png) == 0) {
        draw_dispose(out, CURSOR_BUFFER);
        draw_size(out, CURSOR_BUFFER, c->width, c->height);
        draw_image(out, DRAW_OVER, CURSOR_BUFFER, "image/png", 0, 0, png.data, png.len);
        draw_cursor(out, c->hot_x, c->hot_y, CURSOR_BUFFER, 0, 0, c->width, c->height);
    }
    buf_fini(&png);
}

static struct tiles sealed_tiles(const struct surface *s) {
    return (struct tiles){
        .pixels = s->sealed,
        .width = s->sealed_width,
        .height = s->sealed_height,
        .columns = surface_columns(s->sealed_width),
        .rows = surface_columns(s->sealed_height),
        .boxes = s->boxes,
    };
}

static void put_tiles(struct surface *s, const struct picture_caps *caps, struct buf *out) {
    const struct tiles t = sealed_tiles(s);
    photos_put(&s->photos, &t, s->boxes, 0, caps, out);
    tiles_encode(&t, 0, caps, s->png, out);
}

static bool replay_copies(struct surface *s, uint64_t n, uint64_t now, struct buf *out) {
    const struct copies_frame f = {
        .pixels = s->sealed,
        .width = s->sealed_width,
        .columns = surface_columns(s->sealed_width),
        .tile = SURFACE_TILE,
        .versions = s->versions,
        .photos = &s->photos,
    };
    return copies_replay(&s->copies, &f, n, now, out);
}

/* What moved without the target's saying so. */
static bool find_moves(struct surface *s, uint64_t n, uint64_t now, struct buf *out) {
    const struct moves_frames f = {
        .now = s->pixels,
        .old = s->sealed,
        .width = s->width,
        .height = s->height,
        .differs = s->touched,
        .columns = surface_columns(s->width),
        .rows = surface_columns(s->height),
        .tile = SURFACE_TILE,
    };
    if (moves_find(&s->moves, &f, &s->copies) == 0)
        return false;
    /* Where something moved to what was right before is wrong now, if only at an edge. */
    for (size_t i = 0; i < s->copies.count; i++)
        surface_touch(s, s->copies.list[i].dst_x, s->copies.list[i].dst_y, s->copies.list[i].width,
                      s->copies.list[i].height);
    return replay_copies(s, n, now, out);
}

static bool take_cursor(struct surface *s) {
    bool changed = s->cursor_changed;
    if (changed) {
        free(s->sealed_cursor.pixels);
        s->sealed_cursor = s->cursor;
        s->cursor.pixels = NULL;
    }
    s->cursor_changed = false;
    return changed;
}

static void raise_versions(struct surface *s, uint64_t n) {
    for (size_t i = 0; i < s->photos.count; i++)
        if (s->boxes[i].x0 != s->boxes[i].x1)
            s->versions[i] = n;
}

static bool surface_frame(struct picture *p, uint64_t n, const struct picture_caps *caps,
                          struct buf *out) {
    struct surface *s = (struct surface *)p;
    uint64_t now = clock_ms();
    pthread_mutex_lock(&s->lock);
    bool resized = s->resized || !s->sealed;
    if (s->held || (resized && take_size(s) < 0)) {
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    s->resized = false;
    bool copied = !resized && replay_copies(s, n, now, out);
    s->copies.count = 0;
    if (keep_differing(s) >= MOVES_TILES_MIN && !resized)
        copied |= find_moves(s, n, now, out);
    bool changed = compare(s), cursor = take_cursor(s);
    bool jpeg = caps->jpeg && !caps->lossless && !s->lossless;
    pthread_mutex_unlock(&s->lock);
    if (resized) { /* the canvas keeps old pixels, or none */
        s->size_frame = n;
        for (size_t i = 0; i < s->photos.count; i++)
            s->versions[i] = n;
        draw_size(out, 0, s->sealed_width, s->sealed_height);
        whole_tiles(s, n - 1);
    }
    const struct tiles t = sealed_tiles(s);
    photos_choose(&s->photos, &t, s->boxes, jpeg, now);
    bool sharpened = photos_sharpen(&s->photos, &t, s->boxes, caps->thrift, now);
    if (!resized && !copied && !changed && !cursor && !sharpened)
        return false;
    s->frame = n;
    raise_versions(s, n);
    put_tiles(s, caps, out);
    if (cursor) {
        s->cursor_frame = n;
        put_cursor(s, out);
    }
    atomic_store(&s->blurred, s->photos.blurred_count > 0);
    return true;
}

static void surface_paint(struct picture *p, uint64_t since, const struct picture_caps *caps,
                          struct buf *out) {
    struct surface *s = (struct surface *)p;
    if (!s->sealed)
        return;
    if (s->size_frame > since)
        draw_size(out, 0, s->sealed_width, s->sealed_height);
    whole_tiles(s, since);
    const struct tiles t = sealed_tiles(s);
    photos_repeat(&s->photos, &t, caps->jpeg && !caps->lossless);
    put_tiles(s, caps, out);
    if (s->cursor_frame > since)
        put_cursor(s, out);
}

static void sealed_size(const struct picture *p, int *width, int *height) {
    const struct surface *s = (const struct surface *)p;
    *width = s->sealed_width;
    *height = s->sealed_height;
}

const struct picture_impl surface_seal_impl = { surface_frame, surface_paint, sealed_size };

void surface_seal_fini(struct surface *s) {
    free(s->sealed);
    free(s->versions);
    free(s->boxes);
    free(s->sealed_cursor.pixels);
    png_encoder_free(s->png);
    photos_fini(&s->photos);
    moves_fini(&s->moves);
}
