/* Full-text search over all sessions: a rebuildable index (SQLite FTS5), filled by a thread of its
 * own from the text objects in the store. It proves nothing and keeps nothing that the store does
 * not hold: what was masked when it was recorded is not in it. Any thread. */
#ifndef GUAC_EVIDENCE_SEARCH_H
#define GUAC_EVIDENCE_SEARCH_H

#include <jansson.h>

#include "recording/evidence/tree.h"
#include "recording/store.h"

#define SEARCH_LIMIT 200

struct search;
/* path NULL or "": in memory. A damaged or older file is made anew. Before the sandbox. */
struct search *search_new(const char *path, const struct store_target *target, const char *buckets,
                          struct err *e);
int search_start(struct search *s, struct err *e);
/* Instead of search_start(): all that the store holds now, by the calling thread. */
int search_fill(struct search *s, void (*progress)(void *arg, uint64_t done, uint64_t total),
                void *arg, struct err *e);
void search_free(struct search *s); /* NULL is fine */

/* The evidence reader's `search` (ARCHITECTURE.md). NULL and e. */
json_t *search_run(struct search *s, const json_t *msg, struct err *e);

#endif
