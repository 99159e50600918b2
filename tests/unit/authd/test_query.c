/* What comes in a URL: decoded, bounded, clamped. */
#include <stdlib.h>
#include <string.h>

#include "proxy/authd/display.h"
#include "proxy/authd/query.h"
#include "proxy/authd/route.h"
#include "tests/unit/unit.h"

static int parse(const char *text, struct query *q) {
    struct err e = { 0 };
    *q = (struct query){ 0 };
    return query_parse(text, strlen(text), q, &e);
}

START_TEST(items) {
    struct query q;
    ck_assert_int_eq(parse("a=1&b=x%20y+z&c&d=&a=2&%C3%A9=%E2%82%AC&&e=%26%3D", &q), 0);
    ck_assert_str_eq(query_get(&q, "a", "?"), "1");
    ck_assert_str_eq(query_get(&q, "b", "?"), "x y z");
    ck_assert_str_eq(query_get(&q, "c", "?"), "");
    ck_assert_str_eq(query_get(&q, "d", "?"), "");
    ck_assert_str_eq(query_get(&q, "é", "?"), "€");
    ck_assert_str_eq(query_get(&q, "e", "?"), "&=");
    ck_assert_str_eq(query_get(&q, "none", "?"), "?");
    ck_assert_uint_eq(q.count, 7);
    query_fini(&q);
    ck_assert_int_eq(parse("", &q), 0);
    ck_assert_uint_eq(q.count, 0);
    query_fini(&q);
}
END_TEST

START_TEST(bad_items) {
    static const char *const bad[] = { "a=%",   "a=%4",   "a=%zz", "a=%00",      "a=%0a",
                                       "a=%ff", "a=\x01", "%80=1", "a=%ED%A0%80" };
    struct query q;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(parse(bad[i], &q) == -1, "%s", bad[i]);
    char many[1024] = "";
    for (int i = 0; i < QUERY_ITEMS_MAX; i++)
        strcat(many, "a=1&");
    ck_assert_int_eq(parse(many, &q), 0);
    query_fini(&q);
    strcat(many, "a=1");
    ck_assert_int_eq(parse(many, &q), -1);
    char *big = malloc(QUERY_BYTES_MAX + 2);
    memset(big, 'a', QUERY_BYTES_MAX + 1);
    big[QUERY_BYTES_MAX + 1] = '\0';
    ck_assert_int_eq(parse(big, &q), -1);
    free(big);
}
END_TEST

START_TEST(encoding) {
    struct buf b;
    struct query q;
    buf_init(&b, 4096);
    buf_puts(&b, "https://x/?");
    query_add(&b, "redirect_uri", "http://127.0.0.1:8080/a?b=c&d");
    query_add(&b, "ü", "a b+c%");
    ck_assert_str_eq(buf_str(&b),
                     "https://x/?redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fa%3Fb%3Dc%26d"
                     "&%C3%BC=a%20b%2Bc%25");
    ck_assert_int_eq(parse(buf_str(&b) + strlen("https://x/?"), &q), 0);
    ck_assert_str_eq(query_get(&q, "ü", ""), "a b+c%");
    query_fini(&q);
    buf_fini(&b);
}
END_TEST

