/* A whole session in the test's process: the real wire thread, a backend that does what the test
 * says, and clients that speak the protocol over socket pairs. Check runs each test in a process of
 * its own. Everything is inline since a test links the module and this header only. */
#ifndef GUAC_TESTS_RIG_H
#define GUAC_TESTS_RIG_H

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/daemon/child.h"
#include "guacd/display/surface.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"
#include "recording/tap.h"
#include "tests/unit/session/peer.h"

#define RIG_EVENTS 4096
#define RIG_V15 "VERSION_1_5_0"

static unsigned rig_every_us; /* of its picture */

struct rig {
    struct session *s;
    struct options options;
    char dir[64], uids[16];
    pthread_t thread, guacd;
    int channel;
    /* the backend */
    struct surface *surface;
    pthread_mutex_t lock;
    struct event events[RIG_EVENTS];
    size_t count, seen;
    uint64_t input_bytes, input_hash;
    int commands[2], slow_us;
    struct err open_err; /* status set: open fails with it */
    uint64_t silent_ms;  /* 0: the real limit */
    bool ask;            /* open asks for username and password */
    char *answers[2];
};
static struct rig rig = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the backend --------------------------------------------------------------------------- */

struct rig_command {
    void (*fn)(struct session *s, void *arg);
    void *arg;
    int done;
};

