/* libyaml's events, built into jansson trees on an explicit stack. */
#include "crd/yamldoc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct frame {
    json_t *node; /* object or array being filled; owned until attached */
    char *key;    /* object: key waiting for its value */
    char *anchor;
};

struct reader {
    yaml_parser_t parser;
    struct frame stack[YAMLDOC_DEPTH_MAX];
    size_t depth;
    json_t *root;    /* the finished document */
    json_t *anchors; /* name -> finished node */
    size_t nodes;    /* of this document */
    size_t bytes;    /* of all documents */
    struct err *e;
};

static int bad_at(struct reader *r, yaml_mark_t at, const char *what) {
    return err_set(r->e, STATUS_CLIENT_BAD_REQUEST, "line %zu, column %zu: %s", at.line + 1,
                   at.column + 1, what);
}

/* Nodes and scalar bytes of a finished tree, and how deep it goes. Recursion is bounded: no tree is
 * ever built deeper than YAMLDOC_DEPTH_MAX. */
static void weigh(const json_t *node, size_t *nodes, size_t *bytes, size_t *depth) {
    size_t deepest = 0;
    const char *key;
    json_t *child;
    size_t i;
    *nodes += 1;
    if (json_is_string(node)) {
        *bytes += json_string_length(node);
    } else if (json_is_object(node)) {
        void *it = json_object_iter((json_t *)(uintptr_t)node);
        for (; it; it = json_object_iter_next((json_t *)(uintptr_t)node, it)) {
            size_t d = 0;
            key = json_object_iter_key(it);
            *bytes += strlen(key);
            weigh(json_object_iter_value(it), nodes, bytes, &d);
            deepest = MAX_OF(deepest, d);
        }
        *depth = deepest + 1;
    } else if (json_is_array(node)) {
        json_array_foreach(node, i, child) {
            size_t d = 0;
            weigh(child, nodes, bytes, &d);
            deepest = MAX_OF(deepest, d);
        }
        *depth = deepest + 1;
    }
}

static int spend(struct reader *r, size_t nodes, size_t bytes, yaml_mark_t at) {
    r->nodes += nodes;
    r->bytes += bytes;
    if (r->nodes > YAMLDOC_NODES_MAX)
        return bad_at(r, at, "the document has too many values");
    if (r->bytes > YAMLDOC_EXPANDED_MAX)
        return bad_at(r, at, "the file is too large once its aliases are expanded");
    return 0;
}

/* Takes `node`, whatever happens. */
static int attach(struct reader *r, json_t *node, yaml_mark_t at) {
    _json_ json_t *held = node;
    if (!node)
        return bad_at(r, at, "not valid UTF-8, or no memory");
    if (r->depth == 0) {
        r->root = json_incref(held);
        return 0;
    }
    struct frame *f = &r->stack[r->depth - 1];
    if (json_is_array(f->node))
        return json_array_append(f->node, held) ? bad_at(r, at, "no memory") : 0;
    if (!f->key) {
        if (!json_is_string(held))
            return bad_at(r, at, "a key must be a plain word or a string");
        f->key = strdup(json_string_value(held));
        return f->key ? 0 : bad_at(r, at, "no memory");
    }
    if (json_object_get(f->node, f->key))
        return bad_at(r, at, "a key is given twice");
    int rc = json_object_set(f->node, f->key, held);
    free(f->key);
    f->key = NULL;
    return rc ? bad_at(r, at, "a key is not valid UTF-8, or no memory") : 0;
}

static int remember(struct reader *r, const char *anchor, json_t *node, yaml_mark_t at) {
    if (!anchor)
        return 0;
    if (json_object_size(r->anchors) >= YAMLDOC_ANCHORS_MAX)
        return bad_at(r, at, "the document has too many anchors");
    return json_object_set(r->anchors, anchor, node) ? bad_at(r, at, "an anchor cannot be kept")
                                                     : 0;
}

