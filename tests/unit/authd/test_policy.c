/* decide(): one row a case, every branch. A row says who asks for what; then what comes out. */
#include <string.h>

#include "crd/yamldoc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/notyet.h"
#include "proxy/authd/policy.h"
#include "tests/unit/unit.h"

#define NOW 1700000000000
#define HEAD \
    "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleConnection\n" \
    "metadata: {name: box, namespace: relay}\n"

enum which {
    PLAIN,
    PROD,
    PROD_UNRECORDED,
    PROD_JIT,
    JIT,
    WRONG,
    LIMITED,
    NOBODYS,
    PODS,
    PODS_JIT,
    PODS_FREE,
    PODS_ANYWHERE
};
static const char *const specs[] = {
    [PLAIN] = "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops, admins]}}",
    [PROD] =
        "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops]}, environment: prod}",
    [PROD_UNRECORDED] = "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops]},"
                        " environment: prod, recording: {enabled: false}}",
    [PROD_JIT] = "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops]},"
                 " environment: prod, jit: {requiredApprovers: [boss]}}",
    [JIT] = "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops]},"
            " jit: {requiredApprovers: [boss, sec], maxDurationMinutes: 30},"
            " limits: {maxMinutes: 90}}",
    [WRONG] = "spec: {protocol: ssh, hostname: h, port: 0, audience: {keycloakRoles: [ops]}}",
    [LIMITED] = "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops]},"
                " limits: {maxMinutes: 90}, jit: {requiredApprovers: [boss]}}",
    [NOBODYS] = "spec: {protocol: telnet}",
#define SOME_POD "credentials: {from: kubernetes}, environment: prod, kubernetes: {pod: p"
    [PODS] = "spec: {protocol: kubernetes, audience: {keycloakRoles: [ops]}, " SOME_POD "}}",
    [PODS_JIT] = "spec: {protocol: kubernetes, audience: {keycloakRoles: [ops]}, " SOME_POD "},"
                 " jit: {requiredApprovers: [boss]}}",
    [PODS_FREE] = "spec: {protocol: kubernetes, audience: {keycloakRoles: [ops]}, " SOME_POD
                  ", withoutJit: true}}",
    [PODS_ANYWHERE] = "spec: {protocol: kubernetes, audience: {keycloakRoles: [ops]},"
                      " credentials: {from: kubernetes}, kubernetes: {pod: p}}",
};

