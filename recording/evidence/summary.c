/* From envelopes and names to JSON. Nothing is verified here: the page verifies what it plays, and
 * `guac-evidence verify` the rest. */
#include "recording/evidence/summary.h"

#include <string.h>
#include <strings.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/reading.h"

static int add_size(void *arg, const struct store_entry *entry) {
    const char *name = strrchr(entry->key, '/');
    struct name as;
    if (!entry->folder && name && name_parse(name + 1, strlen(name + 1), &as) &&
        as.kind == NAME_CHUNK)
        *(int64_t *)arg += (int64_t)entry->size;
    return 0;
}

/* What of a session without a seal is stored by now. */
static int64_t stored_so_far(struct store *store, const char *prefix) {
    int64_t bytes = 0;
    struct err ignored = { 0 };
    store_list(store, prefix, add_size, &bytes, &ignored);
    return bytes;
}

static json_t *describe(const char *prefix, const struct reading_envelope *open_v,
                        const struct open_record *o, const struct reading_envelope *seal_v,
                        const struct seal_record *s, uint64_t now_ms) {
    struct name_prefix p = { 0 };
    name_prefix_parse(prefix, &p);
    bool readable = open_v->statement != NULL, sealed = seal_v->statement != NULL;
    int64_t start = readable ? o->start : (int64_t)uuid_v7_ms(p.session);
    int64_t end = sealed ? s->end : 0, bytes = 0;
    for (int k = 0; sealed && k < CHAIN_KINDS; k++)
        bytes += s->chains[k].stored;
    /* What cannot be read is shown, so that it is seen. */
    const char *state = !readable || (seal_v->there && !sealed) ? "unreadable"
                        : sealed                                ? s->state
                                                                : "live";
    const char *reason = !readable ? open_v->there ? open_v->why.text : "the open record is missing"
                         : sealed  ? s->reason
                         : seal_v->there ? seal_v->why.text
                                         : "";
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:I, s:o, s:I, s:s, s:I, s:s}",
                     "id", p.session, "prefix", prefix, "namespace", p.namespace, "connection",
                     p.connection, "protocol", readable ? o->protocol : "", "target",
                     readable ? o->target : "", "person", "sub", readable ? o->sub : "", "name",
                     readable ? o->person_name : "", "started", (json_int_t)start, "ended",
                     sealed ? json_integer((json_int_t)end) : json_null(), "durationMs",
                     (json_int_t)MAX_OF((sealed ? end : (int64_t)now_ms) - start, 0), "state",
                     state, "bytes", (json_int_t)bytes, "reason", reason);
}

json_t *summary_make(struct store *store, const char *prefix, uint64_t now_ms, bool *final,
                     struct err *e) {
    struct reading_envelope open_v = { 0 }, seal_v = { 0 };
    struct open_record o = { 0 };
    struct seal_record s = { 0 };
    json_t *made = NULL;
    if (reading_envelope_get(store, prefix, NAME_OPEN_OBJECT, &open_v, e) == 0 &&
        reading_envelope_get(store, prefix, NAME_SEAL_OBJECT, &seal_v, e) == 0) {
        if (open_v.there)
            reading_parse_open(&open_v, &o);
        if (seal_v.there)
            reading_parse_seal(&seal_v, &s);
        made = describe(prefix, &open_v, &o, &seal_v, &s, now_ms);
        *final = seal_v.there;
        if (!made)
            err_set(e, 0, "no memory");
        else if (!seal_v.there)
            json_object_set_new(made, "bytes",
                                json_integer((json_int_t)stored_so_far(store, prefix)));
    }
    reading_envelope_fini(&open_v);
    reading_envelope_fini(&seal_v);
    return made;
}

bool summary_matches(const json_t *o, const struct summary_filter *f) {
    const json_t *person = json_object_get(o, "person");
    const char *name = json_str(person, "name", ""), *sub = json_str(person, "sub", "");
    if (f->person && *f->person && !strcasestr(name, f->person) && strcmp(sub, f->person) != 0)
        return false;
    if (f->protocol && *f->protocol && strcmp(json_str(o, "protocol", ""), f->protocol) != 0)
        return false;
    return !f->state || !*f->state || strcmp(json_str(o, "state", ""), f->state) == 0;
}

/* ---- show ----------------------------------------------------------------------------------- */

static json_t *object(const struct reading_object *o) {
    json_t *x = json_pack("{s:s, s:I, s:I, s:I}", "name", o->name, "n", (json_int_t)o->as.n,
                          "start", (json_int_t)o->as.start, "size", (json_int_t)o->size);
    if (x && o->as.chain != CHAIN_TEXT)
        json_object_set_new(x, "offset", json_integer((json_int_t)o->as.offset));
    return x;
}

/* The last chunk's own end; a live recording has no better clock. */
static uint64_t last_ms(struct reading *r) {
    uint64_t last = 0;
    const struct reading_object *newest[CHAIN_KINDS] = { 0 };
    for (size_t i = 0; i < r->count; i++)
        if (r->objects[i].known && r->objects[i].as.kind == NAME_CHUNK)
            newest[r->objects[i].as.chain] = &r->objects[i];
    for (int k = 0; k < CHAIN_KINDS; k++) {
        struct buf b __attribute__((cleanup(buf_fini)));
        char key[NAME_KEY_SIZE + NAME_SIZE];
        struct chunk c;
        buf_init(&b, CHUNK_HEADER_MAX + 8);
        if (!newest[k])
            continue;
        last = MAX_OF(last, newest[k]->as.start);
        snprintf(key, sizeof key, "%s/%s", r->prefix, newest[k]->name);
        if (store_get_range(r->store, key, NULL, 0, b.max, &b, NULL) == STORE_OK &&
            chunk_parse_header(b.data ? b.data : "", b.len, &c, NULL) == 0)
            last = MAX_OF(last, c.h.t1);
    }
    return last;
}

json_t *summary_show(struct store *store, const char *prefix, uint64_t now_ms, struct err *e) {
    struct reading r = { 0 };
    if (reading_init(&r, store, prefix, e) < 0)
        return NULL;
    _json_ json_t *line =
        describe(prefix, &r.open_envelope, &r.open, &r.seal_envelope, &r.seal, now_ms);
    json_t *lists[CHAIN_KINDS] = { json_array(), json_array(), json_array() };
    for (size_t i = 0; i < r.count; i++)
        if (r.objects[i].known && r.objects[i].as.kind == NAME_CHUNK)
            json_array_append_new(lists[r.objects[i].as.chain], object(&r.objects[i]));
    int64_t duration =
        r.seal_envelope.statement ? json_num(line, "durationMs", 0) : (int64_t)last_ms(&r);
    json_t *shown =
        json_pack("{s:O?, s:O?, s:s, s:I, s:o, s:o, s:o}", "open", r.open_envelope.statement,
                  "seal", r.seal_envelope.statement, "state", json_str(line, "state", ""),
                  "durationMs", (json_int_t)duration, "chunks", lists[CHAIN_DATA], "keyframes",
                  lists[CHAIN_KEYFRAME], "texts", lists[CHAIN_TEXT]);
    reading_fini(&r);
    if (!shown)
        err_set(e, 0, "no memory");
    return shown;
}
