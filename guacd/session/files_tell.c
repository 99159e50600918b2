/* What is written down of files: a line in the recording's text (k "file"), an event where only
 * events are recorded, guac.state for the person's own page, and the last ones for the control
 * socket (`transfers`), where authd finds what it audits. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/proto/status.h"
#include "guacd/session/files_name.h"
#include "guacd/session/files_op.h"
#include "guacd/session/record.h"

#define TRANSFERS_KEPT 256

static json_t *shown_path(const char *path) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 4 * FILES_PATH_MAX + 16);
    return files_path_show(path, false, &b) < 0 ? json_string("?") : json_stringn(b.data, b.len);
}

/* Of the bytes that passed; once, at the end. */
static json_t *hash_of(struct files_op *op) {
    uint8_t digest[32];
    char hex[65];
    if (EVP_DigestFinal_ex(op->hash, digest, NULL) != 1)
        return NULL;
    hex_encode(digest, sizeof(digest), hex);
    return json_string(hex);
}

static void keep(struct session *s, json_t *o) {
    if (!s->transfers)
        s->transfers = json_array();
    json_object_set_new(o, "n", json_integer((json_int_t)++s->transfers_last));
    if (json_array_size(s->transfers) >= TRANSFERS_KEPT)
        json_array_remove(s->transfers, 0);
    json_array_append(s->transfers, o);
}

json_t *files_transfers(const struct session *s, int64_t after, size_t max) {
    json_t *list = json_array(), *o;
    size_t i;
    json_array_foreach(s->transfers, i,
                       o) if (json_num(o, "n", 0) > after && json_array_size(list) < max)
        json_array_append(list, o);
    return list;
}

static void set_end(json_t *o, struct files_op *op, int status, const char *why) {
    bool done = !status;
    json_object_set_new(o, "bytes",
                        json_integer((json_int_t)(op->kind == FILES_GET ? op->passed : op->wrote)));
    /* An upload that failed has no hash: what the target kept of it, nobody knows. */
    if (done || op->kind == FILES_GET)
        json_object_set_new(o, "sha256", hash_of(op));
    if (!done) {
        json_object_set_new(o, "status", json_integer(status));
        json_object_set_new(o, "error", json_string(why));
    }
}

static const char *direction(const struct files_op *op) {
    return op->kind == FILES_GET ? "out" : "in";
}

/* Listings are not transfers: only the person who asked hears that one failed. */
void files_tell(struct files_op *op, const char *state, int status, const char *why) {
    struct session *s = op->f->s;
    bool listing = op->kind == FILES_GET && op->type != TYPE_FILE && strcmp(state, "refused") != 0;
    bool begun = strcmp(state, "begun") == 0;
    if (listing && !status)
        return;
    json_t *o = json_pack("{s:I,s:s,s:o,s:s,s:s}", "id", (json_int_t)op->id, "dir", direction(op),
                          "s", shown_path(op->path), "fs", op->f->name, "state", state);
    if (!o)
        return;
    if (op->kind == FILES_FOLDER)
        json_object_set_new(o, "folder", json_true());
    if (op->size != FILES_SIZE_UNKNOWN)
        json_object_set_new(o, "size", json_integer((json_int_t)op->size));
    if (!begun && op->kind != FILES_FOLDER)
        set_end(o, op, status, why);
    else if (status)
        json_object_set_new(o, "status", json_integer(status)),
            json_object_set_new(o, "error", json_string(why));
    if (op->u && user_live(op->u)) {
        json_t *mine = json_deep_copy(o);
        json_object_set_new(mine, "object", json_integer(op->f->object));
        json_object_set_new(mine, "name", json_string(op->name ? op->name : ""));
        if (op->stream >= 0)
            json_object_set_new(mine, "stream", json_integer(op->stream));
        notify_state(s, op->u, json_pack("{s:o}", "file", mine));
        if (status)
            notify_log(op->u, why);
    }
    if (!listing) {
        log_info("file %llu %s %s by %s%s%s", (unsigned long long)op->id, direction(op), state,
                 op->by, status ? ": " : "", status ? why : "");
        record_file(s, op->by, json_deep_copy(o));
        if (!begun) {
            json_object_set_new(o, "by", json_string(op->by));
            keep(s, o);
        }
    }
    json_decref(o);
}

void files_tell_refused(struct files *f, struct user *u, const char *dir, const char *name,
                        int status, const char *why) {
    char by[160];
    json_t *o =
        json_pack("{s:i,s:s,s:s,s:s,s:s,s:i,s:s}", "id", 0, "dir", dir, "s", name ? name : "", "fs",
                  f->name, "state", "refused", "status", status, "error", why);
    if (!o)
        return;
    json_t *mine = json_deep_copy(o);
    json_object_set_new(mine, "object", json_integer(f->object));
    json_object_set_new(mine, "name", json_string(name ? name : ""));
    notify_state(f->s, u, json_pack("{s:o}", "file", mine));
    notify_log(u, why);
    record_file(f->s, user_by(u, by), json_deep_copy(o));
    json_object_set_new(o, "by", json_string(by));
    keep(f->s, o);
    json_decref(o);
}

json_t *files_policy(struct session *s, struct user *u) {
    json_t *list = json_array();
    for (unsigned i = 0; i < atomic_load(&s->files_count); i++) {
        const struct files *f = s->files[i];
        if (u->files_seen >> i & 1)
            json_array_append_new(list,
                                  json_pack("{s:i,s:s,s:b,s:b,s:I}", "object", f->object, "name",
                                            f->name, "download", f->download, "upload", f->upload,
                                            "limit", (json_int_t)f->limit));
    }
    return json_pack("{s:o}", "files", list);
}
