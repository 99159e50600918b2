/* Live sessions: those that run here are asked themselves, those of other replicas are told by
 * their GuacamoleSession. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/live.h"
#include "proxy/authd/relay.h"
#include "proxy/authd/sight.h"
#include "proxy/authd/text.h"

#define TEXT_MAX 500

/* ---- sight ----------------------------------------------------------------------------------- */

static const struct connection *find_connection(const struct snapshot *s, const char *name) {
    char namespace[64];
    const char *slash = strchr(name, '/');
    if (!slash || (size_t)(slash - name) >= sizeof namespace)
        return NULL;
    snprintf(namespace, sizeof namespace, "%.*s", (int)(slash - name), name);
    return snapshot_find(s, namespace, slash + 1);
}

void sight_init(struct sight_all *all, struct exchange *x) {
    *all = (struct sight_all){ x, catalog_snapshot(x->a->catalog),
                               resources_view(x->a->resources, RESOURCE_SESSION) };
}

void sight_fini(struct sight_all *all) {
    snapshot_unref(all->snapshot);
    resources_view_unref(all->sessions);
}

static void look(const struct sight_all *all, struct sight *s) {
    struct authd *a = all->x->a;
    const struct identity *who = all->x->who;
    s->c = find_connection(all->snapshot, s->connection);
    const struct share_ask q = { .who = who,
                                 .owner = s->owner,
                                 .c = s->c,
                                 .invites = s->resource ? s->resource->session.invites : NULL,
                                 .moderates = authd_can_moderate(a, who),
                                 .audits = authd_can_audit(a, who) };
    s->rights = share_rights(&q);
}

static void of_local(const struct sight_all *all, const struct session *one, struct sight *s) {
    *s = (struct sight){ .local = one,
                         .resource = live_find(all->sessions, one->id),
                         .owner = one->sub,
                         .owner_name = one->name };
    memcpy(s->id, one->id, sizeof s->id);
    snprintf(s->connection, sizeof s->connection, "%s", one->connection);
    look(all, s);
}

static void of_resource(const struct sight_all *all, const struct resource *r, struct sight *s) {
    *s = (struct sight){ .resource = r,
                         .owner = r->session.owner.sub ? r->session.owner.sub : "",
                         .owner_name = r->session.owner.name ? r->session.owner.name : "" };
    snprintf(s->id, sizeof s->id, "%s", r->name);
    live_connection(r, s->connection);
    look(all, s);
}

struct walk {
    const struct sight_all *all;
    void (*fn)(void *arg, const struct sight *s);
    void *arg;
    json_t *seen;
};

static void each_local(void *arg, const struct session *one) {
    struct walk *w = arg;
    struct sight s;
    of_local(w->all, one, &s);
    json_object_set_new(w->seen, one->id, json_true());
    if (s.rights)
        w->fn(w->arg, &s);
}

void sight_each(struct sight_all *all, void (*fn)(void *arg, const struct sight *s), void *arg) {
    _json_ json_t *seen = json_object();
    struct walk w = { all, fn, arg, seen };
    const char *here = all->x->a->conf.gateway_name;
    sessions_each(all->x->a->sessions, each_local, &w);
    for (size_t i = 0; i < all->sessions->count; i++) {
        const struct resource *r = all->sessions->items[i];
        struct sight s;
        if (!live_runs(r, (int64_t)clock_wall_ms()) || json_object_get(seen, r->name) ||
            (r->session.gateway && strcmp(r->session.gateway, here) == 0))
            continue;
        of_resource(all, r, &s);
        if (s.rights)
            fn(arg, &s);
    }
}

struct pick {
    const char *id;
    struct session *out;
    bool found;
};

static void pick_one(void *arg, const struct session *one) {
    struct pick *p = arg;
    if (!p->found && strcmp(one->id, p->id) == 0)
        p->found = session_copy(p->out, one) == 0;
}

