/* The container first (manifest, links), then the log and the recordings as in a store, then what
 * only a bag has: the keys that its envelopes need, and the lists of chunks in plain. */
#include "recording/evidence/bag_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/bag_index.h"
#include "recording/evidence/bag_store.h"
#include "recording/evidence/reading.h"
#include "recording/evidence/tar.h"
#include "recording/list.h"

#define MANIFEST "manifest-sha256.txt"
#define LEAVES "data/log/leaves.jsonl"
#define PROBLEMS_MAX 1000u

struct check {
    const struct bag_verify *v;
    struct bag_index index;
    struct store *store;
    struct tree *tree;
    json_t *problems; /* of the bag; joined with the rest at the end */
    size_t problem_count;
    char *listed; /* a byte each of the index: it is in the manifest */
    struct complete_bag bag;
    struct complete_want want;
    char connection[520];
    struct err *e;
};

static void problem(void *arg, const char *object, const char *text) {
    struct check *c = arg;
    c->problem_count++;
    if (utf8_count(object, strlen(object)) < 0)
        object = "(a name that is no UTF-8)";
    if (json_array_size(c->problems) < PROBLEMS_MAX)
        json_array_append_new(c->problems,
                              json_pack("{s:s, s:s}", "object", object, "problem", text));
}

/* ---- manifest ------------------------------------------------------------------------------- */

static int on_line(void *arg, const char *line, size_t len) {
    struct check *c = arg;
    char path[TAR_PATH_MAX + 1], hex[65];
    if (len < 67 || line[64] != ' ' || (line[65] != ' ' && line[65] != '*') ||
        len - 66 > TAR_PATH_MAX || memchr(line, '\0', len)) {
        problem(c, MANIFEST, "a line that is none of a manifest");
        return 0;
    }
    snprintf(path, sizeof path, "%.*s", (int)(len - 66), line + 66);
    const struct bag_entry *f = bag_index_find(&c->index, path);
    if (!f) {
        problem(c, path, "missing: it is in the manifest");
        return 0;
    }
    c->listed[f - c->index.files] = 1;
    if (bag_index_hash(&c->index, f, hex, c->e) < 0)
        return -2;
    if (strncmp(hex, line, 64) != 0)
        problem(c, path, "not the bytes of the manifest");
    return 0;
}

static int check_manifest(struct check *c) {
    const struct bag_entry *f = bag_index_find(&c->index, MANIFEST);
    c->listed = calloc(c->index.count + 1, 1);
    if (!c->listed)
        return err_set(c->e, 0, "no memory");
    if (!f)
        problem(c, MANIFEST, "missing");
    else if (bag_index_lines(&c->index, f, on_line, c, c->e) < 0)
        return -1;
    for (size_t i = 0; i < c->index.count; i++)
        if (!c->listed[i] && strncmp(c->index.files[i].path, "data/", 5) == 0)
            problem(c, c->index.files[i].path, "added: not in the manifest");
    return 0;
}

/* ---- the log -------------------------------------------------------------------------------- */

struct leaves {
    int (*fn)(void *arg, uint64_t index, struct slice text);
    void *to;
    uint64_t index;
    int stopped;
};

static int on_leaf(void *arg, const char *line, size_t len) {
    struct leaves *l = arg;
    l->stopped = l->fn ? l->fn(l->to, l->index, (struct slice){ line, len }) : 0;
    l->index++;
    return l->stopped ? -2 : 0;
}

static int leaves(void *arg, int (*fn)(void *arg, uint64_t index, struct slice text), void *to,
                  struct err *e) {
    struct check *c = arg;
    struct leaves l = { fn, to, 0, 0 };
    const struct bag_entry *f = bag_index_find(&c->index, LEAVES);
    if (!f)
        return err_set(e, 0, LEAVES ": missing");
    int r = bag_index_lines(&c->index, f, on_leaf, &l, e);
    return l.stopped ? l.stopped : r;
}

static int count_leaves(struct check *c) {
    struct leaves l = { 0 };
    const struct bag_entry *f = bag_index_find(&c->index, LEAVES);
    struct err e = { 0 };
    if (!f)
        problem(c, LEAVES, "missing");
    else if (bag_index_lines(&c->index, f, on_leaf, &l, &e) < 0)
        problem(c, LEAVES, e.text);
    c->bag.count = l.index;
    return 0;
}

static int read_period(struct check *c) {
    const struct bag_entry *f = bag_index_find(&c->index, "data/period.json");
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 65536);
    if (!f)
        return 0;
    struct err e = { 0 };
    _json_ json_t *o = bag_index_read(&c->index, f, 0, 65535, &b, &e) == 0
                           ? json_parse(b.data, b.len, 65536, &e)
                           : NULL;
    int64_t from = json_num(o, "from", json_object_get(o, "from") ? -1 : 0),
            to = json_num(o, "to", json_object_get(o, "to") ? -1 : 0);
    const char *connection = json_str(o, "connection", "");
    if (!o || from < 0 || to < 0 || strlen(connection) >= sizeof c->connection) {
        problem(c, "data/period.json", "no period");
        return 0;
    }
    snprintf(c->connection, sizeof c->connection, "%s", connection);
    c->bag.period = true;
    c->want.from_ms = (uint64_t)from;
    c->want.to_ms = (uint64_t)to;
    return 0;
}

/* ---- recordings ----------------------------------------------------------------------------- */

