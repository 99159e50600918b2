/* The files that stock clients name, recordings and typescripts: made by a process of their own,
 * since guacd and its sessions may open none. It can make and write files, and neither read one nor
 * use a socket; a session gets the open descriptor (child.h, CHILD_OP_FILES). Not there in gateway
 * mode, where the recorder keeps sessions. */
#ifndef GUAC_DAEMON_OPENER_H
#define GUAC_DAEMON_OPENER_H

#include <jansson.h>

#include "guacd/base/err.h"

/* Before anything is sealed, while there is one thread. Our end of its socket (non-blocking); it
 * ends when that is closed, by us or by our end. */
int opener_start(struct err *e);
/* Hands a session's request on together with guacd's end of its channel, on which it is answered.
 * -1: nobody will answer. */
int opener_ask(int opener, json_t *request, int channel, struct err *e);

#endif
