#include "crd/cluster_live.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"

#define KEY_MAX 400

static void key_of(const json_t *object, char out[KEY_MAX]) {
    const json_t *meta = json_object_get(object, "metadata");
    snprintf(out, KEY_MAX, "%.63s/%.253s", json_str(meta, "namespace", ""),
             json_str(meta, "name", ""));
}

static void on_begin(void *arg) {
    struct cluster_live_watch *w = arg;
    pthread_mutex_lock(&w->live->lock);
    w->list++;
    w->listing = true;
    pthread_mutex_unlock(&w->live->lock);
}

static void on_object(void *arg, json_t *object) {
    struct cluster_live_watch *w = arg;
    struct cluster_live *l = w->live;
    char key[KEY_MAX];
    const char *version = json_str(json_object_get(object, "metadata"), "resourceVersion", "");
    key_of(object, key);
    pthread_mutex_lock(&l->lock);
    if (cluster_table_is_news(&l->table, key, version, w->list, w->listing)) {
        void *item = l->make(l->arg, object, key);
        struct cluster_row *old = cluster_table_find(&l->table, key);
        if (item && old && l->inherit)
            l->inherit(item, old->item);
        if (item)
            w->changed |= cluster_table_put(&l->table, key, version, item, w->list);
    }
    pthread_mutex_unlock(&l->lock);
}

static void on_gone(void *arg, const json_t *object) {
    struct cluster_live_watch *w = arg;
    char key[KEY_MAX];
    key_of(object, key);
    pthread_mutex_lock(&w->live->lock);
    w->changed |= cluster_table_remove(&w->live->table, key);
    pthread_mutex_unlock(&w->live->lock);
}

static void on_end(void *arg) {
    struct cluster_live_watch *w = arg;
    pthread_mutex_lock(&w->live->lock);
    w->listing = false;
    w->changed |= cluster_table_sweep(&w->live->table, w->namespace, w->list);
    pthread_mutex_unlock(&w->live->lock);
}

static void on_rest(void *arg) {
    struct cluster_live_watch *w = arg;
    pthread_mutex_lock(&w->live->lock);
    if (w->changed && !w->listing)
        w->live->publish(w->live->arg, &w->live->table);
    w->changed = w->changed && w->listing;
    pthread_mutex_unlock(&w->live->lock);
}

/* As old as the oldest of its namespaces. */
static void on_alive(void *arg) {
    struct cluster_live_watch *w = arg;
    struct cluster_live *l = w->live;
    pthread_mutex_lock(&l->lock);
    w->alive_at = (int64_t)clock_ms();
    int64_t at = w->alive_at;
    for (size_t i = 0; i < l->count; i++)
        if (l->watches[i].alive_at < at)
            at = l->watches[i].alive_at;
    l->current(l->arg, at);
    pthread_mutex_unlock(&l->lock);
}

static void on_failed(void *arg, const struct err *e) {
    struct cluster_live_watch *w = arg;
    log_warning("%s%s%s: %s; what is known stays", w->live->plural, w->namespace ? " in " : "",
                w->namespace ? w->namespace : "", e->text);
}

int cluster_live_start(struct cluster_live *l, struct err *e) {
    static const struct cluster_watcher fn = { on_begin, on_object, on_gone,  on_end,
                                               on_rest,  on_alive,  on_failed };
    pthread_mutex_init(&l->lock, NULL);
    l->started = true;
    l->table.drop = l->drop;
    l->count = l->cluster ? 1 : cluster_namespace_count(l->k, l->served);
    for (size_t i = 0; i < l->count; i++)
        l->watches[i] = (struct cluster_live_watch){
            .live = l, .namespace = l->cluster ? NULL : cluster_namespace(l->k, i), .alive_at = -1
        };
    for (size_t i = 0; i < l->count; i++) {
        struct cluster_live_watch *w = &l->watches[i];
        struct cluster_watch *watch =
            cluster_watch_new(l->k, w->namespace, l->plural, l->optional, &fn, w, e);
        if (!watch)
            return -1;
        w->watch = watch;
    }
    return 0;
}

void cluster_live_stop(struct cluster_live *l) {
    for (size_t i = 0; i < l->count; i++)
        cluster_watch_stop(l->watches[i].watch);
}

void cluster_live_fini(struct cluster_live *l) {
    if (!l->started)
        return;
    cluster_live_stop(l);
    for (size_t i = 0; i < l->count; i++)
        cluster_watch_free(l->watches[i].watch);
    cluster_table_fini(&l->table);
    pthread_mutex_destroy(&l->lock);
    l->started = false;
}

bool cluster_live_synced(struct cluster_live *l) {
    bool synced = l->started;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->count; i++)
        synced &= l->watches[i].alive_at >= 0;
    pthread_mutex_unlock(&l->lock);
    return synced;
}
