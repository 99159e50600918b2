/* Sessions that another replica holds: what tells the proxy to take a request there, and what
 * admits it on the other side. A ticket is sealed by the keys that all replicas have for cookies,
 * says for which session it is, carries the key that the two proxies speak TLS on, and serves once
 * within RELAY_TICKET_S. Any thread. */
#ifndef GUAC_AUTHD_RELAY_H
#define GUAC_AUTHD_RELAY_H

#include "proxy/authd/authd.h"

#define RELAY_TICKET_S 30

struct relay; /* tickets that were used */

struct relay *relay_new(void);
void relay_free(struct relay *r);

/* {"address", "ticket", "key"} for the session's replica, a new object; NULL: it is ours, is over,
 * or its replica takes no relays. */
json_t *relay_to(struct authd *a, const char *session);
/* {"session", "key"}; NULL with e: not ours, too old, used before. */
json_t *relay_admit(struct authd *a, const char *ticket, struct err *e);

#endif
