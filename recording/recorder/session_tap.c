/* The tap's socket: frames in, acknowledgements out; and finding a session again that lost us. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/session_impl.h"

#define READ_BYTES (256u << 10)
#define ANSWER_US 3000000

static void hung_up(struct session *s);

/* ---- frames in ------------------------------------------------------------------------------ */

static bool may_read(const struct session *s) {
    size_t all = (size_t)s->r->config->memory << 20;
    return s->tap >= 0 && !s->ended && !s->spool_failing &&
           s->held <= (s->r->held <= all ? HELD_MAX : HELD_SHARE) &&
           spool_pending(s->spool) <= SPOOL_PENDING_MAX;
}

static void broken(struct session *s, const char *why) {
    log_error("session %s: %s", s->id, why);
    session_finish(s, "interrupted", STATUS_SERVER_ERROR, why);
}

/* 0: more may follow; -1: the tap is closed, or the session over. */
static int take(struct session *s, const struct frame *f) {
    if (f->again)
        return 0;
    s->seq = f->h.sequence;
    s->bytes += f->h.length;
    if (spool_frame(s->spool, &f->h, f->data) < 0 || session_frame(s, f) < 0) {
        broken(s, "the recorder has no memory for a frame");
        return -1;
    }
    return s->state == S_LIVE && !s->ended ? 0 : -1;
}

static void parse(struct session *s) {
    while (may_read(s)) {
        struct frame f;
        struct err e = { 0 };
        size_t used;
        enum frame_result r = frame_parse((const uint8_t *)(s->in.data ? s->in.data : ""),
                                          s->in.len, s->seq, &f, &used, &e);
        if (r == FRAME_BAD)
            broken(s, e.text);
        if (r != FRAME_OK)
            return;
        int more = take(s, &f);
        buf_consume(&s->in, used);
        if (more < 0)
            return;
    }
}

static void receive(struct session *s) {
    char *room = buf_reserve(&s->in, MIN_OF((size_t)READ_BYTES, s->in.max - s->in.len));
    ssize_t n =
        room ? recv(s->tap, room, MIN_OF((size_t)READ_BYTES, s->in.max - s->in.len), 0) : -1;
    if (n > 0) {
        s->in.len += (size_t)n;
        parse(s);
        /* A keyframe's memory is not kept for key strokes. */
        if (s->in.len == 0 && s->in.cap > 4 * READ_BYTES)
            buf_fini(&s->in);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        hung_up(s);
    }
}

/* ---- acknowledgements out ------------------------------------------------------------------- */

