/* Whether a period is complete: the whole log is read and hashed again, measured by the anchors,
 * and each session in it by what the store holds; and the other way round. */
#ifndef GUAC_EVIDENCE_COMPLETE_H
#define GUAC_EVIDENCE_COMPLETE_H

#include <jansson.h>

#include "recording/evidence/anchor.h"
#include "recording/evidence/tree.h"
#include "recording/log.h"

struct complete_want {
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
