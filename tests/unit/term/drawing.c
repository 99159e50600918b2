/* Pixels: lines and blocks that meet at the cells' edges, emoji, underlines; colours by name; the
 * interning of styles. */
#include "tests/unit/unit.h"

#include "guacd/term/box.h"
#include "guacd/term/colors.h"
#include "guacd/term/intern.h"
#include "tests/unit/term/rig.h"

#define W 10
#define H 19

static uint8_t mask[W * H];

static void draw(uint32_t cp, int w, int h) {
    memset(mask, 0, sizeof mask);
    ck_assert(box_has(cp));
    box_draw(cp, mask, w, h);
}

/* Covered pixels along an edge, as bits. 0 left, 1 right, 2 top, 3 bottom. */
static uint32_t edge(int side, int w, int h) {
    uint32_t bits = 0;
    int n = side < 2 ? h : w;
    for (int i = 0; i < n; i++) {
        int x = side == 0 ? 0 : side == 1 ? w - 1 : i;
        int y = side == 2 ? 0 : side == 3 ? h - 1 : i;
        bits |= (uint32_t)(mask[y * w + x] > 127) << i;
    }
    return bits;
}

/* Whatever joins to the right joins to what comes from the left, and so on, for every size. */
START_TEST(lines_meet) {
    for (int w = 6; w <= W; w++)
        for (int h = 7; h <= H; h++) {
            uint32_t across[4], down[4]; /* light, heavy, double */
            static const uint32_t flat[] = { 0, 0x2500, 0x2501, 0x2550 };
            static const uint32_t tall[] = { 0, 0x2502, 0x2503, 0x2551 };
            for (int k = 1; k < 4; k++) {
                draw(flat[k], w, h);
                across[k] = edge(0, w, h);
                ck_assert_uint_eq(edge(1, w, h), across[k]);
                ck_assert_uint_ne(across[k], 0);
                draw(tall[k], w, h);
                down[k] = edge(2, w, h);
                ck_assert_uint_eq(edge(3, w, h), down[k]);
            }
            static const struct {
                uint32_t cp;
                uint8_t l, r, u, d;
            } some[] = {
                { 0x250C, 0, 1, 0, 1 }, { 0x2510, 1, 0, 0, 1 }, { 0x2514, 0, 1, 1, 0 },
                { 0x2518, 1, 0, 1, 0 }, { 0x251C, 0, 1, 1, 1 }, { 0x2524, 1, 0, 1, 1 },
                { 0x252C, 1, 1, 0, 1 }, { 0x2534, 1, 1, 1, 0 }, { 0x253C, 1, 1, 1, 1 },
                { 0x254B, 2, 2, 2, 2 }, { 0x2553, 0, 1, 0, 3 }, { 0x2554, 0, 3, 0, 3 },
                { 0x255D, 3, 0, 3, 0 }, { 0x2560, 0, 3, 3, 3 }, { 0x2566, 3, 3, 0, 3 },
                { 0x256A, 3, 3, 1, 1 }, { 0x256C, 3, 3, 3, 3 }, { 0x256D, 0, 1, 0, 1 },
                { 0x2570, 0, 1, 1, 0 }, { 0x257C, 1, 2, 0, 0 }, { 0x257F, 0, 0, 2, 1 },
            };
            for (size_t i = 0; i < ARRAY_LEN(some); i++) {
                draw(some[i].cp, w, h);
                const uint8_t arm[4] = { some[i].l, some[i].r, some[i].u, some[i].d };
                for (int side = 0; side < 4; side++) {
                    uint32_t want = !arm[side] ? 0 : side < 2 ? across[arm[side]] : down[arm[side]];
                    MUST(edge(side, w, h) == want, "U+%04X, %dx%d, side %d: %x, should be %x",
                         some[i].cp, w, h, side, edge(side, w, h), want);
                }
            }
        }
}
END_TEST

