/* ID tokens: real signatures of all three algorithms, and everything that must not pass. */
#include <openssl/bio.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "guacd/base/util.h"
#include "proxy/authd/token.h"
#include "tests/unit/authd/tokens.h"
#include "tests/unit/unit.h"

#define NOW 1000000
#define ISS "https://sso.example/realms/catalyst"
#define CLAIMS \
    "{\"iss\":\"" ISS "\",\"aud\":\"guacamole\",\"azp\":\"guacamole\",\"sub\":\"u-1\"," \
    "\"exp\":1000300,\"iat\":1000000,\"nonce\":\"n-1\",\"typ\":\"ID\"}"

static const struct {
    enum keyset_alg alg;
    const char *name, *header;
} algs[] = {
    { KEYSET_RS256, "RS256", "{\"alg\":\"RS256\",\"typ\" : \"JWT\",\"kid\" : \"k0\"}" },
    { KEYSET_ES256, "ES256", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"k1\"}" },
    { KEYSET_EDDSA, "EdDSA", "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k2\"}" },
};
static EVP_PKEY *keys[3], *stranger[3];
static struct keyset *set;

static struct keyset *keyset_of(json_t *jwks) {
    struct err e = { 0 };
    _json_ json_t *doc = json_pack("{s:o}", "keys", jwks);
    _free_ char *text = json_dumps(doc, 0);
    struct keyset *k = keyset_parse(text, strlen(text), &e);
    return k;
}

static void setup(void) {
    json_t *jwks = json_array();
    for (int i = 0; i < 3; i++) {
        char kid[8] = { 'k', (char)('0' + i), 0 };
        keys[i] = tokens_key(algs[i].alg, 2048);
        stranger[i] = tokens_key(algs[i].alg, 2048);
        json_array_append_new(jwks, tokens_jwk(keys[i], algs[i].alg, kid, algs[i].name));
    }
    set = keyset_of(jwks);
    ck_assert_ptr_nonnull(set);
    ck_assert_uint_eq(set->count, 3);
}

static void teardown(void) {
    keyset_unref(set);
    for (int i = 0; i < 3; i++) {
        EVP_PKEY_free(keys[i]);
        EVP_PKEY_free(stranger[i]);
    }
}

static struct token_expect expect(void) {
    return (struct token_expect){
        .issuer = ISS, .client = "guacamole", .nonce = "n-1", .now = NOW, .skew = 30
    };
}

static enum failure verify(const char *token, const struct token_expect *x, bool *unknown) {
    struct err e = { 0 };
    json_t *claims = NULL;
    enum failure f = token_verify(token, set, x, &claims, unknown, &e);
    ck_assert_msg((f == FAILURE_NONE) == (claims != NULL), "claims");
    ck_assert_msg(f == FAILURE_NONE || *e.text, "no sentence");
    json_decref(claims);
    return f;
}

static enum failure check(const char *token) {
    struct token_expect x = expect();
    bool unknown;
    return verify(token, &x, &unknown);
}

START_TEST(good) {
    _free_ char *t = tokens_sign(keys[_i], algs[_i].alg, algs[_i].header, CLAIMS);
    ck_assert_int_eq(check(t), FAILURE_NONE);
}
END_TEST

START_TEST(changed) {
    _free_ char *t = tokens_sign(keys[_i], algs[_i].alg, algs[_i].header, CLAIMS);
    /* any one character, but for the last bits of the signature's own base64 */
    for (size_t i = 0; i + 2 < strlen(t); i += 1 + strlen(t) / 97) {
        char was = t[i];
        if (was == '.')
            continue;
        t[i] = was == 'A' ? 'B' : 'A';
        ck_assert_msg(check(t) != FAILURE_NONE, "changed at %zu", i);
        t[i] = was;
    }
    ck_assert_int_eq(check(t), FAILURE_NONE);
    t[strlen(t) - 4] = '\0';
    ck_assert_int_eq(check(t), FAILURE_TOKEN);
}
END_TEST

START_TEST(strangers_key) {
    _free_ char *t = tokens_sign(stranger[_i], algs[_i].alg, algs[_i].header, CLAIMS);
    ck_assert_int_eq(check(t), FAILURE_TOKEN);
}
END_TEST

