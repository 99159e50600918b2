/* See secure.h. */
#include "proxy/proxy/secure.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static const unsigned char identity[] = "guac-relay";
static const unsigned char suite[] = { 0x13, 0x01 }; /* TLS_AES_128_GCM_SHA256 */

static SSL_SESSION *session_of(SSL *s) {
    const unsigned char *key = SSL_get_app_data(s);
    const SSL_CIPHER *cipher = SSL_CIPHER_find(s, suite);
    SSL_SESSION *session = SSL_SESSION_new();
    if (session && cipher && SSL_SESSION_set1_master_key(session, key, SECURE_KEY_LEN) &&
        SSL_SESSION_set_cipher(session, cipher) &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

static int use_session(SSL *s, const EVP_MD *md, const unsigned char **id, size_t *len,
                       SSL_SESSION **session) {
    (void)md; /* one suite, one hash */
    *session = session_of(s);
    *id = identity;
    *len = sizeof identity - 1;
    return *session != NULL;
}

static int find_session(SSL *s, const unsigned char *id, size_t len, SSL_SESSION **session) {
    *session = NULL;
    if (len == sizeof identity - 1 && memcmp(id, identity, len) == 0)
        *session = session_of(s);
    return 1; /* none: the handshake fails, for want of a certificate */
}

static SSL_CTX *context(bool server) {
    static SSL_CTX *made[2];
    if (made[server])
        return made[server];
    SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!c)
        return NULL;
    SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (server) {
        SSL_CTX_set_psk_find_session_callback(c, find_session);
    } else {
        SSL_CTX_set_psk_use_session_callback(c, use_session);
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL); /* no certificate instead of the key */
    }
    return made[server] = c;
}

SSL *secure_new(int fd, bool server, const unsigned char key[SECURE_KEY_LEN], struct err *e) {
    SSL_CTX *c = context(server);
    SSL *s = c ? SSL_new(c) : NULL;
    unsigned char *copy = s ? malloc(SECURE_KEY_LEN) : NULL;
    if (!copy || SSL_set_fd(s, fd) != 1) {
        free(copy);
        SSL_free(s);
        err_set(e, STATUS_SERVER_ERROR, "no TLS for a relay");
        return NULL;
    }
    memcpy(copy, key, SECURE_KEY_LEN);
    SSL_set_app_data(s, copy);
    if (server)
        SSL_set_accept_state(s);
    else
        SSL_set_connect_state(s);
    return s;
}

void secure_free(SSL *s) {
    if (!s)
        return;
    unsigned char *key = SSL_get_app_data(s);
    if (key)
        explicit_bzero(key, SECURE_KEY_LEN);
    free(key);
    SSL_free(s);
    ERR_clear_error();
}

int secure_handshake(SSL *s, struct err *e) {
    ERR_clear_error();
    int n = SSL_do_handshake(s);
    int why = n == 1 ? SSL_ERROR_NONE : SSL_get_error(s, n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return 0;
    if (n == 1 && SSL_session_reused(s)) /* by the key, and not otherwise */
        return 1;
    return err_set(e, STATUS_CLIENT_FORBIDDEN, "the other end does not know the relay's key");
}
