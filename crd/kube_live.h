/* One kind of the Kubernetes API, live: a table kept by a watch in each namespace. */
#ifndef GUAC_CRD_KUBE_LIVE_H
#define GUAC_CRD_KUBE_LIVE_H

#include <pthread.h>

#include "crd/kube.h"
#include "crd/kube_table.h"

struct kube_live;
struct kube_live_watch {
    struct kube_live *live;
    const char *namespace; /* NULL: all */
    struct kube_watch *watch;
    unsigned list; /* number of the last list */
    bool listing, changed;
    int64_t alive_at; /* clock_ms; -1: no list yet */
};

struct kube_live {
    /* set by the owner, zeroed otherwise */
    struct kube *k;
    const char *plural;
    bool optional; /* a cluster that lacks the kind has none of it */
    bool cluster;  /* look everywhere, whatever the namespaces */
    void *(*make)(void *arg, const json_t *object, const char *source);
    void (*inherit)(void *fresh, const void *old); /* NULL, or before fresh takes old's place */
    void (*drop)(void *item);
    /* From a watch's thread, the lock held: the table changed; it is current as of `at`. */
    void (*publish)(void *arg, const struct kube_table *t);
    void (*current)(void *arg, int64_t at);
    void *arg;
    /* its own */
    pthread_mutex_t lock;
    struct kube_table table;
    struct kube_live_watch watches[KUBE_NAMESPACES_MAX];
    size_t count;
    bool started;
};

int kube_live_start(struct kube_live *l, struct err *e);
void kube_live_stop(struct kube_live *l); /* tells the watches to end; more may follow */
void kube_live_fini(struct kube_live *l);
bool kube_live_synced(struct kube_live *l); /* every namespace was listed once */

#endif
