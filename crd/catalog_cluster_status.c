/* One thread that brings each connection's status up to date: at once when its spec changed, at
 * most every ten seconds when only sessions did. Who loses against another replica does nothing:
 * the watch tells what it wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crd/catalog_cluster.h"
#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define LOOK_MS 500
#define CHURN_MS 10000 /* between two writes of one connection for its sessions' sake */
#define RETRY_MS 5000
#define BATCH 32

struct job {
    char *key;
    struct connection *c;
    char version[64];
    json_t *status;
};

/* ---- sessions -------------------------------------------------------------------------------- */

struct tally {
    long active;
    const char *recording;
    int64_t at;
};

/* Over all sessions of one connection; the view is sorted by namespace, so only that part is read.
 * Sessions are few against connections, and a view is counted once a change. */
static void count(const struct resources_view *v, const struct connection *c, struct tally *out) {
    *out = (struct tally){ 0 };
    for (size_t i = 0; v && i < v->count; i++) {
        const struct resource *r = v->items[i];
        if (!resource_usable(r) || strcmp(r->session.connection, c->name) != 0 ||
            strcmp(r->namespace, c->namespace) != 0)
            continue;
        out->active += r->session.phase == SESSION_LIVE;
        if (r->session.recording && r->session.started >= out->at) {
            out->recording = r->session.recording;
            out->at = r->session.started;
        }
    }
}

static bool differs(const struct cluster_connection *x, const struct tally *t) {
    return x->active != t->active ||
           (t->recording && (!x->recording || strcmp(x->recording, t->recording) != 0));
}

/* Marks connections whose sessions changed. Only those that have some, or had some, are counted. */
static void look_at_sessions(struct catalog_cluster *s) {
    struct resources_view *v = resources_view(s->sessions, RESOURCE_SESSION);
    _json_ json_t *named = json_object();
    char key[400];
    for (size_t i = 0; i < v->count; i++)
        if (resource_usable(v->items[i])) {
            snprintf(key, sizeof key, "%s/%s", v->items[i]->namespace,
                     v->items[i]->session.connection);
            json_object_set_new(named, key, json_true());
        }
    pthread_mutex_lock(&s->connections.lock);
    for (size_t i = 0; i < s->connections.table.count; i++) {
        struct cluster_row *row = &s->connections.table.rows[i];
        struct cluster_connection *x = row->item;
        struct tally t = { 0 };
        if (!x->active && !json_object_get(named, row->key))
            continue;
        count(v, x->c, &t);
        if (!differs(x, &t))
            continue;
        x->active = t.active;
        if (t.recording) {
            free(x->recording);
            x->recording = strdup(t.recording);
        }
        x->dirty = true;
    }
    pthread_mutex_unlock(&s->connections.lock);
    resources_view_unref(v);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Takes up to BATCH connections that have to be written. */
static size_t collect(struct catalog_cluster *s, struct job jobs[BATCH]) {
    size_t n = 0;
    uint64_t now = clock_ms();
    pthread_mutex_lock(&s->connections.lock);
    for (size_t i = 0; n < BATCH && i < s->connections.table.count; i++) {
        struct cluster_row *row = &s->connections.table.rows[i];
        struct cluster_connection *x = row->item;
        if (!x->dirty || now < x->not_before)
            continue;
        x->dirty = false;
        x->not_before = now + CHURN_MS;
        json_t *status =
            cluster_status_make(x->c, &x->seen, x->active, x->recording, clock_wall_ms());
        if (!status || cluster_status_same(&x->seen, status)) {
            json_decref(status);
            continue;
        }
        jobs[n] =
            (struct job){ .key = strdup(row->key), .c = connection_ref(x->c), .status = status };
        snprintf(jobs[n++].version, sizeof row->version, "%s", row->version);
    }
    pthread_mutex_unlock(&s->connections.lock);
    return n;
}

static void again(struct catalog_cluster *s, const char *key) {
    pthread_mutex_lock(&s->connections.lock);
    struct cluster_row *row = key ? cluster_table_find(&s->connections.table, key) : NULL;
    if (row) {
        struct cluster_connection *x = row->item;
        x->dirty = true;
        x->not_before = clock_ms() + RETRY_MS;
    }
    pthread_mutex_unlock(&s->connections.lock);
}

static void write_one(struct catalog_cluster *s, struct job *j, bool *refused) {
    char path[700];
    struct err e = { 0 };
    _json_ json_t *patch =
        json_pack("{s:{s:s}, s:O}", "metadata", "resourceVersion", j->version, "status", j->status);
    cluster_path(path, sizeof path, j->c->namespace, "guacamoleconnections", j->c->name, "status");
    enum resources_result r =
        cluster_call(s->k, "PATCH", path, "application/merge-patch+json", patch, NULL, &e);
    if (r == RESOURCES_UNAVAILABLE)
        again(s, j->key);
    else if (r == RESOURCES_REFUSED || r == RESOURCES_INVALID) {
        if (!*refused)
            log_warning("status of connections cannot be written: %s", e.text);
        *refused = true;
    } else if (r == RESOURCES_OK)
        *refused = false;
    free(j->key);
    connection_unref(j->c);
    json_decref(j->status);
}

static bool rest(struct catalog_cluster *s, bool soon) {
    const struct timespec until = clock_deadline(soon ? 1 : LOOK_MS);
    pthread_mutex_lock(&s->writer_lock);
    if (!s->stop)
        pthread_cond_timedwait(&s->writer_wake, &s->writer_lock, &until);
    bool go_on = !s->stop;
    pthread_mutex_unlock(&s->writer_lock);
    return go_on;
}

static void *run(void *arg) {
    struct catalog_cluster *s = arg;
    uint64_t known = 0;
    size_t n = 0;
    bool refused = false;
    while (rest(s, n == BATCH)) {
        struct job jobs[BATCH];
        uint64_t generation = s->sessions ? resources_generation(s->sessions) : 0;
        if (!cluster_live_synced(&s->connections))
            continue;
        if (generation != known) {
            look_at_sessions(s);
            known = generation;
        }
        n = collect(s, jobs);
        for (size_t i = 0; i < n; i++)
            write_one(s, &jobs[i], &refused);
    }
    return NULL;
}

int catalog_cluster_status_start(struct catalog_cluster *s, struct err *e) {
    if (pthread_create(&s->writer, NULL, run, s))
        return err_set(e, STATUS_SERVER_ERROR, "no thread for the status of connections");
    s->writing = true;
    return 0;
}

void catalog_cluster_status_stop(struct catalog_cluster *s) {
    pthread_mutex_lock(&s->writer_lock);
    s->stop = true;
    pthread_cond_broadcast(&s->writer_wake);
    pthread_mutex_unlock(&s->writer_lock);
    if (s->writing)
        pthread_join(s->writer, NULL);
    s->writing = false;
}
