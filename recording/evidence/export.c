/* One recording after the other, object by object; what is copied is told, so that a run can be
 * watched, stopped, and gone on with. */
#include "recording/evidence/export.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"
#include "recording/evidence/derive.h"
#include "recording/evidence/export_impl.h"
#include "recording/list.h"

/* verify.sh itself, as it lies beside this file. */
__asm__(".section .rodata\n"
        ".global export_verify_sh\n.global export_verify_sh_end\n"
        "export_verify_sh:\n.incbin \"recording/evidence/verify.sh\"\n"
        "export_verify_sh_end:\n.byte 0\n.previous\n");
extern const char export_verify_sh[], export_verify_sh_end[];

/* ---- a recording ---------------------------------------------------------------------------- */

static int list_plain(struct export *x, const struct buf *packed, const char *folder) {
    struct buf text __attribute__((cleanup(buf_fini)));
    char path[NAME_KEY_SIZE + 64];
    buf_init(&text, LIST_MAX);
    if (list_unpack(packed->data, packed->len, &text, NULL) < 0)
        return 0; /* the verifier says so */
    snprintf(path, sizeof path, "data/derived/%s/chunks.jsonl", strrchr(folder, '/') + 1);
    return bag_put(x->w->bag, path, text.data, text.len, x->e);
}

static int object(struct export *x, struct reading *r, const struct reading_object *o,
                  const char *folder) {
    struct buf b __attribute__((cleanup(buf_fini)));
    char path[NAME_KEY_SIZE + 64];
    bool list = o->known && o->as.kind == NAME_LIST;
    buf_init(&b, MAX_OF((size_t)CHUNK_MAX, LIST_MAX));
    snprintf(path, sizeof path, "%s/%s", folder, o->name);
    if (!o->known)
        return 0;
    if (!list && bag_has(x->w->bag, path, o->size))
        return 0;
    if (reading_get(r, o->name, NULL, &b, x->e) != STORE_OK)
        return err_prefix(x->e, "%s", r->prefix);
    if (list && list_plain(x, &b, folder) < 0)
        return -1;
    return bag_put(x->w->bag, path, b.data, b.len, x->e);
}

static int objects(struct export *x, struct reading *r, size_t i) {
    char folder[NAME_KEY_SIZE + 32];
    snprintf(folder, sizeof folder, "data/recordings/%s", r->prefix);
    for (size_t k = 0; k < r->count; k++) {
        const struct reading_object *o = &r->objects[k];
        if (x->w->stop && x->w->stop(x->w->arg, i))
            return err_set(x->e, STATUS_RESOURCE_CLOSED, "cancelled");
        if (object(x, r, o, folder) < 0)
            return -1;
        if (o->known && o->as.kind == NAME_OPEN)
            x->list.marks[i] |= EXPORT_HAS_OPEN;
        if (o->known && o->as.kind == NAME_SEAL)
            x->list.marks[i] |= EXPORT_HAS_SEAL;
    }
    return 0;
}

static int recording(struct export *x, size_t i) {
    struct reading r = { 0 };
    char id[UUID_LEN + 1], prefix[NAME_PREFIX_SIZE];
    export_list_id(&x->list, i, id);
    if (!tree_find(x->w->from.tree, id, prefix))
        return err_set(x->e, STATUS_RESOURCE_NOT_FOUND, "%s is not there any more", id);
    int result = reading_init(&r, x->w->from.store, prefix, x->e);
    if (result == 0)
        result = objects(x, &r, i);
    if (result == 0)
        result = derive_all(x->w->bag, &r, x->e);
    if (result == 0)
        result = report_session(&x->report, &r, x->e);
    reading_fini(&r);
    return result;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int put_period(struct export *x) {
    const struct export_plan *p = &x->w->plan;
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 4096);
    _json_ json_t *o =
        json_pack("{s:I, s:I}", "from", (json_int_t)p->from_ms, "to", (json_int_t)p->to_ms);
    if (o && *p->connection)
        json_object_set_new(o, "connection", json_string(p->connection));
    if (!o || json_write(o, &b) < 0 || buf_putc(&b, '\n') < 0)
        return err_set(x->e, 0, "no memory");
    return bag_put(x->w->bag, "data/period.json", b.data, b.len, x->e);
}

static int finish(struct export *x) {
    char info[400], now[32];
    struct bag *b = x->w->bag;
    clock_format(clock_wall_ms(), now, sizeof now);
    if ((x->w->plan.period && put_period(x) < 0) ||
        report_put(&x->report, b, x->list.count, x->e) < 0 ||
        bag_put(b, "verify.sh", export_verify_sh, (size_t)(export_verify_sh_end - export_verify_sh),
                x->e) < 0)
        return -1;
    if (b->tar < 0 && fchmodat(b->root, "verify.sh", 0755, 0) < 0)
        return err_errno(x->e, 0, "verify.sh");
    snprintf(info, sizeof info,
             "Bag-Software-Agent: guac-evidence %.60s\nBagging-Date: %.10s\n"
             "External-Description: %zu recorded sessions with the log over all sessions\n",
             guac_version, now, x->list.count);
    return bag_close(b, info, x->e);
}

static int all(struct export *x) {
    struct export_work *w = x->w;
    /* After a restart nobody has walked the store yet. */
    if (tree_refresh(w->from.tree, w->from.store, false, x->e) < 0)
        return -1;
    for (size_t i = w->done; i < x->list.count; i++)
        if (recording(x, i) < 0 || (w->whole && w->whole(w->arg, i + 1, x->e) < 0))
            return -1;
    return export_log(x) < 0 ? -1 : finish(x);
}

int export_run(struct export_work *w, struct err *e) {
    struct export x = { .w = w, .report = { .rows = w->rows }, .e = e };
    if (export_list_open(&x.list, w->ids, w->marks, w->plan.count, e) < 0)
        return -1;
    log_init_reader(&x.log, w->from.store, w->from.log_bucket);
    int r = all(&x);
    log_fini(&x.log);
    export_list_fini(&x.list);
    return r;
}
