/* Photographs are told from what desktops draw. */
#include "guacd/display/classify.h"

#include <math.h>

#include "tests/unit/unit.h"

#define SIDE 64

static uint32_t px[SIDE * SIDE];

static bool ask(uint32_t (*paint)(int x, int y)) {
    for (int i = 0; i < SIDE * SIDE; i++)
        px[i] = paint(i % SIDE, i / SIDE);
    return classify_photo(px, SIDE, SIDE, SIDE);
}

static uint32_t grey(int v) {
    return (uint32_t)v * 0x010101u;
}

static uint32_t flat(int x, int y) {
    (void)x, (void)y;
    return 0x336699;
}

static uint32_t text(int x, int y) {
    return (x * 7 + y * 13) % 11 < 3 ? 0 : 0xFFFFFF;
}

/* Antialiased: an edge has one or two greys, far from both sides. */
static uint32_t smooth_text(int x, int y) {
    static const int ramp[] = { 255, 255, 170, 60, 0, 0, 90, 200, 255, 255 };
    return grey(ramp[(x + y / 8) % 10]);
}

static uint32_t vertical_ramp(int x, int y) {
    (void)x;
    return grey(y * 3); /* a title bar: neighbours in a row are equal */
}

static uint32_t soft(int x, int y) {
    return grey((int)(128 + 100 * sin(x * 0.07 + y * 0.05)) + (x * 31 + y * 17) % 5);
}

static uint32_t noise(int x, int y) {
    return grey(100 + (x * 2971 + y * 7001) % 23);
}

static uint32_t horizontal_ramp(int x, int y) {
    (void)y;
    return grey(x * 3);
}

START_TEST(graphics) {
    ck_assert(!ask(flat));
    ck_assert(!ask(text));
    ck_assert(!ask(smooth_text));
    ck_assert(!ask(vertical_ramp));
}
END_TEST

START_TEST(photographs) {
    ck_assert(ask(soft));
    ck_assert(ask(noise));
    ck_assert(ask(horizontal_ramp));
}
END_TEST

START_TEST(edges) {
    ask(soft);
    ck_assert(!classify_photo(px, SIDE, 1, SIDE));
    ck_assert(!classify_photo(px, SIDE, SIDE, 0));
    ck_assert(classify_photo(px, SIDE, SIDE, 1));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("classify");
    TCase *t = tcase_create("classify");
    tcase_add_test(t, graphics);
    tcase_add_test(t, photographs);
    tcase_add_test(t, edges);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
