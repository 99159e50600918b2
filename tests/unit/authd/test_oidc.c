/* Discovery, URLs, claims to identity, configuration, and the pages' escaping. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "proxy/authd/oidc.h"
#include "proxy/authd/page.h"
#include "tests/unit/unit.h"

#define ISS "https://sso.example/realms/catalyst"

static int discover(const char *issuer, const char *text, struct oidc_endpoints *ep) {
    struct err e = { 0 };
    int rc = oidc_discovery(text, strlen(text), issuer, ep, &e);
    ck_assert(rc == 0 || *e.text);
    return rc;
}

START_TEST(discovery) {
    struct oidc_endpoints ep;
    ck_assert_int_eq(
        discover(
            ISS,
            "{\"issuer\":\"" ISS "\",\"authorization_endpoint\":\"https://sso.example/a\","
            "\"token_endpoint\":\"https://sso.example/t\",\"jwks_uri\":\"https://sso.example/j\","
            "\"end_session_endpoint\":\"https://sso.example/e\"}",
            &ep),
        0);
    ck_assert_str_eq(ep.token, "https://sso.example/t");
    ck_assert_str_eq(ep.end_session, "https://sso.example/e");
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"issuer\":\"" ISS "\"}",
        /* another issuer */
        "{\"issuer\":\"https://evil\",\"authorization_endpoint\":\"https://s/a\","
        "\"token_endpoint\":\"https://s/t\",\"jwks_uri\":\"https://s/j\"}",
        /* down to http */
        "{\"issuer\":\"" ISS "\",\"authorization_endpoint\":\"https://s/a\","
        "\"token_endpoint\":\"http://s/t\",\"jwks_uri\":\"https://s/j\"}",
        "{\"issuer\":\"" ISS "\",\"authorization_endpoint\":\"file:///etc/passwd\","
        "\"token_endpoint\":\"https://s/t\",\"jwks_uri\":\"https://s/j\"}",
        "{\"issuer\":\"" ISS "\",\"authorization_endpoint\":\"https://user@s/a\","
        "\"token_endpoint\":\"https://s/t\",\"jwks_uri\":\"https://s/j\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(discover(ISS, bad[i], &ep) == -1, "%s", bad[i]);
    ck_assert_int_eq(
        discover("http://127.0.0.1:1/r",
                 "{\"issuer\":\"http://127.0.0.1:1/r\",\"authorization_endpoint\":"
                 "\"http://127.0.0.1:1/a\",\"token_endpoint\":\"http://127.0.0.1:1/t\","
                 "\"jwks_uri\":\"http://127.0.0.1:1/j\"}",
                 &ep),
        0);
    ck_assert_str_eq(ep.end_session, "");
}
END_TEST

