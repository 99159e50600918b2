/* What people do: keys through modes, echo, mouse reports, selection, the view back, paste. */
#include "tests/unit/unit.h"

#include "tests/unit/term/rig.h"

static struct rig r;
static int cw, ch;

static void setup(void) {
    rig_cells(&r, 20, 5, 100);
    paint_cell(&r.t->paint, &cw, &ch);
}

static void teardown(void) {
    rig_fini(&r);
}

static void key(uint32_t k) {
    term_key(r.t, k, true, 0);
    term_key(r.t, k, false, 0);
}

static void with(uint32_t mod, uint32_t k) {
    term_key(r.t, mod, true, 0);
    key(k);
    term_key(r.t, mod, false, 0);
}

static void at(int col, int row, int mask) {
    term_mouse(r.t, 2 + col * cw + cw / 2, 2 + row * ch + ch / 2, mask);
}

static void click(int col, int row) {
    at(col, row, 1);
    at(col, row, 0);
}

#define SHIFT 0xFFE1u
#define CTRL 0xFFE3u

START_TEST(keys) {
    key('x');
    key(0xFF52);
    rig_feed(&r, "\033[?1h");
    key(0xFF52);
    with(CTRL, 'c');
    ck_assert_str_eq(rig_said(&r), "x\033[A\033OA\003");
    rig_feed(&r, "\033[20h");
    key(0xFF0D);
    ck_assert_str_eq(rig_said(&r), "\r\n");
    term_key(r.t, CTRL, true, 0);
    term_release(r.t); /* nobody holds it any more */
    key('c');
    ck_assert_str_eq(rig_said(&r), "c");
}
END_TEST

START_TEST(echo) {
    term_key(r.t, 'a', true, 7);
    ck_assert_int_eq(r.echoes, 0);
    rig_feed(&r, "a");
    ck_assert_int_eq(r.echoes, 1);
    ck_assert_uint_eq(r.echo_id, 7);
    term_key(r.t, 'b', true, 8); /* typed ahead: each in its place */
    term_key(r.t, 'c', true, 9);
    rig_feed(&r, "bc");
    ck_assert_int_eq(r.echoes, 3);
    ck_assert_uint_eq(r.echo_id, 9);
    term_key(r.t, 's', true, 10); /* a password is not shown, its stars are no echo */
    rig_feed(&r, "*");
    term_key(r.t, 'e', true, 11);
    rig_feed(&r, "\r\nsecret output e");
    ck_assert_int_eq(r.echoes, 3);
}
END_TEST

START_TEST(mouse_reports) {
    rig_feed(&r, "\033[?1000h");
    at(3, 2, 1);
    at(4, 2, 1);
    at(4, 2, 0);
    ck_assert_str_eq(rig_said(&r), "\033[M $#\033[M#%#");
    rig_feed(&r, "\033[?1006h");
    at(3, 2, 4);
    at(3, 2, 0);
    at(3, 2, 8);
    at(3, 2, 0);
    ck_assert_str_eq(rig_said(&r), "\033[<2;4;3M\033[<2;4;3m\033[<64;4;3M");
    rig_feed(&r, "\033[?1002h");
    at(3, 2, 0);
    at(5, 2, 0); /* no button: not told */
    at(5, 2, 1);
    at(6, 2, 1);
    at(6, 2, 1); /* the same cell */
    at(6, 2, 0);
    ck_assert_str_eq(rig_said(&r), "\033[<0;6;3M\033[<32;7;3M\033[<0;7;3m");
    rig_feed(&r, "\033[?1003h");
    at(1, 1, 0);
    term_key(r.t, CTRL, true, 0);
    at(1, 1, 16);
    term_key(r.t, CTRL, false, 0);
    at(1, 1, 0);
    ck_assert_str_eq(rig_said(&r), "\033[<35;2;2M\033[<81;2;2M");
    rig_feed(&r, "\033[?1003l");
    at(4, 1, 1);
    at(4, 1, 0);
    ck_assert_str_eq(rig_said(&r), "");
    /* Shift takes the mouse from the program. */
    rig_feed(&r, "\033[?1000hword");
    term_key(r.t, SHIFT, true, 0);
    at(0, 0, 1);
    at(3, 0, 1);
    at(3, 0, 0);
    term_key(r.t, SHIFT, false, 0);
    ck_assert_str_eq(rig_said(&r), "");
    ck_assert_str_eq(buf_str(&r.clip), "word");
}
END_TEST

START_TEST(focus) {
    rig_feed(&r, "\033[?1004h");
    term_release(r.t);
    ck_assert_str_eq(rig_said(&r), "\033[O");
    key('a');
    ck_assert_str_eq(rig_said(&r), "\033[Ia");
}
END_TEST

START_TEST(selection) {
    rig_feed(&r, "hello brave-new world\r\nsecond /etc/passwd line\r\n\xE6\x97\xA5\xE6\x9C\xAC x");
    at(0, 0, 1);
    at(4, 0, 1);
    at(4, 0, 0);
    ck_assert_str_eq(buf_str(&r.clip), "hello");
    click(7, 0); /* a double click takes the word */
    click(7, 0);
    ck_assert_str_eq(buf_str(&r.clip), "brave-new");
    click(7, 0); /* a third one the line, over its wrap */
    ck_assert_str_eq(buf_str(&r.clip), "hello brave-new world\n");
    click(19, 0);
    click(19, 0); /* a word that goes on in the next row */
    ck_assert_str_eq(buf_str(&r.clip), "world");
    at(4, 1, 1); /* upwards */
    at(12, 0, 1);
    at(12, 0, 0);
    ck_assert_str_eq(buf_str(&r.clip), "new world");
    at(1, 4, 1); /* half of a wide character takes all of it */
    at(2, 4, 1);
    at(2, 4, 0);
    ck_assert_str_eq(buf_str(&r.clip), "\xE6\x97\xA5\xE6\x9C\xAC");
    buf_clear(&r.clip);
    click(2, 2); /* a click alone copies nothing */
    ck_assert_uint_eq(r.clip.len, 0);
    /* It sticks to its text while lines scroll. */
    at(0, 4, 1);
    at(5, 4, 1);
    at(5, 4, 0);
    rig_feed(&r, "\r\n\r\n\r\n");
    buf_clear(&r.clip);
    term_key(r.t, SHIFT, true, 0);
    with(CTRL, 'C');
    term_key(r.t, SHIFT, false, 0);
    ck_assert_str_eq(buf_str(&r.clip), "\xE6\x97\xA5\xE6\x9C\xAC x");
    ck_assert_str_eq(rig_said(&r), "");
}
END_TEST

