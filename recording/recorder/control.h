/* RUN/recorder.sock: authd's requests (ARCHITECTURE.md names them), many at once, each answered
 * with its rid; and the recorder's own `ended`, sent to everyone connected until the seal comes. */
#ifndef GUAC_RECORDER_CONTROL_H
#define GUAC_RECORDER_CONTROL_H

#include <jansson.h>
#include <stdbool.h>

#include "guacd/base/err.h"
#include "recording/recorder/recorder.h"

/* Binds the socket (before the sandbox). `trusted`: uids beside our own. */
struct control *control_new(struct recorder *r, const char *path, const char *trusted,
                            struct err *e);
void control_free(struct control *c); /* NULL is fine */
/* `ended` of this session to everyone connected. */
void control_ask_seal(struct recorder *r, struct session *s);
/* To everyone connected; takes the body over. False from the second: nobody is. */
void control_post(struct recorder *r, json_t *body);
bool control_listened(const struct recorder *r);

#endif
