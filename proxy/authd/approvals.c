/* What is written in the request's status is all that counts; the approvals themselves are kept
 * beside it as evidence. */
#include "proxy/authd/approvals.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

const char *approvals_state_name(enum approvals_state s) {
    static const char *const names[] = { "pending", "approved",  "denied", "expired",
                                         "revoked", "withdrawn", "over" };
    return names[s];
}

int64_t approvals_until(const struct resource *request, int64_t pending_ms) {
    const struct access_request *q = &request->request;
    return q->phase == REQUEST_APPROVED || q->expires ? q->expires : request->created + pending_ms;
}

enum approvals_state approvals_state(const struct resource *request, int64_t pending_ms,
                                     int64_t now) {
    bool past = now >= approvals_until(request, pending_ms);
    switch (request->request.phase) {
    case REQUEST_PENDING:
        return past ? APPROVALS_EXPIRED : APPROVALS_PENDING;
    case REQUEST_APPROVED:
        return past ? APPROVALS_OVER : APPROVALS_APPROVED;
    case REQUEST_DENIED:
        return APPROVALS_DENIED;
    case REQUEST_REVOKED:
        return APPROVALS_REVOKED;
    case REQUEST_WITHDRAWN:
        return APPROVALS_WITHDRAWN;
    case REQUEST_EXPIRED:
        break;
    }
    return APPROVALS_EXPIRED;
}

/* ---- what is missing ------------------------------------------------------------------------- */

static bool given(const struct resource *request, const char *name) {
    size_t i;
    json_t *a;
    json_array_foreach(request->request.approvals, i,
                       a) if (strcmp(json_str(a, "as", ""), name) == 0) return true;
    return false;
}

json_t *approvals_missing(const json_t *required, const struct resource *request) {
    json_t *out = json_array(), *name;
    size_t i, have = json_array_size(request->request.approvals);
    if (request->request.break_glass) {
        for (; have < APPROVALS_GLASS; have++)
            json_array_append_new(out, json_string("another person"));
        return out;
    }
    json_array_foreach(required, i, name) if (!given(request, json_string_value(name)))
        json_array_append(out, name);
    return out;
}

/* ---- who may ----------------------------------------------------------------------------------
 */

static const char *named(const struct identity *who, const json_t *names) {
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name) {
        const char *s = json_string_value(name);
        if (json_has_string(who->roles, s) || json_has_string(who->groups, s))
            return s;
    }
    return NULL;
}

bool approvals_named(const struct identity *who, const json_t *required) {
    return named(who, required) != NULL;
}

static bool same(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

/* Has this person approved already? */
static bool spoke(const struct resource *request, const char *sub, const char *username) {
    size_t i;
    json_t *a;
    json_array_foreach(request->request.approvals, i,
                       a) if (same(json_str(a, "sub", NULL), sub) ||
                              same(json_str(a, "username", NULL), username)) return true;
    return false;
}

void approvals_judge(const struct identity *who, const json_t *required, const json_t *moderators,
                     const struct resource *request, int64_t pending_ms, int64_t now,
                     struct approvals_verdict *out) {
    _json_ json_t *missing = approvals_missing(required, request);
    const char *as = NULL;
    *out = (struct approvals_verdict){ 0 };
    if (request->request.break_glass && !(as = named(who, required)))
        as = named(who, moderators);
    else if (!request->request.break_glass)
        as = named(who, missing);
    if (as)
        snprintf(out->as, sizeof out->as, "%s", as);
    if (same(who->sub, request->request.requester.sub))
        *out = (struct approvals_verdict){ "own-request", "Nobody approves a request of their own.",
                                           "Ask one of the named people.", "" };
    else if (approvals_state(request, pending_ms, now) != APPROVALS_PENDING)
        *out = (struct approvals_verdict){ "request-over", "This request is decided already.",
                                           "Load the list again.", "" };
    else if (spoke(request, who->sub, NULL))
        *out = (struct approvals_verdict){ "already-decided", "You have approved this already.",
                                           "Another person has to give the next approval.", "" };
    else if (!as && named(who, required))
        *out = (struct approvals_verdict){ "already-decided",
                                           "What you could approve is approved already.",
                                           "Load the list again.", "" };
    else if (!as)
        *out = (struct approvals_verdict){ "approver-role", "This request is for others to decide.",
                                           "Ask for one of the roles that it names.", "" };
}

/* ---- counting -------------------------------------------------------------------------------- */

static bool counts(const struct resource *request, const struct resource *approval,
                   const json_t *required, const char **why) {
    const struct access_request *q = &request->request;
    const struct approval *a = &approval->approval;
    *why = NULL;
    if (q->phase != REQUEST_PENDING)
        *why = "The request was decided already.";
    else if (request->uid && a->request_uid && strcmp(request->uid, a->request_uid) != 0)
        *why = "It names another request of the same name.";
    else if (same(a->approver.sub, q->requester.sub) ||
             same(a->approver.username, q->requester.username))
        *why = "Nobody approves a request of their own.";
    else if (spoke(request, a->approver.sub, a->approver.username))
        *why = "This person has approved already.";
    else if (!q->break_glass && !json_has_string(required, a->as ? a->as : ""))
        *why = "The connection does not ask for an approval by that name.";
    else if (!q->break_glass && given(request, a->as))
        *why = "That name's approval is there already.";
    return !*why;
}

bool approvals_count(struct resource *request, const struct resource *approval,
                     const json_t *required, int64_t now, const char **why) {
    struct access_request *q = &request->request;
    const struct approval *a = &approval->approval;
    char at[32];
    if (!counts(request, approval, required, why))
        return false;
    clock_format((uint64_t)now, at, sizeof at);
    json_t *entry = json_pack("{s:s, s:s*, s:s*, s:s*, s:s, s:s}", "as", a->as ? a->as : "", "sub",
                              a->approver.sub, "name", a->approver.name, "username",
                              a->approver.username, "at", at, "approval", approval->name);
    if (!q->approvals)
        q->approvals = json_array();
    if (!entry || json_array_append_new(q->approvals, entry)) {
        *why = "There is no memory for it.";
        return false;
    }
    _json_ json_t *missing = approvals_missing(required, request);
    if (json_array_size(missing) == 0) {
        q->phase = REQUEST_APPROVED;
        q->approved = now;
        q->expires = now + q->minutes * 60000LL;
    }
    return true;
}
