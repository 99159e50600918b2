/* What a terminal answers and how it behaves, sequence by sequence. */
#include "tests/unit/unit.h"

#include "tests/unit/term/rig.h"

static struct rig r;

static void setup(void) {
    rig_cells(&r, 20, 5, 100);
}

static void teardown(void) {
    rig_fini(&r);
}

static const struct style *style_at(int row, int col) {
    return intern_at(&r.t->styles, cell_style(term_grid(r.t)->row[row]->cells[col]));
}

START_TEST(answers) {
    static const struct {
        const char *ask, *answer;
    } table[] = {
        { "\033[5n", "\033[0n" },
        { "\033[6n", "\033[1;1R" },
        { "\033[3;4H\033[6n", "\033[3;4R" },
        { "\033[?6n", "\033[?3;4R" },
        { "\033[2;4r\033[?6h\033[6n", "\033[1;1R" },
        { "\033[?6l\033[r\033[c", "\033[?62;22c" },
        { "\033[>c", "\033[>1;10;0c" },
        { "\033[=c", "\033P!|00000000\033\\" },
        { "\033Z", "\033[?62;22c" },
        { "\033[?7$p", "\033[?7;1$y" },
        { "\033[?25$p", "\033[?25;1$y" },
        { "\033[?25l\033[?25$p", "\033[?25;2$y" },
        { "\033[?2026$p", "\033[?2026;2$y" },
        { "\033[?12345$p", "\033[?12345;0$y" },
        { "\033[4$p", "\033[4;2$y" },
        { "\033[4h\033[4$p\033[4l", "\033[4;1$y" },
        { "\033[18t", "\033[8;5;20t" },
        { "\033]11;?\007", "\033]11;rgb:0000/0000/0000\033\\" },
        { "\033]4;1;rgb:12/34/56;1;?\007", "\033]4;1;rgb:1212/3434/5656\033\\" },
        { "\033]104;1\007\033]4;1;?\007", "\033]4;1;rgb:cdcd/4a4a/4242\033\\" },
        { "\033]10;#010203\007\033]10;?\007", "\033]10;rgb:0101/0202/0303\033\\" },
        { "\033]110\007\033]10;?\007", "\033]10;rgb:c8c8/cccc/d0d0\033\\" },
        { "\033P$qm\033\\", "\033P1$r0m\033\\" },
        { "\033[1;4:3;38;5;9;48:2::1:2:3m\033P$qm\033\\",
          "\033P1$r0;1;38:5:9;48:2::1:2:3;4:3m\033\\" },
        { "\033[5 q\033P$q q\033\\", "\033P1$r5 q\033\\" },
        { "\033P$qz\033\\", "\033P0$r\033\\" },
        { "\033P+q544e\033\\", "\033P0+r\033\\" },
        { "\033]52;c;?\007", "" },
        { "\033[21t", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        rig_feed(&r, table[i].ask);
        ck_assert_str_eq(rig_said(&r), table[i].answer);
    }
}
END_TEST

START_TEST(colours_and_attributes) {
    rig_feed(&r, "\033[1;2;3;4;5;7;8;9;53mA\033[22;23;24;25;27;28;29;55mB");
    ck_assert_uint_eq(style_at(0, 0)->attrs, ATTR_BOLD | ATTR_FAINT | ATTR_ITALIC | ATTR_BLINK |
                                                 ATTR_REVERSE | ATTR_CONCEAL | ATTR_STRIKE |
                                                 ATTR_OVERLINE | UL_SINGLE << ATTR_UNDERLINE_SHIFT);
    ck_assert_uint_eq(style_at(0, 1)->attrs, 0);
    rig_feed(&r,
             "\r\033[38;2;1;2;3mA\033[38:2:1:2:3mB\033[38:2::1:2:3mC\033[38;5;200mD\033[38:5:200mE"
             "\033[95;105mF\033[38;2;1mG");
    for (int c = 0; c < 3; c++)
        ck_assert_uint_eq(style_at(0, c)->fg, COLOR_DIRECT | 0x010203);
    ck_assert_uint_eq(style_at(0, 3)->fg, COLOR_INDEXED | 200);
    ck_assert_uint_eq(style_at(0, 4)->fg, COLOR_INDEXED | 200);
    ck_assert_uint_eq(style_at(0, 5)->fg, COLOR_INDEXED | 13);
    ck_assert_uint_eq(style_at(0, 5)->bg, COLOR_INDEXED | 13);
    rig_feed(&r,
             "\033[m\r\033[4:3;58;5;1mA\033[4:0mB\033[59;21mC\033[58:2::9:8:7;4:5mD\033[24;1;31mE");
    ck_assert_uint_eq(style_at(0, 0)->attrs, UL_CURLY << ATTR_UNDERLINE_SHIFT);
    ck_assert_uint_eq(style_at(0, 0)->ul, COLOR_INDEXED | 1);
    ck_assert_uint_eq(style_at(0, 1)->attrs, 0);
    ck_assert_uint_eq(style_at(0, 2)->attrs, UL_DOUBLE << ATTR_UNDERLINE_SHIFT);
    ck_assert_uint_eq(style_at(0, 3)->ul, COLOR_DIRECT | 0x090807);
    ck_assert_uint_eq(style_at(0, 4)->attrs, ATTR_BOLD);
}
END_TEST

START_TEST(cursor_is_saved) {
    int row, col;
    rig_feed(&r, "\033[2;3H\033[31m\0337\033[5;9H\033[m\0338x");
    ck_assert_uint_eq(style_at(1, 2)->fg, COLOR_INDEXED | 1);
    rig_feed(&r, "\033[m\033[3;3H\033[s\033[H\033[u");
    emu_cursor(r.t, &row, &col);
    ck_assert(row == 2 && col == 2);
    /* Origin mode goes with it. */
    rig_feed(&r, "\033[2;4r\033[?6h\033[2;5H\0337\033[?6l\033[H\0338");
    emu_cursor(r.t, &row, &col);
    ck_assert(row == 2 && col == 4 && r.t->modes.origin);
    rig_feed(&r, "\033[?6l\033[r");
    /* A saved place outside a smaller screen comes back inside. libvterm alone would not. */
    rig_feed(&r, "\033[5;20H\0337");
    int cw, ch;
    paint_cell(&r.t->paint, &cw, &ch);
    term_resize(r.t, 8 * cw + 4, 2 * ch + 4, 96);
    rig_feed(&r, "\0338\r\n\r\nxyz\033[99b");
    emu_cursor(r.t, &row, &col);
    ck_assert(row < 2 && col < 8);
}
END_TEST

START_TEST(alternate_screen) {
    rig_feed(&r, "primary\033[?1049halt\033[2;2Hx");
    ck_assert_int_eq(r.t->screen, 1);
    ck_assert_str_eq(rig_row(&r, 0), "       alt");
    rig_feed(&r, "\033[?1049l!");
    ck_assert_int_eq(r.t->screen, 0);
    ck_assert_str_eq(rig_row(&r, 0), "primary!");
    rig_feed(&r, "\033[?1049h\033c"); /* a reset leaves it */
    ck_assert_int_eq(r.t->screen, 0);
    rig_feed(&r, "a\033[?1049h\033[!p\033[?1049lb");
    ck_assert_int_eq(r.t->screen, 0);
    ck_assert_str_eq(rig_row(&r, 0), "ab");
}
END_TEST

/* What libvterm alone does not survive. */
START_TEST(traps) {
    rig_feed(&r, "\033[5b");                 /* REP before any character: endless */
    rig_feed(&r, "\r\xC2\x80\xC2\x9F\033H"); /* width -1: column -1 */
    for (int i = 0; i < 40; i++)
        rig_feed(&r, "\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22H");
    rig_feed(&r, "\033[3;5r");
    int cw, ch;
    paint_cell(&r.t->paint, &cw, &ch);
    term_resize(r.t, 20 * cw + 4, 1 * ch + 4, 96); /* margins below the last row */
    rig_feed(&r, "\033M\033D\033[S\033[T\033[L\033[M\n\n\n");
    term_resize(r.t, 20 * cw + 4, 40 * ch + 4, 96); /* line infos that are too few */
    rig_feed(&r, "\033[40;1H");
    for (int i = 0; i < 60; i++)
        rig_feed(&r, "abcdefghijklmnopqrstuvwxyz");
    rig_feed(&r, "\033]0;a\033"); /* ESC and NUL within a string */
    term_feed(r.t, "\0", 1);
    rig_feed(&r, "x\033\\");
    rig_feed(&r, "\033[38m\033[48;2m\033[58:m\033[38:5m\033[38;5m");
    rig_feed(&r, "e");
    for (int i = 0; i < 100000; i++) /* combining characters without end */
        rig_feed(&r, "\xCC\x81\033[m");
    rig_feed(&r, "\033[?69h\033[20;99s\033[5S\033[2P\033[3@\033['}\033[2'~\033[?69l");
    rig_feed(&r, "\033#3\033#6wide\033#5");
    ck_assert_uint_lt(r.t->clusters.count, 5000);
}
END_TEST

START_TEST(repeat) {
    rig_feed(&r, "a\033[4b\r\n\xE6\x97\xA5\033[2b");
    ck_assert_str_eq(rig_row(&r, 0), "aaaaa");
    ck_assert_str_eq(rig_row(&r, 1), "\xE6\x97\xA5\xE6\x97\xA5\xE6\x97\xA5");
}
END_TEST

START_TEST(combining) {
    rig_feed(&r, "e\xCC\x81x\xCC\x82\xCC\xA3\r\n\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBBz");
    ck_assert_str_eq(rig_row(&r, 0), "e\xCC\x81x\xCC\x82\xCC\xA3");
    int row, col;
    emu_cursor(r.t, &row, &col);
    ck_assert_int_eq(col, 5);
    rig_feed(&r, "\r\nab\xCC\x88"); /* split from its base by a read */
    rig_feed(&r, "\xCC\xA3"
                 "c");
    ck_assert_str_eq(rig_row(&r, 2), "ab\xCC\x88\xCC\xA3"
                                     "c");
}
END_TEST

START_TEST(titles) {
    rig_feed(&r, "\033]0;hello \xE2\x82\xAC\007");
    ck_assert_str_eq(r.title, "hello \xE2\x82\xAC");
    rig_feed(&r, "\033]2;a\tb\xFF"
                 "c\xC2\x9B"
                 "d\033\\");
    ck_assert_str_eq(r.title, "abcd");
    rig_feed(&r, "\033]1;icon\007");
    ck_assert_str_eq(r.title, "abcd");
}
END_TEST

START_TEST(clipboard) {
    rig_feed(&r, "\033]52;c;aGVsbG8=\007");
    ck_assert_str_eq(buf_str(&r.clip), "hello");
    rig_feed(&r, "\033]52;;aGVsbG8h\007");
    ck_assert_str_eq(buf_str(&r.clip), "hello!");
    rig_feed(&r, "\033]52;p;d29ybGQ\007"); /* no padding */
    ck_assert_str_eq(buf_str(&r.clip), "world");
    rig_feed(&r, "\033]52;c;!!!!\007\033]52;c;/w==\007\033]52;c\007"); /* no base64, no UTF-8 */
    ck_assert_str_eq(buf_str(&r.clip), "world");
    r.t->cfg.clipboard_write = false;
    rig_feed(&r, "\033]52;c;aGVsbG8=\007");
    ck_assert_str_eq(buf_str(&r.clip), "world");
}
END_TEST

START_TEST(transcript) {
    struct buf b;
    buf_init(&b, 1u << 20);
    ck_assert(!term_shown(r.t, &b));
    rig_feed(&r, "one\r\n\033[31mtwo\033[0m\tx\033[5;1Hbelow");
    ck_assert(term_shown(r.t, &b));
    ck_assert_str_eq(buf_str(&b), "one\ntwo\tx\nbelow");
    buf_clear(&b);
    rig_feed(&r, "\r\nsk\b\bls\007");
    term_shown(r.t, &b);
    ck_assert_str_eq(buf_str(&b), "\nls");
    buf_clear(&b);
    for (int i = 0; i < 5000; i++) {
        char line[32];
        snprintf(line, sizeof line, "line number %d\r\n", i);
        rig_feed(&r, line);
    }
    term_shown(r.t, &b);
    const char *text = buf_str(&b);
    ck_assert_uint_lt(b.len, SHOWN_HEAD + SHOWN_TAIL + 100);
    ck_assert_ptr_nonnull(strstr(text, "line number 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "line number 4999\n"));
    ck_assert_ptr_nonnull(strstr(text, " bytes \xE2\x80\xA6]\n"));
    ck_assert_ptr_null(strstr(text, "line number 2500\n"));
    ck_assert(!term_shown(r.t, &b));
    buf_fini(&b);
}
END_TEST

START_TEST(text_channel) {
    struct buf b;
    buf_init(&b, 1u << 20);
    rig_feed(&r, "say \"hi\"\\");
    ck_assert(term_text(r.t, false, &b));
    ck_assert_str_eq(buf_str(&b),
                     "{\"rows\":5,\"cols\":20,\"cursor\":[0,9],\"alt\":false,\"set\":"
                     "[[0,\"say \\\"hi\\\"\\\\\"],[1,\"\"],[2,\"\"],[3,\"\"],[4,\"\"]]}");
    buf_clear(&b);
    ck_assert(!term_text(r.t, false, &b));
    buf_clear(&b);
    rig_feed(&r, "\r\nx");
    ck_assert(term_text(r.t, false, &b));
    ck_assert_str_eq(buf_str(&b),
                     "{\"rows\":5,\"cols\":20,\"cursor\":[1,1],\"alt\":false,\"set\":[[1,\"x\"]]}");
    buf_clear(&b);
    ck_assert(term_text(r.t, true, &b));
    ck_assert_ptr_nonnull(strstr(buf_str(&b), "[0,\"say"));
    buf_fini(&b);
}
END_TEST

START_TEST(note) {
    rig_feed(&r, "\033[?1049h\033[?1003h\033[5mlast");
    term_note(r.t, "The shell ended.");
    ck_assert_int_eq(r.t->screen, 0);
    ck_assert_str_eq(rig_row(&r, 0), " The shell ended.");
    rig_feed(&r, "\033[Habc");
    term_note(r.t, "Bye.");
    ck_assert_str_eq(rig_row(&r, 1), " Bye.");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term sequences");
    TCase *c = tcase_create("sequences");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, answers);
    tcase_add_test(c, colours_and_attributes);
    tcase_add_test(c, cursor_is_saved);
    tcase_add_test(c, alternate_screen);
    tcase_add_test(c, traps);
    tcase_add_test(c, repeat);
    tcase_add_test(c, combining);
    tcase_add_test(c, titles);
    tcase_add_test(c, clipboard);
    tcase_add_test(c, transcript);
    tcase_add_test(c, text_channel);
    tcase_add_test(c, note);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
