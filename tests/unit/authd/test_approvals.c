/* Requests and approvals: who may, what counts, where it stands; and what ends a session. */
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "proxy/authd/approvals.h"
#include "proxy/authd/keeper.h"
#include "tests/unit/unit.h"

#define NOW 1700000000000
#define HOUR 3600000LL

static json_t *words(const char *text) {
    json_t *list = json_array();
    char copy[128], *save = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        json_array_append_new(list, json_string(w));
    return list;
}

static struct resource *a_request(const char *sub) {
    struct resource *r = resource_new(RESOURCE_REQUEST, "relay", "r");
    resource_text(&r->request.requester.sub, sub);
    resource_text(&r->request.connection, "box");
    resource_text(&r->uid, "u-1");
    r->request.minutes = 30;
    r->created = NOW - 1000;
    return r;
}

static struct resource *an_approval(const char *sub, const char *as) {
    struct resource *r = resource_new(RESOURCE_APPROVAL, "relay", sub ? sub : "by-kubectl");
    resource_text(&r->approval.approver.sub, sub);
    resource_text(&r->approval.as, as);
    resource_text(&r->approval.request_uid, "u-1");
    return r;
}

/* true: it counts. */
static bool count(struct resource *request, const char *sub, const char *as,
                  const json_t *required) {
    const char *why = NULL;
    struct resource *a = an_approval(sub, as);
    bool counts = approvals_count(request, a, required, NOW, &why);
    ck_assert_msg(counts == (why == NULL), "%s", why ? why : "no reason");
    resource_unref(a);
    return counts;
}

START_TEST(counting) {
    _json_ json_t *required = words("boss sec");
    struct resource *r = a_request("me");
    ck_assert(!count(r, "me", "boss", required));
    ck_assert(!count(r, "ann", "other", required));
    ck_assert(!count(r, "ann", "", required));
    ck_assert(count(r, "ann", "boss", required));
    ck_assert(!count(r, "ann", "sec", required)); /* different people */
    ck_assert(!count(r, "bob", "boss", required));
    ck_assert_int_eq(r->request.phase, REQUEST_PENDING);
    ck_assert(count(r, "bob", "sec", required));
    ck_assert_int_eq(r->request.phase, REQUEST_APPROVED);
    ck_assert_int_eq(r->request.approved, NOW);
    ck_assert_int_eq(r->request.expires, NOW + 30 * 60000);
    ck_assert(!count(r, "cec", "boss", required));
    resource_unref(r);
    /* of another request with the same name */
    r = a_request("me");
    resource_text(&r->uid, "u-2");
    ck_assert(!count(r, "ann", "boss", required));
    resource_unref(r);
    /* by kubectl: the cluster's names are people, too */
    r = a_request(NULL);
    resource_text(&r->request.requester.username, "oidc:me");
    struct resource *a = an_approval(NULL, "boss");
    const char *why;
    resource_text(&a->approval.approver.username, "oidc:me");
    ck_assert(!approvals_count(r, a, required, NOW, &why));
    resource_text(&a->approval.approver.username, "oidc:ann");
    ck_assert(approvals_count(r, a, required, NOW, &why));
    resource_text(&a->approval.as, "sec");
    ck_assert(!approvals_count(r, a, required, NOW, &why));
    resource_unref(a);
    resource_unref(r);
}
END_TEST

START_TEST(breaking_the_glass) {
    _json_ json_t *required = words("boss sec more");
    struct resource *r = a_request("me");
    r->request.break_glass = true;
    ck_assert(!count(r, "me", "boss", required));
    ck_assert(count(r, "ann", "boss", required));
    ck_assert(!count(r, "ann", "sec", required));
    ck_assert_int_eq(r->request.phase, REQUEST_PENDING);
    ck_assert(count(r, "bob", "moderator", required));
    ck_assert_int_eq(r->request.phase, REQUEST_APPROVED);
    resource_unref(r);
}
END_TEST

