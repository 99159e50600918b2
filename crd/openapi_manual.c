/* The same rows for people: tables of docs/connections.md. */
#include <stdio.h>
#include <string.h>

#include "crd/openapi.h"
#include "crd/parameters.h"

static const char *type_name(const struct schema_row *row) {
    static const char *const names[] = {
        [SCHEMA_OBJECT] = "map", [SCHEMA_OPEN] = "map",           [SCHEMA_TEXT] = "text",
        [SCHEMA_INT] = "number", [SCHEMA_BOOL] = "true or false", [SCHEMA_CHOICE] = "choice",
        [SCHEMA_TIME] = "time",  [SCHEMA_TEXTS] = "list",         [SCHEMA_LIST] = "list of maps",
    };
    return names[row->type];
}

/* `a`, `b`, `c`: a bar would end the cell. */
static void put_choices(const char *choices, struct buf *out) {
    for (size_t n; *choices; choices += n + (choices[n] == '|')) {
        n = strcspn(choices, "|");
        buf_printf(out, "`%.*s`%s", (int)n, choices, choices[n] ? ", " : "");
    }
}

static void put_default(const struct schema_row *row, struct buf *out) {
    const char *c = row->choices;
    if (row->flags & SCHEMA_NEEDED)
        buf_puts(out, "needed");
    else if (row->type == SCHEMA_TEXT && row->text)
        buf_printf(out, "`%s`", row->text);
    else if (row->type == SCHEMA_BOOL)
        buf_puts(out, row->def ? "true" : "false");
    else if (row->type == SCHEMA_INT && row->def)
        buf_printf(out, "%ld", row->def);
    else if (row->type == SCHEMA_CHOICE && row->def >= 0) {
        for (long i = row->def; i > 0; i--)
            c += strcspn(c, "|") + 1;
        buf_printf(out, "`%.*s`", (int)strcspn(c, "|"), c);
    }
}

static void put_rows(const struct schema *s, const char *prefix, struct buf *out) {
    for (size_t i = 0; i < s->count; i++) {
        const struct schema_row *row = &s->rows[i];
        buf_printf(out, "| `%s%s` | ", prefix, row->path);
        if (row->type == SCHEMA_INT && row->max < __LONG_MAX__)
            buf_printf(out, "%ld…%ld", row->min, row->max);
        else if (row->choices)
            put_choices(row->choices, out);
        else
            buf_puts(out, type_name(row));
        buf_puts(out, " | ");
        put_default(row, out);
        buf_printf(out, " | %s |\n", row->help);
    }
}

int openapi_manual(const struct openapi_kind *k, struct buf *out) {
    buf_printf(out, "| %s | values | default | meaning |\n|---|---|---|---|\n", k->kind);
    put_rows(k->spec, "spec.", out);
    if (k->status)
        put_rows(k->status, "status.", out);
    return out->failed ? -1 : 0;
}

int openapi_parameters(const struct protocol *p, struct buf *out) {
    const struct arg_spec *row;
    char refusal[128];
    buf_printf(out, "| %s | values | default | meaning |\n|---|---|---|---|\n", p->name);
    for (size_t i = 0; (row = protocol_arg(p, i)); i++) {
        if (parameters_refusal(row, refusal, sizeof refusal))
            continue;
        buf_printf(out, "| `%s` | ", row->name);
        if (row->type == ARG_ENUM)
            put_choices(row->choices, out);
        else
            buf_puts(out, row->type == ARG_BOOL  ? "true or false"
                          : row->type == ARG_INT ? "number"
                                                 : "text");
        buf_printf(out, " | %s%s%s | %s |\n", *row->def ? "`" : "", row->def, *row->def ? "`" : "",
                   row->help);
    }
    return out->failed ? -1 : 0;
}
