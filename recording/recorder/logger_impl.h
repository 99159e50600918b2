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
    unsigned conflicts;
    enum store_result result;
    struct err err;
};

#endif