START_TEST(unknown_kid) {
    struct token_expect x = expect();
    bool unknown = false;
    _free_ char *t =
        tokens_sign(keys[0], KEYSET_RS256, "{\"alg\":\"RS256\",\"kid\":\"other\"}", CLAIMS);
    ck_assert_int_eq(verify(t, &x, &unknown), FAILURE_TOKEN);
    ck_assert(unknown);
    _free_ char *none = tokens_sign(keys[0], KEYSET_RS256, "{\"alg\":\"RS256\"}", CLAIMS);
    ck_assert_int_eq(check(none), FAILURE_TOKEN);
}
END_TEST

/* The header must not choose: alg=none, HMAC with the public key as secret, another key's
 * algorithm. */
START_TEST(algorithm_confusion) {
    struct buf b;
    buf_init(&b, 65536);
    const char *nones[] = { "none", "None", "NONE", "" };
    for (size_t i = 0; i < ARRAY_LEN(nones); i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"k0\"}", nones[i]);
        buf_clear(&b);
        tokens_part(&b, header);
        buf_putc(&b, '.');
        tokens_part(&b, CLAIMS);
        buf_putc(&b, '.');
        ck_assert_int_eq(check(buf_str(&b)), FAILURE_TOKEN);
        buf_puts(&b, "AAAA");
        ck_assert_int_eq(check(buf_str(&b)), FAILURE_TOKEN);
    }
    const struct keyset_key *rsa = keyset_find(set, "k0", KEYSET_RS256);
    unsigned char mac[64];
    unsigned n;
    buf_clear(&b);
    tokens_part(&b, "{\"alg\":\"HS256\",\"kid\":\"k0\"}");
    buf_putc(&b, '.');
    tokens_part(&b, CLAIMS);
    BIO *pem = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_PUBKEY(pem, rsa->key);
    int len = (int)BIO_get_mem_data(pem, &text);
    HMAC(EVP_sha256(), text, len, (const unsigned char *)b.data, b.len, mac, &n);
    BIO_free(pem);
    buf_putc(&b, '.');
    base64url_add(&b, mac, n);
    ck_assert_int_eq(check(buf_str(&b)), FAILURE_TOKEN);
    buf_fini(&b);
    const char *wrong[] = { "{\"alg\":\"RS384\",\"kid\":\"k0\"}",
                            "{\"alg\":\"PS256\",\"kid\":\"k0\"}",
                            "{\"alg\":\"ES256\",\"kid\":\"k0\"}",
                            "{\"alg\":\"EdDSA\",\"kid\":\"k0\"}",
                            "{\"alg\":\"RS256\",\"kid\":\"k1\"}",
                            "{\"alg\":\"RS256\",\"kid\":\"k0\",\"crit\":[\"b64\"]}" };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        _free_ char *t = tokens_sign(keys[0], KEYSET_RS256, wrong[i], CLAIMS);
        ck_assert_msg(check(t) == FAILURE_TOKEN, "%s", wrong[i]);
    }
}
END_TEST

