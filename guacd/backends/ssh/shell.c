/* The channel: a pty with a shell or a command in it, and the loop that carries bytes between it
 * and the terminal. One read of the socket, then events, then one write: so a flood never keeps
 * Ctrl-C waiting. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define STEP_MS 20000  /* for the server to open a channel, a pty, a shell */
#define GOODBYE_MS 300 /* for it to take our goodbye */

/* Repeat a libssh2 call until it is through; the result is its last one. */
#define UNTIL_DONE(c, e, rc, call) \
    do { \
        uint64_t deadline_ = clock_ms() + STEP_MS; \
        while ((rc = (call)) == LIBSSH2_ERROR_EAGAIN) \
            if (ssh_wait(c, deadline_, e)) \
                return -1; \
    } while (0)

/* ---- opening ----------------------------------------------------------------------------------
 */

static int open_channel(struct ssh *c, struct err *e) {
    uint64_t deadline = clock_ms() + STEP_MS;
    while (
        !(c->channel = libssh2_channel_open_ex(c->lib, "session", 7, SSH_WINDOW, 32768, NULL, 0))) {
        int rc = libssh2_session_last_errno(c->lib);
        if (rc != LIBSSH2_ERROR_EAGAIN)
            return ssh_error(c, rc, "opening a session", e);
        if (ssh_wait(c, deadline, e))
            return -1;
    }
    return 0;
}

static int set_env(struct ssh *c, const char *name, const char *value, struct err *e) {
    if (!*value)
        return 0;
    int rc;
    UNTIL_DONE(c, e, rc,
               libssh2_channel_setenv_ex(c->channel, name, (unsigned)strlen(name), value,
                                         (unsigned)strlen(value)));
    if (rc)
        log_info("%s does not take %s from us (AcceptEnv)", c->host, name);
    return 0;
}

/* Terminal modes (RFC 4254 section 8): the erase character is the one our backspace key sends. */
static int request_pty(struct ssh *c, struct err *e) {
    const char *type = args_str(c->args, "terminal-type");
    unsigned char erase = (unsigned char)atoi(args_str(c->args, "backspace"));
    const char modes[] = { 3,         0, 0, 0,          (char)erase,      /* VERASE */
                           42,        0, 0, 0,          1,                /* IUTF8 */
                           (char)128, 0, 0, (char)0x96, 0,                /* TTY_OP_ISPEED 38400 */
                           (char)129, 0, 0, (char)0x96, 0,           0 }; /* TTY_OP_OSPEED, end */
    int rc;
    UNTIL_DONE(c, e, rc,
               libssh2_channel_request_pty_ex(c->channel, type, (unsigned)strlen(type), modes,
                                              sizeof modes, c->con.cols, c->con.rows, c->con.width,
                                              c->con.height));
    c->con.resized = false;
    return rc ? ssh_error(c, rc, "asking for a terminal", e) : 0;
}

int ssh_shell(struct ssh *c, struct err *e) {
    if (open_channel(c, e))
        return -1;
    const char *zone = args_str(c->args, "timezone");
    if (!*zone)
        zone = session_timezone(c->s);
    if (request_pty(c, e) || set_env(c, "LANG", args_str(c->args, "locale"), e) ||
        set_env(c, "TZ", zone, e))
        return -1;
    const char *command = args_str(c->args, "command");
    const char *kind = *command ? "exec" : "shell";
    int rc;
    UNTIL_DONE(c, e, rc,
               libssh2_channel_process_startup(c->channel, kind, (unsigned)strlen(kind),
                                               *command ? command : NULL,
                                               (unsigned)strlen(command)));
    if (rc)
        return ssh_error(c, rc, *command ? "starting the command" : "starting a shell", e);
    UNTIL_DONE(
        c, e, rc,
        libssh2_channel_handle_extended_data2(c->channel, LIBSSH2_CHANNEL_EXTENDED_DATA_MERGE));
    c->alive_interval = (int)args_int(c->args, "server-alive-interval");
    if (c->alive_interval == 1)
        c->alive_interval = 2;
    libssh2_keepalive_config(c->lib, 1, (unsigned)c->alive_interval);
    c->alive_ms = c->heard_ms = clock_ms();
    pace_start(&c->pace);
    return 0;
}

