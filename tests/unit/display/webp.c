/* WebP: exact where that is promised, near where not, smaller with less quality; limits are kept, a
 * failure leaves the buffer alone. And who gets it: the tiles of those who take it. */
#include "guacd/display/webp.h"

#include <math.h>
#include <stdlib.h>

#include <webp/decode.h>

#include "guacd/base/util.h"
#include "guacd/display/surface.h"
#include "tests/unit/unit.h"

static uint32_t seed = 3;

static uint32_t dice(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* The highest byte is nobody's. */
static uint32_t *photo(int stride, int height) {
    uint32_t *px = malloc((size_t)(stride * height) * sizeof(*px));
    for (int i = 0; i < stride * height; i++) {
        int x = i % stride, y = i / stride;
        uint32_t v = (uint32_t)(128 + 100 * sin(x * 0.05 + y * 0.02)) + dice() % 5;
        px[i] = dice() << 24 | v << 16 | (255 - v) << 8 | (uint32_t)(x + y) % 200;
    }
    return px;
}

/* PSNR in RGB; 99 when equal. Asserts the sides. */
static double read_back(const struct buf *file, const uint32_t *px, int stride, int w, int h) {
    int width, height;
    uint8_t *rgb = WebPDecodeRGB((const uint8_t *)file->data, file->len, &width, &height);
    ck_assert_ptr_nonnull(rgb);
    ck_assert(width == w && height == h);
    double sum = 0;
    for (int i = 0; i < w * h * 3; i++) {
        int at = i / 3, c = i % 3;
        int want = (int)(px[at / w * stride + at % w] >> (16 - 8 * c) & 0xFF);
        sum += (rgb[i] - want) * (rgb[i] - want);
    }
    WebPFree(rgb);
    return sum > 0 ? 10 * log10(255.0 * 255.0 * w * h * 3.0 / sum) : 99;
}

static const int sides[][2] = { { 1, 1 }, { 3, 2 }, { 64, 64 }, { 300, 70 } };

START_TEST(exact) {
    int w = sides[_i][0], h = sides[_i][1], stride = w + 7;
    uint32_t *px = photo(stride, h);
    for (int level = WEBP_EXACT_PHOTO; level <= WEBP_EXACT_TEXT; level++) {
        _buf_cleanup_ struct buf out;
        buf_init(&out, 1 << 20);
        ck_assert_int_eq(webp_encode_exact(px, (size_t)stride, w, h, level, &out), 0);
        ck_assert(read_back(&out, px, stride, w, h) > 98);
    }
    free(px);
}
END_TEST

START_TEST(near) {
    uint32_t *px = photo(307, 200);
    size_t last = SIZE_MAX;
    static const int qualities[] = { 85, 50, 20 };
    for (size_t i = 0; i < ARRAY_LEN(qualities); i++) {
        _buf_cleanup_ struct buf out;
        buf_init(&out, 1 << 20);
        ck_assert_int_eq(webp_encode(px, 307, 300, 200, qualities[i], &out), 0);
        ck_assert(read_back(&out, px, 307, 300, 200) > 20);
        ck_assert_uint_lt(out.len, last);
        last = out.len;
    }
    free(px);
}
END_TEST

START_TEST(refused) {
    uint32_t *px = photo(200, 200);
    struct buf small;
    buf_init(&small, 100);
    buf_puts(&small, "kept");
    ck_assert_int_eq(webp_encode(px, 200, 200, 200, 75, &small), -1);
    ck_assert_int_eq(webp_encode_exact(px, 200, 200, 200, 0, &small), -1);
    ck_assert_int_eq(webp_encode(px, 200, 0, 5, 75, &small), -1);
    ck_assert_int_eq(webp_encode(px, 200, 5, WEBP_SIDE_MAX + 1, 75, &small), -1);
    ck_assert_str_eq(buf_str(&small), "kept");
    ck_assert(!small.failed);
    buf_fini(&small);
    free(px);
}
END_TEST

/* What a photograph that moves becomes, by who takes what and how much is to be saved. */
static const struct {
    struct picture_caps caps;
    const char *type;
} classes[] = {
    { { 0 }, "image/png" },
    { { .jpeg = true }, "image/jpeg" },
    { { .jpeg = true, .lossless = true }, "image/png" },
    { { .jpeg = true, .webp = true }, "image/jpeg" },
    { { .jpeg = true, .webp = true, .thrift = PICTURE_THRIFT_MAX - 1 }, "image/jpeg" },
    { { .jpeg = true, .webp = true, .thrift = PICTURE_THRIFT_MAX }, "image/webp" },
    { { .jpeg = true, .thrift = PICTURE_THRIFT_MAX }, "image/jpeg" },
    { { .webp = true, .lossless = true }, "image/webp" },
};

START_TEST(who_gets_what) {
    struct surface *s = surface_new(256, 192);
    uint32_t *px = photo(300, 200);
    surface_put(s, 0, 0, 256, 192, px, 300);
    struct buf b;
    buf_init(&b, 8 << 20);
    struct picture *p = surface_picture(s);
    ck_assert(p->impl->frame(p, 1, &classes[_i].caps, &b));
    static const char *const types[] = { "image/png", "image/jpeg", "image/webp" };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        ck_assert_msg(!strstr(buf_str(&b), types[i]) == !!strcmp(types[i], classes[_i].type), "%s",
                      types[i]);
    buf_fini(&b);
    free(px);
    surface_free(s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("webp");
    TCase *t = tcase_create("webp");
    tcase_add_loop_test(t, exact, 0, ARRAY_LEN(sides));
    tcase_add_test(t, near);
    tcase_add_test(t, refused);
    tcase_add_loop_test(t, who_gets_what, 0, ARRAY_LEN(classes));
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
