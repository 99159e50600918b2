/* Between the spool's thread (spool.c) and what the loop gives it (spool_queue.c). */
#ifndef GUAC_RECORDER_SPOOL_IMPL_H
#define GUAC_RECORDER_SPOOL_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "recording/recorder/spool.h"
#include "recording/recorder/spool_disk.h"

enum task_kind { TASK_STATE, TASK_REMOVE };

struct task {
    struct task *next;
    enum task_kind kind;
    size_t len;
    uint8_t data[];
};

struct spool {
    struct spooler *owner;
    const struct spool_events *events; /* the loop's; NULL after spool_free() */
    void *arg;
    atomic_int refs;
    atomic_size_t unwritten;

    /* Under the owner's lock. */
    struct spool *next;
    bool queued;
    struct buf log, list;
    uint64_t seq, objects, lines, files; /* what will be durable once the above is written */
    uint64_t acked, stored;
    struct task *tasks, **tasks_end;

    /* The thread's. */
    struct buf out_log, out_list;
    uint64_t out_seq, out_objects, out_lines, out_files;
    struct task *out_tasks;
    struct spool_disk disk;
    bool failing;
};

struct spooler {
    struct loop *loop;
    int folder;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct spool *first, **last;
    size_t waiting;
    bool stop, hurry;
    atomic_uint_fast64_t bytes, failures;
};

/* Under the lock: it has something to write. */
void spool_enqueue(struct spool *s);
void spool_unref(struct spool *s);

#endif
