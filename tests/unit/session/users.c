/* Users of a session, over the real wire: roles, joins, limits, streams, prompts, slow ones. */
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

/* ---- clipboard ----------------------------------------------------------------------------- */

static void copy_fn(struct session *s, void *arg) {
    struct buf *b = arg;
    session_clipboard(s, "text/plain", b->data, b->len);
}

static void fill(struct buf *b, size_t len) {
    buf_init(b, len);
    for (size_t i = 0; i < len; i++)
        buf_putc(b, (char)('a' + (i * 7 + i / 251) % 26));
}

START_TEST(clipboard_both_ways) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    struct buf big, got;
    fill(&big, 262144); /* clipboard-buffer-size of stock mode */
    peer_send(&owner, "clipboard", "0", "text/plain");
    peer_stream(&owner, "0", big.data, big.len);
    struct event *ev = rig_event(EVENT_CLIPBOARD);
    ck_assert_uint_eq(ev->len, big.len);
    ck_assert(memcmp(ev->data, big.data, big.len) == 0 && ev->data[ev->len] == '\0');
    ck_assert_str_eq(ev->name, "text/plain");
    int acks = 0;
    while (acks < 1 + (262144 + BLOB_BYTES_MAX - 1) / BLOB_BYTES_MAX) {
        ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), 0);
        acks++;
    }
    /* one byte more is refused, and said */
    peer_send(&owner, "clipboard", "1", "text/plain");
    buf_init(&got, 300000);
    buf_add(&got, big.data, big.len);
    buf_putc(&got, '!');
    peer_stream(&owner, "1", got.data, got.len);
    int status = 0;
    while (!status)
        status = (int)peer_int(peer_until(&owner, "ack"), 2);
    ck_assert_int_eq(status, STATUS_CLIENT_OVERRUN);
    ck_assert_ptr_null(rig_wait_event(EVENT_CLIPBOARD, 50));
    buf_clear(&got);
    /* and out, with frames in between */
    peer_viewer(&other, "helper");
    rig_do(copy_fn, &big);
    struct instr *in = peer_until(&owner, "clipboard");
    long stream = peer_int(in, 0);
    ck_assert(stream % 2 == 1 && stream != 1);
    peer_take_stream(&owner, stream, &got);
    ck_assert(got.len == big.len && memcmp(got.data, big.data, big.len) == 0);
    ck_assert_ptr_null(peer_wait(&other, "clipboard", 100)); /* the owner's alone */
    buf_fini(&big);
    buf_fini(&got);
    leave(&other);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(frames_pass_a_long_clipboard) {
    rig_start(&owner, "clipboard-buffer-size", "8388608");
    first_frame(&owner);
    struct buf big, got;
    fill(&big, 8u << 20);
    rig_do(copy_fn, &big);
    peer_until(&owner, "clipboard");
    buf_init(&got, 16u << 20);
    int before = owner.syncs;
    size_t at_frame = 0;
    for (;;) {
        struct instr *in = peer_next(&owner, RIG_WAIT_MS);
        ck_assert(in != NULL);
        if (slice_is(in->opcode, "end") && peer_int(in, 0) != 1)
            break;
        if (slice_is(in->opcode, "blob") && peer_int(in, 0) != 1) {
            got.len += in->argv[1].len;
            if (got.len > 1000000 && !at_frame) {
                rig_draw(3, 0xABCDEF);
                at_frame = got.len;
            }
        }
        if (owner.syncs > before && at_frame) {
            ck_assert_uint_lt(got.len, 8u << 20);
            break;
        }
    }
    ck_assert_int_gt(owner.syncs, before);
    got.len = 0;
    buf_fini(&got);
    buf_fini(&big);
    peer_close(&owner);
    rig_end();
}
END_TEST

START_TEST(clipboard_policy) {
    rig_start(&owner, "disable-copy", "true", "disable-paste", "true");
    first_frame(&owner);
    peer_send(&owner, "clipboard", "0", "text/plain");
    ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    peer_stream(&owner, "0", "secret", 6);
    struct buf b;
    fill(&b, 10);
    rig_do(copy_fn, &b);
    buf_fini(&b);
    ck_assert_ptr_null(peer_wait(&owner, "clipboard", 50));
    ck_assert_ptr_null(rig_wait_event(EVENT_CLIPBOARD, 50));
    leave(&owner);
    rig_end();
}
END_TEST

/* ---- streams ------------------------------------------------------------------------------- */

