/* A bag as a store to read from, so that what verifies stores verifies bags: recordings are where
 * they were, and the log lies in a bucket of its own name here. */
#ifndef GUAC_EVIDENCE_BAG_STORE_H
#define GUAC_EVIDENCE_BAG_STORE_H

#include "recording/evidence/bag_index.h"
#include "recording/store.h"

#define BAG_LOG_BUCKET "bag-log"

/* Another thread may have its own; the index must outlive it. */
struct store *bag_store_new(const struct bag_index *x, struct err *e);
void bag_store_free(struct store *s);

#endif
