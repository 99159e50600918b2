#include "guacd/base/json.h"

#include <string.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static json_t *parse(const char *text, struct err *e) {
    return json_parse(text, strlen(text), 1000, e);
}

START_TEST(reads_members) {
    struct err e = { 0 };
    _json_ json_t *o =
        parse("{\"s\":\"x\",\"n\":-5,\"t\":true,\"a\":[\"p\",1,\"q\"],\"r\":1.5}", &e);
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(json_str(o, "s", "d"), "x");
    ck_assert_str_eq(json_str(o, "n", "d"), "d");
    ck_assert_ptr_null(json_str(o, "none", NULL));
    ck_assert_int_eq(json_num(o, "n", 1), -5);
    ck_assert_int_eq(json_num(o, "s", 1), 1);
    ck_assert_int_eq(json_num(o, "r", 1), 1);
    ck_assert(json_flag(o, "t", false));
    ck_assert(json_flag(o, "n", true));
    ck_assert_str_eq(json_need(o, "s", &e), "x");
    ck_assert_int_eq(e.status, 0);
    ck_assert_ptr_null(json_need(o, "n", &e));
    ck_assert_str_eq(e.text, "'n' is missing or no string");
    ck_assert(json_has_string(json_object_get(o, "a"), "q"));
    ck_assert(!json_has_string(json_object_get(o, "a"), "1"));
    ck_assert(!json_has_string(json_object_get(o, "s"), "x"));
    ck_assert(!json_has_string(NULL, "x"));
    ck_assert_str_eq(json_str(NULL, "s", "d"), "d");
}
END_TEST

START_TEST(refuses) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "", "JSON ends too early (line 1, column 0)" },
        { "{\"a\":1", "JSON ends too early (line 1, column 6)" },
        { "{\"a\":1,\"a\":2}", "JSON names a key twice (line 1, column 10)" },
        { "{}x", "JSON has something behind its end (line 1, column 3)" },
        { "\"only\"", "JSON is malformed (line 1, column 6)" },
        { "{\"a\":\"\\u0000\"}", "JSON has a NUL in a string (line 1, column 13)" },
        { "{\"a\":\"\xff\"}", "JSON is not UTF-8 (line 1, column 5)" },
        { "[123456789012345678901234567890]",
          "JSON has a number that is too large (line 1, column 31)" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };
        ck_assert_ptr_null(parse(rows[i].text, &e));
        ck_assert_int_eq(e.status, 0x0300);
        const char *cut = strchr(rows[i].message, '(');
        ck_assert_msg(strncmp(e.text, rows[i].message, (size_t)(cut - rows[i].message)) == 0,
                      "%s: %s", rows[i].text, e.text);
    }
    struct err e = { 0 };
    ck_assert_ptr_null(parse("{\"password\": hunter2 }", &e));
    ck_assert_ptr_null(strstr(e.text, "hunter"));
    ck_assert_ptr_null(json_parse("[1,2,3]", 7, 6, &e));
    ck_assert_str_eq(e.text, "JSON of 7 bytes, at most 6 are taken");
}
END_TEST

START_TEST(bounds_depth) {
    struct err e = { 0 };
    char text[300];
    for (int depth = 63; depth <= 66; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        _json_ json_t *o = json_parse(text, 2 * (size_t)depth, 1000, &e);
        ck_assert_int_eq(o != NULL, depth <= 64);
    }
    _json_ json_t *o = parse("{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                             "[[[[[[[[[[[[[\\\"[[[[[\":1}",
                             &e);
    ck_assert_ptr_nonnull(o);
}
END_TEST

START_TEST(writes_canonically) {
    struct err e = { 0 };
    _json_ json_t *o = parse("{ \"b\": [1, {\"z\": null, \"y\": \"é\\n\\u0001/\"}], \"a\": true,"
                             " \"B\": \"\" }",
                             &e);
    _buf_cleanup_ struct buf b;
    buf_init(&b, 1000);
    buf_puts(&b, "<");
    ck_assert_int_eq(json_write(o, &b), 0);
    ck_assert_str_eq(buf_str(&b),
                     "<{\"B\":\"\",\"a\":true,\"b\":[1,{\"y\":\"é\\n\\u0001/\",\"z\":null}]}");
    _buf_cleanup_ struct buf small;
    buf_init(&small, 10);
    buf_puts(&small, "<");
    ck_assert_int_eq(json_write(o, &small), -1);
    ck_assert(small.failed);
    ck_assert_uint_eq(small.len, 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/json");
    TCase *c = tcase_create("json");
    tcase_add_test(c, reads_members);
    tcase_add_test(c, refuses);
    tcase_add_test(c, bounds_depth);
    tcase_add_test(c, writes_canonically);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
