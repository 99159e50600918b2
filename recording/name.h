/* Where a recording lies and how its objects are called (the store's listing is the index):
 *   <bucket>/<namespace>/<connection>/<yyyy>/<mm>/<dd>/<session>/<object>
 * Pure, and strict: each name has one spelling, so nothing else is ever opened, shown or trusted.
 */
#ifndef GUAC_RECORDING_NAME_H
#define GUAC_RECORDING_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/enc.h"
#include "guacd/base/err.h"
#include "recording/statement.h"

#define NAME_OPEN_OBJECT "open.dsse.json"
#define NAME_SEAL_OBJECT "seal.dsse.json"
#define NAME_LIST_OBJECT "chunks.jsonl.zst"
#define NAME_SIZE 80      /* room for any object's name and its NUL */
#define NAME_KEY_SIZE 768 /* room for a prefix, a slash and a name */
#define NAME_PREFIX_SIZE (NAME_KEY_SIZE - NAME_SIZE)
#define NAME_PART_MAX 253    /* bytes of a namespace or a connection (RFC 1123 subdomain) */
#define NAME_N_MAX 99999999u /* 8 digits */

enum name_kind { NAME_CHUNK, NAME_OPEN, NAME_SEAL, NAME_LIST };

/* Chunks of each kind: `<n>.<start>.<offset>.guac.zst`, `….key.zst`, `<n>.<start>.text.zst` */
struct name {
    enum name_kind kind;
    enum chain_kind chain; /* NAME_CHUNK */
    uint32_t n;      /* place in its chain from 0; a keyframe's: the data chunk to feed next */
    uint64_t start;  /* ms since the open record's time */
    uint64_t offset; /* into the uncompressed data stream; 0 for text */
};
bool name_parse(const char *text, size_t len, struct name *out);
void name_format(const struct name *n, char out[NAME_SIZE]);

struct name_prefix {
    char bucket[64], namespace[NAME_PART_MAX + 1], connection[NAME_PART_MAX + 1];
    int year, month, day;
    char session[UUID_LEN + 1];
};
bool name_prefix_parse(const char *text, struct name_prefix *out);
bool name_bucket_valid(const char *text, size_t len); /* as S3 wants it: 3 to 63 of a-z 0-9 . - */
bool name_part_valid(const char *text, size_t len);   /* namespace, connection */
/* A key of a store: parts of printable ASCII joined by single slashes, none of them starting with a
 * dot. */
bool name_key_valid(const char *key);

#endif
