/* The codec's limits, its writing side, and both against each other on random instructions. */
#include "tests/unit/unit.h"

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/instr.h"
#include "guacd/proto/status.h"

#define S(text) ((struct slice){ text, sizeof(text) - 1 })

static enum instr_result parse(struct buf *b, struct instr *in, size_t *used, struct err *e) {
    ck_assert(!b->failed);
    return instr_parse(b->data, b->len, COUNT_CODE_POINTS, in, used, e);
}

START_TEST(writes) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 4096);
    ck_assert_int_eq(instr_put(&b, "name", "Zoë 😀", NULL), 0);
    ck_assert_int_eq(instr_put(&b, "nop", NULL), 0);
    ck_assert_int_eq(instr_begin(&b, ""), 0);
    ck_assert_int_eq(instr_int(&b, INT64_MIN), 0);
    ck_assert_int_eq(instr_int(&b, INT64_MAX), 0);
    ck_assert_int_eq(instr_int(&b, 0), 0);
    ck_assert_int_eq(instr_bytes(&b, "a,b;", 4), 0);
    ck_assert_int_eq(instr_end(&b), 0);
    ck_assert_str_eq(buf_str(&b), "4.name,5.Zoë 😀;3.nop;"
                                  "0.,20.-9223372036854775808,19.9223372036854775807,1.0,4.a,b;;");
}
END_TEST

START_TEST(refuses_to_write) {
    static char big[INSTR_ELEMENT_MAX + 2];
    memset(big, 'x', sizeof(big) - 1);
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 1 << 20);
    ck_assert_int_eq(instr_bytes(&b, big, INSTR_ELEMENT_MAX), 0);
    ck_assert_int_eq(instr_str(&b, big), -1);
    ck_assert(b.failed);
    buf_clear(&b);
    ck_assert_int_eq(instr_bytes(&b, "\xc0\xaf", 2), -1);
    ck_assert(b.failed);
    buf_fini(&b);
    buf_init(&b, 5);
    ck_assert_int_eq(instr_put(&b, "nop", NULL), -1);
    ck_assert(b.failed);
}
END_TEST

/* Every blob is within the limit and together they are the data. */
static void check_blobs(size_t len) {
    _free_ char *data = malloc(len ? len : 1), *back = malloc(len + 3);
    ck_assert(data && back);
    random_bytes(data, len);
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 1 << 20);
    ck_assert_int_eq(instr_blobs(&b, 7, data, len), 0);
    struct instr in;
    size_t at = 0, used, got = 0;
    for (;;) {
        ck_assert_int_eq(instr_parse(b.data + at, b.len - at, COUNT_CODE_POINTS, &in, &used, NULL),
                         INSTR_OK);
        at += used;
        ck_assert(slice_is(in.argv[0], "7"));
        if (slice_is(in.opcode, "end"))
            break;
        ck_assert(slice_is(in.opcode, "blob") && in.argc == 2);
        ck_assert_uint_le(in.argv[1].len, BASE64_LEN(BLOB_BYTES_MAX));
        char piece[BLOB_BYTES_MAX + 3];
        long n = base64_decode(in.argv[1].data, in.argv[1].len, piece);
        ck_assert(n > 0 && got + (size_t)n <= len);
        memcpy(back + got, piece, (size_t)n);
        got += (size_t)n;
    }
    ck_assert_uint_eq(at, b.len);
    ck_assert_uint_eq(got, len);
    ck_assert(memcmp(data, back, len) == 0);
}

START_TEST(blobs) {
    static const size_t sizes[] = { 0, 1, 2, 3, 6047, 6048, 6049, 12096, 20000 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        check_blobs(sizes[i]);
}
END_TEST

START_TEST(limits) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 1 << 20);
    struct instr in;
    size_t used;
    struct err e = { 0 };

    instr_begin(&b, "x");
    for (int i = 1; i < INSTR_ELEMENTS_MAX; i++)
        instr_str(&b, "y");
    size_t full = b.len;
    instr_end(&b);
    ck_assert_int_eq(parse(&b, &in, &used, &e), INSTR_OK);
    ck_assert_uint_eq(in.argc, INSTR_ELEMENTS_MAX - 1);
    b.len = full;
    instr_str(&b, "y");
    instr_end(&b);
    ck_assert_int_eq(parse(&b, &in, &used, &e), INSTR_BAD);
    ck_assert_int_eq(e.status, STATUS_CLIENT_OVERRUN);

    /* The longest instruction, and one byte more. */
    static char big[INSTR_ELEMENT_MAX + 1];
    memset(big, 'z', sizeof(big) - 1);
    buf_clear(&b);
    instr_begin(&b, "x");
    for (int i = 0; i < 3; i++)
        instr_str(&b, big);
    size_t rest = INSTR_BYTES_MAX - b.len - strlen(",8192.") - 1;
    instr_bytes(&b, big, rest);
    instr_end(&b);
    ck_assert_uint_eq(b.len, INSTR_BYTES_MAX);
    ck_assert_int_eq(parse(&b, &in, &used, &e), INSTR_OK);
    ck_assert_uint_eq(used, INSTR_BYTES_MAX);
    b.len -= rest + strlen(",8192.") + 1;
    instr_bytes(&b, big, rest + 1);
    e = (struct err){ 0 };
    ck_assert_int_eq(parse(&b, &in, &used, &e), INSTR_BAD);
    ck_assert_int_eq(e.status, STATUS_CLIENT_OVERRUN);
    bool bad;
    ck_assert_uint_eq(instr_whole(b.data, b.len, COUNT_CODE_POINTS, &bad), 0);
    ck_assert(bad);
}
END_TEST

