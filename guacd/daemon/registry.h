/* RUN/s, where each session's control socket lies: the folder is the registry of live sessions.
 * Sessions may make sockets there but not remove them, so that none can take another's place;
 * removing is guacd's. */
#ifndef GUAC_DAEMON_REGISTRY_H
#define GUAC_DAEMON_REGISTRY_H

#include <stdbool.h>

#include "guacd/base/err.h"

/* Below the run folder: files of guacd alone, which may write nothing else there. */
#define REGISTRY_OWN "guacd"

struct registry {
    char run[96]; /* absolute; RUN/s/<uuid>.sock has to fit into a socket's address */
    bool own;     /* a private folder that goes with us */
};

/* run: made if it is not there; NULL: a private one. */
int registry_open(struct registry *r, const char *run, struct err *e);
/* Removes a private folder, if it is empty. */
void registry_close(struct registry *r);
/* A listening socket for a new session, or one connected to a session's. Status 0x0205: there
 * already. */
int registry_listen(const struct registry *r, const char *id, struct err *e);
int registry_connect(const struct registry *r, const char *id, struct err *e);
/* A file without a name below the run folder, open for reading and writing: its bytes go with its
 * last descriptor, however the session ends. */
int registry_storage(const struct registry *r, struct err *e);
/* Does anybody listen on its socket? */
bool registry_alive(const struct registry *r, const char *id);
/* Of a session that has ended. A socket that somebody listens on stays: it is another's. */
void registry_remove(const struct registry *r, const char *id);
/* Remove sockets that nobody listens on: those of sessions whose guacd died before them. mine(id)
 * tells those that are looked after. Returns how many sockets of others live. */
int registry_sweep(const struct registry *r, bool (*mine)(void *arg, const char *id), void *arg);

#endif
