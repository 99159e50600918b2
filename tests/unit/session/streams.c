/* Streams of a session, over the real wire: clipboard both ways, STDIN, live parameters, prompts.
 */
#include "tests/unit/session/rig.h"

#include "guacd/proto/status.h"
#include "tests/unit/unit.h"

static struct peer owner, other;

static void first_frame(struct peer *p) {
    peer_until(p, "ready");
    peer_until(p, "sync");
}

static void leave(struct peer *p) {
    peer_send(p, "disconnect");
    peer_gone(p);
    peer_close(p);
}

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
    rig_settle(); /* acknowledged is taken, and soon counted */
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
    rig_settle();
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

static Suite *suite(void) {
    Suite *s = suite_create("streams");
    TCase *t = tcase_create("streams");
    tcase_set_timeout(t, 60);
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
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
