/* `guac-authd client`: makes the gateway's client in the realm right, by Keycloak's admin API, with
 * the credentials of somebody who may manage clients there. Done again it changes nothing. */
#ifndef GUAC_AUTHD_REALM_H
#define GUAC_AUTHD_REALM_H

#include <jansson.h>

#include "guacd/base/err.h"
#include "proxy/authd/config.h"

/* Pure. What the client has to be; a new object. secret: its client secret, NUL-terminated. */
json_t *realm_client(const struct config *conf, const char *secret, struct err *e);
/* Pure. Puts what `wanted` says into `client` (as Keycloak gave it), keeps all else, and says how
 * many members changed. Lists are replaced, objects merged. */
size_t realm_merge(json_t *client, const json_t *wanted);

/* Says on stdout what it did. conf is derived. Blocking. */
int realm_make_client(const struct config *conf, struct err *e);

#endif
