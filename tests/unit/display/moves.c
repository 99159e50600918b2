/* Moves that nobody told of: found, told as `copy`, and exact on the canvas whatever the search
 * made of them. */
#include <stdint.h>

#include "guacd/display/surface.h"
#include "tests/unit/unit.h"

#include "tests/unit/display/canvas.h"

#define W 700
#define H 500

static struct surface *surface;
static struct canvas canvas;
static uint64_t n;
static uint32_t seed;
static const struct picture_caps caps;

static uint32_t dice(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 16;
}

/* Lines of letters, as terminals and pages have them. */
static uint32_t ink(int x, int y) {
    uint32_t h = ((uint32_t)(x / 6) * 2654435761u) ^ ((uint32_t)(y / 13) * 40503u * 65537u);
    h ^= h >> 15;
    h *= 2246822519u;
    bool letter = y % 13 < 10 && x % 6 < 5 && (h >> 9) % 5;
    return letter && (h >> (uint32_t)((x % 6 + y % 13) % 9)) & 1 ? 0xD0D8E0 : 0x101418;
}

/* The text at (u, v) of an endless page shown in a window. */
static void show(int x, int y, int w, int h, int u, int v) {
    size_t stride;
    uint32_t *px = surface_begin(surface, &stride);
    for (int i = 0; i < h; i++)
        for (int k = 0; k < w; k++)
            px[(size_t)(y + i) * stride + (size_t)(x + k)] = ink(u + k, v + i);
    surface_end(surface, x, y, w, h);
}

/* The next frame: how many copies, how many bytes. */
static size_t frame(size_t *bytes) {
    struct picture *p = surface_picture(surface);
    struct buf b;
    buf_init(&b, 32u << 20);
    size_t copies = 0;
    if (p->impl->frame(p, n + 1, &caps, &b)) {
        n++;
        canvas_feed(&canvas, &b);
    }
    for (const char *at = buf_str(&b); (at = strstr(at, "4.copy,")); at++)
        copies++;
    *bytes = b.len;
    size_t stride;
    const uint32_t *px = surface_begin(surface, &stride);
    int i = 0; /* one assertion: each costs a system call */
    while (i < W * H && canvas.pixels[i] == (px[i] & 0xFFFFFF))
        i++;
    ck_assert_msg(i == W * H, "pixel %d,%d", i % W, i / W);
    surface_end(surface, 0, 0, 0, 0);
    buf_fini(&b);
    return copies;
}

static void begin(void) {
    size_t bytes;
    surface = surface_new(W, H);
    n = 0;
    seed = 5;
    surface_fill(surface, 0, 0, W, H, 0x303840);
    show(37, 41, 600, 420, 0, 0);
    frame(&bytes);
}

static void end(void) {
    canvas_fini(&canvas);
    surface_free(surface);
}

static const int ways[][2] = { { 0, 13 }, { 0, -39 }, { 0, 1 }, { 0, 200 }, { 24, 0 }, { -90, 0 } };

START_TEST(text_that_scrolls) {
    size_t bytes, whole, copies;
    begin();
    show(37, 41, 600, 420, 5000, 5000);
    frame(&whole);
    int u = 5000, v = 5000;
    for (int i = 0; i < 5; i++) {
        u += ways[_i][0];
        v += ways[_i][1];
        show(37, 41, 600, 420, u, v);
        copies = frame(&bytes);
        if (i > 0) /* a search that failed is not made again at once */
            ck_assert_uint_ge(copies, 1);
    }
    int part = ways[_i][0] ? 600 / abs(ways[_i][0]) : 420 / abs(ways[_i][1]);
    ck_assert_uint_lt(bytes, whole / (size_t)part + whole / 5);
    end();
}
END_TEST

START_TEST(two_windows) {
    size_t bytes;
    begin();
    for (int i = 0; i < 6; i++) {
        show(0, 41, 300, 420, 0, i * 26);
        show(330, 20, 350, 400, 9000, 3000 - i * 13);
        size_t copies = frame(&bytes);
        if (i > 1)
            ck_assert_uint_ge(copies, 2);
    }
    end();
}
END_TEST

/* Nothing to be found: nothing is told, and it is right. */
START_TEST(noise) {
    size_t bytes;
    begin();
    for (int i = 0; i < 12; i++) {
        size_t stride;
        uint32_t *px = surface_begin(surface, &stride);
        for (int k = 0; k < W * H; k++)
            px[k] = dice() << 8;
        surface_end(surface, 0, 0, W, H);
        ck_assert_uint_eq(frame(&bytes), 0);
    }
    end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("moves");
    TCase *t = tcase_create("moves");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, text_that_scrolls, 0, sizeof(ways) / sizeof(ways[0]));
    tcase_add_test(t, two_windows);
    tcase_add_test(t, noise);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
