/* The page's own questions: who am I, what can I open, what runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/route.h"
#include "proxy/authd/used.h"

#define WAIT_MAX_S 30

void api_me(struct exchange *x) {
    char csrf[COOKIE_CSRF_LEN + 1];
    struct snapshot *s = catalog_snapshot(x->a->catalog);
    authd_csrf(x->a, x->who->sid, csrf);
    exchange_json(x, 200,
                  json_pack("{s:s, s:s, s:O, s:b, s:b, s:b, s:s, s:I, s:b}", "sub", x->who->sub,
                            "name", x->who->name, "roles", x->who->roles, "canOperate",
                            authd_can_operate(x->a, x->who, s), "canAudit",
                            authd_can_audit(x->a, x->who), "canModerate",
                            authd_can_moderate(x->a, x->who), "csrf", csrf, "expires",
                            (json_int_t)(x->who->exp * 1000), "refresh", x->who->refresh != NULL));
    snapshot_unref(s);
}

/* ---- connections ----------------------------------------------------------------------------- */

/* namespace/name -> how many sessions run. */
static void count_live(void *arg, const struct session *one) {
    json_t *counts = arg;
    json_int_t n = json_integer_value(json_object_get(counts, one->connection));
    json_object_set_new(counts, one->connection, json_integer(n + 1));
}

static json_t *jit_of(const struct connection *c) {
    if (json_array_size(c->jit.approvers) == 0)
        return json_null();
    return json_pack("{s:o, s:i}", "requiredApprovers", json_deep_copy(c->jit.approvers),
                     "maxDurationMinutes", c->jit.max_minutes);
}

/* Who is outside the audience sees that a connection is there and why it is not for him, not where
 * it leads, nor what its author wrote. */
static json_t *connection_json(struct exchange *x, const struct connection *c,
                               const struct decision *d, const json_t *live) {
    char target[300] = "", name[400];
    bool insider = identity_has_any(x->who, c->roles);
    snprintf(name, sizeof name, "%s/%s", c->namespace, c->name);
    if (insider)
        connection_target(c, target, sizeof target);
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:b, s:i, s:s}, s:o, s:b, s:s, s:s, s:I}",
                  "namespace", c->namespace, "name", c->name, "title", c->title, "protocol",
                  c->protocol ? c->protocol->name : "", "target", target, "recording", "enabled",
                  c->recording.enabled, "retentionDays", c->recording.retention_days, "keys",
                  connection_keys_name(c->recording.keys), "jit", jit_of(c), "allowed", d->allow,
                  "why", d->allow ? "" : d->why, "rule", d->allow ? "" : d->name, "live",
                  json_integer_value(json_object_get(live, name)));
    if (!o)
        return NULL;
    int64_t last = used_last(x->a->used, x->who->sub, name);
    json_object_set_new(o, "advice", json_string(d->allow ? "" : d->advice));
    json_object_set_new(o, "lastUsed", last ? json_integer((json_int_t)last) : json_null());
    json_object_set_new(o, "environment",
                        c->environment ? json_string(c->environment) : json_null());
    /* Errors are for those it is meant for; of what names nobody, for all who may work here. */
    bool tell = insider || json_array_size(c->roles) == 0;
    json_object_set_new(o, "errors", tell ? json_deep_copy(c->errors) : json_array());
    if (json_array_size(c->errors) > 0)
        json_object_set_new(o, "source", json_string(tell ? c->source : ""));
    return o;
}

static json_t *list_connections(struct exchange *x, const struct snapshot *s) {
    json_t *list = json_array();
    _json_ json_t *live = json_object();
    sessions_each(x->a->sessions, count_live, live);
    for (size_t i = 0; i < s->count; i++) {
        const struct connection *c = s->connections[i];
        struct decision d;
        authd_decide(x->a, x->who, c, s, false, &d);
        bool insider = identity_has_any(x->who, c->roles) || json_array_size(c->roles) == 0;
        if (insider || x->a->conf.show_refused)
            json_array_append_new(list, connection_json(x, c, &d, live));
    }
    return list;
}