static inline uint64_t rig_hash(uint64_t h, const void *data, size_t len) {
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static int rig_open(struct session *s, void *state, const struct args *args, struct err *e) {
    (void)state;
    (void)args;
    if (rig.open_err.status) {
        *e = rig.open_err;
        return -1;
    }
    const char *names[] = { "username", "password" };
    if (rig.ask && session_ask(s, names, 2, rig.answers, e) < 0)
        return -1;
    int w, h, dpi;
    session_size(s, &w, &h, &dpi);
    rig.surface = surface_new(w, h);
    surface_picture(rig.surface)->every_us = rig_every_us;
    session_set_picture(s, surface_picture(rig.surface));
    return 0;
}

static int rig_run(struct session *s, void *state, struct err *e) {
    (void)state;
    for (;;) {
        struct pollfd p[] = { { session_event_fd(s), POLLIN, 0 }, { rig.commands[0], POLLIN, 0 } };
        poll(p, 2, -1);
        struct event ev;
        while (session_next_event(s, &ev)) {
            if (rig.slow_us)
                usleep((useconds_t)rig.slow_us);
            pthread_mutex_lock(&rig.lock);
            if (ev.type == EVENT_INPUT) {
                rig.input_hash = rig_hash(rig.input_hash, ev.data, ev.len);
                rig.input_bytes += ev.len;
                event_fini(&ev);
            } else if (rig.count < RIG_EVENTS) {
                rig.events[rig.count++] = ev;
            }
            pthread_mutex_unlock(&rig.lock);
            if (ev.type == EVENT_END)
                return 0;
        }
        struct rig_command *c;
        if (p[1].revents && read(rig.commands[0], &c, sizeof(c)) == sizeof(c)) {
            if (!c->fn) {
                *e = *(struct err *)c->arg;
                int r = e->status ? -1 : 0;
                __atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
                return r;
            }
            c->fn(s, c->arg);
            __atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
        }
    }
}

static void rig_close(struct session *s, void *state) {
    (void)s;
    (void)state;
    surface_free(rig.surface);
}

static const struct backend rig_backend = {
    .name = "rig",
    .open = rig_open,
    .run = rig_run,
    .close = rig_close,
};

/* Run fn on the backend's thread, and wait until it has. */
static inline void rig_do(void (*fn)(struct session *s, void *arg), void *arg) {
    struct rig_command c = { fn, arg, 0 }, *p = &c;
    ck_assert_int_eq(write(rig.commands[1], &p, sizeof(p)), sizeof(p));
    while (!__atomic_load_n(&c.done, __ATOMIC_ACQUIRE))
        usleep(50);
}

static void rig_nothing(struct session *s, void *arg) {
    (void)s;
    (void)arg;
}

/* What the backend's thread did so far is seen here. */
static inline void rig_settle(void) {
    rig_do(rig_nothing, NULL);
}

/* The target ends, with or without an error. */
static inline void rig_target_ends(int status, const char *text) {
    struct err e = { .status = status };
    snprintf(e.text, sizeof(e.text), "%s", text);
    rig_do(NULL, &e);
}

struct rig_spot {
    int x;
    uint32_t color;
};

static void rig_draw_fn(struct session *s, void *arg) {
    struct rig_spot *spot = arg;
    surface_fill(rig.surface, spot->x, 10, 10, 10, spot->color);
    session_damage(s);
}

static inline void rig_draw(int x, uint32_t color) {
    rig_do(rig_draw_fn, &(struct rig_spot){ x, color });
}

/* The next event of this type within ms, others are skipped; NULL: none came. */
static inline struct event *rig_wait_event(enum event_type type, int ms) {
    for (uint64_t end = clock_ms() + (uint64_t)ms;; usleep(200)) {
        pthread_mutex_lock(&rig.lock);
        while (rig.seen < rig.count) {
            struct event *ev = &rig.events[rig.seen++];
            if (ev->type == type) {
                pthread_mutex_unlock(&rig.lock);
                return ev;
            }
        }
        pthread_mutex_unlock(&rig.lock);
        if (clock_ms() > end)
            return NULL;
    }
}

static inline struct event *rig_event(enum event_type type) {
    struct event *ev = rig_wait_event(type, RIG_WAIT_MS);
    ck_assert_msg(ev != NULL, "no event %d", type);
    return ev;
}

/* ---- the session --------------------------------------------------------------------------- */

static void *rig_main(void *arg) {
    struct session *s = arg;
    loop_run(s->loop);
    return NULL;
}

/* In guacd's place: makes the control socket that the session asks for. */
static void *rig_guacd(void *arg) {
    int channel = *(int *)arg;
    struct err e = { 0 };
    char path[160];
    for (json_t *msg; (msg = ctl_recv(channel, NULL, NULL, &e)); json_decref(msg)) {
        if (strcmp(json_str(msg, "op", ""), CHILD_OP_SESSION) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/s/%s.sock", rig.dir, json_str(msg, "id", ""));
        int fd = ctl_listen(path, 0600, &e);
        json_t *answer = json_pack("{s:s}", "op", CHILD_OP_SOCKET);
        if (ctl_send(channel, answer, &fd, 1, &e) < 0)
            log_error("the session is not answered: %s", e.text);
        json_decref(answer);
        close(fd);
    }
    close(channel);
    return NULL;
}

/* pairs: parameters, up to NULL. tap: the session's end of it (gateway mode), or -1. */
static inline void rig_start_as(struct peer *owner, int tap, const char *version,
                                const char *const *pairs, const char *client) {
    struct err e = { 0 };
    log_init("rig", LOG_LEVEL_ERROR);
    snprintf(rig.dir, sizeof(rig.dir), "/tmp/guac-rig-XXXXXX");
    ck_assert(mkdtemp(rig.dir) != NULL);
    char path[80];
    snprintf(path, sizeof(path), "%s/s", rig.dir);
    mkdir(path, 0700);
    snprintf(rig.uids, sizeof(rig.uids), "%u", getuid());
    rig.options = (struct options){
        .mode = (char[]){ "stock" }, .run = rig.dir, .trusted_uids = rig.uids, .backends = rig.dir
    };
    ck_assert_int_eq(pipe(rig.commands), 0);
    ck_assert_int_eq(sandbox_begin(&e), 0);
    struct session *s = rig.s = session_new(&rig.options, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    s->gateway = tap >= 0;
    if (rig.silent_ms)
        s->silent_ms = rig.silent_ms;
    s->nop_ms = 500;
    s->tap_end_ms = 500;
    s->protocol = protocol_find("demo");
    s->backend = &rig_backend;
    s->state = calloc(1, 1);
    if (tap >= 0)
        record_descriptor(s, tap);
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    s->channel = ends[0];
    rig.channel = ends[1];
    pthread_create(&rig.guacd, NULL, rig_guacd, &rig.channel);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct user *u = user_new(s, ends[0], NULL, ROLE_OWNER, &e);
    ck_assert_msg(u != NULL, "%s", e.text);
    start_joined(u);
    pthread_create(&rig.thread, NULL, rig_main, s);
    peer_init(owner, ends[1]);
    peer_handshake(owner, version, pairs, client);
}

#define rig_start(owner, ...) \
    rig_start_as(owner, -1, RIG_V15, (const char *const[]){ __VA_ARGS__, NULL, NULL }, NULL)

/* Waits for the session's own end, and frees it (so that leaks are seen). */
static inline void rig_end(void) {
    pthread_join(rig.thread, NULL);
    session_free(rig.s);
    pthread_join(rig.guacd, NULL);
    for (size_t i = 0; i < rig.count; i++)
        event_fini(&rig.events[i]);
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", rig.dir);
    ck_assert_int_eq(system(command), 0);
}

/* ---- the control socket -------------------------------------------------------------------- */

static inline json_t *rig_call(const char *json, int fd, struct err *e) {
    char path[160];
    snprintf(path, sizeof(path), "%s/s/%s.sock", rig.dir, rig.s->id);
    int sock = ctl_connect(path, e);
    ck_assert_msg(sock >= 0, "%s", e->text);
    json_t *msg = json_loads(json, 0, NULL);
    ck_assert(msg != NULL);
    *e = (struct err){ 0 };
    json_t *answer = ctl_call(sock, msg, &fd, fd >= 0 ? 1 : 0, NULL, NULL, RIG_WAIT_MS, e);
    json_decref(msg);
    close(sock);
    return answer;
}

/* Asks and is answered `ok`. */
static inline void rig_ok(const char *json) {
    struct err e = { 0 };
    json_t *answer = rig_call(json, -1, &e);
    ck_assert_msg(answer != NULL, "%s: %s", json, e.text);
    json_decref(answer);
}

/* 0, or the status that `join` was refused with. Goes on to `ready` only when asked. */
static inline int peer_join(struct peer *p, const char *json) {
    struct err e = { 0 };
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    json_t *answer = rig_call(json, ends[0], &e);
    close(ends[0]);
    peer_init(p, ends[1]);
    json_decref(answer);
    return answer ? 0 : e.status;
}

static inline void peer_viewer(struct peer *p, const char *role) {
    char json[64];
    snprintf(json, sizeof(json), "{\"op\":\"join\",\"role\":\"%s\"}", role);
    ck_assert_int_eq(peer_join(p, json), 0);
    peer_handshake(p, RIG_V15, NULL, NULL);
    peer_until(p, "ready");
}

/* ---- the recorder's end of a tap ----------------------------------------------------------- */

struct frame {
    struct tap_header h;
    char *data;
};

static inline bool tap_read(int fd, void *data, size_t len, int ms) {
    for (size_t at = 0; at < len;) {
        struct pollfd p = { fd, POLLIN, 0 };
        if (poll(&p, 1, ms) <= 0)
            return false;
        ssize_t n = recv(fd, (char *)data + at, len - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static inline bool tap_next(int fd, struct frame *f, int ms) {
    uint8_t header[TAP_HEADER];
    if (!tap_read(fd, header, sizeof(header), ms))
        return false;
    ck_assert_int_eq(tap_unpack(header, &f->h), 0);
    f->data = calloc(1, f->h.length + 1);
    ck_assert(tap_read(fd, f->data, f->h.length, RIG_WAIT_MS));
    return true;
}

static inline void tap_say(int fd, enum tap_type type, uint64_t sequence) {
    uint8_t header[TAP_HEADER];
    tap_pack(&(struct tap_header){ .type = (uint8_t)type, .sequence = sequence }, header);
    ck_assert_int_eq(send(fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
}

#endif
