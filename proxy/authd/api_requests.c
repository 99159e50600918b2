/* Requests for access, for those who ask and those who decide. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/approvals.h"
#include "proxy/authd/evidence_log.h"
#include "proxy/authd/route.h"
#include "proxy/authd/text.h"

#define NOTE_MAX 1000
#define LISTED_MAX 500
#define BREAK_GLASS_REASON 10 /* bytes: an emergency has a reason that can be read later */

static int64_t pending_ms(const struct exchange *x) {
    return x->a->conf.request_hours * 3600000LL;
}

/* A request in front of one person. */
struct sight {
    struct exchange *x;
    const struct resource *r;
    const struct connection *c; /* NULL: gone */
    int64_t now;
    enum approvals_state state;
    struct approvals_verdict verdict;
    bool mine, named, moderates;
};

static const json_t *required(const struct sight *s) {
    return s->c ? s->c->jit.approvers : NULL;
}

static void look(struct sight *s, struct exchange *x, const struct snapshot *snapshot,
                 const struct resource *r) {
    const char *sub = r->request.requester.sub;
    *s = (struct sight){ .x = x, .r = r, .now = (int64_t)clock_wall_ms() };
    s->c = snapshot_find(snapshot, r->namespace, r->request.connection);
    s->state = approvals_state(r, pending_ms(x), s->now);
    s->mine = sub && strcmp(sub, x->who->sub) == 0;
    s->moderates = authd_can_moderate(x->a, x->who);
    s->named = s->c && approvals_named(x->who, required(s));
    approvals_judge(x->who, required(s), x->a->conf.moderators, r, pending_ms(x), s->now,
                    &s->verdict);
    if (!s->c && !s->verdict.rule)
        s->verdict = (struct approvals_verdict){ "connection-exists", "Its connection is gone.",
                                                 "Nothing can be decided any more.", "" };
}

static bool visible(const struct sight *s) {
    return s->mine || s->named || s->moderates;
}

static bool open_still(const struct sight *s) {
    return s->state == APPROVALS_PENDING || s->state == APPROVALS_APPROVED;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *person(const char *sub, const char *name, const char *username) {
    const char *id = sub ? sub : username ? username : "";
    return json_pack("{s:s, s:s}", "sub", id, "name", name ? name : id);
}

static json_t *time_or_null(int64_t ms) {
    return ms ? json_integer((json_int_t)ms) : json_null();
}

static json_t *decisions(const struct sight *s) {
    json_t *out = json_array(), *a;
    size_t i;
    json_array_foreach(s->r->request.approvals, i, a) {
        uint64_t at = 0;
        clock_parse(json_str(a, "at", ""), &at);
        json_array_append_new(out,
                              json_pack("{s:o, s:s, s:s, s:o}", "by",
                                        person(json_str(a, "sub", NULL), json_str(a, "name", NULL),
                                               json_str(a, "username", NULL)),
                                        "decision", "approve", "as", json_str(a, "as", ""), "at",
                                        time_or_null((int64_t)at)));
    }
    return out;
}

static json_t *may(const struct sight *s) {
    json_t *out = json_array();
    bool decides = s->named || s->moderates;
    if (!s->verdict.rule)
        json_array_append_new(out, json_string("approve"));
    if (s->state == APPROVALS_PENDING && s->named && !s->mine)
        json_array_append_new(out, json_string("deny"));
    if (open_still(s) && (s->mine || decides))
        json_array_append_new(out, json_string("revoke"));
    if (s->state == APPROVALS_APPROVED && s->mine && s->now >= s->r->request.approved)
        json_array_append_new(out, json_string("connect"));
    return out;
}

static json_t *to_json(const struct sight *s) {
    const struct access_request *q = &s->r->request;
    char id[REQUESTS_ID];
    json_t *missing =
        s->state == APPROVALS_PENDING ? approvals_missing(required(s), s->r) : json_array();
    json_t *names = required(s) ? json_deep_copy(required(s)) : json_array();
    int64_t until = approvals_until(s->r, pending_ms(s->x));
    requests_id(s->r, id);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:i, s:b, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:b, s:o, s:s}",
        "id", id, "namespace", s->r->namespace, "name", q->connection, "title",
        s->c ? s->c->title : q->connection, "protocol",
        s->c && s->c->protocol ? s->c->protocol->name : "", "requester",
        person(q->requester.sub, q->requester.name, q->requester.username), "reason",
        q->reason ? q->reason : "", "minutes", q->minutes, "breakGlass", q->break_glass, "created",
        (json_int_t)s->r->created, "state", approvals_state_name(s->state), "expires",
        q->phase == REQUEST_PENDING ? time_or_null(until) : json_null(), "from",
        time_or_null(q->approved), "until",
        q->phase == REQUEST_PENDING ? json_null() : time_or_null(until), "required", names,
        "missing", missing, "decisions", decisions(s), "mine", s->mine, "may", may(s), "why",
        q->message ? q->message : "");
}

