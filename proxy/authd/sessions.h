/* The sessions that run: a view of RUN/s, which is the registry. Rebuilt after a restart from what
 * the sessions say of themselves, kept fresh by a thread of its own. Any thread. */
#ifndef GUAC_AUTHD_SESSIONS_H
#define GUAC_AUTHD_SESSIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/enc.h"
#include "guacd/base/err.h"

struct session {
    char id[UUID_LEN + 1];
    char *connection; /* namespace/name */
    char *protocol, *sub, *name, *recording;
    int64_t started;  /* Unix ms */
    int64_t grace_ms; /* left, while nobody is there */
    long users;
    bool paused;
    json_t *people; /* [{user, sub, name, role, lagMs}]; NULL: not asked yet */
};

int session_copy(struct session *to, const struct session *from); /* -1: no memory */
void session_fini(struct session *one);

struct sessions;

/* run: the run folder. changed: called, from any thread, when a session came or went. trust: is
 * this user id one of ours? Sockets of others are not spoken to. */
struct sessions *sessions_new(const char *run, void (*changed)(void *arg),
                              bool (*trust)(void *arg, unsigned uid), void *arg, struct err *e);
void sessions_free(struct sessions *s);
/* A session that just opened, known before the next look. Copies. */
void sessions_add(struct sessions *s, const struct session *one);
/* Calls fn for each, under the lock: it must not call back. */
void sessions_each(struct sessions *s, void (*fn)(void *arg, const struct session *one), void *arg);
size_t sessions_count(struct sessions *s);
/* Ask all of them again, unless that was done a moment ago. */
void sessions_refresh(struct sessions *s);

/* Ask a session itself. The answer of RUN/s/<id>.sock, or NULL with e (0x0204: there is none). */
json_t *sessions_info(struct sessions *s, const char *id, struct err *e);
/* As ctl_call() there. Takes `msg`. */
json_t *sessions_call(struct sessions *s, const char *id, json_t *msg, const int *fds, size_t nfds,
                      struct err *e);

#endif
