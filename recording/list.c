/* The list of a recording's chunks. */
#include "recording/list.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "guacd/base/json.h"
#include "guacd/proto/status.h"

#define LEVEL 3

void list_entry_of(const struct chunk_header *h, const void *object, size_t len,
                   const char head[HASH_HEX], struct list_entry *out) {
    *out = (struct list_entry){ .kind = h->kind,
                                .n = h->n,
                                .i = h->i,
                                .offset = h->offset,
                                .raw = h->raw,
                                .t1 = h->t1,
                                .seq0 = h->seq0,
                                .seq1 = h->seq1,
                                .frames = h->frames,
                                .size = len };
    chunk_name(h, out->name);
    sha256_hex(object, len, out->sha256);
    memcpy(out->head, head, HASH_HEX);
}

static bool plain(const char *s) {
    for (; *s; s++)
        if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\')
            return false;
    return true;
}

/* Members in sorted order, as json_write() would put them. */
int list_entry_write(const struct list_entry *l, struct buf *out) {
    if (!plain(l->version))
        return -1;
    return buf_printf(out,
                      "{\"frames\":%llu,\"head\":\"%s\",\"i\":%u,\"kind\":\"%s\",\"n\":%u,"
                      "\"name\":\"%s\",\"offset\":%llu,\"raw\":%llu,\"seq0\":%llu,\"seq1\":%llu,"
                      "\"sha256\":\"%s\",\"size\":%llu,\"t1\":%llu,\"versionId\":\"%s\"}\n",
                      (unsigned long long)l->frames, l->head, l->i, chunk_kind_name(l->kind), l->n,
                      l->name, (unsigned long long)l->offset, (unsigned long long)l->raw,
                      (unsigned long long)l->seq0, (unsigned long long)l->seq1, l->sha256,
                      (unsigned long long)l->size, (unsigned long long)l->t1, l->version);
}

static bool copy(const json_t *o, const char *key, char *out, size_t size) {
    const char *s = json_str(o, key, NULL);
    return s && (size_t)snprintf(out, size, "%s", s) < size;
}

static bool count(const json_t *o, const char *key, uint64_t *out) {
    int64_t v = json_num(o, key, -1);
    *out = (uint64_t)v;
    return v >= 0;
}

int list_entry_parse(const char *line, size_t len, struct list_entry *out, struct err *e) {
    struct list_entry l = { 0 };
    struct name name;
    uint64_t n, i;
    char kind[16];
    _json_ json_t *o = json_parse(line, len, LIST_LINE_MAX, e);
    if (!o)
        return err_prefix(e, "list");
    if (!copy(o, "name", l.name, sizeof l.name) || !copy(o, "head", l.head, sizeof l.head) ||
        !copy(o, "sha256", l.sha256, sizeof l.sha256) || !copy(o, "kind", kind, sizeof kind) ||
        !copy(o, "versionId", l.version, sizeof l.version) || !count(o, "frames", &l.frames) ||
        !count(o, "i", &i) || !count(o, "n", &n) || !count(o, "offset", &l.offset) ||
        !count(o, "raw", &l.raw) || !count(o, "seq0", &l.seq0) || !count(o, "seq1", &l.seq1) ||
        !count(o, "size", &l.size) || !count(o, "t1", &l.t1) ||
        !name_parse(l.name, strlen(l.name), &name) || name.kind != NAME_CHUNK || name.n != n ||
        i > NAME_N_MAX || strcmp(chunk_kind_name(name.chain), kind) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "list: a line is malformed");
    l.kind = name.chain;
    l.n = (uint32_t)n;
    l.i = (uint32_t)i;
    struct buf again __attribute__((cleanup(buf_fini)));
    buf_init(&again, LIST_LINE_MAX);
    if (list_entry_write(&l, &again) < 0 || again.len != len + 1 ||
        memcmp(again.data, line, len) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "list: a line is not in its one spelling");
    *out = l;
    return 0;
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool list_hash_bytes(const char hex[HASH_HEX], uint8_t out[32]) {
    for (int i = 0; i < 32; i++) {
        int high = digit(hex[2 * i]), low = high < 0 ? -1 : digit(hex[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return hex[64] == '\0';
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct line {
    char name[NAME_SIZE];
    struct slice text; /* with its newline */
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static int split(const char *text, size_t len, struct line **out, size_t *n, struct err *e) {
    size_t cap = 0;
    struct line *lines = NULL;
    *n = 0;
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        struct list_entry entry;
        int r = newline ? list_entry_parse(p, (size_t)(newline - p), &entry, e)
                        : err_set(e, STATUS_CLIENT_BAD_REQUEST, "list: the last line is cut");
        if (r == 0 && *n == cap) {
            cap = cap ? cap * 2 : 256;
            struct line *more = realloc(lines, cap * sizeof *lines);
            r = more ? 0 : err_set(e, 0, "no memory for a list");
            lines = more ? more : lines;
        }
        if (r < 0) {
            free(lines);
            return -1;
        }
        memcpy(lines[*n].name, entry.name, NAME_SIZE);
        lines[(*n)++].text = (struct slice){ p, (size_t)(newline + 1 - p) };
        p = newline + 1;
    }
    if (*n)
        qsort(lines, *n, sizeof *lines, by_name);
    *out = lines;
    return 0;
}

static int compress_into(const struct buf *plain_text, struct buf *out, struct err *e) {
    size_t bound = ZSTD_compressBound(plain_text->len);
    char *room = buf_reserve(out, bound);
    size_t n = room ? ZSTD_compress(room, bound, plain_text->data, plain_text->len, LEVEL) : 0;
    if (!room || ZSTD_isError(n))
        return err_set(e, 0, "no memory for a list");
    out->len += n;
    return 0;
}

int list_pack(const char *lines, size_t len, struct buf *out, uint8_t root[MERKLE_HASH],
              uint64_t *count_out, struct err *e) {
    struct line *sorted = NULL;
    size_t n;
    struct merkle tree;
    struct buf text __attribute__((cleanup(buf_fini)));
    buf_init(&text, LIST_MAX);
    merkle_init(&tree);
    if (split(lines, len, &sorted, &n, e) < 0)
        return -1;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct slice t = sorted[i].text;
        if (i > 0 && strcmp(sorted[i].name, sorted[i - 1].name) == 0) {
            struct slice before = sorted[i - 1].text;
            if (before.len != t.len || memcmp(before.data, t.data, t.len) != 0)
                r = err_set(e, STATUS_RESOURCE_CONFLICT, "list: two lines for %s", sorted[i].name);
            continue;
        }
        merkle_add(&tree, t.data, t.len - 1);
        buf_add(&text, t.data, t.len);
    }
    free(sorted);
    if (r < 0 || (text.failed && err_set(e, 0, "no memory for a list") < 0) ||
        compress_into(&text, out, e) < 0)
        return -1;
    merkle_root(&tree, root);
    *count_out = tree.count;
    return 0;
}

int list_unpack(const void *data, size_t len, struct buf *lines, struct err *e) {
    unsigned long long size = ZSTD_getFrameContentSize(data, len);
    if (size > LIST_MAX || ZSTD_findFrameCompressedSize(data, len) != len)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "list: not one zstd frame, or too large");
    char *room = buf_reserve(lines, (size_t)size);
    if (!room)
        return err_set(e, 0, "no memory for a list");
    if (ZSTD_decompress(room, (size_t)size, data, len) != size)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "list: cannot be decompressed");
    lines->len += (size_t)size;
    return 0;
}
