/* The table is the interface: a new route is a row. */
#include "proxy/authd/route.h"

#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "proxy/authd/limits.h"

static const struct route routes[] = {
    { "GET", "/auth/login", GUARD_NAVIGATION, WHO_ALL, signin_login },
    { "GET", "/auth/callback", GUARD_NAVIGATION, WHO_ALL, signin_callback },
    { "GET", "/auth/link", GUARD_NAVIGATION, WHO_ALL, signin_link },
    { "GET", "/auth/methods", GUARD_READ, WHO_ALL, signin_methods },
    { "POST", "/auth/refresh", GUARD_CHANGE, WHO_STALE, signin_refresh },
    { "POST", "/auth/logout", GUARD_CHANGE, WHO_STALE, signin_logout },
    { "POST", "/auth/backchannel", GUARD_NAVIGATION, WHO_ALL, signin_backchannel },
    { "GET", "/api/openapi.json", GUARD_READ, WHO_ALL, api_openapi },
    { "GET", "/api/me", GUARD_READ, WHO_SIGNED_IN, api_me },
    { "GET", "/api/connections", GUARD_READ, WHO_SIGNED_IN, api_connections },
    { "GET", "/api/requests", GUARD_READ, WHO_SIGNED_IN, api_requests },
    { "POST", "/api/requests", GUARD_CHANGE, WHO_SIGNED_IN, api_request_new },
    { "GET", "/api/requests/:id", GUARD_READ, WHO_SIGNED_IN, api_request },
    { "POST", "/api/requests/:id/:decision", GUARD_CHANGE, WHO_SIGNED_IN, api_request_decide },
    { "GET", "/api/connections/:ns/:name/targets", GUARD_READ, WHO_SIGNED_IN, api_targets },
    { "GET", "/api/sessions", GUARD_READ, WHO_SIGNED_IN, api_sessions },
    { "GET", "/api/sessions/:id", GUARD_READ, WHO_SIGNED_IN, api_session },
    { "POST", "/api/sessions/:id/token", GUARD_CHANGE, WHO_SIGNED_IN, api_session_token },
    { "POST", "/api/sessions/:id/invite", GUARD_CHANGE, WHO_SIGNED_IN, api_session_invite },
    { "POST", "/api/sessions/:id/:action", GUARD_CHANGE, WHO_SIGNED_IN, api_session_act },
    { "POST", "/api/invites", GUARD_CHANGE, WHO_SIGNED_IN, api_invites },
    { "GET", "/api/locks", GUARD_READ, WHO_MODERATOR, api_locks },
    { "POST", "/api/locks", GUARD_CHANGE, WHO_MODERATOR, api_lock_new },
    { "POST", "/api/locks/:id/lift", GUARD_CHANGE, WHO_MODERATOR, api_lock_lift },
    { "GET", "/api/recordings", GUARD_READ, WHO_AUDITOR, api_recordings },
    { "GET", "/api/recordings/:id", GUARD_READ, WHO_AUDITOR, api_recording },
    { "GET", "/api/search", GUARD_READ, WHO_AUDITOR, api_search },
    { "GET", "/api/recordings/:id/hold", GUARD_READ, WHO_AUDITOR, api_hold },
    { "POST", "/api/recordings/:id/hold", GUARD_CHANGE, WHO_SIGNED_IN, api_hold_set },
    { "GET", "/api/recordings/:id/proof", GUARD_READ, WHO_AUDITOR, api_recording_proof },
    { "GET", "/api/recordings/:id/verify", GUARD_READ, WHO_AUDITOR, api_recording_verify },
    { "GET", "/api/recordings/:id/objects/:name", GUARD_READ, WHO_AUDITOR, api_recording_object },
    { "GET", "/api/exports", GUARD_READ, WHO_AUDITOR, api_exports },
    { "POST", "/api/exports", GUARD_CHANGE, WHO_AUDITOR, api_export_new },
    { "GET", "/api/exports/:export", GUARD_READ, WHO_AUDITOR, api_export },
    { "DELETE", "/api/exports/:export", GUARD_CHANGE, WHO_AUDITOR, api_export_drop },
    { "GET", "/api/exports/:export/bag", GUARD_READ, WHO_AUDITOR, api_export_bag },
};

