/* The log in the store (ARCHITECTURE.md, "The log over all sessions"): reading it, and the one
 * writer's step that commits leaves. `bucket` is the log's, under lock; what moves lies in
 * `<bucket>-head`. Blocking; a struct log belongs to one thread. */
#ifndef GUAC_RECORDING_LOG_H
#define GUAC_RECORDING_LOG_H

#include "recording/note.h"
#include "recording/proof.h"
#include "recording/store.h"
#include "recording/tail.h"

#define LOG_BUCKET "guacamole-recordings"
#define LOG_CACHE 64 /* tiles */

struct log {
    struct store *store;
    char bucket[64];
    struct tail tail;           /* as last read or written */
    char etag[STORE_ETAG_SIZE]; /* of that head; "": none there yet */
    bool known;                 /* the head was read; clear it to have it read again */
    uint64_t seen;              /* the largest size there ever was */
    uint8_t flushed[32];        /* the full tiles that were written last: their sum, */
    uint64_t flushed_base;      /* and where they begin */
    struct log_tile {
        bool there;
        int level; /* -1: entries */
        uint64_t n, used;
        struct buf data;
    } cache[LOG_CACHE];
    uint64_t clock;
};

void log_init_reader(struct log *l, struct store *s, const char *bucket);
void log_fini(struct log *l);
/* `<bucket>-head/<name>`, `<bucket>/log/<name>` */
void log_head_key(const struct log *l, const char *name, char out[128]);
void log_key(const struct log *l, const char *name, char out[128]);

/* Read the head; an empty log when there is none. */
enum store_result log_refresh(struct log *l, struct err *e);
/* Tiles of what was read: the tail's own, or full ones from the store (checked by nobody but the
 * proof that is made of them). */
struct proof_source log_source(struct log *l);
/* Each leaf of [from, to), to <= tail.size; fn stops by non-zero, which is returned. -1: e. */
int log_each(struct log *l, uint64_t from, uint64_t to,
             int (*fn)(void *arg, uint64_t index, struct slice leaf), void *arg, struct err *e);
/* That very text in [from, size): 1 and *index, 0 when it is not there, -1. */
int log_find(struct log *l, struct slice text, uint64_t from, uint64_t *index, struct err *e);

/* Writes the full tiles that the tail still carries, until `retain`, and leaves them out of it;
 * those that this log wrote itself just before are left out without being written again.
 * STORE_EXISTS: other bytes lie there, the log was forked. */
enum store_result log_flush(struct log *l, uint64_t retain_until_ms, struct err *e);
/* The head becomes `next` (sealed) where it still is what was read; then `next`'s content is the
 * tail's. STORE_EXISTS: somebody else was first; read it again. STORE_AWAY after timeout_ms, as
 * after any time-out: it may land yet. */
enum store_result log_commit(struct log *l, const struct tail *next, int timeout_ms, struct err *e);

/* The newest signed checkpoint, as bytes; meta may be NULL. STORE_MISSING: none yet. */
enum store_result log_checkpoint_get(struct log *l, struct buf *out, struct store_meta *meta,
                                     struct err *e);
/* Put it where it is larger than the one that is there. */
enum store_result log_checkpoint_put(struct log *l, const struct buf *note, uint64_t size,
                                     struct err *e);

#endif
