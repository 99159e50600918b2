/* What is remembered between requests: ended sign-ins, links, recents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/log.h"
#include "proxy/authd/link.h"
#include "proxy/authd/locks.h"
#include "proxy/authd/used.h"
#include "tests/unit/unit.h"

static char path[] = "/tmp/authd-locks-XXXXXX";

static void setup(void) {
    log_init("test", LOG_LEVEL_ERROR);
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static void teardown(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", path);
    ck_assert_int_eq(system(command), 0);
}

static struct identity *person(int64_t issued_ms) {
    json_t *roles = json_array();
    struct identity *i = identity_new("olga", "sid", "Olga", roles);
    json_decref(roles);
    i->issued_ms = issued_ms;
    return i;
}

/* Two replicas on one store. */
START_TEST(ended_sign_ins) {
    struct err e = { 0 };
    struct resources *one = resources_folder_new(path, &e), *two = resources_folder_new(path, &e);
    struct locks *a = locks_new(one, "guacamole", &e), *b = locks_new(two, "guacamole", &e);
    struct identity *old = person(1000), *fresh = person(1001);
    struct lock out = { .sid = (char *)(uintptr_t) "sid",
                        .reason = (char *)(uintptr_t) "out",
                        .before = 1000,
                        .until = 5000 };
    ck_assert_msg(a && b, "%s", e.text);
    ck_assert(!locks_person(a, old, 2000));
    ck_assert_int_eq(locks_add(a, "signout-1", &out, NULL, &e), RESOURCES_OK);
    ck_assert_int_eq(locks_add(b, "signout-1", &out, NULL, &e), RESOURCES_EXISTS);
    ck_assert(locks_person(a, old, 2000));
    ck_assert(!locks_person(a, fresh, 2000)); /* signed in again, same id at the provider */
    ck_assert(!locks_person(a, old, 5000));   /* its time is over */
    for (int i = 0; i < 500 && !locks_person(b, old, 2000); i++) {
        resources_wait(two, resources_generation(two), 20);
        locks_changed(b);
    }
    ck_assert(locks_person(b, old, 2000));
    locks_free(b);
    resources_free(two);
    two = resources_folder_new(path, &e); /* a restart forgets none */
    b = locks_new(two, "guacamole", &e);
    ck_assert(locks_person(b, old, 2000));
    locks_sweep(b, 4999);
    ck_assert(locks_person(b, old, 2000));
    locks_sweep(b, 5000);
    for (int i = 0; i < 500 && locks_person(b, old, 2000); i++) {
        resources_wait(two, resources_generation(two), 20);
        locks_changed(b);
    }
    ck_assert(!locks_person(b, old, 2000));
    locks_free(a);
    locks_free(b);
    resources_free(one);
    resources_free(two);
    identity_free(old);
    identity_free(fresh);
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
