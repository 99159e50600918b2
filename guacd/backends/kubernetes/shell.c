/* The terminal's connection: exec or attach, and the loop that carries bytes between it and the
 * console. One read, then events, then one write: so a flood never keeps Ctrl-C waiting. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "guacd/backends/kubernetes/files.h"
#include "guacd/backends/kubernetes/kube.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define CONTAINERS_MARK "choose one of: ["
#define KILLED (128 + 9)
#define DRIP_BYTES 8192u /* less than this in a turn is a drip */
#define DRIP_COUNT 6     /* so many without a pause are a flood of them, and no echo */
#define DRIP_MS 8
#define CTRL_D 0x04
#define FATE_TRIES 8
#define FATE_EVERY_MS 300

/* ---- opening ----------------------------------------------------------------------------------
 */

/* "a container name must be specified for pod x, choose one of: [main tty]", for who may not look
 * at the pod. */
static bool must_choose(const struct kube *k, const struct kstatus *st, char *names, size_t size) {
    const char *from = strstr(st->message, CONTAINERS_MARK);
    if (*k->container || !from)
        return false;
    from += strlen(CONTAINERS_MARK);
    size_t n = MIN_OF(strcspn(from, "]"), size - 1);
    memcpy(names, from, n);
    names[n] = '\0';
    return n > 0;
}

int shell_open(struct kube *k, struct err *e) {
    _buf_cleanup_ struct buf path = { 0 }, body = { 0 };
    buf_init(&path, 256u << 10);
    buf_init(&body, KUBE_BODY_MAX);
    for (;;) {
        buf_clear(&path);
        target_path(k, &path);
        int status = ask_upgrade(k, &k->conn, buf_str(&path), &body, e);
        if (status < 0)
            return -1;
        if (status == 101)
            break;
        struct kstatus st;
        char names[512];
        struct kwhere w = target_where(k);
        bool told = kstatus_parse(body.data, body.len, &st);
        if (status != 400 || !told || !must_choose(k, &st, names, sizeof names))
            return kstatus_refusal(status, body.data, body.len, &w, e);
        if (target_ask_container(k, names, e))
            return -1;
    }
    k->con.resized = k->tty;
    if (!k->tty)
        term_note(k->con.term, k->input ? "This process has no terminal: lines are sent as typed."
                                        : "This process takes no input: its output is shown.");
    return 0;
}

/* ---- one turn ---------------------------------------------------------------------------------
 */

/* Without a terminal over there nobody turns line feeds into new lines. */
static void show(struct kube *k, const char *data, size_t len) {
    if (k->tty) {
        console_feed(&k->con, data, len);
        return;
    }
    while (len) {
        const char *lf = memchr(data, '\n', len);
        size_t n = lf ? (size_t)(lf - data) : len;
        if (n) {
            console_feed(&k->con, data, n);
            k->last = data[n - 1];
        }
        if (lf) {
            console_feed(&k->con, k->last == '\r' ? "\n" : "\r\n", k->last == '\r' ? 1 : 2);
            k->last = '\n';
            n++;
        }
        data += n;
        len -= n;
    }
}

static void show_gathered(struct kube *k) {
    if (k->gathered.len)
        show(k, k->gathered.data, k->gathered.len);
    buf_clear(&k->gathered);
}

/* A program that writes line by line comes as messages of a few bytes, thousands a second. */
static void gather(struct kube *k, const char *data, size_t len) {
    bool large = len > KUBE_GATHER_MAX / 2;
    if (large || k->gathered.len + len > KUBE_GATHER_MAX)
        show_gathered(k);
    if (large || buf_add(&k->gathered, data, len))
        show(k, data, len);
}

/* And each would wake us: where they come without a pause, look 125 times a second. */
static void drip(struct drip *d, size_t len, uint64_t now) {
    bool small = len && len < DRIP_BYTES && now - d->read_ms <= 2 * DRIP_MS;
    d->count = small ? d->count + 1 : 0;
    d->read_ms = now;
    d->until_ms = d->count >= DRIP_COUNT ? now + DRIP_MS : 0;
}

