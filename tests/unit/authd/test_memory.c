/* What is remembered between requests: ended sign-ins, links, recents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/log.h"
#include "proxy/authd/link.h"
#include "proxy/authd/revoked.h"
#include "proxy/authd/used.h"
#include "tests/unit/unit.h"

static char path[] = "/tmp/authd-ended-XXXXXX";

static void setup(void) {
    log_init("test", LOG_LEVEL_ERROR);
    close(mkstemp(path));
}

static void teardown(void) {
    unlink(path);
}

START_TEST(ended_sign_ins) {
    struct err e = { 0 };
    struct revoked *r = revoked_new(path, &e);
    ck_assert(!revoked_has(r, "sid", 1000));
    ck_assert_int_eq(revoked_add(r, "sid", 1000, 50, &e), 0);
    ck_assert(revoked_has(r, "sid", 999));
    ck_assert(revoked_has(r, "sid", 1000));
    ck_assert(!revoked_has(r, "sid", 1001)); /* signed in again, with the same id at the provider */
    ck_assert(!revoked_has(r, "other", 999));
    ck_assert_int_eq(revoked_add(r, "with blank", 1000, 50, &e), -1);
    revoked_free(r);
    r = revoked_new(path, &e); /* a restart forgets none */
    ck_assert(revoked_has(r, "sid", 1000));
    revoked_sweep(r, 50);
    ck_assert(revoked_has(r, "sid", 1000));
    revoked_sweep(r, 51);
    ck_assert(!revoked_has(r, "sid", 1000));
    revoked_free(r);
    r = revoked_new(path, &e);
    ck_assert(!revoked_has(r, "sid", 1000));
    revoked_free(r);
}
END_TEST

START_TEST(links_once) {
    struct links *l = links_new("http://127.0.0.1:1");
    struct buf one, many;
    buf_init(&one, 1024);
    ck_assert_int_eq(links_make(l, &one), 0);
    const char *prefix = "http://127.0.0.1:1/auth/link?token=";
    ck_assert_int_eq(strncmp(buf_str(&one), prefix, strlen(prefix)), 0);
    const char *token = buf_str(&one) + strlen(prefix);
    ck_assert(!links_use(l, ""));
    ck_assert(!links_use(l, "AAAA"));
    ck_assert(links_use(l, token));
    ck_assert(!links_use(l, token));
    /* an old one is pushed out by many new ones */
    buf_clear(&one);
    links_make(l, &one);
    buf_init(&many, 65536);
    for (int i = 0; i < 16; i++)
        links_make(l, &many);
    ck_assert(!links_use(l, buf_str(&one) + strlen(prefix)));
    buf_fini(&one);
    buf_fini(&many);
    links_free(l);
}
END_TEST

START_TEST(recents) {
    struct used *u = used_new();
    ck_assert_int_eq(used_last(u, "olga", "a/b"), 0);
    used_note(u, "olga", "a/b", 5);
    used_note(u, "olga", "a/b", 7);
    ck_assert_int_eq(used_last(u, "olga", "a/b"), 7);
    ck_assert_int_eq(used_last(u, "aude", "a/b"), 0);
    used_free(u);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("memory");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ended_sign_ins);
    tcase_add_test(t, links_once);
    tcase_add_test(t, recents);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
