/* One pass over all leaves; then session by session. */
#include "recording/evidence/complete_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/reading.h"
#include "recording/name.h"

#define PROBLEMS_MAX 1000u

void complete_problem(struct complete_pass *p, const char *object, const char *text,
                      const char *anchor) {
    p->out->problem_count++;
    if (json_array_size(p->out->problems) < PROBLEMS_MAX)
        json_array_append_new(p->out->problems, json_pack("{s:s, s:s, s:s*}", "object", object,
                                                          "problem", text, "anchor", anchor));
}

void complete_note(struct complete_pass *p, const char *object, const char *text) {
    if (json_array_size(p->out->notes) < PROBLEMS_MAX)
        json_array_append_new(p->out->notes,
                              json_pack("{s:s, s:s}", "object", object, "note", text));
}

/* ---- what is signed ------------------------------------------------------------------------- */

/* The key of a fingerprint that was given, from beside the log. */
static struct sign_key *offered(struct complete_pass *p, const char *id) {
    char key[160];
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 4096);
    snprintf(key, sizeof key, "%s/keys/%s.pem", p->log.bucket, id);
    if (store_get(p->w->store, key, NULL, &b, NULL, NULL) != STORE_OK)
        return NULL;
    return sign_key_from_pem(buf_str(&b), b.len, NULL);
}

static int read_checkpoint(struct complete_pass *p) {
    struct err e = { 0 };
    enum store_result r = log_checkpoint_get(&p->log, &p->note_bytes, NULL, &e);
    if (r == STORE_REFUSED && e.status == STATUS_CLIENT_OVERRUN) {
        complete_problem(p, "log/checkpoint", e.text, NULL);
        buf_clear(&p->note_bytes);
        return 0;
    }
    if (r == STORE_MISSING) {
        if (p->log.tail.size || p->w->bag)
            complete_problem(p, "log/checkpoint", "missing: nothing says who wrote this log", NULL);
        return 0;
    }
    if (r != STORE_OK)
        return *p->e = e, -1;
    if (note_parse(p->note_bytes.data, p->note_bytes.len, &p->note, &e) < 0) {
        complete_problem(p, "log/checkpoint", e.text, NULL);
        buf_clear(&p->note_bytes);
        return 0;
    }
    p->out->signed_leaves = p->note.size;
    if (p->note.size > p->log.tail.size)
        complete_problem(p, "log/head", "fewer leaves than the signed checkpoint has: rolled back",
                         "key");
    if (p->w->bag && p->note.size < p->log.tail.size)
        complete_problem(p, "log/leaves.jsonl", "leaves beyond the checkpoint", NULL);
    return 0;
}

static bool counts(const struct complete_pass *p, const char *id) {
    const struct complete_fallen *f = complete_fallen(p, id);
    return !f || p->note.size <= f->index;
}

/* keys/<id>.pem of a bag that is measured by no key: one of them, at least. */
struct signer {
    struct complete_pass *p;
    bool good;
};

static int on_key(void *arg, const struct store_entry *entry) {
    struct signer *s = arg;
    char id[SIGN_KEYID_LEN + 1];
    const char *name = strrchr(entry->key, '/');
    snprintf(id, sizeof id, "%s", name ? name + 1 : "");
    _sign_key_ struct sign_key *k = offered(s->p, id);
    s->good = k && strcmp(sign_key_id(k), id) == 0 && counts(s->p, id) &&
              note_verify(&s->p->note, k, NULL) == 0;
    return s->good;
}

static bool by_any_key(struct complete_pass *p) {
    struct signer s = { .p = p };
    char key[128];
    snprintf(key, sizeof key, "%s/keys", p->log.bucket);
    return store_list(p->w->store, key, on_key, &s, NULL) == STORE_OK && s.good;
}

/* After the leaves, which tell who followed whom. */
static void check_signer(struct complete_pass *p) {
    const struct anchor *a = p->w->anchor;
    bool good = !p->note_bytes.len || (a->keys.count == 0 && (!p->w->bag || by_any_key(p)));
    for (size_t i = 0; !good && i < a->keys.count; i++) {
        _sign_key_ struct sign_key *k = a->public_keys[i] ? NULL : offered(p, a->keys.ids[i]);
        const struct sign_key *own = a->public_keys[i] ? a->public_keys[i] : k;
        good = own && counts(p, sign_key_id(own)) && note_verify(&p->note, own, NULL) == 0;
    }
    for (size_t i = 0; !good && i < p->followed_count; i++)
        good = counts(p, sign_key_id(p->followed[i])) &&
               note_verify(&p->note, p->followed[i], NULL) == 0;
    if (!good)
        complete_problem(p, "log/checkpoint", "signed by none of the keys given", "key");
}

/* What a compromised key signed: logged behind the leaf that says so, it is worth nothing. */
static void check_fallen(struct complete_pass *p, const char *prefix, const char *object,
                         const char *public_key, uint64_t index, int64_t at) {
    _sign_key_ struct sign_key *k = sign_key_from_base64(public_key, NULL);
    char name[NAME_KEY_SIZE + 32], text[200];
    snprintf(name, sizeof name, "%s/%s", prefix, object);
    const struct complete_fallen *f = k ? complete_fallen(p, sign_key_id(k)) : NULL;
    if (!f)
        return;
    snprintf(text, sizeof text, "signed by key %.16s…, declared compromised by log leaf %llu",
             f->id, (unsigned long long)f->index);
    if (index > f->index)
        complete_problem(p, name, text, "log");
    else if (at >= f->since)
        complete_note(p, name, text);
}

