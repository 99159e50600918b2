#include "guacd/backends/kubernetes/copy.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/script.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define PIECE_MAX (KUBE_STDIN_MAX - 3 * TAR_BLOCK) /* of a file, in one member */

/* ---- how it ends ------------------------------------------------------------------------------
 */

static const struct {
    int code, status;
    const char *text;
} ends[] = {
    { SCRIPT_NOT_THERE, STATUS_RESOURCE_NOT_FOUND,
      "There is no such file or folder in the container." },
    { SCRIPT_NOT_PERMITTED, STATUS_CLIENT_FORBIDDEN,
      "The container does not permit it: its user has no right to, or it can only be read." },
    { SCRIPT_SPECIAL, STATUS_CLIENT_FORBIDDEN, "This is neither a file nor a folder." },
    { SCRIPT_NO_TAR, STATUS_UNSUPPORTED,
      "This container has no tar, and files are moved by it (as kubectl cp does). Show them in the "
      "terminal, or use an image that has it." },
    { SCRIPT_FILE_ABOVE, STATUS_RESOURCE_CONFLICT, "A file stands where a folder is meant." },
    { SCRIPT_IS_FOLDER, STATUS_RESOURCE_CONFLICT, "A folder has its name." },
};

static int broken(struct err *e) {
    return err_set(e, STATUS_RESOURCE_CLOSED, "The connection to the container is lost.");
}

/* By tar's words on stderr. */
static int failed(const struct copy *c, struct err *e) {
    if (strcasestr(c->said, "no space left"))
        return err_set(e, STATUS_UPSTREAM_ERROR, "The container's disk is full.");
    if (*c->said)
        return err_set(e, STATUS_UPSTREAM_ERROR, "The container says: %s", c->said);
    return err_set(e, STATUS_UPSTREAM_ERROR, "It failed in the container.");
}

static int by_exit(const struct copy *c, int code, struct err *e) {
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends[i].code == code)
            return err_set(e, ends[i].status, "%s", ends[i].text);
    if (code == 0)
        return broken(e); /* it ended well before its time */
    return failed(c, e);
}

/* The error channel has the last word. */
static enum copy_result over(const struct copy *c, struct err *e) {
    struct kstatus st;
    struct kwhere w = target_where(c->k);
    char text[256];
    w.command = "sh";
    if (!kstatus_parse(c->conn.status.data, c->conn.status.len, &st)) {
        broken(e);
        return COPY_FAILED;
    }
    bool listed = c->stage == COPY_LIST && !c->lines.len;
    if (st.exit == 0 && (listed || c->stage == COPY_WHOLE))
        return COPY_DONE;
    if (kstatus_ended(&st, &w, text, sizeof text, e))
        by_exit(c, st.exit, e);
    else if (e->status == STATUS_RESOURCE_NOT_FOUND)
        err_set(e, STATUS_UNSUPPORTED,
                "Container %s has no shell (sh), so its files can be neither listed nor moved.",
                c->k->container);
    return COPY_FAILED;
}

/* ---- what comes -------------------------------------------------------------------------------
 */

static void hear_stderr(struct copy *c, const char *data, size_t len) {
    for (size_t i = 0; i < len && !c->said_all; i++) {
        c->said_all = c->said_len + 1 == sizeof c->said || (data[i] == '\n' && c->said_len);
        if (!c->said_all && data[i] != '\n')
            c->said[c->said_len++] = data[i] >= ' ' && data[i] <= '~' ? data[i] : '?';
    }
}

static int liar(struct err *e) {
    return err_set(e, STATUS_UPSTREAM_ERROR, "What the container says of its files is unreadable.");
}

/* A line of c->lines without its end, or NULL. */
static const char *line(struct copy *c) {
    char *end = c->lines.len ? memchr(c->lines.data, '\n', c->lines.len) : NULL;
    if (end)
        *end = '\0';
    return end ? c->lines.data : NULL;
}

