/* A file that only grows, written in pieces: stock mode's recordings and typescripts. One thread at
 * a time. */
#ifndef GUAC_SESSION_SINK_H
#define GUAC_SESSION_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/err.h"

struct sink;

/* Takes fd, whatever comes of it. Refused when another session writes to that file; what it held
 * before is gone. */
struct sink *sink_new(int fd, struct err *e);
void sink_free(struct sink *k); /* writes what is left; NULL is fine */
/* -1 from the first time on that something could not be written: sink_why(). */
int sink_add(struct sink *k, const void *data, size_t len);
int sink_flush(struct sink *k);
bool sink_pending(const struct sink *k); /* something waits for sink_flush() */
const char *sink_why(const struct sink *k);

#endif
