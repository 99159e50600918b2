/* The recorder's own figures, beside those of the sandbox and of base. */
#ifndef GUAC_RECORDER_METRICS_H
#define GUAC_RECORDER_METRICS_H

#include "guacd/base/buf.h"
#include "guacd/base/metrics.h"
#include "recording/statement.h"

struct recorder_metrics {
    struct metric bytes, stored_bytes, objects[CHAIN_KINDS], put_seconds, put_failures, sessions,
        flushing, seals_waiting, sealed[3], conflicts, spool_bytes, spool_failures, behind, clock,
        store_up, opens_failed, held, log_size, log_seconds, log_failures, log_conflicts, log_slow,
        log_stamp_failures, lost, kept, forged;
};
void recorder_metrics_init(struct recorder_metrics *m);
int recorder_metrics_write(struct recorder_metrics *m, struct buf *out);

#endif
