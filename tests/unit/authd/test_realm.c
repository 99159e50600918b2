/* What the gateway's client in Keycloak has to be, and what is changed in one that is there. */
#include <string.h>

#include "guacd/base/json.h"
#include "proxy/authd/realm.h"
#include "tests/unit/unit.h"

static json_t *wanted(const char *origin) {
    struct config conf = { .oidc_client = (char[]){ "gateway" } };
    struct err e = { 0 };
    snprintf(conf.origin, sizeof conf.origin, "%s", origin);
    return realm_client(&conf, "s3cret", &e);
}

START_TEST(a_client_signs_in_by_code_only) {
    _json_ json_t *o = wanted("https://access.example");
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(json_str(o, "clientId", ""), "gateway");
    ck_assert_str_eq(json_str(o, "secret", ""), "s3cret");
    static const char *const off[] = { "publicClient", "implicitFlowEnabled",
                                       "directAccessGrantsEnabled", "serviceAccountsEnabled" };
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        ck_assert(!json_flag(o, off[i], true));
    ck_assert(json_flag(o, "standardFlowEnabled", false));
    const json_t *redirects = json_object_get(o, "redirectUris");
    ck_assert_uint_eq(json_array_size(redirects), 1);
    ck_assert_str_eq(json_string_value(json_array_get(redirects, 0)),
                     "https://access.example/auth/callback");
    ck_assert_uint_eq(json_array_size(json_object_get(o, "webOrigins")), 0);
    const json_t *more = json_object_get(o, "attributes");
    ck_assert_str_eq(json_str(more, "pkce.code.challenge.method", ""), "S256");
    ck_assert_str_eq(json_str(more, "backchannel.logout.url", ""),
                     "https://access.example/auth/backchannel");
}
END_TEST

START_TEST(what_is_right_stays_what_is_wrong_is_mended) {
    _json_ json_t *o = wanted("https://access.example"), *have = json_deep_copy(o);
    json_object_set_new(have, "id", json_string("7"));
    json_object_set_new(have, "description", json_string("theirs"));
    json_object_set_new(json_object_get(have, "attributes"), "theirs", json_string("too"));
    ck_assert_uint_eq(realm_merge(have, o), 0);

    json_object_set_new(have, "publicClient", json_true());
    json_array_append_new(json_object_get(have, "redirectUris"),
                          json_string("https://evil.example/*"));
    json_object_set_new(json_object_get(have, "attributes"), "pkce.code.challenge.method",
                        json_string("plain"));
    json_object_del(have, "secret");
    ck_assert_uint_eq(realm_merge(have, o), 4);
    ck_assert_uint_eq(realm_merge(have, o), 0);
    ck_assert(!json_flag(have, "publicClient", true));
    ck_assert_uint_eq(json_array_size(json_object_get(have, "redirectUris")), 1);
    ck_assert_str_eq(json_str(have, "description", ""), "theirs");
    ck_assert_str_eq(json_str(json_object_get(have, "attributes"), "theirs", ""), "too");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("realm");
    TCase *t = tcase_create("all");
    tcase_add_test(t, a_client_signs_in_by_code_only);
    tcase_add_test(t, what_is_right_stays_what_is_wrong_is_mended);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