static const struct judge_case {
    const char *sub, *roles, *groups, *given; /* "ann:boss" */
    bool glass;
    int64_t age;
    enum request_phase phase;
    const char *rule, *as;
} judged[] = {
    { "ann", "boss", "", NULL, false, 0, REQUEST_PENDING, NULL, "boss" },
    { "ann", "", "sec", NULL, false, 0, REQUEST_PENDING, NULL, "sec" },
    { "ann", "boss", "sec", "bob:boss", false, 0, REQUEST_PENDING, NULL, "sec" },
    { "ann", "boss", "", "bob:boss", false, 0, REQUEST_PENDING, "already-decided", "" },
    { "ann", "boss", "sec", "ann:boss", false, 0, REQUEST_PENDING, "already-decided", "" },
    { "ann", "x", "", NULL, false, 0, REQUEST_PENDING, "approver-role", "" },
    { "ann", "mod", "", NULL, false, 0, REQUEST_PENDING, "approver-role", "" },
    { "ann", "mod", "", NULL, true, 0, REQUEST_PENDING, NULL, "mod" },
    { "ann", "sec", "", "bob:boss", true, 0, REQUEST_PENDING, NULL, "boss" },
    { "me", "boss", "", NULL, false, 0, REQUEST_PENDING, "own-request", "" },
    { "me", "boss", "", NULL, true, 0, REQUEST_PENDING, "own-request", "" },
    { "ann", "boss", "", NULL, false, HOUR, REQUEST_PENDING, "request-over", "" },
    { "ann", "boss", "", NULL, false, HOUR - 1, REQUEST_PENDING, NULL, "boss" },
    { "ann", "boss", "", NULL, false, 0, REQUEST_DENIED, "request-over", "" },
    { "ann", "boss", "", NULL, false, 0, REQUEST_APPROVED, "request-over", "" },
    { "ann", "boss", "", NULL, false, 0, REQUEST_WITHDRAWN, "request-over", "" },
};

START_TEST(judging) {
    const struct judge_case *t = &judged[_i];
    _json_ json_t *required = words("boss sec");
    _json_ json_t *moderators = words("mod");
    _json_ json_t *roles = words(t->roles);
    struct resource *r = a_request("me");
    struct identity *who = identity_new(t->sub, "sid", "Name", roles);
    struct approvals_verdict v;
    json_decref(who->groups);
    who->groups = words(t->groups);
    r->request.break_glass = t->glass;
    r->request.phase = t->phase;
    r->created = NOW - t->age;
    if (t->given) {
        json_decref(r->request.approvals);
        r->request.approvals =
            json_pack("[{s:s%, s:s}]", "sub", t->given, (size_t)3, "as", t->given + 4);
    }
    approvals_judge(who, required, moderators, r, HOUR, NOW, &v);
    ck_assert_msg((!v.rule && !t->rule) || (v.rule && t->rule && strcmp(v.rule, t->rule) == 0),
                  "case %d: %s", _i, v.rule ? v.rule : "allowed");
    if (!t->rule && !t->glass)
        ck_assert_str_eq(v.as, t->as);
    ck_assert(!v.rule || (*v.why && *v.advice));
    identity_free(who);
    resource_unref(r);
}
END_TEST

START_TEST(states) {
    struct resource *r = a_request("me");
    ck_assert_int_eq(approvals_state(r, HOUR, NOW), APPROVALS_PENDING);
    ck_assert_int_eq(approvals_state(r, HOUR, NOW - 1000 + HOUR), APPROVALS_EXPIRED);
    r->request.phase = REQUEST_APPROVED;
    r->request.expires = NOW + 5;
    ck_assert_int_eq(approvals_state(r, HOUR, NOW + 4), APPROVALS_APPROVED);
    ck_assert_int_eq(approvals_state(r, HOUR, NOW + 5), APPROVALS_OVER);
    r->request.phase = REQUEST_REVOKED;
    ck_assert_int_eq(approvals_state(r, HOUR, NOW), APPROVALS_REVOKED);
    resource_unref(r);
}
END_TEST