/* True: nothing changed yet, come back later. */
static bool park(struct exchange *x, uint64_t generation) {
    const char *after = query_get(&x->query, "after", ""),
               *wait = query_get(&x->query, "wait", "0");
    char *end;
    unsigned long long known = strtoull(after, &end, 10);
    long seconds = strtol(wait, NULL, 10);
    if (!*after || *end || known != generation || seconds <= 0 || x->waited)
        return false;
    x->park_generation = generation;
    x->park_until = clock_ms() + (uint64_t)MIN_OF(seconds, WAIT_MAX_S) * 1000;
    return true;
}

void api_connections(struct exchange *x) {
    uint64_t generation = authd_generation(x->a);
    if (park(x, generation))
        return;
    struct snapshot *s = catalog_snapshot(x->a->catalog);
    json_t *problems =
        authd_can_moderate(x->a, x->who) ? json_deep_copy(s->problems) : json_array();
    exchange_json(x, 200,
                  json_pack("{s:o, s:I, s:o}", "connections", list_connections(x, s), "generation",
                            (json_int_t)generation, "problems", problems));
    snapshot_unref(s);
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct listing {
    struct exchange *x;
    json_t *list;
    bool all;
};

static void list_session(void *arg, const struct session *one) {
    struct listing *l = arg;
    bool mine = strcmp(one->sub, l->x->who->sub) == 0;
    const char *slash = strchr(one->connection, '/');
    if (!mine && !l->all)
        return;
    int namespace_len = slash ? (int)(slash - one->connection) : 0;
    json_array_append_new(
        l->list,
        json_pack("{s:s, s:{s:s%, s:s}, s:s, s:{s:s, s:s}, s:I, s:i, s:b, s:s, s:I}", "id", one->id,
                  "connection", "namespace", one->connection, (size_t)namespace_len, "name",
                  slash ? slash + 1 : one->connection, "protocol", one->protocol, "owner", "sub",
                  one->sub, "name", one->name, "started", (json_int_t)one->started, "users",
                  (int)one->users, "mine", mine, "recording", one->recording, "graceMs",
                  (json_int_t)one->grace_ms));
}

void api_sessions(struct exchange *x) {
    struct listing l = { x, json_array(),
                         authd_can_moderate(x->a, x->who) || authd_can_audit(x->a, x->who) };
    sessions_refresh(x->a->sessions);
    sessions_each(x->a->sessions, list_session, &l);
    exchange_json(x, 200, json_pack("{s:o}", "sessions", l.list));
}

/* The text of a body {"text": …}; "" when there is none. -1: malformed. */
static int body_text(struct exchange *x, char *out, size_t size) {
    struct err e = { 0 };
    *out = '\0';
    if (!x->body || !*x->body)
        return 0;
    _json_ json_t *body = json_parse(x->body, strlen(x->body), 4096, &e);
    if (!body)
        return -1;
    snprintf(out, size, "%s", json_str(body, "text", ""));
    return 0;
}

void api_session_end(struct exchange *x) {
    struct err e = { 0 };
    char text[300], words[400];
    const char *id = x->params[0];
    _json_ json_t *info = sessions_info(x->a->sessions, id, &e);
    if (!info) {
        exchange_error(x, status_http(e.status), "This session is over.", "Reload the list.", NULL);
        return;
    }
    bool mine = strcmp(json_str(info, "owner", ""), x->who->sub) == 0;
    if (!mine && !authd_can_moderate(x->a, x->who)) {
        exchange_fail(x, FAILURE_FORBIDDEN, "The session is another person's.");
        return;
    }
    if (body_text(x, text, sizeof text)) {
        exchange_error(x, 400, "The request's body is malformed.", "Reload the page.", NULL);
        return;
    }
    snprintf(words, sizeof words, "%s",
             *text  ? text
             : mine ? "You ended the session."
                    : "A moderator ended the session.");
    _json_ json_t *answer = sessions_call(
        x->a->sessions, id,
        json_pack("{s:s, s:i, s:s}", "op", "end", "status", STATUS_SESSION_CLOSED, "text", words),
        NULL, 0, &e);
    struct audit_event ev = { .kind = AUDIT_SESSION_KILL,
                              .success = answer != NULL,
                              .session = id,
                              .who = x->who,
                              .peer = x->peer,
                              .message = answer ? words : e.text,
                              .detail = json_pack("{s:s}", "connection",
                                                  json_str(info, "connection", "")) };
    audit_write(x->a->audit, &ev);
    if (answer)
        exchange_json(x, 200, json_object());
    else
        exchange_error(x, status_http(e.status), e.text, "Try again.", NULL);
}
