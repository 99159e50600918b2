/* Rows decide; the few parameters that have a field of their own are refused by name, so that a
 * connection never says two things. */
#include "crd/parameters.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/err.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

/* parameter -> the field that says it */
static const struct {
    const char *parameter, *field;
} own_fields[] = {
    { "hostname", "spec.hostname" },
    { "port", "spec.port" },
    { "disable-copy", "spec.clipboard" },
    { "disable-paste", "spec.clipboard" },
    { "disable-download", "spec.files" },
    { "disable-upload", "spec.files" },
    { "sftp-disable-download", "spec.files" },
    { "sftp-disable-upload", "spec.files" },
    { "host-key", "spec.hostKey" },
    { "impersonate-user", "spec.credentials" },
    { "impersonate-groups", "spec.credentials" },
    { "impersonate-uid", "spec.credentials" },
    { "impersonate-extra", "spec.credentials" },
};

static const char *own_field(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(own_fields); i++)
        if (strcmp(own_fields[i].parameter, name) == 0)
            return own_fields[i].field;
    return NULL;
}

/* Scalars as text; NULL for others. */
static json_t *as_text(const json_t *v) {
    char text[64];
    if (json_is_string(v))
        return json_string(json_string_value(v));
    if (json_is_boolean(v))
        return json_string(json_is_true(v) ? "true" : "false");
    if (json_is_integer(v))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(text, sizeof text, "%.17g", json_real_value(v));
    else
        return NULL;
    return json_string(text);
}

const char *parameters_refusal(const struct arg_spec *row, char *out, size_t size) {
    const char *field = own_field(row->name);
    if (field)
        snprintf(out, size, "is said by %s", field);
    else if (row->flags & ARG_SECRET)
        snprintf(out, size, "is a secret: it comes by spec.credentials only");
    else if (row->flags & ARG_LOCAL)
        snprintf(out, size, "names something on the gateway's own machine and is not taken here");
    else if (row->flags & ARG_GATEWAY)
        snprintf(out, size, "is the gateway's own and is not taken here");
    else
        return NULL;
    return out;
}

static void read_one(const struct field *f, const struct protocol *p, struct args *scratch,
                     const char *name, const json_t *value, json_t *out) {
    const struct arg_spec *row = protocol_arg_find(p, name, NULL);
    char refusal[128];
    struct err e = { 0 };
    if (!row) {
        field_error(f, name, "%s knows no such parameter", p->name);
        return;
    }
    if (parameters_refusal(row, refusal, sizeof refusal)) {
        field_error(f, name, "%s", refusal);
        return;
    }
    _json_ json_t *text = as_text(value);
    if (!text)
        field_error(f, name, "must be a string, a number, true or false");
    else if (!args_set(scratch, name, json_string_value(text), json_string_length(text), &e))
        field_error(f, name, "%s", e.text);
    else
        json_object_set(out, name, text);
}

json_t *parameters_read(const struct field *spec, const struct protocol *p) {
    struct field f;
    json_t *out = json_object();
    if (!field_object(spec, "parameters", false, &f) || !p)
        return out;
    struct args *scratch = args_new(p);
    if (!scratch) {
        field_error(&f, NULL, "no memory to check them");
        return out;
    }
    void *object = (void *)(uintptr_t)f.object;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
        read_one(&f, p, scratch, json_object_iter_key(it), json_object_iter_value(it), out);
    args_free(scratch);
    return out;
}

json_t *parameters_redact(const json_t *spec, const struct protocol *p) {
    json_t *copy = json_deep_copy(spec);
    json_t *parameters = json_object_get(copy, "parameters"), *value;
    const char *name;
    if (json_is_object(parameters))
        json_object_foreach(parameters, name, value) {
            /* A name no table knows may be a misspelt secret. */
            const struct arg_spec *row = p ? protocol_arg_find(p, name, NULL) : NULL;
            if (!row || row->flags & ARG_SECRET)
                json_object_set_new(parameters, name, json_string("redacted"));
        }
    return copy;
}

bool parameters_secret_may(const struct protocol *p, const char *name) {
    const struct arg_spec *row = protocol_arg_find(p, name, NULL);
    if (!row || row->flags & (ARG_LOCAL | ARG_GATEWAY | ARG_HOST))
        return false;
    static const char *const with_it[] = { "username", "domain", "client-cert", "public-key" };
    for (size_t i = 0; i < ARRAY_LEN(with_it); i++)
        if (strcmp(name, with_it[i]) == 0)
            return true;
    return row->flags & ARG_SECRET;
}
