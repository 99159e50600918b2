/* Streams a user opens: clipboard, answers and live parameters (argv), STDIN, files. Each blob is
 * answered by `ack`, a refusal too, so no client waits for ever. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define ARGV_MAX 65536

enum stream_kind { STREAM_CLIPBOARD, STREAM_ARGV, STREAM_STDIN, STREAM_FILE };

struct instream {
    struct instream *next;
    int index;
    enum stream_kind kind;
    char name[64]; /* argv: parameter; clipboard: mimetype */
    struct buf data;
    bool over;           /* too much came: refused, the rest is swallowed */
    bool ended;          /* STDIN: no more blobs, but some are not taken yet */
    unsigned waiting;    /* STDIN: blobs the backend has not taken */
    struct files_op *op; /* FILE; NULL once it is over: then the rest is refused like this */
    int status;
    char why[128];
};

static enum input_result bad(struct err *e, const char *what) {
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s with wrong arguments", what);
    return INPUT_BAD;
}

static void put_ack(struct buf *b, int stream, const char *text, int status) {
    instr_begin(b, "ack");
    instr_int(b, stream);
    notify_plain(b, text);
    instr_int(b, status);
    instr_end(b);
}

void streams_ack(struct user *u, int stream, const char *text, int status) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2048);
    put_ack(&b, stream, text, status);
    user_send_buf(u, &b);
}

void streams_acks(struct user *u, int stream, unsigned count) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, (size_t)count * 40);
    while (count--)
        put_ack(&b, stream, "OK", STATUS_SUCCESS);
    user_send_buf(u, &b);
}

static struct instream *find(struct user *u, int index) {
    struct instream *st = u->in_streams;
    while (st && (st->index != index || st->ended))
        st = st->next;
    return st;
}

static void forget(struct user *u, struct instream *st) {
    struct instream **p = &u->in_streams;
    while (*p != st)
        p = &(*p)->next;
    *p = st->next;
    u->in_count--;
    if (st->op)
        files_break(steal_ptr(st->op));
    buf_wipe(&st->data);
    free(st);
}

void streams_file_over(struct user *u, const struct files_op *op, int status, const char *why) {
    for (struct instream *st = u->in_streams; st; st = st->next)
        if (st->op == op) {
            st->op = NULL;
            st->status = status;
            snprintf(st->why, sizeof(st->why), "%s", status ? why : "OK");
            streams_ack(u, st->index, st->why, status);
        }
}

void streams_free(struct user *u) {
    while (u->in_streams)
        forget(u, u->in_streams);
}

/* Why this stream may not be opened: a status, and words. 0: it may. */
static int refuse(struct user *u, const struct instr *in, enum stream_kind *kind, size_t *name_at,
                  const char **why) {
    struct session *s = u->s;
    *name_at = 1;
    if (slice_is(in->opcode, "clipboard")) {
        *kind = STREAM_CLIPBOARD;
        *why = "The clipboard may not be sent here.";
        if (u->role < ROLE_HELPER || !s->paste)
            return STATUS_CLIENT_FORBIDDEN;
    } else if (slice_is(in->opcode, "argv")) {
        *kind = STREAM_ARGV;
        *name_at = 2;
        *why = "Only the owner may change parameters.";
        if (u->s->owner != u)
            return STATUS_CLIENT_FORBIDDEN;
    } else if (slice_is(in->opcode, "pipe")) {
        *kind = STREAM_STDIN;
        *name_at = 2;
        *why = "There is no such pipe.";
        if (in->argc > 2 && !slice_is(in->argv[2], "STDIN"))
            return STATUS_RESOURCE_NOT_FOUND;
        *why = "Input may not be sent here.";
        if (u->role < ROLE_HELPER)
            return STATUS_CLIENT_FORBIDDEN;
    } else {
        *why = "This target takes no such stream.";
        return STATUS_UNSUPPORTED;
    }
    *why = "The session is paused.";
    if (s->paused && *kind != STREAM_ARGV)
        return STATUS_SERVER_BUSY;
    *why = "Too many streams.";
    return u->in_count >= STREAMS_MAX ? STATUS_CLIENT_TOO_MANY : 0;
}

