/* What a client shows: layers of pixels, and the drawing instructions a terminal uses. Anything
 * else, and anything malformed, fails the test. */
#ifndef GUAC_TESTS_TERM_CANVAS_H
#define GUAC_TESTS_TERM_CANVAS_H

#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/proto/instr.h"

#define CANVAS_FAIL(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort())

struct canvas_layer {
    int width, height;
    uint32_t *px; /* 0x00RRGGBB; 0xFF… where nothing was drawn */
};

struct canvas {
    struct canvas_layer layer[2]; /* 0 and -1 */
    int rect[4];
    struct buf image;
    int image_layer, image_x, image_y;
    size_t images, copies, fills;
};

static inline void canvas_init(struct canvas *c) {
    memset(c, 0, sizeof *c);
    buf_init(&c->image, 64u << 20);
}

static inline void canvas_fini(struct canvas *c) {
    free(c->layer[0].px);
    free(c->layer[1].px);
    buf_fini(&c->image);
}

static inline struct canvas_layer *canvas_layer(struct canvas *c, int64_t index) {
    if (index != 0 && index != -1)
        CANVAS_FAIL("layer %d", (int)index);
    return &c->layer[index ? 1 : 0];
}

static inline void canvas_size(struct canvas_layer *l, int w, int h) {
    uint32_t *px = malloc((size_t)w * (size_t)h * sizeof *px);
    memset(px, 0xFF, (size_t)w * (size_t)h * sizeof *px);
    for (int y = 0; y < h && y < l->height; y++)
        memcpy(px + y * w, l->px + y * l->width,
               (size_t)(w < l->width ? w : l->width) * sizeof *px);
    free(l->px);
    *l = (struct canvas_layer){ w, h, px };
}

static inline void canvas_png(struct canvas *c) {
    png_image image = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_memory(&image, c->image.data, c->image.len))
        CANVAS_FAIL("png: %s", image.message);
    image.format = PNG_FORMAT_BGRA;
    uint32_t *px = malloc(PNG_IMAGE_SIZE(image));
    if (!png_image_finish_read(&image, NULL, px, 0, NULL))
        CANVAS_FAIL("png: %s", image.message);
    struct canvas_layer *l = canvas_layer(c, c->image_layer);
    int w = (int)image.width, h = (int)image.height;
    if (c->image_x < 0 || c->image_y < 0 || c->image_x + w > l->width || c->image_y + h > l->height)
        CANVAS_FAIL("an image of %dx%d at %d,%d on a layer of %dx%d", w, h, c->image_x, c->image_y,
                    l->width, l->height);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            l->px[(c->image_y + y) * l->width + c->image_x + x] = px[y * w + x] & 0xFFFFFF;
    free(px);
    c->images++;
}

static inline void canvas_copy(struct canvas *c, const int64_t *a) {
    struct canvas_layer *s = canvas_layer(c, a[0]), *d = canvas_layer(c, a[6]);
    int sx = (int)a[1], sy = (int)a[2], w = (int)a[3], h = (int)a[4], dx = (int)a[7],
        dy = (int)a[8];
    if (a[5] != 14 || w <= 0 || h <= 0 || sx < 0 || sy < 0 || sx + w > s->width ||
        sy + h > s->height || dx < 0 || dy < 0 || dx + w > d->width || dy + h > d->height)
        CANVAS_FAIL("copy %d,%d %dx%d to %d,%d: layers %dx%d, %dx%d", sx, sy, w, h, dx, dy,
                    s->width, s->height, d->width, d->height);
    uint32_t *px = malloc((size_t)w * (size_t)h * sizeof *px);
    for (int y = 0; y < h; y++)
        memcpy(px + y * w, s->px + (sy + y) * s->width + sx, (size_t)w * sizeof *px);
    for (int i = 0; i < w * h; i++)
        if (px[i] == UINT32_MAX)
            CANVAS_FAIL("copy of pixels that were never drawn, from %d,%d %dx%d", sx, sy, w, h);
    for (int y = 0; y < h; y++)
        memcpy(d->px + (dy + y) * d->width + dx, px + y * w, (size_t)w * sizeof *px);
    free(px);
    c->copies++;
}

static inline void canvas_one(struct canvas *c, const struct instr *in) {
    int64_t a[12] = { 0 };
    for (size_t i = 0; i < in->argc && i < 12; i++)
        instr_to_int(in->argv[i], -100000, 100000, &a[i]);
    if (slice_is(in->opcode, "size")) {
        canvas_size(canvas_layer(c, a[0]), (int)a[1], (int)a[2]);
    } else if (slice_is(in->opcode, "rect")) {
        struct canvas_layer *l = canvas_layer(c, a[0]);
        if (a[1] < 0 || a[2] < 0 || a[3] <= 0 || a[4] <= 0 || a[1] + a[3] > l->width ||
            a[2] + a[4] > l->height)
            CANVAS_FAIL("rect %d,%d %dx%d on %dx%d", (int)a[1], (int)a[2], (int)a[3], (int)a[4],
                        l->width, l->height);
        for (int i = 0; i < 4; i++)
            c->rect[i] = (int)a[i + 1];
    } else if (slice_is(in->opcode, "cfill")) {
        struct canvas_layer *l = canvas_layer(c, a[1]);
        uint32_t px = (uint32_t)(a[2] << 16 | a[3] << 8 | a[4]);
        for (int y = 0; y < c->rect[3]; y++)
            for (int x = 0; x < c->rect[2]; x++)
                l->px[(c->rect[1] + y) * l->width + c->rect[0] + x] = px;
        c->fills++;
    } else if (slice_is(in->opcode, "copy")) {
        canvas_copy(c, a);
    } else if (slice_is(in->opcode, "img")) {
        buf_clear(&c->image);
        c->image_layer = (int)a[2];
        c->image_x = (int)a[4];
        c->image_y = (int)a[5];
    } else if (slice_is(in->opcode, "blob")) {
        char *to = buf_reserve(&c->image, in->argv[1].len);
        long n = base64_decode(in->argv[1].data, in->argv[1].len, to);
        if (n < 0)
            CANVAS_FAIL("blob is not base64");
        c->image.len += (size_t)n;
    } else if (slice_is(in->opcode, "end")) {
        canvas_png(c);
    } else {
        CANVAS_FAIL("unexpected instruction %.*s", (int)in->opcode.len, in->opcode.data);
    }
}

static inline void canvas_feed(struct canvas *c, const struct buf *b) {
    if (b->failed)
        CANVAS_FAIL("the buffer of instructions failed");
    for (size_t at = 0; at < b->len;) {
        struct instr in;
        size_t used;
        struct err e = { 0 };
        if (instr_parse(b->data + at, b->len - at, COUNT_CODE_POINTS, &in, &used, &e) != INSTR_OK)
            CANVAS_FAIL("bad instruction at %zu of %zu: %s", at, b->len, e.text);
        canvas_one(c, &in);
        at += used;
    }
}

/* Layer 0 as a PNG file, to look at. */
static inline void canvas_save(const struct canvas *c, const char *path) {
    const struct canvas_layer *l = &c->layer[0];
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = (png_uint_32)l->width,
                        .height = (png_uint_32)l->height,
                        .format = PNG_FORMAT_BGRA };
    uint32_t *px = malloc(PNG_IMAGE_SIZE(image));
    for (int i = 0; i < l->width * l->height; i++)
        px[i] = l->px[i] | 0xFF000000u;
    png_image_write_to_file(&image, path, 0, px, 0, NULL);
    free(px);
}

#endif
