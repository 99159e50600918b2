/* A canvas as a Guacamole client has one: executes drawing instructions on layer 0 and remembers
 * the pointer's shape. Aborts the test on anything it does not know, for then nothing is proved. */
#ifndef GUAC_TESTS_CANVAS_H
#define GUAC_TESTS_CANVAS_H

#include <check.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/proto/instr.h"

struct canvas {
    int width, height;
    uint32_t *pixels; /* 0x00RRGGBB */
    uint64_t shown;
    int cursors;
    int rect[4];
    int img[4]; /* layer, x, y, open */
    struct buf blob;
};

static inline int canvas_int(const struct instr *in, size_t i) {
    int64_t v;
    ck_assert(i < in->argc && instr_to_int(in->argv[i], INT32_MIN, INT32_MAX, &v));
    return (int)v;
}

/* Any PNG to 0xAARRGGBB, by libpng. */
static inline uint32_t *canvas_png(const void *data, size_t len, int *width, int *height) {
    png_image im = { .version = PNG_IMAGE_VERSION };
    ck_assert_msg(png_image_begin_read_from_memory(&im, data, len), "%s", im.message);
    im.format = PNG_FORMAT_BGRA;
    uint32_t *out = malloc(PNG_IMAGE_SIZE(im));
    ck_assert_msg(png_image_finish_read(&im, NULL, out, 0, NULL), "%s", im.message);
    *width = (int)im.width;
    *height = (int)im.height;
    return out;
}

static inline void canvas_resize(struct canvas *c, int w, int h) {
    uint32_t *fresh = calloc((size_t)w * (size_t)h, sizeof(*fresh));
    for (int y = 0; y < h && y < c->height; y++)
        memcpy(fresh + y * w, c->pixels + y * c->width,
               (size_t)(w < c->width ? w : c->width) * sizeof(*fresh));
    free(c->pixels);
    c->pixels = fresh;
    c->width = w;
    c->height = h;
}

static inline void canvas_image(struct canvas *c) {
    int w, h;
    uint32_t *im = canvas_png(c->blob.data, c->blob.len, &w, &h);
    if (c->img[0] == 0) {
        ck_assert(c->img[1] + w <= c->width && c->img[2] + h <= c->height);
        uint32_t opaque = 0xFF000000u; /* one assertion a picture: each costs a system call */
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                opaque &= im[y * w + x];
                c->pixels[(c->img[2] + y) * c->width + c->img[1] + x] = im[y * w + x] & 0xFFFFFF;
            }
        ck_assert_uint_eq(opaque & 0xFF000000u, 0xFF000000u);
    }
    free(im);
    buf_fini(&c->blob);
}

/* As a browser does it: the source is what was there before. */
static inline void canvas_copy(struct canvas *c, const struct instr *in) {
    int v[9];
    for (size_t i = 0; i < 9; i++)
        v[i] = canvas_int(in, i);
    ck_assert(v[0] == 0 && v[5] == 14 && v[6] == 0);
    int sx = v[1], sy = v[2], w = v[3], h = v[4], dx = v[7], dy = v[8];
    ck_assert(sx >= 0 && sy >= 0 && dx >= 0 && dy >= 0 && w > 0 && h > 0);
    ck_assert(sx + w <= c->width && dx + w <= c->width && sy + h <= c->height &&
              dy + h <= c->height);
    uint32_t *before = malloc((size_t)w * (size_t)h * sizeof(*before));
    for (int y = 0; y < h; y++)
        memcpy(before + y * w, c->pixels + (sy + y) * c->width + sx, (size_t)w * sizeof(*before));
    for (int y = 0; y < h; y++)
        memcpy(c->pixels + (dy + y) * c->width + dx, before + y * w, (size_t)w * sizeof(*before));
    free(before);
}

static inline void canvas_do(struct canvas *c, const struct instr *in) {
    if (slice_is(in->opcode, "size")) {
        if (canvas_int(in, 0) == 0)
            canvas_resize(c, canvas_int(in, 1), canvas_int(in, 2));
    } else if (slice_is(in->opcode, "rect")) {
        ck_assert_int_eq(canvas_int(in, 0), 0);
        for (size_t i = 0; i < 4; i++)
            c->rect[i] = canvas_int(in, i + 1);
    } else if (slice_is(in->opcode, "cfill")) {
        ck_assert_int_eq(canvas_int(in, 0), 14);
        uint32_t color =
            (uint32_t)(canvas_int(in, 2) << 16 | canvas_int(in, 3) << 8 | canvas_int(in, 4));
        for (int y = c->rect[1]; y < c->rect[1] + c->rect[3]; y++)
            for (int x = c->rect[0]; x < c->rect[0] + c->rect[2]; x++)
                c->pixels[y * c->width + x] = color;
    } else if (slice_is(in->opcode, "img")) {
        ck_assert_int_eq(c->img[3], 0);
        ck_assert_int_eq(canvas_int(in, 1), 14);
        c->img[0] = canvas_int(in, 2);
        c->img[1] = canvas_int(in, 4);
        c->img[2] = canvas_int(in, 5);
        c->img[3] = 1;
        buf_init(&c->blob, 64u << 20);
    } else if (slice_is(in->opcode, "blob")) {
        char *room = buf_reserve(&c->blob, in->argv[1].len);
        long n = base64_decode(in->argv[1].data, in->argv[1].len, room);
        ck_assert_int_ge(n, 0);
        ck_assert_int_le(n, BLOB_BYTES_MAX);
        c->blob.len += (size_t)n;
    } else if (slice_is(in->opcode, "end")) {
        c->img[3] = 0;
        canvas_image(c);
    } else if (slice_is(in->opcode, "copy")) {
        canvas_copy(c, in);
    } else if (slice_is(in->opcode, "cursor")) {
        c->cursors++;
    } else {
        ck_assert_msg(slice_is(in->opcode, "dispose"), "unknown %.*s", (int)in->opcode.len,
                      in->opcode.data);
    }
}

static inline void canvas_feed(struct canvas *c, const struct buf *b) {
    ck_assert(!b->failed);
    for (size_t at = 0, used; at < b->len; at += used) {
        struct instr in;
        struct err e = { 0 };
        ck_assert_int_eq(instr_parse(b->data + at, b->len - at, COUNT_CODE_POINTS, &in, &used, &e),
                         INSTR_OK);
        canvas_do(c, &in);
    }
    ck_assert_int_eq(c->img[3], 0);
}

static inline void canvas_fini(struct canvas *c) {
    free(c->pixels);
    c->pixels = NULL;
    c->width = c->height = 0;
}

#endif
