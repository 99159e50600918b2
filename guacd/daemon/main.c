/* guacd: listens, starts one guacd-session a client, and looks after them. It never reads a byte
 * that a client sent. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/daemon/background.h"
#include "guacd/daemon/children.h"
#include "guacd/daemon/listen.h"
#include "guacd/daemon/opener.h"
#include "guacd/daemon/seal.h"
#include "guacd/daemon/stats.h"
#include "guacd/daemon/tls.h"

#define ACCEPTS_A_TURN 64
#define BREATH_US 100000 /* after accept failed for want of descriptors */
#define MOMENTS 5        /* breaths for last words on their way, at the end */
#define SWEEP_US 60000000
#define KILL_AFTER_US 8000000 /* what a session may take to say good-bye */

struct daemon {
    struct options options;
    struct loop *loop;
    struct listeners listeners;
    struct loop_fd *watches[LISTEN_MAX];
    struct registry registry;
    struct refusals *refusals;
    struct children *children;
    struct secret tls;
    struct known *known;
    int opener; /* -1: none */
    struct loop_timer *breath, *sweep, *stop;
    enum { RUNNING, DRAINING, ENDING, KILLING } phase;
    int moments; /* given to last words after the last session */
};

/* ---- accepting ---------------------------------------------------------------------------------
 */

static int same_uid(const char *item, void *arg) {
    return strtoul(item, NULL, 10) == *(const uid_t *)arg;
}

static bool trusted(struct daemon *d, int fd) {
    uid_t uid;
    pid_t pid;
    if (!d->options.socket)
        return true;
    if (ctl_peer(fd, &uid, &pid) == 0 && conf_each(d->options.trusted_uids, same_uid, &uid) == 1)
        return true;
    log_warning("a process of a uid that is not in trusted-uids was turned away");
    metric_add(&stats_strangers_total, 1);
    stats_changed();
    return false;
}

static void set_listening(struct daemon *d, bool on) {
    for (size_t i = 0; i < d->listeners.count; i++)
        loop_fd_events(d->watches[i], on ? POLLIN : 0);
}

static void on_breath(void *arg) {
    set_listening(arg, true);
}

static void on_client(void *arg, int fd, short revents) {
    (void)revents;
    struct daemon *d = arg;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0) {
            if (trusted(d, client))
                children_accept(d->children, client);
            else
                close(client);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The client waits in the backlog; asking again at once would only burn time. */
            log_error("cannot accept: %s", strerror(errno));
            set_listening(d, false);
            loop_timer_set(d->breath, BREATH_US);
            return;
        }
        /* Anything else is that one connection's own trouble. */
    }
}

/* ---- ending ------------------------------------------------------------------------------------
 */

static void check_end(struct daemon *d) {
    if (d->phase == RUNNING || children_count(d->children) > 0)
        return;
    if (refusals_count(d->refusals) == 0 || d->moments++ >= MOMENTS)
        loop_stop(d->loop);
    else
        loop_timer_set(d->stop, BREATH_US);
}

static void enter(struct daemon *d, int phase) {
    d->phase = phase;
    log_info("%s: %zu processes",
             phase == DRAINING ? "stopped listening, sessions may go on for a while"
             : phase == ENDING ? "ending all sessions"
                               : "killing what is left",
             children_count(d->children));
    if (phase == DRAINING)
        children_leave(d->children, (uint64_t)d->options.drain * 1000);
    if (phase >= ENDING)
        children_end(d->children, phase == KILLING, "The server is being stopped.");
    loop_timer_set(d->stop,
                   phase == DRAINING ? (uint64_t)d->options.drain * 1000000 : KILL_AFTER_US);
    check_end(d);
}

static void on_stop_timer(void *arg) {
    struct daemon *d = arg;
    if (children_count(d->children) == 0)
        check_end(d);
    else if (d->phase < KILLING)
        enter(d, d->phase + 1);
}

static void on_term(void *arg, int signo) {
    struct daemon *d = arg;
    log_info("%s", strsignal(signo));
    if (d->phase == RUNNING) {
        for (size_t i = 0; i < d->listeners.count; i++)
            loop_fd_remove(d->watches[i]);
        listen_close(&d->listeners);
        loop_timer_stop(d->breath);
    }
    if (d->options.drain < 0)
        loop_stop(d->loop);
    else if (d->phase == RUNNING && d->options.drain > 0)
        enter(d, DRAINING);
    else if (d->phase < ENDING)
        enter(d, ENDING);
    else
        enter(d, KILLING);
}

/* ---- looking after -----------------------------------------------------------------------------
 */

static void on_child(void *arg, int signo) {
    (void)signo;
    struct daemon *d = arg;
    children_reap(d->children);
}

static void on_ended(void *arg) {
    check_end(arg);
}

static bool is_ours(void *arg, const char *id) {
    struct daemon *d = arg;
    return children_know(d->children, id);
}

/* Again only while there are sessions that another guacd started: we are not told of their end. */
static void on_sweep(void *arg) {
    struct daemon *d = arg;
    if (registry_sweep(&d->registry, is_ours, d) > 0)
        loop_timer_set(d->sweep, SWEEP_US);
}

