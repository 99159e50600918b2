/* Building and reading the two statements. Readers check every member they hand out, so callers
 * need not; what else stands in a predicate is signed and left alone. */
#include "recording/statement.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"
#include "recording/name.h"

static const char *const chain_names[CHAIN_KINDS] = { "data", "keyframe", "text" };

static int bad(struct err *e, const char *what) {
    return err_set(e, STATUS_CLIENT_BAD_REQUEST, "statement: '%s' is missing or malformed", what);
}

/* ---- members -------------------------------------------------------------------------------- */

static bool hash_valid(const char *s) {
    return s && strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int text_in(const json_t *o, const char *key, const char **out, struct err *e) {
    *out = json_str(o, key, NULL);
    return *out ? 0 : bad(e, key);
}

static int hash_in(const json_t *o, const char *key, const char **out, struct err *e) {
    return text_in(o, key, out, e) < 0 || !hash_valid(*out) ? bad(e, key) : 0;
}

static int count_in(const json_t *o, const char *key, int64_t *out, struct err *e) {
    *out = json_num(o, key, -1);
    return *out >= 0 ? 0 : bad(e, key);
}

static int object_in(const json_t *o, const char *key, const json_t **out, struct err *e) {
    *out = json_object_get(o, key);
    return json_is_object(*out) ? 0 : bad(e, key);
}

static int list_in(const json_t *o, const char *key, const json_t **out, struct err *e) {
    *out = json_object_get(o, key);
    return json_is_array(*out) ? 0 : bad(e, key);
}

static bool one_of(const char *s, const char *const *words, size_t count) {
    for (size_t i = 0; s && i < count; i++)
        if (strcmp(s, words[i]) == 0)
            return true;
    return false;
}

static bool keys_valid(const char *s) {
    return one_of(s, (const char *const[]){ "full", "masked", "off" }, 3);
}

/* A public key with its id: both must agree. */
static int key_in(const json_t *o, const char *key, const char **public_key, struct err *e) {
    const json_t *k;
    const char *text, *keyid;
    if (object_in(o, key, &k, e) < 0 || text_in(k, "publicKey", &text, e) < 0 ||
        hash_in(k, "keyid", &keyid, e) < 0)
        return err_prefix(e, "%s", key);
    _sign_key_ struct sign_key *parsed = sign_key_from_base64(text, e);
    if (!parsed || strcmp(sign_key_id(parsed), keyid) != 0)
        return bad(e, key);
    *public_key = text;
    return 0;
}

static int session_in(const char *session, const char *prefix, struct err *e) {
    struct name_prefix p;
    if (!session || !uuid_valid(session, strlen(session)))
        return bad(e, "session");
    if (!prefix || !name_prefix_parse(prefix, &p) || strcmp(p.session, session) != 0)
        return bad(e, "prefix");
    return 0;
}

static int type_in(const json_t *statement, const char *type, const json_t **predicate,
                   struct err *e) {
    const char *outer = json_str(statement, "_type", ""),
               *inner = json_str(statement, "predicateType", "");
    if (strcmp(outer, STATEMENT_TYPE) != 0)
        return bad(e, "_type");
    if (strcmp(inner, type) != 0)
        return bad(e, "predicateType");
    return object_in(statement, "predicate", predicate, e);
}

/* Subject number `i` must be `name` with this hash. */
static int subject_is(const json_t *statement, size_t i, const char *name, const char *hash,
                      struct err *e) {
    const json_t *s = json_array_get(json_object_get(statement, "subject"), i);
    const char *n = json_str(s, "name", ""),
               *h = json_str(json_object_get(s, "digest"), "sha256", "");
    return strcmp(n, name) == 0 && strcmp(h, hash) == 0 ? 0 : bad(e, "subject");
}

static json_t *whole(json_t *o, struct err *e) {
    if (!o)
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "statement: a text is no UTF-8, or no memory");
    return o;
}

static json_t *copy_list(const json_t *list) {
    return list ? json_deep_copy(list) : json_array();
}

/* ---- open ----------------------------------------------------------------------------------- */

