/* A session in gateway mode with the recorder's end of its tap in the test's hands. */
#ifndef GUAC_TESTS_RECORDED_H
#define GUAC_TESTS_RECORDED_H

#include "guacd/proto/status.h"
#include "tests/unit/session/rig.h"

static struct peer owner;
static int tap = -1; /* the recorder's end */
static char session_id[UUID_LEN + 1];
static struct frame got[4000];
static size_t got_count;

static inline void start(const char *client, ...) {
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
static inline void gather(int ms) {
    struct frame f;
    while (got_count < 4000 && tap_next(tap, &f, ms))
        got[got_count++] = f;
}

/* Frames of one type as one text. */
static inline const char *all(enum tap_type type) {
    static struct buf b;
    buf_fini(&b);
    buf_init(&b, 16u << 20);
    for (size_t i = 0; i < got_count; i++)
        if (got[i].h.type == type)
            buf_add(&b, got[i].data, got[i].h.length);
    return buf_str(&b);
}

static inline bool has(enum tap_type type, const char *text) {
    return strstr(all(type), text) != NULL;
}

static inline void acknowledge(enum tap_type type) {
    tap_say(tap, type, got[got_count - 1].h.sequence);
}

/* The owner leaves for good, the recorder takes the last frame, the session ends. */
static inline void finish(void) {
    rig_ok("{\"op\":\"end\",\"status\":0,\"text\":\"enough\"}");
    peer_gone(&owner);
    peer_close(&owner);
    gather(200);
    ck_assert_int_eq(got[got_count - 1].h.type, TAP_EVENT);
    ck_assert(strstr(got[got_count - 1].data, "\"ended\""));
    acknowledge(TAP_SPOOLED);
    uint64_t since = clock_ms();
    rig_end();
    ck_assert_uint_lt(clock_ms() - since, 4000);
    for (size_t i = 0; i < got_count; i++) {
        ck_assert_uint_eq(got[i].h.sequence, i + 1); /* none skipped, none twice */
        free(got[i].data);
    }
    close(tap);
    all(0);
}

#endif
