/* The first generation is the wall clock's, so that one known from before a restart differs. */
#include "crd/changes.h"

#include "guacd/base/clock.h"
#include "guacd/base/util.h"

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
    const struct timespec until = clock_deadline((uint64_t)MAX_OF(timeout_ms, 0));
    pthread_mutex_lock(&c->lock);
    while (c->generation == known && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0)
        ;
    uint64_t g = c->generation;
    pthread_mutex_unlock(&c->lock);
    return g;
}