static const struct test_case {
    const char *what, *roles; /* roles by blanks; NULL: nobody */
    enum which connection;
    const char *policies;  /* r: recording-required for prod, j: jit-required, p: pods-without-jit,
                            o: the first two for dev, s: as r */
    const char *operators; /* operator-roles */
    const char *approval;  /* "now", "over", "soon": its window; "": none */
    int64_t exp, offset;   /* exp relative to NOW, s; clock offset ms */
    int own, limit;        /* sessions */
    bool resuming;
    enum policy_rule want;
    const char *name; /* of the rule, where it is not its own */
    int status;
    long max_minutes;
} cases[] = {
    { "in the audience", "ops", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_ALLOWED, NULL, 0, 0 },
    { "second of the audience", "x admins", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "nobody", NULL, PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_SIGNED_IN, NULL,
      STATUS_CLIENT_UNAUTHORIZED, 0 },
    { "claims at their end", "ops", PLAIN, "", "", "", 0, 0, 0, 0, false, RULE_SIGNED_IN, NULL,
      STATUS_CLIENT_UNAUTHORIZED, 0 },
    { "claims past their end", "ops", PLAIN, "", "", "", -5, 0, 0, 0, false, RULE_SIGNED_IN, NULL,
      STATUS_CLIENT_UNAUTHORIZED, 0 },
    { "clock a minute ahead", "ops", PLAIN, "", "", "", 1, 60000, 0, 0, false, RULE_ALLOWED, NULL,
      0, 0 },
    { "clock further ahead", "ops", PLAIN, "", "", "", 1, 60001, 0, 0, false, RULE_CLOCK, NULL,
      STATUS_SERVER_ERROR, 0 },
    { "clock behind", "ops", PLAIN, "", "", "", 1, -60001, 0, 0, false, RULE_CLOCK, NULL,
      STATUS_SERVER_ERROR, 0 },
    { "wrong resource", "ops", WRONG, "", "", "", 1, 0, 0, 0, false, RULE_CONNECTION_VALID, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "resource without audience", "ops", NOBODYS, "", "", "", 1, 0, 0, 0, false,
      RULE_CONNECTION_VALID, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "no role", "", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_AUDIENCE, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "other role", "dev", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_AUDIENCE, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "role by prefix", "op opsx", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_AUDIENCE, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "operator role missing", "ops", PLAIN, "", "operator", "", 1, 0, 0, 0, false,
      RULE_OPERATOR_ROLE, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "operator role there", "ops operator", PLAIN, "", "staff operator", "", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 0 },
    { "operator outside the audience", "operator", PLAIN, "", "operator", "", 1, 0, 0, 0, false,
      RULE_AUDIENCE, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "auditor only", "auditor", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_AUDITOR_REPLAY_ONLY,
      NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "auditor and operator", "auditor ops", PLAIN, "", "", "", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "auditor without operator role", "auditor ops", PLAIN, "", "operator", "", 1, 0, 0, 0, false,
      RULE_OPERATOR_ROLE, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "auditor, operator elsewhere", "auditor operator", PLAIN, "", "operator", "", 1, 0, 0, 0,
      false, RULE_AUDIENCE, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "recording required and on", "ops", PROD, "r", "", "", 1, 0, 0, 0, false, RULE_ALLOWED, NULL,
      0, 0 },
    { "recording required and off", "ops", PROD_UNRECORDED, "r", "", "", 1, 0, 0, 0, false,
      RULE_RECORDING_REQUIRED, "rec/recording-required", STATUS_CLIENT_FORBIDDEN, 0 },
    { "recording off, no policy", "ops", PROD_UNRECORDED, "", "", "", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 0 },
    { "recording off, policy for others", "ops", PROD_UNRECORDED, "o", "", "", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 0 },
    { "no environment, policies about", "ops", PLAIN, "rjo", "", "", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 0 },
    { "jit required, none asked", "ops", PROD, "j", "", "", 1, 0, 0, 0, false, RULE_JIT_REQUIRED,
      "jit/jit-required", STATUS_CLIENT_FORBIDDEN, 0 },
    { "both missing: recording first", "ops", PROD_UNRECORDED, "rj", "", "", 1, 0, 0, 0, false,
      RULE_RECORDING_REQUIRED, "rec/recording-required", STATUS_CLIENT_FORBIDDEN, 0 },
    { "jit required, asked, not approved", "ops", PROD_JIT, "j", "", "", 1, 0, 0, 0, false,
      RULE_JIT_APPROVAL, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "jit required, approved", "ops", PROD_JIT, "rj", "", "now", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "pods, no policy", "ops", PODS, "", "", "", 1, 0, 0, 0, false, RULE_ALLOWED, NULL, 0, 0 },
    { "pods of no environment", "ops", PODS_ANYWHERE, "rj", "", "", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "pods, two policies: the first is named", "ops", PODS, "rs", "", "", 1, 0, 0, 0, false,
      RULE_JIT_REQUIRED, "rec/jit-required", STATUS_CLIENT_FORBIDDEN, 0 },
    { "pods, policy for others", "ops", PODS, "o", "", "", 1, 0, 0, 0, false, RULE_ALLOWED, NULL, 0,
      0 },
    { "pods, any policy: an approval by default", "ops", PODS, "r", "", "", 1, 0, 0, 0, false,
      RULE_JIT_REQUIRED, "rec/jit-required", STATUS_CLIENT_FORBIDDEN, 0 },
    { "pods by default, asked, not approved", "ops", PODS_JIT, "r", "", "", 1, 0, 0, 0, false,
      RULE_JIT_APPROVAL, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "pods by default, approved", "ops", PODS_JIT, "r", "", "now", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "pods, the connection says otherwise", "ops", PODS_FREE, "r", "", "", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 0 },
    { "pods, a policy says otherwise", "ops", PODS, "rp", "", "", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "pods, a policy asks whatever others say", "ops", PODS_FREE, "pj", "", "", 1, 0, 0, 0, false,
      RULE_JIT_REQUIRED, "jit/jit-required", STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval by none", "ops", JIT, "", "", "", 1, 0, 0, 0, false, RULE_JIT_APPROVAL, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval over", "ops", JIT, "", "", "over", 1, 0, 0, 0, false, RULE_JIT_APPROVAL, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval from a later hour", "ops", JIT, "", "", "soon", 1, 0, 0, 0, false,
      RULE_JIT_APPROVAL, NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval over, coming back", "ops", JIT, "", "", "over", 1, 0, 1, 0, true, RULE_JIT_APPROVAL,
      NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "approved: its minutes", "ops", JIT, "", "", "now", 1, 0, 0, 0, false, RULE_ALLOWED, NULL, 0,
      30 },
    { "approved, minutes of the connection", "ops", LIMITED, "", "", "now", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 90 },
    { "under the session limit", "ops", PLAIN, "", "", "", 1, 0, 1, 2, false, RULE_ALLOWED, NULL, 0,
      0 },
    { "at the session limit", "ops", PLAIN, "", "", "", 1, 0, 2, 2, false, RULE_SESSION_LIMIT, NULL,
      STATUS_CLIENT_TOO_MANY, 0 },
    { "over it, coming back", "ops", PLAIN, "", "", "", 1, 0, 3, 2, true, RULE_ALLOWED, NULL, 0,
      0 },
    { "coming back without the role", "dev", PLAIN, "", "", "", 1, 0, 1, 2, true, RULE_AUDIENCE,
      NULL, STATUS_CLIENT_FORBIDDEN, 0 },
};

