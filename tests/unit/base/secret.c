#include "guacd/base/secret.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char path[] = "/tmp/guac-secret-XXXXXX";

static void put(const void *data, size_t len, mode_t mode) {
    unlink(path);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    fclose(f);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void setup(void) {
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void) {
    unlink(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

START_TEST(holds_and_replaces) {
    _secret_ struct secret s = { 0 };
    ck_assert_int_eq(secret_set(&s, "hunter2", 7), 0);
    ck_assert_str_eq(s.data, "hunter2");
    ck_assert_int_eq(secret_set(&s, s.data, 6), 0); /* from itself */
    ck_assert_str_eq(s.data, "hunter");
    ck_assert_int_eq(secret_set(&s, NULL, 0), 0);
    ck_assert_str_eq(s.data, "");
    secret_fini(&s);
    ck_assert_ptr_null(s.data);
}
END_TEST

/* The page says "dd" (do not dump) in smaps. */
START_TEST(stays_out_of_core_dumps) {
    _secret_ struct secret s = { 0 };
    secret_set(&s, "x", 1);
    _fclose_ FILE *f = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(f);
    char line[512];
    bool inside = false, found = false;
    while (fgets(line, sizeof line, f)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && strchr(line, '-'))
            inside = from <= (uintptr_t)s.data && (uintptr_t)s.data < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    ck_assert(found);
}
END_TEST

START_TEST(reads_files) {
    struct err e = { 0 };
    _secret_ struct secret s = { 0 };
    put("key\n", 4, 0600);
    ck_assert_int_eq(secret_read_file(&s, path, &e), 0);
    ck_assert_str_eq(s.data, "key");
    ck_assert_uint_eq(s.len, 3);
    put("a\nb\n\n", 5, 0640);
    ck_assert_int_eq(secret_read_file(&s, path, &e), 0);
    ck_assert_str_eq(s.data, "a\nb\n");
    put("", 0, 0400);
    ck_assert_int_eq(secret_read_file(&s, path, &e), 0);
    ck_assert_uint_eq(s.len, 0);
    static char big[5000];
    memset(big, 'k', sizeof big);
    put(big, 4096, 0600); /* a whole page, and its NUL behind */
    ck_assert_int_eq(secret_read_file(&s, path, &e), 0);
    ck_assert_uint_eq(strlen(s.data), 4096);
}
END_TEST

START_TEST(refuses_files) {
    struct err e = { 0 };
    _secret_ struct secret s = { 0 };
    secret_set(&s, "before", 6);
    put("key\n", 4, 0604);
    ck_assert_int_eq(secret_read_file(&s, path, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "chmod o-r"));
    ck_assert_int_eq(secret_read_file(&s, "/", &e), -1);
    ck_assert_str_eq(e.text, "/: not a regular file");
    ck_assert_int_eq(secret_read_file(&s, "/nowhere", &e), -1);
    ck_assert_str_eq(e.text, "/nowhere: No such file or directory");
    put("key\n", 4, 0600);
    ck_assert_int_eq(truncate(path, (1 << 20) + 1), 0);
    ck_assert_int_eq(secret_read_file(&s, path, &e), -1);
    ck_assert_str_eq(s.data, "before");
}
END_TEST

START_TEST(compares_and_wipes) {
    char a[] = "same", b[] = "same";
    ck_assert(secret_equal(a, b, 4));
    b[3] = 'x';
    ck_assert(!secret_equal(a, b, 4));
    ck_assert(secret_equal(a, b, 3));
    secret_wipe(a, 4);
    ck_assert_mem_eq(a, "\0\0\0\0", 4);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/secret");
    TCase *c = tcase_create("secret");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, holds_and_replaces);
    tcase_add_test(c, stays_out_of_core_dumps);
    tcase_add_test(c, reads_files);
    tcase_add_test(c, refuses_files);
    tcase_add_test(c, compares_and_wipes);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
