/* Metadata by hand, spec and status by rows; then what no row can say. */
#include "crd/resource.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crd/connection.h"
#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

static const struct schema nothing = { 0 };

static void *body(struct resource *r) {
    return (char *)r + resource_types[r->kind].offset;
}

static const struct schema *status_of(const struct resource *r) {
    const struct schema *s = resource_types[r->kind].status;
    return s ? s : &nothing;
}

enum resource_kind resource_kind_of(const char *kind) {
    int k = 0;
    while (k < RESOURCE_KINDS && strcmp(resource_types[k].kind, kind) != 0)
        k++;
    return (enum resource_kind)k;
}

/* ---- rules beyond one row -------------------------------------------------------------------- */

static void check_person(const struct person *p, const struct field *spec, const char *key) {
    if (json_is_object(json_object_get(spec->object, key)) && !p->sub && !p->username)
        field_error(spec, key, "needs a sub, or the username of who came by kubectl");
}

static void check_lock(const struct lock *l, const struct field *spec) {
    int said = !!l->sid + !!l->sub + !!l->connection + !!l->session;
    if (said != 1)
        field_error(spec, NULL, "sid, sub, connection and session: say exactly one of them");
}

static void check(struct resource *r, const struct field *spec) {
    switch (r->kind) {
    case RESOURCE_REQUEST:
        check_person(&r->request.requester, spec, "requester");
        break;
    case RESOURCE_APPROVAL:
        check_person(&r->approval.approver, spec, "approver");
        if (r->approval.decision == APPROVAL_APPROVE && !r->approval.as)
            field_error(spec, "as", "is missing: for which of the listed names?");
        break;
    case RESOURCE_SESSION:
        check_person(&r->session.owner, spec, "owner");
        if (!schema_uuid.check(r->name))
            field_error(&(struct field){ .errors = r->errors, .path = "metadata" }, "name",
                        "must be the session's id");
        break;
    case RESOURCE_LOCK:
        check_lock(&r->lock, spec);
        break;
    case RESOURCE_KINDS:
        break;
    }
}

/* ---- reading and writing --------------------------------------------------------------------- */

static void read_metadata(struct resource *r, const struct field *root) {
    struct field meta;
    uint64_t ms = 0;
    field_object(root, "metadata", true, &meta);
    r->name = field_string(&meta, "name", meta.object != NULL, 253);
    if (r->name && !field_is_subdomain(r->name))
        field_error(&meta, "name", "must be small letters, digits, dots and hyphens");
    r->namespace = field_string(&meta, "namespace", false, 63);
    if (r->namespace && !field_is_label(r->namespace))
        field_error(&meta, "namespace", "must be small letters, digits and hyphens, 63 at most");
    r->uid = field_string(&meta, "uid", false, 64);
    r->version = field_string(&meta, "resourceVersion", false, 64);
    _free_ char *created = field_string(&meta, "creationTimestamp", false, 40);
    if (created && clock_parse(created, &ms) == 0)
        r->created = (int64_t)ms;
    r->metadata = meta.object ? json_deep_copy(meta.object) : json_object();
    json_object_del(r->metadata, "managedFields");
    if (!r->name)
        r->name = strdup("");
    if (!r->namespace)
        r->namespace = strdup("default");
}

struct resource *resource_read(enum resource_kind kind, const json_t *document,
                               const char *source) {
    struct field root, spec, status;
    struct resource *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->refs = 1;
    r->kind = kind;
    r->errors = json_array();
    r->source = strdup(source);
    field_root(&root, document, r->errors);
    if (strcmp(json_str(document, "apiVersion", ""), CRD_VERSION) != 0)
        field_error(&root, "apiVersion", "must be %s", CRD_VERSION);
    if (strcmp(json_str(document, "kind", ""), resource_types[kind].kind) != 0)
        field_error(&root, "kind", "must be %s", resource_types[kind].kind);
    field_only(&root, "apiVersion|kind|metadata|spec|status");
    read_metadata(r, &root);
    if (field_object(&root, "spec", true, &spec))
        schema_read(resource_types[kind].spec, &spec, body(r));
    else
        schema_read(resource_types[kind].spec, &(struct field){ .errors = r->errors }, body(r));
    field_object(&root, "status", false, &status);
    schema_read(status_of(r), &status, body(r));
    if (spec.object)
        check(r, &spec);
    if (r->errors && r->source && r->name && r->namespace && r->metadata)
        return r;
    resource_unref(r);
    return NULL;
}

json_t *resource_write(const struct resource *r) {
    struct resource *mine = (struct resource *)(uintptr_t)r;
    char created[32];
    json_t *meta = r->metadata ? json_deep_copy(r->metadata) : json_object();
    int bad = json_object_set_new(meta, "name", json_string(r->name)) |
              json_object_set_new(meta, "namespace", json_string(r->namespace));
    if (r->uid)
        bad |= json_object_set_new(meta, "uid", json_string(r->uid));
    if (r->version)
        bad |= json_object_set_new(meta, "resourceVersion", json_string(r->version));
    if (r->created) {
        clock_format((uint64_t)r->created / 1000 * 1000, created, sizeof created);
        bad |= json_object_set_new(meta, "creationTimestamp", json_string(created));
    }
    json_t *doc = json_pack("{s:s, s:s, s:o, s:o*}", "apiVersion", CRD_VERSION, "kind",
                            resource_types[r->kind].kind, "metadata", meta, "spec",
                            schema_write(resource_types[r->kind].spec, body(mine)));
    json_t *status = schema_write(status_of(r), body(mine));
    if (status && json_object_size(status) && r->version)
        bad |= json_object_set_new(doc, "status", status);
    else
        json_decref(status);
    if (doc && json_object_get(doc, "spec") && !bad)
        return doc;
    json_decref(doc);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct resource *resource_new(enum resource_kind kind, const char *namespace, const char *name) {
    struct field absent = { 0 };
    struct resource *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->refs = 1;
    r->kind = kind;
    r->namespace = strdup(namespace);
    r->name = strdup(name);
    r->source = strdup("new");
    r->errors = json_array();
    r->metadata = json_object();
    schema_read(resource_types[kind].spec, &absent, body(r));
    schema_read(status_of(r), &absent, body(r));
    if (r->namespace && r->name && r->source && r->errors && r->metadata)
        return r;
    resource_unref(r);
    return NULL;
}

void resource_text(char **member, const char *value) {
    char *copy = value && *value ? strdup(value) : NULL;
    free(*member);
    *member = copy;
}

/* By its own document: what a reader would see, with room of its own. */
struct resource *resource_copy(const struct resource *r) {
    _json_ json_t *doc = resource_write(r);
    return doc ? resource_read(r->kind, doc, r->source) : NULL;
}

struct resource *resource_ref(struct resource *r) {
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void resource_unref(struct resource *r) {
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    schema_free(resource_types[r->kind].spec, body(r));
    schema_free(status_of(r), body(r));
    char *texts[] = { r->namespace, r->name, r->uid, r->version, r->source };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    json_decref(r->metadata);
    json_decref(r->errors);
    free(r);
}
