/* guac-evidence export: one session, several, or a period, as a bag that an outsider can verify
 * with public tools. Memory does not grow with the period; a run that was cut goes on where it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "recording/evidence/derive.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/find.h"
#include "recording/evidence/report.h"
#include "recording/list.h"
#include "recording/log.h"

#define SESSIONS_MAX 1000000u

/* verify.sh itself, as it lies beside this file. */
__asm__(".section .rodata\n"
        ".global export_verify_sh\n.global export_verify_sh_end\n"
        "export_verify_sh:\n.incbin \"recording/evidence/verify.sh\"\n"
        "export_verify_sh_end:\n.byte 0\n.previous\n");
extern const char export_verify_sh[], export_verify_sh_end[];

struct export {
    struct evidence *v;
    struct bag bag;
    struct log log;
    struct report report;
    uint64_t from_ms, to_ms;
    char(*prefixes)[NAME_PREFIX_SIZE];
    size_t count;
    uint64_t told_ms;
    struct err *e;
};

/* ---- what to export ------------------------------------------------------------------------- */

static int add_prefix(struct export *x, const char *prefix) {
    if (x->count % 64 == 0) {
        void *more = realloc(x->prefixes, (x->count + 64) * sizeof *x->prefixes);
        if (!more || x->count >= SESSIONS_MAX)
            return err_set(x->e, 0, "too many sessions");
        x->prefixes = more;
    }
    snprintf(x->prefixes[x->count++], NAME_PREFIX_SIZE, "%s", prefix);
    return 0;
}

static int add_period(struct export *x) {
    struct tree_filter f = { .from_ms = x->from_ms, .to_ms = x->to_ms };
    struct tree_entry page[64];
    char after[UUID_LEN + 1] = "";
    int r = tree_refresh(x->v->tree, x->v->store, true, x->e);
    for (size_t n = 64; r == 0 && n == 64;) {
        n = tree_page(x->v->tree, after, &f, page, 64);
        for (size_t i = 0; i < n; i++) {
            memcpy(after, page[i].id, sizeof after);
            if (r == 0)
                r = add_prefix(x, page[i].prefix);
            free(page[i].summary);
        }
    }
    return r;
}

static int add_words(struct export *x, char **words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct found f;
        if (find_recording(words[i], x->v->store, x->v->tree, &f, x->e) < 0)
            return -1;
        bool ours = f.target == NULL;
        int r = ours ? add_prefix(x, f.prefix)
                     : err_set(x->e, 0, "%s: an export is made of a store", words[i]);
        found_fini(&f);
        if (r < 0)
            return -1;
    }
    return 0;
}

/* ---- a recording ---------------------------------------------------------------------------- */

static int list_plain(struct export *x, const struct buf *packed, const char *folder) {
    struct buf text __attribute__((cleanup(buf_fini)));
    char path[NAME_KEY_SIZE + 64];
    buf_init(&text, LIST_MAX);
    if (list_unpack(packed->data, packed->len, &text, NULL) < 0)
        return 0; /* the verifier says so */
    snprintf(path, sizeof path, "data/derived/%s/chunks.jsonl", strrchr(folder, '/') + 1);
    return bag_put(&x->bag, path, text.data, text.len, x->e);
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
    if (!list && bag_has(&x->bag, path, o->size))
        return 0;
    if (reading_get(r, o->name, NULL, &b, x->e) != STORE_OK)
        return err_prefix(x->e, "%s", r->prefix);
    if (list && list_plain(x, &b, folder) < 0)
        return -1;
    return bag_put(&x->bag, path, b.data, b.len, x->e);
}

static void tell(struct export *x, size_t i) {
    if (!isatty(STDERR_FILENO) || clock_ms() - x->told_ms < 200)
        return;
    x->told_ms = clock_ms();
    fprintf(stderr, "\rsession %zu of %zu, %llu MiB ", i + 1, x->count,
            (unsigned long long)(x->bag.bytes >> 20));
}

static int recording(struct export *x, size_t i) {
    struct reading r = { 0 };
    char folder[NAME_KEY_SIZE + 32];
    if (reading_init(&r, x->v->store, x->prefixes[i], x->e) < 0)
        return -1;
    snprintf(folder, sizeof folder, "data/recordings/%s", x->prefixes[i]);
    int result = 0;
    for (size_t k = 0; result == 0 && k < r.count; k++) {
        tell(x, i);
        result = object(x, &r, &r.objects[k], folder);
    }
    if (result == 0)
        result = derive_all(&x->bag, &r, x->e);
    if (result == 0)
        report_session(&x->report, &r);
    reading_fini(&r);
    return result;
}

/* ---- the log -------------------------------------------------------------------------------- */

static int on_leaf(void *arg, uint64_t index, struct slice text) {
    struct bag_file *f = arg;
    (void)index;
    return bag_add(f, text.data, text.len, NULL) < 0 || bag_add(f, "\n", 1, NULL) < 0 ? -2 : 0;
}

struct copy {
    struct export *x;
    int result;
};

/* keys/<id>.pem -> data/keys/<id>.pem */
static int on_key(void *arg, const struct store_entry *entry) {
    struct copy *c = arg;
    struct buf b __attribute__((cleanup(buf_fini)));
    char path[NAME_KEY_SIZE + 32];
    buf_init(&b, 65536);
    snprintf(path, sizeof path, "data/keys/%s", strrchr(entry->key, '/') + 1);
    if (entry->folder)
        return 0;
    if (store_get(c->x->v->store, entry->key, NULL, &b, NULL, c->x->e) != STORE_OK ||
        bag_put(&c->x->bag, path, b.data, b.len, c->x->e) < 0)
        c->result = -1;
    return c->result;
}

