/* Going into the background as stock guacd does: the one who started us waits until we listen. */
#ifndef GUAC_DAEMON_BACKGROUND_H
#define GUAC_DAEMON_BACKGROUND_H

#include "guacd/base/err.h"

/* In the parent this does not return: it exits 0 once background_ready() was called, 1 when the
 * child ended before. To be called before anything that belongs to one process (threads, timers).
 */
int background(struct err *e);
/* Detach from the terminal and let the parent go. */
void background_ready(void);
int pid_file_write(const char *path, struct err *e);

#endif
