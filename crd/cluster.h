/* The Kubernetes API, as much of it as the stores need: requests with the token of a service
 * account, and one list-and-watch a collection. */
#ifndef GUAC_CRD_CLUSTER_H
#define GUAC_CRD_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crd/resources.h"
#include "guacd/base/err.h"

#define CLUSTER_NAMESPACES_MAX 16
#define CLUSTER_BODY_MAX ((size_t)32 << 20) /* of an answer; a list comes in pages */

struct cluster_config {
    const char *server;     /* https://host:port; NULL: the cluster this pod runs in */
    const char *token_file; /* NULL: the pod's service account; read again as it rotates */
    const char *ca_file;    /* NULL: the pod's */
    const char *namespaces; /* by blanks or commas; "*": all; NULL: the pod's own */
    const char *own; /* one more, for the gateway's own kinds only (locks are there); NULL: none */
};
/* What a pod finds in its file system. */
#define CLUSTER_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

/* Where that is: what is given, or what a pod is told. -1: neither. */
int cluster_server(const char *given, char *out, size_t size, struct err *e);

struct cluster;
struct cluster *cluster_new(const struct cluster_config *c, struct err *e);
void cluster_free(struct cluster *k);
/* Namespaces to look at: NULL is all of them. `served`: without the gateway's own one. */
size_t cluster_namespace_count(const struct cluster *k, bool served);
const char *cluster_namespace(const struct cluster *k, size_t i);
bool cluster_serves(const struct cluster *k, const char *namespace);

/* One request; path begins with '/'. `body` is borrowed, NULL: none; `type` its content type, NULL:
 * application/json. *out: the answer, when it is a success (a new reference); may be NULL. The
 * error is the API server's own sentence. Any thread. */
enum resources_result cluster_call(struct cluster *k, const char *method, const char *path,
                                   const char *type, const json_t *body, json_t **out,
                                   struct err *e);
/* "/apis/<group>/v1alpha1/namespaces/<ns>/<plural>[/<name>[/<sub>]]"; namespace and name NULL: left
 * out. Names are valid ones, so nothing has to be escaped. */
void cluster_path(char *out, size_t size, const char *namespace, const char *plural,
                  const char *name, const char *sub);

/* "/api/v1/namespaces/<ns>/secrets/<name>" */
void cluster_secret_path(char *out, size_t size, const char *namespace, const char *name);
/* For a query: what is no unreserved character becomes %XX; cut where `size` ends. */
void cluster_escape(const char *text, char *out, size_t size);

/* What a collection's watch tells. All calls come from its one thread, in order. */
struct cluster_watcher {
    void (*begin)(void *arg);                  /* a whole list follows: what it lacks is gone */
    void (*object)(void *arg, json_t *object); /* there, or changed; borrowed */
    void (*gone)(void *arg, const json_t *object);
    void (*end)(void *arg);   /* the list was whole */
    void (*rest)(void *arg);  /* nothing more has come for now: publish */
    void (*alive)(void *arg); /* the API server was heard: what is known is current */
    void (*failed)(void *arg, const struct err *e); /* said once until it works again */
};
struct cluster_watch;
/* optional: a kind that the cluster does not have is an empty one. */
struct cluster_watch *cluster_watch_new(struct cluster *k, const char *namespace,
                                        const char *plural, bool optional,
                                        const struct cluster_watcher *fn, void *arg, struct err *e);
void cluster_watch_stop(struct cluster_watch *w); /* tells it to end, at once */
void cluster_watch_free(struct cluster_watch *w); /* waits for its thread, a second at most */

#endif