/* ---- the sessions --------------------------------------------------------------------------- */

bool complete_of_connection(const char *prefix, const char *connection) {
    struct name_prefix name;
    const char *slash = strchr(connection, '/');
    const size_t n = slash ? (size_t)(slash - connection) : 0;
    if (!*connection)
        return true;
    return name_prefix_parse(prefix, &name) &&
           strcmp(name.connection, slash ? slash + 1 : connection) == 0 &&
           (!slash || (strlen(name.namespace) == n && memcmp(name.namespace, connection, n) == 0));
}

static bool wanted(const struct complete_pass *p, const struct complete_one *o) {
    const struct complete_bag *bag = p->w->bag;
    char prefix[NAME_PREFIX_SIZE];
    uint64_t ms = uuid_v7_ms(o->id);
    if (bag && tree_find(p->w->tree, o->id, prefix))
        return true;
    if (bag && (!bag->period || !o->prefix || !complete_of_connection(o->prefix, bag->connection)))
        return false;
    return ms >= p->w->from_ms && (!p->w->to_ms || ms < p->w->to_ms);
}

static void copy_problems(struct complete_pass *p, const struct verify_report *v,
                          const char *prefix) {
    size_t i;
    json_t *o;
    json_array_foreach(v->problems, i, o) {
        char object[NAME_KEY_SIZE + 700];
        snprintf(object, sizeof object, "%s/%s", prefix, json_str(o, "object", ""));
        complete_problem(p, object, json_str(o, "problem", ""), NULL);
    }
}

static int check_one(struct complete_pass *p, const struct complete_one *o) {
    struct reading r = { 0 };
    struct verify_report v = { 0 };
    struct err e = { 0 };
    if (!o->opens || o->expired)
        return 0;
    if (reading_init(&r, p->w->store, o->prefix, &e) < 0) {
        if (e.status != STATUS_RESOURCE_NOT_FOUND)
            return *p->e = e, -1;
        complete_problem(p, o->prefix, "removed: it is in the log, and not in the store", "log");
        return 0;
    }
    if (!r.open_envelope.there)
        complete_problem(p, o->prefix, "its open record is removed: it is in the log", "log");
    else if (strcmp(r.open_envelope.sha256, o->open_sha256) != 0)
        complete_problem(p, o->prefix, "its open record is not the one in the log", "log");
    if (!o->seals && r.seal_envelope.there && p->w->bag) {
        complete_problem(p, o->prefix, "its seal is not in the log", "log");
    } else if (!o->seals) {
        p->out->live++;
        complete_note(p, o->prefix,
                      r.seal_envelope.there ? "sealed, its seal is not in the log yet"
                                            : "not sealed yet");
    } else if (!r.seal_envelope.there) {
        complete_problem(p, o->prefix, "its seal is removed: it is in the log", "log");
    } else if (strcmp(r.seal_envelope.sha256, o->seal_sha256) != 0) {
        complete_problem(p, o->prefix, "its seal is not the one in the log", "log");
    }
    if (o->opens && r.open_envelope.statement)
        check_fallen(p, o->prefix, NAME_OPEN_OBJECT, r.open.gateway_public_key, o->open_index,
                     r.open.start);
    if (o->seals && r.seal_envelope.statement)
        check_fallen(p, o->prefix, NAME_SEAL_OBJECT, r.seal.gateway_public_key, o->seal_index,
                     r.seal.end);
    int result = 0;
    if (p->w->chunks) {
        result = verify_run(&r, &p->keys, &v, p->e);
        if (result == 0)
            copy_problems(p, &v, o->prefix);
        p->out->objects += v.objects;
        p->out->bytes += v.bytes;
        verify_report_fini(&v);
    }
    p->out->sessions++;
    reading_fini(&r);
    return result;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct complete_one *)a)->id, ((const struct complete_one *)b)->id);
}

/* What lies in the store, and in no log, was put there by somebody else. */
static int check_strangers(struct complete_pass *p) {
    struct tree_entry batch[64];
    struct tree_filter f = { 0 };
    if (!p->w->bag)
        f = (struct tree_filter){ .from_ms = p->w->from_ms, .to_ms = p->w->to_ms };
    char after[UUID_LEN + 1] = "";
    if (tree_refresh(p->w->tree, p->w->store, true, p->e) < 0)
        return -1;
    for (size_t n = 64; n == 64;) {
        n = tree_page(p->w->tree, after, &f, batch, 64);
        for (size_t i = 0; i < n; i++) {
            struct complete_one key;
            memcpy(key.id, batch[i].id, sizeof key.id);
            memcpy(after, batch[i].id, sizeof after);
            if (!p->count || !bsearch(&key, p->list, p->count, sizeof key, by_id))
                complete_problem(p, batch[i].prefix,
                                 "added: it is in the store, and not in the log", "log");
            free(batch[i].summary);
        }
    }
    return 0;
}

