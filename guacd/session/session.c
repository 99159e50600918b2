/* The session's memory, clock and broadcast. */
#include "guacd/session/session.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/typescript.h"

#define SHOWN_MAX (256u << 10) /* text between two frames */

static void on_frame_timer(void *arg) {
    frames_pump(arg);
}

/* Backend thread: room was made. */
static void let_read(void *arg) {
    struct session *s = arg;
    for (struct user *u = s->users; u; u = u->next)
        if (user_live(u) && u->stalled)
            user_read(u);
}

static void on_room(void *arg) {
    struct session *s = arg;
    loop_post(s->loop, let_read, s);
}

/* Backend thread: an event was taken; bytes of STDIN are acknowledged now. */
struct taken {
    struct session *s;
    uint32_t user;
    int stream;
};

static void tell_taken(void *arg) {
    struct taken *t = arg;
    streams_input_taken(t->s, t->user, t->stream);
    free(t);
}

static void on_taken(void *arg, const struct event *ev) {
    struct session *s = arg;
    struct taken *t = ev->type == EVENT_INPUT ? malloc(sizeof(*t)) : NULL;
    if (!t)
        return;
    *t = (struct taken){ s, ev->user, ev->input.stream };
    if (loop_post(s->loop, tell_taken, t) < 0)
        free(t);
}

struct session *session_new(const struct options *o, struct err *e) {
    struct session *s = calloc(1, sizeof(*s));
    if (!s || mailbox_init(&s->mailbox, e) < 0) {
        free(s);
        return NULL;
    }
    s->mailbox.on_room = on_room;
    s->mailbox.on_taken = on_taken;
    s->mailbox.arg = s;
    s->options = o;
    s->channel = s->tap_fd = s->storage = -1;
    s->tokens = FRAME_BURST;
    s->sandbox = (struct sandbox_options){ .allow_no_seccomp = o->allow_no_seccomp,
                                           .denylist_only = o->denylist_only,
                                           .trap = o->sandbox_trap };
    buf_init(&s->shown, SHOWN_MAX);
    pthread_mutex_init(&s->shown_lock, NULL);
    pthread_mutex_init(&s->gate, NULL);
    pthread_cond_init(&s->gate_changed, NULL);
    s->loop = loop_new(e);
    s->frame_timer = s->loop ? loop_timer_new(s->loop, on_frame_timer, s) : NULL;
    if (!s->frame_timer || life_init(s, e) < 0) {
        session_free(s);
        return NULL;
    }
    s->zero_wall_ms = s->started_wall_ms = clock_wall_ms();
    return s;
}

void session_free(struct session *s) {
    if (!s)
        return;
    if (s->thread_runs)
        pthread_join(s->thread, NULL);
    while (s->users) {
        struct user *u = s->users;
        s->users = u->next;
        user_free(u);
    }
    control_free(s);
    record_free(s);
    typescript_free(s);
    loop_fd_remove(s->channel_watch);
    life_fini(s);
    loop_timer_free(s->frame_timer);
    if (s->loop)
        loop_free(s->loop);
    mailbox_fini(&s->mailbox);
    buf_fini(&s->shown);
    pthread_mutex_destroy(&s->shown_lock);
    pthread_mutex_destroy(&s->gate);
    pthread_cond_destroy(&s->gate_changed);
    files_free(s);
    args_free(s->args);
    if (s->state && s->backend)
        secret_wipe(s->state, s->backend->state_size);
    free(s->state);
    free(s->title);
    if (s->channel >= 0)
        close(s->channel);
    if (s->storage >= 0)
        close(s->storage);
    if (s->so)
        dlclose(s->so);
    free(s);
}

uint64_t session_now(const struct session *s) {
    uint64_t ms = clock_ms() - s->start_ms + (s->started_wall_ms - s->zero_wall_ms);
    return MAX_OF(ms, 1);
}

void session_send_all(struct session *s, struct buf *b) {
    struct chunk *c = chunk_steal(b);
    for (struct user *u = s->users; c && u; u = u->next)
        if (user_live(u))
            user_send(u, c);
    chunk_unref(c);
}
