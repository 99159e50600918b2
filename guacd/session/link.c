#include "guacd/session/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/util.h"

int link_init(struct link *l, int fd, struct ssl_ctx_st *ctx, struct err *e) {
    *l = (struct link){ .fd = fd };
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_errno(e, 0, "the client's descriptor is not usable");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)); /* Unix sockets say no */
    if (!ctx)
        return 0;
    l->ssl = SSL_new(ctx);
    if (!l->ssl || SSL_set_fd(l->ssl, fd) != 1)
        return err_set(e, 0, "no memory for TLS");
    SSL_set_mode(l->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
    SSL_set_accept_state(l->ssl);
    return 0;
}

/* What SSL_read and friends returned, in the words of read(2). */
static ssize_t outcome(struct link *l, int r, bool *crossed, int natural) {
    *crossed = false;
    if (r > 0)
        return r;
    int why = SSL_get_error(l->ssl, r);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *crossed = why != natural;
        errno = EAGAIN;
        return -1;
    }
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = ECONNRESET;
    return -1;
}

static ssize_t receive(struct link *l, void *data, size_t len, bool peek) {
    if (l->ssl) {
        int want = (int)MIN_OF(len, 1u << 20);
        int r = peek ? SSL_peek(l->ssl, data, want) : SSL_read(l->ssl, data, want);
        return outcome(l, r, &l->read_wants_out, SSL_ERROR_WANT_READ);
    }
    ssize_t n;
    do
        n = recv(l->fd, data, len, peek ? MSG_PEEK : 0);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t link_read(struct link *l, void *data, size_t len) {
    return receive(l, data, len, false);
}

ssize_t link_peek(struct link *l, void *data, size_t len) {
    return receive(l, data, len, true);
}

ssize_t link_writev(struct link *l, const struct iovec *iov, int count) {
    if (l->ssl) {
        int len = (int)MIN_OF(iov[0].iov_len, 1u << 20);
        return outcome(l, SSL_write(l->ssl, iov[0].iov_base, len), &l->write_wants_in,
                       SSL_ERROR_WANT_WRITE);
    }
    struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count };
    ssize_t n;
    do
        n = sendmsg(l->fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

bool link_pending(const struct link *l) {
    return l->ssl && SSL_has_pending(l->ssl) == 1;
}

short link_events(const struct link *l, bool reading, bool writing) {
    bool in = (reading && !l->read_wants_out) || (writing && l->write_wants_in);
    bool out = (writing && !l->write_wants_in) || (reading && l->read_wants_out);
    return (short)((in ? 0x001 : 0) | (out ? 0x004 : 0)); /* POLLIN, POLLOUT */
}

void link_finish(struct link *l) {
    if (l->ssl) {
        SSL_shutdown(l->ssl);
        ERR_clear_error();
    }
    shutdown(l->fd, SHUT_WR);
}

void link_close(struct link *l) {
    if (l->fd < 0)
        return;
    SSL_free(l->ssl);
    shutdown(l->fd, SHUT_RDWR);
    close(l->fd);
    *l = (struct link){ .fd = -1 };
}

void link_leave(struct link *l) {
    if (l->fd < 0)
        return;
    SSL_free(l->ssl);
    close(l->fd);
    *l = (struct link){ .fd = -1 };
}

/* SIGPIPE: SSL_write goes through write(2); main ignores the signal. */
struct ssl_ctx_st *link_tls_context(const void *pem, size_t len, struct err *e) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool good = ctx && cert && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
                SSL_CTX_use_certificate(ctx, cert) == 1;
    X509 *more;
    while (good && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (SSL_CTX_add0_chain_cert(ctx, more) != 1)
            X509_free(more);
    ERR_clear_error();
    BIO *again = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = again ? PEM_read_bio_PrivateKey(again, NULL, NULL, NULL) : NULL;
    good = good && key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(bio);
    BIO_free(again);
    ERR_clear_error();
    if (good) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(ctx, 0);
        return ctx;
    }
    SSL_CTX_free(ctx);
    err_set(e, 0, "the TLS certificate and key do not fit together or are not PEM");
    return NULL;
}

void link_tls_context_free(struct ssl_ctx_st *ctx) {
    SSL_CTX_free(ctx);
}
