/* guacd's metrics, and the file they are read from. guacd answers nobody's questions, so that it
 * parses nothing: it writes RUN/guacd/metrics, and who may read the folder reads it. */
#ifndef GUAC_DAEMON_STATS_H
#define GUAC_DAEMON_STATS_H

#include "guacd/base/err.h"
#include "guacd/base/loop.h"
#include "guacd/base/metrics.h"

extern struct metric stats_processes, stats_starting, stats_started_total, stats_died_total,
    stats_busy_total, stats_strangers_total, stats_failed_total, stats_spawn_seconds,
    stats_landlock;

/* Nothing is written while nothing changes. */
int stats_open(struct loop *l, const char *run, struct err *e);
/* A metric was changed: the file follows within a second. */
void stats_changed(void);
/* Removes the file. */
void stats_close(void);

#endif
