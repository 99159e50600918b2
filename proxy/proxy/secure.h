/* TLS between two replicas' proxies, on a key of 32 bytes that serves one connection: their authds
 * made it, so neither proxy holds a certificate or a credential. TLS 1.3, external PSK with (EC)DHE
 * (RFC 8446 section 4.2.9): who knows the key is who was meant, and what was said stays secret when
 * the key is known later. */
#ifndef GUAC_PROXY_SECURE_H
#define GUAC_PROXY_SECURE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "guacd/base/err.h"

#define SECURE_KEY_LEN 32

/* On a connected, non-blocking TCP socket, which stays the caller's. NULL with e. Wipes nothing of
 * `key`, keeps a copy until secure_free(). */
SSL *secure_new(int fd, bool server, const unsigned char key[SECURE_KEY_LEN], struct err *e);
void secure_free(SSL *s); /* NULL is fine */
/* 1: done, 0: wait (SSL_want() says for what), -1: the other end does not know the key. */
int secure_handshake(SSL *s, struct err *e);

#endif
