/* One entry a process, from posix_spawn to waitpid. An entry holds the only descriptors that guacd
 * has of a session: the channel, and duplicates of its clients for last words. */
#include "guacd/daemon/children.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/daemon/launch.h"
#include "guacd/daemon/opener.h"
#include "guacd/daemon/stats.h"
#include "guacd/proto/status.h"

#define CLIENTS_MAX 64 /* duplicates kept for one session */

/* A duplicate of a client's descriptor: for last words, until the client hangs up. */
struct client {
    struct client *next;
    struct child *child;
    struct loop_fd *watch;
    int fd;
};

struct child {
    struct child *next;
    struct children *all;
    pid_t pid;
    char id[UUID_LEN + 1]; /* "" until told; stays "" for one that joined another session */
    bool starting;
    bool too_late; /* the session that its client joined died meanwhile */
    int killed;    /* by us: the status to tell, and the text; 0: not */
    const char *killed_text;
    bool stores;                    /* it has its storage */
    char known[KNOWN_NAME_MAX];     /* the one name it asked about; "": it did not ask */
    struct loop_timer *start_timer; /* until it says something */
    int channel;
    struct loop_fd *channel_watch;
    struct client *clients;
    size_t client_count;
};

struct children {
    struct children_env env;
    struct child *first;
    size_t count, starting;
};

static void count_changed(const struct children *c) {
    metric_set(&stats_processes, (int64_t)c->count);
    metric_set(&stats_starting, (int64_t)c->starting);
    stats_changed();
}

/* ---- clients -----------------------------------------------------------------------------------
 */

/* Takes it out; the descriptor is the caller's. */
static int client_take(struct client *d) {
    struct child *p = d->child;
    struct client **at = &p->clients;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    p->client_count--;
    loop_fd_remove(d->watch);
    int fd = d->fd;
    free(d);
    return fd;
}

static void on_hang_up(void *arg, int fd, short revents) {
    (void)fd, (void)revents;
    close(client_take(arg));
}

/* Keeps fd, or closes it: without it only the last words are lost. */
static void client_keep(struct child *p, int fd) {
    struct client *d = p->client_count < CLIENTS_MAX ? calloc(1, sizeof(*d)) : NULL;
    if (d)
        d->watch = loop_fd_add(p->all->env.loop, fd, POLLRDHUP, on_hang_up, d);
    if (!d || !d->watch) {
        free(d);
        close(fd);
        return;
    }
    d->child = p;
    d->fd = fd;
    d->next = p->clients;
    p->clients = d;
    p->client_count++;
}

/* ---- one child ---------------------------------------------------------------------------------
 */

static struct child *find(struct children *c, const char *id) {
    for (struct child *p = c->first; p; p = p->next)
        if (p->id[0] && strcmp(p->id, id) == 0)
            return p;
    return NULL;
}

static void started(struct child *p) {
    if (!p->starting)
        return;
    p->starting = false;
    p->all->starting--;
    loop_timer_stop(p->start_timer);
    count_changed(p->all);
}

/* fd: given away and closed here; -1: why it is not is in e. */
static void answer(const struct child *p, int fd, const struct err *e) {
    _close_ int given = fd;
    _json_ json_t *msg = given >= 0
                             ? json_pack("{s:s}", "op", CHILD_OP_SOCKET)
                             : json_pack("{s:s, s:s}", "op", CHILD_OP_REFUSED, "text", e->text);
    if (given < 0)
        log_warning("process %d: %s", (int)p->pid, e->text);
    if (!msg || ctl_send(p->channel, msg, &given, given >= 0, NULL) < 0)
        log_warning("process %d was not answered", (int)p->pid);
}

static void become_session(struct child *p, const char *id) {
    struct err e = { 0 };
    int fd = -1;
    if (find(p->all, id))
        err_set(&e, STATUS_RESOURCE_CONFLICT, "session %s is there already", id);
    else
        fd = registry_listen(p->all->env.registry, id, &e);
    if (fd >= 0) {
        memcpy(p->id, id, UUID_LEN + 1);
        log_info("process %d is session %s", (int)p->pid, id);
        started(p);
    }
    answer(p, fd, &e);
}

static void look_up(struct child *p, const char *id) {
    struct err e = { 0 };
    int fd = -1;
    if (p->all->env.options->socket)
        err_set(&e, STATUS_CLIENT_FORBIDDEN, "sessions are joined through the gateway");
    else
        fd = registry_connect(p->all->env.registry, id, &e);
    answer(p, fd, &e);
}

static void give_storage(struct child *p) {
    struct err e = { 0 };
    int fd = -1;
    if (p->stores)
        err_set(&e, STATUS_RESOURCE_CONFLICT, "session %s has its storage", p->id);
    else
        fd = registry_storage(p->all->env.registry, &e);
    p->stores = true;
    answer(p, fd, &e);
}

/* Once, and what it accepts is remembered by that name alone: it asks before it hears its target,
 * so a session that a target took over cannot speak for others. */
