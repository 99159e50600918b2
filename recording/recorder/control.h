/* RUN/recorder.sock: authd's requests (ARCHITECTURE.md names them), many at once, each answered
 * with its rid; and the recorder's own `ended`, sent to everyone connected until the seal comes. */
#ifndef GUAC_RECORDER_CONTROL_H
#define GUAC_RECORDER_CONTROL_H

#include "guacd/base/err.h"
#include "recording/recorder/recorder.h"

struct control_conn;

/* Binds the socket (before the sandbox). `trusted`: uids beside our own, separated by blanks. */
struct control *control_new(struct recorder *r, const char *path, const char *trusted,
                            struct err *e);
void control_free(struct control *c); /* NULL is fine */
/* `ended` of this session (NULL: of all that wait) to this connection (NULL: to all). */
void control_ask_seals(struct recorder *r, struct session *only, struct control_conn *to);

#endif