/* verify.sh takes keys from data/keys alone. */
static void check_key(struct check *c, const char *prefix, const char *name) {
    struct reading_envelope v;
    char path[128], object[NAME_KEY_SIZE + 64];
    struct buf pem __attribute__((cleanup(buf_fini)));
    buf_init(&pem, 4096);
    snprintf(object, sizeof object, "data/recordings/%s/%s", prefix, name);
    struct dsse *d = &v.dsse;
    if (reading_envelope_get(c->store, prefix, name, &v, &(struct err){ 0 }) == 0 && v.there &&
        !*v.why.text && dsse_parse(v.bytes.data ? v.bytes.data : "", v.bytes.len, d, NULL) == 0 &&
        d->signature_count) {
        const char *id = d->signatures[0].keyid;
        snprintf(path, sizeof path, "data/keys/%.64s.pem", id);
        const struct bag_entry *f = bag_index_find(&c->index, path);
        bool read = f && bag_index_read(&c->index, f, 0, 4096, &pem, &(struct err){ 0 }) == 0;
        _sign_key_ struct sign_key *k =
            read ? sign_key_from_pem(buf_str(&pem), pem.len, NULL) : NULL;
        if (!k || strcmp(sign_key_id(k), id) != 0)
            problem(c, object, "signed by a key that is not in data/keys");
    }
    reading_envelope_fini(&v);
}

static void check_list(struct check *c, const char *prefix, const char *id) {
    char key[NAME_KEY_SIZE + 64], path[128];
    struct buf packed __attribute__((cleanup(buf_fini)));
    struct buf lines __attribute__((cleanup(buf_fini)));
    struct buf plain __attribute__((cleanup(buf_fini)));
    buf_init(&packed, LIST_MAX);
    buf_init(&lines, LIST_MAX);
    buf_init(&plain, LIST_MAX);
    snprintf(key, sizeof key, "%s/" NAME_LIST_OBJECT, prefix);
    snprintf(path, sizeof path, "data/derived/%.36s/chunks.jsonl", id);
    const struct bag_entry *f = bag_index_find(&c->index, path);
    if (!f) {
        problem(c, path, "missing");
        return;
    }
    if (store_get(c->store, key, NULL, &packed, NULL, NULL) != STORE_OK ||
        list_unpack(packed.data, packed.len, &lines, NULL) < 0)
        return; /* told already */
    if (f->size != lines.len || bag_index_read(&c->index, f, 0, lines.len, &plain, NULL) < 0 ||
        plain.len != lines.len || (lines.len && memcmp(plain.data, lines.data, lines.len) != 0))
        problem(c, path, "not the list that was sealed");
}

static void check_recordings(struct check *c) {
    struct tree_entry page[64];
    const struct tree_filter all = { 0 };
    char after[UUID_LEN + 1] = "", key[NAME_KEY_SIZE + 64];
    for (size_t n = 64; n == 64;) {
        n = tree_page(c->tree, after, &all, page, 64);
        for (size_t i = 0; i < n; i++) {
            memcpy(after, page[i].id, sizeof after);
            check_key(c, page[i].prefix, NAME_OPEN_OBJECT);
            check_key(c, page[i].prefix, NAME_SEAL_OBJECT);
            snprintf(key, sizeof key, "%s/" NAME_SEAL_OBJECT, page[i].prefix);
            if (store_head(c->store, key, NULL, NULL, NULL) == STORE_OK)
                check_list(c, page[i].prefix, page[i].id);
            free(page[i].summary);
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int run(struct check *c, struct complete_report *out) {
    c->store = bag_store_new(&c->index, c->e);
    c->tree = c->store ? tree_new("", true, c->e) : NULL;
    if (!c->tree || check_manifest(c) < 0 || count_leaves(c) < 0 || read_period(c) < 0)
        return -1;
    c->bag.leaves = leaves;
    c->bag.arg = c;
    c->bag.connection = c->connection;
    c->want.bag = &c->bag;
    c->want.store = c->store;
    c->want.log_bucket = BAG_LOG_BUCKET;
    c->want.tree = c->tree;
    c->want.anchor = c->v->anchor;
    c->want.chunks = true;
    c->want.progress = c->v->progress;
    c->want.arg = c->v->arg;
    if (complete_run(&c->want, out, c->e) < 0)
        return -1;
    check_recordings(c);
    return 0;
}

static int verified(struct check *c, struct complete_report *out) {
    int r = run(c, out);
    if (r == 0 && c->problem_count) {
        json_array_extend(c->problems, out->problems);
        json_decref(out->problems);
        out->problems = json_incref(c->problems);
        out->problem_count += c->problem_count;
        out->result = VERIFY_BROKEN;
    }
    json_decref(c->problems);
    tree_free(c->tree);
    bag_store_free(c->store);
    bag_index_fini(&c->index);
    free(c->listed);
    return r;
}

static struct check *check_new(const struct bag_verify *v, struct err *e) {
    struct check *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    *c = (struct check){ .v = v, .problems = json_array(), .e = e };
    c->index = (struct bag_index){ .root = -1, .tar = -1, .odd = problem, .arg = c };
    return c;
}

/* A container that is no bag at all is no finding. */
static int finish(struct check *c, int opened, struct complete_report *out) {
    int r = opened;
    *out = (struct complete_report){ 0 };
    if (r == 0) {
        r = verified(c, out);
    } else {
        json_decref(c->problems);
        bag_index_fini(&c->index);
    }
    free(c);
    return r;
}

int bag_verify(const char *path, const struct bag_verify *v, struct complete_report *out,
               struct err *e) {
    struct check *c = check_new(v, e);
    return c ? finish(c, bag_index_open(&c->index, path, e), out) : -1;
}

int bag_verify_tar(int fd, const struct bag_verify *v, struct complete_report *out, struct err *e) {
    struct check *c = check_new(v, e);
    return c ? finish(c, bag_index_tar(&c->index, fd, e), out) : -1;
}
