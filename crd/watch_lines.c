#include "crd/watch_lines.h"

#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

void watch_lines_init(struct watch_lines *w) {
    buf_init(&w->line, WATCH_LINE_MAX);
}

void watch_lines_fini(struct watch_lines *w) {
    buf_fini(&w->line);
}

static int bad(struct err *e, const char *what) {
    return err_set(e, STATUS_UPSTREAM_ERROR, "the watch sends %s", what);
}

static int read_type(const char *name, enum watch_event_type *out) {
    static const char *const names[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum watch_event_type)i;
            return 0;
        }
    return -1;
}

static int take(const char *text, size_t len, int (*fn)(void *arg, const struct watch_event *event),
                void *arg, struct err *e) {
    struct watch_event event = { 0 };
    _json_ json_t *line = json_parse(text, len, WATCH_LINE_MAX, e);
    if (!line)
        return err_prefix(e, "the watch sends no JSON");
    event.object = json_object_get(line, "object");
    if (read_type(json_str(line, "type", ""), &event.type))
        return bad(e, "an event of no known type");
    if (!json_is_object(event.object))
        return bad(e, "an event without an object");
    if (event.type == WATCH_ERROR) {
        event.code = (int)json_num(event.object, "code", 0);
        event.message = json_str(event.object, "message", "");
        return fn(arg, &event);
    }
    const json_t *meta = json_object_get(event.object, "metadata");
    event.version = json_str(meta, "resourceVersion", "");
    if (!*event.version || strlen(event.version) > 63)
        return bad(e, "an object without a version");
    if (event.type != WATCH_BOOKMARK && !*json_str(meta, "name", ""))
        return bad(e, "an object without a name");
    return fn(arg, &event);
}

int watch_lines_feed(struct watch_lines *w, const void *data, size_t len,
                     int (*fn)(void *arg, const struct watch_event *event), void *arg,
                     struct err *e) {
    const char *p = data;
    while (len) {
        const char *end = memchr(p, '\n', len);
        size_t n = end ? (size_t)(end - p) : len;
        if (buf_add(&w->line, p, n))
            return bad(e, "a line that is too long");
        p += n;
        len -= n;
        if (!end)
            break;
        p++;
        len--;
        int rc = w->line.len ? take(w->line.data, w->line.len, fn, arg, e) : 0;
        buf_clear(&w->line);
        if (rc)
            return rc;
    }
    return 0;
}

int watch_version_compare(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    if (strspn(a, "0123456789") != n || strspn(b, "0123456789") != m)
        return 0;
    return n != m ? (n < m ? -1 : 1) : strcmp(a, b);
}
