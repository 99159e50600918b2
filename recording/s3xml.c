/* A reader for answers of a store that is trusted little: bounded depth and text, no entities but
 * the five and character references, nothing external. */
#include "recording/s3xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define DEPTH_MAX 16
#define PATH_SIZE 512
#define TEXT_MAX 8192

struct walk {
    const char *p, *end;
    char path[PATH_SIZE];
    size_t ends[DEPTH_MAX]; /* length of the path before each open element's name */
    bool parent[DEPTH_MAX]; /* it holds elements */
    int depth;
    struct buf text;
    int (*fn)(void *arg, const char *path, const char *text);
    void *arg;
    struct err *e;
};

static int bad(struct walk *w, const char *what) {
    return err_set(w->e, STATUS_UPSTREAM_ERROR, "XML: %s", what);
}

static bool starts(const struct walk *w, const char *text) {
    size_t n = strlen(text);
    return (size_t)(w->end - w->p) >= n && memcmp(w->p, text, n) == 0;
}

static int skip_to(struct walk *w, const char *text) {
    const char *at = memmem(w->p, (size_t)(w->end - w->p), text, strlen(text));
    if (!at)
        return bad(w, "ends too early");
    w->p = at + strlen(text);
    return 0;
}

static bool name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':';
}

static struct slice name_of(struct walk *w) {
    struct slice s = { w->p, 0 };
    while (w->p < w->end && name_char(*w->p))
        w->p++;
    s.len = (size_t)(w->p - s.data);
    return s;
}

/* Behind an attribute list: '>' or '/>'. Values are skipped, whatever they hold. */
static int attributes(struct walk *w, bool *empty) {
    char quote = 0;
    for (; w->p < w->end; w->p++) {
        if (quote) {
            quote = *w->p == quote ? 0 : quote;
        } else if (*w->p == '"' || *w->p == '\'') {
            quote = *w->p;
        } else if (*w->p == '>') {
            *empty = w->p[-1] == '/';
            w->p++;
            return 0;
        } else if (*w->p == '<') {
            break;
        }
    }
    return bad(w, "a tag does not end");
}

static int close_element(struct walk *w) {
    int d = w->depth - 1;
    const char *text = w->parent[d] ? NULL : buf_str(&w->text);
    if (!w->parent[d] && !text)
        return bad(w, "a text is too long");
    int r = w->fn(w->arg, w->path, text);
    w->path[w->ends[d]] = '\0';
    w->depth--;
    buf_clear(&w->text);
    return r;
}

static int open_tag(struct walk *w) {
    struct slice name = name_of(w);
    size_t at = strlen(w->path);
    bool empty = false;
    if (name.len == 0 || w->depth == DEPTH_MAX || at + name.len + 2 > PATH_SIZE)
        return bad(w, "malformed, or nested too deep");
    if (w->depth > 0)
        w->parent[w->depth - 1] = true;
    w->ends[w->depth] = at;
    w->parent[w->depth++] = false;
    snprintf(w->path + at, PATH_SIZE - at, "%s%.*s", at ? "/" : "", (int)name.len, name.data);
    buf_clear(&w->text);
    if (attributes(w, &empty) < 0)
        return -1;
    return empty ? close_element(w) : 0;
}

static int close_tag(struct walk *w) {
    struct slice name = name_of(w);
    const char *open = w->depth ? w->path + w->ends[w->depth - 1] : "";
    open += *open == '/';
    while (w->p < w->end && strchr(" \t\r\n", *w->p))
        w->p++;
    if (w->depth == 0 || !slice_is(name, open) || w->p == w->end || *w->p++ != '>')
        return bad(w, "an end tag does not match");
    return close_element(w);
}