static void on_hangup(void *arg, int signo) {
    (void)signo;
    struct daemon *d = arg;
    struct err e = { 0 };
    if (!d->options.certificate)
        return;
    if (tls_read(&d->tls, d->options.certificate, d->options.key, &e) < 0)
        log_error("the old certificate stays: %s", e.text);
    else
        log_info("certificate and key read again");
}

/* ---- starting ----------------------------------------------------------------------------------
 */

/* A session takes two descriptors here; its own limit it sets itself. */
static void raise_descriptors(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static int set_up(struct daemon *d, struct err *e) {
    if (!(d->loop = loop_new(e)) || !(d->refusals = refusals_new(d->loop, e)))
        return -1;
    const struct children_env env = { .loop = d->loop,
                                      .options = &d->options,
                                      .registry = &d->registry,
                                      .refusals = d->refusals,
                                      .tls = d->options.certificate ? &d->tls : NULL,
                                      .known = d->known,
                                      .opener = d->opener,
                                      .ended = on_ended,
                                      .arg = d };
    if (!(d->children = children_new(&env, e)))
        return -1;
    d->breath = loop_timer_new(d->loop, on_breath, d);
    d->sweep = loop_timer_new(d->loop, on_sweep, d);
    d->stop = loop_timer_new(d->loop, on_stop_timer, d);
    bool failed = !d->breath || !d->sweep || !d->stop ||
                  loop_signal(d->loop, SIGCHLD, on_child, d) < 0 ||
                  loop_signal(d->loop, SIGTERM, on_term, d) < 0 ||
                  loop_signal(d->loop, SIGINT, on_term, d) < 0 ||
                  loop_signal(d->loop, SIGHUP, on_hangup, d) < 0;
    for (size_t i = 0; i < d->listeners.count && !failed; i++) {
        d->watches[i] = loop_fd_add(d->loop, d->listeners.fds[i], POLLIN, on_client, d);
        failed = !d->watches[i];
    }
    if (failed)
        return err_errno(e, 0, "cannot start");
    loop_timer_set(d->sweep, 0);
    return stats_open(d->loop, d->registry.run, e);
}

static int open_known(struct daemon *d, struct err *e) {
    char own[PATH_MAX];
    const char *path = d->options.known_certificates;
    if ((!path || !*path) && !d->registry.own) {
        snprintf(own, sizeof(own), "%s/" REGISTRY_OWN "/known-certificates", d->registry.run);
        path = own;
    }
    d->known = known_open(path && *path ? path : NULL, e);
    return d->known ? 0 : -1;
}

static int start(struct daemon *d, struct err *e) {
    const struct options *o = &d->options;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    if (!o->socket && (d->opener = opener_start(e)) < 0) /* before there is a key to be copied */
        return -1;
    if (o->certificate && tls_read(&d->tls, o->certificate, o->key, e) < 0)
        return -1;
    if (registry_open(&d->registry, o->run, e) < 0 || open_known(d, e) < 0 ||
        listen_open(&d->listeners, o, e) < 0)
        return -1;
    if (!o->foreground && background(e) < 0)
        return -1;
    if (o->pid_file && pid_file_write(o->pid_file, e) < 0)
        return -1;
    if (seal(o, d->registry.run, e) < 0 || set_up(d, e) < 0)
        return -1;
    background_ready();
    return 0;
}

static void clean_up(struct daemon *d) {
    listen_close(&d->listeners);
    if (d->options.pid_file && unlink(d->options.pid_file) < 0)
        log_debug("%s stays: %s", d->options.pid_file, strerror(errno));
    if (d->loop) {
        children_free(d->children);
        refusals_free(d->refusals);
        stats_close();
        loop_timer_free(d->breath);
        loop_timer_free(d->sweep);
        loop_timer_free(d->stop);
        loop_free(d->loop);
    }
    known_free(d->known);
    registry_close(&d->registry);
    if (d->opener >= 0)
        close(d->opener);
    secret_fini(&d->tls);
    conf_free(&options_table, &d->options);
}

int main(int argc, char **argv) {
    struct daemon d = { .opener = -1 };
    struct err e = { 0 };
    log_init("guacd", LOG_LEVEL_INFO);
    switch (conf_load(&options_table, &d.options, argc, argv, NULL, NULL, &e)) {
    case CONF_EXIT:
        return EXIT_SUCCESS;
    case CONF_BAD:
        log_error("%s", e.text);
        return EXIT_FAILURE;
    case CONF_OK:
        break;
    }
    if (d.options.version) {
        printf("guacd %s\n", guac_version);
        conf_free(&options_table, &d.options);
        return EXIT_SUCCESS;
    }
    if (options_finish(&d.options, &e) == 0)
        log_init("guacd", (enum log_level)log_level_parse(d.options.log_level));
    if (e.status || start(&d, &e) < 0) {
        log_error("%s", e.text);
        clean_up(&d);
        return EXIT_FAILURE;
    }
    loop_run(d.loop);
    log_info("ended");
    clean_up(&d);
    return EXIT_SUCCESS;
}
