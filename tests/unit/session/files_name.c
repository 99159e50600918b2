/* Names of files as people see them. The way back is the fuzzer's (tests/fuzz/session). */
#include <check.h>
#include <string.h>

#include "guacd/proto/status.h"
#include "guacd/session/files_name.h"
#include "tests/unit/unit.h"

static const char *shown(const char *name, size_t len, bool basic) {
    static struct buf b;
    buf_fini(&b);
    buf_init(&b, 4096);
    ck_assert_int_eq(files_name_show(name, len, basic, &b), 0);
    return buf_str(&b);
}

START_TEST(names_are_shown_truthfully) {
    static const struct {
        const char *name, *shown;
        bool basic;
    } rows[] = {
        { "plain.txt", "plain.txt", true },
        { "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F", true },
        { "caf\xE9", "caf\\xE9", false },
        { "a\nb\x1B[2J", "a\\x0Ab\\x1B[2J", false },
        { "back\\slash", "back\\\\slash", false },
        { "\xE2\x80\xAEgpj.exe", "\\xE2\\x80\\xAEgpj.exe", false },
        { "\xC2\x85", "\\xC2\\x85", false },
        { "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80", false },
        { "\xF0\x9F\x98\x80", "\\xF0\\x9F\\x98\\x80", true },
        { "\xED\xA0\x80", "\\xED\\xA0\\x80", false }, /* a surrogate is no UTF-8 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ck_assert_str_eq(shown(rows[i].name, strlen(rows[i].name), rows[i].basic), rows[i].shown);
    ck_assert_str_eq(shown("a\0b", 3, false), "a\\x00b");
}
END_TEST

START_TEST(paths) {
    static const struct {
        const char *asked, *path; /* NULL: refused */
    } rows[] = {
        { "/", "/" },
        { "", "/" },
        { "a/b", "/a/b" },
        { "//a/./b/", "/a/b" },
        { "/caf\\xE9", "/caf\xE9" },
        { "/caf\\xe9/\\\\x41", "/caf\xE9/\\x41" },
        { "/one\\two\\x4", "/one\\two\\x4" },
        { "/..", NULL },
        { "/a/../../etc/passwd", NULL },
        { "/\\x2E\\x2E/etc", NULL },
        { "/a\\x2Fb", NULL },
        { "/a\\x00b", NULL },
        { "/...", "/..." },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char path[64];
        struct err e = { 0 };
        int r = files_path_read(rows[i].asked, strlen(rows[i].asked), path, sizeof(path), &e);
        ck_assert_msg((r == 0) == (rows[i].path != NULL), "%s", rows[i].asked);
        if (r == 0)
            ck_assert_str_eq(path, rows[i].path);
        else
            ck_assert_int_eq(e.status, STATUS_CLIENT_BAD_REQUEST);
    }
    char small[8];
    struct err e = { 0 };
    ck_assert_int_eq(files_path_read("/1234567", 8, small, sizeof(small), &e), -1);
    ck_assert_int_eq(files_path_read("/123456", 7, small, sizeof(small), &e), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("files_name");
    TCase *t = tcase_create("all");
    tcase_add_test(t, names_are_shown_truthfully);
    tcase_add_test(t, paths);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
