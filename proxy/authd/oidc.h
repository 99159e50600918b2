/* Sign-in by OpenID Connect: discovery, authorization code with PKCE (RFC 7636, S256), refresh,
 * sign-out. Keycloak is the one proved; nothing but its back-channel end of a sign-in is its own.
 * Blocking; any thread, each with its own struct http. */
#ifndef GUAC_AUTHD_OIDC_H
#define GUAC_AUTHD_OIDC_H

#include <stdbool.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/http.h"
#include "guacd/base/secret.h"
#include "proxy/authd/config.h"
#include "proxy/authd/failure.h"
#include "proxy/authd/identity.h"
#include "proxy/authd/keyset.h"

struct oidc_endpoints {
    char authorization[512], token[512], jwks[512], end_session[512]; /* end_session may be "" */
};
/* Pure: the discovery document. It must name the issuer it was asked of, and must not lead from
 * https to http. */
int oidc_discovery(const char *text, size_t len, const char *issuer, struct oidc_endpoints *out,
                   struct err *e);

struct oidc;

/* conf must outlive it. Reads the client secret; nothing is fetched yet. */
struct oidc *oidc_new(const struct config *conf, struct err *e);
void oidc_free(struct oidc *o);

/* Endpoints and keys, from memory or fetched. */
enum failure oidc_endpoints(struct oidc *o, struct http *h, struct oidc_endpoints *out,
                            struct err *e);
/* A new reference. `newer`: a key was not in the set; it is fetched again, but not more often than
 * every ten seconds. */
enum failure oidc_keys(struct oidc *o, struct http *h, bool newer, struct keyset **out,
                       struct err *e);

/* A sign-in on its way: what the pre-login cookie holds. All random, base64url. */
struct oidc_login {
    char state[48], nonce[48], verifier[64];
};
void oidc_login_make(struct oidc_login *l);
/* A stronger sign-in than usual (OpenID Connect Core 3.1.2.1). */
struct oidc_step {
    const char *acr; /* authentication context class; NULL: any */
    long max_age_s;  /* how long ago the person may have proved who it is; -1: any time */
};
/* Append the URL to send the browser to. step may be NULL. */
enum failure oidc_authorize(struct oidc *o, struct http *h, const struct oidc_login *l,
                            const struct oidc_step *step, struct buf *url, struct err *e);
/* The code that came back, for an identity. */
enum failure oidc_redeem(struct oidc *o, struct http *h, const char *code,
                         const struct oidc_login *l, struct identity **out, struct err *e);
/* New claims for a refresh token. FAILURE_REFUSED: the provider has ended the sign-in. */
enum failure oidc_refresh(struct oidc *o, struct http *h, const struct identity *was,
                          struct identity **out, struct err *e);
/* An ID token of now, for somebody who takes it as it is. */
struct oidc_token {
    struct secret text;
    int64_t until; /* its `exp`, Unix s */
};
void oidc_token_fini(struct oidc_token *t);
/* By the sign-in's refresh token, which stays good where the provider does not revoke what was
 * used. Verified like any. FAILURE_REFUSED: the provider has ended the sign-in. */
enum failure oidc_own_token(struct oidc *o, struct http *h, const struct identity *who,
                            struct oidc_token *out, struct err *e);
/* End the sign-in at the provider, and append the URL that clears its cookies in the browser (""
 * when it has none). who NULL: only the URL. */
enum failure oidc_sign_out(struct oidc *o, struct http *h, const struct identity *who,
                           struct buf *url, struct err *e);

/* A logout token that the provider sent (back-channel): *claims is a new object. */
enum failure oidc_logout_token(struct oidc *o, struct http *h, const char *token, json_t **claims,
                               struct err *e);
/* The provider's `sid` in the form that identities carry: 65 bytes. */
void oidc_sid(const char *sid, char out[65]);

/* oidc_claims.c: identity from verified claims. Pure. now in Unix seconds. */
struct identity *oidc_identity(const struct config *conf, const json_t *id_claims,
                               const json_t *access_claims, const char *id_token,
                               const char *refresh, int64_t now, struct err *e);

#endif
