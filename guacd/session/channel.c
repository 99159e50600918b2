/* The channel to guacd: it is told the session's id, and may ask for the end. A guacd that dies
 * takes nobody with it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/daemon/child.h"
#include "guacd/proto/status.h"
#include "guacd/session/session.h"

static void hung_up(struct session *s) {
    loop_fd_remove(s->channel_watch);
    s->channel_watch = NULL;
    close(s->channel);
    s->channel = -1;
}

static void on_channel(void *arg, int fd, short revents) {
    (void)revents;
    struct session *s = arg;
    struct err e = { 0 };
    errno = 0;
    _json_ json_t *msg = ctl_recv(fd, NULL, NULL, &e);
    if (!msg) {
        if (errno != EAGAIN)
            hung_up(s);
        return;
    }
    if (strcmp(json_str(msg, "op", ""), CHILD_OP_END) == 0)
        life_end(s, (int)json_num(msg, "status", STATUS_SESSION_CLOSED), "%s",
                 json_str(msg, "text", "the gateway ended the session"));
    else if (strcmp(json_str(msg, "op", ""), CHILD_OP_LEAVE) == 0)
        life_leave(s, (uint64_t)MAX_OF(json_num(msg, "ms", 0), 0));
}

int channel_open(struct session *s, struct err *e) {
    s->channel = CHILD_FD_CHANNEL;
    int flags = fcntl(s->channel, F_GETFL);
    if (flags < 0 || fcntl(s->channel, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_errno(e, 0, "descriptor %d is no channel", CHILD_FD_CHANNEL);
    fcntl(s->channel, F_SETFD, FD_CLOEXEC);
    s->channel_watch = loop_fd_add(s->loop, s->channel, POLLIN, on_channel, s);
    return s->channel_watch ? 0 : err_set(e, 0, "no memory to watch the channel");
}

/* NULL: none came. */
static json_t *await(struct session *s, int *fds, size_t *count, struct err *e) {
    uint64_t now = clock_ms(), deadline = now + CHILD_ANSWER_MS;
    for (; now < deadline; now = clock_ms()) {
        struct pollfd p = { .fd = s->channel, .events = POLLIN };
        poll(&p, 1, (int)(deadline - now));
        json_t *msg = ctl_recv(s->channel, fds, count, e);
        if (msg)
            return msg;
        if (errno != EAGAIN && errno != EINTR)
            break;
    }
    err_set(e, STATUS_SERVER_ERROR, "guacd does not answer");
    return NULL;
}

/* The answer's descriptors; their number, or -1. */
static int await_answer(struct session *s, int *fds, size_t max, struct err *e) {
    size_t count = max;
    _json_ json_t *msg = await(s, fds, &count, e);
    if (msg && !count)
        err_set(e, STATUS_SERVER_ERROR, "%s", json_str(msg, "text", "guacd said no"));
    return msg && count ? (int)count : -1;
}

int channel_ask(struct session *s, const char *op, const char *id, struct err *e) {
    int fd = -1;
    if (s->channel < 0)
        return err_set(e, STATUS_SERVER_ERROR, "guacd is gone");
    channel_say(s, op, id);
    return await_answer(s, &fd, 1, e) < 0 ? -1 : fd;
}

int channel_files(struct session *s, const char *what, bool timing, int fds[2], struct err *e) {
    char folder[32], name[32], make[40], existing[40];
    snprintf(folder, sizeof(folder), "%s-path", what);
    snprintf(name, sizeof(name), "%s-name", what);
    snprintf(make, sizeof(make), "create-%s-path", what);
    snprintf(existing, sizeof(existing), "%s-write-existing", what);
    _json_ json_t *msg = json_pack("{s:s,s:s,s:s,s:s,s:b,s:b,s:b}", "op", CHILD_OP_FILES, "id",
                                   s->id, "folder", args_str(s->args, folder), "name",
                                   args_str(s->args, name), "make", args_bool(s->args, make),
                                   "existing", args_bool(s->args, existing), "timing", timing);
    fds[0] = fds[1] = -1;
    if (s->channel < 0 || !msg)
        return err_set(e, STATUS_SERVER_ERROR, "guacd is gone");
    if (ctl_send(s->channel, msg, NULL, 0, e) < 0 || await_answer(s, fds, 2, e) < 0)
        return err_prefix(e, "the %s that this connection asks for cannot be made", what), -1;
    return 0;
}

void channel_say(struct session *s, const char *op, const char *id) {
    if (s->channel < 0)
        return;
    _json_ json_t *msg = json_pack("{s:s,s:s}", "op", op, "id", id);
    struct err e = { 0 };
    if (!msg || ctl_send(s->channel, msg, NULL, 0, &e) < 0)
        log_warning("guacd was not told: %s", e.text);
}

int channel_known(struct session *s, struct err *e) {
    _json_ json_t *msg =
        json_pack("{s:s,s:s,s:s}", "op", CHILD_OP_KNOWN, "id", s->id, "name", s->known_name);
    if (s->channel < 0 || !msg)
        return err_set(e, STATUS_SERVER_ERROR, "guacd is gone");
    if (ctl_send(s->channel, msg, NULL, 0, e) < 0)
        return -1;
    _json_ json_t *answer = await(s, NULL, NULL, e);
    if (!answer)
        return -1;
    if (strcmp(json_str(answer, "op", ""), CHILD_OP_KNOWN) != 0)
        return err_set(e, STATUS_SERVER_ERROR, "%s", json_str(answer, "text", "guacd said no"));
    snprintf(s->known_print, sizeof(s->known_print), "%s", json_str(answer, "print", ""));
    return 0;
}

void channel_remember(struct session *s, const char *print) {
    struct err e = { 0 };
    _json_ json_t *msg =
        json_pack("{s:s,s:s,s:s}", "op", CHILD_OP_REMEMBER, "id", s->id, "print", print);
    if (s->channel < 0 || !msg || ctl_send(s->channel, msg, NULL, 0, &e) < 0)
        log_warning("guacd does not remember %s", s->known_name);
}
