/* Back-channel logout (OpenID Connect Back-Channel Logout 1.0): the provider itself tells that a
 * sign-in is over. No cookie and no Origin come with it; the token's signature is its right. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "proxy/authd/route.h"

static void answer(struct exchange *x, const char *error, const char *description) {
    exchange_header(x, "cache-control", "no-store");
    if (error)
        exchange_json(x, 400,
                      json_pack("{s:s, s:s}", "error", error, "error_description", description));
    else
        x->status = 200;
}

/* A lock for this sign-in's cookies, or this person's, made until now. Its name comes from the
 * token's id, so that no replica takes the same token twice: that would end what began since. */
static enum failure end_sign_in(struct exchange *x, const json_t *claims, struct err *e) {
    char name[64] = "signout-", hash[65], sid[65];
    const char *jti = json_str(claims, "jti", ""), *said = json_str(claims, "sid", NULL);
    int64_t now = (int64_t)clock_wall_ms();
    sha256_hex(jti, strlen(jti), hash);
    snprintf(name + 8, sizeof name - 8, "%.40s", hash);
    if (said)
        oidc_sid(said, sid);
    const struct lock want = { .sid = said ? sid : NULL,
                               .sub = said ? NULL : (char *)(uintptr_t)json_str(claims, "sub", ""),
                               .reason = (char *)(uintptr_t) "The identity provider ended the "
                                                             "sign-in.",
                               .before = now,
                               .until = now + EXCHANGE_COOKIE_S * 1000LL };
    switch (locks_add(x->a->locks, name, &want, NULL, e)) {
    case RESOURCES_OK:
        return FAILURE_NONE;
    case RESOURCES_EXISTS:
        err_set(e, 0, "the token was used before");
        return FAILURE_TOKEN;
    default:
        return FAILURE_UNREACHABLE;
    }
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
    if (f == FAILURE_NONE)
        f = end_sign_in(x, claims, &e);
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
