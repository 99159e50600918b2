/* Bytes to and from an API server over a connected, non-blocking descriptor, by TLS or plain. */
#ifndef GUAC_BACKENDS_KUBERNETES_STREAM_H
#define GUAC_BACKENDS_KUBERNETES_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "guacd/base/err.h"

struct ssl_ctx_st;
struct ssl_st;

/* Who is trusted, and who we are. All PEM text, "" for none: ca "" is the machine's own
 * authorities. Reads the machine's files only while certificates are checked. */
struct ssl_ctx_st *stream_context(const char *ca, const char *cert, const char *key,
                                  bool any_server, struct err *e);
void stream_context_free(struct ssl_ctx_st *ctx);

struct stream {
    int fd;             /* the stream's; -1: none */
    struct ssl_st *ssl; /* NULL: plain */
    bool read_wants_out, write_wants_in;
    bool dry; /* what OpenSSL holds is no whole record: the kernel has to bring more */
};

/* From here on in TLS, whose names are checked against host (a name or an address). The handshake
 * is stream_handshake()'s. */
int stream_secure(struct stream *s, struct ssl_ctx_st *ctx, const char *host, struct err *e);
/* 1: through, 0: wait for stream_events(s, true, false), -1: e says what is wrong. */
int stream_handshake(struct stream *s, const char *host, struct err *e);
/* As read(2) and write(2): -1 with EAGAIN, or with anything else broken; 0 the end. */
ssize_t stream_read(struct stream *s, void *data, size_t len);
ssize_t stream_write(struct stream *s, const void *data, size_t len);
/* What to poll for. */
short stream_events(const struct stream *s, bool reading, bool writing);
/* Bytes were read from the kernel that stream_read() would give at once. */
bool stream_pending(const struct stream *s);
void stream_close(struct stream *s); /* zeroed with fd -1, and closed, is fine */

#endif
