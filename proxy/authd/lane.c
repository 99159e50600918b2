/* A singly linked queue. */
#include "proxy/authd/lane.h"

#include <stdlib.h>

struct job *job_new(struct peer *p, json_t *msg) {
    struct job *j = calloc(1, sizeof *j);
    if (j)
        *j = (struct job){ .peer = p, .msg = msg };
    return j;
}

void job_free(struct job *j) {
    peer_unref(j->peer);
    json_decref(j->msg);
    free(j);
}

void lane_init(struct lane *l, size_t max_running) {
    *l = (struct lane){ .max_running = max_running };
    l->last = &l->first;
}

void lane_fini(struct lane *l) {
    while (l->first) {
        struct job *j = l->first;
        l->first = j->next;
        job_free(j);
    }
}

void lane_push(struct lane *l, struct job *j) {
    j->next = NULL;
    *l->last = j;
    l->last = &j->next;
    l->count++;
}

struct job *lane_pop(struct lane *l) {
    struct job *j = l->running < l->max_running ? l->first : NULL;
    if (!j)
        return NULL;
    l->first = j->next;
    if (!l->first)
        l->last = &l->first;
    l->count--;
    l->running++;
    return j;
}

bool lane_done(struct lane *l) {
    return l->running-- == l->max_running && l->count > 0;
}
