/* Certificates that were accepted at their first use (`cert-tofu`): a name and a SHA-256 each, kept
 * from session to session, and by a file from guacd to guacd. What is there is never replaced: only
 * a person with access to the file can forget one. guacd's one thread. */
#ifndef GUAC_DAEMON_KNOWN_H
#define GUAC_DAEMON_KNOWN_H

#include <stdbool.h>

#include "guacd/base/err.h"

#define KNOWN_MAX 10000    /* of them: then no further target has a first use */
#define KNOWN_NAME_MAX 320 /* with its NUL: printable ASCII without blanks */

struct known;

/* Lines of "name print", read once and added to. NULL: they end with us. Before sealing. */
struct known *known_open(const char *path, struct err *e);
void known_free(struct known *k); /* NULL is fine */
/* 64 hex digits in lower case, or "". Valid until known_free(). */
const char *known_find(const struct known *k, const char *name);
bool known_full(const struct known *k);
/* The first of a name counts. -1: the name or the print is none, or there are too many. */
int known_add(struct known *k, const char *name, const char *print, struct err *e);

#endif
