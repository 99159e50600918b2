/* One look compares what runs here with what the store says. */
#include "proxy/authd/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/live.h"
#include "proxy/authd/renew.h"
#include "proxy/authd/share.h"
#include "proxy/authd/transfers.h"

#define LOOK_MS 1000
#define SWEEP_MS 5000
#define WRITE_MS 10000 /* between two writes of one session's status */
#define ALIVE_MS 60000 /* and at least so often */
#define FILES_MS 2000  /* between two questions for the files that went through a session */
#define LOST_MS 10000  /* a new session's resource is in view by then */

struct kept;

struct keeper {
    struct authd *a;
    pthread_t thread;
    _Atomic bool stopping;
    struct kept *list; /* the thread's own */
    size_t count, room;
    int64_t began;   /* Unix ms */
    bool moderating; /* some session waits for its moderator: look closer */
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

/* Why no window runs any more: the newest request of the owner says it, in the words of who revoked
 * it where somebody did. Held by that request. */
static const char *why_over(const struct keeper_session *s, const struct connection *c,
                            const struct resource *const *requests, size_t count) {
    const struct resource *newest = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct access_request *q = &requests[i]->request;
        if (same(q->requester.sub, s->sub) && same(requests[i]->namespace, c->namespace) &&
            same(q->connection, c->name) && q->approved && q->phase != REQUEST_PENDING &&
            (!newest || requests[i]->created > newest->created))
            newest = requests[i];
    }
    if (newest && newest->request.phase == REQUEST_REVOKED && newest->request.message &&
        *newest->request.message)
        return newest->request.message;
    return newest && newest->request.phase != REQUEST_REVOKED
               ? "The time that was approved is over."
               : "The approval for this session is over or was revoked.";
}

const char *keeper_verdict(const struct keeper_session *s, const struct connection *c,
                           const struct policy_lock *locks, size_t lock_count,
                           const struct resource *const *requests, size_t request_count,
                           int64_t unrefreshed_ms, int64_t now) {
    const struct policy_lock of = {
        .sid = s->sid, .sub = s->sub, .connection = s->connection, .session = s->id
    };
    const struct policy_lock *l = policy_locked(locks, lock_count, &of, s->started, now);
    if (l)
        return l->reason && *l->reason ? l->reason : "This session was locked.";
    if (c && json_array_size(c->jit.approvers) > 0 && !granted(s, c, requests, request_count, now))
        return why_over(s, c, requests, request_count);
    if (unrefreshed_ms && s->confirmed && now - s->confirmed > unrefreshed_ms)
        return "Your sign-in was not confirmed for some time. Sign in again.";
    return NULL;
}

/* ---- what is known of each --------------------------------------------------------------------
 */

struct kept {
    struct session one; /* a copy: ending one asks its process, and no lock may be held then */
    bool here;          /* seen in this look */
    bool stored;        /* its resource was seen */
    bool waiting;       /* we paused it: no moderator is there */
    bool moderated;     /* one was there */
    bool seen;          /* by the moderation below, at all */
    int64_t written;    /* when its status was written last; Unix ms */
    char digest[65];    /* of what was written */
    int64_t asked, transfers; /* for files that went through, when and up to which; Unix ms */
    struct renew renew;       /* of the gateway's own token */
};

static struct kept *find_kept(struct keeper *k, const char *id) {
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->list[i].one.id, id) == 0)
            return &k->list[i];
    return NULL;
}

static void take(void *arg, const struct session *one) {
    struct keeper *k = arg;
    struct session copy;
    struct kept *it = find_kept(k, one->id);
    if (!it && k->count == k->room) {
        struct kept *p = realloc(k->list, (k->room + 64) * sizeof *p);
        if (!p)
            return;
        k->list = p;
        k->room += 64;
    }
    if (session_copy(&copy, one))
        return;
    if (it)
        session_fini(&it->one);
    else
        *(it = &k->list[k->count++]) = (struct kept){ 0 };
    it->one = copy;
    it->here = true;
}

/* "namespace/name" in two. */
static bool split(const char *name, char namespace[64], const char **rest) {
    const char *slash = strchr(name, '/');
    if (!slash || (size_t)(slash - name) >= 64)
        return false;
    memcpy(namespace, name, (size_t)(slash - name));
    namespace[slash - name] = '\0';
    *rest = slash + 1;
    return true;
}

