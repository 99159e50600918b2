/* Certificates of VeNCrypt's X509 types. The library knows one way only, a CA file it has to be
 * given, and makes and uses its TLS session in one go. Its line in the log between the two lets us
 * put our own check in front of its: by pin, by CA, or by asking the owner. Should the line ever
 * change, no certificate is accepted at all: vnc_tls_begin() did not run, so x509_checked stays
 * false. */
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/backends/cert/certpin.h"
#include "guacd/backends/vnc/vnc.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define CA_BYTES_MAX 65536  /* what a pipe holds */
#define HANDSHAKE_MS 130000 /* the owner may be asked meanwhile */

/* The library wants some CA where ours is a pin or a question: one whose key nobody has. It is
 * never consulted. */
static const char nobody[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBejCCAR+gAwIBAgIUYdt9qFI18rplOMQLBBCeZFrsA7cwCgYIKoZIzj0EAwIw\n"
                             "ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyMTIzMTUyM1oYDzIxMjYxMDI4MjMx\n"
                             "NTIzWjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
                             "AARWXixjN6yAbf1nqWKKwMhM8DWZCqU6/RSV6Z/C8av9bvU7hT5pMAmaSM5eaLrY\n"
                             "xWkIBA6Ba0cjeRkaP8C5nRmZo1MwUTAdBgNVHQ4EFgQU06czE1UxLOeJAKNppYCD\n"
                             "U66PXBQwHwYDVR0jBBgwFoAU06czE1UxLOeJAKNppYCDU66PXBQwDwYDVR0TAQH/\n"
                             "BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAkp6wEfv+gkF+LjIbGpwbnrSKvtYD\n"
                             "rC9lK0olHhwmlG4CIQClEnEYTxknZXIKOh64nbqR1c7y46iZovOAuxOe+bEQUA==\n"
                             "-----END CERTIFICATE-----\n";

/* ---- the CA, as a file --------------------------------------------------------------------------
 */

/* Behind the sandbox no file can be written; a pipe can be opened by its name in /proc. */
static int put_in_pipe(struct vnc *v, const char *pem) {
    int fds[2];
    size_t len = strlen(pem);
    if (len >= CA_BYTES_MAX)
        return err_set(&v->fail, STATUS_CLIENT_BAD_REQUEST, "ca-cert is too long");
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(&v->fail, 0, "no pipe for the CA");
    ssize_t n = write(fds[1], pem, len);
    close(fds[1]);
    v->ca_fd = fds[0];
    return n == (ssize_t)len ? 0 : err_set(&v->fail, 0, "the CA does not fit into a pipe");
}

int vnc_tls_credential(struct vnc *v, rfbCredential *c) {
    const char *ca = vnc_param(v, "ca-cert");
    v->x509 = true;
    if (put_in_pipe(v, *ca ? ca : nobody) < 0)
        return -1;
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", v->ca_fd);
    c->x509Credential.x509CACertFile = strdup(path);
    c->x509Credential.x509CrlVerifyMode = rfbX509CrlVerifyNone;
    return 0;
}

/* ---- the check ----------------------------------------------------------------------------------
 */

static int refuse(struct vnc *v, const char *why, const char *print) {
    err_set(&v->fail, STATUS_UPSTREAM_ERROR, "the VNC server's certificate %s (SHA-256 %s)", why,
            print);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

static int by_authority(struct vnc *v, gnutls_session_t tls, const char *print) {
    unsigned status = 0;
    int r = gnutls_certificate_verify_peers3(tls, v->client->serverHost, &status);
    if (r >= 0 && status == 0)
        return 0;
    gnutls_datum_t words = { 0 };
    if (r >= 0)
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0);
    char why[256];
    snprintf(why, sizeof(why), "is not accepted: %s",
             words.data ? (const char *)words.data : gnutls_strerror(r));
    gnutls_free(words.data);
    return refuse(v, why, print);
}

/* Nothing is known of this server: whoever opened the session decides, by `yes` or by repeating the
 * fingerprint, where the connection leaves it to him. */
static int by_owner(struct vnc *v, const char *print) {
    if (strcmp(args_str(v->args, "host-key-policy"), "ask") != 0)
        return refuse(v, "is not known", print);
    char text[320], *answer = NULL;
    snprintf(
        text, sizeof(text),
        "The certificate of %s is not known. Its SHA-256 fingerprint is %s. Type yes to go on.",
        v->client->serverHost, print);
    if (session_ask_text(v->session, "cert-fingerprints", text, true, &answer, &v->fail) < 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    bool yes = certpin_accepts(answer, print);
    free(answer);
    return yes ? 0 : refuse(v, "was not accepted", print);
}

static int check(gnutls_session_t tls) {
    rfbClient *client = gnutls_session_get_ptr(tls);
    struct vnc *v = vnc_of(client);
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls, &count);
    char print[65] = "";
    if (chain && count > 0)
        sha256_hex(chain[0].data, chain[0].size, print);
    if (!print[0])
        return refuse(v, "is missing", "none");
    log_info("certificate of %s: SHA-256 %s", client->serverHost, print);
    int r;
    const char *pins = vnc_param(v, "cert-fingerprints");
    if (*pins)
        r = certpin_match(pins, print) ? 0 : refuse(v, "is not the pinned one", print);
    else if (*vnc_param(v, "ca-cert"))
        r = by_authority(v, tls, print);
    else
        r = by_owner(v, print);
    v->x509_checked = r == 0;
    return r;
}

void vnc_tls_begin(struct vnc *v) {
    gnutls_session_t tls = v->client->tlsSession;
    if (!tls || !v->x509)
        return;
    gnutls_session_set_verify_function(tls, check);
    gnutls_handshake_set_timeout(tls, HANDSHAKE_MS);
}

/* The library never frees what it gave its session. */
void vnc_tls_cleanup(rfbClient *client) {
    gnutls_session_t tls = client->tlsSession;
    gnutls_certificate_credentials_t x509 = NULL;
    gnutls_anon_client_credentials_t anonymous = NULL;
    void *found = NULL;
    if (tls && gnutls_credentials_get(tls, GNUTLS_CRD_CERTIFICATE, &found) == 0)
        x509 = found;
    if (tls && gnutls_credentials_get(tls, GNUTLS_CRD_ANON, &found) == 0)
        anonymous = found;
    rfbClientCleanup(client);
    if (x509)
        gnutls_certificate_free_credentials(x509);
    if (anonymous)
        gnutls_anon_free_client_credentials(anonymous);
}
