/* Starting one guacd-session, exactly as child.h promises. */
#ifndef GUAC_DAEMON_LAUNCH_H
#define GUAC_DAEMON_LAUNCH_H

#include <sys/types.h>

#include "guacd/base/err.h"
#include "guacd/base/secret.h"
#include "guacd/daemon/options.h"

/* client and channel stay the caller's; tls NULL: none. Returns the pid. */
pid_t launch(const struct options *o, const char *run, const struct secret *tls, int client,
             int channel, struct err *e);

#endif
