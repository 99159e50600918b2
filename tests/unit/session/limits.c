/* What becomes of a session whose recorder falls behind, hangs up, lies or comes back; and of one
 * whose time is over. */
#include "tests/unit/session/recorded.h"

#include "tests/unit/unit.h"

static const char *state_line(struct peer *p) {
    static char text[8192];
    for (;;) {
        struct instr *in = peer_until(p, "blob");
        if (peer_int(in, 0) != 0)
            continue;
        long n = base64_decode(in->argv[1].data, in->argv[1].len, text);
        ck_assert(n > 0);
        text[n - 1] = '\0';
        return text;
    }
}

static void await_state(const char *part) {
    while (!strstr(state_line(&owner), part))
        continue;
}

START_TEST(behind_in_time) {
    start("guac-web", "tap-soft-delay", "300", "tap-hard-delay", "5000", NULL);
    await_state("\"paused\":[\"recorder\"]");
    rig_event(EVENT_PAUSE);
    peer_send(&owner, "key", "97", "1");
    rig_draw(3, 0x123456);
    ck_assert_ptr_null(rig_wait_event(EVENT_KEY, 50));
    gather(50);
    acknowledge(TAP_SPOOLED); /* on disk is not in the store */
    ck_assert_ptr_null(rig_wait_event(EVENT_RESUME, 100));
    int before = owner.syncs;
    gather(50);
    acknowledge(TAP_ACK);
    rig_event(EVENT_RESUME);
    await_state("\"paused\":[]");
    while (owner.syncs == before)
        peer_until(&owner, "sync");
    for (int i = 0; i < 10; i++) { /* a recorder that keeps up is not waited for */
        rig_draw(i, 0x123456u * (uint32_t)i);
        gather(60);
        acknowledge(TAP_ACK);
    }
    ck_assert(has(TAP_EVENT, "\"paused\"") && has(TAP_EVENT, "\"resumed\""));
    finish();
}
END_TEST

START_TEST(far_behind) {
    start(NULL, "tap-soft-delay", "100", "tap-hard-delay", "600", NULL);
    uint64_t since = clock_ms();
    struct instr *in = peer_until(&owner, "error");
    ck_assert_int_eq(peer_int(in, 1), STATUS_SERVER_ERROR);
    ck_assert_uint_lt(clock_ms() - since, 4500);
    peer_gone(&owner);
    peer_close(&owner);
    gather(200);
    ck_assert(strstr(got[got_count - 1].data, "\"ended\""));
    acknowledge(TAP_ACK);
    rig_end();
}
END_TEST

static void noise_fn(struct session *s, void *arg) {
    (void)arg;
    static uint32_t x = 1;
    size_t stride;
    uint32_t *px = surface_begin(rig.surface, &stride);
    for (int i = 0; i < 320 * 200; i++)
        px[i] = x = x * 1664525u + 1013904223u;
    surface_end(rig.surface, 0, 0, 320, 200);
    session_damage(s);
}

START_TEST(behind_in_bytes) {
    start("guac-web", "tap-soft-limit", "1000000", "tap-hard-limit", "10000000", NULL);
    for (int i = 0; i < 8; i++) {
        rig_do(noise_fn, NULL);
        usleep(50000);
        while (peer_next(&owner, 0))
            continue;
    }
    rig_event(EVENT_PAUSE);
    gather(100);
    size_t bytes = 0;
    for (size_t i = 0; i < got_count; i++)
        bytes += got[i].h.length;
    ck_assert_uint_gt(bytes, 1000000);
    ck_assert_uint_lt(bytes, 3000000);
    acknowledge(TAP_ACK);
    rig_event(EVENT_RESUME);
    finish();
}
END_TEST

START_TEST(recorder_restarts) {
    start("guac-web", NULL);
    gather(200);
    acknowledge(TAP_SPOOLED);
    size_t kept = got_count;
    usleep(50000);
    rig_draw(3, 0x123456);
    gather(100); /* these it saw, but did not keep */
    ck_assert_uint_gt(got_count, kept);
    close(tap);
    rig_event(EVENT_PAUSE);
    while (got_count > kept)
        free(got[--got_count].data);
    int ends[2];
    struct err e = { 0 };
    char json[80];
    for (int turn = 0; turn < 2; turn++) { /* the first asks for what is gone */
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        snprintf(json, sizeof(json), "{\"op\":\"tap\",\"after\":%zu}", turn ? kept : (size_t)0);
        json_t *answer = rig_call(json, ends[0], &e);
        close(ends[0]);
        if (turn == 0) {
            ck_assert_int_eq(e.status, STATUS_RESOURCE_CONFLICT);
            close(ends[1]);
        } else {
            ck_assert_int_eq(json_num(answer, "next", 0), (long)kept + 1);
        }
        json_decref(answer);
    }
    tap = ends[1];
    rig_event(EVENT_RESUME);
    gather(200);
    ck_assert(has(TAP_DATA, "4.rect,1.0,1.3,"));
    ck_assert(has(TAP_EVENT, "\"paused\""));
    finish();
}
END_TEST

