/* Stock TLS: guacd only carries the key from its file to the session process, by a pipe that is
 * empty once it was read. */
#ifndef GUAC_DAEMON_TLS_H
#define GUAC_DAEMON_TLS_H

#include "guacd/base/err.h"
#include "guacd/base/secret.h"

/* Certificate chain and key, joined. What is obviously neither is refused here, so that a mistake
 * is told at start and not by the first client. */
int tls_read(struct secret *pem, const char *certificate, const char *key, struct err *e);
/* The reading end of a pipe that holds it all. */
int tls_pipe(const struct secret *pem, struct err *e);

#endif