static int take(void *arg, json_t *doc, int line) {
    (void)line;
    *(json_t **)arg = json_incref(doc);
    return 0;
}

static json_t *parse(const char *yaml) {
    struct err e = { 0 };
    json_t *doc = NULL;
    ck_assert_msg(yamldoc_each(yaml, strlen(yaml), take, &doc, &e) == 0, "%s", e.text);
    return doc;
}

static json_t *words(const char *text) {
    json_t *list = json_array();
    char copy[128], *save = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        json_array_append_new(list, json_string(w));
    return list;
}

static struct connection *connection(enum which w) {
    char yaml[1024];
    snprintf(yaml, sizeof yaml, HEAD "%s", specs[w]);
    _json_ json_t *doc = parse(yaml);
    return connection_read(doc, "t:1");
}

static struct environment_policy *policy(char kind) {
    const char *yaml =
        kind == 'r'   ? "metadata: {name: rec}\nspec: {appliesTo: {environments: [dr, prod]},"
                        " rules: [{kind: recording-required}]}"
        : kind == 'p' ? "metadata: {name: pods}\nspec: {appliesTo: {environments: [prod]},"
                        " rules: [{kind: pods-without-jit}]}"
        : kind == 's' ? "metadata: {name: more}\nspec: {appliesTo: {environments: [prod]},"
                        " rules: [{kind: recording-required}]}"
        : kind == 'j' ? "metadata: {name: jit}\nspec: {appliesTo: {environments: [prod]},"
                        " rules: [{kind: jit-required}]}"
                      : "metadata: {name: dev}\nspec: {appliesTo: {environments: [dev]},"
                        " rules: [{kind: recording-required}, {kind: jit-required}]}";
    _json_ json_t *doc = parse(yaml);
    return environment_read(doc, "p:1");
}

/* What this version cannot do is refused by name, never ignored. */
START_TEST(not_available) {
    static const char *const fields[] = {
        "credentials: {from: certificate}",
        "moderation: {roles: [ops]}",
        "watermark: {}",
        "stepUp: {acr: gold}",
        "limits: {sessionsPerPerson: 1}",
        "locks: {failClosed: true}",
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml,
                 HEAD "spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [ops]}, %s}",
                 fields[i]);
        _json_ json_t *doc = parse(yaml);
        struct connection *c = connection_read(doc, "t:1");
        ck_assert_msg(connection_usable(c), "%s", fields[i]);
        if (!notyet_first(c)) { /* built meanwhile */
            connection_unref(c);
            continue;
        }
        _json_ json_t *roles = words("ops");
        struct identity *who = identity_new("me", "sid", "Me", roles);
        who->exp = NOW / 1000 + 1;
        struct policy_config config = { 0 };
        struct policies p = { .config = &config };
        struct policy_sessions none = { 0 };
        struct decision d;
        decide(who, c, &p, NULL, &none, NOW, &d);
        ck_assert_msg(!d.allow && d.rule == RULE_AVAILABLE, "%s: %s", fields[i], d.why);
        ck_assert_str_eq(d.name, "not-available");
        ck_assert_ptr_nonnull(strstr(d.why, notyet_first(c)));
        identity_free(who);
        connection_unref(c);
    }
}
END_TEST

