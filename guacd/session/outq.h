/* Bytes on their way to users. A frame is encoded once and shared: each user's queue holds
 * references to the same chunk. Wire thread only. */
#ifndef GUAC_SESSION_OUTQ_H
#define GUAC_SESSION_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "guacd/base/buf.h"

struct chunk {
    unsigned refs;
    size_t len;
    char *data;
};

/* The buffer's content leaves into a chunk with one reference, shrunk to its size; the buffer is
 * empty then. NULL without memory or when the buffer failed. */
struct chunk *chunk_steal(struct buf *b);
struct chunk *chunk_copy(const void *data, size_t len);
struct chunk *chunk_ref(struct chunk *c);
void chunk_unref(struct chunk *c); /* NULL is fine */

struct outq {
    struct chunk **ring;
    size_t head, count, cap;
    size_t offset; /* bytes of the first chunk that are out already */
    size_t bytes;  /* waiting */
    size_t max;    /* hard limit in bytes; crossing it drops the user */
};

void outq_init(struct outq *q, size_t max);
void outq_fini(struct outq *q);
/* Takes a reference of its own. -1: over the hard limit, or no memory; nothing was added. */
int outq_add(struct outq *q, struct chunk *c);
/* What to write next; at most `max` pieces. Returns how many. */
int outq_iov(const struct outq *q, struct iovec *iov, int max);
void outq_written(struct outq *q, size_t n); /* n <= bytes */
static inline bool outq_empty(const struct outq *q) {
    return q->bytes == 0;
}

#endif