static void tell_known(struct child *p, const char *name) {
    const struct known *all = p->all->env.known;
    const char *print = known_find(all, name);
    struct err e = { 0 };
    if (p->known[0] || strlen(name) >= sizeof p->known)
        err_set(&e, 0, "a session has one target");
    else if (!*print && known_full(all))
        err_set(&e, 0, "no more certificates can be remembered");
    if (e.text[0]) {
        answer(p, -1, &e);
        return;
    }
    snprintf(p->known, sizeof p->known, "%s", name);
    _json_ json_t *msg = json_pack("{s:s, s:s}", "op", CHILD_OP_KNOWN, "print", print);
    if (!msg || ctl_send(p->channel, msg, NULL, 0, NULL) < 0)
        log_warning("process %d was not answered", (int)p->pid);
}

static void remember(const struct child *p, const char *print) {
    struct err e = { 0 };
    if (known_add(p->all->env.known, p->known, print, &e) < 0)
        log_warning("process %d: %s", (int)p->pid, e.text);
}

static void make_files(const struct child *p, json_t *msg) {
    struct err e = { 0 };
    if (opener_ask(p->all->env.opener, msg, p->channel, &e) < 0)
        answer(p, -1, &e);
}

/* What a session asks for once it is one. */
static bool hear_session(struct child *p, const char *op, json_t *msg) {
    if (strcmp(op, CHILD_OP_FILES) == 0)
        make_files(p, msg);
    else if (strcmp(op, CHILD_OP_STORAGE) == 0)
        give_storage(p);
    else if (strcmp(op, CHILD_OP_KNOWN) == 0)
        tell_known(p, json_str(msg, "name", ""));
    else if (strcmp(op, CHILD_OP_REMEMBER) == 0)
        remember(p, json_str(msg, "print", ""));
    else
        return false;
    return true;
}

static void hear(struct child *p, json_t *msg) {
    const char *op = json_str(msg, "op", ""), *id = json_str(msg, "id", "");
    if (p->id[0] && strcmp(id, p->id) == 0 && hear_session(p, op, msg))
        return;
    if (!uuid_valid(id, strlen(id)) || p->id[0]) {
        log_warning("process %d says %s out of turn", (int)p->pid, op);
        return;
    }
    if (strcmp(op, CHILD_OP_SESSION) == 0) {
        become_session(p, id);
    } else if (strcmp(op, CHILD_OP_JOIN) == 0) {
        look_up(p, id);
    } else if (strcmp(op, CHILD_OP_JOINED) == 0) {
        struct child *to = find(p->all, id);
        log_debug("the client of process %d joined session %s", (int)p->pid, id);
        while (to && p->clients)
            client_keep(to, client_take(p->clients));
        p->too_late = !to && !registry_alive(p->all->env.registry, id);
        started(p);
    } else {
        log_warning("process %d says %s, which means nothing", (int)p->pid, op);
    }
}

static void close_channel(struct child *p) {
    loop_fd_remove(p->channel_watch);
    p->channel_watch = NULL;
    if (p->channel >= 0)
        close(p->channel);
    p->channel = -1;
}

/* All that is there. */
static void listen_to(struct child *p) {
    while (p->channel >= 0) {
        struct err e = { 0 };
        _json_ json_t *msg = ctl_recv(p->channel, NULL, NULL, &e);
        if (msg) {
            hear(p, msg);
            continue;
        }
        if (e.text[0] && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (e.text[0])
            log_warning("process %d: %s", (int)p->pid, e.text);
        close_channel(p);
    }
}

static void on_channel(void *arg, int fd, short revents) {
    (void)fd, (void)revents;
    listen_to(arg);
}

static void put_down(struct child *p, int status, const char *text) {
    p->killed = status;
    p->killed_text = text;
    kill(p->pid, SIGKILL);
}

static void on_start_timer(void *arg) {
    struct child *p = arg;
    log_warning("process %d does not get through its handshake", (int)p->pid);
    put_down(p, STATUS_CLIENT_TIMEOUT, "The client took too long to introduce itself.");
}

static void child_free(struct child *p) {
    while (p->clients)
        close(client_take(p->clients));
    close_channel(p);
    loop_timer_free(p->start_timer);
    free(p);
}

/* Everything that may fail comes before the process exists. */
static struct child *child_new(struct children *c, int channel) {
    struct child *p = calloc(1, sizeof(*p));
    if (!p) {
        close(channel);
        return NULL;
    }
    *p = (struct child){ .all = c, .starting = true, .channel = channel };
    p->channel_watch = loop_fd_add(c->env.loop, channel, POLLIN, on_channel, p);
    p->start_timer = loop_timer_new(c->env.loop, on_start_timer, p);
    if (p->channel_watch && p->start_timer)
        return p;
    child_free(p);
    return NULL;
}

static int start(struct children *c, int client, struct err *e) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(e, 0, "cannot make a socket pair");
    _close_ int theirs = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        close(ends[0]);
        return err_errno(e, 0, "cannot make a socket pair");
    }
    struct child *p = child_new(c, ends[0]);
    if (!p)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for another session");
    uint64_t before = clock_us();
    pid_t pid = launch(c->env.options, c->env.registry->run, c->env.tls, client, theirs, e);
    if (pid < 0) {
        child_free(p);
        return -1;
    }
    metric_observe(&stats_spawn_seconds, (double)(clock_us() - before) / 1e6);
    metric_add(&stats_started_total, 1);
    p->pid = pid;
    p->next = c->first;
    c->first = p;
    c->count++;
    c->starting++;
    loop_timer_set(p->start_timer, CHILD_START_MS * UINT64_C(1000));
    log_debug("process %d started", (int)pid);
    if (!c->env.tls)
        client_keep(p, client);
    else
        close(client);
    count_changed(c);
    return 0;
}

