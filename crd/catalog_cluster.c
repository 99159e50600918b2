/* Connections and policies from the Kubernetes API. A snapshot holds both, so nothing is shown
 * before both were listed: a policy that is not known yet must not open what it guards. */
#include "crd/catalog_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crd/field.h"
#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define STAGGER_MS 400 /* replicas write a status at different moments, so that one does */

/* ---- live ------------------------------------------------------------------------------------ */

static void *make_connection(void *arg, const json_t *object, const char *source) {
    struct cluster_connection *x = calloc(1, sizeof *x);
    (void)arg;
    if (!x)
        return NULL;
    x->c = connection_read(object, source);
    if (!x->c) {
        free(x);
        return NULL;
    }
    cluster_status_read(object, &x->seen);
    x->dirty = true;
    x->not_before = clock_ms() + (uint64_t)(clock_us() % STAGGER_MS);
    return x;
}

/* Its sessions are known already; and what merely answers our own write is no reason for another.
 */
static void inherit_connection(void *fresh, const void *old) {
    struct cluster_connection *x = fresh;
    const struct cluster_connection *was = old;
    x->active = was->active;
    x->recording = was->recording ? strdup(was->recording) : NULL;
    if (x->seen.generation == was->seen.generation)
        x->not_before = MAX_OF(x->not_before, was->not_before);
}

static void drop_connection(void *item) {
    struct cluster_connection *x = item;
    connection_unref(x->c);
    cluster_status_fini(&x->seen);
    free(x->recording);
    free(x);
}

static void *make_policy(void *arg, const json_t *object, const char *source) {
    (void)arg;
    return environment_read(object, source);
}

static void drop_policy(void *item) {
    environment_unref(item);
}

/* With s->lock. */
static void combine(struct catalog_cluster *s) {
    if (!s->with_connections || !s->with_policies)
        return;
    struct snapshot *next = snapshot_new();
    for (size_t i = 0; next && i < s->with_connections->count; i++)
        snapshot_add(next, s->with_connections->connections[i]);
    for (size_t i = 0; next && i < s->with_policies->policy_count; i++) {
        struct environment_policy *p = s->with_policies->policies[i];
        size_t j;
        json_t *error;
        snapshot_add_policy(next, p);
        json_array_foreach(p->errors, j, error)
            snapshot_problem(next, p->source, json_string_value(error));
    }
    if (next)
        catalog_publish(&s->front, next);
}

static void replace(struct snapshot **part, struct snapshot *next) {
    snapshot_unref(*part);
    *part = next;
}

static void publish_connections(void *arg, const struct cluster_table *t) {
    struct catalog_cluster *s = arg;
    struct snapshot *part = snapshot_new();
    for (size_t i = 0; part && i < t->count; i++)
        snapshot_add(part, ((struct cluster_connection *)t->rows[i].item)->c);
    if (!part)
        return;
    pthread_mutex_lock(&s->lock);
    replace(&s->with_connections, part);
    combine(s);
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->writer_lock);
    pthread_cond_broadcast(&s->writer_wake);
    pthread_mutex_unlock(&s->writer_lock);
}

static void publish_policies(void *arg, const struct cluster_table *t) {
    struct catalog_cluster *s = arg;
    struct snapshot *part = snapshot_new();
    for (size_t i = 0; part && i < t->count; i++)
        snapshot_add_policy(part, t->rows[i].item);
    if (!part)
        return;
    pthread_mutex_lock(&s->lock);
    replace(&s->with_policies, part);
    combine(s);
    pthread_mutex_unlock(&s->lock);
}

/* With s->lock. A kind of which there is nothing was never published: its first answer is. */
static void note_current(struct catalog_cluster *s, struct snapshot **part) {
    if (!*part && (*part = snapshot_new()))
        combine(s);
    catalog_current(&s->front, MIN_OF(s->connections_at, s->policies_at));
}

