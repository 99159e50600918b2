/* The store decides between replicas; what is written here is never more than a few seconds old. */
#include "proxy/authd/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/authd.h"

#define TRIES 20
#define TURN_MS 3000      /* how long others may take to draw their number */
#define CHOOSING_MS 10000 /* one that has none after that never draws one */

void live_connection(const struct resource *session, char out[400]) {
    snprintf(out, 400, "%s/%s", session->namespace,
             session->session.connection ? session->session.connection : "");
}

bool live_runs(const struct resource *session, int64_t now) {
    const struct session_resource *s = &session->session;
    return resource_usable(session) && s->phase == SESSION_LIVE &&
           now - MAX_OF(s->updated, s->started) < LIVE_DEAD_MS;
}

struct resource *live_find(const struct resources_view *v, const char *id) {
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->items[i]->name, id) == 0 && resource_usable(v->items[i]))
            return v->items[i];
    return NULL;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void list_room(struct live_list *l) {
    l->list = calloc(l->view->count + 1, sizeof *l->list);
    l->names = calloc(l->view->count + 1, sizeof *l->names);
}

static void list_add(struct live_list *l, const struct resource *r) {
    if (!l->list || !l->names)
        return;
    live_connection(r, l->names[l->count]);
    l->list[l->count] = (struct policy_session){ r->session.owner.sub ? r->session.owner.sub : "",
                                                 l->names[l->count] };
    l->count++;
}

void live_list_init(struct live_list *l, struct resources *store, int64_t now) {
    *l = (struct live_list){ .view = resources_view(store, RESOURCE_SESSION) };
    for (size_t i = 0; i < l->view->count; i++) {
        if (!live_runs(l->view->items[i], now))
            continue;
        if (!l->list)
            list_room(l);
        list_add(l, l->view->items[i]);
    }
}

void live_list_fini(struct live_list *l) {
    resources_view_unref(l->view);
    free(l->list);
    free(l->names);
    *l = (struct live_list){ 0 };
}

/* ---- making, dropping ------------------------------------------------------------------------ */

int live_create(struct authd *a, const struct live_want *w, struct err *e) {
    struct err why = { 0 };
    struct resource *r = resource_new(RESOURCE_SESSION, w->connection->namespace, w->id);
    if (!r)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for a session");
    struct session_resource *s = &r->session;
    resource_text(&s->connection, w->connection->name);
    resource_text(&s->protocol, w->connection->protocol->name);
    resource_text(&s->target, w->target);
    resource_text(&s->owner.sub, w->who->sub);
    resource_text(&s->owner.name, w->who->name);
    resource_text(&s->gateway, a->conf.gateway_name);
    resource_text(&s->relay,
                  a->conf.relay_address && *a->conf.relay_address ? a->conf.relay_address : NULL);
    resource_text(&s->address, w->peer && *w->peer ? w->peer : NULL);
    resource_text(&s->request, w->request);
    resource_text(&s->sid, w->who->development ? NULL : w->who->sid);
    s->started = w->started;
    s->until = w->until;
    enum resources_result result = resources_create(a->resources, r, NULL, &why);
    resource_unref(r);
    if (result == RESOURCES_OK)
        return 0;
    log_error("session %s: %s: %s", w->id, resources_result_name(result), why.text);
    return err_set(e, STATUS_SERVER_BUSY,
                   "The gateway could not write the session down. Try again in a moment.");
}

void live_drop(struct authd *a, const char *namespace, const char *id) {
    struct err e = { 0 };
    enum resources_result r =
        resources_delete(a->resources, RESOURCE_SESSION, namespace, id, NULL, &e);
    if (r != RESOURCES_OK && r != RESOURCES_NOT_FOUND)
        log_warning("session %s stays listed: %s", id, e.text);
}