static int open_check(const struct open_record *r, struct err *e) {
    if (session_in(r->session, r->prefix, e) < 0)
        return -1;
    struct name_prefix p;
    name_prefix_parse(r->prefix, &p);
    return !r->sub                                                      ? bad(e, "sub")
           : !r->person_name                                            ? bad(e, "name")
           : r->id_token_sha256 && !hash_valid(r->id_token_sha256)      ? bad(e, "idTokenSha256")
           : !r->namespace || strcmp(p.namespace, r->namespace) != 0    ? bad(e, "namespace")
           : !r->connection || strcmp(p.connection, r->connection) != 0 ? bad(e, "connection")
           : !r->uid                                                    ? bad(e, "uid")
           : !r->resource_version                                       ? bad(e, "resourceVersion")
           : !hash_valid(r->spec_sha256)                                ? bad(e, "specSha256")
           : !r->protocol                                               ? bad(e, "protocol")
           : !r->target                                                 ? bad(e, "target")
           : !keys_valid(r->keys)                                       ? bad(e, "keys")
           : !r->gateway                                                ? bad(e, "gateway")
           : !r->gateway_version                                        ? bad(e, "version")
           : r->start <= 0                                              ? bad(e, "start")
           : r->retain_until <= r->start                                ? bad(e, "retainUntil")
           : r->retention_days < 0                                      ? bad(e, "retentionDays")
                                                                        : 0;
}

json_t *open_statement(const struct open_record *r, const struct sign_key *signer, struct err *e) {
    if (open_check(r, e) < 0)
        return NULL;
    _sign_key_ struct sign_key *session =
        sign_key_from_base64(r->session_public_key ? r->session_public_key : "", e);
    if (!session)
        return NULL;
    json_t *predicate = json_pack(
        "{s:s, s:s, s:I, s:I, s:I,"
        " s:{s:s, s:s, s:o, s:s*, s:s*}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:o,"
        " s:{s:b, s:s, s:I}, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}}",
        "session", r->session, "prefix", r->prefix, "start", (json_int_t)r->start, "retainUntil",
        (json_int_t)r->retain_until, "clockOffsetMs", (json_int_t)r->clock_offset_ms, "person",
        "sub", r->sub, "name", r->person_name, "roles", copy_list(r->roles), "acr", r->acr,
        "idTokenSha256", r->id_token_sha256, "connection", "namespace", r->namespace, "name",
        r->connection, "uid", r->uid, "resourceVersion", r->resource_version, "specSha256",
        r->spec_sha256, "protocol", r->protocol, "target", r->target, "approvals",
        copy_list(r->approvals), "recording", "enabled", r->recording_enabled, "keys", r->keys,
        "retentionDays", (json_int_t)r->retention_days, "key", "publicKey", r->session_public_key,
        "keyid", sign_key_id(session), "gateway", "name", r->gateway, "version", r->gateway_version,
        "publicKey", sign_key_public_base64(signer), "keyid", sign_key_id(signer));
    if (!predicate)
        return whole(NULL, e);
    return whole(json_pack("{s:s, s:[{s:s, s:{s:s}}], s:s, s:o}", "_type", STATEMENT_TYPE,
                           "subject", "name", r->prefix, "digest", "sha256", sign_key_id(session),
                           "predicateType", STATEMENT_OPEN, "predicate", predicate),
                 e);
}

static int open_person(const json_t *p, struct open_record *r, struct err *e) {
    const json_t *o;
    if (object_in(p, "person", &o, e) < 0 || text_in(o, "sub", &r->sub, e) < 0 ||
        text_in(o, "name", &r->person_name, e) < 0 || list_in(o, "roles", &r->roles, e) < 0)
        return -1;
    r->acr = json_str(o, "acr", NULL);
    r->id_token_sha256 = json_str(o, "idTokenSha256", NULL);
    return 0;
}

static int open_connection(const json_t *p, struct open_record *r, struct err *e) {
    const json_t *o;
    return object_in(p, "connection", &o, e) < 0 || text_in(o, "namespace", &r->namespace, e) < 0 ||
                   text_in(o, "name", &r->connection, e) < 0 || text_in(o, "uid", &r->uid, e) < 0 ||
                   text_in(o, "resourceVersion", &r->resource_version, e) < 0 ||
                   hash_in(o, "specSha256", &r->spec_sha256, e) < 0 ||
                   text_in(p, "protocol", &r->protocol, e) < 0 ||
                   text_in(p, "target", &r->target, e) < 0
               ? -1
               : 0;
}

