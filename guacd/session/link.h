/* One end of a user's byte stream: a socket, plain or under TLS. Non-blocking. */
#ifndef GUAC_SESSION_LINK_H
#define GUAC_SESSION_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "guacd/base/err.h"

struct ssl_st;
struct ssl_ctx_st;

struct link {
    int fd;                              /* owned; -1: closed */
    struct ssl_st *ssl;                  /* NULL: plain */
    bool read_wants_out, write_wants_in; /* TLS only: what it waits for */
};

/* Takes the descriptor and makes it non-blocking. ctx NULL: plain. */
int link_init(struct link *l, int fd, struct ssl_ctx_st *ctx, struct err *e);
/* As read(2) and writev(2): 0 is the end, -1 with errno EAGAIN means wait for link_events(). */
ssize_t link_read(struct link *l, void *data, size_t len);
ssize_t link_peek(struct link *l, void *data, size_t len);
ssize_t link_writev(struct link *l, const struct iovec *iov, int count);
/* Bytes that were read ahead: poll would not tell of them. */
bool link_pending(const struct link *l);
/* poll events for somebody who wants to read, to write. */
short link_events(const struct link *l, bool reading, bool writing);
/* shutdown(2) for writing, when all is said. */
void link_finish(struct link *l);
/* shutdown(2), then close(2): guacd holds a duplicate, which must not keep the peer waiting. */
void link_close(struct link *l);
/* close(2) only: another process goes on with the connection. */
void link_leave(struct link *l);

/* Certificate chain and private key, PEM, `len` bytes. The caller wipes them. */
struct ssl_ctx_st *link_tls_context(const void *pem, size_t len, struct err *e);
void link_tls_context_free(struct ssl_ctx_st *ctx);

#endif