START_TEST(cases_of_the_table) {
    const struct test_case *t = &cases[_i];
    struct connection *c = connection(t->connection);
    struct environment_policy *list[4];
    size_t n = 0;
    _json_ json_t *operators = words(t->operators);
    _json_ json_t *auditors = words("auditor");
    struct policy_grant grant = { NOW, NOW + 1 };
    if (strcmp(t->approval, "over") == 0)
        grant = (struct policy_grant){ NOW - 9, NOW };
    if (strcmp(t->approval, "soon") == 0)
        grant = (struct policy_grant){ NOW + 1, NOW + 9 };
    _json_ json_t *roles = words(t->roles ? t->roles : "");
    struct identity *who = t->roles ? identity_new("me", "sid", "Me", roles) : NULL;
    struct policy_session own[4] = {
        { "me", "a/b" }, { "me", "a/b" }, { "me", "a/b" }, { "me", "" }
    };
    struct policy_session all[8] = { { "other", "a/b" }, { "other", "a/b" }, { "other", "a/b" } };
    struct decision d;
    for (const char *p = t->policies; *p; p++)
        list[n++] = policy(*p);
    if (who)
        who->exp = NOW / 1000 + t->exp;
    memcpy(all + 3, own, (size_t)t->own * sizeof *own);
    struct policy_config config = { operators, auditors, t->limit, 0, NULL, NULL };
    struct policies p = { .config = &config,
                          .environments = list,
                          .environment_count = n,
                          .clock_offset_ms = t->offset,
                          .operates = *t->operators != '\0' };
    struct policy_sessions sessions = { all, 3 + (size_t)t->own, t->resuming, NULL };
    decide(who, c, &p, *t->approval ? &grant : NULL, &sessions, NOW, &d);
    ck_assert_msg(d.rule == t->want, "%s: rule %s, %s", t->what, d.name, d.why);
    ck_assert_int_eq(d.allow, t->want == RULE_ALLOWED);
    ck_assert_str_eq(d.name, t->name ? t->name : policy_rule_name(t->want));
    ck_assert_int_eq(d.status, t->status);
    ck_assert_int_eq(d.max_minutes, t->max_minutes);
    ck_assert_int_eq(d.until, d.allow && json_array_size(c->jit.approvers) ? grant.until : 0);
    ck_assert_msg(*d.why && d.advice, "%s: no words", t->what);
    ck_assert_msg(d.allow || *d.advice, "%s: no advice", t->what);
    identity_free(who);
    connection_unref(c);
    while (n)
        environment_unref(list[--n]);
}
END_TEST

/* The refusal tells what is missing. */
START_TEST(words_for_the_person) {
    struct connection *c = connection(PLAIN), *wrong = connection(WRONG);
    _json_ json_t *none = json_array();
    struct identity *who = identity_new("me", "sid", "Me", none);
    struct policy_config config = { none, none, 0, 45, NULL, NULL };
    struct policies p = { .config = &config };
    struct policy_sessions sessions = { 0 };
    struct decision d;
    who->exp = NOW / 1000 + 9;
    decide(who, c, &p, NULL, &sessions, NOW, &d);
    ck_assert_str_eq(d.why, "This connection is for people with the role ops or admins.");
    decide(who, wrong, &p, NULL, &sessions, NOW, &d);
    ck_assert_str_eq(d.why,
                     "This connection has 1 error, the first: spec.port: 0 is not in 1…65535");
    _json_ json_t *ops = words("ops");
    struct identity *other = identity_new("me", "sid", "Me", ops);
    other->exp = NOW / 1000 + 9;
    decide(other, c, &p, NULL, &sessions, NOW, &d);
    ck_assert(d.allow);
    ck_assert_int_eq(d.max_minutes, 45); /* of the configuration */
    identity_free(who);
    identity_free(other);
    connection_unref(c);
    connection_unref(wrong);
}
END_TEST

/* ---- locks, step-up, limits, addresses ------------------------------------------------------- */