/* `put` and `file`: acknowledged when the target has opened it, or refused at once. */
static enum input_result open_file(struct user *u, const struct instr *in, int index,
                                   struct err *e) {
    bool drop = slice_is(in->opcode, "file");
    struct files_put p = { .drop = drop, .stream = index };
    if (in->argc < (drop ? 3u : 4u) ||
        (!drop && !instr_to_int(in->argv[0], 0, INT32_MAX, &p.object)))
        return bad(e, "a file's stream");
    if (!atomic_load(&u->s->files_count)) {
        streams_ack(u, index, "This target has no files.", STATUS_UNSUPPORTED);
        return INPUT_OK;
    }
    p.mimetype = in->argv[drop ? 1 : 2];
    p.name = in->argv[drop ? 2 : 3];
    struct err why = { .status = STATUS_CLIENT_TOO_MANY, .text = "Too many streams." };
    struct instream *st = u->in_count < STREAMS_MAX ? calloc(1, sizeof(*st)) : NULL;
    struct instream *old = find(u, index);
    if (old)
        forget(u, old);
    if (st)
        st->op = files_put(u, &p, &why);
    if (!st || !st->op) {
        free(st);
        streams_ack(u, index, why.text, why.status);
        return INPUT_OK;
    }
    st->index = index;
    st->kind = STREAM_FILE;
    st->next = u->in_streams;
    u->in_streams = st;
    u->in_count++;
    return INPUT_OK;
}

enum input_result streams_open(struct user *u, const struct instr *in, struct err *e) {
    int64_t index;
    size_t at = slice_is(in->opcode, "put") ? 1 : 0; /* put: object first */
    if (in->argc < at + 2 || !instr_to_int(in->argv[at], 0, INT32_MAX, &index))
        return bad(e, "a stream");
    if (slice_is(in->opcode, "put") || slice_is(in->opcode, "file"))
        return open_file(u, in, (int)index, e);
    enum stream_kind kind = STREAM_CLIPBOARD;
    size_t name_at = 1;
    const char *why = "";
    int status = refuse(u, in, &kind, &name_at, &why);
    if (status) {
        streams_ack(u, (int)index, why, status);
        return INPUT_OK;
    }
    struct instream *st = calloc(1, sizeof(*st));
    if (!st || in->argc <= name_at ||
        !instr_to_str(in->argv[name_at], st->name, sizeof(st->name))) {
        free(st);
        return bad(e, "a stream");
    }
    struct instream *old = find(u, (int)index);
    if (old)
        forget(u, old); /* opened anew without `end` */
    st->index = (int)index;
    st->kind = kind;
    buf_init(&st->data, kind == STREAM_CLIPBOARD ? u->s->clipboard_max : ARGV_MAX);
    st->data.secret = true;
    st->next = u->in_streams;
    u->in_streams = st;
    u->in_count++;
    streams_ack(u, (int)index, "OK", STATUS_SUCCESS);
    return INPUT_OK;
}

/* The bytes go on as an event; the acknowledgement follows when the backend took it. */
static enum input_result feed_stdin(struct user *u, struct instream *st, char *data, size_t len) {
    struct session *s = u->s;
    struct event ev = { .type = EVENT_INPUT, .user = u->number, .data = data, .len = len };
    ev.input.stream = st->index;
    if (s->paused || !mailbox_put(&s->mailbox, &ev))
        return INPUT_RETRY;
    st->waiting++;
    life_active(s);
    return INPUT_OK;
}

void streams_input_taken(struct session *s, uint32_t user, int stream) {
    for (struct user *u = s->users; u; u = u->next)
        for (struct instream *st = u->in_streams; st && u->number == user; st = st->next)
            if (st->index == stream && st->kind == STREAM_STDIN && st->waiting) {
                bool done = --st->waiting == 0 && st->ended;
                streams_ack(u, stream, "OK", STATUS_SUCCESS);
                if (done)
                    forget(u, st);
                return;
            }
}

