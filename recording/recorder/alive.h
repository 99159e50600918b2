/* That this recorder lives, and which sessions it has open: rewritten every twelfth of
 * `fence-after`. A session is in it before its open record is stored. Whoever could not write it
 * for a sixth of that time ends its sessions and stores nothing more; after the whole of it others
 * fence it and seal them (sealer.h). Each life of a recorder has a name of its own, and takes over
 * what the life before on the same spool had. Everything but alive_late() is the loop thread's. */
#ifndef GUAC_RECORDER_ALIVE_H
#define GUAC_RECORDER_ALIVE_H

#include <stdbool.h>

#include "guacd/base/err.h"
#include "recording/recorder/recorder.h"
#include "recording/store.h"

struct alive;
struct alive *alive_new(struct recorder *r, struct err *e);
void alive_start(struct alive *a); /* the spool was read */
void alive_free(struct alive *a);  /* NULL is fine; its job has ended */

/* A session is to be listed, or not any more. session_listed() follows the first. */
void alive_due(struct alive *a);
/* What lives before on this spool had open is known to be ours, or not. */
bool alive_claimed(const struct alive *a);
const char *alive_name(const struct alive *a);
/* Any thread: too late to store anything: others may be about to seal it. Then STORE_AWAY. */
enum store_result alive_late(const struct recorder *r, struct err *e);

#endif
