/* Files that went through a session become audit events. The session keeps the last ones
 * (its control socket's `transfers`); each has a number, so that an event told twice, by a
 * restarted authd, bears the same id. The keeper's thread. */
#ifndef GUAC_AUTHD_TRANSFERS_H
#define GUAC_AUTHD_TRANSFERS_H

#include "proxy/authd/authd.h"

/* Tells those after *last, and moves it on. */
void transfers_audit(struct authd *a, const struct session *s, int64_t *last);

#endif
