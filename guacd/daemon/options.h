/* guacd's command line: Apache guacd's letters, and ours. */
#ifndef GUAC_DAEMON_OPTIONS_H
#define GUAC_DAEMON_OPTIONS_H

#include <stdbool.h>

#include "guacd/base/conf.h"
#include "guacd/base/err.h"

struct options {
    /* stock */
    char *bind_host;
    long bind_port;
    bool foreground, version;
    char *log_level, *pid_file, *certificate, *key;
    /* ours */
    char *socket, *run, *trusted_uids;
    char *session_program, *backends, *known_certificates;
    long max_sessions, max_starting, drain;
    bool allow_no_seccomp, denylist_only, sandbox_trap;
};

extern const struct conf_table options_table;

/* What the rows cannot say: which keys go together, and defaults that depend on the machine (paths,
 * uids as numbers). */
int options_finish(struct options *o, struct err *e);

#endif
