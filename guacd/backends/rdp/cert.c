/* Is this the server it should be? Pinned fingerprints decide alone; else whoever said not to look;
 * else the system's CAs and the server's name; else the first use, where the connection trusts it;
 * else the person, where policy allows. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/backends/cert/certpin.h"
#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define ACCEPT 2 /* for this session */

int rdp_cert_warm(void) {
    return open(CA_FILE, O_RDONLY | O_CLOEXEC);
}

static int refuse(struct rdp *r, const char *why, const char *print) {
    err_set(&r->fail, STATUS_UPSTREAM_ERROR, "the RDP server's certificate %s (SHA-256 %s)", why,
            print);
    return -1;
}

/* ---- the system's CAs ---------------------------------------------------------------------------
 */

static X509_STORE *load_store(int fd) {
    FILE *f = fd >= 0 ? fdopen(dup(fd), "r") : NULL;
    X509_STORE *store = f ? X509_STORE_new() : NULL;
    if (store) {
        rewind(f);
        for (X509 *x; (x = PEM_read_X509(f, NULL, NULL, NULL));) {
            X509_STORE_add_cert(store, x);
            X509_free(x);
        }
    }
    if (f)
        fclose(f);
    ERR_clear_error();
    return store;
}

static bool verify(X509_STORE *store, STACK_OF(X509) * chain, const char *host) {
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok = ctx && X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain) == 1;
    if (ok) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
             X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
        ok = ok && X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static bool is_known(const struct rdp *r, STACK_OF(X509) * chain, const char *host) {
    X509_STORE *store = load_store(r->ca_fd);
    bool ok = store && verify(store, chain, host);
    X509_STORE_free(store);
    return ok;
}

/* ---- the person ---------------------------------------------------------------------------------
 */

static int by_owner(struct rdp *r, const char *host, const char *print) {
    if (strcmp(args_str(r->args, "host-key-policy"), "ask") != 0)
        return refuse(r, "is not known", print);
    char text[512], *answer = NULL;
    snprintf(text, sizeof(text),
             "The certificate of %s is not known. Its SHA-256 fingerprint is %s. Type yes to go "
             "on.",
             host, print);
    watch_allow(r, 0);
    struct err why = { 0 };
    int got = session_ask_text(r->session, "cert-fingerprints", text, true, &answer, &why);
    watch_allow(r, RDP_HANDSHAKE_MS);
    if (got < 0 && why.status == STATUS_SESSION_CLOSED) {
        r->fail = why;
        return -1;
    }
    if (got < 0)
        return refuse(r, "is not known, and nobody accepted it", print);
    bool yes = certpin_accepts(answer, print);
    free(answer);
    return yes ? ACCEPT : refuse(r, "was not accepted", print);
}

/* ---- */

static STACK_OF(X509) * read_chain(const BYTE *pem, size_t len) {
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = chain && len <= INT32_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
    for (X509 *x; bio && sk_X509_num(chain) < 16 && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        sk_X509_push(chain, x);
    BIO_free(bio);
    ERR_clear_error();
    return chain;
}

static bool print_of(const X509 *x, char out[65]) {
    unsigned char *der = NULL;
    int len = i2d_X509(x, &der);
    if (len > 0)
        sha256_hex(der, (size_t)len, out);
    OPENSSL_free(der);
    return len > 0;
}

/* ---- the first use -----------------------------------------------------------------------------
 */

bool rdp_cert_remembers(const struct args *args, char *name, size_t size) {
    const char *host = args_str(args, "hostname");
    if (!args_bool(args, "cert-tofu") || args_bool(args, "ignore-cert") ||
        *args_str(args, "cert-fingerprints"))
        return false;
    int len = snprintf(name, size, "rdp:%s:%ld", host, args_int(args, "port"));
    return len > 0 && (size_t)len < size;
}

/* The target's own alone: a gateway's, or that of a host behind a broker, was not asked about. */
static bool by_first_use(const struct rdp *r, const char *host, DWORD flags) {
    char name[320];
    return rdp_cert_remembers(r->args, name, sizeof(name)) && !(flags & VERIFY_CERT_FLAG_GATEWAY) &&
           (strcmp(host, args_str(r->args, "hostname")) == 0 || strcmp(host, r->address) == 0);
}

static int first_use(struct rdp *r, const char *print) {
    const char *known = session_known(r->session);
    if (!*known) {
        log_info("its first use: remembered");
        session_remember(r->session, print);
        return ACCEPT;
    }
    if (strcmp(known, print) == 0)
        return ACCEPT;
    return refuse(r,
                  "is not the one that was seen at the first use: if it was renewed, pin the new "
                  "one by cert-fingerprints, or have the old one forgotten",
                  print);
}

/* ---- */

static int decide(struct rdp *r, STACK_OF(X509) * chain, const char *host, DWORD flags) {
    char print[65] = "";
    if (sk_X509_num(chain) < 1 || !print_of(sk_X509_value(chain, 0), print))
        return refuse(r, "is missing", "none");
    log_info("certificate of %s: SHA-256 %s", host, print);
    const char *pins = args_str(r->args, "cert-fingerprints");
    if (*pins)
        return certpin_match(pins, print) ? ACCEPT : refuse(r, "is not the pinned one", print);
    if (args_bool(r->args, "ignore-cert") || is_known(r, chain, host))
        return ACCEPT;
    return by_first_use(r, host, flags) ? first_use(r, print) : by_owner(r, host, print);
}

int rdp_cert_check(freerdp *instance, const BYTE *pem, size_t len, const char *host, UINT16 port,
                   DWORD flags) {
    (void)port;
    STACK_OF(X509) *chain = read_chain(pem, len);
    int answer = chain ? decide(rdp_of(instance->context), chain, host, flags) : -1;
    sk_X509_pop_free(chain, X509_free);
    return answer;
}
