/* One small poll loop: descriptors, timers, and work posted from other threads. Everything but
 * loop_post() and loop_stop() belongs to the thread that runs it. Callbacks may add and remove
 * anything, themselves included. */
#ifndef GUAC_BASE_LOOP_H
#define GUAC_BASE_LOOP_H

#include <stdint.h>

#include "guacd/base/err.h"

struct loop;
struct loop_fd;
struct loop_timer;

struct loop *loop_new(struct err *e);
/* Frees the descriptors' entries too; timers are freed by who made them, before the loop. */
void loop_free(struct loop *l);

/* events: POLLIN | POLLOUT; fn gets the revents, POLLHUP and POLLERR among them. events 0 pauses:
 * not even a hang-up is told. The descriptor stays the caller's: remove it before closing it. */
struct loop_fd *loop_fd_add(struct loop *l, int fd, short events,
                            void (*fn)(void *arg, int fd, short revents), void *arg);
void loop_fd_events(struct loop_fd *f, short events);
void loop_fd_remove(struct loop_fd *f); /* NULL is fine */

/* A timer made once and armed when needed; it fires once per arming. CLOCK_BOOTTIME. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t after_us); /* from now; 0: as soon as possible */
void loop_timer_stop(struct loop_timer *t);
int loop_timer_active(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is fine */

/* Any thread: run fn on the loop's thread. Unordered with descriptors, ordered among posts. -1
 * without memory. What still waits when the loop is freed is not run. */
int loop_post(struct loop *l, void (*fn)(void *arg), void *arg);
/* fn runs on the loop's thread when the process gets this signal (signalfd; blocked by this call,
 * so call it before other threads exist). */
int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* any thread, or a callback */

#endif
