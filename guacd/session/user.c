/* One user: his socket, his queue, his end. Nobody waits for him: what he does not take stays in
 * his own queue, and beyond its limit he is dropped. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define READ_BYTES 16384
#define READS_A_TURN 8 /* then others get their turn */

static void user_watch(struct user *u);

const char *role_name(enum role r) {
    return r == ROLE_OWNER ? "owner" : r == ROLE_HELPER ? "helper" : "viewer";
}

bool role_parse(const char *text, enum role *out) {
    for (int r = ROLE_VIEWER; r <= ROLE_OWNER; r++)
        if (strcmp(text, role_name(r)) == 0) {
            *out = r;
            return true;
        }
    return false;
}

bool user_live(const struct user *u) {
    return u->phase == USER_LIVE;
}

const char *user_by(const struct user *u, char out[160]) {
    if (u->sub[0])
        snprintf(out, 160, "%s", u->sub);
    else
        snprintf(out, 160, "user-%u", u->number);
    return out;
}

/* ---- the end of a user --------------------------------------------------------------------- */

void user_free(struct user *u) {
    loop_fd_remove(u->watch);
    link_close(&u->link);
    streams_free(u);
    clip_free(u);
    buf_wipe(&u->in);
    outq_fini(&u->out);
    if (u->hs)
        handshake_server_fini(u->hs);
    free(u->hs);
    free(u);
}

/* Memory goes when no callback can stand on it any more. */
static void sweep(void *arg) {
    struct session *s = arg;
    for (struct user **p = &s->users; *p;) {
        struct user *u = *p;
        if (u->phase != USER_DEAD) {
            p = &u->next;
            continue;
        }
        *p = u->next;
        user_free(u);
    }
    if (!s->users && !s->id[0]) /* he went before it became a session */
        life_end(s, STATUS_SUCCESS, "nobody is left");
    life_check_end(s);
}

static void leave(struct user *u) {
    struct session *s = u->s;
    enum user_phase was = u->phase;
    u->phase = USER_CLOSING;
    if (was == USER_LIVE)
        files_left(u);
    streams_free(u);
    clip_free(u);
    if (was != USER_LIVE)
        return;
    log_info("%s %u left", role_name(u->role), u->number);
    if (u->text)
        atomic_fetch_sub(&s->text_readers, 1);
    bool owner = s->owner == u;
    if (owner)
        s->owner = NULL;
    notify_left(u);
    if (owner)
        life_owner_gone(s);
    frames_pump(s); /* others may have waited for nobody but him */
}

static void bury(struct user *u) {
    if (u->phase == USER_DEAD)
        return;
    if (u->phase != USER_CLOSING)
        leave(u);
    u->phase = USER_DEAD;
    loop_fd_remove(u->watch);
    u->watch = NULL;
    link_close(&u->link);
    loop_post(u->s->loop, sweep, u->s);
}

void user_drop(struct user *u, const char *why) {
    if (u->phase == USER_DEAD)
        return;
    log_info("user %u dropped: %s", u->number, why);
    bury(u);
}

void user_end(struct user *u, int status, const char *text) {
    if (u->phase == USER_CLOSING || u->phase == USER_DEAD)
        return;
    leave(u);
    u->since_ms = clock_ms(); /* CLOSING_MS from here */
    _buf_cleanup_ struct buf b;
    buf_init(&b, 4096);
    if (status)
        handshake_put_error(&b, status, text);
    else
        instr_put(&b, "disconnect", (char *)NULL);
    struct chunk *c = chunk_steal(&b);
    if (!c || outq_add(&u->out, c) < 0)
        bury(u);
    chunk_unref(c);
    user_flush(u);
    life_tick(u->s);
}

/* ---- writing ------------------------------------------------------------------------------- */

void user_flush(struct user *u) {
    while (!outq_empty(&u->out)) {
        struct iovec iov[16];
        int count = outq_iov(&u->out, iov, ARRAY_LEN(iov));
        ssize_t n = link_writev(&u->link, iov, count);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) {
                u->blocked = true;
                break;
            }
            user_drop(u, "his connection broke");
            return;
        }
        outq_written(&u->out, (size_t)n);
    }
    if (u->phase == USER_CLOSING && outq_empty(&u->out) && !u->finished) {
        u->finished = true;
        link_finish(&u->link);
    }
    user_watch(u);
}

int user_send(struct user *u, struct chunk *c) {
    if (u->phase == USER_DEAD)
        return -1;
    bool idle = outq_empty(&u->out);
    if (!c || outq_add(&u->out, c) < 0) {
        user_drop(u, "he takes too little: his queue is over the limit");
        return -1;
    }
    u->said_ms = clock_ms();
    if (idle)
        user_flush(u);
    return u->phase == USER_DEAD ? -1 : 0;
}

