/* Last words to a client that gets no session, or whose session's process died. Nothing the client
 * sends is looked at; it is only thrown away for a moment, since closing a TCP socket with unread
 * bytes makes the kernel reset it and the words get lost. */
#ifndef GUAC_DAEMON_REFUSE_H
#define GUAC_DAEMON_REFUSE_H

#include <stddef.h>

#include "guacd/base/err.h"
#include "guacd/base/loop.h"

struct refusals;

struct refusals *refusals_new(struct loop *l, struct err *e);
void refusals_free(struct refusals *r);
/* Takes fd. Never blocks; who does not read loses the words. */
void refuse(struct refusals *r, int fd, int status, const char *text);
/* How many still have a moment. */
size_t refusals_count(const struct refusals *r);

#endif
