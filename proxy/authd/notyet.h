/* What a connection may ask for and this gateway does not do yet. Such a connection opens for
 * nobody: ignoring what its author wrote would open what it was meant to guard. */
#ifndef GUAC_AUTHD_NOTYET_H
#define GUAC_AUTHD_NOTYET_H

#include "crd/connection.h"

/* The first such field, "spec.moderation", or NULL: all of it can be done. */
const char *notyet_first(const struct connection *c);

#endif
