#include "guacd/display/png.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/display/palette.h"

#define LEVEL_INDEXED 1 /* measured: codecs.md section 1 */
#define LEVEL_TRUE_COLOR 2
#define SCRATCH_KEEP (2u << 20) /* after a larger picture it shrinks again */

enum png_color { PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_RGBA = 6 };

struct png_encoder {
    struct libdeflate_compressor *fast, *dense;
    struct palette *palette;
    uint8_t *rows, *indices; /* scanlines with filter bytes; indices of palette_map */
    size_t rows_size, indices_size;
};

/* A picture ready for compression: `rows` of the encoder hold row_bytes * height bytes. */
struct image {
    int width, height, depth;
    enum png_color color;
    const uint32_t *palette;
    size_t colors;
    size_t row_bytes; /* filter byte included */
    int level;
};

struct png_encoder *png_encoder_new(void) {
    return calloc(1, sizeof(struct png_encoder));
}

void png_encoder_trim(struct png_encoder *e) {
    libdeflate_free_compressor(e->fast);
    libdeflate_free_compressor(e->dense);
    free(e->palette);
    free(e->rows);
    free(e->indices);
    memset(e, 0, sizeof(*e));
}

void png_encoder_free(struct png_encoder *e) {
    if (e)
        png_encoder_trim(e);
    free(e);
}

static uint8_t *scratch(uint8_t **memory, size_t *size, size_t need) {
    if (*size < need || (*size > SCRATCH_KEEP && need < SCRATCH_KEEP)) {
        free(*memory);
        *memory = malloc(need);
        *size = *memory ? need : 0;
    }
    return *memory;
}

static struct libdeflate_compressor *compressor(struct png_encoder *e, int level) {
    struct libdeflate_compressor **c = level == LEVEL_INDEXED ? &e->fast : &e->dense;
    if (!*c)
        *c = libdeflate_alloc_compressor(level);
    return *c;
}

static void put_u32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* Close a chunk whose data (len bytes) was written at p + 8. Returns the byte behind it. */
static uint8_t *chunk_end(uint8_t *p, const char *type, size_t len) {
    put_u32(p, (uint32_t)len);
    memcpy(p + 4, type, 4);
    put_u32(p + 8 + len, libdeflate_crc32(0, p + 4, len + 4));
    return p + 12 + len;
}

static uint8_t *put_palette(uint8_t *p, const struct image *im) {
    size_t opaque_from = 0; /* tRNS may end before the last opaque colours */
    for (size_t i = 0; i < im->colors; i++) {
        p[8 + 3 * i] = (uint8_t)(im->palette[i] >> 16);
        p[9 + 3 * i] = (uint8_t)(im->palette[i] >> 8);
        p[10 + 3 * i] = (uint8_t)im->palette[i];
        if (im->palette[i] >> 24 != 0xFF)
            opaque_from = i + 1;
    }
    p = chunk_end(p, "PLTE", 3 * im->colors);
    if (!opaque_from)
        return p;
    for (size_t i = 0; i < opaque_from; i++)
        p[8 + i] = (uint8_t)(im->palette[i] >> 24);
    return chunk_end(p, "tRNS", opaque_from);
}

static int write_png(struct png_encoder *e, const struct image *im, struct buf *out) {
    static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };
    struct libdeflate_compressor *c = compressor(e, im->level);
    if (!c)
        return -1;
    size_t raw = im->row_bytes * (size_t)im->height;
    size_t bound = libdeflate_zlib_compress_bound(c, raw);
    bool failed = out->failed;
    uint8_t *start =
        (uint8_t *)buf_reserve(out, 8 + 25 + 12 + 4 * PNG_COLORS_MAX + 12 + 24 + bound);
    if (!start) {
        out->failed = failed;
        return -1;
    }
    memcpy(start, signature, sizeof(signature));
    uint8_t *p = start + 8;
    put_u32(p + 8, (uint32_t)im->width);
    put_u32(p + 12, (uint32_t)im->height);
    p[16] = (uint8_t)im->depth;
    p[17] = (uint8_t)im->color;
    p[18] = p[19] = p[20] = 0; /* deflate, adaptive filtering, no interlace */
    p = chunk_end(p, "IHDR", 13);
    if (im->color == PNG_PALETTE)
        p = put_palette(p, im);
    size_t packed = libdeflate_zlib_compress(c, e->rows, raw, p + 8, bound);
    if (!packed)
        return -1;
    p = chunk_end(p, "IDAT", packed);
    p = chunk_end(p, "IEND", 0);
    out->len += (size_t)(p - start);
    return 0;
}

static bool sides_good(int width, int height) {
    return width > 0 && height > 0 && width <= PNG_SIDE_MAX && height <= PNG_SIDE_MAX;
}

