/* Whom a cluster sees, and what people may choose. */
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/proto/status.h"
#include "proxy/authd/pods.h"
#include "proxy/authd/usertoken.h"
#include "crd/connection.h"
#include "tests/unit/unit.h"

static struct config conf = { .impersonate_prefix = (char *)(uintptr_t) "oidc:",
                              .impersonate_claim = (char *)(uintptr_t) "preferred_username" };

START_TEST(names_carry_the_prefix) {
    struct err e = { 0 };
    char user[64];
    json_t *groups = NULL;
    json_t *roles = json_pack("[s,s,s,s]", "operator", "system:masters", "a,b", "");
    struct identity *who = identity_new("u-1", "sid", "Olga O.", roles);
    json_array_append_new(who->groups, json_string("team"));
    json_array_append_new(who->groups, json_string("operator"));
    ck_assert_int_eq(pods_person(&conf, who, user, sizeof user, &groups, &e), 0);
    ck_assert_str_eq(user, "oidc:u-1"); /* no login is known */
    ck_assert_int_eq(json_array_size(groups), 3);
    ck_assert(json_has_string(groups, "oidc:operator") && json_has_string(groups, "oidc:team"));
    ck_assert(json_has_string(groups, "oidc:system:masters"));
    json_decref(groups);
    who->login = strdup("olga");
    ck_assert_int_eq(pods_person(&conf, who, user, sizeof user, &groups, &e), 0);
    ck_assert_str_eq(user, "oidc:olga");
    json_decref(groups);
    free(who->login);
    who->login = strdup("ol\nga");
    groups = NULL;
    ck_assert_int_eq(pods_person(&conf, who, user, sizeof user, &groups, &e), -1);
    ck_assert_int_eq(e.status, STATUS_CLIENT_FORBIDDEN);
    identity_free(who);
    json_decref(roles);
}
END_TEST

START_TEST(prefixes) {
    struct err e = { 0 };
    ck_assert_int_eq(pods_prefix_check("oidc:", &e), 0);
    static const char *const bad[] = { "", "system:", "system:x", "a b", "a,b", "a\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(pods_prefix_check(bad[i], &e), -1);
    ck_assert_int_eq(pods_prefix_check(NULL, &e), -1);
}
END_TEST

START_TEST(choices) {
    struct connection c = { 0 };
    struct err e = { 0 };
    c.kubernetes.choose = json_pack("[s]", "pod");
    struct pods_choice nothing = { 0 }, pod = { .pod = "p" },
                       both = { .pod = "p", .container = "c" };
    ck_assert_int_eq(pods_choice_check(&c, &pod, &e), 0);
    ck_assert_int_eq(pods_choice_check(&c, &nothing, &e), -1);
    ck_assert(strstr(e.text, "Choose one"));
    ck_assert_int_eq(pods_choice_check(&c, &both, &e), -1);
    ck_assert(strstr(e.text, "container"));
    c.kubernetes.selector = (char *)(uintptr_t) "a=b";
    ck_assert_int_eq(pods_choice_check(&c, &nothing, &e), 0);
    json_decref(c.kubernetes.choose);
}
END_TEST

START_TEST(servers) {
    struct err e = { 0 };
    struct config_url u;
    unsetenv("KUBERNETES_SERVICE_HOST");
    ck_assert_int_eq(pods_server(&conf, &u, &e), -1);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    ck_assert_int_eq(pods_server(&conf, &u, &e), 0);
    ck_assert_str_eq(u.host, "fd00::1");
    struct config plain = conf;
    plain.cluster_server = (char *)(uintptr_t) "http://10.0.0.1:8080";
    ck_assert_int_eq(pods_server(&plain, &u, &e), -1);
}
END_TEST

START_TEST(own_tokens_go_where_they_may) {
    struct usertoken_server s;
    struct err e = { 0 };
    ck_assert_int_eq(usertoken_parse("https://Api.Example:6443=/etc/ca.crt", &s, &e), 0);
    ck_assert_str_eq(s.url.host, "api.example");
    ck_assert_uint_eq(s.url.port, 6443);
    ck_assert_str_eq(s.ca, "/etc/ca.crt");
    ck_assert_int_eq(usertoken_parse("https://[fd00::1]/", &s, &e), 0);
    ck_assert_uint_eq(s.url.port, 443);
    ck_assert_str_eq(s.ca, "");
    static const char *const bad[] = {
        "http://a:1",  "a:6443", "https://a/path", "https://u@a", "https://a=ca.crt",
        "https://a:0", ""
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(usertoken_parse(bad[i], &s, &e) == -1, "%s", bad[i]);

    struct config c = conf;
    struct connection to = { .hostname = (char *)(uintptr_t) "API.example", .port = 6443 };
    e = (struct err){ 0 };
    ck_assert_int_eq(usertoken_server(&c, &to, &s, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "user-token-servers"));
    ck_assert_int_eq(e.status, STATUS_CLIENT_FORBIDDEN);
    c.user_token_servers = (char *)(uintptr_t) "https://other:6443 https://api.example:6443=/ca";
    ck_assert_int_eq(usertoken_server(&c, &to, &s, &e), 0);
    ck_assert_str_eq(s.ca, "/ca");
    to.port = 6444;
    ck_assert_int_eq(usertoken_server(&c, &to, &s, &e), -1);
    to = (struct connection){ 0 }; /* the cluster we run in */
    unsetenv("KUBERNETES_SERVICE_HOST");
    ck_assert_int_eq(usertoken_server(&c, &to, &s, &e), -1);
    c.cluster_server = (char *)(uintptr_t) "https://other:6443";
    ck_assert_int_eq(usertoken_server(&c, &to, &s, &e), 0);
    c.user_token_servers = (char *)(uintptr_t) "https://other:6443 nonsense";
    to = (struct connection){ .hostname = (char *)(uintptr_t) "none", .port = 1 };
    ck_assert_int_eq(usertoken_server(&c, &to, &s, &e), -1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("authd/pods");
    TCase *c = tcase_create("kube");
    tcase_add_test(c, names_carry_the_prefix);
    tcase_add_test(c, prefixes);
    tcase_add_test(c, choices);
    tcase_add_test(c, servers);
    tcase_add_test(c, own_tokens_go_where_they_may);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
