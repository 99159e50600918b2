/* What reaches the recorder, and what becomes of a session whose recorder falls behind, hangs up,
 * or comes back. */
#include "tests/unit/session/rig.h"

#include "guacd/proto/status.h"
#include "guacd/session/keys.h"
#include "tests/unit/unit.h"

static struct peer owner, other;
static int tap = -1; /* the recorder's end */
static char session_id[UUID_LEN + 1];
static struct frame got[4000];
static size_t got_count;

static void start(const char *client, ...) {
    const char *pairs[32] = { "session", session_id, "connection", "relay/demo",
                              "owner",   "ada",      "owner-name", "Ada L." };
    size_t n = 8;
    va_list ap;
    va_start(ap, client);
    for (const char *v; (v = va_arg(ap, const char *)) && n < 30;)
        pairs[n++] = v;
    va_end(ap);
    uuid_v7(session_id, clock_wall_ms());
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    tap = ends[1];
    rig_start_as(&owner, ends[0], RIG_V15, pairs, client);
    struct instr *in = peer_until(&owner, "ready");
    ck_assert(slice_is((struct slice){ in->argv[0].data + 1, in->argv[0].len - 1 }, session_id));
    peer_until(&owner, "sync");
}

/* Everything there is within ms. */
static void gather(int ms) {
    struct frame f;
    while (got_count < 4000 && tap_next(tap, &f, ms))
        got[got_count++] = f;
}

/* Frames of one type as one text. */
static const char *all(enum tap_type type) {
    static struct buf b;
    buf_fini(&b);
    buf_init(&b, 16u << 20);
    for (size_t i = 0; i < got_count; i++)
        if (got[i].h.type == type)
            buf_add(&b, got[i].data, got[i].h.length);
    return buf_str(&b);
}

static bool has(enum tap_type type, const char *text) {
    return strstr(all(type), text) != NULL;
}

static void acknowledge(enum tap_type type) {
    tap_say(tap, type, got[got_count - 1].h.sequence);
}

/* The owner leaves for good, the recorder takes the last frame, the session ends. */
static void finish(void) {
    rig_ok("{\"op\":\"end\",\"status\":0,\"text\":\"enough\"}");
    peer_gone(&owner);
    peer_close(&owner);
    gather(200);
    ck_assert_int_eq(got[got_count - 1].h.type, TAP_EVENT);
    ck_assert(strstr(got[got_count - 1].data, "\"ended\""));
    acknowledge(TAP_SPOOLED);
    uint64_t since = clock_ms();
    rig_end();
    ck_assert_uint_lt(clock_ms() - since, 1000);
    for (size_t i = 0; i < got_count; i++) {
        ck_assert_uint_eq(got[i].h.sequence, i + 1); /* none skipped, none twice */
        free(got[i].data);
    }
    close(tap);
    all(0);
}

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
    start(NULL, "recording", "events", NULL);
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

/* ---- limits -------------------------------------------------------------------------------- */

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
    ck_assert_uint_lt(clock_ms() - since, 2000);
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
    ck_assert_uint_lt(clock_ms() - since, 1500);
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
    ck_assert_uint_le(clock_ms() - since, 3000);
    peer_gone(&owner);
    peer_close(&owner);
    gather(200);
    acknowledge(TAP_ACK);
    rig_end();
}
END_TEST

START_TEST(max_duration) {
    start("guac-web", "max-duration", "1", NULL);
    peer_send(&owner, "key", "97", "1");
    ck_assert_int_eq(peer_int(peer_until(&owner, "error"), 1), STATUS_SESSION_CLOSED);
    peer_gone(&owner);
    peer_close(&owner);
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
    tcase_add_test(t, behind_in_time);
    tcase_add_test(t, far_behind);
    tcase_add_test(t, behind_in_bytes);
    tcase_add_test(t, recorder_restarts);
    tcase_add_test(t, recorder_stays_away);
    tcase_add_test(t, recorder_lies);
    tcase_add_test(t, idle_timeout);
    tcase_add_test(t, max_duration);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
