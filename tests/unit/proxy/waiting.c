/* Connections counted by address. */
#include "proxy/proxy/waiting.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "tests/unit/unit.h"

static struct waiting *w;

static void setup(void) {
    w = waiting_new(2, "192.0.2.0/24 2001:db8:9::/48");
    ck_assert_ptr_nonnull(w);
}

static void teardown(void) {
    waiting_free(w);
}

static bool enter(const char *address, size_t *ticket) {
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    struct sockaddr_in four = { .sin_family = AF_INET };
    if (inet_pton(AF_INET6, address, &six.sin6_addr) == 1)
        return waiting_enter(w, (struct sockaddr *)&six, ticket);
    ck_assert_int_eq(inet_pton(AF_INET, address, &four.sin_addr), 1);
    return waiting_enter(w, (struct sockaddr *)&four, ticket);
}

START_TEST(by_address) {
    size_t a = 0, b = 0, c = 0;
    ck_assert(enter("198.51.100.1", &a) && enter("::ffff:198.51.100.1", &b));
    ck_assert(!enter("198.51.100.1", &c));
    ck_assert_uint_eq(c, 0);
    ck_assert(enter("198.51.100.2", &c));
    ck_assert_uint_eq(waiting_count(w), 3);
    waiting_leave(w, a);
    ck_assert(enter("198.51.100.1", &a));
    waiting_leave(w, 0);
    ck_assert_uint_eq(waiting_count(w), 3);
}
END_TEST

START_TEST(by_prefix) {
    size_t t = 0;
    ck_assert(enter("2001:db8::1", &t) && enter("2001:db8::ffff:2", &t));
    ck_assert(!enter("2001:db8:0:0:9::", &t));
    ck_assert(enter("2001:db8:0:1::1", &t));
}
END_TEST

START_TEST(trusted_are_not_counted) {
    size_t t = 0;
    for (int i = 0; i < 9; i++)
        ck_assert(enter("192.0.2.7", &t) && t == 0 && enter("2001:db8:9::1", &t) && t == 0);
    ck_assert_uint_eq(waiting_count(w), 0);
}
END_TEST

START_TEST(a_full_table_refuses_strangers_only) {
    size_t tickets[WAITING_ADDRESSES], t = 0;
    for (unsigned i = 0; i < WAITING_ADDRESSES; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 255);
        ck_assert(enter(text, &tickets[i]));
    }
    ck_assert(!enter("198.51.100.1", &t));
    ck_assert(enter("10.0.3.3", &t));
    waiting_leave(w, tickets[7]);
    ck_assert(enter("198.51.100.1", &t));
    ck_assert(!enter("10.0.0.7", &t));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("waiting");
    TCase *c = tcase_create("waiting");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, by_address);
    tcase_add_test(c, by_prefix);
    tcase_add_test(c, trusted_are_not_counted);
    tcase_add_test(c, a_full_table_refuses_strangers_only);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