static int covered(void) {
    int n = 0;
    for (int i = 0; i < W * H; i++)
        n += mask[i] == 255;
    return n;
}

START_TEST(blocks_fill) {
    static const uint32_t pairs[][2] = {
        { 0x2580, 0x2584 }, { 0x258C, 0x2590 }, { 0x2598, 0x259F },
        { 0x259A, 0x259E }, { 0x2597, 0x259B }, { 0x2596, 0x259C }
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) { /* two halves are a whole, without overlap */
        draw(pairs[i][0], W, H);
        int n = covered();
        draw(pairs[i][1], W, H);
        ck_assert_int_eq(n + covered(), W * H);
    }
    draw(0x2588, W, H);
    ck_assert_int_eq(covered(), W * H);
    for (uint32_t cp = 0x2500; cp <= 0x1FB3B; cp++)
        if (box_has(cp))
            draw(cp, 2 + (int)(cp % (W - 1)), 4 + (int)(cp % (H - 3))); /* within its bounds */
}
END_TEST

START_TEST(glyphs) {
    struct err e = { 0 };
    struct font_set *f = font_set_new("monospace", 12, 96, &e);
    struct font_metrics m;
    font_set_metrics(f, &m);
    ck_assert(m.width >= 6 && m.width <= 14 && m.height >= 12 && m.height <= 28);
    ck_assert(m.baseline > m.height / 2 && m.underline >= m.baseline && m.underline < m.height);
    struct raster r;
    ck_assert_int_eq(raster_init(&r, &m), 0);
    uint32_t *px = malloc((size_t)m.width * 2 * (size_t)m.height * sizeof *px);
    struct raster_job j = { .look = { .fg = 0xFFFFFF, .ul = 0x00FF00 }, .count = 1, .cells = 1 };
    static const uint32_t cps[] = { 'A',    0xE9,     0x416,  0x3A9,  0x65E5, 0x1F600,
                                    0x2192, 0x10FFFD, 0x0301, 0x2500, 0xFFFD };
    for (size_t i = 0; i < ARRAY_LEN(cps); i++)
        for (unsigned attrs = 0; attrs < 8; attrs++) {
            j.cp[0] = cps[i];
            j.cells = cps[i] == 0x65E5 || cps[i] == 0x1F600 ? 2 : 1;
            j.look.attrs = attrs & 1 ? ATTR_BOLD : 0;
            j.look.attrs |= attrs & 2 ? ATTR_ITALIC : 0;
            j.look.attrs |= attrs & 4 ? UL_CURLY << ATTR_UNDERLINE_SHIFT : 0;
            memset(px, 0xEE, (size_t)m.width * 2 * (size_t)m.height * sizeof *px);
            raster_cell(&r, f, &j, px, (size_t)m.width * 2);
            int lit = 0;
            for (int y = 0; y < m.height; y++)
                for (int x = 0; x < m.width * j.cells; x++)
                    lit += px[y * m.width * 2 + x] != 0;
            MUST(lit > 0, "U+%04X leaves nothing", cps[i]);
            if (j.cells == 1) /* nothing beyond the cell */
                for (int y = 0; y < m.height; y++)
                    MUST(px[y * m.width * 2 + m.width] == 0xEEEEEEEE);
        }
    free(px);
    raster_fini(&r);
    font_set_free(f);
}
END_TEST

