/* What reaches the recorder, and what does not. */
#include "tests/unit/session/recorded.h"

#include "guacd/session/keys.h"
#include "tests/unit/unit.h"

static struct peer other;

static void shown_fn(struct session *s, void *arg) {
    session_shown(s, arg, strlen(arg));
    session_title(s, "top\xC3\xA9");
    surface_fill(rig.surface, 0, 0, 3, 3, 0xFF);
    session_damage(s);
}

static void clip_fn(struct session *s, void *arg) {
    session_clipboard(s, "text/plain", arg, strlen(arg));
}

START_TEST(a_recording) {
    start(NULL, NULL);
    peer_send(&owner, "key", "108", "1");
    peer_send(&owner, "key", "108", "0");
    peer_send(&owner, "key", "65293", "1");
    for (int i = 0; i < 30; i++) { /* moves gather, clicks stay */
        char x[16];
        snprintf(x, sizeof(x), "%d", i);
        peer_send(&owner, "mouse", x, "7", "0");
    }
    peer_send(&owner, "mouse", "29", "7", "1");
    rig_do(shown_fn, (char[]){ "total 0\xFF\n" });
    rig_do(clip_fn, (char[]){ "from the target" });
    peer_send(&owner, "clipboard", "0", "text/plain");
    peer_stream(&owner, "0", "to the target", 13);
    while (owner.syncs < 2)
        peer_until(&owner, "sync");
    gather(300);
    const char *data = all(TAP_DATA);
    ck_assert(strncmp(data, "4.size,1.0,3.320,3.200;", 23) == 0);
    const char *key = strstr(data, "3.key,3.108,1.1,"), *sync = strstr(data, "4.sync,");
    ck_assert(key && sync && sync < key); /* no input before the first sync */
    ck_assert(strstr(data, "2.by,1.1;"));
    ck_assert(strstr(data, "5.acked,1.1,"));
    ck_assert(strstr(data, "5.mouse,2.29,1.7,1.1,"));
    size_t moves = 0;
    for (const char *at = data; (at = strstr(at, "5.mouse,")); at++)
        moves++;
    ck_assert_uint_le(moves, 6);
    ck_assert(has(TAP_KEYFRAME, "4.size,1.0,3.320,3.200;"));
    data = all(TAP_KEYFRAME);
    ck_assert(strstr(data, "4.sync,"));
    ck_assert(has(TAP_TEXT, "\"k\":\"out\",\"s\":\"total 0?\\n\""));
    ck_assert(has(TAP_TEXT, "\"k\":\"title\""));
    ck_assert(has(TAP_TEXT, "\"s\":\"from the target\""));
    ck_assert(has(TAP_TEXT, "\"by\":\"ada\",\"bytes\":13,\"dir\":\"in\""));
    ck_assert(has(TAP_TEXT, "\"by\":\"ada\",\"k\":\"key\",\"s\":\"l\\n\""));
    ck_assert(has(TAP_EVENT, "\"event\":\"joined\""));
    ck_assert(has(TAP_EVENT, "\"name\":\"Ada L.\""));
    finish();
}
END_TEST

static void wiped_fn(struct session *s, void *arg) {
    (void)arg;
    ck_assert_str_eq(args_str(s->args, "password"), ""); /* once connected */
}

START_TEST(secrets_stay_out) {
    rig.ask = true;
    const char *client = NULL;
    uuid_v7(session_id, clock_wall_ms());
    const char *pairs[] = { "session", session_id, "password", "pw-in-args", NULL, NULL };
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    tap = ends[1];
    rig_start_as(&owner, ends[0], RIG_V15, pairs, client);
    peer_until(&owner, "required");
    peer_send(&owner, "argv", "0", "text/plain", "password");
    peer_stream(&owner, "0", "pw-in-prompt", 12);
    peer_send(&owner, "argv", "0", "text/plain", "username");
    peer_stream(&owner, "0", "ada", 3);
    peer_until(&owner, "sync");
    rig_do(wiped_fn, NULL);
    gather(200);
    for (size_t i = 0; i < got_count; i++)
        ck_assert(!memmem(got[i].data, got[i].h.length, "pw-in-", 6));
    free(rig.answers[0]);
    free(rig.answers[1]);
    finish();
}
END_TEST

static void echo_fn(struct session *s, void *arg) {
    session_key_echoed(s, *(uint64_t *)arg);
}

