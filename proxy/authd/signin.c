/* In and out: Keycloak and back, the development link, refresh, sign-out. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/route.h"
#include "proxy/authd/stats.h"

#define PRELOGIN_S 600
#define PRELOGIN_SLOTS 4 /* tabs that may sign in at one time */
#define DEVELOPMENT_S (12 * 3600)

static void audit(struct exchange *x, enum audit_kind kind, const struct identity *who,
                  const char *text) {
    struct audit_event ev = { .kind = kind,
                              .success = true,
                              .who = who,
                              .peer = x->peer,
                              .message = text,
                              .detail = json_pack("{s:s}", "correlation", x->id) };
    audit_write(x->a->audit, &ev);
}

/* "guac-pre0" … "guac-pre3": the state's first letter says which. */
static bool slot_name(const char *state, char out[16]) {
    if (*state < '0' || *state >= '0' + PRELOGIN_SLOTS)
        return false;
    snprintf(out, 16, "guac-pre%c", *state);
    return true;
}

/* ---- to the identity provider ---------------------------------------------------------------- */

static int set_prelogin(struct exchange *x, const struct oidc_login *l, const char *to,
                        struct err *e) {
    char name[16];
    struct buf value;
    int64_t exp = (int64_t)(clock_wall_ms() / 1000) + PRELOGIN_S;
    _json_ json_t *content = json_pack("{s:s, s:s, s:s, s:s, s:I}", "s", l->state, "n", l->nonce,
                                       "v", l->verifier, "t", to, "e", (json_int_t)exp);
    buf_init(&value, COOKIE_TEXT_MAX + 1);
    int rc = content && slot_name(l->state, name)
                 ? authd_seal(x->a, COOKIE_PRELOGIN, content, &value, e)
                 : err_set(e, STATUS_SERVER_ERROR, "no memory for a cookie");
    if (rc == 0)
        exchange_set_cookie(x, name, buf_str(&value), PRELOGIN_S);
    buf_wipe(&value);
    return rc;
}

/* A slot that no other tab waits in; one of them, when all are taken. */
static char free_slot(const struct exchange *x, unsigned random) {
    for (unsigned i = 0; i < PRELOGIN_SLOTS; i++) {
        char slot[16], name[32], state[2] = { (char)('0' + (random + i) % PRELOGIN_SLOTS), '\0' };
        slot_name(state, slot);
        cookie_name(slot, x->a->conf.secure, name, sizeof name);
        if (!x->cookie || !cookie_find(x->cookie, strlen(x->cookie), name).data)
            return state[0];
    }
    return (char)('0' + random % PRELOGIN_SLOTS);
}

static void login(struct exchange *x, const struct oidc_step *step) {
    struct oidc_login l;
    struct err e = { 0 };
    struct buf url;
    const char *to = query_get(&x->query, "to", "/");
    if (!x->a->oidc) {
        exchange_fail(x, FAILURE_NOT_CONFIGURED, NULL);
        return;
    }
    oidc_login_make(&l);
    l.state[0] = free_slot(x, (unsigned char)l.state[0]);
    buf_init(&url, 8192);
    enum failure f = oidc_authorize(x->a->oidc, x->http, &l, step, &url, &e);
    if (f == FAILURE_NONE && set_prelogin(x, &l, query_is_local(to) ? to : "/", &e) == 0) {
        exchange_redirect(x, buf_str(&url));
    } else {
        log_error("sign-in %s: %s", x->id, e.text);
        exchange_fail(x, f == FAILURE_NONE ? FAILURE_UNREACHABLE : f, NULL);
    }
    buf_fini(&url);
    OPENSSL_cleanse(&l, sizeof l);
}

/* What the connection of the query asks of a sign-in; false: nothing. acr is borrowed. */
static bool step_of(struct exchange *x, struct snapshot *s, struct oidc_step *out) {
    const char *name = query_get(&x->query, "connection", ""), *slash = strchr(name, '/');
    char namespace[64];
    if (!slash || (size_t)(slash - name) >= sizeof namespace)
        return false;
    snprintf(namespace, sizeof namespace, "%.*s", (int)(slash - name), name);
    const struct connection *c = snapshot_find(s, namespace, slash + 1);
    if (!c || (!c->step_up.acr && !c->step_up.max_age_minutes))
        return false;
    out->acr = c->step_up.acr;
    out->max_age_s = c->step_up.max_age_minutes ? c->step_up.max_age_minutes * 60L : -1;
    return true;
}

void signin_login(struct exchange *x) {
    struct oidc_step step;
    struct snapshot *snapshot = catalog_snapshot(x->a->catalog);
    bool stepped = step_of(x, snapshot, &step);
    login(x, stepped ? &step : NULL);
    snapshot_unref(snapshot);
}
/* ---- and back -------------------------------------------------------------------------------- */

