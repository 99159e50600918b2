/* What a session's drive holds: names and folders in memory, the bytes of all files in blocks of
 * one nameless file that goes with the descriptor. So nothing that a server or a person names is
 * ever a path of this machine, and nothing outlives the session. One thread.
 *
 * Paths are UTF-8, absolute, with '/' between names, which are found whatever the case of their
 * ASCII letters, as Windows does. */
#ifndef GUAC_RDP_DISK_H
#define GUAC_RDP_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_BLOCK (64u << 10) /* what quota and free space are counted in */
#define DISK_NODES_MAX 20000   /* files and folders */
#define DISK_DEPTH_MAX 64
#define DISK_NAME_MAX 765 /* bytes: 255 characters of the first plane */

struct disk;

/* A file or a folder. Read by everyone, changed by disk_*() only. */
struct disk_node {
    struct disk_node *parent, *children, *next; /* children in the order they came */
    char *name;                                 /* "" for the top */
    bool folder, gone;                          /* gone: removed while somebody holds it */
    unsigned refs;
    uint64_t size;             /* bytes */
    uint64_t serial;           /* grows with every node placed: where a listing goes on */
    int64_t made_ms, wrote_ms; /* Unix */
    uint32_t *blocks;          /* of the file behind, in order */
    size_t block_count;
};

enum disk_result {
    DISK_OK,
    DISK_NOT_FOUND,
    DISK_NO_WAY, /* something above it is missing or no folder */
    DISK_EXISTS,
    DISK_IS_FOLDER,
    DISK_NOT_EMPTY,
    DISK_BAD_NAME,
    DISK_FULL,  /* the quota, the number of nodes, or the machine's own disk */
    DISK_FAILED /* the machine's disk, or its memory */
};

/* Takes fd: an empty file, open for reading and writing. quota: bytes. NULL without memory. */
struct disk *disk_new(int fd, uint64_t quota);
void disk_free(struct disk *d); /* every node with it; NULL is fine */
struct disk_node *disk_top(struct disk *d);
uint64_t disk_quota(const struct disk *d);
uint64_t disk_left(const struct disk *d); /* bytes */

/* Whether something may have this path: names that Windows has, no deeper than there may be. */
bool disk_is_path(const char *path);
/* Borrowed, good until the next call that changes something, unless held. */
enum disk_result disk_find(struct disk *d, const char *path, struct disk_node **out);
/* A new empty one. DISK_EXISTS with what is there in *out. */
enum disk_result disk_make(struct disk *d, const char *path, bool folder, struct disk_node **out);
/* Every folder above `path`. */
enum disk_result disk_make_above(struct disk *d, const char *path);
/* A file that has no name yet, held once; NULL without memory. */
struct disk_node *disk_nameless(struct disk *d);
/* Gives it a name (once it has one, another). A file that has the name already goes if `replace`,
 * else DISK_EXISTS; a folder never does. */
enum disk_result disk_place(struct disk *d, struct disk_node *n, const char *path, bool replace);
/* Its bytes go when nobody holds it any more. The top and folders with something in them stay. */
enum disk_result disk_remove(struct disk *d, struct disk_node *n);
void disk_hold(struct disk_node *n);
void disk_drop(struct disk *d, struct disk_node *n); /* NULL is fine */
/* Append the path to out, of at least `max` bytes; false: too long, or it is gone. */
bool disk_path(const struct disk_node *n, char *out, size_t max);
/* The next of a folder after that serial, 0 at first; NULL: no more. */
struct disk_node *disk_next(const struct disk_node *folder, uint64_t serial);

/* *got less than len only at the end of the file. */
enum disk_result disk_read(struct disk *d, const struct disk_node *n, uint64_t at, void *data,
                           size_t len, size_t *got);
/* All or nothing; what lies between the end and `at` reads as zeros. */
enum disk_result disk_write(struct disk *d, struct disk_node *n, uint64_t at, const void *data,
                            size_t len);
/* Larger: reads as zeros, and there has to be room for it now, though none is taken. */
enum disk_result disk_resize(struct disk *d, struct disk_node *n, uint64_t size);

#endif
