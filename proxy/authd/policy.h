/* May this person open this connection now? One pure function: everything it looks at comes in, and
 * one table of cases tests it. */
#ifndef GUAC_AUTHD_POLICY_H
#define GUAC_AUTHD_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crd/connection.h"
#include "crd/environment.h"
#include "proxy/authd/identity.h"

/* In the order they are asked; the first that refuses is told. */
enum policy_rule {
    RULE_SIGNED_IN,           /* the claims are still believed */
    RULE_CLOCK,               /* our clock and the store's agree within 60 s */
    RULE_CONNECTION_VALID,    /* the resource has no errors */
    RULE_OPERATOR_ROLE,       /* operator-roles of the configuration */
    RULE_AUDITOR_REPLAY_ONLY, /* a mere auditor replays, and opens nothing */
    RULE_AUDIENCE,            /* audience.keycloakRoles */
    RULE_RECORDING_REQUIRED,  /* EnvironmentPolicy */
    RULE_JIT_REQUIRED,        /* EnvironmentPolicy: the connection must ask for approval */
    RULE_AVAILABLE,           /* the gateway can do all that the connection asks for (notyet.c) */
    RULE_JIT_APPROVAL,        /* jit.requiredApprovers: an approval from each */
    RULE_SESSION_LIMIT,       /* sessions of this person */
    RULE_ALLOWED,
};

#define POLICY_CLOCK_MS 60000

struct policy_config {
    const json_t *operator_roles; /* NULL or empty: any */
    const json_t *auditor_roles;
    long sessions_per_person; /* 0: no limit */
    long max_minutes;         /* longest session whatever the connection says; 0: none */
};
struct policies {
    const struct policy_config *config;
    struct environment_policy *const *environments;
    size_t environment_count;
    int64_t clock_offset_ms;
    bool operates; /* the person may open some connection: no mere auditor */
};
struct policy_session {
    const char *sub;
    const char *connection; /* namespace/name */
};
struct policy_sessions {
    const struct policy_session *list;
    size_t count;
    bool resuming; /* back into a session that runs: limits on new ones do not count */
};
struct decision {
    bool allow;
    enum policy_rule rule;
    char name[320];     /* "audience", "<policy>/recording-required" */
    char why[512];      /* a sentence for the person */
    const char *advice; /* the next one */
    int status;         /* Guacamole status of a refusal */
    long max_minutes;   /* of an allowed session; 0: no limit */
};

/* approvals: names (of jit.requiredApprovers) whose approval of this person's request stands at
 * `now` (Unix ms); NULL: none. */
void decide(const struct identity *who, const struct connection *c, const struct policies *p,
            const json_t *approvals, const struct policy_sessions *sessions, int64_t now,
            struct decision *out);
const char *policy_rule_name(enum policy_rule r);

#endif
