/* Which tables make a protocol, and one connection's values. What is set is checked against its row
 * at once, so readers need not look twice. */
#include "guacd/proto/args.h"

#include "guacd/base/enc.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/args_tables.h"
#include "guacd/proto/instr.h"
#include "guacd/proto/status.h"

#define PROTOCOL(var, text, port, ...) \
    static const struct arg_table *const var##_tables[] = { __VA_ARGS__, NULL }; \
    static const struct protocol var = { text, var##_tables, port }

PROTOCOL(ssh, "ssh", 22, &args_ssh, &args_terminal, &args_common, &args_gateway);
PROTOCOL(vnc, "vnc", 5900, &args_vnc, &args_sftp, &args_common, &args_gateway);
PROTOCOL(rdp, "rdp", 3389, &args_rdp, &args_sftp, &args_common, &args_gateway);
PROTOCOL(kubernetes, "kubernetes", 8080, &args_kubernetes, &args_terminal, &args_common,
         &args_gateway);
PROTOCOL(demo, "demo", 0, &args_demo, &args_common, &args_gateway);

const struct protocol *const protocols[] = { &ssh, &vnc, &rdp, &kubernetes, &demo, NULL };

const struct protocol *protocol_find(const char *name) {
    for (size_t i = 0; protocols[i]; i++)
        if (strcmp(protocols[i]->name, name) == 0)
            return protocols[i];
    return NULL;
}

const struct arg_spec *protocol_arg(const struct protocol *p, size_t i) {
    for (size_t t = 0; p->tables[t]; i -= p->tables[t++]->count)
        if (i < p->tables[t]->count)
            return &p->tables[t]->rows[i];
    return NULL;
}

const struct arg_spec *protocol_arg_find(const struct protocol *p, const char *name,
                                         size_t *index) {
    size_t before = 0;
    for (size_t t = 0; p->tables[t]; before += p->tables[t++]->count)
        for (size_t i = 0; i < p->tables[t]->count; i++)
            if (strcmp(p->tables[t]->rows[i].name, name) == 0) {
                if (index)
                    *index = before + i;
                return &p->tables[t]->rows[i];
            }
    return NULL;
}

/* ---- values ------------------------------------------------------------------------------------
 */

struct args {
    const struct protocol *protocol;
    bool wiped;
    size_t count;
    struct secret values[]; /* data NULL: unset */
};

/* A secret has pages of its own; a hundred other rows must not. Those are wiped as well, since
 * users put secrets where none belong (a command, say). */
static void value_fini(const struct arg_spec *row, struct secret *v) {
    if (row->flags & ARG_SECRET) {
        secret_fini(v);
        return;
    }
    if (v->data)
        secret_wipe(v->data, v->len);
    free(v->data);
    *v = (struct secret){ 0 };
}

static int value_set(const struct arg_spec *row, struct secret *v, struct slice s) {
    if (row->flags & ARG_SECRET)
        return secret_set(v, s.data, s.len);
    char *copy = malloc(s.len + 1);
    if (!copy)
        return -1;
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    value_fini(row, v);
    *v = (struct secret){ copy, s.len };
    return 0;
}

struct args *args_new(const struct protocol *p) {
    size_t n = 0;
    for (size_t t = 0; p->tables[t]; t++)
        n += p->tables[t]->count;
    struct args *a = calloc(1, sizeof(*a) + n * sizeof(a->values[0]));
    if (a) {
        a->protocol = p;
        a->count = n;
    }
    return a;
}

void args_free(struct args *a) {
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        value_fini(protocol_arg(a->protocol, i), &a->values[i]);
    free(a);
}

void args_wipe_secrets(struct args *a) {
    for (size_t i = 0; i < a->count; i++)
        if (protocol_arg(a->protocol, i)->flags & ARG_SECRET)
            secret_fini(&a->values[i]);
    a->wiped = true;
}

const struct protocol *args_protocol(const struct args *a) {
    return a->protocol;
}

/* -1: neither. */
static int to_bool(struct slice s) {
    static const char *const words[][4] = { { "false", "no", "off", "0" },
                                            { "true", "yes", "on", "1" } };
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < ARRAY_LEN(words[v]); i++)
            if (slice_is(s, words[v][i]))
                return v;
    return -1;
}

static bool in_choices(const char *choices, struct slice s) {
    for (const char *c = choices;; c++) {
        size_t n = strcspn(c, "|");
        if (n == s.len && memcmp(c, s.data, n) == 0)
            return true;
        c += n;
        if (!*c)
            return false;
    }
}

static bool refuse(const struct arg_spec *row, struct err *e, const char *want) {
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "parameter %s is %s", row->name, want);
    return false;
}

static bool text_right(const struct arg_spec *row, struct slice s, struct err *e) {
    if (utf8_count(s.data, s.len) < 0)
        return refuse(row, e, "not UTF-8");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == 0 || (row->type != ARG_TEXT && (c < 0x20 || c == 0x7F)))
            return refuse(row, e, "not a single line of text: it holds a control character");
    }
    return true;
}

/* Is it a value for this row? */
static bool right(const struct arg_spec *row, struct slice s, struct err *e) {
    char want[160];
    int64_t v;
    switch (row->type) {
    case ARG_BOOL:
        return to_bool(s) >= 0 || refuse(row, e, "neither true nor false");
    case ARG_INT:
        if (instr_to_int(s, row->min, row->max, &v))
            return true;
        snprintf(want, sizeof(want), "no whole number from %ld to %ld", row->min, row->max);
        return refuse(row, e, want);
    case ARG_ENUM:
        if (in_choices(row->choices, s))
            return true;
        snprintf(want, sizeof(want), "none of %s", row->choices);
        return refuse(row, e, want);
    case ARG_STRING:
    case ARG_TEXT:
        break;
    }
    return text_right(row, s, e);
}

bool args_set(struct args *a, const char *name, const char *value, size_t len, struct err *e) {
    size_t i;
    const struct arg_spec *row = protocol_arg_find(a->protocol, name, &i);
    if (!row) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s has no parameter %s", a->protocol->name, name);
        return false;
    }
    struct slice s = { value, len };
    if (!len) {
        value_fini(row, &a->values[i]);
        return true;
    }
    if (!right(row, s, e))
        return false;
    if (value_set(row, &a->values[i], s) < 0) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for parameter %s", name);
        return false;
    }
    return true;
}

static const struct secret *find(const struct args *a, const char *name,
                                 const struct arg_spec **row) {
    size_t i;
    *row = protocol_arg_find(a->protocol, name, &i);
    if (!*row)
        abort();
    return &a->values[i];
}

bool args_is_set(const struct args *a, const char *name) {
    const struct arg_spec *row;
    return find(a, name, &row)->data != NULL;
}

const char *args_str(const struct args *a, const char *name) {
    const struct arg_spec *row;
    const struct secret *v = find(a, name, &row);
    return v->data ? v->data : a->wiped && (row->flags & ARG_SECRET) ? "" : row->def;
}

long args_int(const struct args *a, const char *name) {
    return strtol(args_str(a, name), NULL, 10);
}

bool args_bool(const struct args *a, const char *name) {
    const char *s = args_str(a, name);
    return to_bool((struct slice){ s, strlen(s) }) == 1;
}
