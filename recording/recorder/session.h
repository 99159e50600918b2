/* One recorded session, from `new` to its seal.
 *
 *   NEW       a key is made; nothing is written yet
 *   OPENING   the open record goes to the store (also again and again, while it is in doubt)
 *   LIVE      frames come by the tap
 *   FLUSHING  it has ended; what came is on its way to the store
 *   LISTING   the list of its chunks is made and stored
 *   SEALING   authd signs, the seal is stored, the spool forgets it
 *
 * Everything is the loop thread's. A session is freed when its last job is done. */
#ifndef GUAC_RECORDER_SESSION_H
#define GUAC_RECORDER_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "recording/recorder/recorder.h"

enum session_state { S_NEW, S_OPENING, S_LIVE, S_FLUSHING, S_LISTING, S_SEALING, S_GONE };

/* Called once with the answer of `open`: fd is the tap's other end (to be sent, then closed), or -1
 * and e. */
typedef void session_opened(void *arg, struct session *s, int fd, const struct err *e);

struct logger_place;
/* Where its open record stands in the log, once it does. */
const struct logger_place *session_place(const struct session *s);
struct session *session_find(const struct recorder *r, const char *id);
struct session *session_next(const struct session *s); /* of all, from recorder.sessions on */
const char *session_id(const struct session *s);
const char *session_prefix(const struct session *s);

/* `new`: NULL and e when it cannot be. */
struct session *session_new(struct recorder *r, const json_t *msg, struct err *e);
const struct sign_key *session_key(const struct session *s);
/* `open`. -1 and e: refused at once, and opened() is not called. */
int session_open(struct session *s, const json_t *envelope, session_opened *opened, void *arg,
                 struct err *e);
/* Who waited for the answer is gone. */
void session_forget(struct recorder *r, void *arg);
/* `drop`: it never began. */
void session_drop(struct session *s);
/* `seal`. */
int session_seal(struct session *s, const json_t *envelope, struct err *e);
/* The predicate of one that waits for its seal, else NULL. */
const json_t *session_predicate(const struct session *s);

/* Between them and alive.h: those that are to be in the list; that they are; that nobody could be
 * told so for too long; that those listed are others' now, or this one. */
struct heartbeat;
void session_list(struct recorder *r, struct heartbeat *h);
void session_listed(struct recorder *r);
void session_silent(struct recorder *r);
void session_lost_listed(struct recorder *r);
void session_lost(struct session *s);

/* One that another recorder left behind is sealed. done: no other object of it will be written; or
 * not ok: it could not be. -1: not now. */
struct session_orphan {
    const char *gateway, *prefix;
    uint64_t from, silent_since; /* its leaves are there or behind; wall ms */
    void (*done)(void *arg, bool ok);
    void *arg;
};
int session_adopt(struct recorder *r, const struct session_orphan *o);

/* At start: everything the spool holds. -1: the spool cannot be read. */
int session_resume_all(struct recorder *r, struct err *e);
/* Sums for metrics, and {id, bytes, behindMs, state} for `status`. */
void session_measure(struct recorder *r);
json_t *session_status(const struct recorder *r, size_t max);
/* At the end: taps are closed; the spool has the rest. */
void session_free_all(struct recorder *r);

#endif
