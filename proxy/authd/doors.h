/* What guac-authd may reach once its secrets are read. */
#ifndef GUAC_AUTHD_DOORS_H
#define GUAC_AUTHD_DOORS_H

#include "proxy/authd/config.h"

/* Landlock and seccomp for this process, by its configuration. -1 with e: it must not go on. */
int doors_lock(const struct config *c, struct err *e);

#endif
