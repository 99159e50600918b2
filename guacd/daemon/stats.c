#include "guacd/daemon/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/daemon/registry.h"

#define WRITE_AFTER_US 1000000
#define FILE_MAX 65536

static const double spawn_bounds[] = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5 };

struct metric stats_processes = { "guacamole_session_processes",
                                  METRIC_GAUGE,
                                  "Processes of guacd-session.",
                                  NULL,
                                  NULL,
                                  0,
                                  0,
                                  { 0 },
                                  0 };
struct metric stats_starting = { "guacamole_session_processes_starting",
                                 METRIC_GAUGE,
                                 "Of these, before connect.",
                                 NULL,
                                 NULL,
                                 0,
                                 0,
                                 { 0 },
                                 0 };
struct metric stats_started_total = { "guacamole_session_processes_started_total",
                                      METRIC_COUNTER,
                                      "Processes started.",
                                      NULL,
                                      NULL,
                                      0,
                                      0,
                                      { 0 },
                                      0 };
struct metric stats_died_total = { "guacamole_session_processes_died_total",
                                   METRIC_COUNTER,
                                   "Processes that ended by a signal or with an error.",
                                   NULL,
                                   NULL,
                                   0,
                                   0,
                                   { 0 },
                                   0 };
struct metric stats_busy_total = { "guacamole_guacd_refused_total",
                                   METRIC_COUNTER,
                                   "Clients turned away.",
                                   "reason=\"busy\"",
                                   NULL,
                                   0,
                                   0,
                                   { 0 },
                                   0 };
struct metric stats_strangers_total = { "guacamole_guacd_refused_total",
                                        METRIC_COUNTER,
                                        "Clients turned away.",
                                        "reason=\"uid\"",
                                        NULL,
                                        0,
                                        0,
                                        { 0 },
                                        0 };
struct metric stats_failed_total = { "guacamole_guacd_refused_total",
                                     METRIC_COUNTER,
                                     "Clients turned away.",
                                     "reason=\"failed\"",
                                     NULL,
                                     0,
                                     0,
                                     { 0 },
                                     0 };
struct metric stats_spawn_seconds = { "guacamole_session_spawn_seconds",
                                      METRIC_HISTOGRAM,
                                      "What starting a process took.",
                                      NULL,
                                      spawn_bounds,
                                      ARRAY_LEN(spawn_bounds),
                                      0,
                                      { 0 },
                                      0 };
struct metric stats_landlock = { "guacamole_sandbox_landlock_abi",
                                 METRIC_GAUGE,
                                 "Landlock ABI in force, 0 for none.",
                                 "program=\"guacd\"",
                                 NULL,
                                 0,
                                 0,
                                 { 0 },
                                 0 };

static struct metric *const table[] = {
    &stats_processes,    &stats_starting,      &stats_started_total,
    &stats_died_total,   &stats_busy_total,    &stats_strangers_total,
    &stats_failed_total, &stats_spawn_seconds, &stats_landlock,
};

static struct {
    struct loop_timer *timer;
    char path[128], fresh[128];
} file;

static int write_file(struct buf *b) {
    _close_ int fd = open(file.fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 || write(fd, b->data, b->len) != (ssize_t)b->len)
        return -1;
    return rename(file.fresh, file.path);
}

static void on_timer(void *arg) {
    (void)arg;
    _buf_cleanup_ struct buf b;
    buf_init(&b, FILE_MAX);
    if (metrics_write(table, ARRAY_LEN(table), &b) < 0 || write_file(&b) < 0)
        log_warning("cannot write %s: %s", file.path, strerror(errno));
}

int stats_open(struct loop *l, const char *run, struct err *e) {
    snprintf(file.path, sizeof(file.path), "%s/" REGISTRY_OWN "/metrics", run);
    snprintf(file.fresh, sizeof(file.fresh), "%s/" REGISTRY_OWN "/.metrics", run);
    file.timer = loop_timer_new(l, on_timer, NULL);
    if (!file.timer)
        return err_errno(e, 0, "cannot start");
    stats_changed();
    return 0;
}

void stats_changed(void) {
    if (!loop_timer_active(file.timer))
        loop_timer_set(file.timer, WRITE_AFTER_US);
}

void stats_close(void) {
    loop_timer_free(file.timer);
    file.timer = NULL;
    unlink(file.path);
}
