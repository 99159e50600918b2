/* The picture's promise: after any interleaving of frame() and paint() every canvas shows exactly
 * the frame it was brought to. Random drawing, random sizes, canvases that fall behind and catch
 * up. */
#include <stdint.h>

#include "guacd/display/surface.h"
#include "tests/unit/unit.h"

#include "tests/unit/display/canvas.h"

#define CANVASES 5

static uint32_t seed;

static uint32_t below(uint32_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

static struct surface *surface;
static uint32_t *sealed; /* what a canvas of the last frame has to show */
static int sealed_width, sealed_height;
static struct canvas canvases[CANVASES];
static const struct picture_caps caps;

static void scribble(void) {
    int w, h;
    surface_get_size(surface, &w, &h);
    int x = (int)below((uint32_t)w + 40) - 20, y = (int)below((uint32_t)h + 40) - 20;
    int rw = (int)below(200), rh = (int)below(90);
    uint32_t kind = below(14);
    if (kind < 4) {
        surface_fill(surface, x, y, rw, rh, below(4) * 0x505050u);
    } else if (kind < 7) {
        uint32_t *px = malloc(200 * 90 * sizeof(*px));
        uint32_t colors = kind == 4 ? 3 : kind == 5 ? 200 : 1u << 24;
        for (int i = 0; i < 200 * 90; i++)
            px[i] = below(colors) * 40503u;
        surface_put(surface, x, y, rw, rh, px, 200);
        free(px);
    } else if (kind < 8) { /* touched, not changed; and single pixels */
        size_t stride;
        uint32_t *px = surface_begin(surface, &stride);
        px[below((uint32_t)h) * stride + below((uint32_t)w)] ^= below(2);
        surface_end(surface, 0, 0, w, h);
    } else if (kind < 9) {
        uint32_t shape[16 * 16];
        for (int i = 0; i < 256; i++)
            shape[i] = below(1u << 31) * 2;
        surface_cursor(surface, 16, 16, 3, 4, shape);
    } else if (kind < 11) {
        surface_copy(surface, x, y, rw, rh, x + (int)below(60) - 30, y + (int)below(60) - 30);
    } else if (kind < 13) { /* everything moves, and nobody says so */
        size_t stride;
        uint32_t *px = surface_begin(surface, &stride);
        size_t by = below((uint32_t)h) * stride + (below(2) ? below((uint32_t)w) : 0);
        memmove(px + by, px, ((size_t)w * (size_t)h - by) * sizeof(*px));
        surface_end(surface, 0, 0, w, h);
    } else if (below(3) == 0) {
        ck_assert_int_eq(surface_resize(surface, 1 + (int)below(500), 1 + (int)below(400)), 0);
    }
}

static void remember(void) {
    size_t stride;
    surface_get_size(surface, &sealed_width, &sealed_height);
    free(sealed);
    sealed = malloc((size_t)sealed_width * (size_t)sealed_height * sizeof(*sealed));
    const uint32_t *px = surface_begin(surface, &stride);
    memcpy(sealed, px, (size_t)sealed_width * (size_t)sealed_height * sizeof(*sealed));
    surface_end(surface, 0, 0, 0, 0);
}

static void check(const struct canvas *c) {
    ck_assert_int_eq(c->width, sealed_width);
    ck_assert_int_eq(c->height, sealed_height);
    int i = 0, all = sealed_width * sealed_height;
    while (i < all && c->pixels[i] == (sealed[i] & 0xFFFFFF))
        i++;
    ck_assert_msg(i == all, "pixel %d,%d", i % sealed_width, i / sealed_width);
}

START_TEST(exact) {
    seed = 77u + (uint32_t)_i * 7919u;
    surface = surface_new(1 + (int)below(400), 1 + (int)below(300));
    struct picture *p = surface_picture(surface);
    uint64_t n = 0;
    for (int round = 0; round < 60; round++) {
        for (uint32_t k = below(8); k > 0; k--)
            scribble();
        struct buf b;
        buf_init(&b, 32u << 20);
        bool changed = p->impl->frame(p, n + 1, &caps, &b);
        ck_assert(changed == (b.len > 0));
        if (changed)
            n++;
        remember();
        int w, h;
        p->impl->size(p, &w, &h);
        ck_assert(w == sealed_width && h == sealed_height);
        if (below(2))
            scribble(); /* what comes after sealing is nobody's yet */
        for (int i = 0; i < CANVASES; i++) {
            struct canvas *c = &canvases[i];
            if (changed && c->shown == n - 1 && below(3)) {
                canvas_feed(c, &b);
            } else if (below(3) == 0) {
                struct buf paint;
                buf_init(&paint, 32u << 20);
                if (below(6) == 0) {
                    canvas_fini(c);
                    c->shown = 0;
                }
                p->impl->paint(p, c->shown, &caps, &paint);
                canvas_feed(c, &paint);
                buf_fini(&paint);
            } else {
                continue;
            }
            c->shown = n;
            check(c);
        }
        buf_fini(&b);
    }
    for (int i = 0; i < CANVASES; i++)
        canvas_fini(&canvases[i]);
    free(sealed);
    sealed = NULL;
    surface_free(surface);
}
END_TEST

START_TEST(small_changes_are_small) {
    surface = surface_new(1280, 720);
    struct picture *p = surface_picture(surface);
    struct buf b;
    buf_init(&b, 32u << 20);
    ck_assert(p->impl->frame(p, 1, &caps, &b));
    buf_clear(&b);
    surface_fill(surface, 0, 0, 1280, 720, 0); /* black it was */
    ck_assert(!p->impl->frame(p, 2, &caps, &b));
    ck_assert_uint_eq(b.len, 0);
    uint32_t cell[8 * 16];
    for (int i = 0; i < 8 * 16; i++)
        cell[i] = i % 5 ? 0 : 0xFFFFFF;
    surface_put(surface, 600, 330, 8, 16, cell, 8);
    ck_assert(p->impl->frame(p, 2, &caps, &b));
    ck_assert_uint_lt(b.len, 400);
    buf_clear(&b);
    for (int y = 0; y < 720; y += 2) /* everything anew, in few pictures */
        surface_fill(surface, 0, y, 1000 + y % 100, 1, 0x00FF00u + (uint32_t)y);
    ck_assert(p->impl->frame(p, 3, &caps, &b));
    size_t pictures = 0;
    for (const char *at = buf_str(&b); (at = strstr(at, "3.img,")); at++)
        pictures++;
    ck_assert_uint_le(pictures, 12);
    buf_fini(&b);
    surface_free(surface);
}
END_TEST

START_TEST(sizes_are_clamped) {
    int w, h;
    surface = surface_new(0, -5);
    surface_get_size(surface, &w, &h);
    ck_assert(w == 1 && h == 1);
    ck_assert_int_eq(surface_resize(surface, 100000, 1), 0);
    surface_get_size(surface, &w, &h);
    ck_assert(w == SURFACE_SIDE_MAX && h == 1);
    surface_cursor(surface, 0, 1, 0, 0, (const uint32_t[]){ 0 });
    surface_cursor(surface, SURFACE_CURSOR_MAX + 1, 1, 0, 0, (const uint32_t[]){ 0 });
    surface_free(surface);
    surface_free(NULL);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("surface");
    TCase *t = tcase_create("surface");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, exact, 0, 12);
    tcase_add_test(t, small_changes_are_small);
    tcase_add_test(t, sizes_are_clamped);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
