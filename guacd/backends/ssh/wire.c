/* libssh2 between its socket and our loop. Its own partial sends must be finished with the same
 * arguments before anything else is sent, its reader drains the whole socket before it returns, and
 * an end of file hides what is queued before it. Callbacks of ours in place of send and recv make
 * all three impossible. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static ssize_t on_send(libssh2_socket_t fd, const void *data, size_t len, int flags, void **arg) {
    struct ssh *c = *arg;
    (void)fd;
    (void)flags;
    if (buf_add(&c->wire, data, len))
        return -EAGAIN; /* SSH_WIRE_LIMIT keeps us far from here */
    return ssh_flush(c) ? -EPIPE : (ssize_t)len;
}

static ssize_t on_recv(libssh2_socket_t fd, void *data, size_t len, int flags, void **arg) {
    struct ssh *c = *arg;
    (void)flags;
    if (c->peer_closed)
        return c->tell_closed ? 0 : -EAGAIN;
    if (!c->budget) {
        c->more = true;
        return -EAGAIN;
    }
    ssize_t n = recv(fd, data, len, MSG_DONTWAIT);
    if (n > 0) {
        c->budget -= MIN_OF((size_t)n, c->budget);
        if (!sftp_busy(c->sftp)) /* a file's bytes say nothing about the terminal */
            c->pace.raw += (uint64_t)n;
        c->heard_ms = clock_ms();
        return n;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    c->peer_closed = true;
    c->more = true;
    return -EAGAIN;
}

int ssh_flush(struct ssh *c) {
    while (c->wire.len) {
        ssize_t n = send(c->fd, c->wire.data, c->wire.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        buf_consume(&c->wire, (size_t)n);
    }
    return 0;
}

int ssh_wire_start(struct ssh *c, struct err *e) {
    buf_init(&c->wire, SSH_WIRE_MAX);
    c->lib = libssh2_session_init_ex(ssh_alloc, ssh_free, ssh_realloc, c);
    if (!c->lib)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for an SSH session");
    libssh2_session_set_blocking(c->lib, 0);
    libssh2_session_callback_set2(c->lib, LIBSSH2_CALLBACK_SEND, (libssh2_cb_generic *)on_send);
    libssh2_session_callback_set2(c->lib, LIBSSH2_CALLBACK_RECV, (libssh2_cb_generic *)on_recv);
    return 0;
}

int ssh_wait(struct ssh *c, uint64_t deadline, struct err *e) {
    uint64_t now = clock_ms();
    if (c->peer_closed && !c->tell_closed) {
        c->tell_closed = true;
        return 0;
    }
    bool more = c->more;
    c->more = false;
    c->budget = SSH_READ_BUDGET;
    if (deadline && now >= deadline)
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "%s does not answer", c->host);
    struct pollfd p[2] = {
        { c->fd, (short)(POLLIN | (c->wire.len ? POLLOUT : 0)), 0 },
        { console_event_fd(&c->con), POLLIN, 0 },
    };
    int ms = more ? 0 : deadline ? (int)MIN_OF(deadline - now, (uint64_t)60000) : -1;
    if (poll(p, 2, ms) < 0 && errno != EINTR)
        return err_errno(e, STATUS_SERVER_ERROR, "poll");
    if (p[1].revents && !console_early_events(&c->con))
        return err_set(e, STATUS_SESSION_CLOSED, "the session ended while it was connecting");
    if ((p[0].revents & POLLOUT) && ssh_flush(c))
        return err_set(e, STATUS_RESOURCE_CLOSED, "%s closed the connection", c->host);
    return 0;
}

int ssh_error(struct ssh *c, int rc, const char *what, struct err *e) {
    char *text = NULL;
    int last = libssh2_session_last_error(c->lib, &text, NULL, 0);
    switch (rc) {
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_CHANNEL_CLOSED:
        return err_set(e, STATUS_RESOURCE_CLOSED, "%s closed the connection (%s)", c->host, what);
    case LIBSSH2_ERROR_TIMEOUT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "%s does not answer (%s)", c->host, what);
    case LIBSSH2_ERROR_KEX_FAILURE:
    case LIBSSH2_ERROR_METHOD_NONE:
    case LIBSSH2_ERROR_ALGO_UNSUPPORTED:
        return err_set(e, STATUS_UPSTREAM_ERROR,
                       "%s and this gateway have no SSH algorithms in common (%s)", c->host,
                       text ? text : what);
    case LIBSSH2_ERROR_BANNER_RECV:
    case LIBSSH2_ERROR_BANNER_SEND:
    case LIBSSH2_ERROR_PROTO:
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s does not speak SSH as it should (%s)", c->host,
                       text && *text ? text : what);
    default:
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s: %s (libssh2 %d)", what,
                       last && text && *text ? text : "failed", rc);
    }
}
