/* One function a rule: true refuses, with the sentence. The table is the order. */
#include "proxy/authd/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/notyet.h"
#include "proxy/authd/text.h"

struct question {
    const struct identity *who;
    const struct connection *c;
    const struct policies *p;
    const json_t *approvals;
    const struct policy_sessions *sessions;
    int64_t now;
    struct decision *out;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct question *q, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(q->out->why, sizeof q->out->why, fmt, ap);
    va_end(ap);
    text_clean(q->out->why);
    return true;
}

/* "a, b or c" */
static void listed(const json_t *names, char *out, size_t size) {
    size_t i, n = json_array_size(names), used = 0;
    json_t *name;
    *out = '\0';
    json_array_foreach(names, i, name) {
        int w = snprintf(out + used, size - used, "%s%s",
                         i == 0       ? ""
                         : i == n - 1 ? " or "
                                      : ", ",
                         json_string_value(name));
        if (w < 0 || (size_t)w >= size - used) {
            out[used] = '\0';
            return;
        }
        used += (size_t)w;
    }
}

static bool signed_in(struct question *q) {
    if (!q->who)
        return refuse(q, "You are not signed in.");
    if (q->who->exp * 1000 <= q->now)
        return refuse(q, "Your sign-in has expired.");
    return false;
}

static bool clock_agrees(struct question *q) {
    if (llabs(q->p->clock_offset_ms) <= POLICY_CLOCK_MS)
        return false;
    return refuse(q, "The gateway's clock is %lld seconds away from the recording store's.",
                  (long long)(llabs(q->p->clock_offset_ms) / 1000));
}

static bool connection_valid(struct question *q) {
    size_t n = json_array_size(q->c->errors);
    if (n == 0)
        return false;
    return refuse(q, "This connection has %zu error%s, the first: %s", n, n == 1 ? "" : "s",
                  json_string_value(json_array_get(q->c->errors, 0)));
}

static bool operator_role(struct question *q) {
    char names[300];
    const json_t *roles = q->p->config->operator_roles;
    if (json_array_size(roles) == 0 || identity_has_any(q->who, roles))
        return false;
    listed(roles, names, sizeof names);
    return refuse(q, "To open connections you need the role %s.", names);
}

static bool auditor_replay_only(struct question *q) {
    if (q->p->operates || !identity_has_any(q->who, q->p->config->auditor_roles) ||
        identity_has_any(q->who, q->c->roles))
        return false; /* who works elsewhere is told the role that is missing */
    return refuse(q, "Auditors replay recordings; this connection is not for you to open.");
}

static bool audience(struct question *q) {
    char names[300];
    if (identity_has_any(q->who, q->c->roles))
        return false;
    listed(q->c->roles, names, sizeof names);
    return refuse(q, "This connection is for people with the role %s.", names);
}

/* The first policy for this environment that has the rule. */
static const struct environment_policy *ruling(const struct question *q, enum policy_rule rule) {
    for (size_t i = 0; q->c->environment && i < q->p->environment_count; i++) {
        const struct environment_policy *p = q->p->environments[i];
        bool rules = rule == RULE_JIT_REQUIRED ? p->jit_required : p->recording_required;
        if (rules && json_has_string(p->environments, q->c->environment))
            return p;
    }
    return NULL;
}

static bool by_policy(struct question *q, const struct environment_policy *p, enum policy_rule rule,
                      const char *what) {
    snprintf(q->out->name, sizeof q->out->name, "%s/%s", p->name, policy_rule_name(rule));
    text_clean(q->out->name);
    return refuse(q, "Policy %s asks for %s in environment %s, and this connection has none.",
                  p->name, what, q->c->environment);
}

static bool recording_required(struct question *q) {
    const struct environment_policy *p = ruling(q, RULE_RECORDING_REQUIRED);
    if (!p || q->c->recording.enabled)
        return false;
    return by_policy(q, p, RULE_RECORDING_REQUIRED, "recording");
}

static bool jit_required(struct question *q) {
    const struct environment_policy *p = ruling(q, RULE_JIT_REQUIRED);
    if (!p || json_array_size(q->c->jit.approvers) > 0)
        return false;
    return by_policy(q, p, RULE_JIT_REQUIRED, "just-in-time approval");
}

static bool available(struct question *q) {
    const char *field = notyet_first(q->c);
    return field && refuse(q, "This connection asks for %s, which this gateway cannot do.", field);
}

