/* The listener's certificate, read again when it was renewed: tunnels stay, later handshakes show
 * the new one. The proxy's one thread. */
#ifndef GUAC_PROXY_CERTIFICATE_H
#define GUAC_PROXY_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "guacd/base/err.h"

struct certificate {
    const char *chain, *key; /* PEM files; NULL: no TLS */
    SSL_CTX *ctx;            /* libwebsockets' */
    struct timespec seen;    /* the newer of the files' times */
};

/* 1: there is a new pair, and it counts from now on. 0: nothing is new (told: look anyway). -1: the
 * files cannot be read, or do not belong to each other; the old pair stays, and the same files are
 * not tried again unless told. */
int certificate_renew(struct certificate *c, bool told, struct err *e);

#endif
