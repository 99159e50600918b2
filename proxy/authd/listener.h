/* RUN/authd.sock: the proxies' requests, many at once. The loop's thread reads packets into bounded
 * queues, workers run each request in plain blocking style, long polls are parked meanwhile. */
#ifndef GUAC_AUTHD_LISTENER_H
#define GUAC_AUTHD_LISTENER_H

#include "guacd/base/loop.h"
#include "proxy/authd/authd.h"

struct listener;

/* The listening descriptor, made before the sandbox refuses listeners; who connects waits. */
int listener_open(const struct config *c, struct err *e);
/* Accepts on fd, which is its own from here on, and starts the workers, a->conf.workers of them. */
struct listener *listener_new(struct authd *a, struct loop *l, int fd, struct err *e);
/* Waits for requests that are being handled; nothing is handled after. NULL is fine, as below. */
void listener_stop(struct listener *s);
void listener_free(struct listener *s);
/* Any thread: what long polls wait for may have changed. */
void listener_wake(struct listener *s);

#endif
