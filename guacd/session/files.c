/* File systems and what is under way in them, as the backend's thread sees it. Each op is one
 * record between two threads; a lock a file system guards what both touch, and neither calls the
 * other while it holds it. */
#include "guacd/session/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/files_name.h"
#include "guacd/session/files_op.h"

static void lock(struct files *f) {
    pthread_mutex_lock(&f->lock);
}

static void unlock(struct files *f) {
    pthread_mutex_unlock(&f->lock);
}

/* ---- to the wire thread ------------------------------------------------------------------------
 */

static void on_wire(void *arg) {
    struct files *f = arg;
    lock(f);
    f->posted = false;
    unlock(f);
    files_serve(f);
}

void files_post(struct files *f) {
    if (!f->posted)
        f->posted = loop_post(f->s->loop, on_wire, f) == 0;
}

static void set_why(struct files_op *op, int status, const char *why) {
    op->status = status;
    snprintf(op->why, sizeof(op->why), "%s", why ? why : "");
}

/* ---- life --------------------------------------------------------------------------------------
 */

static bool allowed(struct session *s, const char *row, const char *gateway_row) {
    if (s->read_only || (row && args_bool(s->args, row)))
        return false;
    return !s->gateway || args_bool(s->args, gateway_row);
}

struct files *files_open(struct session *s, const struct files_conf *conf,
                         const struct files_impl *impl, void *arg, struct err *e) {
    unsigned n = atomic_load(&s->files_count);
    if (n >= FILES_MAX) {
        err_set(e, STATUS_SERVER_BUSY, "at most %d file systems a session", FILES_MAX);
        return NULL;
    }
    struct files *f = calloc(1, sizeof(*f));
    if (f) {
        f->name = strdup(conf->name);
        f->drop = strdup(conf->drop ? conf->drop : "/");
        f->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (!f || !f->name || !f->drop || f->fd < 0) {
        err_set(e, STATUS_SERVER_BUSY, "no memory for a file system");
        if (f) {
            free(f->name);
            free(f->drop);
        }
        free(f);
        return NULL;
    }
    f->s = s;
    f->object = (int)n + 1;
    f->impl = impl;
    f->arg = arg;
    f->download = allowed(s, conf->disable_download, "allow-download");
    f->upload = allowed(s, conf->disable_upload, "allow-upload");
    f->limit = s->gateway ? (uint64_t)args_int(s->args, "file-size-limit") : 0;
    pthread_mutex_init(&f->lock, NULL);
    f->paused = atomic_load(&s->files_paused);
    s->files[n] = f;
    atomic_store(&s->files_count, n + 1);
    lock(f);
    files_post(f);
    unlock(f);
    return f;
}

static void op_free(struct files_op *op) {
    EVP_MD_CTX_free(op->hash);
    buf_wipe(&op->data);
    free(op->path);
    free(op->name);
    free(op);
}

/* The session's end: no other thread is left. */
void files_free(struct session *s) {
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++) {
        struct files *f = s->files[i];
        while (f->ops) {
            struct files_op *op = f->ops;
            f->ops = op->next;
            op_free(op);
        }
        close(f->fd);
        pthread_mutex_destroy(&f->lock);
        free(f->name);
        free(f->drop);
        free(f);
    }
    json_decref(s->transfers);
}

/* Something the backend has begun and not let go of; under the lock. */
static struct files_op *left_over(struct files *f) {
    struct files_op *op = f->ops;
    while (op && (!op->begun || op->finished))
        op = op->next;
    return op;
}

void files_close(struct files *f, const char *why) {
    if (!f)
        return;
    lock(f);
    f->closed = true;
    for (struct files_op *op; (op = left_over(f));) {
        unlock(f);
        f->impl->cancel(f->arg, op);
        lock(f);
        op->finished = true;
        set_why(op, STATUS_RESOURCE_CLOSED, why);
    }
    for (struct files_op *op = f->ops; op; op = op->next)
        if (!op->finished) {
            op->finished = true;
            set_why(op, STATUS_RESOURCE_CLOSED, why);
        }
    files_post(f);
    unlock(f);
}

struct offer {
    struct files *f;
    char path[];
};

static void on_offer(void *arg) {
    struct offer *o = arg;
    struct files_op *op = files_add(o->f, FILES_GET, o->path);
    if (op) {
        const char *slash = strrchr(o->path, '/');
        op->drop = true;
        op->name = strdup(slash ? slash + 1 : o->path);
        files_start(op);
    }
    free(o);
}

void files_offer(struct files *f, const char *path) {
    size_t len = strlen(path) + 1;
    struct offer *o = malloc(sizeof(*o) + len);
    if (!o)
        return;
    o->f = f;
    memcpy(o->path, path, len);
    if (loop_post(f->s->loop, on_offer, o) < 0)
        free(o);
}

