/* Guacamole instructions, `LEN.VALUE,LEN.VALUE;` with LEN in Unicode code points. Pure: bytes in,
 * slices out, no I/O, no clock. */
#ifndef GUAC_PROTO_INSTR_H
#define GUAC_PROTO_INSTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/util.h"

#define INSTR_ELEMENTS_MAX 128 /* opcode included */
#define INSTR_ELEMENT_MAX 8192 /* code points of one element */
#define INSTR_BYTES_MAX 32768  /* of a whole instruction */
#define INSTR_DIGITS_MAX 5     /* of a length prefix */
#define BLOB_BYTES_MAX 6048    /* before base64 */

struct instr {
    size_t argc; /* arguments, opcode not counted */
    struct slice opcode;
    struct slice argv[INSTR_ELEMENTS_MAX]; /* into the parsed bytes */
};

enum instr_result { INSTR_OK, INSTR_MORE, INSTR_BAD };

/* How a peer counts LEN. Both agree unless there are code points above U+FFFF. */
enum instr_count { COUNT_CODE_POINTS, COUNT_EITHER /* code points, or UTF-16 units */ };

/* The first instruction in data. OK: out filled, *used bytes belong to it. MORE: a prefix of a good
 * one so far. BAD: e says why (status 0x0300, or 0x030D when too long). out is scratch unless OK;
 * elements are valid UTF-8. */
enum instr_result instr_parse(const char *data, size_t len, enum instr_count count,
                              struct instr *out, size_t *used, struct err *e);
/* Length of the longest prefix of data made of whole instructions, checked for framing only, with
 * the same limits; *bad is set when what follows can never become one. For relays. */
size_t instr_whole(const char *data, size_t len, enum instr_count count, bool *bad);

/* Appending keeps the limits above but INSTR_BYTES_MAX and INSTR_ELEMENTS_MAX, which are the
 * caller's: an element too long or not UTF-8 fails, and the buffer is `failed` as if it were full.
 * All return 0 or -1. */
/* One instruction. Arguments: strings up to a NULL. */
int instr_put(struct buf *out, const char *opcode, ...) __attribute__((sentinel));
/* Piecewise: instr_begin, then any number of elements, then instr_end. */
int instr_begin(struct buf *out, const char *opcode);
int instr_str(struct buf *out, const char *value);
int instr_bytes(struct buf *out, const char *value, size_t len); /* valid UTF-8 */
int instr_int(struct buf *out, int64_t value);
int instr_end(struct buf *out);
/* One `blob` of at most BLOB_BYTES_MAX bytes. */
int instr_blob(struct buf *out, int stream, const void *data, size_t len);
/* `blob` instructions of at most BLOB_BYTES_MAX each for all of data on this stream, then `end`. */
int instr_blobs(struct buf *out, int stream, const void *data, size_t len);

/* Numbers as they come off the wire: whole element, in range, else false. */
bool instr_to_int(struct slice s, int64_t min, int64_t max, int64_t *out);
/* Copy as a C string; false if it does not fit or holds a NUL. */
bool instr_to_str(struct slice s, char *out, size_t size);

#endif
