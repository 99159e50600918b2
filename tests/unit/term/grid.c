/* The grid under random output: its own invariants, and cell by cell the same as libvterm's screen
 * layer, which is slow but not ours. Also sizes, reflow and the scrollback. */
#include "tests/unit/unit.h"

#include "tests/unit/term/rig.h"
#include "tests/unit/term/stream.h"

static void invariants(const struct grid *g) {
    for (uint64_t l = grid_first(g); l < grid_top(g) + (uint64_t)g->rows; l++) {
        const struct row *r = grid_line(g, l);
        MUST(r && r->used <= g->cols);
        for (int c = 0; c < g->cols; c++) {
            cell_t cell = r->cells[c];
            bool tail = cell & CELL_TAIL, wide = cell & CELL_WIDE;
            MUST(c < r->used || !cell);
            MUST(!tail || (!wide && c > 0 && (r->cells[c - 1] & CELL_WIDE)));
            MUST(!wide || (c + 1 < g->cols && (r->cells[c + 1] & CELL_TAIL)));
            MUST(!(cell & (CELL_SELECTED | CELL_CURSOR | CELL_BAR | CELL_UNDER)));
        }
    }
    MUST(!grid_line(g, grid_top(g) + (uint64_t)g->rows));
}

static void known_styles(void *arg, cell_t cell) {
    struct term *t = arg;
    MUST(intern_at(&t->styles, cell_style(cell)));
    if (cell_ch(cell) >= CELL_CLUSTER)
        MUST(intern_at(&t->clusters, cell_ch(cell) - CELL_CLUSTER));
}

START_TEST(random_output) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct stream s = { .state = seed * 77 + 5 };
        struct rig r;
        rig_cells(&r, 8 + stream_upto(&s, 50), 3 + stream_upto(&s, 20), stream_upto(&s, 40));
        struct buf b;
        buf_init(&b, 1u << 20);
        for (int i = 0; i < 60; i++) {
            const struct grid *g = term_grid(r.t);
            buf_clear(&b);
            for (int k = 0; k < 20; k++)
                stream_piece(&s, &b, g->cols, g->rows);
            for (size_t at = 0; at < b.len;) { /* cut anywhere */
                size_t n = 1 + (size_t)stream_upto(&s, 200);
                n = n < b.len - at ? n : b.len - at;
                term_feed(r.t, b.data + at, n);
                at += n;
            }
            if (stream_upto(&s, 8) == 0)
                term_resize(r.t, 20 + stream_upto(&s, 400), 20 + stream_upto(&s, 300), 96);
            for (int k = 0; k < 2; k++) {
                invariants(&r.t->grid[k]);
                grid_each(&r.t->grid[k], known_styles, r.t);
            }
            int row, col;
            emu_cursor(r.t, &row, &col);
            g = term_grid(r.t);
            MUST(row >= 0 && row < g->rows && col >= 0 && col < g->cols);
        }
        buf_fini(&b);
        rig_fini(&r);
    }
}
END_TEST

/* ---- against the screen layer -----------------------------------------------------------------
 */

static uint32_t color_of(const VTermScreen *s, VTermColor c) {
    if (VTERM_COLOR_IS_DEFAULT_FG(&c) || VTERM_COLOR_IS_DEFAULT_BG(&c))
        return COLOR_DEFAULT;
    (void)s;
    if (VTERM_COLOR_IS_INDEXED(&c))
        return COLOR_INDEXED | c.indexed.idx;
    return COLOR_DIRECT | (uint32_t)c.rgb.red << 16 | (uint32_t)c.rgb.green << 8 | c.rgb.blue;
}

