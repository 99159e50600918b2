/* Between search.c (questions) and search_index.c (the thread that fills it). */
#ifndef GUAC_EVIDENCE_SEARCH_IMPL_H
#define GUAC_EVIDENCE_SEARCH_IMPL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "recording/evidence/search.h"

struct search {
    sqlite3 *db;
    pthread_mutex_t lock; /* guards db */
    const struct store_target *target;
    struct tree *tree;
    pthread_t thread;
    bool running;
    _Atomic bool stop;
    _Atomic uint64_t indexed, waiting;
};

void *search_index(void *arg);

#endif
