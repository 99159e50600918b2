/* Queues of shared chunks: bytes come out whole and in order whatever the pieces, and a chunk lives
 * as long as somebody has it queued. */
#include "guacd/session/outq.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct chunk *text(const char *s) {
    return chunk_copy(s, strlen(s));
}

START_TEST(shared) {
    struct outq a, b;
    outq_init(&a, 100);
    outq_init(&b, 100);
    struct chunk *c = text("frame");
    ck_assert_int_eq(outq_add(&a, c), 0);
    ck_assert_int_eq(outq_add(&b, c), 0);
    ck_assert_uint_eq(c->refs, 3);
    chunk_unref(c);
    outq_written(&a, 5);
    ck_assert(outq_empty(&a) && !outq_empty(&b));
    ck_assert_uint_eq(c->refs, 1);
    outq_fini(&a);
    outq_fini(&b);
    chunk_unref(NULL);
}
END_TEST

START_TEST(limit) {
    struct outq q;
    outq_init(&q, 10);
    struct chunk *c = text("123456"), *none = text("");
    ck_assert_int_eq(outq_add(&q, c), 0);
    ck_assert_int_eq(outq_add(&q, c), -1);
    ck_assert_uint_eq(q.bytes, 6);
    ck_assert_int_eq(outq_add(&q, none), 0);
    ck_assert_uint_eq(q.count, 1);
    chunk_unref(c);
    chunk_unref(none);
    outq_fini(&q);
}
END_TEST

START_TEST(any_pieces) {
    struct outq q;
    outq_init(&q, 1u << 20);
    char want[4096], got[4096];
    size_t in = 0, out = 0;
    uint32_t x = 12345u + (uint32_t)_i;
    while (out < sizeof(want)) {
        x = x * 1664525u + 1013904223u;
        size_t n = 1 + x % 97;
        if (in < sizeof(want) && x & 0x10000) {
            n = n < sizeof(want) - in ? n : sizeof(want) - in;
            for (size_t i = 0; i < n; i++)
                want[in + i] = (char)(in + i * 7);
            struct chunk *c = chunk_copy(want + in, n);
            ck_assert_int_eq(outq_add(&q, c), 0);
            chunk_unref(c);
            in += n;
            continue;
        }
        struct iovec iov[3];
        int count = outq_iov(&q, iov, 3);
        size_t did = 0;
        for (int i = 0; i < count && did < n; i++) {
            size_t k = iov[i].iov_len < n - did ? iov[i].iov_len : n - did;
            memcpy(got + out + did, iov[i].iov_base, k);
            did += k;
        }
        outq_written(&q, did);
        out += did;
        ck_assert_uint_eq(q.bytes, in - out);
    }
    ck_assert(memcmp(want, got, sizeof(want)) == 0);
    ck_assert_uint_eq(q.count, 0);
    outq_fini(&q);
}
END_TEST

START_TEST(stolen) {
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "xxabc");
    buf_consume(&b, 2);
    struct chunk *c = chunk_steal(&b);
    ck_assert(c && c->len == 3 && memcmp(c->data, "abc", 3) == 0);
    ck_assert_uint_eq(b.len, 0);
    chunk_unref(c);
    b.failed = true;
    ck_assert_ptr_null(chunk_steal(&b));
    buf_fini(&b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("outq");
    TCase *t = tcase_create("outq");
    tcase_add_test(t, shared);
    tcase_add_test(t, limit);
    tcase_add_loop_test(t, any_pieces, 0, 20);
    tcase_add_test(t, stolen);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