/* The sign-in that this answer belongs to; its cookie is used up. */
static json_t *take_prelogin(struct exchange *x, const char *state, struct oidc_login *l) {
    char slot[16], name[32];
    struct err ignored = { 0 };
    if (!slot_name(state, slot) || !x->cookie)
        return NULL;
    cookie_name(slot, x->a->conf.secure, name, sizeof name);
    struct slice value = cookie_find(x->cookie, strlen(x->cookie), name);
    exchange_set_cookie(x, slot, NULL, 0);
    json_t *pre =
        value.len ? authd_open(x->a, COOKIE_PRELOGIN, value.data, value.len, &ignored) : NULL;
    const char *want = json_str(pre, "s", "");
    bool ours = pre && strlen(want) == strlen(state) &&
                CRYPTO_memcmp(want, state, strlen(state)) == 0 &&
                json_num(pre, "e", 0) > (int64_t)(clock_wall_ms() / 1000);
    if (!ours) {
        json_decref(pre);
        return NULL;
    }
    snprintf(l->state, sizeof l->state, "%s", state);
    snprintf(l->nonce, sizeof l->nonce, "%s", json_str(pre, "n", ""));
    snprintf(l->verifier, sizeof l->verifier, "%s", json_str(pre, "v", ""));
    return pre;
}

/* Is any role of use here? Without one the cookie would open nothing. */
static bool has_use(struct exchange *x, const struct identity *who) {
    struct snapshot *s = catalog_snapshot(x->a->catalog);
    bool use = authd_can_operate(x->a, who, s) || authd_can_audit(x->a, who) ||
               authd_can_moderate(x->a, who) || authd_can_approve(x->a, who, s);
    snapshot_unref(s);
    return use;
}

static void no_role(struct exchange *x, const struct identity *who) {
    char text[400];
    struct err ignored = { 0 };
    struct buf url;
    const char *first = json_string_value(json_array_get(x->a->conf.operators, 0));
    if (first)
        snprintf(text, sizeof text, "%.100s has %zu roles here, and not the role %.100s.",
                 who->name, json_array_size(who->roles), first);
    else
        snprintf(text, sizeof text,
                 "%.100s has %zu roles here, and no connection's audience names one of them.",
                 who->name, json_array_size(who->roles));
    exchange_fail(x, FAILURE_ROLE, text);
    /* The identity provider still knows the person: a way to be somebody else. */
    buf_init(&url, 4096);
    if (oidc_sign_out(x->a->oidc, x->http, NULL, &url, &ignored) == FAILURE_NONE && url.len) {
        struct page_link again = { "/auth/login", "Sign in" },
                         other = { buf_str(&url), "Sign in as somebody else" };
        buf_clear(&x->text);
        page_error(&x->text, FAILURE_ROLE, text, x->id, again, other);
    }
    buf_fini(&url);
}

static void enter(struct exchange *x, struct identity *who, const char *to) {
    struct err e = { 0 };
    if (exchange_sign_in(x, who, &e)) {
        log_error("sign-in %s: %s", x->id, e.text);
        exchange_fail(x, FAILURE_TOKEN, "The cookie would be too large.");
        return;
    }
    metric_add(&stats_sign_ins, 1);
    audit(x, AUDIT_SIGN_IN, who,
          who->development ? "signed in by a development link" : "signed in");
    exchange_redirect(x, query_is_local(to) ? to : "/");
}

void signin_callback(struct exchange *x) {
    struct oidc_login l = { 0 };
    struct err e = { 0 };
    struct identity *who = NULL;
    char detail[300];
    if (!x->a->oidc) {
        exchange_fail(x, FAILURE_NOT_CONFIGURED, NULL);
        return;
    }
    _json_ json_t *pre = take_prelogin(x, query_get(&x->query, "state", ""), &l);
    const char *code = query_get(&x->query, "code", ""), *error = query_get(&x->query, "error", "");
    const char *iss = query_get(&x->query, "iss", x->a->conf.oidc_issuer);
    enum failure f = FAILURE_NONE;
    if (!pre) {
        f = FAILURE_STATE;
    } else if (strcmp(iss, x->a->conf.oidc_issuer) != 0) { /* RFC 9207: a mixed-up issuer */
        f = FAILURE_STATE;
    } else if (*error || !*code) {
        snprintf(detail, sizeof detail, "%.80s %.180s", *error ? error : "no code came back",
                 query_get(&x->query, "error_description", ""));
        exchange_fail(x, FAILURE_REFUSED, detail);
        return;
    } else {
        f = oidc_redeem(x->a->oidc, x->http, code, &l, &who, &e);
    }
    OPENSSL_cleanse(&l, sizeof l);
    if (f != FAILURE_NONE) {
        if (*e.text)
            log_warning("sign-in %s: %s", x->id, e.text);
        exchange_fail(x, f, f == FAILURE_STATE ? NULL : e.text);
    } else if (!has_use(x, who)) {
        no_role(x, who);
    } else {
        enter(x, who, json_str(pre, "t", "/"));
    }
    identity_free(who);
}

