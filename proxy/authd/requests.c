/* Every change is read, decided, written under its version, and begun again where somebody else was
 * first. */
#include "proxy/authd/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/approvals.h"
#include "proxy/authd/authd.h"
#include "proxy/authd/text.h"

#define TRIES 20 /* each means that somebody else succeeded */

void requests_id(const struct resource *r, char out[REQUESTS_ID]) {
    snprintf(out, REQUESTS_ID, "%s.%s", r->namespace, r->name);
}

struct resource *requests_find(const struct resources_view *v, const char *id) {
    const char *dot = strchr(id, '.');
    char namespace[64];
    if (!dot || (size_t)(dot - id) >= sizeof namespace)
        return NULL;
    snprintf(namespace, sizeof namespace, "%.*s", (int)(dot - id), id);
    struct resource *r = resources_view_find(v, namespace, dot + 1);
    return r && resource_usable(r) ? r : NULL;
}

/* ---- one person's ---------------------------------------------------------------------------- */

void requests_own_init(struct requests_own *o, struct resources *store,
                       const struct identity *who) {
    *o = (struct requests_own){ .view = resources_view(store, RESOURCE_REQUEST) };
    for (size_t i = 0; who && i < o->view->count; i++) {
        struct resource *r = o->view->items[i];
        const char *sub = resource_usable(r) ? r->request.requester.sub : NULL;
        if (!sub || strcmp(sub, who->sub) != 0)
            continue;
        if (!o->list && !(o->list = calloc(o->view->count, sizeof(struct resource *))))
            return;
        o->list[o->count++] = r;
    }
}

void requests_own_fini(struct requests_own *o) {
    resources_view_unref(o->view);
    free(o->list);
    *o = (struct requests_own){ 0 };
}

static int64_t rank(const struct resource *r, bool approved) {
    if (approved)
        return r->request.phase == REQUEST_APPROVED ? r->request.expires : 0;
    return r->created + 1;
}

const struct resource *requests_newest(const struct requests_own *o, const struct connection *c,
                                       bool approved) {
    const struct resource *best = NULL;
    for (size_t i = 0; i < o->count; i++) {
        const struct resource *r = o->list[i];
        if (strcmp(r->namespace, c->namespace) == 0 &&
            strcmp(r->request.connection, c->name) == 0 && rank(r, approved) > 0 &&
            (!best || rank(r, approved) >= rank(best, approved)))
            best = r;
    }
    return best;
}

/* ---- decisions ------------------------------------------------------------------------------- */

/* Change the request as `change` says, as often as somebody else was first. */
typedef bool change_fn(struct authd *a, struct resource *request, const struct resource *approval,
                       const char **why);

static enum resources_result change(struct authd *a, const char *namespace, const char *name,
                                    const struct resource *approval, change_fn *fn,
                                    struct resource **out, struct err *e) {
    enum resources_result result = RESOURCES_CONFLICT;
    for (int i = 0; i < TRIES && result == RESOURCES_CONFLICT; i++) {
        struct resource *now = NULL, *stored = NULL;
        const char *why = "";
        *e = (struct err){ 0 };
        result = resources_get(a->resources, RESOURCE_REQUEST, namespace, name, &now, e);
        if (result != RESOURCES_OK)
            return result;
        struct resource *next = resource_copy(now);
        resource_unref(now);
        if (!next || !fn(a, next, approval, &why)) {
            result = RESOURCES_INVALID;
            err_set(e, STATUS_CLIENT_FORBIDDEN, "%s", next ? why : "There is no memory for it.");
        } else {
            result = resources_update_status(a->resources, next, &stored, e);
        }
        resource_unref(next);
        if (result == RESOURCES_OK) {
            locks_settle(a->resources, stored);
            if (out)
                *out = resource_ref(stored);
        }
        resource_unref(stored);
    }
    return result;
}

static void say(struct resource *request, const struct resource *approval, const char *what) {
    const struct approval *a = &approval->approval;
    char text[1000];
    const char *name = a->approver.name       ? a->approver.name
                       : a->approver.username ? a->approver.username
                                              : a->approver.sub;
    snprintf(text, sizeof text, "%s by %.100s%s%.700s", what, name,
             a->comment && *a->comment ? ": " : "", a->comment ? a->comment : "");
    resource_text(&request->request.message, text_clean(text));
}

static bool approve(struct authd *a, struct resource *request, const struct resource *approval,
                    const char **why) {
    bool counted = false;
    int64_t now = (int64_t)clock_wall_ms();
    struct snapshot *s = catalog_snapshot(a->catalog);
    const struct connection *c = snapshot_find(s, request->namespace, request->request.connection);
    if (!c)
        *why = "Its connection is not there any more.";
    else if (approvals_state(request, a->conf.request_hours * 3600000LL, now) == APPROVALS_EXPIRED)
        *why = "The request has lapsed.";
    else
        counted = approvals_count(request, approval, c->jit.approvers, now, why);
    snapshot_unref(s);
    return counted;
}

