/* Back-channel logout (OpenID Connect Back-Channel Logout 1.0): the provider itself tells that a
 * sign-in is over. No cookie and no Origin come with it; the token's signature is its right. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "proxy/authd/route.h"
#include "proxy/authd/token.h"

static void answer(struct exchange *x, const char *error, const char *description) {
    exchange_header(x, "cache-control", "no-store");
    if (error)
        exchange_json(x, 400,
                      json_pack("{s:s, s:s}", "error", error, "error_description", description));
    else
        x->status = 200;
}

/* void: cookies of this sign-in, or of this person, made until now. */
static int end_sign_in(struct exchange *x, const json_t *claims, struct err *e) {
    char key[REVOKED_KEY];
    const char *sid = json_str(claims, "sid", NULL);
    int64_t now = (int64_t)clock_wall_ms(), exp = now / 1000 + EXCHANGE_COOKIE_S;
    if (sid)
        oidc_sid(sid, key);
    else
        revoked_person(json_str(claims, "sub", ""), key);
    return revoked_add(x->a->revoked, key, now, exp, e);
}

/* The same token again would end what was begun since. */
static bool first_use(struct exchange *x, const json_t *claims) {
    char key[80] = "jti:";
    const char *jti = json_str(claims, "jti", "");
    int64_t now = (int64_t)clock_wall_ms();
    sha256_hex(jti, strlen(jti), key + 4);
    return revoked_once(x->a->revoked, key, now,
                        now / 1000 + TOKEN_LOGOUT_S + 2 * x->a->conf.oidc_clock_skew);
}

void signin_backchannel(struct exchange *x) {
    struct query form __attribute__((cleanup(query_fini))) = { 0 };
    struct err e = { 0 };
    _json_ json_t *claims = NULL;
    const char *body = x->body ? x->body : "";
    if (!x->a->oidc) {
        answer(x, "invalid_request", "no identity provider is configured here");
        return;
    }
    if (query_parse(body, strlen(body), &form, &e)) {
        answer(x, "invalid_request", "the body is no form");
        return;
    }
    enum failure f =
        oidc_logout_token(x->a->oidc, x->http, query_get(&form, "logout_token", ""), &claims, &e);
    if (f == FAILURE_NONE && !first_use(x, claims)) {
        err_set(&e, 0, "the token was used before");
        f = FAILURE_TOKEN;
    }
    if (f == FAILURE_NONE && end_sign_in(x, claims, &e))
        f = FAILURE_UNREACHABLE;
    struct audit_event ev = {
        .kind = AUDIT_SIGN_OUT,
        .success = f == FAILURE_NONE,
        .peer = x->peer,
        .message = f == FAILURE_NONE ? "the identity provider ended the sign-in" : e.text,
        .detail = json_pack("{s:s, s:s?, s:s?}", "correlation", x->id, "sub",
                            json_str(claims, "sub", NULL), "sid", json_str(claims, "sid", NULL))
    };
    audit_write(x->a->audit, &ev);
    if (f != FAILURE_NONE)
        failure_count(f);
    answer(x, f == FAILURE_NONE ? NULL : "invalid_request", e.text);
}