/* true: there may be more at once. */
static bool read_some(struct kube *k, uint64_t now, enum channel_event *ev, struct err *e) {
    struct conn *c = &k->conn;
    size_t before = c->in.len;
    if (!c->ended)
        conn_fill(c, KUBE_READ_BUDGET);
    drip(&k->drip, c->in.len - before, now);
    int channel;
    const char *data;
    size_t len;
    while ((*ev = channel_next(c, &channel, &data, &len, e)) == CHANNEL_DATA)
        gather(k, data, len);
    show_gathered(k);
    return *ev == CHANNEL_NONE && stream_pending(&c->stream);
}

static int tell_size(struct kube *k) {
    char text[64];
    int n = snprintf(text, sizeof text, "{\"Width\":%d,\"Height\":%d}", k->con.cols, k->con.rows);
    k->con.resized = false;
    return channel_put(&k->conn, KUBE_RESIZE, text, (size_t)n);
}

/* A program that reads lines from a pipe ends them with line feeds; and Ctrl-D, which a terminal
 * over there would take for the end of its input, has to be told as that. How much of it is text.
 */
static size_t to_lines(char *data, size_t len) {
    size_t n = 0;
    for (; n < len && data[n] != CTRL_D; n++)
        if (data[n] == '\r')
            data[n] = '\n';
    return n;
}

static void end_input(struct kube *k) {
    if (!k->conn.v5) {
        term_note(k->con.term, "This API server is too old to be told the end of the input.");
        k->con.text_due = true;
    }
    channel_end_stdin(&k->conn);
    k->input = !k->conn.v5;
}

static int write_some(struct kube *k, struct err *e) {
    struct conn *c = &k->conn;
    struct buf *out = &k->con.out;
    if (!k->tty)
        k->con.resized = false;
    if (k->con.resized && c->out.len < KUBE_OUT_LIMIT)
        tell_size(k);
    if (!k->input)
        buf_clear(out);
    while (out->len && c->out.len < KUBE_OUT_LIMIT) {
        size_t n = MIN_OF(out->len, (size_t)KUBE_STDIN_MAX);
        size_t text = k->tty ? n : to_lines(out->data, n);
        bool ends = text < n;
        n = text;
        if (n && channel_put(c, KUBE_STDIN, out->data, n))
            return err_set(e, STATUS_SERVER_ERROR, "no memory for what is typed");
        buf_consume(out, n + ends);
        if (ends)
            end_input(k);
        if (!k->input)
            buf_clear(out);
        console_paste_pump(&k->con);
    }
    if (conn_flush(c))
        c->ended = true;
    return 0;
}

/* Load balancers cut what is silent, and a dead peer says nothing at all: one question an interval,
 * and three without an answer are the end. */
static int keep_alive(struct kube *k, uint64_t now, struct err *e) {
    struct conn *c = &k->conn;
    uint64_t interval = (uint64_t)k->alive_ms;
    if (!interval || now < c->asked_ms + interval)
        return 0;
    if (!k->con.paused && now - c->heard_ms > 3 * interval)
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "the API server at %s does not answer any more",
                       k->host);
    c->asked_ms = now;
    if (c->out.len < KUBE_OUT_LIMIT)
        channel_ping(c);
    return 0;
}

