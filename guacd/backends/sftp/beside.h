/* SFTP beside a desktop: a login of its own by the rows sftp-*, on a thread of its own, so that
 * neither waits for the other. What goes wrong with it is told to people (guac.state `files`) and
 * never ends the session. Called by the backend's thread. */
#ifndef GUAC_BACKENDS_SFTP_BESIDE_H
#define GUAC_BACKENDS_SFTP_BESIDE_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "guacd/proto/args.h"

struct session;
struct beside;

int beside_warm(struct err *e);                                          /* in warm() */
size_t beside_ports(const struct args *args, uint16_t *out, size_t max); /* in ports() */
/* Before the desktop is dialled, since nothing can be afterwards. Copies what it needs of args.
 * NULL: not enabled, or not reached. */
struct beside *beside_dial(struct session *s, const struct args *args);
/* Once the doors are locked: logs in, and shows files. NULL is fine. */
void beside_start(struct beside *b);
void beside_free(struct beside *b); /* ends its thread; NULL is fine */

#endif
