/* One look compares what runs here with what the store says. */
#include "proxy/authd/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/stats.h"

#define LOOK_MS 1000
#define SWEEP_MS 5000

struct keeper {
    struct authd *a;
    pthread_t thread;
    _Atomic bool stopping;
};

/* ---- the verdict ----------------------------------------------------------------------------- */

static bool same(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

/* An approved request of the owner whose window runs. */
static bool granted(const struct keeper_session *s, const struct connection *c,
                    const struct resource *const *requests, size_t count, int64_t now) {
    for (size_t i = 0; i < count; i++) {
        const struct access_request *q = &requests[i]->request;
        if (same(q->requester.sub, s->sub) && same(requests[i]->namespace, c->namespace) &&
            same(q->connection, c->name) && q->phase == REQUEST_APPROVED && now < q->expires)
            return true;
    }
    return false;
}

const char *keeper_verdict(const struct keeper_session *s, const struct connection *c,
                           const struct policy_lock *locks, size_t lock_count,
                           const struct resource *const *requests, size_t request_count,
                           int64_t now) {
    const struct policy_lock of = {
        .sid = s->sid, .sub = s->sub, .connection = s->connection, .session = s->id
    };
    const struct policy_lock *l = policy_locked(locks, lock_count, &of, s->started, now);
    if (l)
        return l->reason && *l->reason ? l->reason : "This session was locked.";
    if (c && json_array_size(c->jit.approvers) > 0 && !granted(s, c, requests, request_count, now))
        return "The approval for this session is over or was revoked.";
    return NULL;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* What runs here, copied: ending one asks its process, and no lock may be held then. */
struct running {
    struct keeper_session *list;
    size_t count, room;
};

static void copy(void *arg, const struct session *one) {
    struct running *r = arg;
    if (r->count == r->room)
        return;
    struct keeper_session s = { strdup(one->id), strdup(one->sub), NULL, strdup(one->connection),
                                one->started };
    if (s.id && s.sub && s.connection) {
        r->list[r->count++] = s;
        return;
    }
    free((char *)(uintptr_t)s.id);
    free((char *)(uintptr_t)s.sub);
    free((char *)(uintptr_t)s.connection);
}

static void running_init(struct running *r, struct sessions *s) {
    *r = (struct running){ .room = sessions_count(s) + 16 };
    r->list = calloc(r->room, sizeof *r->list);
    if (r->list)
        sessions_each(s, copy, r);
}

static void running_fini(struct running *r) {
    for (size_t i = 0; i < r->count; i++) {
        free((char *)(uintptr_t)r->list[i].id);
        free((char *)(uintptr_t)r->list[i].sub);
        free((char *)(uintptr_t)r->list[i].connection);
    }
    free(r->list);
}

static const struct connection *connection_of(const struct snapshot *s, const char *name) {
    char namespace[64];
    const char *slash = strchr(name, '/');
    if (!slash || (size_t)(slash - name) >= sizeof namespace)
        return NULL;
    memcpy(namespace, name, (size_t)(slash - name));
    namespace[slash - name] = '\0';
    return snapshot_find(s, namespace, slash + 1);
}

static void end(struct authd *a, const struct keeper_session *s, const char *why) {
    struct err e = { 0 };
    _json_ json_t *answer = sessions_call(
        a->sessions, s->id,
        json_pack("{s:s, s:i, s:s}", "op", "end", "status", STATUS_SESSION_CLOSED, "text", why),
        NULL, 0, &e);
    if (!answer && e.status == STATUS_RESOURCE_NOT_FOUND)
        return; /* it ended by itself meanwhile */
    struct audit_event ev = { .kind = AUDIT_SESSION_KILL,
                              .success = answer != NULL,
                              .session = s->id,
                              .message = answer ? why : e.text,
                              .detail = json_pack("{s:s, s:s}", "connection", s->connection,
                                                  "owner", s->sub) };
    audit_write(a->audit, &ev);
}

static void look(struct authd *a, int64_t now) {
    struct running r;
    running_init(&r, a->sessions);
    if (r.count) {
        struct snapshot *snapshot = catalog_snapshot(a->catalog);
        struct resources_view *requests = resources_view(a->resources, RESOURCE_REQUEST);
        struct locks_view locks;
        locks_view_init(&locks, a->locks, NULL);
        for (size_t i = 0; i < r.count; i++) {
            const struct keeper_session *s = &r.list[i];
            const char *why = keeper_verdict(
                s, connection_of(snapshot, s->connection), locks.list, locks.count,
                (const struct resource *const *)requests->items, requests->count, now);
            if (why)
                end(a, s, why);
        }
        locks_view_fini(&locks);
        resources_view_unref(requests);
        snapshot_unref(snapshot);
    }
    running_fini(&r);
}

static void *run(void *arg) {
    struct keeper *k = arg;
    uint64_t swept = 0;
    while (!atomic_load(&k->stopping)) {
        uint64_t known = resources_generation(k->a->resources);
        int64_t now = (int64_t)clock_wall_ms();
        look(k->a, now);
        if (clock_ms() - swept >= SWEEP_MS) {
            locks_sweep(k->a->locks, now);
            requests_sweep(k->a, now);
            swept = clock_ms();
        }
        resources_wait(k->a->resources, known, LOOK_MS);
    }
    return NULL;
}

struct keeper *keeper_new(struct authd *a, struct err *e) {
    struct keeper *k = calloc(1, sizeof *k);
    if (!k) {
        err_set(e, 0, "no memory for the keeper");
        return NULL;
    }
    k->a = a;
    if (pthread_create(&k->thread, NULL, run, k) == 0)
        return k;
    free(k);
    err_set(e, 0, "no thread for the keeper");
    return NULL;
}

void keeper_free(struct keeper *k) {
    if (!k)
        return;
    atomic_store(&k->stopping, true);
    pthread_join(k->thread, NULL);
    free(k);
}
