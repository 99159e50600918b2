/* Our line to guac-recorder: one connection, many requests open at once, kept up by a thread of its
 * own. The recorder also asks by itself: for the signature under a session's seal. Any thread. */
#ifndef GUAC_AUTHD_RECORDER_H
#define GUAC_AUTHD_RECORDER_H

#include <jansson.h>
#include <stdbool.h>

#include "guacd/base/err.h"

struct recorder;

/* A message without `rid` (op `ended`): the answer to send, or NULL. Runs on the recorder's thread.
 */
typedef json_t *recorder_ask_fn(void *arg, const json_t *msg);

/* Is this user id one of ours? */
typedef bool recorder_trust_fn(void *arg, unsigned uid);

struct recorder *recorder_new(const char *path, recorder_ask_fn *ask, recorder_trust_fn *trust,
                              void *arg, struct err *e);
void recorder_free(struct recorder *r);
bool recorder_up(struct recorder *r);
/* Send and wait. Takes `msg`. fd (may be NULL) gets the answer's descriptor or -1. The answer, or
 * NULL with e: away, timed out, or its own refusal. */
json_t *recorder_call(struct recorder *r, json_t *msg, int timeout_ms, int *fd, struct err *e);

#endif
