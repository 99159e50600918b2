/* The listening sockets: TCP on all addresses of a host, or one Unix socket. */
#ifndef GUAC_DAEMON_LISTEN_H
#define GUAC_DAEMON_LISTEN_H

#include <stddef.h>

#include "guacd/base/err.h"
#include "guacd/daemon/options.h"

#define LISTEN_MAX 8

struct listeners {
    int fds[LISTEN_MAX];
    size_t count;
    const char *path; /* of a Unix socket, else NULL */
};

/* Listens as the options say; non-blocking. Logs each address. */
int listen_open(struct listeners *l, const struct options *o, struct err *e);
/* Stops listening: whoever waits unaccepted is turned away by the kernel. */
void listen_close(struct listeners *l);

#endif
