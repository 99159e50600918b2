/* Making a bag of recordings: which sessions are in it is settled first (so that the log can name
 * them before anything is taken out), then they are copied one by one, then the log over all
 * sessions. Blocking; one thread an export. */
#ifndef GUAC_EVIDENCE_EXPORT_H
#define GUAC_EVIDENCE_EXPORT_H

#include "recording/evidence/bag.h"
#include "recording/evidence/tree.h"

#define EXPORT_SESSIONS_MAX 1000000u
#define EXPORT_CHOSEN_MAX 1000u

/* Where it is made from. Any thread may have its own; the tree is shared. */
struct export_from {
    struct store *store;
    struct tree *tree;
    const char *log_bucket;
};

/* What is wanted; of a plan, what was settled. */
struct export_plan {
    bool period; /* complete from..to, which a reader can see; not: chosen by hand or person */
    uint64_t from_ms, to_ms;           /* by the sessions' start; to is no later than the plan */
    char connection[520], person[256]; /* "": any; connection as tree_filter has it */
    size_t count;
    char root[65]; /* Merkle root over the ids, one a leaf, ascending; hex */
};

/* Lists a period's sessions into `fd` (empty, read and write). p has from, to (0: now), connection
 * and person. */
int export_plan_period(const struct export_from *f, struct export_plan *p, int fd, struct err *e);
/* The same of ids, which are sorted here; each must be there. */
int export_plan_chosen(const struct export_from *f, char (*ids)[UUID_LEN + 1], size_t count,
                       struct export_plan *p, int fd, struct err *e);

struct export_work {
    struct export_from from;
    struct export_plan plan;
    struct bag *bag; /* open; closed at the end */
    int ids;         /* as planned */
    int marks;       /* what was seen of each session: a scratch file, kept over a restart */
    int rows;        /* the report's: likewise */
    size_t done;     /* sessions that are in the bag already */
    /* Before each object; true stops it. */
    bool (*stop)(void *arg, size_t session);
    /* Behind each session, which is whole now. May be NULL. -1 with e stops it. */
    int (*whole)(void *arg, size_t done, struct err *e);
    void *arg;
};
/* -1: e; stopped: its status is STATUS_RESOURCE_CLOSED. */
int export_run(struct export_work *x, struct err *e);

#endif