#define S "{protocol: ssh, audience: {keycloakRoles: [ops]}, "
#define PLAIN_S S "hostname: h}"
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A150 A50 A50 A50
static const struct more_case {
    const char *what, *spec;
    struct policy_lock lock;                   /* reason NULL: none */
    const char *acr, *allow, *deny, *sessions; /* of sessions: "me@relay/box other@relay/x" */
    const char *why;                           /* NULL: whatever it says */
    int64_t made, proved;                      /* cookie's and proof's age, ms */
    bool stale, resuming;
    enum policy_rule want;
} more[] = {
    { .what = "lock of the person",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .lock = { .sub = "me", .reason = "gone" } },
    { .what = "lock of the person, signed in since",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .lock = { .sub = "me", .reason = "gone" },
      .made = 0 },
    { .what = "lock of somebody else",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .lock = { .sub = "m", .reason = "gone" } },
    { .what = "sign-out of this sign-in",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .made = 5000,
      .lock = { .sid = "sid", .reason = "out", .before = NOW - 5000 } },
    { .what = "sign-out before this sign-in",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .made = 4999,
      .lock = { .sid = "sid", .reason = "out", .before = NOW - 5000 } },
    { .what = "sign-out of another sign-in",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .made = 9000,
      .lock = { .sid = "sid2", .reason = "out", .before = NOW } },
    { .what = "sign-out of all, before",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .made = 4000,
      .lock = { .sub = "me", .reason = "out", .before = NOW - 5000 } },
    { .what = "sign-out of all, after",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .made = 6000,
      .lock = { .sub = "me", .reason = "out", .before = NOW - 5000 } },
    { .what = "lock at its end",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .lock = { .sub = "me", .reason = "gone", .until = NOW } },
    { .what = "lock before its end",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .lock = { .sub = "me", .reason = "gone", .until = NOW + 1 } },
    { .what = "lock of the connection",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .lock = { .connection = "relay/box", .reason = "" } },
    { .what = "lock of another connection",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .lock = { .connection = "relay/bo", .reason = "x" } },
    { .what = "lock of the session",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .resuming = true,
      .lock = { .session = "s-1", .reason = "x" } },
    { .what = "lock of a session, another",
      .spec = PLAIN_S,
      .want = RULE_ALLOWED,
      .lock = { .session = "s-1", .reason = "x" } },
    { .what = "old view of the locks", .spec = PLAIN_S, .want = RULE_ALLOWED, .stale = true },
    { .what = "old view, closed",
      .spec = S "hostname: h, locks: {failClosed: true}}",
      .want = RULE_LOCK_VIEW,
      .stale = true },
    { .what = "fresh view, closed",
      .spec = S "hostname: h, locks: {failClosed: true}}",
      .want = RULE_ALLOWED },
    { .what = "acr there",
      .spec = S "hostname: h, stepUp: {acr: gold}}",
      .acr = "gold",
      .want = RULE_ALLOWED },
    { .what = "acr another",
      .spec = S "hostname: h, stepUp: {acr: gold}}",
      .acr = "silver",
      .want = RULE_STEP_UP },
    { .what = "acr none", .spec = S "hostname: h, stepUp: {acr: gold}}", .want = RULE_STEP_UP },
    { .what = "acr none, coming back",
      .spec = S "hostname: h, stepUp: {acr: gold}}",
      .resuming = true,
      .want = RULE_ALLOWED },
    { .what = "level higher",
      .spec = S "hostname: h, stepUp: {acr: '2'}}",
      .acr = "3",
      .want = RULE_ALLOWED },
    { .what = "level lower",
      .spec = S "hostname: h, stepUp: {acr: '2'}}",
      .acr = "1",
      .want = RULE_STEP_UP },
    { .what = "level that is none",
      .spec = S "hostname: h, stepUp: {acr: '2'}}",
      .acr = "3x",
      .want = RULE_STEP_UP },
    { .what = "proved in time",
      .spec = S "hostname: h, stepUp: {maxAgeMinutes: 5}}",
      .proved = 300000,
      .want = RULE_ALLOWED },
    { .what = "proved too long ago",
      .spec = S "hostname: h, stepUp: {maxAgeMinutes: 5}}",
      .proved = 301000,
      .want = RULE_STEP_UP },
    { .what = "own here, at the limit",
      .spec = S "hostname: h, limits: {sessionsPerPerson: 1}}",
      .sessions = "me@relay/box",
      .want = RULE_SESSION_LIMIT },
    { .what = "own elsewhere",
      .spec = S "hostname: h, limits: {sessionsPerPerson: 1}}",
      .sessions = "me@relay/x other@relay/box",
      .want = RULE_ALLOWED },
    { .what = "own here, coming back",
      .spec = S "hostname: h, limits: {sessionsPerPerson: 1}}",
      .sessions = "me@relay/box",
      .resuming = true,
      .want = RULE_ALLOWED },
    { .what = "connection full",
      .spec = S "hostname: h, limits: {sessionsPerConnection: 2}}",
      .sessions = "a@relay/box b@relay/box",
      .want = RULE_CONNECTION_LIMIT },
    { .what = "connection not full",
      .spec = S "hostname: h, limits: {sessionsPerConnection: 2}}",
      .sessions = "a@relay/box b@relay/boxes",
      .want = RULE_ALLOWED },
    { .what = "connection full, coming back",
      .spec = S "hostname: h, limits: {sessionsPerConnection: 1}}",
      .sessions = "me@relay/box",
      .resuming = true,
      .want = RULE_ALLOWED },
    { .what = "loopback", .spec = S "hostname: 127.0.0.1}", .want = RULE_ADDRESS },
    { .what = "loopback, allowed",
      .spec = S "hostname: 127.0.0.1}",
      .allow = "127.0.0.1:22",
      .want = RULE_ALLOWED },
    { .what = "loopback, another port allowed",
      .spec = S "hostname: 127.0.0.1}",
      .allow = "127.0.0.1:23",
      .want = RULE_ADDRESS },
    { .what = "link-local v6", .spec = S "hostname: 'fe80::1'}", .want = RULE_ADDRESS },
    { .what = "metadata service", .spec = S "hostname: 169.254.169.254}", .want = RULE_ADDRESS },
    { .what = "mapped loopback", .spec = S "hostname: '::ffff:127.0.0.1'}", .want = RULE_ADDRESS },
    { .what = "denied",
      .spec = S "hostname: 10.1.2.3}",
      .deny = "10.0.0.0/8",
      .want = RULE_ADDRESS },
    { .what = "plain address", .spec = S "hostname: 10.1.2.3}", .want = RULE_ALLOWED },
    { .what = "the person's token goes where usertoken.h says",
      .spec = "{protocol: kubernetes, audience: {keycloakRoles: [ops]}, hostname: 127.0.0.1,"
              " credentials: {from: kubernetes, kubernetes: userToken}, kubernetes: {pod: p}}",
      .want = RULE_ALLOWED },
    { .what = "three roles are listed",
      .spec = "{protocol: ssh, hostname: h, audience: {keycloakRoles: [a, b, c]}}",
      .want = RULE_AUDIENCE,
      .why = "This connection is for people with the role a, b or c." },
    { .what = "roles that do not fit are left out",
      .spec = "{protocol: ssh, hostname: h, audience: {keycloakRoles: [" A150 ", " A150 ", b]}}",
      .want = RULE_AUDIENCE,
      .why = "This connection is for people with the role " A150 "." },
    { .what = "lock without a reason",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .lock = { .sub = "me", .reason = "" },
      .why = "Your access is locked: no reason was given" },
    { .what = "lock of a session says so",
      .spec = PLAIN_S,
      .want = RULE_LOCKED,
      .resuming = true,
      .lock = { .session = "s-1", .reason = "x" },
      .why = "This session is locked: x" },
    { .what = "level of a name, and a number wanted",
      .spec = S "hostname: h, stepUp: {acr: 2x}}",
      .acr = "2",
      .want = RULE_STEP_UP },
    { .what = "an empty level",
      .spec = S "hostname: h, stepUp: {acr: '0'}}",
      .acr = "",
      .want = RULE_STEP_UP },
    { .what = "proved more than a minute ago",
      .spec = S "hostname: h, stepUp: {maxAgeMinutes: 1}}",
      .proved = 61000,
      .want = RULE_STEP_UP,
      .why = "This connection asks for a sign-in within the last 1 minute." },
    { .what = "one session on the connection",
      .spec = S "hostname: h, limits: {sessionsPerConnection: 1}}",
      .sessions = "a@relay/box",
      .want = RULE_CONNECTION_LIMIT,
      .why = "This connection has 1 session already, and may have 1." },
};