static void type(const char *text, bool echoed) {
    for (; *text; text++) {
        char keysym[16];
        snprintf(keysym, sizeof(keysym), "%d", *text);
        peer_send(&owner, "key", keysym, "1");
        uint64_t id = rig_event(EVENT_KEY)->key.id;
        peer_send(&owner, "key", keysym, "0");
        rig_event(EVENT_KEY);
        if (echoed)
            rig_do(echo_fn, &id);
    }
    peer_send(&owner, "key", "65293", "1");
}

START_TEST(typed_passwords_are_masked) {
    start(NULL, "recording-keys", "masked", NULL);
    type("ls", true);
    type("pw", false);
    gather(1200);
    const char *data = all(TAP_DATA);
    ck_assert(strstr(data, "3.key,3.108,1.1,") && strstr(data, "3.key,3.115,1.1,"));
    ck_assert(!strstr(data, "3.key,3.112,") && !strstr(data, "3.key,3.119,"));
    ck_assert(strstr(data, "3.key,8.16785442,1.1,"));
    ck_assert(has(TAP_TEXT, "\"s\":\"ls\\n\""));
    finish();
    ck_assert_int_eq(KEYS_MASK, 16785442);
}
END_TEST

START_TEST(keys_off) {
    start(NULL, "recording-keys", "off", NULL);
    type("ls", true);
    gather(700);
    ck_assert(!has(TAP_DATA, "3.key,"));
    ck_assert(!has(TAP_TEXT, "\"k\":\"key\""));
    finish();
}
END_TEST

START_TEST(events_only) {
    start(NULL, "recording", "events", "tap-soft-delay", "100", "tap-hard-delay", "200", NULL);
    type("ls", true);
    rig_do(shown_fn, (char[]){ "hidden" });
    gather(300);
    for (size_t i = 0; i < got_count; i++)
        ck_assert_int_eq(got[i].h.type, TAP_EVENT);
    ck_assert_uint_ge(got_count, 1);
    finish();
}
END_TEST

/* Frames go on for the recorder while nobody looks. */
START_TEST(recorded_in_grace) {
    start(NULL, "grace", "30", NULL);
    gather(100);
    size_t before = got_count;
    peer_close(&owner);
    rig_event(EVENT_RELEASE);
    rig_draw(3, 0x123456);
    gather(1300);
    ck_assert(has(TAP_EVENT, "\"event\":\"left\""));
    bool frame = false;
    for (size_t i = before; i < got_count; i++)
        frame |= got[i].h.type == TAP_DATA && strstr(got[i].data, "4.rect");
    ck_assert(frame);
    struct err e = { 0 };
    json_t *info = rig_call("{\"op\":\"info\"}", -1, &e);
    ck_assert_int_gt(json_num(info, "grace", 0), 20000);
    ck_assert_str_eq(json_str(info, "owner", ""), "ada");
    json_decref(info);
    /* and he is back, in the picture as it is now */
    ck_assert_int_eq(peer_join(&owner, "{\"op\":\"join\",\"role\":\"owner\",\"user\":\"ada\"}"), 0);
    const char *pairs[] = { NULL };
    peer_handshake(&owner, RIG_V15, pairs, NULL);
    peer_until(&owner, "ready");
    ck_assert_int_eq(peer_int(peer_until(&owner, "size"), 1), 320);
    peer_until(&owner, "sync");
    finish();
}
END_TEST

START_TEST(grace_ends) {
    start(NULL, "grace", "1", NULL);
    peer_viewer(&other, "viewer");
    uint64_t since = clock_ms();
    peer_close(&owner);
    struct instr *in = peer_until(&other, "error");
    ck_assert_int_eq(peer_int(in, 1), STATUS_SESSION_TIMEOUT);
    ck_assert_uint_ge(clock_ms() - since, 900);
    peer_gone(&other);
    peer_close(&other);
    gather(200);
    acknowledge(TAP_ACK);
    rig_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tap");
    TCase *t = tcase_create("tap");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_recording);
    tcase_add_test(t, secrets_stay_out);
    tcase_add_test(t, typed_passwords_are_masked);
    tcase_add_test(t, keys_off);
    tcase_add_test(t, events_only);
    tcase_add_test(t, recorded_in_grace);
    tcase_add_test(t, grace_ends);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
