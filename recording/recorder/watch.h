/* Whether the store takes what is recorded, and what time it has there. */
#ifndef GUAC_RECORDER_WATCH_H
#define GUAC_RECORDER_WATCH_H

#include "recording/recorder/recorder.h"

/* `bucket`: where it is tried. NULL: no memory. */
struct watch *watch_new(struct recorder *r, const char *bucket);
void watch_start(struct watch *w);
void watch_free(struct watch *w); /* once no worker runs; NULL is fine */

/* Each answer of the store comes here. One that fails may have its own reasons (a name, a size), so
 * it only has the store tried by a PUT of the recorder's own; that one tells what `status` says and
 * whether `new` may hope. */
void watch_result(struct recorder *r, enum store_result result, const char *why);
/* What such a try found. */
void watch_set(struct recorder *r, bool away, const char *why);

#endif
