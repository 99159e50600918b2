/* Kubernetes connections: where the pod is, and as whom the cluster is asked. The gateway's own
 * token goes to the API server of the cluster it runs in only, with that cluster's CA; people are
 * impersonated under a prefix, so that no role of an identity provider can become one of the
 * cluster's own (system:…). */
#ifndef GUAC_AUTHD_PODS_H
#define GUAC_AUTHD_PODS_H

#include <jansson.h>

#include "guacd/base/secret.h"
#include "proxy/authd/config.h"
#include "proxy/authd/identity.h"

struct launch;
struct args;
struct connection;

#define PODS_GROUPS_MAX 128

/* What a person chose where the connection lets people choose; "" for nothing. */
struct pods_choice {
    char namespace[64], pod[254], container[64], command[256];
};
/* Only what `kubernetes.choose` names may be chosen. -1 with e, a sentence for the person. */
int pods_choice_check(const struct connection *c, const struct pods_choice *choice, struct err *e);

/* The API server of the cluster we run in: cluster-server, or what a pod is told. -1 with e: there
 * is none. */
int pods_server(const struct config *conf, struct config_url *out, struct err *e);
/* The token of the moment: its file is read each time, since it rotates. */
int pods_token(const struct config *conf, struct secret *out, struct err *e);

/* Whom the cluster shall see: user, and groups (a new array of strings), both with the prefix.
 * Pure. */
int pods_person(const struct config *conf, const struct identity *who, char *user, size_t size,
                json_t **groups, struct err *e);
/* Checks impersonate-prefix: not empty, nothing of the cluster's own. Pure. */
int pods_prefix_check(const char *prefix, struct err *e);

/* Sets the parameters of a Kubernetes session beside those of the resource. */
int pods_launch(const struct launch *l, struct args *a, struct err *e);

#endif
