/* Recorded text may hold anything: in a transcript and in HTML control characters are shown, never
 * passed on; in JSON they are escaped. */
#include "recording/evidence/derive.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/idle.h"

#define LINE_MAX_BYTES ((size_t)20 << 20)

struct derive {
    struct bag_file *text, *cast, *events;
    struct err *e;
};

static void visible(struct buf *out, const char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '\n' && s[1])
            buf_puts(out, "\n    ");
        else if (c == '\n' || c == '\r')
            continue;
        else if (c == 0xC2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xA0)
            buf_printf(out, "\\x%02x", (unsigned char)*++s); /* C1 */
        else if ((c < ' ' && c != '\t') || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, *s);
    }
}

void derive_html(struct buf *out, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        const char *entity = c == '&'    ? "&amp;"
                             : c == '<'  ? "&lt;"
                             : c == '>'  ? "&gt;"
                             : c == '"'  ? "&quot;"
                             : c == '\'' ? "&#39;"
                                         : NULL;
        if (entity)
            buf_puts(out, entity);
        else if (c < ' ' && c != '\n' && c != '\t')
            buf_puts(out, "\xef\xbf\xbd");
        else
            buf_putc(out, *text);
    }
}

static int line(struct derive *d, const json_t *o) {
    struct buf b __attribute__((cleanup(buf_fini)));
    int64_t t = json_num(o, "t", 0);
    const char *kind = json_str(o, "k", "?"), *s = json_str(o, "s", NULL),
               *by = json_str(o, "by", NULL);
    buf_init(&b, 4 * LINE_MAX_BYTES);
    buf_printf(&b, "%02lld:%02lld:%02lld.%03lld  ", (long long)(t / 3600000),
               (long long)(t / 60000 % 60), (long long)(t / 1000 % 60), (long long)(t % 1000));
    visible(&b, kind);
    buf_puts(&b, "  ");
    if (by) {
        visible(&b, by);
        buf_puts(&b, ": ");
    }
    visible(&b, s ? s : json_str(o, "event", json_str(o, "name", "")));
    if (!s && json_str(o, "reason", NULL)) {
        buf_puts(&b, ": ");
        visible(&b, json_str(o, "reason", ""));
    }
    buf_putc(&b, '\n');
    if (bag_add(d->text, b.data, b.len, d->e) < 0)
        return -1;
    bool out = strcmp(kind, "out") == 0;
    if (out && s) {
        buf_clear(&b);
        _json_ json_t *event = json_pack("[f, s, s+]", (double)t / 1000, "o", s, "\r\n");
        if (event && json_write(event, &b) == 0 && buf_putc(&b, '\n') == 0)
            return bag_add(d->cast, b.data, b.len, d->e);
    } else if (!out) { /* keys, clipboard, files, titles, events */
        buf_clear(&b);
        if (json_write(o, &b) == 0 && buf_putc(&b, '\n') == 0)
            return bag_add(d->events, b.data, b.len, d->e);
    }
    return 0;
}

static int lines(struct derive *d, const struct buf *raw) {
    for (const char *p = raw->data, *end = p + raw->len; p && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = newline ? (size_t)(newline - p) : (size_t)(end - p);
        _json_ json_t *o = json_parse(p, n, LINE_MAX_BYTES, NULL);
        if (json_is_object(o) && line(d, o) < 0)
            return -1;
        p += n + 1;
    }
    return 0;
}

/* Chunk by chunk: fn gets each, expanded; up to one that cannot be read. -1: fn, or the store. */
static int each(struct reading *r, enum chain_kind kind,
                int (*fn)(void *arg, const struct buf *raw), void *arg, struct err *e) {
    struct buf object, raw;
    _chunk_codec_ struct chunk_codec *codec = chunk_codec_new(1, e);
    buf_init(&object, CHUNK_MAX);
    buf_init(&raw, CHUNK_RAW_MAX);
    int result = codec ? 0 : -1;
    bool readable = true;
    for (size_t i = 0; result == 0 && readable && i < r->count; i++) {
        const struct reading_object *o = &r->objects[i];
        struct chunk c;
        if (!o->known || o->as.kind != NAME_CHUNK || o->as.chain != kind)
            continue;
        buf_clear(&raw);
        readable = reading_get(r, o->name, NULL, &object, e) == STORE_OK &&
                   chunk_parse(object.data ? object.data : "", object.len, &c, e) == 0 &&
                   chunk_expand(codec, &c, &raw, e) == 0;
        if (readable)
            result = fn(arg, &raw);
    }
    buf_fini(&object);
    buf_fini(&raw);
    return result;
}

static int on_text(void *arg, const struct buf *raw) {
    return lines(arg, raw);
}

struct stream {
    struct idle idle;
    struct buf out;
    struct bag_file *file;
    struct err *e;
};

static int on_data(void *arg, const struct buf *raw) {
    struct stream *s = arg;
    if (idle_feed(&s->idle, raw->data ? raw->data : "", raw->len, &s->out) < 0)
        return err_set(s->e, 0, "no memory");
    int r = bag_add(s->file, s->out.data, s->out.len, s->e);
    buf_clear(&s->out);
    return r;
}

static int stock(struct bag *b, struct reading *r, const char *folder, struct err *e) {
    struct stream s = { .e = e };
    char path[200];
    snprintf(path, sizeof path, "%s/session.guac", folder);
    s.file = bag_begin(b, path, e);
    if (!s.file)
        return -1;
    idle_init(&s.idle);
    buf_init(&s.out, (size_t)256 << 20);
    int result = each(r, CHAIN_DATA, on_data, &s, e);
    if (result == 0 && idle_end(&s.idle, &s.out) == 0)
        result = bag_add(s.file, s.out.data, s.out.len, e);
    idle_fini(&s.idle);
    buf_fini(&s.out);
    return bag_end(s.file, result < 0 ? NULL : e) < 0 || result < 0 ? -1 : 0;
}

static int texts(struct bag *b, struct reading *r, const char *folder, struct err *e) {
    struct derive d = { .e = e };
    char path[200], head[160];
    snprintf(path, sizeof path, "%s/transcript.txt", folder);
    d.text = bag_begin(b, path, e);
    snprintf(path, sizeof path, "%s/session.cast", folder);
    d.cast = bag_begin(b, path, e);
    snprintf(path, sizeof path, "%s/events.jsonl", folder);
    d.events = bag_begin(b, path, e);
    snprintf(head, sizeof head,
             "{\"version\": 2, \"width\": 120, \"height\": 40, \"timestamp\": %lld}\n",
             (long long)(r->open_envelope.statement ? r->open.start / 1000 : 0));
    int result = d.text && d.cast && d.events && bag_add(d.cast, head, strlen(head), e) == 0
                     ? each(r, CHAIN_TEXT, on_text, &d, e)
                     : -1;
    struct bag_file *const files[] = { d.text, d.cast, d.events };
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (bag_end(files[i], result < 0 ? NULL : e) < 0)
            result = -1;
    return result;
}

int derive_all(struct bag *b, struct reading *r, struct err *e) {
    char folder[128];
    const char *slash = strrchr(r->prefix, '/');
    snprintf(folder, sizeof folder, "data/derived/%.*s", UUID_LEN, slash ? slash + 1 : r->prefix);
    return stock(b, r, folder, e) < 0 || texts(b, r, folder, e) < 0 ? -1 : 0;
}
