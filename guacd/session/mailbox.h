/* The way in: the wire thread puts events, the backend thread takes them. Bounded; mouse moves and
 * sizes coalesce; a key is never dropped: when there is no room the wire thread stops reading the
 * socket it came from until there is (`on_room`). Also the meeting point for session_ask(), since
 * the backend waits there for an answer or the end. */
#ifndef GUAC_SESSION_MAILBOX_H
#define GUAC_SESSION_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "guacd/session/backend.h"

#define MAILBOX_EVENTS 256 /* that may wait */
#define MAILBOX_BYTES \
    (1u << 20) /* of data beyond which no more is taken; one event may be larger */

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* CLOCK_MONOTONIC; signalled on END and by ask.c */
    struct event *ring;
    size_t head, count, cap, bytes;
    int fd;                     /* eventfd, readable while events wait */
    bool full;                  /* a put was refused since the last on_room */
    bool ended;                 /* END was put; nothing is taken in after it */
    bool input_off;             /* keys, mouse and touch are dropped: a prompt is open */
    void (*on_room)(void *arg); /* called on the backend thread, lock not held */
    void (*on_taken)(void *arg, const struct event *ev); /* likewise, for each event taken */
    void *arg;
};

int mailbox_init(struct mailbox *m, struct err *e);
void mailbox_fini(struct mailbox *m);
/* The event's data moves in. false: no room, nothing moved (keys, clipboard, argv, input), try
 * again after on_room. Control events (release, pause, resume, end) always find room. */
bool mailbox_put(struct mailbox *m, struct event *ev);
/* Would a put succeed now? Otherwise on_room will be called. */
bool mailbox_has_room(struct mailbox *m);
bool mailbox_take(struct mailbox *m, struct event *ev);
/* false: keys, mouse and touch would be dropped. */
bool mailbox_takes_input(struct mailbox *m);

#endif
