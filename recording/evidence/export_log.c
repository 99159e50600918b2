/* The log goes in last, and far enough: each open record and seal that was copied has its leaf
 * under the checkpoint, unless none comes, which is for the verifier to tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/export_impl.h"
#include "recording/leaf.h"
#include "recording/name.h"

#define SIGNED_WAIT_MS 30000 /* for the leaves of a session that ended just now */
#define LATE_MAX 64          /* sessions that began while the list was made */

struct leaves {
    struct export *x;
    struct bag_file *file;
    uint64_t have;
    struct err *e;
    char late[LATE_MAX][NAME_PREFIX_SIZE];
    size_t late_count;
};

/* ---- leaves --------------------------------------------------------------------------------- */

static bool in_period(const struct export_plan *p, const struct leaf *l) {
    struct name_prefix name;
    uint64_t ms = uuid_v7_ms(l->session);
    if (!p->period || ms < p->from_ms || ms >= p->to_ms || !l->prefix ||
        !name_prefix_parse(l->prefix, &name))
        return false;
    const char *slash = strchr(p->connection, '/');
    size_t n = slash ? (size_t)(slash - p->connection) : 0;
    return !*p->connection ||
           (strcmp(name.connection, slash ? slash + 1 : p->connection) == 0 &&
            (!slash || (strlen(name.namespace) == n && !memcmp(name.namespace, p->connection, n))));
}

static void mark(struct leaves *l, const struct leaf *leaf) {
    struct export *x = l->x;
    bool open = leaf->kind == LEAF_OPEN;
    if (!leaf->session || (!open && leaf->kind != LEAF_SEAL))
        return;
    ssize_t i = export_list_find(&x->list, leaf->session);
    if (i >= 0)
        x->list.marks[i] |= open ? EXPORT_LOG_OPEN : EXPORT_LOG_SEAL;
    else if (open && l->late_count < LATE_MAX && in_period(&x->w->plan, leaf))
        snprintf(l->late[l->late_count++], NAME_PREFIX_SIZE, "%s", leaf->prefix);
}

static int on_leaf(void *arg, uint64_t index, struct slice text) {
    struct leaves *l = arg;
    struct leaf leaf = { 0 };
    (void)index;
    if (leaf_parse(text.data, text.len, &leaf, NULL) == 0)
        mark(l, &leaf);
    leaf_fini(&leaf);
    return bag_add(l->file, text.data, text.len, l->e) < 0 || bag_add(l->file, "\n", 1, l->e) < 0
               ? -2
               : 0;
}

static bool all_logged(const struct export_list *l) {
    const unsigned char both = EXPORT_HAS_OPEN | EXPORT_HAS_SEAL;
    for (size_t i = 0; i < l->count; i++)
        if (l->marks[i] & both & ~(l->marks[i] >> 2))
            return false;
    return true;
}

/* The checkpoint is read first: what it signs is in the log that is read behind it. */
static int read_on(struct leaves *l, struct buf *note, struct note *n) {
    struct export *x = l->x;
    buf_clear(note);
    enum store_result r = log_checkpoint_get(&x->log, note, NULL, x->e);
    if (r == STORE_MISSING)
        return err_set(x->e, 0, "the log has no signed checkpoint yet: try again in some seconds");
    x->log.known = false;
    if (r != STORE_OK || note_parse(note->data, note->len, n, x->e) < 0 ||
        log_refresh(&x->log, x->e) != STORE_OK)
        return -1;
    if (n->size < l->have)
        return err_set(x->e, 0, "the log was rolled back while it was read");
    int result = log_each(&x->log, l->have, n->size, on_leaf, l, x->e);
    l->have = n->size;
    return result < 0 ? -1 : 0;
}

static bool stopped(struct export *x) {
    return x->w->stop && x->w->stop(x->w->arg, x->list.count);
}

static int leaves(struct export *x, struct leaves *l, struct buf *note, struct note *n) {
    uint64_t until = clock_ms() + SIGNED_WAIT_MS;
    for (size_t i = 0; i < x->list.count; i++)
        x->list.marks[i] &= (unsigned char)~(EXPORT_LOG_OPEN | EXPORT_LOG_SEAL);
    for (;;) {
        if (read_on(l, note, n) < 0)
            return -1;
        if (all_logged(&x->list) || clock_ms() > until)
            return 0;
        if (stopped(x))
            return err_set(x->e, STATUS_RESOURCE_CLOSED, "cancelled");
        nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
    }
}

