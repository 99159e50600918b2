/* The four names of the dashboards stand first; the bytes recorded are the recorder's own. */
#include "proxy/authd/stats.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/util.h"
#include "proxy/authd/failure.h"

static const double duration_bounds[] = { 10,   60,    300,   900,   1800, 3600,
                                          7200, 14400, 28800, 57600, 86400 };

struct metric stats_active_sessions = { .name = "guacamole_active_sessions",
                                        .type = METRIC_GAUGE,
                                        .help = "Sessions that run now." };
struct metric stats_session_duration = { .name = "guacamole_session_duration_seconds",
                                         .type = METRIC_HISTOGRAM,
                                         .help = "How long ended sessions lasted.",
                                         .bounds = duration_bounds,
                                         .bound_count = ARRAY_LEN(duration_bounds) };

#define COUNTER(id, text, what) \
    struct metric id = { .name = text, .type = METRIC_COUNTER, .help = what }
#define GAUGE(id, text, what) \
    struct metric id = { .name = text, .type = METRIC_GAUGE, .help = what }

COUNTER(stats_sessions_started, "guacamole_sessions_started_total", "Sessions opened.");
COUNTER(stats_sessions_resumed, "guacamole_sessions_resumed_total",
        "Tunnels of an owner who came back to a running session.");
COUNTER(stats_session_failures, "guacamole_session_failures_total",
        "Sessions allowed that did not open.");
struct metric stats_decisions_allowed = { .name = "guacamole_decisions_total",
                                          .type = METRIC_COUNTER,
                                          .help = "Decisions to open a session or not.",
                                          .labels = "result=\"allowed\"" };
struct metric stats_decisions_refused = { .name = "guacamole_decisions_total",
                                          .type = METRIC_COUNTER,
                                          .help = "Decisions to open a session or not.",
                                          .labels = "result=\"refused\"" };
COUNTER(stats_sign_ins, "guacamole_sign_ins_total", "Completed sign-ins.");
COUNTER(stats_requests, "guacamole_authd_requests_total", "Requests of the proxies.");
COUNTER(stats_busy, "guacamole_authd_busy_total", "Requests refused because the queue was full.");
GAUGE(stats_parked, "guacamole_authd_parked", "Long polls that wait for a change.");
GAUGE(stats_connections, "guacamole_connections", "Usable connections.");
GAUGE(stats_connections_invalid, "guacamole_connections_invalid", "Connections with errors.");
GAUGE(stats_resources_age, "guacamole_resources_age_seconds",
      "Since the store of resources was last heard; -1 before the first time.");
COUNTER(stats_audit_events, "guacamole_audit_events_total", "Audit events written.");
COUNTER(stats_audit_errors, "guacamole_audit_errors_total",
        "Audit events that could not be written to their file.");
COUNTER(stats_checkpoints_refused, "guacamole_checkpoints_refused_total",
        "Checkpoints not signed, since the log did not contain the one before.");
COUNTER(stats_seals_signed, "guacamole_seals_signed_total", "Seals of recordings signed.");
GAUGE(stats_clock_offset_ms, "guacamole_clock_offset_milliseconds",
      "Our clock against the store's, as the recorder measured last.");
GAUGE(stats_recorder_up, "guacamole_recorder_up", "1 while the recorder is connected.");
COUNTER(stats_oidc_requests, "guacamole_oidc_requests_total", "Requests to the identity provider.");
COUNTER(stats_oidc_errors, "guacamole_oidc_errors_total",
        "Requests to the identity provider that failed.");

static struct metric auth_failures[FAILURE_COUNT];
static char auth_failure_labels[FAILURE_COUNT][64];

__attribute__((constructor)) static void name_failures(void) {
    for (int i = 0; i < FAILURE_COUNT; i++) {
        snprintf(auth_failure_labels[i], sizeof auth_failure_labels[i], "reason=\"%s\"",
                 failure_row((enum failure)i)->reason);
        auth_failures[i] = (struct metric){ .name = "guacamole_auth_failures_total",
                                            .type = METRIC_COUNTER,
                                            .help = "Refused sign-ins and requests by reason.",
                                            .labels = auth_failure_labels[i] };
    }
}

static const char *const rules[] = {
    "signed-in",       "clock",          "connection-exists",   "connection-valid",
    "operator-role",   "audience",       "auditor-replay-only", "locked",
    "lock-view",       "step-up",        "recording-required",  "jit-required",
    "address",         "jit-approval",   "session-limit",       "connection-limit",
    "not-available",   "session-owner",  "join-role",           "invite",
    "invite-used",     "invite-expired", "own-request",         "approver-role",
    "already-decided", "request-over",   "request-pending",     "minutes",
    "reason",          "conflict",       "cluster-access",      "rate-limit",
    "other",
};
static struct metric refusals[ARRAY_LEN(rules)];
static char refusal_labels[ARRAY_LEN(rules)][48];

__attribute__((constructor)) static void name_refusals(void) {
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        snprintf(refusal_labels[i], sizeof refusal_labels[i], "rule=\"%s\"", rules[i]);
        refusals[i] = (struct metric){ .name = "guacamole_refusals_total",
                                       .type = METRIC_COUNTER,
                                       .help = "What was refused, by the rule that said no.",
                                       .labels = refusal_labels[i] };
    }
}

void stats_refused(const char *rule) {
    const char *slash = strrchr(rule, '/'); /* a policy's own name stands before it */
    size_t i = 0;
    rule = slash ? slash + 1 : rule;
    while (i < ARRAY_LEN(rules) - 1 && strcmp(rules[i], rule) != 0)
        i++;
    metric_add(&refusals[i], 1);
}

void failure_count(enum failure f) {
    if (f != FAILURE_NONE && f != FAILURE_NO_COOKIE)
        metric_add(&auth_failures[f], 1);
}

int stats_write(struct buf *out) {
    struct metric *own[] = { &stats_active_sessions,
                             &stats_session_duration,
                             &stats_sessions_started,
                             &stats_sessions_resumed,
                             &stats_session_failures,
                             &stats_decisions_allowed,
                             &stats_decisions_refused,
                             &stats_sign_ins,
                             &stats_requests,
                             &stats_busy,
                             &stats_parked,
                             &stats_connections,
                             &stats_connections_invalid,
                             &stats_resources_age,
                             &stats_audit_events,
                             &stats_audit_errors,
                             &stats_checkpoints_refused,
                             &stats_seals_signed,
                             &stats_clock_offset_ms,
                             &stats_recorder_up,
                             &stats_oidc_requests,
                             &stats_oidc_errors };
    struct metric *failures[FAILURE_COUNT];
    size_t n = 0;
    for (int i = FAILURE_NO_COOKIE + 1; i < FAILURE_COUNT; i++)
        failures[n++] = &auth_failures[i];
    struct metric *by_rule[ARRAY_LEN(rules)];
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        by_rule[i] = &refusals[i];
    return metrics_write(own, ARRAY_LEN(own), out) || metrics_write(failures, n, out) ||
                   metrics_write(by_rule, ARRAY_LEN(by_rule), out)
               ? -1
               : 0;
}
