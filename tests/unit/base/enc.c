#include "guacd/base/enc.h"

#include <openssl/evp.h>
#include <string.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

START_TEST(base64_vectors) { /* RFC 4648 section 10 */
    static const struct {
        const char *plain, *text;
    } rows[] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "foobarfoobar!", "Zm9vYmFyZm9vYmFyIQ==" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64], plain[64];
        size_t len = strlen(rows[i].plain);
        ck_assert_uint_eq(BASE64_LEN(len), strlen(rows[i].text));
        ck_assert_uint_eq(base64_encode(rows[i].plain, len, text), strlen(rows[i].text));
        ck_assert_mem_eq(text, rows[i].text, strlen(rows[i].text));
        ck_assert_int_eq(base64_decode(rows[i].text, strlen(rows[i].text), plain), (long)len);
        ck_assert_mem_eq(plain, rows[i].plain, len);
    }
}
END_TEST

START_TEST(base64_round_trips) {
    uint8_t data[300], back[300];
    char text[BASE64_LEN(300)];
    random_bytes(data, sizeof data);
    for (size_t n = 0; n <= sizeof data; n++) {
        size_t len = base64_encode(data, n, text);
        ck_assert_uint_eq(len, BASE64_LEN(n));
        ck_assert_int_eq(base64_decode(text, len, back), (long)n);
        ck_assert_mem_eq(back, data, n);
        _buf_cleanup_ struct buf b;
        buf_init(&b, 1000);
        ck_assert_int_eq(base64_add(&b, data, n), 0);
        ck_assert_mem_eq(b.data, text, len);
        buf_clear(&b);
        ck_assert_int_eq(base64url_add(&b, data, n), 0);
        ck_assert_ptr_null(memchr(b.data, '=', b.len));
        ck_assert_ptr_null(memchr(b.data, '+', b.len));
        ck_assert_ptr_null(memchr(b.data, '/', b.len));
        ck_assert_int_eq(base64url_decode(b.data, b.len, back), (long)n);
        ck_assert_mem_eq(back, data, n);
    }
}
END_TEST

/* Long texts go by another way than short ones. */
START_TEST(base64_agrees_with_openssl) {
    uint8_t data[2000], back[2000];
    char text[BASE64_LEN(2000)], other[BASE64_LEN(2000) + 1];
    for (int round = 0; round < 200; round++) {
        random_bytes(data, sizeof data);
        int n = (int)sizeof data - round;
        int len = EVP_EncodeBlock((unsigned char *)other, data, n);
        ck_assert_uint_eq(base64_encode(data, (size_t)n, text), (size_t)len);
        ck_assert_mem_eq(text, other, (size_t)len);
        ck_assert_int_eq(base64_decode(other, (size_t)len, back), n);
        ck_assert_mem_eq(back, data, (size_t)n);
    }
}
END_TEST

START_TEST(base64_is_strict_wherever_it_stands) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[128];
    uint8_t out[96];
    for (size_t at = 0; at < sizeof text; at++)
        for (int c = 0; c < 256; c++) {
            memset(text, 'A', sizeof text);
            text[at] = (char)c;
            const char *good = c ? strchr(alphabet, c) : NULL;
            long n = base64_decode(text, sizeof text, out);
            if (c == '=' && at == sizeof text - 1) {
                ck_assert_int_eq(n, 95);
                continue;
            }
            ck_assert_int_eq(n, good ? 96 : -1);
            size_t shift = 18 - 6 * (at % 4);
            const uint8_t *p = out + at / 4 * 3;
            unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
            ck_assert_uint_eq(good ? v : 0, good ? (unsigned)(good - alphabet) << shift : 0);
        }
}
END_TEST

START_TEST(base64_is_strict) {
    static const char *const bad[] = {
        "Z",        "Zg",   "Zg=",  "Zg===",    "=",        "==",   "====",
        "Zg=v",     "Zm9=", "Zh==", "Zm9vYg=a", "Zm9v Yg=", "Zm\n", "Zm9v\nZg",
        "Zm-_Zm9v", "Z===", "Zg==", "Zg==Zg==" /* the first of these two is right, see below */
    };
    char out[64];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bool right = strcmp(bad[i], "Zg==") == 0;
        ck_assert_msg((base64_decode(bad[i], strlen(bad[i]), out) >= 0) == right, "%s", bad[i]);
    }
    static const char *const bad_url[] = { "Z", "Zg==", "Zh", "Zm9=", "Zm+v", "Zm/v", "Zm9vZ" };
    for (size_t i = 0; i < ARRAY_LEN(bad_url); i++)
        ck_assert_int_eq(base64url_decode(bad_url[i], strlen(bad_url[i]), out), -1);
    ck_assert_int_eq(base64url_decode("-_-_", 4, out), 3);
    ck_assert_mem_eq(out, "\xfb\xff\xbf", 3);
}
END_TEST

