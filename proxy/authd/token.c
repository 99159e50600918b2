/* libjwt checks what people sign in with. It has no EdDSA, refuses the `typ` of logout tokens and
 * would follow the header's choice of algorithm: so the header is read and pinned to the key here
 * first, and OpenSSL checks the other two. */
#include "proxy/authd/token.h"

#include <jwt.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define ROLES_MAX 256

static int bad(struct err *e, const char *what) {
    return err_set(e, STATUS_CLIENT_UNAUTHORIZED, "%s", what);
}

/* One base64url part as JSON. */
static json_t *part(const char *text, size_t len, struct err *e) {
    _free_ char *raw = malloc(len + 1);
    long n = raw ? base64url_decode(text, len, raw) : -1;
    if (n <= 0) {
        bad(e, "the token is malformed");
        return NULL;
    }
    return json_parse(raw, (size_t)n, TOKEN_MAX, e);
}

/* header '.' payload '.' signature; offsets of the dots. */
static int split(const char *token, size_t *dot1, size_t *dot2, struct err *e) {
    size_t len = strnlen(token, TOKEN_MAX + 1);
    if (len > TOKEN_MAX)
        return bad(e, "the token is too long");
    const char *a = strchr(token, '.'), *b = a ? strchr(a + 1, '.') : NULL;
    if (!b || strchr(b + 1, '.') || a == token || b == a + 1 || !b[1])
        return bad(e, "the token is malformed");
    *dot1 = (size_t)(a - token);
    *dot2 = (size_t)(b - token);
    return 0;
}

#define SIGNATURE_MAX 1024 /* bytes: RSA of 8192 bits */

/* r and s of 32 bytes each (RFC 7518, 3.4) as the DER that OpenSSL wants; its length, 0: no. */
static size_t ecdsa_der(const unsigned char raw[64], unsigned char out[SIGNATURE_MAX]) {
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, 32, NULL), *s = BN_bin2bn(raw + 32, 32, NULL);
    int n = 0;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        unsigned char *at = out;
        n = i2d_ECDSA_SIG(sig, &at);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

static bool libjwt_agrees(const char *token, const struct keyset_key *key) {
    jwt_t *jwt = NULL;
    jwt_alg_t want = key->alg == KEYSET_RS256 ? JWT_ALG_RS256 : JWT_ALG_ES256;
    if (jwt_decode(&jwt, token, (const unsigned char *)key->pem, (int)key->pem_len))
        return false;
    bool ok = jwt_get_alg(jwt) == want;
    jwt_free(jwt);
    return ok;
}

