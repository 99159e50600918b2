/* The token endpoint: code or refresh token in, verified identity out; and sign-out. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/oidc_part.h"
#include "proxy/authd/query.h"
#include "proxy/authd/token.h"

#define FORM_MAX 16384

/* client_secret_basic (RFC 6749, 2.3.1: both parts form-encoded first). */
static int basic(const struct oidc *o, struct buf *header) {
    struct buf pair;
    buf_init(&pair, 4096);
    pair.secret = true;
    query_escape(&pair, o->conf->oidc_client);
    buf_putc(&pair, ':');
    query_escape(&pair, o->secret.data);
    buf_puts(header, "Authorization: Basic ");
    int rc = pair.failed ? -1 : base64_add(header, pair.data, pair.len);
    buf_wipe(&pair);
    return rc;
}

/* POST a form with our credentials. */
static enum failure post(struct oidc *o, struct http *h, const char *url, struct buf *form,
                         struct http_response *rs, struct err *e) {
    struct buf authorization;
    const char *headers[4] = { "Content-Type: application/x-www-form-urlencoded",
                               "Accept: application/json", NULL, NULL };
    buf_init(&authorization, 8192);
    authorization.secret = true;
    int rc = 0;
    if (o->secret.len) {
        rc = basic(o, &authorization);
        headers[2] = buf_str(&authorization);
    } else {
        query_add(form, "client_id", o->conf->oidc_client);
    }
    struct http_request rq = {
        .method = "POST", .url = url, .headers = headers, .body = form->data, .body_len = form->len
    };
    enum failure f = FAILURE_UNREACHABLE;
    if (rc || form->failed)
        err_set(e, STATUS_SERVER_ERROR, "the request to the token endpoint is too long");
    else
        f = oidc_http(o, h, &rq, rs, e);
    buf_wipe(&authorization);
    return f;
}

/* A refusal of the token endpoint, in its words ("invalid_grant: Code not valid"). */
static enum failure refused(struct http_response *rs, struct err *e) {
    struct err ignored = { 0 };
    _json_ json_t *o =
        json_parse(rs->body.data ? rs->body.data : "", rs->body.len, 65536, &ignored);
    err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the identity provider answered %d: %.80s %.200s",
            rs->status, json_str(o, "error", ""), json_str(o, "error_description", ""));
    return FAILURE_REFUSED;
}

typedef enum failure verify_fn(const char *token, const struct keyset *keys,
                               const struct token_expect *x, json_t **claims, bool *unknown_key,
                               struct err *e);

/* Verify, and once more with newer keys where the key was unknown. */
static enum failure verify_as(verify_fn *fn, struct oidc *o, struct http *h, const char *token,
                              const struct token_expect *x, json_t **claims, struct err *e) {
    bool unknown = false;
    enum failure f = FAILURE_TOKEN;
    for (int newer = 0; newer < 2; newer++) {
        struct keyset *keys = NULL;
        f = oidc_keys(o, h, newer, &keys, e);
        if (f != FAILURE_NONE)
            return f;
        f = fn(token, keys, x, claims, &unknown, e);
        keyset_unref(keys);
        if (f == FAILURE_NONE || !unknown)
            return f;
    }
    return f;
}

static enum failure verify(struct oidc *o, struct http *h, const char *token,
                           const struct token_expect *x, json_t **claims, struct err *e) {
    return verify_as(token_verify, o, h, token, x, claims, e);
}

enum failure oidc_logout_token(struct oidc *o, struct http *h, const char *token, json_t **claims,
                               struct err *e) {
    const struct token_expect x = { .issuer = o->conf->oidc_issuer,
                                    .client = o->conf->oidc_client,
                                    .now = (int64_t)(clock_wall_ms() / 1000),
                                    .skew = (int)o->conf->oidc_clock_skew };
    return verify_as(token_verify_logout, o, h, token, &x, claims, e);
}

/* own: the ID token itself, where it is wanted; else NULL. */
static enum failure take(struct oidc *o, struct http *h, const json_t *answer, const char *nonce,
                         struct identity **out, struct oidc_token *own, struct err *e) {
    const char *id = json_str(answer, "id_token", NULL),
               *access = json_str(answer, "access_token", "");
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    _json_ json_t *claims = NULL, *access_claims = NULL;
    struct err ignored = { 0 };
    if (!id) {
        err_set(e, STATUS_UPSTREAM_ERROR, "the identity provider sent no ID token");
        return FAILURE_TOKEN;
    }
    struct token_expect x = { .issuer = o->conf->oidc_issuer,
                              .client = o->conf->oidc_client,
                              .nonce = nonce,
                              .access_token = *access ? access : NULL,
                              .now = now,
                              .skew = (int)o->conf->oidc_clock_skew };
    enum failure f = verify(o, h, id, &x, &claims, e);
    if (f != FAILURE_NONE)
        return f;
    x.access = true;
    x.nonce = NULL;
    x.access_token = NULL;
    /* An access token need not be a JWT; then it holds no roles for us. */
    if (*access && verify(o, h, access, &x, &access_claims, &ignored) != FAILURE_NONE)
        access_claims = NULL;
    *out = oidc_identity(o->conf, claims, access_claims, id,
                         json_str(answer, "refresh_token", NULL), now, e);
    if (!*out)
        return FAILURE_TOKEN;
    if (own) {
        own->until = json_num(claims, "exp", 0);
        if (secret_set(&own->text, id, strlen(id)))
            err_set(e, STATUS_SERVER_ERROR, "no memory for a token");
    }
    return FAILURE_NONE;
}

