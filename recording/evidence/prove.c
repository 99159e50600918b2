/* One pass over the leaves that name the session. */
#include "recording/evidence/prove.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/dsse.h"
#include "recording/name.h"

struct prove {
    struct log *log;
    const char *session;
    char prefix[NAME_PREFIX_SIZE]; /* by its open leaf, which comes first */
    struct note note;
    bool signed_one;
    json_t *out, *access;
    struct err *e;
};

static json_t *hashes(const struct proof *p) {
    json_t *list = json_array();
    char hex[65];
    for (size_t i = 0; i < p->count; i++) {
        hex_encode(p->hashes[i], MERKLE_HASH, hex);
        json_array_append_new(list, json_string(hex));
    }
    return list;
}

static json_t *placed(struct prove *p, uint64_t index, struct slice text) {
    struct proof_source s = log_source(p->log);
    struct proof proof;
    uint8_t hash[MERKLE_HASH];
    char hex[65];
    merkle_leaf(text.data, text.len, hash);
    hex_encode(hash, sizeof hash, hex);
    json_t *o = json_pack("{s:I, s:s%, s:s}", "index", (json_int_t)index, "leaf", text.data,
                          text.len, "hash", hex);
    if (p->signed_one && index < p->note.size &&
        proof_inclusion(&s, index, p->note.size, &proof, p->e) == 0)
        json_object_set_new(o, "proof", hashes(&proof));
    return o;
}

static void access_of(struct prove *p, uint64_t index, const struct leaf *l) {
    struct dsse d = { 0 };
    struct leaf_said said;
    _json_ json_t *statement =
        dsse_read(l->envelope, &d, NULL) == 0 ? dsse_statement(&d, NULL) : NULL;
    dsse_fini(&d);
    if (!statement || leaf_said(statement, &said, NULL) < 0)
        return;
    json_t *o = json_pack("{s:I, s:s, s:I, s:O}", "index", (json_int_t)index, "kind",
                          leaf_kind_name(l->kind), "at", (json_int_t)l->at, "range", said.detail);
    if (said.sub)
        json_object_set_new(
            o, "person",
            json_pack("{s:s, s:s}", "sub", said.sub, "name", said.name ? said.name : ""));
    json_array_append_new(p->access, o);
}

/* An export that names no single session: by its ids, or by its period. */
static bool exported(const struct prove *p, const struct leaf *l) {
    struct dsse d = { 0 };
    struct leaf_said said;
    _json_ json_t *statement =
        dsse_read(l->envelope, &d, NULL) == 0 ? dsse_statement(&d, NULL) : NULL;
    dsse_fini(&d);
    if (!statement || leaf_said(statement, &said, NULL) < 0)
        return false;
    const json_t *ids = json_object_get(said.detail, "ids");
    const char *connection = json_str(said.detail, "connection", "");
    int64_t ms = (int64_t)uuid_v7_ms(p->session), to = json_num(said.detail, "to", 0);
    if (ids || json_flag(said.detail, "chosen", false))
        return json_has_string(ids, p->session);
    char part[NAME_PREFIX_SIZE];
    snprintf(part, sizeof part, "/%s/", connection);
    return ms >= json_num(said.detail, "from", 0) && ms <= to &&
           (!*connection || strstr(p->prefix, part));
}

static int on_leaf(void *arg, uint64_t index, struct slice text) {
    struct prove *p = arg;
    struct leaf l = { 0 };
    bool export = memmem(text.data, text.len, "\"kind\":\"export\"", 15) != NULL;
    if ((!export && !memmem(text.data, text.len, p->session, strlen(p->session))) ||
        leaf_parse(text.data, text.len, &l, NULL) < 0)
        return 0;
    if (l.session && strcmp(l.session, p->session) == 0) {
        if (l.kind == LEAF_OPEN || l.kind == LEAF_SEAL)
            json_object_set_new(p->out, leaf_kind_name(l.kind), placed(p, index, text));
        else
            access_of(p, index, &l);
        if (l.kind == LEAF_OPEN)
            snprintf(p->prefix, sizeof p->prefix, "%s", l.prefix ? l.prefix : "");
    } else if (l.kind == LEAF_EXPORT && !l.session && exported(p, &l)) {
        access_of(p, index, &l);
    }
    leaf_fini(&l);
    return 0;
}

static json_t *checkpoint(const struct note *n, const struct buf *text) {
    char root[65], id[9];
    json_t *list = json_array();
    hex_encode(n->root, MERKLE_HASH, root);
    for (size_t i = 0; i < n->count; i++) {
        const struct note_signature *s = &n->signatures[i];
        char sig[BASE64_LEN(sizeof s->sig)];
        hex_encode(s->id, 4, id);
        json_array_append_new(list, json_pack("{s:s%, s:s, s:s%}", "name", s->name.data,
                                              s->name.len, "keyid", id, "sig", sig,
                                              base64_encode(s->sig, s->len, sig)));
    }
    return json_pack("{s:s%, s:I, s:s, s:s, s:o}", "note", text->data, text->len, "size",
                     (json_int_t)n->size, "root", root, "origin", n->origin, "signatures", list);
}

json_t *prove_session(struct log *l, const char *session, struct err *e) {
    struct prove p = { .log = l, .session = session, .e = e };
    struct buf note __attribute__((cleanup(buf_fini)));
    buf_init(&note, NOTE_MAX);
    enum store_result r = log_checkpoint_get(l, &note, NULL, e);
    if ((r != STORE_OK && r != STORE_MISSING) || log_refresh(l, e) != STORE_OK)
        return NULL;
    p.signed_one = r == STORE_OK && note_parse(note.data, note.len, &p.note, e) == 0 &&
                   p.note.size <= l->tail.size;
    p.out = json_pack("{s:s, s:n, s:n, s:n, s:[]}", "session", session, "open", "seal",
                      "checkpoint", "access");
    p.access = json_object_get(p.out, "access");
    if (log_each(l, 0, l->tail.size, on_leaf, &p, e) < 0) {
        json_decref(p.out);
        return NULL;
    }
    if (p.signed_one)
        json_object_set_new(p.out, "checkpoint", checkpoint(&p.note, &note));
    *e = (struct err){ 0 };
    return p.out;
}
