/* `guac-recorder check`: the spool, the secret, every bucket, the clock, and the store's other
 * ports, all of what is wrong at once. */
#ifndef GUAC_RECORDER_CHECK_H
#define GUAC_RECORDER_CHECK_H

#include <stddef.h>

#include "recording/recorder/recorder.h"

/* One line a check on stdout; how many are wrong. Writes what a start writes into the buckets:
 * objects below _check/. */
int check_run(const struct recorder *r, const char *const *buckets, size_t count);

#endif
