/* A BagIt bag (RFC 8493) being written, file by file, into a folder or as one tar; the manifest is
 * made on the way, on disk, so that memory does not grow with the bag. In a folder, what an
 * earlier, interrupted run wrote whole is kept; a tar goes on behind its last mark. */
#ifndef GUAC_EVIDENCE_BAG_H
#define GUAC_EVIDENCE_BAG_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define BAG_TAR "bag.tar" /* in the folder where a tar is made */

struct bag {
    int root;              /* of a folder: the bag; of a tar: where it is made; the caller's then */
    int tar;               /* -1: a folder */
    int manifest;          /* what of it is written */
    char top[64];          /* of a tar: the folder in it */
    uint64_t made_s;       /* of a tar: its files' time, Unix */
    uint64_t end;          /* of a tar: up to here it is whole */
    uint64_t limit;        /* bytes that it may have; 0: no limit */
    struct bag_file *open; /* the one that is being written into the tar */
    struct buf tags;
    uint64_t files, bytes; /* of the payload */
};

/* What has to be known to go on with a tar. */
struct bag_mark {
    uint64_t end, manifest, files, bytes;
};

/* Makes the folder, or goes on in one that is a bag of ours not finished yet. */
int bag_open(struct bag *b, const char *path, struct err *e);
/* BAG_TAR in `dir`, anew (mark NULL) or cut off behind the mark. */
int bag_open_tar(struct bag *b, int dir, const char *top, uint64_t made_s,
                 const struct bag_mark *mark, struct err *e);
void bag_fini(struct bag *b);
/* On disk for good; then the mark may be kept. Tars only. */
int bag_sync(struct bag *b, struct bag_mark *mark, struct err *e);
/* A file beside the bag for what is put into it later, the caller's to remove: opened for
 * reading and writing, empty unless `keep`. */
int bag_scratch(struct bag *b, const char *name, bool keep, struct err *e);

/* `path` below the folder: "data/…" is payload, else a tag file. */
int bag_put(struct bag *b, const char *path, const void *data, size_t len, struct err *e);
/* True: it lies there with that size already, and is in the manifest now. Folders only. */
bool bag_has(struct bag *b, const char *path, uint64_t size);
/* Larger files: begun, added to, ended. */
struct bag_file;
struct bag_file *bag_begin(struct bag *b, const char *path, struct err *e);
int bag_add(struct bag_file *f, const void *data, size_t len, struct err *e);
/* All of a file that is open for reading, from its beginning. */
int bag_add_file(struct bag_file *f, int fd, struct err *e);
int bag_end(struct bag_file *f, struct err *e); /* frees it; NULL is fine */
/* Manifests, bagit.txt and bag-info.txt: only then it is a bag. `info`: lines of its own. */
int bag_close(struct bag *b, const char *info, struct err *e);

#endif
