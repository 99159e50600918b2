/* What a live user may send: any bytes, as any role, with and without a recording, a prompt, a
 * pause. The first byte chooses which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/log.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OWNER = 1, VIEWER = 2, PAUSED = 4, RECORDED = 8, MASKED = 16, FULL = 32, NO_PASTE = 64 };

static struct options options = { .mode = (char[]){ "stock" },
                                  .run = (char[]){ "/nonexistent" },
                                  .trusted_uids = (char[]){ "" },
                                  .backends = (char[]){ "/nonexistent" } };

static struct user *live_user(struct session *s, int fd, unsigned how) {
    struct err e = { 0 };
    struct user *u = user_new(s, fd, NULL, how & VIEWER ? ROLE_VIEWER : ROLE_HELPER, &e);
    if (!u)
        abort();
    u->phase = USER_LIVE;
    u->number = ++s->last_number;
    u->version = HANDSHAKE_1_5_0;
    u->ours = u->number & 1;
    if (how & OWNER)
        s->owner = u;
    return u;
}

static struct session *fresh(unsigned how, int tap) {
    struct err e = { 0 };
    struct session *s = session_new(&options, &e);
    if (!s)
        abort();
    s->protocol = protocol_find("demo");
    s->args = args_new(s->protocol);
    strcpy(s->id, "fuzz");
    s->copy = true;
    s->paste = !(how & NO_PASTE);
    s->clipboard_max = 65536;
    s->grace_ms = 1000;
    s->gateway = true;
    args_set(s->args, "recording-keys", how & MASKED ? "masked" : "full", how & MASKED ? 6 : 4, &e);
    if (how & RECORDED) {
        record_descriptor(s, tap);
        if (record_start(s, &e) < 0)
            abort();
    } else {
        close(tap);
    }
    if (how & PAUSED)
        life_pause(s, PAUSE_MODERATOR, "fuzzed");
    return s;
}

static void stop(void *arg) {
    loop_stop(arg);
}

/* What was posted, and who is to be swept away. */
static void turn(struct session *s) {
    struct loop_timer *t = loop_timer_new(s->loop, stop, s->loop);
    loop_timer_set(t, 0);
    loop_run(s->loop);
    loop_timer_free(t);
}

static bool gone(const struct session *s) {
    return !s->users || s->users->phase != USER_LIVE;
}

static void drain(struct session *s) {
    struct event ev;
    while (mailbox_take(&s->mailbox, &ev)) {
        if (ev.type == EVENT_KEY && ev.key.keysym & 1)
            record_echo(s, ev.key.id, true);
        event_fini(&ev);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    log_init("fuzz", LOG_LEVEL_ERROR);
    unsigned how = data[0];
    int ends[2], tap[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, tap) < 0)
        abort();
    struct session *s = fresh(how, tap[0]);
    live_user(s, ends[0], how);
    for (size_t at = 1; at < size && !gone(s);) {
        ssize_t n = send(ends[1], data + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
        user_read(s->users);
        if (!(how & FULL))
            drain(s);
        turn(s);
        char waste[65536];
        while (recv(ends[1], waste, sizeof(waste), MSG_DONTWAIT) > 0)
            continue;
    }
    record_mask(s, true);
    record_end(s, 0, "fuzzed");
    session_free(s);
    close(ends[1]);
    close(tap[1]);
    return 0;
}
