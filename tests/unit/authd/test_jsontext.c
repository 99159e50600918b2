/* JSON written by hand reads back as what was meant. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/json.h"
#include "proxy/authd/jsontext.h"
#include "proxy/authd/text.h"
#include "tests/unit/unit.h"

START_TEST(reads_back) {
    struct buf b;
    struct err e = { 0 };
    const char *odd = "a\"b\\c\n\t\x01\x1f/é😀\x7f</script>";
    _json_ json_t *list = json_pack("[s, s, s]", "x", odd, "");
    buf_init(&b, 65536);
    jsontext_open(&b, NULL, '{');
    jsontext_str(&b, "s", odd);
    jsontext_str(&b, odd, "key");
    jsontext_str(&b, "null", NULL);
    jsontext_int(&b, "min", INT64_MIN);
    jsontext_bool(&b, "yes", true);
    jsontext_bool(&b, "no", false);
    jsontext_strings(&b, "list", list);
    jsontext_strings(&b, "none", NULL);
    jsontext_open(&b, "rows", '[');
    for (int i = 0; i < 3; i++) {
        jsontext_open(&b, NULL, '{');
        jsontext_int(&b, "i", i);
        jsontext_close(&b, '{');
    }
    jsontext_close(&b, '[');
    jsontext_open(&b, "empty", '{');
    jsontext_close(&b, '{');
    jsontext_close(&b, '{');
    _json_ json_t *o = json_parse(b.data, b.len, 65536, &e);
    ck_assert_msg(o != NULL, "%s in %s", e.text, buf_str(&b));
    ck_assert_str_eq(json_str(o, "s", ""), odd);
    ck_assert_str_eq(json_str(o, odd, ""), "key");
    ck_assert(json_is_null(json_object_get(o, "null")));
    ck_assert(json_num(o, "min", 0) == INT64_MIN);
    ck_assert(json_flag(o, "yes", false) && !json_flag(o, "no", true));
    ck_assert(json_equal(json_object_get(o, "list"), list));
    ck_assert_uint_eq(json_array_size(json_object_get(o, "none")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "rows")), 3);
    ck_assert_int_eq(json_num(json_array_get(json_object_get(o, "rows"), 2), "i", 0), 2);
    buf_fini(&b);
}
END_TEST

START_TEST(cleaned) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "plain", "plain" },
        { "", "" },
        { "ä€😀", "ä€😀" },
        { "cut \xc3", "cut ?" },
        { "cut \xe2\x82 here", "cut ?? here" },
        { "\xff\xfe\x80", "???" },
        { "\xed\xa0\x80", "???" }, /* a surrogate */
        { "\xc0\xaf", "??" },      /* overlong */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i].in);
        ck_assert_str_eq(text_clean(text), cases[i].out);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("jsontext");
    TCase *t = tcase_create("all");
    tcase_add_test(t, reads_back);
    tcase_add_test(t, cleaned);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
