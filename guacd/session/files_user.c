/* File systems as people meet them: who sees which, what they ask for, what they send. Roles and
 * policy are kept here and in files_is_file(). Wire thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/files_name.h"
#include "guacd/session/files_op.h"

static const char no_upload[] = "Files may not be uploaded here.";
static const char busy[] = "Too many files at once: try again when some are done.";

/* Files belong to the owner; to helpers where the connection says so; to viewers never. */
static bool may(const struct user *u) {
    const struct session *s = u->s;
    return user_live(u) && u->role >= ROLE_HELPER && (u == s->owner || s->helper_files);
}

/* ---- who sees what -----------------------------------------------------------------------------
 */

static void put_object(struct user *u, const char *opcode, const struct files *f) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2048);
    instr_begin(&b, opcode);
    instr_int(&b, f->object);
    if (strcmp(opcode, "filesystem") == 0)
        notify_plain(&b, f->name);
    instr_end(&b);
    user_send_buf(u, &b);
}

static void drop_ops(struct files *f, struct user *u, const char *why) {
    for (struct files_op *op = f->ops; op; op = op->next)
        if (op->u == u && !op->over)
            files_over(op, "cancelled", STATUS_RESOURCE_CLOSED, why);
}

void files_user(struct user *u) {
    struct session *s = u->s;
    bool sees = may(u), changed = false;
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++) {
        struct files *f = s->files[i];
        bool show = sees && f->shown;
        if (show == (u->files_seen >> i & 1))
            continue;
        u->files_seen ^= 1u << i;
        changed = true;
        if (!show)
            drop_ops(f, u, "Files are somebody else's now.");
        if (user_live(u))
            put_object(u, show ? "filesystem" : "undefine", f);
    }
    if (changed && user_live(u))
        notify_state(s, u, files_policy(s, u));
}

void files_left(struct user *u) {
    struct session *s = u->s;
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++)
        drop_ops(s->files[i], u, "The person left.");
}

static void show_all(struct session *s) {
    for (struct user *u = s->users; u; u = u->next)
        if (user_live(u))
            files_user(u);
}

/* ---- asking ------------------------------------------------------------------------------------
 */

static struct files *find(struct user *u, int64_t object) {
    struct session *s = u->s;
    if (object < 1 || object > atomic_load(&s->files_count) || !may(u))
        return NULL;
    struct files *f = s->files[object - 1];
    return f->shown ? f : NULL;
}

static struct files_op *add(struct files *f, struct user *u, enum files_kind kind, const char *path,
                            struct slice name) {
    struct files_op *op = files_add(f, kind, path);
    if (!op)
        return NULL;
    op->u = u;
    op->wide = u->ours;
    op->basic = !u->ours;
    op->name = strndup(name.data, name.len);
    user_by(u, op->by);
    life_active(u->s);
    return op;
}

enum input_result files_get(struct user *u, const struct instr *in, struct err *e) {
    int64_t object;
    if (in->argc < 2 || !instr_to_int(in->argv[0], 0, INT32_MAX, &object))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "get with wrong arguments"), INPUT_BAD;
    struct files *f = find(u, object);
    if (!f)
        return INPUT_OK; /* no such object for him: the protocol has no word for it */
    struct slice name = in->argv[1];
    char path[FILES_PATH_MAX];
    struct files_op *op;
    _free_ char *text = strndup(name.data, name.len);
    struct err why = { 0 };
    if (files_path_read(name.data, name.len, path, sizeof(path), &why) < 0)
        files_tell_refused(f, u, "out", text, why.status, why.text);
    else if ((op = add(f, u, FILES_GET, path, name)))
        files_start(op);
    else
        files_tell_refused(f, u, "out", text, STATUS_CLIENT_TOO_MANY, busy);
    return INPUT_OK;
}

/* Where this goes, or why not. */
static int place(struct files *f, const struct files_put *p, char path[FILES_PATH_MAX],
                 struct err *e) {
    if (!f->upload)
        return err_set(e, STATUS_CLIENT_FORBIDDEN, no_upload);
    if (!p->drop) {
        if (files_path_read(p->name.data, p->name.len, path, FILES_PATH_MAX, e) < 0)
            return -1;
        return path[1] ? 0 : err_set(e, STATUS_CLIENT_BAD_REQUEST, "This is the top folder.");
    }
    size_t len = strlen(f->drop);
    if (!files_name_good(p->name.data, p->name.len) || len + p->name.len + 2 > FILES_PATH_MAX)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "No file can have such a name.");
    snprintf(path, FILES_PATH_MAX, "%s%s%.*s", f->drop, strcmp(f->drop, "/") ? "/" : "",
             (int)p->name.len, p->name.data);
    return 0;
}

struct files_op *files_put(struct user *u, const struct files_put *p, struct err *e) {
    struct files *f = find(u, p->drop ? 1 : p->object);
    if (!f) {
        err_set(e, may(u) ? STATUS_RESOURCE_NOT_FOUND : STATUS_CLIENT_FORBIDDEN, "%s",
                may(u) ? "There is no such file system." : no_upload);
        return NULL;
    }
    char path[FILES_PATH_MAX];
    bool folder = slice_is(p->mimetype, FILES_INDEX_TYPE);
    struct files_op *op = NULL;
    if (place(f, p, path, e) == 0) {
        op = add(f, u, folder ? FILES_FOLDER : FILES_PUT, path, p->name);
        if (!op)
            err_set(e, STATUS_CLIENT_TOO_MANY, busy);
    }
    if (op) {
        op->stream = p->stream;
        op->drop = p->drop;
        files_start(op);
    } else {
        _free_ char *text = strndup(p->name.data, p->name.len);
        files_tell_refused(f, u, "in", text, e->status, e->text);
    }
    return op;
}

