/* A file, or a folder's listing, on its way to a person: blobs as he acknowledges them, a window of
 * them at once, which grows while answers come as fast as the fastest one did and shrinks when they
 * do not: then the way is full, and a frame would wait behind the file. */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/files_name.h"
#include "guacd/session/files_op.h"

#define PIECE_BLOBS 15u /* at once; then a frame may pass. Less than malloc would map (main.c) */
#define GROWS_MS 30u    /* beyond the fastest answer */
#define SHRINKS_MS 100u
#define WINDOW_LEAST 4u
#define STREAMS_FIRST 4 /* below are the pipes of our own page (state.h) */
#define STREAMS_LAST 1022

/* ---- beginning ---------------------------------------------------------------------------------
 */

static bool in_use(struct user *u, int stream) {
    struct session *s = u->s;
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++)
        for (const struct files_op *op = s->files[i]->ops; op; op = op->next)
            if (op->u == u && op->kind == FILES_GET && op->stream == stream && !op->over)
                return true;
    return false;
}

/* Even: it waits for his acknowledgements. */
static int next_stream(struct user *u) {
    do {
        u->next_file = u->next_file >= STREAMS_LAST || u->next_file < STREAMS_FIRST
                           ? STREAMS_FIRST
                           : u->next_file + 2;
    } while (in_use(u, u->next_file)); /* FILES_OPS_MAX are fewer than streams */
    return u->next_file;
}

static void put_name(struct files_op *op, struct buf *b) {
    if (op->drop) {
        const char *base = strrchr(op->path, '/');
        _buf_cleanup_ struct buf shown;
        buf_init(&shown, INSTR_ELEMENT_MAX);
        files_name_show(base + 1, strlen(base + 1), true, &shown);
        notify_plain(b, buf_str(&shown));
    } else {
        instr_str(b, op->name); /* as he called it: that is how clients find who asked */
    }
}

static void announce(struct files_op *op, enum files_type type) {
    struct user *u = op->u;
    op->told = true;
    op->stream = next_stream(u);
    if (type == TYPE_FILE)
        files_tell(op, "begun", 0, "");
    _buf_cleanup_ struct buf b;
    buf_init(&b, INSTR_BYTES_MAX);
    instr_begin(&b, op->drop ? "file" : "body");
    if (!op->drop)
        instr_int(&b, op->f->object);
    instr_int(&b, op->stream);
    instr_str(&b, type == TYPE_FILE ? FILES_BYTES_TYPE
                  : op->wide        ? FILES_LISTING_TYPE
                                    : FILES_INDEX_TYPE);
    put_name(op, &b);
    instr_end(&b);
    user_send_buf(u, &b);
}

/* ---- blobs -------------------------------------------------------------------------------------
 */

static uint32_t now_ms(void) {
    return (uint32_t)clock_ms();
}

static size_t window_bytes(const struct files_op *op) {
    unsigned n = op->heard && op->window > op->lead ? op->window - op->lead : 0;
    return (size_t)MIN_OF(n, PIECE_BLOBS) * BLOB_BYTES_MAX;
}

static void put_blobs(struct files_op *op, const char *data, size_t len, struct buf *b) {
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN_OF(len - at, (size_t)BLOB_BYTES_MAX);
        instr_blob(b, op->stream, data + at, n);
        unsigned i = (op->first + op->lead++) % FILES_WINDOW_MAX;
        op->blobs[i].bytes = (uint32_t)n;
        op->blobs[i].ms = now_ms();
    }
}

/* At most max bytes that wait; *last: nothing follows them. Whole blobs unless it is the end. */
static size_t take(struct files_op *op, char *data, size_t max, bool *last, int *status) {
    struct files *f = op->f;
    pthread_mutex_lock(&f->lock);
    size_t n = MIN_OF(max, op->data.len);
    if (!op->finished)
        n -= n % BLOB_BYTES_MAX;
    if (n) {
        memcpy(data, op->data.data, n);
        buf_consume(&op->data, n);
    }
    *last = op->finished && !op->data.len;
    *status = op->finished ? op->status : 0;
    if (op->starved && op->data.len < FILES_BUFFER / 2 && !op->finished) {
        op->starved = false;
        files_pend(op, OP_MORE);
    }
    pthread_mutex_unlock(&f->lock);
    return n;
}

