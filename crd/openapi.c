/* Rows become an OpenAPI v3 structural schema; the tree is then printed as YAML. Defaults are told
 * in descriptions instead of being stored: what an author did not say stays unsaid. */
#include "crd/openapi.h"

#include <stdio.h>
#include <string.h>

#include "crd/parameters.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/args.h"

#define EXACT_MAX (1L << 53) /* the API server compares as floating point */
#define ENTRY_MAX 255        /* bytes of a string in a list, as field_strings() */

/* ---- schema ---------------------------------------------------------------------------------- */

static json_t *choices_of(const char *choices) {
    json_t *list = json_array();
    for (size_t n; *choices; choices += n + (choices[n] == '|')) {
        n = strcspn(choices, "|");
        json_array_append_new(list, json_stringn(choices, n));
    }
    return list;
}

static void put_string(json_t *o, const struct schema_row *row, long max) {
    json_object_set_new(o, "type", json_string("string"));
    json_object_set_new(o, "minLength", json_integer(1));
    if (max)
        json_object_set_new(o, "maxLength", json_integer(max));
    if (row->format && row->format->pattern)
        json_object_set_new(o, "pattern", json_sprintf("^(%s)$", row->format->pattern));
    if (row->choices)
        json_object_set_new(o, "enum", choices_of(row->choices));
}

static json_t *schema_of(const struct schema_row *row);

static json_t *entry_of(const struct schema *s) {
    json_t *o = json_pack("{s:s, s:{}}", "type", "object", "properties");
    json_t *needed = json_array();
    for (size_t i = 0; i < s->count; i++) {
        json_object_set_new(json_object_get(o, "properties"), s->rows[i].path,
                            schema_of(&s->rows[i]));
        if (s->rows[i].flags & SCHEMA_NEEDED)
            json_array_append_new(needed, json_string(s->rows[i].path));
    }
    if (json_array_size(needed))
        json_object_set(o, "required", needed);
    json_decref(needed);
    return o;
}

static void put_list(json_t *o, const struct schema_row *row) {
    json_t *items = row->type == SCHEMA_LIST ? entry_of(&row->entry) : json_object();
    if (row->type == SCHEMA_TEXTS)
        put_string(items, row, row->flags & SCHEMA_HAND ? 4096 : ENTRY_MAX);
    json_object_set_new(o, "type", json_string("array"));
    json_object_set_new(o, "items", items);
    json_object_set_new(o, "maxItems", json_integer(row->max ? row->max : 64));
    if (row->flags & SCHEMA_NEEDED)
        json_object_set_new(o, "minItems", json_integer(1));
}

/* "Help. Default: full." */
static json_t *description(const struct schema_row *row) {
    const char *c = row->choices;
    if (row->type == SCHEMA_TEXT && row->text)
        return json_sprintf("%s Default: %s.", row->help, row->text);
    if (row->type == SCHEMA_BOOL)
        return json_sprintf("%s Default: %s.", row->help, row->def ? "true" : "false");
    if (row->type == SCHEMA_INT && row->def)
        return json_sprintf("%s Default: %ld.", row->help, row->def);
    if (row->type == SCHEMA_CHOICE && row->def >= 0 && !(row->flags & SCHEMA_NEEDED)) {
        for (long i = row->def; i > 0; i--)
            c += strcspn(c, "|") + 1;
        return json_sprintf("%s Default: %.*s.", row->help, (int)strcspn(c, "|"), c);
    }
    return json_string(row->help);
}

static json_t *schema_of(const struct schema_row *row) {
    json_t *o = json_pack("{s:o}", "description", description(row));
    switch (row->type) {
    case SCHEMA_OBJECT:
        json_object_set_new(o, "type", json_string("object"));
        json_object_set_new(o, "properties", json_object());
        break;
    case SCHEMA_OPEN:
        json_object_set_new(o, "type", json_string("object"));
        json_object_set_new(o, "x-kubernetes-preserve-unknown-fields", json_true());
        break;
    case SCHEMA_TEXT:
    case SCHEMA_CHOICE:
        put_string(o, row, row->type == SCHEMA_TEXT ? row->max : 0);
        break;
    case SCHEMA_INT:
        json_object_set_new(o, "type", json_string("integer"));
        json_object_set_new(o, "format", json_string("int64"));
        json_object_set_new(o, "minimum", json_integer(row->min));
        if (row->max <= EXACT_MAX)
            json_object_set_new(o, "maximum", json_integer(row->max));
        break;
    case SCHEMA_BOOL:
        json_object_set_new(o, "type", json_string("boolean"));
        break;
    case SCHEMA_TIME:
        json_object_set_new(o, "type", json_string("string"));
        json_object_set_new(o, "format", json_string("date-time"));
        break;
    case SCHEMA_TEXTS:
    case SCHEMA_LIST:
        put_list(o, row);
        break;
    }
    return o;
}