static void nothing(struct session *s, void *arg) {
    (void)s;
    (void)arg;
}

/* All at once, as clients do that wait for no ack, into a backend that is slow. */
START_TEST(six_megabytes_of_stdin) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    rig.slow_us = 200;
    struct buf b;
    fill(&b, 6u << 20);
    uint64_t want = rig_hash(0, b.data, b.len);
    peer_send(&owner, "pipe", "5", "text/plain", "STDIN");
    size_t acks = 0, blobs = 0;
    for (size_t at = 0; at < b.len; at += BLOB_BYTES_MAX) {
        peer_blob(&owner, "5", b.data + at, MIN_OF(b.len - at, (size_t)BLOB_BYTES_MAX));
        blobs++;
        while (peer_next(&owner, 0))
            acks += slice_is(owner.instr.opcode, "ack");
    }
    peer_send(&owner, "end", "5");
    while (acks < blobs + 1) {
        struct instr *in = peer_until(&owner, "ack");
        ck_assert(peer_int(in, 0) == 5 && peer_int(in, 2) == 0);
        acks++;
    }
    rig_do(nothing, NULL); /* acknowledged is taken, and soon counted */
    ck_assert_uint_eq(rig.input_bytes, b.len);
    ck_assert_uint_eq(rig.input_hash, want);
    buf_fini(&b);
    leave(&owner);
    rig_end();
}
END_TEST

/* Keys typed into a target that does not listen: none is lost. */
START_TEST(keys_never_drop) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    rig.slow_us = 300;
    for (int i = 0; i < 2000; i++) {
        char keysym[16];
        snprintf(keysym, sizeof(keysym), "%d", 1000 + i);
        peer_send(&owner, "key", keysym, "1");
        peer_send(&owner, "mouse", "1", "1", "0");
    }
    for (uint32_t i = 0; i < 2000; i++)
        ck_assert_uint_eq(rig_event(EVENT_KEY)->key.keysym, 1000 + i);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(stream_limits) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    char index[16];
    for (int i = 0; i <= STREAMS_MAX; i++) {
        snprintf(index, sizeof(index), "%d", i);
        peer_send(&owner, "clipboard", index, "text/plain");
        int want = i < STREAMS_MAX ? 0 : STATUS_CLIENT_TOO_MANY;
        ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), want);
    }
    peer_send(&owner, "clipboard", "3", "text/plain"); /* too many, still */
    peer_until(&owner, "ack");
    peer_send(&owner, "file", "600", "text/plain", "x.txt");
    ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), STATUS_UNSUPPORTED);
    peer_send(&owner, "pipe", "601", "text/plain", "other");
    ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), STATUS_RESOURCE_NOT_FOUND);
    peer_send(&owner, "put", "0", "602", "text/plain", "/x");
    struct instr *in = peer_until(&owner, "ack");
    ck_assert(peer_int(in, 0) == 602 && peer_int(in, 2) == STATUS_UNSUPPORTED);
    char big[BLOB_BYTES_MAX + 3] = { 0 };
    peer_blob(&owner, "0", big, sizeof(big));
    ck_assert_int_eq(peer_int(peer_until(&owner, "error"), 1), STATUS_CLIENT_OVERRUN);
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
}
END_TEST

static void live(const char *name, const char *value) {
    peer_send(&owner, "argv", "9", "text/plain", name);
    peer_until(&owner, "ack");
    peer_stream(&owner, "9", value, strlen(value));
    peer_until(&owner, "ack");
}

START_TEST(live_parameters) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    live("fps", "12");
    struct event *ev = rig_event(EVENT_ARGV);
    ck_assert_str_eq(ev->name, "fps");
    ck_assert_str_eq(ev->data, "12");
    live("fps", "many");
    ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    live("hostname", "10.0.0.1");
    ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    live("nosuch", "1");
    ck_assert_int_eq(peer_int(peer_until(&owner, "ack"), 2), STATUS_CLIENT_FORBIDDEN);
    ck_assert_ptr_null(rig_wait_event(EVENT_ARGV, 20));
    leave(&owner);
    rig_end();
}
END_TEST

/* ---- prompts ------------------------------------------------------------------------------- */

static void answer(struct peer *p, const char *stream, const char *name, const char *value) {
    peer_send(p, "argv", stream, "text/plain", name);
    peer_stream(p, stream, value, strlen(value));
}

