/* Bags that guac-evidence serve makes, each a folder below the row `exports`. What is known of one
 * stands in it, so that a restarted reader, or another one on the same folder, goes on with it:
 *
 *   job.json       who wants what; sessions.new, marks.new, rows.new: as planned, and the report's
 *   begun          it may be made: the log names who takes what out. Removed: it shall go
 *   progress.json  the last session that is in bag.tar whole
 *   bag.tar        the bag
 *   done.json      when it was finished, and its size or what went wrong
 *   lock           held (flock) by whoever makes it
 *
 * Any thread may call. `by` is who asks, {sub, name}: nobody is told of another's. */
#ifndef GUAC_EVIDENCE_EXPORTS_H
#define GUAC_EVIDENCE_EXPORTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "recording/evidence/export.h"

#define EXPORTS_AT_ONCE_MAX 8

struct exports_config {
    const char *folder;
    const struct store_target *target;
    struct tree *tree;
    const char *log_bucket;
    long at_once, hours, space_mib, each; /* as the rows have it */
};

struct exports;
/* Before the sandbox: makes the folder, opens the stores. */
struct exports *exports_new(const struct exports_config *c, struct err *e);
int exports_start(struct exports *x, struct err *e);
/* Stops what runs; it goes on at the next start. NULL is fine. False: one hangs, and nothing is
 * freed. */
bool exports_free(struct exports *x);

/* {"sessions": [id…]} or {"filter": {from, to, connection, person}}, and `by` -> {export, sessions,
 * root, from, to, connection, person, ids (of a few)}: what the log has to say before
 * exports_begin(). Reads the store. */
json_t *exports_plan(struct exports *x, struct store *s, const json_t *msg, struct err *e);
int exports_begin(struct exports *x, const char *id, const json_t *by, struct err *e);
/* [{export, state waiting | running | ready | failed, started, finished, until, by, sessions, done,
 * total, bytes, from, to, connection, person, error}]; id NULL: all of this person. */
json_t *exports_list(struct exports *x, const char *id, const json_t *by, struct err *e);
/* The tar from `offset` on; *size of what follows. */
int exports_bag(struct exports *x, const char *id, const json_t *by, uint64_t offset,
                uint64_t *size, struct err *e);
/* Stopped where it is made, and gone. */
int exports_drop(struct exports *x, const char *id, const json_t *by, struct err *e);

#endif