static bool openssl_agrees(const char *token, size_t signed_len, const struct keyset_key *key) {
    unsigned char raw[SIGNATURE_MAX + 3], der[SIGNATURE_MAX], *sig = raw;
    const char *text = token + signed_len + 1;
    size_t text_len = strlen(text);
    long n = text_len <= SIGNATURE_MAX * 4 / 3 ? base64url_decode(text, text_len, raw) : -1;
    size_t len = n > 0 ? (size_t)n : 0;
    if (len && key->alg != KEYSET_RS256 && len != 64)
        return false;
    if (len && key->alg == KEYSET_ES256) {
        len = ecdsa_der(raw, der);
        sig = der;
    }
    EVP_MD_CTX *ctx = len ? EVP_MD_CTX_new() : NULL;
    const EVP_MD *md = key->alg == KEYSET_EDDSA ? NULL : EVP_sha256();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key->key) == 1 &&
              EVP_DigestVerify(ctx, sig, len, (const unsigned char *)token, signed_len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static const struct keyset_key *choose(const json_t *header, const struct keyset *keys,
                                       bool *unknown_key, struct err *e) {
    int alg = keyset_alg_parse(json_str(header, "alg", ""));
    const char *kid = json_str(header, "kid", "");
    if (alg < 0)
        bad(e, "the token's algorithm is none of RS256, ES256, EdDSA");
    else if (json_object_get(header, "crit"))
        bad(e, "the token asks for extensions that are not known here");
    else {
        const struct keyset_key *key = keyset_find(keys, kid, (enum keyset_alg)alg);
        if (key)
            return key;
        *unknown_key = true;
        bad(e, "the token is signed by a key that the issuer does not publish");
    }
    return NULL;
}

json_t *token_open(const char *token, const struct keyset *keys, enum keyset_alg *alg,
                   bool *unknown_key, struct err *e) {
    size_t dot1 = 0, dot2 = 0;
    *unknown_key = false;
    if (split(token, &dot1, &dot2, e))
        return NULL;
    _json_ json_t *header = part(token, dot1, e);
    if (!header)
        return NULL;
    const struct keyset_key *key = choose(header, keys, unknown_key, e);
    if (!key)
        return NULL;
    bool usual = key->alg != KEYSET_EDDSA && strcasecmp(json_str(header, "typ", "JWT"), "JWT") == 0;
    if (!(usual ? libjwt_agrees(token, key) : openssl_agrees(token, dot2, key))) {
        bad(e, "the token's signature is wrong");
        return NULL;
    }
    *alg = key->alg;
    return part(token + dot1 + 1, dot2 - dot1 - 1, e);
}

/* The left half of the access token's hash, as OpenID Connect Core 3.1.3.6 says; Ed25519's own hash
 * is SHA-512. */
static bool at_hash_fits(const char *want, enum keyset_alg alg, const char *access_token) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    struct buf b;
    const EVP_MD *md = alg == KEYSET_EDDSA ? EVP_sha512() : EVP_sha256();
    if (EVP_Digest(access_token, strlen(access_token), digest, &n, md, NULL) != 1)
        return false;
    buf_init(&b, 128);
    base64url_add(&b, digest, n / 2);
    const char *have = buf_str(&b);
    bool ok = have && strcmp(have, want) == 0;
    buf_fini(&b);
    return ok;
}

static bool audience_fits(const json_t *claims, const struct token_expect *x) {
    const json_t *aud = json_object_get(claims, "aud");
    const char *azp = json_str(claims, "azp", NULL);
    if (azp && strcmp(azp, x->client) != 0)
        return false;
    if (x->access)
        return azp != NULL;
    if (json_is_string(aud))
        return strcmp(json_string_value(aud), x->client) == 0;
    return json_has_string(aud, x->client) && (json_array_size(aud) == 1 || azp);
}

/* A sub stands in logs, files and protocol elements. */
static bool plain_text(const char *s) {
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    return n > 0 && n <= 255;
}

enum failure token_check(const json_t *claims, enum keyset_alg alg, const struct token_expect *x,
                         struct err *e) {
    const char *sub = json_str(claims, "sub", ""), *nonce = json_str(claims, "nonce", "");
    const char *at_hash = json_str(claims, "at_hash", NULL), *typ = json_str(claims, "typ", NULL);
    int64_t exp = json_num(claims, "exp", -1), iat = json_num(claims, "iat", -1);
    int64_t nbf = json_num(claims, "nbf", iat);

    if (strcmp(json_str(claims, "iss", ""), x->issuer) != 0)
        bad(e, "the token comes from another issuer");
    else if (!audience_fits(claims, x))
        bad(e, "the token was made for another client");
    else if (!plain_text(sub))
        bad(e, "the token names no person");
    else if (typ && strcmp(typ, x->access ? "Bearer" : "ID") != 0)
        bad(e, "the token is of another kind"); /* Keycloak's: an access token is no ID token */
    else if (exp < 0 || iat < 0)
        bad(e, "the token does not say when it was made and ends");
    else if (x->access_token && at_hash && !at_hash_fits(at_hash, alg, x->access_token))
        bad(e, "the token belongs to another access token");
    else if (x->nonce && (strlen(nonce) != strlen(x->nonce) ||
                          CRYPTO_memcmp(nonce, x->nonce, strlen(nonce)) != 0)) {
        bad(e, "the token belongs to another sign-in");
        return FAILURE_NONCE;
    } else if (iat > x->now + x->skew || nbf > x->now + x->skew) {
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the token is from the future by %lld s",
                (long long)((iat > nbf ? iat : nbf) - x->now));
        return FAILURE_CLOCK;
    } else if (exp <= x->now - x->skew) {
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the token expired %lld s ago",
                (long long)(x->now - exp));
        return FAILURE_CLOCK;
    } else {
        return FAILURE_NONE;
    }
    return FAILURE_TOKEN;
}

