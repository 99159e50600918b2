/* How many connections an address may hold that have asked for nothing yet, or whose tunnel nobody
 * has admitted: counted from accept, before TLS and HTTP, so that one host cannot take every
 * descriptor and every place in the header pool. One thread: the loop's. */
#ifndef GUAC_PROXY_WAITING_H
#define GUAC_PROXY_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define WAITING_ADDRESSES 4096 /* that are counted at one time; more are refused */

struct waiting;

/* most: connections an address, 1 or more; trusted: list as of dial_listed(), NULL: none, borrowed:
 * their connections are many people's and not counted. NULL: no memory. */
struct waiting *waiting_new(long most, const char *trusted);
void waiting_free(struct waiting *w);

/* A connection came from sa: an IPv4 address, or the /64 of an IPv6 one, is counted. False: it has
 * as many as it may, hang up. True: *ticket is to be given back once by waiting_leave(); 0 where
 * nothing is counted. */
bool waiting_enter(struct waiting *w, const struct sockaddr *sa, size_t *ticket);
/* It was answered, admitted or is gone. ticket 0: nothing. */
void waiting_leave(struct waiting *w, size_t ticket);
/* Connections counted at this moment. */
size_t waiting_count(const struct waiting *w);

#endif