/* log/tsa/<size>.tsr -> data/log/stamps/<size>.tsr and the .note it is about */
static int on_stamp(void *arg, const struct store_entry *entry) {
    struct copy *c = arg;
    struct buf tsr __attribute__((cleanup(buf_fini)));
    struct buf note __attribute__((cleanup(buf_fini)));
    char key[128], path[128], name[64];
    buf_init(&tsr, 1 << 20);
    buf_init(&note, NOTE_MAX);
    unsigned long long size = strtoull(strrchr(entry->key, '/') + 1, NULL, 10);
    if (entry->folder || !size || size > c->x->log.tail.size)
        return 0;
    snprintf(name, sizeof name, "checkpoint/%llu", size);
    log_key(&c->x->log, name, key);
    if (store_get(c->x->v->store, entry->key, NULL, &tsr, NULL, c->x->e) != STORE_OK ||
        store_get(c->x->v->store, key, NULL, &note, NULL, c->x->e) != STORE_OK)
        return c->result = -1;
    snprintf(path, sizeof path, "data/log/stamps/%llu.tsr", size);
    c->result = bag_put(&c->x->bag, path, tsr.data, tsr.len, c->x->e);
    snprintf(path, sizeof path, "data/log/stamps/%llu.note", size);
    if (c->result == 0)
        c->result = bag_put(&c->x->bag, path, note.data, note.len, c->x->e);
    return c->result;
}

static int copy_folder(struct export *x, const char *key,
                       int (*fn)(void *arg, const struct store_entry *entry)) {
    struct copy c = { x, 0 };
    return store_list(x->v->store, key, fn, &c, x->e) != STORE_OK || c.result < 0 ? -1 : 0;
}

/* The checkpoint is read first: what it signs is in the log that is read behind it. */
static int whole_log(struct export *x) {
    struct buf note __attribute__((cleanup(buf_fini)));
    struct note n;
    char key[128];
    buf_init(&note, NOTE_MAX);
    enum store_result r = log_checkpoint_get(&x->log, &note, NULL, x->e);
    if (r == STORE_MISSING)
        return err_set(x->e, 0, "the log has no signed checkpoint yet: try again in some seconds");
    if (r != STORE_OK || note_parse(note.data, note.len, &n, x->e) < 0 ||
        log_refresh(&x->log, x->e) != STORE_OK ||
        bag_put(&x->bag, "data/log/checkpoint", note.data, note.len, x->e) < 0)
        return -1;
    struct bag_file *f = bag_begin(&x->bag, "data/log/leaves.jsonl", x->e);
    if (!f)
        return -1;
    int result = log_each(&x->log, 0, n.size, on_leaf, f, x->e);
    if (bag_end(f, x->e) < 0 || result < 0)
        return -1;
    report_log(&x->report, &n);
    snprintf(key, sizeof key, "%s/keys", x->log.bucket);
    if (copy_folder(x, key, on_key) < 0)
        return -1;
    log_key(&x->log, "tsa", key);
    return copy_folder(x, key, on_stamp);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int finish(struct export *x, bool period) {
    char info[400], now[32], text[128];
    clock_format(clock_wall_ms(), now, sizeof now);
    int n = snprintf(text, sizeof text, "{\"from\":%llu,\"to\":%llu}\n",
                     (unsigned long long)x->from_ms, (unsigned long long)x->to_ms);
    if (period && bag_put(&x->bag, "data/period.json", text, (size_t)n, x->e) < 0)
        return -1;
    if (report_put(&x->report, &x->bag, x->e) < 0 ||
        bag_put(&x->bag, "verify.sh", export_verify_sh,
                (size_t)(export_verify_sh_end - export_verify_sh), x->e) < 0 ||
        fchmodat(x->bag.root, "verify.sh", 0755, 0) < 0)
        return -1;
    snprintf(info, sizeof info,
             "Bag-Software-Agent: guac-evidence %.60s\nBagging-Date: %.10s\n"
             "External-Description: %zu recorded sessions with the log over all sessions\n",
             guac_version, now, x->count);
    return bag_close(&x->bag, info, x->e);
}

static int run(struct export *x, char **words, size_t count) {
    const struct config *c = x->v->config;
    bool period = count == 0;
    if (c->from && clock_parse(c->from, &x->from_ms) < 0)
        return err_set(x->e, 0, "from: '%s' is no time like 2026-11-22T00:00:00Z", c->from);
    if (c->to && clock_parse(c->to, &x->to_ms) < 0)
        return err_set(x->e, 0, "to: '%s' is no time like 2026-11-22T00:00:00Z", c->to);
    if (!c->output)
        return err_set(x->e, 0, "export where to? --output FOLDER");
    if ((period ? add_period(x) : add_words(x, words, count)) < 0 ||
        bag_open(&x->bag, c->output, x->e) < 0)
        return -1;
    for (size_t i = 0; i < x->count; i++)
        if (recording(x, i) < 0)
            return -1;
    return whole_log(x) < 0 || finish(x, period) < 0 ? -1 : 0;
}

int command_export(struct evidence *v, char **words, size_t count, struct err *e) {
    _free_ struct export *x = calloc(1, sizeof *x);
    if (!x) {
        err_set(e, 0, "no memory");
        return 2;
    }
    x->v = v;
    x->e = e;
    x->bag.root = -1;
    report_init(&x->report);
    log_init_reader(&x->log, v->store, evidence_log_bucket(v));
    int r = run(x, words, count);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%40s\r", "");
    if (r == 0)
        printf("%s: %zu sessions, %llu files, %llu bytes\n", v->config->output, x->count,
               (unsigned long long)x->bag.files, (unsigned long long)x->bag.bytes);
    bag_fini(&x->bag);
    log_fini(&x->log);
    report_fini(&x->report);
    free(x->prefixes);
    return r < 0 ? 2 : 0;
}
