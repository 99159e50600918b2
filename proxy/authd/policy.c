/* One function a rule: true refuses, with the sentence. The table is the order. */
#include "proxy/authd/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/dial.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/notyet.h"
#include "proxy/authd/usertoken.h"
#include "proxy/authd/text.h"

struct question {
    const struct identity *who;
    const struct connection *c;
    const struct policies *p;
    const struct policy_grant *grant;
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

/* "a, b or c"; what does not fit is left out. */
static void listed(const json_t *names, const char *last, char *out, size_t size) {
    size_t n = json_array_size(names), used = 0;
    *out = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *between = i == 0 ? "" : i == n - 1 ? last : ", ";
        int w = snprintf(out + used, size - used, "%s%s", between,
                         json_string_value(json_array_get(names, i)));
        if ((size_t)w >= size - used) {
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
    listed(roles, " or ", names, sizeof names);
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
    listed(q->c->roles, " or ", names, sizeof names);
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

/* A terminal in a pod is the cluster from within: where an environment is ruled by policy at all,
 * it takes an approval, unless a policy for it or the connection says otherwise. NULL: it does not.
 */
static const struct environment_policy *ruling_pods(const struct question *q) {
    const struct environment_policy *found = NULL;
    if (strcmp(q->c->protocol->name, "kubernetes") != 0 || q->c->kubernetes.without_jit)
        return NULL;
    for (size_t i = 0; q->c->environment && i < q->p->environment_count; i++) {
        const struct environment_policy *p = q->p->environments[i];
        if (!json_has_string(p->environments, q->c->environment))
            continue;
        if (p->pods_without_jit)
            return NULL;
        found = found ? found : p;
    }
    return found;
}

static bool jit_required(struct question *q) {
    const struct environment_policy *p = ruling(q, RULE_JIT_REQUIRED);
    if (!p)
        p = ruling_pods(q);
    if (!p || json_array_size(q->c->jit.approvers) > 0)
        return false;
    return by_policy(q, p, RULE_JIT_REQUIRED, "just-in-time approval");
}

static bool available(struct question *q) {
    const char *field = notyet_first(q->c);
    if (!field)
        return false;
    return refuse(q, "This connection asks for %s, which this gateway cannot do.", field);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

const struct policy_lock *policy_locked(const struct policy_lock *locks, size_t count,
                                        const struct policy_lock *of, int64_t made, int64_t now) {
    for (size_t i = 0; i < count; i++) {
        const struct policy_lock *l = &locks[i];
        bool meant = same(l->sid, of->sid) || same(l->sub, of->sub) ||
                     same(l->connection, of->connection) || same(l->session, of->session);
        bool over = l->until && l->until <= now;
        bool later = l->before && made > l->before;
        if (meant && !over && !later)
            return l;
    }
    return NULL;
}

static bool locked(struct question *q) {
    char name[400];
    snprintf(name, sizeof name, "%s/%s", q->c->namespace, q->c->name);
    const struct policy_lock of = {
        .sid = q->who->sid, .sub = q->who->sub, .connection = name, .session = q->sessions->session
    };
    const struct policy_lock *l =
        policy_locked(q->p->locks, q->p->lock_count, &of, q->who->issued_ms, q->now);
    if (!l)
        return false;
    q->out->until = l->until;
    return refuse(q, "%s is locked: %s",
                  l->connection ? "This connection"
                  : l->session  ? "This session"
                                : "Your access",
                  l->reason && *l->reason ? l->reason : "no reason was given");
}

static bool lock_view(struct question *q) {
    if (!q->c->locks.fail_closed || !q->p->locks_stale)
        return false;
    return refuse(q, "This gateway has not learned of new locks for some minutes.");
}

/* ---- addresses, sign-in, approval, limits ---------------------------------------------------- */

/* Names are resolved, and checked, where they are dialled. */
static bool address(struct question *q) {
    const struct dial_policy dial = { .allow = q->p->config->address_allow,
                                      .deny = q->p->config->address_deny };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(q->c->port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(q->c->port) };
    struct err e = { 0 };
    const void *sa = NULL;
    if (q->c->hostname && inet_pton(AF_INET, q->c->hostname, &v4.sin_addr) == 1)
        sa = &v4;
    else if (q->c->hostname && inet_pton(AF_INET6, q->c->hostname, &v6.sin6_addr) == 1)
        sa = &v6;
    /* Where people's own tokens go has a list of its own (usertoken.h). */
    if (!sa || usertoken_asked(q->c) || dial_check(&dial, sa, &e) == 0)
        return false;
    return refuse(q, "This gateway does not dial %s.", q->c->hostname);
}

/* Levels that are numbers count upwards. need is never empty. */
static bool acr_suffices(const char *have, const char *need) {
    char *have_end, *need_end;
    if (!have)
        return false;
    long h = strtol(have, &have_end, 10), n = strtol(need, &need_end, 10);
    bool numbers = *have && !*have_end && !*need_end;
    return numbers ? h >= n : strcmp(have, need) == 0;
}

static bool step_up(struct question *q) {
    const char *acr = q->c->step_up.acr;
    int64_t age = q->now - q->who->auth_time * 1000;
    int minutes = q->c->step_up.max_age_minutes;
    if (q->sessions->resuming) /* it was asked when the session began */
        return false;
    if (acr && !acr_suffices(q->who->acr, acr))
        return refuse(q, "This connection asks for a stronger sign-in (%s).", acr);
    if (minutes && age > (int64_t)minutes * 60000)
        return refuse(q, "This connection asks for a sign-in within the last %d minute%s.", minutes,
                      minutes == 1 ? "" : "s");
    return false;
}

static bool jit_approval(struct question *q) {
    char names[300];
    if (json_array_size(q->c->jit.approvers) == 0)
        return false;
    if (q->grant && q->grant->from <= q->now && q->now < q->grant->until)
        return false;
    listed(q->c->jit.approvers, " and ", names, sizeof names);
    return refuse(q,
                  q->grant ? "Your approval for this connection is over. It needs one by %s."
                           : "This connection needs an approval by %s.",
                  names);
}

/* Sessions that are the person's, or anybody's, on this connection or on all. */
static long running(const struct question *q, bool own, bool here) {
    char name[400];
    long n = 0;
    snprintf(name, sizeof name, "%s/%s", q->c->namespace, q->c->name);
    for (size_t i = 0; i < q->sessions->count; i++) {
        const struct policy_session *s = &q->sessions->list[i];
        n += (!own || strcmp(s->sub, q->who->sub) == 0) &&
             (!here || strcmp(s->connection, name) == 0);
    }
    return n;
}

static bool session_limit(struct question *q) {
    long limit = q->p->config->sessions_per_person;
    const char *where = "";
    if (q->sessions->resuming)
        return false;
    long own = limit ? running(q, true, false) : 0;
    if (limit == 0 || own < limit) {
        limit = q->c->limits.per_person;
        own = limit ? running(q, true, true) : 0;
        where = " on this connection";
    }
    if (limit == 0 || own < limit)
        return false;
    return refuse(q, "You have %ld session%s%s, and may have %ld.", own, own == 1 ? "" : "s", where,
                  limit);
}

static bool connection_limit(struct question *q) {
    long limit = q->c->limits.per_connection;
    if (limit == 0 || q->sessions->resuming)
        return false;
    long all = running(q, false, true);
    if (all < limit)
        return false;
    return refuse(q, "This connection has %ld session%s already, and may have %ld.", all,
                  all == 1 ? "" : "s", limit);
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
    [RULE_LOCKED] = { "locked", locked, STATUS_CLIENT_FORBIDDEN,
                      "Ask who runs the gateway; the reason is what they wrote." },
    [RULE_LOCK_VIEW] = { "lock-view", lock_view, STATUS_SERVER_BUSY,
                         "Try again in a minute; the gateway's operators see it, too." },
    [RULE_RECORDING_REQUIRED] = { "recording-required", recording_required, STATUS_CLIENT_FORBIDDEN,
                                  "Tell who wrote this connection to switch recording on." },
    [RULE_JIT_REQUIRED] = { "jit-required", jit_required, STATUS_CLIENT_FORBIDDEN,
                            "Tell who wrote this connection to name approvers." },
    [RULE_AVAILABLE] = { "not-available", available, STATUS_CLIENT_FORBIDDEN,
                         "Tell who wrote this connection, or use a newer gateway." },
    [RULE_ADDRESS] = { "address", address, STATUS_CLIENT_FORBIDDEN,
                       "Tell who wrote this connection, or the gateway's operators." },
    [RULE_STEP_UP] = { "step-up", step_up, STATUS_CLIENT_UNAUTHORIZED, "Sign in again for it." },
    [RULE_JIT_APPROVAL] = { "jit-approval", jit_approval, STATUS_CLIENT_FORBIDDEN,
                            "Ask for access, with the reason and for how long." },
    [RULE_SESSION_LIMIT] = { "session-limit", session_limit, STATUS_CLIENT_TOO_MANY,
                             "End one of your sessions first." },
    [RULE_CONNECTION_LIMIT] = { "connection-limit", connection_limit, STATUS_CLIENT_TOO_MANY,
                                "Try again when somebody has left." },
    [RULE_ALLOWED] = { "allowed", NULL, STATUS_SUCCESS, "" },
};

const char *policy_rule_name(enum policy_rule r) {
    return rules[r].name;
}

/* The smallest of those that say something. */
static long least(long a, long b) {
    return a == 0 ? b : b == 0 ? a : MIN_OF(a, b);
}

static void fill(struct decision *out, enum policy_rule r) {
    out->rule = r;
    out->status = rules[r].status;
    out->advice = rules[r].advice;
    if (!*out->name)
        snprintf(out->name, sizeof out->name, "%s", rules[r].name);
}

bool policy_over_limit(const struct identity *who, const struct connection *c,
                       const struct policy_config *config, const struct policy_session *earlier,
                       size_t count, struct decision *out) {
    const struct policies p = { .config = config };
    const struct policy_sessions sessions = { earlier, count, false, NULL };
    struct question q = { who, c, &p, NULL, &sessions, 0, out };
    *out = (struct decision){ 0 };
    for (enum policy_rule r = RULE_SESSION_LIMIT; r <= RULE_CONNECTION_LIMIT; r++)
        if (rules[r].refuses(&q)) {
            fill(out, r);
            return true;
        }
    return false;
}

void decide(const struct identity *who, const struct connection *c, const struct policies *p,
            const struct policy_grant *grant, const struct policy_sessions *sessions, int64_t now,
            struct decision *out) {
    struct question q = { who, c, p, grant, sessions, now, out };
    *out = (struct decision){ 0 };
    for (int r = 0; r < RULE_ALLOWED; r++) {
        if (!rules[r].refuses(&q))
            continue;
        fill(out, (enum policy_rule)r);
        return;
    }
    out->allow = true;
    out->rule = RULE_ALLOWED;
    out->advice = "";
    snprintf(out->name, sizeof out->name, "%s", rules[RULE_ALLOWED].name);
    snprintf(out->why, sizeof out->why, "allowed by role %s", identity_first_of(who, c->roles));
    text_clean(out->why);
    out->max_minutes = least(c->limits.max_minutes, p->config->max_minutes);
    if (json_array_size(c->jit.approvers) > 0) {
        out->max_minutes = least(out->max_minutes, c->jit.max_minutes);
        out->until = grant->until;
    }
}