static bool deny(struct authd *a, struct resource *request, const struct resource *approval,
                 const char **why) {
    (void)a;
    *why = "The request was decided already.";
    if (request->request.phase != REQUEST_PENDING)
        return false;
    request->request.phase = REQUEST_DENIED;
    say(request, approval, "Denied");
    return true;
}

static bool take_away(struct authd *a, struct resource *request, const struct resource *approval,
                      const char **why) {
    (void)a;
    *why = "There is nothing to revoke any more.";
    if (request->request.phase != REQUEST_PENDING && request->request.phase != REQUEST_APPROVED)
        return false;
    request->request.phase = REQUEST_REVOKED;
    say(request, approval, "Revoked");
    return true;
}

static bool withdraw(struct authd *a, struct resource *request, const struct resource *approval,
                     const char **why) {
    (void)a;
    (void)approval;
    *why = "There is nothing to take back any more.";
    if (request->request.phase != REQUEST_PENDING && request->request.phase != REQUEST_APPROVED)
        return false;
    request->request.phase = REQUEST_WITHDRAWN;
    resource_text(&request->request.message, "Taken back by who asked.");
    return true;
}

static bool lapse(struct authd *a, struct resource *request, const struct resource *approval,
                  const char **why) {
    (void)approval;
    *why = "It has not lapsed.";
    if (request->request.phase != REQUEST_PENDING ||
        approvals_state(request, a->conf.request_hours * 3600000LL, (int64_t)clock_wall_ms()) !=
            APPROVALS_EXPIRED)
        return false;
    request->request.phase = REQUEST_EXPIRED;
    resource_text(&request->request.message, "Nobody decided in time.");
    return true;
}

/* What became of it, beside it. Only told: the request's status is what counts. */
static void note(struct authd *a, const struct resource *approval, bool accepted, const char *why) {
    struct err e = { 0 };
    struct resource *next = resource_copy(approval);
    if (!next)
        return;
    next->approval.accepted = accepted;
    next->approval.seen = (int64_t)clock_wall_ms();
    resource_text(&next->approval.message, accepted ? NULL : why);
    if (resources_update_status(a->resources, next, NULL, &e) != RESOURCES_OK)
        log_info("approval %s: %s", approval->name, e.text);
    resource_unref(next);
}

enum resources_result requests_apply(struct authd *a, const struct resource *approval,
                                     struct resource **out, struct err *e) {
    static change_fn *const fns[] = {
        [APPROVAL_APPROVE] = approve, [APPROVAL_DENY] = deny, [APPROVAL_REVOKE] = take_away
    };
    enum resources_result r = change(a, approval->namespace, approval->approval.request, approval,
                                     fns[approval->approval.decision], out, e);
    if (r == RESOURCES_OK || r == RESOURCES_INVALID || r == RESOURCES_NOT_FOUND)
        note(a, approval, r == RESOURCES_OK, e->text);
    return r;
}

enum resources_result requests_withdraw(struct authd *a, const struct resource *request,
                                        struct resource **out, struct err *e) {
    return change(a, request->namespace, request->name, NULL, withdraw, out, e);
}

/* ---- now and then ---------------------------------------------------------------------------- */

static void sweep_approvals(struct authd *a, int64_t now) {
    struct resources_view *v = resources_view(a->resources, RESOURCE_APPROVAL);
    for (size_t i = 0; i < v->count; i++) {
        const struct resource *r = v->items[i];
        struct err e = { 0 };
        if (!resource_usable(r))
            continue;
        /* the page's are applied by who wrote them, at once */
        if (!r->approval.seen && (r->approval.approver.username || now - r->created > 5000) &&
            requests_apply(a, r, NULL, &e) == RESOURCES_OK)
            log_info("approval %s of request %s counts", r->name, r->approval.request);
        else if (now - r->created > a->conf.keep_days * 86400000LL)
            resources_delete(a->resources, r->kind, r->namespace, r->name, r->version, &e);
    }
    resources_view_unref(v);
}

void requests_sweep(struct authd *a, int64_t now) {
    struct resources_view *v = resources_view(a->resources, RESOURCE_REQUEST);
    for (size_t i = 0; i < v->count; i++) {
        const struct resource *r = v->items[i];
        struct err e = { 0 };
        if (!resource_usable(r))
            continue;
        enum approvals_state s = approvals_state(r, a->conf.request_hours * 3600000LL, now);
        if (s == APPROVALS_EXPIRED && r->request.phase == REQUEST_PENDING)
            change(a, r->namespace, r->name, NULL, lapse, NULL, &e);
        else if (s != APPROVALS_PENDING && s != APPROVALS_APPROVED &&
                 now - r->created > a->conf.keep_days * 86400000LL)
            resources_delete(a->resources, r->kind, r->namespace, r->name, r->version, &e);
    }
    resources_view_unref(v);
    sweep_approvals(a, now);
}