static void send_out(struct session *s) {
    while (s->tap >= 0 && s->out.len > 0) {
        ssize_t n = send(s->tap, s->out.data, s->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* full, or gone: reading will tell */
        buf_consume(&s->out, (size_t)n);
    }
}

static void say(struct session *s, enum tap_type type, uint64_t sequence) {
    uint8_t header[TAP_HEADER];
    tap_pack(&(struct tap_header){ .type = (uint8_t)type, .sequence = sequence }, header);
    buf_add(&s->out, header, sizeof header);
}

void session_tap_acknowledge(struct session *s) {
    if (s->tap < 0 || s->out.len > 0) /* the newest is said once the last one is out */
        return;
    if (s->spooled > s->said_spooled && s->spooled > s->acked)
        say(s, TAP_SPOOLED, s->said_spooled = s->spooled);
    if (s->acked > s->said_acked)
        say(s, TAP_ACK, s->said_acked = s->acked);
    send_out(s);
    session_tap_flow(s);
}

static void on_tap(void *arg, int fd, short revents) {
    struct session *s = arg;
    (void)fd;
    if (revents & POLLOUT) {
        send_out(s);
        session_tap_acknowledge(s);
    }
    if (may_read(s) && revents & (POLLIN | POLLHUP | POLLERR))
        receive(s);
    session_tap_flow(s);
}

void session_tap_flow(struct session *s) {
    if (s->parsing || s->tap < 0)
        return;
    if (may_read(s) && s->in.len > 0) { /* what had been left lying */
        s->parsing = true;
        parse(s);
        s->parsing = false;
    }
    if (s->tap >= 0)
        loop_fd_events(s->tap_watch,
                       (short)((may_read(s) ? POLLIN : 0) | (s->out.len > 0 ? POLLOUT : 0)));
}

/* ---- the socket ----------------------------------------------------------------------------- */

int session_tap_attach(struct session *s, int fd) {
    int flags = fcntl(fd, F_GETFL);
    s->tap_watch = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0
                       ? loop_fd_add(s->r->loop, fd, POLLIN, on_tap, s)
                       : NULL;
    if (!s->tap_watch) {
        close(fd);
        return -1;
    }
    s->tap = fd;
    s->said_spooled = s->said_acked = 0;
    session_tap_acknowledge(s);
    return 0;
}

static void control_close(struct session *s) {
    loop_fd_remove(s->control_watch);
    if (s->control >= 0)
        close(s->control);
    if (s->control_tap >= 0)
        close(s->control_tap);
    s->control_watch = NULL;
    s->control = s->control_tap = -1;
}

void session_tap_close(struct session *s) {
    control_close(s);
    if (s->tap < 0)
        return;
    send_out(s);
    loop_fd_remove(s->tap_watch);
    close(s->tap);
    s->tap_watch = NULL;
    s->tap = -1;
    buf_fini(&s->in); /* half a frame */
    buf_fini(&s->out);
}

static void hung_up(struct session *s) {
    session_tap_close(s);
    if (s->state != S_LIVE || s->ended)
        return;
    s->reconnect_until_ms = clock_ms() + RECONNECT_MS;
    session_reconnect(s);
}

/* ---- finding it again ----------------------------------------------------------------------- */

static void lost(struct session *s) {
    if (s->seq == 0)
        session_finish(s, "refused", STATUS_UPSTREAM_ERROR, "the session never began");
    else
        session_finish(s, "interrupted", STATUS_SERVER_ERROR,
                       "the session's process ended without a word");
}

static void again(struct session *s, const char *why) {
    control_close(s);
    if (clock_ms() >= s->reconnect_until_ms) {
        log_warning("session %s: not found again: %s", s->id, why);
        lost(s);
    } else {
        session_retry(s);
    }
}

static void on_answer(void *arg, int fd, short revents) {
    struct session *s = arg;
    struct err e = { 0 };
    (void)revents;
    _json_ json_t *answer = ctl_recv(fd, NULL, NULL, &e);
    if (!answer && *e.text && errno == EAGAIN)
        return;
    loop_timer_stop(s->retry_timer);
    if (!json_flag(answer, "ok", false)) {
        again(s, answer ? json_str(answer, "error", "refused") : "no answer");
        return;
    }
    int tap = steal_fd(&s->control_tap);
    control_close(s);
    s->retry_ms = 0;
    if (session_tap_attach(s, tap) < 0) {
        again(s, "no memory for its tap");
        return;
    }
    log_info("session %s: its tap goes on behind frame %llu", s->id, (unsigned long long)s->seq);
}

/* Also the time-out of an answer that does not come. */
void session_reconnect(struct session *s) {
    char path[128];
    struct err e = { 0 };
    int pair[2];
    if (s->control >= 0) {
        again(s, "no answer");
        return;
    }
    snprintf(path, sizeof path, "%s/s/%s.sock", s->r->config->run, s->id);
    s->control = ctl_connect(path, &e);
    if (s->control < 0) {
        /* It binds its socket before its first frame: one that had sent some is gone for good, and
         * so is one that let go of the tap itself. */
        if ((s->seq > 0 || !s->resumed) && (errno == ENOENT || errno == ECONNREFUSED))
            lost(s);
        else
            again(s, e.text);
        return;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        again(s, "no descriptor for its tap");
        return;
    }
    s->control_tap = pair[0];
    fcntl(s->control, F_SETFL, fcntl(s->control, F_GETFL) | O_NONBLOCK);
    _json_ json_t *msg = json_pack("{s:s, s:I}", "op", "tap", "after", (json_int_t)s->seq);
    int r = ctl_send(s->control, msg, &pair[1], 1, &e);
    close(pair[1]);
    if (r == 0)
        s->control_watch = loop_fd_add(s->r->loop, s->control, POLLIN, on_answer, s);
    if (!s->control_watch) {
        again(s, r < 0 ? e.text : "no memory");
        return;
    }
    loop_timer_set(s->retry_timer, ANSWER_US);
}
