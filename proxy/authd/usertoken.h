/* The person's own ID token, passed through to a cluster (`credentials.kubernetes: userToken`). It
 * goes to the API servers that user-token-servers lists and to nobody else, whatever a connection's
 * author wrote; and it is asked for when it is needed, so authd keeps none. */
#ifndef GUAC_AUTHD_USERTOKEN_H
#define GUAC_AUTHD_USERTOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "crd/connection.h"
#include "guacd/base/err.h"
#include "guacd/base/http.h"
#include "guacd/base/secret.h"
#include "proxy/authd/config.h"
#include "proxy/authd/identity.h"
#include "proxy/authd/oidc.h"

/* One of user-token-servers: https://host[:port], or that and =/path of its CA certificates. */
struct usertoken_server {
    struct config_url url;
    char ca[512]; /* "": the system's */
};
/* Pure. -1 with e: it says what is wrong. */
int usertoken_parse(const char *item, struct usertoken_server *out, struct err *e);
/* Calls fn for each of the list; stops at the first that is not 0, and returns it. -1 with e: one
 * of them is malformed. */
int usertoken_each(const struct config *conf,
                   int (*fn)(const struct usertoken_server *s, void *arg), void *arg,
                   struct err *e);

/* Does the connection ask for it? */
bool usertoken_asked(const struct connection *c);
/* The API server that the connection means: its hostname and port, or the cluster we run in. -1
 * with e, a sentence for the person that names the key: it is not listed. */
int usertoken_server(const struct config *conf, const struct connection *c,
                     struct usertoken_server *out, struct err *e);
/* A new token for that server, by the refresh token of the person's sign-in. Blocking. -1 with e, a
 * sentence for the person. */
int usertoken_fetch(struct oidc *o, struct http *h, const struct identity *who,
                    struct oidc_token *out, struct err *e);

#endif
