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

enum which { PLAIN, PROD, PROD_UNRECORDED, PROD_JIT, JIT, WRONG, LIMITED, NOBODYS };
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
};

static const struct test_case {
    const char *what, *roles; /* roles by blanks; NULL: nobody */
    enum which connection;
    const char *policies;  /* r: recording-required for prod, j: jit-required, o: both for dev */
    const char *operators; /* operator-roles */
    const char *approvals; /* by blanks */
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
    { "jit required, approved", "ops", PROD_JIT, "rj", "", "boss", 1, 0, 0, 0, false, RULE_ALLOWED,
      NULL, 0, 0 },
    { "approval by none", "ops", JIT, "", "", "", 1, 0, 0, 0, false, RULE_JIT_APPROVAL, NULL,
      STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval by one of two", "ops", JIT, "", "", "boss", 1, 0, 0, 0, false, RULE_JIT_APPROVAL,
      NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval by strangers", "ops", JIT, "", "", "a b", 1, 0, 0, 0, false, RULE_JIT_APPROVAL,
      NULL, STATUS_CLIENT_FORBIDDEN, 0 },
    { "approval by both: their minutes", "ops", JIT, "", "", "sec boss", 1, 0, 0, 0, false,
      RULE_ALLOWED, NULL, 0, 30 },
    { "approved, minutes of the connection", "ops", LIMITED, "", "", "boss", 1, 0, 0, 0, false,
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
    _json_ json_t *approvals = words(t->approvals);
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
    struct policy_config config = { operators, auditors, t->limit, 0 };
    struct policies p = { &config, list, n, t->offset, *t->operators != '\0' };
    struct policy_sessions sessions = { all, 3 + (size_t)t->own, t->resuming };
    decide(who, c, &p, approvals, &sessions, NOW, &d);
    ck_assert_msg(d.rule == t->want, "%s: rule %s, %s", t->what, d.name, d.why);
    ck_assert_int_eq(d.allow, t->want == RULE_ALLOWED);
    ck_assert_str_eq(d.name, t->name ? t->name : policy_rule_name(t->want));
    ck_assert_int_eq(d.status, t->status);
    ck_assert_int_eq(d.max_minutes, t->max_minutes);
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
    struct policy_config config = { none, none, 0, 45 };
    struct policies p = { &config, NULL, 0, 0, false };
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

/* Whatever is asked: nobody gets in without a role of the audience, and a refusal is never silent.
 */
START_TEST(properties) {
    unsigned seed = 1;
    static const char *const pool[] = { "ops", "admins", "auditor", "operator", "boss", "x" };
    for (int i = 0; i < 20000; i++) {
        char roles[64] = "", approvals[64] = "";
        for (size_t r = 0; r < ARRAY_LEN(pool); r++) {
            seed = seed * 1103515245u + 12345u;
            if (seed >> 16 & 1)
                strcat(strcat(roles, pool[r]), " ");
            if (seed >> 17 & 1)
                strcat(strcat(approvals, pool[r]), " ");
        }
        seed = seed * 1103515245u + 12345u;
        enum which w = (enum which)(seed >> 16 & 7);
        static struct connection *made[8];
        if (!made[w])
            made[w] = connection(w);
        _json_ json_t *r = words(roles);
        _json_ json_t *a = words(approvals);
        _json_ json_t *auditors = words("auditor");
        _json_ json_t *operators = words(seed >> 20 & 1 ? "operator" : "");
        struct environment_policy *list[2] = { policy('r'), policy('j') };
        struct identity *who = identity_new("me", "s", "Me", r);
        who->exp = NOW / 1000 + (int)(seed >> 21 & 3) - 1;
        struct policy_config config = { operators, auditors, 0, 0 };
        struct policies p = { &config, list, seed >> 24 & 1 ? 2 : 0, 0, false };
        struct policy_sessions none = { 0 };
        struct decision d;
        decide(who, made[w], &p, a, &none, NOW, &d);
        if (d.allow) {
            ck_assert(identity_has_any(who, made[w]->roles));
            ck_assert(connection_usable(made[w]));
            ck_assert(who->exp * 1000 > NOW);
            ck_assert(json_array_size(operators) == 0 || identity_has_any(who, operators));
            if (p.environment_count && made[w]->environment)
                ck_assert(made[w]->recording.enabled && json_array_size(made[w]->jit.approvers));
        } else {
            ck_assert(*d.why && *d.name && *d.advice && d.status);
        }
        identity_free(who);
        environment_unref(list[0]);
        environment_unref(list[1]);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("policy");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, not_available);
    tcase_add_loop_test(t, cases_of_the_table, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(t, words_for_the_person);
    tcase_add_test(t, properties);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
