/* The wire vectors of tests/wire, each fed whole, and in front of every other byte count too. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/instr.h"

#define VECTORS "tests/wire/instr.jsonl"

struct vector {
    json_t *row;
    const char *name, *result;
    char *data; /* exactly len bytes, so that a sanitizer sees a read behind them */
    size_t len;
    enum instr_count count;
};

static int nibble(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void vector_init(struct vector *v, json_t *row) {
    const char *hex = json_str(row, "hex", NULL), *in = json_str(row, "in", "");
    *v = (struct vector){ .row = row,
                          .name = json_str(row, "name", "?"),
                          .result = json_str(row, "result", "?"),
                          .len = hex ? strlen(hex) / 2 : strlen(in) };
    v->data = malloc(v->len ? v->len : 1);
    ck_assert_ptr_nonnull(v->data);
    for (size_t i = 0; i < v->len; i++)
        v->data[i] = (char)(hex ? nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]) : in[i]);
    v->count = strcmp(json_str(row, "count", ""), "either") == 0 ? COUNT_EITHER : COUNT_CODE_POINTS;
}

static void check_elements(const struct vector *v, const struct instr *in) {
    json_t *elements = json_object_get(v->row, "elements");
    if (!elements)
        return;
    ck_assert_msg(json_array_size(elements) == in->argc + 1, "%s: elements", v->name);
    for (size_t i = 0; i <= in->argc; i++)
        ck_assert_msg(slice_is(i ? in->argv[i - 1] : in->opcode,
                               json_string_value(json_array_get(elements, i))),
                      "%s: element %zu", v->name, i);
}

static void check_vector(const struct vector *v) {
    static const char *const results[] = { "ok", "more", "bad" };
    struct instr in;
    struct err e = { 0 };
    size_t used = 0;
    enum instr_result r = instr_parse(v->data, v->len, v->count, &in, &used, &e);
    ck_assert_msg(strcmp(results[r], v->result) == 0, "%s: %s instead of %s %s", v->name,
                  results[r], v->result, e.text);
    bool bad;
    size_t whole = instr_whole(v->data, v->len, v->count, &bad);
    if (r == INSTR_OK) {
        ck_assert_msg((int64_t)used == json_num(v->row, "used", -1), "%s: used %zu", v->name, used);
        ck_assert_msg(whole >= used, "%s: framing", v->name);
        check_elements(v, &in);
    } else if (!json_object_get(v->row, "framing")) {
        ck_assert_msg(whole == 0 && bad == (r == INSTR_BAD), "%s: framing", v->name);
    }
    if (r == INSTR_BAD)
        ck_assert_msg(e.status == json_num(v->row, "status", 0) && e.text[0], "%s: status %04x",
                      v->name, (unsigned)e.status);
}

/* No prefix of a good instruction is bad, and none is whole. */
static void check_prefixes(const struct vector *v) {
    for (size_t n = 0; strcmp(v->result, "ok") == 0 && n < v->len; n++) {
        _free_ char *part = malloc(n ? n : 1);
        ck_assert_ptr_nonnull(part);
        memcpy(part, v->data, n);
        struct instr in;
        size_t used;
        enum instr_result r = instr_parse(part, n, v->count, &in, &used, NULL);
        bool later = (int64_t)n < json_num(v->row, "used", 0);
        ck_assert_msg(r == (later ? INSTR_MORE : INSTR_OK) ||
                          (v->count == COUNT_EITHER && r == INSTR_OK),
                      "%s: its first %zu bytes", v->name, n);
    }
}

START_TEST(vectors) {
    _fclose_ FILE *f = fopen(VECTORS, "r");
    ck_assert_msg(f != NULL, "%s: run from the top of the tree", VECTORS);
    _free_ char *line = NULL;
    size_t room = 0, count = 0;
    ssize_t n;
    while ((n = getline(&line, &room, f)) > 0) {
        struct err e = { 0 };
        _json_ json_t *row = json_parse(line, (size_t)n, 65536, &e);
        ck_assert_msg(row != NULL, "line %zu: %s", count + 1, e.text);
        struct vector v;
        vector_init(&v, row);
        check_vector(&v);
        check_prefixes(&v);
        free(v.data);
        count++;
    }
    ck_assert_uint_gt(count, 50);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("wire");
    TCase *c = tcase_create("vectors");
    tcase_add_test(c, vectors);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