START_TEST(urls) {
    static const struct {
        const char *text, *host;
        unsigned port; /* 0: refused */
    } cases[] = {
        { "https://a.example", "a.example", 443 },
        { "http://127.0.0.1:8080/x?y", "127.0.0.1", 8080 },
        { "https://[::1]:8443/", "::1", 8443 },
        { "https://[fd00::1]", "fd00::1", 443 },
        { "HTTPS://a", NULL, 0 },
        { "ftp://a", NULL, 0 },
        { "https://", NULL, 0 },
        { "https:///x", NULL, 0 },
        { "https://a:0", NULL, 0 },
        { "https://a:70000", NULL, 0 },
        { "https://a:+80", NULL, 0 },
        { "https://a:80x/", NULL, 0 },
        { "https://a:", NULL, 0 },
        { "https://u:p@a/", NULL, 0 },
        { "https://a b/", NULL, 0 },
        { "https://[::1", NULL, 0 },
        { "https://[::1]x", NULL, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config_url u;
        struct err e = { 0 };
        int rc = config_url(cases[i].text, &u, &e);
        ck_assert_msg((rc == 0) == (cases[i].port != 0), "%s", cases[i].text);
        if (rc == 0) {
            ck_assert_str_eq(u.host, cases[i].host);
            ck_assert_uint_eq(u.port, cases[i].port);
        }
    }
    ck_assert(config_is_loopback("127.9.9.9"));
    ck_assert(config_is_loopback("localhost"));
    ck_assert(config_is_loopback("::1"));
    ck_assert(!config_is_loopback("10.0.0.1"));
    ck_assert(!config_is_loopback("localhost.evil.example"));
    ck_assert(!config_is_loopback("127.0.0.1.evil.example"));
}
END_TEST

/* Rows as a file would give them. */
static int configure(struct config *c, const char *more, struct err *e) {
    char text[2048];
    char *argv[] = { (char *)(uintptr_t) "guac-authd", (char *)(uintptr_t) "--config", NULL, NULL };
    char path[] = "/tmp/authd-conf-XXXXXX";
    int fd = mkstemp(path);
    int n = snprintf(text, sizeof text, "cookie-keys = /k\ngateway-key = /g\n%s", more);
    ck_assert_int_eq(write(fd, text, (size_t)n), n);
    close(fd);
    argv[2] = path;
    *c = (struct config){ 0 };
    enum conf_result r = conf_load(&config_table, c, 3, argv, NULL, NULL, e);
    unlink(path);
    return r == CONF_OK ? config_derive(c, e) : -1;
}

START_TEST(configuration) {
    static const struct {
        const char *text, *error; /* NULL: good */
    } cases[] = {
        { "public-url = https://gw.example\noidc-issuer = https://sso/r", NULL },
        { "public-url = https://gw.example/\noidc-issuer = https://sso/r", NULL },
        { "public-url = http://127.0.0.1:8080\ndev-link = yes", NULL },
        { "public-url = https://gw.example", "nobody could sign in" },
        { "public-url = https://gw.example/guac\noidc-issuer = https://sso/r", "at the top" },
        { "public-url = http://gw.example\noidc-issuer = https://sso/r", "loopback only" },
        { "public-url = https://127.0.0.1\ndev-link = yes", "dev-link" },
        { "public-url = http://10.0.0.1\ndev-link = yes", "loopback only" },
        { "public-url = https://gw\noidc-issuer = http://sso/r", "loopback only" },
        { "public-url = https://gw\noidc-issuer = http://sso/r\noidc-insecure-http = yes", NULL },
        { "public-url = https://gw\noidc-issuer = https://sso/r\nlog-level = loud", "log-level" },
        { "public-url = https://gw\noidc-issuer = https://sso/r\naddress-allow = 10.0.0.0/99",
          "address" },
        { "public-url = https://gw\noidc-issuer = https://sso/r\ntap-soft-ms = 9000\n"
          "tap-hard-ms = 800",
          "tap-soft" },
        { "public-url = https://gw\noidc-issuer = https://sso/r\ntrusted-uids = no-such-user",
          "no user" },
        { "public-url = https://gw\noidc-isuer = https://sso/r", "oidc-issuer" },
        { "oidc-issuer = https://sso/r", "public-url" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        struct err e = { 0 };
        int rc = configure(&c, cases[i].text, &e);
        ck_assert_msg((rc == 0) == !cases[i].error, "case %zu: %s", i, e.text);
        if (cases[i].error)
            ck_assert_msg(strstr(e.text, cases[i].error) != NULL, "%s", e.text);
        config_fini(&c);
    }
    struct config c;
    struct err e = { 0 };
    ck_assert_int_eq(configure(&c,
                               "public-url = https://[::1]:8443\noidc-issuer = https://s/r\n"
                               "oidc-client = my.app\nauditor-roles = a, b\ntrusted-uids = 0 7",
                               &e),
                     0);
    ck_assert_str_eq(c.origin, "https://[::1]:8443");
    ck_assert(c.secure);
    ck_assert_str_eq(json_string_value(json_array_get(c.role_paths, 1)),
                     "resource_access.my\\.app.roles");
    ck_assert_uint_eq(json_array_size(c.auditors), 2);
    ck_assert_uint_eq(c.uid_count, 2);
    config_fini(&c);
}
END_TEST

static json_t *claims(const char *text) {
    struct err e = { 0 };
    json_t *o = json_parse(text, strlen(text), 65536, &e);
    ck_assert_ptr_nonnull(o);
    return o;
}

START_TEST(identity) {
    struct err e = { 0 };
    struct config c = { .claims_minutes = 15 };
    c.role_paths = json_pack("[s]", "realm_access.roles");
    _json_ json_t *id = claims("{\"sub\":\"u\",\"sid\":\"s-1\",\"name\":\"Olga O\",\"acr\":\"1\","
                               "\"auth_time\":900,\"realm_access\":{\"roles\":[\"ops\"]}}");
    _json_ json_t *access = claims("{\"realm_access\":{\"roles\":[\"more\"]}}");
    struct identity *i = oidc_identity(&c, id, access, "a.b.c", "r.r.r", 1000, &e);
    ck_assert_str_eq(i->name, "Olga O");
    ck_assert_str_eq(i->sid, "s-1");
    ck_assert_int_eq(i->auth_time, 900);
    ck_assert_int_eq(i->exp, 1000 + 900);
    ck_assert_uint_eq(json_array_size(i->roles), 1); /* the ID token's own */
    ck_assert_uint_eq(strlen(i->id_token_sha256), 64);
    identity_free(i);
    /* roles in the access token alone, odd names and ids */
    _json_ json_t *bare = claims("{\"sub\":\"u\",\"sid\":\"a b\\u0001\",\"name\":\"x\\ny\","
                                 "\"preferred_username\":\"olga\"}");
    i = oidc_identity(&c, bare, access, "a.b.c", NULL, 1000, &e);
    ck_assert_str_eq(i->name, "olga");
    ck_assert_uint_eq(strlen(i->sid), 64);
    ck_assert(json_has_string(i->roles, "more"));
    ck_assert_ptr_null(i->refresh);
    identity_free(i);
    /* no sid at all: a random one each time; a refresh token that fits in no cookie is left out */
    _json_ json_t *least = claims("{\"sub\":\"u\"}");
    char big[2000];
    memset(big, 'r', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    i = oidc_identity(&c, least, NULL, "a.b.c", big, 1000, &e);
    struct identity *j = oidc_identity(&c, least, NULL, "a.b.c", NULL, 1000, &e);
    ck_assert_str_ne(i->sid, j->sid);
    ck_assert_str_eq(i->name, "u");
    ck_assert_ptr_null(i->refresh);
    identity_free(i);
    identity_free(j);
    json_decref(c.role_paths);
}
END_TEST

START_TEST(logins) {
    struct oidc_login a, b;
    oidc_login_make(&a);
    oidc_login_make(&b);
    ck_assert_str_ne(a.state, b.state);
    ck_assert_uint_eq(strlen(a.state), 32);
    ck_assert_uint_eq(strlen(a.nonce), 32);
    ck_assert_uint_eq(strlen(a.verifier), 43); /* RFC 7636: 43 at least */
}
END_TEST

START_TEST(pages) {
    struct buf b;
    struct page_link again = { "/auth/login?a=\"x\"", "<Sign in>" }, none = { 0 };
    buf_init(&b, 65536);
    for (int f = FAILURE_NONE; f < FAILURE_COUNT; f++) {
        buf_clear(&b);
        ck_assert_int_eq(
            page_error(&b, (enum failure)f, "<script>alert('x')</script>&", "id-1", again, none),
            0);
        const char *html = buf_str(&b);
        ck_assert_ptr_null(strstr(html, "<script"));
        ck_assert_ptr_null(strstr(html, " style="));
        ck_assert_ptr_null(strstr(html, "<style"));
        ck_assert_ptr_null(strstr(html, "=\"x\""));
        ck_assert_ptr_nonnull(strstr(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"));
        ck_assert_ptr_nonnull(strstr(html, "<link rel=\"stylesheet\" href=\"/error.css\">"));
        ck_assert_ptr_nonnull(strstr(html, "id-1"));
    }
    buf_fini(&b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("oidc");
    TCase *t = tcase_create("all");
    tcase_add_test(t, discovery);
    tcase_add_test(t, urls);
    tcase_add_test(t, configuration);
    tcase_add_test(t, identity);
    tcase_add_test(t, logins);
    tcase_add_test(t, pages);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