bool sight_one(struct sight_all *all, struct sight *s, struct session *local) {
    struct exchange *x = all->x;
    struct pick p = { x->params[0], local, false };
    *local = (struct session){ 0 };
    sessions_each(x->a->sessions, pick_one, &p);
    const struct resource *r = p.found ? NULL : live_find(all->sessions, x->params[0]);
    bool there = p.found || (r && live_runs(r, (int64_t)clock_wall_ms()));
    if (p.found)
        of_local(all, local, s);
    else if (there)
        of_resource(all, r, s);
    if (there && s->rights)
        return true;
    exchange_error(x, 404, "This session is over.", "Load the list again.", NULL);
    return false;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *time_or_null(int64_t ms) {
    return ms ? json_integer((json_int_t)ms) : json_null();
}

static json_t *people_of(const struct sight *s) {
    if (s->local)
        return s->local->people ? json_deep_copy(s->local->people) : json_array();
    return s->resource->session.users ? json_deep_copy(s->resource->session.users) : json_array();
}

static const char *recorder_of(struct exchange *x, const struct sight *s) {
    if (s->local)
        return recorder_up(x->a->recorder) ? "ok" : "away";
    return s->resource->session.recorder == SESSION_BEHIND ? "behind" : "ok";
}

static json_t *to_json(struct exchange *x, const struct sight *s) {
    const char *slash = strchr(s->connection, '/');
    size_t ns = slash ? (size_t)(slash - s->connection) : 0;
    const char *name = slash ? slash + 1 : s->connection;
    const struct session_resource *r = s->resource ? &s->resource->session : NULL;
    json_t *people = people_of(s);
    int users = (int)(s->local ? (size_t)s->local->users : json_array_size(people));
    const char *protocol = s->local ? s->local->protocol : r->protocol;
    json_t *o = json_pack("{s:s, s:s%, s:s, s:s, s:s, s:s, s:{s:s%, s:s}, s:{s:s, s:s}}", "id",
                          s->id, "namespace", s->connection, ns, "name", name, "title",
                          s->c ? s->c->title : name, "protocol", protocol ? protocol : "", "target",
                          r && r->target ? r->target : "", "connection", "namespace", s->connection,
                          ns, "name", name, "owner", "sub", s->owner, "name", s->owner_name);
    json_t *more = json_pack(
        "{s:s, s:s, s:I, s:o, s:i, s:o, s:b, s:s, s:s, s:b, s:b, s:I, s:o}", "peer",
        r && r->address ? r->address : "", "gateway",
        r && r->gateway ? r->gateway : x->a->conf.gateway_name, "started",
        (json_int_t)(s->local ? s->local->started : r->started), "until",
        time_or_null(r ? r->until : 0), "users", users, "people", people, "mine",
        strcmp(s->owner, x->who->sub) == 0, "recording",
        s->local ? s->local->recording : "recorded", "recorder", recorder_of(x, s), "paused",
        s->local && s->local->paused, "moderated", s->c && s->c->moderation.there, "graceMs",
        (json_int_t)(s->local ? s->local->grace_ms : 0), "may", share_names(s->rights));
    json_object_update(o, more);
    json_decref(more);
    return o;
}

struct listing {
    struct exchange *x;
    json_t *list;
};

static void add(void *arg, const struct sight *s) {
    struct listing *l = arg;
    json_array_append_new(l->list, to_json(l->x, s));
}

void api_sessions(struct exchange *x) {
    struct sight_all all;
    uint64_t generation = authd_generation(x->a);
    if (api_park(x, generation))
        return;
    struct listing l = { x, json_array() };
    sessions_refresh(x->a->sessions);
    sight_init(&all, x);
    sight_each(&all, add, &l);
    sight_fini(&all);
    exchange_json(
        x, 200, json_pack("{s:o, s:I}", "sessions", l.list, "generation", (json_int_t)generation));
}

/* Its own replica knows better; the answer stands when that cannot be asked. */
static void relay_it(struct exchange *x, const struct sight *s) {
    if (!s->local && !x->relayed)
        x->relay = relay_to(x->a, s->id);
}

void api_session(struct exchange *x) {
    struct sight_all all;
    struct sight s;
    struct session local;
    sessions_refresh(x->a->sessions);
    sight_init(&all, x);
    if (sight_one(&all, &s, &local)) {
        exchange_json(x, 200, to_json(x, &s));
        relay_it(x, &s);
    }
    session_fini(&local);
    sight_fini(&all);
}

/* ---- doing ----------------------------------------------------------------------------------- */

/* The message for the session, or NULL: the body does not say what is needed. */
static json_t *say_end(const struct sight *s, const json_t *body, const char *text) {
    (void)s;
    (void)body;
    return json_pack("{s:s, s:i, s:s}", "op", "end", "status", STATUS_SESSION_CLOSED, "text", text);
}

static json_t *say_message(const struct sight *s, const json_t *body, const char *text) {
    (void)s;
    return *json_str(body, "text", "") ? json_pack("{s:s, s:s}", "op", "msg", "text", text) : NULL;
}

static json_t *say_pause(const struct sight *s, const json_t *body, const char *text) {
    (void)s;
    (void)body;
    return json_pack("{s:s, s:s}", "op", "pause", "why", text);
}

static json_t *say_resume(const struct sight *s, const json_t *body, const char *text) {
    (void)s;
    (void)body;
    return json_pack("{s:s, s:s}", "op", "resume", "why", text);
}

static json_t *say_role(const struct sight *s, const json_t *body, const char *text) {
    const char *role = json_str(body, "role", "");
    (void)s;
    (void)text;
    if (strcmp(role, "helper") != 0 && strcmp(role, "viewer") != 0)
        return NULL;
    return json_pack("{s:s, s:I, s:s}", "op", "role", "user", (json_int_t)json_num(body, "user", 0),
                     "role", role);
}

static const struct action {
    const char *name;
    unsigned right;
    json_t *(*say)(const struct sight *s, const json_t *body, const char *text);
    const char *own, *other; /* text where the body has none */
} actions[] = {
    { "end", SHARE_END, say_end, "You ended the session.", "A moderator ended the session." },
    { "message", SHARE_MESSAGE, say_message, "", "" },
    { "pause", SHARE_PAUSE, say_pause, "", "A moderator paused the session." },
    { "resume", SHARE_PAUSE, say_resume, "", "" },
    { "role", SHARE_ROLE, say_role, "", "" },
};

/* Another replica holds it: the lock reaches it. */
static bool end_elsewhere(struct exchange *x, const struct sight *s, const char *text,
                          struct err *e) {
    const struct lock want = { .session = (char *)(uintptr_t)s->id,
                               .reason = (char *)(uintptr_t)text,
                               .by = { .sub = x->who->sub, .name = x->who->name },
                               .until = (int64_t)clock_wall_ms() + 3600000 };
    return locks_add(x->a->locks, NULL, &want, NULL, e) == RESOURCES_OK;
}

static void act(struct exchange *x, const struct action *action, const struct sight *s,
                const json_t *body) {
    struct err e = { 0 };
    char text[TEXT_MAX + 1];
    const char *said = json_str(body, "text", "");
    bool mine = strcmp(s->owner, x->who->sub) == 0;
    snprintf(text, sizeof text, "%s", *said ? said : mine ? action->own : action->other);
    text_clean(text);
    json_t *msg = action->say(s, body, text);
    bool done = false;
    if (!msg) {
        exchange_error(x, 400, "The request does not say what to do.", "Reload the page.", NULL);
        return;
    }
    if (action->right != SHARE_END)
        relay_it(x, s);
    if (x->relay) {
        json_decref(msg);
        exchange_error(x, 503, "The gateway that holds this session cannot be reached.",
                       "Try again in a moment.", NULL);
        return;
    }
    if (s->local) {
        _json_ json_t *answer = sessions_call(x->a->sessions, s->id, msg, NULL, 0, &e);
        done = answer != NULL;
    } else {
        json_decref(msg);
        if (action->right == SHARE_END)
            done = end_elsewhere(x, s, text, &e);
        else
            err_set(&e, STATUS_SESSION_CONFLICT, "Another gateway of this installation holds it.");
    }
    struct audit_event ev = { .kind = AUDIT_SESSION_KILL,
                              .success = done,
                              .session = s->id,
                              .who = x->who,
                              .peer = x->peer,
                              .message = done ? text : e.text,
                              .detail = json_pack("{s:s, s:s}", "connection", s->connection,
                                                  "action", action->name) };
    audit_write(x->a->audit, &ev);
    if (done)
        exchange_json(x, 200, json_object());
    else
        exchange_error(x, status_http(e.status), e.text, "Try again.", NULL);
}

void api_session_act(struct exchange *x) {
    struct sight_all all;
    struct sight s;
    struct session local;
    size_t i = 0;
    while (i < ARRAY_LEN(actions) && strcmp(actions[i].name, x->params[1]) != 0)
        i++;
    if (i == ARRAY_LEN(actions)) {
        exchange_error(x, 404, "There is nothing at this address.", "Check the address.", NULL);
        return;
    }
    _json_ json_t *body = exchange_body(x);
    if (!body)
        return;
    sight_init(&all, x);
    if (sight_one(&all, &s, &local)) {
        if (s.rights & actions[i].right)
            act(x, &actions[i], &s, body);
        else
            exchange_fail(x, FAILURE_FORBIDDEN, "The session is another person's.");
    }
    session_fini(&local);
    sight_fini(&all);
}
