/* See usermap.h. expat reads; what it meets is held against a table of elements. */
#include "deploy/import/usermap.h"

#include <expat.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

enum element { NONE, MAPPING, AUTHORIZE, GROUP, CONNECTION, PROTOCOL, PARAM };

struct reader {
    XML_Parser parser;
    struct err *e;
    bool failed;
    json_t *users, *connections, *notes;
    enum element open[USERMAP_DEPTH_MAX];
    size_t depth, skipped; /* skipped: open elements that are left out with what is in them */
    char user[USERMAP_NAME_MAX + 1], group[USERMAP_NAME_MAX + 1], name[USERMAP_NAME_MAX + 1];
    size_t group_depth, users_without_name;
    json_t *now; /* the connection being read, borrowed */
    struct buf text;
    char param[USERMAP_NAME_MAX + 1];
};

static long line_of(struct reader *r) {
    return (long)XML_GetCurrentLineNumber(r->parser);
}

__attribute__((format(printf, 2, 3))) static void fail(struct reader *r, const char *fmt, ...) {
    char text[ERR_TEXT_MAX - 32];
    va_list ap;
    if (r->failed)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(r->e, 0, "line %ld: %s", line_of(r), text);
    r->failed = true;
    XML_StopParser(r->parser, XML_FALSE);
}

__attribute__((format(printf, 2, 3))) static void note(struct reader *r, const char *fmt, ...) {
    char text[512];
    va_list ap;
    if (json_array_size(r->notes) >= USERMAP_NOTES_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *what = json_string(text); /* NULL where it was cut inside of a letter */
    json_array_append_new(r->notes, json_pack("{s:I, s:o}", "line", (json_int_t)line_of(r), "text",
                                              what ? what : json_string("something was left out")));
}

/* An attribute's value, "" when it is not there. */
static const char *attribute(const char *const *list, const char *name) {
    for (; list[0]; list += 2)
        if (strcmp(list[0], name) == 0)
            return list[1];
    return "";
}

static bool keep_name(struct reader *r, char out[USERMAP_NAME_MAX + 1], const char *text,
                      const char *what) {
    if (strlen(text) > USERMAP_NAME_MAX) {
        fail(r, "the name of a %s is longer than %d bytes", what, USERMAP_NAME_MAX);
        return false;
    }
    snprintf(out, USERMAP_NAME_MAX + 1, "%s", text);
    return true;
}

/* ---- elements -------------------------------------------------------------------------------- */

static void open_connection(struct reader *r, const char *name) {
    if (json_array_size(r->connections) >= USERMAP_CONNECTIONS_MAX) {
        fail(r, "more than %d connections", USERMAP_CONNECTIONS_MAX);
        return;
    }
    char title[2 * USERMAP_NAME_MAX + 8];
    snprintf(title, sizeof title, "%s%s%s", r->group, *r->group && *name ? " / " : "", name);
    r->now = json_pack("{s:s, s:s, s:s, s:I, s:[]}", "user", r->user, "name", title, "protocol", "",
                       "line", (json_int_t)line_of(r), "parameters");
    if (!r->now || json_array_append_new(r->connections, r->now))
        fail(r, "no memory");
}

/* Parameters that stand directly in <authorize> make one connection of the user's. */
static json_t *connection_now(struct reader *r) {
    if (!r->now && !r->failed)
        open_connection(r, "");
    return r->failed ? NULL : r->now;
}

static void open_mapping(struct reader *r, const char *const *list) {
    (void)r;
    (void)list;
}

static void open_authorize(struct reader *r, const char *const *list) {
    const char *encoding = attribute(list, "encoding");
    r->now = NULL;
    r->group[0] = '\0';
    if (!keep_name(r, r->user, attribute(list, "username"), "user"))
        return;
    if (!*r->user)
        note(r, "an <authorize> without username: who may use its connections is not said");
    if (strlen(encoding) > 32)
        encoding = "unknown";
    json_array_append_new(r->users, json_pack("{s:s, s:s, s:I}", "name", r->user, "encoding",
                                              *encoding ? encoding : "plain", "line",
                                              (json_int_t)line_of(r)));
}

static void open_group(struct reader *r, const char *const *list) {
    if (keep_name(r, r->group, attribute(list, "name"), "group"))
        r->group_depth = r->depth;
    note(r, "there are no connection groups: those in group '%.200s' have its name in their title",
         r->group);
}

static void open_named(struct reader *r, const char *const *list) {
    if (keep_name(r, r->name, attribute(list, "name"), "connection"))
        open_connection(r, r->name);
}

static void open_text(struct reader *r, const char *const *list) {
    buf_clear(&r->text);
    keep_name(r, r->param, attribute(list, "name"), "parameter");
}

static void close_protocol(struct reader *r) {
    json_t *c = connection_now(r);
    const char *text = buf_str(&r->text);
    if (c && text && strlen(text) <= 32)
        json_object_set_new(c, "protocol", json_string(text));
    else if (c)
        fail(r, "a protocol's name is longer than 32 bytes");
}

static void close_param(struct reader *r) {
    json_t *c = connection_now(r), *list = json_object_get(c, "parameters");
    if (!c)
        return;
    if (!*r->param)
        note(r, "a <param> without a name");
    else if (json_array_size(list) >= USERMAP_PARAMETERS_MAX)
        fail(r, "more than %d parameters", USERMAP_PARAMETERS_MAX);
    else
        json_array_append_new(
            list, json_pack("[s, s%]", r->param, r->text.data ? r->text.data : "", r->text.len));
}

static void close_connection(struct reader *r) {
    r->now = NULL;
}

static void close_group(struct reader *r) {
    r->group[0] = '\0';
}

static const struct {
    const char *name;
    enum element element;
    unsigned inside; /* bits of the elements that it may stand in */
    void (*open)(struct reader *r, const char *const *list);
    void (*close)(struct reader *r);
} elements[] = {
    { "user-mapping", MAPPING, 1u << NONE, open_mapping, NULL },
    { "authorize", AUTHORIZE, 1u << MAPPING, open_authorize, close_connection },
    { "group", GROUP, 1u << AUTHORIZE, open_group, close_group },
    { "connection", CONNECTION, 1u << AUTHORIZE | 1u << GROUP, open_named, close_connection },
    { "protocol", PROTOCOL, 1u << AUTHORIZE | 1u << CONNECTION, open_text, close_protocol },
    { "param", PARAM, 1u << AUTHORIZE | 1u << CONNECTION, open_text, close_param },
};

static void XMLCALL on_start(void *arg, const char *name, const char **list) {
    struct reader *r = arg;
    if (r->failed)
        return;
    if (r->skipped || r->depth == USERMAP_DEPTH_MAX) {
        if (++r->skipped > 1000)
            fail(r, "nested too deep");
        return;
    }
    enum element parent = r->depth ? r->open[r->depth - 1] : NONE;
    for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
        if (strcmp(elements[i].name, name) != 0 || !(elements[i].inside & 1u << parent))
            continue;
        r->open[r->depth++] = elements[i].element;
        elements[i].open(r, (const char *const *)list);
        return;
    }
    if (!r->depth)
        fail(r, "this is no user-mapping.xml: it begins with <%.60s>", name);
    else
        note(r, "<%.60s> is no part of a user-mapping.xml here; it was left out with what is in it",
             name);
    r->skipped = 1;
}

