#include "guacd/session/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/instr.h"
#include "guacd/proto/status.h"

#define IOV_MAX_HERE 32
#define PIECE_MAX (4u << 20) /* what is longer goes as several frames */

struct frame {
    struct frame *next;
    uint64_t sequence, added_ms;
    size_t size;        /* with header: what the limits count */
    struct chunk *data; /* NULL: spooled */
    size_t at, len;     /* the part of it that is this frame's */
    uint8_t header[TAP_HEADER];
};

struct tap {
    struct loop *loop;
    struct tap_limits limits;
    void (*on_change)(void *arg);
    void *arg;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *timer;
    struct frame *first, **last; /* what the store has not acknowledged */
    struct frame *sending;       /* first not wholly sent; NULL: all are */
    size_t sent;                 /* bytes of it that are out */
    uint64_t sequence, spooled, cut_ms;
    size_t unstored;
    /* The largest of what came at once and is not stored: its frames, and their bytes still there.
     */
    uint64_t large_first, large_last;
    size_t large;
    uint8_t in[TAP_HEADER];
    size_t in_len;
};

static void watch_deadlines(struct tap *t);

static void on_timer(void *arg) {
    struct tap *t = arg;
    t->on_change(t->arg);
    watch_deadlines(t);
}

struct tap *tap_new(struct loop *loop, const struct tap_limits *limits,
                    void (*on_change)(void *arg), void *arg, struct err *e) {
    struct tap *t = calloc(1, sizeof(*t));
    if (t)
        t->timer = loop_timer_new(loop, on_timer, t);
    if (!t || !t->timer) {
        free(t);
        err_set(e, STATUS_SERVER_BUSY, "no memory for the tap");
        return NULL;
    }
    t->loop = loop;
    t->limits = *limits;
    t->on_change = on_change;
    t->arg = arg;
    t->fd = -1;
    t->last = &t->first;
    t->cut_ms = clock_ms();
    return t;
}

static void drop_first(struct tap *t) {
    struct frame *f = t->first;
    t->first = f->next;
    if (!t->first)
        t->last = &t->first;
    t->unstored -= f->size;
    if (f->sequence >= t->large_first && f->sequence <= t->large_last)
        t->large -= f->size;
    chunk_unref(f->data);
    free(f);
}

static void detach(struct tap *t) {
    if (t->fd < 0)
        return;
    loop_fd_remove(t->watch);
    close(t->fd);
    t->watch = NULL;
    t->fd = -1;
    t->in_len = 0;
}

void tap_free(struct tap *t) {
    if (!t)
        return;
    detach(t);
    while (t->first)
        drop_first(t);
    loop_timer_free(t->timer);
    free(t);
}

/* ---- limits -------------------------------------------------------------------------------- */

enum tap_state tap_state(struct tap *t) {
    uint64_t now = clock_ms();
    uint64_t age = t->first ? now - t->first->added_ms : 0;
    uint64_t cut = t->fd < 0 ? now - t->cut_ms : 0;
    if (t->unstored - t->large > t->limits.hard_bytes || age >= t->limits.hard_ms ||
        cut >= t->limits.hard_ms)
        return TAP_LOST;
    if (t->fd < 0)
        return TAP_CUT;
    return t->unstored > t->limits.soft_bytes || age >= t->limits.soft_ms ? TAP_BEHIND : TAP_GOOD;
}

/* The timer rings when the oldest frame crosses the next limit in time, unless it is gone by then.
 */
static void watch_deadlines(struct tap *t) {
    uint64_t now = clock_ms(), due = UINT64_MAX;
    if (t->first) {
        uint64_t age = now - t->first->added_ms;
        uint64_t limit = age < t->limits.soft_ms ? t->limits.soft_ms : t->limits.hard_ms;
        due = limit > age ? limit - age : UINT64_MAX;
    }
    if (t->fd < 0 && now - t->cut_ms < t->limits.hard_ms) {
        uint64_t left = t->limits.hard_ms - (now - t->cut_ms);
        due = MIN_OF(due, left);
    }
    if (due != UINT64_MAX)
        loop_timer_set(t->timer, due * 1000);
}

static void cut(struct tap *t, const char *why) {
    log_warning("the tap was cut: %s", why);
    detach(t);
    t->cut_ms = clock_ms();
    watch_deadlines(t);
    t->on_change(t->arg);
}

uint64_t tap_last(const struct tap *t) {
    return t->sequence;
}

uint64_t tap_spooled(const struct tap *t) {
    return t->spooled;
}

size_t tap_unstored(const struct tap *t) {
    return t->unstored;
}

/* ---- acknowledgements ---------------------------------------------------------------------- */

static void spooled(struct tap *t, uint64_t sequence) {
    t->spooled = MAX_OF(t->spooled, sequence);
    for (struct frame *f = t->first; f && f->sequence <= sequence; f = f->next) {
        chunk_unref(f->data);
        f->data = NULL;
    }
}

/* false: it acknowledges what it cannot have. */
static bool acknowledged(struct tap *t, const struct tap_header *h) {
    uint64_t whole = t->sending ? t->sending->sequence - 1 : t->sequence;
    if (h->length || h->sequence > whole || (h->type != TAP_ACK && h->type != TAP_SPOOLED))
        return false;
    spooled(t, h->sequence);
    if (h->type == TAP_ACK)
        while (t->first && t->first->sequence <= h->sequence)
            drop_first(t);
    return true;
}

