/* Lenient to strangers' fields, strict about the two rules that are ours. What can be read of a
 * wrong policy still counts: a slip must not open what it guards. */
#include "crd/environment.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crd/connection.h"
#include "crd/field.h"
#include "guacd/base/json.h"

static void read_rules(struct environment_policy *p, const struct field *spec) {
    json_t *rules = spec->object ? json_object_get(spec->object, "rules") : NULL, *rule;
    size_t i;
    if (!json_is_array(rules)) {
        field_error(spec, "rules", "must be a list");
        return;
    }
    json_array_foreach(rules, i, rule) {
        const char *kind = json_str(rule, "kind", NULL);
        if (!kind)
            field_error(spec, "rules", "entry %zu has no kind", i + 1);
        else if (strcmp(kind, "recording-required") == 0)
            p->recording_required = true;
        else if (strcmp(kind, "jit-required") == 0)
            p->jit_required = true;
        else if (strcmp(kind, "pods-without-jit") == 0)
            p->pods_without_jit = true;
    }
}

struct environment_policy *environment_read(const json_t *resource, const char *source) {
    struct field root, meta, spec, applies;
    struct environment_policy *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->refs = 1;
    p->errors = json_array();
    p->source = strdup(source);
    field_root(&root, resource, p->errors);
    const char *version = json_str(resource, "apiVersion", "");
    if (strncmp(version, CRD_GROUP "/", strlen(CRD_GROUP) + 1) != 0)
        field_error(&root, "apiVersion", "must be of %s", CRD_GROUP);
    field_object(&root, "metadata", true, &meta);
    p->name = field_string(&meta, "name", meta.object != NULL, 253);
    if (!p->name)
        p->name = strdup("");
    field_object(&root, "spec", true, &spec);
    field_object(&spec, "appliesTo", true, &applies);
    p->environments = field_strings(&applies, "environments", applies.object != NULL);
    read_rules(p, &spec);
    if (p->errors && p->source && p->name && p->environments)
        return p;
    environment_unref(p);
    return NULL;
}

struct environment_policy *environment_ref(struct environment_policy *p) {
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void environment_unref(struct environment_policy *p) {
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    free(p->name);
    free(p->source);
    json_decref(p->environments);
    json_decref(p->errors);
    free(p);
}