static void finish(struct files_op *op) {
    struct user *u = op->u;
    _buf_cleanup_ struct buf b;
    buf_init(&b, 64);
    instr_begin(&b, "end");
    instr_int(&b, op->stream);
    instr_end(&b);
    files_over(op, "done", 0, "");
    user_send_buf(u, &b);
}

static bool beyond_limit(const struct files_op *op) {
    return op->f->limit && op->type == TYPE_FILE && op->passed > op->f->limit;
}

/* One piece. It ends without `end` when the target failed halfway: nothing else tells an old client
 * that the file is not whole. */
static void send_piece(struct files_op *op) {
    struct user *u = op->u;
    char piece[PIECE_BLOBS * BLOB_BYTES_MAX];
    size_t max = window_bytes(op);
    bool last;
    int status;
    size_t n = take(op, piece, max, &last, &status);
    if (n) {
        u->last_file = op->id;
        EVP_DigestUpdate(op->hash, piece, n);
        op->passed += n;
        _buf_cleanup_ struct buf b;
        buf_init(&b, PIECE_BLOBS * (BASE64_LEN(BLOB_BYTES_MAX) + 40));
        b.secret = true;
        buf_reserve(&b, b.max); /* growing would wipe and copy */
        put_blobs(op, piece, n, &b);
        if (beyond_limit(op)) {
            files_over(op, "failed", STATUS_CLIENT_OVERRUN,
                       "This file is larger than may be downloaded here.");
            return;
        }
        if (user_send_buf(u, &b) < 0)
            return;
    }
    if (last && status)
        files_over(op, "failed", status, op->why);
    else if (last && op->heard)
        finish(op);
}

static void again(void *arg) {
    struct session *s = arg;
    s->files_again = false;
    for (struct user *u = s->users; u; u = u->next)
        files_pump(u);
}

void files_out(struct files_op *op) {
    struct files *f = op->f;
    struct user *u = op->u;
    pthread_mutex_lock(&f->lock);
    enum files_type type = op->type;
    bool finished = op->finished;
    int status = op->status;
    size_t waiting = op->data.len;
    pthread_mutex_unlock(&f->lock);
    if (type == TYPE_UNKNOWN) {
        if (finished)
            files_over(op, op->refused ? "refused" : "failed",
                       status ? status : STATUS_SERVER_ERROR, op->why);
        return;
    }
    if (!op->told)
        announce(op, type);
    if (op->over || f->s->paused || !user_live(u) || !outq_empty(&u->out) || !op->heard)
        return;
    if (!finished && (waiting < BLOB_BYTES_MAX || !window_bytes(op)))
        return;
    send_piece(op);
    if (!op->over && user_live(u) && outq_empty(&u->out) && window_bytes(op) && !f->s->files_again)
        f->s->files_again = loop_post(f->s->loop, again, f->s) == 0;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

void files_acked(struct files_op *op) {
    life_active(op->f->s);
    if (!op->heard) { /* "ready" */
        op->heard = true;
    } else if (op->lead) {
        uint32_t now = now_ms(), took = now - op->blobs[op->first].ms;
        op->first = (op->first + 1) % FILES_WINDOW_MAX;
        op->lead--;
        op->best_ms = MIN_OF(op->best_ms, took);
        if (took <= op->best_ms + GROWS_MS) {
            op->window = MIN_OF(op->window + 1, FILES_WINDOW_MAX);
        } else if (took > op->best_ms + SHRINKS_MS && now - op->shrunk_ms > took) {
            op->window = MAX_OF(op->window / 2, WINDOW_LEAST);
            op->shrunk_ms = now;
        }
    }
    files_out(op);
}
