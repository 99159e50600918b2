/* RUN/s/<id>.sock: who may ask is decided by the peer's uid, what he may ask is one row an op.
 * ARCHITECTURE.md has the members. One request at a time a connection, any number of connections up
 * to a limit. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/conf.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/proto/status.h"
#include "guacd/session/control.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define PEERS_MAX 32

struct peer {
    struct peer *next;
    struct control *control;
    int fd;
    struct loop_fd *watch;
};

struct control {
    struct session *s;
    int fd;
    struct loop_fd *watch;
    struct peer *peers;
    unsigned count;
};

/* ---- ops ----------------------------------------------------------------------------------- */

/* Members of the answer beside `ok` (may stay NULL), or -1 and e. *fd is taken by setting it to -1.
 */
typedef int op_fn(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e);

static int op_join(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)answer;
    enum role role = ROLE_VIEWER;
    if (*fd < 0 || !role_parse(json_str(msg, "role", "viewer"), &role))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "join needs a descriptor and a role");
    if (s->ending)
        return err_set(e, STATUS_SESSION_CLOSED, "the session is over");
    bool replace = json_flag(msg, "replace", false);
    if (role == ROLE_OWNER && s->owner && !replace)
        return err_set(e, STATUS_SESSION_CONFLICT, "the owner is there already");
    unsigned count = 0;
    for (const struct user *u = s->users; u; u = u->next)
        count++;
    if (count >= USERS_MAX)
        return err_set(e, STATUS_CLIENT_TOO_MANY, "at most %d users share a session", USERS_MAX);
    struct user *u = user_new(s, steal_fd(fd), NULL, role, e);
    if (!u)
        return -1;
    u->replaces = replace;
    u->moderates = json_flag(msg, "moderator", false);
    snprintf(u->sub, sizeof(u->sub), "%s", json_str(msg, "user", ""));
    snprintf(u->name, sizeof(u->name), "%s", json_str(msg, "name", ""));
    start_joined(u);
    return 0;
}

static int op_tap(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    int64_t after = json_num(msg, "after", -1);
    if (*fd < 0 || after < 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "tap needs a descriptor and `after`");
    uint64_t next = 0;
    if (record_resume(s, steal_fd(fd), (uint64_t)after, &next, e) < 0)
        return -1;
    *answer = json_pack("{s:I}", "next", (json_int_t)next);
    return 0;
}

static int op_info(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)msg;
    (void)fd;
    (void)e;
    json_t *users = json_array();
    for (const struct user *u = s->users; u; u = u->next)
        if (user_live(u))
            json_array_append_new(
                users,
                json_pack("{s:i,s:s,s:s,s:s,s:b,s:I}", "user", (int)u->number, "sub", u->sub,
                          "name", u->name, "role", u == s->owner ? "owner" : role_name(u->role),
                          "moderator", u->moderates, "lagMs", (json_int_t)u->lag_ms));
    *answer = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:I,s:b,s:o,s:I}", "id", s->id, "protocol",
                        s->protocol->name, "connection", s->connection, "owner", s->owner_sub,
                        "ownerName", s->owner_name, "started", (json_int_t)s->started_wall_ms,
                        "recording", s->gateway ? "recorded" : "stock", "grace",
                        (json_int_t)life_grace_left(s), "paused", s->paused != 0, "users", users,
                        "transfers", (json_int_t)s->transfers_last);
    return 0;
}

static int op_end(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)fd;
    (void)answer;
    (void)e;
    int64_t status = json_num(msg, "status", STATUS_SESSION_CLOSED);
    life_end(s, status >= 0 && status <= 0xFFFF ? (int)status : STATUS_SESSION_CLOSED, "%s",
             json_str(msg, "text", "The session was ended."));
    return 0;
}

/* The recorder names itself, so that its reason and a moderator's add up. */
static unsigned pause_bit(const json_t *msg) {
    return strcmp(json_str(msg, "by", ""), "recorder") == 0 ? PAUSE_STORE : PAUSE_MODERATOR;
}

static int op_pause(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)fd;
    (void)answer;
    (void)e;
    life_pause(s, pause_bit(msg), json_str(msg, "why", "The session is paused."));
    return 0;
}

static int op_resume(struct session *s, const json_t *msg, int *fd, json_t **answer,
                     struct err *e) {
    (void)fd;
    (void)answer;
    (void)e;
    life_resume(s, pause_bit(msg));
    return 0;
}

static int op_msg(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)fd;
    (void)answer;
    const char *text = json_need(msg, "text", e);
    if (!text)
        return -1;
    notify_message(s, text);
    return 0;
}

static int op_role(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)fd;
    (void)answer;
    enum role role;
    if (!role_parse(json_str(msg, "role", ""), &role))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "there is no such role");
    int64_t number = json_num(msg, "user", 0);
    for (struct user *u = s->users; u; u = u->next)
        if (user_live(u) && u->number == number) {
            start_role(u, role);
            return 0;
        }
    return err_set(e, STATUS_RESOURCE_NOT_FOUND, "there is no user %lld", (long long)number);
}

