/* Keys and signed tokens made by OpenSSL, for the tests of what verifies them. */
#ifndef GUAC_TESTS_AUTHD_TOKENS_H
#define GUAC_TESTS_AUTHD_TOKENS_H

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ec.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "proxy/authd/keyset.h"

static inline EVP_PKEY *tokens_key(enum keyset_alg alg, unsigned bits) {
    if (alg == KEYSET_RS256)
        return EVP_RSA_gen(bits);
    if (alg == KEYSET_ES256)
        return EVP_EC_gen("P-256");
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static inline json_t *tokens_number(EVP_PKEY *key, const char *param) {
    BIGNUM *n = NULL;
    unsigned char raw[1024];
    struct buf b;
    buf_init(&b, 4096);
    EVP_PKEY_get_bn_param(key, param, &n);
    int len = BN_bn2bin(n, raw);
    base64url_add(&b, raw, (size_t)len);
    json_t *s = json_string(buf_str(&b));
    buf_fini(&b);
    BN_free(n);
    return s;
}

/* The public half as JWK; alg NULL: not said. */
static inline json_t *tokens_jwk(EVP_PKEY *key, enum keyset_alg alg, const char *kid,
                                 const char *alg_name) {
    json_t *o = json_pack("{s:s, s:s}", "kid", kid, "use", "sig");
    unsigned char raw[80];
    size_t len = sizeof raw;
    struct buf b;
    buf_init(&b, 256);
    if (alg_name)
        json_object_set_new(o, "alg", json_string(alg_name));
    if (alg == KEYSET_RS256) {
        json_object_set_new(o, "kty", json_string("RSA"));
        json_object_set_new(o, "n", tokens_number(key, OSSL_PKEY_PARAM_RSA_N));
        json_object_set_new(o, "e", tokens_number(key, OSSL_PKEY_PARAM_RSA_E));
    } else if (alg == KEYSET_ES256) {
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof raw, &len);
        json_object_set_new(o, "kty", json_string("EC"));
        json_object_set_new(o, "crv", json_string("P-256"));
        base64url_add(&b, raw + 1, 32);
        json_object_set_new(o, "x", json_string(buf_str(&b)));
        buf_clear(&b);
        base64url_add(&b, raw + 33, 32);
        json_object_set_new(o, "y", json_string(buf_str(&b)));
    } else {
        EVP_PKEY_get_raw_public_key(key, raw, &len);
        json_object_set_new(o, "kty", json_string("OKP"));
        json_object_set_new(o, "crv", json_string("Ed25519"));
        base64url_add(&b, raw, len);
        json_object_set_new(o, "x", json_string(buf_str(&b)));
    }
    buf_fini(&b);
    return o;
}

static inline void tokens_part(struct buf *out, const char *text) {
    base64url_add(out, text, strlen(text));
}

/* DER to r||s, as JWS has it (RFC 7518, 3.4). */
static inline size_t tokens_raw_ecdsa(const unsigned char *der, size_t len, unsigned char out[64]) {
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32);
    ECDSA_SIG_free(sig);
    return 64;
}

/* header and claims as given, signed by key. */
static inline char *tokens_sign(EVP_PKEY *key, enum keyset_alg alg, const char *header,
                                const char *claims) {
    struct buf b;
    unsigned char der[1100], raw[64];
    size_t len = sizeof der;
    buf_init(&b, 65536);
    tokens_part(&b, header);
    buf_putc(&b, '.');
    tokens_part(&b, claims);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_DigestSignInit(c, NULL, alg == KEYSET_EDDSA ? NULL : EVP_sha256(), NULL, key);
    EVP_DigestSign(c, der, &len, (const unsigned char *)b.data, b.len);
    EVP_MD_CTX_free(c);
    buf_putc(&b, '.');
    if (alg == KEYSET_ES256)
        base64url_add(&b, raw, tokens_raw_ecdsa(der, len, raw));
    else
        base64url_add(&b, der, len);
    return buf_steal(&b, NULL);
}

#endif