static int hear_word(struct copy *c, struct err *e) {
    const char *word = line(c);
    if (!word)
        return c->lines.len > 64 ? liar(e) : 0;
    enum files_kind kind = files_kind(c->op);
    if (kind == FILES_PUT && strcmp(word, "ready") == 0) {
        c->stage = COPY_SEND;
        files_ready(c->op);
    } else if (kind == FILES_GET && strcmp(word, "folder") == 0) {
        c->stage = COPY_LIST;
        files_is_folder(c->op);
    } else if (kind == FILES_GET && strcmp(word, "file") == 0) {
        c->stage = COPY_FILE;
    } else {
        return liar(e);
    }
    buf_consume(&c->lines, strlen(word) + 1);
    return 1;
}

static int64_t ms_of(int64_t seconds) {
    return seconds > -(1ll << 40) && seconds < 1ll << 40 ? seconds * 1000 : 0;
}

static int hear_entries(struct copy *c, struct err *e) {
    for (;;) {
        struct entry x;
        size_t used;
        enum entry_result r = entry_next(c->lines.data, c->lines.len, &x, &used);
        if (r == ENTRY_BAD)
            return liar(e);
        if (r == ENTRY_MORE)
            return 0;
        unsigned type = x.mode & 0xf000;
        const struct files_entry entry = { .name = x.name,
                                           .name_len = x.name_len,
                                           .folder = type == 0x4000,
                                           .special = type != 0x4000 && type != 0x8000,
                                           .size = x.size,
                                           .mtime_ms = ms_of(x.mtime) };
        if (!files_entry(c->op, &entry))
            c->stage = COPY_WHOLE; /* the rest is not told */
        buf_consume(&c->lines, used);
        if (c->stage == COPY_WHOLE)
            return 0;
    }
}

/* Not more of the file than the person has room for: the rest waits in c->lines. */
static size_t taken_apart(struct copy *c) {
    return c->tar.left ? MIN_OF(c->lines.len, files_room(c->op)) : c->lines.len;
}

static int hear_archive(struct copy *c, struct err *e) {
    for (;;) {
        struct tar_piece p;
        enum tar_result r = tar_next(&c->tar, c->lines.data, taken_apart(c), &p, e);
        if (r == TAR_BAD)
            return -1;
        if (r == TAR_MEMBER && (c->member || !p.file))
            return liar(e);
        if (r == TAR_MEMBER) {
            c->member = true;
            if (!files_is_file(c->op, p.size))
                return -2;
        }
        if (r == TAR_DATA)
            files_give(c->op, p.data, p.len);
        buf_consume(&c->lines, p.used);
        if (r == TAR_END) {
            c->stage = COPY_WHOLE;
            return c->member ? 0 : liar(e);
        }
        if (r == TAR_MORE)
            return 0;
    }
}

/* While an archive goes, and when it is out. */
static int hear_size(struct copy *c, struct err *e) {
    const char *word = line(c);
    if (!word)
        return c->lines.len > 64 ? liar(e) : 0;
    if (strcmp(word, "failed") == 0) {
        if (c->stage == COPY_SEND)
            channel_end_stdin(&c->conn);
        c->stage = COPY_GIVEN_UP;
        return 0;
    }
    if (c->stage == COPY_SEND)
        return liar(e);
    if (strtoull(word, NULL, 10) != c->sent)
        return err_set(e, STATUS_UPSTREAM_ERROR,
                       "The file in the container is not as long as what was sent.");
    c->stage = COPY_WHOLE;
    return 0;
}

/* -1: e; -2: policy ended it. */
static int hear(struct copy *c, const char *data, size_t len, struct err *e) {
    if (c->stage >= COPY_GIVEN_UP)
        return 0;
    if (buf_add(&c->lines, data, len))
        return liar(e);
    int r = 1;
    while (r > 0)
        switch (c->stage) {
        case COPY_WORD:
            r = hear_word(c, e);
            break;
        case COPY_LIST:
            r = hear_entries(c, e);
            break;
        case COPY_FILE:
            r = hear_archive(c, e);
            break;
        case COPY_SEND:
        case COPY_SENT:
            r = hear_size(c, e);
            break;
        default:
            r = 0;
            break;
        }
    return r;
}

/* Bytes of the file wait for room: nothing is read until they are gone. */
static bool has_room(const struct copy *c) {
    return !(c->stage == COPY_FILE && c->tar.left && c->lines.len);
}