/* ---- all of them -------------------------------------------------------------------------------
 */

struct children *children_new(const struct children_env *env, struct err *e) {
    struct children *c = calloc(1, sizeof(*c));
    if (!c)
        err_errno(e, 0, "cannot start");
    else
        c->env = *env;
    return c;
}

void children_free(struct children *c) {
    if (!c)
        return;
    while (c->first) {
        struct child *p = c->first;
        c->first = p->next;
        child_free(p);
    }
    free(c);
}

size_t children_count(const struct children *c) {
    return c->count;
}

bool children_know(struct children *c, const char *id) {
    return find(c, id) != NULL;
}

static void turn_away(struct children *c, int client, int status, const char *text) {
    /* Words that are no TLS mean nothing to a TLS client. */
    if (c->env.tls)
        close(client);
    else
        refuse(c->env.refusals, client, status, text);
    stats_changed();
}

void children_accept(struct children *c, int client) {
    const struct options *o = c->env.options;
    if (c->count >= (size_t)o->max_sessions || c->starting >= (size_t)o->max_starting) {
        metric_add(&stats_busy_total, 1);
        log_warning("busy: %zu processes, %zu of them starting", c->count, c->starting);
        turn_away(c, client, STATUS_SERVER_BUSY, "The server is busy. Please try again later.");
        return;
    }
    struct err e = { 0 };
    if (start(c, client, &e) < 0) {
        metric_add(&stats_failed_total, 1);
        log_error("cannot start a session: %s", e.text);
        turn_away(c, client, e.status, "The server could not start a session.");
    }
}

void children_leave(struct children *c, uint64_t ms) {
    for (struct child *p = c->first; p; p = p->next) {
        struct err e = { 0 };
        _json_ json_t *msg = json_pack("{s:s, s:I}", "op", CHILD_OP_LEAVE, "ms", (json_int_t)ms);
        if (msg && p->channel >= 0 && ctl_send(p->channel, msg, NULL, 0, &e) < 0)
            log_warning("process %d does not know that it has to leave: %s", (int)p->pid, e.text);
    }
}

void children_end(struct children *c, bool now, const char *text) {
    for (struct child *p = c->first; p; p = p->next) {
        listen_to(p); /* it may have become a session just now */
        _json_ json_t *msg = json_pack("{s:s, s:i, s:s}", "op", CHILD_OP_END, "status",
                                       STATUS_SESSION_CLOSED, "text", text);
        /* One that is still in its handshake has nobody to tell yet. */
        if (now || p->starting || !msg || p->channel < 0 ||
            ctl_send(p->channel, msg, NULL, 0, NULL) < 0)
            put_down(p, STATUS_SESSION_CLOSED, text);
    }
}

static void say_how(const struct child *p, int status) {
    const char *what = p->id[0] ? p->id : "before it was a session";
    if (p->killed)
        log_info("process %d (%s) was killed", (int)p->pid, what);
    else if (WIFSIGNALED(status))
        log_error("process %d (%s) ended by signal %d, %s", (int)p->pid, what, WTERMSIG(status),
                  strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        log_error("process %d (%s) ended with status %d", (int)p->pid, what, WEXITSTATUS(status));
    else
        log_info("process %d (%s) ended", (int)p->pid, what);
}

static void bury(struct children *c, struct child *p, int status) {
    listen_to(p); /* its last message may still be waiting */
    say_how(p, status);
    if (p->id[0])
        registry_remove(c->env.registry, p->id);
    bool died = !WIFEXITED(status) || WEXITSTATUS(status);
    metric_add(&stats_died_total, died && !p->killed);
    while ((died || p->too_late) && p->clients)
        refuse(c->env.refusals, client_take(p->clients),
               p->killed ? p->killed : STATUS_SERVER_ERROR,
               p->killed ? p->killed_text : "The session ended unexpectedly.");
    started(p);
    c->count--;
    child_free(p);
    count_changed(c);
    c->env.ended(c->env.arg);
}

void children_reap(struct children *c) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (struct child **at = &c->first; *at; at = &(*at)->next)
            if ((*at)->pid == pid) {
                struct child *p = *at;
                *at = p->next;
                bury(c, p, status);
                break;
            }
}
