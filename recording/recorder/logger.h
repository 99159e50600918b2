/* The recorder's writer of the log over all sessions: leaves wait in a queue, one commit is under
 * way at a time and takes all that wait. Everything is the loop thread's. */
#ifndef GUAC_RECORDER_LOGGER_H
#define GUAC_RECORDER_LOGGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "recording/leaf.h"
#include "recording/recorder/recorder.h"

#define LOGGER_QUEUE_MAX 8192u

struct logger;
struct logger *logger_new(struct recorder *r, struct err *e);
void logger_start(struct logger *l);
void logger_free(struct logger *l); /* NULL is fine; its jobs have ended */

struct logger_place {
    uint64_t index;
    char hash[65]; /* of the leaf, hex */
};
/* Called once, when the leaf is in the log: it is tried until it is. */
typedef void logger_done(void *arg, const struct logger_place *place);

/* -1: the leaf is malformed, or too many wait. in_doubt: it may be there already, at `from` or
 * behind; then it is looked for first. */
int logger_add(struct logger *l, const struct leaf *leaf, bool in_doubt, uint64_t from,
               logger_done *done, void *arg, struct err *e);
/* done() is not called any more with this arg; the leaf is written all the same. */
void logger_forget(struct logger *l, const void *arg);
/* Leaves in the log as far as we know: what comes is behind. */
uint64_t logger_size(const struct logger *l);
/* Why it cannot be written at present; NULL: it can. */
const char *logger_trouble(const struct logger *l);
/* The gateway's key, kept beside the log as keys/<keyid>.pem. */
void logger_key(struct logger *l, const char *public_key_base64);

/* authd's answer to `checkpoint`, and a new line to authd. */
void logger_signed(struct logger *l, const json_t *msg);
void logger_connected(struct logger *l);

#endif
