/* The list of connections: what there is, what of it is for this person, and why not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "proxy/authd/approvals.h"
#include "proxy/authd/jsontext.h"
#include "proxy/authd/route.h"
#include "proxy/authd/usertoken.h"
#include "proxy/authd/used.h"

#define WAIT_MAX_S 30

/* namespace/name -> how many sessions run. */
static void count_live(void *arg, const struct session *one) {
    json_t *counts = arg;
    json_int_t n = json_integer_value(json_object_get(counts, one->connection));
    json_object_set_new(counts, one->connection, json_integer(n + 1));
}

static void put_recording(struct buf *b, const struct connection *c) {
    jsontext_open(b, "recording", '{');
    jsontext_bool(b, "enabled", c->recording.enabled);
    jsontext_int(b, "retentionDays", c->recording.retention_days);
    jsontext_str(b, "keys", connection_keys_name(c->recording.keys));
    jsontext_close(b, '{');
}

static void put_jit(struct exchange *x, const struct authd_view *v, const struct connection *c) {
    struct buf *b = &x->text;
    if (json_array_size(c->jit.approvers) == 0) {
        jsontext_str(b, "jit", NULL);
        return;
    }
    const struct resource *r = requests_newest(&v->requests, c, false);
    jsontext_open(b, "jit", '{');
    jsontext_strings(b, "requiredApprovers", c->jit.approvers);
    jsontext_int(b, "maxDurationMinutes", c->jit.max_minutes);
    if (r) {
        char id[REQUESTS_ID];
        int64_t pending = x->a->conf.request_hours * 3600000LL;
        _json_ json_t *missing = approvals_missing(c->jit.approvers, r);
        requests_id(r, id);
        jsontext_open(b, "request", '{');
        jsontext_str(b, "id", id);
        jsontext_str(b, "state",
                     approvals_state_name(approvals_state(r, pending, (int64_t)clock_wall_ms())));
        jsontext_strings(b, "missing", missing);
        jsontext_int(b, "until", approvals_until(r, pending));
        jsontext_close(b, '{');
    } else {
        jsontext_str(b, "request", NULL);
    }
    jsontext_close(b, '{');
}

/* Where to go for a sign-in that is strong enough; null where none is asked. */
static void put_step_up(struct buf *b, const struct connection *c) {
    char path[500];
    if (!c->step_up.acr && !c->step_up.max_age_minutes) {
        jsontext_str(b, "stepUp", NULL);
        return;
    }
    snprintf(path, sizeof path, "/auth/login?to=/connections&connection=%s/%s", c->namespace,
             c->name);
    jsontext_str(b, "stepUp", path);
}

static void put_decision(struct buf *b, const struct decision *d) {
    jsontext_bool(b, "allowed", d->allow);
    jsontext_str(b, "why", d->allow ? "" : d->why);
    jsontext_str(b, "advice", d->allow ? "" : d->advice);
    jsontext_str(b, "rule", d->allow ? "" : d->name);
}

/* Who is outside the audience sees that a connection is there and why it is not for him, not where
 * it leads, nor what its author wrote. Errors of what names nobody are for all who may work here.
 */
static void put_connection(struct exchange *x, const struct authd_view *v,
                           const struct connection *c, const struct decision *d, const json_t *live,
                           bool insider) {
    struct buf *b = &x->text;
    char target[300] = "", name[400];
    bool wrong = json_array_size(c->errors) > 0;
    snprintf(name, sizeof name, "%s/%s", c->namespace, c->name);
    if (insider)
        connection_target(c, target, sizeof target);
    int64_t last = used_last(x->a->used, x->who->sub, name);
    jsontext_open(b, NULL, '{');
    jsontext_str(b, "namespace", c->namespace);
    jsontext_str(b, "name", c->name);
    jsontext_str(b, "title", c->title);
    jsontext_str(b, "protocol", c->protocol ? c->protocol->name : "");
    jsontext_str(b, "target", target);
    jsontext_str(b, "environment", c->environment);
    put_recording(b, c);
    put_jit(x, v, c);
    put_step_up(b, c);
    jsontext_bool(b, "moderated", c->moderation.there);
    put_decision(b, d);
    jsontext_strings(b, "errors", insider ? c->errors : NULL);
    jsontext_strings(b, "choose", insider ? c->kubernetes.choose : NULL);
    jsontext_bool(b, "ownToken", usertoken_asked(c));
    if (wrong)
        jsontext_str(b, "source", insider ? c->source : "");
    jsontext_int(b, "live", json_integer_value(json_object_get(live, name)));
    if (last)
        jsontext_int(b, "lastUsed", last);
    else
        jsontext_str(b, "lastUsed", NULL);
    jsontext_close(b, '{');
}

static void put_connections(struct exchange *x, const struct snapshot *s) {
    _json_ json_t *live = json_object();
    sessions_each(x->a->sessions, count_live, live);
    struct authd_view view;
    authd_view_init(&view, x->a, x->who, s);
    jsontext_open(&x->text, "connections", '[');
    for (size_t i = 0; i < s->count; i++) {
        const struct connection *c = s->connections[i];
        bool insider = json_array_size(c->roles) == 0 || identity_has_any(x->who, c->roles);
        struct decision d;
        if (!insider && !x->a->conf.show_refused)
            continue;
        authd_decide(&view, c, false, &d);
        put_connection(x, &view, c, &d, live, insider);
    }
    jsontext_close(&x->text, '[');
    authd_view_fini(&view);
}

/* What is wrong and is no connection: for moderators. */
static void put_problems(struct exchange *x, const struct snapshot *s) {
    size_t i;
    json_t *problem;
    jsontext_open(&x->text, "problems", '[');
    json_array_foreach(s->problems, i, problem) {
        if (!authd_can_moderate(x->a, x->who))
            break;
        jsontext_open(&x->text, NULL, '{');
        jsontext_str(&x->text, "source", json_str(problem, "source", ""));
        jsontext_strings(&x->text, "errors", json_object_get(problem, "errors"));
        jsontext_close(&x->text, '{');
    }
    jsontext_close(&x->text, '[');
}

bool api_park(struct exchange *x, uint64_t generation) {
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
    if (api_park(x, generation))
        return;
    struct snapshot *s = catalog_snapshot(x->a->catalog);
    jsontext_open(&x->text, NULL, '{');
    put_connections(x, s);
    jsontext_int(&x->text, "generation", (int64_t)generation);
    put_problems(x, s);
    jsontext_close(&x->text, '{');
    snapshot_unref(s);
    if (x->text.failed) {
        exchange_error(x, 503, "The list is too long to be sent.", "Tell the gateway's operators.",
                       NULL);
        return;
    }
    x->status = 200;
    exchange_header(x, "content-type", "application/json; charset=utf-8");
}
