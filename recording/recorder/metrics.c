/* One row a figure. */
#include "recording/recorder/metrics.h"

#include "guacd/base/util.h"

static const double put_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };

#define ROW(field, kind, metric_name, label, text) \
    m->field = (struct metric) { \
        .name = "guacamole_" metric_name, .type = METRIC_##kind, .labels = label, .help = text \
    }

void recorder_metrics_init(struct recorder_metrics *m) {
    ROW(bytes, COUNTER, "recording_bytes_total", NULL,
        "Bytes of sessions acknowledged by the store");
    ROW(stored_bytes, COUNTER, "recording_stored_bytes_total", NULL, "Bytes of objects stored");
    ROW(objects[CHAIN_DATA], COUNTER, "recording_objects_total", "kind=\"data\"", "Objects stored");
    ROW(objects[CHAIN_KEYFRAME], COUNTER, "recording_objects_total", "kind=\"keyframe\"",
        "Objects stored");
    ROW(objects[CHAIN_TEXT], COUNTER, "recording_objects_total", "kind=\"text\"", "Objects stored");
    ROW(put_seconds, HISTOGRAM, "recording_put_seconds", NULL, "Time of one PUT that was stored");
    m->put_seconds.bounds = put_bounds;
    m->put_seconds.bound_count = ARRAY_LEN(put_bounds);
    ROW(put_failures, COUNTER, "recording_put_failures_total", NULL, "PUTs that were not stored");
    ROW(sessions, GAUGE, "recording_sessions", NULL, "Sessions being recorded");
    ROW(flushing, GAUGE, "recording_flushing", NULL,
        "Ended sessions with something not yet in the store");
    ROW(seals_waiting, GAUGE, "recording_seals_waiting", NULL,
        "Ended sessions that wait for authd's signature or for the store to take the seal");
    ROW(sealed[0], COUNTER, "recording_sealed_total", "state=\"closed\"", "Sealed recordings");
    ROW(sealed[1], COUNTER, "recording_sealed_total", "state=\"interrupted\"", "Sealed recordings");
    ROW(sealed[2], COUNTER, "recording_sealed_total", "state=\"refused\"", "Sealed recordings");
    ROW(conflicts, COUNTER, "recording_conflicts_total", NULL,
        "Names under which somebody else's object was found");
    ROW(spool_bytes, GAUGE, "recording_spool_bytes", NULL, "Bytes in the spool's logs");
    ROW(spool_failures, COUNTER, "recording_spool_failures_total", NULL,
        "Rounds in which the spool could not be written");
    ROW(behind, GAUGE, "recording_behind_milliseconds", NULL,
        "Age of the oldest frame that is not in the store");
    ROW(clock, GAUGE, "recording_clock_offset_milliseconds", NULL,
        "The store's clock less this machine's");
    ROW(store_up, GAUGE, "recording_store_up", NULL, "1 while the store answers");
    ROW(held, GAUGE, "recording_held_bytes", NULL, "Frames and chunks in memory");
    ROW(opens_failed, COUNTER, "recording_opens_failed_total", NULL,
        "Open records that could not be stored");
    ROW(lost, COUNTER, "recording_lost_total", NULL,
        "Sessions that another recorder sealed since this one was silent for too long");
    ROW(kept, GAUGE, "recording_spool_kept", NULL,
        "Sessions whose spool is kept for somebody to look at");
    ROW(forged, COUNTER, "recording_forged_total", NULL,
        "Chunks of orphaned sessions that do not verify under the session's key");
    ROW(log_size, GAUGE, "log_leaves", NULL, "Leaves in the log over all sessions");
    ROW(log_seconds, HISTOGRAM, "log_commit_seconds", NULL,
        "From a leaf's coming to its place in the log");
    m->log_seconds.bounds = put_bounds;
    m->log_seconds.bound_count = ARRAY_LEN(put_bounds);
    ROW(log_failures, COUNTER, "log_failures_total", NULL, "Commits to the log that failed");
    ROW(log_conflicts, COUNTER, "log_conflicts_total", NULL,
        "Commits that came second to another gateway's and were done again");
    ROW(log_slow, COUNTER, "log_slow_total", NULL,
        "Commits given up as too slow, looked for and done again");
    ROW(log_stamp_failures, COUNTER, "log_stamp_failures_total", NULL,
        "Checkpoints that the time stamp authority did not stamp");
}

int recorder_metrics_write(struct recorder_metrics *m, struct buf *out) {
    struct metric *const rows[] = {
        &m->bytes,
        &m->stored_bytes,
        &m->objects[CHAIN_DATA],
        &m->objects[CHAIN_KEYFRAME],
        &m->objects[CHAIN_TEXT],
        &m->put_seconds,
        &m->put_failures,
        &m->sessions,
        &m->flushing,
        &m->seals_waiting,
        &m->sealed[0],
        &m->sealed[1],
        &m->sealed[2],
        &m->conflicts,
        &m->spool_bytes,
        &m->spool_failures,
        &m->behind,
        &m->clock,
        &m->store_up,
        &m->opens_failed,
        &m->held,
        &m->lost,
        &m->kept,
        &m->forged,
        &m->log_size,
        &m->log_seconds,
        &m->log_failures,
        &m->log_conflicts,
        &m->log_slow,
        &m->log_stamp_failures,
    };
    return metrics_write(rows, ARRAY_LEN(rows), out);
}
