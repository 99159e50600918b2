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
    RULE_LOCKED,              /* GuacamoleLock of the person, the connection or the session */
    RULE_LOCK_VIEW,           /* locks.failClosed: what is locked has to be known */
    RULE_RECORDING_REQUIRED,  /* EnvironmentPolicy */
    RULE_JIT_REQUIRED,        /* EnvironmentPolicy: the connection must ask for approval */
    RULE_AVAILABLE,           /* the gateway can do all that the connection asks for (notyet.c) */
    RULE_ADDRESS,             /* address-allow, address-deny, where the host is an address */
    RULE_STEP_UP,             /* stepUp.acr, stepUp.maxAgeMinutes */
    RULE_JIT_APPROVAL,        /* jit.requiredApprovers: an approved request whose window runs */
    RULE_SESSION_LIMIT,       /* sessions of this person, here or on this connection */
    RULE_CONNECTION_LIMIT,    /* sessions on this connection */
    RULE_ALLOWED,
};

#define POLICY_CLOCK_MS 60000

struct policy_config {
    const json_t *operator_roles; /* NULL or empty: any */
    const json_t *auditor_roles;
    long sessions_per_person; /* on all connections; 0: no limit */
    long max_minutes;         /* longest session whatever the connection says; 0: none */
    const char *address_allow, *address_deny;
};
/* A GuacamoleLock: exactly one of the four is said. */
struct policy_lock {
    const char *sid, *sub, *connection, *session;
    const char *reason;
    int64_t until;  /* Unix ms; 0: for good */
    int64_t before; /* Unix ms: voids only what was made until then; 0: all */
};
struct policies {
    const struct policy_config *config;
    struct environment_policy *const *environments;
    size_t environment_count;
    int64_t clock_offset_ms;
    bool operates; /* the person may open some connection: no mere auditor */
    const struct policy_lock *locks;
    size_t lock_count;
    bool locks_stale; /* the view of the locks is older than it may be */
};
struct policy_session {
    const char *sub;
    const char *connection; /* namespace/name */
};
struct policy_sessions {
    const struct policy_session *list; /* of all replicas */
    size_t count;
    bool resuming;       /* back into one that runs: limits on new ones do not count */
    const char *session; /* its id then; NULL: a new one */
};
/* The person's approved request for this connection. */
struct policy_grant {
    int64_t from, until; /* Unix ms: the window */
};
struct decision {
    bool allow;
    enum policy_rule rule;
    char name[320];     /* "audience", "<policy>/recording-required" */
    char why[512];      /* a sentence for the person */
    const char *advice; /* the next one */
    int status;         /* Guacamole status of a refusal */
    long max_minutes;   /* of an allowed session; 0: no limit */
    int64_t until;      /* Unix ms, its approval's window; 0: none. Of a lock's refusal: its end */
};

/* grant NULL: none. now in Unix ms. */
void decide(const struct identity *who, const struct connection *c, const struct policies *p,
            const struct policy_grant *grant, const struct policy_sessions *sessions, int64_t now,
            struct decision *out);
/* The lock that holds this back at `now`, or NULL. Any of the four may be NULL; made: when the
 * sign-in's cookie was made, or the session began, Unix ms. */
const struct policy_lock *policy_locked(const struct policy_lock *locks, size_t count,
                                        const struct policy_lock *of, int64_t made, int64_t now);
/* The two limits alone, for a session that is written down already: `earlier` are those that came
 * before it. True: refused, with the rule and its words in out. */
bool policy_over_limit(const struct identity *who, const struct connection *c,
                       const struct policy_config *config, const struct policy_session *earlier,
                       size_t count, struct decision *out);
const char *policy_rule_name(enum policy_rule r);

#endif
