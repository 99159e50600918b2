/* What stands in front of every store: the lock of what is current, a generation that grows with
 * each change, and waiting for the next one. Any thread. */
#ifndef GUAC_CRD_CHANGES_H
#define GUAC_CRD_CHANGES_H

#include <pthread.h>
#include <stdint.h>

struct changes {
    pthread_mutex_t lock; /* the owner's, for what is current, too */
    pthread_cond_t changed;
    uint64_t generation; /* under the lock */
};

void changes_init(struct changes *c);
void changes_fini(struct changes *c);
/* The next generation, and everybody is woken. With the lock held. */
uint64_t changes_next(struct changes *c);
uint64_t changes_generation(struct changes *c);
/* Until the generation differs from `known`, at most timeout_ms; the one that is. */
uint64_t changes_wait(struct changes *c, uint64_t known, int timeout_ms);

#endif
