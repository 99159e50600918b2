/* The metrics of authd, one row each. */
#ifndef GUAC_AUTHD_STATS_H
#define GUAC_AUTHD_STATS_H

#include "guacd/base/metrics.h"

extern struct metric stats_active_sessions;  /* gauge: what RUN/s holds */
extern struct metric stats_session_duration; /* seconds, when the seal is signed */
extern struct metric stats_sessions_started, stats_sessions_resumed, stats_session_failures;
extern struct metric stats_decisions_allowed, stats_decisions_refused;
extern struct metric stats_sign_ins, stats_requests, stats_busy, stats_parked;
extern struct metric stats_connections, stats_connections_invalid, stats_resources_age;
extern struct metric stats_audit_events, stats_audit_errors;
extern struct metric stats_checkpoints_refused, stats_seals_signed, stats_clock_offset_ms,
    stats_recorder_up;
extern struct metric stats_oidc_requests, stats_oidc_errors;

/* A refusal by the rule of that name (ARCHITECTURE.md); a policy's count by
 * its kind, unknown ones as "other". */
void stats_refused(const char *rule);
/* All of them, and the failures by reason. */
int stats_write(struct buf *out);

#endif