static struct connection *of_spec(const char *spec) {
    char yaml[1024];
    snprintf(yaml, sizeof yaml, HEAD "spec: %s", spec);
    _json_ json_t *doc = parse(yaml);
    struct connection *c = connection_read(doc, "t:1");
    ck_assert_msg(connection_usable(c), "%s: %s", spec,
                  json_string_value(json_array_get(c->errors, 0)));
    return c;
}

/* "sub@namespace/name sub@…"; text is cut. */
static size_t sessions_of(char *text, struct policy_session *out) {
    size_t n = 0;
    char *save = NULL;
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *at = strchr(w, '@');
        *at = '\0';
        out[n++] = (struct policy_session){ w, at + 1 };
    }
    return n;
}

START_TEST(more_cases) {
    const struct more_case *t = &more[_i];
    struct connection *c = of_spec(t->spec);
    char text[200];
    struct policy_session list[8];
    _json_ json_t *none = json_array();
    _json_ json_t *ops = words("ops");
    struct identity *who = identity_new("me", "sid", "Me", ops);
    struct policy_config config = { none, none, 0, 0, t->allow, t->deny };
    struct policies p = { .config = &config,
                          .locks = &t->lock,
                          .lock_count = t->lock.reason != NULL,
                          .locks_stale = t->stale };
    struct decision d;
    snprintf(text, sizeof text, "%s", t->sessions ? t->sessions : "");
    struct policy_sessions sessions = { list, sessions_of(text, list), t->resuming,
                                        t->resuming ? "s-1" : NULL };
    who->exp = NOW / 1000 + 9;
    who->issued_ms = NOW - t->made;
    who->auth_time = (NOW - t->proved) / 1000;
    who->acr = t->acr ? strdup(t->acr) : NULL;
    decide(who, c, &p, NULL, &sessions, NOW, &d);
    ck_assert_msg(d.rule == t->want, "%s: rule %s, %s", t->what, d.name, d.why);
    ck_assert(d.allow || (*d.why && *d.advice && d.status));
    if (t->why)
        ck_assert_str_eq(d.why, t->why);
    if (d.rule == RULE_LOCKED)
        ck_assert_int_eq(d.until, t->lock.until);
    identity_free(who);
    connection_unref(c);
}
END_TEST

