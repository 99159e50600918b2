/* Control messages: one JSON object a packet. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/buf.h"
#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

/* One byte at least, so that the end of the stream can be told from a packet. */
#define CTL_ROOM(size) ((size) > 0 ? (size_t)(size) : (size_t)1)
#define STATUS_TIMEOUT 0x0202
#define STATUS_UPSTREAM_ERROR 0x0203

int ctl_send(int sock, json_t *msg, const int *fds, size_t nfds, struct err *e) {
    struct buf b __attribute__((cleanup(buf_wipe)));
    buf_init(&b, CTL_MESSAGE_MAX);
    b.secret = true;
    if (json_write(msg, &b) < 0) {
        errno = EMSGSIZE;
        return err_set(e, 0, "control message is larger than %d bytes", CTL_MESSAGE_MAX);
    }
    if (fdpass_send(sock, b.data, b.len, fds, nfds) < 0)
        return err_errno(e, 0, "cannot send a control message");
    return 0;
}

static void close_all(const int *fds, size_t n) {
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* The next packet's size, without taking it. A reset is an end like any other. */
static ssize_t next_size(int sock) {
    ssize_t size;
    do
        size = recv(sock, NULL, 0, MSG_PEEK | MSG_TRUNC);
    while (size < 0 && errno == EINTR);
    return size < 0 && errno == ECONNRESET ? 0 : size;
}

static json_t *parse(const char *data, size_t len, struct err *e) {
    json_t *msg = json_parse(data, len, CTL_MESSAGE_MAX, e);
    if (msg && !json_is_object(msg)) {
        json_decref(msg);
        msg = NULL;
        err_set(e, 0, "control message is no object");
    }
    if (!msg)
        errno = EPROTO;
    return msg;
}

static json_t *closed(struct err *e) {
    if (e)
        *e = (struct err){ 0 };
    errno = 0;
    return NULL;
}

json_t *ctl_recv(int sock, int *fds, size_t *nfds, struct err *e) {
    /* A packet cannot be read in pieces, and most are small. */
    ssize_t size = next_size(sock);
    if (size > CTL_MESSAGE_MAX) {
        errno = EMSGSIZE;
        err_set(e, 0, "control message of %zd bytes, at most %d are taken", size, CTL_MESSAGE_MAX);
        return NULL;
    }
    size_t count = nfds ? *nfds : 0;
    struct buf b __attribute__((cleanup(buf_wipe)));
    buf_init(&b, CTL_MESSAGE_MAX);
    char *data = size < 0 ? NULL : buf_reserve(&b, CTL_ROOM(size));
    ssize_t n = data ? fdpass_recv(sock, data, CTL_ROOM(size), fds, &count) : -1;
    if (n < 0 && data && errno == ECONNRESET)
        return closed(e);
    if (n < 0) {
        err_errno(e, 0, "cannot receive a control message");
        return NULL;
    }
    json_t *msg = n == 0 ? closed(e) : parse(data, (size_t)n, e);
    if (!msg) {
        int saved = errno;
        close_all(fds, count); /* an empty packet may carry some */
        errno = saved;
        return NULL;
    }
    if (nfds)
        *nfds = count;
    return msg;
}

/* 0 when the socket is ready, -1 with errno ETIMEDOUT when the time is up. */
static int wait_for(int sock, short events, uint64_t deadline) {
    for (;;) {
        uint64_t now = clock_ms();
        struct pollfd p = { .fd = sock, .events = events };
        int n = poll(&p, 1, now < deadline ? (int)(deadline - now) : 0);
        if (n > 0)
            return 0;
        if (n == 0 && clock_ms() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (n < 0 && errno != EINTR)
            return -1;
    }
}

json_t *ctl_call(int sock, json_t *msg, const int *fds, size_t nfds, int *rfds, size_t *nrfds,
                 int timeout_ms, struct err *e) {
    uint64_t deadline = clock_ms() + (uint64_t)MAX_OF(timeout_ms, 0);
    if (wait_for(sock, POLLOUT, deadline) < 0)
        goto late;
    if (ctl_send(sock, msg, fds, nfds, e) < 0)
        return NULL;
    size_t room = nrfds ? *nrfds : 0, count;
    json_t *answer = NULL;
    do {
        if (wait_for(sock, POLLIN, deadline) < 0)
            goto late;
        count = room;
        answer = ctl_recv(sock, rfds, &count, e);
    } while (!answer && (errno == EAGAIN || errno == EWOULDBLOCK));
    if (!answer) {
        if (errno == 0) {
            errno = ECONNRESET;
            err_set(e, STATUS_UPSTREAM_ERROR, "the peer closed without an answer");
        }
        return NULL;
    }
    if (!json_flag(answer, "ok", false)) {
        err_set(e, (int)json_num(answer, "status", 0), "%s",
                json_str(answer, "error", "refused without a reason"));
        close_all(rfds, count);
        json_decref(answer);
        errno = EREMOTEIO;
        return NULL;
    }
    if (nrfds)
        *nrfds = count;
    return answer;
late:
    err_errno(e, STATUS_TIMEOUT, "no answer to a control message");
    return NULL;
}
