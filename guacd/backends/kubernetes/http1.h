/* Answers of an HTTP/1.1 server: heads and bodies. Only what asking an API server takes: no
 * trailers, no 1xx but 101, no folding. Pure: no I/O, no clock. */
#ifndef GUAC_BACKENDS_KUBERNETES_HTTP1_H
#define GUAC_BACKENDS_KUBERNETES_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define HTTP1_HEAD_MAX (32u << 10)

enum http1_result { HTTP1_OK, HTTP1_MORE, HTTP1_BAD };

struct http1_head {
    int status;
    uint64_t length; /* of the body, when has_length */
    bool has_length, chunked;
    bool close;        /* the server ends the connection behind this answer */
    bool upgrade;      /* Upgrade: websocket */
    char accept[64];   /* Sec-WebSocket-Accept, "" for none */
    char protocol[64]; /* Sec-WebSocket-Protocol, "" for none */
};

/* OK: out, and used is the head's length. A head beyond HTTP1_HEAD_MAX is BAD. */
enum http1_result http1_head(const char *data, size_t len, struct http1_head *out, size_t *used,
                             struct err *e);

enum http1_chunk { HTTP1_CHUNK_SIZE, HTTP1_CHUNK_DATA, HTTP1_CHUNK_END, HTTP1_CHUNK_LAST };

struct http1_body {
    bool chunked, until_close;
    enum http1_chunk chunk; /* what comes next, when chunked */
    uint64_t left;
};
void http1_body_init(struct http1_body *b, const struct http1_head *h);
/* Moves what is there into out; used bytes are done with. OK: the body is whole. ended: nothing
 * follows these bytes. A body beyond out's maximum is BAD. */
enum http1_result http1_body(struct http1_body *b, const char *data, size_t len, bool ended,
                             size_t *used, struct buf *out, struct err *e);

/* Appends text percent-encoded for a path segment or a query's value. */
void http1_escape(struct buf *out, const char *text);

#endif