static bool jit_approval(struct question *q) {
    size_t i;
    json_t *name;
    json_array_foreach(q->c->jit.approvers, i, name) if (
        !json_has_string(
            q->approvals,
            json_string_value(name))) return refuse(q, "This connection needs an approval by %s.",
                                                    json_string_value(name));
    return false;
}

static bool session_limit(struct question *q) {
    long limit = q->p->config->sessions_per_person, own = 0;
    if (limit == 0 || q->sessions->resuming)
        return false;
    for (size_t i = 0; i < q->sessions->count; i++)
        own += strcmp(q->sessions->list[i].sub, q->who->sub) == 0;
    if (own < limit)
        return false;
    return refuse(q, "You have %ld session%s, and may have %ld.", own, own == 1 ? "" : "s", limit);
}

static const struct rule {
    const char *name;
    bool (*refuses)(struct question *q);
    int status;
    const char *advice;
} rules[] = {
    [RULE_SIGNED_IN] = { "signed-in", signed_in, STATUS_CLIENT_UNAUTHORIZED, "Sign in again." },
    [RULE_CLOCK] = { "clock", clock_agrees, STATUS_SERVER_ERROR,
                     "Tell the gateway's operators: time synchronisation is broken." },
    [RULE_CONNECTION_VALID] = { "connection-valid", connection_valid, STATUS_CLIENT_FORBIDDEN,
                                "Tell who wrote this connection; all its errors are in the list." },
    [RULE_OPERATOR_ROLE] = { "operator-role", operator_role, STATUS_CLIENT_FORBIDDEN,
                             "Ask for that role." },
    [RULE_AUDITOR_REPLAY_ONLY] = { "auditor-replay-only", auditor_replay_only,
                                   STATUS_CLIENT_FORBIDDEN,
                                   "Ask for a role of its audience if you should work there." },
    [RULE_AUDIENCE] = { "audience", audience, STATUS_CLIENT_FORBIDDEN, "Ask for that role." },
    [RULE_RECORDING_REQUIRED] = { "recording-required", recording_required, STATUS_CLIENT_FORBIDDEN,
                                  "Tell who wrote this connection to switch recording on." },
    [RULE_JIT_REQUIRED] = { "jit-required", jit_required, STATUS_CLIENT_FORBIDDEN,
                            "Tell who wrote this connection to name approvers." },
    [RULE_AVAILABLE] = { "not-available", available, STATUS_CLIENT_FORBIDDEN,
                         "Tell who wrote this connection, or use a newer gateway." },
    [RULE_JIT_APPROVAL] = { "jit-approval", jit_approval, STATUS_CLIENT_FORBIDDEN,
                            "Approvals are not available in this version of the gateway." },
    [RULE_SESSION_LIMIT] = { "session-limit", session_limit, STATUS_CLIENT_TOO_MANY,
                             "End one of your sessions first." },
    [RULE_ALLOWED] = { "allowed", NULL, STATUS_SUCCESS, "" },
};

const char *policy_rule_name(enum policy_rule r) {
    return rules[r].name;
}

/* The smallest of those that say something. */
static long least(long a, long b) {
    return a == 0 ? b : b == 0 ? a : MIN_OF(a, b);
}

void decide(const struct identity *who, const struct connection *c, const struct policies *p,
            const json_t *approvals, const struct policy_sessions *sessions, int64_t now,
            struct decision *out) {
    struct question q = { who, c, p, approvals, sessions, now, out };
    *out = (struct decision){ 0 };
    for (int r = 0; r < RULE_ALLOWED; r++) {
        if (!rules[r].refuses(&q))
            continue;
        out->rule = (enum policy_rule)r;
        out->status = rules[r].status;
        out->advice = rules[r].advice;
        if (!*out->name)
            snprintf(out->name, sizeof out->name, "%s", rules[r].name);
        return;
    }
    out->allow = true;
    out->rule = RULE_ALLOWED;
    out->advice = "";
    snprintf(out->name, sizeof out->name, "%s", rules[RULE_ALLOWED].name);
    snprintf(out->why, sizeof out->why, "allowed by role %s", identity_first_of(who, c->roles));
    text_clean(out->why);
    out->max_minutes = least(c->limits.max_minutes, p->config->max_minutes);
    if (json_array_size(c->jit.approvers) > 0)
        out->max_minutes = least(out->max_minutes, c->jit.max_minutes);
}