#define LOGOUT_EVENT "http://schemas.openid.net/event/backchannel-logout"

enum failure token_check_logout(const json_t *claims, const struct token_expect *x, struct err *e) {
    const char *sub = json_str(claims, "sub", NULL), *sid = json_str(claims, "sid", NULL);
    const char *typ = json_str(claims, "typ", "Logout"), *jti = json_str(claims, "jti", "");
    int64_t iat = json_num(claims, "iat", -1), exp = json_num(claims, "exp", INT64_MAX);
    const json_t *event = json_object_get(json_object_get(claims, "events"), LOGOUT_EVENT);
    struct token_expect unbound = *x;
    unbound.access = false;

    if (strcmp(json_str(claims, "iss", ""), x->issuer) != 0)
        bad(e, "the token comes from another issuer");
    else if (!audience_fits(claims, &unbound))
        bad(e, "the token was made for another client");
    else if (!json_is_object(event) || json_object_get(claims, "nonce") ||
             strcmp(typ, "Logout") != 0)
        bad(e, "the token is no logout token");
    else if ((!sub && !sid) || (sub && !plain_text(sub)) || (sid && !plain_text(sid)))
        bad(e, "the token names neither a person nor a sign-in");
    else if (!plain_text(jti))
        bad(e, "the token has no id");
    else if (iat < 0)
        bad(e, "the token does not say when it was made");
    else if (iat > x->now + x->skew || iat < x->now - x->skew - TOKEN_LOGOUT_S ||
             exp <= x->now - x->skew) {
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the token was made %lld s ago",
                (long long)(x->now - iat));
        return FAILURE_CLOCK;
    } else {
        return FAILURE_NONE;
    }
    return FAILURE_TOKEN;
}

typedef enum failure check_fn(const json_t *claims, enum keyset_alg alg,
                              const struct token_expect *x, struct err *e);

static enum failure verify(const char *token, const struct keyset *keys,
                           const struct token_expect *x, check_fn *check, json_t **claims,
                           bool *unknown_key, struct err *e) {
    enum keyset_alg alg;
    json_t *c = token_open(token, keys, &alg, unknown_key, e);
    if (!c)
        return FAILURE_TOKEN;
    enum failure f = check(c, alg, x, e);
    if (f == FAILURE_NONE)
        *claims = c;
    else
        json_decref(c);
    return f;
}

enum failure token_verify(const char *token, const struct keyset *keys,
                          const struct token_expect *x, json_t **claims, bool *unknown_key,
                          struct err *e) {
    return verify(token, keys, x, token_check, claims, unknown_key, e);
}

static enum failure check_logout(const json_t *claims, enum keyset_alg alg,
                                 const struct token_expect *x, struct err *e) {
    (void)alg;
    return token_check_logout(claims, x, e);
}

enum failure token_verify_logout(const char *token, const struct keyset *keys,
                                 const struct token_expect *x, json_t **claims, bool *unknown_key,
                                 struct err *e) {
    return verify(token, keys, x, check_logout, claims, unknown_key, e);
}

void token_roles(const json_t *claims, const char *path, json_t *out) {
    char name[128];
    size_t n = 0, i;
    const json_t *at = claims;
    for (const char *p = path;; p++) {
        if (*p == '\\' && p[1] == '.') {
            p++;
        } else if (*p == '.' || !*p) {
            name[n] = '\0';
            n = 0;
            at = json_object_get(at, name);
            if (!*p)
                break;
            continue;
        }
        if (n == sizeof name - 1)
            return;
        name[n++] = *p;
    }
    json_t *role;
    json_array_foreach(at, i, role) {
        const char *s = json_string_value(role);
        if (s && *s && strlen(s) < 256 && json_array_size(out) < ROLES_MAX &&
            !json_has_string(out, s))
            json_array_append(out, role);
    }
}
