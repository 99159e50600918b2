/* The two halves of the Kubernetes catalogue: what is read (catalog_cluster.c), and the thread that
 * writes each connection's status (catalog_cluster_status.c). */
#ifndef GUAC_CRD_CATALOG_CLUSTER_H
#define GUAC_CRD_CATALOG_CLUSTER_H

#include "crd/catalog_impl.h"
#include "crd/cluster_live.h"
#include "crd/cluster_status.h"
#include "crd/resources.h"

/* A row of the connections' table. */
struct cluster_connection {
    struct connection *c;
    struct cluster_status_seen seen;
    bool dirty;          /* its status may have to be written … */
    uint64_t not_before; /* … from then on, clock_ms */
    long active;
    char *recording; /* of its newest session that has one; NULL: none */
};

struct catalog_cluster {
    struct catalog front;
    struct cluster *k;
    struct resources *sessions;
    struct cluster_live connections, policies;
    pthread_mutex_t lock; /* the parts below; taken after a live's own */
    struct snapshot *with_connections, *with_policies; /* NULL: not listed yet */
    int64_t connections_at, policies_at;
    pthread_t writer;
    pthread_mutex_t writer_lock;
    pthread_cond_t writer_wake;
    bool writing, stop;
};

int catalog_cluster_status_start(struct catalog_cluster *s, struct err *e);
void catalog_cluster_status_stop(struct catalog_cluster *s);

#endif
