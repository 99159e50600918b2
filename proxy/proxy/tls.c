#include "proxy/proxy/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "guacd/base/log.h"
#include "guacd/base/util.h"

static void fini(SSL_CTX **c) {
    SSL_CTX_free(*c);
}

static const char *reason(void) {
    unsigned long first = ERR_get_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(first))
        return strerror(ERR_GET_REASON(first));
    const char *text = ERR_reason_error_string(first);
    return text ? text : "unknown reason";
}

/* A passphrase would be asked for on a terminal nobody looks at. */
static int no_passphrase(char *out, int size, int writing, void *arg) {
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

int tls_check(const char *cert, const char *key, struct err *e) {
    SSL_CTX *c __attribute__((cleanup(fini))) = SSL_CTX_new(TLS_server_method());
    if (!c)
        return err_set(e, 0x0200, "TLS cannot start: %s", reason());
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
        return err_set(e, 0x0200,
                       "tls-cert %s: %s; a PEM file with the server's certificate first "
                       "is needed",
                       cert, reason());
    if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
        return err_set(e, 0x0200,
                       "tls-key %s: %s; a PEM key without a passphrase, of that "
                       "certificate, is needed",
                       key, reason());
    const X509 *x = SSL_CTX_get0_certificate(c);
    if (X509_cmp_current_time(X509_get0_notAfter(x)) <= 0)
        log_warning("tls-cert %s: it is over; browsers will refuse it", cert);
    else if (X509_cmp_current_time(X509_get0_notBefore(x)) >= 0)
        log_warning("tls-cert %s: it is not valid yet, or this clock is wrong", cert);
    return 0;
}