/* JSON's grammar of numbers: [-] (0 | [1-9][0-9]*) [.digits] [e[+-]digits]. */
static json_t *number(const char *s, size_t len) {
    size_t i = 0;
    bool real = false;
    if (i < len && s[i] == '-')
        i++;
    size_t first = i;
    while (i < len && s[i] >= '0' && s[i] <= '9')
        i++;
    if (i == first || (s[first] == '0' && i - first > 1))
        return NULL;
    if (i < len && s[i] == '.') {
        size_t d = ++i;
        while (i < len && s[i] >= '0' && s[i] <= '9')
            i++;
        if (i == d)
            return NULL;
        real = true;
    }
    if (i < len && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < len && (s[i] == '+' || s[i] == '-'))
            i++;
        size_t d = i;
        while (i < len && s[i] >= '0' && s[i] <= '9')
            i++;
        if (i == d)
            return NULL;
        real = true;
    }
    if (i != len || len > 64)
        return NULL;
    char text[65];
    memcpy(text, s, len);
    text[len] = '\0';
    errno = 0;
    if (real) {
        double d = strtod(text, NULL);
        return errno ? NULL : json_real(d);
    }
    long long n = strtoll(text, NULL, 10);
    return errno ? NULL : json_integer(n);
}

static json_t *plain(const char *s, size_t len) {
    static const struct {
        const char *word;
        int value; /* 0 false, 1 true, 2 null */
    } words[] = { { "true", 1 },  { "True", 1 },  { "TRUE", 1 }, { "false", 0 },
                  { "False", 0 }, { "FALSE", 0 }, { "null", 2 }, { "Null", 2 },
                  { "NULL", 2 },  { "~", 2 },     { "", 2 } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_is((struct slice){ s, len }, words[i].word))
            return words[i].value == 2 ? json_null() : json_boolean(words[i].value);
    json_t *n = number(s, len);
    return n ? n : json_stringn(s, len);
}

static int on_scalar(struct reader *r, const yaml_event_t *ev) {
    const char *s = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    const char *tag = (const char *)ev->data.scalar.tag;
    yaml_mark_t at = ev->start_mark;
    bool key =
        r->depth && json_is_object(r->stack[r->depth - 1].node) && !r->stack[r->depth - 1].key;

    if (memchr(s, '\0', len))
        return bad_at(r, at, "a value holds a NUL character");
    if (spend(r, 1, len, at))
        return -1;
    if (tag && strcmp(tag, YAML_STR_TAG) != 0)
        return bad_at(r, at, "tags other than !!str are not taken");
    bool is_plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;
    if (key && is_plain && slice_is((struct slice){ s, len }, "<<"))
        return bad_at(r, at, "merge keys (<<) are not taken: write the values out");
    json_t *node = key || !is_plain ? json_stringn(s, len) : plain(s, len);
    if (node && remember(r, (const char *)ev->data.scalar.anchor, node, at)) {
        json_decref(node);
        return -1;
    }
    return attach(r, node, at);
}

static int on_alias(struct reader *r, const yaml_event_t *ev) {
    json_t *node = json_object_get(r->anchors, (const char *)ev->data.alias.anchor);
    size_t nodes = 0, bytes = 0, depth = 0;
    if (!node)
        return bad_at(r, ev->start_mark, "an alias names no finished anchor");
    weigh(node, &nodes, &bytes, &depth);
    if (r->depth + depth > YAMLDOC_DEPTH_MAX)
        return bad_at(r, ev->start_mark, "nested too deep");
    if (spend(r, nodes, bytes, ev->start_mark))
        return -1;
    return attach(r, json_deep_copy(node), ev->start_mark);
}

static int open_node(struct reader *r, json_t *node, const unsigned char *anchor,
                     const unsigned char *tag, const char *tag_wanted, yaml_mark_t at) {
    _json_ json_t *held = node;
    if (!node)
        return bad_at(r, at, "no memory");
    if (tag && strcmp((const char *)tag, tag_wanted) != 0)
        return bad_at(r, at, "tags other than !!map and !!seq are not taken here");
    if (r->depth == YAMLDOC_DEPTH_MAX)
        return bad_at(r, at, "nested too deep");
    if (r->depth && json_is_object(r->stack[r->depth - 1].node) && !r->stack[r->depth - 1].key)
        return bad_at(r, at, "a key must be a plain word or a string");
    if (spend(r, 1, 0, at))
        return -1;
    struct frame *f = &r->stack[r->depth];
    *f = (struct frame){ 0 };
    if (anchor && !(f->anchor = strdup((const char *)anchor)))
        return bad_at(r, at, "no memory");
    f->node = json_incref(held);
    r->depth++;
    return 0;
}

