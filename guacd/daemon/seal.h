/* guacd's own sandbox. Its sessions inherit it, so it grants all that they grant themselves later;
 * what it takes is everything else: no other program can be run, no namespace made. */
#ifndef GUAC_DAEMON_SEAL_H
#define GUAC_DAEMON_SEAL_H

#include "guacd/base/err.h"
#include "guacd/daemon/options.h"

int seal(const struct options *o, const char *run, struct err *e);

#endif
