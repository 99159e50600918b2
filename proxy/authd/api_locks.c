/* Locks by hand: a person, a connection or a session is shut out, with a reason they read. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/route.h"
#include "proxy/authd/text.h"

static json_t *to_json(const struct resource *r) {
    const struct lock *l = &r->lock;
    const char *sub = l->by.sub ? l->by.sub : l->by.username;
    json_t *by = sub ? json_pack("{s:s, s:s}", "sub", sub, "name", l->by.name ? l->by.name : sub)
                     : json_null();
    return json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:o, s:I, s:o}", "id", r->name, "sub",
                     l->sub, "sid", l->sid, "connection", l->connection, "session", l->session,
                     "reason", l->reason ? l->reason : "", "by", by, "created",
                     (json_int_t)r->created, "until",
                     l->until ? json_integer((json_int_t)l->until) : json_null());
}

void api_locks(struct exchange *x) {
    uint64_t generation = authd_generation(x->a);
    if (api_park(x, generation))
        return;
    struct resources_view *v = resources_view(x->a->resources, RESOURCE_LOCK);
    json_t *list = json_array();
    for (size_t i = 0; i < v->count; i++)
        if (resource_usable(v->items[i]) && !v->items[i]->lock.before) /* no mere sign-outs */
            json_array_append_new(list, to_json(v->items[i]));
    resources_view_unref(v);
    exchange_json(x, 200,
                  json_pack("{s:o, s:I}", "locks", list, "generation", (json_int_t)generation));
}

static void tell(struct exchange *x, bool ok, const char *id, const char *text) {
    struct audit_event ev = { .kind = AUDIT_LOCK,
                              .success = ok,
                              .who = x->who,
                              .peer = x->peer,
                              .message = text,
                              .detail = json_pack("{s:s}", "lock", id) };
    audit_write(x->a->audit, &ev);
}

static void answer(struct exchange *x, enum resources_result r, const struct err *e) {
    if (r == RESOURCES_INVALID)
        exchange_error(x, 400, e->text, "Say one of sub, connection and session, and a reason.",
                       NULL);
    else if (r == RESOURCES_NOT_FOUND)
        exchange_error(x, 404, "There is no such lock.", "Load the list again.", NULL);
    else
        exchange_error(x, 503, "The gateway could not write this down.", "Try again in a moment.",
                       NULL);
}

/* A text of the body, NULL where it is absent. */
static char *said(const json_t *body, const char *key) {
    const char *s = json_str(body, key, "");
    return *s ? (char *)(uintptr_t)s : NULL;
}

void api_lock_new(struct exchange *x) {
    struct err e = { 0 };
    struct resource *made = NULL;
    _json_ json_t *body = exchange_body(x);
    if (!body)
        return;
    int64_t minutes = json_num(body, "minutes", 0);
    const struct lock want = { .sub = said(body, "sub"),
                               .connection = said(body, "connection"),
                               .session = said(body, "session"),
                               .reason = said(body, "reason"),
                               .by = { .sub = x->who->sub, .name = x->who->name },
                               .until =
                                   minutes > 0 ? (int64_t)clock_wall_ms() + minutes * 60000 : 0 };
    int count = !!want.sub + !!want.connection + !!want.session;
    if (count != 1 || !want.reason || minutes < 0 || minutes > 5256000) {
        exchange_error(x, 400, "A lock is of one person, connection or session, with a reason.",
                       "Fill in what is missing.", NULL);
        return;
    }
    if (want.sub && strcmp(want.sub, x->who->sub) == 0) {
        exchange_error(x, 409, "You would lock yourself out.", "Let another moderator do it.",
                       NULL);
        return;
    }
    enum resources_result r = locks_add(x->a->locks, NULL, &want, &made, &e);
    tell(x, r == RESOURCES_OK, made ? made->name : "", r == RESOURCES_OK ? want.reason : e.text);
    if (r == RESOURCES_OK)
        exchange_json(x, 201, to_json(made));
    else
        answer(x, r, &e);
    resource_unref(made);
}

void api_lock_lift(struct exchange *x) {
    struct err e = { 0 };
    char reason[500];
    _json_ json_t *body = exchange_body(x);
    if (!body)
        return;
    snprintf(reason, sizeof reason, "lifted: %.400s", json_str(body, "reason", ""));
    text_clean(reason);
    struct resources_view *v = resources_view(x->a->resources, RESOURCE_LOCK);
    const struct resource *r = NULL;
    for (size_t i = 0; i < v->count && !r; i++)
        if (strcmp(v->items[i]->name, x->params[0]) == 0 && !v->items[i]->lock.before)
            r = v->items[i];
    enum resources_result result = RESOURCES_NOT_FOUND;
    if (r)
        result =
            resources_delete(x->a->resources, RESOURCE_LOCK, r->namespace, r->name, r->version, &e);
    resources_view_unref(v);
    tell(x, result == RESOURCES_OK, x->params[0], result == RESOURCES_OK ? reason : e.text);
    if (result == RESOURCES_OK)
        exchange_json(x, 200, json_object());
    else
        answer(x, result, &e);
}