static int open_rest(const json_t *p, struct open_record *r, struct err *e) {
    const json_t *o, *g;
    if (list_in(p, "approvals", &r->approvals, e) < 0 || object_in(p, "recording", &o, e) < 0 ||
        text_in(o, "keys", &r->keys, e) < 0 ||
        count_in(o, "retentionDays", &r->retention_days, e) < 0 ||
        key_in(p, "key", &r->session_public_key, e) < 0 ||
        key_in(p, "gateway", &r->gateway_public_key, e) < 0 || object_in(p, "gateway", &g, e) < 0 ||
        text_in(g, "name", &r->gateway, e) < 0 || text_in(g, "version", &r->gateway_version, e) < 0)
        return -1;
    r->recording_enabled = json_flag(o, "enabled", false);
    return 0;
}

int open_read(const json_t *statement, struct open_record *out, struct err *e) {
    const json_t *p;
    struct open_record r = { 0 };
    if (type_in(statement, STATEMENT_OPEN, &p, e) < 0 || text_in(p, "session", &r.session, e) < 0 ||
        text_in(p, "prefix", &r.prefix, e) < 0 || count_in(p, "start", &r.start, e) < 0 ||
        count_in(p, "retainUntil", &r.retain_until, e) < 0 || open_person(p, &r, e) < 0 ||
        open_connection(p, &r, e) < 0 || open_rest(p, &r, e) < 0 || open_check(&r, e) < 0)
        return -1;
    r.clock_offset_ms = json_num(p, "clockOffsetMs", 0);
    const char *keyid = json_str(json_object_get(p, "key"), "keyid", "");
    if (subject_is(statement, 0, r.prefix, keyid, e) < 0)
        return -1;
    *out = r;
    return 0;
}

/* ---- seal ----------------------------------------------------------------------------------- */

static int seal_object_in(const json_t *p, const char *key, struct seal_object *out,
                          const json_t **o, struct err *e) {
    return object_in(p, key, o, e) < 0 || hash_in(*o, "sha256", &out->sha256, e) < 0 ||
                   text_in(*o, "versionId", &out->version_id, e) < 0 ||
                   count_in(*o, "size", &out->size, e) < 0
               ? err_prefix(e, "%s", key)
               : 0;
}

static int seal_fields(const json_t *p, struct seal_record *out, struct err *e) {
    const json_t *o, *chains, *list;
    struct seal_record r = { 0 };
    static const char *const states[] = { "closed", "interrupted", "refused" };
    if (text_in(p, "session", &r.session, e) < 0 || text_in(p, "prefix", &r.prefix, e) < 0 ||
        session_in(r.session, r.prefix, e) < 0 || text_in(p, "state", &r.state, e) < 0 ||
        text_in(p, "reason", &r.reason, e) < 0 || count_in(p, "status", &r.status, e) < 0 ||
        count_in(p, "start", &r.start, e) < 0 || count_in(p, "end", &r.end, e) < 0 ||
        seal_object_in(p, "open", &r.open, &o, e) < 0 ||
        seal_object_in(p, "list", &r.list, &list, e) < 0 ||
        count_in(list, "count", &r.count, e) < 0 || hash_in(p, "root", &r.root, e) < 0 ||
        count_in(p, "frames", &r.frames, e) < 0 || count_in(p, "sequence", &r.sequence, e) < 0 ||
        text_in(p, "recorder", &r.recorder, e) < 0 || object_in(p, "chains", &chains, e) < 0)
        return -1;
    if (!one_of(r.state, states, ARRAY_LEN(states)))
        return bad(e, "state");
    for (int i = 0; i < CHAIN_KINDS; i++) {
        struct seal_chain *c = &r.chains[i];
        if (object_in(chains, chain_names[i], &o, e) < 0 ||
            count_in(o, "count", &c->count, e) < 0 || count_in(o, "raw", &c->raw, e) < 0 ||
            count_in(o, "stored", &c->stored, e) < 0 || hash_in(o, "head", &c->head, e) < 0)
            return err_prefix(e, "chains");
    }
    r.clock_offset_ms = json_num(p, "clockOffsetMs", 0);
    if (json_object_get(p, "silent") &&
        (object_in(p, "silent", &o, e) < 0 || text_in(o, "gateway", &r.silent_gateway, e) < 0 ||
         count_in(o, "since", &r.silent_since, e) < 0))
        return err_prefix(e, "silent");
    *out = r;
    return 0;
}