int user_send_buf(struct user *u, struct buf *b) {
    struct chunk *c = chunk_steal(b);
    int r = user_send(u, c);
    chunk_unref(c);
    return r;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* All whole instructions that are here. */
static void parse(struct user *u) {
    u->stalled = false;
    while (u->phase == USER_LIVE && u->in.len) {
        struct instr in;
        struct err e = { 0 };
        size_t used = 0;
        enum instr_result r = instr_parse(u->in.data, u->in.len, COUNT_EITHER, &in, &used, &e);
        if (r == INSTR_MORE)
            break;
        enum input_result done = r == INSTR_OK ? input_instr(u, &in, &e) : INPUT_BAD;
        if (done == INPUT_RETRY) {
            u->stalled = true;
            break;
        }
        if (done == INPUT_BAD) {
            log_warning("user %u: %s", u->number, e.text);
            user_end(u, e.status, e.text);
            return;
        }
        buf_consume(&u->in, used);
    }
}

/* TLS may hold bytes that no poll tells of. */
static void read_more(void *arg) {
    struct session *s = arg;
    for (struct user *u = s->users; u; u = u->next)
        if (u->phase == USER_LIVE && !u->stalled && link_pending(&u->link))
            user_read(u);
}

static ssize_t fill(struct user *u) {
    char *room = buf_reserve(&u->in, READ_BYTES);
    if (!room) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t n = link_read(&u->link, room, READ_BYTES);
    if (n > 0)
        u->in.len += (size_t)n;
    return n;
}

static void read_live(struct user *u) {
    parse(u); /* what was left when the mailbox was full */
    for (int turn = 0; turn < READS_A_TURN && u->phase == USER_LIVE && !u->stalled; turn++) {
        ssize_t n = fill(u);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            user_drop(u, n == 0 ? "he hung up" : strerror(errno));
            return;
        }
        if (n < 0)
            break;
        u->heard_ms = clock_ms();
        parse(u);
        if (n < READ_BYTES && !u->link.ssl)
            break;
    }
    if (u->phase == USER_LIVE && !u->in.len && u->in.cap > READ_BYTES)
        buf_wipe(&u->in);
    if (u->phase == USER_LIVE && !u->stalled && link_pending(&u->link))
        loop_post(u->s->loop, read_more, u->s);
}

static void read_closing(struct user *u) {
    char waste[4096];
    for (int turn = 0; turn < READS_A_TURN; turn++) {
        ssize_t n = link_read(&u->link, waste, sizeof(waste));
        if (n == 0 || (n < 0 && errno != EAGAIN))
            bury(u);
        if (n <= 0)
            return;
    }
}

void user_read(struct user *u) {
    if (u->phase == USER_HANDSHAKE)
        hello_read(u);
    if (u->phase == USER_LIVE)
        read_live(u);
    else if (u->phase == USER_CLOSING)
        read_closing(u);
    if (u->phase != USER_DEAD)
        user_watch(u);
}

/* He took everything: bulk and frames take turns. */
static void drained(struct user *u) {
    if (u->clip_turn) {
        clip_pump(u);
        files_pump(u);
    }
    frames_pump(u->s);
    clip_pump(u);
    files_pump(u);
    notify_drained(u);
}

static void on_io(void *arg, int fd, short revents) {
    (void)fd;
    struct user *u = arg;
    if (u->phase == USER_DEAD)
        return;
    if (revents & POLLOUT || u->link.write_wants_in) {
        bool waited = !outq_empty(&u->out);
        user_flush(u);
        if (waited && outq_empty(&u->out))
            drained(u);
    }
    if (u->phase != USER_DEAD && revents & (POLLIN | POLLHUP | POLLERR)) {
        if (revents & (POLLHUP | POLLERR) && u->stalled && u->phase == USER_LIVE)
            user_drop(u, "he hung up");
        else
            user_read(u);
    }
}

static void user_watch(struct user *u) {
    if (!u->watch)
        return;
    bool reading = !u->stalled || u->phase == USER_CLOSING;
    loop_fd_events(u->watch, link_events(&u->link, reading, !outq_empty(&u->out)));
}

/* ---- the beginning ------------------------------------------------------------------------- */

struct user *user_new(struct session *s, int fd, struct ssl_ctx_st *ctx, enum role role,
                      struct err *e) {
    struct user *u = calloc(1, sizeof(*u));
    if (u)
        u->hs = calloc(1, sizeof(*u->hs));
    if (!u || !u->hs) {
        free(u);
        err_set(e, STATUS_SERVER_BUSY, "no memory for a user");
        return NULL;
    }
    u->s = s;
    u->phase = USER_HANDSHAKE;
    u->role = role;
    u->since_ms = u->heard_ms = u->said_ms = clock_ms();
    u->next_out = 1;
    buf_init(&u->in, INSTR_BYTES_MAX + 2 * READ_BYTES);
    u->in.secret = true;
    outq_init(&u->out, USER_OUT_MAX);
    handshake_server_init(u->hs, s->gateway);
    if (link_init(&u->link, fd, ctx, e) < 0)
        goto fail;
    u->watch = loop_fd_add(s->loop, fd, POLLIN, on_io, u);
    if (!u->watch) {
        err_set(e, STATUS_SERVER_BUSY, "no memory to watch a user");
        goto fail;
    }
    u->next = s->users;
    s->users = u;
    return u;
fail:
    link_close(&u->link);
    handshake_server_fini(u->hs);
    free(u->hs);
    free(u);
    return NULL;
}