static void answer(struct exchange *x, const struct snapshot *snapshot, const struct resource *r,
                   int status) {
    struct sight s;
    look(&s, x, snapshot, r);
    exchange_json(x, status, to_json(&s));
}

/* ---- reading --------------------------------------------------------------------------------- */

void api_requests(struct exchange *x) {
    uint64_t generation = authd_generation(x->a);
    bool all = strcmp(query_get(&x->query, "state", "open"), "all") == 0;
    if (api_park(x, generation))
        return;
    struct snapshot *snapshot = catalog_snapshot(x->a->catalog);
    struct resources_view *v = resources_view(x->a->resources, RESOURCE_REQUEST);
    json_t *list = json_array();
    for (size_t i = v->count; i-- > 0 && json_array_size(list) < LISTED_MAX;) {
        struct sight s;
        if (!resource_usable(v->items[i]))
            continue;
        look(&s, x, snapshot, v->items[i]);
        if (visible(&s) && (all || open_still(&s)))
            json_array_append_new(list, to_json(&s));
    }
    resources_view_unref(v);
    snapshot_unref(snapshot);
    exchange_json(x, 200,
                  json_pack("{s:o, s:I}", "requests", list, "generation", (json_int_t)generation));
}

/* The request of the path, if this person may know of it; else answered with 404. */
static struct resource *find(struct exchange *x, const struct snapshot *snapshot) {
    struct resources_view *v = resources_view(x->a->resources, RESOURCE_REQUEST);
    struct resource *r = requests_find(v, x->params[0]);
    struct sight s;
    if (r) {
        look(&s, x, snapshot, r);
        r = visible(&s) ? resource_ref(r) : NULL;
    }
    resources_view_unref(v);
    if (!r)
        exchange_error(x, 404, "There is no such request.", "Load the list again.", NULL);
    return r;
}