static const char *top_line(void) {
    static char text[64];
    struct view_row v = view_row(r.t, 0);
    snprintf(text, sizeof text, "?");
    for (uint64_t l = grid_first(&r.t->grid[0]); grid_line(&r.t->grid[0], l); l++)
        if (grid_line(&r.t->grid[0], l)->id == v.id) {
            struct buf b;
            buf_init(&b, 64);
            row_text(r.t, grid_line(&r.t->grid[0], l), 0, 20, &b);
            snprintf(text, sizeof text, "%s", buf_str(&b));
            buf_fini(&b);
        }
    return text;
}

START_TEST(looking_back) {
    for (int i = 0; i < 50; i++) {
        char line[16];
        snprintf(line, sizeof line, "%s%d", i ? "\r\n" : "", i);
        rig_feed(&r, line);
    }
    ck_assert_str_eq(top_line(), "45");
    with(SHIFT, 0xFF55);
    ck_assert_str_eq(top_line(), "41");
    at(0, 0, 8);
    at(0, 0, 0);
    ck_assert_str_eq(top_line(), "38");
    rig_feed(&r, "\r\nmore"); /* what is looked at stays */
    ck_assert_str_eq(top_line(), "38");
    with(SHIFT, 0xFF50);
    ck_assert_str_eq(top_line(), "0");
    with(SHIFT, 0xFF56);
    ck_assert_str_eq(top_line(), "4");
    ck_assert_str_eq(rig_said(&r), "");
    key('x'); /* typing leads back */
    ck_assert_str_eq(top_line(), "46");
    ck_assert_str_eq(rig_said(&r), "x");
    for (int i = 0; i < 3; i++)
        with(SHIFT, 0xFF55);
    with(SHIFT, 0xFF57);
    ck_assert(!r.t->back);
    /* The oldest lines go while they are looked at. */
    with(SHIFT, 0xFF50);
    for (int i = 0; i < 300; i++)
        rig_feed(&r, "\r\nnew");
    ck_assert_str_eq(top_line(), "new");
    /* On the alternate screen the wheel is arrow keys. */
    rig_feed(&r, "\033[?1049h");
    at(0, 0, 8);
    at(0, 0, 0);
    ck_assert_str_eq(rig_said(&r), "\033[A\033[A\033[A");
    with(SHIFT, 0xFF55);
    ck_assert_str_eq(rig_said(&r), "\033[5;2~");
    rig_feed(&r, "\033[?1007l");
    at(0, 0, 16);
    ck_assert_str_eq(rig_said(&r), "");
}
END_TEST

START_TEST(paste) {
    term_key(r.t, SHIFT, true, 0);
    with(CTRL, 'V');
    term_key(r.t, SHIFT, false, 0);
    ck_assert_int_eq(r.pastes, 1);
    with(SHIFT, 0xFF63);
    ck_assert_int_eq(r.pastes, 2);
    at(0, 0, 2);
    at(0, 0, 0);
    ck_assert_int_eq(r.pastes, 3);
    with(0xFFEB, 'v');
    ck_assert_int_eq(r.pastes, 4);
    ck_assert_str_eq(rig_said(&r), "");

    term_paste_begin(r.t);
    term_paste(r.t, "a\nb\r", 4);
    term_paste(r.t, "\nc\033[201~\177\t\xC3\xA9", 12);
    term_paste_end(r.t);
    ck_assert_str_eq(rig_said(&r), "a\rb\rc[201~\t\xC3\xA9");
    rig_feed(&r, "\033[?2004h");
    term_paste_begin(r.t);
    term_paste(r.t, "x\033[201~y", 8);
    rig_feed(&r, "\033[?2004l"); /* the end goes with the beginning */
    term_paste_end(r.t);
    ck_assert_str_eq(rig_said(&r), "\033[200~x[201~y\033[201~");
}
END_TEST

START_TEST(options) {
    struct err e = { 0 };
    ck_assert(term_option(r.t, "color-scheme", "black-white", &e));
    ck_assert(term_option(r.t, "font-size", "14", &e));
    ck_assert_int_lt(r.cols, 20);
    ck_assert(term_option(r.t, "font-name", "DejaVu Sans Mono", &e));
    ck_assert(!term_option(r.t, "font-size", "0", &e));
    ck_assert(!term_option(r.t, "color-scheme", "no such colour", &e));
    ck_assert(!term_option(r.t, "hostname", "x", &e));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term input");
    TCase *c = tcase_create("input");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, keys);
    tcase_add_test(c, echo);
    tcase_add_test(c, mouse_reports);
    tcase_add_test(c, focus);
    tcase_add_test(c, selection);
    tcase_add_test(c, looking_back);
    tcase_add_test(c, paste);
    tcase_add_test(c, options);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
