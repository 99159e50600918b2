#include "guacd/display/surface.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/display/copies.h"
#include "guacd/display/draw.h"
#include "guacd/display/photo.h"
#include "guacd/display/png.h"
#include "guacd/display/tiles.h"

#define CURSOR_BUFFER (-1)

struct cursor {
    int width, height, hot_x, hot_y;
    uint32_t *pixels;
};

struct surface {
    struct picture picture;
    pthread_mutex_t lock; /* guards what the backend writes, down to held */
    uint32_t *pixels;
    int width, height;
    bool *touched; /* tiles that may differ from what was sealed */
    struct cursor cursor;
    bool resized, cursor_changed;
    struct copies copies;
    bool held, lossless;
    atomic_bool blurred; /* as of the last sealed frame */

    /* As of the last sealed frame; the wire thread's alone. */
    uint32_t *sealed;
    int sealed_width, sealed_height;
    uint64_t *versions; /* a tile's last frame */
    struct tile_box *boxes;
    uint64_t frame, size_frame, cursor_frame;
    struct cursor sealed_cursor;
    struct png_encoder *png;
    struct photos photos;
};

static int columns_of(int width) {
    return (width + SURFACE_TILE - 1) / SURFACE_TILE;
}

static size_t tiles_of(int width, int height) {
    return (size_t)columns_of(width) * (size_t)columns_of(height);
}

static void clamp(int *width, int *height) {
    *width = MAX_OF(1, MIN_OF(*width, SURFACE_SIDE_MAX));
    int most = MIN_OF(SURFACE_SIDE_MAX, (int)SURFACE_AREA_MAX / *width);
    *height = MAX_OF(1, MIN_OF(*height, most));
}

/* ---- the wire thread's side ---------------------------------------------------------------- */

/* Everything anew in the new size. -1 without memory: the old frame stays. */
static int take_size(struct surface *s) {
    size_t tiles = tiles_of(s->width, s->height);
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
static bool run_differs(const struct surface *s, int first, int last, int row) {
    int x0 = first * SURFACE_TILE, x1 = MIN_OF((last + 1) * SURFACE_TILE, s->width);
    int y1 = MIN_OF((row + 1) * SURFACE_TILE, s->height);
    for (int y = row * SURFACE_TILE; y < y1; y++) {
        size_t at = (size_t)y * (size_t)s->width + (size_t)x0;
        if (memcmp(s->pixels + at, s->sealed + at, (size_t)(x1 - x0) * sizeof(uint32_t)) != 0)
            return true;
    }
    return false;
}

/* Fills boxes with what differs, and copies it. true: something does. */
static bool compare(struct surface *s) {
    int columns = columns_of(s->width), rows = columns_of(s->height);
    bool any = false;
    memset(s->boxes, 0, tiles_of(s->width, s->height) * sizeof(*s->boxes));
    for (int row = 0; row < rows; row++) {
        bool *touched = s->touched + row * columns;
        for (int col = 0; col < columns; col++) {
            if (!touched[col])
                continue;
            int last = col;
            while (last + 1 < columns && touched[last + 1])
                last++;
            bool differs = run_differs(s, col, last, row);
            for (; col <= last; col++) {
                touched[col] = false;
                struct tile_box *box = &s->boxes[row * columns + col];
                if (differs)
                    compare_tile(s, col, row, box);
                any |= box->x0 != box->x1;
            }
        }
    }
    return any;
}

static void whole_tiles(struct surface *s, uint64_t since) {
    int columns = columns_of(s->sealed_width), rows = columns_of(s->sealed_height);
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
        .columns = columns_of(s->sealed_width),
        .rows = columns_of(s->sealed_height),
        .boxes = s->boxes,
    };
}

static void put_tiles(struct surface *s, struct buf *out) {
    const struct tiles t = sealed_tiles(s);
    photos_put(&s->photos, &t, s->boxes, 0, out);
    tiles_encode(&t, 0, s->png, out);
}

static bool replay_copies(struct surface *s, uint64_t n, uint64_t now, struct buf *out) {
    const struct copies_frame f = {
        .pixels = s->sealed,
        .width = s->sealed_width,
        .columns = columns_of(s->sealed_width),
        .tile = SURFACE_TILE,
        .versions = s->versions,
        .photos = &s->photos,
    };
    return copies_replay(&s->copies, &f, n, now, out);
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
    bool differs = compare(s), cursor = take_cursor(s);
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
    bool sharpened = photos_sharpen(&s->photos, &t, s->boxes, now);
    if (!resized && !copied && !differs && !cursor && !sharpened)
        return false;
    s->frame = n;
    raise_versions(s, n);
    put_tiles(s, out);
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
    put_tiles(s, out);
    if (s->cursor_frame > since)
        put_cursor(s, out);
}

static void sealed_size(const struct picture *p, int *width, int *height) {
    const struct surface *s = (const struct surface *)p;
    *width = s->sealed_width;
    *height = s->sealed_height;
}

static const struct picture_impl impl = { surface_frame, surface_paint, sealed_size };

/* ---- the backend's side -------------------------------------------------------------------- */

struct surface *surface_new(int width, int height) {
    clamp(&width, &height);
    struct surface *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->picture.impl = &impl;
    pthread_mutex_init(&s->lock, NULL);
    s->png = png_encoder_new();
    if (!s->png || surface_resize(s, width, height) < 0) {
        surface_free(s);
        return NULL;
    }
    return s;
}