/* The schema at a path of properties. */
static json_t *at(json_t *o, const char *path) {
    char key[64];
    while (o && *path) {
        size_t n = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        o = json_object_get(json_object_get(o, "properties"), key);
        path += n + (path[n] == '.');
    }
    return o;
}

static void append_to(json_t *o, const char *key, json_t *value) {
    json_t *list = json_object_get(o, key);
    if (!list) {
        list = json_array();
        json_object_set_new(o, key, list);
    }
    json_array_append_new(list, value);
}

static json_t *tree_of(const struct schema *s, const char *help) {
    json_t *top =
        json_pack("{s:s, s:s, s:{}}", "type", "object", "description", help, "properties");
    for (size_t i = 0; i < s->count; i++) {
        const struct schema_row *row = &s->rows[i];
        const char *dot = strrchr(row->path, '.'), *key = dot ? dot + 1 : row->path;
        char parent[128] = "";
        if (dot)
            snprintf(parent, sizeof parent, "%.*s", (int)(dot - row->path), row->path);
        json_t *o = at(top, parent);
        json_object_set_new(json_object_get(o, "properties"), key, schema_of(row));
        if (row->flags & SCHEMA_NEEDED)
            append_to(o, "required", json_string(key));
    }
    return top;
}

/* ---- what only connections have -------------------------------------------------------------- */

/* Parameters that no author may set are known to the schema, so that a rule can refuse them before
 * a secret is stored. All others are left to the reader: which of them a protocol has, it says. */
static void put_parameters(json_t *spec) {
    json_t *o = at(spec, "parameters"), *properties = json_object();
    json_object_set_new(o, "properties", properties);
    for (size_t p = 0; protocols[p]; p++) {
        const struct arg_spec *row;
        for (size_t i = 0; (row = protocol_arg(protocols[p], i)); i++) {
            char refusal[128], name[160] = "", *to = name;
            if (json_object_get(properties, row->name) ||
                !parameters_refusal(row, refusal, sizeof refusal))
                continue;
            for (const char *c = row->name; *c && to < name + sizeof name - 9; c++)
                to += *c == '-' ? sprintf(to, "__dash__") : sprintf(to, "%c", *c);
            json_t *property = json_pack("{s:s}", "description", "Not taken here.");
            if (row->type == ARG_BOOL)
                json_object_set_new(property, "type", json_string("boolean"));
            else
                json_object_set_new(property, "x-kubernetes-int-or-string", json_true());
            json_object_set_new(properties, row->name, property);
            append_to(o, "x-kubernetes-validations",
                      json_pack("{s:o, s:o}", "rule", json_sprintf("!has(self.%s)", name),
                                "message", json_sprintf("%s: %s", row->name, refusal)));
        }
    }
}

static void put_protocols(json_t *spec) {
    json_t *o = at(spec, "protocol"), *list = json_array();
    for (size_t i = 0; protocols[i]; i++)
        json_array_append_new(list, json_string(protocols[i]->name));
    json_object_set_new(o, "enum", list);
}

/* ---- the definition -------------------------------------------------------------------------- */

