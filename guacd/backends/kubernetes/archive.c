#include "guacd/backends/kubernetes/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

/* Places in a header (POSIX.1-2017, pax, "ustar Interchange Format"). */
enum { MODE_AT = 100, SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156, MAGIC_AT = 257 };
enum { SIZE_LEN = 12, SUM_LEN = 8 };

/* ---- numbers ----------------------------------------------------------------------------------
 */

/* Octal text with blanks or NULs around it, or, when its top bit is set, a number of bytes (GNU).
 */
static bool number(const char *p, size_t len, uint64_t *out) {
    uint64_t n = 0;
    if (p[0] & 0x80) {
        if ((unsigned char)p[0] != 0x80)
            return false; /* negative, or beyond what bytes of a file can be */
        for (size_t i = 1; i < len; i++) {
            if (n >> 55)
                return false;
            n = n << 8 | (unsigned char)p[i];
        }
        *out = n;
        return true;
    }
    size_t i = 0;
    while (i < len && p[i] == ' ')
        i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++)
        n = n << 3 | (uint64_t)(p[i] - '0'); /* at most 36 bits */
    for (; i < len; i++)
        if (p[i] && p[i] != ' ')
            return false;
    *out = n;
    return true;
}

/* Of all bytes, those of the sum itself as blanks. */
static unsigned sum_of(const char block[TAR_BLOCK]) {
    unsigned sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : (unsigned char)block[i];
    return sum;
}

static bool all_zero(const char block[TAR_BLOCK]) {
    for (size_t i = 0; i < TAR_BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

/* Records "<length> <key>=<value>\n" of a pax header; only the size matters here. */
static void read_pax(struct tar *t) {
    for (const char *p = t->pax, *end = t->pax + t->kept; p < end;) {
        char *rest;
        char text[TAR_PAX_MAX + 1];
        size_t n = (size_t)(end - p);
        memcpy(text, p, n);
        text[n] = '\0';
        unsigned long len = strtoul(text, &rest, 10);
        if (len <= 3 || len > n || *rest != ' ' || (size_t)(rest - text) >= len)
            return;
        text[len] = '\0';
        if (strncmp(rest + 1, "size=", 5) == 0 && rest[6] >= '0' && rest[6] <= '9') {
            t->size = strtoull(rest + 6, NULL, 10);
            t->sized = t->size < 1ull << 62;
        }
        p += len;
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static enum tar_result bad(struct err *e) {
    err_set(e, STATUS_UPSTREAM_ERROR, "what tar sends is no archive");
    return TAR_BAD;
}

static enum tar_result read_header(struct tar *t, const char *block, struct tar_piece *out,
                                   struct err *e) {
    uint64_t sum, size;
    char type = block[TYPE_AT];
    if (all_zero(block))
        return TAR_END;
    if (!number(block + SUM_AT, SUM_LEN, &sum) || sum != sum_of(block) ||
        !number(block + SIZE_AT, SIZE_LEN, &size) || size >= 1ull << 62)
        return bad(e);
    bool helper = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    if (!helper && t->sized)
        size = t->size;
    if (!helper)
        t->sized = false;
    t->left = size;
    t->pad = (unsigned)tar_padding(size);
    t->extended = type == 'x';
    t->kept = 0;
    if (helper)
        return TAR_MORE; /* its data are ours, or nobody's */
    t->size = size;
    out->size = size;
    out->file = type == '0' || type == '\0' || type == '7';
    return TAR_MEMBER;
}

/* Data that are not the caller's: of an extended header. */
static void keep(struct tar *t, const char *data, size_t len) {
    size_t n = MIN_OF(len, sizeof t->pax - t->kept);
    memcpy(t->pax + t->kept, data, n);
    t->kept += (unsigned)n;
}

enum tar_result tar_next(struct tar *t, const char *data, size_t len, struct tar_piece *out,
                         struct err *e) {
    *out = (struct tar_piece){ 0 };
    while (out->used < len) {
        const char *p = data + out->used;
        size_t n = len - out->used;
        if (t->left) {
            n = (size_t)MIN_OF((uint64_t)n, t->left);
            out->used += n;
            t->left -= n;
            if (t->extended) {
                keep(t, p, n);
                if (!t->left)
                    read_pax(t);
                continue;
            }
            out->data = p;
            out->len = n;
            return TAR_DATA;
        }
        if (t->pad) {
            n = MIN_OF(n, (size_t)t->pad);
            out->used += n;
            t->pad -= (unsigned)n;
            continue;
        }
        if (n < TAR_BLOCK)
            return TAR_MORE;
        out->used += TAR_BLOCK;
        enum tar_result r = read_header(t, p, out, e);
        if (r != TAR_MORE)
            return r;
    }
    return TAR_MORE;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

void tar_header(char block[TAR_BLOCK], const char *name, uint64_t size) {
    memset(block, 0, TAR_BLOCK);
    snprintf(block, 100, "%s", name);
    memcpy(block + MODE_AT, "0000644\0000000000\0000000000", 23); /* mode, owner, group */
    snprintf(block + SIZE_AT, SIZE_LEN, "%011llo", (unsigned long long)size);
    memcpy(block + SIZE_AT + SIZE_LEN, "00000000000", 11); /* mtime */
    block[TYPE_AT] = '0';
    memcpy(block + MAGIC_AT, "ustar\00000", 8);
    snprintf(block + SUM_AT, SUM_LEN, "%06o", sum_of(block));
    block[SUM_AT + SUM_LEN - 1] = ' ';
}

/* ---- entries ----------------------------------------------------------------------------------
 */

enum entry_result entry_next(const char *data, size_t len, struct entry *out, size_t *used) {
    *used = 0;
    const char *start = memchr(data, '/', len);
    if (!start)
        return len > 128 ? ENTRY_BAD : ENTRY_MORE;
    size_t head = (size_t)(start - data);
    char text[129];
    if (head >= sizeof text)
        return ENTRY_BAD;
    memcpy(text, data, head);
    text[head] = '\0';
    unsigned long long size;
    long long mtime;
    char dot;
    int end = 0;
    if (sscanf(text, "%x %llu %lld %c%n", &out->mode, &size, &mtime, &dot, &end) != 4 ||
        dot != '.' || (size_t)end != head)
        return ENTRY_BAD;
    const char *name = start + 1, *slash = memchr(name, '/', len - head - 1);
    if (!slash || slash + 1 == data + len)
        return ENTRY_MORE;
    if (slash[1] != '\n')
        return ENTRY_BAD;
    out->size = size; /* "-1" is UINT64_MAX */
    out->mtime = mtime;
    out->name = name;
    out->name_len = (size_t)(slash - name);
    *used = (size_t)(slash + 2 - data);
    return ENTRY_OK;
}
