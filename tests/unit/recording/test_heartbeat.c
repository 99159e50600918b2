/* alive/<gateway>: what is written is read, and nothing else is. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/util.h"
#include "recording/heartbeat.h"

#define GATEWAY "9b2f6c1e-3d4a-4b5c-8d6e-7f8091a2b3c4"
#define ID "0193b1c2-7a00-7abc-8def-0123456789ab"
#define PREFIX "guacamole-recordings/relay/legacy-1/2026/11/21/" ID

START_TEST(round_trip) {
    struct heartbeat h, got = { 0 };
    struct err e = { 0 };
    struct buf b;
    uint64_t from = 0;
    char key[HEARTBEAT_KEY];
    buf_init(&b, HEARTBEAT_MAX);
    ck_assert_int_eq(heartbeat_init(&h, GATEWAY, 60000), 0);
    ck_assert_int_eq(heartbeat_add(&h, PREFIX, 17), 0);
    ck_assert_int_eq(heartbeat_write(&h, &b, &e), 0);
    ck_assert_msg(heartbeat_parse(buf_str(&b), b.len, &got, &e) == 0, "%s", e.text);
    ck_assert_str_eq(got.gateway, GATEWAY);
    ck_assert_str_eq(got.by, "");
    ck_assert(!got.taken);
    ck_assert_uint_eq(got.fence_ms, 60000);
    ck_assert_uint_eq(heartbeat_count(&got), 1);
    ck_assert_str_eq(heartbeat_get(&got, 0, &from), PREFIX);
    ck_assert_uint_eq(from, 17);
    ck_assert(heartbeat_has(&got, ID));
    ck_assert(!heartbeat_has(&got, GATEWAY));
    heartbeat_key("rec", GATEWAY, key);
    ck_assert_str_eq(key, "rec-head/alive/" GATEWAY);
    heartbeat_key("rec", "", key);
    ck_assert_str_eq(key, "rec-head/alive");
    heartbeat_fini(&h);
    heartbeat_fini(&got);
    buf_fini(&b);
}
END_TEST

START_TEST(malformed) {
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"fenceMs\":1,\"gateway\":\"x\",\"sessions\":[]}",
        "{\"fenceMs\":0,\"gateway\":\"" GATEWAY "\",\"sessions\":[]}",
        "{\"fenceMs\":90000000,\"gateway\":\"" GATEWAY "\",\"sessions\":[]}",
        "{\"fenceMs\":1,\"gateway\":\"" GATEWAY "\",\"sessions\":{}}",
        "{\"by\":\"me\",\"fenceMs\":1,\"gateway\":\"" GATEWAY "\",\"sessions\":[]}",
        "{\"fenceMs\":1,\"gateway\":\"" GATEWAY "\",\"sessions\":[\"" PREFIX "\"]}",
        "{\"fenceMs\":1,\"gateway\":\"" GATEWAY "\",\"sessions\":[[\"" PREFIX "\",-1]]}",
        "{\"fenceMs\":1,\"gateway\":\"" GATEWAY "\",\"sessions\":[[\"" PREFIX "\",1,2]]}",
        "{\"fenceMs\":1,\"gateway\":\"" GATEWAY "\",\"sessions\":[[\"../../etc\",1]]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct heartbeat h = { 0 };
        struct err e = { 0 };
        ck_assert_msg(heartbeat_parse(texts[i], strlen(texts[i]), &h, &e) < 0, "%s", texts[i]);
        ck_assert_ptr_null(h.sessions);
        ck_assert_str_ne(e.text, "");
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("heartbeat");
    TCase *t = tcase_create("heartbeat");
    tcase_add_test(t, round_trip);
    tcase_add_test(t, malformed);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
