/* What a container says of its files: archives of tar (POSIX ustar, with GNU's and pax's words for
 * what does not fit), and the entries of a folder as our script prints them. Pure: bytes in, slices
 * out, no I/O, no clock. */
#ifndef GUAC_BACKENDS_KUBERNETES_ARCHIVE_H
#define GUAC_BACKENDS_KUBERNETES_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

#define TAR_BLOCK 512u
#define TAR_END_BYTES (2 * TAR_BLOCK) /* zeroes that end an archive */
#define TAR_PAX_MAX 4096u             /* of an extended header; more is not looked at */

enum tar_result {
    TAR_MORE,   /* bytes are missing */
    TAR_MEMBER, /* one begins: size, file */
    TAR_DATA,   /* a piece of it */
    TAR_END,    /* of the archive; nothing follows */
    TAR_BAD     /* e */
};

/* Zeroed is the beginning. */
struct tar {
    uint64_t left; /* of the member's data */
    unsigned pad;  /* bytes behind it, up to the block's end */
    bool extended; /* these data are a pax header */
    bool sized;    /* it said a size for the next member */
    uint64_t size;
    unsigned kept;
    char pax[TAR_PAX_MAX];
};

struct tar_piece {
    uint64_t size; /* MEMBER */
    bool file;     /* MEMBER: a plain file */
    const char *data;
    size_t len;  /* DATA */
    size_t used; /* bytes of the input that are done with, whatever the result */
};
enum tar_result tar_next(struct tar *t, const char *data, size_t len, struct tar_piece *out,
                         struct err *e);

/* The header of a plain file. size < 8 GiB. */
void tar_header(char block[TAR_BLOCK], const char *name, uint64_t size);
/* Zeroes behind so many bytes of data. */
static inline size_t tar_padding(uint64_t size) {
    return (size_t)(-size & (TAR_BLOCK - 1));
}

/* "<mode, hex> <bytes> <mtime> ./<name>/\n": a name holds no slash, and may hold anything else. */
struct entry {
    unsigned mode; /* st_mode */
    uint64_t size; /* UINT64_MAX: unknown */
    int64_t mtime; /* Unix seconds; 0: unknown */
    const char *name;
    size_t name_len;
};
enum entry_result { ENTRY_OK, ENTRY_MORE, ENTRY_BAD };
enum entry_result entry_next(const char *data, size_t len, struct entry *out, size_t *used);

#endif