static enum failure grant(struct oidc *o, struct http *h, struct buf *form, const char *nonce,
                          struct identity **out, struct oidc_token *own, struct err *e) {
    struct oidc_endpoints ep;
    struct http_response rs = { 0 };
    enum failure f = oidc_endpoints(o, h, &ep, e);
    if (f == FAILURE_NONE)
        f = post(o, h, ep.token, form, &rs, e);
    if (f == FAILURE_NONE && rs.status != 200)
        f = refused(&rs, e);
    if (f == FAILURE_NONE) {
        _json_ json_t *answer =
            json_parse(rs.body.data ? rs.body.data : "", rs.body.len, 262144, e);
        f = answer ? take(o, h, answer, nonce, out, own, e) : FAILURE_UNREACHABLE;
    }
    if (rs.body.data)
        secret_wipe(rs.body.data, rs.body.len);
    http_response_fini(&rs);
    return f;
}

enum failure oidc_redeem(struct oidc *o, struct http *h, const char *code,
                         const struct oidc_login *l, struct identity **out, struct err *e) {
    char redirect[400];
    struct buf form;
    buf_init(&form, FORM_MAX);
    form.secret = true;
    snprintf(redirect, sizeof redirect, "%s/auth/callback", o->conf->origin);
    query_add(&form, "grant_type", "authorization_code");
    query_add(&form, "code", code);
    query_add(&form, "redirect_uri", redirect);
    query_add(&form, "code_verifier", l->verifier);
    enum failure f = grant(o, h, &form, l->nonce, out, NULL, e);
    buf_wipe(&form);
    return f;
}

/* New claims of the same person. */
static enum failure renew(struct oidc *o, struct http *h, const struct identity *was,
                          struct identity **out, struct oidc_token *own, struct err *e) {
    struct buf form;
    struct identity *fresh = NULL;
    if (!was->refresh) {
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "this sign-in cannot be refreshed");
        return FAILURE_REFUSED;
    }
    buf_init(&form, FORM_MAX);
    form.secret = true;
    query_add(&form, "grant_type", "refresh_token");
    query_add(&form, "refresh_token", was->refresh);
    enum failure f = grant(o, h, &form, NULL, &fresh, own, e);
    buf_wipe(&form);
    if (f != FAILURE_NONE)
        return f;
    if (strcmp(fresh->sub, was->sub) != 0) { /* OpenID Connect Core 12.2 */
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the refreshed token names another person");
        identity_free(fresh);
        return FAILURE_TOKEN;
    }
    *out = fresh;
    return FAILURE_NONE;
}

enum failure oidc_own_token(struct oidc *o, struct http *h, const struct identity *who,
                            struct oidc_token *out, struct err *e) {
    struct identity *fresh = NULL;
    struct oidc_token own = { 0 };
    enum failure f = renew(o, h, who, &fresh, &own, e);
    if (f == FAILURE_NONE && !own.text.len)
        f = FAILURE_TOKEN;
    identity_free(fresh);
    if (f == FAILURE_NONE)
        *out = own;
    else
        oidc_token_fini(&own);
    return f;
}

void oidc_token_fini(struct oidc_token *t) {
    secret_fini(&t->text);
}

enum failure oidc_refresh(struct oidc *o, struct http *h, const struct identity *was,
                          struct identity **out, struct err *e) {
    struct identity *fresh = NULL;
    enum failure f = renew(o, h, was, &fresh, NULL, e);
    if (f != FAILURE_NONE)
        return f;
    if (!fresh->refresh && was->refresh)
        fresh->refresh = strdup(was->refresh);
    /* It is the same sign-in, proved when it was proved, whatever this answer leaves out. */
    char *sid = strdup(was->sid);
    if (!sid) {
        identity_free(fresh);
        err_set(e, STATUS_SERVER_ERROR, "no memory for an identity");
        return FAILURE_TOKEN;
    }
    free(fresh->sid);
    fresh->sid = sid;
    fresh->auth_time = MIN_OF(fresh->auth_time, was->auth_time);
    *out = fresh;
    return FAILURE_NONE;
}

enum failure oidc_sign_out(struct oidc *o, struct http *h, const struct identity *who,
                           struct buf *url, struct err *e) {
    struct oidc_endpoints ep;
    char back[400];
    enum failure f = oidc_endpoints(o, h, &ep, e);
    if (f != FAILURE_NONE || !*ep.end_session)
        return f;
    /* Keycloak ends the sign-in itself when it is given the refresh token, whatever the browser
     * does with the URL; other providers may refuse this, and the browser's way remains. The ID
     * token (id_token_hint) would have to pass through the page, and no token does. */
    if (who && who->refresh) {
        struct http_response rs = { 0 };
        struct buf form;
        struct err ignored = { 0 };
        buf_init(&form, FORM_MAX);
        form.secret = true;
        query_add(&form, "refresh_token", who->refresh);
        if (o->secret.len) /* Keycloak's endpoint wants it in the form, too */
            query_add(&form, "client_id", o->conf->oidc_client);
        if (post(o, h, ep.end_session, &form, &rs, &ignored) != FAILURE_NONE || rs.status >= 400)
            log_info("the identity provider did not end the sign-in at once (%d)", rs.status);
        buf_wipe(&form);
        http_response_fini(&rs);
    }
    snprintf(back, sizeof back, "%s/", o->conf->origin);
    buf_puts(url, ep.end_session);
    buf_putc(url, strchr(ep.end_session, '?') ? '&' : '?');
    query_add(url, "client_id", o->conf->oidc_client);
    query_add(url, "post_logout_redirect_uri", back);
    return FAILURE_NONE;
}