void api_request(struct exchange *x) {
    struct snapshot *snapshot = catalog_snapshot(x->a->catalog);
    struct resource *r = find(x, snapshot);
    if (r)
        answer(x, snapshot, r, 200);
    resource_unref(r);
    snapshot_unref(snapshot);
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct wish {
    const struct connection *c;
    char reason[NOTE_MAX + 1];
    long minutes;
    bool glass;
};

static void tell(struct exchange *x, enum audit_kind kind, bool ok, const char *id,
                 const struct wish *w, const char *text) {
    struct audit_event ev = { .kind = kind,
                              .success = ok,
                              .who = x->who,
                              .peer = x->peer,
                              .message = text,
                              .detail = json_pack("{s:s, s:s, s:I, s:s}", "request", id, "reason",
                                                  w->reason, "minutes", (json_int_t)w->minutes,
                                                  "connection", w->c->name) };
    audit_write(x->a->audit, &ev);
}

/* Would anything but the missing approval keep this person out? Then asking is no use. */
static bool in_the_way(struct exchange *x, const struct snapshot *snapshot,
                       const struct connection *c, struct decision *d) {
    struct authd_view view;
    authd_view_init(&view, x->a, x->who, snapshot);
    authd_decide(&view, c, false, d);
    authd_view_fini(&view);
    static const enum policy_rule can_wait[] = { RULE_ALLOWED, RULE_JIT_APPROVAL, RULE_STEP_UP,
                                                 RULE_SESSION_LIMIT, RULE_CONNECTION_LIMIT };
    for (size_t i = 0; i < ARRAY_LEN(can_wait); i++)
        if (d->rule == can_wait[i])
            return false;
    return true;
}

static bool pending_already(struct exchange *x, const struct connection *c) {
    struct requests_own own;
    bool found = false;
    requests_own_init(&own, x->a->resources, x->who);
    for (size_t i = 0; i < own.count; i++) {
        const struct resource *r = own.list[i];
        if (strcmp(r->namespace, c->namespace) == 0 &&
            strcmp(r->request.connection, c->name) == 0 &&
            approvals_state(r, pending_ms(x), (int64_t)clock_wall_ms()) == APPROVALS_PENDING) {
            char id[REQUESTS_ID];
            requests_id(r, id);
            exchange_refuse(x, 409, "You are waiting for an approval of this already.",
                            "Wait, or take that request back first.", "request-pending",
                            json_pack("{s:s}", "request", id));
            found = true;
        }
    }
    requests_own_fini(&own);
    return found;
}

/* True: answered. */
static bool refused(struct exchange *x, const struct snapshot *snapshot, const json_t *body,
                    struct wish *w) {
    struct decision d;
    char text[200];
    w->c = snapshot_find(snapshot, json_str(body, "namespace", ""), json_str(body, "name", ""));
    w->minutes = json_num(body, "minutes", 0);
    w->glass = json_flag(body, "breakGlass", false);
    snprintf(w->reason, sizeof w->reason, "%s", json_str(body, "reason", ""));
    text_clean(w->reason);
    long most = w->c && w->c->jit.max_minutes ? w->c->jit.max_minutes : 480;
    snprintf(text, sizeof text, "It can be asked for 1 to %ld minutes.", most);
    size_t reason = strspn(w->reason, " \t\r\n");
    if (!w->c) {
        exchange_error(x, 404, "There is no such connection.", "Load the list again.",
                       "connection-exists");
    } else if (in_the_way(x, snapshot, w->c, &d)) {
        exchange_error(x, 403, d.why, d.advice, d.name);
    } else if (json_array_size(w->c->jit.approvers) == 0) {
        exchange_error(x, 409, "This connection needs no approval.", "Open it.", "allowed");
    } else if (!w->reason[reason] ||
               (w->glass && strlen(w->reason + reason) < BREAK_GLASS_REASON)) {
        exchange_error(x, 400, "A reason is missing.", "Say why; who approves reads it.", "reason");
    } else if (w->minutes < 1 || w->minutes > most) {
        exchange_error(x, 400, text, "Ask for less; you can ask again.", "minutes");
    } else {
        return pending_already(x, w->c);
    }
    return true;
}

static struct resource *make(struct exchange *x, const struct wish *w) {
    char name[UUID_LEN + 1];
    uuid_v7(name, clock_wall_ms());
    struct resource *r = resource_new(RESOURCE_REQUEST, w->c->namespace, name);
    if (!r)
        return NULL;
    resource_text(&r->request.connection, w->c->name);
    resource_text(&r->request.requester.sub, x->who->sub);
    resource_text(&r->request.requester.name, x->who->name);
    resource_text(&r->request.reason, w->reason);
    r->request.minutes = (int)w->minutes;
    r->request.break_glass = w->glass;
    return r;
}

static void store_failed(struct exchange *x, enum resources_result r, const struct err *e) {
    log_error("%s: %s: %s", x->id, resources_result_name(r), e->text);
    exchange_error(x, 503, "The gateway could not write this down.", "Try again in a moment.",
                   NULL);
}

void api_request_new(struct exchange *x) {
    struct err e = { 0 };
    struct wish w = { 0 };
    _json_ json_t *body = exchange_body(x);
    struct snapshot *snapshot = catalog_snapshot(x->a->catalog);
    struct resource *want = NULL, *made = NULL;
    if (body && !refused(x, snapshot, body, &w) && (want = make(x, &w))) {
        char id[REQUESTS_ID];
        enum resources_result r = resources_create(x->a->resources, want, &made, &e);
        requests_id(want, id);
        tell(x, w.glass ? AUDIT_REQUEST_GLASS : AUDIT_REQUEST, r == RESOURCES_OK, id, &w,
             r == RESOURCES_OK ? w.glass ? "asked to break the glass" : "asked for access"
                               : e.text);
        if (r == RESOURCES_OK) {
            locks_settle(x->a->resources, made);
            answer(x, snapshot, made, 201);
        } else {
            store_failed(x, r, &e);
        }
    }
    resource_unref(want);
    resource_unref(made);
    snapshot_unref(snapshot);
}

/* ---- deciding -------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum approval_decision decision;
} words[] = { { "approve", APPROVAL_APPROVE },
              { "deny", APPROVAL_DENY },
              { "revoke", APPROVAL_REVOKE } };

static struct resource *make_approval(struct exchange *x, const struct sight *s,
                                      enum approval_decision d, const char *note) {
    char name[UUID_LEN + 1];
    uuid_v7(name, clock_wall_ms());
    struct resource *r = resource_new(RESOURCE_APPROVAL, s->r->namespace, name);
    if (!r)
        return NULL;
    resource_text(&r->approval.request, s->r->name);
    resource_text(&r->approval.request_uid, s->r->uid);
    resource_text(&r->approval.request_version, s->r->version);
    resource_text(&r->approval.approver.sub, x->who->sub);
    resource_text(&r->approval.approver.name, x->who->name);
    if (d == APPROVAL_APPROVE)
        resource_text(&r->approval.as, s->verdict.as);
    resource_text(&r->approval.comment, note);
    r->approval.decision = d;
    return r;
}

/* The word, its leaf in the log, and only then its effect. */
static enum resources_result carry_out(struct exchange *x, const struct sight *s,
                                       enum approval_decision d, const char *note,
                                       struct resource **out, struct err *e) {
    char id[REQUESTS_ID];
    struct resource *made = NULL, *want = make_approval(x, s, d, note);
    if (!want) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for an approval");
        return RESOURCES_UNAVAILABLE;
    }
    requests_id(s->r, id);
    json_t *detail = json_pack("{s:s, s:s, s:s, s:s}", "request", id, "decision", words[d].word,
                               "uid", s->r->uid ? s->r->uid : "", "resourceVersion",
                               s->r->version ? s->r->version : "");
    enum resources_result r = RESOURCES_UNAVAILABLE;
    if (evidence_log_leaf(x->a, LEAF_APPROVAL, NULL, x->who, detail, e) == 0)
        r = resources_create(x->a->resources, want, &made, e);
    if (r == RESOURCES_OK)
        r = requests_apply(x->a, made, out, e);
    resource_unref(want);
    resource_unref(made);
    return r;
}

