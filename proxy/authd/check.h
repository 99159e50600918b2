/* `guac-authd --check`: everything it depends on is tried, and all that is wrong told at once, with
 * what was seen and what to do about it. */
#ifndef GUAC_AUTHD_CHECK_H
#define GUAC_AUTHD_CHECK_H

#include <stdio.h>

#include "proxy/authd/config.h"

/* One line a check to `out`: "ok   name: …" or "BAD  name: what was seen. What to do." Derives
 * `conf`. Returns how many are wrong. Blocking, half a minute at most; changes nothing. */
int check_run(struct config *conf, FILE *out);

#endif
