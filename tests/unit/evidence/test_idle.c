/* The stream for stock players: nothing is lost or changed, only `sync`s come in and early input
 * moves behind the first one; however it is cut into pieces. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/util.h"
#include "recording/evidence/idle.h"

static void feed(const char *in, size_t len, size_t piece, struct buf *out) {
    struct idle i;
    idle_init(&i);
    buf_init(out, 64 << 20);
    for (size_t at = 0; at < len; at += piece)
        ck_assert_int_eq(idle_feed(&i, in + at, MIN_OF(piece, len - at), out), 0);
    ck_assert_int_eq(idle_end(&i, out), 0);
    idle_fini(&i);
}

static void expect(const char *in, const char *want) {
    for (size_t piece = 1; piece <= strlen(in); piece++) {
        struct buf out;
        feed(in, strlen(in), piece, &out);
        ck_assert_str_eq(buf_str(&out), want);
        buf_fini(&out);
    }
}

START_TEST(idle_stretches) {
    expect("4.size,1.0,1.1,1.1;4.sync,4.1000;4.rect,1.0;4.sync,4.1400;",
           "4.size,1.0,1.1,1.1;4.sync,4.1000;4.rect,1.0;4.sync,4.1400;");
    /* In front of the frame that ends the pause, not inside it. */
    expect("4.sync,4.1000;4.rect,1.0;4.sync,5.12000;",
           "4.sync,4.1000;4.sync,4.6000,1.1;4.sync,5.11000,1.1;4.rect,1.0;4.sync,5.12000;");
    /* Input moves the clock, too. */
    expect("4.sync,4.1000;3.key,2.65,1.1,4.7000;4.rect,1.0;4.sync,5.12000;",
           "4.sync,4.1000;4.sync,4.6000,1.1;3.key,2.65,1.1,4.7000;4.rect,1.0;4.sync,5.12000;");
    /* A clock that goes back, or says nothing, moves nothing. */
    expect("4.sync,4.9000;4.sync,4.1000;4.sync,1.x;4.sync;",
           "4.sync,4.9000;4.sync,4.1000;4.sync,1.x;"
           "4.sync;");
}
END_TEST

START_TEST(early_input) {
    expect("3.key,2.65,1.1,1.5;4.size,1.0,1.1,1.1;5.mouse,1.1,1.1,1.0,1.6;4.sync,2.10;",
           "4.size,1.0,1.1,1.1;4.sync,2.10;3.key,2.65,1.1,1.5;5.mouse,1.1,1.1,1.0,1.6;");
    expect("3.key,2.65,1.1,1.5;", "3.key,2.65,1.1,1.5;"); /* no sync ever: it is not kept back */
}
END_TEST

START_TEST(no_instructions) {
    expect("4.sync,1.1;garbage 4.sync,9.999999999;", "4.sync,1.1;garbage 4.sync,9.999999999;");
    expect("4.sync,1.1;4.syn", "4.sync,1.1;4.syn");
    expect("99999.x", "99999.x");
}
END_TEST

START_TEST(a_day) {
    struct buf out;
    static const char in[] = "4.sync,1.0;4.sync,19.9000000000000000000;4.sync,12.100000000000;";
    feed(in, sizeof in - 1, 1000, &out);
    ck_assert_uint_lt(out.len, (IDLE_SYNCS_MAX + 10) * 40);
    buf_fini(&out);
}
END_TEST

/* Whatever comes: the output without the syncs put in is the input, its early input moved. */
START_TEST(keeps_everything) {
    static const char *const parts[] = { "4.sync,3.", "3.key,2.65,1.1,3.", "5.acked,1.1,3.",
                                         "4.blob,1.1,3." };
    for (unsigned seed = 1; seed < 300; seed++) {
        struct buf in, out;
        unsigned x = seed;
        buf_init(&in, 1 << 20);
        for (int i = 0; i < 60; i++) {
            x = x * 1103515245 + 12345;
            buf_printf(&in, "%s%03u;", parts[x >> 16 & 3], (x >> 20) % 1000);
        }
        feed(in.data, in.len, 1 + seed % 50, &out);
        ck_assert_uint_eq(out.len, in.len); /* times are within a second: no sync is put in */
        unsigned long long a = 0, b = 0;
        for (size_t i = 0; i < in.len; i++) {
            a += (unsigned char)in.data[i] * 2654435761u;
            b += (unsigned char)out.data[i] * 2654435761u;
        }
        ck_assert_uint_eq(a, b);
        buf_fini(&in);
        buf_fini(&out);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("idle");
    TCase *t = tcase_create("idle");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, idle_stretches);
    tcase_add_test(t, early_input);
    tcase_add_test(t, no_instructions);
    tcase_add_test(t, a_day);
    tcase_add_test(t, keeps_everything);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