START_TEST(whole) {
    static const char data[] = "3.nop;4.sync,1.1;3.key,2.9";
    bool bad;
    ck_assert_uint_eq(instr_whole(data, sizeof(data) - 1, COUNT_EITHER, &bad), 17);
    ck_assert(!bad);
    ck_assert_uint_eq(instr_whole(data, 6, COUNT_EITHER, &bad), 6);
    ck_assert_uint_eq(instr_whole(data, 0, COUNT_EITHER, &bad), 0);
    ck_assert(!bad);
    static const char broken[] = "3.nop;x";
    ck_assert_uint_eq(instr_whole(broken, 7, COUNT_EITHER, &bad), 6);
    ck_assert(bad);
}
END_TEST

START_TEST(numbers) {
    int64_t v = 42;
    ck_assert(instr_to_int(S("0"), 0, 10, &v) && v == 0);
    ck_assert(instr_to_int(S("-7"), -10, 10, &v) && v == -7);
    ck_assert(instr_to_int(S("0010"), 0, 10, &v) && v == 10);
    ck_assert(instr_to_int(S("999999999999999999"), 0, INT64_MAX, &v) && v == 999999999999999999);
    static const struct slice wrong[] = {
        S(""),    S("-"),   S("+1"), S(" 1"), S("1 "),
        S("1.5"), S("0x1"), S("11"), S("-1"), S("9999999999999999999")
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert(!instr_to_int(wrong[i], 0, 10, &v));
    ck_assert_int_eq(v, 999999999999999999);

    char text[4] = "abc";
    ck_assert(instr_to_str(S("xyz"), text, sizeof(text)));
    ck_assert_str_eq(text, "xyz");
    ck_assert(!instr_to_str(S("wxyz"), text, sizeof(text)));
    ck_assert(!instr_to_str(S("a\0b"), text, sizeof(text)));
    ck_assert_str_eq(text, "xyz");
}
END_TEST

/* What is written is read back, whatever is in it, and framing agrees with parsing. */
START_TEST(random_round_trip) {
    static const char *const letters[] = { "a", ";", ",", ".", "7", "ë", "漢", "😀", "\n" };
    unsigned seed = 1;
    for (int round = 0; round < 2000; round++) {
        struct buf b __attribute__((cleanup(buf_fini))), text __attribute__((cleanup(buf_fini)));
        buf_init(&b, INSTR_BYTES_MAX);
        buf_init(&text, INSTR_BYTES_MAX);
        size_t starts[16], n = 1 + (size_t)rand_r(&seed) % 15;
        for (size_t i = 0; i < n; i++) {
            starts[i] = text.len;
            for (int k = rand_r(&seed) % 40; k > 0; k--)
                buf_puts(&text, letters[(size_t)rand_r(&seed) % ARRAY_LEN(letters)]);
            buf_putc(&text, '\0');
            const char *s = text.data + starts[i];
            ck_assert_int_eq(i ? instr_str(&b, s) : instr_begin(&b, s), 0);
        }
        instr_end(&b);
        struct instr in;
        size_t used;
        bool bad;
        ck_assert_int_eq(parse(&b, &in, &used, NULL), INSTR_OK);
        ck_assert_uint_eq(used, b.len);
        ck_assert_uint_eq(in.argc, n - 1);
        for (size_t i = 0; i < n; i++)
            ck_assert(slice_is(i ? in.argv[i - 1] : in.opcode, text.data + starts[i]));
        ck_assert_uint_eq(instr_whole(b.data, b.len, COUNT_CODE_POINTS, &bad), b.len);
    }
}
END_TEST

START_TEST(statuses) {
    ck_assert_str_eq(status_name(STATUS_UPSTREAM_TIMEOUT), "upstream timeout");
    ck_assert_str_eq(status_name(12345), "unknown status");
    ck_assert_int_eq(status_http(STATUS_CLIENT_FORBIDDEN), 403);
    ck_assert_int_eq(status_http(STATUS_SERVER_BUSY), 503);
    ck_assert_int_eq(status_http(0x03FF), 400);
    ck_assert_int_eq(status_http(-1), 500);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("instr");
    TCase *c = tcase_create("instr");
    tcase_add_test(c, writes);
    tcase_add_test(c, refuses_to_write);
    tcase_add_test(c, blobs);
    tcase_add_test(c, limits);
    tcase_add_test(c, whole);
    tcase_add_test(c, numbers);
    tcase_add_test(c, random_round_trip);
    tcase_add_test(c, statuses);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