static void end(struct authd *a, const struct session *s, const char *why) {
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

/* ---- its resource ---------------------------------------------------------------------------- */

struct status {
    const struct session *one; /* may be NULL with a reason */
    int64_t now;
    const char *reason; /* NULL: it runs */
};

static json_t *users_of(const json_t *people) {
    json_t *out = json_array(), *p;
    size_t i;
    json_array_foreach(people, i, p) {
        const char *sub = json_str(p, "sub", "");
        if (*sub)
            json_array_append_new(out, json_pack("{s:s, s:s, s:s}", "sub", sub, "name",
                                                 json_str(p, "name", ""), "role",
                                                 json_str(p, "role", "viewer")));
    }
    return out;
}

static bool set_status(void *arg, struct session_resource *s) {
    const struct status *want = arg;
    if (want->reason && s->phase == SESSION_ENDED)
        return false; /* the first reason stays */
    json_decref(s->users);
    s->users = want->reason ? json_array() : users_of(want->one->people);
    s->updated = want->now;
    if (want->reason) {
        s->phase = SESSION_ENDED;
        s->ended = want->now;
        resource_text(&s->reason, want->reason);
    }
    return true;
}

static void digest_of(const struct session *s, char out[65]) {
    _json_ json_t *users = users_of(s->people);
    struct buf b;
    buf_init(&b, 65536);
    json_write(users, &b);
    sha256_hex(b.data ? b.data : "", b.len, out);
    buf_fini(&b);
}

static void write_status(struct authd *a, struct kept *it, int64_t now, const char *reason) {
    struct err e = { 0 };
    char namespace[64], digest[65];
    const char *name;
    const struct status want = { &it->one, now, reason };
    digest_of(&it->one, digest);
    bool changed = strcmp(digest, it->digest) != 0;
    if (!reason && now - it->written < (changed ? WRITE_MS : ALIVE_MS))
        return;
    if (!split(it->one.connection, namespace, &name))
        return;
    enum resources_result r =
        live_change(a, namespace, it->one.id, set_status, (void *)(uintptr_t)&want, &e);
    if (r != RESOURCES_OK && r != RESOURCES_NOT_FOUND)
        log_info("status of session %s: %s", it->one.id, e.text);
    it->written = now;
    memcpy(it->digest, digest, sizeof digest);
}

/* Its resource was deleted: that ends it. The store itself is asked, since a view may be behind. */
static bool deleted(struct authd *a, const struct kept *it, const char *namespace, int64_t now) {
    struct err e = { 0 };
    struct resource *r = NULL;
    if (!it->stored && now - it->one.started < LOST_MS)
        return false;
    enum resources_result result =
        resources_get(a->resources, RESOURCE_SESSION, namespace, it->one.id, &r, &e);
    resource_unref(r);
    return result == RESOURCES_NOT_FOUND;
}

/* ---- moderation ------------------------------------------------------------------------------ */

static void call(struct authd *a, const char *id, const char *op, const char *why) {
    struct err e = { 0 };
    _json_ json_t *answer =
        sessions_call(a->sessions, id, json_pack("{s:s, s:s}", "op", op, "why", why), NULL, 0, &e);
    if (!answer)
        log_info("%s of session %s: %s", op, id, e.text);
}

/* As it let them in; it was told by whoever decided. */
static bool moderator_there(const json_t *people) {
    bool there = false;
    size_t i;
    json_t *p;
    json_array_foreach(people, i, p) there |= json_flag(p, "moderator", false);
    return there;
}

static void moderate(struct keeper *k, struct kept *it, const struct connection *c) {
    struct authd *a = k->a;
    if (!c || !c->moderation.there)
        return;
    k->moderating = true;
    if (!it->one.people) /* not asked yet: we have just begun */
        return;
    bool there = moderator_there(it->one.people);
    if (there && !it->moderated && !it->seen && it->one.started < k->began) {
        /* begun under an authd before us: if it rests now, somebody who is there wanted that */
    } else if (there && !it->moderated) {
        call(a, it->one.id, "resume", "");
        it->waiting = false;
    } else if (!there && it->moderated && c->moderation.on_leave == MODERATION_END) {
        end(a, &it->one, "The moderator left.");
    } else if (!there && !it->waiting) {
        call(a, it->one.id, "pause", "Waiting for a moderator.");
        it->waiting = true;
    }
    it->moderated = there;
    it->seen = true;
}

/* ---- looking --------------------------------------------------------------------------------- */

struct facts {
    struct snapshot *snapshot;
    struct resources_view *requests, *sessions;
    struct locks_view locks;
    int64_t now;
};

static void look_at(struct keeper *k, struct kept *it, const struct facts *f) {
    struct authd *a = k->a;
    char namespace[64];
    const char *name;
    if (!split(it->one.connection, namespace, &name))
        return;
    const struct resource *r = resources_view_find(f->sessions, namespace, it->one.id);
    const struct connection *c = snapshot_find(f->snapshot, namespace, name);
    if (!r && deleted(a, it, namespace, f->now)) {
        end(a, &it->one, "An administrator ended the session.");
        return;
    }
    it->stored |= r != NULL;
    if (f->now - it->asked >= FILES_MS) {
        it->asked = f->now;
        transfers_audit(a, &it->one, &it->transfers);
    }
    const char *sid = r && resource_usable(r) ? r->session.sid : NULL;
    const struct keeper_session s = {
        it->one.id,         it->one.sub,     sid,
        it->one.connection, it->one.started, sid ? MAX_OF(r->session.refreshed, it->one.started) : 0
    };
    const char *why = keeper_verdict(
        &s, c, f->locks.list, f->locks.count, (const struct resource *const *)f->requests->items,
        f->requests->count, a->conf.unrefreshed_seconds * 1000, f->now);
    if (why) {
        transfers_audit(a, &it->one, &it->transfers);
        end(a, &it->one, why);
        return;
    }
    moderate(k, it, c);
    renew_own(a, &it->renew, it->one.id, c, f->now);
    if (r)
        write_status(a, it, f->now, NULL);
}

/* Those that are gone are written down as ended, and forgotten. */
static void drop_gone(struct keeper *k, int64_t now) {
    size_t kept = 0;
    for (size_t i = 0; i < k->count; i++) {
        struct kept *it = &k->list[i];
        if (it->here) {
            k->list[kept++] = *it;
            continue;
        }
        write_status(k->a, it, now, "It is over.");
        session_fini(&it->one);
    }
    k->count = kept;
}

static void look(struct keeper *k, int64_t now) {
    struct authd *a = k->a;
    for (size_t i = 0; i < k->count; i++)
        k->list[i].here = false;
    if (k->moderating)
        sessions_refresh(a->sessions);
    k->moderating = false;
    sessions_each(a->sessions, take, k);
    struct facts f = { .snapshot = catalog_snapshot(a->catalog),
                       .requests = resources_view(a->resources, RESOURCE_REQUEST),
                       .sessions = resources_view(a->resources, RESOURCE_SESSION),
                       .now = now };
    locks_view_init(&f.locks, a->locks, NULL);
    for (size_t i = 0; i < k->count; i++)
        if (k->list[i].here)
            look_at(k, &k->list[i], &f);
    drop_gone(k, now);
    locks_view_fini(&f.locks);
    resources_view_unref(f.sessions);
    resources_view_unref(f.requests);
    snapshot_unref(f.snapshot);
}

static void write_end(struct authd *a, const struct resource *r, int64_t now, const char *reason) {
    struct err e = { 0 };
    const struct status want = { NULL, now, reason };
    if (live_runs(r, now))
        live_change(a, r->namespace, r->name, set_status, (void *)(uintptr_t)&want, &e);
}

/* Those whose recording was sealed; and those of an earlier life of this gateway. */
static void write_ends(struct keeper *k, int64_t now) {
    struct resources_view *v = resources_view(k->a->resources, RESOURCE_SESSION);
    _json_ json_t *ended = share_take_ended(k->a->share);
    for (size_t i = 0; i < v->count; i++) {
        const struct resource *r = v->items[i];
        const char *reason = json_string_value(json_object_get(ended, r->name));
        bool ours = resource_usable(r) && r->session.gateway &&
                    strcmp(r->session.gateway, k->a->conf.gateway_name) == 0;
        if (reason)
            write_end(k->a, r, now, reason);
        else if (ours && r->session.started < k->began && now - k->began > LOST_MS &&
                 !find_kept(k, r->name))
            write_end(k->a, r, now, "It ended while its gateway was away.");
    }
    resources_view_unref(v);
}

static bool set_lost(void *arg, struct session_resource *s) {
    if (s->phase != SESSION_LIVE)
        return false;
    s->phase = SESSION_ENDED;
    s->ended = *(const int64_t *)arg;
    resource_text(&s->reason, "Its gateway is gone.");
    return true;
}

/* Sessions that nobody keeps any more, and those too old to be listed. */
static void sweep_sessions(struct authd *a, int64_t now) {
    struct resources_view *v = resources_view(a->resources, RESOURCE_SESSION);
    for (size_t i = 0; i < v->count; i++) {
        const struct resource *r = v->items[i];
        struct err e = { 0 };
        if (!resource_usable(r))
            continue;
        if (r->session.phase == SESSION_LIVE && !live_runs(r, now))
            live_change(a, r->namespace, r->name, set_lost, &now, &e);
        else if (r->session.phase == SESSION_ENDED &&
                 now - r->session.ended > a->conf.keep_days * 86400000LL)
            resources_delete(a->resources, r->kind, r->namespace, r->name, r->version, &e);
    }
    resources_view_unref(v);
}

static void *run(void *arg) {
    struct keeper *k = arg;
    uint64_t swept = 0;
    while (!atomic_load(&k->stopping)) {
        uint64_t known = resources_generation(k->a->resources);
        int64_t now = (int64_t)clock_wall_ms();
        look(k, now);
        write_ends(k, now);
        if (clock_ms() - swept >= SWEEP_MS) {
            locks_sweep(k->a->locks, now);
            requests_sweep(k->a, now);
            sweep_sessions(k->a, now);
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
    k->began = (int64_t)clock_wall_ms();
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
    for (size_t i = 0; i < k->count; i++)
        session_fini(&k->list[i].one);
    free(k->list);
    free(k);
}