START_TEST(local_paths) {
    static const char *const good[] = { "/", "/connections", "/replay/x?t=12", "/a//b" };
    static const char *const bad[] = { "",
                                       "connections",
                                       "//evil.example",
                                       "/\\evil.example",
                                       "\\\\evil",
                                       "https://evil.example",
                                       "/a\nb",
                                       "/a\tb",
                                       "/a b",
                                       "/a\\b",
                                       "javascript:alert(1)",
                                       "/auth/logout",
                                       "/auth/login?to=/" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(query_is_local(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!query_is_local(bad[i]), "%s", bad[i]);
    char big[600];
    memset(big, 'a', sizeof big - 1);
    big[0] = '/';
    big[sizeof big - 1] = '\0';
    ck_assert(!query_is_local(big));
}
END_TEST

static int display(const char *text, struct display *d) {
    struct err e = { 0 };
    struct query q;
    ck_assert_msg(parse(text, &q) == 0, "%s", text);
    int rc = display_read(&q, d, &e);
    query_fini(&q);
    return rc;
}

START_TEST(sizes) {
    static const struct {
        const char *query;
        int width, height, dpi;
    } cases[] = {
        { "width=800&height=600&dpi=120", 800, 600, 120 },
        { "", 1024, 768, 96 },
        { "width=0&height=0&dpi=0", 64, 64, -1 },
        { "width=-5&height=-99999999999999999999&dpi=-1", 64, 64, -1 },
        { "width=99999&height=8192&dpi=100000", 8192, 8192, -1 },
        { "width=abc&height=&dpi=x", 1024, 768, 96 },
        { "width=1&height=63", 64, 64, 96 },
        { "GUAC_WIDTH=700&GUAC_HEIGHT=500&GUAC_DPI=96", 700, 500, 96 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256];
        struct display d;
        snprintf(text, sizeof text, "connection=relay/box&%s", cases[i].query);
        ck_assert_int_eq(display(text, &d), 0);
        ck_assert_msg(d.info.width == cases[i].width && d.info.height == cases[i].height,
                      "%s: %dx%d", text, d.info.width, d.info.height);
        if (cases[i].dpi > 0)
            ck_assert_int_eq(d.info.dpi, cases[i].dpi);
        ck_assert_int_ge(d.info.dpi, 1);
        ck_assert_int_le(d.info.dpi, 1200);
    }
}
END_TEST

START_TEST(targets) {
    struct display d;
    ck_assert_int_eq(display("connection=relay/box", &d), 0);
    ck_assert_str_eq(d.namespace, "relay");
    ck_assert_str_eq(d.name, "box");
    ck_assert_int_eq(display("session=01890a5d-ac96-774b-bcce-b302099a8057", &d), 0);
    ck_assert_str_eq(d.session, "01890a5d-ac96-774b-bcce-b302099a8057");
    ck_assert_int_eq(display("GUAC_ID=relay/box&GUAC_TYPE=c", &d), 0);
    ck_assert_str_eq(d.name, "box");
    ck_assert_int_eq(display("GUAC_ID=01890a5d-ac96-774b-bcce-b302099a8057&GUAC_TYPE=a", &d), 0);
    static const char *const bad[] = {
        "",
        "connection=box",
        "connection=/box",
        "connection=relay/",
        "connection=../box",
        "connection=relay/../x",
        "connection=Relay/box",
        "connection=a.b/box",
        "session=1",
        "session=../../etc/passwd",
        "connection=relay/box&session=01890a5d-ac96-774b-bcce-b302099a8057"
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(display(bad[i], &d) == -1, "%s", bad[i]);
}
END_TEST

START_TEST(lists) {
    struct display d;
    ck_assert_int_eq(
        display("connection=a/b&image=image/webp&image=image/png&audio=audio/L16%3Brate%3D44100"
                "&video=a%20b&video=video/h264&timezone=Europe/Berlin&client=guac-web"
                "&feature=text&feature=h264&unknown=1",
                &d),
        0);
    ck_assert_uint_eq(d.info.image.count, 2);
    ck_assert(handshake_has(&d.info.image, "image/webp"));
    ck_assert_uint_eq(d.info.audio.count, 1);
    ck_assert_uint_eq(d.info.video.count, 1);
    ck_assert_str_eq(d.info.timezone, "Europe/Berlin");
    ck_assert_str_eq(d.info.client, "guac-web");
    ck_assert_uint_eq(d.info.features.count, 2);
    ck_assert_int_eq(display("connection=a/b&timezone=../../etc/passwd&client=a%20b", &d), 0);
    ck_assert_str_eq(d.info.timezone, "");
    ck_assert_str_eq(d.info.client, "");
    ck_assert_uint_eq(d.info.image.count, 2); /* PNG and JPEG when it said nothing */
}
END_TEST

START_TEST(routes) {
    char p[EXCHANGE_PARAMS][254];
    ck_assert(route_match("/api/me", "/api/me", p));
    ck_assert(!route_match("/api/me", "/api/me/", p));
    ck_assert(!route_match("/api/me", "/api/m", p));
    ck_assert(!route_match("/api/me", "/api/men", p));
    ck_assert(route_match("/api/sessions/:id/end", "/api/sessions/a%2Fb/end", p));
    ck_assert_str_eq(p[0], "a/b");
    ck_assert(!route_match("/api/sessions/:id/end", "/api/sessions//end", p));
    ck_assert(!route_match("/api/sessions/:id/end", "/api/sessions/a/b/end", p));
    ck_assert(!route_match("/api/sessions/:id/end", "/api/sessions/%00/end", p));
    ck_assert(route_match("/r/:id/objects/:name", "/r/1/objects/x.y", p));
    ck_assert_str_eq(p[1], "x.y");
    ck_assert(!route_match("/r/:id/objects/:name", "/r/1/objects/", p));
    char big[400] = "/r/";
    memset(big + 3, 'a', 300);
    ck_assert(!route_match("/r/:id", big, p));
}
END_TEST

START_TEST(guards) {
    const char *ours = "https://gw.example";
    static const struct {
        enum guard_kind kind;
        const char *origin, *site;
        bool ok;
    } cases[] = {
        { GUARD_NAVIGATION, "https://sso.example", "cross-site", true },
        { GUARD_READ, NULL, NULL, true },
        { GUARD_READ, NULL, "same-origin", true },
        { GUARD_READ, NULL, "none", true },
        { GUARD_READ, NULL, "same-site", false },
        { GUARD_READ, NULL, "cross-site", false },
        { GUARD_READ, "https://gw.example", "same-origin", true },
        { GUARD_READ, "https://evil.example", NULL, false },
        { GUARD_READ, "null", NULL, false },
        { GUARD_CHANGE, NULL, NULL, false },
        { GUARD_CHANGE, NULL, "same-origin", false },
        { GUARD_CHANGE, "https://gw.example", NULL, true },
        { GUARD_CHANGE, "https://gw.example", "same-origin", true },
        { GUARD_CHANGE, "https://gw.example", "none", false },
        { GUARD_CHANGE, "https://gw.example", "cross-site", false },
        { GUARD_CHANGE, "https://gw.example:8443", NULL, false },
        { GUARD_CHANGE, "http://gw.example", NULL, false },
        { GUARD_CHANGE, "https://gw.example.evil", NULL, false },
        { GUARD_SOCKET, "https://gw.example", NULL, true },
        { GUARD_SOCKET, NULL, NULL, false },
        { GUARD_SOCKET, "https://evil.example", NULL, false },
        { GUARD_SOCKET, "https://gw.example", "cross-site", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg((guard_check(cases[i].kind, cases[i].origin, cases[i].site, ours) ==
                       FAILURE_NONE) == cases[i].ok,
                      "case %zu", i);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("query");
    TCase *t = tcase_create("all");
    tcase_add_test(t, items);
    tcase_add_test(t, bad_items);
    tcase_add_test(t, encoding);
    tcase_add_test(t, local_paths);
    tcase_add_test(t, sizes);
    tcase_add_test(t, targets);
    tcase_add_test(t, lists);
    tcase_add_test(t, routes);
    tcase_add_test(t, guards);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
