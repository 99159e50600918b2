/* Buckets with a clock of the test's own; turns with threads. */
#include "proxy/authd/limits.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "guacd/base/clock.h"
#include "guacd/proto/status.h"
#include "tests/unit/unit.h"

static struct config conf;
static struct limits *l;

static void setup(void) {
    conf = (struct config){ .sign_ins_per_minute = 3,
                            .tunnels_per_minute = 30,
                            .opens_per_minute = 0,
                            .at_once = 2,
                            .dials_at_once = 1 };
    l = limits_new(&conf);
}

static void teardown(void) {
    limits_free(l);
}

static int pass(enum limit kind, const char *key, uint64_t now) {
    struct err e = { 0 };
    int wait = limits_enter(l, kind, key, now, &e);
    if (wait)
        ck_assert_int_eq(e.status, STATUS_CLIENT_TOO_MANY);
    else
        limits_leave(l, kind, key);
    return wait;
}

START_TEST(a_minutes_worth_and_then_one_by_one) {
    uint64_t now = 1000000;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pass(LIMIT_SIGN_IN, "192.0.2.1", now), 0);
    int wait = pass(LIMIT_SIGN_IN, "192.0.2.1", now);
    ck_assert_int_ge(wait, 20);
    ck_assert_int_le(wait, 21);
    ck_assert_int_eq(pass(LIMIT_SIGN_IN, "192.0.2.2", now), 0);  /* another address */
    ck_assert_int_eq(pass(LIMIT_CALLBACK, "192.0.2.1", now), 0); /* another limit */
    ck_assert_int_gt(pass(LIMIT_SIGN_IN, "192.0.2.1", now + 19000), 0);
    ck_assert_int_eq(pass(LIMIT_SIGN_IN, "192.0.2.1", now + 20000), 0); /* as was told */
    ck_assert_int_gt(pass(LIMIT_SIGN_IN, "192.0.2.1", now + 20000), 0);
    for (int i = 0; i < 3; i++) /* no more is saved up than a minute's worth */
        ck_assert_int_eq(pass(LIMIT_SIGN_IN, "192.0.2.1", now + 3600000), 0);
    ck_assert_int_gt(pass(LIMIT_SIGN_IN, "192.0.2.1", now + 3600000), 0);
    ck_assert_int_gt(pass(LIMIT_SIGN_IN, "192.0.2.1", now), 0); /* a clock that was told earlier */
}
END_TEST

START_TEST(so_many_at_once) {
    struct err e = { 0 };
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 0);
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 0);
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 1);
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "apollo", 5, &e), 0);
    limits_leave(l, LIMIT_TUNNEL, "olga");
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 0);
}
END_TEST

START_TEST(nothing_configured_is_no_limit) {
    conf = (struct config){ 0 };
    for (int i = 0; i < 1000; i++) {
        struct err e = { 0 };
        ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 0);
    }
}
END_TEST

START_TEST(strangers_do_not_push_out_who_is_inside) {
    struct err e = { 0 };
    char key[32];
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 0);
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 5, &e), 0);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "stranger %u", i);
        pass(LIMIT_TUNNEL, key, 10 + i);
    }
    ck_assert_int_eq(limits_enter(l, LIMIT_TUNNEL, "olga", 200000, &e), 1);
}
END_TEST

static void *second(void *arg) {
    struct err e = { 0 };
    int *out = arg;
    *out = limits_enter(l, LIMIT_OPEN, "olga", clock_ms(), &e);
    return NULL;
}

START_TEST(the_next_one_waits_for_its_turn) {
    struct err e = { 0 };
    pthread_t t;
    int got = -1;
    ck_assert_int_eq(limits_enter(l, LIMIT_OPEN, "olga", clock_ms(), &e), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, second, &got), 0);
    limits_leave(l, LIMIT_OPEN, "olga"); /* before or while it waits: it gets in either way */
    pthread_join(t, NULL);
    ck_assert_int_eq(got, 0);
}
END_TEST

/* Others who come and go, each of whom wakes all that wait. */
static void *others(void *arg) {
    atomic_bool *over = arg;
    while (!atomic_load(over)) {
        pass(LIMIT_OPEN, "apollo", 5);
        poll(NULL, 0, 1);
    }
    return NULL;
}

START_TEST(patience_ends_whoever_else_leaves) {
    struct err e = { 0 };
    atomic_bool over = false;
    pthread_t t;
    ck_assert_int_eq(limits_enter(l, LIMIT_OPEN, "olga", clock_ms(), &e), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, others, &over), 0);
    ck_assert_int_eq(limits_enter(l, LIMIT_OPEN, "olga", clock_ms(), &e), 1); /* waits in vain */
    ck_assert_int_eq(e.status, STATUS_CLIENT_TOO_MANY);
    atomic_store(&over, true);
    pthread_join(t, NULL);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("limits");
    TCase *t = tcase_create("limits");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_minutes_worth_and_then_one_by_one);
    tcase_add_test(t, so_many_at_once);
    tcase_add_test(t, nothing_configured_is_no_limit);
    tcase_add_test(t, strangers_do_not_push_out_who_is_inside);
    tcase_add_test(t, the_next_one_waits_for_its_turn);
    tcase_add_test(t, patience_ends_whoever_else_leaves);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
