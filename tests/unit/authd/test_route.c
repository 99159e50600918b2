/* Every route against every kind of caller, without a network: who gets as far as the handler. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "proxy/authd/limits.h"
#include "proxy/authd/record.h"
#include "proxy/authd/route.h"
#include "proxy/authd/used.h"
#include "tests/unit/unit.h"

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static struct authd a;
static char dir[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void on_change(void *arg) {
    (void)arg;
}

static bool trust(void *arg, unsigned uid) {
    (void)arg;
    return uid == geteuid();
}

static void setup(void) {
    struct err e = { 0 };
    char path[128];
    log_init("test", LOG_LEVEL_ERROR);
    snprintf(dir, sizeof dir, "/tmp/authd-route-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    a = (struct authd){ .conf = { .run = dir, .gateway_name = strdup("g"), .show_refused = true } };
    snprintf(a.conf.origin, sizeof a.conf.origin, "http://127.0.0.1:8080");
    a.conf.auditors = json_pack("[s]", "auditor");
    a.conf.operators = json_array();
    a.conf.moderators = json_array();
    a.policy.auditor_roles = a.conf.auditors;
    a.policy.operator_roles = a.conf.operators;
    pthread_rwlock_init(&a.keys_lock, NULL);
    a.keys = cookie_keys_parse(KEY, strlen(KEY), &e);
    snprintf(path, sizeof path, "%s/resources", dir);
    a.resources = resources_folder_new(path, &e);
    a.locks = a.resources ? locks_new(a.resources, "guacamole", &e) : NULL;
    a.audit = audit_new(NULL, "g", &e);
    a.catalog = catalog_folder_new(dir, &e);
    a.sessions = sessions_new(dir, on_change, trust, NULL, &e);
    a.used = used_new();
    a.limits = limits_new(&a.conf);
    a.replays = used_new();
    ck_assert_msg(a.keys && a.locks && a.audit && a.catalog && a.sessions, "%s", e.text);
}

static void teardown(void) {
    sessions_free(a.sessions);
    catalog_free(a.catalog);
    audit_free(a.audit);
    locks_free(a.locks);
    resources_free(a.resources);
    used_free(a.used);
    limits_free(a.limits);
    used_free(a.replays);
    cookie_keys_free(a.keys);
    json_decref(a.conf.auditors);
    json_decref(a.conf.operators);
    json_decref(a.conf.moderators);
    free(a.conf.gateway_name);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

enum caller { NOBODY, STALE, SIGNED_OUT, OPERATOR, AUDITOR, OTHER_KEYS, PRELOGIN };

/* "guac=<sealed>"; csrf gets the token. */
static void cookie_of(enum caller who, char *out, size_t size, char *csrf) {
    struct err e = { 0 };
    struct buf b;
    int64_t now = (int64_t)clock_wall_ms();
    _json_ json_t *roles = json_pack("[s]", who == AUDITOR ? "auditor" : "ops");
    struct identity *i = identity_new("u", "sid-1", "U", roles);
    i->issued_ms = who == SIGNED_OUT ? now - 1000 : now;
    i->exp = now / 1000 + (who == STALE ? -1 : 60);
    i->development = true;
    _json_ json_t *content = identity_write(i);
    const char *other = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
    struct cookie_keys *k = cookie_keys_parse(who == OTHER_KEYS ? other : KEY, strlen(KEY), &e);
    buf_init(&b, COOKIE_TEXT_MAX + 1);
    ck_assert_int_eq(
        cookie_seal(k, who == PRELOGIN ? COOKIE_PRELOGIN : COOKIE_SESSION, content, &b, &e), 0);
    snprintf(out, size, "x=1; guac=%s", buf_str(&b));
    cookie_csrf(k, "sid-1", csrf);
    if (who == SIGNED_OUT)
        ck_assert_int_eq(locks_add(a.locks, NULL,
                                   &(struct lock){ .sid = (char *)(uintptr_t) "sid-1",
                                                   .reason = (char *)(uintptr_t) "out",
                                                   .before = now - 500 },
                                   NULL, &e),
                         RESOURCES_OK);
    buf_fini(&b);
    cookie_keys_free(k);
    identity_free(i);
}