void surface_free(struct surface *s) {
    if (!s)
        return;
    free(s->pixels);
    free(s->touched);
    free(s->cursor.pixels);
    free(s->sealed);
    free(s->versions);
    free(s->boxes);
    free(s->sealed_cursor.pixels);
    png_encoder_free(s->png);
    photos_fini(&s->photos);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct picture *surface_picture(struct surface *s) {
    return &s->picture;
}

void surface_get_size(const struct surface *s, int *width, int *height) {
    *width = s->width;
    *height = s->height;
}

int surface_resize(struct surface *s, int width, int height) {
    clamp(&width, &height);
    if (s->pixels && width == s->width && height == s->height)
        return 0;
    uint32_t *pixels = calloc((size_t)width * (size_t)height, sizeof(*pixels));
    bool *touched = malloc(tiles_of(width, height));
    if (!pixels || !touched) {
        free(pixels);
        free(touched);
        return -1;
    }
    memset(touched, true, tiles_of(width, height));
    pthread_mutex_lock(&s->lock);
    for (int y = 0; y < MIN_OF(height, s->height); y++)
        memcpy(pixels + (size_t)y * (size_t)width, s->pixels + (size_t)y * (size_t)s->width,
               (size_t)MIN_OF(width, s->width) * sizeof(*pixels));
    free(s->pixels);
    free(s->touched);
    s->pixels = pixels;
    s->touched = touched;
    s->width = width;
    s->height = height;
    s->resized = true;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

uint32_t *surface_begin(struct surface *s, size_t *stride) {
    pthread_mutex_lock(&s->lock);
    *stride = (size_t)s->width;
    return s->pixels;
}

/* Clip to the surface; false: nothing is left. */
static bool clip(const struct surface *s, int *x, int *y, int *width, int *height) {
    int64_t x1 = (int64_t)*x + *width, y1 = (int64_t)*y + *height;
    *x = MAX_OF(*x, 0);
    *y = MAX_OF(*y, 0);
    *width = (int)(MIN_OF(x1, s->width) - *x);
    *height = (int)(MIN_OF(y1, s->height) - *y);
    return *width > 0 && *height > 0;
}

void surface_end(struct surface *s, int x, int y, int width, int height) {
    if (clip(s, &x, &y, &width, &height)) {
        int columns = columns_of(s->width);
        int first = x / SURFACE_TILE, last = (x + width - 1) / SURFACE_TILE;
        for (int row = y / SURFACE_TILE; row <= (y + height - 1) / SURFACE_TILE; row++)
            memset(s->touched + row * columns + first, true, (size_t)(last - first + 1));
    }
    pthread_mutex_unlock(&s->lock);
}

void surface_lossless(struct surface *s, bool lossless) {
    pthread_mutex_lock(&s->lock);
    s->lossless = lossless;
    pthread_mutex_unlock(&s->lock);
}

bool surface_blurred(const struct surface *s) {
    return atomic_load(&s->blurred);
}

uint32_t *surface_hold(struct surface *s, size_t *stride) {
    uint32_t *pixels = surface_begin(s, stride);
    s->held = true;
    pthread_mutex_unlock(&s->lock);
    return pixels;
}

void surface_release(struct surface *s, int x, int y, int width, int height) {
    pthread_mutex_lock(&s->lock);
    s->held = false;
    surface_end(s, x, y, width, height);
}

void surface_copy(struct surface *s, int src_x, int src_y, int width, int height, int dst_x,
                  int dst_y) {
    if (width < 1 || height < 1 || src_x < 0 || src_y < 0 || dst_x < 0 || dst_y < 0 ||
        (src_x == dst_x && src_y == dst_y))
        return;
    size_t stride;
    uint32_t *pixels = surface_begin(s, &stride);
    int most_x = s->width - width, most_y = s->height - height;
    if (MAX_OF(src_x, dst_x) > most_x || MAX_OF(src_y, dst_y) > most_y) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    const struct copy c = { src_x, src_y, width, height, dst_x, dst_y };
    copies_move(pixels, s->width, &c);
    copies_add(&s->copies, &c);
    surface_end(s, dst_x, dst_y, width, height);
}

void surface_fill(struct surface *s, int x, int y, int width, int height, uint32_t color) {
    size_t stride;
    uint32_t *pixels = surface_begin(s, &stride);
    int cx = x, cy = y, cw = width, ch = height;
    if (clip(s, &cx, &cy, &cw, &ch))
        for (int row = cy; row < cy + ch; row++)
            for (int col = cx; col < cx + cw; col++)
                pixels[(size_t)row * stride + (size_t)col] = color;
    surface_end(s, x, y, width, height);
}

void surface_put(struct surface *s, int x, int y, int width, int height, const uint32_t *pixels,
                 size_t stride) {
    size_t own;
    uint32_t *to = surface_begin(s, &own);
    int cx = x, cy = y, cw = width, ch = height;
    if (clip(s, &cx, &cy, &cw, &ch))
        for (int row = 0; row < ch; row++)
            memcpy(to + (size_t)(cy + row) * own + (size_t)cx,
                   pixels + (size_t)(cy - y + row) * stride + (size_t)(cx - x),
                   (size_t)cw * sizeof(*to));
    surface_end(s, x, y, width, height);
}

void surface_cursor(struct surface *s, int width, int height, int hot_x, int hot_y,
                    const uint32_t *pixels) {
    if (width < 1 || height < 1 || width > SURFACE_CURSOR_MAX || height > SURFACE_CURSOR_MAX)
        return;
    size_t bytes = (size_t)width * (size_t)height * sizeof(*pixels);
    uint32_t *copy = malloc(bytes);
    if (!copy)
        return;
    memcpy(copy, pixels, bytes);
    pthread_mutex_lock(&s->lock);
    free(s->cursor.pixels);
    s->cursor = (struct cursor){ width, height, hot_x, hot_y, copy };
    s->cursor_changed = true;
    pthread_mutex_unlock(&s->lock);
}
