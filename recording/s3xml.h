/* The few XML answers of S3, read by a pure function: elements, attributes skipped, text with
 * entities, comments and declarations skipped; DOCTYPE, CDATA and more than 16 levels refused. */
#ifndef GUAC_RECORDING_S3XML_H
#define GUAC_RECORDING_S3XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

/* Calls fn for each element that holds text only (an empty one gives ""), with the names of the
 * elements around it joined by slashes: "ListBucketResult/Contents/Key"; and with text NULL when
 * one that holds elements ends. Non-zero stops. */
int s3xml_walk(const char *data, size_t len,
               int (*fn)(void *arg, const char *path, const char *text), void *arg, struct err *e);

/* ListObjectsV2: */
struct s3_listing {
    int (*fn)(void *arg, const char *key, uint64_t size, bool prefix);
    void *arg;
    bool truncated;
    struct buf token; /* NextContinuationToken; buf_fini() it */
    /* private */
    struct buf key;
    uint64_t size;
    bool bad;
    int stopped;
};
/* fn is called in the order of the answer. -1: malformed, or fn stopped it (then l->stopped). */
int s3_listing_parse(const char *data, size_t len, struct s3_listing *l, struct err *e);
void s3_listing_fini(struct s3_listing *l);
/* "Code: message" of an <Error>, or "" when it is none. */
void s3_error_parse(const char *data, size_t len, char *out, size_t size);

#endif