START_TEST(hex_and_sha256) {
    char text[65];
    hex_encode("\x00\x7f\xff", 3, text);
    ck_assert_str_eq(text, "007fff");
    sha256_hex("abc", 3, text);
    ck_assert_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("", 0, text);
    ck_assert_str_eq(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(uuids) {
    char a[UUID_LEN + 1], b[UUID_LEN + 1];
    uuid_v4(a);
    uuid_v4(b);
    ck_assert_str_ne(a, b);
    ck_assert(uuid_valid(a, strlen(a)));
    ck_assert_int_eq(a[14], '4');
    ck_assert_ptr_nonnull(strchr("89ab", a[19]));
    ck_assert_uint_eq(uuid_v7_ms(a), 0);
    uuid_v7(a, 0x0123456789ab);
    ck_assert(uuid_valid(a, strlen(a)));
    ck_assert_mem_eq(a, "01234567-89ab-7", 15);
    ck_assert_uint_eq(uuid_v7_ms(a), 0x0123456789ab);
    uuid_v7(b, 0x0123456789ac);
    ck_assert_int_lt(strcmp(a, b), 0);
    ck_assert(!uuid_valid(a, 35));
    ck_assert(!uuid_valid("01234567-89AB-7000-8000-000000000000", 36)); /* one spelling each */
    ck_assert(!uuid_valid("01234567x89ab-7000-8000-000000000000", 36));
    ck_assert(!uuid_valid("../../../../../etc/passwd/0000000000", 36));
    ck_assert_uint_eq(uuid_v7_ms("nonsense"), 0);
}
END_TEST

START_TEST(utf8) {
    static const struct {
        const char *text;
        long count;
    } rows[] = {
        { "", 0 },
        { "abc", 3 },
        { "h\xc3\xa9", 2 },
        { "\xe2\x82\xac", 1 },
        { "\xf0\x9f\x98\x80", 1 },
        { "\xf4\x8f\xbf\xbf", 1 },
        { "\xc0\x80", -1 },         /* overlong */
        { "\xc1\xbf", -1 },         /* overlong */
        { "\xe0\x9f\xbf", -1 },     /* overlong */
        { "\xf0\x8f\xbf\xbf", -1 }, /* overlong */
        { "\xed\xa0\x80", -1 },     /* surrogate */
        { "\xf4\x90\x80\x80", -1 }, /* beyond U+10FFFF */
        { "\xf5\x80\x80\x80", -1 },
        { "\x80", -1 },
        { "\xe2\x82", -1 },
        { "a\xff", -1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_int_eq(utf8_count(rows[i].text, strlen(rows[i].text)), rows[i].count);
    for (uint32_t cp = 0; cp <= 0x110000; cp += cp < 0x3000 ? 1 : 61) {
        char text[4];
        uint32_t back = 0;
        size_t n = utf8_encode(cp, text);
        if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
            ck_assert_uint_eq(n, 0);
            continue;
        }
        ck_assert_uint_eq(utf8_decode(text, n, &back), n);
        ck_assert_uint_eq(back, cp);
        ck_assert_uint_eq(utf8_decode(text, n - 1, &back), 0);
    }
}
END_TEST

START_TEST(random_differs) {
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    ck_assert_mem_ne(a, b, sizeof a);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/enc");
    TCase *c = tcase_create("enc");
    tcase_add_test(c, base64_vectors);
    tcase_add_test(c, base64_round_trips);
    tcase_add_test(c, base64_is_strict);
    tcase_add_test(c, base64_agrees_with_openssl);
    tcase_add_test(c, base64_is_strict_wherever_it_stands);
    tcase_add_test(c, hex_and_sha256);
    tcase_add_test(c, uuids);
    tcase_add_test(c, utf8);
    tcase_add_test(c, random_differs);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
