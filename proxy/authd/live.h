/* GuacamoleSession: one a live session, made before it is dialled, so that every replica counts and
 * lists it. Any thread. */
#ifndef GUAC_AUTHD_LIVE_H
#define GUAC_AUTHD_LIVE_H

#include "crd/catalog.h"
#include "crd/resources.h"
#include "proxy/authd/identity.h"
#include "proxy/authd/policy.h"

struct authd;

#define LIVE_DEAD_MS 300000 /* not heard of for so long: its gateway is gone */

/* Sessions of all replicas, as decide() counts them. Holds its texts until finished. */
struct live_list {
    struct resources_view *view;
    struct policy_session *list;
    char (*names)[400];
    size_t count;
};
void live_list_init(struct live_list *l, struct resources *store, int64_t now);
void live_list_fini(struct live_list *l);
/* Does it run, as far as the store knows? */
bool live_runs(const struct resource *session, int64_t now);

struct live_want {
    const char *id, *target, *peer, *request;
    const struct connection *connection;
    const struct identity *who;
    int64_t started, until;
};
/* -1: it could not be written, and must not begin. */
int live_create(struct authd *a, const struct live_want *w, struct err *e);
/* It did not begin after all. */
void live_drop(struct authd *a, const char *namespace, const char *id);
/* Where sessions are limited: takes a turn among those that begin at the same moment on any replica
 * (Lamport's bakery: a number larger than all that are there, then those with a smaller one come
 * first), and lists who was earlier. -1 with e: the store does not answer. */
int live_turn(struct authd *a, const struct live_want *w, struct live_list *earlier, struct err *e);

/* Change a session's status as often as somebody else was first. fn returns false to leave it. */
typedef bool live_change_fn(void *arg, struct session_resource *s);
enum resources_result live_change(struct authd *a, const char *namespace, const char *id,
                                  live_change_fn *fn, void *arg, struct err *e);
/* This sign-in was confirmed: its sessions go on, but those whose audience it has left. */
void live_refreshed(struct authd *a, const struct identity *who);
/* "namespace/name" of its connection, 400 bytes. */
void live_connection(const struct resource *session, char out[400]);
/* By its id alone; borrowed, NULL: none. */
struct resource *live_find(const struct resources_view *v, const char *id);

#endif
