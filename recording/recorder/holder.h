/* Legal holds: set or cleared on every object of a recording, then told to the log. By the holder's
 * own identity, where one is configured: the writer's needs no right to it. */
#ifndef GUAC_RECORDER_HOLDER_H
#define GUAC_RECORDER_HOLDER_H

#include <jansson.h>

#include "recording/recorder/logger.h"

struct holder;
struct holder *holder_new(struct recorder *r, struct err *e); /* before the sandbox */
void holder_free(struct holder *h);                           /* NULL is fine */

/* done: place NULL and e when it could not be done (then some objects may be held already). */
typedef void holder_done(void *arg, const struct logger_place *place, size_t objects,
                         const struct err *e);
/* `envelope`: a checked hold statement about `session`, made at `at`. -1: refused at once. */
struct holder_want {
    const char *session, *prefix;
    bool on;
    int64_t at;
    const json_t *envelope;
};
int holder_set(struct holder *h, const struct holder_want *w, holder_done *done, void *arg,
               struct err *e);
/* Who waited is gone. */
void holder_forget(struct holder *h, const void *arg);

#endif