static json_t *pack_chain(const struct seal_chain *c) {
    return json_pack("{s:I, s:I, s:I, s:s}", "count", (json_int_t)c->count, "raw",
                     (json_int_t)c->raw, "stored", (json_int_t)c->stored, "head", c->head);
}

json_t *seal_predicate(const struct seal_record *r, struct err *e) {
    _json_ json_t *p = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:{s:s, s:s, s:I}, s:{s:s, s:s, s:I, s:I},"
        " s:s, s:I, s:I, s:s, s:{s:o, s:o, s:o}, s:[]}",
        "session", r->session, "prefix", r->prefix, "state", r->state, "reason", r->reason,
        "status", (json_int_t)r->status, "start", (json_int_t)r->start, "end", (json_int_t)r->end,
        "clockOffsetMs", (json_int_t)r->clock_offset_ms, "open", "sha256", r->open.sha256,
        "versionId", r->open.version_id, "size", (json_int_t)r->open.size, "list", "sha256",
        r->list.sha256, "versionId", r->list.version_id, "size", (json_int_t)r->list.size, "count",
        (json_int_t)r->count, "root", r->root, "frames", (json_int_t)r->frames, "sequence",
        (json_int_t)r->sequence, "recorder", r->recorder, "chains", chain_names[0],
        pack_chain(&r->chains[0]), chain_names[1], pack_chain(&r->chains[1]), chain_names[2],
        pack_chain(&r->chains[2]), "derived");
    struct seal_record check;
    if (p && r->silent_gateway)
        json_object_set_new(p, "silent",
                            json_pack("{s:s, s:I}", "gateway", r->silent_gateway, "since",
                                      (json_int_t)r->silent_since));
    if (!whole(p, e) || seal_fields(p, &check, e) < 0)
        return NULL;
    return steal_ptr(p);
}

json_t *seal_statement(const json_t *predicate, const char *session, const char *prefix,
                       const struct sign_key *signer, struct err *e) {
    struct seal_record r;
    if (seal_fields(predicate, &r, e) < 0)
        return NULL;
    if (strcmp(r.session, session) != 0 || strcmp(r.prefix, prefix) != 0) {
        err_set(e, STATUS_RESOURCE_CONFLICT, "the seal is of another session");
        return NULL;
    }
    json_t *p = json_deep_copy(predicate);
    json_t *gateway = json_pack("{s:s, s:s, s:s}", "version", guac_version, "publicKey",
                                sign_key_public_base64(signer), "keyid", sign_key_id(signer));
    if (!p || json_object_set_new(p, "gateway", gateway) < 0) {
        json_decref(p);
        return whole(NULL, e);
    }
    return whole(json_pack("{s:s, s:[{s:s, s:{s:s}}, {s:s, s:{s:s}}], s:s, s:o}", "_type",
                           STATEMENT_TYPE, "subject", "name", NAME_OPEN_OBJECT, "digest", "sha256",
                           r.open.sha256, "name", NAME_LIST_OBJECT, "digest", "sha256",
                           r.list.sha256, "predicateType", STATEMENT_SEAL, "predicate", p),
                 e);
}

int seal_read(const json_t *statement, struct seal_record *out, struct err *e) {
    const json_t *p;
    struct seal_record r;
    if (type_in(statement, STATEMENT_SEAL, &p, e) < 0 || seal_fields(p, &r, e) < 0 ||
        key_in(p, "gateway", &r.gateway_public_key, e) < 0 ||
        subject_is(statement, 0, NAME_OPEN_OBJECT, r.open.sha256, e) < 0 ||
        subject_is(statement, 1, NAME_LIST_OBJECT, r.list.sha256, e) < 0)
        return -1;
    *out = r;
    return 0;
}