START_TEST(malformed) {
    const char *bad[] = { "",
                          ".",
                          "..",
                          "...",
                          "a.b",
                          "a.b.c",
                          "a..c",
                          "a.b.c.d",
                          "e30.e30.e30",
                          "eyJhbGciOiJSUzI1NiIsImtpZCI6ImswIn0.e30.AAAA",
                          "\xff.\xff.\xff" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(check(bad[i]), FAILURE_TOKEN);
    _free_ char *huge = malloc(TOKEN_MAX + 100);
    memset(huge, 'a', TOKEN_MAX + 99);
    huge[TOKEN_MAX + 99] = '\0';
    ck_assert_int_eq(check(huge), FAILURE_TOKEN);
}
END_TEST

/* Claims alone: the table of what each condition says. */
static const struct claim_case {
    const char *change; /* merged over CLAIMS; null removes */
    enum failure want;
} cases[] = {
    { "{}", FAILURE_NONE },
    { "{\"iss\":\"https://evil.example\"}", FAILURE_TOKEN },
    { "{\"iss\":null}", FAILURE_TOKEN },
    { "{\"aud\":\"other\"}", FAILURE_TOKEN },
    { "{\"aud\":[\"guacamole\"]}", FAILURE_NONE },
    { "{\"aud\":[\"guacamole\",\"account\"]}", FAILURE_NONE },
    { "{\"aud\":[\"guacamole\",\"account\"],\"azp\":null}", FAILURE_TOKEN },
    { "{\"aud\":[\"account\"]}", FAILURE_TOKEN },
    { "{\"aud\":[]}", FAILURE_TOKEN },
    { "{\"aud\":7}", FAILURE_TOKEN },
    { "{\"aud\":null}", FAILURE_TOKEN },
    { "{\"azp\":\"other\"}", FAILURE_TOKEN },
    { "{\"azp\":null}", FAILURE_NONE },
    { "{\"sub\":\"\"}", FAILURE_TOKEN },
    { "{\"sub\":null}", FAILURE_TOKEN },
    { "{\"sub\":\"a\\nb\"}", FAILURE_TOKEN },
    { "{\"typ\":\"Bearer\"}", FAILURE_TOKEN },
    { "{\"typ\":\"Refresh\"}", FAILURE_TOKEN },
    { "{\"typ\":null}", FAILURE_NONE },
    { "{\"nonce\":\"n-2\"}", FAILURE_NONCE },
    { "{\"nonce\":null}", FAILURE_NONCE },
    { "{\"exp\":999971}", FAILURE_NONE }, /* 29 s ago, within the skew */
    { "{\"exp\":999970}", FAILURE_CLOCK },
    { "{\"exp\":null}", FAILURE_TOKEN },
    { "{\"exp\":\"1000300\"}", FAILURE_TOKEN },
    { "{\"exp\":-1}", FAILURE_TOKEN },
    { "{\"iat\":1000030}", FAILURE_NONE },
    { "{\"iat\":1000031}", FAILURE_CLOCK },
    { "{\"iat\":null}", FAILURE_TOKEN },
    { "{\"nbf\":1000031}", FAILURE_CLOCK },
    { "{\"nbf\":1000000}", FAILURE_NONE },
};

static json_t *changed_claims(const char *text, const char *changes) {
    struct err e = { 0 };
    const char *key;
    json_t *value, *o = json_parse(text, strlen(text), 4096, &e);
    _json_ json_t *change = json_parse(changes, strlen(changes), 4096, &e);
    json_object_foreach(change, key, value) {
        if (json_is_null(value))
            json_object_del(o, key);
        else
            json_object_set(o, key, value);
    }
    return o;
}

START_TEST(claims) {
    const struct claim_case *c = &cases[_i];
    struct err e = { 0 };
    struct token_expect x = expect();
    _json_ json_t *o = changed_claims(CLAIMS, c->change);
    ck_assert_msg(token_check(o, KEYSET_RS256, &x, &e) == c->want, "%s: %s", c->change, e.text);
}
END_TEST

#define LOGOUT \
    "{\"iss\":\"" ISS "\",\"aud\":\"guacamole\",\"iat\":1000000,\"exp\":1000120,\"jti\":\"j\"," \
    "\"sub\":\"u\",\"sid\":\"s\",\"typ\":\"Logout\"," \
    "\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}}"

static const struct claim_case logout_cases[] = {
    { "{}", FAILURE_NONE },
    { "{\"sid\":null}", FAILURE_NONE },
    { "{\"sub\":null}", FAILURE_NONE },
    { "{\"typ\":null}", FAILURE_NONE },
    { "{\"exp\":null}", FAILURE_NONE },
    { "{\"sub\":null,\"sid\":null}", FAILURE_TOKEN },
    { "{\"sub\":\"\"}", FAILURE_TOKEN },
    { "{\"sid\":\"a\\nb\"}", FAILURE_TOKEN },
    { "{\"iss\":\"https://evil.example\"}", FAILURE_TOKEN },
    { "{\"aud\":\"other\"}", FAILURE_TOKEN },
    { "{\"aud\":[\"guacamole\"]}", FAILURE_NONE },
    { "{\"nonce\":\"n-1\"}", FAILURE_TOKEN },
    { "{\"events\":null}", FAILURE_TOKEN },
    { "{\"events\":{}}", FAILURE_TOKEN },
    { "{\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":1}}", FAILURE_TOKEN },
    { "{\"typ\":\"ID\"}", FAILURE_TOKEN },
    { "{\"jti\":null}", FAILURE_TOKEN },
    { "{\"iat\":null}", FAILURE_TOKEN },
    { "{\"iat\":999670}", FAILURE_NONE }, /* 300 s and the skew */
    { "{\"iat\":999669}", FAILURE_CLOCK },
    { "{\"iat\":1000031}", FAILURE_CLOCK },
    { "{\"exp\":999970}", FAILURE_CLOCK },
};

