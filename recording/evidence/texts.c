/* guac-evidence transcript and cat: what was shown and typed, and the stream itself, chunk by
 * chunk. Both read without verifying; what cannot be read is said and ends them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/find.h"
#include "recording/evidence/idle.h"
#include "recording/evidence/reading.h"

#define LINE_MAX_BYTES ((size_t)20 << 20)

/* Each chunk of this kind, expanded, in order, up to the first that is missing: behind a gap
 * nothing is what it seems. A recording that still runs may have one; a sealed one is damaged. */
static int each_chunk(struct evidence *v, const char *word, enum chain_kind kind,
                      int (*fn)(void *arg, const struct buf *raw, struct err *e), void *arg,
                      struct err *e) {
    struct found f;
    struct reading r = { 0 };
    struct buf object, raw;
    _chunk_codec_ struct chunk_codec *codec = chunk_codec_new(1, e);
    buf_init(&object, CHUNK_MAX);
    buf_init(&raw, CHUNK_RAW_MAX);
    int result = codec && find_recording(word, v->store, v->tree, &f, e) == 0 ? 0 : -1;
    if (!codec || result < 0)
        return -1;
    result = reading_list(&r, f.store, f.prefix, e);
    uint64_t next = 0;
    for (size_t i = 0; result == 0 && i < r.count; i++) {
        const struct reading_object *o = &r.objects[i];
        struct chunk c;
        if (!o->known || o->as.kind != NAME_CHUNK || o->as.chain != kind)
            continue;
        if (o->as.n != next++) {
            err_set(e, STATUS_RESOURCE_NOT_FOUND, "the chunk before %s is missing", o->name);
            result = reading_find(&r, NAME_SEAL_OBJECT) ? -1 : 1;
            break;
        }
        buf_clear(&raw);
        if (reading_get(&r, o->name, NULL, &object, e) != STORE_OK ||
            chunk_parse(object.data ? object.data : "", object.len, &c, e) < 0 ||
            chunk_expand(codec, &c, &raw, e) < 0)
            result = err_prefix(e, "%s", o->name);
        else
            result = fn(arg, &raw, e);
    }
    buf_fini(&object);
    buf_fini(&raw);
    reading_fini(&r);
    found_fini(&f);
    if (result > 0)
        log_warning("%s; it is not stored yet", e->text);
    if (result > 0)
        *e = (struct err){ 0 };
    return result < 0 ? -1 : 0;
}

static int written(struct err *e) {
    return ferror(stdout) ? err_errno(e, 0, "standard output") : 0;
}

/* ---- transcript ----------------------------------------------------------------------------- */

/* Recorded text may hold anything, and a terminal may be reading: lines stay lines, all other
 * control characters are shown as such. Later lines of a text stand below its first. */
static void print_text(const char *s, int indent) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '\n' && s[1])
            printf("\n%*s", indent, "");
        else if (c == '\t')
            putchar('\t');
        else if (c == 0xC2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xA0)
            printf("\\x%02x", (unsigned char)*++s); /* C1 */
        else if (c == '\n' || c == '\r')
            continue;
        else if (c < ' ' || c == 0x7f)
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

static void print_line(const json_t *o) {
    int64_t t = json_num(o, "t", 0);
    const char *kind = json_str(o, "k", "?"), *by = json_str(o, "by", NULL),
               *s = json_str(o, "s", NULL), *event = json_str(o, "event", NULL);
    int indent =
        printf("%02lld:%02lld:%02lld.%03lld  ", (long long)(t / 3600000),
               (long long)(t / 60000 % 60), (long long)(t / 1000 % 60), (long long)(t % 1000));
    char head[64];
    snprintf(head, sizeof head, "%-5.20s", kind);
    print_text(head, 0);
    indent += (int)strlen(head) + 1;
    putchar(' ');
    if (by) {
        print_text(by, 0);
        printf(": ");
    }
    if (event)
        print_text(event, indent);
    if (event && json_str(o, "reason", NULL)) {
        printf(": ");
        print_text(json_str(o, "reason", ""), indent);
    }
    if (s)
        print_text(s, indent);
    putchar('\n');
}

static int print_chunk(void *arg, const struct buf *raw, struct err *e) {
    const struct evidence *v = arg;
    for (const char *p = raw->data, *end = p + raw->len; p && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = newline ? (size_t)(newline - p) : (size_t)(end - p);
        _json_ json_t *o = json_parse(p, len, LINE_MAX_BYTES, NULL);
        if (v->config->json && json_is_object(o)) {
            /* Through our writer: one line, whatever it was. */
            struct buf b __attribute__((cleanup(buf_fini)));
            buf_init(&b, 2 * LINE_MAX_BYTES);
            if (json_write(o, &b) == 0)
                printf("%s\n", buf_str(&b));
        } else if (json_is_object(o)) {
            print_line(o);
        } else {
            fprintf(stderr, "guac-evidence: a line of the transcript is no JSON object\n");
        }
        p += len + 1;
    }
    return written(e);
}

int command_transcript(struct evidence *v, char **words, size_t count, struct err *e) {
    if (count != 1) {
        err_set(e, 0, "transcript of what? A prefix, an id, or a folder");
        return 2;
    }
    return each_chunk(v, words[0], CHAIN_TEXT, print_chunk, v, e) < 0 ? 2 : 0;
}

/* ---- cat ------------------------------------------------------------------------------------ */

struct cat {
    struct idle idle;
    struct buf out;
    bool raw;
};

static int flush_out(struct cat *c, struct err *e) {
    fwrite(c->out.data, 1, c->out.len, stdout);
    buf_clear(&c->out);
    return written(e);
}

static int cat_chunk(void *arg, const struct buf *raw, struct err *e) {
    struct cat *c = arg;
    if (c->raw)
        buf_add(&c->out, raw->data, raw->len);
    else
        idle_feed(&c->idle, raw->data ? raw->data : "", raw->len, &c->out);
    if (c->out.failed)
        return err_set(e, 0, "no memory");
    return flush_out(c, e);
}

int command_cat(struct evidence *v, char **words, size_t count, struct err *e) {
    struct cat c = { .raw = v->config->raw };
    if (count != 1) {
        err_set(e, 0, "cat what? A prefix, an id, or a folder");
        return 2;
    }
    idle_init(&c.idle);
    buf_init(&c.out, (size_t)256 << 20);
    int r = each_chunk(v, words[0], CHAIN_DATA, cat_chunk, &c, e);
    if (r == 0 && (idle_end(&c.idle, &c.out) < 0 || flush_out(&c, e) < 0))
        r = -1;
    idle_fini(&c.idle);
    buf_fini(&c.out);
    return r < 0 ? 2 : 0;
}
