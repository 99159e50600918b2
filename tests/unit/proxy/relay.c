/* What the relay does to bytes. */
#include "proxy/proxy/relay.h"
#include "tests/unit/unit.h"

static struct buf up, down;

static void setup(void) {
    buf_init(&up, 65536);
    buf_init(&down, 65536);
}

static void teardown(void) {
    buf_fini(&up);
    buf_fini(&down);
}

static size_t feed(const char *text) {
    struct err e = { 0 };
    size_t used = 0;
    ck_assert_msg(relay_upstream(text, strlen(text), &used, &up, &down, &e) == 0, "%s", e.text);
    return used;
}

START_TEST(passes_whole_instructions_only) {
    ck_assert_uint_eq(feed("3.key,2.65,1.1;5.mou"), 15);
    ck_assert_str_eq(buf_str(&up), "3.key,2.65,1.1;");
    ck_assert_str_eq(buf_str(&down), "");
}
END_TEST

START_TEST(answers_pings_itself) {
    feed("3.nop;0.,4.ping,13.1234567890123;4.sync,1.1;");
    ck_assert_str_eq(buf_str(&up), "3.nop;4.sync,1.1;");
    ck_assert_str_eq(buf_str(&down), "0.,4.ping,13.1234567890123;");
}
END_TEST

START_TEST(drops_other_internal_instructions) {
    feed("0.,5.other,1.1;0.;3.nop;");
    ck_assert_str_eq(buf_str(&up), "3.nop;");
    ck_assert_str_eq(buf_str(&down), "");
}
END_TEST

START_TEST(counts_emoji_either_way) {
    feed("4.name,1.\xF0\x9F\x98\x80;"); /* code points */
    feed("4.name,2.\xF0\x9F\x98\x80;"); /* UTF-16 units */
    ck_assert_str_eq(buf_str(&up), "4.name,1.\xF0\x9F\x98\x80;4.name,1.\xF0\x9F\x98\x80;");
}
END_TEST

START_TEST(refuses_malformed) {
    static const char *const bad[] = {
        "x.nop;", "3nop;", "3.nopx", "999999.a;", "-1.a;", "3.nop.", "00000000000000000003.nop;"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = { 0 };
        size_t used = 77;
        ck_assert_int_eq(relay_upstream(bad[i], strlen(bad[i]), &used, &up, &down, &e), -1);
        ck_assert_uint_eq(used, 77);
        ck_assert_int_ge(e.status, 0x300);
    }
}
END_TEST

START_TEST(refuses_more_than_the_session_takes) {
    struct err e = { 0 };
    size_t used = 0;
    buf_fini(&up);
    buf_init(&up, 10);
    ck_assert_int_eq(relay_upstream("3.key,2.65,1.1;", 15, &used, &up, &down, &e), -1);
    ck_assert_int_eq(e.status, 0x030D);
}
END_TEST

START_TEST(replaces_what_clients_count_differently) {
    struct err e = { 0 };
    const char *text = "4.name,3.a\xF0\x9F\x98\x80z;4.sync,1.1;";
    ck_assert(relay_ambiguous(text, strlen(text)));
    ck_assert(!relay_ambiguous("4.name,1.\xC3\xBC;", 13));
    ck_assert_int_eq(relay_downstream(text, strlen(text), &down, &e), 0);
    ck_assert_str_eq(buf_str(&down), "4.name,3.a\xEF\xBF\xBDz;4.sync,1.1;");
}
END_TEST

START_TEST(knows_a_goodbye) {
    ck_assert(relay_said_goodbye("4.sync,1.1;10.disconnect;", 25));
    ck_assert(relay_said_goodbye("5.error,2.no,3.519;", 19));
    ck_assert(!relay_said_goodbye("4.sync,1.1;", 11));
    ck_assert(!relay_said_goodbye("", 0));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("relay");
    TCase *c = tcase_create("relay");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, passes_whole_instructions_only);
    tcase_add_test(c, answers_pings_itself);
    tcase_add_test(c, drops_other_internal_instructions);
    tcase_add_test(c, counts_emoji_either_way);
    tcase_add_test(c, refuses_malformed);
    tcase_add_test(c, refuses_more_than_the_session_takes);
    tcase_add_test(c, replaces_what_clients_count_differently);
    tcase_add_test(c, knows_a_goodbye);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
