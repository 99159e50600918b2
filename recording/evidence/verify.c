/* The verifier. It goes on after a problem, so that all are found: what follows a broken link is
 * checked against the link as it should have been. */
#include "recording/evidence/verify.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/verify_impl.h"

/* ---- chunks --------------------------------------------------------------------------------- */

/* The object in c->object under this name. True when it is a chunk of this session. */
static bool check_chunk(struct verify_check *c, const char *name, struct chunk *k) {
    struct err e = { 0 };
    char own[NAME_SIZE];
    if (chunk_parse(c->object.data, c->object.len, k, &e) < 0) {
        verify_problem(c, name, e.text);
        return false;
    }
    if (c->session && chunk_check(k, c->session, &e) < 0) {
        verify_problem(c, name, e.text);
        return false;
    }
    chunk_name(&k->h, own);
    if (strcmp(own, name) != 0) {
        char text[160];
        snprintf(text, sizeof text, "it is another chunk: %s", own);
        verify_problem(c, name, text);
        return false;
    }
    if (c->r->open_envelope.statement && strcmp(k->h.session, c->r->open.session) != 0) {
        verify_problem(c, name, "it is a chunk of another session");
        return false;
    }
    return true;
}

/* STORE_OK: read; MISSING: told; else the store failed. */
static enum store_result read_object(struct verify_check *c, const char *name,
                                     const char *version) {
    struct err e = { 0 };
    enum store_result r = reading_get(c->r, name, version, &c->object, &e);
    if (r == STORE_OK) {
        c->out->objects++;
        c->out->bytes += c->object.len;
    } else if (r == STORE_MISSING) {
        verify_problem(c, name, "missing");
    } else if (e.status == STATUS_CLIENT_OVERRUN) {
        verify_problem(c, name, "larger than any chunk can be");
        r = STORE_MISSING;
    } else {
        *c->e = e;
    }
    return r;
}

static void place_of(const struct verify_check *c, const char *name, const struct chunk *k,
                     struct verify_place *out) {
    *out = (struct verify_place){ .h = k->h, .len = c->object.len };
    snprintf(out->name, sizeof out->name, "%s", name);
    chunk_head(k, out->head);
}

static int check_listed(struct verify_check *c, const struct list_entry *l) {
    struct chunk k;
    struct verify_place p = { 0 };
    char hash[HASH_HEX];
    const struct reading_object *o = reading_find(c->r, l->name);
    enum store_result r = read_object(c, l->name, l->version);
    if (r != STORE_OK && r != STORE_MISSING)
        return -1;
    bool good = r == STORE_OK;
    if (good && !o)
        verify_note(c, l->name, "hidden behind a delete marker; read by its VersionId");
    else if (good && o->size != l->size && *l->version)
        verify_note(c, l->name, "another version lies over it; read by its VersionId");
    if (good)
        sha256_hex(c->object.data, c->object.len, hash);
    if (good && (c->object.len != l->size || strcmp(hash, l->sha256) != 0)) {
        verify_problem(c, l->name, "changed: not the bytes that were sealed");
        good = false;
    }
    if (!good || !check_chunk(c, l->name, &k)) {
        verify_place_listed(c, l);
        return 0;
    }
    place_of(c, l->name, &k, &p);
    if (k.h.kind != l->kind || k.h.n != l->n || k.h.i != l->i || k.h.offset != l->offset ||
        k.h.raw != l->raw || k.h.t1 != l->t1 || k.h.seq0 != l->seq0 || k.h.seq1 != l->seq1 ||
        k.h.frames != l->frames || strcmp(p.head, l->head) != 0)
        verify_problem(c, l->name, "the list says something else of it");
    verify_place(c, &p);
    return 0;
}

/* ---- without a list ------------------------------------------------------------------------- */

/* Not sealed yet, or the list is gone: each chunk by itself, and the chains as far as they go
 * without a gap. Up to four chunks are under way at once, so the last ones may have one. */
static int check_loose_list(struct verify_check *c) {
    struct buf lines __attribute__((cleanup(buf_fini)));
    struct err e = { 0 };
    buf_init(&lines, LIST_MAX);
    enum store_result r = read_object(c, NAME_LIST_OBJECT, NULL);
    if (r == STORE_OK && list_unpack(c->object.data, c->object.len, &lines, &e) < 0)
        verify_problem(c, NAME_LIST_OBJECT, e.text);
    else if (r == STORE_OK && !c->out->sealed)
        verify_note(c, NAME_LIST_OBJECT,
                    "there, but no seal: sealing is under way, or was cut short");
    return r == STORE_OK || r == STORE_MISSING ? 0 : -1;
}