/* A session goes on as long as its lock is another's and its window runs. */
START_TEST(keeping) {
    struct connection c = { .namespace = (char *)(uintptr_t) "relay",
                            .name = (char *)(uintptr_t) "box",
                            .jit = { .approvers = words("boss") } };
    struct connection plain = { .jit = { .approvers = NULL } };
    struct resource *r = a_request("me");
    const struct resource *list[] = { r };
    const struct keeper_session s = {
        "id-1", "me", "sid-1", "relay/box", NOW - 5000, NOW - 600000
    };
    struct policy_lock l = { .sub = "me", .reason = "gone" };
    ck_assert_ptr_null(keeper_verdict(&s, &plain, NULL, 0, NULL, 0, 0, NOW));
    ck_assert_ptr_null(keeper_verdict(&s, NULL, NULL, 0, NULL, 0, 0, NOW));
    ck_assert_str_eq(keeper_verdict(&s, &plain, &l, 1, NULL, 0, 0, NOW), "gone");
    l = (struct policy_lock){ .sid = "sid-1", .reason = "out", .before = NOW - 5000 };
    ck_assert_str_eq(keeper_verdict(&s, &plain, &l, 1, NULL, 0, 0, NOW), "out");
    l.before = NOW - 5001; /* it began after that sign-out */
    ck_assert_ptr_null(keeper_verdict(&s, &plain, &l, 1, NULL, 0, 0, NOW));
    ck_assert_ptr_null(keeper_verdict(&s, &plain, NULL, 0, NULL, 0, 600000, NOW));
    ck_assert_ptr_nonnull(keeper_verdict(&s, &plain, NULL, 0, NULL, 0, 599999, NOW));
    l = (struct policy_lock){ .session = "id-2", .reason = "x" };
    ck_assert_ptr_null(keeper_verdict(&s, &plain, &l, 1, NULL, 0, 0, NOW));
    ck_assert_ptr_nonnull(keeper_verdict(&s, &c, NULL, 0, list, 1, 0, NOW));
    r->request.phase = REQUEST_APPROVED;
    r->request.expires = NOW + 1;
    ck_assert_ptr_null(keeper_verdict(&s, &c, NULL, 0, list, 1, 0, NOW));
    ck_assert_ptr_nonnull(keeper_verdict(&s, &c, NULL, 0, list, 1, 0, NOW + 1));
    r->request.approved = NOW - 5000;
    ck_assert_str_eq(keeper_verdict(&s, &c, NULL, 0, list, 1, 0, NOW + 1),
                     "The time that was approved is over.");
    r->request.phase = REQUEST_REVOKED;
    ck_assert_str_eq(keeper_verdict(&s, &c, NULL, 0, list, 1, 0, NOW),
                     "The approval for this session is over or was revoked.");
    resource_text(&r->request.message, "Revoked by Ann: done.");
    ck_assert_str_eq(keeper_verdict(&s, &c, NULL, 0, list, 1, 0, NOW), "Revoked by Ann: done.");
    /* another's revocation, and one of an older request, say nothing about this session */
    struct resource *later = a_request("me"), *other = a_request("you");
    const struct resource *three[] = { r, later, other };
    later->created = r->created + 1;
    later->request.phase = REQUEST_APPROVED;
    later->request.approved = NOW - 10;
    later->request.expires = NOW;
    other->created = r->created + 2;
    other->request.phase = REQUEST_REVOKED;
    other->request.approved = NOW - 10;
    resource_text(&other->request.message, "Revoked by Bob: not yours.");
    ck_assert_str_eq(keeper_verdict(&s, &c, NULL, 0, three, 3, 0, NOW),
                     "The time that was approved is over.");
    resource_unref(later);
    resource_unref(other);
    resource_unref(r);
    json_decref(c.jit.approvers);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("approvals");
    TCase *t = tcase_create("all");
    tcase_add_test(t, counting);
    tcase_add_test(t, breaking_the_glass);
    tcase_add_loop_test(t, judging, 0, (int)ARRAY_LEN(judged));
    tcase_add_test(t, states);
    tcase_add_test(t, keeping);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
