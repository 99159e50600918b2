#include "guacd/backends/kubernetes/http1.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "guacd/base/util.h"

#define CHUNK_LINE_MAX 256u

static enum http1_result bad(struct err *e, const char *what) {
    err_set(e, 0, "%s", what);
    return HTTP1_BAD;
}

/* The end of the line that begins at p, NULL: not there yet. *next is behind its line feed. */
static const char *line_end(const char *p, size_t len, const char **next) {
    const char *lf = len ? memchr(p, '\n', len) : NULL;
    if (!lf)
        return NULL;
    *next = lf + 1;
    return lf > p && lf[-1] == '\r' ? lf - 1 : lf;
}

static bool is(const char *p, size_t len, const char *text) {
    return strlen(text) == len && strncasecmp(p, text, len) == 0;
}

/* Does a list separated by commas hold this word? */
static bool lists(const char *p, size_t len, const char *word) {
    while (len) {
        size_t n = 0;
        while (n < len && p[n] != ',')
            n++;
        size_t from = 0, to = n;
        while (from < to && (p[from] == ' ' || p[from] == '\t'))
            from++;
        while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t'))
            to--;
        if (is(p + from, to - from, word))
            return true;
        p += n;
        len -= n;
        if (len)
            p++, len--;
    }
    return false;
}

static bool number(const char *p, size_t len, int base, uint64_t *out) {
    uint64_t v = 0;
    if (!len)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        int d = isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : 99;
        if (d >= base || v > (uint64_t)INT64_MAX / (unsigned)base - 1)
            return false;
        v = v * (unsigned)base + (unsigned)d;
    }
    *out = v;
    return true;
}

static enum http1_result field(struct http1_head *h, const char *p, size_t len, struct err *e) {
    const char *colon = memchr(p, ':', len);
    if (!colon || colon == p)
        return bad(e, "a header has no name");
    size_t name = (size_t)(colon - p);
    const char *v = colon + 1, *end = p + len;
    while (v < end && (*v == ' ' || *v == '\t'))
        v++;
    while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t n = (size_t)(end - v);
    if (is(p, name, "content-length")) {
        uint64_t length;
        if (!number(v, n, 10, &length) || (h->has_length && length != h->length))
            return bad(e, "the body's length is no number");
        h->length = length;
        h->has_length = true;
    } else if (is(p, name, "transfer-encoding")) {
        if (!is(v, n, "chunked"))
            return bad(e, "the body's encoding is unknown");
        h->chunked = true;
    } else if (is(p, name, "connection")) {
        h->close = h->close || lists(v, n, "close");
    } else if (is(p, name, "upgrade")) {
        h->upgrade = lists(v, n, "websocket");
    } else if (is(p, name, "sec-websocket-accept")) {
        snprintf(h->accept, sizeof h->accept, "%.*s", (int)MIN_OF(n, sizeof h->accept - 1), v);
    } else if (is(p, name, "sec-websocket-protocol")) {
        snprintf(h->protocol, sizeof h->protocol, "%.*s", (int)MIN_OF(n, sizeof h->protocol - 1),
                 v);
    }
    return HTTP1_OK;
}

/* "HTTP/1.1 403 Forbidden" */
static bool status_line(const char *p, size_t len, struct http1_head *h) {
    uint64_t status;
    if (len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ' || !number(p + 9, 3, 10, &status) ||
        (len > 12 && p[12] != ' '))
        return false;
    h->status = (int)status;
    h->close = p[7] == '0';
    return h->status >= 100;
}

enum http1_result http1_head(const char *data, size_t len, struct http1_head *out, size_t *used,
                             struct err *e) {
    struct http1_head h = { 0 };
    if (!len)
        return HTTP1_MORE; /* and data may be NULL */
    size_t in = MIN_OF(len, (size_t)HTTP1_HEAD_MAX);
    const char *p = data, *next = NULL, *end = line_end(p, in, &next);
    if (end && !status_line(p, (size_t)(end - p), &h))
        return bad(e, "that is no answer of HTTP");
    while (end) {
        p = next;
        end = line_end(p, in - (size_t)(p - data), &next);
        if (end == p) {
            *out = h;
            *used = (size_t)(next - data);
            return HTTP1_OK;
        }
        if (end && field(&h, p, (size_t)(end - p), e) != HTTP1_OK)
            return HTTP1_BAD;
    }
    if (len >= HTTP1_HEAD_MAX)
        return bad(e, "the answer's head is too long");
    if (len >= 5 && memcmp(data, "HTTP/", 5) != 0)
        return bad(e, "that is no answer of HTTP");
    return HTTP1_MORE;
}

