/* Counters, gauges and one kind of histogram in a table, written as Prometheus text. Any thread. */
#ifndef GUAC_BASE_METRICS_H
#define GUAC_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name;
    enum metric_type type;
    const char *help;
    const char *labels;   /* fixed label text such as protocol="ssh", or NULL */
    const double *bounds; /* METRIC_HISTOGRAM: upper bounds, ascending */
    size_t bound_count;   /* at most 16 */
    /* values; zero at start */
    int64_t value;
    uint64_t counts[17];
    double sum;
};

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t n);
void metric_observe(struct metric *m, double v);
/* HELP and TYPE lines once per run of equal names. */
int metrics_write(struct metric *const *table, size_t count, struct buf *out);

#endif
