/* Sealed cookies: what was sealed comes back, nothing else does. */
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "proxy/authd/cookie.h"
#include "proxy/authd/identity.h"
#include "tests/unit/unit.h"

#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"

static struct cookie_keys *keys(const char *text) {
    struct err e = { 0 };
    struct cookie_keys *k = cookie_keys_parse(text, strlen(text), &e);
    ck_assert_msg(k != NULL, "%s", e.text);
    return k;
}

static void seal(const struct cookie_keys *k, const char *purpose, struct buf *out) {
    struct err e = { 0 };
    _json_ json_t *o = json_pack("{s:s, s:i}", "s", "somebody", "n", 7);
    buf_init(out, COOKIE_TEXT_MAX + 1);
    ck_assert_msg(cookie_seal(k, purpose, o, out, &e) == 0, "%s", e.text);
}

static bool opens(const struct cookie_keys *k, const char *purpose, const char *text, size_t len) {
    struct err e = { 0 };
    json_t *o = cookie_open(k, purpose, text, len, &e);
    bool ok = o && strcmp(json_str(o, "s", ""), "somebody") == 0;
    ck_assert_msg(o || *e.text, "no sentence");
    json_decref(o);
    return ok;
}

START_TEST(round_trip) {
    struct cookie_keys *k = keys(KEY_A);
    struct buf one, two;
    seal(k, COOKIE_SESSION, &one);
    seal(k, COOKIE_SESSION, &two);
    ck_assert(opens(k, COOKIE_SESSION, one.data, one.len));
    ck_assert(one.len != two.len || memcmp(one.data, two.data, one.len) != 0); /* nonces */
    for (size_t i = 0; i < one.len; i++)
        ck_assert_ptr_nonnull(strchr(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", one.data[i]));
    buf_fini(&one);
    buf_fini(&two);
    cookie_keys_free(k);
}
END_TEST

START_TEST(tampered) {
    struct cookie_keys *k = keys(KEY_A);
    struct buf b;
    seal(k, COOKIE_SESSION, &b);
    for (size_t i = 0; i < b.len; i++) {
        char was = b.data[i];
        /* the last character's unused bits must be zero as well */
        for (const char *c = "A_x"; *c; c++) {
            b.data[i] = *c;
            if (*c != was)
                ck_assert_msg(!opens(k, COOKIE_SESSION, b.data, b.len), "at %zu", i);
        }
        b.data[i] = was;
    }
    for (size_t n = 0; n < b.len; n++)
        ck_assert(!opens(k, COOKIE_SESSION, b.data, n));
    buf_fini(&b);
    cookie_keys_free(k);
}
END_TEST

START_TEST(purpose) {
    struct cookie_keys *k = keys(KEY_A);
    struct buf b;
    seal(k, COOKIE_PRELOGIN, &b);
    ck_assert(opens(k, COOKIE_PRELOGIN, b.data, b.len));
    ck_assert(!opens(k, COOKIE_SESSION, b.data, b.len));
    buf_fini(&b);
    cookie_keys_free(k);
}
END_TEST

START_TEST(rotation) {
    struct cookie_keys *old = keys(KEY_A), *both = keys("# the new one\n" KEY_B "\n" KEY_A),
                       *fresh = keys(KEY_B);
    struct buf a, b;
    char csrf[COOKIE_CSRF_LEN + 1];
    seal(old, COOKIE_SESSION, &a);
    seal(both, COOKIE_SESSION, &b);
    ck_assert(opens(both, COOKIE_SESSION, a.data, a.len));
    ck_assert(opens(fresh, COOKIE_SESSION, b.data, b.len));
    ck_assert(!opens(fresh, COOKIE_SESSION, a.data, a.len));
    ck_assert(!opens(old, COOKIE_SESSION, b.data, b.len));
    cookie_csrf(old, "sid", csrf);
    ck_assert(cookie_csrf_check(both, "sid", csrf));
    ck_assert(!cookie_csrf_check(fresh, "sid", csrf));
    buf_fini(&a);
    buf_fini(&b);
    cookie_keys_free(old);
    cookie_keys_free(both);
    cookie_keys_free(fresh);
}
END_TEST

START_TEST(csrf) {
    struct cookie_keys *k = keys(KEY_A);
    char one[COOKIE_CSRF_LEN + 1], two[COOKIE_CSRF_LEN + 1];
    cookie_csrf(k, "sid-1", one);
    cookie_csrf(k, "sid-2", two);
    ck_assert_uint_eq(strlen(one), COOKIE_CSRF_LEN);
    ck_assert_str_ne(one, two);
    ck_assert(cookie_csrf_check(k, "sid-1", one));
    ck_assert(!cookie_csrf_check(k, "sid-1", two));
    ck_assert(!cookie_csrf_check(k, "sid-1", NULL));
    ck_assert(!cookie_csrf_check(k, "sid-1", ""));
    one[5] ^= 1;
    ck_assert(!cookie_csrf_check(k, "sid-1", one));
    cookie_keys_free(k);
}
END_TEST

START_TEST(too_large) {
    struct cookie_keys *k = keys(KEY_A);
    struct err e = { 0 };
    struct buf b;
    char big[COOKIE_TEXT_MAX];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (size_t n = 2200; n < 2300; n++) {
        _json_ json_t *o = json_pack("{s:s#}", "s", big, n);
        buf_init(&b, COOKIE_TEXT_MAX + 1);
        if (cookie_seal(k, COOKIE_SESSION, o, &b, &e) == 0)
            ck_assert_uint_le(b.len, COOKIE_TEXT_MAX);
        buf_fini(&b);
    }
    _json_ json_t *o = json_pack("{s:s}", "s", big);
    buf_init(&b, COOKIE_TEXT_MAX + 1);
    ck_assert_int_eq(cookie_seal(k, COOKIE_SESSION, o, &b, &e), -1);
    buf_fini(&b);
    cookie_keys_free(k);
}
END_TEST

START_TEST(key_files) {
    static const char *const bad[] = { "",
                                       "# only words\n",
                                       "short\n",
                                       KEY_A "x\n",
                                       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
                                       KEY_A KEY_A KEY_A KEY_A KEY_A KEY_A KEY_A KEY_A KEY_A };
    struct err e = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_ptr_null(cookie_keys_parse(bad[i], strlen(bad[i]), &e));
    char path[] = "/tmp/cookie-keys-XXXXXX";
    close(mkstemp(path));
    ck_assert_int_eq(cookie_keys_create(path, &e), -1); /* never over an old one */
    unlink(path);
    ck_assert_int_eq(cookie_keys_create(path, &e), 0);
    struct cookie_keys *k = cookie_keys_read(path, &e);
    ck_assert_ptr_nonnull(k);
    cookie_keys_free(k);
    unlink(path);
}
END_TEST

static void found(const char *header, const char *name, const char *want) {
    struct slice s = cookie_find(header, strlen(header), name);
    if (!want)
        ck_assert_msg(!s.data, "found in '%s'", header);
    else
        ck_assert_msg(s.data && slice_is(s, want), "not '%s' in '%s'", want, header);
}

START_TEST(headers) {
    found("guac=abc", "guac", "abc");
    found("a=1; guac=abc; b=2", "guac", "abc");
    found("a=1;guac=abc ;b=2", "guac", "abc");
    found("xguac=1; guac2=2", "guac", NULL);
    found("guac", "guac", NULL);
    found("guac=", "guac", "");
    found("", "guac", NULL);
    found(";;;", "guac", NULL);
    found("__Host-guac=a; guac=b", "guac", "b");
    found("guac=a; guac=b", "guac", NULL); /* tossed */
    found("guac=a=b==", "guac", "a=b==");
    struct buf b;
    buf_init(&b, 512);
    cookie_format(&b, "guac", "v", true, 60);
    ck_assert_str_eq(buf_str(&b),
                     "__Host-guac=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
    buf_clear(&b);
    cookie_format(&b, "guac", NULL, false, 60);
    ck_assert_str_eq(buf_str(&b), "guac=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    buf_fini(&b);
}
END_TEST

START_TEST(identities) {
    struct err e = { 0 };
    _json_ json_t *roles = json_pack("[s, s]", "a", "b");
    struct identity *i = identity_new("sub", "sid", "Näme", roles);
    i->refresh = strdup("r.r.r");
    i->acr = strdup("1");
    i->exp = 1234;
    i->issued_ms = 99;
    _json_ json_t *o = identity_write(i);
    struct identity *j = identity_read(o, &e);
    ck_assert_ptr_nonnull(j);
    ck_assert_str_eq(j->sub, "sub");
    ck_assert_str_eq(j->name, "Näme");
    ck_assert_str_eq(j->refresh, "r.r.r");
    ck_assert_int_eq(j->exp, 1234);
    ck_assert(!j->development);
    ck_assert(!j->id_token_sha256);
    _json_ json_t *want = json_pack("[s, s]", "x", "b");
    ck_assert_str_eq(identity_first_of(j, want), "b");
    _json_ json_t *none = json_pack("[s]", "x");
    ck_assert(!identity_has_any(j, none));
    ck_assert(!identity_has_any(j, NULL));
    identity_free(i);
    identity_free(j);
    static const char *const parts[] = { "s", "i", "r", "e" };
    for (size_t n = 0; n < 4; n++) {
        _json_ json_t *less = json_copy(o);
        json_object_del(less, parts[n]);
        ck_assert_ptr_null(identity_read(less, &e));
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cookie");
    TCase *t = tcase_create("all");
    tcase_add_test(t, round_trip);
    tcase_add_test(t, tampered);
    tcase_add_test(t, purpose);
    tcase_add_test(t, rotation);
    tcase_add_test(t, csrf);
    tcase_add_test(t, too_large);
    tcase_add_test(t, key_files);
    tcase_add_test(t, headers);
    tcase_add_test(t, identities);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