static int entity(struct walk *w) {
    static const struct {
        const char *name;
        char c;
    } known[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (starts(w, known[i].name)) {
            w->p += strlen(known[i].name);
            buf_putc(&w->text, known[i].c);
            return 0;
        }
    const char *semi = memchr(w->p, ';', MIN_OF((size_t)(w->end - w->p), (size_t)12));
    if (!semi || !starts(w, "&#") || semi < w->p + 3)
        return bad(w, "an unknown entity");
    bool hex = w->p[2] == 'x' && semi > w->p + 3;
    char digits[16], utf8[4], *stop;
    snprintf(digits, sizeof digits, "%.*s", (int)(semi - w->p - (hex ? 3 : 2)),
             w->p + (hex ? 3 : 2));
    unsigned long cp = strtoul(digits, &stop, hex ? 16 : 10);
    size_t n = *stop || digits[0] == '-' || digits[0] == '+' || cp == 0 || cp > 0x10FFFF
                   ? 0
                   : utf8_encode((uint32_t)cp, utf8);
    if (n == 0)
        return bad(w, "a malformed character");
    w->p = semi + 1;
    return buf_add(&w->text, utf8, n) < 0 ? bad(w, "a text is too long") : 0;
}

static int step(struct walk *w) {
    if (*w->p == '&')
        return entity(w);
    if (*w->p != '<') {
        size_t n = 0, left = (size_t)(w->end - w->p);
        while (n < left && w->p[n] != '<' && w->p[n] != '&')
            n++;
        if (memchr(w->p, '\0', n) || buf_add(&w->text, w->p, n) < 0)
            return bad(w, "a text is too long, or holds a NUL");
        w->p += n;
        return 0;
    }
    if (starts(w, "<?"))
        return skip_to(w, "?>");
    if (starts(w, "<!--"))
        return skip_to(w, "-->");
    if (starts(w, "<!"))
        return bad(w, "a document type");
    bool end = starts(w, "</");
    w->p += end ? 2 : 1;
    return end ? close_tag(w) : open_tag(w);
}

int s3xml_walk(const char *data, size_t len,
               int (*fn)(void *arg, const char *path, const char *text), void *arg, struct err *e) {
    struct walk w = { .p = data, .end = data + len, .fn = fn, .arg = arg, .e = e };
    int r = 0;
    buf_init(&w.text, TEXT_MAX);
    while (r == 0 && w.p < w.end)
        r = step(&w);
    if (r == 0 && w.depth > 0)
        r = bad(&w, "ends too early");
    buf_fini(&w.text);
    return r;
}

/* ---- ListObjectsV2 -------------------------------------------------------------------------- */

static int entry_done(struct s3_listing *l, bool prefix) {
    const char *key = buf_str(&l->key);
    if (!key || !*key || l->bad)
        return -1;
    l->stopped = l->fn(l->arg, key, l->size, prefix);
    buf_clear(&l->key);
    l->size = 0;
    return l->stopped;
}

static int set_text(struct buf *b, const char *text) {
    buf_clear(b);
    return buf_puts(b, text);
}

static int on_listing(void *arg, const char *path, const char *text) {
    static const char root[] = "ListBucketResult/";
    struct s3_listing *l = arg;
    if (strncmp(path, root, sizeof root - 1) != 0)
        return 0;
    path += sizeof root - 1;
    if (!text)
        return strcmp(path, "Contents") == 0         ? entry_done(l, false)
               : strcmp(path, "CommonPrefixes") == 0 ? entry_done(l, true)
                                                     : 0;
    if (strcmp(path, "IsTruncated") == 0)
        l->truncated = strcmp(text, "true") == 0;
    else if (strcmp(path, "NextContinuationToken") == 0)
        return set_text(&l->token, text);
    else if (strcmp(path, "Contents/Key") == 0 || strcmp(path, "CommonPrefixes/Prefix") == 0)
        return set_text(&l->key, text);
    else if (strcmp(path, "Contents/Size") == 0) {
        size_t digits = strspn(text, "0123456789");
        l->bad = digits == 0 || digits > 15 || text[digits];
        l->size = l->bad ? 0 : strtoull(text, NULL, 10);
    }
    return 0;
}

int s3_listing_parse(const char *data, size_t len, struct s3_listing *l, struct err *e) {
    s3_listing_fini(l);
    buf_init(&l->token, TEXT_MAX);
    buf_init(&l->key, TEXT_MAX);
    l->size = 0;
    l->truncated = l->bad = false;
    l->stopped = 0;
    if (s3xml_walk(data, len, on_listing, l, e) != 0)
        return l->stopped ? -1 : err_set(e, STATUS_UPSTREAM_ERROR, "the listing is malformed");
    if (l->truncated && l->token.len == 0)
        return err_set(e, STATUS_UPSTREAM_ERROR, "the listing goes on, but does not say where");
    return 0;
}

void s3_listing_fini(struct s3_listing *l) {
    buf_fini(&l->token);
    buf_fini(&l->key);
}

/* ---- Error ---------------------------------------------------------------------------------- */

struct error_text {
    char code[96], message[256];
};

static int on_error(void *arg, const char *path, const char *text) {
    struct error_text *t = arg;
    if (text && strcmp(path, "Error/Code") == 0)
        snprintf(t->code, sizeof t->code, "%s", text);
    if (text && strcmp(path, "Error/Message") == 0)
        snprintf(t->message, sizeof t->message, "%s", text);
    return 0;
}

void s3_error_parse(const char *data, size_t len, char *out, size_t size) {
    struct error_text t = { 0 };
    s3xml_walk(data, len, on_error, &t, NULL);
    snprintf(out, size, "%s%s%s", t.code, *t.code && *t.message ? ": " : "", t.message);
    for (char *p = out; *p; p++) /* it goes into our log */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}
