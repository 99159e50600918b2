/* guac-recorder: what all its parts share. One loop thread owns everything here; the spool's thread
 * and the workers get only what a job carries. */
#ifndef GUAC_RECORDER_H
#define GUAC_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/loop.h"
#include "recording/recorder/metrics.h"
#include "recording/recorder/spool.h"
#include "recording/recorder/vault.h"
#include "recording/work.h"
#include "recording/store.h"

struct config {
    struct store_config store;
    char *run, *spool, *secret_file, *buckets, *trusted_uids, *log_level;
    char *hold_access_key_file, *hold_secret_key_file;
    char *log_bucket, *closed, *tsa_url, *tsa_ca_file;
    long max_sessions, workers, level, put_timeout_ms, retention_days, memory;
    long log_retention_days, checkpoint_interval, fence_after, drain;
    bool allow_no_seccomp;
};

struct session;
struct control;
struct logger;
struct holder;
struct watch;
struct alive;
struct sealer;

struct recorder {
    const struct config *config;
    struct loop *loop;
    struct store_target *target;
    struct vault vault;
    struct spooler *spooler;
    struct work *work;
    struct control *control;
    struct logger *logger;
    struct holder *holder;
    struct alive *alive;
    struct sealer *sealer;
    atomic_uint_fast64_t alive_until; /* clock_ms(): nothing is stored later than that */
    struct session *sessions;
    size_t session_count;
    bool stopping; /* only what is there is finished */
    size_t held;   /* bytes of frames and chunks in memory, all sessions */
    struct recorder_metrics metrics;
    /* The store as the last try to write it showed it. */
    struct watch *watch;
    bool store_away;
    char store_why[256];
    char door_why[512]; /* a port of the store that should be closed (check.h), or "" */
    int64_t clock_offset_ms;
};

#endif
