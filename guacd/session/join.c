/* Stock `select $id`: the client's descriptor goes to the session of that id by its control socket,
 * and this process ends; under TLS it stays and relays, since the keys of the connection are here.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/enc.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/proto/status.h"
#include "guacd/session/session.h"

#define JOIN_MS 5000
#define RELAY_BYTES 65536

static int join(struct session *s, const char *id, int fd, struct err *e) {
    if (s->gateway)
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "Sessions are joined through the gateway.");
    if (!uuid_valid(id, strlen(id)))
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "There is no such session.");
    _close_ int sock = channel_ask(s, CHILD_OP_JOIN, id, e);
    if (sock < 0) {
        log_info("join: %s", e->text);
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "There is no such session.");
    }
    _json_ json_t *msg = json_pack("{s:s,s:s}", "op", "join", "role", "helper");
    _json_ json_t *answer = msg ? ctl_call(sock, msg, &fd, 1, NULL, NULL, JOIN_MS, e) : NULL;
    return answer ? 0 : -1;
}

/* ---- the relay of TLS ---------------------------------------------------------------------- */

/* Bytes from one side to the other; reads only while nothing waits. */
struct half {
    char data[RELAY_BYTES];
    size_t start, end;
};

struct relay {
    struct link *tls;
    int inner;
    struct half in, out; /* in: from the client */
    bool over;
};

static void relay_in(struct relay *r) {
    if (r->in.start == r->in.end) {
        ssize_t n = link_read(r->tls, r->in.data, sizeof(r->in.data));
        if (n == 0 || (n < 0 && errno != EAGAIN))
            r->over = true;
        r->in.start = 0;
        r->in.end = n > 0 ? (size_t)n : 0;
    }
    if (r->in.start < r->in.end) {
        ssize_t n = send(r->inner, r->in.data + r->in.start, r->in.end - r->in.start,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            r->over = true;
        r->in.start += n > 0 ? (size_t)n : 0;
    }
}

static void relay_out(struct relay *r) {
    if (r->out.start == r->out.end) {
        ssize_t n = recv(r->inner, r->out.data, sizeof(r->out.data), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            r->over = true;
        r->out.start = 0;
        r->out.end = n > 0 ? (size_t)n : 0;
    }
    if (r->out.start < r->out.end) {
        struct iovec iov = { r->out.data + r->out.start, r->out.end - r->out.start };
        ssize_t n = link_writev(r->tls, &iov, 1);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            r->over = true;
        r->out.start += n > 0 ? (size_t)n : 0;
    }
}

static bool progress(struct relay *r) {
    size_t a = r->in.start + r->in.end, b = r->out.start + r->out.end;
    relay_in(r);
    relay_out(r);
    return !r->over && (a != r->in.start + r->in.end || b != r->out.start + r->out.end);
}

static void relay(struct link *tls, int inner) {
    struct relay *r = calloc(1, sizeof(*r));
    if (!r)
        return;
    r->tls = tls;
    r->inner = inner;
    while (!r->over) {
        if (progress(r))
            continue;
        bool in_waits = r->in.start < r->in.end, out_waits = r->out.start < r->out.end;
        struct pollfd fds[] = {
            { tls->fd, link_events(tls, !in_waits, out_waits), 0 },
            { inner, (short)((out_waits ? 0 : POLLIN) | (in_waits ? POLLOUT : 0)), 0 },
        };
        if (!r->over && poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
    }
    explicit_bzero(r, sizeof(*r));
    free(r);
}

static int join_tls(struct session *s, struct user *u, const char *id, struct err *e) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(e, STATUS_SERVER_BUSY, "no sockets for a relay");
    _close_ int inner = ends[0];
    _close_ int given = ends[1];
    if (join(s, id, given, e) < 0)
        return -1;
    close(steal_fd(&given));
    channel_say(s, CHILD_OP_JOINED, id);
    relay(&u->link, inner);
    return 0;
}

void join_sibling(struct user *u, const char *id) {
    struct session *s = u->s;
    struct err e = { 0 };
    int r;
    if (u->link.ssl) {
        r = join_tls(s, u, id, &e);
    } else {
        r = join(s, id, u->link.fd, &e);
        if (r == 0)
            channel_say(s, CHILD_OP_JOINED, id);
    }
    if (r < 0) {
        life_end(s, e.status, "%s", e.text);
        return;
    }
    /* The descriptor is theirs now: closed here, not shut down. */
    link_leave(&u->link);
    user_drop(u, "he joined another session");
    life_end(s, STATUS_SUCCESS, "joined %s", id);
}
