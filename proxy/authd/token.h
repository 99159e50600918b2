/* ID tokens (OpenID Connect Core 1.0, section 3.1.3.7) and Keycloak's JWT access tokens. Pure:
 * token, keys and time in, claims out. */
#ifndef GUAC_AUTHD_TOKEN_H
#define GUAC_AUTHD_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "proxy/authd/failure.h"
#include "proxy/authd/keyset.h"

#define TOKEN_MAX 16384 /* bytes of a token */

struct token_expect {
    const char *issuer, *client;
    const char *nonce;        /* NULL: not asked for (refresh) */
    const char *access_token; /* for at_hash, when the token has one; may be NULL */
    int64_t now;              /* Unix seconds */
    int skew;                 /* seconds the clocks may differ */
    bool access;              /* an access token: azp names the client, aud names others */
};

/* FAILURE_NONE: *claims is a new object. FAILURE_TOKEN, FAILURE_NONCE, FAILURE_CLOCK: e has the
 * sentence, and *unknown_key says that a newer key set might help. */
enum failure token_verify(const char *token, const struct keyset *keys,
                          const struct token_expect *x, json_t **claims, bool *unknown_key,
                          struct err *e);
/* The signature alone; the payload as JSON or NULL. */
json_t *token_open(const char *token, const struct keyset *keys, enum keyset_alg *alg,
                   bool *unknown_key, struct err *e);
/* The claims' conditions alone. */
enum failure token_check(const json_t *claims, enum keyset_alg alg, const struct token_expect *x,
                         struct err *e);

/* A logout token's claims (OpenID Connect Back-Channel Logout 1.0, section 2.6): made for us within
 * the last TOKEN_LOGOUT_S, and no ID token. Its sub or sid says who is to go; jti is there. */
#define TOKEN_LOGOUT_S 300
enum failure token_check_logout(const json_t *claims, const struct token_expect *x, struct err *e);
/* As token_verify(), for a logout token. */
enum failure token_verify_logout(const char *token, const struct keyset *keys,
                                 const struct token_expect *x, json_t **claims, bool *unknown_key,
                                 struct err *e);

/* Strings at a path such as "realm_access.roles" or "resource_access.guacamole.roles", where '.' in
 * a member's own name is written '\.'; appended to `out` without doubles, 256 at most. */
void token_roles(const json_t *claims, const char *path, json_t *out);

#endif
