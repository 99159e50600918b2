/* Users of a session, over the real wire: roles, joins, bad instructions, ends. */
#include "tests/unit/session/rig.h"

#include "guacd/proto/status.h"
#include "tests/unit/unit.h"

static struct peer owner, other;

static void first_frame(struct peer *p) {
    peer_until(p, "ready");
    struct instr *in = peer_until(p, "size");
    ck_assert_int_eq(peer_int(in, 0), 0);
    ck_assert_int_eq(peer_int(in, 1), 320);
    peer_until(p, "sync");
}

static void leave(struct peer *p) {
    peer_send(p, "disconnect");
    peer_gone(p);
    peer_close(p);
}

START_TEST(from_ready_to_disconnect) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    ck_assert(access(rig.dir, R_OK) == 0);
    rig_draw(5, 0xFF0000);
    struct instr *in = peer_until(&owner, "rect");
    ck_assert_int_eq(peer_int(in, 1), 5);
    peer_until(&owner, "sync");
    peer_send(&owner, "key", "97", "1");
    struct event *ev = rig_event(EVENT_KEY);
    ck_assert(ev->key.keysym == 97 && ev->key.pressed && ev->user == 1);
    peer_send(&owner, "mouse", "10", "20.5", "1");
    ev = rig_event(EVENT_MOUSE);
    ck_assert(ev->mouse.x == 10 && ev->mouse.y == 20 && ev->mouse.mask == 1 && !ev->mouse.move);
    peer_send(&owner, "mouse", "-4", "99999", "1");
    ev = rig_event(EVENT_MOUSE);
    ck_assert(ev->mouse.x == 0 && ev->mouse.y == 8191 && ev->mouse.move);
    peer_send(&owner, "size", "0", "100000");
    ev = rig_event(EVENT_SIZE);
    ck_assert(ev->size.width == 1 && ev->size.height == 8192);
    peer_send(&owner, "touch", "1", "2", "3", "4", "5", "0.5", "1");
    ck_assert_int_eq(rig_event(EVENT_TOUCH)->touch.ry, 5);
    leave(&owner);
    rig_event(EVENT_RELEASE);
    rig_event(EVENT_END);
    rig_end();
}
END_TEST

START_TEST(unknown_is_ignored) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    peer_send(&owner, "", "ping", "123");
    peer_send(&owner, "nop");
    peer_send(&owner, "frobnicate", "1", "2", "3");
    peer_send(&owner, "get", "0", "/");
    peer_send(&owner, "blob", "77", "AAAA");
    peer_send(&owner, "end", "77");
    peer_send(&owner, "ack", "1", "OK", "0");
    peer_send(&owner, "key", "98", "0");
    ck_assert_int_eq(rig_event(EVENT_KEY)->key.keysym, 98);
    leave(&owner);
    rig_end();
}
END_TEST

static const char *const wrong[] = {
    "3.key;",
    "3.key,1.a,1.1;",
    "3.key,2.97,1.2;",
    "5.mouse,1.1,1.2;",
    "5.mouse,1.x,1.2,1.0;",
    "5.touch,1.1;",
    "4.size,1.x,1.1;",
    "4.sync;",
    "4.sync,3.abc;",
    "4.blob,1.0;",
    "9.clipboard,1.0;",
    "9.clipboard,1.x,1.y;",
    "4.pipe,2.-1,1.x,1.y;",
    "3.ack,1.0;",
    "3.end;",
    "99999999.x;",
    "3.key,x",
    "5.ab\xFF\xFE\xFD,1.1;",
    "9999.x,",
};