static bool allowed(const struct sight *s, enum approval_decision d) {
    struct exchange *x = s->x;
    const struct approvals_verdict *v = &s->verdict;
    if (d == APPROVAL_APPROVE && v->rule) {
        bool never = strcmp(v->rule, "own-request") == 0 || strcmp(v->rule, "approver-role") == 0;
        exchange_error(x, never ? 403 : 409, v->why, v->advice, v->rule);
        return false;
    }
    if (d == APPROVAL_APPROVE)
        return true;
    if (d == APPROVAL_DENY && (s->mine || !s->named)) {
        exchange_error(x, 403, "This request is for others to decide.",
                       s->mine ? "Take it back instead." : "Ask one of the named people.",
                       s->mine ? "own-request" : "approver-role");
        return false;
    }
    if (d == APPROVAL_DENY ? s->state != APPROVALS_PENDING : !open_still(s)) {
        exchange_error(x, 409, "This request is over.", "Load the list again.", "request-over");
        return false;
    }
    return true;
}

static void decided(const struct sight *s, enum approval_decision d, const char *note,
                    const struct snapshot *snapshot) {
    struct exchange *x = s->x;
    struct err e = { 0 };
    struct resource *out = NULL;
    char id[REQUESTS_ID];
    requests_id(s->r, id);
    bool own = d == APPROVAL_REVOKE && s->mine;
    enum resources_result r =
        own ? requests_withdraw(x->a, s->r, &out, &e) : carry_out(x, s, d, note, &out, &e);
    struct audit_event ev = { .kind =
                                  s->r->request.break_glass ? AUDIT_REQUEST_GLASS : AUDIT_APPROVAL,
                              .success = r == RESOURCES_OK,
                              .who = x->who,
                              .peer = x->peer,
                              .message = r == RESOURCES_OK ? note : e.text,
                              .detail =
                                  json_pack("{s:s, s:s, s:s, s:s}", "request", id, "decision",
                                            own ? "withdraw" : words[d].word, "as", s->verdict.as,
                                            "connection", s->r->request.connection) };
    audit_write(x->a->audit, &ev);
    if (r == RESOURCES_OK)
        answer(x, snapshot, out, 200);
    else if (r == RESOURCES_INVALID || r == RESOURCES_CONFLICT || r == RESOURCES_NOT_FOUND)
        exchange_error(x, 409, *e.text ? e.text : "Somebody else was first.",
                       "Load the list again.", "conflict");
    else
        store_failed(x, r, &e);
    resource_unref(out);
}

void api_request_decide(struct exchange *x) {
    char note[NOTE_MAX + 1];
    struct sight s;
    size_t w = 0;
    while (w < ARRAY_LEN(words) && strcmp(words[w].word, x->params[1]) != 0)
        w++;
    if (w == ARRAY_LEN(words)) {
        exchange_error(x, 404, "There is nothing at this address.", "Check the address.", NULL);
        return;
    }
    _json_ json_t *body = exchange_body(x);
    if (!body)
        return;
    snprintf(note, sizeof note, "%s", json_str(body, "note", ""));
    text_clean(note);
    struct snapshot *snapshot = catalog_snapshot(x->a->catalog);
    struct resource *r = find(x, snapshot);
    if (r) {
        look(&s, x, snapshot, r);
        if (allowed(&s, words[w].decision))
            decided(&s, words[w].decision, note, snapshot);
    }
    resource_unref(r);
    snapshot_unref(snapshot);
}
