/* Turning clients away without blocking, and without losing the words by closing too early. */
#include "guacd/daemon/refuse.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "guacd/base/buf.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/handshake.h"

#define LINGER_MS 2000
#define LINGER_MAX 512         /* at a time; one more and the oldest goes */
#define DISCARD_MAX (8u << 20) /* bytes of one client */

struct refusal {
    struct refusal *next;
    struct refusals *all;
    struct loop_fd *watch;
    int fd;
    size_t discarded;
    uint64_t until_ms;
};

struct refusals {
    struct loop *loop;
    struct loop_timer *timer;
    struct refusal *first, **last; /* oldest first */
    size_t count;
};

static void drop(struct refusal *f) {
    struct refusals *r = f->all;
    for (struct refusal **p = &r->first; *p; p = &(*p)->next)
        if (*p == f) {
            *p = f->next;
            if (!*p)
                r->last = p;
            break;
        }
    r->count--;
    loop_fd_remove(f->watch);
    close(f->fd);
    free(f);
}

static void on_timer(void *arg) {
    struct refusals *r = arg;
    uint64_t now = clock_ms();
    while (r->first && r->first->until_ms <= now)
        drop(r->first);
    if (r->first)
        loop_timer_set(r->timer, (r->first->until_ms - now) * 1000);
}

/* MSG_TRUNC on TCP: the kernel throws the bytes away without showing them. */
static void on_bytes(void *arg, int fd, short revents) {
    (void)revents;
    struct refusal *f = arg;
    ssize_t n = recv(fd, NULL, 1u << 20, MSG_TRUNC | MSG_DONTWAIT);
    if (n > 0 && (f->discarded += (size_t)n) <= DISCARD_MAX)
        return;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    drop(f);
}

struct refusals *refusals_new(struct loop *l, struct err *e) {
    struct refusals *r = calloc(1, sizeof(*r));
    if (r) {
        r->loop = l;
        r->last = &r->first;
        r->timer = loop_timer_new(l, on_timer, r);
    }
    if (!r || !r->timer) {
        err_errno(e, 0, "cannot start");
        free(r);
        return NULL;
    }
    return r;
}

void refusals_free(struct refusals *r) {
    if (!r)
        return;
    while (r->first)
        drop(r->first);
    loop_timer_free(r->timer);
    free(r);
}

size_t refusals_count(const struct refusals *r) {
    return r->count;
}

/* A Unix socket keeps what was sent for its reader, whatever we leave unread. */
static bool needs_moment(int fd) {
    int domain = AF_UNIX;
    socklen_t len = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_UNIX;
}

static void linger(struct refusals *r, int fd) {
    struct refusal *f = calloc(1, sizeof(*f));
    if (f)
        f->watch = loop_fd_add(r->loop, fd, POLLIN, on_bytes, f);
    if (!f || !f->watch) {
        free(f);
        close(fd);
        return;
    }
    f->all = r;
    f->fd = fd;
    f->until_ms = clock_ms() + LINGER_MS;
    *r->last = f;
    r->last = &f->next;
    r->count++;
    if (r->count > LINGER_MAX)
        drop(r->first);
    if (!loop_timer_active(r->timer))
        loop_timer_set(r->timer, LINGER_MS * 1000);
}

void refuse(struct refusals *r, int fd, int status, const char *text) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 1024);
    bool said = handshake_put_error(&b, status, text) == 0 &&
                send(fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)b.len;
    shutdown(fd, said ? SHUT_WR : SHUT_RDWR);
    if (said && needs_moment(fd))
        linger(r, fd);
    else
        close(fd);
}