START_TEST(recorder_stays_away) {
    start(NULL, "tap-hard-delay", "500", NULL);
    uint64_t since = clock_ms();
    close(tap);
    struct instr *in = peer_until(&owner, "error");
    ck_assert_int_eq(peer_int(in, 1), STATUS_SERVER_ERROR);
    ck_assert_uint_lt(clock_ms() - since, 10000);
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
}
END_TEST

START_TEST(recorder_lies) {
    start("guac-web", NULL);
    tap_say(tap, TAP_ACK, 999999);
    rig_event(EVENT_PAUSE);
    gather(100);
    char c;
    ck_assert_int_le(recv(tap, &c, 1, MSG_DONTWAIT), 0);
    rig_ok("{\"op\":\"end\",\"status\":0}");
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
}
END_TEST

/* ---- time ---------------------------------------------------------------------------------- */

START_TEST(idle_timeout) {
    start("guac-web", "idle-timeout", "2", "warn-before", "1", NULL);
    await_state("\"reason\":\"idle\",\"warn\":true");
    peer_send(&owner, "key", "97", "1");
    await_state("\"reason\":\"idle\",\"warn\":false");
    uint64_t since = clock_ms();
    ck_assert_int_eq(peer_int(peer_until(&owner, "error"), 1), STATUS_SESSION_TIMEOUT);
    ck_assert_uint_ge(clock_ms() - since, 1500);
    ck_assert_uint_le(clock_ms() - since, 20000);
    peer_gone(&owner);
    peer_close(&owner);
    gather(200);
    acknowledge(TAP_ACK);
    rig_end();
}
END_TEST

static void lasts_two_seconds(const char *reason, const char *told, const char *end) {
    start("guac-web", "max-duration", "2", "warn-before", "1", "duration-reason", reason, NULL);
    await_state(told);
    peer_send(&owner, "key", "97", "1");
    struct instr *in = peer_until(&owner, "error");
    ck_assert(slice_is(in->argv[0], end));
    ck_assert_int_eq(peer_int(in, 1), STATUS_SESSION_CLOSED);
    peer_gone(&owner);
    peer_close(&owner);
    gather(200);
    acknowledge(TAP_ACK);
    rig_end();
}

START_TEST(max_duration) {
    lasts_two_seconds("duration", "\"reason\":\"duration\"",
                      "the session's maximum duration is over");
}
END_TEST

START_TEST(end_of_an_approval) {
    lasts_two_seconds("approval", "\"reason\":\"approval\"", "the time that was approved is over");
}
END_TEST

/* Who comes back is asked again, and what he says counts. */
START_TEST(back_to_a_prompt) {
    rig.ask = true;
    uuid_v7(session_id, clock_wall_ms());
    const char *pairs[] = { "session", session_id, "grace", "30", NULL, NULL };
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    tap = ends[1];
    rig_start_as(&owner, ends[0], RIG_V15, pairs, NULL);
    peer_until(&owner, "required");
    peer_send(&owner, "argv", "0", "text/plain", "username");
    peer_stream(&owner, "0", "ada", 3);
    peer_until(&owner, "ack");
    usleep(20000);
    peer_close(&owner);
    usleep(20000);
    ck_assert_int_eq(peer_join(&owner, "{\"op\":\"join\",\"role\":\"owner\"}"), 0);
    peer_handshake(&owner, RIG_V15, NULL, NULL);
    struct instr *in = peer_until(&owner, "required");
    ck_assert(in->argc == 1 && slice_is(in->argv[0], "password"));
    peer_send(&owner, "argv", "0", "text/plain", "password");
    peer_stream(&owner, "0", "pw", 2);
    peer_until(&owner, "sync");
    rig_settle();
    ck_assert_str_eq(rig.answers[0], "ada");
    ck_assert_str_eq(rig.answers[1], "pw");
    free(rig.answers[0]);
    free(rig.answers[1]);
    finish();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("limits");
    TCase *t = tcase_create("limits");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, behind_in_time);
    tcase_add_test(t, far_behind);
    tcase_add_test(t, behind_in_bytes);
    tcase_add_test(t, recorder_restarts);
    tcase_add_test(t, recorder_stays_away);
    tcase_add_test(t, recorder_lies);
    tcase_add_test(t, idle_timeout);
    tcase_add_test(t, max_duration);
    tcase_add_test(t, end_of_an_approval);
    tcase_add_test(t, back_to_a_prompt);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