static void connections_current(void *arg, int64_t at) {
    struct catalog_cluster *s = arg;
    pthread_mutex_lock(&s->lock);
    s->connections_at = at;
    if (at >= 0)
        note_current(s, &s->with_connections);
    pthread_mutex_unlock(&s->lock);
}

static void policies_current(void *arg, int64_t at) {
    struct catalog_cluster *s = arg;
    pthread_mutex_lock(&s->lock);
    s->policies_at = at;
    if (at >= 0)
        note_current(s, &s->with_policies);
    pthread_mutex_unlock(&s->lock);
}

/* ---- Secrets --------------------------------------------------------------------------------- */

static int take_value(const char *key, const json_t *value, struct secret_set *out, struct err *e) {
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    char *raw = text ? malloc(len / 4 * 3 + 1) : NULL;
    long n = raw ? base64_decode(text, len, raw) : -1;
    int rc = n < 0 ? err_set(e, STATUS_SERVER_ERROR, "key '%.63s' of the Secret is no base64", key)
                   : secret_set_add(out, key, raw, (size_t)n, e);
    if (n > 0)
        secret_wipe(raw, (size_t)n);
    free(raw);
    return rc;
}

static int cluster_secret(struct catalog *front, const char *namespace, const char *name,
                          struct secret_set *out, struct err *e) {
    struct catalog_cluster *s = (struct catalog_cluster *)front;
    char path[512];
    _json_ json_t *answer = NULL;
    const char *key;
    json_t *value;
    if (!field_is_label(namespace) || !field_is_subdomain(name) || !cluster_serves(s->k, namespace))
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "'%.63s/%.253s' names no Secret", namespace,
                       name);
    cluster_secret_path(path, sizeof path, namespace, name);
    if (cluster_call(s->k, "GET", path, NULL, NULL, &answer, e) != RESOURCES_OK)
        return -1;
    json_object_foreach(json_object_get(answer, "data"), key, value) {
        if (take_value(key, value, out, e)) {
            secret_set_fini(out);
            return -1;
        }
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void cluster_finish(struct catalog *front) {
    struct catalog_cluster *s = (struct catalog_cluster *)front;
    cluster_live_stop(&s->connections);
    cluster_live_stop(&s->policies);
    catalog_cluster_status_stop(s);
    cluster_live_fini(&s->connections);
    cluster_live_fini(&s->policies);
    snapshot_unref(s->with_connections);
    snapshot_unref(s->with_policies);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->writer_lock);
    pthread_cond_destroy(&s->writer_wake);
    catalog_fini(&s->front);
    free(s);
}

static const struct catalog_impl cluster_impl = { "kubernetes", cluster_secret, cluster_finish };

struct catalog *catalog_cluster_new(struct cluster *k, struct resources *sessions, struct err *e) {
    pthread_condattr_t attr;
    struct catalog_cluster *s = calloc(1, sizeof *s);
    if (!s || catalog_init(&s->front, &cluster_impl, e)) {
        free(s);
        err_set(e, STATUS_SERVER_ERROR, "no memory for a catalogue");
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->writer_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->writer_wake, &attr);
    pthread_condattr_destroy(&attr);
    s->k = k;
    s->sessions = sessions;
    s->connections_at = s->policies_at = -1;
    s->connections = (struct cluster_live){ .k = k,
                                            .plural = "guacamoleconnections",
                                            .served = true,
                                            .make = make_connection,
                                            .inherit = inherit_connection,
                                            .drop = drop_connection,
                                            .publish = publish_connections,
                                            .current = connections_current,
                                            .arg = s };
    s->policies = (struct cluster_live){ .k = k,
                                         .plural = "environmentpolicies",
                                         .optional = true,
                                         .cluster = true,
                                         .make = make_policy,
                                         .drop = drop_policy,
                                         .publish = publish_policies,
                                         .current = policies_current,
                                         .arg = s };
    if (cluster_live_start(&s->policies, e) == 0 && cluster_live_start(&s->connections, e) == 0 &&
        catalog_cluster_status_start(s, e) == 0)
        return &s->front;
    cluster_finish(&s->front);
    return NULL;
}
