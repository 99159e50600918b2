/* JWK to EVP_PKEY through OpenSSL 3's fromdata. */
#include "proxy/authd/keyset.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/encoder.h>
#include <openssl/param_build.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define RSA_BITS_MIN 2048
#define RSA_BYTES_MAX 1024 /* 8192 bits: more only costs time */

static const char *const alg_names[] = { "RS256", "ES256", "EdDSA" };

int keyset_alg_parse(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(alg_names); i++)
        if (strcmp(name, alg_names[i]) == 0)
            return (int)i;
    return -1;
}

/* A base64url member of 1…max bytes; its length, or -1. */
static long member(const json_t *jwk, const char *name, unsigned char *out, size_t max) {
    const char *text = json_str(jwk, name, "");
    size_t len = strlen(text);
    unsigned char raw[RSA_BYTES_MAX * 2];
    if (len == 0 || len > sizeof raw * 4 / 3)
        return -1;
    long n = base64url_decode(text, len, raw);
    if (n <= 0 || (size_t)n > max)
        return -1;
    memcpy(out, raw, (size_t)n);
    return n;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(const json_t *jwk) {
    unsigned char n[RSA_BYTES_MAX], e[8];
    long n_len = member(jwk, "n", n, sizeof n), e_len = member(jwk, "e", e, sizeof e);
    if (n_len < 0 || e_len < 0)
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n, (int)n_len, NULL), *be = BN_bin2bn(e, (int)e_len, NULL);
    if (bld && bn && be && BN_num_bits(bn) >= RSA_BITS_MIN && BN_is_odd(bn) && BN_is_odd(be) &&
        !BN_is_one(be) && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be))
        key = from_params("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    BN_free(bn);
    BN_free(be);
    return key;
}

/* fromdata refuses a point that is not on the curve. */
static EVP_PKEY *p256_key(const json_t *jwk) {
    unsigned char point[65] = { 4 };
    if (strcmp(json_str(jwk, "crv", ""), "P-256") != 0 || member(jwk, "x", point + 1, 32) != 32 ||
        member(jwk, "y", point + 33, 32) != 32)
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
        key = from_params("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

static EVP_PKEY *ed25519_key(const json_t *jwk) {
    unsigned char raw[32];
    if (strcmp(json_str(jwk, "crv", ""), "Ed25519") != 0 || member(jwk, "x", raw, 32) != 32)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
}

static char *to_pem(EVP_PKEY *key, size_t *len) {
    unsigned char *data = NULL;
    size_t n = 0;
    OSSL_ENCODER_CTX *ctx = OSSL_ENCODER_CTX_new_for_pkey(key, EVP_PKEY_PUBLIC_KEY, "PEM",
                                                          "SubjectPublicKeyInfo", NULL);
    char *copy = ctx && OSSL_ENCODER_to_data(ctx, &data, &n) == 1 ? strndup((char *)data, n) : NULL;
    *len = copy ? n : 0;
    OPENSSL_free(data);
    OSSL_ENCODER_CTX_free(ctx);
    return copy;
}

static void add(struct keyset *k, const json_t *jwk) {
    static const struct {
        const char *kty;
        enum keyset_alg alg;
        EVP_PKEY *(*make)(const json_t *jwk);
    } types[] = { { "RSA", KEYSET_RS256, rsa_key },
                  { "EC", KEYSET_ES256, p256_key },
                  { "OKP", KEYSET_EDDSA, ed25519_key } };
    const char *kid = json_str(jwk, "kid", ""), *kty = json_str(jwk, "kty", "");
    struct keyset_key *slot = &k->keys[k->count];
    if (!*kid || strlen(kid) >= sizeof slot->kid || strcmp(json_str(jwk, "use", "sig"), "sig") != 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(kty, types[i].kty) != 0)
            continue;
        const char *alg = json_str(jwk, "alg", alg_names[types[i].alg]);
        if (strcmp(alg, alg_names[types[i].alg]) != 0 || keyset_find(k, kid, types[i].alg))
            return;
        EVP_PKEY *key = types[i].make(jwk);
        char *pem = key ? to_pem(key, &slot->pem_len) : NULL;
        if (!pem) {
            EVP_PKEY_free(key);
            return;
        }
        memcpy(slot->kid, kid, strlen(kid) + 1);
        slot->alg = types[i].alg;
        slot->key = key;
        slot->pem = pem;
        k->count++;
    }
}

struct keyset *keyset_parse(const char *text, size_t len, struct err *e) {
    _json_ json_t *set = json_parse(text, len, KEYSET_BYTES_MAX, e);
    struct keyset *k = set ? calloc(1, sizeof *k) : NULL;
    size_t i;
    json_t *jwk;
    if (!k)
        return NULL;
    k->refs = 1;
    json_array_foreach(json_object_get(set, "keys"), i, jwk) {
        if (k->count == KEYSET_MAX || i == 4 * KEYSET_MAX)
            break;
        add(k, jwk);
    }
    if (k->count)
        return k;
    err_set(e, STATUS_UPSTREAM_ERROR, "the key set holds no key for RS256, ES256 or EdDSA");
    keyset_unref(k);
    return NULL;
}

struct keyset *keyset_ref(struct keyset *k) {
    atomic_fetch_add(&k->refs, 1);
    return k;
}

void keyset_unref(struct keyset *k) {
    if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    for (size_t i = 0; i < k->count; i++) {
        EVP_PKEY_free(k->keys[i].key);
        free(k->keys[i].pem);
    }
    free(k);
}

const struct keyset_key *keyset_find(const struct keyset *k, const char *kid, enum keyset_alg alg) {
    for (size_t i = 0; i < k->count; i++)
        if (k->keys[i].alg == alg && strcmp(k->keys[i].kid, kid) == 0)
            return &k->keys[i];
    return NULL;
}
