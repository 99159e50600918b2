/* chunks.jsonl: a line for each chunk of a recording, sorted by name; the leaves of the seal's
 * Merkle root are these lines without their newlines. Stored as chunks.jsonl.zst. */
#ifndef GUAC_RECORDING_LIST_H
#define GUAC_RECORDING_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "recording/chunk.h"
#include "recording/merkle.h"
#include "recording/store.h"

#define LIST_MAX ((size_t)256 << 20) /* bytes of all lines: weeks of work without a pause */
#define LIST_LINE_MAX 1024

/* Members: frames head i kind n name offset raw seq0 seq1 sha256 size t1 versionId. `sha256` and
 * `size` are of the whole object, `head` is the SHA-256 of its line 1; the rest is as in there. */
struct list_entry {
    char name[NAME_SIZE];
    enum chain_kind kind;
    uint32_t n, i;
    uint64_t offset, raw, t1, seq0, seq1, frames, size;
    char sha256[HASH_HEX], head[HASH_HEX];
    char version[STORE_VERSION_SIZE];
};

/* From a chunk and its whole object; version "" . */
void list_entry_of(const struct chunk_header *h, const void *object, size_t len,
                   const char head[HASH_HEX], struct list_entry *out);
/* One line with its newline. -1 when it does not fit, or version needs escaping. */
int list_entry_write(const struct list_entry *entry, struct buf *out);
/* Pure; a line without its newline, in its one spelling. */
int list_entry_parse(const char *line, size_t len, struct list_entry *out, struct err *e);

/* 32 bytes from 64 hex digits; false when they are none. */
bool list_hash_bytes(const char hex[HASH_HEX], uint8_t out[32]);

/* Take `lines` (each ended by a newline, any order; an entry may stand there twice with the same
 * bytes) to the sorted list: appended to `out` compressed, with its root and count. */
int list_pack(const char *lines, size_t len, struct buf *out, uint8_t root[MERKLE_HASH],
              uint64_t *count, struct err *e);
/* Pure but for memory: decompress (LIST_MAX at most). */
int list_unpack(const void *data, size_t len, struct buf *lines, struct err *e);

#endif