START_TEST(colours) {
    static const struct {
        const char *spec;
        uint32_t rgb;
    } good[] = { { "#fff", 0xF0F0F0 },          { "#102030", 0x102030 },
                 { "#111122223333", 0x112233 }, { "rgb:f/0/8", 0xFF0088 },
                 { "rgb:10/20/30", 0x102030 },  { "rgb:1010/2020/3030", 0x101010 * 0 + 0x102030 },
                 { "SteelBlue", 0x4682B4 },     { "steel blue", 0x4682B4 },
                 { "RGB:FF/ff/00", 0xFFFF00 } };
    static const char *const bad[] = { "",
                                       "#",
                                       "#ff",
                                       "#12345",
                                       "rgb:1/2",
                                       "rgb:1/2/3/4",
                                       "rgb:/1/2",
                                       "rgb:g/0/0",
                                       "rgb:12345/0/0",
                                       "no colour at all of any name" };
    uint32_t rgb;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        MUST(colors_parse(good[i].spec, strlen(good[i].spec), &rgb), "%s", good[i].spec);
        MUST(rgb == good[i].rgb, "%s is %06x", good[i].spec, rgb);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        MUST(!colors_parse(bad[i], strlen(bad[i]), &rgb), "%s", bad[i]);
}
END_TEST

START_TEST(schemes) {
    struct colors c;
    struct err e = { 0 };
    ck_assert(colors_scheme(&c, "", &e));
    ck_assert(c.fg == c.index[7] && c.bg == c.index[0]);
    ck_assert(colors_scheme(&c, "black-white", &e));
    ck_assert(c.fg == c.index[0] && c.bg == c.index[15]);
    ck_assert(colors_scheme(&c, "white-black", &e) && c.fg == 0xFFFFFF && c.bg == 0);
    ck_assert(colors_scheme(&c, "green-black", &e) && c.fg == c.index[2]);
    ck_assert(colors_scheme(&c, " foreground : color3 ;background:rgb:01/02/03;color3:red; ", &e));
    ck_assert(c.fg != c.index[3] && c.bg == 0x010203 && c.index[3] == 0xFF0000);
    ck_assert(colors_scheme(&c, "color255: #010203; cursor: gold", &e));
    ck_assert(c.index[255] == 0x010203 && c.cursor == 0xFFD700);
    struct colors before = c;
    static const char *const bad[] = { "purple-rain",  "foreground",         "foreground:",
                                       "color256:red", "background:nothing", "colorx:red" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        e = (struct err){ 0 };
        ck_assert(!colors_scheme(&c, bad[i], &e));
        ck_assert_int_eq(e.status, 0x300);
        ck_assert_mem_eq(&c, &before, sizeof c);
    }
}
END_TEST

START_TEST(interning) {
    struct intern t;
    uint32_t zero[2] = { 0 };
    ck_assert_int_eq(intern_init(&t, sizeof zero, 5000, zero), 0);
    uint32_t ids[5000];
    for (uint32_t i = 1; i < 5000; i++) {
        ids[i] = intern_get(&t, (uint32_t[]){ i, i * 7 });
        MUST(ids[i] == i);
        MUST(intern_get(&t, (uint32_t[]){ i, i * 7 }) == ids[i]);
    }
    ck_assert_uint_eq(intern_get(&t, (uint32_t[]){ 9, 9 }), INTERN_NONE); /* full */
    ck_assert(intern_crowded(&t));
    for (uint32_t i = 1; i < 5000; i += 10)
        intern_mark(&t, ids[i]);
    intern_sweep(&t);
    ck_assert_uint_eq(t.count, 501);
    for (uint32_t i = 1; i < 5000; i++)
        MUST((intern_at(&t, ids[i]) != NULL) == (i % 10 == 1));
    ck_assert_ptr_nonnull(intern_at(&t, 0));
    for (uint32_t i = 1; i < 5000; i += 10) /* numbers stay, holes are filled */
        MUST(intern_get(&t, (uint32_t[]){ i, i * 7 }) == ids[i]);
    for (uint32_t i = 0; i < 4000; i++)
        MUST(intern_get(&t, (uint32_t[]){ i + 100000, 1 }) < 5000);
    intern_fini(&t);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term drawing");
    TCase *c = tcase_create("drawing");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, lines_meet);
    tcase_add_test(c, blocks_fill);
    tcase_add_test(c, glyphs);
    tcase_add_test(c, colours);
    tcase_add_test(c, schemes);
    tcase_add_test(c, interning);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