void signin_link(struct exchange *x) {
    struct config *conf = &x->a->conf;
    char sid[33], path[400], sub[280];
    uint8_t raw[16];
    if (!x->a->links) {
        exchange_fail(x, FAILURE_NOT_CONFIGURED, NULL);
        return;
    }
    if (!links_use(x->a->links, query_get(&x->query, "token", ""))) {
        exchange_fail(x, FAILURE_LINK, NULL);
        return;
    }
    snprintf(path, sizeof path, "%s/authd/link", conf->run);
    unlink(path);
    random_bytes(raw, sizeof raw);
    hex_encode(raw, sizeof raw, sid);
    snprintf(sub, sizeof sub, "dev:%.200s", conf->dev_user);
    struct identity *who = identity_new(sub, sid, conf->dev_user, conf->developer_roles);
    if (!who) {
        exchange_fail(x, FAILURE_LINK, "No memory.");
        return;
    }
    who->development = true;
    who->login = strdup(conf->dev_user);
    who->issued_ms = (int64_t)clock_wall_ms();
    who->auth_time = who->issued_ms / 1000;
    who->exp = who->auth_time + DEVELOPMENT_S;
    enter(x, who, "/");
    identity_free(who);
}

/* ---- staying and leaving --------------------------------------------------------------------- */

static void refreshed(struct exchange *x, struct identity *fresh) {
    struct err e = { 0 };
    if (exchange_sign_in(x, fresh, &e)) {
        exchange_fail(x, FAILURE_TOKEN, e.text);
        return;
    }
    identity_free(x->who);
    x->who = fresh;
    live_refreshed(x->a, fresh);
    api_me(x);
}

void signin_refresh(struct exchange *x) {
    struct identity *fresh = NULL;
    struct err e = { 0 };
    if (x->who->development || !x->a->oidc) {
        if (x->nobody == FAILURE_EXPIRED)
            exchange_fail(x, FAILURE_EXPIRED, NULL);
        else
            api_me(x);
        return;
    }
    enum failure f = oidc_refresh(x->a->oidc, x->http, x->who, &fresh, &e);
    if (f == FAILURE_NONE) {
        refreshed(x, fresh);
        if (x->who != fresh)
            identity_free(fresh);
        return;
    }
    log_info("refresh %s of %s: %s", x->id, x->who->sub, e.text);
    /* Claims that still hold stay: the page tells that they end, nothing is cut off. The cookie is
     * left alone, since another tab may just have put a newer one in its place. */
    if (f == FAILURE_REFUSED && x->nobody == FAILURE_NONE) {
        secret_wipe(x->who->refresh, x->who->refresh ? strlen(x->who->refresh) : 0);
        free(steal_ptr(x->who->refresh));
        api_me(x);
        return;
    }
    if (f == FAILURE_REFUSED)
        exchange_set_cookie(x, EXCHANGE_COOKIE, NULL, 0);
    exchange_fail(x, f == FAILURE_REFUSED ? FAILURE_EXPIRED : f, NULL);
}

void signin_logout(struct exchange *x) {
    struct err e = { 0 };
    struct buf url;
    int64_t now = (int64_t)clock_wall_ms();
    const struct lock want = { .sid = x->who->sid,
                               .reason = (char *)(uintptr_t) "The person signed out.",
                               .before = now,
                               .until = now + EXCHANGE_COOKIE_S * 1000LL };
    if (locks_add(x->a->locks, NULL, &want, NULL, &e) != RESOURCES_OK) {
        exchange_error(x, 503, "You could not be signed out.", "Try again in a moment.", NULL);
        log_error("sign-out %s: %s", x->id, e.text);
        return;
    }
    buf_init(&url, 4096);
    if (x->a->oidc && !x->who->development &&
        oidc_sign_out(x->a->oidc, x->http, x->who, &url, &e) != FAILURE_NONE)
        log_warning("sign-out %s: %s", x->id, e.text);
    audit(x, AUDIT_SIGN_OUT, x->who, "signed out");
    exchange_set_cookie(x, EXCHANGE_COOKIE, NULL, 0);
    exchange_json(x, 200, json_pack("{s:s}", "to", url.len ? buf_str(&url) : "/"));
    buf_fini(&url);
}

void signin_methods(struct exchange *x) {
    exchange_json(x, 200,
                  json_pack("{s:b, s:b}", "oidc", x->a->oidc != NULL, "link", x->a->links != NULL));
}
