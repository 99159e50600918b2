/* A session in front of one person: one that runs here, or one that another replica holds. */
#ifndef GUAC_AUTHD_SIGHT_H
#define GUAC_AUTHD_SIGHT_H

#include "proxy/authd/route.h"
#include "proxy/authd/share.h"

struct sight {
    const struct session *local;     /* NULL: another replica holds it */
    const struct resource *resource; /* NULL: not in view yet */
    const struct connection *c;      /* NULL: gone */
    char id[UUID_LEN + 1], connection[400];
    const char *owner, *owner_name;
    unsigned rights;
};

/* Calls fn for each session that the person may know of, with what it borrows. */
struct sight_all {
    struct exchange *x;
    struct snapshot *snapshot;
    struct resources_view *sessions;
};
void sight_init(struct sight_all *all, struct exchange *x);
void sight_fini(struct sight_all *all);
void sight_each(struct sight_all *all, void (*fn)(void *arg, const struct sight *s), void *arg);
/* The one of x->params[0]; false: answered with 404. The caller frees *local by session_fini(). */
bool sight_one(struct sight_all *all, struct sight *s, struct session *local);

#endif
