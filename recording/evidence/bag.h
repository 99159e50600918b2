/* A BagIt bag (RFC 8493) being written into a folder, file by file; the manifest is made on the
 * way. What an earlier, interrupted run wrote whole is kept. */
#ifndef GUAC_EVIDENCE_BAG_H
#define GUAC_EVIDENCE_BAG_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

struct bag {
    int root; /* the folder */
    struct buf manifest, tags;
    uint64_t files, bytes; /* of the payload */
};

/* Makes the folder, or goes on in one that is a bag of ours not finished yet. */
int bag_open(struct bag *b, const char *path, struct err *e);
void bag_fini(struct bag *b);
/* `path` below the folder: "data/…" is payload, else a tag file. */
int bag_put(struct bag *b, const char *path, const void *data, size_t len, struct err *e);
/* True: it lies there with that size already, and is in the manifest now. */
bool bag_has(struct bag *b, const char *path, uint64_t size);
/* Larger files: begun, added to, ended. */
struct bag_file;
struct bag_file *bag_begin(struct bag *b, const char *path, struct err *e);
int bag_add(struct bag_file *f, const void *data, size_t len, struct err *e);
int bag_end(struct bag_file *f, struct err *e); /* frees it; NULL is fine */
/* Manifests, bagit.txt and bag-info.txt: only then it is a bag. `info`: lines of its own. */
int bag_close(struct bag *b, const char *info, struct err *e);

#endif
