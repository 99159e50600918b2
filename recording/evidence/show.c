/* guac-evidence show: what is said about one recording, by whom, and what was done with it. It is
 * read, not proved: that is `verify`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/find.h"
#include "recording/evidence/print.h"
#include "recording/evidence/prove.h"
#include "recording/evidence/summary.h"

enum as { TEXT, NUMBER, TIME, LIST, YESNO };

static const struct row {
    const char *title, *path; /* members, one below the other */
    enum as as;
} rows[] = {
    { "recording", "prefix", TEXT },
    { "state", "state", TEXT },
    { "person", "open.person.name", TEXT },
    { "  subject", "open.person.sub", TEXT },
    { "  roles", "open.person.roles", LIST },
    { "  signed in by", "open.person.acr", TEXT },
    { "connection", "open.connection.name", TEXT },
    { "  namespace", "open.connection.namespace", TEXT },
    { "  version", "open.connection.resourceVersion", TEXT },
    { "protocol", "open.protocol", TEXT },
    { "target", "open.target", TEXT },
    { "keys typed", "open.recording.keys", TEXT },
    { "started", "open.start", TIME },
    { "ended", "seal.end", TIME },
    { "kept until", "open.retainUntil", TIME },
    { "duration, ms", "durationMs", NUMBER },
    { "reason", "seal.reason", TEXT },
    { "chunks", "seal.list.count", NUMBER },
    { "frames", "seal.frames", NUMBER },
    { "root", "seal.root", TEXT },
    { "opened by", "open.gateway.name", TEXT },
    { "  key", "open.gateway.keyid", TEXT },
    { "sealed by key", "seal.gateway.keyid", TEXT },
    { "sealed for", "seal.silent.gateway", TEXT },
    { "log: open", "log.open", NUMBER },
    { "log: seal", "log.seal", NUMBER },
    { "log: signed", "log.signed", NUMBER },
    { "held", "hold.on", YESNO },
    { "  since", "hold.at", TIME },
    { "  by", "hold.person.name", TEXT },
    { "  reason", "hold.reason", TEXT },
};

static const json_t *member(const json_t *o, const char *path) {
    char name[64];
    while (o && *path) {
        size_t n = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        o = json_object_get(o, name);
        path += n + (path[n] == '.');
    }
    return o;
}

static void print_row(const struct row *r, const json_t *value) {
    char when[32];
    size_t i;
    json_t *one;
    printf("%-16s", r->title);
    switch (r->as) {
    case TEXT:
        print_clean(json_is_string(value) ? json_string_value(value) : "", 0);
        break;
    case NUMBER:
        printf("%lld", (long long)json_integer_value(value));
        break;
    case YESNO:
        printf("%s", json_is_true(value) ? "yes" : "no");
        break;
    case TIME:
        clock_format((uint64_t)json_integer_value(value), when, sizeof when);
        printf("%s", when);
        break;
    case LIST:
        json_array_foreach(value, i, one) {
            printf("%s", i ? ", " : "");
            print_clean(json_is_string(one) ? json_string_value(one) : "", 0);
        }
        break;
    }
    putchar('\n');
}

static void print_access(const json_t *list) {
    size_t i;
    json_t *a;
    char when[32];
    json_array_foreach(list, i, a) {
        clock_format((uint64_t)json_num(a, "at", 0), when, sizeof when);
        printf("%-16s%s  ", json_str(a, "kind", ""), when);
        print_clean(json_str(json_object_get(a, "person"), "name", ""), 0);
        printf(" (leaf %lld)\n", (long long)json_num(a, "index", 0));
    }
}

/* The last word on a hold, from the leaves; absent: there never was one. */
static json_t *hold_of(const json_t *access) {
    json_t *hold = NULL;
    size_t i;
    json_t *a;
    json_array_foreach(access, i, a) {
        const json_t *detail = json_object_get(a, "range");
        if (strcmp(json_str(a, "kind", ""), "hold") != 0)
            continue;
        json_decref(hold);
        hold = json_pack("{s:b, s:s, s:I, s:O*}", "on", json_is_true(json_object_get(detail, "on")),
                         "reason", json_str(detail, "reason", ""), "at",
                         (json_int_t)json_num(a, "at", 0), "person", json_object_get(a, "person"));
    }
    return hold;
}

static json_t *index_of(const json_t *proof, const char *kind) {
    const json_t *at = member(proof, kind);
    return at ? json_integer(json_num(at, "index", -1)) : json_null();
}

/* Its place in the log and what the log tells of it. */
static int add_log(struct evidence *v, const char *session, json_t *out, struct err *e) {
    _free_ struct log *l = malloc(sizeof *l);
    if (!l)
        return err_set(e, 0, "no memory");
    log_init_reader(l, v->store, evidence_log_bucket(v));
    _json_ json_t *proof = prove_session(l, session, e);
    log_fini(l);
    if (!proof)
        return -1;
    const json_t *access = json_object_get(proof, "access");
    const json_t *size = member(proof, "checkpoint.size");
    json_object_set_new(out, "log",
                        json_pack("{s:o, s:o, s:O?}", "open", index_of(proof, "open"), "seal",
                                  index_of(proof, "seal"), "signed", size));
    json_t *hold = hold_of(access);
    json_object_set_new(out, "hold", hold ? hold : json_null());
    return json_object_set(out, "access", json_object_get(proof, "access"));
}

static json_t *predicate(const json_t *statement) {
    json_t *p = json_object_get(statement, "predicate");
    return p ? json_incref(p) : json_null();
}

static json_t *describe(struct evidence *v, const struct found *f, struct err *e) {
    _json_ json_t *shown = summary_show(f->store, f->prefix, clock_wall_ms(), e);
    struct name_prefix p;
    if (!shown)
        return NULL;
    json_t *out = json_pack("{s:s, s:s, s:I, s:o, s:o}", "prefix", f->prefix, "state",
                            json_str(shown, "state", ""), "durationMs",
                            (json_int_t)json_num(shown, "durationMs", 0), "open",
                            predicate(json_object_get(shown, "open")), "seal",
                            predicate(json_object_get(shown, "seal")));
    /* A copy in a folder has no log beside it. */
    if (out && f->store == v->store && name_prefix_parse(f->prefix, &p) &&
        add_log(v, p.session, out, e) < 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

int command_show(struct evidence *v, char **words, size_t count, struct err *e) {
    struct found f = { 0 };
    if (count != 1) {
        err_set(e, 0, "show what? One recording: a prefix, an id, or a folder");
        return 2;
    }
    _json_ json_t *o =
        find_recording(words[0], v->store, v->tree, &f, e) == 0 ? describe(v, &f, e) : NULL;
    found_fini(&f);
    if (!o)
        return 2;
    if (v->config->json)
        return print_json(o, e) < 0 ? 2 : 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const json_t *value = member(o, rows[i].path);
        if (value && !json_is_null(value))
            print_row(&rows[i], value);
    }
    print_access(json_object_get(o, "access"));
    return 0;
}
