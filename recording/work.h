/* Worker threads for what may block or burn CPU: compressing, signing, the store's requests. Each
 * has its own connection to the store. One of them takes urgent jobs only, so that a session can
 * be opened, or refused in time, while chunks wait for a store that hangs. */
#ifndef GUAC_RECORDING_WORK_H
#define GUAC_RECORDING_WORK_H

#include <stdbool.h>

#include "guacd/base/err.h"
#include "guacd/base/loop.h"
#include "recording/chunk.h"
#include "recording/store.h"

struct worker {
    struct store *store;
    struct chunk_codec *codec;
};

/* Part of a larger struct, owned by it; it may be submitted again once done() was called. */
struct job {
    struct job *next;
    bool urgent;
    void (*run)(struct job *j, struct worker *w); /* on a worker */
    void (*done)(struct job *j);                  /* on the loop, once for each submit */
};

struct work;
/* Before the sandbox: opens the stores. */
struct work *work_new(struct loop *l, const struct store_target *t, int threads, int timeout_ms,
                      int level, struct err *e);
int work_start(struct work *w, struct err *e);
/* Waits wait_ms for jobs that run; those that wait are dropped without done(). False when one
 * hangs: then nothing is freed. NULL is fine. */
bool work_free(struct work *w, int wait_ms);
void work_submit(struct work *w, struct job *j);

#endif
