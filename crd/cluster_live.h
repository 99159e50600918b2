/* One kind of the Kubernetes API, live: a table kept by a watch in each namespace. */
#ifndef GUAC_CRD_CLUSTER_LIVE_H
#define GUAC_CRD_CLUSTER_LIVE_H

#include <pthread.h>

#include "crd/cluster.h"
#include "crd/cluster_table.h"

struct cluster_live;
struct cluster_live_watch {
    struct cluster_live *live;
    const char *namespace; /* NULL: all */
    struct cluster_watch *watch;
    unsigned list; /* number of the last list */
    bool listing, changed;
    int64_t alive_at; /* clock_ms; -1: no list yet */
};

struct cluster_live {
    /* set by the owner, zeroed otherwise */
    struct cluster *k;
    const char *plural;
    bool optional; /* a cluster that lacks the kind has none of it */
    bool served;   /* not the gateway's own namespace */
    bool cluster;  /* look everywhere, whatever the namespaces */
    void *(*make)(void *arg, const json_t *object, const char *source);
    void (*inherit)(void *fresh, const void *old); /* NULL, or before fresh takes old's place */
    void (*drop)(void *item);
    /* From a watch's thread, the lock held: the table changed; it is current as of `at`. */
    void (*publish)(void *arg, const struct cluster_table *t);
    void (*current)(void *arg, int64_t at);
    void *arg;
    /* its own */
    pthread_mutex_t lock;
    struct cluster_table table;
    struct cluster_live_watch watches[CLUSTER_NAMESPACES_MAX];
    size_t count;
    bool started;
};

int cluster_live_start(struct cluster_live *l, struct err *e);
void cluster_live_stop(struct cluster_live *l); /* tells the watches to end; more may follow */
void cluster_live_fini(struct cluster_live *l);
bool cluster_live_synced(struct cluster_live *l); /* every namespace was listed once */

#endif
