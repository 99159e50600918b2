/* A chunk: one object of a recording. A zstd skippable frame (RFC 8878 section 3.1.2, magic
 * 0x184D2A50) holds two lines, then one zstd frame holds the data:
 *
 *   line 1: header as compact JSON with sorted keys       line 2: base64 of the session key's
 * Ed25519 signature over "guac-chunk-v1\n" + line 1 with its newline
 *
 * `cat *.guac.zst | zstd -d` therefore is the plain recording. Each kind is a chain of its own:
 * `prev` is the SHA-256 of line 1 (with its newline) of the chunk before, for the first one that of
 * open.dsse.json as stored. Members of the header:
 *   session  kind data|keyframe|text   n (of the name)   i (place in the chain, from 0)
 *   t0 t1 (ms of the first and last frame)   offset raw (bytes, before compression; a keyframe's
 *   offset is where the data stream stood)   seq0 seq1 frames (tap frames within)
 *   size sha256 (of the data frame)   prev */
#ifndef GUAC_RECORDING_CHUNK_H
#define GUAC_RECORDING_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/base/err.h"
#include "guacd/base/util.h"
#include "recording/name.h"
#include "recording/sign.h"

#define CHUNK_HEADER_MAX 2048     /* content of the skippable frame */
#define CHUNK_RAW_MAX (24u << 20) /* a tap frame of 16 MiB must fit, with what came before it */
#define CHUNK_MAX (25u << 20)     /* of a whole object */
#define CHUNK_DOMAIN "guac-chunk-v1\n"
#define HASH_HEX 65 /* SHA-256 in hex and its NUL */

struct chunk_header {
    char session[UUID_LEN + 1];
    enum chain_kind kind;
    uint32_t n, i;
    uint64_t t0, t1, offset, raw;
    uint64_t seq0, seq1, frames;
    uint64_t size;
    char sha256[HASH_HEX], prev[HASH_HEX];
};

/* Slices point into the parsed bytes. */
struct chunk {
    struct chunk_header h;
    struct slice line; /* line 1 with its newline */
    uint8_t sig[SIGN_LEN];
    struct slice data; /* the data frame */
};

const char *chunk_kind_name(enum chain_kind kind);
void chunk_name(const struct chunk_header *h, char out[NAME_SIZE]);

/* Pure: the form only (one spelling, one data frame of the announced sizes and nothing behind it);
 * no hash and no signature is checked. */
int chunk_parse(const void *data, size_t len, struct chunk *out, struct err *e);
/* The leading frame alone, for readers that fetched only CHUNK_HEADER_MAX + 8 bytes. */
int chunk_parse_header(const void *data, size_t len, struct chunk *out, struct err *e);
/* Hash of the data frame, and signature. */
int chunk_check(const struct chunk *c, const struct sign_key *k, struct err *e);
/* SHA-256 of line 1, the next one's `prev`. */
void chunk_head(const struct chunk *c, char out[HASH_HEX]);

/* Compression contexts, one a thread. */
struct chunk_codec;
struct chunk_codec *chunk_codec_new(int level, struct err *e);
void chunk_codec_free(struct chunk_codec *c);

/* Compress, hash, sign: fills raw, size, sha256 of `h`, appends the object to `out`, writes the
 * next `prev` to `head`. */
int chunk_build(struct chunk_codec *c, struct chunk_header *h, const void *raw, size_t len,
                const struct sign_key *k, struct buf *out, char head[HASH_HEX], struct err *e);
/* Appends h.raw bytes to `out`. */
int chunk_expand(struct chunk_codec *c, const struct chunk *k, struct buf *out, struct err *e);

static inline void chunk_codec_freep(struct chunk_codec **c) {
    chunk_codec_free(*c);
}
#define _chunk_codec_ __attribute__((cleanup(chunk_codec_freep)))

#endif