/* A bad instruction ends its user with a status, and nobody else. */
START_TEST(bad_instructions_end_their_user) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    peer_viewer(&other, "helper");
    peer_until(&other, "sync");
    peer_raw(&other, wrong[_i], strlen(wrong[_i]));
    struct instr *in = peer_until(&other, "error");
    ck_assert(peer_int(in, 1) == STATUS_CLIENT_BAD_REQUEST ||
              peer_int(in, 1) == STATUS_CLIENT_OVERRUN);
    peer_gone(&other);
    peer_close(&other);
    rig_draw(1, 0xFF);
    peer_until(&owner, "sync");
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(roles) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    struct peer viewer;
    peer_viewer(&other, "helper");
    peer_viewer(&viewer, "viewer");
    struct instr *in = peer_until(&owner, "msg");
    ck_assert(peer_int(in, 0) == 1 && slice_is(in->argv[1], "@2"));
    ck_assert(slice_is(in->argv[2], "Ada"));
    peer_until(&owner, "msg");
    peer_send(&viewer, "key", "99", "1");
    peer_send(&viewer, "mouse", "1", "1", "1");
    peer_send(&viewer, "size", "100", "100");
    peer_send(&viewer, "clipboard", "4", "text/plain");
    in = peer_until(&viewer, "ack");
    ck_assert(peer_int(in, 0) == 4 && peer_int(in, 2) == STATUS_CLIENT_FORBIDDEN);
    peer_send(&viewer, "pipe", "4", "text/plain", "STDIN");
    ck_assert_int_eq(peer_int(peer_until(&viewer, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    peer_send(&viewer, "argv", "4", "text/plain", "fps");
    ck_assert_int_eq(peer_int(peer_until(&viewer, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    peer_send(&other, "size", "100", "100");
    peer_send(&other, "argv", "4", "text/plain", "fps");
    ck_assert_int_eq(peer_int(peer_until(&other, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    peer_send(&other, "key", "100", "1");
    struct event *ev = rig_event(EVENT_KEY);
    ck_assert(ev->key.keysym == 100 && ev->user == 2);
    ck_assert_ptr_null(rig_wait_event(EVENT_SIZE, 20));
    rig_ok("{\"op\":\"role\",\"user\":3,\"role\":\"helper\"}");
    peer_send(&viewer, "key", "101", "1");
    ck_assert_int_eq(rig_event(EVENT_KEY)->user, 3);
    rig_ok("{\"op\":\"role\",\"user\":2,\"role\":\"viewer\"}");
    peer_send(&other, "key", "102", "1");
    ck_assert_ptr_null(rig_wait_event(EVENT_KEY, 20));
    leave(&other);
    in = peer_until(&owner, "msg");
    ck_assert(peer_int(in, 0) == 2 && slice_is(in->argv[1], "@2"));
    leave(&owner);
    peer_until(&viewer, "disconnect"); /* no grace in stock mode */
    peer_gone(&viewer);
    peer_close(&viewer);
    rig_end();
}
END_TEST

START_TEST(read_only_owner) {
    rig_start(&owner, "read-only", "true");
    first_frame(&owner);
    peer_viewer(&other, "helper");
    peer_send(&owner, "key", "97", "1");
    peer_send(&other, "key", "98", "1");
    peer_send(&other, "clipboard", "0", "text/plain");
    ck_assert_int_eq(peer_int(peer_until(&other, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    peer_send(&owner, "size", "50", "60");
    ck_assert_int_eq(rig_event(EVENT_SIZE)->size.width, 50);
    rig.seen = 0;
    ck_assert_ptr_null(rig_wait_event(EVENT_KEY, 20));
    leave(&owner);
    peer_gone(&other);
    peer_close(&other);
    rig_end();
}
END_TEST

/* ---- the end, and who is told what --------------------------------------------------------- */

START_TEST(open_fails) {
    rig.open_err = (struct err){ STATUS_UPSTREAM_UNAVAILABLE, "nobody listens there" };
    rig_start(&owner, NULL);
    peer_until(&owner, "ready");
    struct instr *in = peer_until(&owner, "error");
    ck_assert_int_eq(peer_int(in, 1), STATUS_UPSTREAM_UNAVAILABLE);
    ck_assert(slice_is(in->argv[0], "nobody listens there"));
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
}
END_TEST

START_TEST(target_ends) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    struct rig_spot spot = { 77, 0x112233 };
    rig_do(rig_draw_fn, &spot);
    rig_target_ends(0, "");
    ck_assert_int_eq(peer_int(peer_until(&owner, "rect"), 1), 77); /* its last words are seen */
    peer_until(&owner, "disconnect");
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
}
END_TEST

START_TEST(ended_by_control) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    rig_ok("{\"op\":\"end\",\"status\":523,\"text\":\"enough\"}");
    struct instr *in = peer_until(&owner, "error");
    ck_assert(peer_int(in, 1) == STATUS_SESSION_CLOSED && slice_is(in->argv[0], "enough"));
    uint64_t start = clock_ms();
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
    ck_assert_uint_lt(clock_ms() - start, 4000);
}
END_TEST

START_TEST(control_refuses) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    static const struct {
        const char *json;
        int status;
    } rows[] = {
        { "{\"op\":\"nosuch\"}", STATUS_CLIENT_BAD_REQUEST },
        { "{\"no\":1}", STATUS_CLIENT_BAD_REQUEST },
        { "{\"op\":\"join\",\"role\":\"viewer\"}", STATUS_CLIENT_BAD_REQUEST },
        { "{\"op\":\"tap\",\"after\":0}", STATUS_CLIENT_BAD_REQUEST },
        { "{\"op\":\"role\",\"user\":9,\"role\":\"viewer\"}", STATUS_RESOURCE_NOT_FOUND },
        { "{\"op\":\"role\",\"user\":1,\"role\":\"king\"}", STATUS_CLIENT_BAD_REQUEST },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e = { 0 };
        ck_assert_ptr_null(rig_call(rows[i].json, -1, &e));
        ck_assert_int_eq(e.status, rows[i].status);
    }
    ck_assert_int_eq(peer_join(&other, "{\"op\":\"join\",\"role\":\"owner\"}"),
                     STATUS_SESSION_CONFLICT);
    peer_close(&other);
    struct err e = { 0 };
    json_t *info = rig_call("{\"op\":\"info\"}", -1, &e);
    ck_assert_str_eq(json_str(info, "protocol", ""), "demo");
    ck_assert_str_eq(json_str(info, "recording", ""), "stock");
    ck_assert_uint_eq(json_array_size(json_object_get(info, "users")), 1);
    json_decref(info);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(ownership_is_given) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    peer_viewer(&other, "viewer");
    rig_ok("{\"op\":\"role\",\"user\":2,\"role\":\"owner\"}");
    peer_send(&other, "size", "70", "70");
    ck_assert_int_eq(rig_event(EVENT_SIZE)->user, 2);
    peer_send(&owner, "size", "80", "80");
    peer_send(&owner, "key", "97", "1"); /* a helper now */
    ck_assert_int_eq(rig_event(EVENT_KEY)->user, 1);
    leave(&owner); /* and the session goes on */
    peer_send(&other, "key", "98", "1");
    ck_assert_int_eq(rig_event(EVENT_KEY)->user, 2);
    rig.seen = 0;
    while (rig_wait_event(EVENT_SIZE, 10))
        ck_assert_int_eq(rig.events[rig.seen - 1].size.width, 70);
    leave(&other);
    rig_end();
}
END_TEST

START_TEST(only_so_many_users) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    static struct peer many[USERS_MAX];
    int n = 0, status = 0;
    while (n < USERS_MAX && !status)
        status = peer_join(&many[n++], "{\"op\":\"join\",\"role\":\"viewer\"}");
    ck_assert_int_eq(status, STATUS_CLIENT_TOO_MANY);
    ck_assert_int_eq(n, USERS_MAX);
    while (n > 0)
        peer_close(&many[--n]);
    rig_draw(1, 2);
    peer_until(&owner, "sync");
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(owner_in_another_window) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    ck_assert_int_eq(
        peer_join(&other, "{\"op\":\"join\",\"role\":\"owner\",\"replace\":true,\"user\":\"ada\"}"),
        0);
    peer_handshake(&other, RIG_V15, NULL, NULL);
    ck_assert_int_eq(peer_int(peer_until(&owner, "error"), 1), STATUS_SESSION_CONFLICT);
    peer_gone(&owner);
    peer_close(&owner);
    first_frame(&other);
    peer_send(&other, "key", "97", "1");
    rig_event(EVENT_KEY);
    leave(&other);
    rig_end();
}
END_TEST

/* ---- our own page -------------------------------------------------------------------------- */

static void text_fn(struct session *s, void *arg) {
    session_text(s, arg);
}

static void whole_fn(struct session *s, void *arg) {
    session_text_whole(s, arg);
}

/* The next line on a pipe. */
static const char *line_of(struct peer *p, long stream) {
    static char text[8192];
    for (;;) {
        struct instr *in = peer_until(p, "blob");
        if (peer_int(in, 0) != stream)
            continue;
        long n = base64_decode(in->argv[1].data, in->argv[1].len, text);
        ck_assert(n > 0 && text[n - 1] == '\n');
        text[n - 1] = '\0';
        return text;
    }
}

START_TEST(our_page_is_told) {
    rig_start_as(&owner, -1, RIG_V15, NULL, "guac-web");
    struct instr *in = peer_until(&owner, "pipe");
    ck_assert(peer_int(in, 0) == 0 && slice_is(in->argv[2], "guac.state"));
    in = peer_until(&owner, "pipe");
    ck_assert(peer_int(in, 0) == 2 && slice_is(in->argv[2], "guac.text"));
    ck_assert(strstr(line_of(&owner, 0), "\"policy\""));
    ck_assert(strstr(line_of(&owner, 0), "\"role\":\"owner\""));
    rig_event(EVENT_TEXT);
    rig_do(text_fn, (char[]){ "{\"lost\":1}" }); /* nothing to add to yet */
    rig_do(whole_fn, (char[]){ "{\"all\":1}" });
    ck_assert_str_eq(line_of(&owner, 2), "{\"all\":1}");
    rig_do(text_fn, (char[]){ "{\"more\":1}" });
    ck_assert_str_eq(line_of(&owner, 2), "{\"more\":1}");
    peer_viewer(&other, "viewer");
    ck_assert(strstr(line_of(&owner, 0), "\"users\""));
    rig_ok("{\"op\":\"pause\",\"why\":\"the moderator is away\"}");
    ck_assert(strstr(line_of(&owner, 0), "the moderator is away"));
    rig_event(EVENT_PAUSE);
    peer_send(&owner, "key", "97", "1");
    rig_ok("{\"op\":\"resume\"}");
    ck_assert(strstr(line_of(&owner, 0), "\"paused\":[]"));
    rig_event(EVENT_RESUME);
    peer_send(&owner, "key", "98", "1");
    ck_assert_int_eq(rig_event(EVENT_KEY)->key.keysym, 98);
    rig_ok("{\"op\":\"msg\",\"text\":\"hello\"}");
    ck_assert_str_eq(line_of(&owner, 0), "{\"message\":\"hello\"}");
    ck_assert(peer_until(&other, "log"));
    ck_assert_ptr_null(peer_wait(&other, "pipe", 50)); /* stock clients are told nothing odd */
    leave(&owner);
    peer_close(&other);
    rig_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("users");
    TCase *t = tcase_create("users");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, from_ready_to_disconnect);
    tcase_add_test(t, unknown_is_ignored);
    tcase_add_loop_test(t, bad_instructions_end_their_user, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(t, roles);
    tcase_add_test(t, read_only_owner);
    tcase_add_test(t, open_fails);
    tcase_add_test(t, target_ends);
    tcase_add_test(t, ended_by_control);
    tcase_add_test(t, control_refuses);
    tcase_add_test(t, ownership_is_given);
    tcase_add_test(t, only_so_many_users);
    tcase_add_test(t, owner_in_another_window);
    tcase_add_test(t, our_page_is_told);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