/* A lock's reason may be missing altogether: an older replica wrote it. */
START_TEST(lock_that_says_nothing) {
    struct connection *c = of_spec(PLAIN_S);
    _json_ json_t *ops = words("ops");
    struct identity *who = identity_new("me", "sid", "Me", ops);
    struct policy_config config = { 0 };
    const struct policy_lock lock = { .sub = "me" };
    struct policies p = { .config = &config, .locks = &lock, .lock_count = 1 };
    struct policy_sessions none = { 0 };
    struct decision d;
    who->exp = NOW / 1000 + 9;
    decide(who, c, &p, NULL, &none, NOW, &d);
    ck_assert_int_eq(d.rule, RULE_LOCKED);
    ck_assert_str_eq(d.why, "Your access is locked: no reason was given");
    identity_free(who);
    connection_unref(c);
}
END_TEST

/* Counted again once the session's number is drawn: only the two limits are asked. */
START_TEST(over_a_limit_after_all) {
    static const struct {
        const char *spec, *sessions;
        long limit;
        bool over;
        enum policy_rule rule;
    } counts[] = {
        { PLAIN_S, "", 1, false, RULE_ALLOWED },
        { PLAIN_S, "me@relay/x", 1, true, RULE_SESSION_LIMIT },
        { PLAIN_S, "other@relay/box", 1, false, RULE_ALLOWED },
        { S "hostname: h, limits: {sessionsPerConnection: 1}}", "other@relay/box", 0, true,
          RULE_CONNECTION_LIMIT },
    };
    _json_ json_t *nobody = words("");
    struct identity *who = identity_new("me", "sid", "Me", nobody); /* no role, and expired */
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct connection *c = of_spec(counts[i].spec);
        struct policy_config config = { .sessions_per_person = counts[i].limit };
        struct policy_session list[8];
        struct decision d;
        char text[200];
        snprintf(text, sizeof text, "%s", counts[i].sessions);
        size_t n = sessions_of(text, list);
        ck_assert_int_eq(policy_over_limit(who, c, &config, list, n, &d), counts[i].over);
        if (counts[i].over) {
            ck_assert_int_eq(d.rule, counts[i].rule);
            ck_assert_str_eq(d.name, policy_rule_name(counts[i].rule));
            ck_assert(!d.allow && *d.why && d.status == STATUS_CLIENT_TOO_MANY);
        }
        connection_unref(c);
    }
    identity_free(who);
}
END_TEST

/* ---- properties ------------------------------------------------------------------------------ */

static unsigned seed = 1;
static unsigned dice(unsigned sides) {
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % sides;
}

static const char *const generated_specs[] = {
    PLAIN_S,
    S "hostname: h, environment: prod}",
    S "hostname: h, environment: prod, recording: {enabled: false}}",
    S "hostname: h, environment: prod, jit: {requiredApprovers: [boss]}}",
    S "hostname: h, stepUp: {acr: '2', maxAgeMinutes: 5}, limits: {sessionsPerPerson: 1}}",
    S "hostname: 10.0.0.1, limits: {sessionsPerConnection: 2}, locks: {failClosed: true}}",
    "{protocol: telnet}",
    "{protocol: ssh, hostname: h, audience: {keycloakRoles: [ops, boss]}, jit: "
    "{requiredApprovers: [boss, sec], maxDurationMinutes: 30}, environment: dev}",
};