static enum copy_result hear_result(int r) {
    return r >= 0 ? COPY_GOES_ON : r == -1 ? COPY_FAILED : COPY_REFUSED;
}

static enum copy_result read_some(struct copy *c, struct err *e) {
    struct conn *n = &c->conn;
    enum copy_result r = has_room(c) ? COPY_GOES_ON : hear_result(hear(c, "", 0, e));
    if (r == COPY_GOES_ON && !n->ended && has_room(c))
        conn_fill(n, KUBE_READ_BUDGET);
    while (r == COPY_GOES_ON && has_room(c)) {
        int channel;
        const char *data;
        size_t len;
        enum channel_event ev = channel_next(n, &channel, &data, &len, e);
        if (ev == CHANNEL_BAD)
            return COPY_FAILED;
        if (ev == CHANNEL_OVER)
            return over(c, e);
        if (ev == CHANNEL_NONE)
            break;
        if (channel == KUBE_STDERR)
            hear_stderr(c, data, len);
        else
            r = hear_result(hear(c, data, len, e));
    }
    c->more |= has_room(c) && stream_pending(&n->stream);
    return r;
}

/* ---- what goes --------------------------------------------------------------------------------
 */

/* What is given goes behind the block that was held back; of it the last one is held back now. */
static int put_blocks(struct copy *c, const char *data, size_t len) {
    char frame[KUBE_STDIN_MAX];
    size_t n = c->holds ? TAR_BLOCK : 0;
    memcpy(frame, c->held, n);
    memcpy(frame + n, data, len - TAR_BLOCK);
    memcpy(c->held, data + len - TAR_BLOCK, TAR_BLOCK);
    c->holds = true;
    n += len - TAR_BLOCK;
    return n ? channel_put(&c->conn, KUBE_STDIN, frame, n) : 0;
}

static int put_piece(struct copy *c, char *piece, size_t len) {
    size_t pad = tar_padding(len);
    tar_header(piece, "part", len);
    memset(piece + TAR_BLOCK + len, 0, pad);
    c->sent += len;
    c->unheard += len;
    return put_blocks(c, piece, TAR_BLOCK + len + pad);
}

static int put_end(struct copy *c) {
    char zeroes[TAR_END_BYTES] = "";
    if (put_blocks(c, zeroes, sizeof zeroes))
        return -1;
    c->holds = false;
    c->stage = COPY_SENT;
    return channel_put(&c->conn, KUBE_STDIN, c->held, TAR_BLOCK) ? -1 : channel_end_stdin(&c->conn);
}

static int write_some(struct copy *c, struct err *e) {
    char piece[TAR_BLOCK + PIECE_MAX + TAR_BLOCK];
    while (c->stage == COPY_SEND && c->conn.out.len < KUBE_OUT_LIMIT) {
        bool whole = false;
        size_t n = files_take(c->op, piece + TAR_BLOCK, PIECE_MAX, &whole);
        if (n ? put_piece(c, piece, n) : whole && put_end(c))
            return err_set(e, STATUS_SERVER_ERROR, "No memory for what is sent.");
        if (!n)
            break;
    }
    bool left = c->stage == COPY_SEND && c->conn.out.len >= KUBE_OUT_LIMIT;
    if (conn_flush(&c->conn))
        c->conn.ended = true; /* what it said before that is read first */
    c->more |= left && c->conn.out.len < KUBE_OUT_LIMIT; /* nobody else would wake us */
    if (!c->conn.out.len && c->unheard) {
        files_wrote(c->op, c->unheard);
        c->unheard = 0;
    }
    return 0;
}

/* ---- one turn ---------------------------------------------------------------------------------
 */

static int begin_ask(struct copy *c, struct err *e) {
    static const char *const verbs[] = {
        [FILES_GET] = "get", [FILES_PUT] = "put", [FILES_FOLDER] = "folder"
    };
    enum files_kind kind = files_kind(c->op);
    _buf_cleanup_ struct buf path = { 0 };
    buf_init(&path, 128u << 10);
    target_exec_path(c->k, &path);
    script_query(&path, verbs[kind], files_path(c->op));
    buf_printf(&path, "stdout=true&stderr=true%s", kind == FILES_FOLDER ? "" : "&stdin=true");
    c->stage = COPY_ASK;
    if (path.failed)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "This path is too long for the container.");
    return ask_begin(c->k, &c->conn, buf_str(&path), true, e);
}

