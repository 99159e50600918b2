/* One proxy's connection: answers from any thread, never waiting for who does not read. What does
 * not fit into the socket is queued and sent by the loop; who lets too much wait, or anything for
 * too long, is cut off. */
#ifndef GUAC_AUTHD_PEER_H
#define GUAC_AUTHD_PEER_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/loop.h"

#define PEER_WAITING_MAX 1024 /* answers */
#define PEER_STUCK_MS 10000

struct peer_answer;

struct peer {
    _Atomic unsigned refs;
    _Atomic bool closed; /* answers go nowhere */
    int fd;
    unsigned uid;
    struct loop *loop;
    void (*flush)(void *arg); /* posted to the loop: calls peer_flush() for all */
    void *arg;
    struct loop_fd *watch; /* the loop's thread only */
    pthread_mutex_t lock;  /* what follows */
    struct peer_answer *first, **last;
    size_t waiting;
    uint64_t stuck_since; /* clock_ms; of the first one */
    struct peer *next;    /* the listener's */
};

/* Takes fd on success. The caller adds the watch. */
struct peer *peer_new(struct loop *l, int fd, unsigned uid, void (*flush)(void *arg), void *arg);
struct peer *peer_ref(struct peer *p);
void peer_unref(struct peer *p);
/* Any thread. Takes answer and fd (-1: none). */
void peer_answer(struct peer *p, json_t *answer, int fd);
/* The loop's thread: send what waits, and watch for more room or not. */
void peer_flush(struct peer *p);
/* The loop's thread: has it let something wait for too long? */
bool peer_is_stuck(struct peer *p);
/* Any thread: no more answers; the loop sees the end. */
void peer_cut(struct peer *p, const char *why);

#endif