static void receive(struct tap *t) {
    bool any = false;
    for (;;) {
        ssize_t n = recv(t->fd, t->in + t->in_len, TAP_HEADER - t->in_len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            cut(t, n == 0 ? "the recorder hung up" : "its socket broke");
            return;
        }
        t->in_len += (size_t)n;
        if (t->in_len < TAP_HEADER)
            continue;
        t->in_len = 0;
        struct tap_header h;
        if (tap_unpack(t->in, &h) < 0 || !acknowledged(t, &h)) {
            cut(t, "the recorder said what makes no sense");
            return;
        }
        any = true;
    }
    if (any)
        t->on_change(t->arg);
}

/* ---- sending ------------------------------------------------------------------------------- */

static int pieces(const struct tap *t, struct iovec *iov) {
    int n = 0;
    size_t skip = t->sent;
    for (struct frame *f = t->sending; f && n + 2 <= IOV_MAX_HERE; f = f->next, skip = 0) {
        if (skip < TAP_HEADER)
            iov[n++] = (struct iovec){ f->header + skip, TAP_HEADER - skip };
        size_t body = skip > TAP_HEADER ? skip - TAP_HEADER : 0;
        if (f->data && body < f->len)
            iov[n++] = (struct iovec){ f->data->data + f->at + body, f->len - body };
    }
    return n;
}

static void flush(struct tap *t) {
    while (t->fd >= 0 && t->sending) {
        struct iovec iov[IOV_MAX_HERE];
        struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)pieces(t, iov) };
        ssize_t n = sendmsg(t->fd, &msg, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            cut(t, "the recorder is gone");
            return;
        }
        t->sent += (size_t)n;
        while (t->sending && t->sent >= t->sending->size) {
            t->sent -= t->sending->size;
            t->sending = t->sending->next;
        }
    }
    if (t->fd >= 0)
        loop_fd_events(t->watch, (short)(POLLIN | (t->sending ? POLLOUT : 0)));
}

static void on_io(void *arg, int fd, short revents) {
    (void)fd;
    struct tap *t = arg;
    if (revents & POLLOUT)
        flush(t);
    if (t->fd >= 0 && revents & (POLLIN | POLLHUP | POLLERR))
        receive(t);
}

/* The part of c from `at` on that fits into one frame: only data may be cut, between instructions.
 */
static size_t piece_of(const struct chunk *c, size_t at, enum tap_type type) {
    size_t left = c->len - at;
    bool bad;
    if (type != TAP_DATA || left <= PIECE_MAX)
        return left;
    return instr_whole(c->data + at, PIECE_MAX, COUNT_CODE_POINTS, &bad);
}

static struct frame *append(struct tap *t, enum tap_type type, uint64_t ms, struct chunk *c,
                            size_t at, size_t len) {
    struct frame *f = len && len <= TAP_FRAME_MAX ? calloc(1, sizeof(*f)) : NULL;
    if (!f)
        return NULL;
    f->sequence = ++t->sequence;
    f->added_ms = clock_ms();
    f->size = TAP_HEADER + len;
    f->data = chunk_ref(c);
    f->at = at;
    f->len = len;
    const struct tap_header h = {
        .length = (uint32_t)len, .type = (uint8_t)type, .sequence = f->sequence, .ms = ms
    };
    tap_pack(&h, f->header);
    *t->last = f;
    t->last = &f->next;
    t->unstored += f->size;
    return f;
}

void tap_add(struct tap *t, enum tap_type type, uint64_t ms, struct chunk *c) {
    bool was_good = t->unstored <= t->limits.soft_bytes;
    struct frame *first = NULL;
    size_t before = t->unstored;
    for (size_t at = 0, n; at < c->len; at += n) {
        n = piece_of(c, at, type);
        struct frame *f = append(t, type, ms, c, at, n);
        if (!f) { /* a hole in a recording is worse than its end */
            t->unstored = SIZE_MAX / 2;
            t->large = 0;
            t->on_change(t->arg);
            return;
        }
        first = first ? first : f;
    }
    if (!first)
        return;
    size_t came = t->unstored - before;
    if (came > PIECE_MAX && came > t->large) {
        t->large = came;
        t->large_first = first->sequence;
        t->large_last = t->sequence;
    }
    if (!t->sending) {
        t->sending = first;
        t->sent = 0;
        flush(t);
    }
    if (!loop_timer_active(t->timer))
        watch_deadlines(t);
    if (was_good != (t->unstored <= t->limits.soft_bytes) || t->unstored > t->limits.hard_bytes)
        t->on_change(t->arg);
}

int tap_attach(struct tap *t, int fd, uint64_t after, struct err *e) {
    struct frame *next = t->first;
    while (next && next->sequence <= after)
        next = next->next;
    uint64_t expected = next ? next->sequence : t->sequence + 1;
    if ((next && !next->data) || after + 1 != expected) {
        close(fd);
        return err_set(e, STATUS_RESOURCE_CONFLICT, "frames after %llu cannot be sent again",
                       (unsigned long long)after);
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        close(fd);
        return err_errno(e, 0, "the tap is not usable");
    }
    detach(t);
    t->fd = fd;
    t->watch = loop_fd_add(t->loop, fd, POLLIN, on_io, t);
    if (!t->watch) {
        detach(t);
        return err_set(e, STATUS_SERVER_BUSY, "no memory to watch the tap");
    }
    spooled(t, after);
    t->sending = next;
    t->sent = 0;
    flush(t);
    if (t->fd >= 0)
        t->on_change(t->arg);
    return 0;
}