enum input_result streams_blob(struct user *u, const struct instr *in, struct err *e) {
    int64_t index;
    if (in->argc < 2 || !instr_to_int(in->argv[0], 0, INT32_MAX, &index))
        return bad(e, "blob");
    struct instream *st = find(u, (int)index);
    if (!st)
        return INPUT_OK; /* refused before, or closed */
    char *data = malloc(in->argv[1].len / 4 * 3 + 1);
    long len = data ? base64_decode(in->argv[1].data, in->argv[1].len, data) : -1;
    if (len < 0 || len > BLOB_BYTES_MAX) {
        free(data);
        if (len < 0)
            return bad(e, "blob");
        err_set(e, STATUS_CLIENT_OVERRUN, "a blob of more than %d bytes", BLOB_BYTES_MAX);
        return INPUT_BAD;
    }
    data[len] = '\0';
    if (st->kind == STREAM_FILE) {
        enum input_result r = st->op ? files_blob(st->op, data, (size_t)len) : INPUT_OK;
        if (!st->op)
            streams_ack(u, (int)index, st->why, st->status ? st->status : STATUS_RESOURCE_CLOSED);
        free(data);
        return r;
    }
    if (st->kind == STREAM_STDIN) {
        enum input_result r = feed_stdin(u, st, data, (size_t)len);
        if (r == INPUT_RETRY) {
            secret_wipe(data, (size_t)len);
            free(data);
        }
        return r;
    }
    if (!st->over && buf_add(&st->data, data, (size_t)len) < 0) {
        st->over = true;
        buf_wipe(&st->data);
        log_warning("user %u: more than %zu bytes in one %s stream", u->number, st->data.max,
                    st->kind == STREAM_CLIPBOARD ? "clipboard" : "argv");
    }
    secret_wipe(data, (size_t)len);
    free(data);
    if (st->over)
        streams_ack(u, (int)index, "This is more than is taken at once.", STATUS_CLIENT_OVERRUN);
    else
        streams_ack(u, (int)index, "OK", STATUS_SUCCESS);
    return INPUT_OK;
}

static enum input_result end_clipboard(struct user *u, struct instream *st) {
    struct session *s = u->s;
    struct event ev = { .type = EVENT_CLIPBOARD, .user = u->number };
    if (s->paused || !mailbox_has_room(&s->mailbox))
        return INPUT_RETRY;
    memcpy(ev.name, st->name, sizeof(ev.name));
    record_clipboard(s, u, st->name, st->data.data, st->data.len);
    size_t len = 0;
    ev.data = buf_steal(&st->data, &len);
    ev.len = len;
    if (!ev.data || !mailbox_put(&s->mailbox, &ev))
        log_warning("user %u: his clipboard was lost", u->number);
    event_fini(&ev);
    life_active(s);
    return INPUT_OK;
}

/* Is it a row that may change while the session runs, and a value that fits it? */
static bool live_value(struct session *s, const char *name, const char *data, size_t len,
                       struct err *e) {
    const struct arg_spec *row = protocol_arg_find(s->protocol, name, NULL);
    if (!row || !(row->flags & ARG_LIVE))
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "parameter %s does not change", name) == 0;
    struct args *scratch = args_new(s->protocol);
    bool good = scratch && args_set(scratch, name, data, len, e);
    args_free(scratch);
    return good;
}

static enum input_result end_argv(struct user *u, struct instream *st) {
    struct session *s = u->s;
    const char *text = buf_str(&st->data);
    if (ask_wants(s, st->name)) {
        ask_answer(s, st->name, text, st->data.len);
        return INPUT_OK;
    }
    struct err e = { 0 };
    if (!live_value(s, st->name, text, st->data.len, &e)) {
        log_warning("user %u: argv %s: %s", u->number, st->name, e.text);
        streams_ack(u, st->index, "This parameter does not take that.", STATUS_CLIENT_FORBIDDEN);
        return INPUT_OK;
    }
    if (!mailbox_has_room(&s->mailbox))
        return INPUT_RETRY;
    struct event ev = { .type = EVENT_ARGV, .user = u->number };
    memcpy(ev.name, st->name, sizeof(ev.name));
    ev.data = buf_steal(&st->data, &ev.len);
    if (ev.data)
        mailbox_put(&s->mailbox, &ev);
    event_fini(&ev);
    return INPUT_OK;
}

enum input_result streams_end(struct user *u, const struct instr *in, struct err *e) {
    int64_t index;
    if (in->argc < 1 || !instr_to_int(in->argv[0], 0, INT32_MAX, &index))
        return bad(e, "end");
    struct instream *st = find(u, (int)index);
    if (!st)
        return INPUT_OK;
    enum input_result r = INPUT_OK;
    if (st->op)
        files_end(steal_ptr(st->op));
    if (st->kind == STREAM_CLIPBOARD && !st->over)
        r = end_clipboard(u, st);
    else if (st->kind == STREAM_ARGV && !st->over)
        r = end_argv(u, st);
    else if (st->kind == STREAM_STDIN && st->waiting)
        st->ended = true;
    if (r == INPUT_OK && !st->ended)
        forget(u, st);
    return r;
}