/* Whatever is asked: who gets in fulfils every rule, and a refusal is never silent. */
START_TEST(properties) {
    static const char *const pool[] = { "ops", "admins", "auditor", "operator", "boss", "x" };
    struct connection *made[ARRAY_LEN(generated_specs)];
    struct environment_policy *rules[3] = { policy('r'), policy('j'), policy('o') };
    int allowed = 0;
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, HEAD "spec: %s", generated_specs[i]);
        _json_ json_t *doc = parse(yaml);
        made[i] = connection_read(doc, "t:1");
    }
    for (int i = 0; i < 30000; i++) {
        char roles[64] = "";
        for (size_t r = 0; r < ARRAY_LEN(pool); r++)
            if (dice(2))
                strcat(strcat(roles, pool[r]), " ");
        struct connection *c = made[dice(ARRAY_LEN(made))];
        _json_ json_t *r = words(roles);
        _json_ json_t *auditors = words("auditor");
        _json_ json_t *operators = words(dice(2) ? "operator" : "");
        struct identity *who = identity_new("me", "s", "Me", r);
        who->exp = NOW / 1000 + (int)dice(4) - 1;
        who->issued_ms = NOW - 1000;
        who->auth_time = NOW / 1000 - (int)dice(2) * 400;
        who->acr = dice(2) ? strdup("2") : NULL;
        struct policy_config config = { operators, auditors, (long)dice(3),
                                        0,         NULL,     dice(4) ? NULL : "10.0.0.1" };
        const struct policy_lock lock = { .sub = dice(4) ? "other" : "me", .reason = "" };
        struct policies p = { .config = &config,
                              .environments = rules,
                              .environment_count = dice(4),
                              .clock_offset_ms = (int64_t)dice(4) * 20001,
                              .operates = dice(2),
                              .locks = &lock,
                              .lock_count = dice(2),
                              .locks_stale = dice(4) == 0 };
        struct policy_session list[3] = { { "me", "relay/box" },
                                          { "you", "relay/box" },
                                          { "me", "relay/y" } };
        struct policy_sessions sessions = { list, dice(4), dice(4) == 0, "s" };
        struct policy_grant grant = { NOW - (int)dice(2), NOW + (int)dice(2) };
        bool granted = dice(2);
        struct decision d;
        decide(who, c, &p, granted ? &grant : NULL, &sessions, NOW, &d);
        ck_assert_int_eq(d.allow, d.rule == RULE_ALLOWED);
        ck_assert(*d.why && *d.name);
        if (!d.allow)
            ck_assert(*d.advice && d.status);
        allowed += d.allow;
        if (d.allow) {
            ck_assert(identity_has_any(who, c->roles) && connection_usable(c));
            ck_assert(who->exp * 1000 > NOW && p.clock_offset_ms <= POLICY_CLOCK_MS);
            ck_assert(json_array_size(operators) == 0 || identity_has_any(who, operators));
            ck_assert(!p.lock_count || strcmp(lock.sub, "me") != 0);
            ck_assert(!p.locks_stale || !c->locks.fail_closed);
            ck_assert(!config.address_deny || strcmp(c->hostname, "10.0.0.1") != 0);
            if (json_array_size(c->jit.approvers))
                ck_assert(granted && grant.until > NOW && d.until == grant.until);
            if (!sessions.resuming) {
                ck_assert(!c->step_up.acr || (who->acr && who->auth_time > NOW / 1000 - 300));
                ck_assert(!config.sessions_per_person || config.sessions_per_person > 1 ||
                          !sessions.count);
                ck_assert(!c->limits.per_person || !sessions.count);
                ck_assert(!c->limits.per_connection || sessions.count < 2);
            }
            for (size_t k = 0; k < p.environment_count && c->environment; k++) {
                bool rules_it = json_has_string(rules[k]->environments, c->environment);
                ck_assert(!rules_it || !rules[k]->recording_required || c->recording.enabled);
                ck_assert(!rules_it || !rules[k]->jit_required ||
                          json_array_size(c->jit.approvers));
            }
        }
        identity_free(who);
    }
    ck_assert_int_gt(allowed, 300);
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        connection_unref(made[i]);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        environment_unref(rules[i]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("policy");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, not_available);
    tcase_add_loop_test(t, cases_of_the_table, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(t, more_cases, 0, (int)ARRAY_LEN(more));
    tcase_add_test(t, words_for_the_person);
    tcase_add_test(t, lock_that_says_nothing);
    tcase_add_test(t, over_a_limit_after_all);
    tcase_add_test(t, properties);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
