/* The view is turned into decide()'s form once a change, and shared by reference count. */
#include "proxy/authd/locks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define SETTLE_MS 1000

struct locks_set {
    _Atomic unsigned refs;
    struct resources_view *view;
    struct policy_lock *list;
    size_t count;
};

struct locks {
    struct resources *store;
    char *namespace;
    pthread_mutex_t lock;
    struct locks_set *set;
};

static void set_unref(struct locks_set *s) {
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    resources_view_unref(s->view);
    free(s->list);
    free(s);
}

static struct locks_set *set_new(struct resources *store) {
    struct locks_set *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->refs = 1;
    s->view = resources_view(store, RESOURCE_LOCK);
    s->list = calloc(s->view->count + 1, sizeof *s->list);
    for (size_t i = 0; s->list && i < s->view->count; i++) {
        const struct resource *r = s->view->items[i];
        const struct lock *l = &r->lock;
        if (resource_usable(r))
            s->list[s->count++] =
                (struct policy_lock){ l->sid,    l->sub,   l->connection, l->session,
                                      l->reason, l->until, l->before };
    }
    if (s->list)
        return s;
    set_unref(s);
    return NULL;
}

struct locks *locks_new(struct resources *store, const char *namespace, struct err *e) {
    struct locks *l = calloc(1, sizeof *l);
    if (l) {
        l->store = store;
        pthread_mutex_init(&l->lock, NULL);
        l->namespace = strdup(namespace);
        l->set = set_new(store);
    }
    if (l && l->namespace && l->set)
        return l;
    locks_free(l);
    err_set(e, 0, "no memory for the locks");
    return NULL;
}

void locks_free(struct locks *l) {
    if (!l)
        return;
    set_unref(l->set);
    pthread_mutex_destroy(&l->lock);
    free(l->namespace);
    free(l);
}

void locks_changed(struct locks *l) {
    struct locks_set *fresh = set_new(l->store);
    if (!fresh)
        return; /* what was known stays */
    pthread_mutex_lock(&l->lock);
    /* of two that came at one moment, the newer view stays */
    if (fresh->view->generation >= l->set->view->generation) {
        struct locks_set *old = l->set;
        l->set = fresh;
        fresh = old;
    }
    pthread_mutex_unlock(&l->lock);
    set_unref(fresh);
}

static struct locks_set *current(struct locks *l) {
    pthread_mutex_lock(&l->lock);
    struct locks_set *s = l->set;
    atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&l->lock);
    return s;
}

static bool concerns(const struct policy_lock *l, const struct identity *who) {
    return !who || l->connection || l->session || (l->sid && strcmp(l->sid, who->sid) == 0) ||
           (l->sub && strcmp(l->sub, who->sub) == 0);
}

void locks_view_init(struct locks_view *v, struct locks *l, const struct identity *who) {
    *v = (struct locks_view){ .set = current(l) };
    for (size_t i = 0; i < v->set->count; i++) {
        if (!concerns(&v->set->list[i], who))
            continue;
        if (!v->list && !(v->list = calloc(v->set->count, sizeof *v->list)))
            return;
        v->list[v->count++] = v->set->list[i];
    }
}

void locks_view_fini(struct locks_view *v) {
    set_unref(v->set);
    free(v->list);
    *v = (struct locks_view){ 0 };
}

enum failure locks_person(struct locks *l, const struct identity *who, int64_t now) {
    struct locks_set *s = current(l);
    const struct policy_lock of = { .sid = who->sid, .sub = who->sub };
    const struct policy_lock *hit = policy_locked(s->list, s->count, &of, who->issued_ms, now);
    enum failure f = !hit ? FAILURE_NONE : hit->before ? FAILURE_SIGNED_OUT : FAILURE_LOCKED;
    set_unref(s);
    return f;
}

bool locks_stale(struct locks *l) {
    return resources_age_ms(l->store, RESOURCE_LOCK) > RESOURCES_STALE_MS;
}

/* ---- changes --------------------------------------------------------------------------------- */

void locks_settle(struct resources *s, const struct resource *r) {
    uint64_t until = clock_ms() + SETTLE_MS;
    for (;;) {
        uint64_t known = resources_generation(s), now = clock_ms();
        struct resources_view *v = resources_view(s, r->kind);
        const struct resource *have = resources_view_find(v, r->namespace, r->name);
        bool there =
            have && strcmp(have->version ? have->version : "", r->version ? r->version : "") == 0;
        resources_view_unref(v);
        if (there || now >= until)
            return;
        resources_wait(s, known, (int)MIN_OF(until - now, 100));
    }
}

static void fill(struct lock *to, const struct lock *from) {
    resource_text(&to->sid, from->sid);
    resource_text(&to->sub, from->sub);
    resource_text(&to->connection, from->connection);
    resource_text(&to->session, from->session);
    resource_text(&to->reason, from->reason);
    resource_text(&to->by.sub, from->by.sub);
    resource_text(&to->by.name, from->by.name);
    to->until = from->until;
    to->before = from->before;
}

enum resources_result locks_add(struct locks *l, const char *name, const struct lock *want,
                                struct resource **made, struct err *e) {
    char fresh[UUID_LEN + 16] = "lock-";
    struct resource *stored = NULL;
    uuid_v7(fresh + 5, clock_wall_ms());
    struct resource *r = resource_new(RESOURCE_LOCK, l->namespace, name ? name : fresh);
    if (!r) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a lock");
        return RESOURCES_UNAVAILABLE;
    }
    fill(&r->lock, want);
    enum resources_result result = resources_create(l->store, r, &stored, e);
    resource_unref(r);
    if (result != RESOURCES_OK)
        return result;
    locks_settle(l->store, stored);
    locks_changed(l); /* the store's own thread may be a moment later */
    if (made)
        *made = stored;
    else
        resource_unref(stored);
    return RESOURCES_OK;
}

void locks_sweep(struct locks *l, int64_t now) {
    struct resources_view *v = resources_view(l->store, RESOURCE_LOCK);
    for (size_t i = 0; i < v->count; i++) {
        const struct resource *r = v->items[i];
        struct err e = { 0 };
        if (!resource_usable(r) || !r->lock.until || r->lock.until > now)
            continue;
        enum resources_result result =
            resources_delete(l->store, RESOURCE_LOCK, r->namespace, r->name, r->version, &e);
        if (result != RESOURCES_OK && result != RESOURCES_NOT_FOUND)
            log_info("lock %s/%s stays for now: %s", r->namespace, r->name, e.text);
    }
    resources_view_unref(v);
}
