/* A connection's resource, its credentials and the decision become the parameters of a session; and
 * the handshake that carries them. */
#ifndef GUAC_AUTHD_LAUNCH_H
#define GUAC_AUTHD_LAUNCH_H

#include <stdint.h>

#include "crd/catalog.h"
#include "guacd/proto/handshake.h"
#include "proxy/authd/config.h"
#include "proxy/authd/identity.h"
#include "proxy/authd/pods.h"
#include "proxy/authd/policy.h"

struct launch {
    const struct config *conf;
    const struct connection *connection;
    const struct identity *who;
    const struct decision *decision;
    const struct secret_set *secrets; /* empty: prompts by `required` */
    const char *session;
    int64_t started;                  /* Unix ms */
    const struct pods_choice *choice; /* NULL: nothing was chosen */
    const struct secret *own_token;   /* the person's, where the connection passes it on */
};

/* New parameters, or NULL: e says which one is wrong (status for the person). Every gateway row is
 * set, so nothing is left to a default of stock mode. */
struct args *launch_args(const struct launch *l, struct err *e);
/* The client's part of the handshake on a connected stream socket. select: a protocol's name, with
 * `tap` (or -1) beside the first byte; NULL after a `join`. Reads up to the end of `ready` and
 * never beyond. id must come back as it is in `session`. */
int launch_handshake(int sock, const char *select, int tap, const struct handshake_info *info,
                     const struct args *args, const char *session, struct err *e);

#endif