/* One scanline of indices, packed to im->depth bits. */
static void pack_row(const uint8_t *in, int width, int depth, uint8_t *out) {
    if (depth == 8) {
        memcpy(out, in, (size_t)width);
        return;
    }
    int per_byte = 8 / depth, x = 0;
    for (; x + per_byte <= width; x += per_byte) {
        unsigned v = 0;
        for (int i = 0; i < per_byte; i++)
            v = v << depth | in[x + i];
        *out++ = (uint8_t)v;
    }
    unsigned v = 0;
    for (int i = 0; x < width && i < per_byte; i++)
        v = v << depth | (x + i < width ? in[x + i] : 0);
    if (x < width)
        *out = (uint8_t)v;
}

static int depth_of(size_t colors) {
    return colors <= 2 ? 1 : colors <= 4 ? 2 : colors <= 16 ? 4 : 8;
}

int png_encode_indexed(struct png_encoder *e, const uint8_t *indices, size_t stride, int width,
                       int height, const uint32_t *palette, size_t colors, struct buf *out) {
    if (!sides_good(width, height) || !colors || colors > PNG_COLORS_MAX)
        return -1;
    struct image im = { .width = width,
                        .height = height,
                        .depth = depth_of(colors),
                        .color = PNG_PALETTE,
                        .palette = palette,
                        .colors = colors,
                        .level = LEVEL_INDEXED };
    im.row_bytes = 1 + ((size_t)width * (size_t)im.depth + 7) / 8;
    uint8_t *row = scratch(&e->rows, &e->rows_size, im.row_bytes * (size_t)height);
    if (!row)
        return -1;
    for (int y = 0; y < height; y++, indices += stride, row += im.row_bytes) {
        uint8_t highest = 0;
        for (int x = 0; x < width; x++)
            highest = MAX_OF(highest, indices[x]);
        if (highest >= colors)
            return -1;
        row[0] = 0;
        pack_row(indices, width, im.depth, row + 1);
    }
    return write_png(e, &im, out);
}

int png_encode_grey(struct png_encoder *e, const uint8_t *grey, size_t stride, int width,
                    int height, struct buf *out) {
    if (!sides_good(width, height))
        return -1;
    struct image im = { .width = width,
                        .height = height,
                        .depth = 8,
                        .color = PNG_GREY,
                        .row_bytes = 1 + (size_t)width,
                        .level = LEVEL_INDEXED };
    uint8_t *row = scratch(&e->rows, &e->rows_size, im.row_bytes * (size_t)height);
    if (!row)
        return -1;
    for (int y = 0; y < height; y++, grey += stride, row += im.row_bytes) {
        row[0] = 0;
        memcpy(row + 1, grey, (size_t)width);
    }
    return write_png(e, &im, out);
}

static int true_color(struct png_encoder *e, const uint32_t *pixels, size_t stride, int width,
                      int height, bool alpha, struct buf *out) {
    struct image im = { .width = width,
                        .height = height,
                        .depth = 8,
                        .color = alpha ? PNG_RGBA : PNG_RGB,
                        .level = LEVEL_TRUE_COLOR };
    im.row_bytes = 1 + (size_t)width * (alpha ? 4 : 3);
    uint8_t *row = scratch(&e->rows, &e->rows_size, im.row_bytes * (size_t)height);
    if (!row)
        return -1;
    for (int y = 0; y < height; y++, pixels += stride) {
        *row++ = 0;
        for (int x = 0; x < width; x++) {
            uint32_t c = pixels[x];
            row[0] = (uint8_t)(c >> 16);
            row[1] = (uint8_t)(c >> 8);
            row[2] = (uint8_t)c;
            if (alpha)
                row[3] = (uint8_t)(c >> 24);
            row += alpha ? 4 : 3;
        }
    }
    return write_png(e, &im, out);
}

static int encode_pixels(struct png_encoder *e, const uint32_t *pixels, size_t stride, int width,
                         int height, bool alpha, struct buf *out) {
    if (!sides_good(width, height))
        return -1;
    if (!e->palette && !(e->palette = malloc(sizeof(*e->palette))))
        return -1;
    uint8_t *indices = scratch(&e->indices, &e->indices_size, (size_t)width * (size_t)height);
    if (!indices)
        return -1;
    if (palette_map(e->palette, pixels, stride, width, height, alpha ? 0 : 0xFF000000u, indices))
        return png_encode_indexed(e, indices, (size_t)width, width, height, e->palette->colors,
                                  e->palette->count, out);
    return true_color(e, pixels, stride, width, height, alpha, out);
}

int png_encode_rgb(struct png_encoder *e, const uint32_t *pixels, size_t stride, int width,
                   int height, struct buf *out) {
    return encode_pixels(e, pixels, stride, width, height, false, out);
}

int png_encode_rgba(struct png_encoder *e, const uint32_t *pixels, size_t stride, int width,
                    int height, struct buf *out) {
    return encode_pixels(e, pixels, stride, width, height, true, out);
}
