/* A bag that somebody hands in, as a folder or as a tar: which files there are, and their bytes.
 * Nothing is unpacked, no link is followed, and no name in it leads out of it. What is odd about
 * the container itself is told to `odd`; what is in the files is for bag_verify.h. */
#ifndef GUAC_EVIDENCE_BAG_INDEX_H
#define GUAC_EVIDENCE_BAG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define BAG_FILES_MAX 4000000u

struct bag_entry {
    const char *path; /* below the bag: "data/log/checkpoint" */
    uint64_t size;
    uint64_t at; /* in the tar */
};
struct bag_index {
    int root; /* the folder; -1: a tar */
    int tar;
    struct bag_entry *files; /* by path, bytewise */
    size_t count, cap;
    struct bag_arena *arena;
    void (*odd)(void *arg, const char *path, const char *what);
    void *arg;
};

/* True: `path` is a folder with a bag's manifest, or a regular file. */
bool bag_is(const char *path);
/* Zeroed but for odd and arg, which may be NULL. -1: it cannot be read at all. */
int bag_index_open(struct bag_index *x, const char *path, struct err *e);
/* The same of a tar that is open; takes fd. */
int bag_index_tar(struct bag_index *x, int fd, struct err *e);
void bag_index_fini(struct bag_index *x);

const struct bag_entry *bag_index_find(const struct bag_index *x, const char *path);
/* The first at or behind `path` in the order. */
size_t bag_index_from(const struct bag_index *x, const char *path);
/* Up to `len` bytes from `at`, appended; fewer at the end. */
int bag_index_read(const struct bag_index *x, const struct bag_entry *f, uint64_t at, size_t len,
                   struct buf *out, struct err *e);
int bag_index_hash(const struct bag_index *x, const struct bag_entry *f, char hex[65],
                   struct err *e);
/* Each line without its end, of at most LINE bytes; -2 from fn stops. A last line without an end
 * is one, too. */
#define BAG_LINE_MAX 65536u
int bag_index_lines(const struct bag_index *x, const struct bag_entry *f,
                    int (*fn)(void *arg, const char *line, size_t len), void *arg, struct err *e);

#endif