START_TEST(logout_claims) {
    const struct claim_case *c = &logout_cases[_i];
    struct err e = { 0 };
    struct token_expect x = expect();
    _json_ json_t *o = changed_claims(LOGOUT, c->change);
    ck_assert_msg(token_check_logout(o, &x, &e) == c->want, "%s: %s", c->change, e.text);
}
END_TEST

/* Neither kind of token passes for the other, whoever signed it. */
START_TEST(logout_is_no_sign_in) {
    struct err e = { 0 };
    struct token_expect x = expect();
    json_t *got = NULL;
    bool unknown;
    x.nonce = NULL;
    _free_ char *out = tokens_sign(keys[_i], algs[_i].alg, algs[_i].header, LOGOUT);
    _free_ char *in = tokens_sign(keys[_i], algs[_i].alg, algs[_i].header, CLAIMS);
    ck_assert_int_eq(token_verify(out, set, &x, &got, &unknown, &e), FAILURE_TOKEN);
    ck_assert_int_eq(token_verify_logout(in, set, &x, &got, &unknown, &e), FAILURE_TOKEN);
    ck_assert_int_eq(token_verify_logout(out, set, &x, &got, &unknown, &e), FAILURE_NONE);
    json_decref(got);
    _free_ char *forged = tokens_sign(stranger[_i], algs[_i].alg, algs[_i].header, LOGOUT);
    ck_assert_int_eq(token_verify_logout(forged, set, &x, &got, &unknown, &e), FAILURE_TOKEN);
}
END_TEST

START_TEST(at_hash) {
    struct err e = { 0 };
    struct token_expect x = expect();
    unsigned char digest[64];
    struct buf b;
    _json_ json_t *o = json_parse(CLAIMS, strlen(CLAIMS), 4096, &e);
    buf_init(&b, 128);
    x.access_token = "the access token";
    ck_assert_int_eq(token_check(o, KEYSET_ES256, &x, &e), FAILURE_NONE); /* may be absent */
    sha256(x.access_token, strlen(x.access_token), digest);
    base64url_add(&b, digest, 16);
    json_object_set_new(o, "at_hash", json_string(buf_str(&b)));
    ck_assert_int_eq(token_check(o, KEYSET_ES256, &x, &e), FAILURE_NONE);
    ck_assert_int_eq(token_check(o, KEYSET_EDDSA, &x, &e), FAILURE_TOKEN); /* SHA-512 there */
    x.access_token = "another";
    ck_assert_int_eq(token_check(o, KEYSET_ES256, &x, &e), FAILURE_TOKEN);
    EVP_Digest("the access token", 16, digest, NULL, EVP_sha512(), NULL);
    buf_clear(&b);
    base64url_add(&b, digest, 32);
    json_object_set_new(o, "at_hash", json_string(buf_str(&b)));
    x.access_token = "the access token";
    ck_assert_int_eq(token_check(o, KEYSET_EDDSA, &x, &e), FAILURE_NONE);
    buf_fini(&b);
}
END_TEST

START_TEST(access_token) {
    struct err e = { 0 };
    struct token_expect x = expect();
    const char *text = "{\"iss\":\"" ISS "\",\"aud\":[\"a\",\"b\"],\"azp\":\"guacamole\","
                       "\"sub\":\"u\",\"exp\":1000300,\"iat\":1000000,\"typ\":\"Bearer\"}";
    _json_ json_t *o = json_parse(text, strlen(text), 4096, &e);
    x.nonce = NULL;
    ck_assert_int_eq(token_check(o, KEYSET_RS256, &x, &e), FAILURE_TOKEN);
    x.access = true;
    ck_assert_int_eq(token_check(o, KEYSET_RS256, &x, &e), FAILURE_NONE);
    json_object_del(o, "azp");
    ck_assert_int_eq(token_check(o, KEYSET_RS256, &x, &e), FAILURE_TOKEN);
}
END_TEST

