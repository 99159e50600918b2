/* Keys, signatures and envelopes: known answers of RFC 8032 and of the DSSE specification, and that
 * nothing but the canonical envelope under the right key is taken. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/dsse.h"

static struct sign_key *key(uint8_t fill) {
    uint8_t seed[SIGN_KEY_LEN];
    memset(seed, fill, sizeof seed);
    struct err e = { 0 };
    struct sign_key *k = sign_key_from_seed(seed, &e);
    ck_assert_msg(k != NULL, "%s", e.text);
    return k;
}

static void unhex(const char *hex, uint8_t *out) {
    for (; *hex; hex += 2) {
        unsigned v;
        ck_assert_int_eq(sscanf(hex, "%2x", &v), 1);
        *out++ = (uint8_t)v;
    }
}

START_TEST(rfc8032) {
    uint8_t seed[32], public[32], want[64], sig[64];
    unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed);
    unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", public);
    unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
          want);
    struct err e = { 0 };
    _sign_key_ struct sign_key *k = sign_key_from_seed(seed, &e);
    ck_assert_mem_eq(sign_key_public(k), public, 32);
    ck_assert_int_eq(sign_make(k, "\x72", 1, sig, &e), 0);
    ck_assert_mem_eq(sig, want, 64);
    _sign_key_ struct sign_key *p = sign_key_from_public(public, &e);
    ck_assert_int_eq(sign_check(p, "\x72", 1, sig, 64, &e), 0);
    ck_assert_int_eq(sign_check(p, "\x73", 1, sig, 64, &e), -1);
    ck_assert_int_eq(sign_check(p, "\x72", 1, sig, 63, &e), -1);
    ck_assert_int_eq(sign_make(p, "\x72", 1, sig, &e), -1);
    ck_assert_str_eq(sign_key_id(p), sign_key_id(k));
    /* SubjectPublicKeyInfo of Ed25519 is a fixed head (RFC 8410) and the raw key. */
    uint8_t der[44] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
    char id[65];
    memcpy(der + 12, public, 32);
    sha256_hex(der, sizeof der, id);
    ck_assert_str_eq(sign_key_id(k), id);
}
END_TEST

START_TEST(key_files) {
    char dir[] = "/tmp/guac-sign-XXXXXX", path[64], pub[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key.pem", dir);
    snprintf(pub, sizeof pub, "%s/pub.pem", dir);
    struct err e = { 0 };
    ck_assert_int_eq(sign_key_create_file(path, &e), 0);
    ck_assert_int_eq(sign_key_create_file(path, &e), -1); /* never over an old key */
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    _sign_key_ struct sign_key *k = sign_key_read_private(path, &e);
    ck_assert_msg(k != NULL, "%s", e.text);
    struct buf b;
    buf_init(&b, 4096);
    ck_assert_int_eq(sign_key_public_pem(k, &b), 0);
    FILE *f = fopen(pub, "w");
    fputs(buf_str(&b), f);
    fclose(f);
    buf_fini(&b);
    _sign_key_ struct sign_key *p = sign_key_read_public(pub, &e);
    ck_assert_msg(p != NULL, "%s", e.text);
    ck_assert_str_eq(sign_key_id(p), sign_key_id(k));
    ck_assert_ptr_null(sign_key_read_public(path, &e));
    chmod(path, 0604);
    ck_assert_ptr_null(sign_key_read_private(path, &e));
    unlink(path);
    unlink(pub);
    rmdir(dir);
}
END_TEST

START_TEST(pae) {
    struct buf b;
    buf_init(&b, 1024);
    dsse_pae("http://example.com/HelloWorld", "hello world", 11, &b);
    ck_assert_str_eq(buf_str(&b), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    buf_clear(&b);
    dsse_pae("", "", 0, &b);
    ck_assert_str_eq(buf_str(&b), "DSSEv1 0  0 ");
    buf_fini(&b);
}
END_TEST

static void sealed(struct buf *out, const struct sign_key *k) {
    struct err e = { 0 };
    _json_ json_t *s = json_pack("{s:s, s:i}", "_type", "x/ÿ\"", "n", 7);
    _json_ json_t *env = dsse_sign(s, k, &e);
    ck_assert_msg(env != NULL, "%s", e.text);
    buf_init(out, DSSE_MAX);
    json_write(env, out);
}

START_TEST(round_trip) {
    _sign_key_ struct sign_key *k = key(1), *other = NULL;
    other = key(2);
    struct buf b;
    struct dsse d = { 0 };
    struct err e = { 0 };
    sealed(&b, k);
    ck_assert_int_eq(dsse_parse(b.data, b.len, &d, &e), 0);
    ck_assert_int_eq(dsse_verify(&d, k, &e), 0);
    ck_assert_int_eq(dsse_verify(&d, other, &e), -1);
    _json_ json_t *s = dsse_statement(&d, &e);
    ck_assert_int_eq(json_num(s, "n", 0), 7);
    dsse_fini(&d);
    buf_fini(&b);
    sign_key_free(steal_ptr(other));
}
END_TEST

/* Any other byte anywhere: no longer an envelope, or no longer signed. */
START_TEST(every_byte_counts) {
    _sign_key_ struct sign_key *k = key(1);
    struct buf b;
    sealed(&b, k);
    for (size_t i = 0; i < b.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct dsse d = { 0 };
            struct err e = { 0 };
            b.data[i] = (char)(b.data[i] ^ (1 << bit));
            int r = dsse_parse(b.data, b.len, &d, &e);
            if (r == 0)
                r = dsse_verify(&d, k, &e);
            ck_assert_msg(r < 0, "byte %zu bit %d", i, bit);
            ck_assert_str_ne(e.text, "");
            b.data[i] = (char)(b.data[i] ^ (1 << bit));
            dsse_fini(&d);
        }
    }
    for (size_t i = 0; i < b.len; i++) {
        struct dsse d = { 0 };
        ck_assert_int_eq(dsse_parse(b.data, i, &d, NULL), -1);
    }
    buf_fini(&b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("dsse");
    TCase *t = tcase_create("dsse");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rfc8032);
    tcase_add_test(t, key_files);
    tcase_add_test(t, pae);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, every_byte_counts);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
