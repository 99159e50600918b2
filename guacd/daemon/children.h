/* The session processes: started, listened to, reaped. child.h says what they and we agree on. */
#ifndef GUAC_DAEMON_CHILDREN_H
#define GUAC_DAEMON_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/err.h"
#include "guacd/base/loop.h"
#include "guacd/base/secret.h"
#include "guacd/daemon/known.h"
#include "guacd/daemon/options.h"
#include "guacd/daemon/refuse.h"
#include "guacd/daemon/registry.h"

struct children;

struct children_env {
    struct loop *loop;
    const struct options *options;
    const struct registry *registry;
    struct refusals *refusals;
    const struct secret *tls; /* NULL: plain sockets */
    struct known *known;
    int opener;               /* opener.h, -1: none */
    void (*ended)(void *arg); /* one was reaped */
    void *arg;
};

struct children *children_new(const struct children_env *env, struct err *e);
/* Forgets them; they run on. */
void children_free(struct children *c);

/* Takes the client's descriptor: a process of its own, or a refusal. */
void children_accept(struct children *c, int client);
size_t children_count(const struct children *c);
/* Is this session one of ours? */
bool children_know(struct children *c, const char *id);
/* Tell all that they end in ms at the latest. */
void children_leave(struct children *c, uint64_t ms);
/* Ask all to end (kill false), or end them. text: a literal, for their users. */
void children_end(struct children *c, bool kill, const char *text);
/* After SIGCHLD. */
void children_reap(struct children *c);

#endif
