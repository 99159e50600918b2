/* The queue's insides. */
#ifndef GUAC_RECORDER_LOGGER_IMPL_H
#define GUAC_RECORDER_LOGGER_IMPL_H

#include "recording/log.h"
#include "recording/recorder/logger.h"

struct logger_item {
    struct logger_item *next;
    struct buf text;
    bool in_doubt, placed;
    uint64_t from, index, since_us;
    logger_done *done;
    void *arg;
};

struct logger {
    struct job job;
    struct recorder *r;
    struct loop_timer *timer;
    struct checkpoint *checkpoint;
    struct logger_item *first, **last;
    size_t waiting;
    bool running, started;
    uint64_t size, retry_us, retain_ms;
    char trouble[256];
    /* the worker's while `running` */
    struct log log;
    struct tail *next;
    struct logger_item *batch[TAIL_BATCH];
    size_t batch_count;
    unsigned conflicts, slow;      /* of this job: came second; given up as too slow */
    uint64_t swap_us, swap_var_us; /* how long a PUT of the head takes: mean, mean deviation */
    uint64_t left;                 /* the size that our last commit made */
    uint64_t began_us, left_us;    /* when this attempt began, and that one */
    uint64_t others;               /* leaves of others that were found behind it */
    uint64_t round_us;             /* from turn to turn; 0: there are none */
    bool late;                     /* this PUT was given up before its time */
    bool filled;                   /* a tile, by our commit: it is ours to write it */
    bool wrote;                    /* tiles that the head still has */
    enum store_result result;
    struct err err;
};

void logger_commit(struct job *j, struct worker *w);
/* When the next commit may begin, <= now: at once. */
uint64_t logger_turn(const struct logger *l, uint64_t now);

#endif
