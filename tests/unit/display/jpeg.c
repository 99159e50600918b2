/* JPEG: what libjpeg reads back is near, sides and limits are kept, a failure leaves the buffer
 * alone. */
#include "guacd/display/jpeg.h"

#include <math.h>
#include <stdio.h>

#include <jpeglib.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static uint32_t soft(int x, int y) {
    uint32_t r = (uint32_t)(128 + 100 * sin(x * 0.05 + y * 0.02));
    uint32_t g = (uint32_t)(128 + 100 * sin(x * 0.03 - y * 0.04));
    uint32_t b = (uint32_t)(128 + 100 * sin(x * 0.02 + y * 0.06));
    return 0xAB000000u | r << 16 | g << 8 | b;
}

static uint32_t *fill(size_t stride, int height) {
    uint32_t *px = malloc(stride * (size_t)height * sizeof(*px));
    for (int y = 0; y < height; y++)
        for (size_t x = 0; x < stride; x++)
            px[(size_t)y * stride + x] = soft((int)x, y);
    return px;
}

/* PSNR in RGB of the file against the pixels; asserts the sides. */
static double read_back(const struct buf *file, const uint32_t *px, size_t stride, int w, int h) {
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr error;
    d.err = jpeg_std_error(&error);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, (const unsigned char *)file->data, (unsigned long)file->len);
    ck_assert_int_eq(jpeg_read_header(&d, TRUE), JPEG_HEADER_OK);
    ck_assert_int_eq((int)d.image_width, w);
    ck_assert_int_eq((int)d.image_height, h);
    jpeg_start_decompress(&d);
    unsigned char *row = malloc((size_t)w * 3);
    double sum = 0;
    for (int y = 0; y < h; y++) {
        JSAMPROW to = row;
        jpeg_read_scanlines(&d, &to, 1);
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                int want = (int)(px[(size_t)y * stride + (size_t)x] >> (16 - 8 * c) & 0xFF);
                sum += (row[x * 3 + c] - want) * (row[x * 3 + c] - want);
            }
    }
    free(row);
    ck_assert_int_eq((int)error.num_warnings, 0);
    jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    double mean = sum / (w * h * 3.0);
    return mean > 0 ? 10 * log10(255.0 * 255.0 / mean) : 99;
}

START_TEST(near) {
    static const int sides[][2] = { { 1, 1 }, { 3, 2 }, { 16, 17 }, { 64, 64 }, { 640, 360 } };
    struct jpeg_encoder *e = jpeg_encoder_new();
    const int *side = sides[_i];
    size_t stride = (size_t)side[0] + 5;
    uint32_t *px = fill(stride, side[1]);
    for (int full = 0; full < 2; full++) {
        _buf_cleanup_ struct buf out;
        buf_init(&out, 1 << 20);
        ck_assert_int_eq(jpeg_encode(e, px, stride, side[0], side[1], JPEG_QUALITY, full, &out), 0);
        ck_assert(read_back(&out, px, stride, side[0], side[1]) > (full ? 38 : 30));
    }
    free(px);
    jpeg_encoder_free(e);
}
END_TEST

START_TEST(appended_and_larger_than_a_piece) {
    struct jpeg_encoder *e = jpeg_encoder_new();
    uint32_t *px = malloc(400 * 300 * sizeof(*px)), seed = 1;
    for (int i = 0; i < 400 * 300; i++)
        px[i] = seed = seed * 1664525u + 1013904223u;
    _buf_cleanup_ struct buf out;
    buf_init(&out, 1 << 20);
    buf_puts(&out, "before");
    ck_assert_int_eq(jpeg_encode(e, px, 400, 400, 300, 95, true, &out), 0);
    ck_assert(out.len > 50000);
    ck_assert_mem_eq(out.data, "before\xFF\xD8", 8);
    buf_consume(&out, 6);
    ck_assert(read_back(&out, px, 400, 400, 300) > 20);
    free(px);
    jpeg_encoder_free(e);
}
END_TEST

START_TEST(refused) {
    struct jpeg_encoder *e = jpeg_encoder_new();
    uint32_t *px = fill(200, 200);
    _buf_cleanup_ struct buf out;
    buf_init(&out, 1 << 20);
    ck_assert_int_eq(jpeg_encode(e, px, 200, 0, 5, 75, true, &out), -1);
    ck_assert_int_eq(jpeg_encode(e, px, 200, 5, JPEG_SIDE_MAX + 1, 75, true, &out), -1);
    _buf_cleanup_ struct buf small;
    buf_init(&small, 100);
    buf_puts(&small, "kept");
    ck_assert_int_eq(jpeg_encode(e, px, 200, 200, 200, 75, true, &small), -1);
    ck_assert_str_eq(buf_str(&small), "kept");
    ck_assert_int_eq(jpeg_encode(e, px, 200, 200, 200, 75, true, &out), 0); /* usable still */
    free(px);
    jpeg_encoder_free(e);
    jpeg_encoder_free(NULL);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("jpeg");
    TCase *t = tcase_create("jpeg");
    tcase_add_loop_test(t, near, 0, 5);
    tcase_add_test(t, appended_and_larger_than_a_piece);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