enum resources_result live_change(struct authd *a, const char *namespace, const char *id,
                                  live_change_fn *fn, void *arg, struct err *e) {
    enum resources_result result = RESOURCES_CONFLICT;
    for (int i = 0; i < TRIES && result == RESOURCES_CONFLICT; i++) {
        struct resource *now = NULL;
        *e = (struct err){ 0 };
        result = resources_get(a->resources, RESOURCE_SESSION, namespace, id, &now, e);
        if (result != RESOURCES_OK)
            return result;
        struct resource *next = resource_copy(now), *stored = NULL;
        resource_unref(now);
        if (!next)
            return RESOURCES_UNAVAILABLE;
        if (fn(arg, &next->session)) {
            result = resources_update_status(a->resources, next, &stored, e);
            if (result == RESOURCES_OK)
                locks_settle(a->resources, stored);
            resource_unref(stored);
        } else {
            result = RESOURCES_REFUSED;
        }
        resource_unref(next);
    }
    return result;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static bool in_scope(const struct authd *a, const struct live_want *w, const struct resource *r,
                     int64_t now) {
    if (!live_runs(r, now) || strcmp(r->name, w->id) == 0)
        return false;
    return a->conf.sessions_per_person ||
           (strcmp(r->namespace, w->connection->namespace) == 0 && r->session.connection &&
            strcmp(r->session.connection, w->connection->name) == 0);
}

static bool set_ticket(void *arg, struct session_resource *s) {
    s->ticket = *(const int64_t *)arg;
    return true;
}

static int list_now(struct authd *a, struct resources_view **v, struct err *e) {
    return resources_list(a->resources, RESOURCE_SESSION, NULL, v, e) == RESOURCES_OK
               ? 0
               : err_set(e, STATUS_SERVER_BUSY,
                         "The gateway could not count its sessions. Try again in a moment.");
}

static int draw(struct authd *a, const struct live_want *w, int64_t *ticket, struct err *e) {
    struct resources_view *v = NULL;
    int64_t now = (int64_t)clock_wall_ms();
    if (list_now(a, &v, e))
        return -1;
    *ticket = 1;
    for (size_t i = 0; i < v->count; i++)
        if (in_scope(a, w, v->items[i], now))
            *ticket = MAX_OF(*ticket, v->items[i]->session.ticket + 1);
    resources_view_unref(v);
    if (live_change(a, w->connection->namespace, w->id, set_ticket, ticket, e) == RESOURCES_OK)
        return 0;
    return err_set(e, STATUS_SERVER_BUSY,
                   "The gateway could not count its sessions. Try again in a moment.");
}

/* Does anybody still draw? */
static bool choosing(struct authd *a, const struct live_want *w, const struct resources_view *v) {
    int64_t now = (int64_t)clock_wall_ms();
    for (size_t i = 0; i < v->count; i++)
        if (in_scope(a, w, v->items[i], now) && v->items[i]->session.ticket == 0 &&
            now - v->items[i]->session.started < CHOOSING_MS)
            return true;
    return false;
}

int live_turn(struct authd *a, const struct live_want *w, struct live_list *earlier,
              struct err *e) {
    const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
    uint64_t until = clock_ms() + TURN_MS;
    int64_t mine, now = (int64_t)clock_wall_ms();
    *earlier = (struct live_list){ 0 };
    if (draw(a, w, &mine, e))
        return -1;
    for (;;) {
        if (list_now(a, &earlier->view, e))
            return -1;
        if (!choosing(a, w, earlier->view) || clock_ms() >= until)
            break;
        resources_view_unref(earlier->view);
        earlier->view = NULL;
        nanosleep(&moment, NULL);
    }
    list_room(earlier);
    for (size_t i = 0; i < earlier->view->count; i++) {
        const struct resource *r = earlier->view->items[i];
        int64_t its = r->session.ticket;
        if (in_scope(a, w, r, now) && (its < mine || (its == mine && strcmp(r->name, w->id) < 0)))
            list_add(earlier, r);
    }
    return 0;
}

/* ---- refresh --------------------------------------------------------------------------------- */

static bool set_refreshed(void *arg, struct session_resource *s) {
    s->refreshed = *(const int64_t *)arg;
    return true;
}

static void refresh_one(struct authd *a, const struct identity *who, const struct resource *r,
                        const struct snapshot *snapshot) {
    struct err e = { 0 };
    int64_t now = (int64_t)clock_wall_ms();
    const struct connection *c =
        snapshot_find(snapshot, r->namespace, r->session.connection ? r->session.connection : "");
    bool inside =
        !c || (identity_has_any(who, c->roles) && (json_array_size(a->conf.operators) == 0 ||
                                                   identity_has_any(who, a->conf.operators)));
    if (inside) {
        live_change(a, r->namespace, r->name, set_refreshed, &now, &e);
        return;
    }
    const struct lock gone = { .session = r->name,
                               .reason = (char *)(uintptr_t) "Your role for this connection is "
                                                             "gone.",
                               .until = now + 3600000 };
    if (locks_add(a->locks, NULL, &gone, NULL, &e) != RESOURCES_OK)
        log_error("session %s of a lost role: %s", r->name, e.text);
}

void live_refreshed(struct authd *a, const struct identity *who) {
    struct resources_view *v = resources_view(a->resources, RESOURCE_SESSION);
    struct snapshot *snapshot = catalog_snapshot(a->catalog);
    int64_t now = (int64_t)clock_wall_ms();
    for (size_t i = 0; i < v->count; i++) {
        const struct resource *r = v->items[i];
        const char *sub = r->session.owner.sub, *sid = r->session.sid;
        if (live_runs(r, now) && sub && sid && strcmp(sub, who->sub) == 0 &&
            strcmp(sid, who->sid) == 0)
            refresh_one(a, who, r, snapshot);
    }
    snapshot_unref(snapshot);
    resources_view_unref(v);
}