static int wait_ms(struct kube *k, bool more, uint64_t now) {
    bool writes = k->con.out.len && k->conn.out.len < KUBE_OUT_LIMIT; /* a turn took its share */
    if ((more && !k->con.paused) || writes)
        return 0;
    int ms = console_wait_ms(&k->con, now);
    if (now < k->drip.until_ms) {
        int rest = (int)(k->drip.until_ms - now);
        ms = ms < 0 ? rest : MIN_OF(ms, rest);
    }
    if (k->alive_ms) {
        uint64_t due = k->conn.asked_ms + (uint64_t)k->alive_ms;
        int alive = due <= now ? 0 : (int)MIN_OF(due - now, (uint64_t)3600000);
        ms = ms < 0 ? alive : MIN_OF(ms, alive);
    }
    return ms;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* Nothing went wrong: the status stays 0. */
static int farewell(struct kube *k, const char *text, struct err *e) {
    log_info("%s", text);
    session_state(k->s, "exit", text);
    console_tell_last(&k->con);
    *e = (struct err){ 0 };
    snprintf(e->text, sizeof e->text, "%s", text);
    return 0;
}

static int last_words(struct kube *k, const char *text, int status, struct err *e) {
    char said[512];
    snprintf(said, sizeof said, "%s", text); /* it may be e's own */
    term_note(k->con.term, said);
    farewell(k, said, e);
    return status ? err_set(e, status, "%s", said) : 0;
}

/* A node tells the API server a moment later what has become of a container. */
static bool learn_fate(struct kube *k, char *text, size_t size) {
    for (int i = 0; i < FATE_TRIES; i++) {
        struct pollfd p = { session_event_fd(k->s), POLLIN, 0 };
        if (target_fate(k, text, size))
            return true;
        if (poll(&p, 1, FATE_EVERY_MS) > 0 && !console_early_events(&k->con))
            return false;
    }
    return false;
}

/* The error channel says how a command ended, and nothing when the pod was taken from under it; a
 * container that ends kills what was started in it. */
static int say_end(struct kube *k, struct err *e) {
    struct conn *c = &k->conn;
    struct kstatus st;
    struct kwhere w = target_where(k);
    char text[512] = "", fate[512] = "";
    bool told = kstatus_parse(c->status.data, c->status.len, &st);
    bool ran = told && kstatus_ended(&st, &w, text, sizeof text, e);
    if (told && !ran)
        snprintf(text, sizeof text, "%s", e->text);
    if (ran && st.exit != KILLED)
        return last_words(k, text, STATUS_SUCCESS, e);
    if (ran) { /* what is known is said at once */
        term_note(k->con.term, text);
        console_tell_last(&k->con);
    }
    if (told && !ran ? target_fate(k, fate, sizeof fate) : learn_fate(k, fate, sizeof fate))
        return last_words(k, fate, ran ? STATUS_SUCCESS : STATUS_RESOURCE_CLOSED, e);
    if (told)
        return ran ? farewell(k, text, e) : last_words(k, text, e->status, e);
    snprintf(text, sizeof text, "The API server closed the connection%s%s.",
             *c->close_text ? ": " : "", c->close_text);
    return last_words(k, text, STATUS_RESOURCE_CLOSED, e);
}

int shell_run(struct kube *k, struct err *e) {
    struct conn *c = &k->conn;
    bool more = true; /* bytes may have come with the upgrade's answer */
    buf_init(&k->gathered, KUBE_GATHER_MAX);
    session_damage(k->s);
    for (;;) {
        uint64_t now = clock_ms();
        bool held = now < k->drip.until_ms, reads = !k->con.paused && !held;
        struct pollfd p[2 + KUBE_FILES_POLL] = {
            { c->stream.fd, stream_events(&c->stream, reads, c->out.len), 0 },
            { console_event_fd(&k->con), POLLIN, 0 },
        };
        if (!p[0].events)
            p[0].fd = -1;
        int ms = wait_ms(k, more, now);
        size_t n = 2 + kube_files_poll(k->files, p + 2, now, &ms);
        if (poll(p, (nfds_t)n, ms) < 0 && errno != EINTR)
            return err_errno(e, STATUS_SERVER_ERROR, "poll");
        if ((p[1].revents || console_waiting(&k->con)) && !console_events(&k->con))
            return 0;
        enum channel_event ev = CHANNEL_NONE;
        now = clock_ms();
        bool due = held && now >= k->drip.until_ms;
        if (!k->con.paused && (more || p[0].revents || c->stream.write_wants_in || due))
            more = read_some(k, now, &ev, e);
        if (write_some(k, e))
            return -1;
        now = clock_ms();
        kube_files_serve(k->files, now);
        term_tick(k->con.term);
        console_tell(&k->con, now, !p[0].revents && !held);
        if (ev == CHANNEL_BAD)
            return -1;
        if (ev == CHANNEL_OVER)
            return say_end(k, e);
        if (c->ended && !more && !p[0].revents)
            more = true; /* writing saw the end first: read what is left */
        if (keep_alive(k, now, e))
            return -1;
    }
}