static int close_node(struct reader *r, yaml_mark_t at) {
    struct frame f = r->stack[--r->depth];
    int rc = remember(r, f.anchor, f.node, at);
    free(f.anchor);
    free(f.key);
    if (rc) {
        json_decref(f.node);
        return -1;
    }
    return attach(r, f.node, at);
}

static void drop_document(struct reader *r) {
    while (r->depth) {
        struct frame *f = &r->stack[--r->depth];
        json_decref(f->node);
        free(f->key);
        free(f->anchor);
    }
    json_decref(r->root);
    r->root = NULL;
    json_object_clear(r->anchors);
    r->nodes = 0;
}

static int on_event(struct reader *r, yaml_event_t *ev) {
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(r, ev);
    case YAML_ALIAS_EVENT:
        return on_alias(r, ev);
    case YAML_MAPPING_START_EVENT:
        return open_node(r, json_object(), ev->data.mapping_start.anchor,
                         ev->data.mapping_start.tag, YAML_MAP_TAG, ev->start_mark);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(r, json_array(), ev->data.sequence_start.anchor,
                         ev->data.sequence_start.tag, YAML_SEQ_TAG, ev->start_mark);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return close_node(r, ev->end_mark);
    default:
        return 0;
    }
}

/* What libyaml kept of the text goes, since it may have been a Secret. */
static void wipe_parser(yaml_parser_t *p) {
    if (p->raw_buffer.start)
        explicit_bzero(p->raw_buffer.start, (size_t)(p->raw_buffer.end - p->raw_buffer.start));
    if (p->buffer.start)
        explicit_bzero(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
    yaml_parser_delete(p);
}

static void wipe_event(yaml_event_t *ev) {
    if (ev->type == YAML_SCALAR_EVENT)
        explicit_bzero(ev->data.scalar.value, ev->data.scalar.length);
    yaml_event_delete(ev);
}

static int read_all(struct reader *r, int (*fn)(void *, json_t *, int), void *arg) {
    size_t documents = 0;
    int line = 1, rc = 0;
    for (bool done = false; !done && rc == 0;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&r->parser, &ev)) {
            yaml_mark_t at = r->parser.problem_mark;
            if (r->parser.error == YAML_READER_ERROR)
                return err_set(r->e, STATUS_CLIENT_BAD_REQUEST, "byte %zu: %s",
                               r->parser.problem_offset,
                               r->parser.problem ? r->parser.problem : "unreadable");
            return bad_at(r, at, r->parser.problem ? r->parser.problem : "malformed");
        }
        if (ev.type == YAML_DOCUMENT_START_EVENT) {
            line = (int)ev.start_mark.line + 1;
            if (++documents > YAMLDOC_DOCUMENTS_MAX)
                rc = bad_at(r, ev.start_mark, "the file has too many documents");
        } else if (ev.type == YAML_DOCUMENT_END_EVENT) {
            if (r->root && !json_is_null(r->root))
                rc = fn(arg, r->root, line);
            drop_document(r);
        } else {
            done = ev.type == YAML_STREAM_END_EVENT;
            rc = on_event(r, &ev);
        }
        wipe_event(&ev);
    }
    return rc;
}

int yamldoc_each(const char *text, size_t len, int (*fn)(void *arg, json_t *doc, int line),
                 void *arg, struct err *e) {
    if (len > YAMLDOC_BYTES_MAX)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "%zu bytes of YAML, at most %u are taken", len,
                       YAMLDOC_BYTES_MAX);
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for YAML");
    r->e = e;
    r->anchors = json_object();
    if (!r->anchors || !yaml_parser_initialize(&r->parser)) {
        json_decref(r->anchors);
        free(r);
        return err_set(e, STATUS_SERVER_ERROR, "no memory for YAML");
    }
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
    int rc = read_all(r, fn, arg);
    drop_document(r);
    json_decref(r->anchors);
    wipe_parser(&r->parser);
    free(r);
    return rc;
}
