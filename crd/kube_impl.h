/* What the files of the Kubernetes client share. */
#ifndef GUAC_CRD_KUBE_IMPL_H
#define GUAC_CRD_KUBE_IMPL_H

#include <pthread.h>

#include "crd/kube.h"
#include "guacd/base/buf.h"
#include "guacd/base/secret.h"

#define KUBE_IDLE_MAX 8

struct http;

struct kube {
    char *server, *token_file, *ca_file;
    char *namespaces[KUBE_NAMESPACES_MAX];
    size_t count;
    bool all;
    pthread_mutex_t lock; /* what follows */
    struct secret token;
    uint64_t token_at;
    struct http *idle[KUBE_IDLE_MAX];
    size_t idle_count;
};

int kube_token(struct kube *k, bool again, struct secret *out, struct err *e);
int kube_bearer(struct kube *k, bool again, struct buf *out, struct err *e);
/* A refusal as a result; `what` is the request. */
enum resources_result kube_result(int status, const json_t *answer, const char *what,
                                  struct err *e);

#endif