static void XMLCALL on_end(void *arg, const char *name) {
    struct reader *r = arg;
    (void)name;
    if (r->failed)
        return;
    if (r->skipped) {
        r->skipped--;
        return;
    }
    enum element e = r->open[--r->depth];
    for (size_t i = 0; i < ARRAY_LEN(elements); i++)
        if (elements[i].element == e && elements[i].close)
            elements[i].close(r);
}

static void XMLCALL on_text(void *arg, const char *text, int len) {
    struct reader *r = arg;
    enum element e = r->depth ? r->open[r->depth - 1] : NONE;
    if (!r->failed && !r->skipped && (e == PARAM || e == PROTOCOL) &&
        buf_add(&r->text, text, (size_t)len))
        fail(r, "a value is longer than %d bytes", USERMAP_VALUE_MAX);
}

/* Entities, external and internal, need a document type first. */
static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int internal) {
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    fail(arg, "a document type (<!DOCTYPE …>) is not taken, nor the entities it could declare");
}

json_t *usermap_parse(const char *text, size_t len, struct err *e) {
    struct reader r = { .e = e };
    json_t *out = NULL;
    if (len > USERMAP_BYTES_MAX) {
        err_set(e, 0, "larger than %zu bytes", USERMAP_BYTES_MAX);
        return NULL;
    }
    r.parser = XML_ParserCreate(NULL);
    r.users = json_array();
    r.connections = json_array();
    r.notes = json_array();
    buf_init(&r.text, USERMAP_VALUE_MAX);
    r.text.secret = true;
    if (!r.parser || !r.users || !r.connections || !r.notes) {
        err_set(e, 0, "no memory");
        r.failed = true;
    } else {
        XML_SetUserData(r.parser, &r);
        XML_SetElementHandler(r.parser, on_start, on_end);
        XML_SetCharacterDataHandler(r.parser, on_text);
        XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
        if (XML_Parse(r.parser, text, (int)len, XML_TRUE) != XML_STATUS_OK)
            fail(&r, "%s", XML_ErrorString(XML_GetErrorCode(r.parser)));
    }
    if (!r.failed)
        out = json_pack("{s:O, s:O, s:O}", "users", r.users, "connections", r.connections, "notes",
                        r.notes);
    json_decref(r.users);
    json_decref(r.connections);
    json_decref(r.notes);
    buf_wipe(&r.text);
    if (r.parser)
        XML_ParserFree(r.parser);
    return out;
}
