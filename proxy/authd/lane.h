/* Requests that wait for a worker, in order. No locks: the listener's covers it. */
#ifndef GUAC_AUTHD_LANE_H
#define GUAC_AUTHD_LANE_H

#include "proxy/authd/peer.h"

struct job {
    struct job *next;
    struct peer *peer; /* a reference */
    json_t *msg;
    bool waited; /* a long poll that waited long enough */
    uint64_t park_until, park_generation;
};

struct lane {
    struct job *first, **last;
    size_t count, running, max_running;
};

void lane_init(struct lane *l, size_t max_running);
void lane_fini(struct lane *l); /* drops what waits */
void lane_push(struct lane *l, struct job *j);
/* The next one, which counts as running until lane_done(); NULL when there is none, or enough run.
 */
struct job *lane_pop(struct lane *l);
/* True when another worker could go on now. */
bool lane_done(struct lane *l);

/* Owns msg and one reference to p, once it is pushed; NULL without memory. */
struct job *job_new(struct peer *p, json_t *msg);
void job_free(struct job *j);

#endif