/* What nobody has to be signed in for, and costs: limited by the peer's address. */
static const struct {
    void (*handle)(struct exchange *x);
    enum limit limit;
} limited[] = { { signin_login, LIMIT_SIGN_IN },
                { signin_link, LIMIT_SIGN_IN },
                { signin_callback, LIMIT_CALLBACK } };

bool route_match(const char *pattern, const char *path, char params[EXCHANGE_PARAMS][254]) {
    size_t n = 0;
    while (*pattern) {
        if (*pattern == ':') {
            size_t len = strcspn(path, "/");
            pattern += strcspn(pattern, "/");
            if (len == 0 || n == EXCHANGE_PARAMS || !query_segment(path, len, params[n++], 254))
                return false;
            path += len;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* HEAD is GET without a body, which the proxy leaves out. */
static const struct route *find(struct exchange *x, bool *known_path) {
    const char *method = strcmp(x->method, "HEAD") == 0 ? "GET" : x->method;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!route_match(routes[i].path, x->path, x->params))
            continue;
        *known_path = true;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
    }
    return NULL;
}

/* FAILURE_NONE: may go on. detail: what to add to the failure's own sentence. */
static enum failure admit(struct exchange *x, const struct route *r, const char **detail) {
    enum failure f = guard_check(r->guard, x->origin, x->fetch_site, x->a->conf.origin);
    if (f != FAILURE_NONE)
        return f;
    if (r->who == WHO_ALL)
        return FAILURE_NONE;
    exchange_identify(x);
    bool stale = x->nobody == FAILURE_EXPIRED && r->who == WHO_STALE;
    if (x->nobody != FAILURE_NONE && !stale)
        return x->nobody;
    if (r->guard == GUARD_CHANGE && !authd_csrf_check(x->a, x->who->sid, x->csrf))
        return FAILURE_CSRF;
    if (r->who == WHO_AUDITOR && !authd_can_audit(x->a, x->who)) {
        *detail = "Recordings are for auditors.";
        return FAILURE_FORBIDDEN;
    }
    if (r->who == WHO_MODERATOR && !authd_can_moderate(x->a, x->who)) {
        *detail = "Locks are for moderators.";
        return FAILURE_FORBIDDEN;
    }
    return FAILURE_NONE;
}

static void run(struct exchange *x, const struct route *r) {
    struct err e = { 0 };
    size_t i = 0;
    while (i < ARRAY_LEN(limited) && limited[i].handle != r->handle)
        i++;
    if (i == ARRAY_LEN(limited)) {
        r->handle(x);
        return;
    }
    int wait = limits_enter(x->a->limits, limited[i].limit, x->peer, clock_ms(), &e);
    if (wait) {
        exchange_fail(x, FAILURE_TOO_MANY, NULL);
        exchange_retry_after(x, wait);
        return;
    }
    r->handle(x);
    limits_leave(x->a->limits, limited[i].limit, x->peer);
}

void route_run(struct exchange *x) {
    bool known_path = false;
    const char *detail = NULL;
    const struct route *r = find(x, &known_path);
    if (!r) {
        exchange_error(x, known_path ? 405 : 404,
                       known_path ? "This address does not take that method."
                                  : "There is nothing at this address.",
                       "Check the address.", NULL);
        return;
    }
    if (x->relayed &&
        (!strstr(r->path, "/api/sessions/:id") || strcmp(x->relayed, x->params[0]) != 0)) {
        exchange_error(x, 403, "The relay's ticket is for another session.", "Try again.", NULL);
        return;
    }
    enum failure f = admit(x, r, &detail);
    if (f != FAILURE_NONE)
        exchange_fail(x, f, detail);
    else
        run(x, r);
}