static int check_sessions(struct complete_pass *p) {
    if (p->count)
        qsort(p->list, p->count, sizeof *p->list, by_id);
    for (size_t i = 0; i < p->count; i++) {
        if (p->w->progress)
            p->w->progress(p->w->arg, i, p->count);
        if (wanted(p, &p->list[i]) && check_one(p, &p->list[i]) < 0)
            return -1;
    }
    return check_strangers(p);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int check_log(struct complete_pass *p) {
    const struct complete_bag *bag = p->w->bag;
    if (bag) {
        p->log.tail.size = bag->count;
        if (tree_refresh(p->w->tree, p->w->store, true, p->e) < 0 || complete_stamps_load(p) < 0)
            return -1;
    } else if (log_refresh(&p->log, p->e) != STORE_OK) {
        /* A head that cannot be read is a finding; a store that is away is none. */
        if (p->e->status == STATUS_UPSTREAM_UNAVAILABLE || p->e->status == STATUS_UPSTREAM_TIMEOUT)
            return -1;
        complete_problem(p, "log/head", p->e->text, NULL);
        *p->e = (struct err){ 0 };
    }
    p->at = calloc(p->log.tail.size + 1, sizeof *p->at);
    if (!p->at)
        return err_set(p->e, 0, "no memory");
    if (read_checkpoint(p) < 0)
        return -1;
    struct err e = { 0 };
    int r = bag ? bag->leaves(bag->arg, complete_leaf, p, &e)
                : log_each(&p->log, 0, p->log.tail.size, complete_leaf, p, &e);
    if (r == 2)
        return -1;
    if (r < 0)
        complete_problem(p, "log", e.text, NULL);
    check_signer(p);
    uint8_t root[MERKLE_HASH];
    merkle_root(&p->tree, root);
    hex_encode(root, sizeof root, p->out->root);
    p->out->leaves = p->tree.count;
    if (r == 0 && !bag && memcmp(root, p->log.tail.root, MERKLE_HASH) != 0)
        complete_problem(p, "log/head", "its root is not that of the leaves in the store", NULL);
    for (size_t i = 0; i < p->w->anchor->tree_count; i++) {
        struct anchor_tree *t = &p->w->anchor->trees[i];
        if (!t->met && t->size)
            complete_problem(p, "log", "it has fewer leaves than the anchor: rolled back", t->name);
    }
    if (p->event < p->w->anchor->leaf_count)
        complete_problem(p, "log", "leaves that audit events tell of are not there: rolled back",
                         p->w->anchor->leaf_name);
    if (p->tree.count > p->out->signed_leaves)
        complete_note(p, "log/head", "the newest leaves are under no signed checkpoint yet");
    complete_stamps(p);
    return 0;
}

int complete_run(const struct complete_want *w, struct complete_report *out, struct err *e) {
    _free_ struct complete_pass *p = calloc(1, sizeof *p);
    *out = (struct complete_report){ .problems = json_array(), .notes = json_array() };
    if (!p)
        return err_set(e, 0, "no memory");
    p->w = w;
    p->out = out;
    p->e = e;
    p->keys = w->anchor->keys;
    log_init_reader(&p->log, w->store, w->log_bucket);
    buf_init(&p->note_bytes, NOTE_MAX);
    merkle_init(&p->tree);
    int r = check_log(p) < 0 || check_sessions(p) < 0 ? -1 : 0;
    const struct anchor *a = w->anchor;
    out->anchored =
        a->keys.count && (a->tree_count || a->leaf_count || out->stamps) && !(w->bag && out->live);
    out->result = out->problem_count ? VERIFY_BROKEN
                  : out->anchored    ? VERIFY_PROVED
                                     : VERIFY_UNANCHORED;
    for (size_t i = 0; i < p->count; i++)
        free(p->list[i].prefix);
    for (size_t i = 0; i < p->followed_count; i++)
        sign_key_free(p->followed[i]);
    free(p->list);
    free(p->at);
    free(p->stamped);
    buf_fini(&p->note_bytes);
    log_fini(&p->log);
    return r;
}

void complete_report_fini(struct complete_report *r) {
    json_decref(r->problems);
    json_decref(r->notes);
    *r = (struct complete_report){ 0 };
}

json_t *complete_report_json(const struct complete_report *r) {
    static const char *const words[] = { [VERIFY_PROVED] = "proved",
                                         [VERIFY_BROKEN] = "broken",
                                         [VERIFY_UNANCHORED] = "self-consistent, not anchored" };
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:O, s:I, s:O}", "result", words[r->result],
        "leaves", (json_int_t)r->leaves, "signed", (json_int_t)r->signed_leaves, "sessions",
        (json_int_t)r->sessions, "live", (json_int_t)r->live, "stamps", (json_int_t)r->stamps,
        "objects", (json_int_t)r->objects, "bytes", (json_int_t)r->bytes, "root", r->root,
        "problems", r->problems, "problemCount", (json_int_t)r->problem_count, "notes", r->notes);
}