START_TEST(roles) {
    struct err e = { 0 };
    const char *text =
        "{\"realm_access\":{\"roles\":[\"a\",\"b\",7,\"\"]},"
        "\"resource_access\":{\"my.app\":{\"roles\":[\"b\",\"c\"]}},\"groups\":[\"/g\"],"
        "\"flat\":\"x\"}";
    _json_ json_t *o = json_parse(text, strlen(text), 4096, &e);
    _json_ json_t *out = json_array();
    token_roles(o, "realm_access.roles", out);
    token_roles(o, "resource_access.my\\.app.roles", out);
    token_roles(o, "resource_access.my.app.roles", out);
    token_roles(o, "groups", out);
    token_roles(o, "flat", out);
    token_roles(o, "no.such.path", out);
    token_roles(o, "", out);
    token_roles(o, "....", out);
    _free_ char *got = json_dumps(out, JSON_COMPACT);
    ck_assert_str_eq(got, "[\"a\",\"b\",\"c\",\"/g\"]");
}
END_TEST

/* What is left out of a key set. */
START_TEST(keysets) {
    struct err e = { 0 };
    ck_assert_ptr_null(keyset_parse("{}", 2, &e));
    ck_assert_ptr_null(keyset_parse("x", 1, &e));
    ck_assert_ptr_null(keyset_parse("{\"keys\":7}", 10, &e));
    EVP_PKEY *small = tokens_key(KEYSET_RS256, 1024);
    ck_assert_ptr_null(keyset_of(json_pack("[o]", tokens_jwk(small, KEYSET_RS256, "k", "RS256"))));
    EVP_PKEY_free(small);
    json_t *enc = tokens_jwk(keys[0], KEYSET_RS256, "k", "RS256");
    json_object_set_new(enc, "use", json_string("enc"));
    ck_assert_ptr_null(keyset_of(json_pack("[o]", enc)));
    ck_assert_ptr_null(
        keyset_of(json_pack("[o]", tokens_jwk(keys[0], KEYSET_RS256, "k", "RSA-OAEP"))));
    ck_assert_ptr_null(keyset_of(json_pack("[o]", tokens_jwk(keys[0], KEYSET_RS256, "", "RS256"))));
    json_t *off = tokens_jwk(keys[1], KEYSET_ES256, "k", NULL);
    json_object_set(off, "x", json_object_get(off, "y")); /* not on the curve */
    ck_assert_ptr_null(keyset_of(json_pack("[o]", off)));
    /* one good among bad ones; the first of a doubled kid stays; 32 at most */
    json_t *many = json_array();
    json_array_append_new(many, json_string("nonsense"));
    json_array_append_new(many, tokens_jwk(keys[1], KEYSET_ES256, "same", NULL));
    json_array_append_new(many, tokens_jwk(stranger[1], KEYSET_ES256, "same", NULL));
    for (int i = 0; i < 60; i++) {
        char kid[16];
        snprintf(kid, sizeof kid, "n%d", i);
        json_array_append_new(many, tokens_jwk(keys[2], KEYSET_EDDSA, kid, NULL));
    }
    struct keyset *k = keyset_of(many);
    ck_assert_uint_eq(k->count, KEYSET_MAX);
    ck_assert_int_eq(EVP_PKEY_eq(keyset_find(k, "same", KEYSET_ES256)->key, keys[1]), 1);
    keyset_unref(k);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("token");
    TCase *t = tcase_create("all");
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, good, 0, 3);
    tcase_add_loop_test(t, changed, 0, 3);
    tcase_add_loop_test(t, strangers_key, 0, 3);
    tcase_add_test(t, unknown_kid);
    tcase_add_test(t, algorithm_confusion);
    tcase_add_test(t, malformed);
    tcase_add_loop_test(t, claims, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(t, logout_claims, 0, (int)ARRAY_LEN(logout_cases));
    tcase_add_loop_test(t, logout_is_no_sign_in, 0, 3);
    tcase_add_test(t, at_hash);
    tcase_add_test(t, access_token);
    tcase_add_test(t, roles);
    tcase_add_test(t, keysets);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
