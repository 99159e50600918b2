/* Paths of an SFTP server below the folder that is shown. */
#include <check.h>
#include <string.h>

#include "guacd/backends/sftp/sftp_path.h"
#include "tests/unit/unit.h"

START_TEST(below) {
    ck_assert(sftp_path_below("/", "/"));
    ck_assert(sftp_path_below("/", "/etc"));
    ck_assert(sftp_path_below("/srv", "/srv"));
    ck_assert(sftp_path_below("/srv", "/srv/a"));
    ck_assert(!sftp_path_below("/srv", "/srv2"));
    ck_assert(!sftp_path_below("/srv", "/"));
    ck_assert(!sftp_path_below("/srv/a", "/srv"));
    ck_assert_str_eq(sftp_path_inner("/srv", "/srv/a/b"), "/a/b");
    ck_assert_str_eq(sftp_path_inner("/srv", "/srv"), "/");
    ck_assert_str_eq(sftp_path_inner("/srv", "/opt/x"), "/");
    ck_assert_str_eq(sftp_path_inner("/", "/opt/x"), "/opt/x");
}
END_TEST

START_TEST(joined) {
    char out[12];
    ck_assert_int_eq(sftp_path_join("/", "/a", out, sizeof out), 0);
    ck_assert_str_eq(out, "/a");
    ck_assert_int_eq(sftp_path_join("/srv", "/", out, sizeof out), 0);
    ck_assert_str_eq(out, "/srv");
    ck_assert_int_eq(sftp_path_join("/srv", "/1234567", out, sizeof out), -1);
    ck_assert_int_eq(sftp_path_join("/srv", "/123456", out, sizeof out), 0);
    ck_assert_str_eq(out, "/srv/123456");
    ck_assert(sftp_path_up(out));
    ck_assert_str_eq(out, "/srv");
    ck_assert(sftp_path_up(out));
    ck_assert_str_eq(out, "/");
    ck_assert(!sftp_path_up(out));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("sftp_path");
    TCase *t = tcase_create("all");
    tcase_add_test(t, below);
    tcase_add_test(t, joined);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
