/* Percent-encoding both ways. */
#include "proxy/authd/query.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes into out (room for len); -1: broken percent sign or control character. */
static long decode(const char *text, size_t len, bool plus, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex(text[i + 1]) : -1;
            int low = i + 2 < len ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = (unsigned char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f)
            return -1;
        out[n++] = (char)c;
    }
    return utf8_count(out, n) < 0 ? -1 : (long)n;
}

static int take_item(struct query *q, const char *item, size_t len, char **to) {
    const char *eq = memchr(item, '=', len);
    size_t name_len = eq ? (size_t)(eq - item) : len;
    struct query_item *slot = &q->items[q->count];
    char *p = *to;
    long n = decode(item, name_len, true, p);
    if (n < 0)
        return -1;
    p[n] = '\0';
    slot->name = p;
    p += n + 1;
    n = eq ? decode(eq + 1, len - name_len - 1, true, p) : 0;
    if (n < 0)
        return -1;
    p[n] = '\0';
    slot->value = p;
    *to = p + n + 1;
    q->count++;
    return 0;
}

int query_parse(const char *text, size_t len, struct query *out, struct err *e) {
    if (len > QUERY_BYTES_MAX)
        return err_set(e, STATUS_CLIENT_OVERRUN, "the query is longer than %d bytes",
                       QUERY_BYTES_MAX);
    struct query q = { .text = malloc(2 * len + 2) }; /* a NUL behind each name and value */
    char *to = q.text;
    if (!to)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for a query");
    for (size_t at = 0; at < len;) {
        const char *amp = memchr(text + at, '&', len - at);
        size_t n = amp ? (size_t)(amp - text) - at : len - at;
        int rc = 0;
        if (n && q.count == QUERY_ITEMS_MAX)
            rc = err_set(e, STATUS_CLIENT_TOO_MANY, "the query has more than %d items",
                         QUERY_ITEMS_MAX);
        else if (n && take_item(&q, text + at, n, &to))
            rc = err_set(e, STATUS_CLIENT_BAD_REQUEST, "the query is malformed");
        if (rc) {
            query_fini(&q);
            return -1;
        }
        at += n + 1;
    }
    *out = q;
    return 0;
}

void query_fini(struct query *q) {
    free(q->text);
    q->text = NULL;
    q->count = 0;
}

const char *query_get(const struct query *q, const char *name, const char *fallback) {
    for (size_t i = 0; i < q->count; i++)
        if (strcmp(q->items[i].name, name) == 0)
            return q->items[i].value;
    return fallback;
}

int query_escape(struct buf *out, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
    return out->failed ? -1 : 0;
}

int query_add(struct buf *out, const char *name, const char *value) {
    if (out->len && out->data[out->len - 1] != '?' && out->data[out->len - 1] != '&')
        buf_putc(out, '&');
    query_escape(out, name);
    buf_putc(out, '=');
    return query_escape(out, value);
}

bool query_is_local(const char *path) {
    if (path[0] != '/' || path[1] == '/' || path[1] == '\\' || strlen(path) > 512)
        return false;
    if (strncmp(path, "/auth/", 6) == 0)
        return false;
    for (const char *p = path; *p; p++) /* browsers drop tabs and newlines, and turn \ into / */
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '\\')
            return false;
    return true;
}

bool query_segment(const char *text, size_t len, char *out, size_t size) {
    if (len >= size)
        return false;
    long n = decode(text, len, false, out);
    if (n < 0)
        return false;
    out[n] = '\0';
    return true;
}
