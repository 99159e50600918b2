/* A path that ustar's two fields do not take goes into a pax record before; a size beyond eleven
 * octal digits is base-256, which every tar of today reads. */
#include "recording/evidence/tar.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 100u
#define PREFIX_MAX_BYTES 155u

struct head {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6],
        version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct head) == TAR_BLOCK, "a tar head is one block");

static void octal(char *out, size_t room, uint64_t v) {
    for (size_t i = room - 1; i-- > 0; v >>= 3)
        out[i] = (char)('0' + (v & 7));
    out[room - 1] = '\0';
}

static void set_size(struct head *h, uint64_t v) {
    if (v < (uint64_t)1 << 33) {
        octal(h->size, sizeof h->size, v);
        return;
    }
    for (size_t i = sizeof h->size; i-- > 4; v >>= 8)
        h->size[i] = (char)(v & 0xff);
    memset(h->size, 0, 4);
    h->size[0] = (char)0x80;
}

/* False: it does not fit into name and prefix. */
static bool set_path(struct head *h, const char *path) {
    size_t len = strlen(path);
    if (len <= NAME_MAX_BYTES) {
        memcpy(h->name, path, len);
        return true;
    }
    for (size_t i = len - NAME_MAX_BYTES - 1; i < len && i <= PREFIX_MAX_BYTES; i++)
        if (path[i] == '/' && i > 0 && i + 1 < len) {
            memcpy(h->prefix, path, i);
            memcpy(h->name, path + i + 1, len - i - 1);
            return true;
        }
    return false;
}

static void finish(struct head *h, char type, uint64_t size, unsigned mode, uint64_t mtime) {
    unsigned sum = 0;
    octal(h->mode, sizeof h->mode, mode);
    octal(h->uid, sizeof h->uid, 0);
    octal(h->gid, sizeof h->gid, 0);
    octal(h->mtime, sizeof h->mtime, mtime);
    set_size(h, size);
    h->type = type;
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    memset(h->sum, ' ', sizeof h->sum);
    for (size_t i = 0; i < sizeof *h; i++)
        sum += ((const unsigned char *)h)[i];
    octal(h->sum, 7, sum);
}

/* "<length> path=<path>\n", where the length counts itself. */
static size_t pax_record(const char *path, char out[TAR_PATH_MAX + 32]) {
    size_t body = strlen(path) + strlen(" path=\n"), len = body + 1;
    for (int i = 0; i < 3; i++)
        len = body + (size_t)snprintf(NULL, 0, "%zu", len);
    return (size_t)snprintf(out, TAR_PATH_MAX + 32, "%zu path=%s\n", len, path);
}

size_t tar_head(const char *path, uint64_t size, unsigned mode, uint64_t mtime,
                unsigned char out[TAR_HEAD_MAX]) {
    struct head h = { 0 };
    size_t at = 0;
    if (strlen(path) > TAR_PATH_MAX)
        return 0;
    memset(out, 0, TAR_HEAD_MAX);
    if (!set_path(&h, path)) {
        struct head pax = { .name = "pax" };
        char record[TAR_PATH_MAX + 32];
        size_t len = pax_record(path, record);
        finish(&pax, 'x', len, mode, mtime);
        memcpy(out, &pax, sizeof pax);
        memcpy(out + TAR_BLOCK, record, len);
        at = TAR_BLOCK + len + tar_padding(len);
        memcpy(h.name, path, NAME_MAX_BYTES); /* for who reads no pax */
    }
    finish(&h, '0', size, mode, mtime);
    memcpy(out + at, &h, sizeof h);
    return at + TAR_BLOCK;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool number(const char *field, size_t room, uint64_t *out) {
    uint64_t v = 0;
    size_t i = 0;
    if ((unsigned char)field[0] == 0x80) { /* base-256 */
        for (i = 1; i < room; i++) {
            if (v > TAR_SIZE_MAX >> 8)
                return false;
            v = v << 8 | (unsigned char)field[i];
        }
        *out = v;
        return true;
    }
    while (i < room && field[i] == ' ')
        i++;
    for (; i < room && field[i] >= '0' && field[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(field[i] - '0');
    *out = v;
    return i == room || field[i] == '\0' || field[i] == ' ';
}

static bool sum_fits(const unsigned char *block) {
    uint64_t told;
    unsigned sum = 0;
    const struct head *h = (const struct head *)block;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        const bool own =
            i >= offsetof(struct head, sum) && i < offsetof(struct head, sum) + sizeof h->sum;
        sum += own ? ' ' : block[i];
    }
    return number(h->sum, sizeof h->sum, &told) && told == sum;
}

enum tar_kind tar_parse(const unsigned char block[TAR_BLOCK], struct tar_entry *out) {
    static const unsigned char zeros[TAR_BLOCK];
    const struct head *h = (const struct head *)block;
    *out = (struct tar_entry){ .kind = TAR_BAD };
    if (memcmp(block, zeros, TAR_BLOCK) == 0)
        return out->kind = TAR_END;
    if (!sum_fits(block) || !number(h->size, sizeof h->size, &out->size) ||
        out->size > TAR_SIZE_MAX)
        return TAR_BAD;
    bool ustar = memcmp(h->magic, "ustar", 6) == 0 && h->prefix[0];
    snprintf(out->path, sizeof out->path, "%.*s%s%.*s", ustar ? (int)sizeof h->prefix : 0,
             h->prefix, ustar ? "/" : "", (int)sizeof h->name, h->name);
    out->folder = h->type == '5';
    return out->kind = h->type == '0' || h->type == '\0' || h->type == '7' ? TAR_FILE
                       : h->type == 'x'                                    ? TAR_PAX
                       : h->type == 'L'                                    ? TAR_LONG
                                                                           : TAR_OTHER;
}

bool tar_pax(const char *body, size_t len, struct tar_entry *out) {
    while (len > 0 && *body) {
        size_t n = 0, i = 0;
        for (; i < len && i < 9 && body[i] >= '0' && body[i] <= '9'; i++)
            n = n * 10 + (size_t)(body[i] - '0');
        if (i == 0 || i >= len || body[i] != ' ' || n <= i + 2 || n > len || body[n - 1] != '\n')
            return false;
        const char *text = body + i + 1;
        const size_t room = n - i - 2;
        if (room > 5 && memcmp(text, "path=", 5) == 0) {
            if (room - 5 > TAR_PATH_MAX || memchr(text, '\0', room))
                return false;
            memcpy(out->path, text + 5, room - 5);
            out->path[room - 5] = '\0';
        } else if (room > 5 && memcmp(text, "size=", 5) == 0) {
            uint64_t v = 0;
            for (size_t k = 5; k < room; k++) {
                if (text[k] < '0' || text[k] > '9' || v > TAR_SIZE_MAX / 10)
                    return false;
                v = v * 10 + (uint64_t)(text[k] - '0');
            }
            out->size = v;
        }
        body += n;
        len -= n;
    }
    return true;
}