/* ---- one turn ---------------------------------------------------------------------------------
 */

/* 1: read something, 0: nothing there, -1: over or broken (e->status 0: over). */
static int read_some(struct ssh *c, struct err *e) {
    char data[SSH_READ_CHUNK];
    c->budget = SSH_READ_BUDGET;
    c->more = false;
    ssize_t n = libssh2_channel_read_ex(c->channel, 0, data, sizeof data);
    if (n > 0) {
        if (!sftp_busy(c->sftp))
            c->pace.data += (uint64_t)n;
        console_feed(&c->con, data, (size_t)n);
        c->more = true; /* libssh2 may hold more than it gave */
        return 1;
    }
    if (n == 0 || libssh2_channel_eof(c->channel))
        return libssh2_channel_eof(c->channel) ? -1 : 0;
    if (n != LIBSSH2_ERROR_EAGAIN)
        return ssh_error(c, (int)n, "reading", e);
    if (c->peer_closed) { /* all that came before it was read */
        if (c->tell_closed)
            return ssh_error(c, LIBSSH2_ERROR_SOCKET_DISCONNECT, "reading", e);
        c->tell_closed = c->more = true;
    }
    return 0;
}

/* The question behind what was written: any request the server has to answer, if only by no. */
static void ask_pace(struct ssh *c, uint64_t now) {
    if (!c->pace.asked && !pace_ask(&c->pace, now))
        return;
    int rc = libssh2_channel_setenv_ex(c->channel, "_", 1, "", 0);
    if (rc != LIBSSH2_ERROR_EAGAIN)
        pace_answered(&c->pace, now);
}

static int write_some(struct ssh *c, struct err *e) {
    uint64_t now = clock_ms();
    size_t room;
    c->budget = SSH_READ_BUDGET;
    if (c->con.resized && c->wire.len < SSH_WIRE_LIMIT) { /* before what was typed after it */
        int rc = libssh2_channel_request_pty_size_ex(c->channel, c->con.cols, c->con.rows,
                                                     c->con.width, c->con.height);
        c->con.resized = rc == LIBSSH2_ERROR_EAGAIN;
    }
    if (c->pace.asked)
        ask_pace(c, now);
    while (c->con.out.len && c->wire.len < SSH_WIRE_LIMIT && (room = pace_room(&c->pace))) {
        ssize_t n =
            libssh2_channel_write_ex(c->channel, 0, c->con.out.data, MIN_OF(c->con.out.len, room));
        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            break; /* the target's window is full: it says when there is room */
        if (n < 0)
            return ssh_error(c, (int)n, "writing", e);
        pace_wrote(&c->pace, (size_t)n, now);
        buf_consume(&c->con.out, (size_t)n);
        console_paste_pump(&c->con);
        if (!c->pace.asked)
            ask_pace(c, now);
    }
    c->paced = c->con.out.len && !pace_room(&c->pace);
    /* Asking and writing read, too: what came meanwhile waits in libssh2, where no poll tells of
     * it. */
    if (c->budget < SSH_READ_BUDGET)
        c->more = true;
    return 0;
}

/* A server that is silent for three intervals, our questions included, is gone. */
static int keep_alive(struct ssh *c, uint64_t now, struct err *e) {
    uint64_t interval = (uint64_t)c->alive_interval * 1000;
    if (!interval || now < c->alive_ms + interval)
        return 0;
    if (!c->con.paused && now - c->heard_ms > 3 * interval)
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "%s does not answer any more", c->host);
    c->alive_ms = now;
    int next;
    if (c->wire.len < SSH_WIRE_LIMIT)
        libssh2_keepalive_send(c->lib, &next);
    return 0;
}

static int sooner(int a, int b) {
    return a < 0 ? b : b < 0 ? a : MIN_OF(a, b);
}

