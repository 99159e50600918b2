/* YAML into JSON: what a scalar becomes, and that nothing hostile grows. */
#include <stdio.h>
#include <string.h>

#include "crd/yamldoc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static int keep(void *arg, json_t *doc, int line) {
    json_t *all = arg;
    json_array_append_new(all, json_pack("{s:O, s:i}", "doc", doc, "line", line));
    return 0;
}

/* [{"doc":…,"line":…}…]; NULL with e. */
static json_t *decode_n(const char *text, size_t len, struct err *e) {
    json_t *all = json_array();
    if (yamldoc_each(text, len, keep, all, e) == 0)
        return all;
    json_decref(all);
    return NULL;
}

static void is(const char *yaml, const char *json) {
    struct err e = { 0 };
    json_t *all = decode_n(yaml, strlen(yaml), &e);
    ck_assert_msg(all != NULL, "%s: %s", yaml, e.text);
    ck_assert_uint_eq(json_array_size(all), 1);
    struct buf out;
    buf_init(&out, 65536);
    ck_assert_int_eq(json_write(json_object_get(json_array_get(all, 0), "doc"), &out), 0);
    ck_assert_str_eq(buf_str(&out), json);
    buf_fini(&out);
    json_decref(all);
}

static void bad(const char *yaml, const char *why) {
    struct err e = { 0 };
    json_t *all = decode_n(yaml, strlen(yaml), &e);
    ck_assert_msg(all == NULL, "accepted: %s", yaml);
    ck_assert_msg(strstr(e.text, why) != NULL, "'%s' is not in '%s'", why, e.text);
}

START_TEST(scalars) {
    is("a: 1\nb: -7\nc: 1.5\nd: true\ne: null\nf: ~\ng:\nh: x",
       "{\"a\":1,\"b\":-7,\"c\":1.5,"
       "\"d\":true,\"e\":null,\"f\":null,\"g\":null,\"h\":\"x\"}");
    /* what YAML 1.1 would turn into something else stays text */
    is("[yes, no, on, off, 0755, 0x1F, 1_000, 12:30, .inf, 1e, +1, '5', \"true\", !!str 7]",
       "[\"yes\",\"no\",\"on\",\"off\",\"0755\",\"0x1F\",\"1_000\",\"12:30\",\".inf\",\"1e\","
       "\"+1\",\"5\",\"true\",\"7\"]");
    is("1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}");
    is("a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}");
    is("{\"k\": [1, {\"z\": []}]}", "{\"k\":[1,{\"z\":[]}]}");
    is("a: 99999999999999999999", "{\"a\":\"99999999999999999999\"}");
    is("a: \"\\u00e9\\U0001F600\"", "{\"a\":\"é😀\"}");
}
END_TEST

START_TEST(documents) {
    struct err e = { 0 };
    const char *text = "a: 1\n---\n# nothing\n---\nb: 2\n...\n---\nc: 3\n";
    json_t *all = decode_n(text, strlen(text), &e);
    ck_assert_ptr_nonnull(all);
    ck_assert_uint_eq(json_array_size(all), 3);
    ck_assert_int_eq(json_num(json_array_get(all, 1), "line", 0), 4);
    json_decref(all);
    all = decode_n("", 0, &e);
    ck_assert_uint_eq(json_array_size(all), 0);
    json_decref(all);
}
END_TEST

START_TEST(anchors) {
    is("a: &x {p: 1}\nb: *x\nc: [*x, *x]",
       "{\"a\":{\"p\":1},\"b\":{\"p\":1},\"c\":[{\"p\":1},{\"p\":1}]}");
    is("- &s text\n- *s", "[\"text\",\"text\"]");
    bad("a: &x [*x]", "no finished anchor");
    bad("a: *nobody", "no finished anchor");
}
END_TEST

START_TEST(refused) {
    bad("a: 1\na: 2", "twice");
    bad("a: 1\nb:\n  - x\n - y", "line 4");
    bad("? [a]\n: 1", "key must be");
    bad("? {a: 1}\n: 1", "key must be");
    bad("a: !!binary aGk=", "tags");
    bad("a: !foo x", "tags");
    bad("a: !!python/object:os.system x", "tags");
    bad("b: &b {x: 1}\na:\n  <<: *b\n", "merge keys");
    bad("a: \"x\\0y\"", "NUL");
    bad("a: \xff\xfe", "byte");
    bad("a: 'unterminated", "line 1");
    bad("%YAML 9.9\n---\na: 1", "line 1");
    bad("a: \x01", "byte");
}
END_TEST

START_TEST(bombs) {
    struct buf b;
    struct err e = { 0 };
    buf_init(&b, 64u << 20);
    /* a billion laughs: nine levels of nine aliases */
    buf_puts(&b, "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++)
            buf_printf(&b, "%s*a%d", j ? "," : "", i - 1);
        buf_puts(&b, "]\n");
    }
    ck_assert_ptr_null(decode_n(b.data, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "too many values"));
    /* one long text, many times */
    buf_clear(&b);
    buf_puts(&b, "a: &a \"");
    for (int i = 0; i < 100000; i++)
        buf_puts(&b, "0123456789");
    buf_puts(&b, "\"\nb: [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n");
    ck_assert_ptr_null(decode_n(b.data, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "too large once"));
    /* depth, in flow and by aliases of aliases */
    buf_clear(&b);
    for (int i = 0; i < 100000; i++)
        buf_puts(&b, "[");
    ck_assert_ptr_null(decode_n(b.data, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "too deep"));
    buf_clear(&b);
    buf_puts(&b, "a0: &a0 [1]\n");
    for (int i = 1; i < 40; i++)
        buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    ck_assert_ptr_null(decode_n(b.data, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "too deep"));
    /* anchors, documents, bytes */
    buf_clear(&b);
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "- &a%d x\n", i);
    ck_assert_ptr_null(decode_n(b.data, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "too many anchors"));
    buf_clear(&b);
    for (int i = 0; i <= YAMLDOC_DOCUMENTS_MAX; i++)
        buf_puts(&b, "---\na: 1\n");
    ck_assert_ptr_null(decode_n(b.data, b.len, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "too many documents"));
    ck_assert_ptr_null(decode_n("", YAMLDOC_BYTES_MAX + 1, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "bytes of YAML"));
    buf_fini(&b);
}
END_TEST

START_TEST(stops) {
    /* what came before a mistake was delivered */
    struct err e = { 0 };
    const char *text = "a: 1\n---\nb: [\n";
    json_t *all = json_array();
    ck_assert_int_eq(yamldoc_each(text, strlen(text), keep, all, &e), -1);
    ck_assert_uint_eq(json_array_size(all), 1);
    json_decref(all);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("yamldoc");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, scalars);
    tcase_add_test(t, documents);
    tcase_add_test(t, anchors);
    tcase_add_test(t, refused);
    tcase_add_test(t, bombs);
    tcase_add_test(t, stops);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
