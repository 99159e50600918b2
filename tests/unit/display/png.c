/* Our PNG writer against libpng: what it reads back is what went in, to the bit. */
#include <png.h>
#include <stdint.h>

#include "guacd/display/png.h"
#include "tests/unit/unit.h"

#include "tests/unit/display/canvas.h"

static struct png_encoder *encoder;

static void setup(void) {
    encoder = png_encoder_new();
}

static void teardown(void) {
    png_encoder_free(encoder);
}

static uint32_t random32(void) {
    static uint32_t x = 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

static void check_pixels(const struct buf *b, const uint32_t *want, size_t stride, int w, int h,
                         uint32_t opaque) {
    int gw, gh;
    uint32_t *got = canvas_png(b->data, b->len, &gw, &gh);
    ck_assert_int_eq(gw, w);
    ck_assert_int_eq(gh, h);
    int wrong = 0; /* one assertion a picture: each costs a system call */
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            wrong += got[y * w + x] != (want[(size_t)y * stride + (size_t)x] | opaque);
    ck_assert_int_eq(wrong, 0);
    free(got);
}

static const int widths[] = { 1, 2, 3, 7, 8, 9, 31, 64, 65 };
static const size_t color_counts[] = { 1, 2, 3, 4, 5, 16, 17, 255, 256, 257, 5000 };

START_TEST(rgb_and_rgba) {
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
        for (size_t k = 0; k < sizeof(color_counts) / sizeof(color_counts[0]); k++) {
            int w = widths[i], h = widths[(i + k) % 9];
            size_t stride = (size_t)w + 3;
            uint32_t *px = calloc(stride * (size_t)h, sizeof(*px));
            for (size_t p = 0; p < stride * (size_t)h; p++)
                px[p] = (random32() % (uint32_t)color_counts[k]) * 2654435761u;
            struct buf b;
            buf_init(&b, 1u << 20);
            ck_assert_int_eq(png_encode_rgb(encoder, px, stride, w, h, &b), 0);
            check_pixels(&b, px, stride, w, h, 0xFF000000u);
            buf_clear(&b);
            ck_assert_int_eq(png_encode_rgba(encoder, px, stride, w, h, &b), 0);
            check_pixels(&b, px, stride, w, h, 0);
            buf_fini(&b);
            free(px);
        }
}
END_TEST

START_TEST(indexed) {
    for (size_t colors = 1; colors <= 256; colors++) {
        int w = 13, h = 5;
        uint8_t index[16 * 5];
        uint32_t palette[256], want[16 * 5];
        for (size_t i = 0; i < colors; i++)
            palette[i] = random32() | (i % 3 ? 0xFF000000u : 0);
        for (size_t p = 0; p < sizeof(index); p++) {
            index[p] = (uint8_t)(random32() % colors);
            want[p] = palette[index[p]];
        }
        struct buf b;
        buf_init(&b, 1u << 20);
        ck_assert_int_eq(png_encode_indexed(encoder, index, 16, w, h, palette, colors, &b), 0);
        check_pixels(&b, want, 16, w, h, 0);
        if (colors < 256) {
            index[3] = (uint8_t)colors;
            buf_clear(&b);
            ck_assert_int_eq(png_encode_indexed(encoder, index, 16, w, h, palette, colors, &b), -1);
            ck_assert_uint_eq(b.len, 0);
        }
        buf_fini(&b);
    }
}
END_TEST

START_TEST(grey) {
    uint8_t px[9 * 4];
    uint32_t want[9 * 4];
    for (size_t i = 0; i < sizeof(px); i++) {
        px[i] = (uint8_t)random32();
        want[i] = 0xFF000000u | px[i] * 0x010101u;
    }
    struct buf b;
    buf_init(&b, 1u << 20);
    ck_assert_int_eq(png_encode_grey(encoder, px, 9, 8, 4, &b), 0);
    check_pixels(&b, want, 9, 8, 4, 0);
    buf_fini(&b);
}
END_TEST

START_TEST(refused) {
    uint32_t px[4] = { 0 };
    struct buf b;
    buf_init(&b, 1u << 20);
    ck_assert_int_eq(png_encode_rgb(encoder, px, 1, 0, 1, &b), -1);
    ck_assert_int_eq(png_encode_rgb(encoder, px, 1, 1, -1, &b), -1);
    ck_assert_int_eq(png_encode_rgb(encoder, px, 1, PNG_SIDE_MAX + 1, 1, &b), -1);
    ck_assert_int_eq(png_encode_indexed(encoder, (const uint8_t *)px, 1, 1, 1, px, 257, &b), -1);
    buf_fini(&b);
    buf_init(&b, 100);
    buf_puts(&b, "before");
    ck_assert_int_eq(png_encode_rgb(encoder, px, 2, 2, 2, &b), -1);
    ck_assert_str_eq(buf_str(&b), "before");
    ck_assert(!b.failed);
    buf_fini(&b);
}
END_TEST

/* Trimmed between any two pictures, it goes on as before. */
START_TEST(trimmed) {
    uint32_t px[64];
    for (size_t i = 0; i < 64; i++)
        px[i] = random32();
    for (int i = 0; i < 3; i++) {
        struct buf b;
        buf_init(&b, 1u << 20);
        ck_assert_int_eq(png_encode_rgb(encoder, px, 8, 8, 8, &b), 0);
        check_pixels(&b, px, 8, 8, 8, 0xFF000000u);
        buf_fini(&b);
        png_encoder_trim(encoder);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("png");
    TCase *t = tcase_create("png");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rgb_and_rgba);
    tcase_add_test(t, indexed);
    tcase_add_test(t, grey);
    tcase_add_test(t, refused);
    tcase_add_test(t, trimmed);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