/* ---- bodies -----------------------------------------------------------------------------------
 */

void http1_body_init(struct http1_body *b, const struct http1_head *h) {
    bool none = h->status < 200 || h->status == 204 || h->status == 304;
    *b = (struct http1_body){ .chunked = h->chunked && !none };
    if (none || h->chunked)
        return;
    b->left = h->length;
    b->until_close = !h->has_length;
}

static enum http1_result take(struct http1_body *b, const char *data, size_t len, size_t *used,
                              struct buf *out, struct err *e) {
    size_t n = b->until_close ? len : (size_t)MIN_OF((uint64_t)len, b->left);
    if (buf_add(out, data, n))
        return bad(e, "the answer is too long");
    *used += n;
    b->left -= b->until_close ? 0 : n;
    return b->left || b->until_close ? HTTP1_MORE : HTTP1_OK;
}

/* "1a2b;extension": the size of the chunk that follows. */
static enum http1_result chunk_size(struct http1_body *b, const char *data, size_t len,
                                    size_t *used, struct err *e) {
    const char *next, *end = line_end(data, len, &next);
    if (!end)
        return len > CHUNK_LINE_MAX ? bad(e, "a chunk has no size") : HTTP1_MORE;
    size_t n = 0;
    while (data + n < end && data[n] != ';' && data[n] != ' ')
        n++;
    if (!number(data, n, 16, &b->left))
        return bad(e, "a chunk has no size");
    *used += (size_t)(next - data);
    b->chunk = b->left ? HTTP1_CHUNK_DATA : HTTP1_CHUNK_LAST;
    return HTTP1_OK;
}

/* The empty line behind a chunk's bytes, and behind the last size: trailers are not spoken here. */
static enum http1_result chunk_end(struct http1_body *b, const char *data, size_t len, size_t *used,
                                   struct err *e) {
    const char *next, *end = line_end(data, len, &next);
    if (end ? end != data : len > 1)
        return bad(e, "a chunk is longer than it says");
    if (!end)
        return HTTP1_MORE;
    *used += (size_t)(next - data);
    b->chunk = HTTP1_CHUNK_SIZE;
    return HTTP1_OK;
}

static enum http1_result chunks(struct http1_body *b, const char *data, size_t len, size_t *used,
                                struct buf *out, struct err *e) {
    for (;;) {
        enum http1_result r = HTTP1_BAD;
        enum http1_chunk at = b->chunk;
        const char *p = data + *used;
        switch (at) {
        case HTTP1_CHUNK_SIZE:
            r = chunk_size(b, p, len - *used, used, e);
            break;
        case HTTP1_CHUNK_DATA:
            r = take(b, p, len - *used, used, out, e);
            if (r == HTTP1_OK)
                b->chunk = HTTP1_CHUNK_END;
            break;
        case HTTP1_CHUNK_END:
        case HTTP1_CHUNK_LAST:
            r = chunk_end(b, p, len - *used, used, e);
            break;
        }
        if (r != HTTP1_OK || at == HTTP1_CHUNK_LAST)
            return r;
    }
}

enum http1_result http1_body(struct http1_body *b, const char *data, size_t len, bool ended,
                             size_t *used, struct buf *out, struct err *e) {
    *used = 0;
    if (!len)
        data = "";
    enum http1_result r = HTTP1_OK;
    if (b->chunked)
        r = chunks(b, data, len, used, out, e);
    else if (b->left || b->until_close)
        r = take(b, data, len, used, out, e);
    if (r == HTTP1_MORE && ended)
        return b->until_close ? HTTP1_OK : bad(e, "the answer ends in its middle");
    return r;
}

void http1_escape(struct buf *out, const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (isalnum(*p) || strchr("-._~", *p))
            buf_putc(out, (char)*p);
        else
            buf_printf(out, "%%%02X", *p);
}
