/* The front of all catalogues: snapshots, generations, waiting. */
#include "crd/catalog.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crd/catalog_impl.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct snapshot *snapshot_new(void) {
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->refs = 1;
    s->problems = json_array();
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s) {
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void snapshot_unref(struct snapshot *s) {
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->count; i++)
        connection_unref(s->connections[i]);
    for (size_t i = 0; i < s->policy_count; i++)
        environment_unref(s->policies[i]);
    free(s->connections);
    free(s->policies);
    json_decref(s->problems);
    free(s);
}

/* Room for one more pointer; capacities are powers of two. */
static int grow(void ***array, size_t count) {
    if (count & (count - 1) || (count && count < 8))
        return 0;
    void **p = realloc(*array, (count ? count * 2 : 8) * sizeof *p);
    if (!p)
        return -1;
    *array = p;
    return 0;
}

int snapshot_add(struct snapshot *s, struct connection *c) {
    if (s->count == CATALOG_CONNECTIONS_MAX) {
        snapshot_problem(s, c->source, "there are too many connections; this one is left out");
        return 0;
    }
    void **array = (void **)s->connections;
    if (grow(&array, s->count))
        return -1;
    s->connections = (struct connection **)array;
    s->connections[s->count++] = connection_ref(c);
    return 0;
}

int snapshot_add_policy(struct snapshot *s, struct environment_policy *p) {
    void **array = (void **)s->policies;
    if (grow(&array, s->policy_count))
        return -1;
    s->policies = (struct environment_policy **)array;
    s->policies[s->policy_count++] = environment_ref(p);
    return 0;
}

void snapshot_problem(struct snapshot *s, const char *source, const char *error) {
    json_t *text = json_string(error);
    json_array_append_new(s->problems, json_pack("{s:s, s:[o]}", "source", source, "errors",
                                                 text ? text : json_string("cannot be read")));
}

static int by_name(const void *a, const void *b) {
    const struct connection *x = *(struct connection *const *)a;
    const struct connection *y = *(struct connection *const *)b;
    int r = strcmp(x->namespace, y->namespace);
    if (r == 0)
        r = strcmp(x->name, y->name);
    if (r == 0)
        r = (int)connection_usable(y) - (int)connection_usable(x);
    return r ? r : strcmp(x->source, y->source);
}

struct connection *snapshot_find(const struct snapshot *s, const char *namespace,
                                 const char *name) {
    size_t lo = 0, hi = s->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int r = strcmp(s->connections[mid]->namespace, namespace);
        if (r == 0)
            r = strcmp(s->connections[mid]->name, name);
        if (r < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < s->count && strcmp(s->connections[lo]->namespace, namespace) == 0 &&
        strcmp(s->connections[lo]->name, name) == 0)
        return s->connections[lo];
    return NULL;
}

int secret_set_add(struct secret_set *s, const char *key, const void *data, size_t len,
                   struct err *e) {
    if (s->count == CATALOG_SECRET_KEYS_MAX)
        return err_set(e, STATUS_SERVER_ERROR, "the Secret has more than %d keys",
                       CATALOG_SECRET_KEYS_MAX);
    struct secret_item *item = &s->items[s->count];
    if (!*key || strlen(key) >= sizeof item->key)
        return err_set(e, STATUS_SERVER_ERROR, "the Secret has a key that is empty or too long");
    if (memchr(data, '\0', len))
        return err_set(e, STATUS_SERVER_ERROR, "key '%s' of the Secret holds a NUL byte", key);
    if (secret_set(&item->value, data, len))
        return err_set(e, STATUS_SERVER_ERROR, "no memory for a Secret");
    memcpy(item->key, key, strlen(key) + 1);
    s->count++;
    return 0;
}

void secret_set_fini(struct secret_set *s) {
    for (size_t i = 0; i < s->count; i++)
        secret_fini(&s->items[i].value);
    s->count = 0;
}

int catalog_init(struct catalog *s, const struct catalog_impl *impl, struct err *e) {
    s->impl = impl;
    changes_init(&s->changes);
    s->current_at = -1;
    s->current = snapshot_new();
    if (!s->current)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for a catalogue");
    s->current->generation = s->changes.generation;
    return 0;
}

void catalog_fini(struct catalog *s) {
    snapshot_unref(s->current);
    changes_fini(&s->changes);
}

void catalog_publish(struct catalog *s, struct snapshot *next) {
    if (next->count)
        qsort(next->connections, next->count, sizeof *next->connections, by_name);
    pthread_mutex_lock(&s->changes.lock);
    struct snapshot *old = s->current;
    next->generation = changes_next(&s->changes);
    s->current = next;
    void (*watcher)(void *) = s->watcher;
    void *arg = s->watcher_arg;
    pthread_mutex_unlock(&s->changes.lock);
    snapshot_unref(old);
    if (watcher)
        watcher(arg);
}

void catalog_current(struct catalog *s, int64_t at) {
    pthread_mutex_lock(&s->changes.lock);
    s->current_at = at;
    pthread_mutex_unlock(&s->changes.lock);
}

int64_t catalog_age_ms(struct catalog *s) {
    pthread_mutex_lock(&s->changes.lock);
    int64_t at = s->current_at;
    pthread_mutex_unlock(&s->changes.lock);
    return at < 0 ? INT64_MAX : (int64_t)clock_ms() - at;
}

struct snapshot *catalog_snapshot(struct catalog *s) {
    pthread_mutex_lock(&s->changes.lock);
    struct snapshot *r = snapshot_ref(s->current);
    pthread_mutex_unlock(&s->changes.lock);
    return r;
}

void catalog_watch(struct catalog *s, void (*fn)(void *arg), void *arg) {
    pthread_mutex_lock(&s->changes.lock);
    s->watcher = fn;
    s->watcher_arg = arg;
    pthread_mutex_unlock(&s->changes.lock);
}

uint64_t catalog_wait(struct catalog *s, uint64_t known, int timeout_ms) {
    return changes_wait(&s->changes, known, timeout_ms);
}

int catalog_secret(struct catalog *s, const char *namespace, const char *name,
                   struct secret_set *out, struct err *e) {
    return s->impl->secret(s, namespace, name, out, e);
}

void catalog_free(struct catalog *s) {
    if (s)
        s->impl->free(s);
}
