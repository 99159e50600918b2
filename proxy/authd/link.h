/* Development sign-in: links that work once. They exist only where the configuration says so and
 * the gateway is on loopback. Only hashes are kept. Any thread. */
#ifndef GUAC_AUTHD_LINK_H
#define GUAC_AUTHD_LINK_H

#include <stdbool.h>

#include "guacd/base/buf.h"

#define LINK_HOURS 12

struct links;

struct links *links_new(const char *origin);
void links_free(struct links *l);
/* Append a new URL; the oldest of many unused ones is forgotten. */
int links_make(struct links *l, struct buf *url);
/* True once for a token that was issued and has not expired. */
bool links_use(struct links *l, const char *token);

#endif