static void same_cell(struct term *t, const VTermScreen *s, int row, int col, uint64_t seed) {
    VTermScreenCell v;
    vterm_screen_get_cell(s, (VTermPos){ row, col }, &v);
    cell_t cell = term_grid(t)->row[row]->cells[col];
    uint32_t cp[CLUSTER_MAX];
    uint32_t n = emu_cells(t, cell, cp);
    unsigned long long n_seed = seed;
    if (v.chars[0] == UINT32_MAX) { /* right half of a wide one */
        MUST(cell & CELL_TAIL, "seed %llu: %d,%d", n_seed, row, col);
        return;
    }
    uint32_t want = v.chars[0] == ' ' ? 0 : v.chars[0], got = n && cp[0] != ' ' ? cp[0] : 0;
    MUST(got == want, "seed %llu: %d,%d is U+%04X, should be U+%04X", n_seed, row, col, got, want);
    for (uint32_t i = 1; want && i < VTERM_MAX_CHARS_PER_CELL; i++)
        MUST(v.chars[i] == (i < n ? cp[i] : 0));
    const struct style *st = intern_at(&t->styles, cell_style(cell));
    MUST(st->bg == color_of(s, v.bg), "seed %llu: %d,%d background %x, should be %x", n_seed, row,
         col, st->bg, color_of(s, v.bg));
    if (!got)
        return;
    MUST(st->fg == color_of(s, v.fg));
    MUST(!(st->attrs & ATTR_BOLD) == !v.attrs.bold);
    MUST(!(st->attrs & ATTR_ITALIC) == !v.attrs.italic);
    MUST(!(st->attrs & ATTR_REVERSE) == !v.attrs.reverse);
    MUST(!(st->attrs & ATTR_STRIKE) == !v.attrs.strike);
    MUST(!(st->attrs & ATTR_UNDERLINE) == !v.attrs.underline);
}

START_TEST(as_libvterm_screen) {
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct stream s = { .state = seed * 31 + 7, .plain = true };
        struct rig r;
        rig_cells(&r, 10 + stream_upto(&s, 60), 4 + stream_upto(&s, 20), 20);
        const struct grid *g = term_grid(r.t);
        VTerm *vt = vterm_new(g->rows, g->cols);
        vterm_set_utf8(vt, 1);
        VTermScreen *screen = vterm_obtain_screen(vt);
        vterm_screen_enable_altscreen(screen, 1);
        vterm_screen_reset(screen, 1);
        struct buf b;
        buf_init(&b, 1u << 20);
        for (int i = 0; i < 40; i++) {
            buf_clear(&b);
            for (int k = 0; k < 15; k++)
                stream_piece(&s, &b, g->cols, g->rows);
            term_feed(r.t, b.data, b.len);
            vterm_input_write(vt, b.data, b.len);
            VTermPos pos;
            vterm_state_get_cursorpos(vterm_obtain_state(vt), &pos);
            int row, col;
            emu_cursor(r.t, &row, &col);
            MUST(row == pos.row && col == pos.col, "seed %llu: cursor %d,%d, should be %d,%d",
                 (unsigned long long)seed, row, col, pos.row, pos.col);
            for (row = 0; row < g->rows; row++)
                for (col = 0; col < g->cols; col++)
                    same_cell(r.t, screen, row, col, seed);
        }
        buf_fini(&b);
        vterm_free(vt);
        rig_fini(&r);
    }
}
END_TEST

/* ---- lines off the screen, and new sizes ------------------------------------------------------
 */

static const char *line_text(struct rig *r, uint64_t line) {
    static char text[512];
    struct buf b;
    buf_init(&b, sizeof text);
    const struct row *row = grid_line(&r->t->grid[0], line);
    if (row)
        row_text(r->t, row, 0, row->used, &b);
    snprintf(text, sizeof text, "%s", buf_str(&b));
    buf_fini(&b);
    return text;
}

START_TEST(scrollback) {
    struct rig r;
    rig_cells(&r, 20, 5, 10);
    for (int i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "line %d\r\n", i);
        rig_feed(&r, text);
    }
    const struct grid *g = &r.t->grid[0];
    ck_assert_int_eq(g->back_len, 10);
    ck_assert_uint_eq(grid_first(g), 86);
    ck_assert_uint_eq(grid_top(g), 96);
    for (uint64_t l = 86; l < 100; l++) {
        char want[32];
        snprintf(want, sizeof want, "line %d", (int)l);
        ck_assert_str_eq(line_text(&r, l), want);
    }
    ck_assert_ptr_null(grid_line(g, 85));
    rig_feed(&r, "\033[3J");
    ck_assert_int_eq(g->back_len, 0);
    ck_assert_str_eq(rig_row(&r, 0), "line 96");
    /* Regions that do not begin at the top, and the alternate screen, leave nothing behind. */
    rig_feed(&r, "\033[2;5r\033[5H\n\n\n\033[r\033[?1049h\n\n\n\n\n\n\n\n\033[?1049l");
    ck_assert_int_eq(g->back_len, 0);
    rig_fini(&r);
}
END_TEST

