/* Clipboards: every encoding both ways, broken input, limits. */
#include "guacd/backends/clip/clip.h"

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static const char *to_utf8(enum clip_encoding from, const void *data, size_t len) {
    static struct buf out;
    buf_fini(&out);
    buf_init(&out, 4096);
    ck_assert_int_eq(clip_to_utf8(from, data, len, &out), 0);
    return buf_str(&out);
}

static const char *from_utf8(enum clip_encoding to, const char *text, size_t *len) {
    static struct buf out;
    buf_fini(&out);
    buf_init(&out, 4096);
    ck_assert_int_eq(clip_from_utf8(to, text, strlen(text), &out), 0);
    if (len)
        *len = out.len;
    return buf_str(&out);
}

START_TEST(names) {
    ck_assert_int_eq(clip_encoding_parse("UTF-8"), CLIP_UTF8);
    ck_assert_int_eq(clip_encoding_parse("UTF-16"), CLIP_UTF16);
    ck_assert_int_eq(clip_encoding_parse("CP1252"), CLIP_CP1252);
    ck_assert_int_eq(clip_encoding_parse("ISO8859-1"), CLIP_LATIN1);
}
END_TEST

START_TEST(latin1) {
    ck_assert_str_eq(to_utf8(CLIP_LATIN1,
                             "Gr\xFC\xDF"
                             "e",
                             5),
                     "Grüße");
    ck_assert_str_eq(from_utf8(CLIP_LATIN1, "Grüße 10 € 漢😀", NULL), "Gr\xFC\xDF"
                                                                     "e 10 ? ??");
    ck_assert(clip_is_latin1("Grüße", strlen("Grüße")));
    ck_assert(!clip_is_latin1("10 €", strlen("10 €")));
    ck_assert(clip_is_latin1("", 0));
}
END_TEST

START_TEST(cp1252) {
    ck_assert_str_eq(to_utf8(CLIP_CP1252, "10 \x80 \x93x\x94 \x81", 10), "10 € “x” \uFFFD");
    ck_assert_str_eq(from_utf8(CLIP_CP1252, "10 € “x” ü 漢", NULL), "10 \x80 \x93x\x94 \xFC ?");
}
END_TEST

START_TEST(utf16) {
    const char *sample = "Grüße 10 € 漢字 😀";
    size_t len;
    const char *wide = from_utf8(CLIP_UTF16, sample, &len);
    ck_assert_int_eq((int)len, 2 * 14 + 4);
    char copy[64];
    memcpy(copy, wide, len);
    ck_assert_str_eq(to_utf8(CLIP_UTF16, copy, len), sample);
    ck_assert_str_eq(to_utf8(CLIP_UTF16, "\xFE\xFF\0A\x20\xAC", 6), "A€");
    ck_assert_str_eq(to_utf8(CLIP_UTF16,
                             "\xFF\xFE"
                             "A\0",
                             4),
                     "A");
    ck_assert_str_eq(to_utf8(CLIP_UTF16,
                             "\x00\xD8"
                             "A\0",
                             4),
                     "\uFFFDA"); /* half a pair */
    ck_assert_str_eq(to_utf8(CLIP_UTF16, "A\0B", 3), "A\uFFFD");
}
END_TEST

START_TEST(lines_and_ends) {
    ck_assert_str_eq(to_utf8(CLIP_UTF8, "a\r\nb\rc\n\r", 8), "a\nb\rc\n\r");
    ck_assert_str_eq(to_utf8(CLIP_UTF8, "text\0rest", 9), "text");
    ck_assert_str_eq(to_utf8(CLIP_UTF8, "a\xC3(\xF0\x9F", 5), "a\uFFFD(\uFFFD\uFFFD");
    ck_assert_str_eq(to_utf8(CLIP_LATIN1, NULL, 0), "");
}
END_TEST

START_TEST(ends_of_lines) {
    static const struct {
        const char *text, *lf, *crlf;
    } rows[] = {
        { "", "", "" },
        { "one\ntwo\n", "one\ntwo\n", "one\r\ntwo\r\n" },
        { "one\r\ntwo\n", "one\ntwo\n", "one\r\ntwo\r\n" },
        { "a\rb\n\n\r\n", "a\rb\n\n\n", "a\rb\r\n\r\n\r\n" },
        { "end\r", "end\r", "end\r" },
        { "a\r\r\r\nb\r\rc", "a\nb\r\rc", "a\r\nb\r\rc" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int cr = 0; cr < 2; cr++) {
            struct buf out;
            buf_init(&out, 64);
            ck_assert_int_eq(clip_lines(rows[i].text, strlen(rows[i].text), cr, &out), 0);
            ck_assert_str_eq(buf_str(&out), cr ? rows[i].crlf : rows[i].lf);
            buf_fini(&out);
        }
    struct buf small;
    buf_init(&small, 3);
    ck_assert_int_eq(clip_lines("a\nb\n", 4, true, &small), -1);
    buf_fini(&small);
}
END_TEST

START_TEST(full) {
    struct buf out;
    buf_init(&out, 4);
    ck_assert_int_eq(clip_to_utf8(CLIP_LATIN1, "\xFC\xFC\xFC", 3, &out), -1);
    buf_fini(&out);
    buf_init(&out, 4);
    ck_assert_int_eq(clip_from_utf8(CLIP_UTF16, "abc", 3, &out), -1);
    buf_fini(&out);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("clip");
    TCase *t = tcase_create("clip");
    tcase_add_test(t, names);
    tcase_add_test(t, latin1);
    tcase_add_test(t, cp1252);
    tcase_add_test(t, utf16);
    tcase_add_test(t, lines_and_ends);
    tcase_add_test(t, ends_of_lines);
    tcase_add_test(t, full);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
