/* GuacamoleLocks: sign-outs, revocations and an administrator's word are all of one kind, kept in
 * the store that every replica watches. Any thread. */
#ifndef GUAC_AUTHD_LOCKS_H
#define GUAC_AUTHD_LOCKS_H

#include "crd/resources.h"
#include "proxy/authd/failure.h"
#include "proxy/authd/identity.h"
#include "proxy/authd/policy.h"

struct locks;

/* store must outlive it; namespace: where new ones are written. */
struct locks *locks_new(struct resources *store, const char *namespace, struct err *e);
void locks_free(struct locks *l);
/* The locks changed: called by who watches the store. */
void locks_changed(struct locks *l);
/* Those that may concern this person (sign-in, person, any connection, any session), as decide()
 * wants them; all of them for NULL. Holds its texts until finished. */
struct locks_view {
    struct locks_set *set;
    struct policy_lock *list;
    size_t count;
};
void locks_view_init(struct locks_view *v, struct locks *l, const struct identity *who);
void locks_view_fini(struct locks_view *v);
/* What a lock makes of this cookie: FAILURE_NONE; FAILURE_SIGNED_OUT where a new sign-in helps,
 * else FAILURE_LOCKED. */
enum failure locks_person(struct locks *l, const struct identity *who, int64_t now);
/* The view is older than design allows. */
bool locks_stale(struct locks *l);

/* Write one, and wait until this replica sees it. name NULL: a new one. *made (may be NULL): what
 * the store made of it. RESOURCES_EXISTS: the name is taken. */
enum resources_result locks_add(struct locks *l, const char *name, const struct lock *want,
                                struct resource **made, struct err *e);
/* Remove those whose time is over. */
void locks_sweep(struct locks *l, int64_t now);

/* Waits, a second at most, until this replica's view holds what was just written. */
void locks_settle(struct resources *s, const struct resource *r);

#endif