START_TEST(no_scrollback) {
    struct rig r;
    rig_cells(&r, 20, 5, 0);
    for (int i = 0; i < 100; i++)
        rig_feed(&r, "x\r\n");
    ck_assert_int_eq(r.t->grid[0].back_len, 0);
    rig_fini(&r);
}
END_TEST

static void cells(struct rig *r, int cols, int rows) {
    int cw, ch;
    paint_cell(&r->t->paint, &cw, &ch);
    term_resize(r->t, cols * cw + 4, rows * ch + 4, 96);
    ck_assert_int_eq(r->cols, cols);
    ck_assert_int_eq(r->rows, rows);
}

START_TEST(reflow) {
    struct rig r;
    rig_cells(&r, 20, 5, 100);
    rig_feed(&r, "abcdefghijklmnopqrstuvwxyz0123456789\r\nshort\r\n$ ls");
    int row, col;
    cells(&r, 10, 6);
    ck_assert_str_eq(rig_row(&r, 0), "abcdefghij");
    ck_assert_str_eq(rig_row(&r, 3), "456789");
    ck_assert_str_eq(rig_row(&r, 4), "short");
    ck_assert_str_eq(rig_row(&r, 5), "$ ls");
    emu_cursor(r.t, &row, &col);
    ck_assert_int_eq(row, 5);
    ck_assert_int_eq(col, 4);
    cells(&r, 40, 6);
    ck_assert_str_eq(rig_row(&r, 0), "abcdefghijklmnopqrstuvwxyz0123456789");
    ck_assert_str_eq(rig_row(&r, 2), "$ ls");
    rig_feed(&r, "!");
    ck_assert_str_eq(rig_row(&r, 2), "$ ls!");
    /* Fewer rows push lines up, more bring them back. */
    cells(&r, 40, 2);
    ck_assert_str_eq(rig_row(&r, 0), "short");
    ck_assert_int_eq(r.t->grid[0].back_len, 1);
    cells(&r, 20, 5);
    ck_assert_str_eq(rig_row(&r, 0), "abcdefghijklmnopqrst");
    ck_assert_str_eq(rig_row(&r, 3), "$ ls!");
    ck_assert_int_eq(r.t->grid[0].back_len, 0);
    /* Wide characters are not cut; the hole they leave is no blank. */
    rig_feed(&r, "\033[H\033[2J\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC");
    cells(&r, 7, 5);
    ck_assert_str_eq(rig_row(&r, 0), "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E");
    cells(&r, 20, 5);
    ck_assert_str_eq(rig_row(&r, 0),
                     "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC");
    rig_fini(&r);
}
END_TEST

/* Text comes through any series of sizes unharmed, as long as the scrollback holds it. */
START_TEST(reflow_keeps_text) {
    struct stream s = { .state = 99 };
    for (int round = 0; round < 30; round++) {
        struct rig r;
        rig_cells(&r, 30, 6, 1000);
        struct buf all, now;
        buf_init(&all, 65536);
        buf_init(&now, 65536);
        for (int i = 0; i < 30; i++) {
            int len = stream_upto(&s, 70);
            for (int k = 0; k < len; k++)
                buf_putc(&all, (char)('a' + stream_upto(&s, 26)));
            buf_putc(&all, '\n');
        }
        for (size_t i = 0; i < all.len; i++)
            term_feed(r.t, all.data[i] == '\n' ? "\r\n" : &all.data[i],
                      all.data[i] == '\n' ? 2 : 1);
        for (int i = 0; i < 8; i++)
            cells(&r, 4 + stream_upto(&s, 80), 2 + stream_upto(&s, 20));
        const struct grid *g = &r.t->grid[0];
        for (uint64_t l = grid_first(g); grid_line(g, l); l++) {
            const struct row *next = grid_line(g, l + 1);
            row_text(r.t, grid_line(g, l), 0, g->cols, &now);
            if (!next || !next->wrapped)
                buf_putc(&now, '\n');
        }
        while (now.len > 1 && now.data[now.len - 2] == '\n' && now.len > all.len)
            now.len--;
        ck_assert_str_eq(buf_str(&now), buf_str(&all));
        buf_fini(&all);
        buf_fini(&now);
        rig_fini(&r);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term grid");
    TCase *c = tcase_create("grid");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, random_output);
    tcase_add_test(c, as_libvterm_screen);
    tcase_add_test(c, scrollback);
    tcase_add_test(c, no_scrollback);
    tcase_add_test(c, reflow);
    tcase_add_test(c, reflow_keeps_text);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