/* As many as one message holds; the rest is asked for by `after` again. */
static int op_transfers(struct session *s, const json_t *msg, int *fd, json_t **answer,
                        struct err *e) {
    (void)fd;
    (void)e;
    *answer = json_pack("{s:o,s:I}", "transfers", files_transfers(s, json_num(msg, "after", 0), 8),
                        "last", (json_int_t)s->transfers_last);
    return 0;
}

/* A newer bearer token for a target that takes one: what is asked of it from now on goes by it. */
static int op_token(struct session *s, const json_t *msg, int *fd, json_t **answer, struct err *e) {
    (void)fd;
    (void)answer;
    const char *text = json_str(msg, "token", "");
    size_t len = strlen(text);
    struct args *scratch = args_new(s->protocol);
    int r = !scratch || !protocol_arg_find(s->protocol, "token", NULL)
                ? err_set(e, STATUS_UNSUPPORTED, "%s takes no token", s->protocol->name)
            : !len ? err_set(e, STATUS_CLIENT_BAD_REQUEST, "token is missing")
            : args_set(scratch, "token", text, len, e) ? 0
                                                       : -1;
    args_free(scratch);
    struct event ev = { .type = EVENT_ARGV, .name = "token" };
    if (r == 0 && !mailbox_has_room(&s->mailbox))
        r = err_set(e, STATUS_SERVER_BUSY, "the session is busy");
    if (r == 0 && (ev.data = strdup(text))) {
        ev.len = len;
        mailbox_put(&s->mailbox, &ev);
    }
    event_fini(&ev);
    secret_wipe((char *)(uintptr_t)text, len); /* jansson's own copy */
    return r;
}

static const struct {
    const char *op;
    op_fn *fn;
} ops[] = {
    { "join", op_join },   { "tap", op_tap },     { "info", op_info },
    { "end", op_end },     { "pause", op_pause }, { "resume", op_resume },
    { "msg", op_msg },     { "role", op_role },   { "transfers", op_transfers },
    { "token", op_token },
};

json_t *control_answer(struct session *s, const json_t *msg, int *fd) {
    struct err e = { 0 };
    json_t *members = NULL;
    int r = err_set(&e, STATUS_CLIENT_BAD_REQUEST, "there is no such op");
    const char *op = json_str(msg, "op", "");
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(ops[i].op, op) == 0) {
            e = (struct err){ 0 };
            r = ops[i].fn(s, msg, fd, &members, &e);
        }
    if (r < 0)
        return json_pack("{s:b,s:i,s:s}", "ok", 0, "status", e.status, "error", e.text);
    if (!members)
        members = json_object();
    json_object_set_new(members, "ok", json_true());
    return members;
}

/* ---- sockets ------------------------------------------------------------------------------- */

static void close_peer(struct peer *p) {
    struct peer **at = &p->control->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->control->count--;
    loop_fd_remove(p->watch);
    close(p->fd);
    free(p);
}

static void on_peer(void *arg, int fd, short revents) {
    (void)revents;
    struct peer *p = arg;
    struct err e = { 0 };
    int got = -1;
    size_t nfds = 1;
    errno = 0;
    _json_ json_t *msg = ctl_recv(fd, &got, &nfds, &e);
    if (!msg && errno == EAGAIN)
        return;
    if (!msg) {
        if (e.text[0])
            log_warning("control: %s", e.text);
        close_peer(p);
        return;
    }
    if (!nfds)
        got = -1;
    _json_ json_t *answer = control_answer(p->control->s, msg, &got);
    if (got >= 0)
        close(got);
    if (!answer || ctl_send(fd, answer, NULL, 0, &e) < 0)
        close_peer(p);
}

static int same_uid(const char *item, void *arg) {
    return strtoul(item, NULL, 10) == *(uid_t *)arg;
}

static void on_accept(void *arg, int fd, short revents) {
    (void)revents;
    struct control *c = arg;
    int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (got < 0)
        return;
    uid_t uid = (uid_t)-1;
    if (ctl_peer(got, &uid, NULL) < 0 || !conf_each(c->s->options->trusted_uids, same_uid, &uid)) {
        log_warning("control: a peer of uid %d was refused", (int)uid);
        close(got);
        return;
    }
    struct peer *p = c->count < PEERS_MAX ? calloc(1, sizeof(*p)) : NULL;
    if (p)
        p->watch = loop_fd_add(c->s->loop, got, POLLIN, on_peer, p);
    if (!p || !p->watch) {
        free(p);
        close(got);
        return;
    }
    p->control = c;
    p->fd = got;
    p->next = c->peers;
    c->peers = p;
    c->count++;
}

int control_listen(struct session *s, struct err *e) {
    struct control *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for the control socket");
    c->s = s;
    c->fd = channel_ask(s, CHILD_OP_SESSION, s->id, e);
    if (c->fd < 0) {
        free(c);
        return -1;
    }
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->watch = loop_fd_add(s->loop, c->fd, POLLIN, on_accept, c);
    s->control = c;
    return c->watch ? 0 : err_set(e, STATUS_SERVER_BUSY, "no memory to watch the control socket");
}

void control_free(struct session *s) {
    struct control *c = s->control;
    if (!c)
        return;
    while (c->peers)
        close_peer(c->peers);
    loop_fd_remove(c->watch);
    close(c->fd);
    free(c);
    s->control = NULL;
}
