/* Heads of a tar archive (POSIX.1-2017 pax, ustar): as a bag is written, and as one is read that
 * somebody else's tar made. Pure. */
#ifndef GUAC_EVIDENCE_TAR_H
#define GUAC_EVIDENCE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK 512u
#define TAR_PATH_MAX 1200u
#define TAR_HEAD_MAX (TAR_BLOCK * 2 + ((TAR_PATH_MAX + 32 + TAR_BLOCK - 1) / TAR_BLOCK) * TAR_BLOCK)
#define TAR_SIZE_MAX ((uint64_t)1 << 62)

/* Bytes from a file's end to the next block. */
static inline size_t tar_padding(uint64_t size) {
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
/* The head of a regular file, a multiple of TAR_BLOCK and the same for any size; 0: the path is
 * longer than TAR_PATH_MAX. `mtime` in seconds. */
size_t tar_head(const char *path, uint64_t size, unsigned mode, uint64_t mtime,
                unsigned char out[TAR_HEAD_MAX]);

enum tar_kind {
    TAR_END, /* a block of zeros */
    TAR_FILE,
    TAR_PAX,   /* its body says more about the next one: tar_pax() */
    TAR_LONG,  /* its body is the next one's path (GNU) */
    TAR_OTHER, /* a folder, a link, what no bag has; its body is passed over */
    TAR_BAD,
};
struct tar_entry {
    enum tar_kind kind;
    uint64_t size;
    bool folder;
    char path[TAR_PATH_MAX + 1]; /* as it stands there */
};
enum tar_kind tar_parse(const unsigned char block[TAR_BLOCK], struct tar_entry *out);
/* What a pax body of `len` bytes says: path (out->path, unless it is none) and size. False: it is
 * none. */
bool tar_pax(const char *body, size_t len, struct tar_entry *out);

#endif