START_TEST(prompt) {
    rig.ask = true;
    rig_start(&owner, NULL);
    peer_until(&owner, "ready");
    struct instr *in = peer_until(&owner, "required");
    ck_assert(in->argc == 2 && slice_is(in->argv[0], "username") &&
              slice_is(in->argv[1], "password"));
    for (int i = 0; i < 1000; i++) /* typed into the dialogue's background: no harm */
        peer_send(&owner, "key", "97", "1");
    answer(&owner, "0", "password", "s3cret");
    answer(&owner, "1", "username", "");
    peer_until(&owner, "sync");
    ck_assert_str_eq(rig.answers[0], "");
    ck_assert_str_eq(rig.answers[1], "s3cret");
    ck_assert_ptr_null(rig_wait_event(EVENT_KEY, 20));
    free(rig.answers[0]);
    free(rig.answers[1]);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(prompt_of_an_old_client) {
    rig.ask = true;
    rig_start_as(&owner, -1, "VERSION_1_1_0", NULL, NULL);
    ck_assert_int_eq(peer_int(peer_until(&owner, "error"), 1), STATUS_CLIENT_UNAUTHORIZED);
    peer_gone(&owner);
    peer_close(&owner);
    rig_end();
}
END_TEST

START_TEST(prompt_ends_with_the_session) {
    rig.ask = true;
    rig_start(&owner, NULL);
    peer_until(&owner, "required");
    leave(&owner);
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
    ck_assert_uint_lt(clock_ms() - start, 1000);
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

/* ---- slow and silent ones ------------------------------------------------------------------ */

START_TEST(a_stalled_viewer_harms_nobody) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    peer_viewer(&other, "viewer");
    other.no_sync = true;
    for (int i = 0; i < 40; i++) {
        int before = owner.syncs;
        rig_draw(i * 5, 0x010203u * (uint32_t)(i + 1));
        while (owner.syncs == before)
            ck_assert(peer_next(&owner, 200) != NULL);
    }
    /* He reads at last: one way to the newest picture, not forty. */
    other.no_sync = false;
    while (peer_next(&other, 300))
        continue;
    ck_assert_int_lt(other.syncs, 40);
    ck_assert_uint_eq(other.last_sync, owner.last_sync);
    leave(&other);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(floods_are_paced) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    usleep(300000);
    uint64_t start = clock_us();
    int before = owner.syncs;
    rig_draw(1, 1);
    peer_until(&owner, "sync");
    ck_assert_uint_lt(clock_us() - start, 20000);
    start = clock_ms();
    for (uint32_t i = 0; clock_ms() - start < 1000; i++) {
        rig_draw((int)(i % 300), i * 77);
        while (peer_next(&owner, 0))
            continue;
        usleep(500);
    }
    int frames = owner.syncs - before;
    ck_assert_int_ge(frames, 20);
    ck_assert_int_le(frames, 36);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(keep_alive) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    uint64_t start = clock_ms();
    ck_assert(peer_wait(&owner, "nop", 1000) != NULL);
    ck_assert_uint_ge(clock_ms() - start, 400);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(silence) {
    rig.silent_ms = 1500;
    rig_start(&owner, NULL);
    first_frame(&owner);
    uint64_t start = clock_ms();
    while (peer_next(&owner, 3000))
        continue;
    uint64_t took = clock_ms() - start;
    ck_assert_uint_ge(took, 1400);
    ck_assert_uint_le(took, 2500);
    peer_close(&owner);
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
    tcase_add_test(t, clipboard_both_ways);
    tcase_add_test(t, frames_pass_a_long_clipboard);
    tcase_add_test(t, clipboard_policy);
    tcase_add_test(t, six_megabytes_of_stdin);
    tcase_add_test(t, keys_never_drop);
    tcase_add_test(t, stream_limits);
    tcase_add_test(t, live_parameters);
    tcase_add_test(t, prompt);
    tcase_add_test(t, prompt_of_an_old_client);
    tcase_add_test(t, prompt_ends_with_the_session);
    tcase_add_test(t, open_fails);
    tcase_add_test(t, target_ends);
    tcase_add_test(t, ended_by_control);
    tcase_add_test(t, control_refuses);
    tcase_add_test(t, owner_in_another_window);
    tcase_add_test(t, a_stalled_viewer_harms_nobody);
    tcase_add_test(t, floods_are_paced);
    tcase_add_test(t, our_page_is_told);
    tcase_add_test(t, keep_alive);
    tcase_add_test(t, silence);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