/* ---- sending -----------------------------------------------------------------------------------
 */

enum input_result files_blob(struct files_op *op, const char *data, size_t len) {
    struct files *f = op->f;
    if (op->kind == FILES_FOLDER || !len)
        return INPUT_OK;
    if (op->lead == FILES_WINDOW_MAX)
        return INPUT_RETRY;
    pthread_mutex_lock(&f->lock);
    bool full = op->data.len + len > op->data.max;
    bool over = f->limit && op->came + len > f->limit;
    if (!full && !over && !op->finished) {
        buf_add(&op->data, data, len);
        if (op->starved) {
            op->starved = false;
            files_pend(op, OP_MORE);
        }
    }
    pthread_mutex_unlock(&f->lock);
    if (over) {
        files_over(op, "failed", STATUS_CLIENT_OVERRUN,
                   "This file is larger than may be uploaded here.");
        return INPUT_OK;
    }
    if (full)
        return INPUT_RETRY;
    unsigned i = (op->first + op->lead++) % FILES_WINDOW_MAX;
    op->blobs[i].bytes = (uint32_t)len;
    op->came += len;
    life_active(f->s);
    return INPUT_OK;
}

void files_end(struct files_op *op) {
    struct files *f = op->f;
    op->stream = -1; /* the number may be used again at once */
    pthread_mutex_lock(&f->lock);
    op->whole = true;
    if (op->starved) {
        op->starved = false;
        files_pend(op, OP_MORE);
    }
    pthread_mutex_unlock(&f->lock);
}

/* His stream is gone without `end`. */
void files_break(struct files_op *op) {
    if (!op->over)
        files_over(op, "cancelled", STATUS_RESOURCE_CLOSED, "The sender gave it up.");
}

/* ---- what the backend did ----------------------------------------------------------------------
 */

void files_over(struct files_op *op, const char *state, int status, const char *why) {
    if (op->over)
        return;
    op->over = true;
    files_tell(op, state, status, why);
    if (op->u && op->kind != FILES_GET)
        streams_file_over(op->u, op, status, why);
    op->u = NULL;
    pthread_mutex_lock(&op->f->lock);
    files_pend(op, OP_CANCEL);
    files_post(op->f);
    pthread_mutex_unlock(&op->f->lock);
}

static void serve_put(struct files_op *op) {
    struct files *f = op->f;
    pthread_mutex_lock(&f->lock);
    bool ready = op->ready, finished = op->finished;
    uint64_t wrote = op->wrote;
    int status = op->status;
    pthread_mutex_unlock(&f->lock);
    if (ready && !op->told) {
        op->told = true;
        files_tell(op, "begun", 0, "");
        if (op->stream >= 0)
            streams_ack(op->u, op->stream, "OK", STATUS_SUCCESS);
    }
    unsigned written = 0;
    for (; op->lead && !op->over && op->passed + op->blobs[op->first].bytes <= wrote; written++) {
        op->passed += op->blobs[op->first].bytes;
        op->first = (op->first + 1) % FILES_WINDOW_MAX;
        op->lead--;
    }
    if (written && op->stream >= 0)
        streams_acks(op->u, op->stream, written);
    if (finished && !op->over)
        files_over(op, status ? "failed" : "done", status, op->why);
}

/* An offer of the backend's has nobody yet. */
static bool adopt(struct files_op *op) {
    struct user *owner = op->f->s->owner;
    if (op->u || !op->drop)
        return op->u != NULL;
    if (owner && may(owner)) {
        op->u = owner;
        op->wide = owner->ours;
        user_by(owner, op->by);
        return true;
    }
    files_over(op, "cancelled", STATUS_RESOURCE_CLOSED, "Nobody is there to take it.");
    return false;
}

void files_serve(struct files *f) {
    struct session *s = f->s;
    pthread_mutex_lock(&f->lock);
    bool show = !f->closed;
    pthread_mutex_unlock(&f->lock);
    for (struct files_op *op = f->ops; op; op = op->next) {
        if (op->over)
            continue;
        if (op->kind != FILES_GET)
            serve_put(op);
        else if (adopt(op))
            files_out(op);
    }
    files_sweep(f);
    if (show != f->shown) {
        f->shown = show;
        show_all(s);
    }
    for (struct user *u = s->users; u; u = u->next)
        if (user_live(u) && u->stalled && !s->paused)
            user_read(u);
}

/* He has taken what he was sent, or a frame has passed. */
void files_pump(struct user *u) {
    struct session *s = u->s;
    uint64_t last = u->last_file; /* whose turn it was: the others come first */
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < atomic_load(&s->files_count); i++)
            for (struct files_op *op = s->files[i]->ops; op; op = op->next)
                if (op->u == u && op->kind == FILES_GET && !op->over &&
                    (op->id > last) == (pass == 0) && user_live(u) && outq_empty(&u->out))
                    files_out(op);
}

bool files_ack(struct user *u, int stream, int status) {
    struct session *s = u->s;
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++) {
        struct files *f = s->files[i];
        for (struct files_op *op = f->ops; op; op = op->next)
            if (op->u == u && op->kind == FILES_GET && op->stream == stream && !op->over) {
                if (status)
                    files_over(op, "cancelled", STATUS_RESOURCE_CLOSED,
                               "The receiver wants no more of it.");
                else
                    files_acked(op);
                return true;
            }
    }
    return false;
}
