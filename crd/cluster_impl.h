/* What the files of the Kubernetes client share. */
#ifndef GUAC_CRD_CLUSTER_IMPL_H
#define GUAC_CRD_CLUSTER_IMPL_H

#include <pthread.h>

#include "crd/cluster.h"
#include "guacd/base/buf.h"
#include "guacd/base/secret.h"

#define CLUSTER_IDLE_MAX 8

struct http;

struct cluster {
    char *server, *token_file, *ca_file;
    char *namespaces[CLUSTER_NAMESPACES_MAX];
    size_t count, served; /* the gateway's own one stands last */
    bool all;
    pthread_mutex_t lock; /* what follows */
    struct secret token;
    uint64_t token_at;
    struct http *idle[CLUSTER_IDLE_MAX];
    size_t idle_count;
};

int cluster_token(struct cluster *k, bool again, struct secret *out, struct err *e);
int cluster_bearer(struct cluster *k, bool again, struct buf *out, struct err *e);
/* A refusal as a result; `what` is the request. */
enum resources_result cluster_result(int status, const json_t *answer, const char *what,
                                     struct err *e);

#endif
