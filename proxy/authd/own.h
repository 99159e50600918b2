/* Addresses of what the gateway itself stands on, which no connection may lead to: whoever writes
 * connections could else talk to Keycloak, the API server or the store from inside. */
#ifndef GUAC_AUTHD_OWN_H
#define GUAC_AUTHD_OWN_H

#include <sys/socket.h>

#include "guacd/base/buf.h"
#include "proxy/authd/config.h"

/* Appends `sa`, of a service of ours, to the deny list, unless the configuration's address-allow
 * names it, or it is refused anyway. Pure. */
void own_refuse(const struct config *c, const struct sockaddr *sa, struct buf *list);
/* Resolves Keycloak, the API server and gateway-hosts, before the doors are locked, and fills
 * address_refused and address_refused_pods. A name that is not resolved is told in the log. */
int own_addresses(struct config *c, struct err *e);

#endif