static int check_live(struct verify_check *c) {
    for (size_t i = 0; i < c->r->count; i++) {
        const struct reading_object *o = &c->r->objects[i];
        struct chunk k;
        if (o->known && o->as.kind != NAME_CHUNK) {
            if (o->as.kind == NAME_LIST && !c->r->seal_envelope.statement &&
                check_loose_list(c) < 0)
                return -1;
            continue;
        }
        if (!o->known) {
            verify_problem(c, o->name, "added: no name of a recording's object");
            continue;
        }
        enum store_result r = read_object(c, o->name, NULL);
        if (r == STORE_MISSING)
            continue;
        if (r != STORE_OK)
            return -1;
        if (!check_chunk(c, o->name, &k))
            continue;
        struct verify_link *l = &c->chains[k.h.kind];
        if (k.h.kind != CHAIN_KEYFRAME && k.h.i > l->count && !l->gap) {
            l->gap = true;
            verify_note(c, o->name, "behind a gap: the one before is on its way, or was removed");
        }
        /* Keyframes are measured by the data chunk behind them, which may still be to come. */
        if (k.h.kind != CHAIN_KEYFRAME && !l->gap) {
            struct verify_place p;
            place_of(c, o->name, &k, &p);
            verify_place(c, &p);
        }
    }
    return 0;
}

/* ---- the list ------------------------------------------------------------------------------- */

