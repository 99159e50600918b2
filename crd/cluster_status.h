/* A connection's status in the Kubernetes API: what it should say, and whether it says so already,
 * so that several replicas write it once and not for ever. Pure. */
#ifndef GUAC_CRD_CLUSTER_STATUS_H
#define GUAC_CRD_CLUSTER_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "crd/connection.h"

/* What the API server has. */
struct cluster_status_seen {
    int64_t generation;
    char facts[65];  /* digest of what we would say */
    char ready[8];   /* of the condition Ready: "True", "False", "" */
    char since[40];  /* its lastTransitionTime */
    json_t *others;  /* conditions that are not ours, NULL: none */
    char *recording; /* status.lastRecording */
};
void cluster_status_read(const json_t *object, struct cluster_status_seen *out);
void cluster_status_fini(struct cluster_status_seen *s);

/* The status as it should be; `recording` NULL: what is there stays. */
json_t *cluster_status_make(const struct connection *c, const struct cluster_status_seen *seen,
                            long active, const char *recording, uint64_t wall_ms);
/* Does the API server say the same (but for when it came to be so)? */
bool cluster_status_same(const struct cluster_status_seen *seen, const json_t *status);

#endif
