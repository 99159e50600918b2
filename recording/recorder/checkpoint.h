/* Signed checkpoints: after commits, at most once a second, the tree that is in the log is shown to
 * authd with a proof that it contains the one authd signed before; what comes back is published.
 * One in an hour is kept under lock, and stamped by an RFC 3161 authority where one is configured.
 */
#ifndef GUAC_RECORDER_CHECKPOINT_H
#define GUAC_RECORDER_CHECKPOINT_H

#include <jansson.h>

#include "recording/recorder/recorder.h"

struct checkpoint;
struct checkpoint *checkpoint_new(struct recorder *r, struct err *e);
void checkpoint_free(struct checkpoint *c); /* NULL is fine */
void checkpoint_due(struct checkpoint *c);  /* something was committed */
void checkpoint_connected(struct checkpoint *c);
void checkpoint_signed(struct checkpoint *c, const json_t *msg);
void checkpoint_key(struct checkpoint *c, const char *public_key_base64);

#endif
