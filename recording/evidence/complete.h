/* Whether a period is complete: the whole log is read and hashed again, measured by the anchors,
 * and each session in it by what the store holds; and the other way round. */
#ifndef GUAC_EVIDENCE_COMPLETE_H
#define GUAC_EVIDENCE_COMPLETE_H

#include <jansson.h>

#include "recording/evidence/anchor.h"
#include "recording/evidence/tree.h"
#include "recording/log.h"

/* A bag in a store's place (bag_store.h): its leaves are lines of a file, it has some sessions and
 * may claim to have all of a period. */
struct complete_bag {
    int (*leaves)(void *arg, int (*fn)(void *arg, uint64_t index, struct slice text), void *to,
                  struct err *e);
    void *arg;
    uint64_t count;
    bool period;            /* want.from_ms to want.to_ms */
    const char *connection; /* "": any; namespace/name or name */
};
/* Is the prefix the connection's? */
bool complete_of_connection(const char *prefix, const char *connection);

struct complete_want {
    const struct complete_bag *bag; /* NULL: a store */
    struct store *store;
    const char *log_bucket;
    struct tree *tree; /* for what is in no log */
    struct anchor *anchor;
    uint64_t from_ms, to_ms; /* by the sessions' start; to 0: no end */
    bool chunks;             /* each session's chunks, too */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};
struct complete_report {
    enum verify_result result;
    json_t *problems, *notes; /* [{object, problem | note, anchor}] */
    size_t problem_count;
    uint64_t leaves, signed_leaves, sessions, live, objects, bytes, stamps;
    char root[65];
    bool anchored;
};
/* -1: the store could not be read. */
int complete_run(const struct complete_want *w, struct complete_report *out, struct err *e);
void complete_report_fini(struct complete_report *r);
json_t *complete_report_json(const struct complete_report *r);

#endif
