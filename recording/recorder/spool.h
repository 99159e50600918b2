/* The spool: what must survive the recorder. One thread writes and syncs for all sessions, in
 * rounds, so that the loop never waits for a disk. Per session, in one flat folder: ID.<k>.log
 * records (record.h), a new file every few MiB; removed when all in it is stored ID.list      lines
 * of chunks.jsonl for what is stored ID.json      the session's state, its key (encrypted) and its
 * open record All functions are the loop thread's; events come on the loop. */
#ifndef GUAC_RECORDER_SPOOL_H
#define GUAC_RECORDER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "guacd/base/loop.h"
#include "recording/list.h"
#include "recording/tap.h"

struct spooler;
struct spooler *spooler_new(struct loop *l, const char *folder, struct err *e);
int spooler_start(struct spooler *p, struct err *e); /* the thread; after the sandbox */
/* Writes what is pending (for at most wait_ms), ends the thread. NULL is fine. */
void spooler_free(struct spooler *p, int wait_ms);
int spooler_folder(const struct spooler *p);        /* descriptor */
uint64_t spooler_bytes(const struct spooler *p);    /* in logs, all sessions */
uint64_t spooler_failures(const struct spooler *p); /* failed rounds */

struct spool_events {
    /* Durable now: tap frames up to seq, objects and list lines up to these counts, files. */
    void (*durable)(void *arg, uint64_t seq, uint64_t objects, uint64_t lines, uint64_t files);
    /* It cannot be written (disk full): tried again every half second. NULL: it can again. */
    void (*failing)(void *arg, const char *why);
};
struct spool;
struct spool *spool_new(struct spooler *p, const char *id, const struct spool_events *events,
                        void *arg);
/* After a restart: a log that is there, oldest first; the last frame and object in it. */
void spool_add_log(struct spool *s, uint32_t k, uint64_t bytes, uint64_t last_seq,
                   uint64_t last_object);
/* Lines the list had when it was read. */
void spool_set_lines(struct spool *s, uint64_t lines);
/* No more events; what is pending is still written. NULL is fine. */
void spool_free(struct spool *s);

size_t spool_pending(const struct spool *s); /* bytes taken and not yet durable */
/* -1: no memory. Sequences and object numbers (from 1) ascend. */
int spool_frame(struct spool *s, const struct tap_header *h, const void *data);
int spool_object(struct spool *s, uint64_t number, const struct list_entry *entry,
                 const void *object, size_t len);
/* An object is in the store: its line goes to the list; all frames up to `acked` and all objects up
 * to `objects` are stored, so logs with nothing else may go. */
int spool_stored(struct spool *s, const struct list_entry *entry, uint64_t acked, uint64_t objects);
/* Replace ID.json, with zeros over the old one; returns the number that `durable`'s files will
 * reach, 0 without memory. */
uint64_t spool_state(struct spool *s, const void *data, size_t len);
/* Remove everything of this session. */
uint64_t spool_remove(struct spool *s);

#endif
