#include "guacd/display/surface.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/display/surface_impl.h"

static void clamp(int *width, int *height) {
    *width = MAX_OF(1, MIN_OF(*width, SURFACE_SIDE_MAX));
    int most = MIN_OF(SURFACE_SIDE_MAX, (int)SURFACE_AREA_MAX / *width);
    *height = MAX_OF(1, MIN_OF(*height, most));
}

struct surface *surface_new(int width, int height) {
    clamp(&width, &height);
    struct surface *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->picture.impl = &surface_seal_impl;
    s->picture.every_us = SURFACE_EVERY_US;
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
    surface_seal_fini(s);
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
    bool *touched = malloc(surface_tiles(width, height));
    if (!pixels || !touched) {
        free(pixels);
        free(touched);
        return -1;
    }
    memset(touched, true, surface_tiles(width, height));
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

void surface_touch(struct surface *s, int x, int y, int width, int height) {
    int columns = surface_columns(s->width);
    int first = x / SURFACE_TILE, last = (x + width - 1) / SURFACE_TILE;
    for (int row = y / SURFACE_TILE; row <= (y + height - 1) / SURFACE_TILE; row++)
        memset(s->touched + row * columns + first, true, (size_t)(last - first + 1));
}

void surface_end(struct surface *s, int x, int y, int width, int height) {
    if (clip(s, &x, &y, &width, &height))
        surface_touch(s, x, y, width, height);
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