/* What was removed stays in the period, for all to see; what came meanwhile ends it. */
static void lower_end(struct leaves *l) {
    struct export *x = l->x;
    for (size_t i = 0; i < l->late_count; i++) {
        char key[NAME_KEY_SIZE];
        uint64_t ms = uuid_v7_ms(strrchr(l->late[i], '/') + 1);
        snprintf(key, sizeof key, "%s/" NAME_OPEN_OBJECT, l->late[i]);
        if (ms < x->w->plan.to_ms &&
            store_head(x->w->from.store, key, NULL, &(struct store_meta){ 0 }, NULL) == STORE_OK)
            x->w->plan.to_ms = ms;
    }
}

/* ---- keys, stamps --------------------------------------------------------------------------- */

struct copy {
    struct export *x;
    int result;
};

/* keys/<id>.pem -> data/keys/<id>.pem */
static int on_key(void *arg, const struct store_entry *entry) {
    struct copy *c = arg;
    struct export *x = c->x;
    struct buf b __attribute__((cleanup(buf_fini)));
    char path[NAME_KEY_SIZE + 32];
    buf_init(&b, 65536);
    snprintf(path, sizeof path, "data/keys/%s", strrchr(entry->key, '/') + 1);
    if (entry->folder)
        return 0;
    if (store_get(x->w->from.store, entry->key, NULL, &b, NULL, x->e) != STORE_OK ||
        bag_put(x->w->bag, path, b.data, b.len, x->e) < 0)
        c->result = -1;
    return c->result;
}

/* log/tsa/<size>.tsr -> data/log/stamps/<size>.tsr and the .note it is about */
static int on_stamp(void *arg, const struct store_entry *entry) {
    struct copy *c = arg;
    struct export *x = c->x;
    struct store *s = x->w->from.store;
    struct buf tsr __attribute__((cleanup(buf_fini)));
    struct buf note __attribute__((cleanup(buf_fini)));
    char key[128], path[128], name[64];
    buf_init(&tsr, 1 << 20);
    buf_init(&note, NOTE_MAX);
    unsigned long long size = strtoull(strrchr(entry->key, '/') + 1, NULL, 10);
    if (entry->folder || !size || size > x->log.tail.size)
        return 0;
    snprintf(name, sizeof name, "checkpoint/%llu", size);
    log_key(&x->log, name, key);
    if (store_get(s, entry->key, NULL, &tsr, NULL, x->e) != STORE_OK ||
        store_get(s, key, NULL, &note, NULL, x->e) != STORE_OK)
        return c->result = -1;
    snprintf(path, sizeof path, "data/log/stamps/%llu.tsr", size);
    c->result = bag_put(x->w->bag, path, tsr.data, tsr.len, x->e);
    snprintf(path, sizeof path, "data/log/stamps/%llu.note", size);
    if (c->result == 0)
        c->result = bag_put(x->w->bag, path, note.data, note.len, x->e);
    return c->result;
}

static int copy_folder(struct export *x, const char *key,
                       int (*fn)(void *arg, const struct store_entry *entry)) {
    struct copy c = { x, 0 };
    return store_list(x->w->from.store, key, fn, &c, x->e) != STORE_OK || c.result < 0 ? -1 : 0;
}

int export_log(struct export *x) {
    struct buf note __attribute__((cleanup(buf_fini)));
    struct note n;
    char key[128];
    buf_init(&note, NOTE_MAX);
    _free_ struct leaves *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(x->e, 0, "no memory");
    *l = (struct leaves){ .x = x, .e = x->e };
    l->file = bag_begin(x->w->bag, "data/log/leaves.jsonl", x->e);
    if (!l->file)
        return -1;
    int result = leaves(x, l, &note, &n);
    if (bag_end(l->file, result < 0 ? NULL : x->e) < 0 || result < 0)
        return -1;
    lower_end(l);
    report_log(&x->report, &n);
    if (bag_put(x->w->bag, "data/log/checkpoint", note.data, note.len, x->e) < 0)
        return -1;
    snprintf(key, sizeof key, "%s/keys", x->log.bucket);
    if (copy_folder(x, key, on_key) < 0)
        return -1;
    log_key(&x->log, "tsa", key);
    return copy_folder(x, key, on_stamp);
}
