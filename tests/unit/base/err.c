#include "guacd/base/err.h"

#include <errno.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "tests/unit/unit.h"

START_TEST(sets_and_replaces) {
    struct err e = { 0 };
    ck_assert_int_eq(err_set(&e, 0x0207, "no host '%s'", "a"), -1);
    ck_assert_int_eq(e.status, 0x0207);
    ck_assert_str_eq(e.text, "no host 'a'");
    ck_assert_int_eq(err_set(&e, 0, "again: %s", e.text), -1); /* may quote what it replaces */
    ck_assert_int_eq(e.status, 0x0200);
    ck_assert_str_eq(e.text, "again: no host 'a'");
    ck_assert_int_eq(err_set(NULL, 0, "nobody asks"), -1);
}
END_TEST

START_TEST(appends_errno_and_keeps_it) {
    struct err e = { 0 };
    errno = ENOENT;
    err_errno(&e, 0x0208, "%s", "/x");
    ck_assert_str_eq(e.text, "/x: No such file or directory");
    ck_assert_int_eq(errno, ENOENT);
    err_prefix(&e, "reading %d", 3);
    ck_assert_str_eq(e.text, "reading 3: /x: No such file or directory");
    ck_assert_int_eq(e.status, 0x0208);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(cuts_at_a_code_point) {
    struct err e = { 0 };
    char text[2 * ERR_TEXT_MAX];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 5);
        err_set(&e, 0, "%s", text);
        ck_assert(strlen(e.text) >= ERR_TEXT_MAX - 4);
        ck_assert_int_ge(utf8_count(e.text, strlen(e.text)), 1);
        err_prefix(&e, "%s", "p");
        ck_assert_int_ge(utf8_count(e.text, strlen(e.text)), 1);
    }
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = 'x';
    text[sizeof text - 1] = '\0';
    err_set(&e, 0, "%s", text);
    ck_assert_uint_eq(strlen(e.text), ERR_TEXT_MAX - 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/err");
    TCase *c = tcase_create("err");
    tcase_add_test(c, sets_and_replaces);
    tcase_add_test(c, appends_errno_and_keeps_it);
    tcase_add_test(c, cuts_at_a_code_point);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