int files_fd(const struct files *f) {
    return f->fd;
}

/* ---- to the backend ----------------------------------------------------------------------------
 */

struct files_op *files_add(struct files *f, enum files_kind kind, const char *path) {
    /* Those that are over wait for the backend to let go of them. */
    size_t live = 0;
    for (const struct files_op *o = f->ops; o; o = o->next)
        live += !o->over;
    if (live >= FILES_OPS_MAX || f->count >= 4 * FILES_OPS_MAX)
        return NULL;
    struct files_op *op = calloc(1, sizeof(*op));
    if (!op)
        return NULL;
    op->path = strdup(path);
    op->hash = EVP_MD_CTX_new();
    if (!op->path || !op->hash || EVP_DigestInit_ex(op->hash, EVP_sha256(), NULL) != 1) {
        op_free(op);
        return NULL;
    }
    op->f = f;
    op->kind = kind;
    op->id = ++f->s->files_last;
    op->stream = -1;
    op->window = FILES_WINDOW_FIRST;
    op->best_ms = UINT32_MAX;
    op->size = FILES_SIZE_UNKNOWN;
    buf_init(&op->data, FILES_BUFFER);
    op->data.secret = true;
    lock(f);
    struct files_op **p = &f->ops;
    while (*p)
        p = &(*p)->next;
    *p = op;
    f->count++;
    unlock(f);
    return op;
}

void files_start(struct files_op *op) {
    struct files *f = op->f;
    lock(f);
    if (f->closed) {
        op->finished = true;
        set_why(op, STATUS_RESOURCE_CLOSED, "The connection for files is closed.");
        files_post(f);
    } else {
        files_pend(op, OP_BEGIN);
    }
    unlock(f);
}

void files_pend(struct files_op *op, unsigned what) {
    if (op->finished)
        return;
    op->pending |= what;
    eventfd_write(op->f->fd, 1);
}

void files_sweep(struct files *f) {
    lock(f);
    for (struct files_op **p = &f->ops; *p;) {
        struct files_op *op = *p;
        if (!op->over || !op->finished) {
            p = &op->next;
            continue;
        }
        *p = op->next;
        f->count--;
        op_free(op);
    }
    unlock(f);
}

/* What to call next; under the lock. While paused only an end goes through. */
static unsigned due(struct files *f, struct files_op **out) {
    for (struct files_op *op = f->ops; op; op = op->next) {
        if (op->finished || !op->pending)
            continue;
        unsigned what = op->pending & OP_CANCEL  ? OP_CANCEL
                        : f->paused              ? 0
                        : op->pending & OP_BEGIN ? OP_BEGIN
                                                 : OP_MORE;
        if (what == OP_CANCEL && !op->begun) {
            op->finished = true;
            files_post(f);
            continue;
        }
        if (!what)
            continue;
        op->pending &= ~what;
        op->begun = true;
        *out = op;
        return what;
    }
    return 0;
}

void files_dispatch(struct files *f) {
    eventfd_t ignored;
    eventfd_read(f->fd, &ignored);
    for (;;) {
        struct files_op *op = NULL;
        lock(f);
        unsigned what = due(f, &op);
        unlock(f);
        if (!what)
            return;
        if (what == OP_BEGIN)
            f->impl->begin(f->arg, op);
        if (what == OP_MORE)
            f->impl->more(f->arg, op);
        if (what != OP_CANCEL)
            continue;
        f->impl->cancel(f->arg, op);
        lock(f);
        op->finished = true;
        files_post(f);
        unlock(f);
    }
}

/* Wire thread. */
void files_pause(struct session *s, bool on) {
    atomic_store(&s->files_paused, on);
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++) {
        struct files *f = s->files[i];
        lock(f);
        f->paused = on;
        for (struct files_op *op = f->ops; op && !on; op = op->next)
            if (op->starved) {
                op->starved = false;
                files_pend(op, OP_MORE);
            }
        if (!on) {
            eventfd_write(f->fd, 1);
            files_post(f);
        }
        unlock(f);
    }
}

/* ---- an op -------------------------------------------------------------------------------------
 */

enum files_kind files_kind(const struct files_op *op) {
    return op->kind;
}

const char *files_path(const struct files_op *op) {
    return op->path;
}

void *files_tag(const struct files_op *op) {
    return op->tag;
}

void files_set_tag(struct files_op *op, void *tag) {
    op->tag = tag;
}

static void finish(struct files_op *op, int status, const char *text) {
    lock(op->f);
    op->finished = true;
    set_why(op, status, text);
    files_post(op->f);
    unlock(op->f);
}

