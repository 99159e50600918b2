#include "guacd/base/clock.h"

#include <string.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

START_TEST(formats_and_parses) {
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 1763763506123, "2025-11-21T22:18:26.123Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[32];
        uint64_t ms = 1;
        clock_format(rows[i].ms, text, sizeof text);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_int_eq(clock_parse(text, &ms), 0);
        ck_assert_uint_eq(ms, rows[i].ms);
    }
    uint64_t ms;
    ck_assert_int_eq(clock_parse("2026-11-21T22:08:26Z", &ms), 0);
    ck_assert_uint_eq(ms % 60000, 26000);
    ck_assert_int_eq(clock_parse("2026-11-21T22:08:26.5Z", &ms), 0);
    ck_assert_uint_eq(ms % 60000, 26500);
    ck_assert_int_eq(clock_parse("2026-11-21T22:08:26.123456789Z", &ms), 0);
    ck_assert_uint_eq(ms % 60000, 26123);
}
END_TEST

START_TEST(refuses_what_is_no_time) {
    static const char *const rows[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T22:08:26",
        "2026-11-21T22:08:26+00:00",
        "2026-11-21 22:08:26Z",
        "2026-11-21T22:08:26.Z",
        "2026-11-21T22:08:26.1234567890Z",
        "2026-11-21T22:08:26ZZ",
        "2026-02-29T00:00:00Z",
        "2026-06-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T22:60:00Z",
        "2026-11-21T22:08:60Z",
        "1969-11-21T22:08:00Z",
        "+026-11-21T22:08:26Z",
        "2026-11-21T22:08: 6Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t ms = 77;
        ck_assert_msg(clock_parse(rows[i], &ms) == -1, "%s was taken", rows[i]);
        ck_assert_uint_eq(ms, 77);
    }
}
END_TEST

START_TEST(clocks_run) {
    uint64_t us = clock_us(), ms = clock_ms(), wall = clock_wall_ms();
    ck_assert_uint_le(us / 1000, ms);
    ck_assert_uint_le(ms - us / 1000, 1000);
    ck_assert_uint_gt(wall, 1700000000000u);
    usleep(2000);
    ck_assert_uint_ge(clock_us(), us + 2000);
}
END_TEST

START_TEST(deadlines) {
    for (uint64_t ms = 0; ms < 5000; ms += 333) {
        const struct timespec before = clock_deadline(0), until = clock_deadline(ms),
                              after = clock_deadline(0);
        int64_t least =
                    (until.tv_sec - before.tv_sec) * 1000000000LL + until.tv_nsec - before.tv_nsec,
                most = (until.tv_sec - after.tv_sec) * 1000000000LL + until.tv_nsec - after.tv_nsec;
        ck_assert(least >= (int64_t)ms * 1000000 && most <= (int64_t)ms * 1000000);
        ck_assert(until.tv_nsec >= 0 && until.tv_nsec < 1000000000);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/clock");
    TCase *c = tcase_create("clock");
    tcase_add_test(c, formats_and_parses);
    tcase_add_test(c, refuses_what_is_no_time);
    tcase_add_test(c, deadlines);
    tcase_add_test(c, clocks_run);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
