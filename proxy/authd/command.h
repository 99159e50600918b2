/* Operators' commands over authd's socket: hold, key, compromise (ARCHITECTURE.md, "Proxy and
 * authd"). */
#ifndef GUAC_AUTHD_COMMAND_H
#define GUAC_AUTHD_COMMAND_H

#include <sys/types.h>

#include "proxy/authd/authd.h"

/* The answer, a new object, or NULL with e. `uid` is the peer's. A worker's thread: it waits for
 * the recorder. */
json_t *command_run(struct authd *a, const json_t *msg, uid_t uid, struct err *e);

#endif
