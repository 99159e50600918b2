/* The signed ends of a recording: the open record before the target is dialled, the seal when the
 * recorder asks for it. Any thread. */
#ifndef GUAC_AUTHD_RECORD_H
#define GUAC_AUTHD_RECORD_H

#include "proxy/authd/authd.h"

struct opened *opened_new(void);
void opened_free(struct opened *o);

struct record_want {
    const char *session, *target;
    int64_t start; /* Unix ms */
    const struct connection *connection;
    const struct identity *who;
    const struct decision *decision;
};
/* Key by the recorder, signature by us, stored by the recorder: *tap is the session's end of the
 * tap. Nothing stays behind on failure. */
int record_open(struct authd *a, const struct record_want *w, int *tap, struct err *e);
/* The session never began: sealed as refused. */
void record_drop(struct authd *a, const char *session);
/* The recorder's own messages, for recorder_new(). */
json_t *record_on_message(void *arg, const json_t *msg);

#endif
