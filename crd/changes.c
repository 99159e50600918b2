/* The first generation is the wall clock's, so that one known from before a restart differs. */
#include "crd/changes.h"

#include <time.h>

#include "guacd/base/clock.h"

void changes_init(struct changes *c) {
    pthread_condattr_t attr;
    c->generation = clock_wall_ms();
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void changes_fini(struct changes *c) {
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}

uint64_t changes_next(struct changes *c) {
    pthread_cond_broadcast(&c->changed);
    return ++c->generation;
}

uint64_t changes_generation(struct changes *c) {
    pthread_mutex_lock(&c->lock);
    uint64_t g = c->generation;
    pthread_mutex_unlock(&c->lock);
    return g;
}

uint64_t changes_wait(struct changes *c, uint64_t known, int timeout_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&c->lock);
    while (c->generation == known && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0)
        ;
    uint64_t g = c->generation;
    pthread_mutex_unlock(&c->lock);
    return g;
}
