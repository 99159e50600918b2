/* The two halves of the Kubernetes catalogue: what is read (catalog_kube.c), and the thread that
 * writes each connection's status (catalog_kube_status.c). */
#ifndef GUAC_CRD_CATALOG_KUBE_H
#define GUAC_CRD_CATALOG_KUBE_H

#include "crd/catalog_impl.h"
#include "crd/kube_live.h"
#include "crd/kube_status.h"
#include "crd/resources.h"

/* A row of the connections' table. */
struct kube_connection {
    struct connection *c;
    struct kube_status_seen seen;
    bool dirty;          /* its status may have to be written … */
    uint64_t not_before; /* … from then on, clock_ms */
    long active;
    char *recording; /* of its newest session that has one; NULL: none */
};

struct catalog_kube {
    struct catalog front;
    struct kube *k;
    struct resources *sessions;
    struct kube_live connections, policies;
    pthread_mutex_t lock; /* the parts below; taken after a live's own */
    struct snapshot *with_connections, *with_policies; /* NULL: not listed yet */
    int64_t connections_at, policies_at;
    pthread_t writer;
    pthread_mutex_t writer_lock;
    pthread_cond_t writer_wake;
    bool writing, stop;
};

int catalog_kube_status_start(struct catalog_kube *s, struct err *e);
void catalog_kube_status_stop(struct catalog_kube *s);

#endif
