/* Where the proxy listens, as it is written in its configuration. */
#include "proxy/proxy/config.h"

#include <string.h>
#include <sys/socket.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

START_TEST(places) {
    static const struct {
        const char *text, *address;
        int family, port;
    } cases[] = {
        { "127.0.0.1:8080", "127.0.0.1", AF_INET, 8080 },
        { "0.0.0.0:443", "0.0.0.0", AF_INET, 443 },
        { "[::1]:1", "::1", AF_INET6, 1 },
        { "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
          "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", AF_INET6, 65535 },
        { "[::]:80", "::", AF_INET6, 80 },
        { ":8080", "", AF_UNSPEC, 8080 },
        { "8080", "", AF_UNSPEC, 8080 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy_listen l = { 0 };
        struct err e = { 0 };
        ck_assert_msg(proxy_parse_listen(cases[i].text, &l, &e) == 0, "%s", e.text);
        ck_assert_str_eq(l.address, cases[i].address);
        ck_assert_int_eq(l.family, cases[i].family);
        ck_assert_int_eq(l.port, cases[i].port);
    }
}
END_TEST

START_TEST(no_places) {
    static const char *const cases[] = {
        "",
        ":",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        ":+80",
        ": 80",
        "127.0.0.1:80x",
        "localhost:8080",
        "eth0:8080",
        "::1:8080",
        "[]:8080",
        "[127.0.0.1]:8080",
        "127.0.0:8080",
        "[fe80::1%lo]:8080",
        "127.0.0.1 :80",
        "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy_listen l = { .port = 7 };
        struct err e = { 0 };
        ck_assert_msg(proxy_parse_listen(cases[i], &l, &e) < 0, "%s", cases[i]);
        ck_assert_int_eq(l.port, 7);
        ck_assert_ptr_nonnull(strstr(e.text, cases[i]));
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("config");
    TCase *c = tcase_create("listen");
    tcase_add_test(c, places);
    tcase_add_test(c, no_places);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
