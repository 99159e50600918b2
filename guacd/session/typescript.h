/* A terminal's output as scriptreplay(1) plays it: the bytes in one file, when they came in
 * another. Stock mode only. */
#ifndef GUAC_SESSION_TYPESCRIPT_H
#define GUAC_SESSION_TYPESCRIPT_H

#include "guacd/session/session.h"

/* By the rows `typescript-…`; nothing where the protocol has none, or they ask for none. guacd
 * knows the session's id already. */
int typescript_open(struct session *s, struct err *e);
/* Nobody writes any more. */
void typescript_free(struct session *s);

#endif