static bool in_list(const struct buf *names, const char *name) {
    /* Records of NAME_SIZE, sorted. */
    size_t low = 0, high = names->len / NAME_SIZE;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int cmp = strcmp(name, names->data + middle * NAME_SIZE);
        if (cmp == 0)
            return true;
        if (cmp < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static int check_lines(struct verify_check *c, const struct buf *lines, struct buf *names) {
    struct merkle tree;
    uint8_t root[MERKLE_HASH];
    char last[NAME_SIZE] = "";
    merkle_init(&tree);
    for (const char *p = lines->data, *end = p + lines->len; p && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        struct list_entry entry;
        struct err e = { 0 };
        size_t len = newline ? (size_t)(newline - p) : (size_t)(end - p);
        if (!newline || list_entry_parse(p, len, &entry, &e) < 0) {
            verify_problem(c, NAME_LIST_OBJECT, newline ? e.text : "its last line is cut");
        } else {
            if (strcmp(last, entry.name) >= 0)
                verify_problem(c, NAME_LIST_OBJECT, "its lines are not sorted, or one came twice");
            memcpy(last, entry.name, NAME_SIZE);
            merkle_add(&tree, p, len);
            if (buf_add(names, entry.name, NAME_SIZE) < 0)
                return err_set(c->e, 0, "no memory");
            if (check_listed(c, &entry) < 0)
                return -1;
        }
        p += len + 1;
    }
    verify_keyframes(c);
    merkle_root(&tree, root);
    hex_encode(root, sizeof root, c->out->root);
    if (strcmp(c->out->root, c->r->seal.root) != 0)
        verify_problem(c, NAME_LIST_OBJECT, "its Merkle root is not the one that was sealed");
    if ((int64_t)tree.count != c->r->seal.count)
        verify_problem(c, NAME_LIST_OBJECT, "it has not as many lines as were sealed");
    return 0;
}

static void check_counters(struct verify_check *c) {
    const struct seal_record *s = &c->r->seal;
    for (int k = 0; k < CHAIN_KINDS; k++) {
        const struct verify_link *l = &c->chains[k];
        char text[160];
        if ((int64_t)l->count == s->chains[k].count && (int64_t)l->raw == s->chains[k].raw &&
            (int64_t)l->stored == s->chains[k].stored && strcmp(l->prev, s->chains[k].head) == 0)
            continue;
        snprintf(text, sizeof text,
                 "the chain of kind %s has %llu chunks, %llu bytes; sealed were %lld, %lld, or it "
                 "ends in another chunk",
                 chunk_kind_name((enum chain_kind)k), (unsigned long long)l->count,
                 (unsigned long long)l->raw, (long long)s->chains[k].count,
                 (long long)s->chains[k].raw);
        verify_problem(c, NAME_SEAL_OBJECT, text);
    }
    if ((int64_t)c->frames != s->frames)
        verify_problem(c, NAME_SEAL_OBJECT, "the chunks do not hold as many frames as were sealed");
    if (s->frames != s->sequence && s->silent_gateway)
        verify_note(c, NAME_SEAL_OBJECT,
                    "frames of the session are in no chunk: they were lost with its recorder");
    else if (s->frames != s->sequence)
        verify_problem(c, NAME_SEAL_OBJECT, "frames of the session are in no chunk");
}

/* Of a session that another recorder sealed: its own chunks behind a gap, or stored when it was too
 * late, are no part of it, and no forgery. */
static int check_left(struct verify_check *c, const char *name) {
    struct chunk k;
    enum store_result r = read_object(c, name, NULL);
    if (r != STORE_OK && r != STORE_MISSING)
        return -1;
    if (r == STORE_OK && c->session && check_chunk(c, name, &k))
        verify_note(c, name,
                    "left out of the seal: behind a gap when its recorder was lost, or late");
    else if (r == STORE_OK)
        verify_problem(c, name, "added: it is not in the sealed list");
    return 0;
}

static int check_others(struct verify_check *c, const struct buf *names) {
    for (size_t i = 0; i < c->r->count; i++) {
        const struct reading_object *o = &c->r->objects[i];
        bool fixed = o->known && o->as.kind != NAME_CHUNK;
        if (fixed || in_list(names, o->name))
            continue;
        if (!o->known || !c->r->seal.silent_gateway)
            verify_problem(c, o->name, "added: it is not in the sealed list");
        else if (check_left(c, o->name) < 0)
            return -1;
    }
    return 0;
}

static int check_sealed(struct verify_check *c) {
    struct buf lines __attribute__((cleanup(buf_fini)));
    struct buf names __attribute__((cleanup(buf_fini)));
    struct buf list __attribute__((cleanup(buf_fini)));
    const struct seal_record *s = &c->r->seal;
    struct err e = { 0 };
    char hash[HASH_HEX];
    buf_init(&lines, LIST_MAX);
    buf_init(&names, (size_t)READING_OBJECTS_MAX * NAME_SIZE);
    buf_init(&list, LIST_MAX);
    enum store_result r = reading_get(c->r, NAME_LIST_OBJECT, s->list.version_id, &list, &e);
    if (r != STORE_OK && r != STORE_MISSING) {
        *c->e = e;
        return -1;
    }
    if (r == STORE_MISSING) {
        verify_problem(c, NAME_LIST_OBJECT, "missing");
        return check_live(c);
    }
    c->out->objects++;
    c->out->bytes += list.len;
    sha256_hex(list.data, list.len, hash);
    if ((int64_t)list.len != s->list.size || strcmp(hash, s->list.sha256) != 0)
        verify_problem(c, NAME_LIST_OBJECT, "changed: not the bytes that were sealed");
    if (list_unpack(list.data, list.len, &lines, &e) < 0) {
        verify_problem(c, NAME_LIST_OBJECT, e.text);
        return check_live(c);
    }
    if (check_lines(c, &lines, &names) < 0)
        return -1;
    check_counters(c);
    return check_others(c, &names);
}

/* ---- all of it ------------------------------------------------------------------------------ */

int verify_run(struct reading *r, const struct verify_anchor *a, struct verify_report *out,
               struct err *e) {
    *out = (struct verify_report){ .problems = json_array(), .notes = json_array() };
    struct verify_check c = { .r = r, .anchor = a, .out = out, .e = e };
    buf_init(&c.object, CHUNK_MAX);
    c.keyframes = calloc(VERIFY_KEYFRAMES_MAX, sizeof *c.keyframes);
    if (!c.keyframes)
        return err_set(e, 0, "no memory");
    verify_open(&c);
    for (int k = 0; k < CHAIN_KINDS; k++)
        memcpy(c.chains[k].prev, r->open_envelope.sha256, HASH_HEX);
    verify_seal(&c);
    int result = r->seal_envelope.statement ? check_sealed(&c) : check_live(&c);
    sign_key_free(c.session);
    free(c.keyframes);
    buf_fini(&c.object);
    out->result = out->problem_count             ? VERIFY_BROKEN
                  : out->sealed && a && a->count ? VERIFY_PROVED
                                                 : VERIFY_UNANCHORED;
    return result;
}

void verify_report_fini(struct verify_report *r) {
    json_decref(r->problems);
    json_decref(r->notes);
    *r = (struct verify_report){ 0 };
}

json_t *verify_report_json(const struct verify_report *v, const struct reading *r) {
    static const char *const words[] = { [VERIFY_PROVED] = "proved",
                                         [VERIFY_BROKEN] = "broken",
                                         [VERIFY_UNANCHORED] = "self-consistent, not anchored" };
    const struct seal_record *s = r->seal_envelope.statement ? &r->seal : NULL;
    const struct open_record *o = r->open_envelope.statement ? &r->open : NULL;
    return json_pack("{s:s, s:s*, s:s, s:b, s:s*, s:s*, s:s, s:I, s:I, s:O, s:I, s:O}", "prefix",
                     r->prefix, "session", o ? o->session : NULL, "result", words[v->result],
                     "sealed", v->sealed, "state", s ? s->state : NULL, "reason",
                     s ? s->reason : NULL, "root", v->root, "objects", (json_int_t)v->objects,
                     "bytes", (json_int_t)v->bytes, "problems", v->problems, "problemCount",
                     (json_int_t)v->problem_count, "notes", v->notes);
}