/* The answer's status; *rule gets what a refusal names. */
static int ask(const char *method, const char *path, enum caller who, char rule[64]) {
    struct exchange x;
    struct err e = { 0 };
    char cookie[COOKIE_TEXT_MAX + 64] = "", csrf[COOKIE_CSRF_LEN + 1] = "";
    if (who != NOBODY)
        cookie_of(who, cookie, sizeof cookie, csrf);
    _json_ json_t *msg =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "method", method, "path", path,
                  "query", "", "peer", "192.0.2.1", "headers", "cookie", cookie, "origin",
                  "http://127.0.0.1:8080", "x-csrf", csrf);
    ck_assert_int_eq(exchange_init(&x, &a, NULL, msg, &e), 0);
    route_run(&x);
    int status = x.status;
    _json_ json_t *body = x.text.len ? json_parse(x.text.data, x.text.len, 1 << 20, &e) : NULL;
    snprintf(rule, 64, "%s", json_str(body, "rule", ""));
    exchange_fini(&x);
    return status;
}

static const struct {
    const char *method, *path;
    int want[7]; /* by enum caller */
} table[] = {
    { "GET", "/auth/methods", { 200, 200, 200, 200, 200, 200, 200 } },
    { "GET", "/auth/login", { 404, 404, 404, 404, 404, 404, 404 } }, /* not configured here */
    { "GET", "/auth/callback", { 404, 404, 404, 404, 404, 404, 404 } },
    { "GET", "/auth/link", { 404, 404, 404, 404, 404, 404, 404 } },
    { "POST", "/auth/refresh", { 401, 401, 401, 200, 200, 401, 401 } },
    { "POST", "/auth/logout", { 401, 200, 401, 200, 200, 401, 401 } },
    { "GET", "/api/me", { 401, 401, 401, 200, 200, 401, 401 } },
    { "GET", "/api/connections", { 401, 401, 401, 200, 200, 401, 401 } },
    { "GET", "/api/sessions", { 401, 401, 401, 200, 200, 401, 401 } },
    { "POST", "/api/sessions/" ID "/end", { 401, 401, 401, 404, 404, 401, 401 } },
    { "GET", "/api/recordings", { 401, 401, 401, 403, 502, 401, 401 } },
    { "GET", "/api/recordings/" ID, { 401, 401, 401, 403, 502, 401, 401 } },
    { "GET",
      "/api/recordings/" ID "/objects/open.dsse.json",
      { 401, 401, 401, 403, 502, 401, 401 } },
};

START_TEST(every_route_every_caller) {
    char rule[64];
    int status = ask(table[_i / 7].method, table[_i / 7].path, (enum caller)(_i % 7), rule);
    ck_assert_msg(status == table[_i / 7].want[_i % 7], "%s %s as %d: %d (%s)",
                  table[_i / 7].method, table[_i / 7].path, _i % 7, status, rule);
}
END_TEST

START_TEST(reasons) {
    char rule[64];
    static const struct {
        enum caller who;
        const char *rule;
    } cases[] = { { NOBODY, "no-cookie" },
                  { STALE, "expired" },
                  { SIGNED_OUT, "signed-out" },
                  { OTHER_KEYS, "cookie" },
                  { PRELOGIN, "cookie" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(ask("GET", "/api/me", cases[i].who, rule), 401);
        ck_assert_str_eq(rule, cases[i].rule);
    }
}
END_TEST

/* Roles beyond what a cookie holds: those that something here asks for stay. */
START_TEST(too_many_roles) {
    struct exchange x;
    struct err e = { 0 };
    _json_ json_t *msg = json_pack("{s:s}", "method", "GET");
    ck_assert_int_eq(exchange_init(&x, &a, NULL, msg, &e), 0);
    json_t *roles = json_array();
    for (int i = 0; i < 200; i++)
        json_array_append_new(roles, json_sprintf("a-rather-long-name-of-a-role-%d", i));
    json_array_append_new(roles, json_string("auditor"));
    struct identity *i = identity_new("u", "sid", "U", roles);
    json_decref(roles);
    i->exp = 9999999999;
    i->refresh = strdup("r");
    ck_assert_msg(exchange_sign_in(&x, i, &e) == 0, "%s", e.text);
    ck_assert_uint_eq(json_array_size(i->roles), 1);
    ck_assert_ptr_nonnull(i->refresh);
    ck_assert_uint_eq(json_array_size(x.headers), 1);
    identity_free(i);
    exchange_fini(&x);
    /* a refresh token that fits in no cookie is left out, the sign-in counts */
    ck_assert_int_eq(exchange_init(&x, &a, NULL, msg, &e), 0);
    _json_ json_t *one = json_pack("[s]", "auditor");
    char big[2500];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    i = identity_new("u", "sid", "U", one);
    i->refresh = strdup(big);
    ck_assert_msg(exchange_sign_in(&x, i, &e) == 0, "%s", e.text);
    ck_assert_ptr_null(i->refresh);
    identity_free(i);
    exchange_fini(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("route");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_route_every_caller, 0, (int)ARRAY_LEN(table) * 7);
    tcase_add_test(t, reasons);
    tcase_add_test(t, too_many_roles);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
