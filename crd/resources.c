/* The front of all stores: views, ages, waiting. */
#include "crd/resources.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crd/resources_impl.h"
#include "guacd/base/clock.h"
#include "guacd/proto/status.h"

const char *resources_result_name(enum resources_result r) {
    static const char *const names[] = {
        [RESOURCES_OK] = "ok",
        [RESOURCES_CONFLICT] = "conflict",
        [RESOURCES_EXISTS] = "exists",
        [RESOURCES_NOT_FOUND] = "not found",
        [RESOURCES_REFUSED] = "refused",
        [RESOURCES_INVALID] = "invalid",
        [RESOURCES_UNAVAILABLE] = "unavailable",
    };
    return names[r];
}

/* ---- views ----------------------------------------------------------------------------------- */

struct resources_view *resources_view_new(enum resource_kind kind) {
    struct resources_view *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->refs = 1;
    v->kind = kind;
    v->problems = json_array();
    return v;
}

struct resources_view *resources_view_ref(struct resources_view *v) {
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void resources_view_unref(struct resources_view *v) {
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    for (size_t i = 0; i < v->count; i++)
        resource_unref(v->items[i]);
    free(v->items);
    json_decref(v->problems);
    free(v);
}

int resources_view_add(struct resources_view *v, struct resource *r) {
    if (v->count == RESOURCES_MAX) {
        resources_view_problem(v, r->source, "there are too many of this kind; it is left out");
        return 0;
    }
    /* capacities are powers of two */
    if (v->count == 0 || (v->count >= 8 && (v->count & (v->count - 1)) == 0)) {
        struct resource **p = realloc(v->items, (v->count ? v->count * 2 : 8) * sizeof *p);
        if (!p)
            return -1;
        v->items = p;
    }
    v->items[v->count++] = resource_ref(r);
    return 0;
}

void resources_view_problem(struct resources_view *v, const char *source, const char *error) {
    json_t *text = json_string(error);
    json_array_append_new(v->problems, json_pack("{s:s, s:[o]}", "source", source, "errors",
                                                 text ? text : json_string("cannot be read")));
}

static int compare(const struct resource *r, const char *namespace, const char *name) {
    int c = strcmp(r->namespace, namespace);
    return c ? c : strcmp(r->name, name);
}

static int by_name(const void *a, const void *b) {
    const struct resource *y = *(struct resource *const *)b;
    return compare(*(struct resource *const *)a, y->namespace, y->name);
}

void resources_view_sort(struct resources_view *v) {
    if (v->count)
        qsort(v->items, v->count, sizeof *v->items, by_name);
}

struct resource *resources_view_find(const struct resources_view *v, const char *namespace,
                                     const char *name) {
    size_t lo = 0, hi = v->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(v->items[mid], namespace, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < v->count && compare(v->items[lo], namespace, name) == 0 ? v->items[lo] : NULL;
}

/* ---- the store ------------------------------------------------------------------------------- */

int resources_init(struct resources *s, const struct resources_impl *impl, struct err *e) {
    s->impl = impl;
    changes_init(&s->changes);
    for (int k = 0; k < RESOURCE_KINDS; k++) {
        s->current[k] = resources_view_new((enum resource_kind)k);
        s->current_at[k] = -1;
        if (!s->current[k])
            return err_set(e, STATUS_SERVER_ERROR, "no memory for a store");
        s->current[k]->generation = s->changes.generation;
    }
    return 0;
}

void resources_fini(struct resources *s) {
    for (int k = 0; k < RESOURCE_KINDS; k++)
        resources_view_unref(s->current[k]);
    changes_fini(&s->changes);
}

void resources_free(struct resources *s) {
    if (s)
        s->impl->free(s);
}

void resources_publish(struct resources *s, struct resources_view *next) {
    enum resource_kind kind = next->kind;
    resources_view_sort(next);
    pthread_mutex_lock(&s->changes.lock);
    struct resources_view *old = s->current[kind];
    next->generation = changes_next(&s->changes);
    s->current[kind] = next;
    void (*watcher)(void *, enum resource_kind) = s->watcher;
    void *arg = s->watcher_arg;
    pthread_mutex_unlock(&s->changes.lock);
    resources_view_unref(old);
    if (watcher)
        watcher(arg, kind);
}

void resources_current(struct resources *s, enum resource_kind kind, int64_t at) {
    pthread_mutex_lock(&s->changes.lock);
    s->current_at[kind] = at;
    pthread_mutex_unlock(&s->changes.lock);
}

struct resources_view *resources_view(struct resources *s, enum resource_kind kind) {
    pthread_mutex_lock(&s->changes.lock);
    struct resources_view *v = resources_view_ref(s->current[kind]);
    pthread_mutex_unlock(&s->changes.lock);
    return v;
}

int64_t resources_age_ms(struct resources *s, enum resource_kind kind) {
    pthread_mutex_lock(&s->changes.lock);
    int64_t at = s->current_at[kind];
    pthread_mutex_unlock(&s->changes.lock);
    return at < 0 ? INT64_MAX : (int64_t)clock_ms() - at;
}

void resources_watch(struct resources *s, void (*fn)(void *arg, enum resource_kind kind),
                     void *arg) {
    pthread_mutex_lock(&s->changes.lock);
    s->watcher = fn;
    s->watcher_arg = arg;
    pthread_mutex_unlock(&s->changes.lock);
}

uint64_t resources_generation(struct resources *s) {
    return changes_generation(&s->changes);
}

uint64_t resources_wait(struct resources *s, uint64_t known, int timeout_ms) {
    return changes_wait(&s->changes, known, timeout_ms);
}

/* ---- past the view --------------------------------------------------------------------------- */

static bool is_name(const char *namespace, const char *name) {
    return field_is_label(namespace) && field_is_subdomain(name);
}

static enum resources_result no_name(const char *namespace, const char *name, struct err *e) {
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "'%.63s/%.253s' is no name of a resource", namespace,
            name);
    return RESOURCES_INVALID;
}

enum resources_result resources_get(struct resources *s, enum resource_kind kind,
                                    const char *namespace, const char *name, struct resource **out,
                                    struct err *e) {
    if (!is_name(namespace, name))
        return no_name(namespace, name, e);
    return s->impl->get(s, kind, namespace, name, out, e);
}

enum resources_result resources_list(struct resources *s, enum resource_kind kind,
                                     const char *namespace, struct resources_view **out,
                                     struct err *e) {
    if (namespace && !field_is_label(namespace))
        return no_name(namespace, "", e);
    struct resources_view *v = resources_view_new(kind);
    if (!v) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a list");
        return RESOURCES_UNAVAILABLE;
    }
    enum resources_result r = s->impl->list(s, kind, namespace, v, e);
    if (r != RESOURCES_OK) {
        resources_view_unref(v);
        return r;
    }
    resources_view_sort(v);
    *out = v;
    return RESOURCES_OK;
}

