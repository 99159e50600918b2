/* The listener's certificate, looked at before libwebsockets takes it: that one only says that it
 * failed, and an operator needs to know of which file and why. */
#ifndef GUAC_PROXY_TLS_H
#define GUAC_PROXY_TLS_H

#include "guacd/base/err.h"

/* `cert`: a PEM chain, the server's own first; `key`: its PEM private key, without a passphrase.
 * 0, or -1 with the file and the reason: unreadable, no certificate, no match. One that is over, or
 * not yet valid, is a warning: browsers say so themselves, and a clock may be wrong. */
int tls_check(const char *cert, const char *key, struct err *e);

#endif
