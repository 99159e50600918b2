/* `guac-recorder check`: the spool, the secret, every bucket, the clock, and the store's other
 * ports, all of what is wrong at once. */
#ifndef GUAC_RECORDER_CHECK_H
#define GUAC_RECORDER_CHECK_H

#include <stddef.h>
#include <stdio.h>

#include "recording/recorder/recorder.h"

#define RECORDER_REFUSED "recorder.refused"

/* One line a check on out; how many are wrong. Writes what a start writes into the buckets:
 * objects below _check/. */
int check_run(const struct recorder *r, const char *const *buckets, size_t count, FILE *out);
/* Before the sandbox shuts all ports but the store's. -1 with e: a port that `closed` names obeys a
 * stranger, so the recorder must not start. Where none is named and one of SeaweedFS's usual ports
 * does, a warning, and r->door_why for whoever asks. */
int check_doors(struct recorder *r, struct err *e);

/* Who did not start leaves word for `guac-authd --check`: why, and all that check_run() says, in
 * RUN/recorder.refused. why NULL: takes it away. Before the sandbox. */
void check_leave(const struct recorder *r, const char *const *buckets, size_t count,
                 const char *why);

#endif