static enum resources_result change(struct resources *s, enum resources_change what,
                                    const struct resource *r, struct resource **out,
                                    struct err *e) {
    struct resource *made = NULL;
    if (!is_name(r->namespace, r->name))
        return no_name(r->namespace, r->name, e);
    if (what != RESOURCES_CREATE && !r->version) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s/%s was never stored", r->namespace, r->name);
        return RESOURCES_INVALID;
    }
    enum resources_result rc = s->impl->change(s, what, r, &made, e);
    if (rc == RESOURCES_OK && out)
        *out = made;
    else
        resource_unref(made);
    return rc;
}

enum resources_result resources_create(struct resources *s, const struct resource *r,
                                       struct resource **out, struct err *e) {
    return change(s, RESOURCES_CREATE, r, out, e);
}

enum resources_result resources_update(struct resources *s, const struct resource *r,
                                       struct resource **out, struct err *e) {
    return change(s, RESOURCES_SPEC, r, out, e);
}

enum resources_result resources_update_status(struct resources *s, const struct resource *r,
                                              struct resource **out, struct err *e) {
    return change(s, RESOURCES_STATUS, r, out, e);
}

enum resources_result resources_delete(struct resources *s, enum resource_kind kind,
                                       const char *namespace, const char *name, const char *version,
                                       struct err *e) {
    if (!is_name(namespace, name))
        return no_name(namespace, name, e);
    return s->impl->remove(s, kind, namespace, name, version, e);
}
