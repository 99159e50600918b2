/* Between exports.c (what is asked), exports_job.c (one folder) and exports_run.c (the making). */
#ifndef GUAC_EVIDENCE_EXPORTS_IMPL_H
#define GUAC_EVIDENCE_EXPORTS_IMPL_H

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "recording/evidence/exports.h"

struct exports_maker {
    struct exports *x;
    pthread_t thread;
    struct store *store;
    bool started, ended;
};

struct exports {
    struct exports_config c;
    int dir;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop;
    struct exports_maker makers[EXPORTS_AT_ONCE_MAX];
};

/* exports_job.c: `dir` is the job's folder. */
struct exports_job {
    char id[UUID_LEN + 1];
    int dir;
    json_t *job, *progress, *done; /* the last two may be NULL */
    bool begun;
    uint64_t bytes; /* of the tar */
};
/* -1: none of that name, or one that is going away. */
int exports_job_open(struct exports *x, const char *id, struct exports_job *j, struct err *e);
void exports_job_fini(struct exports_job *j);
static inline void exports_job_finip(struct exports_job *j) {
    exports_job_fini(j);
}
#define _exports_job_ __attribute__((cleanup(exports_job_finip)))
bool exports_job_begun(int dir);
int exports_job_write(int dir, const char *name, json_t *o, struct err *e); /* takes o */
/* A descriptor that holds its lock, or -1: somebody else does. */
int exports_job_lock(int dir);
/* All files, then the folder. */
void exports_job_remove(struct exports *x, const char *id);
/* Every job's id, fn stops by non-zero. */
int exports_each(struct exports *x, int (*fn)(void *arg, const char *id), void *arg);

void *exports_maker_run(void *arg); /* exports_run.c */

#endif