/* 1: the script runs, 0: not yet, -1: e. */
static int open_on(struct copy *c, struct err *e) {
    int r = 1;
    if (c->stage == COPY_DIAL && (r = conn_step(c->k, &c->conn, e)) > 0)
        r = begin_ask(c, e) ? -1 : 1;
    if (r <= 0 || (r = ask_step(c->k, &c->conn, &c->body, e)) <= 0)
        return r;
    if (r != 101) {
        struct kwhere w = target_where(c->k);
        return kstatus_refusal(r, c->body.data, c->body.len, &w, e);
    }
    if (files_kind(c->op) == FILES_PUT && !c->conn.v5)
        return err_set(
            e, STATUS_UNSUPPORTED,
            "This API server is too old for uploads: it cannot be told where a file ends "
            "(v5.channel.k8s.io, Kubernetes 1.30).");
    c->stage = files_kind(c->op) == FILES_FOLDER ? COPY_WHOLE : COPY_WORD;
    return 1;
}

/* As the terminal's: a question an interval, three without an answer are the end. */
static int keep_alive(struct copy *c, uint64_t now, struct err *e) {
    uint64_t interval = (uint64_t)c->k->alive_ms;
    if (!interval || now < c->conn.asked_ms + interval)
        return 0;
    if (has_room(c) && now - c->conn.heard_ms > 3 * interval)
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "The container does not answer any more.");
    c->conn.asked_ms = now;
    return c->conn.out.len < KUBE_OUT_LIMIT ? channel_ping(&c->conn) : 0;
}

enum copy_result copy_run(struct copy *c, uint64_t now, struct err *e) {
    c->more = false;
    if (c->stage <= COPY_ASK) {
        int r = open_on(c, e);
        if (r == 0 && now >= c->deadline)
            r = err_set(e, STATUS_UPSTREAM_TIMEOUT, "The API server does not answer.");
        if (r <= 0)
            return r ? COPY_FAILED : COPY_GOES_ON;
    }
    if (write_some(c, e))
        return COPY_FAILED;
    enum copy_result r = read_some(c, e);
    if (r == COPY_GOES_ON && c->stage == COPY_SEND && c->conn.out.len < KUBE_OUT_LIMIT)
        if (write_some(c, e)) /* "ready" came just now */
            return COPY_FAILED;
    if (r == COPY_GOES_ON && keep_alive(c, now, e))
        return COPY_FAILED;
    return r;
}

enum copy_result copy_open(struct copy *c, struct kube *k, struct files_op *op, uint64_t now,
                           struct err *e) {
    *c = (struct copy){ .k = k, .op = op, .deadline = now + (uint64_t)k->timeout_ms };
    c->conn.stream.fd = -1;
    buf_init(&c->body, KUBE_BODY_MAX);
    buf_init(&c->lines, KUBE_IN_MAX + COPY_LINES_MAX);
    c->lines.secret = true;
    return conn_begin(k, &c->conn, e) ? COPY_FAILED : COPY_GOES_ON;
}

void copy_close(struct copy *c) {
    if (c->stage > COPY_ASK && c->stage != COPY_SEND)
        channel_goodbye(&c->conn);
    conn_close(&c->conn);
    buf_fini(&c->body);
    buf_wipe(&c->lines);
    explicit_bzero(c->held, sizeof c->held);
}

short copy_events(const struct copy *c) {
    return conn_events(&c->conn, has_room(c));
}

int copy_wait_ms(const struct copy *c, uint64_t now) {
    if (c->more)
        return 0;
    uint64_t due = c->deadline;
    if (c->stage > COPY_ASK) {
        if (!c->k->alive_ms)
            return -1;
        due = c->conn.asked_ms + (uint64_t)c->k->alive_ms;
    }
    return due <= now ? 0 : (int)MIN_OF(due - now, (uint64_t)3600000);
}
