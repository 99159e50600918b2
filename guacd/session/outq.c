#include "guacd/session/outq.h"

#include <stdlib.h>
#include <string.h>

struct chunk *chunk_steal(struct buf *b) {
    struct chunk *c = calloc(1, sizeof(*c));
    size_t len = 0;
    char *data = c ? buf_steal(b, &len) : NULL;
    if (!data) {
        free(c);
        return NULL;
    }
    char *exact = realloc(data, len + 1); /* a buffer may be twice its content */
    *c = (struct chunk){ .refs = 1, .len = len, .data = exact ? exact : data };
    return c;
}

struct chunk *chunk_copy(const void *data, size_t len) {
    struct chunk *c = calloc(1, sizeof(*c));
    char *copy = c ? malloc(len + 1) : NULL;
    if (!copy) {
        free(c);
        return NULL;
    }
    memcpy(copy, data, len);
    *c = (struct chunk){ .refs = 1, .len = len, .data = copy };
    return c;
}

struct chunk *chunk_ref(struct chunk *c) {
    c->refs++;
    return c;
}

void chunk_unref(struct chunk *c) {
    if (!c || --c->refs)
        return;
    free(c->data);
    free(c);
}

void outq_init(struct outq *q, size_t max) {
    *q = (struct outq){ .max = max };
}

void outq_fini(struct outq *q) {
    for (size_t i = 0; i < q->count; i++)
        chunk_unref(q->ring[(q->head + i) % q->cap]);
    free(q->ring);
    *q = (struct outq){ .max = q->max };
}

static int grow(struct outq *q) {
    size_t cap = q->cap ? q->cap * 2 : 8;
    struct chunk **ring = calloc(cap, sizeof(struct chunk *));
    if (!ring)
        return -1;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->head + i) % q->cap];
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->head = 0;
    return 0;
}

int outq_add(struct outq *q, struct chunk *c) {
    if (c->len > q->max - q->bytes || (q->count == q->cap && grow(q) < 0))
        return -1;
    if (!c->len)
        return 0;
    q->ring[(q->head + q->count++) % q->cap] = chunk_ref(c);
    q->bytes += c->len;
    return 0;
}

int outq_iov(const struct outq *q, struct iovec *iov, int max) {
    int n = 0;
    size_t skip = q->offset;
    for (size_t i = 0; i < q->count && n < max; i++, skip = 0) {
        const struct chunk *c = q->ring[(q->head + i) % q->cap];
        iov[n++] = (struct iovec){ .iov_base = c->data + skip, .iov_len = c->len - skip };
    }
    return n;
}

void outq_written(struct outq *q, size_t n) {
    q->bytes -= n;
    q->offset += n;
    while (q->count && q->offset >= q->ring[q->head]->len) {
        q->offset -= q->ring[q->head]->len;
        chunk_unref(q->ring[q->head]);
        q->head = (q->head + 1) % q->cap;
        q->count--;
    }
}
