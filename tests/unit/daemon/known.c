/* What is remembered stays what it was first, over restarts and past what is malformed. */
#include "guacd/daemon/known.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct err e;
static char path[64];

static void setup(void) {
    e = (struct err){ 0 };
    snprintf(path, sizeof(path), "/tmp/known-XXXXXX");
    close(mkstemp(path));
}

static void teardown(void) {
    unlink(path);
}

static struct known *opened(void) {
    struct known *k = known_open(path, &e);
    ck_assert_msg(k != NULL, "%s", e.text);
    return k;
}

START_TEST(the_first_counts) {
    struct known *k = opened();
    ck_assert_str_eq(known_find(k, "rdp:host:3389"), "");
    ck_assert_int_eq(known_add(k, "rdp:host:3389", A, &e), 0);
    ck_assert_int_eq(known_add(k, "rdp:host:3389", B, &e), 0);
    ck_assert_int_eq(known_add(k, "rdp:host:3390", B, &e), 0);
    ck_assert_str_eq(known_find(k, "rdp:host:3389"), A);
    known_free(k);
    k = opened();
    ck_assert_str_eq(known_find(k, "rdp:host:3389"), A);
    ck_assert_str_eq(known_find(k, "rdp:host:3390"), B);
    ck_assert_str_eq(known_find(k, "rdp:host:339"), "");
    known_free(k);
}
END_TEST

START_TEST(without_a_file) {
    struct known *k = known_open(NULL, &e);
    ck_assert_ptr_nonnull(k);
    ck_assert_int_eq(known_add(k, "rdp:host:3389", A, &e), 0);
    ck_assert_str_eq(known_find(k, "rdp:host:3389"), A);
    known_free(k);
}
END_TEST

START_TEST(what_is_none_is_not_kept) {
    char longest[KNOWN_NAME_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    longest[KNOWN_NAME_MAX] = '\0';
    const struct {
        const char *name, *print;
    } rows[] = {
        { "", A },
        { "a b", A },
        { "a\nb", A },
        { "a\x7f", A },
        { "h\xC3\xB6", A },
        { longest, A },
        { "host", "" },
        { "host", A "a" },
        { "host", "AA" A },
        { "host", "zzaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    };
    struct known *k = opened();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_int_eq(known_add(k, rows[i].name, rows[i].print, &e), -1);
    longest[KNOWN_NAME_MAX - 1] = '\0';
    ck_assert_int_eq(known_add(k, longest, A, &e), 0);
    known_free(k);
    k = opened();
    ck_assert_str_eq(known_find(k, longest), A);
    known_free(k);
}
END_TEST

START_TEST(lines_that_are_none) {
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("\nno-print\nrdp:cut:1 "
          "aaaa"
          "\nrdp:a:1 " A "\nrdp:a:1 " B "\n",
          f);
    for (int i = 0; i < 4096; i++)
        fputc('x', f);
    fputs("\nrdp:b:1 " B, f);
    fclose(f);
    struct known *k = opened();
    ck_assert_str_eq(known_find(k, "rdp:cut:1"), "");
    ck_assert_str_eq(known_find(k, "rdp:a:1"), A);
    ck_assert_str_eq(known_find(k, "rdp:b:1"), B);
    known_free(k);
}
END_TEST

START_TEST(full) {
    struct known *k = known_open(NULL, &e);
    char name[32];
    for (int i = 0; i < KNOWN_MAX; i++) {
        ck_assert(!known_full(k));
        snprintf(name, sizeof(name), "rdp:%d:3389", i);
        ck_assert_int_eq(known_add(k, name, A, &e), 0);
    }
    ck_assert(known_full(k));
    ck_assert_int_eq(known_add(k, "rdp:one-more:3389", A, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "is not remembered"));
    ck_assert_int_eq(known_add(k, "rdp:0:3389", B, &e), 0); /* it is there */
    known_free(k);
}
END_TEST

static Suite *known_suite(void) {
    Suite *s = suite_create("known");
    TCase *c = tcase_create("known");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, the_first_counts);
    tcase_add_test(c, without_a_file);
    tcase_add_test(c, what_is_none_is_not_kept);
    tcase_add_test(c, lines_that_are_none);
    tcase_add_test(c, full);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(known_suite)