void files_done(struct files_op *op, int status, const char *text) {
    if (op->kind == FILES_GET && op->type == TYPE_FOLDER) {
        lock(op->f);
        if (op->wide)
            buf_printf(&op->data, "],\"cut\":%s}", op->cut ? "true" : "false");
        else
            buf_puts(&op->data, op->entries ? "}" : "{}");
        unlock(op->f);
    }
    if (!status && op->type == TYPE_FILE && op->size != FILES_SIZE_UNKNOWN && op->given < op->size)
        finish(op, STATUS_RESOURCE_CONFLICT, "The file became shorter while it was read.");
    else
        finish(op, status, text);
}

bool files_is_file(struct files_op *op, uint64_t size) {
    struct files *f = op->f;
    if (!f->download) {
        op->refused = true;
        finish(op, STATUS_CLIENT_FORBIDDEN, "Files may not be downloaded here.");
        return false;
    }
    if (f->limit && size != FILES_SIZE_UNKNOWN && size > f->limit) {
        op->refused = true;
        finish(op, STATUS_CLIENT_OVERRUN, "This file is larger than may be downloaded here.");
        return false;
    }
    lock(f);
    op->type = TYPE_FILE;
    op->size = size;
    files_post(f);
    unlock(f);
    return true;
}

size_t files_room(struct files_op *op) {
    lock(op->f);
    size_t room = op->f->paused || op->pending & OP_CANCEL ? 0 : FILES_BUFFER - op->data.len;
    op->starved = room < FILES_BUFFER / 4;
    unlock(op->f);
    return room;
}

void files_give(struct files_op *op, const void *data, size_t len) {
    lock(op->f);
    buf_add(&op->data, data, len);
    op->given += len;
    files_post(op->f);
    unlock(op->f);
}

void files_ready(struct files_op *op) {
    lock(op->f);
    op->ready = true;
    files_post(op->f);
    unlock(op->f);
}

size_t files_take(struct files_op *op, void *data, size_t max, bool *whole) {
    lock(op->f);
    size_t n = op->f->paused ? 0 : MIN_OF(max, op->data.len);
    if (n) {
        memcpy(data, op->data.data, n);
        buf_consume(&op->data, n);
    }
    *whole = op->whole && !op->data.len && !op->f->paused;
    op->starved = !n;
    unlock(op->f);
    if (n)
        EVP_DigestUpdate(op->hash, data, n);
    return n;
}

void files_wrote(struct files_op *op, size_t len) {
    lock(op->f);
    op->wrote += len;
    files_post(op->f);
    unlock(op->f);
}

/* ---- listings ----------------------------------------------------------------------------------
 */

void files_is_folder(struct files_op *op) {
    lock(op->f);
    op->type = TYPE_FOLDER;
    op->data.max = FILES_LIST_MAX + 64;
    if (op->wide)
        buf_puts(&op->data, "{\"entries\":[");
    files_post(op->f);
    unlock(op->f);
}

static const char *type_name(const struct files_entry *n) {
    return n->folder ? "folder" : n->special ? "special" : "file";
}

/* One entry as JSON, with what stands before it. */
static bool put_entry(struct files_op *op, const struct files_entry *n, struct buf *out) {
    _buf_cleanup_ struct buf path;
    buf_init(&path, INSTR_ELEMENT_MAX);
    if (strcmp(op->path, "/") != 0)
        files_path_show(op->path, op->basic, &path);
    buf_putc(&path, '/');
    size_t name_at = path.len;
    if (files_name_show(n->name, n->name_len, op->basic, &path) < 0)
        return false; /* nobody could ask for it */
    _json_ json_t *key = json_stringn(path.data, path.len);
    buf_puts(out, op->entries ? "," : op->wide ? "" : "{");
    if (!op->wide) {
        json_write(key, out);
        buf_printf(out, ":\"%s\"", n->folder ? FILES_INDEX_TYPE : FILES_BYTES_TYPE);
        return !out->failed;
    }
    _json_ json_t *o = json_pack("{s:O,s:s%,s:s}", "path", key, "name", path.data + name_at,
                                 path.len - name_at, "type", type_name(n));
    if (!n->folder && n->size <= INT64_MAX)
        json_object_set_new(o, "size", json_integer((json_int_t)n->size));
    if (n->mtime_ms)
        json_object_set_new(o, "mtime", json_integer(n->mtime_ms));
    json_write(o, out);
    return !out->failed;
}

bool files_entry(struct files_op *op, const struct files_entry *n) {
    if (n->name_len > FILES_NAME_MAX || !files_name_good(n->name, n->name_len))
        return true;
    _buf_cleanup_ struct buf one;
    buf_init(&one, 4 * INSTR_ELEMENT_MAX);
    bool good = put_entry(op, n, &one);
    lock(op->f);
    bool room = op->entries < FILES_LIST_ENTRIES_MAX && op->data.len + one.len <= FILES_LIST_MAX;
    if (good && room) {
        buf_add(&op->data, one.data, one.len);
        op->entries++;
    } else {
        op->cut = true;
    }
    unlock(op->f);
    return room;
}
