/* A client that speaks the protocol over a socket, for tests: sends, reads instruction by
 * instruction, answers `sync`. */
#ifndef GUAC_TESTS_PEER_H
#define GUAC_TESTS_PEER_H

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/buf.h"
#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/instr.h"

#define RIG_WAIT_MS 10000 /* for anything that has to happen */

struct peer {
    int fd;
    struct buf in;
    size_t used; /* bytes of the instruction last returned */
    struct instr instr;
    bool no_sync; /* do not answer `sync` */
    int syncs;
    uint64_t last_sync;
};

static inline void peer_init(struct peer *p, int fd) {
    *p = (struct peer){ .fd = fd };
    buf_init(&p->in, 64u << 20);
}

static inline void peer_raw(struct peer *p, const char *bytes, size_t len) {
    for (size_t at = 0; at < len;) {
        ssize_t n = send(p->fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the session hung up: the test looks for that itself */
        at += (size_t)n;
    }
}

#define peer_send(p, ...) \
    do { \
        struct buf b_; \
        buf_init(&b_, INSTR_BYTES_MAX); \
        ck_assert_int_eq(instr_put(&b_, __VA_ARGS__, (char *)NULL), 0); \
        peer_raw(p, b_.data, b_.len); \
        buf_fini(&b_); \
    } while (0)

static inline bool peer_read(struct peer *p, int ms) {
    struct pollfd fd = { p->fd, POLLIN, 0 };
    if (poll(&fd, 1, ms) <= 0)
        return false;
    char *room = buf_reserve(&p->in, 65536);
    ssize_t n = recv(p->fd, room, 65536, 0);
    if (n > 0)
        p->in.len += (size_t)n;
    return n > 0;
}

/* The next instruction; NULL after ms, or at the end of file. */
static inline struct instr *peer_next(struct peer *p, int ms) {
    buf_consume(&p->in, p->used);
    p->used = 0;
    uint64_t end = clock_ms() + (uint64_t)ms;
    for (;;) {
        struct err e = { 0 };
        enum instr_result r = p->in.len ? instr_parse(p->in.data, p->in.len, COUNT_CODE_POINTS,
                                                      &p->instr, &p->used, &e)
                                        : INSTR_MORE;
        ck_assert_msg(r != INSTR_BAD, "the session said: %s", e.text);
        if (r == INSTR_OK)
            break;
        uint64_t now = clock_ms();
        if (now > end || !peer_read(p, (int)(end - now)))
            return NULL;
    }
    int64_t ts;
    if (slice_is(p->instr.opcode, "sync") && instr_to_int(p->instr.argv[0], 1, INT64_MAX, &ts)) {
        ck_assert_msg((uint64_t)ts > p->last_sync, "sync does not rise");
        p->last_sync = (uint64_t)ts;
        p->syncs++;
        char text[24];
        snprintf(text, sizeof(text), "%lld", (long long)ts);
        if (!p->no_sync)
            peer_send(p, "sync", text);
    }
    return &p->instr;
}

static inline struct instr *peer_wait(struct peer *p, const char *opcode, int ms) {
    uint64_t end = clock_ms() + (uint64_t)ms;
    for (;;) {
        uint64_t now = clock_ms();
        struct instr *in = now < end ? peer_next(p, (int)(end - now)) : NULL;
        if (!in || slice_is(in->opcode, opcode))
            return in;
    }
}

static inline struct instr *peer_until(struct peer *p, const char *opcode) {
    struct instr *in = peer_wait(p, opcode, RIG_WAIT_MS);
    ck_assert_msg(in != NULL, "no %s came", opcode);
    return in;
}

static inline long peer_int(const struct instr *in, size_t i) {
    int64_t v;
    ck_assert(i < in->argc && instr_to_int(in->argv[i], INT32_MIN, INT32_MAX, &v));
    return (long)v;
}

static inline void peer_blob(struct peer *p, const char *stream, const void *data, size_t len) {
    struct buf b;
    buf_init(&b, INSTR_BYTES_MAX);
    base64_add(&b, data, len);
    peer_send(p, "blob", stream, len ? buf_str(&b) : "");
    buf_fini(&b);
}

/* A whole stream: the opcode's arguments come from the caller, data and `end` follow. */
static inline void peer_stream(struct peer *p, const char *stream, const char *data, size_t len) {
    for (size_t at = 0; at < len; at += BLOB_BYTES_MAX)
        peer_blob(p, stream, data + at, MIN_OF(len - at, (size_t)BLOB_BYTES_MAX));
    peer_send(p, "end", stream);
}

/* What the session sends on a stream until its `end`. */
static inline void peer_take_stream(struct peer *p, long stream, struct buf *out) {
    for (;;) {
        struct instr *in = peer_next(p, RIG_WAIT_MS);
        ck_assert(in != NULL);
        bool end = slice_is(in->opcode, "end");
        if ((!end && !slice_is(in->opcode, "blob")) || peer_int(in, 0) != stream)
            continue;
        if (end)
            return;
        char *room = buf_reserve(out, in->argv[1].len);
        long n = base64_decode(in->argv[1].data, in->argv[1].len, room);
        ck_assert(n >= 0 && n <= BLOB_BYTES_MAX);
        out->len += (size_t)n;
    }
}

/* From `args` to `ready`; values by name from pairs. client: NULL, or our page's name. */
static inline void peer_handshake(struct peer *p, const char *version, const char *const *pairs,
                                  const char *client) {
    struct instr *in = peer_until(p, "args");
    struct buf b;
    buf_init(&b, INSTR_BYTES_MAX);
    instr_put(&b, "size", "320", "200", "96", (char *)NULL);
    instr_put(&b, "image", "image/png", (char *)NULL);
    instr_put(&b, "name", "Ada", (char *)NULL);
    if (client)
        instr_put(&b, "client", client, "text", (char *)NULL);
    instr_begin(&b, "connect");
    instr_str(&b, version);
    for (size_t i = 1; i < in->argc; i++) {
        const char *value = "";
        for (const char *const *v = pairs; v && *v; v += 2)
            if (slice_is(in->argv[i], v[0]))
                value = v[1];
        instr_str(&b, value);
    }
    instr_end(&b);
    peer_raw(p, b.data, b.len);
    buf_fini(&b);
}

static inline void peer_gone(struct peer *p) {
    while (peer_next(p, RIG_WAIT_MS))
        continue;
    char c;
    ck_assert_int_le(recv(p->fd, &c, 1, MSG_DONTWAIT | MSG_PEEK), 0);
    ck_assert(errno != EAGAIN);
}

static inline void peer_close(struct peer *p) {
    close(p->fd);
    buf_fini(&p->in);
}

#endif
