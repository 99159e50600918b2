/* Leaves and their statements: names of members stand here and nowhere else. */
#include "recording/leaf.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/name.h"
#include "recording/statement.h"

static const char *const kinds[LEAF_KINDS] = {
    [LEAF_OPEN] = "open",         [LEAF_SEAL] = "seal",
    [LEAF_APPROVAL] = "approval", [LEAF_REPLAY] = "replay",
    [LEAF_EXPORT] = "export",     [LEAF_HOLD] = "hold",
    [LEAF_KEY] = "key",           [LEAF_COMPROMISE] = "compromise",
    [LEAF_FAILURE] = "failure",   [LEAF_EXPIRY] = "expiry",
};

const char *leaf_kind_name(enum leaf_kind kind) {
    return kinds[kind];
}

int leaf_kind_parse(const char *name) {
    for (int k = 0; k < LEAF_KINDS; k++)
        if (strcmp(name, kinds[k]) == 0)
            return k;
    return -1;
}

static int bad(struct err *e, const char *what) {
    return err_set(e, STATUS_CLIENT_BAD_REQUEST, "leaf: %s is missing or malformed", what);
}

static bool hash_valid(const char *s) {
    return s && strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool carried(enum leaf_kind kind) {
    return kind != LEAF_OPEN && kind != LEAF_SEAL;
}

static int check(const struct leaf *l, struct err *e) {
    struct name_prefix p;
    if (l->at <= 0)
        return bad(e, "at");
    if (l->session && !uuid_valid(l->session, strlen(l->session)))
        return bad(e, "session");
    if (carried(l->kind))
        return !l->envelope || !json_is_object(l->envelope) ? bad(e, "envelope")
               : l->prefix || l->sha256                     ? bad(e, "prefix")
                                                            : 0;
    return !l->session || !l->prefix || !name_prefix_parse(l->prefix, &p) ||
                   strcmp(p.session, l->session) != 0
               ? bad(e, "prefix")
           : !hash_valid(l->sha256) || l->envelope ? bad(e, "sha256")
                                                   : 0;
}

int leaf_write(const struct leaf *l, struct buf *out, struct err *e) {
    struct buf text __attribute__((cleanup(buf_fini)));
    buf_init(&text, LEAF_MAX);
    if (check(l, e) < 0)
        return -1;
    _json_ json_t *o = json_pack("{s:I, s:s, s:s*, s:s*, s:s*, s:O*}", "at", (json_int_t)l->at,
                                 "kind", kinds[l->kind], "session", l->session, "prefix", l->prefix,
                                 "sha256", l->sha256, "envelope", l->envelope);
    if (!o || json_write(o, &text) < 0)
        return err_set(e, STATUS_CLIENT_OVERRUN, "leaf: larger than %d bytes", LEAF_MAX);
    return buf_add(out, text.data, text.len) < 0 ? err_set(e, 0, "no memory for a leaf") : 0;
}

int leaf_parse(const char *text, size_t len, struct leaf *out, struct err *e) {
    _json_ json_t *o = json_parse(text, len, LEAF_MAX, e);
    struct buf again __attribute__((cleanup(buf_fini)));
    buf_init(&again, LEAF_MAX);
    if (!o)
        return err_prefix(e, "leaf");
    int kind = leaf_kind_parse(json_str(o, "kind", ""));
    if (kind < 0)
        return bad(e, "kind");
    struct leaf l = { .kind = (enum leaf_kind)kind,
                      .at = json_num(o, "at", 0),
                      .session = json_str(o, "session", NULL),
                      .prefix = json_str(o, "prefix", NULL),
                      .sha256 = json_str(o, "sha256", NULL),
                      .envelope = json_object_get(o, "envelope") };
    if (leaf_write(&l, &again, e) < 0)
        return -1;
    if (again.len != len || memcmp(again.data, text, len) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "leaf: not in its one spelling");
    l.json = steal_ptr(o);
    *out = l;
    return 0;
}

void leaf_fini(struct leaf *l) {
    json_decref(l->json);
    *l = (struct leaf){ 0 };
}

/* ---- statements ----------------------------------------------------------------------------- */

static void subject_hash(const char *name, char out[65]) {
    sha256_hex(name, strlen(name), out);
}

json_t *leaf_statement(struct leaf_claim *c, const struct sign_key *signer, struct err *e) {
    _json_ json_t *detail = c->detail ? c->detail : json_object();
    const char *subject = c->session ? c->session : "log";
    char hash[65], type[128];
    c->detail = NULL;
    subject_hash(subject, hash);
    snprintf(type, sizeof type, "%s%s/v1", LEAF_STATEMENT, kinds[c->kind]);
    json_t *person =
        c->sub ? json_pack("{s:s, s:s}", "sub", c->sub, "name", c->name ? c->name : "") : NULL;
    json_t *o = json_pack(
        "{s:s, s:[{s:s, s:{s:s}}], s:s, s:{s:I, s:s*, s:o*, s:O, s:{s:s, s:s, s:s, s:s}}}", "_type",
        STATEMENT_TYPE, "subject", "name", subject, "digest", "sha256", hash, "predicateType", type,
        "predicate", "at", (json_int_t)c->at, "session", c->session, "person", person, "detail",
        detail, "gateway", "name", c->gateway, "version", c->gateway_version, "publicKey",
        sign_key_public_base64(signer), "keyid", sign_key_id(signer));
    if (!o)
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "leaf: a text is no UTF-8, or no memory");
    return o;
}

static int said_type(const json_t *statement, struct leaf_said *s, struct err *e) {
    const char *type = json_str(statement, "predicateType", "");
    char kind[32];
    size_t skip = strlen(LEAF_STATEMENT);
    if (strcmp(json_str(statement, "_type", ""), STATEMENT_TYPE) != 0 ||
        strncmp(type, LEAF_STATEMENT, skip) != 0)
        return bad(e, "predicateType");
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(type + skip, "/"), type + skip);
    int k = leaf_kind_parse(kind);
    if (k < 0 || strcmp(type + skip + strlen(kind), "/v1") != 0)
        return bad(e, "predicateType");
    s->kind = (enum leaf_kind)k;
    return 0;
}

int leaf_said(const json_t *statement, struct leaf_said *out, struct err *e) {
    struct leaf_said s = { 0 };
    if (said_type(statement, &s, e) < 0)
        return -1;
    const json_t *p = json_object_get(statement, "predicate"),
                 *person = json_object_get(p, "person");
    s.at = json_num(p, "at", 0);
    s.session = json_str(p, "session", NULL);
    s.sub = json_str(person, "sub", NULL);
    s.name = json_str(person, "name", NULL);
    s.detail = json_object_get(p, "detail");
    s.public_key = json_str(json_object_get(p, "gateway"), "publicKey", NULL);
    if (s.at <= 0)
        return bad(e, "at");
    if (s.session && !uuid_valid(s.session, strlen(s.session)))
        return bad(e, "session");
    if (!json_is_object(s.detail))
        return bad(e, "detail");
    if (!s.public_key || strlen(s.public_key) != BASE64_LEN(SIGN_KEY_LEN))
        return bad(e, "gateway");
    const json_t *subject = json_array_get(json_object_get(statement, "subject"), 0);
    char hash[65];
    subject_hash(s.session ? s.session : "log", hash);
    if (strcmp(json_str(subject, "name", ""), s.session ? s.session : "log") != 0 ||
        strcmp(json_str(json_object_get(subject, "digest"), "sha256", ""), hash) != 0)
        return bad(e, "subject");
    *out = s;
    return 0;
}