static int wait_ms(struct ssh *c, uint64_t now) {
    if ((c->more && !c->con.paused) || (c->paced && pace_room(&c->pace)))
        return 0;
    int ms = sooner(console_wait_ms(&c->con, now), pace_wait_ms(&c->pace, now));
    if (c->alive_interval) {
        uint64_t due = c->alive_ms + (uint64_t)c->alive_interval * 1000;
        ms = sooner(ms, due <= now ? 0 : (int)MIN_OF(due - now, (uint64_t)3600000));
    }
    return ms;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* Why it ended, in the terminal as its last line, and for the log. */
static void say_end(struct ssh *c, struct err *e) {
    struct err ignored = { 0 };
    uint64_t deadline = clock_ms() + GOODBYE_MS;
    while (libssh2_channel_close(c->channel) == LIBSSH2_ERROR_EAGAIN ||
           libssh2_channel_wait_closed(c->channel) == LIBSSH2_ERROR_EAGAIN)
        if (ssh_wait(c, deadline, &ignored))
            break;
    char *signal = NULL;
    size_t len = 0;
    libssh2_channel_get_exit_signal(c->channel, &signal, &len, NULL, NULL, NULL, NULL);
    int status = libssh2_channel_get_exit_status(c->channel);
    const char *what = *args_str(c->args, "command") ? "command" : "shell";
    char text[128];
    if (signal)
        snprintf(text, sizeof text, "The %s was ended by signal %.32s.", what, signal);
    else if (status)
        snprintf(text, sizeof text, "The %s ended with status %d.", what, status);
    else
        snprintf(text, sizeof text, "The %s ended.", what);
    term_note(c->con.term, text);
    log_info("%s", text);
    snprintf(e->text, sizeof e->text, "%s", text); /* status stays 0: nothing went wrong */
    if (signal)
        libssh2_free(c->lib, signal);
    session_state(c->s, "exit", text);
}

/* Files go on, after the terminal had its turn. What libssh2 reads for one of them it may also have
 * read for the other, where no poll tells of it. */
static void serve_files(struct ssh *c) {
    c->budget = SSH_READ_BUDGET;
    if (sftp_step(c->sftp) || c->budget < SSH_READ_BUDGET)
        c->more = true;
}

static size_t file_room(void *arg) {
    const struct ssh *c = arg;
    return c->wire.len < SSH_FILE_LIMIT ? SSH_FILE_LIMIT - c->wire.len : 0;
}

int ssh_files(struct ssh *c, struct err *e) {
    const struct sftp_conf conf = { .lib = c->lib,
                                    .root = args_str(c->args, "sftp-root-directory"),
                                    .drop = "",
                                    .room = file_room,
                                    .arg = c };
    c->sftp = sftp_new(c->s, &conf, e);
    return c->sftp ? 0 : -1;
}

int ssh_run(struct ssh *c, struct err *e) {
    session_damage(c->s);
    for (;;) {
        uint64_t now = clock_ms();
        bool reads = !c->con.paused;
        struct pollfd p[3] = {
            { c->fd, (short)((reads && !c->peer_closed ? POLLIN : 0) | (c->wire.len ? POLLOUT : 0)),
              0 },
            { console_event_fd(&c->con), POLLIN, 0 },
            { reads ? sftp_fd(c->sftp) : -1, POLLIN, 0 },
        };
        if (!p[0].events)
            p[0].fd = -1;
        if (poll(p, 3, wait_ms(c, now)) < 0 && errno != EINTR)
            return err_errno(e, STATUS_SERVER_ERROR, "poll");
        if ((p[1].revents || console_waiting(&c->con)) && !console_events(&c->con))
            return 0;
        if ((p[0].revents & POLLOUT) && ssh_flush(c))
            return ssh_error(c, LIBSSH2_ERROR_SOCKET_SEND, "writing", e);
        if (write_some(c, e))
            return -1;
        int got = 0;
        if (!c->con.paused && (c->more || p[0].revents || c->con.out.len))
            got = read_some(c, e);
        if (got >= 0 && !c->con.paused && c->sftp)
            serve_files(c);
        now = clock_ms();
        if (!c->more)
            pace_look(&c->pace, now);
        term_tick(c->con.term);
        console_tell(&c->con, now, got <= 0);
        if (got < 0) {
            if (e->status)
                return -1;
            say_end(c, e);
            console_tell_last(&c->con);
            return 0;
        }
        if (keep_alive(c, now, e))
            return -1;
    }
}
