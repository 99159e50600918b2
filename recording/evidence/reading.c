/* Listing and envelopes of one recording. */
#include "recording/evidence/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

/* ---- listing -------------------------------------------------------------------------------- */

struct lister {
    struct reading *r;
    size_t cap, skip;
    struct err *e;
    int failed;
};

static int on_entry(void *arg, const struct store_entry *entry) {
    struct lister *l = arg;
    struct reading *r = l->r;
    if (r->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct reading_object *more =
            cap <= READING_OBJECTS_MAX ? realloc(r->objects, cap * sizeof *more) : NULL;
        if (!more)
            return l->failed = err_set(l->e, 0, "too many objects");
        r->objects = more;
        l->cap = cap;
    }
    struct reading_object o = { .name = strdup(entry->key + l->skip), .size = entry->size };
    if (!o.name)
        return l->failed = err_set(l->e, 0, "no memory");
    o.known = !entry->folder && name_parse(o.name, strlen(o.name), &o.as);
    r->objects[r->count++] = o;
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct reading_object *)a)->name,
                  ((const struct reading_object *)b)->name);
}

/* A folder of other things is no recording that lost its objects. */
static bool any_of_ours(const struct reading *r) {
    static const char *const ends[] = { ".guac.zst", ".key.zst", ".text.zst", ".dsse.json",
                                        "chunks.jsonl.zst" };
    for (size_t i = 0; i < r->count; i++) {
        const char *name = r->objects[i].name;
        for (size_t k = 0; k < ARRAY_LEN(ends); k++)
            if (strlen(name) >= strlen(ends[k]) && !strchr(name, '/') &&
                strcmp(name + strlen(name) - strlen(ends[k]), ends[k]) == 0)
                return true;
    }
    return false;
}

int reading_list(struct reading *r, struct store *s, const char *prefix, struct err *e) {
    *r = (struct reading){ .store = s };
    struct lister l = { .r = r, .skip = strlen(prefix) + 1, .e = e };
    if (strlen(prefix) >= NAME_PREFIX_SIZE)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "a prefix that long names no recording");
    snprintf(r->prefix, sizeof r->prefix, "%s", prefix);
    if (store_list(s, prefix, on_entry, &l, e) != STORE_OK || l.failed)
        return -1;
    if (r->count == 0)
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "nothing is stored under %s", prefix);
    if (!any_of_ours(r))
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "%s holds no recording", prefix);
    qsort(r->objects, r->count, sizeof *r->objects, by_name);
    return 0;
}

const struct reading_object *reading_find(const struct reading *r, const char *name) {
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(name, r->objects[middle].name);
        if (c == 0)
            return &r->objects[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

enum store_result reading_get(struct reading *r, const char *name, const char *version,
                              struct buf *out, struct err *e) {
    char key[NAME_KEY_SIZE + 512];
    buf_clear(out);
    snprintf(key, sizeof key, "%s/%s", r->prefix, name);
    return store_get(r->store, key, version, out, NULL, e);
}

/* ---- envelopes ------------------------------------------------------------------------------ */

static int parse(struct reading_envelope *v) {
    if (dsse_parse(v->bytes.data ? v->bytes.data : "", v->bytes.len, &v->dsse, &v->why) < 0)
        return -1;
    v->statement = dsse_statement(&v->dsse, &v->why);
    return v->statement ? 0 : -1;
}

static int drop(struct reading_envelope *v) {
    json_decref(v->statement);
    v->statement = NULL;
    return -1;
}

int reading_parse_open(struct reading_envelope *v, struct open_record *out) {
    if (parse(v) < 0)
        return -1;
    return open_read(v->statement, out, &v->why) < 0 ? drop(v) : 0;
}

int reading_parse_seal(struct reading_envelope *v, struct seal_record *out) {
    if (parse(v) < 0)
        return -1;
    return seal_read(v->statement, out, &v->why) < 0 ? drop(v) : 0;
}

int reading_envelope_get(struct store *s, const char *prefix, const char *name,
                         struct reading_envelope *v, struct err *e) {
    char key[NAME_KEY_SIZE + NAME_SIZE];
    snprintf(key, sizeof key, "%s/%s", prefix, name);
    *v = (struct reading_envelope){ 0 };
    buf_init(&v->bytes, DSSE_MAX);
    enum store_result r = store_get(s, key, NULL, &v->bytes, &v->meta, e);
    v->there = r == STORE_OK;
    if (r == STORE_REFUSED && e->status == STATUS_CLIENT_OVERRUN) {
        v->there = true;
        v->why = *e; /* there, but no envelope of ours is that large */
        return 0;
    }
    sha256_hex(v->bytes.data, v->bytes.len, v->sha256);
    return r == STORE_OK || r == STORE_MISSING ? 0 : -1;
}

void reading_envelope_fini(struct reading_envelope *v) {
    buf_fini(&v->bytes);
    dsse_fini(&v->dsse);
    json_decref(v->statement);
    v->statement = NULL;
}

int reading_envelopes(struct reading *r, struct err *e) {
    if (reading_envelope_get(r->store, r->prefix, NAME_OPEN_OBJECT, &r->open_envelope, e) < 0 ||
        reading_envelope_get(r->store, r->prefix, NAME_SEAL_OBJECT, &r->seal_envelope, e) < 0)
        return -1;
    if (r->open_envelope.there && !*r->open_envelope.why.text)
        reading_parse_open(&r->open_envelope, &r->open);
    if (r->seal_envelope.there && !*r->seal_envelope.why.text)
        reading_parse_seal(&r->seal_envelope, &r->seal);
    return 0;
}

int reading_init(struct reading *r, struct store *s, const char *prefix, struct err *e) {
    if (reading_list(r, s, prefix, e) == 0 && reading_envelopes(r, e) == 0)
        return 0;
    reading_fini(r);
    return -1;
}

void reading_fini(struct reading *r) {
    for (size_t i = 0; i < r->count; i++)
        free(r->objects[i].name);
    free(r->objects);
    reading_envelope_fini(&r->open_envelope);
    reading_envelope_fini(&r->seal_envelope);
    *r = (struct reading){ 0 };
}