/* Words past the path say what is unusual: the type, and that only -o wide shows it. */
static json_t *columns_of(const struct openapi_kind *k) {
    json_t *list = json_array();
    for (const char *line = k->columns; *line; line += strcspn(line, "\n") + 1) {
        char name[32], path[128], more[2][16] = { "", "" };
        if (sscanf(line, "%31s %127s%*[ ]%15[a-z]%*[ ]%15[a-z]", name, path, more[0], more[1]) < 2)
            return NULL;
        bool wide = strcmp(more[0], "wide") == 0 || strcmp(more[1], "wide") == 0;
        const char *type = *more[0] && strcmp(more[0], "wide") != 0 ? more[0] : "string";
        json_t *o = json_pack("{s:s, s:s, s:s}", "name", name, "type", type, "jsonPath", path);
        if (wide)
            json_object_set_new(o, "priority", json_integer(1));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *definition(const struct openapi_kind *k) {
    json_t *spec = tree_of(k->spec, "What its author wants.");
    if (k->spec == &connection_schema) {
        put_parameters(spec);
        put_protocols(spec);
    }
    json_t *top = json_pack("{s:s, s:s, s:[s, s], s:{s:{s:s}, s:{s:s}, s:{s:s}, s:o}}", "type",
                            "object", "description", k->help, "required", "metadata", "spec",
                            "properties", "apiVersion", "type", "string", "kind", "type", "string",
                            "metadata", "type", "object", "spec", spec);
    if (k->status)
        json_object_set_new(json_object_get(top, "properties"), "status",
                            tree_of(k->status, "What the gateway found; written by it only."));
    for (size_t i = 0; i < k->rule_count; i++)
        append_to(
            at(top, k->rules[i].path), "x-kubernetes-validations",
            json_pack("{s:s, s:s}", "rule", k->rules[i].rule, "message", k->rules[i].message));
    json_t *version = json_pack("{s:s, s:b, s:b, s:{s:o}, s:o}", "name", "v1alpha1", "served", true,
                                "storage", true, "schema", "openAPIV3Schema", top,
                                "additionalPrinterColumns", columns_of(k));
    if (k->status)
        json_object_set_new(version, "subresources", json_pack("{s:{}}", "status"));
    return json_pack(
        "{s:s, s:s, s:{s:o}, s:{s:s, s:s, s:{s:s, s:o, s:s, s:s, s:[s], s:[s]}, s:[o]}}",
        "apiVersion", "apiextensions.k8s.io/v1", "kind", "CustomResourceDefinition", "metadata",
        "name", json_sprintf("%s.%s", k->plural, CRD_GROUP), "spec", "group", CRD_GROUP, "scope",
        "Namespaced", "names", "kind", k->kind, "listKind", json_sprintf("%sList", k->kind),
        "plural", k->plural, "singular", k->singular, "shortNames", k->short_name, "categories",
        "guacamole", "versions", version);
}

/* ---- YAML ------------------------------------------------------------------------------------ */

static void indent(struct buf *out, int depth) {
    for (int i = 0; i < depth; i++)
        buf_puts(out, "  ");
}

static void put_scalar(const json_t *v, struct buf *out) {
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    buf_puts(out, text ? text : "null");
    free(text);
}

/* Block style; scalars and what is empty as JSON writes them. Depth is the schemas' own. */
static void put_yaml(const json_t *v, int depth, bool in_list, struct buf *out) {
    size_t i;
    json_t *child;
    bool first = in_list;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) {
            indent(out, depth);
            buf_puts(out, "- ");
            if (json_is_object(child) && json_object_size(child)) {
                put_yaml(child, depth + 1, true, out);
            } else {
                put_scalar(child, out);
                buf_putc(out, '\n');
            }
        }
        return;
    }
    void *object = (void *)(uintptr_t)v;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        child = json_object_iter_value(it);
        if (!first)
            indent(out, depth);
        first = false;
        buf_printf(out, "%s:", json_object_iter_key(it));
        bool nested = (json_is_object(child) && json_object_size(child)) ||
                      (json_is_array(child) && json_array_size(child));
        buf_putc(out, nested ? '\n' : ' ');
        if (nested) {
            put_yaml(child, depth + (json_is_object(child) ? 1 : 0), false, out);
        } else {
            put_scalar(child, out);
            buf_putc(out, '\n');
        }
    }
}

int openapi_crd(const struct openapi_kind *k, struct buf *out) {
    _json_ json_t *d = definition(k);
    if (!d)
        return -1;
    buf_puts(out, "# Made from the tables in crd/ by guac-crds; edit those.\n");
    put_yaml(d, 0, false, out);
    return out->failed ? -1 : 0;
}
