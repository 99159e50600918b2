/* How far long work has come: a bar on standard error, when that is a terminal; else nothing. */
#ifndef GUAC_EVIDENCE_PROGRESS_H
#define GUAC_EVIDENCE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    uint64_t last_ms;
};

/* wanted false: never shown (JSON is asked for). */
void progress_init(struct progress *p, bool wanted);
/* At most five times a second; `arg` is a struct progress, so it fits where a callback is wanted.
 */
void progress_tell(void *arg, uint64_t done, uint64_t total);
/* The line is blank again. */
void progress_done(struct progress *p);

#endif
