#include "guacd/base/buf.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(grows_to_its_maximum_and_no_further) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(buf_puts(&b, "0123456789"), 0);
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_uint_le(b.cap, 1000);
    ck_assert_str_eq(buf_str(&b) + 990, "0123456789");
    ck_assert_int_eq(buf_putc(&b, 'x'), -1);
    ck_assert(b.failed);
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_ptr_null(buf_str(&b));
    ck_assert_int_eq(buf_add(&b, "", 0), -1); /* failed stays failed: no holes */
    buf_clear(&b);
    ck_assert_int_eq(buf_puts(&b, "ok"), 0);
    ck_assert_str_eq(buf_str(&b), "ok");
}
END_TEST

START_TEST(zeroed_is_valid_and_takes_nothing) {
    struct buf b = { 0 };
    ck_assert_str_eq(buf_str(&b), "");
    ck_assert_int_eq(buf_putc(&b, 'x'), -1);
    buf_fini(&b);
    buf_fini(&b);
}
END_TEST

START_TEST(prints) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 20);
    ck_assert_int_eq(buf_printf(&b, "%s", ""), 0);
    ck_assert_int_eq(buf_printf(&b, "%05d|%s", 42, "abc"), 0);
    ck_assert_str_eq(buf_str(&b), "00042|abc");
    ck_assert_int_eq(buf_printf(&b, "%011d", 1), 0); /* exactly full */
    ck_assert_uint_eq(b.len, 20);
    ck_assert_str_eq(buf_str(&b), "00042|abc00000000001");
    ck_assert_int_eq(buf_printf(&b, "%s", "y"), -1);
    ck_assert(b.failed);
}
END_TEST

START_TEST(prints_beyond_its_first_memory) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 10000);
    for (int i = 0; i < 900; i++)
        ck_assert_int_eq(buf_printf(&b, "%010d\n", i), 0);
    ck_assert_uint_eq(b.len, 9900);
    ck_assert_str_eq(buf_str(&b) + 9889, "0000000899\n");
}
END_TEST

/* A queue: bytes go in behind and out in front, and memory stays bounded. */
START_TEST(works_as_a_queue) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 4096);
    unsigned char in = 0, out = 0;
    int wrong = 0;
    for (int round = 0; round < 5000; round++) {
        size_t n = (size_t)(round * 7 % 600);
        while (n-- > 0 && b.len < b.max)
            wrong += buf_putc(&b, (char)in++) != 0;
        size_t m = (size_t)(round * 11 % 700);
        m = m < b.len ? m : b.len;
        for (size_t i = 0; i < m; i++)
            wrong += (unsigned char)b.data[i] != out++;
        buf_consume(&b, m);
    }
    ck_assert_uint_le(b.cap, 4096);
    for (size_t i = 0; i < b.len; i++)
        wrong += (unsigned char)b.data[i] != out++;
    ck_assert_int_eq(wrong, 0);
    buf_consume(&b, b.len + 5);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_str_eq(buf_str(&b), "");
}
END_TEST

START_TEST(data_leaves) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 100);
    size_t len = 9;
    char *p = buf_steal(&b, &len);
    ck_assert_str_eq(p, "");
    ck_assert_uint_eq(len, 0);
    free(p);
    buf_puts(&b, "xxhello");
    buf_consume(&b, 2);
    p = buf_steal(&b, &len);
    ck_assert_str_eq(p, "hello");
    ck_assert_uint_eq(len, 5);
    free(p);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_int_eq(buf_puts(&b, "new"), 0);
    char *room = buf_reserve(&b, 97);
    ck_assert_ptr_nonnull(room);
    ck_assert_ptr_null(buf_reserve(&b, 98));
    ck_assert_ptr_null(buf_steal(&b, NULL));
}
END_TEST

START_TEST(secrets_grow_and_go) {
    struct buf b;
    buf_init(&b, 100000);
    b.secret = true;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(buf_puts(&b, "a secret "), 0);
    buf_consume(&b, 8000);
    ck_assert_int_eq(buf_puts(&b, "end"), 0);
    ck_assert_uint_eq(b.len, 1003);
    ck_assert_str_eq(buf_str(&b) + 1000, "end");
    buf_wipe(&b);
    ck_assert_ptr_null(b.data);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/buf");
    TCase *c = tcase_create("buf");
    tcase_add_test(c, grows_to_its_maximum_and_no_further);
    tcase_add_test(c, zeroed_is_valid_and_takes_nothing);
    tcase_add_test(c, prints);
    tcase_add_test(c, prints_beyond_its_first_memory);
    tcase_add_test(c, works_as_a_queue);
    tcase_add_test(c, data_leaves);
    tcase_add_test(c, secrets_grow_and_go);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
