#include "guacd/backends/kubernetes/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define READ_AHEAD (48u << 10) /* freed when it is empty */

/* ---- the context ------------------------------------------------------------------------------
 */

static int no_passphrase(char *buf, int size, int rwflag, void *arg) {
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return 0; /* never ask at a terminal */
}

static BIO *bio_of(const char *pem) {
    return BIO_new_mem_buf(pem, (int)strlen(pem));
}

/* How many certificates of the text were added. */
static int trust(SSL_CTX *ctx, const char *ca) {
    BIO *bio = bio_of(ca);
    int n = 0;
    for (X509 *x; bio && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)); X509_free(x))
        n += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x) == 1;
    BIO_free(bio);
    ERR_clear_error();
    return n;
}

static bool identify(SSL_CTX *ctx, const char *cert, const char *key) {
    BIO *certs = bio_of(cert), *keys = bio_of(key);
    X509 *x = certs ? PEM_read_bio_X509(certs, NULL, no_passphrase, NULL) : NULL;
    EVP_PKEY *k = keys ? PEM_read_bio_PrivateKey(keys, NULL, no_passphrase, NULL) : NULL;
    bool good = x && k && SSL_CTX_use_certificate(ctx, x) == 1 &&
                SSL_CTX_use_PrivateKey(ctx, k) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    for (X509 *more; good && (more = PEM_read_bio_X509(certs, NULL, no_passphrase, NULL));)
        if (SSL_CTX_add0_chain_cert(ctx, more) != 1)
            X509_free(more);
    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(certs);
    BIO_free(keys);
    ERR_clear_error();
    return good;
}

struct ssl_ctx_st *stream_context(const char *ca, const char *cert, const char *key,
                                  bool any_server, struct err *e) {
    static const unsigned char http1[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for TLS");
    } else if (*ca && !trust(ctx, ca)) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "parameter ca-cert holds no certificate (PEM)");
    } else if ((*cert || *key) && !identify(ctx, cert, key)) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST,
                "client-cert and client-key do not fit together, or are not PEM without a "
                "passphrase");
    } else {
        if (!*ca)
            SSL_CTX_set_default_verify_paths(ctx);
        SSL_CTX_set_verify(ctx, any_server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_alpn_protos(ctx, http1, sizeof http1 - 1);
        /* A node passes on what a program writes as it writes it: records of a few bytes each. */
        SSL_CTX_set_read_ahead(ctx, 1);
        SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
        return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

void stream_context_free(struct ssl_ctx_st *ctx) {
    SSL_CTX_free(ctx);
}

/* ---- a connection -----------------------------------------------------------------------------
 */

int stream_secure(struct stream *s, struct ssl_ctx_st *ctx, const char *host, struct err *e) {
    unsigned char address[16];
    bool number = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    s->ssl = SSL_new(ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, s->fd) != 1)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for TLS");
    if (number ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), host) != 1
               : SSL_set1_host(s->ssl, host) != 1 || SSL_set_tlsext_host_name(s->ssl, host) != 1)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s is no name for a server", host);
    SSL_set_connect_state(s->ssl);
    return 0;
}

static int refused(struct stream *s, const char *host, struct err *e) {
    long verify = SSL_get_verify_result(s->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    if (verify == X509_V_ERR_HOSTNAME_MISMATCH || verify == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return err_set(e, STATUS_UPSTREAM_ERROR, "the certificate of the API server is not for %s",
                       host);
    if (verify != X509_V_OK)
        return err_set(e, STATUS_UPSTREAM_ERROR,
                       "the certificate of the API server at %s is not trusted (%s); give the "
                       "cluster's CA as ca-cert",
                       host, X509_verify_cert_error_string(verify));
    return err_set(e, STATUS_UPSTREAM_ERROR, "no TLS with %s: %s", host,
                   reason ? reason : "the connection was closed");
}

int stream_handshake(struct stream *s, const char *host, struct err *e) {
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    s->dry = false;
    if (r == 1)
        return 1;
    int why = SSL_get_error(s->ssl, r);
    s->dry = why == SSL_ERROR_WANT_READ;
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return refused(s, host, e);
    s->read_wants_out = why == SSL_ERROR_WANT_WRITE;
    return 0;
}

/* What SSL_read and SSL_write returned, in the words of read(2). */
static ssize_t outcome(struct stream *s, int r, bool *crossed, int natural) {
    *crossed = false;
    if (r > 0)
        return r;
    int why = SSL_get_error(s->ssl, r);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *crossed = why != natural;
        errno = EAGAIN;
        return -1;
    }
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = ECONNRESET;
    return -1;
}

ssize_t stream_read(struct stream *s, void *data, size_t len) {
    ssize_t n;
    if (s->ssl) {
        n = outcome(s, SSL_read(s->ssl, data, (int)MIN_OF(len, 1u << 20)), &s->read_wants_out,
                    SSL_ERROR_WANT_READ);
        s->dry = n <= 0;
        return n;
    }
    do
        n = recv(s->fd, data, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t stream_write(struct stream *s, const void *data, size_t len) {
    if (s->ssl)
        return outcome(s, SSL_write(s->ssl, data, (int)MIN_OF(len, 1u << 20)), &s->write_wants_in,
                       SSL_ERROR_WANT_WRITE);
    ssize_t n;
    do
        n = send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

short stream_events(const struct stream *s, bool reading, bool writing) {
    bool in = (reading && !s->read_wants_out) || (writing && s->write_wants_in);
    bool out = (writing && !s->write_wants_in) || (reading && s->read_wants_out);
    return (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
}

bool stream_pending(const struct stream *s) {
    return s->ssl && !s->dry && SSL_has_pending(s->ssl) == 1;
}

void stream_close(struct stream *s) {
    if (s->ssl) {
        SSL_shutdown(s->ssl);
        ERR_clear_error();
        SSL_free(s->ssl);
    }
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct stream){ .fd = -1 };
}
